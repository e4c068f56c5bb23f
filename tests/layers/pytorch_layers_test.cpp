#include "layers/pytorch_layers.hpp"

#include <gacc/layers/average_pool2d.hpp>
#include <gacc/layers/batch_norm.hpp>
#include <gacc/layers/conv1d.hpp>
#include <gacc/layers/conv2d.hpp>
#include <gacc/layers/conv_transpose2d.hpp>
#include <gacc/layers/dot_product_attention.hpp>
#include <gacc/layers/elu.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/global_average_pool.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/leaky_relu.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/max_pool2d.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/layers/rms_norm.hpp>
#include <gacc/layers/sigmoid.hpp>
#include <gacc/layers/silu.hpp>
#include <gacc/layers/softplus.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/layers/upsample.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pytorch_layers_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;

namespace {

using Made = std::unique_ptr<gacc::Layer<double>>;

/// Null if it is no pooling layer.
Made made_pool(const std::string& name) {
    using Max = gacc::MaxPool2d<double>;
    using Average = gacc::AveragePool2d<double>;
    if (name == "MaxPool2d(2)") { return std::make_unique<Max>(2); }
    if (name == "MaxPool2d(3, stride 2, padding 1)") {
        return std::make_unique<Max>(3, gacc::MaxPool2dOptions{.stride = 2, .padding = 1});
    }
    if (name == "MaxPool2d(2 x 3, stride 1 x 2, padding 0 x 1)") {
        return std::make_unique<Max>(gacc::Size2d(2, 3), gacc::MaxPool2dOptions{.stride = {1, 2}, .padding = {0, 1}});
    }
    if (name == "AveragePool2d(2)") { return std::make_unique<Average>(2); }
    if (name == "AveragePool2d(3, stride 2, padding 1)") {
        return std::make_unique<Average>(3, gacc::AveragePool2dOptions{.stride = 2, .padding = 1});
    }
    if (name == "AveragePool2d without padding") {
        return std::make_unique<Average>(
            gacc::Size2d(3, 2), gacc::AveragePool2dOptions{.stride = 2, .padding = {1, 0}, .count_padding = false});
    }
    if (name == "GlobalAveragePool") { return std::make_unique<gacc::GlobalAveragePool<double>>(); }
    if (name == "Upsample(2 x 3)") { return std::make_unique<gacc::Upsample<double>>(gacc::Size2d(2, 3)); }
    return nullptr;
}

template <class Options>
struct ConvolutionCase {
    Index in, out;
    Options options;
};
const ConvolutionCase<gacc::Conv2dOptions> convolutions[] = {
    {3, 4, {.kernel = 3}},
    {2, 3, {.kernel = 3, .padding = 1}},
    {1, 17, {.kernel = 3, .padding = 1}},
    {17, 3, {.kernel = 1}},
    {2, 3, {.kernel = 1, .stride = 2}},
    {3, 2, {.kernel = {3, 2}, .padding = {0, 1}}},
    {2, 2, {.kernel = 5, .stride = 2, .padding = 2}},
    {2, 3, {.kernel = 3, .stride = {2, 3}, .padding = {1, 2}}},
    {2, 2, {.kernel = {3, 2}, .padding = {2, 1}, .dilation = {2, 3}}},
    {2, 2, {.kernel = 3, .stride = {2, 3}, .padding = {3, 2}, .dilation = 2}},
    {6, 4, {.kernel = 3, .padding = 1, .groups = 2}},
    {10, 10, {.kernel = 3, .stride = {1, 2}, .padding = 1, .groups = 10}},
    {3, 6, {.kernel = 2, .groups = 3}},
};

const ConvolutionCase<gacc::ConvTranspose2dOptions> transposed[] = {
    {2, 3, {.kernel = 3}},
    {3, 2, {.kernel = 2, .stride = 2}},
    {1, 17, {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1}},
    {17, 3, {.kernel = 1}},
    {3, 2, {.kernel = 1, .stride = {2, 3}}},
    {2, 2, {.kernel = {3, 2}, .stride = {1, 3}, .padding = {2, 0}, .output_padding = {0, 2}}},
    {2, 2, {.kernel = {3, 2}, .padding = {1, 0}, .dilation = {2, 3}}},
    {2, 3, {.kernel = {2, 3}, .stride = {1, 2}, .padding = {0, 3}, .output_padding = {2, 1}, .dilation = {3, 2}}},
    {6, 4, {.kernel = 3, .stride = {2, 1}, .padding = 1, .groups = 2}},
    {10, 10, {.kernel = 4, .stride = 2, .padding = 1, .groups = 10}},
    {3, 6, {.kernel = 2, .groups = 3}},
};
const ConvolutionCase<gacc::Conv1dOptions> of_sequences[] = {
    {3, 4, {.kernel = 3}},
    {2, 17, {.kernel = 4, .padding = 2}},
    {17, 3, {.kernel = 1, .stride = 2}},
    {2, 3, {.kernel = 3, .stride = 2, .padding = 3, .dilation = 2}},
    {6, 4, {.kernel = 2, .groups = 2}},
    {10, 10, {.kernel = 3, .padding = 1, .groups = 10}},
};

/// Null if none of the cases has this name.
template <class Convolution>
Made made_of(const auto& cases, const std::string& name, bool bias) {
    for (auto each : cases) {
        each.options.bias = bias;
        auto layer = std::make_unique<Convolution>(each.in, each.out, each.options);
        if (layer->description() == name) { return layer; }
    }
    return nullptr;
}
Made made_convolution(const std::string& name, bool bias) {
    if (Made layer = made_of<gacc::Conv2d<double>>(convolutions, name, bias)) { return layer; }
    if (Made layer = made_of<gacc::ConvTranspose2d<double>>(transposed, name, bias)) { return layer; }
    return made_of<gacc::Conv1d<double>>(of_sequences, name, bias);
}

/// Null if none of the cases has this name.
Made made_attention(const std::string& name) {
    const bool padded = name.ends_with(" padded");
    for (const auto& [width, heads] : {std::pair<Index, Index>{3, 1}, {4, 2}, {6, 2}, {20, 2}, {12, 3}}) {
        for (const bool causal : {true, false}) {
            for (const Index rotary_positions : {0, 18}) {
                if (width / heads % 2 != 0 && rotary_positions > 0) { continue; }
                auto layer = std::make_unique<gacc::DotProductAttention<double>>(
                    width, gacc::DotProductAttentionOptions{.heads = heads,
                                                            .causal = causal,
                                                            .rotary_positions = rotary_positions,
                                                            .padding_token = padded ? 0 : -1});
                const char* end = padded ? " padded" : rotary_positions > 0 ? " rotary" : "";
                if (layer->description() + end == name) { return layer; }
            }
        }
    }
    return nullptr;
}

Made made(const PyTorchLayer& theirs, const Shape& shape) {
    const std::string name = theirs.layer;
    if (Made layer = made_attention(name)) { return layer; }
    const auto& values = theirs.values;
    if (Made layer = made_convolution(name, values.size() == 2)) { return layer; }
    if (name == "FrozenBatchNorm") {
        return std::make_unique<gacc::FrozenBatchNorm<double>>(values[0], values[1], values[2], values[3]);
    }
    const Index features = shape.back();
    if (name == "Tanh") { return std::make_unique<gacc::Tanh<double>>(); }
    if (name == "Sigmoid") { return std::make_unique<gacc::Sigmoid<double>>(); }
    if (name == "LeakyReLU") { return std::make_unique<gacc::LeakyReLU<double>>(gacc::LeakyReLUOptions{0.2}); }
    if (name == "ELU") { return std::make_unique<gacc::ELU<double>>(gacc::ELUOptions{0.7}); }
    if (name == "GELU") { return std::make_unique<gacc::GELU<double>>(); }
    if (name == "GELU(tanh)") {
        return std::make_unique<gacc::GELU<double>>(gacc::GELUOptions{gacc::Approximation::tanh});
    }
    if (name == "SiLU") { return std::make_unique<gacc::SiLU<double>>(); }
    if (name == "Softplus") { return std::make_unique<gacc::Softplus<double>>(); }
    if (name == "ReLU") { return std::make_unique<gacc::ReLU<double>>(); }
    if (name == "Linear") { return std::make_unique<gacc::Linear<double>>(features, 3); }
    if (name == "Linear without bias") {
        return std::make_unique<gacc::Linear<double>>(features, 3, gacc::LinearOptions{.bias = false});
    }
    if (name == "LayerNorm") { return std::make_unique<gacc::LayerNorm<double>>(features); }
    if (name == "RMSNorm") { return std::make_unique<gacc::RMSNorm<double>>(features); }
    if (name == "GroupNorm") { return std::make_unique<gacc::GroupNorm<double>>(shape.size() == 1 ? 3 : 2, features); }
    if (name == "PositionEmbedding") { return std::make_unique<gacc::PositionEmbedding<double>>(4, features); }
    if (name == "Embedding") { return std::make_unique<gacc::Embedding<double>>(6, 4); }
    if (Made pool = made_pool(name)) { return pool; }
    REQUIRE(name == "Flatten");
    return std::make_unique<gacc::Flatten<double>>();
}

Matrix<double> rows_of_numbers(const std::vector<double>& numbers, Index columns) {
    return gacc::ConstMatrixView<double>(numbers.data(), static_cast<Index>(numbers.size()) / columns, columns);
}

/// Some units in the last place of the largest element; what an error would change is above 1 %.
void check_same(const Matrix<double>& ours, const Matrix<double>& theirs) {
    CHECK((ours - theirs).cwiseAbs().maxCoeff() <= 1e-12 * theirs.cwiseAbs().maxCoeff());
}

}  // namespace

TEST_CASE("Layers: outputs and gradients are those of PyTorch in double") {
    CHECK(pytorch_layers.size() == 103);
    for (const PyTorchLayer& theirs : pytorch_layers) {
        CAPTURE(theirs.layer);
        const Shape shape(theirs.shape.begin(), theirs.shape.end());
        CAPTURE(gacc::to_string(shape));
        const Made layer = made(theirs, shape);
        const auto parameters = layer->parameters();
        REQUIRE(parameters.size() == theirs.grads.size());
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            parameters[i]->set_value(rows_of_numbers(theirs.values[i], parameters[i]->cols()));
        }
        const Index columns = layer->plan(shape).y.back();
        const auto x = rows_of_numbers(theirs.x, shape.back()), grad_y = rows_of_numbers(theirs.grad_y, columns);
        Matrix<double> tokens;
        if (layer->plan(shape).reads_tokens) { tokens = rows_of_numbers(theirs.values[0], shape[0]); }
        check_same(forward(*layer, x, shape, {}, tokens), rows_of_numbers(theirs.y, columns));
        const auto grad_x = backward(*layer, x, grad_y, shape, {}, tokens);
        if (!theirs.grad_x.empty()) { check_same(grad_x, rows_of_numbers(theirs.grad_x, shape.back())); }
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            check_same(parameters[i]->grad(), rows_of_numbers(theirs.grads[i], parameters[i]->cols()));
        }
    }
}

}  // namespace pytorch_layers_test
