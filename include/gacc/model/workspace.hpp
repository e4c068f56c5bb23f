#pragma once

#include <gacc/core/memory.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>
#include <vector>

namespace gacc {

/// The memory of one forward and backward pass, for the samples of one micro-batch. It grows to the largest
/// micro-batch it has seen and is then used again and again.
///
/// Shapes     activation i  samples x widths[i];  two gradients  block x the largest width
template <class Scalar>
class Workspace {
public:
    /// A large micro-batch is walked in blocks of at most so many samples, each through all layers before the next, so
    /// that its activations stay in the cache.
    static constexpr Index block = 128;

    /// Makes room for `samples` rows of activations of these widths.
    void reserve_activations(const std::vector<Index>& widths, Index samples) {
        widths_ = widths;
        samples_ = samples;
        Index numbers = 0;
        for (const Index width : widths) { numbers += stride(width); }
        activations_.reserve(samples * numbers);
    }

    /// Makes room for the gradients by one block of those activations.
    void reserve_gradients() {
        const Index widest = stride(*std::ranges::max_element(widths_));
        for (auto& gradient : gradients_) { gradient.reserve(std::min(samples_, block) * widest); }
    }

    Index samples() const { return samples_; }

    /// What the i-th layer with activations of its own wrote.
    MatrixView<Scalar> activation(std::size_t i) {
        Index offset = 0;
        for (std::size_t before = 0; before < i; ++before) { offset += samples_ * stride(widths_[before]); }
        return {activations_.data() + offset, samples_, widths_[i], Eigen::OuterStride<>(stride(widths_[i]))};
    }
    /// The same for some samples in a row.
    MatrixView<Scalar> activation(std::size_t i, Index first, Index count) {
        auto all = activation(i);
        return {all.data() + first * all.outerStride(), count, all.cols(), Eigen::OuterStride<>(all.outerStride())};
    }

    /// One of two buffers in turn: grad_y in the one, grad_x in the other.
    MatrixView<Scalar> gradient(std::size_t turn, Index count, Index width) {
        return {gradients_[turn % 2].data(), count, width, Eigen::OuterStride<>(stride(width))};
    }

    /// Bytes held.
    std::size_t bytes() const {
        return static_cast<std::size_t>(activations_.size() + gradients_[0].size() + gradients_[1].size()) *
               sizeof(Scalar);
    }

private:
    /// Rows start on a cache line each, but not a power of two apart, or a column would fight for a few places in the
    /// cache.
    static constexpr Index stride(Index width) {
        constexpr Index line = 64 / Index{sizeof(Scalar)};
        const Index lines = (width + line - 1) / line;
        return (lines % 8 == 0 ? lines + 1 : lines) * line;
    }

    std::vector<Index> widths_;
    Index samples_ = 0;
    Buffer<Scalar> activations_;
    Buffer<Scalar> gradients_[2];
};

}  // namespace gacc
