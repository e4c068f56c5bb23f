// Every header of gacc that a program includes by itself, and all members of its main classes, in float and double, with
// some steps of training. scripts/warnings compiles it: no compiler may warn of anything in it.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/io/safetensors.hpp>
#if __has_include(<zlib.h>)
#include <gacc/data/gzip.hpp>
#endif

#include <cstdio>
#include <iostream>

template class gacc::Tensor<float>;
template class gacc::Tensor<double>;
template class gacc::Parameter<float>;
template class gacc::Parameter<double>;
template class gacc::Parameters<float>;
template class gacc::Parameters<double>;
template class gacc::Linear<float>;
template class gacc::Linear<double>;
template class gacc::ReLU<float>;
template class gacc::ReLU<double>;
template class gacc::SoftmaxCrossEntropy<float>;
template class gacc::SoftmaxCrossEntropy<double>;
template class gacc::Sequential<float>;
template class gacc::Sequential<double>;
template class gacc::Adam<float>;
template class gacc::Adam<double>;
template class gacc::AdamW<float>;
template class gacc::AdamW<double>;
template class gacc::Lion<float>;
template class gacc::Lion<double>;
template class gacc::RMSprop<float>;
template class gacc::RMSprop<double>;
template class gacc::NAdam<float>;
template class gacc::NAdam<double>;
template class gacc::Adafactor<float>;
template class gacc::Adafactor<double>;
template class gacc::Muon<float>;
template class gacc::Muon<double>;
template class gacc::SGD<float>;
template class gacc::SGD<double>;
template class gacc::NonFiniteGuard<float>;
template class gacc::NonFiniteGuard<double>;
template class gacc::Lanes<float>;
template class gacc::Lanes<double>;
template class gacc::Accumulator<float, gacc::EverySamples>;
template class gacc::Accumulator<double, gacc::EveryMicroBatches>;
template class gacc::TensorDataset<float>;
template class gacc::TensorDataset<double>;
template class gacc::ImageDataset<float>;
template class gacc::ImageDataset<double>;
template class gacc::TextDataset<float>;
template class gacc::TextDataset<double>;
template class gacc::Batches<gacc::TensorDataset<float>>;
template class gacc::Batches<gacc::TextDataset<float>>;
template class gacc::Batches<gacc::ImageDataset<double>>;
template class gacc::Checkpoint<float>;
template class gacc::Checkpoint<double>;

namespace {

template <class Scalar>
gacc::Index train(const std::string& file) {
    gacc::Rng rng(1);
    gacc::Tensor<Scalar> points({20, 2});
    std::vector<gacc::Label> labels(20);
    for (gacc::Index i = 0; i < 20; ++i) {
        points.matrix().row(i) << static_cast<Scalar>(rng.normal()), static_cast<Scalar>(rng.normal());
        labels[static_cast<std::size_t>(i)] = points.matrix()(i, 0) > 0 ? 1 : 0;
    }
    const gacc::TensorDataset<Scalar> data(points, labels);

    gacc::Sequential model(gacc::Linear<Scalar>(data.features(), 16), gacc::ReLU<Scalar>(), gacc::Linear<Scalar>(16, 2));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    gacc::Adam<Scalar> adam(model.parameters(), {.learning_rate = 1e-2, .clip_norm = 1.0});
    adam.group(gacc::vectors, {.learning_rate = 2e-2});
    const gacc::WarmUp schedule(2, gacc::CosineDecay(1e-2, 10));
    gacc::NonFiniteGuard guard(adam, gacc::NonFinite::skip);
    const auto plan = gacc::plan({.batch_size = 8, .memory = gacc::MiB}, model, loss, adam, data);
    std::cout << plan.description() << gacc::fingerprint(data) << '\n';

    gacc::DataPosition position;
    
    gacc::MeanLoss mean_loss;
    gacc::Checkpoint checkpoint(adam, rng, position);
    checkpoint.keep("mean_loss", mean_loss);
    gacc::Progress progress(std::cout, {.epochs = 2, .samples_per_epoch = data.size()});
    for (; position.epoch < 2; position.end_epoch()) {
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 8}, rng, position)) {
            for (const auto& micro : batch.from(position.sample).micro_batches(plan)) {
                const auto value = loss.forward(model.forward(micro.inputs), micro.labels);
                if (guard.accepts(value)) {
                    model.backward(loss.backward());
                    guard.accepts_gradients();
                    mean_loss.add(value);
                }
                position.end_micro_batch(micro.size());
                progress.add(micro.size(), mean_loss.mean());
            }
            adam.set_learning_rate(schedule(adam.steps()));
            adam.step();
            adam.zero_grad();
            position.end_batch();
        }
        progress.end_epoch(mean_loss.mean());
        checkpoint.save(file, {{"epochs", "2"}});
    }
    for (const auto& option : checkpoint.load(file)) { std::cout << option.name << '\n'; }
    for (const auto& tensor : gacc::checkpoint_info(file).tensors) { std::cout << tensor.name << '\n'; }
    gacc::save_safetensors(file, model.parameters());
    gacc::load_safetensors(file, model.parameters());

    gacc::Lanes lanes(model.parameters(), 2);
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 8})) {
        for (const auto& micro : lanes.of(batch).micro_batches(plan)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            model.backward(loss.backward());
        }
        lanes.join();
        adam.step();
        adam.zero_grad();
    }
    gacc::Accumulator accumulator(adam, gacc::EverySamples{8});
    for (const auto& micro : gacc::ordered_batches(data, {.batch_size = 4})) {
        loss.forward(model.forward(micro.inputs), micro.labels);
        model.backward(loss.backward());
        accumulator.update();
    }
    accumulator.flush();

    gacc::Accuracy accuracy;
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 5})) {
        accuracy.add(model.predict(batch.inputs), batch.labels);
    }
    return accuracy.correct();
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2) {  // a folder with MNIST
        gacc::load_mnist<float>(arguments[1], gacc::Split::test);
#if __has_include(<zlib.h>)
        gacc::load_mnist<double>(arguments[1], gacc::Split::train, gacc::read_idx_gz);
#endif
    }
    const gacc::Index right = train<float>("warnings.safetensors") + train<double>("warnings.safetensors");
    std::printf("%td of 40 right\n", right);
}
