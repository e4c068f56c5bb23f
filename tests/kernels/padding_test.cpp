#include <gacc/kernels/padding.hpp>

#include <doctest/doctest.h>

namespace padding_test {

using gacc::detail::Padding;

TEST_CASE("Padding: the next token that counts, or does not") {
    const float tokens[] = {3, 0, 0, 5};
    const Padding<float> padding{tokens, 0};
    CHECK(padding.is_possible());
    CHECK(padding.next(true, 0, 4) == 0);
    CHECK(padding.next(false, 0, 4) == 1);
    CHECK(padding.next(true, 1, 4) == 3);
    CHECK(padding.next(false, 3, 4) == 4);
    CHECK(padding.next(true, 1, 3) == 3);
    CHECK(padding.next(true, 4, 4) == 4);
}

TEST_CASE("Padding: without tokens all count") {
    const Padding<float> none;
    CHECK(!none.is_possible());
    CHECK(none.next(true, 2, 9) == 2);
    CHECK(none.next(false, 2, 9) == 9);
}

}  // namespace padding_test
