#pragma once

#include <gacc/layers/layer.hpp>

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
        for_each(call, call.x, [&](Index row, Index column, Index sample, Index place) {
            call.y(sample, place) = call.x(row, column);
        });
    }
    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        for_each(call, call.grad_x, [&](Index row, Index column, Index sample, Index place) {
            call.grad_x(row, column) = call.grad_y(sample, place);
        });
    }

private:
    /// Calls f(row, column, sample, place) for every number, with its place in x and its place in y.
    template <class Call, class Rows, class F>
    static void for_each(const Call& call, const Rows& x, const F& f) {
        const Index rows = x.rows() / call.samples, features = x.cols();
        const bool channels_first = call.shape.size() == 3;
        for (Index sample = 0; sample < call.samples; ++sample) {
            for (Index row = 0; row < rows; ++row) {
                for (Index i = 0; i < features; ++i) {
                    f(sample * rows + row, i, sample, channels_first ? i * rows + row : row * features + i);
                }
            }
        }
    }
};

}  // namespace gacc
