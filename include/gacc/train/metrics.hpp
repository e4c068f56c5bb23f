#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/view.hpp>
#include <gacc/losses/loss.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI {

/// The mean loss over any number of micro-batches. It adds sample by sample, so it does not depend on the cut.
///
/// Example    mean_loss.add(loss.forward(model.forward(micro.inputs), micro.labels));
///            validation.add(loss.value(model.predict(batch.inputs), batch.labels));
class MeanLoss {
public:
    template <class Scalar>
    void add(const LossValue<Scalar>& value) {
        for (const Scalar loss : value.losses) { sum_ += static_cast<double>(loss); }
        for (const Scalar weight : value.weights) { weight_ += static_cast<double>(weight); }
    }
    template <class Scalar>
    void add(const OwnLossValue<Scalar>& value) {
        add(LossValue<Scalar>{.losses = value.losses, .weights = value.weights});
    }

    /// 0 if no sample counted yet.
    double mean() const { return weight_ > 0 ? sum_ / weight_ : 0; }

    State state() const { return {detail::word(sum_), detail::word(weight_)}; }
    void set_state(std::span<const std::uint64_t> words) {
        detail::check_state("MeanLoss", words.size() == 2, "a mean loss");
        sum_ = detail::real(words[0]);
        weight_ = detail::real(words[1]);
    }

private:
    double sum_ = 0;
    double weight_ = 0;
};

namespace detail {

inline void check_labels(const char* where, Index samples, std::span<const Label> labels) {
    if (static_cast<Index>(labels.size()) != samples) {
        throw ShapeError(where, text("expected a label for each of ", samples, " samples, got ", labels.size()));
    }
}

}  // namespace detail

/// The number of samples whose largest output (the first, if several are equal) is that of the label. A label that is
/// not a class is never right. If some samples are ignored, divide by the number of the others, or use Accuracy.
///
/// Shapes     outputs samples x classes;  labels samples
/// Throws     ShapeError if there are not as many labels as samples
template <class Derived>
Index count_correct(const Eigen::DenseBase<Derived>& outputs, std::span<const Label> labels) {
    detail::check_labels("count_correct", outputs.rows(), labels);
    Index correct = 0;
    for (Index i = 0; i < outputs.rows(); ++i) {
        const Index label = labels[static_cast<std::size_t>(i)];
        bool largest = label >= 0 && label < outputs.cols();
        for (Index j = 0; largest && j < outputs.cols(); ++j) {  // NaN is never the largest
            largest = j < label ? outputs(i, label) > outputs(i, j) : outputs(i, label) >= outputs(i, j);
        }
        correct += largest ? 1 : 0;
    }
    return correct;
}

/// The share of samples that are right, over any number of micro-batches. Samples with the ignored label are left out.
///
/// Throws     ShapeError as count_correct
/// Example    gacc::Accuracy accuracy;  accuracy.add(model.predict(batch.inputs), batch.labels);  accuracy.value();
class Accuracy {
public:
    explicit Accuracy(Label ignored_label = -100) : ignored_label_(ignored_label) {}

    template <class Derived>
    void add(const Eigen::DenseBase<Derived>& outputs, std::span<const Label> labels) {
        detail::check_labels("Accuracy::add", outputs.rows(), labels);
        for (Index i = 0; i < outputs.rows(); ++i) {
            const auto label = labels.subspan(static_cast<std::size_t>(i), 1);
            if (label[0] == ignored_label_) { continue; }
            ++counted_;
            correct_ += count_correct(outputs.derived().middleRows(i, 1), label);
        }
    }

    Index correct() const { return correct_; }
    /// Samples whose label is not the ignored one.
    Index counted() const { return counted_; }
    /// 0 if no sample counted yet.
    double value() const { return counted_ > 0 ? static_cast<double>(correct_) / static_cast<double>(counted_) : 0; }

private:
    Label ignored_label_;
    Index correct_ = 0;
    Index counted_ = 0;
};

}  // namespace gacc
