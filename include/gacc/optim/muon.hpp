#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/optim/adam_pass.hpp>
#include <gacc/optim/adamw.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/muon_pass.hpp>
#include <gacc/optim/newton_schulz.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct MuonOptions {
    double learning_rate = 1e-3;
    double momentum = 0.95;
    bool nesterov = true;
    /// Each step takes this share, times the learning rate, from every value.
    double weight_decay = 0.1;
    /// The least norm by which a matrix is divided.
    double epsilon = 1e-7;
    /// Steps have the size of AdamW's usual ones, so that its learning rate and weight decay fit.
    bool match_rms_adamw = false;
    /// Of the parameters that AdamW updates.
    AdamWOptions adamw{};
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("momentum", options.momentum, below_one);
        f("nesterov", options.nesterov, yes_or_no);
        f("weight_decay", options.weight_decay, not_negative);
        f("epsilon", options.epsilon, not_negative);
        f("match_rms_adamw", options.match_rms_adamw, yes_or_no);
        f("adamw.learning_rate", options.adamw.learning_rate, not_negative);
        f("adamw.beta1", options.adamw.beta1, below_one);
        f("adamw.beta2", options.adamw.beta2, below_one);
        f("adamw.epsilon", options.adamw.epsilon, not_negative);
        f("adamw.weight_decay", options.adamw.weight_decay, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

/// Muon: matrices step along their momentum with all singular values made about equal. AdamW updates vectors, and the
/// matrices that you name: embeddings and the last layer, say.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            m = momentum m + (1 - momentum) g;  d = m, with nesterov  momentum m + (1 - momentum) g;
///            value -= learning_rate weight_decay value;
///            value -= learning_rate s NewtonSchulz(d),  s = sqrt(max(1, rows / cols)), with match_rms_adamw
///            0.2 sqrt(max(rows, cols))
/// AdamW      has options of its own, .adamw, but for its clip_norm. They are group 1 of the optimizer: its learning rate
///            changes in proportion with Muon's. group() gives others to some parameters of one kind
/// Shapes     parameters of more than two sizes, as the kernels of a convolution, are matrices rows x cols, as
///            Parameter::value() has them and as the authors flatten them. s is of these sizes too
/// State      m: sizeof(Scalar) bytes for each number that a parameter stores, and v, as many for those of AdamW; once, for
///            the largest matrix, room for two like it and two of its smaller side squared; a little more with clipping
/// Defaults   those of torch.optim.Muon: learning rate 0.001, weight decay 0.1, and AdamW's. The authors train with a
///            learning rate of 0.02
/// Throws     UsageError if an option is out of its range or that of the Scalar type, if .adamw has a clip_norm or
///            moments in bfloat16, if there is no matrix for Muon, and from step() if the size of a step is out of
///            range. NonFiniteError from step() if it clips and a gradient is infinite or NaN. Nothing is changed then.
///            On several machines each keeps all moments: Newton and Schulz need the whole matrix
/// Source     Jordan 2024, kellerjordan.github.io/posts/muon; match_rms_adamw: Liu et al. 2025, arXiv:2502.16982. The
///            authors multiply in bfloat16, here it is the Scalar type
/// Example    gacc::Muon muon(model.parameters(), {.learning_rate = 0.02, .adamw = {.learning_rate = 3e-4}},
///                            [](const auto& p) { return p.name() == "0.weight" || p.name() == "9.weight"; });
template <class Scalar = float>
class Muon final : public GroupedOptimizer<Scalar, MuonOptions> {
public:
    explicit Muon(Parameters<Scalar> parameters, const MuonOptions& options = {})
        : Muon(std::move(parameters), options, [](const Parameter<Scalar>&) { return false; }) {}
    /// AdamW also updates the matrices for which `adamw(parameter)` is true.
    template <class Which>
        requires std::predicate<Which&, const Parameter<Scalar>&>
    Muon(Parameters<Scalar> parameters, const MuonOptions& options, Which adamw)
        : GroupedOptimizer<Scalar, MuonOptions>("Muon", std::move(parameters), options) {
        std::vector<std::size_t> others;
        Index numbers = 0, of_adamw = 0, rows = 0, scratch = 0;
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            const Parameter<Scalar>& parameter = this->parameters()[i];
            const auto size = static_cast<Index>(parameter.stored_values().size());
            const bool is_matrix = parameter.shape().size() > 1 && !adamw(parameter);
            kinds_.push_back({is_matrix, numbers, of_adamw});
            numbers += size;
            if (is_matrix) {
                rows = std::max(rows, parameter.cols());  // the matrix is transposed
                scratch = std::max(scratch, detail::NewtonSchulz<Scalar>::numbers(parameter.cols(), parameter.rows()));
            } else {
                others.push_back(i);
                of_adamw += size;
            }
        }
        if (rows == 0) { throw UsageError("Muon", "expected one matrix or more that Muon updates, got none; use AdamW"); }
        check(options);
        this->set_apart(others, options.adamw.learning_rate, options.adamw.weight_decay);
        momentum_ = with_memory<Scalar>(numbers, "moments");
        second_moments_ = with_memory<Scalar>(of_adamw, "moments");
        scratch_ = with_memory<Scalar>(scratch, "products");
        sums_ = with_memory<double>(rows, "sums");
        adam_arrays_.reserve(others.size());
    }

    std::size_t state_bytes() const override {
        return momentum_.bytes() + second_moments_.bytes() + scratch_.bytes() + sums_.bytes() + this->clipping_bytes();
    }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        std::vector<typename Optimizer<Scalar>::Moments> all{{"momentum", momentum_.span()}};
        for (std::size_t i = 0; i < kinds_.size(); ++i) {
            if (kinds_[i].is_matrix) { continue; }
            const std::size_t size = std::as_const(this->parameters()[i]).stored_values().size();
            const auto first = static_cast<std::size_t>(kinds_[i].second_moments);
            all.push_back({"second_moments", second_moments_.span().subspan(first, size), true, i});
        }
        return all;
    }

private:
    template <class Number>
    Buffer<Number> with_memory(Index count, const char* what) const {
        return detail::with_memory(this->name(), count, sizeof(Number), what, "use a smaller model",
                                   [&] { return Buffer<Number>(count, memory::Kind::moments); });
    }

    void check(const MuonOptions& options) const {
        this->check_option("a learning_rate", options.learning_rate, options.learning_rate > 0,
                           "above 0, with which AdamW's shall change in proportion");
        this->check_option("clip_norm of .adamw", options.adamw.clip_norm, !std::isfinite(options.adamw.clip_norm),
                           "left out, since clip_norm of Muon clips all gradients together");
        if (options.adamw.moments != MomentFormat::full) {
            throw UsageError("Muon", "expected moments of .adamw in full, got bfloat16");
        }
    }

    /// The factor of the learning rate for a matrix.
    double size_of(const Parameter<Scalar>& parameter) const {
        const auto rows = static_cast<double>(parameter.rows()), cols = static_cast<double>(parameter.cols());
        if (this->options().match_rms_adamw) { return 0.2 * std::sqrt(std::max(rows, cols)); }
        return std::sqrt(std::max(1.0, rows / cols));
    }
    Scalar in_step(const char* what, double value) const {
        if (!detail::in_range<Scalar>(value)) {
            throw UsageError("Muon::step", detail::text("expected ", what, " ", detail::range_name<Scalar>, ", got ", value,
                                                        "; nothing has changed; set a smaller learning rate"));
        }
        return static_cast<Scalar>(value);
    }

    void prepare(double weight) override {
        GroupedOptimizer<Scalar, MuonOptions>::prepare(weight);
        const MuonOptions& options = this->options();
        const auto scale = static_cast<Scalar>(this->scale());
        const auto t = static_cast<double>(this->steps());
        adam_steps_.clear();
        steps_.clear();
        for (std::size_t i = 0; i < kinds_.size(); ++i) {
            const std::size_t group = this->group_of(i);
            const double rate = this->learning_rate(group);
            const Scalar decay = in_step("learning_rate * weight_decay", rate * this->weight_decay(group));
            if (kinds_[i].is_matrix) {
                steps_.push_back({.scale = scale,
                                  .momentum = static_cast<Scalar>(options.momentum),
                                  .rest = static_cast<Scalar>(1 - options.momentum),
                                  .step_size = in_step("the size of a step", rate * size_of(this->parameters()[i])),
                                  .decay = decay});
                continue;
            }
            adam_steps_.push_back(
                {.scale = scale,
                 .beta1 = static_cast<Scalar>(options.adamw.beta1),
                 .beta2 = static_cast<Scalar>(options.adamw.beta2),
                 .rest1 = static_cast<Scalar>(1 - options.adamw.beta1),
                 .rest2 = static_cast<Scalar>(1 - options.adamw.beta2),
                 .step_size = in_step("AdamW's learning_rate / (1 - beta1^t)",
                                      rate / (1 - std::pow(options.adamw.beta1, t))),
                 .root_scale = static_cast<Scalar>(1 / std::sqrt(1 - std::pow(options.adamw.beta2, t))),
                 .epsilon = static_cast<Scalar>(options.adamw.epsilon),
                 .decay = decay});
        }
    }

    void update(double) override {
        adam_arrays_.clear();
        auto step = steps_.begin();
        for (std::size_t i = 0; i < kinds_.size(); ++i) {
            auto& parameter = this->parameters()[i];
            const auto values = parameter.stored_values();
            const Scalar* const grad = parameter.materialize_grads().data();
            Scalar* const momentum = momentum_.data() + kinds_[i].momentum;
            if (!kinds_[i].is_matrix) {
                adam_arrays_.push_back({values.data(), grad, momentum, second_moments_.data() + kinds_[i].second_moments,
                                        static_cast<Index>(values.size()) / detail::Simd<Scalar>::lanes,
                                        adam_arrays_.size()});
                continue;
            }
            detail::NewtonSchulz<Scalar> newton(parameter.cols(), parameter.rows(), scratch_.data(), sums_.data());
            const detail::MuonPass<Scalar> pass(*step++, parameter.rows(), parameter.cols(), newton.stride());
            pass.update_momentum(momentum, grad, newton.x(), this->options().nesterov);
            newton.run(this->options().epsilon);
            pass.update_values(values.data(), newton.x());
        }
        detail::adam_update<true>(adam_steps_, std::span<const detail::AdamArrays<Scalar>>(adam_arrays_));
    }

    struct Kind {
        bool is_matrix;
        Index momentum, second_moments;  // where its numbers begin
    };

    std::vector<Kind> kinds_;         // of each parameter
    Buffer<Scalar> momentum_;         // of all parameters, one after the other; the first moments of AdamW's
    Buffer<Scalar> second_moments_;   // of AdamW's parameters, one after the other
    Buffer<Scalar> scratch_;          // for the products of a matrix
    Buffer<double> sums_;             // scratch: of the rows of a transposed matrix
    std::vector<detail::MuonStep<Scalar>> steps_;          // a step's constants, one for each matrix
    std::vector<detail::AdamStep<Scalar>> adam_steps_;     // one for each parameter of AdamW
    std::vector<detail::AdamArrays<Scalar>> adam_arrays_;  // their numbers
};

}  // namespace gacc
