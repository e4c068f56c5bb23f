#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/safetensors_parser.hpp>
#include <gacc/io/tensor_info.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The number of bits of its shape; nothing if the sizes other than 0 are too large for any memory.
inline std::optional<std::uint64_t> bits_of(const TensorInfo& tensor) {
    std::uint64_t numbers = 1;
    bool empty = false;
    for (const Index size : tensor.shape) {
        const auto factor = std::max<std::uint64_t>(static_cast<std::uint64_t>(size), 1);
        if (numbers > most_in_tensor / factor) { return std::nullopt; }
        numbers *= factor;
        empty = empty || size == 0;
    }
    return empty ? 0 : numbers * named(tensor.dtype).bits;
}

/// Checks that the tensors lie one behind the other from 0 to the end, that each is as long as its shape says, and that
/// no name comes twice. Returns the error.
inline std::optional<std::string> wrong_tensor(SafetensorsHeader& header, std::uint64_t data_bytes) {
    auto& tensors = header.tensors;
    std::ranges::sort(tensors, [](const TensorInfo& a, const TensorInfo& b) {
        return std::pair(a.first, a.last) < std::pair(b.first, b.last);
    });
    std::uint64_t end = 0;
    for (const TensorInfo& tensor : tensors) {
        const auto of = [&](const auto&... what) { return text("tensor \"", shown(tensor.name), "\" ", what...); };
        if (tensor.first != end || tensor.last < tensor.first || tensor.last > data_bytes) {
            return of("at byte ", end, " of ", data_bytes, ", got data_offsets ", tensor.first, " and ", tensor.last);
        }
        const auto bits = bits_of(tensor);
        if (!bits || *bits % 8 != 0 || *bits / 8 != tensor.bytes()) {
            return of("of ", tensor.shape.empty() ? "one" : shown(to_string(tensor.shape)), " ",
                      named(tensor.dtype).name, ", got ", tensor.bytes(), " bytes");
        }
        end = tensor.last;
    }
    if (end != data_bytes) { return text("tensors of ", data_bytes, " bytes in all, got ", end); }

    std::vector<std::string_view> names(tensors.size());
    std::ranges::transform(tensors, names.begin(), &TensorInfo::name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) { return text("every name once, got \"", shown(*twice), "\" twice"); }
    return std::nullopt;
}

/// Reads the header of a file. `data_bytes` follow it.
///
/// Throws     DataError if it breaks the format
inline SafetensorsHeader parse_safetensors_header(std::string_view header, std::uint64_t data_bytes,
                                                  const std::string& where) {
    constexpr std::string_view space = " \t\n\r";
    header.remove_prefix(std::min(header.find_first_not_of(space), header.size()));
    header.remove_suffix(header.size() - (header.find_last_not_of(space) + 1));
    const auto refuse = [&](const std::string& what) { throw DataError(where, "expected " + what); };
    if (!header.starts_with('{')) { refuse("a header that is a JSON object, got something else"); }
    if (header.find('\0') != header.npos) { refuse("a header of text, got a byte 0"); }  // the parser would end there
    if (!tokens_are_short(header)) { refuse("a header without names or gaps longer than 16,384 bytes, got one"); }
    SafetensorsHandler handler;
    if (!nlohmann::json::sax_parse(header.begin(), header.end(), &handler)) {
        refuse(handler.wrong + ", in the header");
    }
    if (const auto wrong = wrong_tensor(handler.header, data_bytes)) { refuse(*wrong); }
    return std::move(handler.header);
}

/// The header as it is written, padded with spaces to a multiple of 8.
///
/// Throws     UsageError if a name is not UTF-8
inline std::string safetensors_header(const SafetensorsHeader& header) {
    const auto quoted = [](const std::string& raw) {
        try {
            return nlohmann::json(raw).dump();
        } catch (const nlohmann::json::exception&) {
            throw UsageError("safetensors", "expected names and metadata in UTF-8, got other bytes");
        }
    };
    std::string out = "{";
    const auto begin = [&](const std::string& name) -> std::string& {
        return out += text(out.size() == 1 ? "" : ",", quoted(name), ":");
    };
    if (!header.metadata.empty()) {
        std::string all;
        for (const auto& [key, value] : header.metadata) {
            all += text(all.empty() ? "" : ",", quoted(key), ":", quoted(value));
        }
        begin("__metadata__") += "{" + all + "}";
    }
    for (const TensorInfo& tensor : header.tensors) {
        std::string sizes;
        for (const Index size : tensor.shape) { sizes += text(sizes.empty() ? "" : ",", size); }
        begin(tensor.name) += text(R"({"dtype":")", named(tensor.dtype).name, R"(","shape":[)", sizes,
                                   R"(],"data_offsets":[)", tensor.first, ",", tensor.last, "]}");
    }
    out += "}";
    out.append((8 - out.size() % 8) % 8, ' ');
    return out;
}

/// Adds the next tensor of a file that will be written.
inline void append_tensor(SafetensorsHeader& header, std::string name, DType dtype, Shape shape) {
    const std::uint64_t first = header.tensors.empty() ? 0 : header.tensors.back().last;
    TensorInfo tensor{std::move(name), dtype, std::move(shape), first, first};
    tensor.last += bits_of(tensor).value_or(0) / 8;
    header.tensors.push_back(std::move(tensor));
}

/// The beginning of a file: the length of the header in 8 bytes, and the header.
inline std::vector<std::uint8_t> safetensors_start(const SafetensorsHeader& header) {
    const std::string text = safetensors_header(header);
    try {  // a written file must be readable
        parse_safetensors_header(text, header.tensors.empty() ? 0 : header.tensors.back().last, "safetensors");
    } catch (const DataError& error) {
        throw UsageError("safetensors",
                         std::string("expected a file that can be read again, got \"") + error.what() + '"');
    }
    std::vector<std::uint8_t> bytes(8 + text.size());
    std::ranges::copy(little_endian<std::uint64_t>(text.size()), bytes.begin());
    std::ranges::copy(text, bytes.begin() + 8);
    return bytes;
}

}  // namespace gacc::detail
