#pragma once

// GPT-2 in gacc, and its weights from and to a file as Python's transformers writes it.

#include <gacc/gacc.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/io/safetensors_file.hpp>

#include <cmath>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// The sizes of a GPT-2, with the defaults of the smallest one of 2019.
struct Gpt2Options {
    gacc::Index vocabulary = 50257, positions = 1024;
    gacc::Index layers = 12, heads = 12, width = 768;
    double epsilon = 1e-5;  ///< of the norms
};

/// A GPT-2 for `tokens` tokens at once, at most its positions. All layers but the head, which has the weights of the
/// embedding, have biases.
///
/// Shapes     samples {tokens} -> {tokens, vocabulary}
/// Source     Radford et al. 2019, "Language models are unsupervised multitask learners"
template <class Scalar = float>
gacc::Sequential<Scalar> gpt2(gacc::Index tokens, const Gpt2Options& options) {
    using namespace gacc;
    const Index width = options.width;
    const LayerNormOptions norm{.epsilon = options.epsilon};
    const double scale = 1 / std::sqrt(2 * static_cast<double>(options.layers));
    const LinearOptions in{.initialization = Initialization::gpt2};
    const LinearOptions out{.initialization = Initialization::gpt2, .initial_scale = scale};
    Sequential<Scalar> model(Input(tokens), Embedding<Scalar>(options.vocabulary, width, {.deviation = 0.02}),
                             PositionEmbedding<Scalar>(options.positions, width));
    for (Index i = 0; i < options.layers; ++i) {
        model.add(Residual(LayerNorm<Scalar>(width, norm),
                                   CausalSelfAttention<Scalar>(width, {.heads = options.heads,
                                                                       .initialization = Initialization::gpt2,
                                                                       .projection_scale = scale})));
        model.add(Residual(LayerNorm<Scalar>(width, norm), Linear<Scalar>(width, 4 * width, in),
                                   GELU<Scalar>({.approximation = Approximation::tanh}),
                                   Linear<Scalar>(4 * width, width, out)));
    }
    model.add(LayerNorm<Scalar>(width, norm));
    model.add(Linear<Scalar>(width, options.vocabulary, {.bias = false, .shares = "0.weight"}));
    return model;
}

/// Where a layer of a block is in gpt2() and in transformers.
struct Gpt2Layer {
    std::string_view own, theirs;
    gacc::Index block_part;  // 0: attention, 1: the two Linear layers
    bool transposed;         // transformers keeps weights of Linear as in_features x out_features
};
inline constexpr Gpt2Layer gpt2_layers[] = {
    {"branch.0", "ln_1", 0, false},
    {"branch.1.c_attn", "attn.c_attn", 0, true},  // queries, keys, then values, as here
    {"branch.1.c_proj", "attn.c_proj", 0, true},
    {"branch.0", "ln_2", 1, false},
    {"branch.1", "mlp.c_fc", 1, true},
    {"branch.3", "mlp.c_proj", 1, true},
};

/// A parameter in transformers.
struct Gpt2Tensor {
    std::string name;  // without "transformer."
    bool transposed;
};

/// What the parameter `own` of gpt2() is in transformers: "3.branch.1.weight" is "h.0.mlp.c_fc.weight", transposed.
inline Gpt2Tensor gpt2_tensor(const std::string& own, gacc::Index layers) {
    const auto first = own.find('.'), last = own.rfind('.');
    const gacc::Index layer = std::stol(own.substr(0, first)), end = 2 + 2 * layers;
    const std::string kind = own.substr(last);  // ".weight" or ".bias"
    if (first == last) {
        if (layer == 0) { return {"wte" + kind, false}; }
        if (layer == 1) { return {"wpe" + kind, false}; }
        if (layer == end) { return {"ln_f" + kind, false}; }
    } else if (layer >= 2 && layer < end) {
        const std::string inside = own.substr(first + 1, last - first - 1);
        for (const Gpt2Layer& each : gpt2_layers) {
            if (each.block_part == layer % 2 && each.own == inside) {
                return {"h." + std::to_string((layer - 2) / 2) + '.' + std::string(each.theirs) + kind,
                        each.transposed && kind == ".weight"};
            }
        }
    }
    throw gacc::UsageError("gpt2_tensor", "expected a parameter of a GPT-2 with " + std::to_string(layers) +
                                              " layers, got " + own);
}

/// The parameters of a GPT-2 as transformers keeps them: other names and, for Linear layers, transposed weights. They
/// have memory of their own.
template <class Scalar>
class Gpt2Tensors {
public:
    /// `prefix` is what names begin with: "transformer.", or nothing in files of a GPT2Model without a head.
    Gpt2Tensors(const gacc::Parameters<Scalar>& own, gacc::Index layers, const std::string& prefix) : own_(own) {
        for (const auto& parameter : own) {
            const Gpt2Tensor theirs = gpt2_tensor(parameter.name(), layers);
            gacc::Shape shape = parameter.shape();
            if (theirs.transposed) { shape = {shape[1], shape[0]}; }
            tensors_.emplace_back(prefix + theirs.name, shape, "GPT-2");
            transposed_.push_back(theirs.transposed);
        }
    }

    void load(const std::filesystem::path& file) {
        // Some files have the masks of the attention too, or the weights of the head once more.
        gacc::load_safetensors(file, parameters(), gacc::OtherTensors::ignore);
        for (std::size_t i = 0; i < own_.size(); ++i) { own_[i].set_value(turned(i, tensors_[i].value())); }
    }
    void save(const std::filesystem::path& file) {
        for (std::size_t i = 0; i < own_.size(); ++i) { tensors_[i].set_value(turned(i, own_[i].value())); }
        gacc::save_safetensors(file, parameters());
    }

private:
    gacc::Parameters<Scalar> parameters() {
        std::vector<gacc::Parameter<Scalar>*> all;
        for (auto& tensor : tensors_) { all.push_back(&tensor); }
        return {all, tally_};
    }
    gacc::Matrix<Scalar> turned(std::size_t i, const gacc::Matrix<Scalar>& value) const {
        return transposed_[i] ? gacc::Matrix<Scalar>(value.transpose()) : value;
    }

    gacc::Parameters<Scalar> own_;
    std::deque<gacc::Parameter<Scalar>> tensors_;
    std::vector<bool> transposed_;
    gacc::GradientTally tally_;
};

/// Sets the weights of gpt2() from a model.safetensors of transformers, with a head or without.
///
/// Throws     DataError if names or shapes differ: it says which
template <class Scalar>
void load_gpt2(const std::filesystem::path& file, gacc::Sequential<Scalar>& model, const Gpt2Options& options) {
    const bool has_head = gacc::SafetensorsFile(file).find("wte.weight") == nullptr;
    Gpt2Tensors<Scalar>(model.parameters(), options.layers, has_head ? "transformer." : "").load(file);
}

/// Writes the weights of gpt2() as a model.safetensors for GPT2LMHeadModel of transformers.
template <class Scalar>
void save_gpt2(const std::filesystem::path& file, gacc::Sequential<Scalar>& model, const Gpt2Options& options) {
    Gpt2Tensors<Scalar>(model.parameters(), options.layers, "transformer.").save(file);
}
