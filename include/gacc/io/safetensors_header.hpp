#pragma once

#include <gacc/core/error.hpp>
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

/// Every tensor behind the one before it, from 0 to the end, none twice, and each as long as its shape says.
inline std::optional<std::string> wrong_tensor(SafetensorsHeader& header, std::uint64_t data_bytes) {
    auto& tensors = header.tensors;
    std::ranges::sort(tensors, [](const TensorInfo& a, const TensorInfo& b) {
        return std::pair(a.first, a.last) < std::pair(b.first, b.last);
    });
    std::uint64_t end = 0;
    for (const TensorInfo& tensor : tensors) {
        const auto of = [&](const auto&... what) {
            return text("tensor \"", tensor.name.substr(0, 80), "\" ", what...);
        };
        if (tensor.first != end || tensor.last < tensor.first || tensor.last > data_bytes) {
            return of("at byte ", end, " of ", data_bytes, ", got data_offsets ", tensor.first, " and ", tensor.last);
        }
        std::uint64_t bytes = named(tensor.dtype).bytes;
        bool fits = true;
        for (const Index size : tensor.shape) {
            const auto factor = static_cast<std::uint64_t>(size);
            fits = fits && (factor == 0 || bytes <= (std::uint64_t{1} << 62) / factor);
            bytes *= fits ? factor : 0;
        }
        if (!fits || bytes != tensor.bytes()) {
            return of("of ", to_string(tensor.shape), " ", named(tensor.dtype).name, ", got ", tensor.bytes(),
                      " bytes");
        }
        end = tensor.last;
    }
    if (end != data_bytes) { return text("tensors of ", data_bytes, " bytes in all, got ", end); }

    std::vector<std::string_view> names(tensors.size());
    std::ranges::transform(tensors, names.begin(), &TensorInfo::name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) { return text("every name once, got \"", twice->substr(0, 80), "\" twice"); }
    return std::nullopt;
}

/// The header of a file of which `data_bytes` follow it.
///
/// Throws     DataError if it is not exactly what the format allows
inline SafetensorsHeader parse_safetensors_header(std::string_view header, std::uint64_t data_bytes,
                                                  const std::string& where) {
    constexpr std::string_view space = " \t\n\r";
    header.remove_prefix(std::min(header.find_first_not_of(space), header.size()));
    header.remove_suffix(header.size() - (header.find_last_not_of(space) + 1));
    const auto refuse = [&](const std::string& what) { throw DataError(where, "expected " + what); };
    if (!header.starts_with('{')) { refuse("a header that is a JSON object, got something else"); }
    if (header.find('\0') != header.npos) { refuse("a header of text, got a byte 0"); }  // where the parser would end
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

}  // namespace gacc::detail
