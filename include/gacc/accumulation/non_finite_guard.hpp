#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

enum class NonFinite {
    stop,  ///< throw
    skip,  ///< leave the micro-batch out
};

/// Finds a loss or gradient that is infinite or NaN before a step carries it into the weights, and names it. It also
/// finds a sum of weights that is too small or too large to divide by.
///
/// stop       a NonFiniteError is thrown. A sum that is infinite or NaN stays so. So it is enough to check the
///            gradients once a batch, before the step
/// skip       the micro-batch leaves the batch, with its weight: gradients and tally are what they were before it.
///            Check after every micro-batch. (The samples that leave depend on the cut.)
/// State      with skip, a copy of the gradients
/// Example    gacc::NonFiniteGuard guard(adam, gacc::NonFinite::skip);
///            if (guard.accepts(loss.forward(model.forward(micro.inputs), micro.labels))) {
///                model.backward(loss.backward());
///                guard.accepts_gradients();
///            }
///            ...
///            if (!adam.parameters().tally().empty()) { adam.step(); }  // unless all were left out
template <class Scalar>
class NonFiniteGuard {
public:
    explicit NonFiniteGuard(const Optimizer<Scalar>& optimizer, NonFinite then = NonFinite::stop)
        : optimizer_(optimizer), then_(then),
          before_(then == NonFinite::skip ? parameters().stored_gradients() : 0, memory::Kind::gradients) {}
    explicit NonFiniteGuard(const Optimizer<Scalar>&& optimizer, NonFinite then = NonFinite::stop) = delete;

    /// Bytes of the copy of the gradients.
    std::size_t state_bytes() const { return before_.bytes(); }

    /// Call it before the backward pass. Whether the losses of the micro-batch and its weight are finite. If not, do
    /// not call backward.
    ///
    /// Throws     NonFiniteError, with stop, if they are not
    bool accepts(const LossValue<Scalar>& value) {
        for (const Scalar loss : value.losses) {
            if (!std::isfinite(loss)) { return refuse("loss", loss); }
        }
        if (!std::isfinite(value.weight)) { return refuse("sum of weights", value.weight); }
        if (then_ == NonFinite::skip) { remember(); }
        return true;
    }

    /// Call it after the backward pass. Whether the gradients, and the inverse of the weight that they hold, are
    /// finite. If not, with skip, they are what they were before it.
    ///
    /// Throws     NonFiniteError, with stop, if they are not; zero_grad() then leaves the batch out.
    ///            UsageError, with skip, if accepts() did not come before
    bool accepts_gradients() {
        if (then_ == NonFinite::skip && !std::exchange(remembered_, false)) {
            throw UsageError("NonFiniteGuard::accepts_gradients",
                             "expected accepts() with the losses of this micro-batch before it, got none");
        }
        for (auto& parameter : parameters().with_gradients()) {
            if (finite(parameter.materialize_grads())) { continue; }
            const Scalar worst = not_finite(parameter.materialize_grads());
            if (then_ == NonFinite::skip) { restore(); }
            return refuse("gradient of " + parameter.name(), worst);
        }
        const double weight = parameters().tally().weight();
        if (weight != 0 && !detail::has_inverse<Scalar>(weight)) {
            if (then_ == NonFinite::skip) { restore(); }
            return refuse("inverse of the sum of weights", 1 / weight);
        }
        return true;
    }

    /// Micro-batches left out so far.
    Index skipped() const { return skipped_; }
    std::size_t bytes() const { return before_.bytes(); }

private:
    const Parameters<Scalar>& parameters() const { return optimizer_.parameters(); }

    /// x * 0 is 0 for finite x, else NaN; NaN survives the sum.
    static bool finite(std::span<const Scalar> numbers) {
        constexpr Index width = detail::Simd<Scalar>::panel_width;
        std::atomic<bool> all = true;
        const auto size = static_cast<Index>(numbers.size());
        detail::parallel_for(size / width, size, [&](Index first, Index last) {
            Scalar zeros[width] = {};
            for (Index i = first * width; i < last * width; i += width) {
                for (Index j = 0; j < width; ++j) { zeros[j] += numbers[static_cast<std::size_t>(i + j)] * Scalar(0); }
            }
            for (const Scalar zero : zeros) {
                if (zero != 0) { all = false; }
            }
        });
        return all;
    }
    static Scalar not_finite(std::span<const Scalar> numbers) {
        return *std::find_if(numbers.begin(), numbers.end(), [](Scalar number) { return !std::isfinite(number); });
    }

    void remember() {
        remembered_ = true;
        tally_ = parameters().tally();
        empty_ = std::ranges::all_of(parameters().with_gradients(), [](const auto& parameter) { return parameter.grad_is_zero(); });
        if (empty_) { return; }
        Scalar* to = before_.data();
        for (auto& parameter : parameters().with_gradients()) { to = std::ranges::copy(parameter.materialize_grads(), to).out; }
    }
    void restore() const {
        parameters().zero_grad();
        parameters().set_tally(tally_);
        if (empty_) { return; }
        const Scalar* from = before_.data();
        for (auto& parameter : parameters().with_gradients()) {
            const auto grads = parameter.materialize_grads();
            std::ranges::copy_n(from, static_cast<Index>(grads.size()), grads.begin());
            from += grads.size();
        }
    }

    bool refuse(const std::string& of, double got) {
        if (then_ == NonFinite::stop) {
            throw NonFiniteError(
                "NonFiniteGuard",
                detail::text("expected a finite ", of, " before step ", optimizer_.steps() + 1, ", got ", got,
                             "; try a smaller learning rate, or skip such micro-batches"));
        }
        ++skipped_;
        return false;
    }

    const Optimizer<Scalar>& optimizer_;
    NonFinite then_;
    Buffer<Scalar> before_;  // the gradients before the micro-batch, unless they were empty
    GradientTally tally_;    // the tally before it
    bool empty_ = true;      // there were no gradients
    bool remembered_ = false;
    Index skipped_ = 0;
};

}  // namespace gacc
