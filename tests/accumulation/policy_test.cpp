#include <gacc/accumulation/policy.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <type_traits>

namespace policy_test {

using gacc::Accumulated;
using gacc::AccumulationPolicy;
using gacc::EveryMicroBatches;
using gacc::EverySamples;
using gacc::EveryWeight;

TEST_CASE("EveryMicroBatches: steps from the n-th micro-batch on, whatever the samples") {
    const EveryMicroBatches policy(4);
    CHECK_FALSE(policy(Accumulated{.samples = 1000, .micro_batches = 3}));
    CHECK(policy(Accumulated{.samples = 4, .micro_batches = 4}));
    CHECK(policy(Accumulated{.samples = 5, .micro_batches = 5}));
}

TEST_CASE("EverySamples: steps from the n-th sample on, whatever the micro-batches") {
    const EverySamples policy(128);
    CHECK_FALSE(policy(Accumulated{.samples = 127, .micro_batches = 127}));
    CHECK(policy(Accumulated{.samples = 128, .micro_batches = 1}));
    CHECK(policy(Accumulated{.samples = 160, .micro_batches = 5}));
}

TEST_CASE("EveryWeight: steps from the weight on, whatever the samples and micro-batches") {
    const EveryWeight policy(12.5);
    CHECK_FALSE(policy(Accumulated{.samples = 100, .micro_batches = 100, .weight = 12.25}));
    CHECK(policy(Accumulated{.samples = 1, .micro_batches = 1, .weight = 12.5}));
    CHECK(policy(Accumulated{.samples = 1, .micro_batches = 1, .weight = 20}));
}

TEST_CASE("AccumulationPolicy: any callable that says yes or no to what is held") {
    const auto by_weight = [](const Accumulated& held) { return held.weight >= 10; };
    const auto counting = [n = 0](Accumulated) mutable { return ++n % 2 == 0; };
    const auto no_argument = [] { return true; };
    const auto no_answer = [](const Accumulated&) {};
    static_assert(AccumulationPolicy<EveryMicroBatches>);
    static_assert(AccumulationPolicy<EverySamples>);
    static_assert(AccumulationPolicy<EveryWeight>);
    static_assert(AccumulationPolicy<decltype(by_weight)>);
    static_assert(AccumulationPolicy<std::remove_const_t<decltype(counting)>>);
    static_assert(!AccumulationPolicy<decltype(no_argument)>);
    static_assert(!AccumulationPolicy<decltype(no_answer)>);
    static_assert(!AccumulationPolicy<int>);
}

TEST_CASE("EveryMicroBatches, EverySamples, EveryWeight: less than 1, or no number, is an error") {
    CHECK_NOTHROW(EveryMicroBatches(1));
    CHECK_NOTHROW(EverySamples(1));
    CHECK_THROWS_WITH_AS(EveryMicroBatches(0), "gacc: EveryMicroBatches: expected 1 or more, got 0", gacc::UsageError);
    CHECK_THROWS_WITH_AS(EverySamples(-8), "gacc: EverySamples: expected 1 or more, got -8", gacc::UsageError);
    CHECK_THROWS_WITH_AS(EveryWeight(0), "gacc: EveryWeight: expected a finite weight larger than 0, got 0",
                         gacc::UsageError);
    CHECK_THROWS_AS(EveryWeight(std::numeric_limits<double>::quiet_NaN()), gacc::UsageError);
    CHECK_THROWS_AS(EveryWeight(std::numeric_limits<double>::infinity()), gacc::UsageError);
}

}  // namespace policy_test
