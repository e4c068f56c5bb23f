#pragma once

#include <gacc/accumulation/audit_judge.hpp>
#include <gacc/accumulation/audit_layer.hpp>
#include <gacc/accumulation/audit_run.hpp>
#include <gacc/accumulation/given_values.hpp>
#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/sequential.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Looks for the cause of changed bits: gives each layer alone, and then the loss, the same numbers uncut and cut.
template <class Scalar>
class AuditCauses {
public:
    AuditCauses(Index samples, const Cut& cut) : samples_(samples), cut_(cut), judge_(samples, cut) {}

    /// `outputs` are those of the uncut model, or the features if the loss takes those.
    template <class Loss, class Targets, class Outputs>
    std::vector<std::string> find(const Sequential<Scalar>& model, Loss& loss, const AuditBatch<Scalar, Targets>& batch,
                                  const Outputs& outputs) && {
        inputs_ = batch.inputs;
        input_shape_ = model.input_shape();
        Matrix<Scalar> x = inputs_;
        Shape shape = input_shape_;
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
    /// Examines the layers of a block. Returns its outputs, and sets `shape` to their shape.
    Matrix<Scalar> walk(Block<Scalar> block, std::vector<std::string>::const_iterator& name, const Matrix<Scalar>& x,
                        Shape& shape) {
        if (block.layer() != nullptr) { examine(block, *name++, x, shape); }
        const bool parameters_before = parameters_before_;
        Matrix<Scalar> inside = x;
        Shape inside_shape = shape;
        for (auto& part : block.parts()) {
            if (block.kind() != Block<Scalar>::Kind::chain) {  // all parts take x
                inside = x;
                inside_shape = shape;
            }
            for (auto& inner : part.blocks) { inside = walk(inner, name, inside, inside_shape); }
            parameters_before_ = parameters_before_ || parameters_before;
        }
        Sequential<Scalar> alone;
        alone.add(Input(input_shape_));
        alone.add(GivenValues<Scalar>(x, shape));
        alone.add(std::move(block));
        const Matrix<Scalar> y = flat(alone.forward(inputs_));
        shape = alone.output_shape();
        return y;
    }

    /// The same numbers with one row for each sample.
    Matrix<Scalar> flat(const ConstMatrixView<Scalar>& rows) const {
        const Matrix<Scalar> side_by_side = rows;
        return ConstMatrixView<Scalar>(side_by_side.data(), samples_, rows.size() / samples_);
    }

    /// Examines a layer alone, with its own x and a random grad_y.
    void examine(Block<Scalar>& block, const std::string& where, const Matrix<Scalar>& x, const Shape& shape) {
        std::vector<std::string> names;  // of its parameters
        for (const auto* parameter : block.layer()->parameters()) {
            const std::string& name = parameter->name();
            names.push_back(name.substr(name.rfind('.') + 1));
        }
        AuditLayer<Scalar> layer(block, inputs_, input_shape_, x, shape, parameters_before_);
        parameters_before_ = parameters_before_ || !names.empty();

        const AuditPass<Scalar> uncut = layer.pass({samples_}), cut = layer.pass(cut_);
        compare_rows(where, "outputs", uncut.y, cut.y);
        compare_rows(where, "grad_x", uncut.grad_x, cut.grad_x);

        std::vector<std::vector<Matrix<Scalar>>> alone_each;  // gradients of each micro-batch alone
        for (std::size_t p = 0; p < names.size(); ++p) {
            if (judge_.same(uncut.gradients[p], cut.gradients[p])) { continue; }
            if (alone_each.empty()) { alone_each = layer.gradients_of_each(cut_); }
            std::vector<Matrix<Scalar>> parts;
            for (auto& of_micro_batch : alone_each) { parts.push_back(of_micro_batch[p]); }
            note(where, judge_.cause_in_sum(names[p], uncut.gradients[p], cut.gradients[p], parts));
        }
    }

    /// Examines the loss alone, with the model's outputs or features.
    template <class Loss, class Targets, class Outputs>
    void examine(Loss& loss, const AuditBatch<Scalar, Targets>& batch, const Outputs& outputs) {
        const Index rows = outputs.rows() / samples_;
        bool divides = false;
        const auto pass = [&](const Cut& cut) {
            AuditPass<Scalar> all;
            all.y = Matrix<Scalar>::Zero(outputs.rows(), 1);
            for_each_part(cut, [&](Index first, Index count, std::size_t) {
                const auto value = loss.forward(some_loss_rows(outputs, first * rows, count * rows),
                                                batch.part(first, count).targets);
                std::copy(value.losses.begin(), value.losses.end(), all.y.data() + first * rows);
                const LossGradient<Scalar> gradient = loss.backward();
                divides = gradient.reduction != Reduction::mean_over_samples;
                all.grad_x.conservativeResize(outputs.rows(), gradient.grad.cols());
                all.grad_x.middleRows(first * rows, count * rows) = whole_gradient(gradient);
            });
            return all;
        };
        const AuditPass<Scalar> uncut = pass({samples_}), cut = pass(cut_);
        compare_rows("the loss", "values", uncut.y, cut.y);
        if (divides && !judge_.same(uncut.grad_x, cut.grad_x)) {
            note("the loss",
                 "its gradients are divided by the weight of the micro-batch, as its reduction says; use "
                 "Reduction::mean_over_samples");
        } else {
            compare_rows("the loss", "gradients", uncut.grad_x, cut.grad_x);
        }
    }

    void compare_rows(const std::string& where, const std::string& what, const Matrix<Scalar>& uncut,
                      const Matrix<Scalar>& cut) {
        if (!judge_.same(uncut, cut)) { note(where, judge_.cause_in_rows(what, uncut, cut)); }
    }
    void note(const std::string& where, const std::string& what) { causes_.push_back(where + ": " + what); }

    Index samples_;
    const Cut& cut_;
    Matrix<Scalar> inputs_;  // of the model
    Shape input_shape_;
    AuditJudge<Scalar> judge_;
    bool parameters_before_ = false;  // of the examined layer; then it makes a grad_x
    std::vector<std::string> causes_;
};

}  // namespace gacc::detail
