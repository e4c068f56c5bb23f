#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/adam_moments.hpp>
#include <gacc/optim/adam_pass.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/kept_slice.hpp>
#include <gacc/optim/moment_format.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The common part of Adam and AdamW: two moments, and a step in one pass. With `decays` the values decay first. The
/// moments are kept in one of two formats.
template <class Scalar, class Options, bool decays>
class AdamFamily : public GroupedOptimizer<Scalar, Options> {
public:
    std::size_t state_bytes() const override { return full_.bytes() + rounded_.bytes() + this->clipping_bytes(); }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        return {{.name = "first_moments", .stored = full_.m.span(), .rounded = rounded_.m.span()},
                {.name = "second_moments", .stored = full_.v.span(), .non_negative = true, .rounded = rounded_.v.span()}};
    }

    bool keep_slice(Index first, Index count) override {
        const KeptSlice next{first, count};
        if (rounds()) {
            rounded_ = rounded_.moved(kept_, next);
        } else {
            full_ = full_.moved(kept_, next);
        }
        kept_ = next;
        return true;
    }

protected:
    AdamFamily(std::string name, Parameters<Scalar> parameters, const Options& options)
        : GroupedOptimizer<Scalar, Options>(std::move(name), std::move(parameters), options),
          kept_{0, this->parameters().stored_count()} {
        if (!rounds()) {
            full_ = {moment<Scalar>(), moment<Scalar>()};
        } else if (std::is_same_v<Scalar, float>) {
            rounded_ = {moment<BFloat16>(), moment<BFloat16>()};
        } else {
            throw UsageError(this->name(), "expected moments in full with double, got bfloat16; train in float");
        }
        reserve();
    }

    void prepare(double weight) override {
        GroupedOptimizer<Scalar, Options>::prepare(weight);
        const Options& options = this->options();
        const auto t = static_cast<double>(this->steps());
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            steps_.push_back({.scale = static_cast<Scalar>(this->scale()),
                              .beta1 = static_cast<Scalar>(options.beta1),
                              .beta2 = static_cast<Scalar>(options.beta2),
                              .rest1 = static_cast<Scalar>(1 - options.beta1),
                              .rest2 = static_cast<Scalar>(1 - options.beta2),
                              .step_size = static_cast<Scalar>(step_size(group, t)),
                              .root_scale = static_cast<Scalar>(1 / std::sqrt(1 - std::pow(options.beta2, t))),
                              .epsilon = static_cast<Scalar>(options.epsilon),
                              .decay = static_cast<Scalar>(decay(group))});
        }
        reserve();
    }

    // For an optimizer whose moments are full and are there already when it steps.

    /// The values and moments of a parameter, without its gradient.
    AdamArrays<Scalar> arrays_of(Parameter<Scalar>& of) {
        Index offset = 0;
        std::size_t i = 0;
        for (; &this->parameters()[i] != &of; ++i) {
            offset += static_cast<Index>(std::as_const(this->parameters()[i]).stored_values().size());
        }
        const auto values = of.stored_values();
        return {values.data(), nullptr, full_.m.data() + offset, full_.v.data() + offset,
                static_cast<Index>(values.size()) / Simd<Scalar>::lanes, this->group_of(i)};
    }
    void step_from_moments() {
        arrays_.clear();
        for (auto& parameter : this->parameters()) { arrays_.push_back(arrays_of(parameter)); }
        for_packets(std::span<const AdamArrays<Scalar>>(arrays_), 12, Simd<Scalar>::lanes,
                    [&](const AdamArrays<Scalar>& at, Index first, Index last) {
                        AdamPass<Scalar, decays>(steps_[at.group]).step(at, first, last);
                    });
    }

private:
    /// A buffer with one number for each number that the parameters store.
    template <class Number>
    Buffer<Number> moment() const {
        const Index numbers = this->parameters().stored_count();
        return with_memory(this->name(), numbers, sizeof(Number), "moments", "use a smaller model",
                           [&] { return Buffer<Number>(numbers, memory::Kind::moments); });
    }
    bool rounds() const { return this->options().moments == MomentFormat::bfloat16; }
    void reserve() {
        const std::size_t count = this->parameters().size();
        rounds() ? rounded_arrays_.reserve(count) : arrays_.reserve(count);
    }

    void update(double) override {
        if constexpr (std::is_same_v<Scalar, float>) {
            if (rounds()) { return update(rounded_arrays_, rounded_); }
        }
        update(arrays_, full_);
    }
    template <class Arrays, class Number>
    void update(std::vector<Arrays>& all, MomentBuffers<Number>& moments) {
        all.clear();
        Index offset = 0;
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            auto& parameter = this->parameters()[i];
            const auto values = parameter.stored_values();
            const auto size = static_cast<Index>(values.size());
            const KeptSlice::Part part = kept_.part(offset, size);
            Arrays& arrays = all.emplace_back();
            arrays.value = values.data() + part.in_parameter;
            arrays.grad = parameter.materialize_grads().data() + part.in_parameter;
            arrays.m = moments.m.data() + part.in_moments;
            arrays.v = moments.v.data() + part.in_moments;
            arrays.packets = part.count / Simd<Scalar>::lanes;
            arrays.group = this->group_of(i);
            if constexpr (std::is_same_v<Arrays, RoundedAdamArrays>) {
                arrays.key = place_key(this->parameters().tally().seed(), static_cast<std::uint64_t>(this->steps()), i);
                arrays.cols = parameter.shape().size() == 1 ? 1 : parameter.cols();
                arrays.first = part.in_parameter / Simd<float>::lanes;
            }
            offset += size;
        }
        adam_update<decays>(steps_, std::span<const Arrays>(all));
    }

    /// learning_rate / (1 - beta1^t). It is larger than the learning rate in the first steps.
    double step_size(std::size_t group, double t) const {
        const double size = this->learning_rate(group) / (1 - std::pow(this->options().beta1, t));
        if (!in_range<Scalar>(size)) { refuse(text("learning_rate / (1 - beta1^", t, ")"), size); }
        return size;
    }
    double decay(std::size_t group) const {
        const double decay = this->learning_rate(group) * this->weight_decay(group);
        if (!in_range<Scalar>(decay)) { refuse("learning_rate * weight_decay", decay); }
        return decay;
    }
    [[noreturn]] void refuse(const std::string& what, double got) const {
        throw UsageError(this->name() + "::step", text("expected ", what, " ", range_name<Scalar>, ", got ", got,
                                                       "; nothing has changed; set a smaller learning rate"));
    }

    MomentBuffers<Scalar> full_;                     // empty if they are rounded
    MomentBuffers<BFloat16> rounded_;                // empty if not
    KeptSlice kept_;                                 // if not of all: of these numbers
    std::vector<AdamStep<Scalar>> steps_;            // a step's constants, one for each group
    std::vector<AdamArrays<Scalar>> arrays_;         // of a step, one for each parameter
    std::vector<RoundedAdamArrays> rounded_arrays_;  // the same for rounded moments
};

}  // namespace gacc::detail
