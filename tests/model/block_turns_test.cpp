#include <gacc/model/block_turns.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace block_turns_test {

using gacc::Index;
using gacc::detail::BlockTurns;

namespace {

/// Gives other threads time to come first.
void linger(Index block) {
    for (Index i = 0; i < 20 * (block % 4); ++i) { std::this_thread::yield(); }
}

/// The blocks in the order in which they went through each of three steps.
std::vector<std::vector<Index>> orders(BlockTurns& turns, Index blocks) {
    std::vector<std::vector<Index>> orders(3);
    turns.start(orders.size());
    turns.run(blocks, 4, [&](Index block, int) {
        for (std::size_t step = 0; step < orders.size(); ++step) {
            linger(block + static_cast<Index>(step));
            CHECK(turns.wait(step, block));
            orders[step].push_back(block);
            turns.pass(step, block);
        }
    });
    return orders;
}

std::vector<Index> in_order(Index blocks) {
    std::vector<Index> all(static_cast<std::size_t>(blocks));
    std::iota(all.begin(), all.end(), Index{0});
    return all;
}

}  // namespace

TEST_CASE("BlockTurns: blocks go through each step in order, in one run after the other") {
    BlockTurns turns;
    for (int run = 0; run < 20; ++run) {
        for (const Index blocks : {1, 2, 30}) {
            CHECK(orders(turns, blocks) == std::vector<std::vector<Index>>(3, in_order(blocks)));
        }
    }
}

TEST_CASE("BlockTurns: no two calls at one time have the same thread") {
    BlockTurns turns;
    turns.start(1);
    std::vector<std::atomic<int>> inside(3);
    turns.run(200, 3, [&](Index block, int thread) {
        CHECK(++inside[static_cast<std::size_t>(thread)] == 1);
        linger(block);
        --inside[static_cast<std::size_t>(thread)];
    });
}

TEST_CASE("BlockTurns: if a call throws, no thread waits for its block, and no further block is begun") {
    BlockTurns turns;
    turns.start(1);
    std::atomic<int> begun{0}, stopped{0};
    const auto call = [&](Index block, int) {
        ++begun;
        if (block == 2) {
            linger(3);
            throw std::runtime_error("block 2");
        }
        if (!turns.wait(0, block)) {
            ++stopped;
            return;
        }
        turns.pass(0, block);
    };
    CHECK_THROWS_WITH_AS(turns.run(1000, 3, call), "block 2", std::runtime_error);
    CHECK(begun <= 5);
    CHECK(stopped <= 2);
    CHECK(orders(turns, 10)[0] == in_order(10));
}

TEST_CASE("BlockTurns: what has been moved can be used again") {
    BlockTurns first;
    CHECK(orders(first, 4)[0] == in_order(4));
    BlockTurns second(std::move(first));
    CHECK(orders(second, 4)[0] == in_order(4));
    first = std::move(second);
    CHECK(orders(first, 4)[2] == in_order(4));
    CHECK(orders(second, 4)[2] == in_order(4));
}

}  // namespace block_turns_test
