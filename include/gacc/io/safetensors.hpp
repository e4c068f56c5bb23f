#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/parameter.hpp>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <type_traits>

namespace gacc {

namespace detail {

/// A name between quotes, as JSON wants it.
inline std::string json_string(const std::string& raw) {
    constexpr char hex[] = "0123456789abcdef";
    std::string out;
    for (const char c : raw) {
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x20) {
            out += {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};
        } else {
            if (c == '"' || c == '\\') { out += '\\'; }
            out += c;
        }
    }
    return text('"', out, '"');
}

/// "[512,784]"
inline std::string json_list(const Shape& shape) {
    std::string out;
    for (const Index size : shape) { out += text(out.empty() ? "" : ",", size); }
    return text("[", out, "]");
}

/// The length of the header (8 bytes, little-endian) and the header itself, padded with spaces to a multiple of 8.
template <class Scalar>
std::string safetensors_header(const Parameters<Scalar>& parameters) {
    std::string header = "{";
    std::uint64_t offset = 0;
    for (const auto& parameter : parameters) {
        const std::uint64_t end = offset + static_cast<std::uint64_t>(parameter.size()) * sizeof(Scalar);
        header += text(offset == 0 ? "" : ",", json_string(parameter.name()), R"(:{"dtype":"F)", 8 * sizeof(Scalar),
                       R"(","shape":)", json_list(parameter.shape()), R"(,"data_offsets":[)", offset, ",", end, "]}");
        offset = end;
    }
    header += "}";
    header.append((8 - header.size() % 8) % 8, ' ');

    std::string length;
    for (int byte = 0; byte < 8; ++byte) { length += static_cast<char>((header.size() >> (8 * byte)) & 0xff); }
    return length + header;
}

}  // namespace detail

/// Writes the values of a model in the safetensors format, which Python reads into a PyTorch state_dict. The file
/// is written as PATH.unfinished and gets its name only when it is complete; until then a file that was there stays.
///
/// Throws     OutputError if a byte could not be written
/// Source     huggingface.co/docs/safetensors, "Format"
/// Example    gacc::save_safetensors("mnist.safetensors", model.parameters());
template <class Scalar>
void save_safetensors(const std::filesystem::path& path, const Parameters<Scalar>& parameters) {
    static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>, "gacc: only float and double");
    static_assert(std::endian::native == std::endian::little, "gacc: the format is little-endian");
    std::filesystem::path unfinished = path;
    unfinished += ".unfinished";
    std::error_code error;
    bool opened = false;
    {
        std::ofstream file(unfinished, std::ios::binary);
        opened = file.is_open();
        const std::string header = detail::safetensors_header(parameters);
        file.write(header.data(), static_cast<std::streamsize>(header.size()));
        for (const auto& parameter : parameters) {
            const Matrix<Scalar> value = parameter.value();
            file.write(reinterpret_cast<const char*>(value.data()),
                       static_cast<std::streamsize>(value.size()) * std::streamsize{sizeof(Scalar)});
        }
        file.close();
        if (!file) { error = std::make_error_code(std::errc::io_error); }
    }
    if (!error) { std::filesystem::rename(unfinished, path, error); }
    if (error) {
        std::error_code ignored;
        if (opened) { std::filesystem::remove(unfinished, ignored); }
        throw OutputError(
            "save_safetensors \"" + path.string() + "\"",
            "expected to write the file, got \"" + error.message() + "\"; is the folder there, and room?");
    }
}

}  // namespace gacc
