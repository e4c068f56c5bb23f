#pragma once

#include <gacc/core/types.hpp>

#include <cmath>
#include <string_view>
#include <type_traits>

namespace gacc::inline GACC_ABI::detail {

/// Sizes that follow from the processor's registers. Eigen's packets serve SSE, AVX2 + FMA, AVX-512 and NEON alike.
template <class Scalar>
struct Simd {
    using Packet = typename Eigen::internal::packet_traits<Scalar>::type;
    static constexpr Index lanes = Eigen::internal::unpacket_traits<Packet>::size;
    static constexpr Index registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS;

    /// A tile is tile_height x panel_width results. All are in registers, with one row of a panel and one factor.
    static constexpr Index panel_width = 2 * lanes;
    static constexpr Index tile_height = registers >= 32 ? 12 : registers >= 16 ? 6 : 2;
};

/// Whether the name of the inline namespace agrees with Eigen's packets.
constexpr bool abi_is_true() {
    constexpr Index lanes = Simd<float>::lanes;
    return std::string_view(processor).starts_with(lanes == 16  ? "simd64"
                                                   : lanes == 8 ? "simd32"
                                                   : lanes == 4 ? "simd16"
                                                                : "simd0");
}
static_assert(abi_is_true(), "gacc: GACC_ABI (core/abi.hpp) names other SIMD registers than Eigen uses here");

/// Keeps a packet in its register. Without this the compiler may read the panel from memory in every multiply-add.
template <class Packet>
EIGEN_ALWAYS_INLINE void pin([[maybe_unused]] Packet& packet) {
#if defined(__GNUC__) && defined(__AVX512F__)
    asm("" : "+v"(packet));
#elif defined(__GNUC__) && defined(__SSE__)
    asm("" : "+x"(packet));
#endif
}

/// Keeps a pointer in a register of its own.
template <class T>
EIGEN_ALWAYS_INLINE void pin([[maybe_unused]] T*& pointer) {
#if defined(__GNUC__)
    asm("" : "+r"(pointer));
#endif
}

/// a b + c in every lane: with one rounding if the processor has fused multiply-add, else with two.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet multiply_add(const Packet& a, const Packet& b, const Packet& c) {
    if constexpr (std::is_floating_point_v<Packet>) {  // Eigen without SIMD: some copies of a * b + c would be fused
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
        return std::fma(a, b, c);
#else
        Packet product = a * b;
        pin(product);
        return product + c;
#endif
    } else {
        return Eigen::internal::pmadd(a, b, c);
    }
}

/// The square root of every lane, rounded correctly. Eigen's own, for float, is an estimate with a correction. It
/// differs between makers of processors.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet square_root(const Packet& x) {
    return Eigen::internal::psqrt(x);
}
#if defined(EIGEN_VECTORIZE_NEON) && !defined(__aarch64__)  // 32-bit Arm has an estimate only
EIGEN_ALWAYS_INLINE Eigen::internal::Packet4f square_root(const Eigen::internal::Packet4f& x) {
    alignas(16) float numbers[4];
    vst1q_f32(numbers, x);
    for (float& number : numbers) { number = std::sqrt(number); }
    return vld1q_f32(numbers);
}
#endif
#ifdef EIGEN_VECTORIZE_SSE
EIGEN_ALWAYS_INLINE Eigen::internal::Packet4f square_root(const Eigen::internal::Packet4f& x) { return _mm_sqrt_ps(x); }
#endif
#ifdef EIGEN_VECTORIZE_AVX
EIGEN_ALWAYS_INLINE Eigen::internal::Packet8f square_root(const Eigen::internal::Packet8f& x) {
    return _mm256_sqrt_ps(x);
}
#endif
#ifdef EIGEN_VECTORIZE_AVX512
EIGEN_ALWAYS_INLINE Eigen::internal::Packet16f square_root(const Eigen::internal::Packet16f& x) {
    return _mm512_sqrt_ps(x);
}
EIGEN_ALWAYS_INLINE Eigen::internal::Packet8d square_root(const Eigen::internal::Packet8d& x) {
    return _mm512_sqrt_pd(x);
}
#endif

/// a / b in every lane, rounded correctly.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet quotient(const Packet& a, const Packet& b) {
    return Eigen::internal::pdiv(a, b);
}
#if defined(EIGEN_VECTORIZE_NEON) && !defined(__aarch64__)  // an estimate again, up to 127 units in the last place off
EIGEN_ALWAYS_INLINE Eigen::internal::Packet4f quotient(const Eigen::internal::Packet4f& a,
                                                       const Eigen::internal::Packet4f& b) {
    alignas(16) float numbers[4], divisors[4];
    vst1q_f32(numbers, a);
    vst1q_f32(divisors, b);
    for (int i = 0; i < 4; ++i) { numbers[i] /= divisors[i]; }
    return vld1q_f32(numbers);
}
#endif

/// 0 where |x| is below the bound, else x; NaN stays NaN.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet zero_below(const Packet& x, const Packet& bound) {
    using namespace Eigen::internal;
    return pandnot(x, pcmp_lt(pabs(x), bound));
}
#ifdef EIGEN_VECTORIZE_AVX512
EIGEN_ALWAYS_INLINE Eigen::internal::Packet16f zero_below(const Eigen::internal::Packet16f& x,
                                                          const Eigen::internal::Packet16f& bound) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(x), bound, _CMP_NLT_UQ), x);
}
EIGEN_ALWAYS_INLINE Eigen::internal::Packet8d zero_below(const Eigen::internal::Packet8d& x,
                                                         const Eigen::internal::Packet8d& bound) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(_mm512_abs_pd(x), bound, _CMP_NLT_UQ), x);
}
#endif

}  // namespace gacc::detail
