#pragma once

#include <gacc/accumulation/audit.hpp>
#include <gacc/accumulation/gradient_check.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/model/sequential.hpp>

#include <doctest/doctest.h>

/// Every cut and the gradients of a model with a loss, by the library's own audit() and check_gradients().
namespace gacc::test {

/// Checks that gradients, losses and weights have the same bytes for every cut, for 1 to 4 threads in turn, and with
/// activations computed again. Of a batch of more than 40, only some cuts are tried.
template <class Loss, class Targets>
void check_cuts(const Sequential<float>& model, Loss loss, const Matrix<float>& x, const Targets& targets) {
    const auto same = [&](Index micro_batch) {
        set_threads(1 + static_cast<int>(micro_batch % 4));
        const Audit audit = gacc::audit(model, loss, x, targets, micro_batch);
        CHECK_MESSAGE(audit.same(), audit.description());
    };
    if (x.rows() <= 40) {
        for (Index micro_batch = 1; micro_batch <= x.rows(); ++micro_batch) { same(micro_batch); }
    } else {
        for (const Index micro_batch : {Index{7}, Index{130}, x.rows()}) { same(micro_batch); }
    }
    set_threads(0);
}

/// Checks all gradients against central differences: of at most 60 elements of each parameter, with an error below 1e-8
/// of the largest or, if that is smaller, of 1.
template <class Loss, class Targets>
void check_differences(const Sequential<double>& model, Loss loss, const Matrix<double>& x, const Targets& targets) {
    const GradientCheck check = gacc::check_gradients(model, loss, x, targets, {.step = 3e-5, .tolerance = 1e-8, .most = 60});
    CHECK_MESSAGE(check.agree(), check.description());
}

}  // namespace gacc::test
