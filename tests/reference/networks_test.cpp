// The networks of gacc-mnist and gacc-images give PyTorch's outputs when they have its weights, loaded by name.
//
// networks.py, beside this file, made networks.json. Weights and images come from a formula that both compute. With
// FOLDER, or GACC_REFERENCE/networks, the weights are PyTorch's own, in the files that networks.py writes there.

#include <gacc/gacc.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/io/safetensors_file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "mnist_networks.hpp"
#include "resnet.hpp"
#include "traces.hpp"

namespace networks_test {
namespace {

using gacc::Index;
using reference::Json;
using reference::number;

constexpr Index samples = 3;
constexpr std::uint32_t images_number = 1000;

/// Parameter `which` as networks.py fills it.
std::vector<double> weights(std::uint32_t which, const std::string& name, const gacc::Shape& shape) {
    std::vector<double> all(static_cast<std::size_t>(gacc::elements(shape)));
    const double scale = std::sqrt(24.0 / static_cast<double>(gacc::elements(shape) / shape[0]));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const double x = number(which, static_cast<Index>(i));
        all[i] = shape.size() > 1 ? x * scale : x * 0.25 + (name.ends_with("weight") ? 1.0 : 0.0);
    }
    return all;
}

/// A file as PyTorch would save these parameters.
void write_state_dict(const std::filesystem::path& path, const Json& parameters) {
    Json header = Json::object();
    std::vector<double> data;
    for (std::uint32_t which = 0; which < parameters.size(); ++which) {
        const auto name = parameters[which][0].get<std::string>();
        const auto shape = parameters[which][1].get<std::vector<Index>>();
        const auto values = weights(which, name, gacc::Shape(shape.begin(), shape.end()));
        const std::size_t first = 8 * data.size();
        data.insert(data.end(), values.begin(), values.end());
        header[name] = {{"dtype", "F64"}, {"shape", shape}, {"data_offsets", {first, 8 * data.size()}}};
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = text.size();
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), 8) << text;
    file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(8 * data.size()));
}

/// From PyTorch's order (sample, channel, row, column) to channels last, a row for each sample.
template <class Pixel>
gacc::Matrix<double> channels_last(Index channels, Index pixels, const Pixel& pixel) {
    gacc::Matrix<double> rows(samples, pixels * channels);
    for (Index i = 0; i < samples * channels * pixels; ++i) {
        rows(i / (channels * pixels), i % pixels * channels + i / pixels % channels) = pixel(i);
    }
    return rows;
}

/// True if the outputs are those expected, but for rounding: they are some 1, and come from sums of up to 9,216 terms.
template <class Expected>
bool same(const std::string& what, gacc::Sequential<double>& model, const gacc::Matrix<double>& images,
          const Expected& expected) {
    const gacc::Matrix<double> outputs = model.predict(images);
    double worst = 0, largest = 0;
    for (Index i = 0; i < samples; ++i) {
        for (Index j = 0; j < 10; ++j) {
            worst = std::max(worst, std::abs(outputs(i, j) - expected(i, j)));
            largest = std::max(largest, std::abs(expected(i, j)));
        }
    }
    const bool good = outputs.rows() == samples && outputs.cols() == 10 && worst <= 1e-12 * std::max(largest, 1.0);
    std::printf("%s: largest difference %.1e of outputs up to %.2g%s\n", what.c_str(), worst, largest,
                good ? "" : "  FAILED");
    return good;
}

/// With weights of the formula, in a file with the names of PyTorch.
bool by_formula(const std::string& name, gacc::Sequential<double> model, const Json& golden, Index channels,
                Index pixels) {
    const std::filesystem::path path = "networks_test_" + name + ".safetensors";  // in the folder of the build
    write_state_dict(path, golden["parameters"]);
    gacc::load_safetensors(path, model.parameters());
    std::filesystem::remove(path);
    const auto images = channels_last(channels, pixels, [](Index i) { return 4 * number(images_number, i); });
    return same(name, model, images, [&](Index i, Index j) { return golden["outputs"][i][j].get<double>(); });
}

/// With weights of PyTorch, if the folder has them.
bool of_pytorch(const std::string& name, gacc::Sequential<double> model, const std::filesystem::path& folder,
                Index channels, Index pixels) {
    const auto weights = folder / (name + ".safetensors");
    if (!std::filesystem::exists(weights)) { return true; }
    gacc::load_safetensors(weights, model.parameters());
    const gacc::SafetensorsFile file(folder / (name + "-data.safetensors"));
    const auto given = file.tensor<double>("images"), outputs = file.tensor<double>("outputs");
    const auto images = channels_last(channels, pixels, [&](Index i) { return given.data()[i]; });
    return same(name + ", initialised by PyTorch", model, images,
                [&](Index i, Index j) { return outputs.data()[10 * i + j]; });
}

}  // namespace
}  // namespace networks_test

int reference::networks(const char* golden_file, const char* given) {
    using namespace networks_test;
    std::ifstream file(golden_file);
    const Json golden = Json::parse(file);
    const char* reference = std::getenv("GACC_REFERENCE");
    const std::filesystem::path folder =
        given != nullptr ? std::filesystem::path(given) : std::filesystem::path(reference ? reference : "") / "networks";

    const auto mnist = convolutional<double>({28, 28, 1});
    const auto residual = resnet<double>();
    bool good = by_formula("mnist", mnist, golden["mnist"], 1, 28 * 28);
    good = by_formula("resnet", residual, golden["resnet"], 3, 32 * 32) && good;
    good = of_pytorch("mnist", mnist, folder, 1, 28 * 28) && good;
    good = of_pytorch("resnet", residual, folder, 3, 32 * 32) && good;
    return good ? 0 : 1;
}
