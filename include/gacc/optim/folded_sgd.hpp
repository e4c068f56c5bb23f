#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/state.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/folded_batch.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/packets.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/model_parameter.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct FoldedSGDOptions {
    double learning_rate = 1e-3;
    /// More than 0: without a momentum SGD keeps only the gradients, and nothing is saved.
    double momentum = 0.9;
    /// This times the value is added to the gradient.
    double weight_decay = 0;
    static constexpr double clip_norm = std::numeric_limits<double>::infinity();  // it has no gradient to clip

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("momentum", options.momentum, below_one);
        f("weight_decay", options.weight_decay, not_negative);
    }
};

/// SGD with momentum whose velocity is the memory of the gradients: each sum over the samples of a batch starts from the
/// momentum of the batches before. FoldedBackward does that; the optimizer alone trains nothing.
///
/// Update     W the weight of the batch, W' that of the batch before, u = W v with SGD's velocity v:
///            begin_batch    u = u W / W'  (nothing if they are equal)
///            backward       u = u + grad of each sample, in their order
///            step           u = u + W weight_decay value;  value -= learning_rate / W u;  u = momentum u
///            In exact arithmetic this is SGD. Any cut, and any number of threads, gives the same bits. They are not those
///            of SGD, which rounds in other places; the step of the first batch is SGD's, to the bit, if W is a power of 2
/// State      u: sizeof(Scalar) bytes for each number that a parameter stores; no gradients but those of layers that use
///            the values of others
/// Range      a subnormal u (below 1e-38, double 1e-308) becomes 0
/// Cannot     step along Nesterov's momentum, which needs the gradient without the velocity; clip by the norm of the
///            gradient, or leave a micro-batch or a batch out: its gradients are in the velocity. Where that fails, load a
///            checkpoint
/// Defaults   a learning rate of 0.001, a momentum of 0.9, no weight decay
/// Throws     UsageError if an option is out of its range, or calls come in another order than begin_batch(), backward
///            passes of that weight in all, step(), zero_grad(). Nothing is changed then
/// Example    gacc::FoldedSGD sgd(model.parameters(), {.learning_rate = 0.1});  gacc::FoldedBackward folded(model, sgd);
///            ...   sgd.begin_batch(128);  // samples, or other weights
///            ...   folded.backward(loss.backward());  // for each micro-batch, in place of model.backward
///            ...   sgd.step();  sgd.zero_grad();
template <class Scalar = float>
class FoldedSGD final : public GroupedOptimizer<Scalar, FoldedSGDOptions> {
    using Base = GroupedOptimizer<Scalar, FoldedSGDOptions>;

public:
    explicit FoldedSGD(Parameters<Scalar> parameters, const FoldedSGDOptions& options = {})
        : Base("FoldedSGD", std::move(parameters), options), velocity_(velocity(options)) {
        arrays_.reserve(this->parameters().size());
    }

    std::size_t state_bytes() const override { return velocity_->numbers.bytes(); }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        return {{"velocity", velocity_->numbers.span()}};
    }

    /// Says the weight of the whole batch, by which all gradients are divided: its samples, unless they have other
    /// weights or are ignored. Weights are added in the order of the samples; step() compares all digits of the sum.
    void begin_batch(double weight) {
        detail::FoldedBatch<Scalar> batch = batch_;
        batch.begin(weight);
        if (unit_ != 0 && weight != unit_) {
            if (!detail::has_inverse<Scalar>(unit_ / weight)) {
                throw UsageError("FoldedSGD::begin_batch",
                                 detail::text("expected a weight whose quotient by that of the batch before, ", unit_,
                                              ", has an inverse ", detail::range_name<Scalar>, ", got ", weight));
            }
            scale_velocity(static_cast<Scalar>(weight / unit_));
        }
        unit_ = weight;
        batch_ = batch;
    }

    State state() const override {
        State words = Base::state();
        batch_.append_state(words);
        words.push_back(detail::word(unit_));
        return words;
    }
    void set_state(std::span<const std::uint64_t> words) override {
        this->check_words(words.size() == state().size(), "FoldedSGD");
        detail::FoldedBatch<Scalar> batch = batch_;
        batch.set_state(words.last(batch.words + 1));
        const double unit = detail::real(words.back());
        this->check_words(unit == 0 || detail::has_inverse<Scalar>(unit), "FoldedSGD");
        this->check_words(batch.weight() == 0 || batch.weight() == unit, "FoldedSGD");
        Base::set_state(words);
        batch_ = batch;
        unit_ = unit;
    }

    // What FoldedBackward needs.

    /// Frees the gradients of the parameters, which are empty. From now on the velocity is their memory.
    std::shared_ptr<detail::FoldedGradients<Scalar>> lend_velocity() {
        Index first = 0;
        for (auto& parameter : this->parameters()) {
            const auto size = static_cast<Index>(parameter.grad_storage().size());
            detail::ModelParameter<Scalar>::borrow_grads(parameter, velocity_, first);
            first += size;
        }
        return velocity_;
    }
    detail::FoldedBatch<Scalar>& batch() { return batch_; }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;

    struct Step {
        Scalar decay, rate;  // W weight_decay, learning_rate / W
    };
    struct Arrays {
        Scalar* value;
        Scalar* velocity;
        Index packets;  // of each array; whole packets, so every element goes through the same instructions
        std::size_t group = 0;
    };

    std::shared_ptr<detail::FoldedGradients<Scalar>> velocity(const FoldedSGDOptions& options) const {
        if (options.momentum == 0) {
            throw UsageError("FoldedSGD", "expected a momentum larger than 0, got 0; use SGD, which keeps no velocity then");
        }
        const Index numbers = this->parameters().stored_count();
        return detail::with_memory("FoldedSGD", numbers, sizeof(Scalar), "velocities", "use a smaller model", [&] {
            return std::make_shared<detail::FoldedGradients<Scalar>>(numbers, memory::Kind::moments);
        });
    }

    void check_fit(const FoldedSGDOptions& options) const override { this->check_words(options.momentum > 0, "FoldedSGD"); }

    /// Sets small numbers to zero: see SGDPass.
    void scale_velocity(Scalar factor) {
        const Arrays all[] = {{nullptr, velocity_->numbers.data(), velocity_->numbers.size() / lanes}};
        detail::for_packets(std::span<const Arrays>(all), 4, lanes, [&](const Arrays& at, Index first, Index last) {
            const auto factors = all_lanes(factor), smallest = all_lanes(std::numeric_limits<Scalar>::min());
            for (Index i = first * lanes; i < last * lanes; i += lanes) {
                const Packet scaled = detail::times(detail::load_aligned(at.velocity + i), factors);
                detail::store_aligned(at.velocity + i, detail::zero_below(scaled, smallest));
            }
        });
    }

    void prepare(double weight) override {
        batch_.check_step(this->parameters().tally());
        Base::prepare(weight);
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            steps_.push_back({in_step("weight_decay times the weight of the batch", this->weight_decay(group) * weight),
                              in_step("learning_rate / the weight of the batch", this->learning_rate(group) / weight)});
        }
        arrays_.reserve(this->parameters().size());
        velocity_->open = true;  // the gradients of shared values are added to it
    }

    void update(double) override {
        velocity_->open = false;
        arrays_.clear();
        Scalar* velocity = velocity_->numbers.data();
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            const auto values = this->parameters()[i].stored_values();
            const auto size = static_cast<Index>(values.size());
            arrays_.push_back({values.data(), velocity, size / lanes, this->group_of(i)});
            velocity += size;
        }
        const auto momentum = static_cast<Scalar>(this->options().momentum);
        detail::for_packets(std::span<const Arrays>(arrays_), 8, lanes, [&](const Arrays& at, Index first, Index last) {
            const Step& step = steps_[at.group];
            const auto decay = all_lanes(step.decay), minus_rate = all_lanes(-step.rate), keeps = all_lanes(momentum),
                       smallest = all_lanes(std::numeric_limits<Scalar>::min());
            for (Index i = first * lanes; i < last * lanes; i += lanes) {
                const Packet value = detail::load_aligned(at.value + i);
                const Packet sum = detail::multiply_add(decay, value, detail::load_aligned(at.velocity + i));
                detail::store_aligned(at.value + i, detail::multiply_add(minus_rate, sum, value));
                detail::store_aligned(at.velocity + i, detail::zero_below(detail::times(keeps, sum), smallest));
            }
        });
        batch_.end();
    }

    static Packet all_lanes(Scalar number) { return detail::all_lanes<Packet>(static_cast<double>(number)); }

    /// Throws     UsageError from step() that names `what`, if it is not in the range of Scalar
    static Scalar in_step(const char* what, double value) {
        if (detail::in_range<Scalar>(value)) { return static_cast<Scalar>(value); }
        throw UsageError("FoldedSGD::step", detail::text("expected ", what, " ", detail::range_name<Scalar>, ", got ", value,
                                                         "; nothing has changed"));
    }

    std::shared_ptr<detail::FoldedGradients<Scalar>> velocity_;  // u of all parameters, one after the other
    double unit_ = 0;                                            // the W that is in u; 0: u is 0
    detail::FoldedBatch<Scalar> batch_{"FoldedSGD"};
    std::vector<Step> steps_;     // a step's constants, one for each group
    std::vector<Arrays> arrays_;  // of a step, one for each parameter
};

}  // namespace gacc
