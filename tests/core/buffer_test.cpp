#include <gacc/core/buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <new>
#include <utility>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#include <psapi.h>
#endif

namespace buffer_test {

using gacc::Buffer;
using gacc::Index;

namespace {

Buffer<float> one_two_three() {
    Buffer<float> buffer(3);
    for (Index i = 0; i < 3; ++i) { buffer[i] = static_cast<float>(i + 1); }
    return buffer;
}

bool holds_one_two_three(const Buffer<float>& buffer) {
    return std::ranges::equal(buffer.span(), std::array{1.0F, 2.0F, 3.0F});
}

}  // namespace

TEST_CASE("Buffer: without a size it is empty") {
    const Buffer<float> buffer;
    CHECK(buffer.size() == 0);
    CHECK(buffer.data() == nullptr);
    CHECK(buffer.span().empty());
}

TEST_CASE("Buffer: is zero when made, also where other numbers lay before") {
    std::ranges::fill(Buffer<double>(1000).span(), 7.0);
    const Buffer<double> buffer(1000);
    CHECK(buffer.size() == 1000);
    CHECK(std::ranges::count(buffer.span(), 0.0) == 1000);
}

TEST_CASE_TEMPLATE("Buffer: starts on a cache line, whatever its size", Scalar, std::uint8_t, float, double) {
    for (Index size = 0; size < 40; ++size) {
        const Buffer<Scalar> buffer(size);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
    }
}

#if defined(__linux__) || defined(_WIN32)  // other systems have no simple way to ask
TEST_CASE("Buffer: a large one is the process's only as long as it lives") {
    const auto resident = []() -> std::size_t {
#ifdef _WIN32
        PROCESS_MEMORY_COUNTERS counters{};
        ::K32GetProcessMemoryInfo(::GetCurrentProcess(), &counters, sizeof counters);
        return counters.PagefileUsage;  // includes memory that the system has moved to the disk
#else
        std::ifstream status("/proc/self/statm");
        std::size_t pages = 0;
        status >> pages >> pages;
        return pages * 4096;
#endif
    };
    constexpr std::size_t large = std::size_t{64} << 20;
    const std::size_t before = resident();
    REQUIRE(before > 0);
    {
        const Buffer<float> first(Index{large} / 4), second(Index{large} / 4);
        CHECK(resident() >= before + 2 * large);
        CHECK(std::ranges::count(second.span(), 0.0F) == second.size());
    }
    CHECK(resident() < before + large / 2);
}
#endif

TEST_CASE("Buffer: a copy has numbers of its own") {
    const Buffer<float> original = one_two_three();
    Buffer<float> copy(original);
    CHECK(holds_one_two_three(copy));
    copy[0] = 9;
    CHECK(holds_one_two_three(original));
}

TEST_CASE("Buffer: assignment replaces size and numbers, also of itself") {
    const Buffer<float> original = one_two_three();
    Buffer<float> assigned(5);
    assigned = original;
    CHECK(holds_one_two_three(assigned));
    const Buffer<float>& itself = assigned;
    assigned = itself;
    CHECK(holds_one_two_three(assigned));
}

TEST_CASE("Buffer: moving hands the numbers on and leaves nothing behind") {
    Buffer<float> first = one_two_three();
    const float* numbers = first.data();

    Buffer<float> second(std::move(first));
    CHECK(second.data() == numbers);
    CHECK(first.size() == 0);  // NOLINT(bugprone-use-after-move): the test is that it is empty
    CHECK(first.data() == nullptr);

    Buffer<float> third(8);
    third = std::move(second);
    CHECK(third.data() == numbers);
    CHECK(holds_one_two_three(third));
    CHECK(second.size() == 0);  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("Buffer: first gives the front, to write to as well") {
    Buffer<float> buffer = one_two_three();
    buffer.first(2)[1] = 20;
    CHECK(buffer.first(2).size() == 2);
    CHECK(buffer[1] == 20);
    CHECK(std::as_const(buffer).first(2).data() == buffer.data());
}

TEST_CASE("Buffer: reserve keeps what is large enough and never shrinks") {
    Buffer<float> buffer = one_two_three();
    const float* numbers = buffer.data();
    buffer.reserve(3);
    buffer.reserve(1);
    CHECK(buffer.data() == numbers);
    CHECK(holds_one_two_three(buffer));
}

TEST_CASE("Buffer: reserve grows to the size asked for, of zeros") {
    Buffer<float> buffer = one_two_three();
    buffer.reserve(50);
    CHECK(buffer.size() == 50);
    CHECK(std::ranges::count(buffer.span(), 0.0F) == 50);
}

TEST_CASE("Buffer: a size that cannot be is refused as memory that is not there") {
    constexpr Index largest = std::numeric_limits<Index>::max();
    CHECK_THROWS_AS(Buffer<float>(-1), std::bad_alloc);
    CHECK_THROWS_AS(Buffer<double>(largest / 8 + 1), std::bad_alloc);  // its bytes would not fit an Index
    CHECK_THROWS_AS(Buffer<double>{largest}, std::bad_alloc);
}

TEST_CASE("Buffer: a reserve of a size that cannot be leaves it as it was") {
    Buffer<float> buffer = one_two_three();
    CHECK_THROWS_AS(buffer.reserve(std::numeric_limits<Index>::max()), std::bad_alloc);
    CHECK(holds_one_two_three(buffer));
}

}  // namespace buffer_test
