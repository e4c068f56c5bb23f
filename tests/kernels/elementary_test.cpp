#include <gacc/kernels/elementary.hpp>
#include <gacc/kernels/map_packets.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

namespace elementary_test {

using gacc::Index;
using gacc::detail::Simd;

namespace {

// The functions, what they shall be, and how many units in the last place they may differ.
struct Exponential {
    static constexpr long double bound = 2;
    auto operator()(const auto& x) const { return gacc::detail::exponential(x); }
    static long double exact(long double x) { return std::exp(x); }
};
struct Logarithm {
    static constexpr long double bound = 2;
    auto operator()(const auto& x) const { return gacc::detail::logarithm(x); }
    static long double exact(long double x) { return std::log(x); }
};
struct HyperbolicTangent {
    static constexpr long double bound = 4;
    auto operator()(const auto& x) const { return gacc::detail::hyperbolic_tangent(x); }
    static long double exact(long double x) { return std::tanh(x); }
};
struct ErrorFunction {
    static constexpr long double bound = 4;
    auto operator()(const auto& x) const { return gacc::detail::error_function(x); }
    static long double exact(long double x) { return std::erf(x); }
};
struct Sigmoid {
    static constexpr long double bound = 4;
    auto operator()(const auto& x) const { return gacc::detail::sigmoid(x); }
    static long double exact(long double x) { return 1 / (1 + std::exp(-x)); }
};

template <class Function>
constexpr bool flushes = std::is_same_v<Function, Exponential> || std::is_same_v<Function, Sigmoid>;

// 32-bit Arm takes subnormal floats of a vector as 0.
template <class Scalar>
constexpr bool has_subnormal =
#if defined(__ARM_NEON) && !defined(__aarch64__)
    Simd<Scalar>::lanes == 1;
#else
    true;
#endif

template <class Scalar>
using Word = typename gacc::detail::Layout<Scalar>::Word;

template <class Scalar>
std::vector<Scalar> mapped(auto function, const std::vector<Scalar>& x) {
    std::vector<Scalar> y(x.size());
    gacc::detail::map_packets(static_cast<Index>(x.size()), function, y.data(), x.data());
    return y;
}

template <class Scalar>
Scalar mapped(auto function, Scalar x) {
    return mapped(function, std::vector{x})[0];
}

// Numbers of every sign and exponent, and `count` in each range where a method ends or results get too large or small.
template <class Scalar>
std::vector<Scalar> points(int count) {
    std::vector<Scalar> x;
    std::mt19937_64 random(1);
    for (int i = 0; i < 4 * count; ++i) {
        const auto number = std::bit_cast<Scalar>(static_cast<Word<Scalar>>(random()));
        if (!std::isnan(number) && (has_subnormal<Scalar> || std::fpclassify(number) != FP_SUBNORMAL)) {
            x.push_back(number);
        }
    }
    for (const double end : {1., 2., 8., 110., 760.}) {
        std::uniform_real_distribution<Scalar> uniform(static_cast<Scalar>(-end), static_cast<Scalar>(end));
        for (int i = 0; i < count; ++i) { x.push_back(uniform(random)); }
    }
    using Fit = gacc::detail::Terms<Scalar>;
    for (const Scalar edge : {Fit::exponential_least, Fit::exponential_largest, -Fit::exponential_largest,
                              Fit::hyperbolic_tangent_end, Fit::error_function_end, Fit::sqrt_half, Scalar(1)}) {
        for (int i = -1000; i < 1000; ++i) {
            x.push_back(std::bit_cast<Scalar>(std::bit_cast<Word<Scalar>>(edge) + static_cast<Word<Scalar>>(i)));
        }
    }
    return x;
}

// How many units in the last place of `exact` lie between; none if both are the same without being finite.
template <class Scalar>
long double units(Scalar found, long double exact) {
    const auto rounded = static_cast<Scalar>(exact);
    if (std::isnan(exact) && std::isnan(found)) { return 0; }
    if (!std::isfinite(rounded)) { return found == rounded ? 0 : HUGE_VALL; }
    if (!std::isfinite(found)) { return HUGE_VALL; }
    int exponent = 0;
    std::frexp(exact, &exponent);
    exponent = std::max(exponent, std::numeric_limits<Scalar>::min_exponent);
    return std::ldexp(std::abs(found - exact), std::numeric_limits<Scalar>::digits - exponent);
}

template <class Function, class Scalar>
void check_error() {
    // In software long double takes long; where it is no longer than Scalar, the C library's own error comes on top.
    const std::vector<Scalar> x = points<Scalar>(LDBL_MANT_DIG == 113 ? 2'000 : 100'000);
    const long double bound =
        Function::bound + (std::numeric_limits<Scalar>::digits == std::numeric_limits<long double>::digits ? 1 : 0);
    const std::vector<Scalar> y = mapped(Function{}, x);
    std::size_t worst = 0;
    long double largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const long double exact = Function::exact(x[i]);
        const bool small = std::abs(exact) < std::numeric_limits<Scalar>::min();
        if (small && y[i] == 0 && (flushes<Function> || !has_subnormal<Scalar>)) { continue; }
        const long double here = units(y[i], exact);
        if (here > largest) { largest = here, worst = i; }
    }
    INFO("x = ", x[worst], ", y = ", y[worst]);
    CHECK(static_cast<double>(largest) <= static_cast<double>(bound));
}

}  // namespace

#define GACC_FUNCTIONS Exponential, Logarithm, HyperbolicTangent, ErrorFunction, Sigmoid

TEST_CASE_TEMPLATE("elementary functions: few units in the last place from the exact result", Function,
                   GACC_FUNCTIONS) {
    check_error<Function, float>();
    check_error<Function, double>();
}

// With every lane as the scalar function, which is compiled from the same text, no element depends on its place, and
// the compiler has contracted nothing.
TEST_CASE_TEMPLATE("elementary functions: the same bits in every lane and without packets", Function, GACC_FUNCTIONS) {
    const auto check = []<class Scalar>(Scalar) {
        const std::vector<Scalar> x = points<Scalar>(5'000), y = mapped(Function{}, x);
        std::size_t different = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const Scalar alone = Function{}(x[i]);
            const bool both_nan = std::isnan(alone) && std::isnan(y[i]);
            different += !both_nan && std::bit_cast<Word<Scalar>>(alone) != std::bit_cast<Word<Scalar>>(y[i]) ? 1 : 0;
        }
        CHECK(different == 0);
    };
    check(float{});
    check(double{});
}

TEST_CASE_TEMPLATE("elementary functions: the same bits wherever an array starts and ends, and in place", Function,
                   GACC_FUNCTIONS) {
    const auto check = []<class Scalar>(Scalar) {
        constexpr Index most = 3 * Simd<Scalar>::lanes + 1;
        std::vector<Scalar> x;
        for (Index i = 0; i < most; ++i) { x.push_back(static_cast<Scalar>(i * i + 1) / 37); }
        const std::vector<Scalar> whole = mapped(Function{}, x);
        for (Index first = 0; first < most; ++first) {
            for (Index count = 1; first + count <= most; ++count) {
                std::vector<Scalar> y = x;
                gacc::detail::map_packets(count, Function{}, y.data() + first, y.data() + first);
                REQUIRE(std::equal(y.data() + first, y.data() + first + count, whole.data() + first));
            }
        }
    };
    check(float{});
    check(double{});
}

TEST_CASE_TEMPLATE("elementary functions: log(1 + x) of small x is within 4 units, and the same in every lane", Scalar,
                   float, double) {
    const auto log1p = [](const auto& at) { return gacc::detail::logarithm_of_one_plus(at); };
    std::vector<Scalar> x{0, 1, std::numeric_limits<Scalar>::min(), std::nextafter(Scalar(1), Scalar(0))};
    std::mt19937_64 random(2);
    std::uniform_real_distribution<Scalar> uniform(Scalar(0.5), Scalar(1));
    for (int i = 0; i < 100'000; ++i) { x.push_back(std::ldexp(uniform(random), -(i % 70))); }
    const std::vector<Scalar> y = mapped(log1p, x);
    long double largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        largest = std::max(largest, units(y[i], std::log1p(static_cast<long double>(x[i]))));
        REQUIRE(log1p(x[i]) == y[i]);
    }
    CHECK(static_cast<double>(largest) <= 4);
    CHECK(y[0] == 0);
    CHECK(std::isnan(log1p(std::numeric_limits<Scalar>::quiet_NaN())));
}

TEST_CASE_TEMPLATE("elementary functions: infinity, NaN, zeros and what is too large or small", Scalar, float, double) {
    using Limits = std::numeric_limits<Scalar>;
    const Scalar infinity = Limits::infinity(), nan = Limits::quiet_NaN(), most = Limits::max(), least = Limits::min();
    // A NaN with the last bits of its payload set: what counts bits must not make a number of it.
    const auto full_nan = std::bit_cast<Scalar>(~Word<Scalar>{0});

    const auto exp = [](Scalar x) { return mapped(Exponential{}, x); };
    CHECK(exp(0) == 1);
    CHECK(exp(Scalar(-0.)) == 1);
    CHECK(exp(infinity) == infinity);
    CHECK(exp(most) == infinity);
    CHECK(exp(std::nextafter(gacc::detail::Terms<Scalar>::exponential_largest, infinity)) == infinity);
    CHECK(exp(-infinity) == 0);
    CHECK(exp(-most) == 0);
    CHECK(exp(std::nextafter(gacc::detail::Terms<Scalar>::exponential_least, -infinity)) == 0);
    CHECK(exp(least) == 1);

    const auto log = [](Scalar x) { return mapped(Logarithm{}, x); };
    CHECK(log(1) == 0);
    CHECK_FALSE(std::signbit(log(1)));
    CHECK(log(0) == -infinity);
    CHECK(log(Scalar(-0.)) == -infinity);
    CHECK(log(infinity) == infinity);
    CHECK(std::isnan(log(-least)));
    CHECK(std::isnan(log(-infinity)));
    if (has_subnormal<Scalar>) {
        CHECK(log(Limits::denorm_min()) == doctest::Approx(std::log(Limits::denorm_min())));
        CHECK(std::isnan(log(-Limits::denorm_min())));
    }

    const auto check_odd = [&](auto function) {
        CHECK(std::signbit(mapped(function, Scalar(-0.))));
        CHECK_FALSE(std::signbit(mapped(function, Scalar(0))));
        CHECK(mapped(function, infinity) == 1);
        CHECK(mapped(function, -infinity) == -1);
        CHECK(mapped(function, most) == 1);
        CHECK(mapped(function, least) >= least);
    };
    check_odd(HyperbolicTangent{});
    check_odd(ErrorFunction{});

    CHECK(mapped(Sigmoid{}, Scalar(0)) == Scalar(0.5));
    CHECK(mapped(Sigmoid{}, infinity) == 1);
    CHECK(mapped(Sigmoid{}, -infinity) == 0);
    CHECK(mapped(Sigmoid{}, most) == 1);
    CHECK(mapped(Sigmoid{}, -most) == 0);

    for (const Scalar not_a_number : {nan, -nan, full_nan}) {
        CHECK(std::isnan(mapped(Exponential{}, not_a_number)));
        CHECK(std::isnan(mapped(Logarithm{}, not_a_number)));
        CHECK(std::isnan(mapped(HyperbolicTangent{}, not_a_number)));
        CHECK(std::isnan(mapped(ErrorFunction{}, not_a_number)));
        CHECK(std::isnan(mapped(Sigmoid{}, not_a_number)));
    }
}

}  // namespace elementary_test
