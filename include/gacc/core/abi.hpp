#pragma once

#include <string_view>

#if !defined(__cplusplus) || __cplusplus < 202002L
// A missing file ends the compilation here. An #error would be followed by hundreds of other errors.
#include "gacc: expected C++20, got an older standard; compile with -std=c++20"
#endif

/// The inline namespace of all of gacc. Its name holds the version, the bytes of a SIMD register (they decide how
/// parameters lie in memory) and whether multiply-adds are fused. So two parts of a program that were compiled for
/// different processors do not link if they exchange gacc's types. You still write `gacc::Sequential`. To declare a
/// class ahead of its header, include gacc/fwd.hpp.
#if defined(EIGEN_DONT_VECTORIZE) || defined(EIGEN_DONT_ALIGN)
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define GACC_ABI v0_1_0_simd0_fma
#else
#define GACC_ABI v0_1_0_simd0
#endif
#elif defined(__AVX512F__)
#define GACC_ABI v0_1_0_simd64_fma
#elif defined(__AVX__) && defined(__FMA__)
#define GACC_ABI v0_1_0_simd32_fma
#elif defined(__AVX__)
#define GACC_ABI v0_1_0_simd32
#elif defined(__SSE2__) && !defined(__FMA__)
#define GACC_ABI v0_1_0_simd16
#elif defined(__ARM_NEON) && !defined(__ARM_FEATURE_FMA)
#define GACC_ABI v0_1_0_simd16
#elif defined(__SSE2__) || defined(__ARM_NEON) || defined(__VSX__) || defined(__ALTIVEC__) || \
    (defined(__s390x__) && defined(__VEC__))
#define GACC_ABI v0_1_0_simd16_fma
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define GACC_ABI v0_1_0_simd0_fma
#else
#define GACC_ABI v0_1_0_simd0
#endif

namespace gacc::inline GACC_ABI::detail {

#define GACC_STRING_OF(name) #name
#define GACC_STRING(name) GACC_STRING_OF(name)
/// "v0_1_0_simd64_fma"
inline constexpr std::string_view abi_name = GACC_STRING(GACC_ABI);
#undef GACC_STRING
#undef GACC_STRING_OF

/// The processor for which a unit of the program was compiled: the name without the version, "simd64_fma".
inline constexpr const char* processor = abi_name.data() + abi_name.find("simd");

}  // namespace gacc::detail
