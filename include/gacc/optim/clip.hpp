#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

/// The norm of all gradients of a model as one vector: sqrt(sum of grad²), for the sums in the gradient buffers. It
/// adds in blocks of a fixed size, so neither the cut of the batch nor the threads change a bit.
///
/// State      8 bytes for every 4,096 numbers
/// Throws     UsageError if the gradients are folded into an optimizer's moments: see FoldedBackward
/// Example    gacc::GradientNorm<float> norm(model.parameters());  double length = norm() / weight;
template <class Scalar>
class GradientNorm {
public:
    /// Frozen parameters count for nothing.
    explicit GradientNorm(const Parameters<Scalar>& parameters)
        : parameters_(parameters.trained()), sums_(blocks(parameters_), memory::Kind::moments) {}

    /// Gradients of shared values count as one, their sum.
    double operator()() {
        if (!std::exchange(sums_are_set_, false)) { add_up(); }
        double sum = 0;
        for (const double part : sums_.span()) { sum += part; }
        return std::sqrt(sum);
    }

    std::size_t bytes() const { return sums_.bytes(); }

    // What several machines need of which each has some of the gradients (gacc/mpi/).

    /// The blocks of each parameter begin with its first number. Its last block may be shorter.
    static constexpr Index block = 4096;
    /// The sums of squares of all blocks, one parameter after the other.
    std::span<double> sums() { return sums_.span(); }
    /// The next call takes sums() as they are.
    void mark_sums_set() { sums_are_set_ = true; }
    /// In double, so that squares of large gradients are finite. `size` is a multiple of the width.
    static double sum_of_squares(const Scalar* grads, Index size) {
        constexpr Index width = detail::Simd<Scalar>::panel_width;
        double squares[width] = {};
        for (Index i = 0; i < size; i += width) {
            for (Index j = 0; j < width; ++j) {
                squares[j] += static_cast<double>(grads[i + j]) * static_cast<double>(grads[i + j]);
            }
        }
        double sum = 0;
        for (const double part : squares) { sum += part; }
        return sum;
    }
    /// Of `size` numbers from `first` on.
    static double sum_of_squares(const Parameter<Scalar>& parameter, Index first, Index size) {
        std::array<Scalar, block> sums;
        return sum_of_squares(parameter.stored_grads(first, std::span(sums).first(static_cast<std::size_t>(size))), size);
    }

private:
    void add_up() {
        for (const Parameter<Scalar>& parameter : parameters_) {
            if (parameter.grad_is_folded()) {
                throw UsageError("GradientNorm", "expected parameters that keep their gradients, got " + parameter.name() +
                                                     ", whose gradients go into an optimizer's moments");
            }
        }
        Index first = 0;
        for (const Parameter<Scalar>& parameter : parameters_) {
            const auto size = static_cast<Index>(parameter.stored_values().size());
            detail::parallel_for(count(size), size, [&](Index begin, Index end) {
                for (Index i = begin; i < end; ++i) {
                    sums_[first + i] = sum_of_squares(parameter, i * block, std::min(block, size - i * block));
                }
            });
            first += count(size);
        }
    }

    static Index count(Index size) { return (size + block - 1) / block; }
    static Index blocks(const Parameters<Scalar>& parameters) {
        Index sum = 0;
        for (auto& parameter : parameters) {
            sum += count(static_cast<Index>(std::as_const(parameter).stored_values().size()));
        }
        return sum;
    }

    Parameters<Scalar> parameters_;
    Buffer<double> sums_;        // of each block
    bool sums_are_set_ = false;  // for the next call
};

namespace detail {

/// The factor of a step for the sums of gradients: 1 / weight, or less to keep the norm of the mean within clip_norm.
///
/// Throws     NonFiniteError if it clips and the norm is infinite or NaN, or the factor is too small for a Scalar
template <class Scalar>
class GradientScale {
public:
    /// If `clip_norm` is infinite, it does not clip.
    GradientScale(const Parameters<Scalar>& parameters, double clip_norm) {
        if (std::isfinite(clip_norm)) { norm_.emplace(parameters); }
    }

    bool clips() const { return norm_.has_value(); }
    GradientNorm<Scalar>* norm() { return norm_ ? &*norm_ : nullptr; }
    std::size_t bytes() const { return norm_ ? norm_->bytes() : 0; }

    double operator()(const std::string& optimizer, double weight, double clip_norm) {
        if (!norm_) { return 1 / weight; }
        const double norm = (*norm_)();
        if (!std::isfinite(norm)) {
            throw NonFiniteError(optimizer + "::step",
                                 text("expected gradients with a finite norm, got ", norm,
                                      "; nothing has changed, and zero_grad() leaves this batch out"));
        }
        const double scale = 1 / std::max(weight, norm / clip_norm);
        if (static_cast<Scalar>(scale) == 0) {
            throw NonFiniteError(optimizer + "::step",
                                 text("expected gradients that a ", scalar_name<Scalar>, " can shorten to clip_norm ",
                                      clip_norm, ", got a norm of ", norm,
                                      "; nothing has changed, and zero_grad() leaves this batch out"));
        }
        return scale;
    }

private:
    std::optional<GradientNorm<Scalar>> norm_;
};

}  // namespace detail
}  // namespace gacc
