#include <gacc/mpi/agreement.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>

#include <doctest/doctest.h>

#include <string>

namespace agreement_test {

using gacc::mpi::detail::Facts;

namespace {

std::string facts(std::uint64_t seed = 1, gacc::AdamOptions options = {}, gacc::Index lanes = 8, bool frozen = false,
                  bool step = false) {
    gacc::Sequential<float> model(gacc::Linear(4, 3), gacc::Linear(3, 3));
    gacc::Rng rng(seed);
    model.initialize(rng);
    if (frozen) {
        model.freeze([](const auto& parameter) { return parameter.name() == "1.bias"; });
    }
    gacc::Adam<float> adam(model.parameters(), options);
    if (step) { adam.moments()[1].stored[2] = 1; }
    return gacc::mpi::detail::facts_of(model.parameters(), adam, lanes).text();
}

}  // namespace

TEST_CASE("Facts: the same training has the same facts") {
    CHECK(facts() == facts());
    CHECK(Facts::difference(facts(), facts(), 3).empty());
}

TEST_CASE("Facts: the first difference is named, with the rank") {
    CHECK(Facts::difference(facts(), facts(1, {}, 4), 3) == "lanes 8 on rank 0 and lanes 4 on rank 3");
    CHECK(Facts::difference(facts(), facts(1, {.learning_rate = 0.25}), 2) ==
          "Adam's learning_rate 0.001 on rank 0 and Adam's learning_rate 0.25 on rank 2");
    CHECK(Facts::difference(facts(1, {.beta1 = 0.25}), facts(1, {.beta1 = 0.25 + 1e-15}), 1) ==
          "Adam's beta1 0.25 on rank 0 and Adam's beta1 0.250000000000001 on rank 1");
    CHECK(Facts::difference(facts(), facts(1, {}, 8, true), 1) == "1.bias trained on rank 0 and 1.bias frozen on rank 1");
    CHECK(Facts::difference(facts(), facts(2), 1).starts_with("0.weight of numbers with checksum "));
    CHECK(Facts::difference(facts(), facts(1, {}, 8, false, true), 1).starts_with("Adam's second_moments of numbers with"));
}

TEST_CASE("Facts: one text may be the start of the other") {
    CHECK(Facts::difference("a\t1\n", "a\t1\nb\t2\n", 1) == "nothing on rank 0 and b 2 on rank 1");
    CHECK(Facts::difference("a\t1\nb\t2\n", "a\t1\n", 1) == "b 2 on rank 0 and nothing on rank 1");
}

}  // namespace agreement_test
