// Any bytes are a gzipped IDX file, a plain one, or a DataError.

#include <gacc/data/gzip.hpp>

#include <cstdlib>

#include <sys/mman.h>
#include <unistd.h>

namespace {

/// A file that has a name, but lies in memory.
const std::filesystem::path path = "/proc/self/fd/" + std::to_string(memfd_create("gzip_fuzz", 0));
const int handle = std::atoi(path.filename().c_str());

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (ftruncate(handle, 0) != 0 || pwrite(handle, data, size, 0) != static_cast<ssize_t>(size)) { std::abort(); }
    try {
        const auto tensor = gacc::read_idx_gz(path);
        if (tensor.size() < 1 || static_cast<std::size_t>(tensor.size()) > 1100 * size) { std::abort(); }
    } catch (const gacc::DataError&) {}
    return 0;
}
