#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Checks an optimizer before a checkpoint is made of it. A state that it does not hand over would be lost silently.
///
/// Throws     UsageError if it does not override moments(), or has a state_bytes() but no moments(), or if the moments
///            have no names of their own or another size than the numbers that the parameters store
template <class Scalar>
void check_moments(Optimizer<Scalar>& optimizer) {
    const auto refuse = [&](const std::string& got) {
        throw UsageError("Checkpoint", "expected the moments() of " + optimizer.name() + ", got " + got);
    };
    const auto all = optimizer.moments();
    if (all.empty() && optimizer.state_bytes() > 0) { refuse("none"); }
    const auto stored = static_cast<std::size_t>(optimizer.parameters().stored_count());
    const auto expected = [&](const auto& moments) {
        if (!moments.parameter) { return stored; }
        if (!moments.shape.empty()) { return static_cast<std::size_t>(elements(moments.shape)); }
        return std::as_const(optimizer.parameters()[*moments.parameter]).stored_values().size();
    };
    for (const auto& moments : all) {
        const std::string& name = moments.name;
        if (name.empty()) {
            refuse(
                "no word of what it keeps; override moments(), to return {} if it keeps none, and state() if "
                "it keeps anything else");
        }
        const auto same = [&](const auto& other) {  // moments of all parameters are also those of each
            const bool meet = !other.parameter || !moments.parameter || other.parameter == moments.parameter;
            return other.name == name && meet;
        };
        if (std::ranges::count_if(all, same) > 1) { refuse("two named " + name); }
        if (!moments.parameter && moments.size() != stored) {
            refuse(text(moments.size(), " ", name, "; give the ", stored, " that the parameters store"));
        }
        if (moments.parameter && *moments.parameter >= optimizer.parameters().size()) {
            refuse(text(name, " of parameter ", *moments.parameter, " of ", optimizer.parameters().size()));
        }
        if (moments.size() != expected(moments)) {
            refuse(text(moments.size(), " ", name, " of ", optimizer.parameters()[*moments.parameter].name(),
                        "; give ", expected(moments)));
        }
    }
}

}  // namespace gacc::detail
