#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/tensor.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc {

/// What the numbers of a tensor in a file are.
enum class DType { f64, f32, f16, bf16, i64, u8 };

/// A tensor in a safetensors file: its bytes are first to last - 1 of those behind the header.
struct TensorInfo {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;  ///< empty: a single number
    std::uint64_t first = 0, last = 0;

    std::uint64_t bytes() const { return last - first; }
};

/// What the header of a safetensors file says.
struct SafetensorsHeader {
    std::vector<TensorInfo> tensors;  ///< as their bytes lie
    std::map<std::string, std::string, std::less<>> metadata;
};

namespace detail {

struct DTypeName {
    DType dtype;
    std::string_view name;
    std::uint64_t bytes;
};
inline constexpr std::array<DTypeName, 6> dtype_names{{{DType::f64, "F64", 8},
                                                       {DType::f32, "F32", 4},
                                                       {DType::f16, "F16", 2},
                                                       {DType::bf16, "BF16", 2},
                                                       {DType::i64, "I64", 8},
                                                       {DType::u8, "U8", 1}}};
inline const DTypeName& named(DType dtype) { return dtype_names[static_cast<std::size_t>(dtype)]; }

/// Takes a header apart while nlohmann's parser reads it. Nothing but the format's own shape passes:
/// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "value"}}
class SafetensorsHandler {
public:
    using json = nlohmann::json;
    SafetensorsHeader header;
    std::string wrong;  // what was expected, and came instead

    bool start_object(std::size_t) {
        switch (inside_) {
            case Inside::nothing: return enter(Inside::file);
            case Inside::file_value:
                if (name_ == "__metadata__") {
                    return metadata_seen_ ? fail("one __metadata__, got two") : enter(Inside::metadata);
                }
                header.tensors.emplace_back().name = name_;
                fields_ = 0;
                return take(sizeof(TensorInfo) + name_.size()) && enter(Inside::tensor);
            default: return unexpected("an object");
        }
    }
    bool key(std::string& key) {
        name_ = key;
        if (inside_ == Inside::file) { return enter(Inside::file_value); }
        if (inside_ == Inside::metadata) { return enter(Inside::metadata_value); }
        constexpr std::array<std::string_view, 3> names{"dtype", "shape", "data_offsets"};
        const auto field = static_cast<unsigned>(std::ranges::find(names, key) - names.begin());
        if (field == names.size() || (fields_ >> field & 1) != 0) {
            return fail("dtype, shape and data_offsets once each, got \"" + shown(key) + '"');
        }
        fields_ |= 1U << field;
        return enter(field == 0 ? Inside::dtype : field == 1 ? Inside::shape : Inside::offsets);
    }
    bool string(std::string& value) {
        if (inside_ == Inside::metadata_value) {
            if (!header.metadata.emplace(name_, value).second) { return fail("every metadata key once, got \"" + shown(name_) + "\" twice"); }
            return take(128 + name_.size() + value.size()) && enter(Inside::metadata);
        }
        if (inside_ != Inside::dtype) { return unexpected("a string"); }
        const auto* found = std::ranges::find(dtype_names, std::string_view(value), &DTypeName::name);
        if (found == dtype_names.end()) { return fail("dtype F64, F32, F16, BF16, I64 or U8, got \"" + shown(value) + '"'); }
        tensor().dtype = found->dtype;
        return enter(Inside::tensor);
    }
    bool start_array(std::size_t) {
        if (inside_ == Inside::shape) { return enter(Inside::sizes); }
        if (inside_ == Inside::offsets) { return enter(Inside::first); }
        return unexpected("an array");
    }
    bool number_unsigned(std::uint64_t number) {
        switch (inside_) {
            case Inside::sizes:
                if (number > std::uint64_t{1} << 62) { return unexpected("a size beyond any memory"); }
                tensor().shape.push_back(static_cast<Index>(number));
                return take(2 * sizeof(Index));
            case Inside::first: tensor().first = number; return enter(Inside::last);
            case Inside::last: tensor().last = number; return enter(Inside::offsets_end);
            default: return unexpected("a number");
        }
    }
    bool end_array() {
        if (inside_ == Inside::sizes || inside_ == Inside::offsets_end) { return enter(Inside::tensor); }
        return fail("two data_offsets, got fewer");
    }
    bool end_object() {
        if (inside_ == Inside::tensor && fields_ != 7) { return fail("dtype, shape and data_offsets, got not all of them"); }
        metadata_seen_ = metadata_seen_ || inside_ == Inside::metadata;
        return enter(inside_ == Inside::file ? Inside::nothing : Inside::file);
    }
    bool null() { return unexpected("null"); }
    bool boolean(bool) { return unexpected("true or false"); }
    bool number_integer(std::int64_t) { return unexpected("a negative number"); }
    bool number_float(double, const std::string&) { return unexpected("a fraction"); }
    bool binary(json::binary_t&) { return unexpected("binary data"); }
    bool parse_error(std::size_t position, const std::string&, const json::exception&) {
        return fail(text("JSON, got something else at byte ", position));
    }

private:
    enum class Inside {
        nothing, file, file_value, metadata, metadata_value, tensor, dtype, shape, sizes, offsets, first, last, offsets_end
    };
    /// Of memory for what a header says: enough for some 3,000 tensors.
    static constexpr std::size_t most = std::size_t{512} << 10;

    TensorInfo& tensor() { return header.tensors.back(); }
    bool enter(Inside inside) {
        inside_ = inside;
        return true;
    }
    bool take(std::size_t bytes) {
        taken_ += bytes;
        return taken_ <= most || fail(text("a list of tensors of at most ", grouped(most), " bytes, got more"));
    }
    bool unexpected(const char* got) {
        return fail(text(R"({"name": {"dtype": ..., "shape": [...], "data_offsets": [...]}, ...}, got )", got));
    }
    bool fail(std::string what) {
        wrong = std::move(what);
        return false;
    }
    static std::string shown(const std::string& name) { return name.substr(0, 80); }

    Inside inside_ = Inside::nothing;
    std::string name_;
    unsigned fields_ = 0;  // bits: which of a tensor's three have come
    bool metadata_seen_ = false;
    std::size_t taken_ = 0;
};

/// The parser keeps the token that it reads, so a long one would take memory that the file does not justify.
inline bool tokens_are_short(std::string_view header) {
    constexpr std::size_t longest = std::size_t{1} << 14;
    bool in_string = false, escaped = false;
    std::size_t since = 0;
    for (const char c : header) {
        const bool ends = in_string ? c == '"' && !escaped : c == '"' || c == ',' || c == ':' || c == '[' || c == ']';
        escaped = in_string && c == '\\' && !escaped;
        if (c == '"' && ends) { in_string = !in_string; }
        since = ends ? 0 : since + 1;
        if (since > longest) { return false; }
    }
    return true;
}

/// Every tensor behind the one before it, from 0 to the end, none twice, and each as long as its shape says.
inline std::optional<std::string> wrong_tensor(SafetensorsHeader& header, std::uint64_t data_bytes) {
    auto& tensors = header.tensors;
    std::ranges::sort(tensors, [](const TensorInfo& a, const TensorInfo& b) {
        return std::pair(a.first, a.last) < std::pair(b.first, b.last);
    });
    std::uint64_t end = 0;
    for (const TensorInfo& tensor : tensors) {
        const auto of = [&](const auto&... what) { return text("tensor \"", tensor.name.substr(0, 80), "\" ", what...); };
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
            return of("of ", to_string(tensor.shape), " ", named(tensor.dtype).name, ", got ", tensor.bytes(), " bytes");
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
    if (!nlohmann::json::sax_parse(header.begin(), header.end(), &handler)) { refuse(handler.wrong + ", in the header"); }
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
        for (const auto& [key, value] : header.metadata) { all += text(all.empty() ? "" : ",", quoted(key), ":", quoted(value)); }
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

}  // namespace detail
}  // namespace gacc
