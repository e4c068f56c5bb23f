#include <gacc/optim/kept_slice.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/adamw.hpp>
#include <gacc/optim/lion.hpp>
#include <gacc/optim/nadam.hpp>
#include <gacc/optim/rmsprop.hpp>
#include <gacc/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace kept_slice_test {

using gacc::Index;
using gacc::detail::KeptSlice;

namespace {

/// A model of 19 x 5 and 3 x 19 numbers and biases, whose steps have gradients of their own.
template <class Optimizer>
struct Training {
    template <class Options>
    explicit Training(const Options& options) : optimizer((start(model), model.parameters()), options) {
        optimizer.group(gacc::vectors, {.learning_rate = 0.02});
    }
    static void start(gacc::Sequential<float>& model) {
        gacc::Rng rng(1);
        model.initialize(rng);
    }
    void step(std::uint64_t seed) {
        gacc::Rng rng(seed);
        const std::vector<float> weights(2, 1.0F);
        gacc::GradientTally tally = optimizer.parameters().tally();
        tally.add<float>(gacc::Reduction::mean_over_samples, weights);
        optimizer.parameters().set_tally(tally);
        for (auto& parameter : optimizer.parameters()) {
            gacc::Matrix<float> grad(parameter.rows(), parameter.cols());
            for (Index i = 0; i < grad.size(); ++i) { grad.data()[i] = static_cast<float>(rng.normal()); }
            parameter.set_grad(grad);
        }
        optimizer.step();
        optimizer.zero_grad();
    }
    std::vector<float> numbers() {
        std::vector<float> all;
        for (const auto& parameter : optimizer.parameters()) {
            all.insert(all.end(), parameter.stored_values().begin(), parameter.stored_values().end());
        }
        return all;
    }

    gacc::Sequential<float> model{gacc::Linear(5, 19), gacc::Linear(19, 3)};
    Optimizer optimizer;
};

/// Two optimizers that each keep a part, from the second step on, do what one does with all.
template <class Optimizer, class Options>
void check_parts(const Options& options) {
    Training<Optimizer> whole(options), first(options), second(options);
    const Index all = whole.optimizer.parameters().stored_count();
    const Index middle = all / gacc::detail::Simd<float>::panel_width / 2 * gacc::detail::Simd<float>::panel_width;
    REQUIRE(middle > 0);
    for (auto* each : {&whole, &first, &second}) { each->step(1); }
    const auto before = first.numbers();
    const auto bytes = first.optimizer.state_bytes();
    REQUIRE(first.optimizer.keep_slice(0, middle));
    REQUIRE(second.optimizer.keep_slice(middle, all - middle));
    CHECK(first.optimizer.state_bytes() + second.optimizer.state_bytes() == bytes);
    for (const std::uint64_t seed : {2, 3}) {
        for (auto* each : {&whole, &first, &second}) { each->step(seed); }
    }
    const auto expected = whole.numbers(), left = first.numbers(), right = second.numbers();
    const auto in_slice = static_cast<std::size_t>(middle);
    CHECK(std::memcmp(left.data(), expected.data(), in_slice * sizeof(float)) == 0);
    CHECK(std::memcmp(right.data() + in_slice, expected.data() + in_slice,
                      (expected.size() - in_slice) * sizeof(float)) == 0);
    CHECK(std::equal(before.begin() + middle, before.end(), left.begin() + middle));  // not its part
    CHECK_FALSE(std::equal(before.begin(), before.begin() + middle, left.begin()));

    // The moments of all again: the own ones, and zeros.
    REQUIRE(first.optimizer.keep_slice(0, all));
    const auto moments = first.optimizer.moments(), of_whole = whole.optimizer.moments();
    REQUIRE(moments.size() == of_whole.size());
    for (std::size_t i = 0; i < moments.size(); ++i) {
        const auto check = [&](const auto& own, const auto& of_all) {
            REQUIRE(own.size() == expected.size());
            CHECK(std::memcmp(own.data(), of_all.data(), in_slice * sizeof own[0]) == 0);
            for (const auto rest : own.subspan(in_slice)) { CHECK(static_cast<float>(rest) == 0); }
        };
        if (moments[i].rounded.empty()) {
            check(moments[i].stored, of_whole[i].stored);
        } else {
            check(moments[i].rounded, of_whole[i].rounded);
        }
    }
}

}  // namespace

TEST_CASE("KeptSlice: the part of a parameter in the slice") {
    const KeptSlice slice{16, 32};
    const auto is = [](const KeptSlice::Part& part, Index in_parameter, Index in_moments, Index count) {
        CHECK(part.in_parameter == in_parameter);
        CHECK(part.in_moments == in_moments);
        CHECK(part.count == count);
    };
    is(slice.part(0, 64), 16, 0, 32);
    is(slice.part(0, 32), 16, 0, 16);
    is(slice.part(32, 64), 0, 16, 16);
    is(slice.part(16, 16), 0, 0, 16);
    is(slice.part(0, 16), 0, 0, 0);
    is(slice.part(48, 16), 0, 0, 0);
}

TEST_CASE("keep_slice: optimizers that keep a part each do what one does with all") {
    check_parts<gacc::Adam<float>>(gacc::AdamOptions{.learning_rate = 0.01});
    check_parts<gacc::Adam<float>>(gacc::AdamOptions{.learning_rate = 0.01, .moments = gacc::MomentFormat::bfloat16});
    check_parts<gacc::AdamW<float>>(gacc::AdamWOptions{.learning_rate = 0.01});
    check_parts<gacc::Lion<float>>(gacc::LionOptions{.learning_rate = 0.01, .weight_decay = 0.1});
    check_parts<gacc::RMSprop<float>>(gacc::RMSpropOptions{.learning_rate = 0.01, .momentum = 0.9, .centered = true});
    check_parts<gacc::NAdam<float>>(gacc::NAdamOptions{.learning_rate = 0.01});
    check_parts<gacc::SGD<float>>(gacc::SGDOptions{.learning_rate = 0.01, .momentum = 0.9});
    check_parts<gacc::SGD<float>>(gacc::SGDOptions{.learning_rate = 0.01});
}

TEST_CASE("keep_slice: none of the numbers") {
    Training<gacc::SGD<float>> none(gacc::SGDOptions{.momentum = 0.9});
    REQUIRE(none.optimizer.keep_slice(0, 0));
    const auto before = none.numbers();
    none.step(1);
    CHECK(none.numbers() == before);
    CHECK(none.optimizer.moments().size() == 1);
}

TEST_CASE("keep_slice: an optimizer that clips, and has its own block sums and those of others") {
    const gacc::AdamOptions options{.learning_rate = 0.01, .clip_norm = 0.01};
    Training<gacc::Adam<float>> whole(options), part(options);
    CHECK(Training<gacc::Adam<float>>(gacc::AdamOptions{}).optimizer.norm() == nullptr);
    REQUIRE(part.optimizer.keep_slice(0, 16));
    auto& norm = *part.optimizer.norm();
    std::ranges::fill(norm.sums(), 1e6);
    norm.mark_sums_set();
    CHECK(norm() == std::sqrt(1e6 * static_cast<double>(norm.sums().size())));
    CHECK(norm() == 0);  // of the gradients again
    for (const std::uint64_t seed : {1, 2}) {
        for (auto* each : {&whole, &part}) { each->step(seed); }
    }
    CHECK(part.numbers()[0] == whole.numbers()[0]);
}

}  // namespace kept_slice_test
