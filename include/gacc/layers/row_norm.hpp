#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/normalization.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The common part of LayerNorm and RMSNorm: y = gain xhat + shift, xhat = (x - mean) / deviation, for every row by
/// itself. RMSNorm uses 0 for the mean. For each row it keeps the mean and 1 / deviation.
///
/// Gradients  grad_gain += sum of grad_y xhat,  grad_shift += sum of grad_y, over rows, in order
///            grad_x = (g - mean(g) - xhat mean(g xhat)) / deviation, g = grad_y gain; without mean(g) for RMSNorm
template <class Scalar, bool Centered>
class RowNorm : public Layer<Scalar> {
public:
    LayerPlan plan(const Shape& x) const override {
        if (x.empty() || x.back() != features()) {
            throw ShapeError(this->description(), text("expected samples whose last size is ", features(),
                                                       ", got samples of shape ", to_string(x)));
        }
        return {.y = x,
                .kept = product_of(rows_of(x), 2),
                .work = product_of(rows_of(x), features(), 4),
                .reads_y = false,
                .overwrites_x = true,
                .by_rows = true};
    }

    void forward(Forward<Scalar> call) const override {
        const Index per_sample = call.x.rows() / call.samples;
        const Scalar* gain = gain_.stored_values().data();
        const Scalar* shift = shift_ ? shift_->stored_values().data() : nullptr;
        for_rows(call.x, [&](Index row) {
            const Scalar* x = call.x.data() + row * call.x.outerStride();
            Scalar* kept = call.kept.data() + row / per_sample * call.kept.outerStride() + row % per_sample * 2;
            std::tie(kept[0], kept[1]) = statistics(x);
            Normalization<Scalar>(kept[0], kept[1])
                .write_y(features(), call.y.data() + row * call.y.outerStride(), x, gain, shift);
        });
    }

    void backward(Backward<Scalar> call) override {
        add_gradients(call);
        if (!call.wants_grad_x()) { return; }
        const Scalar* gain = std::as_const(gain_).stored_values().data();
        for_rows(call.x, [&](Index row) {
            const Scalar* x = call.x.data() + row * call.x.outerStride();
            const Scalar* grad_y = call.grad_y.data() + row * call.grad_y.outerStride();
            const auto count = static_cast<Scalar>(features());
            const auto norm = normalization(call, row);
            const Scalar g_xhat = norm.sum_of_g_xhat(features(), x, grad_y, gain);
            const Scalar g = Centered ? norm.sum_of_g(features(), grad_y, gain) : Scalar(0);
            norm.write_grad_x(features(), call.grad_x.data() + row * call.grad_x.outerStride(), x, grad_y, gain,
                              g / count, g_xhat / count);
        });
    }

    /// The gains, "weight" in PyTorch. They are 1 at first.
    Parameter<Scalar>& weight() { return gain_; }
    std::vector<Parameter<Scalar>*> parameters() override {
        if (!shift_) { return {&gain_}; }
        return {&gain_, &*shift_};
    }
    void initialize(Rng&) override {
        gain_.generate([] { return Scalar(1); });
        if (shift_) { shift_->generate([] { return Scalar(0); }); }
    }

protected:
    /// Throws     ShapeError if there is no feature; UsageError if epsilon is negative, infinite or NaN
    RowNorm(const std::string& name, Index features, double epsilon, bool bias)
        : gain_("weight", {checked(name, features, epsilon)}, name), epsilon_(epsilon) {
        if (bias) { shift_.emplace("bias", Shape{features}, name); }
    }
    Index features() const { return gain_.cols(); }
    double epsilon() const { return epsilon_; }
    bool has_bias() const { return shift_.has_value(); }

private:
    static Index checked(const std::string& name, Index features, double epsilon) {
        if (features < 1) { throw ShapeError(name, text("expected 1 or more features, got ", features)); }
        if (!(epsilon >= 0 && std::isfinite(epsilon))) {
            throw UsageError(name, text("expected a finite epsilon of 0 or more, got ", epsilon));
        }
        return features;
    }

    /// Calls f(row) for all rows, shared out over the threads.
    template <class F>
    void for_rows(const ConstMatrixView<Scalar>& x, const F& f) const {
        constexpr std::int64_t cost = 4;
        parallel_for(x.rows(), std::int64_t{x.rows()} * x.cols() * cost, [&](Index first, Index last) {
            for (Index row = first; row < last; ++row) { f(row); }
        });
    }

    /// The mean and 1 / deviation of a row.
    std::pair<Scalar, Scalar> statistics(const Scalar* x) const {
        const auto count = static_cast<Scalar>(features());
        const Scalar mean = Centered ? Normalization<Scalar>::sum(features(), x) / count : Scalar(0);
        const Scalar squares = Normalization<Scalar>::sum_of_squares(features(), x, mean);
        return {mean, Scalar(1) / std::sqrt(squares / count + static_cast<Scalar>(epsilon_))};
    }
    /// The formulas with the numbers that forward kept for the row.
    static Normalization<Scalar> normalization(const Backward<Scalar>& call, Index row) {
        const Index per_sample = call.x.rows() / call.samples;
        const Scalar* kept = call.kept.data() + row / per_sample * call.kept.outerStride() + row % per_sample * 2;
        return {kept[0], kept[1]};
    }

    /// Threads share out columns. Each walks all rows in order and adds to the sums so far.
    void add_gradients(const Backward<Scalar>& call) {
        Scalar* grad_gain = gain_.is_frozen() ? nullptr : gain_.materialize_grads().data();
        Scalar* grad_shift = shift_ && !shift_->is_frozen() ? shift_->materialize_grads().data() : nullptr;
        if (grad_gain == nullptr && grad_shift == nullptr) { return; }
        constexpr Index lanes = Simd<Scalar>::lanes;
        const Index packets = (features() + lanes - 1) / lanes;
        parallel_for(packets, std::int64_t{call.x.rows()} * features() * 2, [&](Index first, Index last) {
            const Index begin = first * lanes, count = std::min(last * lanes, features()) - begin;
            for (Index row = 0; row < call.x.rows(); ++row) {
                const Scalar* x = call.x.data() + row * call.x.outerStride() + begin;
                const Scalar* grad_y = call.grad_y.data() + row * call.grad_y.outerStride() + begin;
                const auto norm = normalization(call, row);
                if (grad_gain != nullptr) { norm.add_grad_gain(count, grad_gain + begin, x, grad_y); }
                if (grad_shift != nullptr) { norm.add_grad_shift(count, grad_shift + begin, grad_y); }
            }
        });
    }

    Parameter<Scalar> gain_;                  // features
    std::optional<Parameter<Scalar>> shift_;  // features
    double epsilon_;
};

}  // namespace gacc::detail
