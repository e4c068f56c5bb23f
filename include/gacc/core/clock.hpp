#pragma once

#include <gacc/core/abi.hpp>

#include <thread>

namespace gacc::inline GACC_ABI::detail {

/// <thread> brings the clocks. <chrono> would add calendars and time zones, which cost a user's compiler more than most
/// of gacc's headers.
using Clock = std::chrono::steady_clock;
using WallClock = std::chrono::system_clock;

}  // namespace gacc::detail
