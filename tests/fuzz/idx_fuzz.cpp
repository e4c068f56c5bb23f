// Any bytes are an IDX file or a DataError.

#include <gacc/data/idx.hpp>

#include "raw_bytes.hpp"

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        RawBytes file({data, size});
        const auto tensor = gacc::detail::parse_idx(file, "fuzz");
        if (static_cast<std::size_t>(tensor.size()) + 4 + 4 * tensor.shape().size() != size) { std::abort(); }
        if (!std::equal(tensor.data(), tensor.data() + tensor.size(), data + size - tensor.size())) { std::abort(); }
    } catch (const gacc::DataError&) {}
    return 0;
}
