#pragma once

#include <gacc/accumulation/audit_causes.hpp>
#include <gacc/accumulation/audit_run.hpp>
#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/model/recomputation.hpp>
#include <gacc/model/sequential.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The result of audit().
struct Audit {
    /// One run of the cut batch: its name, and whether all bits were those of the uncut batch.
    struct Run {
        std::string name;
        bool same = true;
    };

    Index batch_size = 0;
    Index micro_batch = 0;                  ///< samples of the largest micro-batch
    Index micro_batches = 0;                ///< of the batch
    std::vector<AuditedNumbers> gradients;  ///< of each parameter, in the run with the largest difference
    AuditedNumbers loss;                    ///< its sum over the samples, in the same way
    AuditedNumbers weight;                  ///< the divisor of a step, in the same way
    std::vector<Run> runs;
    std::vector<std::string> notes;   ///< parts of the training that depend on the cut, each "part: why"
    std::vector<std::string> causes;  ///< likely causes, each "layer: what is wrong"; empty if all is the same

    /// Whether no run changed a bit.
    bool same() const {
        return std::all_of(runs.begin(), runs.end(), [](const Run& run) { return run.same; });
    }

    /// A table, with a verdict in the last lines.
    std::string description() const {
        std::vector<const AuditedNumbers*> rows;
        for (const AuditedNumbers& gradient : gradients) { rows.push_back(&gradient); }
        std::size_t width = 16;
        for (const auto* row : rows) { width = std::max(width, row->name.size() + 2); }
        const auto line = [&](const std::string& name, const std::string& is_same, const std::string& difference,
                              const std::string& units) {
            const std::string first = detail::left(name, width) + is_same;
            return is_same == "yes" ? first + '\n'
                                    : detail::left(first, width + 9) + detail::right(difference, 20) +
                                          detail::right(units, 26) + '\n';
        };
        const auto numbers = [&](const AuditedNumbers& row) {
            return line(row.name, row.same ? "yes" : "no", detail::rounded(row.largest_difference, 3),
                        detail::rounded(row.units, 3));
        };
        std::string table = detail::text("batch of ", batch_size, " = ", micro_batches, " micro-batch",
                                         micro_batches == 1 ? "" : "es", " of at most ", micro_batch, '\n') +
                            line("gradient of", "same bits", "largest difference", "units in the last place");
        for (const auto* row : rows) { table += numbers(*row); }
        table += numbers(loss) + numbers(weight);
        for (const Run& run : runs) { table += run.name + ": " + (run.same ? "the same\n" : "different\n"); }
        std::string other_parts;
        for (const std::string& note : notes) { other_parts += "depends on the cut: " + note + '\n'; }
        if (same()) {
            const char* of = notes.empty() ? "" : " of the gradients";
            return table + "The cut changes not one bit" + of + ".\n" + other_parts;
        }
        const auto differ = std::count_if(gradients.begin(), gradients.end(),
                                          [](const AuditedNumbers& row) { return !row.same; });
        table += detail::text("The cut changes bits: ", differ, " of ", gradients.size(), " gradients differ.\n");
        for (const std::string& cause : causes) { table += "likely cause: " + cause + '\n'; }
        return table + other_parts;
    }
};

namespace detail {

/// Keeps the larger of two differences.
inline void keep_farther(AuditedNumbers& kept, AuditedNumbers other) {
    const bool farther =
        kept.same ? !other.same
                  : other.largest_difference > kept.largest_difference || std::isnan(other.largest_difference);
    if (kept.name.empty() || farther) { kept = std::move(other); }
}

template <class Scalar, class Loss, class Targets>
Audit audit(const Sequential<Scalar>& model, Loss& loss, const AuditBatch<Scalar, Targets>& batch, Index micro_batch) {
    if (micro_batch < 1) { throw UsageError("audit", text("expected a micro_batch of 1 or more, got ", micro_batch)); }
    batch.check("audit");
    const Cut uncut{batch.samples()}, cut = cut_of(std::max<Index>(batch.samples(), 1), micro_batch);
    Audit audit{.batch_size = batch.samples(),
                .micro_batch = cut.front(),
                .micro_batches = static_cast<Index>(cut.size()),
                .gradients = {},
                .loss = {},
                .weight = {},
                .runs = {},
                .notes = {},
                .causes = {}};
    const int several = std::max(threads(), 2);
    const ThreadsMeanwhile meanwhile(several);
    Sequential<Scalar> reference = model;
    const auto whole = audit_run(reference, loss, batch, uncut);
    audit.gradients.resize(whole.gradients.size());

    const auto run = [&](std::string name, Sequential<Scalar> copy, const Cut& parts) {
        const auto other = audit_run(copy, loss, batch, parts);
        bool same = true;
        const auto note = [&](AuditedNumbers& kept, AuditedNumbers found) {
            same = same && found.same;
            keep_farther(kept, std::move(found));
        };
        for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
            note(audit.gradients[i], compare(copy.parameters()[i].name(), whole.gradients[i], other.gradients[i]));
        }
        note(audit.loss, compare("sum of losses", &whole.loss, &other.loss, 1));
        note(audit.weight, compare("weight", &whole.weight, &other.weight, 1));
        audit.runs.push_back({std::move(name), same});
        return same;
    };
    const bool cut_same = run(text(several, " threads"), model, cut);
    {
        const ThreadsMeanwhile one(1);
        run("1 thread", model, cut);
    }
    Sequential<Scalar> recomputing = model;
    const auto activations = least_memory<Scalar>(activations_for<Loss>(model), cut.front());
    if (!std::all_of(activations.begin(), activations.end(),
                     [](const Activation& activation) { return activation.kept; })) {
        recomputing.lay_out(cut.front(), activations);
        run("activations computed again", std::move(recomputing), cut);  // a copy would keep all
    }
    if (audit.same()) { return audit; }

    if (!cut_same) {
        const auto outputs = forward_for(loss, reference, batch.inputs);
        audit.causes = AuditCauses<Scalar>(batch.samples(), cut).find(model, loss, batch, outputs);
    } else if (!audit.runs[1].same) {
        audit.causes = {"a sum whose parts follow the number of threads"};
    } else {
        audit.causes = {"a layer whose forward gives something else when it is called again"};
    }
    if (audit.causes.empty()) {
        audit.causes = {"not found: each layer alone, and the loss alone, give the same bits"};
    }
    return audit;
}

}  // namespace detail

/// Runs a batch uncut and cut into micro-batches of at most `micro_batch` samples, and compares the bytes of all
/// gradients, losses and the weight. It runs the cut batch on several threads, on one thread, and with some activations
/// computed again. If bytes differ, it looks for the cause: it gives each layer alone, and the loss, the same numbers
/// uncut and cut.
///
/// It works on copies. So the model keeps its gradients, its tally and a forward in progress; the loss forgets its last
/// forward. A batch comes from shuffled_batches() or ordered_batches(), or has `inputs`, and `labels` or `targets`,
/// like those. Memory: some copies of the model, and the activations of the whole batch.
///
/// `parts` are other objects of the training, such as a policy or an optimizer. If what they do depends on the cut, as
/// with AdaptiveBatch, the audit notes it. It does not run them.
///
/// Throws     UsageError if micro_batch < 1, or a layer cannot be copied; what the model and the loss throw
/// Example    const auto audit = gacc::audit(model, loss, batch, 7);
///            std::cout << audit.description();
template <class Scalar, class Loss, detail::AuditableBatch<Scalar> B, class... Parts>
Audit audit(const Sequential<Scalar>& model, Loss& loss, const B& batch, Index micro_batch, const Parts&... parts) {
    Audit audit = detail::with_targets<Scalar>(
        batch, [&](const auto& samples) { return detail::audit(model, loss, samples, micro_batch); });
    [[maybe_unused]] const auto note = [&](const auto& part) {
        if constexpr (requires { part.depends_on_cut(); }) { audit.notes.push_back(part.depends_on_cut()); }
    };
    (note(parts), ...);
    return audit;
}

/// The same for inputs, samples x features, and labels or rows of targets: one for each row of outputs.
///
/// Throws     also ShapeError if not all samples have the same number of targets
/// Example    gacc::audit(model, loss, inputs, labels, 7).same()
template <class Scalar, class Loss, detail::AuditTargets<Scalar> Targets>
Audit audit(const Sequential<Scalar>& model, Loss& loss, const std::type_identity_t<ConstMatrixView<Scalar>>& inputs,
            const Targets& targets, Index micro_batch) {
    return detail::with_targets<Scalar>(
        inputs, targets, [&](const auto& samples) { return detail::audit(model, loss, samples, micro_batch); });
}

}  // namespace gacc::inline GACC_ABI
