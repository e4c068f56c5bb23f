#pragma once

#include <gacc/core/state.hpp>
#include <gacc/optim/adam_family.hpp>
#include <gacc/optim/folded_batch.hpp>
#include <gacc/parameters/model_parameter.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

struct AdamAOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    /// Each step takes this share, times the learning rate, from every value, as with AdamW.
    double weight_decay = 0;
    static constexpr double clip_norm = std::numeric_limits<double>::infinity();  // it has no gradient to clip
    static constexpr MomentFormat moments = MomentFormat::full;

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("beta1", options.beta1, below_one);
        f("beta2", options.beta2, below_one);
        f("epsilon", options.epsilon, not_negative);
        f("weight_decay", options.weight_decay, not_negative);
    }
};

/// Adam accumulation: the gradient of each micro-batch goes into the moments at once, layer by layer, so that the
/// gradients of a batch are never held. FoldedBackward does that; the optimizer alone trains nothing.
///
/// Update     W the weight of the batch, g_k = grad_k / W of micro-batch k, for every k as it comes:
///            m = beta1 m + (1 - beta1) sum of g_k;  v = beta2 v + (1 - beta2) sum of g_k²;  then as Adam and AdamW
///            m is Adam's. v is not: Adam squares the sum. So the result depends on the cut, and audit() says so. A batch
///            of one micro-batch is a step of AdamW, to the bit
/// State      as Adam; no gradients but those of the largest layer
/// Cannot     clip by the norm of the gradient, or leave a micro-batch or a batch out: its gradients are in the moments.
///            Where that fails, load a checkpoint
/// Defaults   Adam's, without weight decay
/// Throws     UsageError if an option is out of its range, or calls come in another order than begin_batch(), backward
///            passes of that weight in all, step(), zero_grad()
/// Source     Zhang et al. 2023, arXiv:2305.19982, algorithm 2
/// Example    gacc::AdamA adama(model.parameters());  gacc::FoldedBackward folded(model, adama);
///            ...   adama.begin_batch(128);  // samples, or other weights
///            ...   folded.backward(loss.backward());  // for each micro-batch, in place of model.backward
///            ...   adama.step();  adama.zero_grad();
template <class Scalar = float>
class AdamA final : public detail::AdamFamily<Scalar, AdamAOptions, true> {
    using Family = detail::AdamFamily<Scalar, AdamAOptions, true>;

public:
    explicit AdamA(Parameters<Scalar> parameters, const AdamAOptions& options = {})
        : Family("AdamA", std::move(parameters), options) {}

    /// Says the weight of the whole batch, by which all gradients are divided: its samples, unless they have other
    /// weights or are ignored. Weights are added in the order of the samples; step() compares all digits of the sum.
    void begin_batch(double weight) { batch_.begin(weight); }

    /// Why another cut gives another result, for audit().
    static const char* depends_on_cut() {
        return "AdamA: v is a sum of squares of the gradients of micro-batches, not the square of their sum";
    }

    bool keep_slice(Index, Index) override { return false; }

    State state() const override {
        State words = Family::state();
        batch_.append_state(words);
        return words;
    }
    void set_state(std::span<const std::uint64_t> words) override {
        this->check_words(words.size() == state().size(), "AdamA");
        detail::FoldedBatch<Scalar> batch = batch_;
        batch.set_state(words.last(batch.words));
        Family::set_state(words);
        batch_ = batch;
    }

    // What FoldedBackward needs.

    /// Adds the gradient of a parameter to its moments and empties it.
    void fold(Parameter<Scalar>& parameter) {
        detail::ModelParameter<Scalar>::join_grads(parameter);
        const bool first = this->parameters().tally().empty();
        const AdamAOptions& options = this->options();
        const detail::AdamPass<Scalar, true> pass({.scale = static_cast<Scalar>(1 / batch_.weight()),
                                                   .beta1 = first ? static_cast<Scalar>(options.beta1) : Scalar(1),
                                                   .beta2 = first ? static_cast<Scalar>(options.beta2) : Scalar(1),
                                                   .rest1 = static_cast<Scalar>(1 - options.beta1),
                                                   .rest2 = static_cast<Scalar>(1 - options.beta2),
                                                   .step_size = 0,
                                                   .root_scale = 0,
                                                   .epsilon = 0});
        std::array<detail::AdamArrays<Scalar>, 1> arrays{this->arrays_of(parameter)};
        arrays[0].grad = parameter.materialize_grads().data();
        detail::for_packets(std::span<const detail::AdamArrays<Scalar>>(arrays), 8, detail::Simd<Scalar>::lanes,
                            [&](const auto& at, Index begin, Index end) { pass.fold(at, begin, end); });
        parameter.zero_grad();
    }
    detail::FoldedBatch<Scalar>& batch() { return batch_; }

private:
    void prepare(double weight) override {
        batch_.check_step(this->parameters().tally());
        Family::prepare(weight);
    }
    void update(double) override {
        this->step_from_moments();
        batch_.end();
    }

    detail::FoldedBatch<Scalar> batch_{"AdamA"};
};

}  // namespace gacc
