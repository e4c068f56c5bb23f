#pragma once

#include <gacc/core/abi.hpp>
#include <gacc/core/units.hpp>

// g++ 12 warns falsely of uninitialized variables in the intrinsics of AVX-512 (its bug 105593).
#if defined(__AVX512F__) && defined(__GNUC__) && __GNUC__ == 12
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <Eigen/Core>
#pragma GCC diagnostic pop
#else
#include <Eigen/Core>
#endif

#include <cfloat>
#include <cstdint>

namespace gacc::inline GACC_ABI {

// Fast-math lets the compiler reorder sums. That changes the bits that gacc promises to keep.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
static_assert(false, "gacc: built with -ffast-math or -fassociative-math, which reorders sums: leave the flag out");
// With this flag the compiler takes every test for NaN and infinity as false, so the non-finite guard finds nothing.
#elif defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
static_assert(false, "gacc: built with -ffinite-math-only, which hides NaN and infinity: leave the flag out");
#endif
static_assert(FLT_EVAL_METHOD == 0,
              "gacc: built for arithmetic in more bits than a number has (x87), which rounds where "
              "numbers are stored: build for SSE2");

/// Counts and sizes, signed as in Eigen.
using Index = Eigen::Index;

/// The class of a sample, from 0.
using Label = std::int32_t;

/// Samples are rows: a micro-batch is samples x features, row-major, as in NumPy and PyTorch.
template <class Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace gacc
