#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>

#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// Tokens of a vocabulary, each in as many bytes as the vocabulary needs: 1, 2 or 4, the lowest first.
class TokenArray {
public:
    TokenArray(Index count, Index vocabulary)
        : width_(vocabulary <= Index{1} << 8 ? 1 : vocabulary <= Index{1} << 16 ? 2 : 4),
          bytes_(product_of(count, width_)) {}

    void set(Index i, Label token) {
        std::uint8_t* const to = bytes_.data() + i * width_;
        for (Index byte = 0; byte < width_; ++byte) { to[byte] = static_cast<std::uint8_t>(token >> (8 * byte)); }
    }
    Label operator[](Index i) const {
        const std::uint8_t* const from = bytes_.data() + i * width_;
        Label token = 0;
        for (Index byte = 0; byte < width_; ++byte) { token |= Label{from[byte]} << (8 * byte); }
        return token;
    }

private:
    Index width_;  // bytes of a token
    Buffer<std::uint8_t> bytes_;
};

}  // namespace gacc::detail
