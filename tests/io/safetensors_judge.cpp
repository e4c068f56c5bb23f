// Reads files in the safetensors format for safetensors_differential.py. They come on standard input one after the
// other, each behind its length in 4 bytes, the lowest first. For each file it writes a line to standard output: "-"
// and the text of the error, or "+" and the tensors in the order of their names: name in hex, dtype, sizes, numbers in
// hex.

#include <gacc/io/safetensors_file.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += {"0123456789abcdef"[byte / 16], "0123456789abcdef"[byte % 16]};
    }
    return out;
}

std::string verdict(gacc::Buffer<std::uint8_t> bytes) {
    try {
        const gacc::SafetensorsFile file(std::move(bytes), "judge");
        std::vector<std::string> tensors;
        for (const gacc::TensorInfo& info : file.tensors()) {
            std::string sizes;
            for (const gacc::Index size : info.shape) { sizes += gacc::detail::text(sizes.empty() ? "" : ",", size); }
            const auto numbers = file.bytes(info);
            tensors.push_back(hex(info.name) + ':' + std::string(gacc::detail::named(info.dtype).name) + ':' + sizes +
                              ':' + hex({reinterpret_cast<const char*>(numbers.data()), numbers.size()}));
            if (gacc::detail::is_number(info.dtype)) { file.tensor<double>(info.name); }
        }
        std::ranges::sort(tensors);
        std::string out = "+";
        for (const std::string& tensor : tensors) { out += tensor + ';'; }
        return out;
    } catch (const gacc::DataError& error) { return std::string("-") + error.what(); }
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    std::array<std::uint8_t, 4> length{};
    while (std::cin.read(reinterpret_cast<char*>(length.data()), length.size())) {
        gacc::Buffer<std::uint8_t> bytes(gacc::detail::from_little_endian<std::int32_t>(length.data()));
        if (!std::cin.read(reinterpret_cast<char*>(bytes.data()), bytes.size())) { return 1; }
        std::cout << verdict(std::move(bytes)) << '\n';
    }
    return std::cout.flush() ? 0 : 1;
}
