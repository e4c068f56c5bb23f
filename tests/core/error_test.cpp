#include <gacc/core/error.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <type_traits>

namespace error_test {

TEST_CASE("Error: the text says where and what") {
    CHECK_THROWS_WITH_AS(throw gacc::ShapeError("Linear(2 -> 3)", "expected 2 features, got 4"),
                         "gacc: Linear(2 -> 3): expected 2 features, got 4", gacc::ShapeError);
}

TEST_CASE_TEMPLATE("Error: every kind is caught as a gacc::Error and as a std::runtime_error", Kind, gacc::ShapeError,
                   gacc::UsageError, gacc::DataError, gacc::OutputError) {
    CHECK_THROWS_WITH_AS(throw Kind("place", "text"), "gacc: place: text", Kind);
    CHECK(std::is_base_of_v<gacc::Error, Kind>);
    CHECK(std::is_base_of_v<std::runtime_error, Kind>);
}

TEST_CASE("Error: the kinds are told apart") {
    CHECK_FALSE(std::is_base_of_v<gacc::ShapeError, gacc::UsageError>);
    CHECK_FALSE(std::is_base_of_v<gacc::UsageError, gacc::DataError>);
    CHECK_FALSE(std::is_base_of_v<gacc::DataError, gacc::OutputError>);
    CHECK_FALSE(std::is_base_of_v<gacc::OutputError, gacc::ShapeError>);
}

}  // namespace error_test
