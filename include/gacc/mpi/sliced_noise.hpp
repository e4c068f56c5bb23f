#pragma once

#include <gacc/accumulation/gradient_sample.hpp>
#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/mpi/lane_joins.hpp>
#include <gacc/mpi/messages.hpp>
#include <gacc/mpi/session.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// The noise scale of a batch of which each rank has measured its lanes, and has its slice of the gradients. Each gets the
/// sums of all lanes, in their order, and the numbers at which the NoiseScale looks: the same sums in the same order as on
/// one rank, so the same bits.
///
/// Messages   each rank sends 32 bytes for each of its lanes to all others, and of its slice the numbers that the NoiseScale
///            copies: one in eight, if its options do not say otherwise
template <class Scalar>
class SlicedNoise {
public:
    /// `slices` are the first number of each rank's slice, and the end.
    SlicedNoise(const Session& session, Messages& messages, Index lanes, std::vector<Index> slices)
        : rank_(session.rank()), ranks_(session.ranks()), messages_(messages), joins_(lanes, ranks_),
          slices_(std::move(slices)), lanes_(static_cast<std::size_t>(lanes)) {}

    /// Ends the batch. If not `sliced`, each rank has all gradients.
    bool operator()(NoiseScale<Scalar>& noise, bool sliced) {
        share_lanes(noise);
        return noise.end_batch(lanes_, sliced ? square(noise.sample()) : noise.sample().square());
    }

private:
    using Sums = typename NoiseScale<Scalar>::Sums;

    void share_lanes(const NoiseScale<Scalar>& noise) {
        const auto of = [&](Index rank) {
            const auto first = static_cast<std::size_t>(joins_.first_lane(rank));
            return std::span(lanes_).subspan(first, static_cast<std::size_t>(joins_.first_lane(rank + 1)) - first);
        };
        const std::span<const Sums> own = noise.lanes();
        if (own.size() > of(rank_).size()) {
            throw UsageError("DataParallel::end_batch",
                             gacc::detail::text("expected micro-batches of the ", of(rank_).size(),
                                                " lanes of this rank, got those of ", own.size()));
        }
        std::ranges::fill(lanes_, Sums());  // those without samples stay so
        std::ranges::copy(own, of(rank_).begin());
        exchange([&](Index rank) { return of(rank); });
    }

    /// |gradients|^2, of which each rank has its slice.
    double square(gacc::detail::GradientSample<Scalar>& sample) {
        sample.remember();
        exchange([&](Index rank) {
            return sample.copy(slices_[static_cast<std::size_t>(rank)], slices_[static_cast<std::size_t>(rank) + 1]);
        });
        return sample.square_of_copy();
    }

    /// Each rank gets the parts of all others.
    template <class Part>
    void exchange(const Part& part) {
        for (Index other = 0; other < ranks_; ++other) {
            if (other == rank_) { continue; }
            messages_.receive(other, norms, part(other));
            messages_.send(other, norms, std::span<const typename decltype(part(rank_))::element_type>(part(rank_)));
        }
        messages_.wait();
    }

    Index rank_, ranks_;
    Messages& messages_;
    LaneJoins joins_;
    std::vector<Index> slices_;
    std::vector<Sums> lanes_;  // of all ranks
};

}  // namespace gacc::mpi::detail
