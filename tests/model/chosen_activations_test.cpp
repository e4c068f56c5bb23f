#include <gacc/model/chosen_activations.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace chosen_activations_test {

using gacc::Activation;
using gacc::detail::can_be_chosen;

namespace {

/// A sum after the second value also reads the first, so the second is no boundary.
const std::vector<Activation> of_the_model{
    {.width = 3}, {.width = 4, .boundary = false}, {.width = 3, .rows = 2}, {.width = 2}};

std::vector<Activation> kept(const std::vector<bool>& which) {
    auto all = of_the_model;
    for (std::size_t i = 0; i < all.size(); ++i) { all[i].kept = which[i]; }
    return all;
}

}  // namespace

TEST_CASE("chosen activations: what is dropped begins after a boundary and ends before one") {
    CHECK(can_be_chosen(kept({true, true, true, true}), of_the_model));
    CHECK(can_be_chosen(kept({true, false, true, true}), of_the_model));
    CHECK(can_be_chosen(kept({true, false, false, true}), of_the_model));
    CHECK(can_be_chosen(kept({false, false, false, true}), of_the_model));
    CHECK_FALSE(can_be_chosen(kept({false, true, true, true}), of_the_model));
    CHECK_FALSE(can_be_chosen(kept({true, true, false, true}), of_the_model));
    CHECK_FALSE(can_be_chosen(kept({true, true, true, false}), of_the_model));  // the outputs
}

TEST_CASE("chosen activations: they are those of the model") {
    auto others = of_the_model;
    others[1].width = 5;
    CHECK_FALSE(can_be_chosen(others, of_the_model));
    others = of_the_model;
    others[2].rows = 1;
    CHECK_FALSE(can_be_chosen(others, of_the_model));
    others = of_the_model;
    others.pop_back();
    CHECK_FALSE(can_be_chosen(others, of_the_model));
}

}  // namespace chosen_activations_test
