#include <gacc/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

namespace random_test {

using gacc::Rng;

namespace {

std::vector<std::uint32_t> words(Rng rng, int count) {
    std::vector<std::uint32_t> out;
    for (int i = 0; i < count; ++i) { out.push_back(rng()); }
    return out;
}

/// Means of x, x squared and x to the fourth over a million draws.
struct Moments {
    double first = 0, second = 0, fourth = 0;
};

template <class Draw>
Moments moments(Draw draw) {
    constexpr int draws = 1'000'000;
    Moments sum;
    for (int i = 0; i < draws; ++i) {
        const double x = draw();
        sum.first += x;
        sum.second += x * x;
        sum.fourth += x * x * x * x;
    }
    return {sum.first / draws, sum.second / draws, sum.fourth / draws};
}

}  // namespace

TEST_CASE("philox4x32: gives the known answers of the Random123 distribution") {
    using Words = std::array<std::uint32_t, 4>;
    constexpr std::uint32_t ones = 0xffffffff;
    CHECK(gacc::philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(gacc::philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
          Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(gacc::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Rng: the stream of seed 42 stays what it is") {
    // Philox4x32-10 of the counters 0 and 1 with the key 42, computed without this library.
    CHECK(words(Rng(42), 8) == std::vector<std::uint32_t>{0x9ceaf053, 0x77f5493b, 0x12bf50ad, 0x5742b3d7,  //
                                                          0xfcdb2127, 0x53ba6cfd, 0x838f5a6e, 0x744e06fb});
}

TEST_CASE("Rng: all 64 bits of the seed count") {
    CHECK(words(Rng(0x0123456789abcdef), 4) ==
          std::vector<std::uint32_t>{0xb850222e, 0xc58cb04b, 0x14a7a020, 0x7a84fff9});
    CHECK(words(Rng(42), 4) != words(Rng(42 | std::uint64_t{1} << 32), 4));
    CHECK(words(Rng(42), 4) != words(Rng(43), 4));
}

TEST_CASE("Rng: the same seed gives the same numbers") {
    Rng one(7), other(7);
    for (int i = 0; i < 100; ++i) {
        CHECK(one() == other());
        CHECK(one.uniform() == other.uniform());
        CHECK(one.normal() == other.normal());
        CHECK(one.below(10) == other.below(10));
    }
}

TEST_CASE("Rng: knows its seed and how many words were drawn") {
    Rng rng(42);
    CHECK(rng.seed() == 42);
    CHECK(rng.drawn() == 0);
    rng();
    CHECK(rng.drawn() == 1);
    rng.uniform();
    CHECK(rng.drawn() == 3);
    rng.normal();
    CHECK(rng.drawn() == 7);
}

TEST_CASE("Rng: counts words with all 64 bits") {
    Rng rng(42);
    rng.set_state(gacc::State{42, std::uint64_t{1} << 34});  // the block of 2^32, whose lower half is 0
    const auto block = gacc::philox4x32({0, 1, 0, 0}, {42, 0});
    CHECK(words(rng.copy(), 4) == std::vector<std::uint32_t>(block.begin(), block.end()));
    CHECK(words(rng.copy(), 4) != words(Rng(42), 4));
}

TEST_CASE("Rng: is copied only where somebody asks for a copy") {
    CHECK_FALSE(std::is_copy_constructible_v<Rng>);
    CHECK_FALSE(std::is_copy_assignable_v<Rng>);
    CHECK(std::is_nothrow_move_constructible_v<Rng>);
    CHECK(std::is_nothrow_move_assignable_v<Rng>);
}

TEST_CASE("Rng: a copy continues the same stream from any place in it") {
    const std::vector<std::uint32_t> stream = words(Rng(42), 20);
    Rng rng(42);
    for (std::size_t drawn = 0; drawn < 10; ++drawn) {
        CAPTURE(drawn);
        CHECK(std::ranges::equal(words(rng.copy(), 10), std::span(stream).subspan(drawn, 10)));
        rng();
    }
}

TEST_CASE("Rng: serves as a generator for the standard library") { CHECK(std::uniform_random_bit_generator<Rng>); }

TEST_CASE("Rng: uniform is made of two words, the first one high") {
    Rng rng(42);
    CHECK(rng.uniform() == static_cast<double>(0x9ceaf05377f5493b >> 11) * 0x1p-53);
}

TEST_CASE("Rng: uniform numbers lie from 0 to below 1") {
    Rng rng(1);
    double smallest = 1, largest = 0;
    for (int i = 0; i < 100'000; ++i) {
        const double x = rng.uniform();
        smallest = std::min(smallest, x);
        largest = std::max(largest, x);
    }
    CHECK(smallest >= 0);
    CHECK(largest < 1);
    CHECK(smallest < 1e-3);  // all 100,000 draws miss a thousandth of the range with probability e^-100
    CHECK(largest > 1 - 1e-3);
}

TEST_CASE("Rng: uniform numbers have mean 1/2 and variance 1/12") {
    Rng rng(2);
    const Moments m = moments([&] { return rng.uniform() - 0.5; });
    CHECK(std::abs(m.first) < 0.0012);              // standard error sqrt(1/12 / 10^6) = 0.00029
    CHECK(std::abs(m.second - 1.0 / 12) < 3.0e-4);  // standard error sqrt((1/80 - 1/144) / 10^6) = 0.000075
}

TEST_CASE("Rng: uniform(low, high) stretches a uniform number to the range") {
    Rng stretched(3), plain(3);
    for (int i = 0; i < 1000; ++i) {
        const double x = stretched.uniform(-2, 6);
        CHECK(x >= -2);
        CHECK(x < 6);
        CHECK(x == -2 + 8 * plain.uniform());  // times a power of two is exact: rounded once, fused or not
    }
}

TEST_CASE("Rng: normal numbers have mean 0, variance 1 and fourth moment 3") {
    Rng rng(4);
    const Moments m = moments([&] { return rng.normal(); });
    CHECK(std::abs(m.first) < 0.004);        // standard error sqrt(1 / 10^6) = 0.001
    CHECK(std::abs(m.second - 1) < 0.0056);  // standard error sqrt(2 / 10^6) = 0.0014
    CHECK(std::abs(m.fourth - 3) < 0.029);   // standard error sqrt(96 / 10^6) = 0.0098
}

TEST_CASE("Rng: normal numbers one after the other have nothing to do with each other") {
    Rng rng(5);
    double previous = rng.normal();
    const Moments m = moments([&] {
        const double current = rng.normal(), product = previous * current;
        previous = current;
        return product;
    });
    CHECK(std::abs(m.first) < 0.004);  // standard error sqrt(1 / 10^6) = 0.001; 1 if each followed the one before
}

TEST_CASE("Rng: below(1) is 0") {
    Rng rng(6);
    for (int i = 0; i < 100; ++i) { CHECK(rng.below(1) == 0); }
}

TEST_CASE("Rng: below is in range and prefers no number") {
    for (const std::size_t n : {2U, 3U, 6U, 8U, 10U}) {
        CAPTURE(n);
        Rng rng(7);
        std::vector<int> count(n);
        for (std::size_t i = 0; i < 100'000 * n; ++i) { ++count.at(rng.below(n)); }
        // 100,000 each is expected, the standard error is at most sqrt(100,000) = 316.
        for (const int found : count) { CHECK(std::abs(found - 100'000) < 1000); }
    }
}

TEST_CASE("Rng: below takes a word, and another one only where the first is out of range") {
    Rng rng(8);
    for (int i = 0; i < 100; ++i) { rng.below(8); }
    CHECK(rng.drawn() == 100);
    rng.below(std::uint64_t{1} << 32);
    CHECK(rng.drawn() == 101);
}

TEST_CASE("Rng: below reaches all of a range that is wider than a word") {
    constexpr std::uint64_t n = (std::uint64_t{1} << 33) + 5;
    Rng rng(9);
    std::uint64_t largest = 0;
    const Moments m = moments([&] {
        const std::uint64_t x = rng.below(n);
        largest = std::max(largest, x);
        return static_cast<double>(x) / static_cast<double>(n) - 0.5;
    });
    CHECK(largest < n);
    CHECK(std::abs(m.first) < 0.0012);              // standard errors as for uniform: 0.00029
    CHECK(std::abs(m.second - 1.0 / 12) < 3.0e-4);  // and 0.000075
}

TEST_CASE("Rng: below(2^64 - 1) takes any two words that are not all ones") {
    constexpr std::uint64_t n = std::numeric_limits<std::uint64_t>::max();
    CHECK(Rng(42).below(n) == 0x9ceaf05377f5493b);
}

TEST_CASE("Rng: shuffle keeps every item once") {
    Rng rng(10);
    std::vector<int> sorted(1000);
    std::iota(sorted.begin(), sorted.end(), 0);
    std::vector<int> items = sorted;
    rng.shuffle(std::span(items));
    CHECK(items != sorted);
    CHECK(std::ranges::is_permutation(items, sorted));
}

TEST_CASE("Rng: shuffle leaves nothing and one item alone and draws no word") {
    Rng rng(11);
    std::vector<int> none, one{5};
    rng.shuffle(std::span(none));
    rng.shuffle(std::span(one));
    CHECK(one == std::vector{5});
    CHECK(rng.drawn() == 0);
}

TEST_CASE("Rng: shuffle makes each order equally likely") {
    Rng rng(12);
    std::map<std::array<int, 3>, int> count;
    for (int i = 0; i < 600'000; ++i) {
        std::array<int, 3> items{0, 1, 2};
        rng.shuffle(std::span<int>(items));
        ++count[items];
    }
    REQUIRE(count.size() == 6);
    for (const auto& [order, found] : count) { CHECK(std::abs(found - 100'000) < 1000); }  // standard error 289
}

TEST_CASE("Rng: shuffle brings each item to each place equally often") {
    Rng rng(13);
    std::array<std::array<int, 5>, 5> count{};  // of each item at each place
    for (int i = 0; i < 500'000; ++i) {
        std::array<std::size_t, 5> items{0, 1, 2, 3, 4};
        rng.shuffle(std::span<std::size_t>(items));
        for (std::size_t place = 0; place < 5; ++place) { ++count[items[place]][place]; }
    }
    for (const auto& places : count) {
        for (const int found : places) { CHECK(std::abs(found - 100'000) < 1000); }  // standard error 283
    }
}

TEST_CASE("Rng: the shuffle of seed 42 stays what it is") {
    // The words of seed 42 end in 3, b, d, 7. Masked by 7, 3, 3, 1 they are 3, 3, 1, 1: with these places the places
    // 4, 3, 2, 1 swap their items.
    Rng rng(42);
    std::array<int, 5> items{0, 1, 2, 3, 4};
    rng.shuffle(std::span<int>(items));
    CHECK(items == std::array<int, 5>{0, 2, 1, 4, 3});
}

TEST_CASE("Rng: below(0) is refused") {
    Rng rng(1);
    CHECK_THROWS_WITH_AS(rng.below(0), "gacc: Rng::below: expected 1 or more, got 0", gacc::UsageError);
}

}  // namespace random_test
