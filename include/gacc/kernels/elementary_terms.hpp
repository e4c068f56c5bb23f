#pragma once

#include <gacc/kernels/simd.hpp>

namespace gacc::inline GACC_ABI::detail {

/// The constants of elementary.hpp: minimax polynomials p, the highest term first, and the limits of their use. The
/// comment of each polynomial ends with the relative error that it adds to its function. scripts/fit-elementary
/// computes the polynomials.
template <class Scalar>
struct Terms;

template <>
struct Terms<float> {
    /// (exp(r) - 1 - r) / r², |r| <= ln(2) / 2: 2^-28.3
    static constexpr float exponential[] = {0x1.6a247ep-10f, 0x1.1239d4p-7f, 0x1.5558fp-5f, 0x1.555492p-3f,
                                            0x1.fffffcp-2f};

    /// (log((1 + s) / (1 - s)) / s - 2) / s² of s², |s| <= 3 - 2 sqrt(2): 2^-30.2
    static constexpr float logarithm[] = {0x1.31e2c6p-2f, 0x1.995ebcp-2f, 0x1.55557ap-1f};

    /// (tanh(x) / x - 1) / x² of x², |x| <= 0.625: 2^-27.9
    static constexpr float hyperbolic_tangent[] = {-0x1.76ac26p-8f, 0x1.5256dcp-6f, -0x1.b8444ap-5f, 0x1.110768p-3f,
                                                   -0x1.555534p-2f};

    /// erf(x) / x - 1 of x², |x| <= 1: 2^-29.6
    static constexpr float error_function[] = {0x1.496a3ap-14f, -0x1.a3f704p-11f, 0x1.5405b2p-8f, -0x1.b7f90ep-6f,
                                               0x1.ce2cf8p-4f,  -0x1.81273ep-2f,  0x1.06eba8p-3f};

    /// -log(1 - erf(x)), 1 <= x <= 4: 2^-29.8
    static constexpr float error_function_tail[] = {-0x1.86d90ep-13f, 0x1.825848p-9f, -0x1.65ca26p-6f, 0x1.a65296p-4f,
                                                    0x1.46bb04p-1f,   0x1.2088e4p+0f, 0x1.66388cp-12f};

    /// ln(2) in two parts. The first ends in 9 bits of zeros, so that its product with an exponent is exact.
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    /// The least and the largest x for which exp(x) is a normal number.
    static constexpr float exponential_least = -0x1.5d589ep+6f, exponential_largest = 0x1.62e42ep+6f;
    static constexpr float log2_e = 0x1.715476p+0f, sqrt_half = 0x1.6a09e6p-1f;
    /// Up to this x, tanh(x) is computed by an odd polynomial.
    static constexpr float hyperbolic_tangent_end = 0.625f;
    /// From this x on, erf(x) rounds to 1.
    static constexpr float error_function_end = 4;
};

template <>
struct Terms<double> {
    /// (exp(r) - 1 - r) / r², |r| <= ln(2) / 2: 2^-57.9
    static constexpr double exponential[] = {0x1.ad7f93de464d0p-26, 0x1.28ad691be23a8p-22, 0x1.71df252c02effp-19,
                                             0x1.a0199a16489e5p-16, 0x1.a01a012a6f3a6p-13, 0x1.6c16c18426b19p-10,
                                             0x1.1111111127b8ep-7,  0x1.555555555088ap-5,  0x1.55555555554fap-3,
                                             0x1.000000000000ap-1};

    /// (log((1 + s) / (1 - s)) / s - 2) / s² of s², |s| <= 3 - 2 sqrt(2): 2^-59.5
    static constexpr double logarithm[] = {0x1.2f0565fbb889dp-3, 0x1.39a1baae07712p-3, 0x1.74663ee63b3a9p-3,
                                           0x1.c71c52097804fp-3, 0x1.24924941f0e7ap-2, 0x1.999999997fdbfp-2,
                                           0x1.5555555555592p-1};

    /// (tanh(x) / x - 1) / x² of x², |x| <= 0.625: 2^-56.5
    static constexpr double hyperbolic_tangent[] = {
        -0x1.0e3d799c5da12p-16, 0x1.43e18329f0669p-14, -0x1.df7a8f726acb1p-13, 0x1.336ae6c2fce22p-11,
        -0x1.7d696a95b79cdp-10, 0x1.d6cf3ca9ccac9p-9,  -0x1.226e16da326e5p-7,  0x1.664f4781f93cdp-6,
        -0x1.ba1ba1b531160p-5,  0x1.111111110b0c9p-3,  -0x1.5555555555503p-2};

    /// erf(x) / x - 1 of x², |x| <= 1: 2^-56.9
    static constexpr double error_function[] = {-0x1.abae4b1da7240p-31, 0x1.d71b0f2a7d79ap-27,  -0x1.5c0726d67f646p-23,
                                                0x1.b97fd3cfba5dap-20,  -0x1.f4ca4d6d8d643p-17, 0x1.f9a2baa8d4f93p-14,
                                                -0x1.c02db03dd4b49p-11, 0x1.565bccf92b1acp-8,   -0x1.b82ce311fa931p-6,
                                                0x1.ce2f21a040d16p-4,   -0x1.812746b0379bdp-2,  0x1.06eba8214db68p-3};

    /// -log(1 - erf(x)), 1 <= x <= 6: 2^-57.0
    static constexpr double error_function_tail[] = {
        0x1.5ad949e22f3dfp-38,  -0x1.c1b9dcccaf171p-33, 0x1.0e612bbdeb9e6p-28,  -0x1.8ecbf1045c121p-25,
        0x1.90db6b1156f00p-22,  -0x1.1eaa0ae0de01bp-19, 0x1.22d7661a51426p-17,  -0x1.7eee299426e7cp-16,
        0x1.5419e93e80ce2p-16,  0x1.1b3339e62e016p-13,  -0x1.9407d5abd4178p-11, 0x1.f63f72a0ad26ep-10,
        -0x1.ae8dfc9fcf0ccp-12, -0x1.3722a4026eab1p-6,  0x1.a4ac5e8f60d81p-4,   0x1.45f6273d24e7dp-1,
        0x1.20dd1fd6799c8p+0,   0x1.0deec6271c1bcp-21};

    /// As for float, with 12 bits of zeros.
    static constexpr double ln2_high = 0x1.62e42fefa3p-1, ln2_low = 0x1.3de6af278ece6p-42;
    static constexpr double exponential_least = -0x1.6232bdd7abcd2p+9, exponential_largest = 0x1.62e42fefa39efp+9;
    static constexpr double log2_e = 0x1.71547652b82fep+0, sqrt_half = 0x1.6a09e667f3bcdp-1;
    static constexpr double hyperbolic_tangent_end = 0.625;
    static constexpr double error_function_end = 6;
};

}  // namespace gacc::detail
