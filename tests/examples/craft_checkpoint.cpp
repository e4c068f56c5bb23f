// A checkpoint with other settings or states, and a checksum that fits: craft_checkpoint IN OUT CHANGE...
//
//   IN            a checkpoint, or "none" for one without a tensor but the checksum
//   KEY=VALUE     a setting; without =VALUE it is removed
//   TENSOR:I=N    word I of a tensor of 64-bit words becomes N
#include <gacc/core/checksum.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

namespace {

/// Eight bytes, the lowest first.
std::string little_endian(std::uint64_t number) {
    std::string bytes;
    for (int shift = 0; shift < 64; shift += 8) { bytes += static_cast<char>(number >> shift & 0xff); }
    return bytes;
}
std::uint64_t number(const std::string& bytes) {
    std::uint64_t number = 0;
    for (std::size_t i = 8; i-- > 0;) { number = number << 8 | static_cast<std::uint8_t>(bytes[i]); }
    return number;
}

}  // namespace

int main(int, char** argv) {
    nlohmann::ordered_json header;
    std::string data(8, '\0');
    if (argv[1] == std::string("none")) {
        header = {{"__metadata__", {{"gacc.checkpoint", "2"}}},
                  {"state/checksum", {{"dtype", "I64"}, {"shape", {1}}, {"data_offsets", {0, 8}}}}};
    } else {
        std::ifstream in(argv[1], std::ios::binary);
        const std::string file(std::istreambuf_iterator<char>(in), {});
        const auto length = static_cast<std::size_t>(number(file));
        header = nlohmann::ordered_json::parse(file.substr(8, length));
        data = file.substr(8 + length);
    }
    for (char** change = argv + 3; *change != nullptr; ++change) {
        const std::string text = *change;
        const std::size_t equals = text.find('='), colon = text.find(':');
        if (equals == text.npos) {
            header["__metadata__"].erase(text);
        } else if (colon < equals) {
            const auto first = header[text.substr(0, colon)]["data_offsets"][0].get<std::size_t>();
            data.replace(first + 8 * std::stoul(text.substr(colon + 1)), 8,
                         little_endian(std::stoull(text.substr(equals + 1))));
        } else {
            header["__metadata__"][text.substr(0, equals)] = text.substr(equals + 1);
        }
    }
    const std::string text = header.dump();
    std::string file = little_endian(text.size()) + text + data.substr(0, data.size() - 8);
    gacc::Crc64 sum;
    sum.add({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
    file += little_endian(sum.value());
    std::ofstream(argv[2], std::ios::binary) << file;
}
