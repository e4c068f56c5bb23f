#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/channel_norm.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/normalization.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
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
        const Index rows = call.x.rows() / call.samples;
        for_samples(call.samples, rows, 3, [&](Index sample, Scalar* scratch) {
            const ConstMatrixView<Scalar> x = call.x.middleRows(sample * rows, rows);
            Scalar* kept = call.kept.data() + sample * call.kept.outerStride();
            Scalar *sums = scratch, *means = scratch + channels(), *scales = scratch + 2 * channels();
            const auto count = static_cast<Scalar>(rows * width());
            Channels::sums(x, sums);
            for_groups([&](Index group, Index begin) {
                kept[2 * group] = Normalization::sum(width(), sums + begin) / count;
                std::fill_n(means + begin, width(), kept[2 * group]);
            });
            Channels::sums_of_squares(x, means, sums);
            for_groups([&](Index group, Index begin) {
                const Scalar variance = Normalization::sum(width(), sums + begin) / count;
                kept[2 * group + 1] = Scalar(1) / std::sqrt(variance + static_cast<Scalar>(epsilon_));
                std::fill_n(scales + begin, width(), kept[2 * group + 1]);
            });
            Channels(channels(), means, scales)
                .write_y(x, gain_.stored_values().data(), shift_.stored_values().data(),
                         detail::some_rows(call.y, sample * rows, rows));
        });
    }

    void backward(Backward<Scalar> call) override {
        Scalar* grad_gain = gain_.is_frozen() ? nullptr : gain_.materialize_grads().data();
        Scalar* grad_shift = shift_.is_frozen() ? nullptr : shift_.materialize_grads().data();
        const Index rows = call.x.rows() / call.samples;
        const Scalar* gain = std::as_const(gain_).stored_values().data();
        const auto sum_and_write = [&](Index sample, Scalar* scratch) {
            const ConstMatrixView<Scalar> x = call.x.middleRows(sample * rows, rows);
            const ConstMatrixView<Scalar> grad_y = call.grad_y.middleRows(sample * rows, rows);
            Scalar *sums_of_g = scratch, *sums_of_g_xhat = scratch + channels();
            const Channels norm = kept_channels(call, sample, scratch + 2 * channels());
            norm.sums_of_gradients(x, grad_y, sums_of_g, sums_of_g_xhat);
            if (!call.wants_grad_x()) { return; }
            Scalar *minus_mean = scratch + 4 * channels(), *minus_along = scratch + 5 * channels();
            const auto count = static_cast<Scalar>(rows * width());
            for_groups([&](Index, Index begin) {
                const Scalar g = Normalization::sum_of_g(width(), sums_of_g + begin, gain + begin);
                const Scalar g_xhat = Normalization::sum_of_g(width(), sums_of_g_xhat + begin, gain + begin);
                std::fill_n(minus_mean + begin, width(), -(g / count));
                std::fill_n(minus_along + begin, width(), -(g_xhat / count));
            });
            norm.write_grad_x(x, grad_y, gain, minus_mean, minus_along,
                              detail::some_rows(call.grad_x, sample * rows, rows));
        };
        const auto add_to = [&](Scalar* grad, const Scalar* sums) {
            if (grad == nullptr) { return; }
            for (Index i = 0; i < channels(); ++i) { grad[i] += sums[i]; }
        };
        for_samples(call.samples, rows, 6, sum_and_write, [&](const Scalar* scratch) {
            add_to(grad_shift, scratch);
            add_to(grad_gain, scratch + channels());
        });
    }

    std::vector<Parameter<Scalar>*> parameters() override { return {&gain_, &shift_}; }
    void initialize(Rng&) override {
        gain_.generate([] { return Scalar(1); });
        shift_.generate([] { return Scalar(0); });
    }

private:
    using Channels = detail::ChannelNorm<Scalar>;
    using Normalization = detail::Normalization<Scalar>;

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

    /// Calls f(group, its first channel).
    template <class F>
    void for_groups(const F& f) const {
        for (Index group = 0; group < groups_; ++group) { f(group, group * width()); }
    }

    /// Calls f(sample, scratch) for every sample, shared out over the threads, with memory for so many numbers of
    /// each channel. Then it calls after(scratch) for every sample in order.
    template <class F, class After>
    void for_samples(Index samples, Index rows, Index numbers, const F& f, const After& after) const {
        const Index each = numbers * channels();
        const Index most = static_cast<Index>(detail::ThreadScratch::bytes / sizeof(Scalar)) / each;
        const Index block = std::clamp<Index>(most, 1, samples);
        const detail::ThreadScratch::Numbers<Scalar> scratch(static_cast<std::size_t>(block * each));
        for (Index first = 0; first < samples; first += block) {
            const Index here = std::min(block, samples - first);
            detail::parallel_for(here, std::int64_t{here} * rows * channels() * 4, [&](Index begin, Index end) {
                for (Index i = begin; i < end; ++i) { f(first + i, scratch.data() + i * each); }
            });
            for (Index i = 0; i < here; ++i) { after(scratch.data() + i * each); }
        }
    }
    template <class F>
    void for_samples(Index samples, Index rows, Index numbers, const F& f) const {
        for_samples(samples, rows, numbers, f, [](const Scalar*) {});
    }

    /// With the means and scales that forward kept for a sample, in `scratch` for each channel.
    Channels kept_channels(const Backward<Scalar>& call, Index sample, Scalar* scratch) const {
        const Scalar* kept = call.kept.data() + sample * call.kept.outerStride();
        Scalar *means = scratch, *scales = scratch + channels();
        for_groups([&](Index group, Index begin) {
            std::fill_n(means + begin, width(), kept[2 * group]);
            std::fill_n(scales + begin, width(), kept[2 * group + 1]);
        });
        return {channels(), means, scales};
    }

    Index groups_;
    double epsilon_;
    Parameter<Scalar> gain_;   // channels
    Parameter<Scalar> shift_;  // channels
};

}  // namespace gacc
