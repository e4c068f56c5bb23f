#include <gacc/kernels/attention_head.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace attention_head_test {

using gacc::Index;
using gacc::Matrix;
using Head = gacc::detail::AttentionHead<float>;

namespace {

std::vector<std::pair<Index, Index>> blocks(const Head& head, Index last) {
    std::vector<std::pair<Index, Index>> all;
    head.for_keys(last, [&](Index first, Index keys) { all.emplace_back(first, keys); });
    return all;
}

}  // namespace

TEST_CASE("AttentionHead: blocks of keys end where the queries see no more") {
    using Blocks = std::vector<std::pair<Index, Index>>;
    constexpr Index most = Head::most_keys;
    const Head full{most + 10, 8, false, 1, {}, {}, {}}, causal{most + 10, 8, true, 1, {}, {}, {}};
    CHECK(blocks(full, 3) == Blocks{{0, most}, {most, 10}});
    CHECK(blocks(causal, 3) == Blocks{{0, 3}});
    CHECK(blocks(causal, most + 2) == Blocks{{0, most}, {most, 2}});
    CHECK(blocks(causal, most + 99) == Blocks{{0, most}, {most, 10}});
}

TEST_CASE("AttentionHead: blocks of keys end before padding, and begin after it") {
    using Blocks = std::vector<std::pair<Index, Index>>;
    constexpr Index most = Head::most_keys;
    std::vector<float> tokens(static_cast<std::size_t>(2 * most), 7);
    Head head{2 * most, 8, true, 1, {}, {}, {}, {tokens.data(), 9}};
    CHECK(blocks(head, 2 * most) == Blocks{{0, most}, {most, most}});
    for (const Index i : {Index{0}, Index{1}, Index{4}, 2 * most - 2, 2 * most - 1}) {
        tokens[static_cast<std::size_t>(i)] = 9;
    }
    CHECK(blocks(head, 2) == Blocks{});
    CHECK(blocks(head, 4) == Blocks{{2, 2}});
    CHECK(blocks(head, 5) == Blocks{{2, 2}});
    CHECK(blocks(head, 2 * most) == Blocks{{2, 2}, {5, most}, {most + 5, most - 7}});
    std::fill(tokens.begin(), tokens.end(), 9.0F);
    CHECK(blocks(head, 2 * most) == Blocks{});
}

TEST_CASE("AttentionHead: keys after the first query are hidden from some queries, if it is causal") {
    Head head{100, 8, true, 1, {}, {}, {}};
    CHECK(!head.hides(5, 0, 6));
    CHECK(head.hides(5, 0, 7));
    CHECK(head.hides(64, 64, 2));
    CHECK(!head.hides(64, 64, 1));
    head.causal = false;
    CHECK(!head.hides(0, 64, 36));
}

TEST_CASE("AttentionHead: scores are the products of keys and queries") {
    const Matrix<float> q{{1, 2}, {3, 4}, {5, 6}}, k{{1, 10}, {2, 20}, {3, 30}};
    const Head head{3, 2, false, 1, {q.data(), 2, 1}, {k.data(), 2, 1}, {}};
    std::vector<float> queries(static_cast<std::size_t>(2 * Head::width)),
        scores(static_cast<std::size_t>(2 * Head::width));
    transpose_tokens(head.q, 1, 3, 2, queries.data());
    head.multiply_keys(1, 2, queries.data(), scores.data());
    for (Index query = 0; query < std::min<Index>(2, Head::width); ++query) {
        for (Index key = 0; key < 2; ++key) {
            CHECK(scores[static_cast<std::size_t>(key * Head::width + query)] == q.row(1 + query).dot(k.row(1 + key)));
        }
    }
}

TEST_CASE("AttentionHead: tokens come back from a panel as they went in") {
    gacc::Rng rng(1);
    constexpr Index width = Head::width;
    for (const Index size : {1, 7, 16, 20, 33}) {
        const auto rows = gacc::test::random_matrix<float>(rng, 2 * width + 3, size + 2);
        for (const Index first : {Index{0}, width, 2 * width}) {
            std::vector<float> panel(static_cast<std::size_t>(size * width), 77.0F);
            gacc::detail::transpose_tokens<float>({rows.data(), size + 2, 1}, first, 2 * width + 3, size, panel.data());
            const Index count = std::min(width, 2 * width + 3 - first);
            for (Index i = count; i < width; ++i) { CHECK(panel[static_cast<std::size_t>(i)] == 0); }
            Matrix<float> back = Matrix<float>::Constant(2 * width + 3, size + 2, 77);
            gacc::detail::write_tokens<float>(panel.data(), first, 2 * width + 3, size, {back.data(), size + 2});
            CHECK(back.block(first, 0, count, size) == rows.block(first, 0, count, size));
            CHECK((back.rightCols(2).array() == 77).all());
            CHECK((back.topRows(first).array() == 77).all());
            CHECK((back.bottomRows(2 * width + 3 - first - count).array() == 77).all());
        }
    }
}

}  // namespace attention_head_test
