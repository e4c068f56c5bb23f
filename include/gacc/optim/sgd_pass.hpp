#pragma once

#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/packets.hpp>

#include <cstddef>
#include <limits>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The constants of one step for a group of parameters.
template <class Scalar>
struct SGDStep {
    Scalar scale;  // 1 / weight
    Scalar weight_decay, momentum, learning_rate;
};

/// The numbers of a parameter and their velocities.
template <class Scalar>
struct SGDArrays {
    Scalar* value;
    const Scalar* grad;
    Scalar* velocity;  // null without momentum
    Index packets;     // of each array; whole packets, so every element goes through the same instructions
    std::size_t group = 0;
};

enum class Momentum { none, plain, nesterov };

/// The one pass over memory of a step. The constants are in all lanes of a local object, as in AdamPass.
template <class Scalar, Momentum kind>
class SGDPass {
public:
    explicit SGDPass(const SGDStep<Scalar>& step)
        : scale_(all(step.scale)), weight_decay_(all(step.weight_decay)), momentum_(all(step.momentum)),
          minus_learning_rate_(all(-step.learning_rate)) {}

    /// Updates packets first to last - 1.
    EIGEN_ALWAYS_INLINE void run(SGDArrays<Scalar> at, Index first, Index last) const {
        for (Index i = first * lanes; i < last * lanes; i += lanes) {
            const Packet value = load_aligned(at.value + i);
            const Packet grad = multiply_add(weight_decay_, value, times(load_aligned(at.grad + i), scale_));
            const Packet direction = direction_of(grad, at, i);
            store_aligned(at.value + i, multiply_add(minus_learning_rate_, direction, value));
        }
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes;

    /// Sets small velocities to zero. If a gradient stays zero, its velocity would decay to subnormal numbers, on which
    /// arithmetic is many times slower.
    EIGEN_ALWAYS_INLINE Packet direction_of(const Packet& grad, const SGDArrays<Scalar>& at, Index i) const {
        if constexpr (kind == Momentum::none) {
            return grad;
        } else {
            const Packet before = load_aligned(at.velocity + i);
            const Packet velocity = zero_below(multiply_add(momentum_, before, grad), smallest_);
            store_aligned(at.velocity + i, velocity);
            return kind == Momentum::nesterov ? multiply_add(momentum_, velocity, grad) : velocity;
        }
    }

    static Packet all(Scalar value) { return all_lanes<Packet>(static_cast<double>(value)); }

    Packet scale_, weight_decay_, momentum_, minus_learning_rate_;
    Packet smallest_ = all(std::numeric_limits<Scalar>::min());
};

/// Updates all parameters, each with the constants of its group.
template <class Scalar, Momentum kind>
void sgd_update(std::span<const SGDStep<Scalar>> steps, std::span<const SGDArrays<Scalar>> parameters) {
    for_packets(parameters, 8, Simd<Scalar>::lanes, [&](const SGDArrays<Scalar>& arrays, Index first, Index last) {
        SGDPass<Scalar, kind>(steps[arrays.group]).run(arrays, first, last);
    });
}

}  // namespace gacc::detail
