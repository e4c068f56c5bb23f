#include <gacc/data/idx.hpp>

#include <doctest/doctest.h>

#include "support/sparse_file.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#ifndef _WIN32
#include <sys/stat.h>
#endif

namespace idx_test {

using gacc::DataError;
using gacc::Shape;
using gacc::Tensor;

namespace {

constexpr std::uint32_t largest = 0xffffffff;

/// Two images of 2 x 3 pixels.
Bytes two_images() { return idx_bytes({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}); }

/// Reads a file "file" of these bytes.
Tensor<std::uint8_t> read(const Bytes& bytes) {
    const TemporaryFolder folder;
    return gacc::read_idx(folder.write("file", bytes));
}

bool holds(const Tensor<std::uint8_t>& tensor, const Bytes& bytes) {
    return std::ranges::equal(std::span(tensor.data(), static_cast<std::size_t>(tensor.size())), bytes);
}

/// A file that is not on disk. It may have lost its end after its size was read.
struct MemoryFile {
    Bytes bytes;
    std::size_t lost = 0;
    std::size_t at = 0;

    std::uint64_t size(std::uint64_t) const { return bytes.size(); }
    std::size_t read(std::span<std::uint8_t> out) {
        const std::size_t count = std::min(out.size(), bytes.size() - lost - at);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
        at += count;
        return count;
    }
};

}  // namespace

TEST_CASE("read_idx: images have the shape and the bytes of the file") {
    const Tensor<std::uint8_t> images = read(two_images());
    CHECK(images.shape() == Shape{2, 2, 3});
    CHECK(holds(images, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}));
}

TEST_CASE("read_idx: labels are one byte each") {
    const Tensor<std::uint8_t> labels = read(idx_bytes({4}, {7, 0, 9, 200}));
    CHECK(labels.shape() == Shape{4});
    CHECK(holds(labels, {7, 0, 9, 200}));
}

TEST_CASE("read_idx: files of one to four sizes are read") {
    CHECK(read(idx_bytes({2}, {1, 2})).shape() == Shape{2});
    CHECK(read(idx_bytes({1, 2}, {1, 2})).shape() == Shape{1, 2});
    CHECK(read(idx_bytes({1, 2, 1}, {1, 2})).shape() == Shape{1, 2, 1});
    CHECK(read(idx_bytes({1, 1, 2, 1}, {1, 2})).shape() == Shape{1, 1, 2, 1});
}

TEST_CASE("read_idx: sizes are big-endian") {
    CHECK(read(idx_bytes({0x0102}, Bytes(0x0102))).samples() == 258);
    CHECK(read(idx_bytes({0x010000}, Bytes(0x010000))).samples() == 65536);
}

TEST_CASE("read_idx: a file cut short anywhere is refused") {
    const Bytes whole = two_images();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CAPTURE(length);
        CHECK_THROWS_AS(read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}), DataError);
    }
}

TEST_CASE("read_idx: any other byte anywhere in the header is refused") {
    for (std::size_t place = 0; place < 16; ++place) {
        for (int change = 1; change < 256; ++change) {
            CAPTURE(place);
            CAPTURE(change);
            MemoryFile file{.bytes = two_images()};
            file.bytes[place] = static_cast<std::uint8_t>(file.bytes[place] ^ change);
            CHECK_THROWS_AS(gacc::detail::parse_idx(file, "file"), DataError);
        }
    }
}

TEST_CASE("read_idx: a file that is not there") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "none";
    const std::string text = "gacc: read_idx \"none\": expected a readable file, got none at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_idx(path), text.c_str(), DataError);
}

TEST_CASE("read_idx: a folder in place of a file") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "images";
    std::filesystem::create_directory(path);
    const std::string text = "gacc: read_idx \"images\": expected a readable file, got a folder at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_idx(path), text.c_str(), DataError);
}

#ifdef _WIN32
TEST_CASE("read_idx: a device is refused") { CHECK_THROWS_AS(gacc::read_idx("NUL"), DataError); }
#else  // pipes lie in no folder of Windows, and names have no such bytes there
TEST_CASE("read_idx: a pipe is refused, and not waited for") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "pipe";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const std::string text =
        "gacc: read_idx \"pipe\": expected a readable file, got a pipe, socket or device at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_idx(path), text.c_str(), DataError);
    CHECK_THROWS_AS(gacc::read_idx("/dev/zero"), DataError);
}

TEST_CASE("read_idx: bytes of a name that a terminal would obey are shown escaped") {
    const TemporaryFolder folder;
    const auto path = folder.write("\x1b[2J\xff", {});
    CHECK_THROWS_WITH_AS(gacc::read_idx(path),
                         R"(gacc: read_idx "\x1b[2J\xff": expected a header of 4 bytes or more, got 0)", DataError);
    const std::string text =
        "gacc: read_idx \"\\x07\": expected a readable file, got none at " + folder.path().string() + "/\\x07";
    CHECK_THROWS_WITH_AS(gacc::read_idx(folder.path() / "\a"), text.c_str(), DataError);
}
#endif

TEST_CASE("read_idx: a file of terabytes is refused at once, whatever it begins with") {
    const TemporaryFolder folder;
    constexpr std::uintmax_t bytes = std::uintmax_t{1} << 42;
    lengthen(folder.write("zeros", {}), bytes);
    CHECK_THROWS_WITH_AS(gacc::read_idx(folder.path() / "zeros"),
                         "gacc: read_idx \"zeros\": expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), "
                         "got 0 0 0 0",
                         DataError);
    lengthen(folder.write("longer", two_images()), bytes);
    CHECK_THROWS_WITH_AS(gacc::read_idx(folder.path() / "longer"),
                         "gacc: read_idx \"longer\": expected 28 bytes for 2 x 2 x 3, got more", DataError);
    lengthen(folder.write("images", idx_bytes({1 << 12, 1 << 15, 1 << 15}, {})), bytes + 16);
    CHECK_THROWS_WITH_AS(
        gacc::read_idx(folder.path() / "images"),
        "gacc: read_idx \"images\": expected a file that fits into memory, got 4,398,046,511,120 bytes", DataError);
}

TEST_CASE("read_idx: a file too short for a magic number") {
    CHECK_THROWS_WITH_AS(read({}), "gacc: read_idx \"file\": expected a header of 4 bytes or more, got 0", DataError);
    CHECK_THROWS_WITH_AS(read({0, 0, 8}), "gacc: read_idx \"file\": expected a header of 4 bytes or more, got 3",
                         DataError);
}

TEST_CASE("read_idx: a gzipped file, with what to do about it") {
    CHECK_THROWS_WITH_AS(read({0x1f, 0x8b, 8, 0, 0, 0}),
                         "gacc: read_idx \"file\": expected a raw IDX file, got a gzipped one; gunzip it, or include "
                         "<gacc/data/gzip.hpp> and use read_idx_gz",
                         DataError);
}

TEST_CASE("read_idx: another magic number") {
    CHECK_THROWS_WITH_AS(read({'G', 'I', 'F', '8', '9', 'a'}),
                         "gacc: read_idx \"file\": expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), got "
                         "71 73 70 56",
                         DataError);
}

TEST_CASE("read_idx: numbers that are not bytes") {
    CHECK_THROWS_WITH_AS(read({0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0}),
                         "gacc: read_idx \"file\": expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), got "
                         "0 0 13 1",
                         DataError);
}

TEST_CASE("read_idx: no sizes and more than four") {
    CHECK_THROWS_WITH_AS(read(idx_bytes({}, {1})),
                         "gacc: read_idx \"file\": expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), got "
                         "0 0 8 0",
                         DataError);
    CHECK_THROWS_WITH_AS(read(idx_bytes({1, 1, 1, 1, 1}, {1})),
                         "gacc: read_idx \"file\": expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), got "
                         "0 0 8 5",
                         DataError);
}

TEST_CASE("read_idx: a header that ends early") {
    CHECK_THROWS_WITH_AS(read({0, 0, 8, 3, 0, 0, 0, 2, 0, 0}),
                         "gacc: read_idx \"file\": expected a header of 16 bytes, got a file of 10", DataError);
}

TEST_CASE("read_idx: sizes of zero") {
    CHECK_THROWS_WITH_AS(read(idx_bytes({0}, {})),
                         "gacc: read_idx \"file\": expected sizes from 1 up to what memory can hold, got 0", DataError);
    CHECK_THROWS_WITH_AS(read(idx_bytes({2, 0, 3}, {})),
                         "gacc: read_idx \"file\": expected sizes from 1 up to what memory can hold, got 2 x 0",
                         DataError);
}

TEST_CASE("read_idx: sizes whose product no integer holds") {
    CHECK_THROWS_WITH_AS(read(idx_bytes({largest, largest, largest}, {1, 2, 3})),
                         "gacc: read_idx \"file\": expected sizes from 1 up to what memory can hold, got 4294967295 x "
                         "4294967295",
                         DataError);
}

TEST_CASE("read_idx: sizes whose product wraps around to the length of the file") {
    // 65536^4 = 2^64, which is 0 in 64 bits.
    CHECK_THROWS_WITH_AS(
        read(idx_bytes({65536, 65536, 65536, 65536}, {})),
        "gacc: read_idx \"file\": expected sizes from 1 up to what memory can hold, got 65536 x 65536 x "
        "65536 x 65536",
        DataError);
}

TEST_CASE("read_idx: a file that claims 2 GB and has 100 bytes") {
    CHECK_THROWS_WITH_AS(read(idx_bytes({2, 1 << 15, 1 << 15}, Bytes(84))),
                         "gacc: read_idx \"file\": expected 2,147,483,664 bytes for 2 x 32768 x 32768, got 100",
                         DataError);
}

TEST_CASE("read_idx: takes no memory for a file that is too short") {
    // No machine has 2^60 bytes: to allocate them would be a std::bad_alloc.
    CHECK_THROWS_WITH_AS(read(idx_bytes({1 << 30, 1 << 30}, Bytes(88))),
                         "gacc: read_idx \"file\": expected 1,152,921,504,606,846,988 bytes for 1073741824 x "
                         "1073741824, got 100",
                         DataError);
}

TEST_CASE("read_idx: a byte too few and a byte too many") {
    Bytes bytes = two_images();
    bytes.push_back(0);
    CHECK_THROWS_WITH_AS(read(bytes), "gacc: read_idx \"file\": expected 28 bytes for 2 x 2 x 3, got more", DataError);
    bytes.resize(27);
    CHECK_THROWS_WITH_AS(read(bytes), "gacc: read_idx \"file\": expected 28 bytes for 2 x 2 x 3, got 27", DataError);
}

TEST_CASE("read_idx: a file that shrinks while it is read") {
    MemoryFile file{.bytes = two_images(), .lost = 1};
    CHECK_THROWS_WITH_AS(gacc::detail::parse_idx(file, "read_idx \"file\""),
                         "gacc: read_idx \"file\": expected 28 bytes, got fewer while reading", DataError);
}

TEST_CASE(
    "read_idx: every truncation of a file is refused, and any other byte gives those sizes and bytes or an error") {
    const Bytes golden = two_images();
    for (std::size_t length = 0; length < golden.size(); ++length) {
        CHECK_THROWS_AS(read({golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(length)}), DataError);
    }
    constexpr std::size_t header = 16;
    Bytes bytes = golden;
    for (std::size_t i = 0; i < golden.size(); ++i) {
        for (int value = 0; value < 256; ++value) {
            bytes[i] = static_cast<std::uint8_t>(value);
            MemoryFile file{bytes};
            if (i >= header || bytes == golden) {
                CHECK(holds(gacc::detail::parse_idx(file, "test"), {bytes.begin() + header, bytes.end()}));
            } else {
                CHECK_THROWS_AS(gacc::detail::parse_idx(file, "test"), DataError);
            }
        }
        bytes[i] = golden[i];
    }
}

}  // namespace idx_test
