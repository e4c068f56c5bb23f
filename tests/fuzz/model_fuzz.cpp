// Any descriptions of a model, one a line, beside a few tensors, are a model with these tensors, or a DataError.

#include <gacc/io/model_file.hpp>

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    gacc::SafetensorsHeader header;
    std::string key = gacc::detail::ModelFormat::key, line;
    for (std::size_t i = 0, block = 0; i <= size; ++i) {
        if (i < size && data[i] != '\n') {
            line += static_cast<char>(data[i]);
            continue;
        }
        header.metadata[key] = std::exchange(line, {});
        key = gacc::detail::ModelFormat::key_of(block++);
    }
    for (const char* name : {"0.weight", "1.branch.0.weight", "1.branch.1.weight"}) {
        gacc::detail::append_tensor(header, name, gacc::DType::f32, {3, 3});
    }
    gacc::detail::append_tensor(header, "1.shortcut.bias", gacc::DType::f64, {3});
    gacc::detail::append_tensor(header, "1.shortcut.weight", gacc::DType::f64, {3});
    std::vector<std::uint8_t> start;
    try {
        start = gacc::detail::safetensors_start(header);
    } catch (const gacc::UsageError&) { return 0; }  // no UTF-8
    gacc::Buffer<std::uint8_t> bytes(static_cast<gacc::Index>(start.size() + header.tensors.back().last));
    std::fill_n(bytes.data(), bytes.size(), std::uint8_t{0});
    std::ranges::copy(start, bytes.data());
    try {
        const gacc::SafetensorsFile file(std::move(bytes), "fuzz");
        const gacc::LayerRegistry<float> layers;
        auto model = gacc::detail::ModelReader<float>(file, layers).model();
        if (model.size() == 0 || model.parameters().count() > 27 + 6) { std::abort(); }
    } catch (const gacc::DataError&) {}
    return 0;
}
