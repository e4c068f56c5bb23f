#include <gacc/core/buffer.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace memory_test {

using gacc::Buffer;
using gacc::memory::Kind;

TEST_CASE("memory: a buffer's bytes are counted under its kind while it lives, wherever it moves") {
    const auto before = gacc::memory::live();
    {
        Buffer<double> moments(10, Kind::moments);
        CHECK(gacc::memory::live()[Kind::moments] == before[Kind::moments] + 80);
        Buffer<double> copy(moments);
        CHECK(gacc::memory::live()[Kind::moments] == before[Kind::moments] + 160);
        const Buffer<double> moved(std::move(copy));
        CHECK(gacc::memory::live()[Kind::moments] == before[Kind::moments] + 160);
        moments = Buffer<double>(3, Kind::scratch);
        CHECK(gacc::memory::live()[Kind::moments] == before[Kind::moments] + 80);
        CHECK(gacc::memory::live()[Kind::scratch] == before[Kind::scratch] + 24);
    }
    CHECK(gacc::memory::live() == before);
}

TEST_CASE("memory: a buffer that was assigned to is of the other's kind when it grows") {
    const auto before = gacc::memory::live();
    Buffer<double> buffer(3, Kind::data);
    buffer = Buffer<double>(Kind::scratch);
    buffer.reserve(5);
    CHECK(gacc::memory::live()[Kind::scratch] == before[Kind::scratch] + 40);
    CHECK(gacc::memory::live()[Kind::data] == before[Kind::data]);
}

TEST_CASE("memory: peaks are of each kind and of all at once, and start anew when told") {
    gacc::memory::forget_peak();
    const auto start = gacc::memory::peak();
    const std::size_t total = gacc::memory::peak_total();
    CHECK(start == gacc::memory::live());
    CHECK(total == start.total());
    { const Buffer<float> a(100, Kind::staging); }
    { const Buffer<float> b(50, Kind::scratch); }
    CHECK(gacc::memory::peak()[Kind::staging] == start[Kind::staging] + 400);
    CHECK(gacc::memory::peak()[Kind::scratch] == start[Kind::scratch] + 200);
    CHECK(gacc::memory::peak_total() == total + 400);
    gacc::memory::forget_peak();
    CHECK(gacc::memory::peak() == start);
}

TEST_CASE("memory: a buffer that grows gives back the old block before it takes the new one") {
    Buffer<float> buffer(100, Kind::activations);
    gacc::memory::forget_peak();
    const std::size_t before = gacc::memory::peak_total();
    buffer.reserve(150);
    CHECK(gacc::memory::peak_total() == before + 200);
    CHECK(gacc::memory::live()[Kind::activations] >= 600);
}

TEST_CASE("memory: the report is a table of the kinds in use") {
    const Buffer<float> buffer(1'000'000, Kind::moments);
    const std::string report = gacc::memory::report();
    CHECK(report.starts_with("bytes of                       now         at most\n"));
    CHECK(report.find("\nmoments               ") != std::string::npos);
    CHECK(report.find("\nall at once") != std::string::npos);
}

TEST_CASE("Bytes: a total that cannot be counted is the largest one, not a small one") {
    gacc::memory::Bytes bytes;
    bytes[gacc::memory::Kind::parameters] = SIZE_MAX - 10;
    bytes[gacc::memory::Kind::data] = 20;
    CHECK(bytes.total() == SIZE_MAX);
    bytes[gacc::memory::Kind::data] = 10;
    CHECK(bytes.total() == SIZE_MAX);
    bytes[gacc::memory::Kind::data] = 9;
    CHECK(bytes.total() == SIZE_MAX - 1);
}

}  // namespace memory_test
