#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/panels.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace gacc::inline GACC_ABI::detail {

/// The softmax of a panel of queries over blocks of keys, in every lane by itself. It knows only the largest score m so
/// far and the sum of exp(scale (score - m)). If a later block has a larger score, earlier sums are scaled.
///
/// A query may see no key yet (`padded`): then m is -infinity, its probabilities are 0, and so are its y and its lse if
/// no key comes. Otherwise its probabilities are NaN if all scores are -infinity.
///
/// Source     Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", arXiv:1805.02867
/// Shapes     scores keys x width;  y size x width, the sums of probabilities times values so far
template <class Scalar>
class PanelSoftmax {
public:
    static constexpr Index width = Panels<Scalar>::width;
    using Lanes = std::array<Scalar, static_cast<std::size_t>(width)>;

    explicit PanelSoftmax(Scalar scale, bool padded = false) : padded_(padded), scale_(all(scale)) {
        largest_[0] = largest_[1] = all(-std::numeric_limits<Scalar>::infinity());
        sum_[0] = sum_[1] = all(0);
    }

    /// Writes exp(scale (score - m)) over the scores of some more keys. m becomes the largest score with these. Scales
    /// y, unless these are the first keys.
    [[gnu::flatten]] void add(Index keys, Scalar* scores, bool first, Index size, Scalar* y) {
        for (Index j = 0; j < 2; ++j) {
            Packet m = largest_[j];
            for (Index key = 0; key < keys; ++key) { m = larger(load(scores, key, j), m); }
            Packet shift = negated(times(m, scale_));
            if (padded_) { shift = zero_where(is_equal(m, all(-std::numeric_limits<Scalar>::infinity())), shift); }
            if (!first) {
                const Packet factor = exponential(multiply_add(largest_[j], scale_, shift));
                for (Index c = 0; c < size; ++c) { store(y, c, j, times(load(y, c, j), factor)); }
                sum_[j] = times(sum_[j], factor);
            }
            largest_[j] = m;
            Packet sum = sum_[j];
            for (Index key = 0; key < keys; ++key) {
                const Packet p = exponential(multiply_add(load(scores, key, j), scale_, shift));
                sum = plus(sum, p);
                store(scores, key, j, p);
            }
            sum_[j] = sum;
        }
    }

    /// Divides y by the sum, and returns its logarithm plus scale m. Without a key, both become 0.
    [[gnu::flatten]] Lanes finish(Index size, Scalar* y) const {
        Lanes lse;
        for (Index j = 0; j < 2; ++j) {
            const Packet empty = is_equal(sum_[j], all(0)), factor = zero_where(empty, quotient(all(1), sum_[j]));
            for (Index c = 0; c < size; ++c) { store(y, c, j, times(load(y, c, j), factor)); }
            store(lse.data(), 0, j, zero_where(empty, multiply_add(largest_[j], scale_, logarithm(sum_[j]))));
        }
        return lse;
    }

    /// Writes `value` in place of row r's first r - `offset` numbers, if that is more than 0. These queries come before
    /// the key.
    [[gnu::flatten]] static void hide(Index keys, Index offset, Scalar value, Scalar* scores) {
        for (Index key = std::max<Index>(offset + 1, 0); key < keys; ++key) {
            const Packet first = all(static_cast<Scalar>(key - offset));
            for (Index j = 0; j < 2; ++j) {
                const Packet hidden = is_less(load(numbers.data(), 0, j), first);
                store(scores, key, j, choose(hidden, all(value), load(scores, key, j)));
            }
        }
    }

    /// Writes probabilities p = exp(scale score - lse) over scores, and scale p (g - sums) over their gradients g,
    /// where `sums` are those of p g for each query. With dropout, g and then p are multiplied by `factors`.
    template <bool drops>
    [[gnu::flatten]] static void gradient(Index keys, Scalar scale, const Scalar* lse, const Scalar* sums,
                                          Scalar* scores, Scalar* grads, const Scalar* factors) {
        for (Index j = 0; j < 2; ++j) {
            const Packet all_scale = all(scale), shift = negated(load(lse, 0, j)), sum = load(sums, 0, j);
            for (Index key = 0; key < keys; ++key) {
                Packet p = exponential(multiply_add(load(scores, key, j), all_scale, shift));
                // Explicitly fused: a compiler would fuse it with some options and not with others.
                const Packet g = load(grads, key, j);
                const Packet difference = drops ? multiply_add(g, load(factors, key, j), negated(sum)) : minus(g, sum);
                store(grads, key, j, times(times(p, all_scale), difference));
                if constexpr (drops) { p = times(p, load(factors, key, j)); }
                store(scores, key, j, p);
            }
        }
    }

    /// The sum of a b over the rows of two panels.
    [[gnu::flatten]] static void sum_of_products(Index size, const Scalar* a, const Scalar* b, Scalar* sums) {
        for (Index j = 0; j < 2; ++j) {
            Packet sum = all(0);
            for (Index c = 0; c < size; ++c) { sum = multiply_add(load(a, c, j), load(b, c, j), sum); }
            store(sums, 0, j, sum);
        }
    }

    /// a = a b
    [[gnu::flatten]] static void multiply(Index keys, Scalar* a, const Scalar* b) {
        map_packets(
            keys * width, [](const Packet& x, const Packet& factor) { return times(x, factor); }, a, a, b);
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes;

    static constexpr Lanes numbers = [] {
        Lanes made{};
        for (Index i = 0; i < width; ++i) { made[static_cast<std::size_t>(i)] = static_cast<Scalar>(i); }
        return made;
    }();

    static Packet all(Scalar number) { return all_lanes<Packet>(static_cast<double>(number)); }
    EIGEN_ALWAYS_INLINE static Packet load(const Scalar* from, Index row, Index j) {
        return load_packet(from + row * width + j * lanes);
    }
    EIGEN_ALWAYS_INLINE static void store(Scalar* to, Index row, Index j, const Packet& packet) {
        store_packet(to + row * width + j * lanes, packet);
    }

    bool padded_;
    Packet scale_, largest_[2], sum_[2];
};

}  // namespace gacc::detail
