#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/text.hpp>
#include <gacc/core/types.hpp>
#include <gacc/parameters/gradient_tally.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI::detail {

/// What an optimizer knows of the batch whose gradients go into its moments: the weight that it will have, and how many of
/// its micro-batches are in the moments. They cannot be taken out, so a batch that has begun must be ended.
///
/// Throws     UsageError in the name of the optimizer if calls come in another order than begin(), check_start() and note()
///            for each micro-batch, check_step(), end(); or if the batch has another weight at the step
template <class Scalar>
class FoldedBatch {
public:
    explicit FoldedBatch(const char* optimizer) : optimizer_(optimizer) {}

    /// 0 while none has begun.
    double weight() const { return weight_; }

    /// It may be called again until the first backward pass.
    void begin(double weight) {
        const auto where = [&] { return std::string(optimizer_) + "::begin_batch"; };
        if (folded_ != 0) {
            throw UsageError(where(), "expected step() with the batch before, whose gradients are in the moments, got another "
                                    "batch; load a checkpoint to leave it out");
        }
        if (!(weight > 0) || !has_inverse<Scalar>(weight)) {
            throw UsageError(where(), text("expected a weight larger than 0 that has an inverse ", range_name<Scalar>,
                                         ", got ", weight));
        }
        weight_ = weight;
    }

    /// Before a backward pass.
    void check_start(const GradientTally& tally) const {
        if (const char* expected = tally.obstacle()) { throw UsageError(optimizer_, expected); }
        if (weight_ == 0) {
            throw UsageError(optimizer_, "expected begin_batch() with the weight of the batch before its first backward, "
                                         "got none");
        }
        check_folded(tally);
    }
    /// After a backward pass, also one that threw.
    void note(const GradientTally& tally) {
        is_partial_ = tally.partial();
        folded_ = tally.micro_batches();
    }

    void check_step(const GradientTally& tally) const {
        check_folded(tally);
        if (tally.weight() != weight_) {
            throw UsageError(std::string(optimizer_) + "::step",
                             text("expected a batch of the weight ", weight_, " that begin_batch() was given, got ",
                                  tally.weight(), "; fold the rest of it, or load a checkpoint"));
        }
    }
    /// A step was made.
    void end() { *this = FoldedBatch(optimizer_); }

    static constexpr std::size_t words = 3;
    void append_state(State& state) const {
        state.insert(state.end(), {word(weight_), word(folded_), std::uint64_t{is_partial_}});
    }
    /// Throws     DataError
    void set_state(std::span<const std::uint64_t> state) {
        const double weight = real(state[0]);
        const Index folded = count(optimizer_, state[1], optimizer_);
        check_state(optimizer_, weight == 0 ? folded == 0 : weight > 0 && has_inverse<Scalar>(weight), optimizer_);
        check_state(optimizer_, state[2] <= 1, optimizer_);
        weight_ = weight;
        folded_ = folded;
        is_partial_ = state[2] == 1;
    }

private:
    /// All of the batch is in the moments, and no more than the tally says.
    void check_folded(const GradientTally& tally) const {
        const Index held = tally.micro_batches();
        if (!is_partial_ && folded_ == held) { return; }
        const std::string got = is_partial_ ? "a part of one more, whose backward threw" : text("a tally of ", held);
        throw UsageError(optimizer_, text("expected the ", folded_, " micro-batches that are in the moments, got ", got,
                                          !is_partial_ && held > folded_
                                              ? "; call FoldedBackward::backward() in place of the model's"
                                              : "; they cannot be taken out: load a checkpoint"));
    }

    const char* optimizer_;
    double weight_ = 0;
    Index folded_ = 0;         // its micro-batches that are in the moments
    bool is_partial_ = false;  // parts of another one are
};

}  // namespace gacc::detail
