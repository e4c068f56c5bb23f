#include <gacc/optim/groups.hpp>

#include <gacc/optim/adam.hpp>
#include <gacc/optim/adamw.hpp>
#include <gacc/optim/sgd.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace groups_test {

using namespace gacc::test;
using gacc::Adam;
using gacc::AdamW;
using gacc::GroupOptions;
using gacc::SGD;
using gacc::vectors;

namespace {

/// One of the four parameters: "0.weight", "0.bias", "1.weight", "1.bias".
auto named(const std::string& name) {
    return [name](const auto& parameter) { return parameter.name() == name; };
}

}  // namespace

TEST_CASE("Groups: vectors are the parameters of one size") {
    GivenGradients<float> subject;
    std::vector<bool> are;
    for (const auto& parameter : subject.parameters) { are.push_back(vectors(parameter)); }
    CHECK(are == std::vector{false, true, false, true});
}

TEST_CASE_TEMPLATE("Groups: each parameter is updated with the options of its group", Optimizer, SGD<double>,
                   AdamW<double>) {
    GivenGradients<double> subject, plain, fast, still;
    Optimizer optimizer(subject.parameters, {.learning_rate = 0.125, .weight_decay = 0.5}),
        of_plain(plain.parameters, {.learning_rate = 0.125, .weight_decay = 0.5}),
        of_fast(fast.parameters, {.learning_rate = 0.25, .weight_decay = 0.5}),
        of_still(still.parameters, {.learning_rate = 0, .weight_decay = 0});
    optimizer.group(named("1.weight"), {.learning_rate = 0.25});
    optimizer.group(named("1.bias"), {.learning_rate = 0, .weight_decay = 0});
    for (auto* each : {&subject, &plain, &fast, &still}) { each->set_values(1); }
    for (const double grad : {4.0, -1.0, 0.5}) {
        for (auto* each : {&subject, &plain, &fast, &still}) { each->give_constant(1, grad); }
        for (auto* each : {&optimizer, &of_plain, &of_fast, &of_still}) { each->step(); }
        CHECK(subject.value(0) == plain.value());
        CHECK(subject.value(1) == plain.value());
        CHECK(subject.value(2) == fast.value());
        CHECK(subject.value(3) == 1);
    }
    CHECK(plain.value() != fast.value());
}

TEST_CASE("Groups: no decay on vectors is one line") {
    GivenGradients<double> subject;
    subject.set_values(1);
    AdamW<double> adamw(subject.parameters, {.learning_rate = 0.25, .weight_decay = 0.5});
    adamw.group(vectors, {.weight_decay = 0});
    subject.give_constant(1, 0);
    adamw.step();
    CHECK(subject.value(0) == 0.875);
    CHECK(subject.value(1) == 1);
    CHECK(subject.value(2) == 0.875);
    CHECK(subject.value(3) == 1);
}

TEST_CASE("Groups: all parameters are clipped together") {
    GivenGradients<double> subject;
    subject.set_values(0);
    SGD<double> sgd(subject.parameters, {.learning_rate = 1, .clip_norm = 0.5});
    sgd.group(vectors, {.learning_rate = 2});
    subject.give_constant(1, 3);
    sgd.step();
    const double count = 5 * 3 + 5 + 2 * 5 + 2;
    CHECK(subject.value(0) == doctest::Approx(-0.5 / std::sqrt(count)).epsilon(1e-14));
    CHECK(subject.value(1) == doctest::Approx(-1 / std::sqrt(count)).epsilon(1e-14));
}

TEST_CASE("Groups: the learning rate of a group changes in proportion, and comes back to the bit") {
    GivenGradients<double> subject;
    subject.set_values(1);
    SGD<double> sgd(subject.parameters, {.learning_rate = 0.3});
    sgd.group(named("0.bias"), {.learning_rate = 0.9});
    sgd.group(named("1.bias"), {.weight_decay = 0});
    const auto rates = [&] {
        std::vector<double> all;
        for (const auto& option : sgd.named_options()) {
            if (option.name.ends_with("learning_rate")) { all.push_back(option.value); }
        }
        return all;
    };
    CHECK(rates() == std::vector{0.3, 0.9, 0.3});  // 0.9 / 0.3 * 0.3 is another number
    sgd.set_learning_rate(0.6);
    CHECK(rates() == std::vector{0.6, 1.8, 0.6});
    sgd.set_learning_rate(0);
    CHECK(rates() == std::vector{0.0, 0.0, 0.0});
    sgd.set_learning_rate(0.7);
    sgd.set_learning_rate(0.3);
    CHECK(rates() == std::vector{0.3, 0.9, 0.3});

    sgd.set_learning_rate(0.6);
    subject.give_constant(1, 1);
    sgd.step();
    CHECK(subject.value(0) == 1 - 0.6);
    CHECK(subject.value(1) == 1 - 1.8);
    CHECK(subject.value(3) == 1 - 0.6);
}

TEST_CASE("Groups: the options have names") {
    GivenGradients<float> subject;
    const auto names = [](const auto& optimizer) {
        std::string all;
        for (const auto& option : optimizer.named_options()) { all += option.name + "\n"; }
        return all;
    };
    AdamW adamw(subject.parameters);
    adamw.group(vectors, {.weight_decay = 0});
    CHECK(names(adamw) ==
          "learning_rate\nbeta1\nbeta2\nepsilon\nweight_decay\nclip_norm\ngroup 1 learning_rate\ngroup 1 weight_decay\n");
    CHECK(adamw.named_options().back().value == 0);
    Adam adam(subject.parameters);
    adam.group(vectors, {.learning_rate = 1});
    CHECK(names(adam) == "learning_rate\nbeta1\nbeta2\nepsilon\nclip_norm\ngroup 1 learning_rate\n");
    CHECK(names(SGD(subject.parameters)) == "learning_rate\nmomentum\nnesterov\nweight_decay\nclip_norm\n");
}

TEST_CASE("Groups: what cannot be a group is refused, and nothing changes") {
    GivenGradients<float> subject;
    AdamW adamw(subject.parameters, {.learning_rate = 0.5});
    adamw.group(named("1.bias"), {.weight_decay = 0});
    const auto before = adamw.state();
    const auto none = [](const auto&) { return false; };
    CHECK_THROWS_WITH_AS(adamw.group(none, {.weight_decay = 0}),
                         "gacc: AdamW::group: expected one parameter or more, got none", gacc::UsageError);
    CHECK_THROWS_WITH_AS(adamw.group(named("0.bias"), {}),
                         "gacc: AdamW::group: expected a learning_rate or a weight_decay, got neither",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(adamw.group(vectors, {.weight_decay = 0}),
                         "gacc: AdamW::group: expected parameters that are in no group yet, got 1.bias, which is in "
                         "group 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(adamw.group(named("0.bias"), {.learning_rate = -1}),
                         "gacc: AdamW::group: expected learning_rate of 0 or more, got -1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(adamw.group(named("0.bias"), {.learning_rate = 1e39}),
                         "gacc: AdamW::group: expected learning_rate in the range of float, got 1e+39",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(adamw.group(named("0.bias"), {.weight_decay = std::nan("")}),
                         "gacc: AdamW::group: expected weight_decay of 0 or more, got nan", gacc::UsageError);
    CHECK(adamw.state() == before);

    Adam adam(subject.parameters);
    CHECK_THROWS_WITH_AS(adam.group(vectors, {.weight_decay = 0}),
                         "gacc: Adam::group: expected no weight_decay, which Adam has not", gacc::UsageError);
    adam.set_learning_rate(0);
    CHECK_THROWS_WITH_AS(adam.group(vectors, {.learning_rate = 1}),
                         "gacc: Adam::group: expected a learning rate of the optimizer above 0, with which the group's "
                         "shall change in proportion, got 0; call set_learning_rate() before",
                         gacc::UsageError);
}

TEST_CASE("Groups: a learning rate that puts a group's out of range is refused, and the old ones stay") {
    GivenGradients<float> subject;
    SGD sgd(subject.parameters, {.learning_rate = 1});
    sgd.group(vectors, {.learning_rate = 1e20});
    const auto before = sgd.state();
    CHECK_THROWS_WITH_AS(sgd.set_learning_rate(1e20),
                         "gacc: SGD: expected learning_rate of group 1 in the range of float, got 1e+40",
                         gacc::UsageError);
    CHECK(sgd.state() == before);
}

TEST_CASE("Groups: a group's first step of Adam that overflows is refused before anything changes") {
    GivenGradients<float> subject;
    subject.set_values(1);
    Adam adam(subject.parameters);
    adam.group(named("1.bias"), {.learning_rate = 1e38});
    subject.give_constant(1, 1);
    CHECK_THROWS_WITH_AS(adam.step(),
                         "gacc: Adam::step: expected learning_rate / (1 - beta1^1) in the range of float, got 1e+39; "
                         "nothing has changed; set a smaller learning rate",
                         gacc::UsageError);
    CHECK(subject.value() == 1);
}

TEST_CASE("Groups: their options are part of the state") {
    GivenGradients<float> subject;
    const auto make = [&](double rate, double decay) {
        AdamW adamw(subject.parameters, {.learning_rate = rate});
        adamw.group(named("0.bias"), {.learning_rate = 2 * rate});
        adamw.group(named("1.bias"), {.weight_decay = decay});
        return adamw;
    };
    auto adamw = make(0.5, 0.25), other = make(0.125, 0.75);
    adamw.set_learning_rate(3);
    CHECK(adamw.state().size() == 1 + 6 + 4 + 2 * 3);
    other.set_state(adamw.state());
    CHECK(other.state() == adamw.state());
    std::vector<double> values;
    for (const auto& option : other.named_options()) { values.push_back(option.value); }
    values.erase(values.begin(), values.begin() + 6);
    CHECK(values == std::vector{6.0, 0.01, 3.0, 0.25});
    other.set_learning_rate(0.5);
    CHECK(other.named_options()[6].value == 1);
}

TEST_CASE("Groups: without any, the state is as it was before there were groups") {
    GivenGradients<float> subject;
    CHECK(Adam(subject.parameters).state().size() == 6);
}

TEST_CASE("Groups: the state of other groups, or of none, is refused, and nothing changes") {
    GivenGradients<float> subject;
    AdamW none(subject.parameters), biases(subject.parameters), one(subject.parameters);
    biases.group(vectors, {.weight_decay = 0});
    one.group(named("1.bias"), {.weight_decay = 0.5});
    const auto before = one.state();
    CHECK_THROWS_WITH_AS(one.set_state(biases.state()),
                         "gacc: AdamW: expected 0.bias in group 0, got it in group 1; make the groups as they were "
                         "when the state was saved",
                         gacc::DataError);
    CHECK_THROWS_WITH_AS(one.set_state(none.state()), "gacc: AdamW: expected the state of AdamW, got other words",
                         gacc::DataError);
    const auto refuses = [&](std::size_t from_the_end, double number, const char* text) {
        auto words = before;
        words[words.size() - from_the_end] = gacc::detail::word(number);
        CHECK_THROWS_WITH(one.set_state(words), text);
    };
    const char* rate = "gacc: AdamW: expected the state of a group's learning rate, got other words";
    refuses(3, -1, rate);
    refuses(2, 0, rate);
    refuses(2, std::nan(""), rate);
    refuses(3, 1e300, "gacc: AdamW: expected learning_rate of group 1 in the range of float, got 1e+297");
    refuses(1, -1, "gacc: AdamW: expected weight_decay of group 1 of 0 or more, got -1");
    CHECK(one.state() == before);
}

}  // namespace groups_test
