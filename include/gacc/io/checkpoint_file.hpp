#pragma once

#include <gacc/core/checksum.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/state.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/safetensors_file.hpp>
#include <gacc/io/safetensors_start.hpp>
#include <gacc/io/tensor_info.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

/// Notes of a program in its checkpoint, for example its options.
using Settings = std::map<std::string, std::string, std::less<>>;

namespace detail {

/// A safetensors file that says that it is a checkpoint, and whose last tensor is the CRC-64 of all bytes before it.
struct CheckpointFormat {
    static constexpr auto version_key = "gacc.checkpoint", version = "2";  // 2: the tally has the seed, and what forward has seen
    static constexpr auto checksum_name = "state/checksum";

    /// Throws     CheckpointError if the header is not that of a checkpoint
    static void check(const SafetensorsStart& start) {
        const auto& [tensors, metadata] = start.header();
        const auto found = metadata.find(version_key);
        if (found == metadata.end()) {
            throw CheckpointError(start.where(), "expected a checkpoint, got a safetensors file of another kind");
        }
        if (found->second != version) {
            throw CheckpointError(start.where(), text("expected a checkpoint of version ", version, ", got version \"",
                                                      shown(found->second), "\"; use the gacc that wrote it"));
        }
        const TensorInfo* last = tensors.empty() ? nullptr : &tensors.back();
        if (last == nullptr || last->name != checksum_name || last->dtype != DType::i64 || last->bytes() != 8) {
            throw CheckpointError(start.where(), "expected a checksum at the end of the file, got none");
        }
    }

    /// Throws     CheckpointError if a byte has changed since it was saved
    static void check(const SafetensorsFile& file) {
        const auto [start, numbers] = file.bytes();
        Crc64 sum;
        sum.add(start);
        sum.add(numbers.first(numbers.size() - 8));
        check(sum, numbers.last<8>(), file.where());
    }
    /// Compares the checksum of all bytes but the last eight with these eight.
    static void check(const Crc64& sum, std::span<const std::uint8_t, 8> last, const std::string& where) {
        if (sum.value() == from_little_endian<std::uint64_t>(last.data())) { return; }
        throw CheckpointError(where,
                              "expected the bytes that were saved, got others: the file is damaged; "
                              "is there one before it, with .prev at its end?");
    }
};

/// Calls f() and turns its DataErrors into CheckpointErrors.
template <class F>
auto as_checkpoint(const F& f) {
    try {
        return f();
    } catch (const CheckpointError&) { throw; } catch (const DataError& error) {
        throw CheckpointError(error);
    }
}

/// Throws     CheckpointError if a number of the tensor is NaN, infinite, or negative although it must not be
template <class Scalar>
void check_numbers(const SafetensorsFile& file, const std::string& name, bool non_negative) {
    const TensorInfo& tensor = *file.find(name);
    file.visit<Scalar>(tensor, [&](auto next) {
        for (std::uint64_t left = tensor.bytes() / sizeof(Scalar); left > 0; --left) {
            if (const Scalar number = next(); !std::isfinite(number) || (non_negative && number < 0)) {
                throw CheckpointError(file.where(), text("expected finite numbers", non_negative ? " of 0 or more" : "",
                                                         ", got ", number, " in ", shown(name)));
            }
        }
    });
}

/// The words of a state.
inline State words_in(const SafetensorsFile& file, const std::string& name) {
    const auto bytes = file.bytes(*file.find(name));
    State words(bytes.size() / sizeof(std::uint64_t));
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = from_little_endian<std::uint64_t>(bytes.data() + i * sizeof(std::uint64_t));
    }
    return words;
}

}  // namespace detail
}  // namespace gacc
