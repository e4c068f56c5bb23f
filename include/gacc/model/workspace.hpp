#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// One layer's activations in the workspace, if it has some of its own. They are kept for all samples of a micro-batch,
/// or dropped and computed again in the backward pass, for one block of samples at a time.
struct Activation {
    Index width = 0;
    bool kept = true;
    Index work = 0;  ///< multiply-adds to compute it for a sample
};

/// The memory of one forward and backward pass, for the samples of one micro-batch.
///
/// Shapes     activation i  samples x width if it is kept, block x width if not;  two gradients  block x gradient_width
///            Dropped activations between two kept ones lie side by side, sample by sample, and the next such run lies
///            there again: threads at different layers do not meet, since their samples differ.
template <class Scalar>
class Workspace {
public:
    /// A large micro-batch is walked in blocks of at most so many samples, each through all layers before the next, so
    /// that its activations stay in the cache.
    static constexpr Index block = 128;

    /// Places activations for `samples`, and gets memory if it has too little: for `room` samples, if they are more.
    /// Gradients of `gradient_width` features that cannot lie over activations have two buffers; none for 0.
    ///
    /// Throws     MemoryError if there is not so much
    void lay_out(const std::vector<Activation>& activations, Index gradient_width, Index samples, Index room = 0) {
        const Index most = std::max(samples, room);
        reserve(activations_, activation_numbers(activations, most), "activations");
        for (auto& gradient : gradients_) {
            reserve(gradient, gradient_numbers(gradient_width, most) / 2, "gradients by activations");
        }
        samples_ = samples;
        placed_.resize(activations.size());
        const auto [kept, longest] = numbers_per_sample(activations);
        Index before = 0, run = 0;  // numbers of a sample that are kept before, and dropped side by side
        for (std::size_t i = 0; i < activations.size(); ++i) {
            const Index width = stride(activations[i].width);
            if (activations[i].kept) {
                placed_[i] = {activations[i], samples * before, width};
                before += width;
                run = 0;
            } else {
                placed_[i] = {activations[i], samples * kept + run, longest};
                run += width;
            }
        }
    }

    /// What lay_out takes, in numbers; detail::largest_size if they cannot be counted.
    static Index activation_numbers(const std::vector<Activation>& activations, Index samples) {
        const auto [kept, longest] = numbers_per_sample(activations);
        return detail::sum_of(detail::product_of(samples, kept), detail::product_of(std::min(samples, block), longest));
    }
    static Index gradient_numbers(Index gradient_width, Index samples) {
        return detail::product_of(2, std::min(samples, block), stride(gradient_width));
    }

    Index samples() const { return samples_; }
    Index blocks() const { return (samples_ + block - 1) / block; }
    /// Samples of every block but the last, which may have fewer.
    Index block_rows() const { return (samples_ + blocks() - 1) / std::max<Index>(blocks(), 1); }

    /// The activations of samples first to first + count - 1, which are of one block.
    MatrixView<Scalar> activation(std::size_t i, Index first, Index count) {
        const Place& place = placed_[i];
        const Index row = place.activation.kept ? first : first % block_rows();
        return {activations_.data() + place.offset + row * place.stride, count, place.activation.width,
                Eigen::OuterStride<>(place.stride)};
    }

    /// The last activations, which are always kept.
    MatrixView<Scalar> outputs(Index first, Index count) { return activation(placed_.size() - 1, first, count); }

    /// One of two buffers in turn: grad_y in the one, grad_x in the other.
    MatrixView<Scalar> gradient(std::size_t turn, Index count, Index width) {
        return {gradients_[turn % 2].data(), count, width, Eigen::OuterStride<>(stride(width))};
    }

    /// Numbers from one sample to the next: rows start on a cache line each, but not a power of two apart, or a column
    /// would fight for a few places in the cache.
    static constexpr Index stride(Index width) {
        constexpr Index line = 64 / Index{sizeof(Scalar)};
        const Index lines = width / line + (width % line != 0 ? 1 : 0);
        return detail::product_of(lines % 8 == 0 && lines > 0 ? lines + 1 : lines, line);
    }

private:
    struct Place {
        Activation activation;
        Index offset;  // in activations_
        Index stride;  // from one sample to the next
    };

    /// Numbers that a sample has kept, and those of the longest run of dropped activations.
    static std::pair<Index, Index> numbers_per_sample(const std::vector<Activation>& activations) {
        Index kept = 0, run = 0, longest = 0;
        for (const Activation& activation : activations) {
            const Index width = stride(activation.width);
            kept = detail::sum_of(kept, activation.kept ? width : 0);
            run = activation.kept ? 0 : detail::sum_of(run, width);
            longest = std::max(longest, run);
        }
        return {kept, stride(longest)};
    }

    static void reserve(Buffer<Scalar>& buffer, Index numbers, std::string_view what) {
        detail::with_memory("Sequential::forward", numbers, sizeof(Scalar), what, "use smaller micro-batches",
                            [&] { buffer.reserve(numbers); });
    }

    Index samples_ = 0;
    std::vector<Place> placed_;
    Buffer<Scalar> activations_{memory::Kind::activations};
    Buffer<Scalar> gradients_[2] = {Buffer<Scalar>(memory::Kind::scratch), Buffer<Scalar>(memory::Kind::scratch)};
};

}  // namespace gacc
