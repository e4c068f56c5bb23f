#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

/// Bytes that are read as a file is (RawFile, InputFile).
class RawBytes {
public:
    explicit RawBytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    std::uint64_t size(std::uint64_t = 0) const { return bytes_.size(); }
    std::size_t read(std::span<std::uint8_t> into) {
        const std::size_t count = std::min(into.size(), bytes_.size() - place_);
        std::copy_n(bytes_.data() + place_, count, into.data());
        place_ += count;
        return count;
    }

private:
    std::span<const std::uint8_t> bytes_;
    std::size_t place_ = 0;
};
