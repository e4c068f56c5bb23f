// Trains and predicts on a thread with a stack of 64 KiB, which is half of what musl gives a thread, and on one with all
// the stack it could wish for. Exit code 0 if both end with the same bytes; a stack too small would be a crash.

#include <gacc/gacc.hpp>

#include <pthread.h>

#include <cstdio>
#include <cstring>
#include <vector>

namespace {

using gacc::Index;

constexpr std::size_t small_stack = std::size_t{64} << 10, large_stack = std::size_t{8} << 20;

/// Three batches through 300-203-70-10, and what the model then predicts: all bytes of it.
template <class Scalar>
std::vector<Scalar> train() {
    gacc::Rng rng(1);
    gacc::Tensor<Scalar> inputs({300, 300});
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<Scalar>(rng.normal()); }
    std::vector<gacc::Label> labels;
    for (int i = 0; i < 300; ++i) { labels.push_back(static_cast<gacc::Label>(rng.below(10))); }
    const gacc::TensorDataset<Scalar> data(std::move(inputs), std::move(labels));

    gacc::Sequential model(gacc::Linear<Scalar>(300, 203), gacc::ReLU<Scalar>(), gacc::Linear<Scalar>(203, 70),
                           gacc::ReLU<Scalar>(), gacc::Linear<Scalar>(70, 10));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    gacc::Adam adam(model.parameters());
    const auto plan =
        gacc::plan({.batch_size = 100, .micro_batch = 50, .recomputation = gacc::Recomputation::always}, model, loss, adam,
                   data);
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 100}, rng)) {
        for (const auto& micro : batch.micro_batches(plan)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
    }
    std::vector<Scalar> all;
    const auto keep = [&](const gacc::Matrix<Scalar>& matrix) {
        all.insert(all.end(), matrix.data(), matrix.data() + matrix.size());
    };
    for (const auto& parameter : model.parameters()) { keep(parameter.value()); }
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 300})) { keep(model.predict(batch.inputs)); }
    return all;
}

template <class Scalar>
std::vector<Scalar> train_on(std::size_t stack) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    std::vector<Scalar> result;
    pthread_t thread{};
    const auto start = [](void* to) -> void* {
        *static_cast<std::vector<Scalar>*>(to) = train<Scalar>();
        return nullptr;
    };
    if (pthread_attr_setstacksize(&attributes, stack) != 0 ||
        pthread_create(&thread, &attributes, start, &result) != 0) {
        std::puts("no thread with such a stack");
    } else {
        pthread_join(thread, nullptr);
    }
    pthread_attr_destroy(&attributes);
    return result;
}

template <class Scalar>
bool same() {
    const auto expected = train_on<Scalar>(large_stack), got = train_on<Scalar>(small_stack);
    return !expected.empty() && expected.size() == got.size() &&
           std::memcmp(expected.data(), got.data(), expected.size() * sizeof(Scalar)) == 0;
}

}  // namespace

int main() {
    for (const int threads : {1, 2, 3}) {
        gacc::set_threads(threads);
        if (!same<float>() || !same<double>()) {
            std::printf("other bytes with %d thread(s)\n", threads);
            return 1;
        }
    }
    std::puts("the same bytes on a stack of 64 KiB");
    return 0;
}
