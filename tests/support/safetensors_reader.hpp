#pragma once

#include <gacc/core/parameter.hpp>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

/// Sets every parameter from the float32 tensor of its name in a file that the test trusts.
template <class Scalar>
void load_trusted_safetensors(const std::string& path, const gacc::Parameters<Scalar>& parameters) {
    std::ifstream stream(path, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(stream), {}};
    if (file.size() < 8) { throw std::runtime_error("cannot read " + path); }
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    const std::string header = file.substr(8, length);
    for (auto& parameter : parameters) {
        const std::size_t at = header.find("\"" + parameter.name() + "\"");
        const std::string key = "\"data_offsets\": [";
        if (at == std::string::npos) { throw std::runtime_error("no tensor " + parameter.name() + " in " + path); }
        const std::size_t first = std::stoul(header.substr(header.find(key, at) + key.size()));
        gacc::Matrix<float> value(parameter.rows(), parameter.cols());
        std::memcpy(value.data(), file.data() + 8 + length + first, static_cast<std::size_t>(value.size()) * 4);
        parameter.set_value(value.template cast<Scalar>());
    }
}
