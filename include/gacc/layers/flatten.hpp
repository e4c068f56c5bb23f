#pragma once

#include <gacc/layers/layer.hpp>

#include <algorithm>
#include <string>

namespace gacc::inline GACC_ABI {

/// All numbers of a sample as one row, in PyTorch's order. A sample of {height, width, channels} gives channel after
/// channel, each row by row. Other samples give their numbers as they are.
///
/// Example    gacc::Sequential model(gacc::Input(28, 28, 1), gacc::Flatten(), gacc::Linear(784, 10));
template <class Scalar = float>
class Flatten : public Layer<Scalar> {
public:
    std::string description() const override { return "Flatten"; }
    LayerConfig config() const override { return {"Flatten"}; }
    LayerPlan plan(const Shape& x) const override {
        return {.y = {elements(x)}, .reads_x = false, .reads_y = false, .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        for (Index sample = 0; sample < call.samples; ++sample) {
            Scalar* y = call.y.data() + sample * call.y.outerStride();
            for_each(call, call.x, sample, [&](const Scalar& number, Index place) { y[place] = number; });
        }
    }
    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        for (Index sample = 0; sample < call.samples; ++sample) {
            const Scalar* grad_y = call.grad_y.data() + sample * call.grad_y.outerStride();
            for_each(call, call.grad_x, sample, [&](Scalar& number, Index place) { number = grad_y[place]; });
        }
    }

private:
    /// Calls f(number of x, its place in y) for every number of a sample. An image is walked in groups of channels that
    /// share cache lines.
    template <class Call, class Rows, class F>
    static void for_each(const Call& call, Rows& x, Index sample, const F& f) {
        constexpr Index line = 64 / Index{sizeof(Scalar)};
        const Index rows = x.rows() / call.samples, features = x.cols(), stride = x.outerStride();
        auto* of_sample = x.data() + sample * rows * stride;
        if (call.shape.size() != 3) {
            for (Index row = 0; row < rows; ++row) {
                for (Index i = 0; i < features; ++i) { f(of_sample[row * stride + i], row * features + i); }
            }
            return;
        }
        for (Index first = 0; first < features; first += line) {
            for (Index i = first; i < std::min(features, first + line); ++i) {
                for (Index row = 0; row < rows; ++row) { f(of_sample[row * stride + i], i * rows + row); }
            }
        }
    }
};

}  // namespace gacc
