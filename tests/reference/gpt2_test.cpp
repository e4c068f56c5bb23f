// GPT-2 as in Python's transformers: examples/gpt2.hpp gives its logits with its weights, loaded from a file with its
// names and shapes, and writes such a file. FOLDER may be left out.
//
// gpt2.py, beside this file, made gpt2.json; weights and tokens come from a formula that both compute. The file with them
// stays in the folder gpt2_test, for gpt2_test.sh. FOLDER is what
// `gpt2.py make FOLDER` has filled: it is compared too, and the same models with other weights are written into the
// folders "back" of it, for `gpt2.py check FOLDER`.

#include <gacc/gacc.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/io/safetensors_file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gpt2.hpp"
#include "gpt2_config.hpp"
#include "traces.hpp"

namespace gpt2_test {
namespace {

using gacc::Index;
using reference::Json;
using reference::number;

constexpr Index samples = 2;
constexpr std::uint32_t tokens_number = 1000;
constexpr Gpt2Options small{.vocabulary = 23, .positions = 12, .layers = 2, .heads = 2, .width = 12};

template <class Scalar>
void save(const std::filesystem::path& path, std::deque<gacc::Parameter<Scalar>>& tensors) {
    std::vector<gacc::Parameter<Scalar>*> all;
    for (auto& tensor : tensors) { all.push_back(&tensor); }
    gacc::GradientTally tally;
    gacc::save_safetensors(path, gacc::Parameters<Scalar>(all, tally));
}

/// A file as transformers would save the parameters of gpt2.json.
void write_golden(const std::filesystem::path& path, const Json& parameters) {
    std::deque<gacc::Parameter<double>> tensors;
    for (std::uint32_t which = 0; which < parameters.size(); ++which) {
        const auto name = parameters[which][0].get<std::string>();
        const auto shape = parameters[which][1].get<std::vector<Index>>();
        const bool of_norm = name.find("ln_") != name.npos && name.ends_with("weight");
        Index i = 0;
        tensors.emplace_back(name, gacc::Shape(shape.begin(), shape.end()));
        tensors.back().generate([&] { return number(which, i++) + (of_norm ? 1 : 0); });
    }
    save(path, tensors);
}

template <class Scalar, class Expected>
bool same(const std::string& what, const gacc::Matrix<Scalar>& logits, double tolerance, const Expected& expected) {
    double worst = 0, largest = 0;
    for (Index i = 0; i < logits.size(); ++i) {
        const double one = expected(i);
        worst = std::max(worst, std::abs(static_cast<double>(logits.data()[i]) - one));
        largest = std::max(largest, std::abs(one));
    }
    const bool good = worst <= tolerance;
    std::printf("%s: largest difference %.1e of logits up to %.2g%s\n", what.c_str(), worst, largest,
                good ? "" : "  FAILED");
    return good;
}

/// In double, so that only the rounding of the sums differs, which is about 1e-15 of logits up to 10.
bool by_formula(const Json& golden) {
    const std::filesystem::path folder = "gpt2_test", path = folder / "model.safetensors";  // in the folder of the build
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "config.json") << Json{{"model_type", "gpt2"},
                                                  {"vocab_size", small.vocabulary},
                                                  {"n_positions", small.positions},
                                                  {"n_layer", small.layers},
                                                  {"n_head", small.heads},
                                                  {"n_embd", small.width}};
    write_golden(path, golden["parameters"]);
    auto model = gpt2<double>(small.positions, small);
    load_gpt2(path, model, small);
    gacc::Matrix<double> tokens(samples, small.positions);
    for (Index i = 0; i < tokens.size(); ++i) {
        tokens.data()[i] = std::floor((number(tokens_number, i) + 0.5) * static_cast<double>(small.vocabulary));
    }
    bool good = same("by a formula", gacc::Matrix<double>(model.predict(tokens)), 1e-12,
                     [&](Index i) { return golden["logits"][static_cast<std::size_t>(i / small.vocabulary)]
                                               [static_cast<std::size_t>(i % small.vocabulary)].get<double>(); });

    const std::filesystem::path back = folder / "back.safetensors";
    save_gpt2(back, model, small);
    const gacc::SafetensorsFile before(path), after(back);
    bool equal = before.tensors().size() == after.tensors().size();
    for (const auto& tensor : before.tensors()) {
        const auto* found = after.find(tensor.name);
        equal = equal && found != nullptr && found->shape == tensor.shape &&
                std::ranges::equal(before.bytes(tensor), after.bytes(*found));
    }
    std::printf("written again: %s\n", equal ? "the same names, shapes and bytes" : "another file  FAILED");
    std::filesystem::remove(back);
    return good && equal;
}

/// The model of a folder; then the same with other weights, for the other direction.
bool of_transformers(const std::filesystem::path& folder) {
    const Gpt2Options options = gpt2_config(folder / "config.json");
    auto model = gpt2(options.positions, options);
    load_gpt2(folder / "model.safetensors", model, options);
    const gacc::SafetensorsFile file(folder / "expected.safetensors");
    const auto given = file.tensor<std::int64_t>("tokens");
    const auto logits = file.tensor<float>("logits");
    gacc::Matrix<float> tokens(given.shape()[0], given.shape()[1]);
    for (Index i = 0; i < tokens.size(); ++i) { tokens.data()[i] = static_cast<float>(given.data()[i]); }
    const bool good = same(folder.filename().string() + ", from transformers", gacc::Matrix<float>(model.predict(tokens)),
                           1e-5, [&](Index i) { return static_cast<double>(logits.data()[i]); });

    const auto back = folder / "back";
    std::filesystem::create_directories(back);
    std::filesystem::copy_file(folder / "config.json", back / "config.json",
                               std::filesystem::copy_options::overwrite_existing);
    for (auto& parameter : model.parameters()) {
        gacc::Matrix<float> other = parameter.value();
        for (Index i = 0; i < other.size(); ++i) { other.data()[i] += 0.01F * static_cast<float>(number(7, i)); }
        parameter.set_value(other);
    }
    save_gpt2(back / "model.safetensors", model, options);
    std::deque<gacc::Parameter<float>> outputs;
    outputs.emplace_back("tokens", gacc::Shape{tokens.rows(), tokens.cols()});
    outputs.back().set_value(tokens);
    const gacc::Matrix<float> own = model.predict(tokens);
    outputs.emplace_back("logits", gacc::Shape{own.rows(), own.cols()});
    outputs.back().set_value(own);
    save(back / "expected.safetensors", outputs);
    return good;
}

}  // namespace
}  // namespace gpt2_test

int reference::gpt2(const char* golden_file, const char* folder) {
    std::ifstream stream(golden_file);
    bool good = gpt2_test::by_formula(Json::parse(stream));
    if (folder == nullptr) { return good ? 0 : 1; }
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (std::filesystem::exists(entry.path() / "config.json")) {
            good = gpt2_test::of_transformers(entry.path()) && good;
        }
    }
    return good ? 0 : 1;
}
