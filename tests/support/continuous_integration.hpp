#pragma once

#include <cstdlib>
#include <string_view>

namespace gacc::test {

/// Whether long tests shall run in full: the environment variable CI is "true".
inline bool in_continuous_integration() {
    const char* value = std::getenv("CI");
    return value != nullptr && std::string_view(value) == "true";
}

}  // namespace gacc::test
