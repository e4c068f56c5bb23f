#include <gacc/model/operation.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace operation_test {

using gacc::LayerPlan;
using gacc::detail::Value;
using Operation = gacc::detail::Operation<float>;
using gacc::detail::OperationKind;

namespace {

/// An elementwise layer that makes value 2 from value 1.
Operation elementwise() {
    Operation operation{.kind = OperationKind::layer};
    operation.plan.reads_x = false;
    operation.plan.elementwise = true;
    operation.inputs = {1};
    operation.output = 2;
    return operation;
}

const LayerPlan puts{.y = {}, .overwrites_x = true, .puts_tiles = true};

}  // namespace

TEST_CASE("Operation: it is in place if its output lies in the activation of its input, which is not the model's") {
    const std::vector<Value> together(3);
    std::vector<Value> apart = together;
    apart[2].slot = 1;
    CHECK(elementwise().in_place(together));
    CHECK_FALSE(elementwise().in_place(apart));
    Operation first = elementwise();
    first.inputs = {0};
    CHECK_FALSE(first.in_place(together));
}

TEST_CASE("Operation: only an elementwise layer in place that does not read x takes tiles, from one that puts them over x") {
    const std::vector<Value> values(3);
    CHECK(elementwise().takes_tiles_of(puts, values));
    CHECK_FALSE(elementwise().takes_tiles_of({.y = {}, .overwrites_x = true}, values));
    CHECK_FALSE(elementwise().takes_tiles_of({.y = {}, .puts_tiles = true}, values));
    for (const int what : {0, 1, 2}) {
        Operation other = elementwise();
        if (what == 0) { other.kind = OperationKind::sum; }
        if (what == 1) { other.plan.reads_x = true; }
        if (what == 2) { other.plan.elementwise = false; }
        CHECK_FALSE(other.takes_tiles_of(puts, values));
    }
    std::vector<Value> apart = values;
    apart[2].slot = 1;
    CHECK_FALSE(elementwise().takes_tiles_of(puts, apart));
}

}  // namespace operation_test
