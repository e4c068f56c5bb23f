#include <gacc/optim/packets.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <span>
#include <vector>

namespace packets_test {

using gacc::Index;

namespace {

struct Arrays {
    std::size_t number;
    Index packets;
};

}  // namespace

TEST_CASE("Packets: every packet of every parameter is taken once, whatever the threads") {
    const std::vector<Arrays> parameters{{0, 1000}, {1, 1}, {2, 0}, {3, 37}, {4, 5000}};
    const int before = gacc::threads();
    for (const int threads : {1, 2, 3, 8}) {
        gacc::set_threads(threads);
        std::vector<std::vector<std::atomic<int>>> taken;
        for (const auto& arrays : parameters) { taken.emplace_back(static_cast<std::size_t>(arrays.packets)); }
        gacc::detail::for_packets(std::span(parameters), 1000, 8, [&](const Arrays& arrays, Index first, Index last) {
            for (Index i = first; i < last; ++i) { ++taken[arrays.number][static_cast<std::size_t>(i)]; }
        });
        int others = 0;
        for (const auto& of_parameter : taken) {
            for (const auto& times : of_parameter) { others += times == 1 ? 0 : 1; }
        }
        CHECK(others == 0);
    }
    gacc::set_threads(before);
}

TEST_CASE("Packets: little work is done by one thread") {
    const std::vector<Arrays> parameters{{0, 10}, {1, 20}};
    int calls = 0;
    gacc::detail::for_packets(std::span(parameters), 1, 8, [&](const Arrays& arrays, Index first, Index last) {
        CHECK(first == 0);
        CHECK(last == arrays.packets);
        ++calls;
    });
    CHECK(calls == 2);
}

}  // namespace packets_test
