#include <gacc/train/advice.hpp>

#include <doctest/doctest.h>

#include <string>

namespace advice_test {

using gacc::Advice;

namespace {

bool says(const Advice& advice, const std::string& words) { return advice.description().find(words) != std::string::npos; }

Advice advice() {
    Advice made;
    made.batch_size = 128;
    made.rates = {{16, 10'000, 8 << 20}, {32, 20'000.4, 9 << 20}};
    made.uncut_bytes = 12 << 20;
    made.plan.micro_batch = 32;
    made.plan.bytes[gacc::memory::Kind::activations] = 9 << 20;
    made.samples_per_second = 20'000.4;
    made.slowest = 18'000;
    made.fastest = 21'000;
    made.noise_scale = 100;
    made.noise_batches = 8;
    made.beta2 = 0.999;
    return made;
}

}  // namespace

TEST_CASE("Advice: says that accumulation is not needed where the batch fits") {
    Advice made = advice();
    CHECK_FALSE(made.needs_accumulation());
    CHECK(made.description().starts_with("micro-batch   samples/s      memory\n"
                                         "         16      10,000       8 MiB\n"
                                         "         32      20,000       9 MiB\n"
                                         "Accumulation is not needed: a batch of 128 in one piece takes 12 MiB.\n"
                                         "It costs nothing either, and saves memory: use a micro-batch of 32, 9 MiB, "
                                         "about 20,000 samples/s (from 18,000 to 21,000 while it was timed).\n"));
    made.memory = 12 << 20;
    CHECK_FALSE(made.needs_accumulation());
    CHECK(says(made, "takes 12 MiB, which is allowed.\n"));
}

TEST_CASE("Advice: says to accumulate where it does not fit") {
    Advice made = advice();
    made.memory = 10 << 20;
    CHECK(made.needs_accumulation());
    CHECK(says(made, "Accumulate: a batch of 128 in one piece takes 12 MiB, more than the 10 MiB allowed.\n"
                     "Use a micro-batch of 32"));
}

TEST_CASE("Advice: calls samples by their name") {
    Advice made = advice();
    made.unit = "sequences";
    CHECK(made.description().starts_with("micro-batch sequences/s      memory\n"
                                         "         16      10,000       8 MiB\n"));
    for (const double scale : {100, 31, 513}) {
        made.noise_scale = scale;
        CHECK(!says(made, "samples"));
    }
    CHECK(says(made, "about 20,000 sequences/s (from "));
    CHECK(says(made, "Noise scale: 513 sequences (measured"));
}

TEST_CASE("Advice: compares the batch with the noise scale") {
    Advice made = advice();
    CHECK(says(made, "Noise scale: 100 samples (measured in the first 8 steps; it grows in training). The batch is of its "
                     "size"));
    made.noise_scale = 31;
    CHECK(says(made, "The batch is far larger: a smaller one learns as much from fewer samples"));
    made.noise_scale = 513;
    CHECK(says(made, "The batch is far smaller: twice the batch needs about half the steps"));
    made.noise_scale.reset();
    CHECK(says(made, "The noise hides the gradient"));
    made.noise_batches = 0;
    CHECK(says(made, "was not measured"));
}

TEST_CASE("Advice: a smaller batch keeps the half-life of beta2 in samples") {
    Advice made = advice();
    CHECK(made.beta2_for(128) == 0.999);
    CHECK(made.beta2_for(32) == doctest::Approx(0.99975).epsilon(1e-6));
    CHECK(says(made, "with beta2 = 0.99975 in place of 0.999"));
    made.beta2.reset();
    CHECK_FALSE(says(made, "beta2"));
}

}  // namespace advice_test
