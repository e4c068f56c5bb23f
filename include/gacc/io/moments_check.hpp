#pragma once

#include <gacc/core/error.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

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
    for (const auto& moments : all) {
        const std::string& name = moments.name;
        if (name.empty()) {
            refuse(
                "no word of what it keeps; override moments(), to return {} if it keeps none, and state() if "
                "it keeps anything else");
        }
        if (std::ranges::count(all, name, &Optimizer<Scalar>::Moments::name) > 1) { refuse("two named " + name); }
        if (moments.stored.size() != stored) {
            refuse(text(moments.stored.size(), " ", name, "; give the ", stored, " that the parameters store"));
        }
    }
}

}  // namespace gacc::detail
