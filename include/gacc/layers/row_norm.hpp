#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/row_sums.hpp>
#include <gacc/layers/layer.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// What LayerNorm and RMSNorm share: y = gain xhat + shift, xhat = (x - mean) / deviation, for every row by itself. RMSNorm
/// takes 0 for the mean. Kept of each row: mean and 1 / deviation.
///
/// Gradients  grad_gain += sum of grad_y xhat,  grad_shift += sum of grad_y, over rows, in their order
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
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        Index per_sample = call.x.rows() / call.samples;
        const Scalar* gain = gain_.stored_values().data();
        const Scalar* shift = shift_ ? shift_->stored_values().data() : nullptr;
        for_rows(call.x, [&](Index row) {
            const Scalar* x = call.x.data() + row * call.x.outerStride();
            Scalar* y = call.y.data() + row * call.y.outerStride();
            const auto [mean, scale] = statistics(x);
            Scalar* kept = call.kept.data() + row / per_sample * call.kept.outerStride() + row % per_sample * 2;
            kept[0] = mean;
            kept[1] = scale;
            const auto center = all(mean), factor = all(scale);
            if (shift != nullptr) {
                map_packets(
                    features(),
                    [&](const Packet& number, const Packet& g, const Packet& s) {
                        return multiply_add(pmul(psub(number, center), factor), g, s);
                    },
                    y, x, gain, shift);
            } else {
                map_packets(
                    features(),
                    [&](const Packet& number, const Packet& g) { return pmul(pmul(psub(number, center), factor), g); },
                    y, x, gain);
            }
        });
    }

    void backward(Backward<Scalar> call) override {
        const Index per_sample = call.x.rows() / call.samples;
        const auto kept_of = [&](Index row) {
            return call.kept.data() + row / per_sample * call.kept.outerStride() + row % per_sample * 2;
        };
        add_gradients(call, kept_of);
        if (!call.wants_grad_x()) { return; }
        const Scalar* gain = gain_.stored_values().data();
        for_rows(call.x, [&](Index row) {
            const Scalar* x = call.x.data() + row * call.x.outerStride();
            const Scalar* grad_y = call.grad_y.data() + row * call.grad_y.outerStride();
            Scalar* grad_x = call.grad_x.data() + row * call.grad_x.outerStride();
            const Scalar mean = kept_of(row)[0], scale = kept_of(row)[1];
            const auto center = all(mean), factor = all(scale);
            const auto along = sum_packets(
                features(),
                [&](const Packet& sum, const Packet& number, const Packet& g, const Packet& w) {
                    return multiply_add(pmul(g, w), pmul(psub(number, center), factor), sum);
                },
                x, grad_y, gain);
            Scalar in_all = 0;
            if constexpr (Centered) {
                in_all = sum_packets(
                    features(),
                    [](const Packet& sum, const Packet& g, const Packet& w) { return multiply_add(g, w, sum); }, grad_y,
                    gain);
            }
            const auto count = static_cast<Scalar>(features());
            const auto minus_along = all(-along / count), minus_mean = all(-in_all / count);
            map_packets(
                features(),
                [&](const Packet& number, const Packet& g, const Packet& w) {
                    const Packet straight = multiply_add(g, w, minus_mean);
                    return pmul(factor, multiply_add(pmul(psub(number, center), factor), minus_along, straight));
                },
                grad_x, x, grad_y, gain);
        });
    }

    /// Gains: 1 at first, in PyTorch "weight".
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
    /// Throws     ShapeError if there is no feature; UsageError if epsilon is negative or not finite
    RowNorm(const std::string& name, Index features, double epsilon, bool bias)
        : gain_("weight", {checked(name, features, epsilon)}, name), epsilon_(epsilon) {
        if (bias) { shift_.emplace("bias", Shape{features}, name); }
    }
    Index features() const { return gain_.cols(); }
    double epsilon() const { return epsilon_; }
    bool has_bias() const { return shift_.has_value(); }

private:
    using Packet = typename Simd<Scalar>::Packet;

    static Packet all(Scalar number) { return Eigen::internal::pset1<Packet>(number); }
    static Packet pmul(const Packet& a, const Packet& b) { return Eigen::internal::pmul(a, b); }
    static Packet psub(const Packet& a, const Packet& b) { return Eigen::internal::psub(a, b); }

    static Index checked(const std::string& name, Index features, double epsilon) {
        if (features < 1) { throw ShapeError(name, text("expected 1 or more features, got ", features)); }
        if (!(epsilon >= 0 && std::isfinite(epsilon))) {
            throw UsageError(name, text("expected a finite epsilon of 0 or more, got ", epsilon));
        }
        return features;
    }

    /// f(row) for all rows, shared out over the threads.
    template <class F>
    void for_rows(const ConstMatrixView<Scalar>& x, const F& f) const {
        constexpr std::int64_t cost = 4;
        parallel_for(x.rows(), std::int64_t{x.rows()} * x.cols() * cost, [&](Index first, Index last) {
            for (Index row = first; row < last; ++row) { f(row); }
        });
    }

    /// Mean and 1 / deviation of a row.
    std::pair<Scalar, Scalar> statistics(const Scalar* x) const {
        const auto count = static_cast<Scalar>(features());
        const auto add = [](const Packet& sum, const Packet& number) { return Eigen::internal::padd(sum, number); };
        const Scalar mean = Centered ? sum_packets(features(), add, x) / count : Scalar(0);
        const auto center = all(mean);
        const Scalar squares = sum_packets(
            features(),
            [&](const Packet& sum, const Packet& number) {
                const Packet apart = psub(number, center);
                return multiply_add(apart, apart, sum);
            },
            x);
        return {mean, Scalar(1) / std::sqrt(squares / count + static_cast<Scalar>(epsilon_))};
    }

    /// Threads share out columns; each walks all rows in order, from what is there.
    template <class Kept>
    void add_gradients(const Backward<Scalar>& call, const Kept& kept_of) {
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
                const auto center = all(kept_of(row)[0]), factor = all(kept_of(row)[1]);
                if (grad_gain != nullptr) {
                    map_packets(
                        count,
                        [&](const Packet& sum, const Packet& number, const Packet& g) {
                            return multiply_add(g, pmul(psub(number, center), factor), sum);
                        },
                        grad_gain + begin, grad_gain + begin, x, grad_y);
                }
                if (grad_shift != nullptr) {
                    map_packets(
                        count, [](const Packet& sum, const Packet& g) { return Eigen::internal::padd(sum, g); },
                        grad_shift + begin, grad_shift + begin, grad_y);
                }
            }
        });
    }

    Parameter<Scalar> gain_;                  // features
    std::optional<Parameter<Scalar>> shift_;  // features
    double epsilon_;
};

}  // namespace gacc::detail
