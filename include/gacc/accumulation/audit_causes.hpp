#pragma once

#include <gacc/accumulation/audit_run.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/sequential.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Hands x on, and writes down the gradient by it.
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
    /// One, since no gradient is made for layers that have none before them.
    std::vector<Parameter<Scalar>*> parameters() override { return {&none_}; }

private:
    std::shared_ptr<Matrix<Scalar>> grad_x_;  // rows of all samples x features; copies share it
    Parameter<Scalar> none_{"none", {1}};
};

/// Finds out what changes the bits: gives each layer alone, and then the loss, the same numbers uncut and cut.
template <class Scalar>
class AuditCauses {
public:
    AuditCauses(Index samples, const Cut& cut) : samples_(samples), cut_(cut) {}

    /// `outputs` are the model's, uncut.
    template <class Loss, class Targets>
    std::vector<std::string> find(const Sequential<Scalar>& model, Loss& loss, const AuditBatch<Scalar, Targets>& batch,
                                  const Matrix<Scalar>& outputs) && {
        Matrix<Scalar> x = batch.inputs;
        Shape shape = model.input_shape();
        for (std::size_t i = 0; i < model.size(); ++i) {
            Block<Scalar> block = model[i];
            std::vector<std::string> names;
            block.for_each_layer(std::to_string(i), [&](Layer<Scalar>& layer, const std::string& name) {
                names.push_back(name + ": " + layer.description());
            });
            auto name = names.cbegin();
            x = walk(std::move(block), name, x, shape);
        }
        examine(loss, batch, outputs);
        return std::move(causes_);
    }

private:
    /// What a layer, or the loss, makes of all samples.
    struct Pass {
        Matrix<Scalar> y, grad_x;  // of the loss: the losses, and the gradient by the outputs
        std::vector<Matrix<Scalar>> gradients;
    };

    /// Examines the layers of a block; returns its outputs, and puts their shape in place of that of x.
    Matrix<Scalar> walk(Block<Scalar> block, std::vector<std::string>::const_iterator& name, const Matrix<Scalar>& x,
                        Shape& shape) {
        if (block.layer() != nullptr) { examine(block, *name++, x, shape); }
        const bool parameters_before = parameters_before_;
        for (auto& part : block.parts()) {
            Matrix<Scalar> inside = x;
            Shape inside_shape = shape;
            for (auto& inner : part.blocks) { inside = walk(inner, name, inside, inside_shape); }
            parameters_before_ = parameters_before_ || parameters_before;
        }
        Sequential<Scalar> alone;
        alone.add(Input(shape));
        alone.add(std::move(block));
        const Matrix<Scalar> y = flat(alone.forward(x));
        shape = alone.output_shape();
        return y;
    }

    /// One row a sample.
    Matrix<Scalar> flat(const ConstMatrixView<Scalar>& rows) const {
        const Matrix<Scalar> side_by_side = rows;
        return ConstMatrixView<Scalar>(side_by_side.data(), samples_, rows.size() / samples_);
    }

    /// A layer alone, with its own x and a random grad_y.
    void examine(Block<Scalar>& block, const std::string& where, const Matrix<Scalar>& x, const Shape& shape) {
        std::vector<std::string> names;  // of its parameters
        for (const auto* parameter : block.layer()->parameters()) {
            const std::string& name = parameter->name();
            names.push_back(name.substr(name.rfind('.') + 1));
        }
        const auto grad_x =
            std::make_shared<Matrix<Scalar>>(Matrix<Scalar>::Zero(samples_ * rows_of(shape), shape.back()));
        Sequential<Scalar> alone;
        alone.add(Input(shape));
        if (parameters_before_) { alone.add(GradientProbe<Scalar>(grad_x)); }
        alone.add(block);
        parameters_before_ = parameters_before_ || !names.empty();

        const Pass uncut = pass(alone, x, {samples_}, *grad_x), cut = pass(alone, x, cut_, *grad_x);
        compare_rows(where, "outputs", uncut.y, cut.y);
        compare_rows(where, "grad_x", uncut.grad_x, cut.grad_x);

        const std::size_t first = uncut.gradients.size() - names.size();  // after the probe's
        std::vector<std::vector<Matrix<Scalar>>> alone_each;              // gradients of each micro-batch alone
        for (std::size_t p = 0; p < names.size(); ++p) {
            const auto& whole = uncut.gradients[first + p];
            const auto& sum = cut.gradients[first + p];
            if (same(whole, sum)) { continue; }
            if (alone_each.empty()) { alone_each = each(alone, x); }
            std::vector<Matrix<Scalar>> parts;
            for (auto& of_micro_batch : alone_each) { parts.push_back(of_micro_batch[first + p]); }
            explain(where, names[p], whole, sum, parts);
        }
    }

    Pass pass(Sequential<Scalar>& model, const Matrix<Scalar>& x, const Cut& cut, Matrix<Scalar>& grad_x) const {
        begin(model, 0);
        Pass pass;
        pass.y.resize(samples_, elements(model.output_shape()));
        for_each_part(cut, [&](Index first, Index count, std::size_t) { run(model, x, first, count, &pass.y); });
        pass.grad_x = grad_x;
        pass.gradients = gradients_of(model.parameters());
        return pass;
    }
    std::vector<std::vector<Matrix<Scalar>>> each(Sequential<Scalar>& model, const Matrix<Scalar>& x) const {
        std::vector<std::vector<Matrix<Scalar>>> all;
        for_each_part(cut_, [&](Index first, Index count, std::size_t) {
            begin(model, first);
            run(model, x, first, count, nullptr);
            all.push_back(gradients_of(model.parameters()));
        });
        return all;
    }
    /// With gradients of zero, at this sample of the batch.
    static void begin(Sequential<Scalar>& model, Index sample) {
        GradientTally tally;
        tally.see(sample);
        model.parameters().zero_grad();
        model.parameters().set_tally(tally);
    }
    void run(Sequential<Scalar>& model, const Matrix<Scalar>& x, Index first, Index count, Matrix<Scalar>* y) const {
        const ConstMatrixView<Scalar> made = model.forward(x.middleRows(first, count));
        const Index rows = made.rows(), columns = made.cols();
        for (Index i = 0; y != nullptr && i < rows; ++i) {
            std::copy_n(made.data() + i * made.outerStride(), columns,
                        y->data() + (first * rows / count + i) * columns);
        }
        Matrix<Scalar> grad_y(rows, columns);
        for (Index i = 0; i < rows; ++i) {
            Rng rng(static_cast<std::uint64_t>(first * rows / count + i));  // of the row, so the same for every cut
            for (Index j = 0; j < columns; ++j) { grad_y(i, j) = static_cast<Scalar>(rng.uniform(-1, 1)); }
        }
        const std::vector<Scalar> ones(static_cast<std::size_t>(rows), Scalar(1));
        model.backward({grad_y, ones});
    }

    /// The loss alone, with the model's outputs.
    template <class Loss, class Targets>
    void examine(Loss& loss, const AuditBatch<Scalar, Targets>& batch, const Matrix<Scalar>& outputs) {
        const Index rows = outputs.rows() / samples_;
        bool divides = false;
        const auto pass = [&](const Cut& cut) {
            Pass all;
            all.y = Matrix<Scalar>::Zero(outputs.rows(), 1);
            all.grad_x.resize(outputs.rows(), outputs.cols());
            for_each_part(cut, [&](Index first, Index count, std::size_t) {
                const auto value = loss.forward(ConstMatrixView<Scalar>(outputs.middleRows(first * rows, count * rows)),
                                                batch.part(first, count).targets);
                std::ranges::copy(value.losses, all.y.data() + first * rows);
                const LossGradient<Scalar> gradient = loss.backward();
                divides = gradient.reduction != Reduction::mean_over_samples;
                all.grad_x.middleRows(first * rows, count * rows) = gradient.grad;
            });
            return all;
        };
        const Pass uncut = pass({samples_}), cut = pass(cut_);
        compare_rows("the loss", "values", uncut.y, cut.y);
        if (divides && !same(uncut.grad_x, cut.grad_x)) {
            note("the loss",
                 "its gradients are divided by the weight of the micro-batch, as its reduction says; use "
                 "Reduction::mean_over_samples");
        } else {
            compare_rows("the loss", "gradients", uncut.grad_x, cut.grad_x);
        }
    }

    static bool same(const Matrix<Scalar>& a, const Matrix<Scalar>& b) { return compare("", a, b).same; }

    /// Rows of samples, which should not know of each other.
    void compare_rows(const std::string& where, const std::string& what, const Matrix<Scalar>& uncut,
                      const Matrix<Scalar>& cut) {
        if (same(uncut, cut)) { return; }
        Matrix<Scalar> shares = cut;
        const Index rows = cut.rows() / samples_;
        for_each_part(cut_, [&](Index first, Index count, std::size_t) {
            shares.middleRows(first * rows, count * rows) *= share(count);
        });
        const Matrix<Scalar> magnitude = uncut.cwiseAbs();
        if (near(uncut, cut, magnitude, uncut.cols())) {
            note(where, "its " + what + " are rounded in another way in another micro-batch");
        } else if (near(uncut, shares, magnitude, uncut.cols() + 4)) {
            note(where, "its " + what + " are divided by the samples of the micro-batch; leave them undivided");
        } else {
            note(where, "its " + what +
                            " of a sample depend on the other samples of the micro-batch, or on the order of calls");
        }
    }

    /// A gradient that should be a sum over samples. `parts` are those of each micro-batch alone.
    void explain(const std::string& where, const std::string& name, const Matrix<Scalar>& uncut,
                 const Matrix<Scalar>& cut, const std::vector<Matrix<Scalar>>& parts) {
        const std::string what = "its gradient of " + name;
        Matrix<Scalar> sum = Matrix<Scalar>::Zero(cut.rows(), cut.cols()), shares = sum, magnitude = sum;
        for_each_part(cut_, [&](Index, Index count, std::size_t i) {
            sum += parts[i];
            shares += parts[i] * share(count);
            magnitude += parts[i].cwiseAbs();
        });
        if (near(uncut, cut, magnitude, samples_)) {
            note(where, what +
                            (same(sum, cut) ? " starts a sum at zero for every micro-batch and adds that"
                                            : " is summed in an order that the cut changes") +
                            ": the same but for rounding; add sample by sample to what is there");
        } else if (same(parts.back(), cut)) {
            note(where, what + " is written and not added: it is that of the last micro-batch alone (= for +=)");
        } else if (near(uncut, shares, magnitude, samples_)) {
            note(where, what + text(" is divided by the samples of the micro-batch, and so about ", cut_.size(),
                                    " times as large; leave it undivided"));
        } else {
            note(where, what + " is no sum over samples: it depends on which of them are in a micro-batch");
        }
    }

    Scalar share(Index count) const { return static_cast<Scalar>(count) / static_cast<Scalar>(samples_); }

    /// Whether rounding alone, of sums of so many terms of these magnitudes, can explain the difference.
    static bool near(const Matrix<Scalar>& a, const Matrix<Scalar>& b, const Matrix<Scalar>& magnitude, Index terms) {
        const Scalar most = static_cast<Scalar>(terms) * std::numeric_limits<Scalar>::epsilon() * magnitude.maxCoeff();
        return (a - b).cwiseAbs().maxCoeff() <= most;
    }

    void note(const std::string& where, const std::string& what) { causes_.push_back(where + ": " + what); }

    Index samples_;
    const Cut& cut_;
    bool parameters_before_ = false;  // of the layer under examination, which then makes a grad_x
    std::vector<std::string> causes_;
};

}  // namespace gacc::inline GACC_ABI::detail
