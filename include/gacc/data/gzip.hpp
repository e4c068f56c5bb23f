#pragma once

#include <gacc/data/idx.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

/// A gzipped file with one or several members, or a plain file, read from front to back.
class GzipFile {
public:
    GzipFile(const std::filesystem::path& path, std::string where)
        : where_(std::move(where)), file_(path, where_, " at " + shown_path(path)) {
        constexpr int gzip_format = 15 + 16;
        if (inflateInit2(&stream_, gzip_format) != Z_OK) { throw std::bad_alloc(); }
        inflate_.reset(&stream_);
        start();
    }
    GzipFile(const GzipFile&) = delete;
    GzipFile& operator=(const GzipFile&) = delete;

    /// The number of unpacked bytes, counted up to a little more than `at_most`, without keeping them.
    ///
    /// Throws     DataError if the file is damaged, or too short to hold `at_most`
    std::uint64_t size(std::uint64_t at_most) {
        constexpr std::uint64_t best = 1032;  // deflate's best ratio: two bits for 258 bytes
        if (!packed_) { return file_.size(); }
        if (at_most / best > file_.size()) {
            throw DataError(where_,
                            text("expected ", grouped(at_most), " bytes, got a gzip file of ", grouped(file_.size()),
                                 " that holds ", grouped(best * file_.size()), " at most"));
        }
        const std::uint64_t place = place_;
        start();
        while (place_ <= at_most && skip(chunk) > 0) {}
        const std::uint64_t count = place_;
        start();
        while (place_ < place && skip(place - place_) > 0) {}
        return count;
    }

    std::size_t read(std::span<std::uint8_t> bytes) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            const std::size_t got = packed_ ? unpack(bytes.subspan(done)) : file_.read(bytes.subspan(done));
            if (got == 0) { break; }
            done += got;
        }
        place_ += done;
        return done;
    }

private:
    static constexpr std::size_t chunk = std::size_t{1} << 14;

    void start() {
        file_.rewind();
        refill();
        packed_ = stream_.avail_in >= 2 && waiting_[0] == 0x1f && waiting_[1] == 0x8b;
        if (!packed_) { file_.rewind(); }
        inflateReset(&stream_);
        in_member_ = packed_;
        place_ = 0;
    }
    /// Reads the next bytes of the file; false at its end.
    bool refill() {
        stream_.next_in = waiting_.data();
        stream_.avail_in = static_cast<uInt>(file_.read(waiting_));
        return stream_.avail_in > 0;
    }
    std::size_t skip(std::uint64_t count) {
        std::array<std::uint8_t, chunk> dropped;
        return read(std::span(dropped).first(static_cast<std::size_t>(std::min<std::uint64_t>(count, chunk))));
    }

    /// Unpacks some of the next bytes. Returns their number; 0 at the end of the last member.
    std::size_t unpack(std::span<std::uint8_t> bytes) {
        const auto wanted = static_cast<uInt>(std::min<std::size_t>(bytes.size(), 1U << 30));
        stream_.next_out = bytes.data();
        stream_.avail_out = wanted;
        while (stream_.avail_out == wanted) {
            if (stream_.avail_in == 0 && !refill()) {
                if (!in_member_) { break; }
                refuse("one that ends too early");
            }
            if (!in_member_) { begin_member(); }
            const int code = inflate(&stream_, Z_NO_FLUSH);
            if (code == Z_STREAM_END) {
                in_member_ = false;
            } else if (code == Z_MEM_ERROR) {
                throw std::bad_alloc();
            } else if (code != Z_OK && code != Z_BUF_ERROR) {
                refuse(text("a damaged one (zlib: ", stream_.msg == nullptr ? "no reason" : stream_.msg, ")"));
            }
        }
        return wanted - stream_.avail_out;
    }
    /// A member is followed by another one or by the end of the file.
    void begin_member() {
        if (*stream_.next_in != 0x1f) { refuse("one with other bytes behind its end"); }
        inflateReset(&stream_);
        in_member_ = true;
    }
    [[noreturn]] void refuse(const std::string& got) const {
        throw DataError(where_, "expected a whole gzip file, got " + got);
    }

    struct End {
        void operator()(z_stream* stream) const { inflateEnd(stream); }
    };
    std::string where_;
    InputFile file_;
    z_stream stream_{};
    std::unique_ptr<z_stream, End> inflate_;  // refers to stream_
    std::array<std::uint8_t, chunk> waiting_{};
    bool packed_ = false;
    bool in_member_ = false;   // its end is not reached
    std::uint64_t place_ = 0;  // unpacked bytes read so far
};

}  // namespace detail

/// read_idx for a file that is gzipped or plain. It needs zlib: link ZLIB::ZLIB.
///
/// Throws     DataError as read_idx, and if the gzip file is damaged, cut short, has other bytes behind its end, or is
///            too short for the size that it claims
inline Tensor<std::uint8_t> read_idx_gz(const std::filesystem::path& path) {
    const std::string where = detail::idx_place(path);
    detail::GzipFile file(path, where);
    return detail::parse_idx(file, where);
}

}  // namespace gacc
