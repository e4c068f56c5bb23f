// A training step after the first allocates nothing, on any thread. Functions in place of malloc and similar ones count
// the allocations (glibc on Linux).

#include <gacc/gacc.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/long_tests.hpp"
#include "support/random_models.hpp"
#include "toy_digits.hpp"

namespace {

std::atomic<long> allocations{0};

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    ++allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    ++allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
    ++allocations;
    return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
    *out = memalign(alignment, size);
    return *out == nullptr ? ENOMEM : 0;
}
void* mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) noexcept {
    ++allocations;
    const long data = syscall(SYS_mmap, at, size, protection, flags, file, offset);
    return reinterpret_cast<void*>(data);
}

}  // extern "C"

namespace {

/// The number of allocations from the second batch of an epoch on, with a schedule and a group. `answers` returns the
/// labels or targets of a micro-batch.
template <class Optimizer, class Options, class Data, class Loss, class Answers>
long after_first_batch(const Options& options, const Data& data, Loss loss, const Answers& answers, int threads,
                       gacc::Index micro_batch, gacc::Index lane_count = 1, gacc::Index classes = 10) {
    gacc::set_threads(threads);
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Linear(784, 300), gacc::ReLU(), gacc::Linear(300, 100), gacc::ReLU(),
                           gacc::Linear(100, classes));
    model.initialize(rng);
    Optimizer optimizer(model.parameters(), options);
    optimizer.group(gacc::vectors, {.learning_rate = 2e-3});
    const gacc::WarmUp schedule(2, gacc::CosineDecay(1e-3, 4));
    gacc::MeanLoss mean;
    gacc::Lanes lanes(model.parameters(), lane_count);

    long before = 0;
    bool first = true;
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 300}, rng)) {
        for (const auto& micro : lanes.of(batch).micro_batches(micro_batch)) {
            mean.add(loss.forward(gacc::detail::forward_for(loss, model, micro.inputs), answers(micro)));
            model.backward(loss.backward());
        }
        lanes.join();
        optimizer.set_learning_rate(schedule(optimizer.steps()));
        optimizer.step();
        optimizer.zero_grad();
        if (first) { before = allocations; }
        first = false;
    }
    return allocations - before;
}

/// The same for AdamA or FoldedSGD with FoldedBackward.
template <class Optimizer, class Data>
long folded_after_first_batch(const Data& data, int threads, gacc::Index micro_batch) {
    gacc::set_threads(threads);
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Linear(784, 300), gacc::ReLU(), gacc::Linear(300, 10));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    Optimizer optimizer(model.parameters());
    gacc::FoldedBackward<float> folded(model, optimizer);
    long before = 0;
    bool first = true;
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 300}, rng)) {
        optimizer.begin_batch(static_cast<double>(batch.size()));
        for (const auto& micro : batch.micro_batches(micro_batch)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            folded.backward(loss.backward());
        }
        optimizer.step();
        optimizer.zero_grad();
        if (first) { before = allocations; }
        first = false;
    }
    return allocations - before;
}

/// Allocations in the second and third step of a random model, as tests/model/random_graphs_test.cpp trains it.
template <class Scalar>
long of_random_model(std::uint64_t seed) {
    using gacc::Index;
    gacc::Rng rng(seed);
    auto model = gacc::test::random_model<Scalar>(seed);
    const Index samples = seed % 10 == 0 ? 200 : 1 + static_cast<Index>(rng.below(20));
    auto training = gacc::test::random_training(model, samples, rng);
    training.from_features = training.has_labels() && seed % 2 == 0;
    const Index micro_batch = 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(samples)));
    gacc::set_threads(1 + static_cast<int>(seed % 4));
    const auto optimizer = gacc::test::random_optimizer<Scalar>(seed, model.parameters());
    return gacc::test::with_loss(training, [&](auto loss, const auto& forward) {
        long before = 0;
        for (int step = 0; step < 3; ++step) {
            for (Index first = 0; first < samples; first += micro_batch) {
                const Index count = std::min(micro_batch, samples - first);
                forward(loss, model, first, count);
                model.backward(loss.backward());
            }
            optimizer->step();
            optimizer->zero_grad();
            if (step == 0) { before = allocations; }
        }
        return allocations - before;
    });
}

/// How many random models allocate after the first step.
template <class Scalar>
int random_models_that_allocate(std::uint64_t first, std::uint64_t count) {
    int failed = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const long allocated = of_random_model<Scalar>(seed);
        if (allocated == 0) { continue; }
        std::printf("random model %d: %ld allocations after the first step\n", static_cast<int>(seed), allocated);
        ++failed;
    }
    return failed;
}

}  // namespace

int main() {
    const long at_start = allocations;
    void* volatile some = std::malloc(10);        // volatile: Clang removes an allocation that is not used
    int failed = allocations > at_start ? 0 : 1;  // the counter works
    std::free(some);
    gacc::Rng rng(1);
    const auto digits = toy_digits(1000, rng);
    const gacc::Prefetched ahead(digits);
    const auto labels = [](const auto& micro) { return micro.labels; };
    const gacc::RegressionDataset<float> rows(gacc::Tensor<float>({1000, 784}), gacc::Tensor<float>({1000, 10}));
    const auto targets = [](const auto& micro) { return micro.targets; };
    for (const int threads : {1, 2, 3}) {
        for (const gacc::Index micro_batch : {1, 32, 300}) {
            const auto of_digits = [&]<class Optimizer>(const auto& options) {
                return after_first_batch<Optimizer>(options, digits, gacc::SoftmaxCrossEntropy(), labels, threads,
                                                    micro_batch);
            };
            const auto of_rows = [&](auto loss) {
                return after_first_batch<gacc::Adam<float>>(gacc::AdamOptions(), rows, std::move(loss), targets, threads,
                                                            micro_batch);
            };
            const long in_lanes = after_first_batch<gacc::Adam<float>>(
                gacc::AdamOptions(), digits, gacc::SoftmaxCrossEntropy(), labels, threads, micro_batch, 5);
            const long prefetched = after_first_batch<gacc::SGD<float>>(
                gacc::SGDOptions(), ahead, gacc::SoftmaxCrossEntropy(), labels, threads, micro_batch);
            const long from_features = after_first_batch<gacc::Adam<float>>(
                gacc::AdamOptions(), digits, gacc::LinearCrossEntropy(), labels, threads, micro_batch, 1, 600);
            const long count = in_lanes + prefetched + from_features + of_digits.operator()<gacc::Adam<float>>(gacc::AdamOptions()) +
                               of_digits.operator()<gacc::AdamW<float>>(gacc::AdamWOptions{.clip_norm = 1}) +
                               of_digits.operator()<gacc::Adam<float>>(
                                   gacc::AdamOptions{.moments = gacc::MomentFormat::bfloat16}) +
                               of_digits.operator()<gacc::SGD<float>>(gacc::SGDOptions{.momentum = 0.9}) +
                               of_digits.operator()<gacc::Lion<float>>(gacc::LionOptions()) +
                               of_digits.operator()<gacc::RMSprop<float>>(gacc::RMSpropOptions{.momentum = 0.9}) +
                               of_digits.operator()<gacc::NAdam<float>>(gacc::NAdamOptions()) +
                               of_digits.operator()<gacc::Adafactor<float>>(gacc::AdafactorOptions()) +
                               of_digits.operator()<gacc::Muon<float>>(gacc::MuonOptions()) +
                               folded_after_first_batch<gacc::AdamA<float>>(digits, threads,
                                                                            std::min<gacc::Index>(micro_batch, 100)) +
                               folded_after_first_batch<gacc::FoldedSGD<float>>(digits, threads, micro_batch) +
                               of_rows(gacc::MeanSquaredError()) + of_rows(gacc::BinaryCrossEntropy());
            std::printf("%d thread(s), micro-batch %td: %ld allocations after the first batch\n", threads, micro_batch,
                        count);
            failed += count == 0 ? 0 : 1;
        }
    }
    const std::uint64_t times = gacc::test::long_tests() ? 10 : 1;
    const int allocating =
        random_models_that_allocate<float>(0, 100 * times) + random_models_that_allocate<double>(5000, 20 * times);
    std::printf("%d of %d random models allocate after the first step\n", allocating, static_cast<int>(120 * times));
    failed += allocating;
    std::printf("%d failed\n", failed);
    return failed;
}
