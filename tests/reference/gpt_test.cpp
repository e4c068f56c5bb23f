// Trains a small GPT from the same first weights and on the same tokens as PyTorch did, in double, and compares the
// losses, norms of gradients and learning rates of all steps, and the weights after the last one. The folder gpt holds
// init.safetensors, end.safetensors, data.safetensors and any number of trace-*.json.

#include <gacc/gacc.hpp>
#include <gacc/io/safetensors_file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "traces.hpp"

namespace gpt_test {
namespace {

using gacc::Index;

constexpr Index vocabulary = 29, tokens = 24, width = 20, blocks = 2, batch = 8, steps = 60;

gacc::Sequential<double> network() {
    gacc::Sequential<double> model(gacc::Input(tokens), gacc::Embedding<double>(vocabulary, width),
                                   gacc::PositionEmbedding<double>(tokens, width));
    for (Index i = 0; i < blocks; ++i) { model.add(gacc::TransformerBlock<double>(width, {.heads = 2})); }
    model.add(gacc::LayerNorm<double>(width));
    model.add(gacc::Linear<double>(width, vocabulary, {.bias = false, .shares = "0.weight"}));
    return model;
}

/// A parameter's name in nanoGPT.
std::string name_in_pytorch(const std::string& name) {
    const auto dot = name.find('.'), last = name.rfind('.');
    const Index number = std::stol(name.substr(0, dot));
    const std::string inside = last > dot ? name.substr(dot + 1, last - dot - 1) : "", end = name.substr(last);
    if (number == 0) { return "transformer.wte" + end; }
    if (number == 1) { return "transformer.wpe" + end; }
    if (number == blocks + 2) { return "transformer.ln_f" + end; }
    const std::pair<const char*, const char*> parts[] = {
        {"0.branch.0", "ln_1"}, {"0.branch.1.c_attn", "attn.c_attn"}, {"0.branch.1.c_proj", "attn.c_proj"},
        {"1.branch.0", "ln_2"}, {"1.branch.1", "mlp.c_fc"},           {"1.branch.3", "mlp.c_proj"}};
    for (const auto& [own, theirs] : parts) {
        if (inside == own) { return "transformer.h." + std::to_string(number - 2) + '.' + theirs + end; }
    }
    return name;
}

gacc::Matrix<double> stored(const gacc::SafetensorsFile& file, const std::string& name, Index rows, Index cols) {
    const auto tensor = file.tensor<double>(name);
    return gacc::ConstMatrixView<double>(tensor.data(), rows, cols);
}

struct Trace {
    std::vector<double> losses, norms, rates;
    double worst_weight = 0;  // the largest difference from PyTorch's last weights, as a share of a tensor's largest
};

/// Trains with batches cut into `cuts` parts of as many sequences, whose counted tokens differ.
Trace train(const std::filesystem::path& folder, Index cuts) {
    const gacc::SafetensorsFile data(folder / "data.safetensors"), init(folder / "init.safetensors");
    const auto inputs = data.tensor<std::int64_t>("tokens"), targets = data.tensor<std::int64_t>("targets");
    const Index sequences = inputs.shape()[0];
    gacc::Matrix<double> x(sequences, tokens);
    std::vector<gacc::Label> labels;
    for (Index i = 0; i < x.size(); ++i) {
        x.data()[i] = static_cast<double>(inputs.data()[i]);
        labels.push_back(static_cast<gacc::Label>(targets.data()[i]));
    }

    auto model = network();
    for (auto& parameter : model.parameters()) {
        parameter.set_value(stored(init, name_in_pytorch(parameter.name()), parameter.rows(), parameter.cols()));
    }
    gacc::SoftmaxCrossEntropy<double> loss;
    gacc::AdamW adamw(model.parameters(), {.beta2 = 0.95, .weight_decay = 0.1, .clip_norm = 0.5});
    adamw.group(gacc::vectors, {.weight_decay = 0});
    gacc::GradientNorm<double> norm(model.parameters());
    const gacc::WarmUp schedule(10, gacc::CosineDecay(3e-3, steps - 10, 3e-4));
    Trace trace;
    for (Index step = 0; step < steps; ++step) {
        const Index first = step * batch % sequences, count = batch / cuts;
        gacc::MeanLoss mean;
        for (Index i = first; i < first + batch; i += count) {
            const auto own = std::span(labels).subspan(static_cast<std::size_t>(i * tokens),
                                                       static_cast<std::size_t>(count * tokens));
            mean.add(loss.forward(model.forward(x.middleRows(i, count)), own));
            model.backward(loss.backward());
        }
        trace.losses.push_back(mean.mean());
        trace.norms.push_back(norm() / adamw.parameters().tally().weight());
        trace.rates.push_back(schedule(adamw.steps()));
        adamw.set_learning_rate(trace.rates.back());
        adamw.step();
        adamw.zero_grad();
    }
    const gacc::SafetensorsFile end(folder / "end.safetensors");
    for (const auto& parameter : model.parameters()) {
        const auto theirs = stored(end, name_in_pytorch(parameter.name()), parameter.rows(), parameter.cols());
        const double worst = (parameter.value() - theirs).cwiseAbs().maxCoeff() / theirs.cwiseAbs().maxCoeff();
        trace.worst_weight = std::max(trace.worst_weight, worst);
    }
    return trace;
}

}  // namespace
}  // namespace gpt_test

int reference::gpt(const char* given) {
    const std::filesystem::path data = folder(given, "gpt");
    return compare_traces(data, [&](const Json& theirs) {
        const auto ours = gpt_test::train(data, theirs.at("accumulation_steps").get<gacc::Index>());
        const double losses = largest_share(ours.losses, theirs.at("losses"));
        const double norms = largest_share(ours.norms, theirs.at("grad_norms"));
        const double rates = largest_share(ours.rates, theirs.at("learning_rates"));
        std::printf("largest relative difference of losses %.1e, norms %.1e, learning rates %.1e, weights %.1e", losses,
                    norms, rates, ours.worst_weight);
        return losses <= 1e-9 && norms <= 1e-9 && rates <= 1e-15 && ours.worst_weight <= 1e-7;
    });
}
