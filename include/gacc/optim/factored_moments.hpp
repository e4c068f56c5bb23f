#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/clip.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gacc::inline GACC_ABI::detail {

/// The constants of one step of Adafactor for a parameter.
template <class Scalar>
struct AdafactorStep {
    Scalar scale;  // 1 / weight
    Scalar rest;   // 1 - beta2_t, the share of this step's squares in the moments
    Scalar epsilon;
    Scalar decay;  // learning rate * weight decay
};

/// A matrix in panels, as a Parameter stores it, with its factored second moments: the means of g² over each row and over
/// each column. Their product, divided by the mean of the rows' moments, stands for the mean of g² of an element. A
/// vector is a matrix of one column, whose rows' moments are those of its elements.
///
/// Panels are shared out over the threads, or columns. Every sum goes through the columns, or the panels and then the
/// lanes, in order; sums of panels are added in their order.
template <class Scalar>
class FactoredMatrix {
public:
    static constexpr Index width = Simd<Scalar>::panel_width;

    Index rows, cols;
    Scalar* value;
    const Scalar* grad;
    Scalar* row_moments;  // of each row; zeros up to the end of the last panel
    Scalar* col_moments;  // of each column; null for a vector
    Scalar* col_roots;    // scratch, of each column
    double* sums;         // scratch, of each panel

    /// Adds the squares of this step to the moments.
    void update_moments(const AdafactorStep<Scalar>& step) const {
        update_rows(step);
        update_cols(step);
    }

    /// sqrt(mean of u²) over the elements, for the update u = g / sqrt(moment).
    double update_size(const AdafactorStep<Scalar>& step) const {
        const Packet row_scale = row_scale_of(step);
        for_panels([&](Index p) {
            const Pair roots = row_roots(p, row_scale);
            Pair squares{all(0), all(0)};
            for (Index c = 0; c < cols; ++c) {
                const Pair u = update(step, roots, p, c);
                squares = {multiply_add(u.left, u.left, squares.left), multiply_add(u.right, u.right, squares.right)};
            }
            sums[p] = sum_of(squares);
        });
        return std::sqrt(sum_of_panels() / static_cast<double>(rows * cols));
    }

    /// sqrt(mean of value²) over the elements.
    double value_size() const {
        for_panels([&](Index p) { sums[p] = GradientNorm<Scalar>::sum_of_squares(value + p * panel(), panel()); });
        return std::sqrt(sum_of_panels() / static_cast<double>(rows * cols));
    }

    /// value -= decay value;  value -= step_size u
    void update_values(const AdafactorStep<Scalar>& step, Scalar step_size) const {
        const Packet row_scale = row_scale_of(step);
        const Packet minus_size = all(-step_size), minus_decay = all(-step.decay);
        for_panels([&](Index p) {
            const Pair roots = row_roots(p, row_scale);
            for (Index c = 0; c < cols; ++c) {
                const Pair u = update(step, roots, p, c);
                Scalar* to = value + p * panel() + c * width;
                const Packet left = load_aligned(to), right = load_aligned(to + lanes);
                store_aligned(to, multiply_add(minus_size, u.left, multiply_add(minus_decay, left, left)));
                store_aligned(to + lanes, multiply_add(minus_size, u.right, multiply_add(minus_decay, right, right)));
            }
        });
        const Index filled = rows % width;  // rows of the last panel, if it is not full
        if (filled == 0) { return; }
        Scalar* const last = value + (panels() - 1) * panel();
        for (Index c = 0; c < cols; ++c) {  // NaN times 0 is NaN
            std::fill(last + c * width + filled, last + (c + 1) * width, Scalar(0));
        }
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes;
    static constexpr Scalar smallest = std::numeric_limits<Scalar>::min();

    struct Pair {
        Packet left, right;
    };

    static Packet all(Scalar value) { return all_lanes<Packet>(static_cast<double>(value)); }
    Index panels() const { return Panels<Scalar>::count(rows); }
    Index panel() const { return cols * width; }

    template <class F>
    void for_panels(const F& f) const {
        parallel_for(panels(), std::int64_t{4} * rows * cols, [&](Index first, Index last) {
            for (Index p = first; p < last; ++p) { f(p); }
        });
    }
    double sum_of_panels() const {
        double sum = 0;
        for (Index p = 0; p < panels(); ++p) { sum += sums[p]; }
        return sum;
    }
    static double sum_of(const Pair& pair) {
        alignas(64) Scalar numbers[width];
        store_aligned(numbers, pair.left);
        store_aligned(numbers + lanes, pair.right);
        double sum = 0;
        for (const Scalar number : numbers) { sum += static_cast<double>(number); }
        return sum;
    }

    /// The mean gradients of column c in panel p. Those whose square is not a normal number count as 0, as in AdamPass.
    EIGEN_ALWAYS_INLINE Pair gradient(const Packet& scale, const Packet& smallest_grad, Index p, Index c) const {
        const Scalar* from = grad + p * panel() + c * width;
        return {zero_below(times(load_aligned(from), scale), smallest_grad),
                zero_below(times(load_aligned(from + lanes), scale), smallest_grad)};
    }
    static Packet smallest_grad() { return all(std::sqrt(smallest / std::numeric_limits<Scalar>::epsilon())); }

    void update_rows(const AdafactorStep<Scalar>& step) const {
        const Packet scale = all(step.scale), least = smallest_grad(), count = all(static_cast<Scalar>(cols));
        const Packet rest = all(step.rest), subnormal = all(smallest);
        for_panels([&](Index p) {
            Pair squares{all(0), all(0)};
            for (Index c = 0; c < cols; ++c) {
                const Pair g = gradient(scale, least, p, c);
                squares = {multiply_add(g.left, g.left, squares.left), multiply_add(g.right, g.right, squares.right)};
            }
            const auto add = [&](const Packet& sum, Scalar* moments) {
                const Packet before = load_aligned(moments);
                const Packet change = minus(quotient(sum, count), before);
                store_aligned(moments, zero_below(multiply_add(rest, change, before), subnormal));
            };
            add(squares.left, row_moments + p * width);
            add(squares.right, row_moments + p * width + lanes);
        });
    }

    void update_cols(const AdafactorStep<Scalar>& step) const {
        if (col_moments == nullptr) {
            col_roots[0] = 1;
            return;
        }
        const Packet scale = all(step.scale), least = smallest_grad();
        parallel_for(cols, std::int64_t{4} * rows * cols, [&](Index first, Index last) {
            constexpr Index block = 8;  // their sums stay in the first cache, and each panel is read in runs
            Pair squares[block];
            for (Index c = first; c < last; c += block) {
                const Index count = std::min(block, last - c);
                for (Pair& sum : squares) { sum = {all(0), all(0)}; }
                for (Index p = 0; p < panels(); ++p) {
                    for (Index k = 0; k < count; ++k) {
                        const Pair g = gradient(scale, least, p, c + k);
                        squares[k] = {multiply_add(g.left, g.left, squares[k].left),
                                      multiply_add(g.right, g.right, squares[k].right)};
                    }
                }
                for (Index k = 0; k < count; ++k) {
                    const auto mean = static_cast<Scalar>(sum_of(squares[k]) / static_cast<double>(rows));
                    const Scalar before = col_moments[c + k];
                    const Scalar moment = multiply_add(step.rest, mean - before, before);
                    col_moments[c + k] = moment < smallest ? Scalar(0) : moment;
                    col_roots[c + k] = std::sqrt(col_moments[c + k]);
                }
            }
        });
    }

    /// 1 / (the mean of the rows' moments, epsilon or more)
    Packet row_scale_of(const AdafactorStep<Scalar>& step) const {
        if (col_moments == nullptr) { return all(1); }
        const auto epsilon = static_cast<double>(step.epsilon);
        double sum = 0;
        for (Index r = 0; r < rows; ++r) { sum += static_cast<double>(row_moments[r]); }
        const double mean = sum / static_cast<double>(rows);
        return all(static_cast<Scalar>(1 / (mean < epsilon ? epsilon : mean)));  // NaN stays NaN
    }
    Pair row_roots(Index p, const Packet& row_scale) const {
        const Scalar* moments = row_moments + p * width;
        return {square_root(times(load_aligned(moments), row_scale)),
                square_root(times(load_aligned(moments + lanes), row_scale))};
    }
    /// g / sqrt(moment), with a root of epsilon or more
    EIGEN_ALWAYS_INLINE Pair update(const AdafactorStep<Scalar>& step, const Pair& roots, Index p, Index c) const {
        const Packet col = all(col_roots[c]), epsilon = all(step.epsilon);
        const Pair g = gradient(all(step.scale), smallest_grad(), p, c);
        return {quotient(g.left, larger(times(roots.left, col), epsilon)),
                quotient(g.right, larger(times(roots.right, col), epsilon))};
    }
};

}  // namespace gacc::detail
