#pragma once

#include <gacc/core/types.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>

#include <cmath>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Rotary position embedding: turns the pairs (x_c, x_{c + size/2}) of a token's numbers by the angle
/// position / 10000^(2c / size). Products of turned numbers depend on the difference of their positions alone.
///
/// Source     Su et al. 2021, arXiv:2104.09864, section 3.2; the two numbers of a pair lie as in Llama and GPT-NeoX
template <class Scalar>
class Rotary {
public:
    /// `size` is even.
    Rotary(Index positions, Index size) : half_(size / 2) {
        for (Index position = 0; position < positions; ++position) {
            for (Index c = 0; c < half_; ++c) {
                const double part = 2 * static_cast<double>(c) / static_cast<double>(size);
                const double angle = static_cast<double>(position) / std::pow(10000.0, part);
                cosines_.push_back(static_cast<Scalar>(std::cos(angle)));
                sines_.push_back(static_cast<Scalar>(std::sin(angle)));
            }
        }
    }

    /// Writes the turned numbers, perhaps over the numbers themselves.
    void turn(Index position, const Scalar* from, Scalar* to) const {
        turn<false>(cosines_.data() + position * half_, sines_.data() + position * half_, from, to);
    }
    /// Turns numbers, or gradients by turned numbers, back.
    void turn_back(Index position, Scalar* numbers) const {
        turn<true>(cosines_.data() + position * half_, sines_.data() + position * half_, numbers, numbers);
    }

private:
    template <bool back>
    [[gnu::flatten]] void turn(const Scalar* cosines, const Scalar* sines, const Scalar* from, Scalar* to) const {
        for (Index c = 0; c < half_; c += Simd<Scalar>::lanes) {
            const Index count = half_ - c;
            const auto a = load_padded(from + c, count), b = load_padded(from + half_ + c, count);
            const auto cosine = load_padded(cosines + c, count), sine = load_padded(sines + c, count);
            const auto from_a = times(a, sine), from_b = times(b, sine);
            store_first(to + c, multiply_add(a, cosine, back ? from_b : negated(from_b)), count);
            store_first(to + half_ + c, multiply_add(b, cosine, back ? negated(from_a) : from_a), count);
        }
    }

    Index half_;
    std::vector<Scalar> cosines_, sines_;  // positions x half
};

}  // namespace gacc::detail
