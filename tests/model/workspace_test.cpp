#include <gacc/model/workspace.hpp>

#include <doctest/doctest.h>

#include <vector>

using gacc::Index;
using gacc::Workspace;

TEST_CASE("Workspace: activations have a row for each sample and a column for each feature, and do not overlap") {
    Workspace<float> workspace;
    workspace.reserve_activations({3, 1, 2}, 4);
    CHECK(workspace.samples() == 4);
    for (std::size_t i = 0; i < 3; ++i) { workspace.activation(i).setConstant(static_cast<float>(i)); }
    const std::vector<Index> widths{3, 1, 2};
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(workspace.activation(i).rows() == 4);
        CHECK(workspace.activation(i).cols() == widths[i]);
        CHECK((workspace.activation(i).array() == static_cast<float>(i)).all());
    }
}

TEST_CASE("Workspace: grad_y and grad_x of a layer do not overlap") {
    Workspace<float> workspace;
    workspace.reserve_activations({3, 1, 2}, 4);
    workspace.reserve_gradients();
    workspace.gradient(1, workspace.samples(), 3).setConstant(1);
    workspace.gradient(2, workspace.samples(), 2).setConstant(2);
    CHECK((workspace.gradient(1, workspace.samples(), 3).array() == 1).all());
    CHECK((workspace.gradient(2, workspace.samples(), 2).array() == 2).all());
}

TEST_CASE("Workspace: keeps the memory of the largest micro-batch") {
    Workspace<double> workspace;
    workspace.reserve_activations({3, 5}, 10);
    workspace.reserve_gradients();
    const std::size_t bytes = workspace.bytes();
    CHECK(bytes >= 10 * (3 + 5) * sizeof(double));
    workspace.reserve_activations({3, 5}, 2);
    workspace.reserve_gradients();
    CHECK(workspace.samples() == 2);
    CHECK(workspace.bytes() == bytes);
    workspace.reserve_activations({3, 5}, 20);
    workspace.reserve_gradients();
    CHECK(workspace.bytes() > bytes);
}
