#pragma once

#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/layers/layer.hpp>

#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

/// out = f(in...), element by element, for rows of whole packets and their ends.
template <class Scalar, class Function, class... Inputs>
void map_rows(const Function& f, MatrixView<Scalar> out, const Inputs&... in) {
    for (Index i = 0; i < out.rows(); ++i) {
        map_packets(out.cols(), f, out.data() + i * out.outerStride(), (in.data() + i * in.outerStride())...);
    }
}

}  // namespace detail

/// A layer y = f(x) for every element by itself. Tanh, GELU and the others define f:
///
///     template <class Packet> Packet value(const Packet& x) const;
///     template <class Packet> Packet slope(const Packet& at) const;    // f'(x), from x if reads_x, else from y
///     static constexpr bool reads_x;
///     std::string description() const;
///     LayerConfig config() const;                                      // may be left out: then it is not saved
///
/// If the slope follows from y, the layer takes no memory of its own: y lies over x.
///
/// Gradients  grad_x = grad_y f'(x)
template <class Scalar, class Function>
class Elementwise : public Layer<Scalar> {
public:
    std::string description() const override { return f_.description(); }
    LayerConfig config() const override {
        if constexpr (requires { f_.config(); }) { return f_.config(); }
        return {};
    }
    LayerPlan plan(const Shape& x) const override {
        return {.y = x, .reads_x = Function::reads_x, .reads_y = !Function::reads_x, .elementwise = true};
    }

    void forward(Forward<Scalar> call) const override {
        detail::map_rows([this](const auto& x) { return f_.value(x); }, call.y, call.x);
    }
    void backward(Backward<Scalar> call) override {
        const auto& at = Function::reads_x ? call.x : call.y;
        detail::map_rows([this](const auto& here,
                                const auto& grad) { return detail::times(f_.slope(here), grad); },
                         call.grad_x, at, call.grad_y);
    }

protected:
    explicit Elementwise(Function f = {}) : f_(std::move(f)) {}

private:
    Function f_;
};

}  // namespace gacc
