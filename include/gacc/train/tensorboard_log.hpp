#pragma once

#include <gacc/core/error.hpp>
#include <gacc/train/log.hpp>
#include <gacc/train/log_file.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace gacc::inline GACC_ABI {

namespace detail {

/// CRC-32C (Castagnoli), reflected, polynomial 0x1EDC6F41.
inline std::uint32_t crc32c(std::string_view bytes) {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            made[i] = i;
            for (int bit = 0; bit < 8; ++bit) { made[i] = (made[i] >> 1) ^ (made[i] & 1 ? 0x82F63B78U : 0U); }
        }
        return made;
    }();
    std::uint32_t crc = 0xFFFFFFFFU;
    for (const char c : bytes) { crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFF]; }
    return ~crc;
}

/// The lowest `size` bytes, the lowest first.
inline std::string low_bytes(std::uint64_t word, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) { bytes += static_cast<char>(word >> (8 * i) & 0xFF); }
    return bytes;
}

/// The record format of TensorFlow: length, its checksum, data, their checksum. A checksum is rotated by 15 bits and
/// moved, so that checksums of data with checksums in them stay good.
inline std::string tensorboard_record(const std::string& data) {
    const auto masked = [](std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U; };
    const std::string length = low_bytes(data.size(), 8);
    return length + low_bytes(masked(length), 4) + data + low_bytes(masked(data), 4);
}

/// The few messages of Protocol Buffers that scalars need.
struct Protobuf {
    static std::string varint(std::uint64_t number) {
        std::string bytes;
        for (; number > 0x7F; number >>= 7) { bytes += static_cast<char>((number & 0x7F) | 0x80); }
        return bytes + static_cast<char>(number);
    }
    static std::string integer(int field, std::int64_t number) {
        return varint(static_cast<std::uint64_t>(field) << 3) + varint(static_cast<std::uint64_t>(number));
    }
    static std::string real(int field, double number) {
        return varint(static_cast<std::uint64_t>(field) << 3 | 1) + low_bytes(std::bit_cast<std::uint64_t>(number), 8);
    }
    static std::string real(int field, float number) {
        return varint(static_cast<std::uint64_t>(field) << 3 | 5) + low_bytes(std::bit_cast<std::uint32_t>(number), 4);
    }
    /// Text, or another message.
    static std::string bytes(int field, std::string_view bytes) {
        return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(bytes.size()) + std::string(bytes);
    }
};

}  // namespace detail

/// A log that TensorBoard shows: a file of scalars in a folder. Each run, and each resumed part of it, has a file of its
/// own. Numbers are rounded to float, as TensorBoard keeps them.
///
/// Throws     OutputError if the folder cannot be made or the file cannot be written
/// Example    gacc::TensorBoardLog log("runs/first");        // then: tensorboard --logdir runs
/// Source     tensorflow/core/util/event.proto, framework/summary.proto and lib/io/record_writer.h
class TensorBoardLog final : public Log {
public:
    explicit TensorBoardLog(const std::filesystem::path& folder) : file_("TensorBoardLog", new_file(folder)) {
        const LogLine now(0);
        file_.write(detail::tensorboard_record(Protobuf::real(1, now.time()) + Protobuf::bytes(3, "brain.Event:2")));
    }

    void write(const LogLine& line) override {
        std::string summary;
        for (const auto& [name, value] : line.values()) {
            summary += Protobuf::bytes(1, Protobuf::bytes(1, name) + Protobuf::real(2, static_cast<float>(value)));
        }
        file_.write(detail::tensorboard_record(Protobuf::real(1, line.time()) + Protobuf::integer(2, line.step()) +
                                               Protobuf::bytes(5, summary)));
    }

private:
    using Protobuf = detail::Protobuf;

    /// TensorBoard reads the files of a folder in the order of their names.
    static std::filesystem::path new_file(const std::filesystem::path& folder) {
        std::error_code none;
        std::filesystem::create_directories(folder, none);
        const auto seconds = static_cast<std::int64_t>(LogLine(0).time());
        for (int i = 1;; ++i) {
            const std::string number = std::to_string(10'000 + i).substr(1);
            auto path = folder / detail::text("events.out.tfevents.", seconds, ".gacc.", number);
            if (!std::filesystem::exists(path, none) || i == 9999) { return path; }
        }
    }

    detail::LogFile file_;
};

}  // namespace gacc
