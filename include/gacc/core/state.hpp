#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The state from which an object can continue, as words of 64 bits: integers as they are, a double by its bits.
using State = std::vector<std::uint64_t>;

/// An object that a checkpoint can keep: the generator, the position in the data, a mean, a policy with a memory.
///
/// state()       always has the same length
/// set_state()   throws a gacc::Error and changes nothing if state() cannot have returned the words
template <class T>
concept Stateful = requires(const T& object, T& changed, std::span<const std::uint64_t> words) {
    { object.state() } -> std::convertible_to<State>;
    changed.set_state(words);
};

namespace detail {

inline std::uint64_t word(double number) { return std::bit_cast<std::uint64_t>(number); }
inline std::uint64_t word(Index number) { return static_cast<std::uint64_t>(number); }
inline double real(std::uint64_t word) { return std::bit_cast<double>(word); }

/// Throws     DataError naming `what` unless `valid`
inline void check_state(const char* where, bool valid, const char* what) {
    if (!valid) { throw DataError(where, text("expected the state of ", what, ", got other words")); }
}
/// A count that is not negative.
inline Index count(const char* where, std::uint64_t word, const char* what) {
    check_state(where, word <= std::uint64_t{std::numeric_limits<Index>::max() / 2} + 1, what);
    return static_cast<Index>(word);
}

}  // namespace detail
}  // namespace gacc
