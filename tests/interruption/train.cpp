// A small run that is saved after every micro-batch, to be killed and resumed by interruption_test.py.
//
//   train FILE         from FILE if it is there, else from the start, to the end
//   train FILE N       likewise, but N micro-batches at most. Exit code 3: the run is not at its end
//   train FILE all     from the start, and keeps what it saves as FILE.1, FILE.2, ...
//   train FILE end     from FILE to the end, and saves only there
//   train FILE weights likewise, but with nothing else of it than the weights and the place

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr gacc::Index epochs = 5, samples = 320, batch_size = 8, micro_batch = 2;  // 200 steps of 4 micro-batches

gacc::TensorDataset<float> make_data() {
    gacc::Rng rng(1);
    gacc::Tensor<float> inputs({samples, 12});
    std::vector<gacc::Label> labels;
    for (gacc::Index i = 0; i < samples; ++i) {
        for (gacc::Index j = 0; j < 12; ++j) { inputs.matrix()(i, j) = static_cast<float>(rng.normal()); }
        labels.push_back(inputs.matrix()(i, 0) > inputs.matrix()(i, 1) ? 1 : 0);
    }
    return {std::move(inputs), std::move(labels)};
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string path = argc > 1 ? argv[1] : "", mode = argc > 2 ? argv[2] : "";
    const long most = mode.empty() ? 0 : std::atol(mode.c_str());  // 0: no limit
    const auto data = make_data();
    gacc::Rng rng(2);
    gacc::Sequential model(gacc::Linear(12, 16), gacc::ReLU(), gacc::Linear(16, 2));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.clip_norm = 1});
    gacc::MeanLoss mean;
    gacc::DataPosition position;
    gacc::Checkpoint checkpoint(adam, rng, position);
    checkpoint.keep("mean_loss", mean);
    if (mode == "weights") {
        gacc::load_safetensors(path, model.parameters(), gacc::OtherTensors::ignore);
        const auto words = gacc::SafetensorsFile(path).tensor<std::int64_t>("state/place");
        position.set_state(gacc::State(words.data(), words.data() + words.size()));
    } else if (mode != "all" && std::filesystem::exists(path)) {
        checkpoint.load(path);
    }

    long done = 0;
    const gacc::LinearDecay decay(0.01, epochs * samples / batch_size);
    for (; position.epoch < epochs; position.end_epoch()) {
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = batch_size}, rng, position)) {
            for (const auto& micro : batch.from(position.sample).micro_batches(micro_batch)) {
                if (most > 0 && done == most) { return 3; }
                const auto value = loss.forward(model.forward(micro.inputs), micro.labels);
                mean.add(value);
                model.backward(loss.backward());
                position.end_micro_batch(micro.size());
                ++done;
                if (mode != "end" && mode != "weights") { checkpoint.save(path); }
                if (mode == "all") { std::filesystem::copy_file(path, path + "." + std::to_string(done)); }
            }
            adam.set_learning_rate(decay(adam.steps()));
            adam.step();
            adam.zero_grad();
            position.end_batch();
        }
    }
    checkpoint.save(path);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
