#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/optim/factored_moments.hpp>
#include <gacc/optim/grouped_optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct AdafactorOptions {
    /// The largest step, as a share of the size of a parameter.
    double learning_rate = 1e-2;
    /// Step t takes the share 1 - t^beta2_decay of the moments with it.
    double beta2_decay = -0.8;
    /// The least root of a moment; 0: the distance from 1 to the next number of the Scalar type.
    double epsilon1 = 0;
    /// The least size of a parameter.
    double epsilon2 = 1e-3;
    /// A parameter's update with a larger root mean square is shortened to it.
    double clip_threshold = 1;
    /// Each step takes this share, times the learning rate, from every value.
    double weight_decay = 0;
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("beta2_decay", options.beta2_decay, not_positive);
        f("epsilon1", options.epsilon1, not_negative);
        f("epsilon2", options.epsilon2, not_negative);
        f("clip_threshold", options.clip_threshold, above_zero);
        f("weight_decay", options.weight_decay, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

/// Adafactor: the gradient divided by the root of a mean square that is kept for rows and columns only.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            beta2 = 1 - t^beta2_decay,  t the step, from 1;  rms(x) the root of the mean of x² over a parameter;
///            r = beta2 r + (1 - beta2) (mean of g² over each row),  c the same over each column;
///            v = r c / max(mean of r, epsilon1);  of a vector  v = beta2 v + (1 - beta2) g²;
///            u = g / max(sqrt(v), epsilon1);  u /= max(1, rms(u) / clip_threshold);
///            size = max(epsilon2, rms(value)) min(learning_rate, 1 / sqrt(t));
///            value -= learning_rate weight_decay value;  value -= size u
/// State      r and c: rows + cols numbers for a matrix, v for a vector; 8 bytes for every 16 rows (of floats with AVX2) and
///            one number a column for the largest matrix; a little more with clipping
/// Shapes     parameters of more than two sizes are matrices, rows x cols, as Parameter::value() has them. PyTorch's
///            keeps moments for their last two sizes
/// Range      a gradient below 3e-16 (float) or 1e-146 (double) counts as 0. One that is NaN makes its parameter NaN
/// Defaults   PyTorch's: learning rate 0.01, no weight decay; no clipping by the norm
/// Throws     UsageError if an option is out of its range or that of the Scalar type, and from step() if learning_rate *
///            weight_decay is. NonFiniteError from step() if it clips and a gradient is infinite or NaN. Nothing is changed
///            then. On several machines each keeps all moments: sums over rows and columns need the whole matrix
/// Source     Shazeer and Stern 2018, arXiv:1804.04235, algorithms 4 and 5, as torch.optim.Adafactor writes them
/// Example    gacc::Adafactor adafactor(model.parameters(), {.learning_rate = 1e-2});
template <class Scalar = float>
class Adafactor final : public GroupedOptimizer<Scalar, AdafactorOptions> {
public:
    explicit Adafactor(Parameters<Scalar> parameters, const AdafactorOptions& options = {})
        : GroupedOptimizer<Scalar, AdafactorOptions>("Adafactor", std::move(parameters), options) {
        const Index width = Matrix::width;
        Index moments = 0, columns = 1, panels = 1;
        for (const auto& parameter : this->parameters()) {
            const Layout layout(parameter);
            starts_.push_back(moments);
            moments += layout.row_numbers() + layout.col_numbers();
            columns = std::max(columns, layout.cols);
            panels = std::max(panels, layout.row_numbers() / width);
        }
        moments_ = with_memory<Scalar>(moments, "moments");
        col_roots_ = with_memory<Scalar>(columns, "columns");
        sums_ = with_memory<double>(panels, "sums");
    }

    std::size_t state_bytes() const override {
        return moments_.bytes() + col_roots_.bytes() + sums_.bytes() + this->clipping_bytes();
    }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        std::vector<typename Optimizer<Scalar>::Moments> all;
        for (std::size_t i = 0; i < starts_.size(); ++i) {
            const Layout layout(this->parameters()[i]);
            const auto part = [&](Index first, Index count) {
                return moments_.span().subspan(static_cast<std::size_t>(starts_[i] + first),
                                               static_cast<std::size_t>(count));
            };
            if (layout.is_vector) {
                all.push_back({"moments", part(0, layout.row_numbers()), true, i});
            } else {
                all.push_back({"row_moments", part(0, layout.rows), true, i, {layout.rows}});
                all.push_back({"column_moments", part(layout.row_numbers(), layout.cols), true, i, {layout.cols}});
            }
        }
        return all;
    }

private:
    using Matrix = detail::FactoredMatrix<Scalar>;

    /// A vector is a matrix of one column, without a moment for it.
    struct Layout {
        explicit Layout(const Parameter<Scalar>& parameter)
            : is_vector(parameter.shape().size() == 1), rows(parameter.shape()[0]),
              cols(is_vector ? 1 : parameter.cols()) {}

        bool is_vector;
        Index rows, cols;

        Index row_numbers() const { return detail::Panels<Scalar>::size(rows, 1); }
        Index col_numbers() const { return is_vector ? 0 : detail::Panels<Scalar>::size(cols, 1); }
    };

    template <class Number>
    Buffer<Number> with_memory(Index count, const char* what) const {
        return detail::with_memory(this->name(), count, sizeof(Number), what, "use a smaller model",
                                   [&] { return Buffer<Number>(count, memory::Kind::moments); });
    }

    void prepare(double weight) override {
        GroupedOptimizer<Scalar, AdafactorOptions>::prepare(weight);
        const AdafactorOptions& options = this->options();
        const double epsilon = options.epsilon1 > 0 ? options.epsilon1
                                                    : static_cast<double>(std::numeric_limits<Scalar>::epsilon());
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            const double decay = this->learning_rate(group) * this->weight_decay(group);
            if (!detail::in_range<Scalar>(decay)) {
                throw UsageError("Adafactor::step",
                                 detail::text("expected learning_rate * weight_decay ", detail::range_name<Scalar>,
                                              ", got ", decay, "; nothing has changed; set a smaller learning rate"));
            }
            steps_.push_back({.scale = static_cast<Scalar>(this->scale()),
                              .rest = static_cast<Scalar>(std::pow(time(), options.beta2_decay)),
                              .epsilon = std::max(static_cast<Scalar>(epsilon), std::numeric_limits<Scalar>::min()),
                              .decay = static_cast<Scalar>(decay)});
        }
    }

    void update(double) override {
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            auto& parameter = this->parameters()[i];
            const Layout layout(parameter);
            Scalar* const moments = moments_.data() + starts_[i];
            const Matrix matrix{.rows = layout.rows,
                                .cols = layout.cols,
                                .value = parameter.stored_values().data(),
                                .grad = parameter.materialize_grads().data(),
                                .row_moments = moments,
                                .col_moments = layout.is_vector ? nullptr : moments + layout.row_numbers(),
                                .col_roots = col_roots_.data(),
                                .sums = sums_.data()};
            const std::size_t group = this->group_of(i);
            matrix.update_moments(steps_[group]);
            const double share = std::min(this->learning_rate(group), 1 / std::sqrt(time()));
            // Of NaN and a number, max returns the first.
            const double size = std::max(matrix.value_size(), this->options().epsilon2) * share;
            const double too_large = std::max(matrix.update_size(steps_[group]) / this->options().clip_threshold, 1.0);
            matrix.update_values(steps_[group], static_cast<Scalar>(size / too_large));
        }
    }

    double time() const { return static_cast<double>(this->steps()); }

    Buffer<Scalar> moments_;      // of each parameter: of its rows, then of its columns, each up to whole panels
    Buffer<Scalar> col_roots_;    // scratch: of the columns of a parameter
    Buffer<double> sums_;         // scratch: of its panels
    std::vector<Index> starts_;   // where the moments of each parameter begin
    std::vector<detail::AdafactorStep<Scalar>> steps_;  // one for each group
};

}  // namespace gacc
