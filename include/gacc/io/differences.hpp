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

/// What a file lacks of the tensors that are wanted of it, has in another shape or type, or has beside them: in words.
class Differences {
public:
    Differences(const SafetensorsHeader& header, std::string where) : header_(header), where_(std::move(where)) {}

    /// The tensor of that name; null, and noted, if it is not as wanted. Without a type, floating point of any kind.
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
    /// What to do about it, at the end of the error.
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
