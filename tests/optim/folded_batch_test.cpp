#include <gacc/optim/folded_batch.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

namespace folded_batch_test {

using gacc::GradientTally;
using gacc::State;
using gacc::UsageError;
using Batch = gacc::detail::FoldedBatch<float>;

namespace {

/// Adds a micro-batch of this weight to the tally, as a backward pass does.
void add(GradientTally& tally, float weight) {
    const std::vector<float> weights{weight};
    tally.add<float>(gacc::Reduction::mean_over_samples, weights);
}

}  // namespace

TEST_CASE("FoldedBatch: micro-batches, a step, and another batch") {
    Batch batch("X");
    GradientTally tally;
    CHECK(batch.weight() == 0);
    CHECK_THROWS_WITH_AS(batch.check_start(tally),
                         "gacc: X: expected begin_batch() with the weight of the batch before its first backward, got none",
                         UsageError);
    batch.begin(5);
    batch.begin(4);  // before the first backward pass
    CHECK(batch.weight() == 4);
    for (const float weight : {3.0F, 1.0F}) {
        CHECK_NOTHROW(batch.check_start(tally));
        add(tally, weight);
        batch.note(tally);
    }
    CHECK_NOTHROW(batch.check_step(tally));
    batch.end();
    CHECK(batch.weight() == 0);
    tally.mark_stepped();
    batch.begin(4);
    CHECK_THROWS_WITH_AS(batch.check_start(tally),
                         "gacc: X: expected zero_grad() after step(), got the gradients of the batch before; call "
                         "zero_grad() after step()",
                         UsageError);
    tally = tally.emptied();
    CHECK_NOTHROW(batch.check_start(tally));
}

TEST_CASE("FoldedBatch: gradients that are in the moments stay there") {
    Batch batch("X");
    GradientTally tally;
    batch.begin(4);
    add(tally, 2);
    batch.note(tally);
    CHECK_THROWS_WITH_AS(batch.begin(4),
                         "gacc: X::begin_batch: expected step() with the batch before, whose gradients are in the moments, "
                         "got another batch; load a checkpoint to leave it out",
                         UsageError);
    CHECK_THROWS_WITH_AS(batch.check_step(tally),
                         "gacc: X::step: expected a batch of the weight 4 that begin_batch() was given, got 2; fold the rest "
                         "of it, or load a checkpoint",
                         UsageError);
    const GradientTally emptied = tally.emptied();
    const auto left_out = "gacc: X: expected the 1 micro-batches that are in the moments, got a tally of 0; they cannot be "
                          "taken out: load a checkpoint";
    CHECK_THROWS_WITH_AS(batch.check_start(emptied), left_out, UsageError);
    CHECK_THROWS_WITH_AS(batch.check_step(emptied), left_out, UsageError);

    GradientTally partial = tally;  // a backward pass threw in its middle
    partial.mark_partial();
    batch.note(partial);
    CHECK_THROWS_WITH_AS(batch.check_start(tally),
                         "gacc: X: expected the 1 micro-batches that are in the moments, got a part of one more, whose "
                         "backward threw; they cannot be taken out: load a checkpoint",
                         UsageError);
}

TEST_CASE("FoldedBatch: a weight that cannot be divided by is refused") {
    Batch batch("X");
    CHECK_THROWS_WITH_AS(batch.begin(0),
                         "gacc: X::begin_batch: expected a weight larger than 0 that has an inverse in the range of float, "
                         "got 0",
                         UsageError);
    for (const double weight : {-1.0, 1e-40, 1e40, std::numeric_limits<double>::infinity()}) {
        CHECK_THROWS_AS(batch.begin(weight), UsageError);
    }
    CHECK(batch.weight() == 0);
}

TEST_CASE("FoldedBatch: its state is that of the batch, and words that no batch has are refused") {
    Batch batch("X"), other("X");
    GradientTally tally;
    batch.begin(4);
    add(tally, 2);
    batch.note(tally);
    State words;
    batch.append_state(words);
    REQUIRE(words.size() == Batch::words);
    other.set_state(words);
    CHECK(other.weight() == 4);
    CHECK_NOTHROW(other.check_start(tally));
    CHECK_THROWS_AS(other.begin(4), UsageError);
    words[0] = gacc::detail::word(0.0);  // a micro-batch of a batch that has not begun
    CHECK_THROWS_AS(other.set_state(words), gacc::DataError);
    words[0] = gacc::detail::word(-4.0);
    CHECK_THROWS_AS(other.set_state(words), gacc::DataError);
    words[0] = gacc::detail::word(4.0);
    words[2] = 2;  // neither 0 nor 1
    CHECK_THROWS_AS(other.set_state(words), gacc::DataError);
    CHECK(other.weight() == 4);
}

}  // namespace folded_batch_test
