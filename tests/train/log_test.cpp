#include <gacc/train/log.hpp>

#include <doctest/doctest.h>

#include <limits>

namespace log_test {

TEST_CASE("LogLine: keeps numbers by their names, in order") {
    gacc::LogLine line(7, 12.5);
    line.add("loss", 0.5).add("validation/loss", 0.25);
    CHECK(line.step() == 7);
    CHECK(line.time() == 12.5);
    CHECK(line.values().size() == 2);
    CHECK(line.values()[1].first == "validation/loss");
    CHECK(*line.value_of("loss") == 0.5);
    CHECK(line.value_of("los") == nullptr);
    CHECK(gacc::LogLine(1).time() > 1.7e9);
}

TEST_CASE("LogLine: refuses names that a file could not hold") {
    gacc::LogLine line(1);
    line.add("loss", 1);
    CHECK_THROWS_WITH_AS(line.add("a\"b", 1),
                         "gacc: LogLine::add: expected a new name of a-z, 0-9, _ and /, got \"a\"b\"", gacc::UsageError);
    for (const char* name : {"", "loss", "step", "time", "a,b", "Loss"}) { CHECK_THROWS_AS(line.add(name, 1), gacc::UsageError); }
    CHECK(line.values().size() == 1);
}

TEST_CASE("shortest: the number comes back, and what is none is empty") {
    CHECK(gacc::detail::shortest(0.1) == "0.1");
    CHECK(gacc::detail::shortest(-3) == "-3");
    CHECK(std::stod(gacc::detail::shortest(1.0 / 3)) == 1.0 / 3);
    CHECK(gacc::detail::shortest(std::numeric_limits<double>::quiet_NaN()).empty());
    CHECK(gacc::detail::shortest(-std::numeric_limits<double>::infinity()).empty());
}

}  // namespace log_test
