#pragma once

#include <gacc/core/bfloat16.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/state.hpp>
#include <gacc/parameters/model_parameter.hpp>
#include <gacc/parameters/parameters.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

template <class Scalar>
class GradientNorm;

/// A setting of an optimizer: {"learning_rate", 0.001}.
struct OptimizerOption {
    std::string name;
    double value = 0;
};

/// The base of all optimizers. Call step() once a batch, after any number of backward calls, then zero_grad(). step()
/// divides the gradients by the weight that was added to them. Nothing else must divide them.
///
/// Your own   override update(), and prepare() if something may throw. All that it keeps from one step to the next must
///            be in moments() (numbers for every parameter) or in state() and set_state() (options that change, counts).
///            If it keeps no moments, it must override moments() to return {}: a Checkpoint refuses an optimizer that does
///            not override it
template <class Scalar>
class Optimizer {
public:
    using scalar_type = Scalar;

    virtual ~Optimizer() = default;

    /// Updates all parameters once from the mean gradient of the batch. The gradients stay as they are; zero_grad()
    /// must follow before the next backward or step. If all samples of a batch have weight 0 (every label ignored), it
    /// changes nothing and counts no step; zero_grad() may follow or not.
    ///
    /// Throws     UsageError if there was no backward since zero_grad(), no zero_grad() since the last step, or a
    ///            backward threw and left parts of a micro-batch; NonFiniteError if the weight of the batch is so small
    ///            or large that its inverse is not a Scalar with all its bits. Nothing is changed then
    void step() {
        GradientTally tally = parameters_.tally();
        if (const char* expected = tally.obstacle()) { throw UsageError(name_ + "::step", expected); }
        if (tally.empty()) {
            throw UsageError(name_ + "::step",
                             "expected the gradients of one micro-batch or more, got none; "
                             "call the model's backward first");
        }
        if (tally.lane()) {
            throw UsageError(name_ + "::step",
                             "expected the gradients of all lanes, got those of some; call the Lanes' join() before");
        }
        if (tally.weight() == 0) { return; }
        if (!detail::has_inverse<Scalar>(tally.weight())) {
            throw NonFiniteError(name_ + "::step",
                                 detail::text("expected weights whose sum has an inverse ", detail::range_name<Scalar>,
                                              ", got a sum of ", tally.weight(),
                                              "; nothing has changed, and zero_grad() leaves this batch out"));
        }
        ++steps_;
        try {
            prepare(tally.weight());
            join_grads();  // not before: the step may be refused, and the batch go on
            update(tally.weight());
        } catch (...) {
            --steps_;
            throw;
        }
        tally.mark_stepped();
        parameters_.set_tally(tally);
    }

    /// Empties the gradient buffers and their tally.
    void zero_grad() { parameters_.zero_grad(); }

    /// Bytes of buffers that it keeps from step to step.
    virtual std::size_t state_bytes() const { return 0; }

    /// One kept number for every number that the parameters store, in their order, like Adam's moments; or for one
    /// parameter alone, with a shape of their own if they are fewer.
    struct Moments {
        std::string name;
        std::span<Scalar> stored;
        bool non_negative = false;  ///< a checkpoint with negative ones is refused: Adam takes their roots
        std::optional<std::size_t> parameter = std::nullopt;  ///< the only one that they belong to, by its place
        Shape shape{};  ///< if it is not the parameter's: the numbers lie one after the other, without padding
        std::span<BFloat16> rounded{};  ///< in place of `stored`, if they are kept in bfloat16

        std::size_t size() const { return stored.size() + rounded.size(); }
        /// Calls f with the numbers that are kept.
        template <class F>
        void with_numbers(const F& f) const {
            rounded.empty() ? f(stored) : f(rounded);
        }
    };
    /// All moments. The one entry without a name means that the optimizer does not override this.
    virtual std::vector<Moments> moments() { return {Moments{}}; }

    /// From now on it updates only numbers first to first + count - 1 of all that the parameters store, and keeps moments
    /// for these alone: where another rank updates the others (gacc/mpi/). Moments that it had for others are lost, those
    /// that it had not are zero. Both bounds are multiples of the width of panels. False if it cannot, and nothing changes.
    virtual bool keep_slice(Index, Index) { return false; }

    /// The norm to which it clips; null if it does not clip. While it keeps a slice, others set the sums of this norm
    /// before each step.
    virtual GradientNorm<Scalar>* norm() { return nullptr; }

    /// The steps made and the options, for a checkpoint.
    virtual State state() const { return {detail::word(steps_)}; }
    virtual void set_state(std::span<const std::uint64_t> words) {
        detail::check_state(name_.c_str(), words.size() == state().size(), "an optimizer");
        steps_ = detail::count(name_.c_str(), words[0], "an optimizer");
    }

    /// The options by name, in a fixed order, so that Checkpoint::load can report those that it has changed.
    virtual std::vector<OptimizerOption> named_options() const { return {}; }

    /// Updates made so far.
    Index steps() const { return steps_; }
    /// Those that it updates: the model's without the frozen ones.
    const Parameters<Scalar>& parameters() const { return parameters_; }
    const Parameters<Scalar>& all_parameters() const { return all_; }
    /// "Adam"
    const std::string& name() const { return name_; }

protected:
    Optimizer(std::string name, Parameters<Scalar> parameters)
        : name_(std::move(name)), all_(std::move(parameters)), parameters_(all_.trained()) {
        if (parameters_.size() == 0) { throw UsageError(name_, "expected parameters to train, got none"); }
    }
    Optimizer(Optimizer&&) noexcept = default;
    Optimizer& operator=(Optimizer&&) noexcept = default;

    /// Is called before update(). What a step needs and what may throw belongs here. It changes neither parameters nor
    /// moments. steps() already counts this step.
    virtual void prepare(double) {}

    /// Updates every parameter from its gradient divided by `weight`. Gradients of shared values are added up already.
    /// If it throws, it must not have changed anything.
    virtual void update(double weight) = 0;

    void check_option(const char* option, double value, bool valid, const char* expected) const {
        if (!valid) { throw UsageError(name_, detail::text("expected ", option, " ", expected, ", got ", value)); }
    }

private:
    /// Adds up the gradients of values that several layers use, in model order.
    void join_grads() {
        for (auto& parameter : parameters_) { detail::ModelParameter<Scalar>::join_grads(parameter); }
    }

    std::string name_;
    Parameters<Scalar> all_;
    Parameters<Scalar> parameters_;
    Index steps_ = 0;
};

}  // namespace gacc
