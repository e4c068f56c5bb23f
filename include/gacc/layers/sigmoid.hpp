#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

namespace gacc::inline GACC_ABI {

namespace detail {

struct SigmoidFunction {
    static constexpr bool reads_x = false;

    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        return sigmoid(x);
    }
    /// y (1 - y)
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& y) const {
        return times(y, minus(all_lanes<Packet>(1), y));
    }
    std::string description() const { return "Sigmoid"; }
    LayerConfig config() const { return {"Sigmoid"}; }
};

}  // namespace detail

/// Logistic function: y = 1 / (1 + exp(-x)), element by element.
///
/// Gradients  grad_x = grad_y y (1 - y)
/// Example    gacc::Sequential model(gacc::Linear(2, 8), gacc::Sigmoid(), gacc::Linear(8, 1));
template <class Scalar = float>
class Sigmoid : public Elementwise<Scalar, detail::SigmoidFunction> {
public:
    Sigmoid() = default;
};

}  // namespace gacc
