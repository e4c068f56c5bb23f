#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/mpi/messages.hpp>
#include <gacc/mpi/norm_blocks.hpp>
#include <gacc/mpi/session.hpp>
#include <gacc/mpi/slices.hpp>
#include <gacc/optim/clip.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// The norm of all gradients, of which each rank has only its slice. Each rank adds up its blocks, and gets the sums of the
/// others: the same blocks in the same order as on one rank, so the same bits.
///
/// Messages   a rank whose slice begins within a block sends these numbers, fewer than a block, to the rank that has the
///            block's beginning. Then each rank sends its sums, 8 bytes a block, to all others
template <class Scalar>
class SlicedNorm {
public:
    /// `slices` are the first number of each rank's slice, and the end.
    SlicedNorm(const Session& session, Messages& messages, const Parameters<Scalar>& parameters,
               std::vector<Index> slices)
        : parameters_(parameters.trained()), rank_(session.rank()), ranks_(session.ranks()), messages_(messages),
          blocks_(sizes(parameters_), block, std::move(slices)), last_(block, memory::Kind::gradients),
          sent_(block, memory::Kind::gradients) {
        for (Index other = 0; other < ranks_; ++other) {
            if (other == rank_) { continue; }
            if (const Piece part = blocks_.part(rank_, other); part.count > 0) { received_.push_back({other, part}); }
            if (const Piece part = blocks_.part(other, rank_); part.count > 0) { to_send_.push_back({other, part}); }
        }
    }

    /// Sets the sums of a norm. Call it when the gradients of the own slice are those of all ranks.
    ///
    /// Throws     UsageError if the norm is that of other parameters
    void operator()(GradientNorm<Scalar>& norm) {
        if (static_cast<Index>(norm.sums().size()) != blocks_.first(ranks_)) {
            throw UsageError("DataParallel::norm", "expected a norm of the model's parameters, got that of others");
        }
        const Index first = blocks_.first(rank_), end = blocks_.first(rank_ + 1);
        for (const auto& [from, part] : received_) {
            const Index offset = part.first - blocks_.block(end - 1).first;
            messages_.receive(from, norms, last_.span().subspan(static_cast<std::size_t>(offset), size(part)));
        }
        for (const auto& [to, part] : to_send_) { messages_.send(to, norms, copied(part, sent_)); }
        const Index whole = received_.empty() ? end : end - 1;
        gacc::detail::parallel_for(whole - first, std::int64_t{whole - first} * block, [&](Index begin, Index last) {
            for (Index i = first + begin; i < first + last; ++i) {
                const Piece& piece = blocks_.block(i);
                sum(norm, i) = norm.sum_of_squares(parameters_[piece.buffer], piece.first, piece.count);
            }
        });
        messages_.wait();
        if (whole < end) {
            copied(blocks_.part(rank_, rank_), last_);
            sum(norm, whole) = norm.sum_of_squares(last_.data(), blocks_.block(whole).count);
        }
        share(norm);
        norm.mark_sums_set();
    }

    std::size_t bytes() const { return last_.bytes() + sent_.bytes(); }

private:
    static constexpr Index block = GradientNorm<Scalar>::block;

    /// What is exchanged with another rank.
    struct Part {
        Index rank;
        Piece piece;
    };

    static std::vector<Index> sizes(const Parameters<Scalar>& parameters) {
        std::vector<Index> all;
        for (auto& parameter : parameters) {
            all.push_back(static_cast<Index>(std::as_const(parameter).stored_values().size()));
        }
        return all;
    }
    static std::size_t size(const Piece& piece) { return static_cast<std::size_t>(piece.count); }
    static double& sum(GradientNorm<Scalar>& norm, Index i) { return norm.sums()[static_cast<std::size_t>(i)]; }

    /// The gradients of a piece, at the start of `to`. Those of shared values are added up.
    std::span<const Scalar> copied(const Piece& piece, Buffer<Scalar>& to) const {
        const auto space = to.span().first(size(piece));
        const Scalar* from = parameters_[piece.buffer].stored_grads(piece.first, space);
        if (from != space.data()) { std::copy_n(from, piece.count, space.data()); }
        return space;
    }

    /// Each rank gets the sums of all others.
    void share(GradientNorm<Scalar>& norm) {
        const auto of = [&](Index rank) {
            const Index first = blocks_.first(rank);
            return norm.sums().subspan(static_cast<std::size_t>(first),
                                       static_cast<std::size_t>(blocks_.first(rank + 1) - first));
        };
        for (Index other = 0; other < ranks_; ++other) {
            if (other == rank_) { continue; }
            messages_.receive(other, norms, of(other));
            messages_.send(other, norms, std::span<const double>(of(rank_)));
        }
        messages_.wait();
    }

    Parameters<Scalar> parameters_;
    Index rank_, ranks_;
    Messages& messages_;
    NormBlocks blocks_;
    std::vector<Part> received_, to_send_;
    Buffer<Scalar> last_;  // the last own block, if it reaches into other slices
    Buffer<Scalar> sent_;  // the numbers of a block that belongs to another rank
};

}  // namespace gacc::mpi::detail
