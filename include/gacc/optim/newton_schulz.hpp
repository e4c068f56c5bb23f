#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/product.hpp>
#include <gacc/kernels/row_product.hpp>
#include <gacc/optim/clip.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// X = U S Vᵀ becomes about U Vᵀ: all singular values move to between 0.7 and 1.2, in five products with a polynomial.
///
/// Iteration  X /= |X|;  five times  X = (a I + b A + c A²) X,  A = X Xᵀ,  or  X = X (a I + b A + c A²),  A = Xᵀ X,
///            whichever A is smaller;  a = 3.4445, b = -4.7750, c = 2.0315
/// Bits       products are those of kernels/, so the threads change none
/// Memory     two matrices like X and two like A, which the caller gives
/// Source     Jordan 2024, kellerjordan.github.io/posts/muon
template <class Scalar>
class NewtonSchulz {
public:
    static constexpr Index width = Simd<Scalar>::panel_width;
    static constexpr int iterations = 5;

    /// The memory has numbers(rows, cols) numbers with any content, and `sums` one for each row.
    NewtonSchulz(Index rows, Index cols, Scalar* memory, double* sums)
        : rows_(rows), cols_(cols), x_(memory), next_(x_ + rows * stride()), gram_(next_ + rows * stride()),
          polynomial_(gram_ + side() * side_stride()), sums_(sums) {}

    /// largest_size if an Index cannot hold it.
    static Index numbers(Index rows, Index cols) {
        const Index side = std::min(rows, cols), of_x = Panels<Scalar>::size(cols, rows);
        const Index of_gram = Panels<Scalar>::size(side, side);
        return sum_of(sum_of(of_x, of_x), sum_of(of_gram, of_gram));
    }

    /// X, row by row. The caller writes whole rows, with zeros up to the stride.
    Scalar* x() const { return x_; }
    Index stride() const { return whole_panels(cols_); }

    /// X, of which a norm below epsilon counts as epsilon, after all iterations.
    void run(double epsilon) {
        normalize(epsilon);
        for (int i = 0; i < iterations; ++i) {
            if (rows_ <= cols_) {
                const auto put = [&](Index row, Index column, const ConstMatrixView<Scalar>& tile) {
                    for (Index r = 0; r < tile.rows(); ++r) {
                        std::copy_n(tile.data() + r * tile.outerStride(), tile.cols(),
                                    gram_ + (row + r) * side_stride() + column);
                    }
                };
                RowProduct<Scalar>{.rows = rows_, .cols = rows_, .depth = cols_, .x = {x_, stride(), 1},
                                   .y = {x_, stride(), width}}
                    .run_into(put);
            } else {
                multiply({x_, 1, stride()}, {x_, stride(), width, false}, rows_, gram_, cols_, cols_);
            }
            multiply({gram_, side_stride(), 1}, {gram_, side_stride(), width, false}, side(), polynomial_, side(), side());
            add_up_polynomial();
            if (rows_ <= cols_) {
                multiply({polynomial_, side_stride(), 1}, {x_, stride(), width, false}, rows_, next_, rows_, cols_);
            } else {
                multiply({x_, stride(), 1}, {polynomial_, side_stride(), width, false}, cols_, next_, rows_, cols_);
            }
            std::swap(x_, next_);
        }
        for (Index r = 0; r < rows_; ++r) {  // NaN times 0 is NaN
            std::fill(x_ + r * stride() + cols_, x_ + (r + 1) * stride(), Scalar(0));
        }
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes;
    static constexpr double a = 3.4445, b = -4.7750, c = 2.0315;

    static Index whole_panels(Index cols) { return Panels<Scalar>::count(cols) * width; }
    Index side() const { return std::min(rows_, cols_); }
    Index side_stride() const { return whole_panels(side()); }

    /// C = A B, rows x cols
    static void multiply(Strided<Scalar> factor, typename Product<Scalar>::template Columns<const Scalar> columns,
                         Index depth, Scalar* result, Index rows, Index cols) {
        Product<Scalar>{.rows = rows,
                        .cols = cols,
                        .depth = depth,
                        .a = factor,
                        .b = columns,
                        .c0 = {zeros<Scalar>.data(), 0, 0, true},
                        .c = {result, whole_panels(cols), width, true}}
            .run();
    }

    /// f(row) for all rows, on several threads.
    template <class F>
    static void for_rows(Index rows, Index cols, const F& f) {
        parallel_for(rows, std::int64_t{rows} * cols, [&](Index first, Index last) {
            for (Index r = first; r < last; ++r) { f(r); }
        });
    }

    void normalize(double epsilon) {
        for_rows(rows_, cols_, [&](Index r) {
            sums_[r] = GradientNorm<Scalar>::sum_of_squares(x_ + r * stride(), stride());
        });
        double sum = 0;
        for (Index r = 0; r < rows_; ++r) { sum += sums_[r]; }
        const double least = std::max(epsilon, static_cast<double>(std::numeric_limits<Scalar>::min()));
        const double norm = std::sqrt(sum), divisor = norm < least ? least : norm;  // NaN stays NaN
        const auto inverse = all_lanes<Packet>(1 / divisor);
        for_rows(rows_, cols_, [&](Index r) {
            for (Scalar* at = x_ + r * stride(); at != x_ + (r + 1) * stride(); at += lanes) {
                store_aligned(at, times(load_aligned(at), inverse));
            }
        });
    }

    /// polynomial = a I + b A + c A², which is A² before
    void add_up_polynomial() const {
        for_rows(side(), side(), [&](Index r) {
            const Packet of_gram = all_lanes<Packet>(b), of_square = all_lanes<Packet>(c);
            for (Index i = r * side_stride(); i < (r + 1) * side_stride(); i += lanes) {
                store_aligned(polynomial_ + i, multiply_add(of_square, load_aligned(polynomial_ + i),
                                                            times(of_gram, load_aligned(gram_ + i))));
            }
            polynomial_[r * side_stride() + r] += static_cast<Scalar>(a);
        });
    }

    Index rows_, cols_;
    Scalar* x_;           // rows x cols, rows a stride apart
    Scalar* next_;        // the same
    Scalar* gram_;        // side x side
    Scalar* polynomial_;  // side x side
    double* sums_;        // rows
};

}  // namespace gacc::detail
