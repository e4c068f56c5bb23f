#include <gacc/model/layer_chain.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>

#include <doctest/doctest.h>

#include <utility>

using gacc::Linear;
using gacc::ReLU;
using Chain = gacc::detail::LayerChain<float>;

TEST_CASE("LayerChain: a ReLU after a Linear shares its activation, one after another ReLU has its own") {
    Chain chain;
    chain.add(Linear(5, 4));
    chain.add(ReLU());
    CHECK(chain.activations().size() == 1);
    chain.add(ReLU());
    CHECK(chain.activations().size() == 2);
    chain.add(Linear(4, 3));
    REQUIRE(chain.activations().size() == 3);
    CHECK(chain.activations()[1].width == 4);
    CHECK(chain.activations()[2].width == 3);
    CHECK(chain.in_features() == 5);
    CHECK(chain.out_features() == 3);
}

namespace {

struct InPlaceWithParameter : gacc::ReLU<float> {
    std::string description() const override { return "InPlaceWithParameter"; }
    std::vector<gacc::Parameter<float>*> parameters() override { return {&slope}; }
    gacc::Parameter<float> slope{"slope", {1}};
};

}  // namespace

TEST_CASE("LayerChain: an in-place layer with parameters is refused") {
    Chain chain;
    chain.add(Linear(5, 4));
    CHECK_THROWS_WITH_AS(chain.add(InPlaceWithParameter()),
                         "gacc: Sequential: expected an in-place layer without parameters, got InPlaceWithParameter",
                         gacc::UsageError);
    CHECK(chain.size() == 1);
}

TEST_CASE("LayerChain: an activation's work is that of the layers that make it") {
    Chain chain;
    chain.add(Linear(5, 4));
    chain.add(ReLU());
    chain.add(Linear(4, 3));
    CHECK(chain.activations()[0].work == 5 * 4 + 4);
    CHECK(chain.activations()[1].work == 4 * 3 + 3);
}

TEST_CASE("LayerChain: gradients need memory of their own only where they cannot lie over activations") {
    Chain chain;
    chain.add(Linear(5, 4));
    chain.add(ReLU());
    chain.add(Linear(4, 3));
    CHECK(chain.gradient_width() == 0);
    chain.add(ReLU());  // the last: nobody writes a gradient over its output
    CHECK(chain.gradient_width() == 3);
    chain.add(Linear(3, 2));
    CHECK(chain.gradient_width() == 0);
}

TEST_CASE("LayerChain: gradients apart have room for the widest of them, wherever it is") {
    Chain chain;
    for (const auto& [in, out] : {std::pair{5, 4}, std::pair{4, 9}, std::pair{9, 2}, std::pair{2, 3}}) {
        chain.add(Linear(in, out));
        chain.add(ReLU());
        chain.add(ReLU());
    }
    CHECK(chain.gradient_width() == 9);
}

TEST_CASE("LayerChain: a layer that takes fewer or more features than there are is refused, and not added") {
    Chain chain;
    chain.add(Linear(5, 4));
    CHECK_THROWS_WITH_AS(chain.add(Linear(3, 2)),
                         "gacc: Linear(3 -> 2): expected 3 features a sample, got the 4 of Linear(5 -> 4) before it",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(chain.add(Linear(6, 2)),
                         "gacc: Linear(6 -> 2): expected 6 features a sample, got the 4 of Linear(5 -> 4) before it",
                         gacc::ShapeError);
    CHECK(chain.size() == 1);
    CHECK(chain.out_features() == 4);
}
