#include <gacc/optim/adam_moments.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/adamw.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace adam_moments_test {

using namespace gacc::test;
using gacc::Adam;
using gacc::AdamOptions;
using gacc::BFloat16;
using gacc::Index;
using gacc::MomentFormat;

namespace {

using Subject = GivenGradients<float>;
constexpr AdamOptions rounded{.learning_rate = 0.125, .moments = MomentFormat::bfloat16};

/// The moments of all numbers of the first parameter, 5 x 3, row by row.
std::vector<float> first_parameter(Adam<float>& adam, std::size_t moments) {
    std::vector<float> numbers;
    const auto all = adam.moments()[moments].rounded;
    adam.parameters()[0].for_each(all, [&](const BFloat16& each) { numbers.push_back(static_cast<float>(each)); });
    return numbers;
}

}  // namespace

TEST_CASE("Adam in bfloat16: keeps 4 bytes for each number in place of 8") {
    Subject subject;
    Adam adam(subject.parameters, rounded), full(subject.parameters);
    CHECK(adam.state_bytes() == 4 * static_cast<std::size_t>(subject.parameters.stored_count()));
    CHECK(adam.state_bytes() * 2 == full.state_bytes());
    REQUIRE(adam.moments().size() == 2);
    CHECK(adam.moments()[0].name == "first_moments");
    CHECK(adam.moments()[0].stored.empty());
    CHECK(adam.moments()[1].size() == static_cast<std::size_t>(subject.parameters.stored_count()));
    CHECK(full.moments()[0].rounded.empty());
}

TEST_CASE("Adam in bfloat16: the first step is that of full moments, to the bit") {
    Subject subject, same;
    subject.set_values(1);
    same.set_values(1);
    Adam adam(subject.parameters, rounded), full(same.parameters, {.learning_rate = 0.125});
    const auto grad_of = [](const auto& each) {
        gacc::Matrix<float> grad(each.rows(), each.cols());
        for (Index i = 0; i < grad.size(); ++i) { grad.data()[i] = 0.1F + static_cast<float>(i) / 3; }
        return grad;
    };
    subject.give(1, grad_of);
    same.give(1, grad_of);
    adam.step();
    full.step();
    CHECK(values_of(subject.parameters) == values_of(same.parameters));
    subject.give(1, grad_of);
    same.give(1, grad_of);
    adam.step();
    full.step();
    CHECK(values_of(subject.parameters) != values_of(same.parameters));
}

TEST_CASE("Adam in bfloat16: stored moments are one of the two numbers beside, drawn by row, column and step") {
    Subject subject;
    gacc::Rng rng(5);
    subject.model.initialize(rng);
    Adam adam(subject.parameters, {.beta1 = 0, .beta2 = 0, .moments = MomentFormat::bfloat16});
    for (std::uint64_t step = 1; step <= 20; ++step) {
        subject.give_constant(1, 0.7123);
        adam.step();
        const auto key = gacc::detail::place_key(5, step, 0);
        const auto m = first_parameter(adam, 0), v = first_parameter(adam, 1);
        const float grad = 0.7123F;
        for (std::uint32_t place = 0; place < 15; ++place) {
            const auto word = gacc::detail::random_words<std::uint32_t>(place, key);
            BFloat16 expected_m, expected_v;
            gacc::detail::store_rounded(&expected_m, grad, word & 0xFFFF);
            gacc::detail::store_rounded(&expected_v, grad * grad, word >> 16);
            CHECK(m[place] == static_cast<float>(expected_m));
            CHECK(v[place] == static_cast<float>(expected_v));
        }
    }
}

TEST_CASE("Adam in bfloat16: rounding has no bias") {
    // With betas of 0 the moments are g and g², rounded. 2^-7 is the distance of the numbers beside. The mean of n
    // roundings of probability p has a deviation of sqrt(p (1 - p) / n) distances; the bound is five of them.
    Subject subject;
    subject.set_values(1);
    Adam adam(subject.parameters, {.beta1 = 0, .beta2 = 0, .moments = MomentFormat::bfloat16});
    constexpr int steps = 2000;
    const double grad = 1 + 0.3 * 0x1p-7;
    double m = 0, v = 0;
    for (int step = 0; step < steps; ++step) {
        subject.give_constant(1, grad);
        adam.step();
        for (const float each : first_parameter(adam, 0)) { m += each; }
        for (const float each : first_parameter(adam, 1)) { v += each; }
    }
    const double n = 15.0 * steps, bound = 5 * 0.5 / std::sqrt(n) * 0x1p-7;
    CHECK(std::abs(m / n - grad) < bound);
    CHECK(std::abs(v / n - grad * grad) < bound);
}

TEST_CASE("Adam in bfloat16: small changes of v are not lost, as they are when rounded to the nearest") {
    // v decays by a thousandth a step: half the distance of two numbers is up to four times as much.
    Subject subject;
    subject.set_values(1);
    Adam adam(subject.parameters, {.learning_rate = 0, .moments = MomentFormat::bfloat16});
    subject.give_constant(1, 1);
    adam.step();
    for (int step = 1; step < 1000; ++step) {
        subject.give_constant(1, 0);
        adam.step();
    }
    double mean = 0;
    for (const float each : first_parameter(adam, 1)) { mean += each / 15.0; }
    CHECK(mean == doctest::Approx(1e-3 * std::pow(0.999, 999)).epsilon(0.2));  // nearest rounding leaves it at 1e-3
}

TEST_CASE("Adam in bfloat16: zero stays zero, and the padding too") {
    Subject subject;
    subject.set_values(1);
    Adam adam(subject.parameters, rounded);
    for (int step = 0; step < 5; ++step) {
        subject.give_constant(1, 0);
        adam.step();
    }
    CHECK(subject.value() == 1);
    for (int step = 0; step < 5; ++step) {
        subject.give_constant(1, 1);
        adam.step();
    }
    const auto parameter = subject.parameters[1];  // 5 numbers and the padding
    for (const float padding : std::as_const(parameter).stored_values().subspan(5)) { CHECK(padding == 0); }
    std::size_t first = std::as_const(subject.parameters[0]).stored_values().size();
    for (std::size_t i = first + 5; i < first + std::as_const(parameter).stored_values().size(); ++i) {
        for (const auto& moments : adam.moments()) { CHECK(moments.rounded[i] == BFloat16()); }
    }
}

TEST_CASE("Adam in bfloat16: subnormal moments become zero, and the largest stay finite") {
    Subject subject;
    subject.set_values(1);
    Adam adam(subject.parameters, {.learning_rate = 0, .beta1 = 0.5, .moments = MomentFormat::bfloat16});
    subject.give_constant(1, 1.5e-38);
    adam.step();
    for (const auto& moments : adam.moments()) {
        CHECK(std::ranges::count(moments.rounded, BFloat16()) == std::ssize(moments.rounded));
    }

    Adam sharp(subject.parameters, {.learning_rate = 0, .beta1 = 0, .beta2 = 0, .moments = MomentFormat::bfloat16});
    for (int step = 0; step < 20; ++step) {
        subject.give_constant(1, 1.844674e19);  // its square is within 2^-20 of the largest float
        sharp.step();
        for (const float each : first_parameter(sharp, 1)) { CHECK(std::isfinite(each)); }
    }
}

TEST_CASE("Adam in bfloat16: another seed draws other bits") {
    const auto values = [](std::uint64_t seed) {
        Subject subject;
        gacc::Rng rng(seed);
        subject.model.initialize(rng);
        subject.set_values(1);
        Adam adam(subject.parameters, rounded);
        for (int step = 0; step < 3; ++step) {
            subject.give_constant(1, 0.3);
            adam.step();
        }
        return values_of(subject.parameters);
    };
    CHECK(values(1) == values(1));
    CHECK(values(1) != values(2));
}

TEST_CASE("Adam in bfloat16: a model of double is refused") {
    GivenGradients<double> subject;
    CHECK_THROWS_WITH_AS(Adam<double>(subject.parameters, {.moments = MomentFormat::bfloat16}),
                         "gacc: Adam: expected moments in full with double, got bfloat16; train in float",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(gacc::AdamW<double>(subject.parameters, {.moments = MomentFormat::bfloat16}),
                         "gacc: AdamW: expected moments in full with double, got bfloat16; train in float",
                         gacc::UsageError);
}

}  // namespace adam_moments_test
