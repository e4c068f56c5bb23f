#pragma once

// The networks of gacc-mnist.

#include <gacc/gacc.hpp>

#include <vector>

/// Linear layers with ReLU between them, down to the ten digits.
inline gacc::Sequential<float> perceptron(gacc::Index inputs, const std::vector<gacc::Index>& hidden) {
    gacc::Sequential model;
    for (const gacc::Index width : hidden) {
        model.add(gacc::Linear(inputs, width));
        model.add(gacc::ReLU());
        inputs = width;
    }
    model.add(gacc::Linear(inputs, 10));
    return model;
}

/// Two convolutions and two linear layers, as in PyTorch's example for MNIST: 1,199,882 parameters for images of 28 x 28.
///
/// Shapes     image {height, width, 1}
/// Source     github.com/pytorch/examples, mnist (without its log-softmax, which is part of the loss here)
template <class Scalar = float>
gacc::Sequential<Scalar> convolutional(const gacc::Shape& image) {
    const gacc::Index height = (image[0] - 4) / 2, width = (image[1] - 4) / 2;  // of the values behind the pooling
    constexpr auto as_pytorch = gacc::Initialization::uniform_fan_in;
    const gacc::Conv2dOptions convolution{.kernel = 3, .initialization = as_pytorch};
    const gacc::LinearOptions linear{.initialization = as_pytorch};
    return gacc::Sequential(gacc::Input(image[0], image[1], 1),
                            gacc::Conv2d<Scalar>(1, 32, convolution), gacc::ReLU<Scalar>(),
                            gacc::Conv2d<Scalar>(32, 64, convolution), gacc::ReLU<Scalar>(),
                            gacc::MaxPool2d<Scalar>(2), gacc::Dropout<Scalar>(0.25), gacc::Flatten<Scalar>(),
                            gacc::Linear<Scalar>(height * width * 64, 128, linear), gacc::ReLU<Scalar>(),
                            gacc::Dropout<Scalar>(0.5), gacc::Linear<Scalar>(128, 10, linear));
}
