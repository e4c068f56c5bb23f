#pragma once

#include <gacc/io/checksum.hpp>
#include <gacc/io/safetensors_file.hpp>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

namespace gacc::inline GACC_ABI {

/// What a program notes of itself in a checkpoint: its options, say.
using Settings = std::map<std::string, std::string, std::less<>>;

namespace detail {

/// A safetensors file that says that it is a checkpoint, and whose last tensor is the CRC-64 of all bytes before it.
class CheckpointFile : public SafetensorsFile {
public:
    static constexpr auto version_key = "gacc.checkpoint", version = "1";
    static constexpr auto checksum_name = "state/checksum";

    CheckpointFile(const std::filesystem::path& path, const std::string& where) : SafetensorsFile(path, where) {
        const auto found = metadata().find(version_key);
        if (found == metadata().end()) {
            throw CheckpointError(where, "expected a checkpoint, got a safetensors file of another kind");
        }
        if (found->second != version) {
            throw CheckpointError(where, text("expected a checkpoint of version ", version, ", got version \"",
                                              found->second.substr(0, 80), "\"; use the gacc that wrote it"));
        }
        const TensorInfo* last = tensors().empty() ? nullptr : &tensors().back();
        if (last == nullptr || last->name != checksum_name || last->dtype != DType::i64 || last->bytes() != 8) {
            throw CheckpointError(where, "expected a checksum at the end of the file, got none");
        }
        Crc64 checksum;
        checksum.add(bytes().first(bytes().size() - 8));
        std::uint64_t expected = 0;
        std::memcpy(&expected, bytes(*last).data(), 8);
        if (checksum.value() != expected) {
            throw CheckpointError(where,
                                  "expected the bytes that were saved, got others: the file is damaged; "
                                  "is there one before it, with .prev at its end?");
        }
    }
};

}  // namespace detail

/// What the program that saved a checkpoint noted in it.
///
/// Throws     CheckpointError if the file is missing or damaged, or is none
inline Settings checkpoint_settings(const std::filesystem::path& path) {
    try {
        const detail::CheckpointFile file(path, "checkpoint_settings \"" + path.string() + "\"");
        Settings settings = file.metadata();
        settings.erase(detail::CheckpointFile::version_key);
        return settings;
    } catch (const CheckpointError&) { throw; } catch (const DataError& error) {
        throw CheckpointError(error);
    }
}

}  // namespace gacc
