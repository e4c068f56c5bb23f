#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/kernels/simd.hpp>

#include <cstdint>
#include <limits>

namespace gacc::inline GACC_ABI::detail {

/// The constants of one step of Muon for a matrix.
template <class Scalar>
struct MuonStep {
    Scalar scale;  // 1 / weight
    Scalar momentum, rest;
    Scalar step_size;
    Scalar decay;  // learning rate * weight decay
};

/// The two passes over a matrix in panels, before and after the products. In between it lies transposed and row by row,
/// cols x rows, with rows `stride` apart: so a row of a panel is a run of both.
template <class Scalar>
class MuonPass {
public:
    MuonPass(const MuonStep<Scalar>& step, Index rows, Index cols, Index stride)
        : step_(step), rows_(rows), cols_(cols), stride_(stride) {}

    /// m = momentum m + (1 - momentum) g;  to = m, with nesterov momentum m + (1 - momentum) g
    void update_momentum(Scalar* m, const Scalar* grad, Scalar* to, bool nesterov) const {
        for_runs([&](Index in_panels, Index in_rows) {
            const Packet momentum = all(step_.momentum), rest = all(step_.rest);
            for (Index i = 0; i < width; i += lanes) {
                const Packet part = times(rest, times(load_aligned(grad + in_panels + i), all(step_.scale)));
                const Packet next = zero_below(multiply_add(momentum, load_aligned(m + in_panels + i), part),
                                               all(std::numeric_limits<Scalar>::min()));
                store_aligned(m + in_panels + i, next);
                store_aligned(to + in_rows + i, nesterov ? multiply_add(momentum, next, part) : next);
            }
        });
    }

    /// value -= decay value;  value -= step_size direction
    void update_values(Scalar* value, const Scalar* direction) const {
        for_runs([&](Index in_panels, Index in_rows) {
            const Packet minus_size = all(-step_.step_size), minus_decay = all(-step_.decay);
            for (Index i = 0; i < width; i += lanes) {
                const Packet before = load_aligned(value + in_panels + i);
                store_aligned(value + in_panels + i, multiply_add(minus_size, load_aligned(direction + in_rows + i),
                                                                  multiply_add(minus_decay, before, before)));
            }
        });
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes, width = Simd<Scalar>::panel_width;

    static Packet all(Scalar value) { return all_lanes<Packet>(static_cast<double>(value)); }

    /// Calls f(first number in the panels, first number in the rows) for all runs of `width` numbers.
    template <class F>
    void for_runs(const F& f) const {
        parallel_for(Panels<Scalar>::count(rows_), std::int64_t{8} * rows_ * cols_, [&](Index first, Index last) {
            for (Index p = first; p < last; ++p) {
                for (Index c = 0; c < cols_; ++c) { f((p * cols_ + c) * width, c * stride_ + p * width); }
            }
        });
    }

    MuonStep<Scalar> step_;
    Index rows_, cols_, stride_;
};

}  // namespace gacc::detail
