#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

#include <limits>

namespace gacc::inline GACC_ABI {

namespace detail {

struct SoftplusFunction {
    static constexpr bool reads_x = true;

    /// max(x, 0) + log(1 + t), t = exp(-|x|). For a small t, log(1 + t) = t - t²/2.
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        constexpr double small = std::numeric_limits<ScalarOf<Packet>>::digits == 24 ? 0x1p-9 : 0x1p-18;
        const Packet t = exponential(negated(magnitude(x)));
        const Packet series = times(t, multiply_add(t, all_lanes<Packet>(-0.5), all_lanes<Packet>(1)));
        const Packet logs = choose(is_less(t, all_lanes<Packet>(small)), series,
                                    logarithm(plus(all_lanes<Packet>(1), t)));
        return plus(choose(is_less(x, all_lanes<Packet>(0)), all_lanes<Packet>(0), x), logs);
    }
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& x) const {
        return sigmoid(x);
    }
    std::string description() const { return "Softplus"; }
    LayerConfig config() const { return {"Softplus"}; }
};

}  // namespace detail

/// Smooth ReLU: y = log(1 + exp(x)), element by element, without overflow.
///
/// Gradients  grad_x = grad_y / (1 + exp(-x))
/// Source     Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing"
/// Example    gacc::Sequential model(gacc::Linear(2, 8), gacc::Softplus(), gacc::Linear(8, 1));
template <class Scalar = float>
class Softplus : public Elementwise<Scalar, detail::SoftplusFunction> {
public:
    Softplus() = default;
};

}  // namespace gacc
