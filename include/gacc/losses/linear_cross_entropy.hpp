#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/losses/features.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/losses/loss_rows.hpp>
#include <gacc/losses/softmax_row.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// SoftmaxCrossEntropy for many classes: the logits are never all in memory, nor is their gradient. It takes the
/// features, which are what the model's last layer reads. That layer must be a Linear, and stays a layer of the model.
/// Forward computes the logits of a block of rows and their losses, then those of the next. Backward takes the gradient
/// of a block through the Linear before the next block. Losses, gradients and trained parameters have the same bytes as
/// with SoftmaxCrossEntropy.
///
/// Shapes     features rows x width;  labels, weights rows
/// Memory     logits of a block: 128 rows, or as many as 256 KiB hold if that is more. Two numbers and a label a row
/// Work       backward computes the logits of all blocks of rows but the first again. With 50,257 classes, a pass of a
///            GPT of one block and a width of 768 took 13 % more time; the last layer is most of its work. With 65
///            classes, where all rows were one block, it took no more time
/// Throws     as SoftmaxCrossEntropy
/// Example    gacc::LinearCrossEntropy loss;
///            loss.forward(model.forward_features(x), labels);  model.backward(loss.backward());
///            loss.value(model.predict_features(x), labels).mean();
template <class Scalar = float>
class LinearCrossEntropy {
public:
    /// Parts of the training that call a loss, such as plan() and audit(), give it features in place of outputs.
    static constexpr bool takes_features = true;

    explicit LinearCrossEntropy(SoftmaxCrossEntropyOptions options = {}) : options_(options) {
        detail::check_options(name, options_);
    }

    /// If `weights` is empty, every row has weight 1. The features must not change until the model's backward, which
    /// reads them again.
    LossValue<Scalar> forward(const Features<Scalar>& features, std::span<const Label> labels,
                              std::span<const Scalar> weights = {}) {
        check(features, labels, weights);
        const Index rows = features.rows(), most = block_rows(rows, features.outputs());
        ready_ = false;
        logits_.reserve(detail::product_of(most, stride(features.outputs())));
        losses_.reserve(rows);
        weights_.reserve(rows);
        labels_.reserve(rows);
        std::copy(labels.begin(), labels.end(), labels_.data());
        features_ = features;
        // From the last block to the first, whose gradient then is there when backward asks for it.
        for (Index first = (rows - 1) / most * most; first >= 0; first -= most) {
            compute({features, labels, weights, options_}, first, std::min(most, rows - first),
                    {losses_.data(), weights_.data(), first == 0 ? logits_.data() : nullptr}, logits_.data());
        }
        first_ = 0;
        last_ = std::min(most, rows);
        const detail::LossSums sums(losses_.data(), weights_.data(), rows);
        weight_ = sums.weight;
        ready_ = true;
        return {sums.loss, sums.weight, std::as_const(losses_).first(rows), std::as_const(weights_).first(rows)};
    }

    /// The same bytes as forward, without a gradient. It keeps nothing, so several threads may call it at once. It takes
    /// memory for the logits of a block while it runs.
    OwnLossValue<Scalar> value(const Features<Scalar>& features, std::span<const Label> labels,
                               std::span<const Scalar> weights = {}) const {
        check(features, labels, weights);
        const Index rows = features.rows(), most = block_rows(rows, features.outputs());
        Buffer<Scalar> logits(detail::product_of(most, stride(features.outputs())), memory::Kind::scratch);
        OwnLossValue<Scalar> value;
        value.losses.resize(static_cast<std::size_t>(rows));
        value.weights.resize(static_cast<std::size_t>(rows));
        for (Index first = 0; first < rows; first += most) {
            compute({features, labels, weights, options_}, first, std::min(most, rows - first),
                    {value.losses.data(), value.weights.data(), nullptr}, logits.data());
        }
        const detail::LossSums sums(value.losses.data(), value.weights.data(), rows);
        value.sum = sums.loss;
        value.weight = sums.weight;
        return value;
    }
    OwnLossValue<Scalar> value(const OwnFeatures<Scalar>& features, std::span<const Label> labels,
                               std::span<const Scalar> weights = {}) const {
        return value(features.view(), labels, weights);
    }

    /// The gradient of the last forward, which the model's backward asks for block by block. Call it once for each
    /// forward. The loss must stay where it is until then.
    LossGradient<Scalar> backward() {
        if (!ready_) {
            throw UsageError(detail::text(name, "::backward"), "expected a forward before every backward, got none");
        }
        ready_ = false;
        divide();
        const Index rows = features_.rows();
        return {{nullptr, rows, features_.outputs()},
                std::as_const(weights_).first(rows),
                options_.reduction,
                [this](Index first) { return block(first); },
                features_.forward()};
    }

    /// The bytes that it keeps for so many rows, for gacc::plan().
    static std::size_t bytes(Index rows, Index classes) {
        const Index numbers = detail::sum_of(detail::product_of(block_rows(rows, classes), stride(classes)),
                                             detail::product_of(rows, Index{2}));
        return static_cast<std::size_t>(detail::sum_of(detail::product_of(numbers, Index{sizeof(Scalar)}),
                                                       detail::product_of(rows, Index{sizeof(Label)})));
    }

private:
    static constexpr const char* name = "LinearCrossEntropy";

    static constexpr Index stride(Index classes) { return detail::row_stride<Scalar>(classes); }
    /// The most rows of a block. More than 128 only fill a cache: then the products are fast, however wide they are.
    static constexpr Index block_rows(Index rows, Index classes) {
        constexpr Index least = 128, numbers = (Index{1} << 18) / Index{sizeof(Scalar)};
        return std::min(rows, std::max(least, numbers / stride(classes)));
    }

    void check(const Features<Scalar>& features, std::span<const Label> labels,
               std::span<const Scalar> weights) const {
        detail::check_labels(name, features.rows(), features.outputs(), labels, weights, options_);
    }

    struct Call {
        const Features<Scalar>& features;
        std::span<const Label> labels;
        std::span<const Scalar> weights;
        const SoftmaxCrossEntropyOptions& options;
    };
    struct Place {
        Scalar* losses;   // of all rows
        Scalar* weights;  // of all rows
        Scalar* grad;     // of the block: its logits, or null
    };
    /// Computes the logits of rows first to first + count - 1, and what the loss makes of them.
    static void compute(const Call& call, Index first, Index count, Place to, Scalar* logits) {
        const Index classes = call.features.outputs();
        const auto begin = static_cast<std::size_t>(first), size = static_cast<std::size_t>(count);
        MatrixView<Scalar> block(logits, count, classes, Eigen::OuterStride<>(stride(classes)));
        call.features.write_outputs(first, block);
        const detail::SoftmaxRow<Scalar> row{block, call.labels.subspan(begin, size), call.options};
        detail::compute_loss_rows(
            count, classes, call.weights.empty() ? call.weights : call.weights.subspan(begin, size), row,
            detail::LossPlace<Scalar>{to.losses + first, to.weights + first, to.grad, stride(classes)});
    }

    /// The gradient of rows from `first` on.
    ConstMatrixView<Scalar> block(Index first) {
        const Index rows = features_.rows(), classes = features_.outputs();
        if (first < first_ || first >= last_) {
            first_ = first;
            last_ = std::min(rows, first + block_rows(rows, classes));
            compute({features_, std::as_const(labels_).first(rows), std::as_const(weights_).first(rows), options_},
                    first_, last_ - first_, {losses_.data(), weights_.data(), logits_.data()}, logits_.data());
            divide();
        }
        return {logits_.data() + (first - first_) * stride(classes), last_ - first, classes, stride(classes)};
    }
    /// Makes the gradient of the present block that of a mean, if the reduction says so.
    void divide() {
        if (options_.reduction == Reduction::mean_over_samples || !(weight_ > 0)) { return; }
        const Index classes = features_.outputs();
        for (Index i = 0; i < last_ - first_; ++i) {
            Scalar* grad = logits_.data() + i * stride(classes);
            for (Index j = 0; j < classes; ++j) { grad[j] /= static_cast<Scalar>(weight_); }
        }
    }

    SoftmaxCrossEntropyOptions options_;
    Features<Scalar> features_;  // of the last forward
    Index first_ = 0, last_ = 0;  // the rows whose gradient is in logits_: first_ to last_ - 1
    double weight_ = 0;
    bool ready_ = false;
    Buffer<Scalar> logits_{memory::Kind::scratch};   // rows of a block x stride; the gradient lies over the logits
    Buffer<Scalar> losses_{memory::Kind::scratch};   // rows, w_i loss_i
    Buffer<Scalar> weights_{memory::Kind::scratch};  // rows, w_i
    Buffer<Label> labels_{memory::Kind::scratch};    // rows
};

}  // namespace gacc
