#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/io/tensor_info.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Takes a header apart while nlohmann's parser reads it. Only JSON of this form passes:
/// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "value"}}
class SafetensorsHandler {
public:
    using json = nlohmann::json;
    SafetensorsHeader header;
    std::string wrong;  // what was expected, and what came instead

    bool start_object(std::size_t) {
        switch (inside_) {
            case Inside::nothing:
                return enter(Inside::file);
            case Inside::file_value:
                if (name_ == "__metadata__") {
                    return metadata_seen_ ? fail("one __metadata__, got two") : enter(Inside::metadata);
                }
                header.tensors.emplace_back().name = name_;
                fields_ = 0;
                return take(sizeof(TensorInfo) + name_.size()) && enter(Inside::tensor);
            default:
                return unexpected("an object");
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
            if (!header.metadata.emplace(name_, value).second) {
                return fail("every metadata key once, got \"" + shown(name_) + "\" twice");
            }
            return take(128 + name_.size() + value.size()) && enter(Inside::metadata);
        }
        if (inside_ != Inside::dtype) { return unexpected("a string"); }
        const auto* found = std::ranges::find(dtype_names, std::string_view(value), &DTypeName::name);
        if (found == dtype_names.end()) { return fail("a dtype of the format, as F32, got \"" + shown(value) + '"'); }
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
                if (number > most_in_tensor) { return unexpected("a size beyond any memory"); }
                tensor().shape.push_back(static_cast<Index>(number));
                return take(2 * sizeof(Index));
            case Inside::first:
                tensor().first = number;
                return enter(Inside::last);
            case Inside::last:
                tensor().last = number;
                return enter(Inside::offsets_end);
            default:
                return unexpected("a number");
        }
    }
    bool end_array() {
        if (inside_ == Inside::sizes || inside_ == Inside::offsets_end) { return enter(Inside::tensor); }
        return fail("two data_offsets, got fewer");
    }
    bool end_object() {
        if (inside_ == Inside::tensor && fields_ != 7) {
            return fail("dtype, shape and data_offsets, got not all of them");
        }
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
        nothing,
        file,
        file_value,
        metadata,
        metadata_value,
        tensor,
        dtype,
        shape,
        sizes,
        offsets,
        first,
        last,
        offsets_end
    };
    /// The most memory for the content of a header: enough for some 3,000 tensors.
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

    Inside inside_ = Inside::nothing;
    std::string name_;
    unsigned fields_ = 0;  // bits: the fields of a tensor that have come
    bool metadata_seen_ = false;
    std::size_t taken_ = 0;
};

/// Whether no token is too long. The parser keeps the token that it reads, so a long one would take too much memory.
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

}  // namespace gacc::detail
