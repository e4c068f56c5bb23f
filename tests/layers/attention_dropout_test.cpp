#include <gacc/layers/attention_dropout.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace attention_dropout_test {

using gacc::Index;
using gacc::Matrix;

TEST_CASE("AttentionDropout: the masks are those of a Dropout, whose rows are queries and whose columns are keys") {
    constexpr Index width = gacc::detail::Panels<float>::width, tokens = 3 * width;
    const gacc::Where where{.seed = 5, .step = 3, .layer = 2, .first_row = 7 * tokens, .training = true};
    const Matrix<float> ones = Matrix<float>::Ones(tokens, 2 * tokens);  // two heads
    const auto mask = gacc::test::forward<float>(gacc::Dropout(0.4), ones, {}, where);
    CHECK((mask.array() == 0).any());
    for (const Index head : {0, 1}) {
        const gacc::detail::AttentionDropout<float> drop{where, head * tokens, 0.4};
        for (const Index first_query : {Index{0}, width}) {
            for (const Index first_key : {0, 1, 2, 3, 5}) {
                const Index keys = std::min<Index>(11, tokens - first_key);
                Matrix<float> factors = Matrix<float>::Constant(keys, width, 77);
                drop.factors(first_query, first_key, keys, factors.data());
                CHECK(factors == mask.block(first_query, head * tokens + first_key, width, keys).transpose());
            }
        }
    }
}

}  // namespace attention_dropout_test
