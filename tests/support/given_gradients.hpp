#pragma once

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace gacc::test {

/// A model whose gradients the test gives. Four tensors of different sizes: 5 x 3, 5, 2 x 5, 2.
template <class Scalar>
struct GivenGradients {
    Sequential<Scalar> model{Linear<Scalar>(3, 5), Linear<Scalar>(5, 2)};
    Parameters<Scalar> parameters = model.parameters();

    void set_values(double value) {
        for (auto& each : parameters) {
            each.set_value(Matrix<Scalar>::Constant(each.rows(), each.cols(), static_cast<Scalar>(value)));
        }
    }
    /// Sets the gradients as those of one micro-batch of one sample with this weight.
    template <class Grad>
    void give(double weight, Grad grad_of) {
        const Matrix<Scalar> x = Matrix<Scalar>::Zero(1, 3), grad_y = Matrix<Scalar>::Zero(1, 2);
        parameters.zero_grad();
        model.forward(x);
        model.backward({grad_y, std::vector<Scalar>{static_cast<Scalar>(weight)}});
        for (auto& each : parameters) { each.set_grad(grad_of(each)); }
    }
    void give_constant(double weight, double grad) {
        give(weight, [&](const auto& each) {
            return Matrix<Scalar>(Matrix<Scalar>::Constant(each.rows(), each.cols(), static_cast<Scalar>(grad)));
        });
    }
    /// The value of all elements, which must be equal.
    double value() const {
        const double first = parameters[0].value()(0, 0);
        for (const auto& each : parameters) { CHECK((each.value().array() == static_cast<Scalar>(first)).all()); }
        return first;
    }
    /// The value of all elements of one tensor, which must be equal.
    double value(std::size_t i) const {
        const double first = parameters[i].value()(0, 0);
        CHECK((parameters[i].value().array() == static_cast<Scalar>(first)).all());
        return first;
    }
};

}  // namespace gacc::test
