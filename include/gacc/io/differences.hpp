#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/io/tensor_info.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The differences between the tensors of a file and the wanted ones, in words: missing tensors, other shapes or types,
/// and tensors that are not wanted.
class Differences {
public:
    Differences(const SafetensorsHeader& header, std::string where) : header_(header), where_(std::move(where)) {}

    /// The tensor of that name. Null if it is not as wanted; the difference is noted. Without `dtype` any
    /// floating-point type will do.
    const TensorInfo* find(const std::string& name, const Shape& shape, std::optional<DType> dtype = std::nullopt) {
        wanted_.push_back(header_.find(name));
        const TensorInfo* found = wanted_.back();
        const std::string expected = text(shown(name), ": expected ", named(shape), ", got ");
        if (found == nullptr) { return add(expected + "none"); }
        if (found->shape != shape) { return add(expected + named(found->shape)); }
        if (dtype ? found->dtype != *dtype : !is_real(found->dtype)) {
            return add(text(shown(name), ": expected ",
                            dtype ? detail::named(*dtype).name : "floating point of 16, 32 or 64 bits", ", got ",
                            detail::named(found->dtype).name));
        }
        return found;
    }
    void find_no_others() {
        for (const TensorInfo& tensor : header_.tensors) {
            if (std::ranges::find(wanted_, &tensor) == wanted_.end()) {
                add(text(shown(tensor.name), ": expected none, got ", named(tensor.shape)));
            }
        }
    }
    /// Adds what to do about it to the end of the error.
    void advise(const std::string& advice) { advice_ = "; " + advice; }
    void throw_if_any() const {
        if (count_ == 0) { return; }
        throw DataError(where_, text("expected the tensors of this model, got others: ", text_,
                                     count_ > most ? text("; and ", count_ - most, " more") : "", advice_));
    }

private:
    static constexpr int most = 8;

    static std::string named(const Shape& shape) { return shape.empty() ? "a number" : shown(to_string(shape)); }
    const TensorInfo* add(const std::string& difference) {
        if (++count_ <= most) { text_ += (count_ == 1 ? "" : "; ") + difference; }
        return nullptr;
    }

    const SafetensorsHeader& header_;
    std::string where_;
    std::vector<const TensorInfo*> wanted_;
    int count_ = 0;
    std::string text_, advice_;
};

}  // namespace gacc::detail
