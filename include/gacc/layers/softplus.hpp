#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

#include <limits>

namespace gacc::inline GACC_ABI {

namespace detail {

struct SoftplusFunction {
    static constexpr bool reads_x = true;

    /// max(x, 0) + log(1 + t), t = exp(-|x|). Of a small t, log(1 + t) = t - t²/2.
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        using namespace Eigen::internal;
        using Number = typename unpacket_traits<Packet>::type;
        constexpr double small = std::numeric_limits<Number>::digits == 24 ? 0x1p-9 : 0x1p-18;
        const Packet t = exponential(pnegate(pabs(x)));
        const Packet series = pmul(t, multiply_add(t, all_lanes<Packet>(-0.5), all_lanes<Packet>(1)));
        const Packet logs = pselect(pcmp_lt(t, all_lanes<Packet>(small)), series,
                                    logarithm(padd(all_lanes<Packet>(1), t)));
        return padd(pselect(pcmp_lt(x, pzero(x)), pzero(x), x), logs);
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
