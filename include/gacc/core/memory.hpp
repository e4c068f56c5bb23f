#pragma once

#include <gacc/core/error.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gacc::inline GACC_ABI {

inline constexpr std::size_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;

}  // namespace gacc

/// Every array that the library keeps is a Buffer. Every Buffer is counted here, by its purpose. Matrices that the
/// library returns (value(), grad(), predict()) belong to the caller and are not counted.
namespace gacc::inline GACC_ABI::memory {

enum class Kind {
    parameters,   ///< values of parameters
    gradients,    ///< sums of the backward calls
    moments,      ///< an optimizer's state
    activations,  ///< outputs of layers, and later the gradients by them
    scratch,      ///< buffers of losses, and gradients that cannot lie over activations
    staging,      ///< samples on their way into a micro-batch: inputs, labels, order
    data,         ///< tensors and datasets
    kernels,      ///< scratch of each thread that trains; not planned, since it depends on the number of threads
};
inline constexpr std::size_t kinds = 8;
inline constexpr std::array<const char*, kinds> kind_names = {"parameters", "gradients", "moments", "activations",
                                                              "scratch",    "staging",   "data",    "kernels"};

/// Bytes of each kind.
class Bytes {
public:
    std::size_t& operator[](Kind kind) { return of_[static_cast<std::size_t>(kind)]; }
    std::size_t operator[](Kind kind) const { return of_[static_cast<std::size_t>(kind)]; }
    /// The largest std::size_t if the sum is larger.
    std::size_t total() const {
        std::size_t sum = 0;
        for (const std::size_t bytes : of_) { sum = bytes > SIZE_MAX - sum ? SIZE_MAX : sum + bytes; }
        return sum;
    }
    bool operator==(const Bytes&) const = default;

private:
    std::array<std::size_t, kinds> of_{};
};

namespace detail {

/// Present and largest bytes, counted by all threads.
struct Count {
    std::atomic<std::size_t> live{0}, peak{0};

    void add(std::size_t bytes) {
        const std::size_t now = live += bytes;
        for (std::size_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {}
    }
    void forget() { peak = live.load(); }
};

struct Counts {
    std::array<Count, kinds> of;
    Count total;

    void add(Kind kind, std::size_t bytes) {
        of[static_cast<std::size_t>(kind)].add(bytes);
        total.add(bytes);
    }
    void remove(Kind kind, std::size_t bytes) {
        of[static_cast<std::size_t>(kind)].live -= bytes;
        total.live -= bytes;
    }
};

inline Counts& counts() {
    static Counts all;
    return all;
}

}  // namespace detail

/// Bytes that the program's buffers hold now.
inline Bytes live() {
    Bytes bytes;
    for (std::size_t i = 0; i < kinds; ++i) { bytes[Kind(i)] = detail::counts().of[i].live; }
    return bytes;
}
/// The largest bytes of each kind. Kinds peak at different times; peak_total() is the peak of the sum.
inline Bytes peak() {
    Bytes bytes;
    for (std::size_t i = 0; i < kinds; ++i) { bytes[Kind(i)] = detail::counts().of[i].peak; }
    return bytes;
}
inline std::size_t peak_total() { return detail::counts().total.peak; }

/// Sets the peaks to the bytes held now.
inline void forget_peak() {
    for (auto& count : detail::counts().of) { count.forget(); }
    detail::counts().total.forget();
}

/// A table of the present and largest bytes of each kind.
///
/// Example    std::cout << gacc::memory::report();
inline std::string report() {
    const auto row = [](const std::string& name, const std::string& now, const std::string& most) {
        using gacc::detail::left, gacc::detail::right;
        return left(name, 18) + right(now, 16) + right(most, 16) + '\n';
    };
    const Bytes now = live(), most = peak();
    std::string table = row("bytes of", "now", "at most");
    for (std::size_t i = 0; i < kinds; ++i) {
        if (most[Kind(i)] > 0) {
            table += row(kind_names[i], gacc::detail::grouped(now[Kind(i)]), gacc::detail::grouped(most[Kind(i)]));
        }
    }
    return table + row("all at once", gacc::detail::grouped(now.total()), gacc::detail::grouped(peak_total()));
}

}  // namespace gacc::memory
