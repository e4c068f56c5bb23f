#pragma once

#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/mpi/agreement.hpp>
#include <gacc/mpi/messages.hpp>
#include <gacc/mpi/session.hpp>
#include <gacc/mpi/sliced_noise.hpp>
#include <gacc/mpi/sliced_norm.hpp>
#include <gacc/mpi/talk.hpp>
#include <gacc/optim/clip.hpp>
#include <gacc/parameters/parameters.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// Measures a batch on several ranks: the norm of its gradients, and the noise scale. All ranks make the same calls in the
/// same order, after the exchange of the gradients and before zero_grad(). All get the bits that one rank gets.
///
/// Memory     two blocks of a norm, from the first norm on
/// Throws     as DataParallel::end_batch() and norm()
template <class Scalar>
class BatchMeasures {
public:
    /// `slices` are the first number of each rank's slice, and the end. If not `sliced`, each rank has all gradients.
    BatchMeasures(Session& session, Talk& talk, Messages& messages, const Parameters<Scalar>& parameters, Index lanes,
                  std::vector<Index> slices, bool sliced)
        : session_(session), talk_(talk), messages_(messages), parameters_(parameters), lanes_(lanes),
          slices_(std::move(slices)), sliced_(sliced) {}

    /// Calls measure(), within which end_batch() and norm() may be called.
    template <class Measure>
    void allow(const Measure& measure) {
        const Allowed allowed(allowed_);
        measure();
    }

    bool end_batch(NoiseScale<Scalar>& noise) {
        check_allowed("DataParallel::end_batch");
        if (&noise.sample().parameters().tally() != &parameters_.tally()) {
            throw UsageError("DataParallel::end_batch", "expected the noise scale of this model, got that of another");
        }
        if (session_.ranks() == 1) { return noise.end_batch(); }
        agree(noise);
        if (!noise_) { noise_.emplace(session_, messages_, lanes_, slices_); }
        return (*noise_)(noise, sliced_);
    }
    double norm(GradientNorm<Scalar>& meter) {
        check_allowed("DataParallel::norm");
        join(meter);
        return meter();
    }

    /// Gives a norm the sums of all ranks' slices. It does nothing where each rank has all gradients.
    void join(GradientNorm<Scalar>& meter) {
        if (!sliced_) { return; }
        prepare_norm();
        (*norm_)(meter);
    }
    /// Allocates the blocks of a norm now, so that no later call does. For slices alone.
    void prepare_norm() {
        if (!norm_) { norm_.emplace(session_, messages_, parameters_, slices_); }
    }

    std::size_t bytes() const { return norm_ ? norm_->bytes() : 0; }

private:
    /// While it lives, measuring is allowed.
    struct Allowed {
        explicit Allowed(bool& allowed) : allowed_(allowed) { allowed_ = true; }
        ~Allowed() { allowed_ = false; }
        Allowed(const Allowed&) = delete;
        Allowed& operator=(const Allowed&) = delete;
        bool& allowed_;
    };

    void check_allowed(const char* where) const {
        if (allowed_) { return; }
        throw UsageError(where, "expected a call within the function that step() takes, where the gradients of all ranks "
                                "are joined, got one elsewhere");
    }
    /// The ranks look at the same numbers only if these agree.
    void agree(NoiseScale<Scalar>& noise) {
        Facts facts;
        facts.add("a noise scale with a one_in of", static_cast<std::uint64_t>(noise.sample().phases()));
        facts.add("a noise scale with estimates so far:", static_cast<std::uint64_t>(noise.estimates()));
        talk_.agree("DataParallel::end_batch", facts);
    }

    Session& session_;
    Talk& talk_;
    Messages& messages_;
    Parameters<Scalar> parameters_;
    Index lanes_;
    std::vector<Index> slices_;
    bool sliced_;
    std::optional<SlicedNorm<Scalar>> norm_;
    std::optional<SlicedNoise<Scalar>> noise_;
    bool allowed_ = false;
};

}  // namespace gacc::mpi::detail
