#pragma once

#include <gacc/core/types.hpp>
#include <gacc/kernels/rotary.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// The Rotary of a layer. It is made at the first call, for the positions that the call needs. So a layer that is made
/// from a file takes no memory for positions that the file only names. A copy is empty.
template <class Scalar>
class RotaryTable {
public:
    /// For heads of this even size.
    explicit RotaryTable(Index size) : size_(size) {}
    RotaryTable(const RotaryTable& other) : size_(other.size_) {}
    RotaryTable& operator=(const RotaryTable&) = delete;
    ~RotaryTable() {
        for (const Made* made = largest_.load(); made != nullptr;) { delete std::exchange(made, made->smaller); }
    }

    /// A Rotary of so many positions or more, which stays. Several threads may call it at once.
    const Rotary<Scalar>& of(Index positions) const {
        const Made* made = largest_.load(std::memory_order_acquire);
        if (made != nullptr && made->positions >= positions) { return made->rotary; }
        auto larger = std::make_unique<Made>(Made{positions, {positions, size_}, made});
        while (!largest_.compare_exchange_weak(larger->smaller, larger.get(), std::memory_order_acq_rel)) {
            made = larger->smaller;  // another thread was faster
            if (made != nullptr && made->positions >= positions) { return made->rotary; }
        }
        return larger.release()->rotary;
    }

private:
    struct Made {
        Index positions;
        Rotary<Scalar> rotary;
        const Made* smaller;  // made before; other threads may still read it
    };

    Index size_;
    mutable std::atomic<const Made*> largest_ = nullptr;
};

}  // namespace gacc::detail
