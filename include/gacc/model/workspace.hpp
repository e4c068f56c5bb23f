#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/segments.hpp>

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
    /// The samples of a block, if each has one row.
    static constexpr Index block = detail::rows_of_a_block;

    /// The most samples of a block: in the segment with the smallest blocks, and in the one with the largest. Each block
    /// goes through all layers of a segment before the next block, so its activations stay in the cache.
    static Index block_samples(const std::vector<Activation>& activations) { return blocks_of(activations).first; }
    static Index largest_block_samples(const std::vector<Activation>& activations) {
        return blocks_of(activations).second;
    }

    /// Places activations for `samples`, and allocates memory if it has too little: for `room` samples, if that is
    /// more. In each segment, gradients that cannot lie over activations take `gradient_numbers_a_sample`, for a block of
    /// each of the `threads`. memory::Kind::kernels counts those of all threads but the first.
    ///
    /// Throws     MemoryError if there is not enough memory
    void lay_out(const std::vector<Activation>& activations, const std::vector<Index>& gradient_numbers_a_sample,
                 Index samples, Index room = 0, int threads = 1) {
        const Index most = std::max(samples, room);
        if (segments_.empty() || !std::ranges::equal(placed_, activations, {}, &Placed::activation)) {
            placed_.clear();  // so that nothing is half known if there is not enough memory
            segments_ = detail::segments_of<Scalar>(activations);
        }
        reserve(activations_, numbers_of_activations(segments_, activations, most), "activations");
        reserve(gradients_, numbers_of_gradients(segments_, gradient_numbers_a_sample, most),
                "gradients by activations");
        for (const detail::Segment& segment : segments_) {
            const auto most_threads = static_cast<std::size_t>(std::min<Index>(threads, segment.blocks(most)));
            while (of_threads_.size() + 1 < most_threads) { of_threads_.emplace_back(memory::Kind::kernels); }
        }
        for (Buffer<Scalar>& gradients : of_threads_) {
            reserve(gradients, gradients_.size(), "gradients by activations");
        }
        samples_ = samples;
        placed_.resize(activations.size());
        const Index kept = kept_numbers(activations);
        Index before = 0, run = 0;  // numbers of a sample: kept so far, and in the present run of dropped ones
        for (std::size_t i = 0; i < activations.size(); ++i) {
            const Index numbers = detail::sample_numbers<Scalar>(activations[i]);
            const Index rows = block_rows(detail::segment_at(segments_, i));
            if (activations[i].kept) {
                placed_[i] = {activations[i], samples * before, samples};
                before += numbers;
                run = 0;
            } else if (!activations[i].needed) {
                placed_[i] = {activations[i], samples * kept + rows * activations[i].place, rows};
                run = std::max(run, activations[i].place + numbers);
            } else {
                placed_[i] = {activations[i], samples * kept + rows * run, rows};
                run += numbers;
            }
        }
    }

    /// The count of numbers that lay_out allocates; detail::largest_size if an Index cannot hold it.
    static Index activation_numbers(const std::vector<Activation>& activations, Index samples) {
        return numbers_of_activations(detail::segments_of<Scalar>(activations), activations, samples);
    }
    static Index gradient_numbers(const std::vector<Activation>& activations, const std::vector<Index>& a_sample,
                                  Index samples) {
        return numbers_of_gradients(detail::segments_of<Scalar>(activations), a_sample, samples);
    }

    Index samples() const { return samples_; }
    /// The threads that have memory for the gradients of a block.
    int threads() const { return static_cast<int>(of_threads_.size()) + 1; }
    const std::vector<detail::Segment>& segments() const { return segments_; }
    Index blocks(std::size_t segment = 0) const { return segments_[segment].blocks(samples_); }
    /// Samples of every block of a segment; the last one may have fewer.
    Index block_rows(std::size_t segment = 0) const { return segments_[segment].block_rows(samples_); }

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

    /// A gradient of `count` samples of a block of a segment, with the width and rows of the activation `like`.
    /// `before` numbers of a sample lie before it. One thread takes a block.
    MatrixView<Scalar> gradient(Index before, const Activation& like, Index first, Index count,
                                std::size_t segment = 0, int thread = 0) {
        const Index stride = detail::row_stride<Scalar>(like.width, like.rows), rows = block_rows(segment);
        Buffer<Scalar>& gradients = thread == 0 ? gradients_ : of_threads_[static_cast<std::size_t>(thread - 1)];
        return {gradients.data() + before * rows + first % rows * like.rows * stride, count * like.rows, like.width,
                Eigen::OuterStride<>(stride)};
    }

private:
    struct Placed {
        Activation activation;
        Index offset;  // in activations_
        Index room;    // samples
    };

    Index row(std::size_t i, Index first) const { return placed_[i].activation.kept ? first : first % placed_[i].room; }

    static Index numbers_of_activations(const std::vector<detail::Segment>& segments,
                                        const std::vector<Activation>& activations, Index samples) {
        Index longest = 0;  // run of dropped ones, for a block
        for (const detail::Segment& segment : segments) {
            Index run = 0;
            for (std::size_t i = segment.first; i < segment.last; ++i) {
                const Activation& activation = activations[i];
                const Index numbers = detail::sample_numbers<Scalar>(activation);
                run = activation.kept     ? 0
                      : activation.needed ? detail::sum_of(run, numbers)
                                          : std::max(run, detail::sum_of(activation.place, numbers));
                longest = std::max(longest, detail::product_of(std::min(samples, segment.block), run));
            }
        }
        return detail::sum_of(detail::product_of(samples, kept_numbers(activations)), longest);
    }
    static Index numbers_of_gradients(const std::vector<detail::Segment>& segments, const std::vector<Index>& a_sample,
                                      Index samples) {
        Index most = 0;
        for (std::size_t i = 0; i < std::min(segments.size(), a_sample.size()); ++i) {
            most = std::max(most, detail::product_of(std::min(samples, segments[i].block), a_sample[i]));
        }
        return most;
    }

    static Index kept_numbers(const std::vector<Activation>& activations) {
        Index kept = 0;
        for (const Activation& activation : activations) {
            if (activation.kept) { kept = detail::sum_of(kept, detail::sample_numbers<Scalar>(activation)); }
        }
        return kept;
    }
    /// The smallest and the largest block.
    static std::pair<Index, Index> blocks_of(const std::vector<Activation>& activations) {
        const auto segments = detail::segments_of<Scalar>(activations);
        const auto [least, most] = std::ranges::minmax(segments, {}, &detail::Segment::block);
        return {least.block, most.block};
    }

    static void reserve(Buffer<Scalar>& buffer, Index numbers, std::string_view what) {
        detail::with_memory("Sequential::forward", numbers, sizeof(Scalar), what, "use smaller micro-batches",
                            [&] { buffer.reserve(numbers); });
    }

    Index samples_ = 0;
    std::vector<detail::Segment> segments_;
    std::vector<Placed> placed_;
    Buffer<Scalar> activations_{memory::Kind::activations};
    Buffer<Scalar> gradients_{memory::Kind::scratch};
    std::vector<Buffer<Scalar>> of_threads_;  // the same for each thread but the first
};

}  // namespace gacc
