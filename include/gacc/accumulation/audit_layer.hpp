#pragma once

#include <gacc/accumulation/audit_run.hpp>
#include <gacc/accumulation/given_values.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/sequential.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Passes x on, and records the gradient by it.
template <class Scalar>
class GradientProbe : public Layer<Scalar> {
public:
    explicit GradientProbe(std::shared_ptr<Matrix<Scalar>> grad_x) : grad_x_(std::move(grad_x)) { none_.mark_set(); }

    std::string description() const override { return "GradientProbe"; }
    LayerPlan plan(const Shape& x) const override { return {.y = x, .reads_x = false, .reads_y = false}; }
    void forward(Forward<Scalar> call) const override { call.y = call.x; }
    void backward(Backward<Scalar> call) override {
        grad_x_->middleRows(call.where.first_row, call.grad_y.rows()) = call.grad_y;
    }
    /// One parameter: without a parameter before them, layers get no gradient to pass on.
    std::vector<Parameter<Scalar>*> parameters() override { return {&none_}; }

private:
    std::shared_ptr<Matrix<Scalar>> grad_x_;  // rows of all samples x features; copies share it
    Parameter<Scalar> none_{"none", {1}};
};

/// The results of a layer, or of the loss, for all samples.
template <class Scalar>
struct AuditPass {
    Matrix<Scalar> y, grad_x;               // of the loss: the losses, and the gradient by the outputs
    std::vector<Matrix<Scalar>> gradients;  // of the layer's parameters
};

/// A layer of a model alone, with given x and a random grad_y. grad_y of a row is the same for every cut.
///
/// Shapes     inputs, x  samples x numbers of a sample;  y, grad_x  rows of the samples x features
template <class Scalar>
class AuditLayer {
public:
    /// `inputs` are those of the model, which must stay. The first layer with parameters makes no grad_x. For it
    /// `wants_grad_x` is false, and grad_x stays zero.
    AuditLayer(const Block<Scalar>& layer, const Matrix<Scalar>& inputs, const Shape& input_shape,
               const Matrix<Scalar>& x, const Shape& shape, bool wants_grad_x)
        : inputs_(inputs), samples_(x.rows()), probes_(wants_grad_x ? 1 : 0),
          grad_x_(std::make_shared<Matrix<Scalar>>(Matrix<Scalar>::Zero(x.rows() * rows_of(shape), shape.back()))) {
        model_.add(Input(input_shape));
        model_.add(GivenValues<Scalar>(x, shape));
        if (wants_grad_x) { model_.add(GradientProbe<Scalar>(grad_x_)); }
        model_.add(layer);
    }

    /// Runs all samples forward and backward, in these micro-batches.
    AuditPass<Scalar> pass(const Cut& cut) {
        begin(0);
        AuditPass<Scalar> pass;
        pass.y.resize(samples_, elements(model_.output_shape()));
        for_each_part(cut, [&](Index first, Index count, std::size_t) { run(first, count, &pass.y); });
        pass.grad_x = *grad_x_;
        pass.gradients = gradients();
        return pass;
    }

    /// The gradients of the layer's parameters, for each micro-batch alone.
    std::vector<std::vector<Matrix<Scalar>>> gradients_of_each(const Cut& cut) {
        std::vector<std::vector<Matrix<Scalar>>> all;
        for_each_part(cut, [&](Index first, Index count, std::size_t) {
            begin(first);
            run(first, count, nullptr);
            all.push_back(gradients());
        });
        return all;
    }

private:
    /// Sets the gradients to zero. The next sample is this one of the batch.
    void begin(Index sample) {
        GradientTally tally = model_.parameters().tally().before_training();
        tally.see(sample);
        model_.parameters().zero_grad();
        model_.parameters().set_tally(tally);
    }
    void run(Index first, Index count, Matrix<Scalar>* y) {
        const ConstMatrixView<Scalar> made = model_.forward(inputs_.middleRows(first, count));
        const Index rows = made.rows(), columns = made.cols();
        for (Index i = 0; y != nullptr && i < rows; ++i) {
            std::copy_n(made.data() + i * made.outerStride(), columns,
                        y->data() + (first * rows / count + i) * columns);
        }
        Matrix<Scalar> grad_y(rows, columns);
        for (Index i = 0; i < rows; ++i) {
            Rng rng(static_cast<std::uint64_t>(first * rows / count + i));  // by row: the same for every cut
            for (Index j = 0; j < columns; ++j) { grad_y(i, j) = static_cast<Scalar>(rng.uniform(-1, 1)); }
        }
        const std::vector<Scalar> ones(static_cast<std::size_t>(rows), Scalar(1));
        model_.backward({grad_y, ones});
    }

    std::vector<Matrix<Scalar>> gradients() {
        auto all = gradients_of(model_.parameters());
        all.erase(all.begin(), all.begin() + probes_);
        return all;
    }

    const Matrix<Scalar>& inputs_;
    Index samples_;
    std::ptrdiff_t probes_;                   // before the layer; each has one parameter
    std::shared_ptr<Matrix<Scalar>> grad_x_;  // rows of all samples x features
    Sequential<Scalar> model_;
};

}  // namespace gacc::detail
