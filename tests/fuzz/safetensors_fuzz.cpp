// Any bytes are a safetensors file, whose every number can then be read and whose header can be written again, or a
// DataError.

#include <gacc/io/safetensors.hpp>

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto buffer_of = [](const std::uint8_t* bytes, std::size_t count) {
        gacc::Buffer<std::uint8_t> buffer(static_cast<gacc::Index>(count));
        std::copy_n(bytes, count, buffer.data());
        return buffer;
    };
    try {
        const gacc::SafetensorsFile file(buffer_of(data, size), "fuzz");
        std::uint64_t bytes = 0;
        gacc::SafetensorsHeader header;
        header.metadata = file.metadata();
        for (const gacc::TensorInfo& info : file.tensors()) {
            bytes += info.bytes();
            if (gacc::detail::is_number(info.dtype)) {
                const auto tensor = file.tensor<float>(info.name);
                if (8 * info.bytes() !=
                    static_cast<std::uint64_t>(tensor.size()) * gacc::detail::named(info.dtype).bits) {
                    std::abort();
                }
            }
            gacc::detail::append_tensor(header, info.name, info.dtype, info.shape);
        }
        auto again = gacc::detail::safetensors_start(header);
        again.insert(again.end(), data + (size - bytes), data + size);
        const gacc::SafetensorsFile written(buffer_of(again.data(), again.size()), "written again");
        const auto same = [](const gacc::TensorInfo& a, const gacc::TensorInfo& b) {
            return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.first == b.first &&
                   a.last == b.last;
        };
        if (!std::ranges::is_permutation(file.tensors(), written.tensors(), same) ||
            file.metadata() != written.metadata()) {
            std::abort();
        }
    } catch (const gacc::DataError&) {}
    return 0;
}
