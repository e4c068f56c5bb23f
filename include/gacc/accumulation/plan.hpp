#pragma once

#include <gacc/accumulation/lane_tree.hpp>
#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/accumulation/plan_result.hpp>
#include <gacc/accumulation/planned_bytes.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/data/batch.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/model/recomputation.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Whether activations are dropped and computed again in the backward pass. That takes less memory and more time.
enum class Recomputation {
    if_needed,  ///< if even a micro-batch of 1 (or the one asked for) does not fit the budget otherwise
    always,
    never,
};

struct PlanOptions {
    Index batch_size = 0;
    Index micro_batch = 0;   ///< the most samples; 0: the plan chooses
    std::size_t memory = 0;  ///< the budget in bytes; 0: none
    Recomputation recomputation = Recomputation::if_needed;
};

namespace detail {

/// Cuts a batch into the fewest micro-batches of at most `at_most` samples, as equal as possible. Returns the samples
/// of the largest.
inline Index balanced(Index batch_size, Index at_most) {
    const Index pieces = (batch_size - 1) / at_most + 1;
    return (batch_size - 1) / pieces + 1;
}

/// Counts the bytes of a model's training for a micro-batch, with or without recomputation.
template <class Scalar>
class Planner {
public:
    /// Returns the bytes of all other parts.
    using Parts = std::function<memory::Bytes(const PlanContext&)>;

    Planner(const Sequential<Scalar>& model, std::vector<Activation> activations, const Optimizer<Scalar>& optimizer,
            const PlanOptions& options, Index data_size, Parts parts)
        : model_(model), activations_(std::move(activations)), optimizer_(optimizer), options_(options),
          data_size_(data_size), parts_(std::move(parts)) {}

    std::vector<Activation> activations(Index micro_batch, bool recompute) const {
        auto activations = activations_;
        if (recompute) { return least_memory<Scalar>(activations, micro_batch); }
        for (Activation& activation : activations) { activation.kept = true; }
        drop_unneeded(activations);
        return activations;
    }

    memory::Bytes bytes(Index micro_batch, const std::vector<Activation>& activations) const {
        using memory::Kind;
        memory::Bytes bytes = model_.workspace_bytes(micro_batch, activations);
        bytes[Kind::parameters] = planned_bytes(optimizer_.all_parameters().stored_count(), sizeof(Scalar));
        bytes[Kind::gradients] = planned_bytes(optimizer_.parameters().stored_gradients(), sizeof(Scalar));
        bytes[Kind::moments] = optimizer_.state_bytes();
        const memory::Bytes others = parts_({micro_batch, largest_batch(), model_.output_shape()});
        for (std::size_t i = 0; i < memory::kinds; ++i) { bytes[Kind(i)] += others[Kind(i)]; }
        return bytes;
    }

    /// Samples of the largest batch: the dataset may have fewer samples than batch_size.
    Index largest_batch() const {
        return data_size_ > 0 ? std::min(options_.batch_size, data_size_) : options_.batch_size;
    }

    /// The largest micro-batch up to `most` that fits the budget; 0 if not even 1 fits.
    Index largest(Index most, bool recompute) const {
        Index fits = 0, too_much = most + 1;
        while (too_much - fits > 1) {
            const Index middle = fits + (too_much - fits) / 2;
            (total(middle, recompute) <= options_.memory ? fits : too_much) = middle;
        }
        return fits;
    }
    std::size_t total(Index micro_batch, bool recompute) const {
        return bytes(micro_batch, activations(micro_batch, recompute)).total();
    }

    /// Throws     MemoryError if no memory can hold the buffers of some kind
    void check(const memory::Bytes& bytes, Index micro_batch) const {
        for (std::size_t i = 0; i < memory::kinds; ++i) {
            if (bytes[memory::Kind(i)] < static_cast<std::size_t>(largest_size)) { continue; }
            throw MemoryError("plan", text("expected sizes that memory can hold, got ", memory::kind_names[i],
                                           " for a micro-batch of ", micro_batch, " and a batch of ", largest_batch()));
        }
    }

    [[noreturn]] void refuse(Index micro_batch, bool recompute) const {
        using memory::Kind;
        const auto needs = bytes(micro_batch, activations(micro_batch, recompute));
        throw MemoryError(
            "plan",
            text("a micro-batch of ", micro_batch, " needs ", grouped(needs.total()), " bytes, the budget is ",
                 grouped(options_.memory), "; the parameters, gradients and the optimizer's moments alone take ",
                 grouped(needs[Kind::parameters] + needs[Kind::gradients] + needs[Kind::moments])));
    }

private:
    const Sequential<Scalar>& model_;
    std::vector<Activation> activations_;
    const Optimizer<Scalar>& optimizer_;
    const PlanOptions& options_;
    Index data_size_;  // samples; 0: not known
    Parts parts_;
};

}  // namespace detail

/// Plans the training of a model, and prepares the model for it. The model's next forward allocates the plan's memory
/// at once. From then on a larger micro-batch is an error.
///
/// With a budget the micro-batch is the largest that fits, up to the size of a block
/// (Workspace::largest_block_samples). Larger micro-batches are walked in blocks, so they cost memory and save no time.
/// Micro-batches are as equal as possible, so the largest may be smaller than that. With Lanes, a micro-batch is a part
/// of a lane.
///
/// `parts` are other objects that training takes memory for: the data of the batches, a NonFiniteGuard, and Lanes.
///
/// Throws     UsageError if an option is out of its range; MemoryError, a UsageError, if the budget cannot be met
/// Example    const auto plan = gacc::plan({.batch_size = 4096, .memory = 64 * gacc::MiB}, model, loss, adam, train);
///            for (const auto& micro : batch.micro_batches(plan)) { ... }
template <class Scalar, class Loss, class... Parts>
Plan plan(const PlanOptions& options, Sequential<Scalar>& model, const Loss&, const Optimizer<Scalar>& optimizer,
          const Parts&... parts) {
    const auto check = [](const char* name, Index value, Index least) {
        constexpr auto most =  // the bytes can be counted, also if an Index has 32 bits
            static_cast<Index>(std::min(std::int64_t{1} << 40, std::int64_t{std::numeric_limits<Index>::max() / 4}));
        if (value < least || value > most) {
            throw UsageError("plan", detail::text("expected ", name, " from ", least, " to ", most, ", got ", value));
        }
    };
    check("a batch_size", options.batch_size, 1);
    check("a micro_batch", options.micro_batch, 0);
    if (model.size() == 0) { throw UsageError("plan", "expected a model with layers, got none"); }
    if (&model.parameters().tally() != &optimizer.parameters().tally()) {
        throw UsageError("plan", "expected the optimizer of this model, got that of another");
    }

    Index data_size = 0, lanes = 1;
    [[maybe_unused]] const auto look = [&](const auto& part) {
        using Part = std::remove_cvref_t<decltype(part)>;
        if constexpr (Dataset<Part>) { data_size = std::max(data_size, part.size()); }
        if constexpr (detail::WithLanes<Part>) { lanes = std::max(lanes, part.lanes()); }
    };
    (look(parts), ...);
    const auto bytes_of_parts = [&](const detail::PlanContext& context) {
        memory::Bytes all = detail::bytes_of_loss<Scalar, Loss>(context);
        [[maybe_unused]] const auto add = [&](const memory::Bytes& bytes) {
            for (std::size_t i = 0; i < memory::kinds; ++i) { all[memory::Kind(i)] += bytes[memory::Kind(i)]; }
        };
        (add(detail::bytes_of(parts, context)), ...);
        return all;
    };
    const detail::Planner<Scalar> planner(model, detail::activations_for<Loss>(model), optimizer, options, data_size,
                                          bytes_of_parts);
    const Index largest_batch = planner.largest_batch();
    const Index lane = detail::first_of_lane(largest_batch, 1, lanes);  // samples of the first one, the largest
    const Index block = Workspace<Scalar>::largest_block_samples(planner.activations(1, false));
    const Index helps = std::min(block, lane);
    const Index asked = options.micro_batch > 0 ? detail::balanced(lane, options.micro_batch) : 0;
    const Index most = asked > 0 ? asked : helps;
    const Index least = asked > 0 ? asked : 1;
    Index at_most = most;
    bool recompute = options.recomputation == Recomputation::always;
    if (options.memory > 0) {
        const auto fitting = [&] {
            if (asked == 0) { return planner.largest(most, recompute); }
            return planner.total(most, recompute) <= options.memory ? most : 0;
        };
        at_most = fitting();
        if (at_most == 0 && options.recomputation == Recomputation::if_needed) {
            recompute = true;
            at_most = fitting();
        }
        if (at_most == 0) { planner.refuse(least, recompute); }
    }

    Plan plan;
    plan.batch_size = largest_batch;
    plan.micro_batch = detail::balanced(lane, at_most);
    for (Index i = 0, first = 0; first < largest_batch; ++i) {
        const Index end = detail::first_of_lane(largest_batch, i + 1, lanes);
        plan.micro_batches += detail::EqualParts{end - first, plan.micro_batch}.count();
        first = end;
    }
    plan.memory = options.memory;
    plan.more_fits = asked == 0 && at_most == helps && helps < lane &&
                     (options.memory == 0 || planner.total(helps + 1, recompute) <= options.memory);

    const auto activations = planner.activations(plan.micro_batch, recompute);
    plan.bytes = planner.bytes(plan.micro_batch, activations);
    planner.check(plan.bytes, plan.micro_batch);
    plan.activations = activations.size();
    Index forward = 0, backward = 0, again = 0;
    if constexpr (detail::TakesFeatures<Loss>) {  // the last layer's work
        forward = model.output_activations().back().work;
        backward = 2 * forward;
    }
    const bool drops_unneeded = std::ranges::find(activations, true, &Activation::needed)->kept;
    // The last run of dropped activations is still in memory if the micro-batch is one block.
    const auto segments = detail::segments_of<Scalar>(activations);
    bool there = true;
    for (std::size_t i = activations.size(), dropped = 0; i-- > 0;) {
        forward += activations[i].work;
        if (drops_unneeded && !activations[i].needed) { continue; }
        const bool first_trained = i == 0 || !activations[i - 1].needed;
        if (activations[i].needed) { backward += (first_trained ? 1 : 2) * activations[i].work; }
        there = there && (activations[i].kept || plan.micro_batch <= segments[detail::segment_at(segments, i)].block);
        if (activations[i].kept) {
            there = there && dropped == 0;
        } else {
            ++dropped;
            plan.recomputed += there ? 0 : 1;
            again += there ? 0 : activations[i].work;
        }
    }
    const Index in_all = forward + backward;  // the first trained layer makes no grad_x
    plan.more_work = in_all > 0 ? static_cast<double>(again) / static_cast<double>(in_all) : 0;
    model.lay_out(plan.micro_batch, activations);
    return plan;
}

}  // namespace gacc
