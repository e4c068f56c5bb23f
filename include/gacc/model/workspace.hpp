#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>
#include <vector>

namespace gacc {

/// One layer's activations in the workspace, if it has some of its own. They are kept for all samples of a micro-batch,
/// or dropped and computed again in the backward pass, for one block of samples at a time.
struct Activation {
    Index width = 0;
    bool kept = true;
};

/// The memory of one forward and backward pass, for the samples of one micro-batch.
///
/// Shapes     activation i  samples x width if it is kept, block x width if not (those between two kept ones lie side
/// by
///            side, where the next such lie again);  two gradients  block x gradient_width
template <class Scalar>
class Workspace {
public:
    /// A large micro-batch is walked in blocks of at most so many samples, each through all layers before the next, so
    /// that its activations stay in the cache.
    static constexpr Index block = 128;

    /// Places activations for `samples`, and gets memory if it has too little: for `room` samples, if they are more.
    /// Gradients of `gradient_width` features that cannot lie over activations have two buffers; none for 0.
    void lay_out(const std::vector<Activation>& activations, Index gradient_width, Index samples, Index room = 0) {
        samples_ = samples;
        placed_.resize(activations.size());
        Index kept = 0, run = 0;
        for (std::size_t i = 0; i < activations.size(); ++i) {
            const Activation& activation = activations[i];
            placed_[i] = {activation, activation.kept ? kept : run};
            if (activation.kept) { kept += samples * stride(activation.width); }
            run = activation.kept ? 0 : run + block_rows(samples) * stride(activation.width);
        }
        for (Place& place : placed_) { place.offset += place.activation.kept ? 0 : kept; }
        activations_.reserve(activation_numbers(activations, std::max(samples, room)));
        for (auto& gradient : gradients_) {
            gradient.reserve(gradient_numbers(gradient_width, std::max(samples, room)) / 2);
        }
    }

    /// What lay_out takes, in numbers.
    static Index activation_numbers(const std::vector<Activation>& activations, Index samples) {
        Index kept = 0, run = 0, longest = 0;
        for (const Activation& activation : activations) {
            kept += activation.kept ? stride(activation.width) : 0;
            run = activation.kept ? 0 : run + stride(activation.width);
            longest = std::max(longest, run);
        }
        return samples * kept + block_rows(samples) * longest;
    }
    static Index gradient_numbers(Index gradient_width, Index samples) {
        return 2 * block_rows(samples) * stride(gradient_width);
    }

    Index samples() const { return samples_; }
    Index blocks() const { return (samples_ + block - 1) / block; }
    /// Samples of every block but the last, which may have fewer.
    Index block_rows() const { return block_rows(samples_); }

    /// The activations of samples first to first + count - 1, which are of one block.
    MatrixView<Scalar> activation(std::size_t i, Index first, Index count) {
        const Place& place = placed_[i];
        const Index apart = stride(place.activation.width), row = place.activation.kept ? first : first % block_rows();
        return {activations_.data() + place.offset + row * apart, count, place.activation.width,
                Eigen::OuterStride<>(apart)};
    }

    /// One of two buffers in turn: grad_y in the one, grad_x in the other.
    MatrixView<Scalar> gradient(std::size_t turn, Index count, Index width) {
        return {gradients_[turn % 2].data(), count, width, Eigen::OuterStride<>(stride(width))};
    }

    /// Numbers from one sample to the next: rows start on a cache line each, but not a power of two apart, or a column
    /// would fight for a few places in the cache.
    static constexpr Index stride(Index width) {
        constexpr Index line = 64 / Index{sizeof(Scalar)};
        const Index lines = (width + line - 1) / line;
        return (lines % 8 == 0 && lines > 0 ? lines + 1 : lines) * line;
    }

private:
    struct Place {
        Activation activation;
        Index offset;  // in activations_
    };

    static Index block_rows(Index samples) {
        const Index blocks = std::max<Index>((samples + block - 1) / block, 1);
        return (samples + blocks - 1) / blocks;
    }

    Index samples_ = 0;
    std::vector<Place> placed_;
    Buffer<Scalar> activations_{memory::Kind::activations};
    Buffer<Scalar> gradients_[2] = {Buffer<Scalar>(memory::Kind::scratch), Buffer<Scalar>(memory::Kind::scratch)};
};

}  // namespace gacc
