#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/model/activation.hpp>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The memory of one forward and backward pass, for the samples of one micro-batch.
///
/// Shapes     activation i  rows of all samples x width if it is kept, rows of a block x width if not; gradients  for a
///            block. Dropped activations between two kept ones lie one after the other; the next run lies in the same
///            place. Those that no backward pass reads lie over each other
template <class Scalar>
class Workspace {
public:
    /// A large micro-batch is walked in blocks of at most this many rows. Each block goes through all layers before the
    /// next, so its activations stay in the cache.
    static constexpr Index block = 128;

    /// Samples of a block: at least one, even if a sample has more rows than a block.
    static Index block_samples(const std::vector<Activation>& activations) {
        Index rows = 1;
        for (const Activation& activation : activations) { rows = std::max(rows, activation.rows); }
        return std::max<Index>(block / rows, 1);
    }

    /// Places activations for `samples`, and allocates memory if it has too little: for `room` samples, if that is
    /// more.
    /// Gradients that cannot lie over activations take `gradient_numbers_a_sample`.
    ///
    /// Throws     MemoryError if there is not enough memory
    void lay_out(const std::vector<Activation>& activations, Index gradient_numbers_a_sample, Index samples,
                 Index room = 0) {
        const Index most = std::max(samples, room);
        reserve(activations_, activation_numbers(activations, most), "activations");
        reserve(gradients_, gradient_numbers(activations, gradient_numbers_a_sample, most), "gradients by activations");
        samples_ = samples;
        block_samples_ = block_samples(activations);
        placed_.resize(activations.size());
        const Index kept = numbers_per_sample(activations).first;
        Index before = 0, run = 0;  // numbers of a sample: kept so far, and in the present run of dropped ones
        for (std::size_t i = 0; i < activations.size(); ++i) {
            const Index numbers = detail::sample_numbers<Scalar>(activations[i]);
            if (activations[i].kept) {
                placed_[i] = {activations[i], samples * before, samples};
                before += numbers;
                run = 0;
            } else if (!activations[i].needed) {
                placed_[i] = {activations[i], samples * kept + block_rows() * activations[i].place, block_rows()};
                run = std::max(run, activations[i].place + numbers);
            } else {
                placed_[i] = {activations[i], samples * kept + block_rows() * run, block_rows()};
                run += numbers;
            }
        }
    }

    /// The count of numbers that lay_out allocates; detail::largest_size if an Index cannot hold it.
    static Index activation_numbers(const std::vector<Activation>& activations, Index samples) {
        const auto [kept, longest] = numbers_per_sample(activations);
        const Index of_a_block = std::min(samples, block_samples(activations));
        return detail::sum_of(detail::product_of(samples, kept), detail::product_of(of_a_block, longest));
    }
    static Index gradient_numbers(const std::vector<Activation>& activations, Index a_sample, Index samples) {
        return detail::product_of(std::min(samples, block_samples(activations)), a_sample);
    }

    Index samples() const { return samples_; }
    Index blocks() const { return (samples_ + block_samples_ - 1) / block_samples_; }
    /// Samples of every block; the last one may have fewer.
    Index block_rows() const { return (samples_ + blocks() - 1) / std::max<Index>(blocks(), 1); }

    /// The values of samples first to first + count - 1, which must be in one block.
    MatrixView<Scalar> activation(std::size_t i, Index first, Index count) {
        const auto& [of, offset, room] = placed_[i];
        const Index stride = detail::row_stride<Scalar>(of.width, of.rows);
        return {activations_.data() + offset + row(i, first) * detail::value_numbers<Scalar>(of), count * of.rows,
                of.width, Eigen::OuterStride<>(stride)};
    }
    /// The numbers that layers have kept beside them, a row for each sample.
    MatrixView<Scalar> extra(std::size_t i, Index first, Index count) {
        const auto& [of, offset, room] = placed_[i];
        const Index stride = detail::row_stride<Scalar>(of.extra);
        return {activations_.data() + offset + room * detail::value_numbers<Scalar>(of) + row(i, first) * stride, count,
                of.extra, Eigen::OuterStride<>(stride)};
    }

    /// The last activations, which are always kept.
    MatrixView<Scalar> outputs(Index first, Index count) { return activation(placed_.size() - 1, first, count); }

    /// A gradient of `count` samples of a block, with the width and rows of the activation `like`. `before` numbers of
    /// a sample lie before it.
    MatrixView<Scalar> gradient(Index before, const Activation& like, Index first, Index count) {
        const Index stride = detail::row_stride<Scalar>(like.width, like.rows);
        return {gradients_.data() + before * block_rows() + first % block_rows() * like.rows * stride, count * like.rows,
                like.width, Eigen::OuterStride<>(stride)};
    }

private:
    struct Placed {
        Activation activation;
        Index offset;  // in activations_
        Index room;    // samples
    };

    Index row(std::size_t i, Index first) const { return placed_[i].activation.kept ? first : first % block_rows(); }

    /// For a sample: the numbers of kept activations, and those of the longest run of dropped ones.
    static std::pair<Index, Index> numbers_per_sample(const std::vector<Activation>& activations) {
        Index kept = 0, run = 0, longest = 0;
        for (const Activation& activation : activations) {
            const Index numbers = detail::sample_numbers<Scalar>(activation);
            kept = detail::sum_of(kept, activation.kept ? numbers : 0);
            run = activation.kept      ? 0
                  : activation.needed ? detail::sum_of(run, numbers)
                                      : std::max(run, detail::sum_of(activation.place, numbers));
            longest = std::max(longest, run);
        }
        return {kept, longest};
    }

    static void reserve(Buffer<Scalar>& buffer, Index numbers, std::string_view what) {
        detail::with_memory("Sequential::forward", numbers, sizeof(Scalar), what, "use smaller micro-batches",
                            [&] { buffer.reserve(numbers); });
    }

    Index samples_ = 0;
    Index block_samples_ = block;
    std::vector<Placed> placed_;
    Buffer<Scalar> activations_{memory::Kind::activations};
    Buffer<Scalar> gradients_{memory::Kind::scratch};
};

}  // namespace gacc
