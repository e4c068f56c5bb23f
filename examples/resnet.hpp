#pragma once

// The network of gacc-images.

#include <gacc/gacc.hpp>

struct ResNetOptions {
    gacc::Index width = 16;   ///< channels of the first stage; the second and the third have 2 and 4 times as many
    gacc::Index blocks = 3;   ///< of a stage, with two convolutions each
    gacc::Index groups = 8;   ///< of each normalisation
    gacc::Index classes = 10;
};

/// A block: two convolutions of 3 x 3 beside the input itself. With a stride of 2 the image is halved and the channels
/// change, so a convolution of 1 x 1 brings the input to the same shape.
template <class Scalar>
gacc::Block<Scalar> residual_block(gacc::Index in, gacc::Index out, gacc::Index groups) {
    using Conv = gacc::Conv2d<Scalar>;
    using Norm = gacc::GroupNorm<Scalar>;
    const gacc::Index stride = in == out ? 1 : 2;
    const Conv first(in, out, {.stride = stride, .padding = 1, .bias = false});
    const Conv second(out, out, {.padding = 1, .bias = false});
    if (stride == 1) {
        return gacc::Residual(first, Norm(groups, out), gacc::ReLU<Scalar>(), second, Norm(groups, out));
    }
    return gacc::Residual(gacc::Shortcut(Conv(in, out, {.kernel = 1, .stride = 2, .bias = false})), first,
                          Norm(groups, out), gacc::ReLU<Scalar>(), second, Norm(groups, out));
}

/// The residual network for images of 32 x 32 x 3, with GroupNorm in place of batch normalisation, which would depend on
/// the cut. With 3 blocks a stage it is ResNet-20: 19 convolutions and a linear layer, 275,002 parameters.
///
/// Source     He et al. 2015, arXiv:1512.03385, section 4.2; Wu and He 2018, arXiv:1803.08494
template <class Scalar = float>
gacc::Sequential<Scalar> resnet(const ResNetOptions& options = {}) {
    const auto& [width, blocks, groups, classes] = options;
    gacc::Sequential<Scalar> model(gacc::Input(32, 32, 3),
                                   gacc::Conv2d<Scalar>(3, width, {.padding = 1, .bias = false}),
                                   gacc::GroupNorm<Scalar>(groups, width), gacc::ReLU<Scalar>());
    gacc::Index channels = width;
    for (const gacc::Index out : {width, 2 * width, 4 * width}) {
        for (gacc::Index block = 0; block < blocks; ++block) {
            model.add(residual_block<Scalar>(channels, out, groups));
            model.add(gacc::ReLU<Scalar>());
            channels = out;
        }
    }
    model.add(gacc::GlobalAveragePool<Scalar>());
    model.add(gacc::Linear<Scalar>(channels, classes, {.initialization = gacc::Initialization::uniform_fan_in}));
    return model;
}
