#pragma once

#include <gacc/data/idx.hpp>

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace gacc::inline GACC_ABI {

namespace detail {

/// A gzipped file (or a plain one, which zlib hands on as it is), read from front to back.
class GzipFile {
public:
    GzipFile(const std::filesystem::path& path, std::string where) : where_(std::move(where)) {
        std::error_code error;
        if (std::filesystem::is_regular_file(path, error)) { file_.reset(gzopen(path.string().c_str(), "rb")); }
        if (file_ == nullptr) { throw DataError(where_, "expected a readable file, got none at " + path.string()); }
        gzbuffer(file_.get(), 1 << 14);
    }

    /// Bytes in the file once unpacked, counted up to a little more than `at_most`, without keeping them.
    std::uint64_t size(std::uint64_t at_most) {
        const auto place = gztell(file_.get());
        std::array<std::uint8_t, 1 << 14> chunk;
        gzrewind(file_.get());
        std::uint64_t count = 0;
        while (count <= at_most) {
            const std::size_t got = read(chunk);
            if (got == 0) { break; }
            count += got;
        }
        gzseek(file_.get(), place, SEEK_SET);
        return count;
    }

    std::size_t read(std::span<std::uint8_t> bytes) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            const auto piece = std::min<std::size_t>(bytes.size() - done, 1U << 30);
            const int got = gzread(file_.get(), bytes.data() + done, static_cast<unsigned>(piece));
            check(got);
            if (got == 0) { break; }
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

private:
    void check(int got) {
        int code = Z_OK;
        const char* message = gzerror(file_.get(), &code);
        if (got < 0 || code == Z_BUF_ERROR) {
            throw DataError(
                where_, std::string("expected a whole gzip file, got a damaged or cut one (zlib: ") + message + ")");
        }
    }

    struct Close {
        void operator()(gzFile_s* file) const { gzclose(file); }
    };
    std::string where_;
    std::unique_ptr<gzFile_s, Close> file_;
};

}  // namespace detail

/// read_idx for a file that is gzipped, or plain. Needs zlib: link ZLIB::ZLIB.
///
/// Throws     DataError as read_idx, and if the gzip file is damaged or cut short
inline Tensor<std::uint8_t> read_idx_gz(const std::filesystem::path& path) {
    const std::string where = detail::idx_place(path);
    detail::GzipFile file(path, where);
    return detail::parse_idx(file, where);
}

}  // namespace gacc
