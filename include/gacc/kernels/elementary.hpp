#pragma once

#include <gacc/kernels/elementary_terms.hpp>
#include <gacc/kernels/packet_bits.hpp>
#include <gacc/kernels/simd.hpp>

#include <bit>
#include <cstddef>
#include <limits>

// Elementary functions of every lane of a packet, or of one float or double. They call no function of the C library, so
// the bits depend only on the instructions. Every product that is added to a number goes through multiply_add, so the
// compiler finds nothing to contract.
//
// Error      at most 2 units in the last place for exponential and logarithm, 4 for the others
// Specials   as in the C library: NaN stays NaN, odd functions keep the sign of zero, infinities give the limits
// Subnormal  arguments are used as they are, except floats on 32-bit Arm. If exp(x) is below the smallest normal
//            number, exponential gives 0. If x < 0 and exp(-|x|) is below it, sigmoid gives 0.

namespace gacc::inline GACC_ABI::detail {

/// terms[Last] + terms[Last - 2] square + terms[Last - 4] square² + ...
template <std::size_t Last, class Packet>
EIGEN_ALWAYS_INLINE Packet every_other_term(const Packet& square, const ScalarOf<Packet>* terms) {
    const Packet term = Eigen::internal::pset1<Packet>(terms[Last]);
    if constexpr (Last < 2) {
        return term;
    } else {
        return multiply_add(every_other_term<Last - 2>(square, terms), square, term);
    }
}

/// terms[0] x^n + ... + terms[n]. Even and odd powers are two chains, which take half the time of one.
template <class Packet, std::size_t Count>
EIGEN_ALWAYS_INLINE Packet polynomial(const Packet& x, const ScalarOf<Packet> (&terms)[Count]) {
    const Packet square = Eigen::internal::pmul(x, x);
    return multiply_add(every_other_term<Count - 2>(square, terms), x, every_other_term<Count - 1>(square, terms));
}

/// exp(x) = 2^n exp(r), where r = x - n ln(2) lies within ln(2) / 2 of 0 and exp(r) = 1 + r + r² p(r).
template <class Packet>
EIGEN_ALWAYS_INLINE Packet exponential(const Packet& x) {
    using namespace Eigen::internal;
    using Scalar = ScalarOf<Packet>;
    using Number = Layout<Scalar>;
    using Fit = Terms<Scalar>;
    const auto all = [](Scalar value) { return pset1<Packet>(value); };

    const Packet integers = all(Number::integers * Scalar(1.5));
    const Packet counted = multiply_add(x, all(Fit::log2_e), integers);  // its last bits are n
    const Packet n = psub(counted, integers);
    const Packet r = multiply_add(n, all(-Fit::ln2_low), multiply_add(n, all(-Fit::ln2_high), x));
    const Packet exp_r = padd(all(1), multiply_add(pmul(r, r), polynomial(r, Fit::exponential), r));
    const Packet scaled = std::bit_cast<Packet>(bits(exp_r) + (bits(counted) << Number::digits));

    const Packet beyond = padd(x, all(std::numeric_limits<Scalar>::infinity()));  // infinity or NaN
    const Packet bounded = pselect(pcmp_le(x, all(Fit::exponential_largest)), scaled, beyond);
    return pselect(pcmp_lt(x, all(Fit::exponential_least)), pzero(x), bounded);
}

/// log(x) = n ln(2) + log(1 + f), where x = 2^n (1 + f) and 1 + f lies between sqrt(1/2) and sqrt(2). With
/// s = f / (2 + f), log(1 + f) = log((1 + s) / (1 - s)) = f - (f²/2 - s (f²/2 + s² p(s²))), where f is exact.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet logarithm(const Packet& x) {
    using namespace Eigen::internal;
    using Scalar = ScalarOf<Packet>;
    using Number = Layout<Scalar>;
    using Fit = Terms<Scalar>;
    using Limits = std::numeric_limits<Scalar>;
    const auto all = [](Scalar value) { return pset1<Packet>(value); };

    const Packet subnormal = pcmp_lt(x, all(Limits::min()));
    const Packet normal = pselect(subnormal, pmul(x, all(Number::integers)), x);
    constexpr auto lowest = std::bit_cast<typename Number::Word>(Fit::sqrt_half);
    constexpr auto one = std::bit_cast<typename Number::Word>(Scalar(1));
    const auto moved = bits(normal) + (one - lowest);  // its exponent is n
    const Packet counted = std::bit_cast<Packet>((moved >> Number::digits) | bits(all(Number::integers)));
    constexpr Scalar start = Number::integers + Scalar(Number::bias);
    const Packet n = psub(counted, pselect(subnormal, all(start + Number::digits), all(start)));
    const Packet f = psub(std::bit_cast<Packet>((moved & Number::fraction) + lowest), all(1));

    const Packet s = quotient(f, padd(f, all(2)));
    const Packet s2 = pmul(s, s);
    const Packet half_f = pmul(f, all(Scalar(0.5)));
    const Packet curved = multiply_add(s2, polynomial(s2, Fit::logarithm), pmul(half_f, f));
    const Packet lesser = multiply_add(s, curved, pmul(n, all(Fit::ln2_low)));
    const Packet log_f = psub(f, multiply_add(half_f, f, pnegate(lesser)));
    const Packet result = multiply_add(n, all(Fit::ln2_high), log_f);

    const Packet infinity = all(Limits::infinity());
    const Packet not_positive = pselect(pcmp_eq(x, pzero(x)), pnegate(infinity), all(Limits::quiet_NaN()));
    return pselect(pcmp_le(x, pzero(x)), not_positive, pselect(pcmp_lt(x, infinity), result, x));
}

/// log(1 + x) for x from 0 to 1: the logarithm of the rounded sum, and what the rounding has taken from the sum.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet logarithm_of_one_plus(const Packet& x) {
    using namespace Eigen::internal;
    const Packet one = pset1<Packet>(ScalarOf<Packet>(1)), sum = padd(one, x);
    return padd(logarithm(sum), quotient(psub(x, psub(sum, one)), sum));
}

/// x + x³ p(x²) near 0, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet hyperbolic_tangent(const Packet& x) {
    using namespace Eigen::internal;
    using Scalar = ScalarOf<Packet>;
    using Fit = Terms<Scalar>;
    const auto all = [](Scalar value) { return pset1<Packet>(value); };

    const Packet size = pabs(x), square = pmul(x, x);
    const Packet odd = multiply_add(pmul(size, square), polynomial(square, Fit::hyperbolic_tangent), size);
    const Packet saturating = psub(all(1), quotient(all(2), padd(exponential(padd(size, size)), all(1))));
    return with_sign(pselect(pcmp_lt(size, all(Fit::hyperbolic_tangent_end)), odd, saturating), x);
}

/// x + x p(x²) near 0, else 1 - exp(-p(|x|)) with the sign of x.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet error_function(const Packet& x) {
    using namespace Eigen::internal;
    using Scalar = ScalarOf<Packet>;
    using Fit = Terms<Scalar>;
    const auto all = [](Scalar value) { return pset1<Packet>(value); };

    const Packet end = all(Fit::error_function_end);
    const Packet size = pselect(pcmp_lt(end, pabs(x)), end, pabs(x));  // NaN stays
    const Packet odd = multiply_add(size, polynomial(pmul(size, size), Fit::error_function), size);
    const Packet tail = exponential(pnegate(polynomial(size, Fit::error_function_tail)));
    return with_sign(pselect(pcmp_lt(size, all(1)), odd, psub(all(1), tail)), x);
}

/// 1 / (1 + exp(-x)), by exp(-|x|), which does not overflow.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet sigmoid(const Packet& x) {
    using namespace Eigen::internal;
    const Packet one = pset1<Packet>(ScalarOf<Packet>(1)), tail = exponential(pnegate(pabs(x)));
    return quotient(pselect(pcmp_lt(x, pzero(x)), tail, one), padd(one, tail));
}

}  // namespace gacc::detail
