#pragma once

#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/adam_moments.hpp>
#include <gacc/optim/packets.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The constants of one step for a group of parameters.
template <class Scalar>
struct AdamStep {
    Scalar scale;  // 1 / weight
    Scalar beta1, beta2, rest1, rest2;
    Scalar step_size, root_scale, epsilon;
    Scalar decay = 0;  // learning rate * weight decay
};

/// The numbers of a parameter and their moments.
template <class Scalar>
struct AdamArrays {
    Scalar* value;
    const Scalar* grad;
    Scalar* m;
    Scalar* v;
    Index packets;  // of each array; whole packets, so every element goes through the same instructions
    std::size_t group = 0;

    EIGEN_ALWAYS_INLINE FullMoments<Scalar> moments(Index) const { return {m, v}; }
};

/// The same with moments in bfloat16. The arrays begin with packet `first` of the parameter, which has `cols` columns.
struct RoundedAdamArrays {
    float* value;
    const float* grad;
    BFloat16* m;
    BFloat16* v;
    Index packets;
    std::size_t group = 0;
    std::array<std::uint32_t, 2> key{};
    Index cols = 1, first = 0;

    /// From this packet of the arrays on.
    RoundedMoments moments(Index packet) const { return {m, v, key, PacketPlaces(cols, first + packet)}; }
};

/// The one pass over memory of a step. The constants are in all lanes of a local object whose functions are inlined. So
/// the compiler knows that no store changes them. If it `decays`, every value first becomes value - decay * value,
/// rounded once. The factor 1 - decay would lose digits as a float.
template <class Scalar, bool decays = false>
class AdamPass {
public:
    explicit AdamPass(const AdamStep<Scalar>& step)
        : scale_(all(step.scale)), beta1_(all(step.beta1)), beta2_(all(step.beta2)), rest1_(all(step.rest1)),
          rest2_(all(step.rest2)), minus_step_size_(all(-step.step_size)), root_scale_(all(step.root_scale)),
          epsilon_(all(step.epsilon)), minus_decay_(all(-step.decay)) {}

    /// Updates packets first to last - 1. A root and a quotient take long, and operations that wait for them would fill
    /// the processor's queues. So some packets are always in work: each is finished after others have been begun.
    template <class Arrays>
    EIGEN_ALWAYS_INLINE void run(Arrays at, Index first, Index last) const {
        constexpr Index ahead = 3;
        auto moments = at.moments(first);
        Index i = first;
        if (last - first >= ahead) {
            Begun under_way[ahead];
#pragma GCC unroll 3
            for (Begun& packet : under_way) { packet = begin(at.grad, moments, i++ * lanes); }
            for (; last - i >= ahead; i += ahead) {
#pragma GCC unroll 3
                for (Index k = 0; k < ahead; ++k) {
                    const Begun next = begin(at.grad, moments, (i + k) * lanes);
                    finish(at.value, (i + k - ahead) * lanes, under_way[k]);
                    under_way[k] = next;
                }
            }
#pragma GCC unroll 3
            for (Index k = 0; k < ahead; ++k) { finish(at.value, (i + k - ahead) * lanes, under_way[k]); }
        }
        for (; i < last; ++i) { finish(at.value, i * lanes, begin(at.grad, moments, i * lanes)); }
    }

    /// The two halves of run() in separate passes, for moments that several gradients go into before a step.
    EIGEN_ALWAYS_INLINE void fold(const AdamArrays<Scalar>& at, Index first, Index last) const {
        auto moments = at.moments(first);
        for (Index i = first; i < last; ++i) { begin(at.grad, moments, i * lanes); }
    }
    EIGEN_ALWAYS_INLINE void step(const AdamArrays<Scalar>& at, Index first, Index last) const {
        for (Index i = first * lanes; i < last * lanes; i += lanes) {
            finish(at.value, i, {load_aligned(at.m + i), square_root(load_aligned(at.v + i))});
        }
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes;

    struct Begun {
        Packet m, root;
    };

    /// Sets small moments to zero. If a gradient stays zero, its moments would decay to subnormal numbers, and the
    /// squares of small gradients are subnormal too. Arithmetic on them is many times slower.
    template <class Moments>
    EIGEN_ALWAYS_INLINE Begun begin(const Scalar* grads, Moments& moments, Index i) const {
        const Packet grad = zero_below(times(load_aligned(grads + i), scale_), smallest_grad_);
        const auto before = moments.load(i);
        const Packet m = zero_below(multiply_add(beta1_, before.m, times(rest1_, grad)), smallest_);
        const Packet v = zero_below(multiply_add(beta2_, before.v, times(rest2_, times(grad, grad))), smallest_);
        moments.store(i, m, v);
        return {m, square_root(v)};
    }
    EIGEN_ALWAYS_INLINE void finish(Scalar* values, Index i, const Begun& begun) const {
        const Packet root = larger(multiply_add(begun.root, root_scale_, epsilon_), smallest_);  // 0 / 0 is 0
        Packet value = load_aligned(values + i);
        if constexpr (decays) { value = multiply_add(minus_decay_, value, value); }
        store_aligned(values + i, multiply_add(minus_step_size_, quotient(begun.m, root), value));
    }

    static Packet all(Scalar value) { return all_lanes<Packet>(static_cast<double>(value)); }

    Packet scale_, beta1_, beta2_, rest1_, rest2_, minus_step_size_, root_scale_, epsilon_, minus_decay_;
    Packet smallest_ = all(std::numeric_limits<Scalar>::min());
    /// Its square is `smallest_`, with room for the factor 1 - beta2: 3e-16 for float, 1e-146 for double.
    Packet smallest_grad_ = all(std::sqrt(std::numeric_limits<Scalar>::min() / std::numeric_limits<Scalar>::epsilon()));
};

/// Updates all parameters, each with the constants of its group.
template <bool decays, class Scalar, class Arrays>
void adam_update(const std::vector<AdamStep<Scalar>>& steps, std::span<const Arrays> parameters) {
    for_packets(parameters, 16, Simd<Scalar>::lanes, [&](const Arrays& arrays, Index first, Index last) {
        AdamPass<Scalar, decays>(steps[arrays.group]).run(arrays, first, last);
    });
}

}  // namespace gacc::detail
