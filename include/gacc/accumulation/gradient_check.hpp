#pragma once

#include <gacc/accumulation/audit_run.hpp>
#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/types.hpp>
#include <gacc/core/view.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/parameters/gradient_tally.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace gacc::inline GACC_ABI {

struct GradientCheckOptions {
    double step = 1e-5;       ///< h of (f(w + h) - f(w - h)) / 2h
    double tolerance = 1e-6;  ///< largest error, relative to the largest element, or to 1 if that is smaller
    Index most = 0;           ///< elements of each parameter to check, drawn by the seed; 0: all
    std::uint64_t seed = 1;
};

/// The result of check_gradients().
struct GradientCheck {
    /// The element of a parameter with the largest error.
    struct Parameter {
        std::string name;
        Index checked = 0;  ///< elements
        Index row = 0, column = 0;
        double gradient = 0;    ///< of backward
        double difference = 0;  ///< the central difference
        double error = 0;       ///< |gradient - difference| / max(1, the largest central difference of the parameter)
    };

    std::vector<Parameter> parameters;
    double tolerance = 0;

    /// The parameter with the largest error; a NaN is larger than any number.
    ///
    /// Throws     UsageError if the model has no parameters
    const Parameter& worst() const {
        if (parameters.empty()) { throw UsageError("GradientCheck", "expected a model with parameters, got none"); }
        return *std::max_element(parameters.begin(), parameters.end(), [](const Parameter& a, const Parameter& b) {
            return !std::isnan(a.error) && (std::isnan(b.error) || a.error < b.error);
        });
    }

    /// Whether all errors are within the tolerance.
    bool agree() const {
        return std::all_of(parameters.begin(), parameters.end(),
                           [&](const Parameter& of) { return of.error <= tolerance; });
    }

    /// A table, with a verdict in the last line.
    std::string description() const {
        std::size_t width = 16;
        for (const Parameter& of : parameters) { width = std::max(width, of.name.size() + 2); }
        const auto line = [&](const std::string& name, const std::string& checked, const std::string& error,
                              const std::string& at, const std::string& gradient, const std::string& difference) {
            return detail::left(name, width) + detail::right(checked, 8) + detail::right(error, 11) + "  " +
                   detail::left(at, 12) + detail::right(gradient, 17) + detail::right(difference, 20) + '\n';
        };
        std::string table = line("gradient of", "checked", "error", "worst at", "backward", "central difference");
        for (const Parameter& of : parameters) {
            table += line(of.name, detail::text(of.checked), detail::rounded(of.error, 3),
                          detail::text('(', of.row, ", ", of.column, ')'), detail::rounded(of.gradient, 9),
                          detail::rounded(of.difference, 9));
        }
        const auto wrong = std::count_if(parameters.begin(), parameters.end(),
                                         [&](const Parameter& of) { return !(of.error <= tolerance); });
        return table + (wrong == 0
                            ? detail::text("All errors are at most ", tolerance, ".\n")
                            : detail::text(wrong, " of ", parameters.size(), " gradients are wrong by more than ",
                                           tolerance, ": the worst is that of ", worst().name, ".\n"));
    }
};

namespace detail {

/// Evaluates the loss of a batch as a function of one element of a parameter after the other.
template <class Scalar, class Loss, class Targets>
class GradientChecker {
public:
    GradientChecker(const Sequential<Scalar>& model, Loss& loss, const AuditBatch<Scalar, Targets>& batch,
                    const GradientCheckOptions& options)
        : model_(model), loss_(loss), batch_(batch), options_(options), rng_(options.seed) {}

    GradientCheck run() {
        GradientCheck check{.parameters = {}, .tolerance = options_.tolerance};
        value();
        const LossGradient<Scalar> gradient = loss_.backward();
        divides_ = gradient.reduction != Reduction::mean_over_samples;
        model_.backward(gradient);
        const auto gradients = gradients_of(model_.parameters());
        for (std::size_t i = 0; i < gradients.size(); ++i) {
            check.parameters.push_back(compare(model_.parameters()[i], gradients[i]));
        }
        return check;
    }

private:
    /// The sum of the losses. Each call is the first batch of a training, so random numbers are the same every time.
    double value() {
        model_.parameters().set_tally(model_.parameters().tally().before_training());
        const auto value = loss_.forward(forward_for(loss_, model_, batch_.inputs), batch_.targets);
        return divides_ ? value.mean() : value.sum;
    }

    GradientCheck::Parameter compare(Parameter<Scalar>& parameter, const Matrix<Scalar>& gradient) {
        GradientCheck::Parameter worst{.name = parameter.name()};
        Matrix<Scalar> at = parameter.value();
        double largest = 1;
        for (const Index i : chosen(at.size())) {
            const double here = at.data()[i];
            const auto moved = [&](double to) {
                at.data()[i] = to;
                parameter.set_value(at);
                return value();
            };
            const double above = moved(here + options_.step), below = moved(here - options_.step);
            at.data()[i] = here;
            const double difference = (above - below) / (2 * options_.step);
            const double error = std::abs(gradient.data()[i] - difference);
            largest = std::max(largest, std::abs(difference));
            if (worst.checked++ == 0 || error > worst.error || (std::isnan(error) && !std::isnan(worst.error))) {
                worst.row = i / at.cols();
                worst.column = i % at.cols();
                worst.gradient = gradient.data()[i];
                worst.difference = difference;
                worst.error = error;
            }
        }
        parameter.set_value(at);
        worst.error /= largest;
        return worst;
    }

    /// The indices of the elements to check, of `size`, in order.
    std::vector<Index> chosen(Index size) {
        std::vector<Index> all(static_cast<std::size_t>(size));
        std::iota(all.begin(), all.end(), Index{0});
        if (options_.most > 0 && options_.most < size) {
            rng_.shuffle(std::span<Index>(all));
            all.resize(static_cast<std::size_t>(options_.most));
            std::sort(all.begin(), all.end());
        }
        return all;
    }

    Sequential<Scalar> model_;  // a copy
    Loss& loss_;
    const AuditBatch<Scalar, Targets>& batch_;
    GradientCheckOptions options_;
    Rng rng_;
    bool divides_ = false;  // whether the loss's gradients are those of a mean
};

template <class Scalar, class Loss, class Targets>
GradientCheck check_gradients(const Sequential<Scalar>& model, Loss& loss, const AuditBatch<Scalar, Targets>& batch,
                              const GradientCheckOptions& options) {
    static_assert(std::same_as<Scalar, double>,
                  "gacc: check_gradients: expected a model of double, got one of float, whose rounding hides errors of "
                  "gradients; make the same model with gacc::Sequential<double>");
    if constexpr (std::same_as<Scalar, double>) {
        const auto where = "check_gradients";
        if (!(options.step > 0 && std::isfinite(options.step))) {
            throw UsageError(where, text("expected a finite step larger than 0, got ", options.step));
        }
        if (!(options.tolerance >= 0)) {
            throw UsageError(where, text("expected a tolerance of 0 or more, got ", options.tolerance));
        }
        if (options.most < 0) { throw UsageError(where, text("expected a most of 0 or more, got ", options.most)); }
        batch.check(where);
        return GradientChecker<Scalar, Loss, Targets>(model, loss, batch, options).run();
    } else {
        return {};
    }
}

}  // namespace detail

/// Compares the gradients of the sum of the losses of a batch with central differences, for models of double. It takes
/// two forward passes for each element. A difference is wrong if the loss has a kink within a step, as ReLU has at 0.
/// Elsewhere its error is about step² / 6 times the third derivative, plus 1e-16 / step times the loss.
///
/// It works on a copy, so the model does not change; the loss forgets its last forward. All samples have weight 1.
/// Batches are as for audit().
///
/// Throws     UsageError if an option is out of its range, or a layer cannot be copied; what the model and the loss
///            throw
/// Example    std::cout << gacc::check_gradients(model, loss, batch).description();
template <class Scalar, class Loss, detail::AuditableBatch<Scalar> B>
GradientCheck check_gradients(const Sequential<Scalar>& model, Loss& loss, const B& batch,
                              const GradientCheckOptions& options = {}) {
    return detail::with_targets<Scalar>(
        batch, [&](const auto& samples) { return detail::check_gradients(model, loss, samples, options); });
}

/// The same for inputs, samples x features, and labels or rows of targets.
///
/// Throws     also ShapeError if not all samples have the same number of targets
template <class Scalar, class Loss, detail::AuditTargets<Scalar> Targets>
GradientCheck check_gradients(const Sequential<Scalar>& model, Loss& loss,
                              const std::type_identity_t<ConstMatrixView<Scalar>>& inputs, const Targets& targets,
                              const GradientCheckOptions& options = {}) {
    return detail::with_targets<Scalar>(
        inputs, targets, [&](const auto& samples) { return detail::check_gradients(model, loss, samples, options); });
}

}  // namespace gacc::inline GACC_ABI
