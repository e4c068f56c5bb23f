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

/// Every array that the library keeps is a Buffer, and every Buffer is counted here, by what it is for. Matrices that
/// it returns (value(), grad(), predict()) are the caller's.
namespace gacc::inline GACC_ABI::memory {

enum class Kind {
    parameters,   ///< values of trained numbers
    gradients,    ///< what backward calls have added up
    moments,      ///< an optimizer's state
    activations,  ///< outputs of layers, later the gradients by them
    scratch,      ///< what losses keep, and gradients that cannot lie over activations
    staging,      ///< samples on their way into a micro-batch: inputs, labels, order
    data,         ///< tensors and datasets
    kernels,      ///< what each thread that trains works in: not planned, since it depends on the number of threads
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

/// Bytes now and at most, counted by all threads.
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
/// The most that each kind has held. Kinds peak at different times: the sum's own peak is peak_total().
inline Bytes peak() {
    Bytes bytes;
    for (std::size_t i = 0; i < kinds; ++i) { bytes[Kind(i)] = detail::counts().of[i].peak; }
    return bytes;
}
inline std::size_t peak_total() { return detail::counts().total.peak; }

/// Peaks start anew from what is held now.
inline void forget_peak() {
    for (auto& count : detail::counts().of) { count.forget(); }
    detail::counts().total.forget();
}

/// Bytes by kind, now and at most, as a table.
///
/// Example    std::cout << gacc::memory::report();
inline std::string report() {
    const auto row = [](std::string name, const std::string& now, const std::string& most) {
        name.resize(18, ' ');
        const auto right = [](const std::string& number) {
            return std::string(16 - std::min<std::size_t>(number.size(), 16), ' ') + number;
        };
        return name + right(now) + right(most) + '\n';
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
