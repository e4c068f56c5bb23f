#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/types.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Philox4x32-10: four random words as a pure function of a counter and a key.
///
/// Source     Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4.3
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
        key[0] += 0x9E3779B9;  // the golden ratio
        key[1] += 0xBB67AE85;  // sqrt(3) - 1
    }
    return counter;
}

/// A stream of random numbers. For the same seed the words are the same on every machine and with every standard
/// library. normal() uses the system's logarithm and cosine, whose last bit may differ on another system.
///
/// Its whole state is the seed and the number of words drawn. A copy draws the same numbers as the original. That is
/// seldom meant: a loop that shuffles with a copy sees the same order every epoch. So you must ask for a copy.
///
/// Example    gacc::Rng rng(42);  const double x = rng.uniform(-1, 1);  gacc::Rng same = rng.copy();
class Rng {
public:
    using result_type = std::uint32_t;

    explicit Rng(std::uint64_t seed = 0) : seed_(seed) {}
    Rng(Rng&&) noexcept = default;
    Rng& operator=(Rng&&) noexcept = default;
    ~Rng() = default;

    /// Another generator that continues from the state of this one.
    Rng copy() const { return *this; }

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

    /// 32 random bits.
    result_type operator()() {
        if (drawn_ % 4 == 0) { words_ = block(drawn_ / 4); }
        return words_[drawn_++ % 4];
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    double uniform() {
        const std::uint64_t high = (*this)();
        return static_cast<double>(((high << 32) | (*this)()) >> 11) * 0x1p-53;
    }
    /// Uniform in [low, high). If the two are close, rounding can give `high` itself.
    double uniform(double low, double high) { return low + (high - low) * uniform(); }

    /// From the normal distribution with mean 0 and deviation 1, by Box and Muller; takes two uniform numbers.
    double normal() {
        const double radius = std::sqrt(-2 * std::log(1 - uniform()));
        return radius * std::cos(2 * std::numbers::pi * uniform());
    }

    /// From 0 to n - 1, each equally likely.
    ///
    /// Throws     UsageError if n is 0
    std::uint64_t below(std::uint64_t n) {
        if (n == 0) { throw UsageError("Rng::below", "expected 1 or more, got 0"); }
        const std::uint64_t mask = std::numeric_limits<std::uint64_t>::max() >> std::countl_zero((n - 1) | 1);
        for (;;) {
            std::uint64_t candidate = (*this)();
            if (mask > max()) { candidate = (candidate << 32) | (*this)(); }
            if ((candidate & mask) < n) { return candidate & mask; }
        }
    }

    /// Makes every order equally likely (Fisher and Yates).
    template <class T>
    void shuffle(std::span<T> items) {
        for (std::size_t left = items.size(); left > 1; --left) { std::swap(items[left - 1], items[below(left)]); }
    }

    std::uint64_t seed() const { return seed_; }
    /// Words drawn so far.
    std::uint64_t drawn() const { return drawn_; }

    State state() const { return {seed_, drawn_}; }
    void set_state(std::span<const std::uint64_t> words) {
        detail::check_state("Rng", words.size() == 2, "a generator");
        seed_ = words[0];
        drawn_ = words[1];
        words_ = block(drawn_ / 4);
    }

private:
    Rng(const Rng&) = default;
    Rng& operator=(const Rng&) = default;

    std::array<std::uint32_t, 4> block(std::uint64_t index) const {
        return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0, 0},
                          {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
    }

    std::uint64_t seed_;
    std::uint64_t drawn_ = 0;
    std::array<std::uint32_t, 4> words_{};  // the block that the next word comes from
};

}  // namespace gacc
