#pragma once

#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>
#include <gacc/core/view.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/parameters/gradient_tally.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The difference between the numbers of a cut run and those of the uncut run.
struct AuditedNumbers {
    std::string name;               ///< of the parameter whose gradient it is
    bool same = true;               ///< the same bytes
    double largest_difference = 0;  ///< of an element; NaN if an element is not finite and differs
    double units = 0;               ///< the same, in units in the last place of the largest element
};

namespace detail {

/// A batch or a part of one: inputs and targets.
template <class Scalar, class Targets>
struct AuditBatch {
    ConstMatrixView<Scalar> inputs;  // samples x features
    Targets targets;                 // rows of all samples: std::span<const Label> or ConstMatrixView

    static Index rows(std::span<const Label> labels) { return static_cast<Index>(labels.size()); }
    static Index rows(const ConstMatrixView<Scalar>& targets) { return targets.rows(); }
    static auto part(std::span<const Label> labels, Index first, Index count) {
        return labels.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    }
    static auto part(const ConstMatrixView<Scalar>& targets, Index first, Index count) {
        return ConstMatrixView<Scalar>(targets.middleRows(first, count));
    }

    Index samples() const { return inputs.rows(); }
    /// Rows of targets for each sample: one for each row of outputs.
    Index target_rows() const { return samples() > 0 ? rows(targets) / samples() : 0; }
    AuditBatch part(Index first, Index count) const {
        return {inputs.middleRows(first, count), part(targets, first * target_rows(), count * target_rows())};
    }

    /// Throws     ShapeError unless all samples have the same number of targets, one or more
    void check(const char* where) const {
        if (samples() > 0 && (target_rows() < 1 || rows(targets) % samples() != 0)) {
            throw ShapeError(where, text("expected as many targets for each of ", samples(), " samples, got ",
                                         rows(targets), " in all"));
        }
    }
};

/// Labels, or rows of numbers.
template <class T, class Scalar>
concept AuditTargets =
    std::convertible_to<const T&, std::span<const Label>> || std::convertible_to<const T&, ConstMatrixView<Scalar>>;

/// A batch has `inputs`, and `labels` or `targets`.
template <class B, class Scalar>
concept AuditableBatch = requires(const B& batch) {
    { batch.inputs } -> std::convertible_to<ConstMatrixView<Scalar>>;
}
&&(
    requires(const B& batch) { batch.labels; } || requires(const B& batch) { batch.targets; });

/// Calls f with the samples as an AuditBatch.
template <class Scalar, AuditTargets<Scalar> Targets, class F>
auto with_targets(const ConstMatrixView<Scalar>& inputs, const Targets& targets, const F& f) {
    using View = std::conditional_t<std::convertible_to<const Targets&, std::span<const Label>>, std::span<const Label>,
                                    ConstMatrixView<Scalar>>;
    return f(AuditBatch<Scalar, View>{inputs, View(targets)});
}
/// The same for a batch. If it has labels and targets, its labels are used.
template <class Scalar, AuditableBatch<Scalar> B, class F>
auto with_targets(const B& batch, const F& f) {
    const ConstMatrixView<Scalar> inputs = batch.inputs;
    if constexpr (requires { batch.labels; }) {
        return with_targets<Scalar>(inputs, batch.labels, f);
    } else {
        return with_targets<Scalar>(inputs, batch.targets, f);
    }
}

/// The number of samples of each micro-batch, in order.
using Cut = std::vector<Index>;

/// The fewest micro-batches of at most `at_most` samples, as equal as possible, like Batch::micro_batches.
inline Cut cut_of(Index samples, Index at_most) {
    const Index parts = samples / at_most + (samples % at_most != 0 ? 1 : 0);
    Cut cut;
    for (Index i = 0; i < parts; ++i) { cut.push_back(samples / parts + (i < samples % parts ? 1 : 0)); }
    return cut;
}

/// Calls f(first, count, i) for each micro-batch.
template <class F>
void for_each_part(const Cut& cut, const F& f) {
    Index first = 0;
    for (std::size_t i = 0; i < cut.size(); ++i) {
        f(first, cut[i], i);
        first += cut[i];
    }
}

/// Sets the number of threads until the end of the scope.
class ThreadsMeanwhile {
public:
    explicit ThreadsMeanwhile(int n) : before_(threads()) { set_threads(n); }
    ~ThreadsMeanwhile() { set_threads(before_); }
    ThreadsMeanwhile(const ThreadsMeanwhile&) = delete;
    ThreadsMeanwhile& operator=(const ThreadsMeanwhile&) = delete;

private:
    int before_;
};

template <class Scalar>
std::vector<Matrix<Scalar>> gradients_of(const Parameters<Scalar>& parameters) {
    std::vector<Matrix<Scalar>> all;
    for (const auto& parameter : parameters) { all.push_back(parameter.grad()); }
    return all;
}

/// The results of one batch.
template <class Scalar>
struct AuditRun {
    std::vector<Matrix<Scalar>> gradients;  // of each parameter
    double loss = 0;                        // sum over the samples
    double weight = 0;                      // the divisor of a step
};

/// Runs the batch in these micro-batches. Each run has a new copy of the model, which begins its first batch. So random
/// numbers are the same in every run. The copy has the gradients of the original; they are set to zero.
template <class Scalar, class Loss, class Targets>
AuditRun<Scalar> audit_run(Sequential<Scalar>& model, Loss& loss, const AuditBatch<Scalar, Targets>& batch,
                           const Cut& cut) {
    const auto parameters = model.parameters();
    parameters.zero_grad();
    AuditRun<Scalar> run;
    for_each_part(cut, [&](Index first, Index count, std::size_t) {
        const auto micro = batch.part(first, count);
        const auto value = loss.forward(forward_for(loss, model, micro.inputs), micro.targets);
        if (value.losses.empty()) { run.loss += value.sum; }
        for (const Scalar one : value.losses) { run.loss += static_cast<double>(one); }  // as MeanLoss does
        model.backward(loss.backward());
    });
    run.gradients = gradients_of(parameters);
    run.weight = parameters.tally().weight();
    return run;
}

template <class Scalar>
AuditedNumbers compare(std::string name, const Scalar* uncut, const Scalar* cut, Index count) {
    AuditedNumbers result{.name = std::move(name)};
    result.same = std::memcmp(uncut, cut, static_cast<std::size_t>(count) * sizeof(Scalar)) == 0;
    if (result.same) { return result; }
    Scalar largest = 0;
    for (Index i = 0; i < count; ++i) {
        largest = std::max({largest, std::abs(uncut[i]), std::abs(cut[i])});
        if (std::memcmp(uncut + i, cut + i, sizeof(Scalar)) == 0) { continue; }
        const double difference = std::abs(static_cast<double>(uncut[i]) - static_cast<double>(cut[i]));
        if (!(difference <= result.largest_difference)) { result.largest_difference = difference; }
        if (std::isnan(difference)) { break; }
    }
    const Scalar unit = std::nextafter(largest, std::numeric_limits<Scalar>::infinity()) - largest;
    result.units = result.largest_difference / static_cast<double>(unit);
    return result;
}
template <class Scalar>
AuditedNumbers compare(std::string name, const Matrix<Scalar>& uncut, const Matrix<Scalar>& cut) {
    return compare(std::move(name), uncut.data(), cut.data(), uncut.size());
}

}  // namespace detail
}  // namespace gacc::inline GACC_ABI
