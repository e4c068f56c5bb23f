#pragma once

#include <gacc/core/random.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_bits.hpp>
#include <gacc/kernels/panels.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// The key of the random words of a parameter in a step. The last counter differs from those of Rng and of Dropout.
inline std::array<std::uint32_t, 2> place_key(std::uint64_t seed, std::uint64_t step, std::uint64_t parameter) {
    const auto low = [](std::uint64_t number) { return static_cast<std::uint32_t>(number); };
    const auto words =
        philox4x32({low(parameter), low(step), low(step >> 32), 0x4000'0000U}, {low(seed), low(seed >> 32)});
    return {words[0], words[1]};
}

/// 32 random bits for a place, in every lane. For one key, all places have different words. It takes a tenth of the time
/// of Philox, which draws the key.
///
/// Source     the last steps of MurmurHash3 (Appleby), with a second key
template <class Words>
EIGEN_ALWAYS_INLINE Words random_words(Words place, const std::array<std::uint32_t, 2>& key) {
    Words word = place ^ key[0];
    word = (word ^ (word >> 16)) * 0x85EBCA6BU;
    word = (word ^ (word >> 13) ^ key[1]) * 0xC2B2AE35U;
    return word ^ (word >> 16);
}

/// The places of the numbers in the packets of a parameter, one packet after the other: row * cols + column, whatever the
/// width of a panel is. So they are the same on all machines. Numbers 2^32 places apart have the same.
class PacketPlaces {
public:
    using Words = decltype(bits(std::declval<Simd<float>::Packet>()));

    /// `cols` columns as they lie in memory; 1 for a vector.
    PacketPlaces(Index cols, Index first_packet)
        : cols_(static_cast<std::uint32_t>(cols)), column_(first_packet % (2 * cols) / 2), columns_(cols),
          is_upper_(first_packet % 2 == 1) {
        const Index row = first_packet / (2 * cols) * Panels<float>::width + (is_upper_ ? lanes : 0);
        first_ = static_cast<std::uint32_t>(row) * cols_ + static_cast<std::uint32_t>(column_);
        std::array<std::uint32_t, static_cast<std::size_t>(lanes)> rows;
        for (std::uint32_t lane = 0; lane < lanes; ++lane) { rows[lane] = lane * cols_; }
        rows_ = std::bit_cast<Words>(rows);
    }

    /// Of the next packet. A column of a panel is two packets.
    EIGEN_ALWAYS_INLINE Words next() {
        const Words places = rows_ + first_;
        if (is_upper_) {
            first_ -= lanes * cols_ - 1;
            if (++column_ == columns_) {
                column_ = 0;
                first_ += (2 * lanes - 1) * cols_;
            }
        } else {
            first_ += lanes * cols_;
        }
        is_upper_ = !is_upper_;
        return places;
    }

private:
    static constexpr std::uint32_t lanes = Simd<float>::lanes;

    std::uint32_t cols_, first_;  // the place of the next packet's first number
    Index column_, columns_;      // the next packet's, and all
    bool is_upper_;               // the second packet of a column
    Words rows_;                  // how far the places of the lanes are from the first
};

}  // namespace gacc::detail
