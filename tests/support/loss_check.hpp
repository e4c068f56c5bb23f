#pragma once

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>

#include "support/audit_check.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

/// The checks that every loss must pass, for any number of samples, tokens and outputs.
namespace gacc::test {

/// Checks a loss behind a Linear for 100 shapes: in float for every cut of up to 40 samples, in double against central
/// differences. `make<Scalar>()` returns the loss, `targets_of<Scalar>(rng, rows, outputs)` its targets.
template <class Make, class TargetsOf>
void check_loss(const Make& make, const TargetsOf& targets_of) {
    Rng rng(7);
    for (int trial = 0; trial < 100; ++trial) {
        const Index features = 1 + static_cast<Index>(rng.below(5));
        const Index outputs = trial % 3 == 0 ? 1 : 1 + static_cast<Index>(rng.below(40));
        const Index tokens = trial % 2 == 0 ? 1 : 1 + static_cast<Index>(rng.below(4));
        CAPTURE(tokens);
        CAPTURE(outputs);
        const auto with = [&]<class Scalar>(Index samples, const auto& check) {
            CAPTURE(samples);
            Sequential<Scalar> model(Input(tokens, features), Linear<Scalar>(features, outputs));
            model.initialize(rng);
            check(model, make.template operator()<Scalar>(),
                  random_matrix<Scalar>(rng, samples, tokens * features, -2, 2),
                  targets_of.template operator()<Scalar>(rng, samples * tokens, outputs));
        };
        with.template operator()<double>(
            1 + static_cast<Index>(rng.below(4)),
            [](const auto& model, auto loss, const auto& x, const auto& t) { check_differences(model, loss, x, t); });
        const Index samples = trial % 25 == 0 ? 300 : 1 + static_cast<Index>(rng.below(40));
        with.template operator()<float>(
            samples, [](const auto& model, auto loss, const auto& x, const auto& t) { check_cuts(model, loss, x, t); });
    }
}

}  // namespace gacc::test
