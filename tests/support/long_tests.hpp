#pragma once

#include <cstdlib>

namespace gacc::test {

/// Whether tests that can be of any length run in full: the preset all sets the environment variable GACC_TEST_LONG.
inline bool long_tests() { return std::getenv("GACC_TEST_LONG") != nullptr; }

}  // namespace gacc::test
