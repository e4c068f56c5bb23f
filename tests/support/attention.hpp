#pragma once

#include <gacc/kernels/attention_backward.hpp>
#include <gacc/kernels/attention_forward.hpp>

#include "support/gradient_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

/// One head of attention by its definition, and by the kernels.
namespace gacc::test {

/// Drops some probabilities and doubles the others.
struct DropSome {
    static constexpr bool drops = true;
    static bool is_dropped(Index query, Index key) { return (query * 5 + key * 3) % 7 < 3; }
    template <class Scalar>
    void factors(Index first_query, Index first_key, Index keys, Scalar* panel) const {
        constexpr Index width = detail::Panels<Scalar>::width;
        for (Index i = 0; i < keys * width; ++i) {
            panel[i] = is_dropped(first_query + i % width, first_key + i / width) ? Scalar(0) : Scalar(2);
        }
    }
};

/// q, k, v side by side, y and their gradients: matrices with a row for each token.
template <class Scalar>
struct AttentionNumbers {
    Matrix<Scalar> x, y, grad_y, grad_x;
    std::vector<Scalar> lse;
    std::vector<Scalar> tokens = {};  // those that are 0 are padding; empty: none is
    bool is_padding(Index key) const { return !tokens.empty() && tokens[static_cast<std::size_t>(key)] == 0; }
};

/// Some of the tokens are padding: none, the last ones, the first ones, or any, perhaps all.
template <class Scalar>
void add_padding(AttentionNumbers<Scalar>& to, Rng& rng) {
    const Index tokens = to.x.rows(), of_it = static_cast<Index>(rng.below(static_cast<std::uint64_t>(tokens) + 1));
    const std::uint64_t kind = rng.below(5);
    for (Index i = 0; i < tokens; ++i) {
        const bool is_it = kind == 1 ? i >= tokens - of_it : kind == 2 ? i < of_it : kind > 2 && rng.below(kind - 1) == 0;
        to.tokens.push_back(is_it ? Scalar(0) : Scalar(1));
    }
}

/// By the definition, in double: for each query the softmax over the keys that it sees.
template <class Scalar>
AttentionNumbers<double> defined_attention(const AttentionNumbers<Scalar>& of, bool causal, bool drops) {
    const Index tokens = of.x.rows(), size = of.x.cols() / 3;
    const Matrix<double> q = of.x.leftCols(size).template cast<double>(),
                         k = of.x.middleCols(size, size).template cast<double>(),
                         v = of.x.rightCols(size).template cast<double>(), grad_y = of.grad_y.template cast<double>();
    const double scale = 1 / std::sqrt(static_cast<double>(size));
    Matrix<double> p = scale * q * k.transpose(), factors = Matrix<double>::Ones(tokens, tokens);
    std::vector<double> lse;
    for (Index i = 0; i < tokens; ++i) {
        for (Index j = 0; j < tokens; ++j) {
            if ((causal && j > i) || of.is_padding(j)) { p(i, j) = -std::numeric_limits<double>::infinity(); }
            if (drops) { factors(i, j) = DropSome::is_dropped(i, j) ? 0 : 2; }
        }
        const double largest = p.row(i).maxCoeff();
        if (std::isinf(largest)) {  // it sees no key
            lse.push_back(0);
            p.row(i).setZero();
            continue;
        }
        lse.push_back(largest + std::log((p.row(i).array() - largest).exp().sum()));
        p.row(i) = (p.row(i).array() - lse.back()).exp();
    }
    const Matrix<double> kept = p.cwiseProduct(factors), y = kept * v;
    Matrix<double> g = (grad_y * v.transpose()).cwiseProduct(factors);
    for (Index i = 0; i < tokens; ++i) { g.row(i).array() -= grad_y.row(i).dot(y.row(i)); }
    g = scale * g.cwiseProduct(p);
    Matrix<double> grad_x(tokens, 3 * size);
    grad_x << g * k, g.transpose() * q, kept.transpose() * grad_y;
    return {of.x.template cast<double>(), y, grad_y, grad_x, lse};
}

template <class Scalar>
AttentionNumbers<Scalar> random_attention(Rng& rng, Index tokens, Index size) {
    return {random_matrix<Scalar>(rng, tokens, 3 * size, -2, 2), Matrix<Scalar>::Constant(tokens, size, 77),
            random_matrix<Scalar>(rng, tokens, size), Matrix<Scalar>::Constant(tokens, 3 * size, 77),
            std::vector<Scalar>(static_cast<std::size_t>(tokens), Scalar(77))};
}

template <class Scalar>
detail::AttentionHead<Scalar> head_of(const AttentionNumbers<Scalar>& of, bool causal) {
    const Matrix<Scalar>& x = of.x;
    const Index row = x.outerStride(), size = x.cols() / 3;
    const auto scale = static_cast<Scalar>(1 / std::sqrt(static_cast<double>(size)));
    return {x.rows(),
            size,
            causal,
            scale,
            {x.data(), row, 1},
            {x.data() + size, row, 1},
            {x.data() + 2 * size, row, 1},
            {of.tokens.empty() ? nullptr : of.tokens.data(), 0}};
}

/// Writes y and lse.
template <class Scalar, class Drop = detail::DropNothing>
void run_attention(AttentionNumbers<Scalar>& of, bool causal) {
    using Forward = detail::AttentionForward<Scalar, Drop>;
    const auto head = head_of(of, causal);
    std::vector<Scalar> scratch(static_cast<std::size_t>(Forward::scratch(head.size)),
                                std::numeric_limits<Scalar>::quiet_NaN());
    Forward{head, {of.y.data(), of.y.outerStride()}, of.lse.data()}.run(scratch.data());
}

/// Writes grad_x from y and lse. `over_x` puts it over x.
template <class Scalar, class Drop = detail::DropNothing>
void run_attention_backward(AttentionNumbers<Scalar>& of, bool causal, bool over_x = false) {
    using Backward = detail::AttentionBackward<Scalar, Drop>;
    const auto head = head_of(of, causal);
    std::vector<Scalar> scratch(static_cast<std::size_t>(Backward::scratch(head.tokens, head.size)),
                                std::numeric_limits<Scalar>::quiet_NaN());
    Scalar* to = over_x ? of.x.data() : of.grad_x.data();
    const Index row = of.x.outerStride(), of_y = of.y.outerStride();
    Backward(head, {of.y.data(), of_y, 1}, of.lse.data(), {of.grad_y.data(), of_y, 1},
             {{to, row}, {to + head.size, row}, {to + 2 * head.size, row}})
        .run(scratch.data());
    if (over_x) { of.grad_x = of.x; }
}

/// Random sizes: often just below or above a panel or a block of keys.
inline Index random_tokens(Rng& rng) {
    constexpr Index sizes[] = {1, 2, 15, 16, 17, 32, 63, 64, 65, 100, 128, 150};
    return sizes[rng.below(12)];
}

}  // namespace gacc::test
