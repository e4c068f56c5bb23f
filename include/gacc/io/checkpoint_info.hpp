#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/checksum.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/io/checkpoint_file.hpp>
#include <gacc/io/differences.hpp>
#include <gacc/io/safetensors_start.hpp>
#include <gacc/io/tensor_info.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The content of a checkpoint, without its numbers.
struct CheckpointInfo {
    std::string where;  ///< the beginning of errors about it
    Settings settings;  ///< notes of the program that saved it
    std::vector<TensorInfo> tensors;

    /// Checks the names and shapes of parameters before a model is built from the settings of a file.
    ///
    /// Throws     CheckpointError that names those that the file lacks or has in another shape
    void expect(const std::vector<std::pair<std::string, Shape>>& parameters) const {
        detail::as_checkpoint([&] {
            const SafetensorsHeader header{.tensors = tensors, .metadata = {}};
            detail::Differences differences(header, where);
            for (const auto& [name, shape] : parameters) { differences.find(name, shape); }
            differences.throw_if_any();
        });
    }
};

namespace detail {

inline CheckpointInfo checkpoint_info(const std::filesystem::path& path, const char* caller) {
    return as_checkpoint([&] {
        using Format = CheckpointFormat;
        SafetensorsStart start(path, caller + (" \"" + shown_path(path)) + '"');
        Format::check(start);
        Crc64 sum;
        sum.add(start.bytes().span());
        Buffer<std::uint8_t> piece(Index{1} << 16, memory::Kind::staging);
        for (std::uint64_t left = start.data_bytes() - 8; left > 0;) {
            const auto next = piece.span().first(static_cast<std::size_t>(std::min<std::uint64_t>(left, 1 << 16)));
            start.read(next);
            sum.add(next);
            left -= next.size();
        }
        std::array<std::uint8_t, 8> last{};
        start.read(last);
        Format::check(sum, last, start.where());
        CheckpointInfo info{start.where(), start.header().metadata, start.header().tensors};
        info.settings.erase(Format::version_key);
        return info;
    });
}

}  // namespace detail

/// Reads a whole checkpoint to check that it is undamaged. It keeps only the header and 64 KiB.
///
/// Throws     CheckpointError if the file is missing, damaged or not a checkpoint
/// Example    const auto info = gacc::checkpoint_info("run.safetensors");
///            info.expect({{"0.weight", {512, 784}}, {"0.bias", {512}}});
inline CheckpointInfo checkpoint_info(const std::filesystem::path& path) {
    return detail::checkpoint_info(path, "checkpoint_info");
}

/// The notes of the program that saved a checkpoint. Throws as checkpoint_info.
inline Settings checkpoint_settings(const std::filesystem::path& path) {
    return detail::checkpoint_info(path, "checkpoint_settings").settings;
}

}  // namespace gacc
