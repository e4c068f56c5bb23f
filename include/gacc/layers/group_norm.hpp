#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/normalization.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

struct GroupNormOptions {
    double epsilon = 1e-5;  ///< added to the variance
};

/// Brings the channels of each group of a sample, over all its rows, to mean 0 and variance 1. Then it multiplies each
/// channel by a weight and adds a bias. Use it for images in place of batch normalisation: it works on each sample by
/// itself.
///
/// Shapes     samples {..., channels};  weight, bias channels
/// Gradients  grad_weight += sum of grad_y xhat,  grad_bias += sum of grad_y, over rows, in order
///            grad_x = (g - mean(g) - xhat mean(g xhat)) / deviation, g = grad_y weight, means over the group
/// Memory     two numbers for each group of a sample, from forward to backward
/// Defaults   PyTorch's: epsilon 1e-5, weights 1, biases 0
/// Throws     ShapeError if there are no groups or they do not divide the channels; UsageError if epsilon is negative,
///            infinite or NaN
/// Source     Wu and He 2018, arXiv:1803.08494
/// Example    gacc::GroupNorm layer(8, 32);  // 8 groups of 4 channels
template <class Scalar = float>
class GroupNorm : public Layer<Scalar> {
public:
    GroupNorm(Index groups, Index channels, GroupNormOptions options = {})
        : groups_(checked(groups, channels, options)), epsilon_(options.epsilon),
          gain_("weight", {channels}, "GroupNorm"), shift_("bias", {channels}, "GroupNorm") {}

    std::string description() const override { return detail::text("GroupNorm(", groups_, ", ", channels(), ")"); }
    LayerConfig config() const override {
        return {"GroupNorm", {{"groups", groups_}, {"channels", channels()}, {"epsilon", epsilon_}}};
    }
    LayerPlan plan(const Shape& x) const override {
        if (x.empty() || x.back() != channels()) {
            throw ShapeError(description(), detail::text("expected samples whose last size is ", channels(),
                                                         ", got samples of shape ", to_string(x)));
        }
        return {.y = x,
                .kept = 2 * groups_,
                .work = detail::product_of(rows_of(x), channels(), 4),
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        for_groups(call.samples, call.x, [&](Index first_row, Index rows, Index sample, Index group) {
            const Index begin = group * width();
            const auto x = [&](Index row) { return at(call.x, first_row + row) + begin; };
            const auto count = static_cast<Scalar>(rows * width());
            const Scalar mean = sum(rows, [&](Index row) { return Normalization::sum(width(), x(row)); }) / count;
            const Scalar squares =
                sum(rows, [&](Index row) { return Normalization::sum_of_squares(width(), x(row), mean); });
            const Scalar scale = Scalar(1) / std::sqrt(squares / count + static_cast<Scalar>(epsilon_));
            Scalar* kept = at(call.kept, sample) + 2 * group;
            kept[0] = mean;
            kept[1] = scale;
            const Normalization norm(mean, scale);
            for (Index row = 0; row < rows; ++row) {
                norm.write_y(width(), at(call.y, first_row + row) + begin, x(row), gain_.stored_values().data() + begin,
                             shift_.stored_values().data() + begin);
            }
        });
    }

    void backward(Backward<Scalar> call) override {
        add_gradients(call);
        if (!call.wants_grad_x()) { return; }
        for_groups(call.samples, call.x, [&](Index first_row, Index rows, Index sample, Index group) {
            const Index begin = group * width();
            const auto norm = normalization(call, sample, group);
            const Scalar* gain = gain_.stored_values().data() + begin;
            const auto x = [&](Index row) { return at(call.x, first_row + row) + begin; };
            const auto grad_y = [&](Index row) { return at(call.grad_y, first_row + row) + begin; };
            const auto count = static_cast<Scalar>(rows * width());
            const Scalar g = sum(rows, [&](Index row) { return norm.sum_of_g(width(), grad_y(row), gain); });
            const Scalar g_xhat =
                sum(rows, [&](Index row) { return norm.sum_of_g_xhat(width(), x(row), grad_y(row), gain); });
            for (Index row = 0; row < rows; ++row) {
                norm.write_grad_x(width(), at(call.grad_x, first_row + row) + begin, x(row), grad_y(row), gain,
                                  g / count, g_xhat / count);
            }
        });
    }

    std::vector<Parameter<Scalar>*> parameters() override { return {&gain_, &shift_}; }
    void initialize(Rng&) override {
        gain_.generate([] { return Scalar(1); });
        shift_.generate([] { return Scalar(0); });
    }

private:
    using Normalization = detail::Normalization<Scalar>;

    template <class View>
    static auto* at(View& view, Index row) {
        return view.data() + row * view.outerStride();
    }
    template <class F>
    static Scalar sum(Index rows, const F& of_row) {
        Scalar total = 0;
        for (Index row = 0; row < rows; ++row) { total += of_row(row); }
        return total;
    }

    Index channels() const { return gain_.cols(); }
    Index width() const { return channels() / groups_; }  // of a group

    static Index checked(Index groups, Index channels, const GroupNormOptions& options) {
        if (groups < 1 || channels < 1 || channels % groups != 0) {
            throw ShapeError("GroupNorm", detail::text("expected groups that divide the channels, got ", groups,
                                                       " groups of ", channels, " channels"));
        }
        if (!(options.epsilon >= 0 && std::isfinite(options.epsilon))) {
            throw UsageError("GroupNorm",
                             detail::text("expected a finite epsilon of 0 or more, got ", options.epsilon));
        }
        return groups;
    }

    /// Calls f(first row, rows, sample, group) for every group of every sample, shared out over the threads.
    template <class F>
    void for_groups(Index samples, const ConstMatrixView<Scalar>& x, const F& f) const {
        const Index rows = x.rows() / samples;
        detail::parallel_for(samples * groups_, std::int64_t{x.rows()} * channels() * 4, [&](Index first, Index last) {
            for (Index i = first; i < last; ++i) { f(i / groups_ * rows, rows, i / groups_, i % groups_); }
        });
    }

    /// The formulas with the numbers that forward kept for the group.
    static Normalization normalization(const Backward<Scalar>& call, Index sample, Index group) {
        const Scalar* kept = at(call.kept, sample) + 2 * group;
        return {kept[0], kept[1]};
    }

    /// Threads share out groups. Each walks all rows in order and adds to the sums so far.
    void add_gradients(const Backward<Scalar>& call) {
        Scalar* grad_gain = gain_.is_frozen() ? nullptr : gain_.materialize_grads().data();
        Scalar* grad_shift = shift_.is_frozen() ? nullptr : shift_.materialize_grads().data();
        if (grad_gain == nullptr && grad_shift == nullptr) { return; }
        const Index rows = call.x.rows() / call.samples;
        detail::parallel_for(groups_, std::int64_t{call.x.rows()} * channels() * 2, [&](Index first, Index last) {
            for (Index row = 0; row < call.x.rows(); ++row) {
                for (Index group = first; group < last; ++group) {
                    const Index begin = group * width();
                    const Scalar* grad_y = at(call.grad_y, row) + begin;
                    const auto norm = normalization(call, row / rows, group);
                    if (grad_gain != nullptr) {
                        norm.add_grad_gain(width(), grad_gain + begin, at(call.x, row) + begin, grad_y);
                    }
                    if (grad_shift != nullptr) { norm.add_grad_shift(width(), grad_shift + begin, grad_y); }
                }
            }
        });
    }

    Index groups_;
    double epsilon_;
    Parameter<Scalar> gain_;   // channels
    Parameter<Scalar> shift_;  // channels
};

}  // namespace gacc
