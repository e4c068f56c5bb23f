#include <gacc/kernels/random_places.hpp>

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

namespace random_places_test {

using gacc::Index;
using gacc::detail::PacketPlaces;

namespace {

constexpr Index lanes = gacc::detail::Simd<float>::lanes, width = gacc::detail::Panels<float>::width;

std::array<std::uint32_t, static_cast<std::size_t>(lanes)> numbers(const PacketPlaces::Words& words) {
    return std::bit_cast<std::array<std::uint32_t, static_cast<std::size_t>(lanes)>>(words);
}

}  // namespace

TEST_CASE("PacketPlaces: the row and column of every number of a parameter, from any packet on") {
    for (const Index cols : {1, 2, 5}) {
        const Index packets = 3 * 2 * cols;  // three panels
        for (Index first = 0; first < packets; ++first) {
            PacketPlaces places(cols, first);
            for (Index packet = first; packet < packets; ++packet) {
                const auto next = numbers(places.next());
                for (Index lane = 0; lane < lanes; ++lane) {
                    const Index stored = packet * lanes + lane;  // as Panels lie
                    const Index row = stored / (width * cols) * width + stored % width;
                    const Index column = stored % (width * cols) / width;
                    REQUIRE(next[static_cast<std::size_t>(lane)] == static_cast<std::uint32_t>(row * cols + column));
                }
            }
        }
    }
}

TEST_CASE("place_key: another key for another seed, step or parameter") {
    std::set<std::array<std::uint32_t, 2>> keys;
    for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32}) {
        for (const std::uint64_t step : {1ULL, 2ULL, 1ULL << 32}) {
            for (const std::uint64_t parameter : {0, 1, 2}) { keys.insert(gacc::detail::place_key(seed, step, parameter)); }
        }
    }
    CHECK(keys.size() == 27);
}

TEST_CASE("random_words: both halves are equally distributed and do not depend on each other") {
    // Sums of n uniform numbers. The bounds are five standard deviations.
    const auto words = [](std::uint32_t place, std::uint64_t step) {
        return gacc::detail::random_words<std::uint32_t>(place, gacc::detail::place_key(7, step, 0));
    };
    constexpr int n = 1 << 16;
    const double bound = 5 * std::sqrt(n / 12.0);
    const auto uniform = [](std::uint32_t bits) { return (bits + 0.5) / 65536 - 0.5; };
    for (const bool over_steps : {false, true}) {
        double low = 0, high = 0, both = 0, neighbours = 0, before = 0;
        std::array<int, 32> ones{};
        for (std::uint32_t i = 0; i < n; ++i) {
            const std::uint32_t word = over_steps ? words(3, i) : words(i, 1);
            const double l = uniform(word & 0xFFFF), h = uniform(word >> 16);
            low += l;
            high += h;
            both += 12 * l * h;
            neighbours += 12 * l * before;
            before = l;
            for (std::size_t bit = 0; bit < 32; ++bit) { ones[bit] += word >> bit & 1; }
        }
        CHECK(std::abs(low) < bound);
        CHECK(std::abs(high) < bound);
        CHECK(std::abs(both) < 5 * std::sqrt(n));
        CHECK(std::abs(neighbours) < 5 * std::sqrt(n));
        for (const int count : ones) { CHECK(std::abs(count - n / 2) < 5 * std::sqrt(n) / 2); }
    }
}

TEST_CASE("random_words: a packet has the words of its numbers") {
    PacketPlaces places(3, 0);
    const auto key = gacc::detail::place_key(1, 2, 3);
    const auto of_places = numbers(places.next());
    const auto words = numbers(gacc::detail::random_words(PacketPlaces(3, 0).next(), key));
    for (std::size_t i = 0; i < words.size(); ++i) {
        CHECK(words[i] == gacc::detail::random_words<std::uint32_t>(of_places[i], key));
    }
}

}  // namespace random_places_test
