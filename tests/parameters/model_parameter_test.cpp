#include <gacc/parameters/model_parameter.hpp>

#include <gacc/core/memory.hpp>

#include <doctest/doctest.h>

#include <string>

namespace model_parameter_test {

using gacc::Matrix;
using gacc::Parameter;
using Access = gacc::detail::ModelParameter<float>;

namespace {

template <class P>
concept CanBeChanged = requires(P& p) { p.rename("x"); } || requires(P& p) { p.freeze(); } ||
                       requires(P& p) { p.share(p); } || requires(P& p) { p.unlink(); } ||
                       requires(P& p) { p.join_grads(); };

}  // namespace

TEST_CASE("ModelParameter: others than a model cannot rename, freeze, link or join") {
    CHECK_FALSE(CanBeChanged<Parameter<float>>);
}

TEST_CASE("ModelParameter: a parameter that shares values follows a rename") {
    Parameter<float> owner("weight", {2, 3}), sharer("weight", {2, 3}, gacc::SharedValues{"0.weight"});
    Access::rename(owner, "0.weight");
    Access::share(sharer, owner);
    Access::rename(owner, "1.weight");
    CHECK(sharer.shares() == "1.weight");
    CHECK(&sharer.owner() == &owner);
    CHECK(owner.sharers() == 1);
    Access::unlink(owner);
    CHECK(owner.sharers() == 0);
}

TEST_CASE("ModelParameter: a copy has no links, and a parameter that is assigned to loses its own") {
    Parameter<float> owner("0.weight", {2, 3}), sharer("weight", {2, 3}, gacc::SharedValues{"0.weight"});
    Access::share(sharer, owner);
    CHECK(Parameter<float>(owner).sharers() == 0);
    CHECK_THROWS_AS(Parameter<float>(sharer).owner(), gacc::UsageError);
    sharer = Parameter<float>(sharer);
    CHECK_THROWS_AS(sharer.owner(), gacc::UsageError);
    owner = Parameter<float>(owner);
    CHECK(owner.sharers() == 0);
}

TEST_CASE("ModelParameter: joined gradients are in the owner's buffer, and the sharer's is empty") {
    Parameter<float> owner("0.weight", {1, 2}), sharer("weight", {1, 2}, gacc::SharedValues{"0.weight"});
    Access::share(sharer, owner);
    owner.set_grad(Matrix<float>{{1, 2}});
    sharer.set_grad(Matrix<float>{{10, 20}});
    CHECK(owner.grad() == Matrix<float>{{11, 22}});
    Access::join_grads(owner);
    CHECK(sharer.grad_is_zero());
    CHECK(owner.grad() == Matrix<float>{{11, 22}});
    Access::join_grads(owner);  // a second time adds nothing
    CHECK(owner.grad() == Matrix<float>{{11, 22}});
}

TEST_CASE("ModelParameter: a frozen parameter holds no gradients, and has them again when it is trained") {
    const auto gradients = [] { return gacc::memory::live()[gacc::memory::Kind::gradients]; };
    Parameter<float> weight("weight", {8, 8});
    const auto before = gradients();
    Access::freeze(weight);
    CHECK(weight.is_frozen());
    CHECK(gradients() < before);
    Access::unfreeze(weight);
    CHECK(gradients() == before);
    CHECK(weight.grad().isZero(0));
}

}  // namespace model_parameter_test
