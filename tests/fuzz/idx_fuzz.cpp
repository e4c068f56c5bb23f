// Any bytes are an IDX file or a DataError.

#include <gacc/data/idx.hpp>

#include <algorithm>
#include <cstdlib>

namespace {

/// What RawFile is to a file.
class RawBytes {
public:
    explicit RawBytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    std::uint64_t size(std::uint64_t) const { return bytes_.size(); }
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        RawBytes file({data, size});
        const auto tensor = gacc::detail::parse_idx(file, "fuzz");
        if (static_cast<std::size_t>(tensor.size()) + 4 + 4 * tensor.shape().size() != size) { std::abort(); }
        if (!std::equal(tensor.data(), tensor.data() + tensor.size(), data + size - tensor.size())) { std::abort(); }
    } catch (const gacc::DataError&) {}
    return 0;
}
