#pragma once

#include <gacc/core/abi.hpp>

namespace gacc::inline GACC_ABI {

/// How an optimizer keeps its moments from step to step.
enum class MomentFormat {
    full,      ///< as the parameters: 4 bytes for each, or 8 for double
    bfloat16,  ///< 2 bytes for each, rounded at random to one of the two numbers beside it. For float only
};

}  // namespace gacc
