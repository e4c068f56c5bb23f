#include <gacc/model/workspace.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace workspace_test {

using gacc::Activation;
using gacc::Index;
using gacc::Workspace;
using gacc::detail::row_stride;

namespace {

using gacc::memory::Kind;

std::size_t held(Kind kind) { return gacc::memory::live()[kind]; }

}  // namespace

TEST_CASE("Workspace: activations have a row for each sample and a column for each feature, and do not overlap") {
    Workspace<float> workspace;
    workspace.lay_out({{3}, {1}, {2}}, {}, 4);
    CHECK(workspace.samples() == 4);
    for (std::size_t i = 0; i < 3; ++i) { workspace.activation(i, 0, 4).setConstant(static_cast<float>(i)); }
    const std::vector<Index> widths{3, 1, 2};
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(workspace.activation(i, 0, 4).rows() == 4);
        CHECK(workspace.activation(i, 0, 4).cols() == widths[i]);
        CHECK((workspace.activation(i, 0, 4).array() == static_cast<float>(i)).all());
    }
}

TEST_CASE("Workspace: the part of an activation is where those samples are") {
    Workspace<float> workspace;
    workspace.lay_out({{5}, {3}}, {}, 10);
    for (std::size_t i = 0; i < 2; ++i) {
        auto all = workspace.activation(i, 0, 10);
        CHECK(workspace.activation(i, 4, 2).data() == all.data() + 4 * all.outerStride());
    }
}

TEST_CASE("Workspace: dropped activations have room for one block, which the next dropped ones use again") {
    using Space = Workspace<float>;
    const Index samples = 3 * Space::block;
    const std::vector<Activation> activations{{4, false}, {7, false}, {5, true}, {6, false}, {2, true}};
    Space workspace;
    workspace.lay_out(activations, {}, samples);
    CHECK(Space::activation_numbers(activations, samples) ==
          samples * (row_stride<float>(5) + row_stride<float>(2)) +
              Space::block * (row_stride<float>(4) + row_stride<float>(7)));

    std::set<const float*> starts;
    for (const std::size_t i : {0U, 1U, 2U, 4U}) { starts.insert(workspace.activation(i, 0, 1).data()); }
    CHECK(starts.size() == 4);
    CHECK(workspace.activation(0, 0, 1).data() == workspace.activation(3, 0, 1).data());
    CHECK(workspace.activation(1, 2 * Space::block + 3, 1).data() == workspace.activation(1, 3, 1).data());
    CHECK(workspace.activation(2, 2 * Space::block + 3, 1).data() != workspace.activation(2, 3, 1).data());
}

TEST_CASE("Workspace: dropped activations of a block start anew, also where blocks are not full") {
    Workspace<float> workspace;
    workspace.lay_out({{4, false}, {2, true}}, {}, Workspace<float>::block + 1);
    const Index second = workspace.block_rows();
    CHECK(second < Workspace<float>::block);
    CHECK(workspace.activation(0, second, 1).data() == workspace.activation(0, 0, 1).data());
    CHECK(workspace.activation(0, second + 3, 1).data() == workspace.activation(0, 3, 1).data());
}

TEST_CASE("Workspace: blocks are nearly equal") {
    Workspace<float> workspace;
    workspace.lay_out({{1}}, {}, Workspace<float>::block + 1);
    CHECK(workspace.blocks() == 2);
    CHECK(workspace.block_rows() == Workspace<float>::block / 2 + 1);
    workspace.lay_out({{1}}, {}, 7);
    CHECK(workspace.blocks() == 1);
    CHECK(workspace.block_rows() == 7);
}

TEST_CASE("Workspace: gradients that lie one after the other do not overlap") {
    Workspace<float> workspace;
    workspace.lay_out({{3}, {1}, {2}}, {2 * row_stride<float>(3)}, 4);
    const Index before = row_stride<float>(3);
    workspace.gradient(0, {3}, 0, 4).setConstant(1);
    workspace.gradient(before, {2}, 0, 4).setConstant(2);
    CHECK((workspace.gradient(0, {3}, 0, 4).array() == 1).all());
    CHECK((workspace.gradient(before, {2}, 0, 4).array() == 2).all());
}

TEST_CASE("Workspace: a sample may have several rows, and numbers that layers keep beside it") {
    const std::vector<Activation> activations{{.width = 20, .rows = 3, .extra = 5}, {.width = 2, .rows = 3}, {.width = 4}};
    Workspace<float> workspace;
    workspace.lay_out(activations, {}, 7);
    CHECK(Workspace<float>::activation_numbers(activations, 7) == 7 * (3 * 32 + 16 + 3 * 2 + 16));
    for (std::size_t i = 0; i < 3; ++i) { workspace.activation(i, 0, 7).setConstant(static_cast<float>(i)); }
    workspace.extra(0, 0, 7).setConstant(9);
    CHECK(workspace.activation(0, 0, 7).rows() == 21);
    CHECK(workspace.extra(0, 0, 7).rows() == 7);
    CHECK(workspace.extra(0, 0, 7).cols() == 5);
    for (std::size_t i = 0; i < 3; ++i) { CHECK((workspace.activation(i, 0, 7).array() == static_cast<float>(i)).all()); }
    CHECK((workspace.extra(0, 0, 7).array() == 9).all());
    CHECK(workspace.activation(0, 2, 1).data() == workspace.activation(0, 0, 7).data() + 6 * 32);
    CHECK(workspace.activation(1, 2, 1).data() == workspace.activation(1, 0, 7).data() + 2 * 6);  // short rows: side by side
}

TEST_CASE("Workspace: holds what it says beforehand, and keeps the memory of the largest micro-batch") {
    const std::size_t activations = held(Kind::activations), scratch = held(Kind::scratch);
    Workspace<double> workspace;
    const auto bytes = [&](Index samples) {
        return sizeof(double) * static_cast<std::size_t>(Workspace<double>::activation_numbers({{3}, {5}}, samples));
    };
    workspace.lay_out({{3}, {5}}, {8}, 10);
    CHECK(held(Kind::activations) - activations == bytes(10));
    CHECK(held(Kind::scratch) - scratch ==
          sizeof(double) * static_cast<std::size_t>(Workspace<double>::gradient_numbers({{3}, {5}}, {8}, 10)));
    workspace.lay_out({{3}, {5}}, {8}, 2);
    CHECK(workspace.samples() == 2);
    CHECK(held(Kind::activations) - activations == bytes(10));
    workspace.lay_out({{3}, {5}}, {8}, 20);
    CHECK(held(Kind::activations) - activations == bytes(20));
    workspace.lay_out({{3}, {5}}, {8}, 1, 30);
    CHECK(held(Kind::activations) - activations == bytes(30));
}

TEST_CASE("Workspace: threads that take a block each have gradients of their own") {
    const auto held = [] { return gacc::memory::live()[gacc::memory::Kind::kernels]; };
    const std::size_t before = held();
    Workspace<float> workspace;
    workspace.lay_out({{3}, {5}}, {16}, 128, 0, 4);  // one block
    CHECK(workspace.threads() == 1);
    CHECK(held() == before);
    workspace.lay_out({{3}, {5}}, {16}, 300, 0, 2);  // three blocks
    CHECK(workspace.threads() == 2);
    CHECK(held() - before == sizeof(float) * 128 * 16);
    workspace.gradient(0, {3}, 0, 100, 0, 0).setConstant(1);
    workspace.gradient(0, {3}, 100, 100, 0, 1).setConstant(2);
    CHECK(workspace.gradient(0, {3}, 0, 100, 0, 0) == gacc::Matrix<float>::Constant(100, 3, 1));
    CHECK(workspace.gradient(0, {3}, 200, 100, 0, 1) == gacc::Matrix<float>::Constant(100, 3, 2));
}

TEST_CASE("Workspace: rows start on a cache line, and not a power of two apart") {
    Workspace<float> workspace;
    workspace.lay_out({{1024}, {10}}, {}, 3);
    for (std::size_t i = 0; i < 2; ++i) {
        for (Index row = 0; row < 3; ++row) {
            CHECK(reinterpret_cast<std::uintptr_t>(workspace.activation(i, row, 1).data()) % 64 == 0);
        }
    }
    CHECK(row_stride<float>(1024) == 1024 + 16);
    CHECK(row_stride<float>(10) == 16);
    CHECK(row_stride<float>(0) == 0);
}

TEST_CASE("Workspace: numbers that cannot be counted are the largest size, and no memory is an error that says so") {
    constexpr Index largest = gacc::detail::largest_size;
    using Space = Workspace<float>;
    CHECK(row_stride<float>(largest) == largest);
    CHECK(Space::activation_numbers({{largest / 4, true}, {largest / 2, true}, {largest / 2, true}}, 1) == largest);
    CHECK(Space::activation_numbers({{largest / 16, true}}, 17) == largest);
    CHECK(Space::activation_numbers({{largest / 16, false}}, 200) == largest);
    CHECK(Space::gradient_numbers({{1}}, {largest / 2}, 3) == largest);

    Space workspace;
    workspace.lay_out({{3}}, {}, 4);
    CHECK_THROWS_AS(workspace.lay_out({{largest / 16}}, {}, 17), gacc::MemoryError);
    CHECK_THROWS_AS(workspace.lay_out({{3}}, {largest / 4}, 4), gacc::MemoryError);
    if constexpr (sizeof(Index) == 8) {
        CHECK_THROWS_WITH_AS(workspace.lay_out({{100'000'016}}, {}, 1'000'000),
                             "gacc: Sequential::forward: expected memory for 400,000,064,000,000 bytes of activations, "
                             "got none; use smaller micro-batches",
                             gacc::MemoryError);
    }
}

}  // namespace workspace_test
