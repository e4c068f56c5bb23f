#include <gacc/data/gzip.hpp>
#include <gacc/data/mnist.hpp>

#include <doctest/doctest.h>

#include "support/temporary_folder.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <sys/stat.h>

namespace gzip_test {

using gacc::DataError;
using gacc::Shape;
using gacc::Tensor;

namespace {

Bytes two_images() { return idx_bytes({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}); }

/// The bytes as a gzip file.
Bytes gzipped(Bytes bytes) {
    constexpr int gzip_format = 15 + 16;
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_format, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    Bytes out(deflateBound(&stream, static_cast<uLong>(bytes.size())));
    stream.next_in = bytes.data();
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

/// Reads a file "file" of these bytes.
Tensor<std::uint8_t> read(const Bytes& bytes) {
    const TemporaryFolder folder;
    return gacc::read_idx_gz(folder.write("file", bytes));
}

bool holds(const Tensor<std::uint8_t>& tensor, const Bytes& bytes) {
    return std::ranges::equal(std::span(tensor.data(), static_cast<std::size_t>(tensor.size())), bytes);
}

}  // namespace

TEST_CASE("read_idx_gz: reads a gzipped file") {
    const Tensor<std::uint8_t> images = read(gzipped(two_images()));
    CHECK(images.shape() == Shape{2, 2, 3});
    CHECK(holds(images, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}));
}

TEST_CASE("read_idx_gz: reads a raw file as well") {
    const Tensor<std::uint8_t> images = read(two_images());
    CHECK(images.shape() == Shape{2, 2, 3});
    CHECK(holds(images, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}));
}

TEST_CASE("read_idx_gz: reads what is much larger than zlib's buffers") {
    Bytes content(1'000'000);
    for (std::size_t i = 0; i < content.size(); ++i) { content[i] = static_cast<std::uint8_t>(i * i >> 8); }
    CHECK(holds(read(gzipped(idx_bytes({1000, 1000}, content))), content));
}

TEST_CASE("read_idx_gz: a gzip file cut short anywhere is refused") {
    const Bytes whole = gzipped(two_images());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CAPTURE(length);
        CHECK_THROWS_AS(read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}), DataError);
    }
}

TEST_CASE("read_idx_gz: a raw file cut short anywhere is refused") {
    const Bytes whole = two_images();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CAPTURE(length);
        CHECK_THROWS_AS(read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}), DataError);
    }
}

TEST_CASE("read_idx_gz: another bit anywhere is refused, or gives the same images") {
    const TemporaryFolder folder;
    const Bytes whole = gzipped(two_images());
    const Bytes content{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
    std::size_t refused = 0, same = 0;
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        Bytes changed = whole;
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
        try {
            same += holds(gacc::read_idx_gz(folder.write("file", changed)), content) ? 1 : 0;
        } catch (const DataError&) { ++refused; }
    }
    CHECK(refused + same == 8 * whole.size());
    CHECK(same >= 8 * 6);      // six bytes of the header are a date, a hint and a system
    CHECK(same <= 8 * 6 + 8);  // one bit says "text", up to seven fill the last byte before the checksum
}

TEST_CASE("read_idx_gz: a damaged file, with what zlib says") {
    const TemporaryFolder folder;
    Bytes bytes = gzipped(two_images());
    bytes[bytes.size() - 8] ^= 1;  // of the checksum
    const auto path = folder.write("file", bytes);
    CHECK_THROWS_WITH_AS(gacc::read_idx_gz(path),
                         "gacc: read_idx \"file\": expected a whole gzip file, got a damaged one (zlib: incorrect data "
                         "check)",
                         DataError);
}

TEST_CASE("read_idx_gz: a cut file") {
    Bytes bytes = gzipped(two_images());
    bytes.pop_back();
    CHECK_THROWS_WITH_AS(read(bytes),
                         "gacc: read_idx \"file\": expected a whole gzip file, got one that ends too early", DataError);
}

TEST_CASE("read_idx_gz: several members are one file, and anything else behind a member is refused") {
    const Bytes images = two_images(), whole = gzipped(images);
    for (std::size_t cut = 0; cut <= images.size(); ++cut) {
        const auto at = images.begin() + static_cast<std::ptrdiff_t>(cut);
        Bytes members = gzipped({images.begin(), at});
        const Bytes second = gzipped({at, images.end()});
        members.insert(members.end(), second.begin(), second.end());
        CHECK(holds(read(members), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}));
    }
    for (int byte = 0; byte < 256; ++byte) {
        Bytes more = whole;
        more.push_back(static_cast<std::uint8_t>(byte));
        const std::string got = byte == 0x1f ? "that ends too early" : "with other bytes behind its end";
        const std::string text = "gacc: read_idx \"file\": expected a whole gzip file, got one " + got;
        const TemporaryFolder folder;
        CHECK_THROWS_WITH_AS(gacc::read_idx_gz(folder.write("file", more)), text.c_str(), DataError);
    }
    Bytes garbage = whole;
    garbage.insert(garbage.end(), {0x1f, 0x8b, 8, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    CHECK_THROWS_WITH_AS(read(garbage),
                         "gacc: read_idx \"file\": expected a whole gzip file, got a damaged one (zlib: unknown header "
                         "flags set)",
                         DataError);
    // Also behind a buffer of zlib or of gacc.
    Bytes content(100'000);
    for (std::size_t i = 0; i < content.size(); ++i) { content[i] = static_cast<std::uint8_t>(i * i * i >> 8); }
    Bytes large = gzipped(idx_bytes({100'000}, content));
    large.insert(large.end(), 70'000, 0);
    CHECK_THROWS_AS(read(large), DataError);
}

TEST_CASE("read_idx_gz: a pipe is refused, and not waited for") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "pipe";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const std::string text =
        "gacc: read_idx \"pipe\": expected a readable file, got a pipe, socket or device at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_idx_gz(path), text.c_str(), DataError);
}

TEST_CASE("read_idx_gz: sizes that the file is too short for are refused before it is unpacked") {
    const Bytes zeros = gzipped(idx_bytes({1 << 30}, Bytes(10'000'000)));
    const std::string length = gacc::detail::grouped(zeros.size()), most = gacc::detail::grouped(1032 * zeros.size());
    const std::string text = "gacc: read_idx \"file\": expected 1,073,741,832 bytes, got a gzip file of " + length +
                             " that holds " + most + " at most";
    const TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(gacc::read_idx_gz(folder.write("file", zeros)), text.c_str(), DataError);
    // A file with deflate's best ratio is read.
    CHECK(read(gzipped(idx_bytes({10'000'000}, Bytes(10'000'000)))).size() == 10'000'000);
}

TEST_CASE("read_idx_gz: what unpacks to more than its header says is not unpacked to its end") {
    Bytes bomb = gzipped(idx_bytes({4}, {1, 2, 3, 4}));
    const Bytes rest = gzipped(Bytes(1'000'000));
    for (int i = 0; i < 4; ++i) { bomb.insert(bomb.end(), rest.begin(), rest.end()); }
    bomb.push_back('x');  // it would find this byte
    CHECK_THROWS_WITH_AS(read(bomb), "gacc: read_idx \"file\": expected 12 bytes for 4, got more", DataError);
}

TEST_CASE("read_idx_gz: a file that is not there") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "none.gz";
    const std::string text = "gacc: read_idx \"none.gz\": expected a readable file, got none at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_idx_gz(path), text.c_str(), DataError);
}

TEST_CASE("read_idx_gz: a folder in place of a file") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "images.gz";
    std::filesystem::create_directory(path);
    const std::string text = "gacc: read_idx \"images.gz\": expected a readable file, got a folder at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_idx_gz(path), text.c_str(), DataError);
}

TEST_CASE("read_idx_gz: refuses what read_idx refuses, counting the unpacked bytes") {
    CHECK_THROWS_WITH_AS(read(gzipped({})), "gacc: read_idx \"file\": expected a header of 4 bytes or more, got 0",
                         DataError);
    CHECK_THROWS_WITH_AS(read(gzipped({0, 0, 8, 3, 0, 0, 0, 2, 0, 0})),
                         "gacc: read_idx \"file\": expected a header of 16 bytes, got a file of 10", DataError);
    CHECK_THROWS_WITH_AS(read(gzipped({'G', 'I', 'F', '8', '9', 'a'})),
                         "gacc: read_idx \"file\": expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), got "
                         "71 73 70 56",
                         DataError);
    CHECK_THROWS_WITH_AS(read(gzipped(idx_bytes({2, 0}, {}))),
                         "gacc: read_idx \"file\": expected sizes from 1 up to what memory can hold, got 2 x 0",
                         DataError);
    CHECK_THROWS_WITH_AS(read(gzipped(idx_bytes({2, 2}, {1, 2, 3}))),
                         "gacc: read_idx \"file\": expected 16 bytes for 2 x 2, got 15", DataError);
    CHECK_THROWS_WITH_AS(read(gzipped(idx_bytes({2, 2}, {1, 2, 3, 4, 5}))),
                         "gacc: read_idx \"file\": expected 16 bytes for 2 x 2, got more", DataError);
}

TEST_CASE("read_idx_gz: a byte too many is seen wherever the file should end") {
    for (std::uint32_t length = (1U << 14) - 20; length <= (1U << 14); ++length) {  // around the end of a chunk
        CAPTURE(length);
        CHECK(read(gzipped(idx_bytes({length}, Bytes(length)))).size() == length);
        CHECK_THROWS_AS(read(gzipped(idx_bytes({length}, Bytes(length + 1)))), DataError);
    }
}

TEST_CASE("read_idx_gz: takes no memory for a file that is too short") {
    // No machine has 2^60 bytes: to allocate them would be a std::bad_alloc.
    CHECK_THROWS_WITH_AS(
        read(gzipped(idx_bytes({1 << 30, 1 << 30}, Bytes(88)))),
        "gacc: read_idx \"file\": expected 1,152,921,504,606,846,988 bytes, got a gzip file of 31 that "
        "holds 31,992 at most",
        DataError);
}

TEST_CASE("read_idx_gz: a file gzipped twice is not IDX") {
    CHECK_THROWS_AS(read(gzipped(gzipped(two_images()))), DataError);
}

TEST_CASE("read_idx: says of a gzipped file what to do about it") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(gacc::read_idx(folder.write("file", gzipped(two_images()))),
                         "gacc: read_idx \"file\": expected a raw IDX file, got a gzipped one; gunzip it, or include "
                         "<gacc/data/gzip.hpp> and use read_idx_gz",
                         DataError);
}

TEST_CASE("load_mnist: with read_idx_gz reads gzipped files of both usual names") {
    const TemporaryFolder folder;
    folder.write("train-images-idx3-ubyte.gz", gzipped(two_images()));
    folder.write("train-labels.idx1-ubyte.gz", gzipped(idx_bytes({2}, {4, 9})));
    const auto data = gacc::load_mnist(folder.path(), gacc::Split::train, gacc::read_idx_gz);
    CHECK(data.size() == 2);
    CHECK(data.label(1) == 9);
    CHECK(holds(data.pixels(), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}));
}

TEST_CASE("load_mnist: prefers raw files to gzipped ones") {
    const TemporaryFolder folder;
    folder.write("train-images-idx3-ubyte", two_images());
    folder.write("train-images-idx3-ubyte.gz", gzipped(idx_bytes({2, 1, 1}, {0, 0})));
    folder.write("train-labels-idx1-ubyte", idx_bytes({2}, {4, 9}));
    folder.write("train-labels-idx1-ubyte.gz", gzipped(idx_bytes({2}, {0, 0})));
    const auto data = gacc::load_mnist(folder.path(), gacc::Split::train, gacc::read_idx_gz);
    CHECK(data.features() == 6);
    CHECK(data.label(0) == 4);
}

TEST_CASE("read_idx_gz: every truncation of a file is refused, and any other byte gives the same images or an error") {
    const TemporaryFolder folder;
    const Bytes golden = gzipped(two_images());
    const auto read_file = [&](const Bytes& bytes) { return gacc::read_idx_gz(folder.write("file", bytes)); };
    for (std::size_t length = 0; length < golden.size(); ++length) {
        CHECK_THROWS_AS(read_file({golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(length)}), DataError);
    }
    Bytes bytes = golden;
    int same = 0, refused = 0;
    for (std::size_t i = 0; i < golden.size(); ++i) {
        for (int value = 0; value < 256; ++value) {
            bytes[i] = static_cast<std::uint8_t>(value);
            try {
                same += holds(read_file(bytes), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}) ? 1 : 0;
            } catch (const DataError&) { ++refused; }
        }
        bytes[i] = golden[i];
    }
    CHECK(same + refused ==
          256 * static_cast<int>(golden.size()));  // time, system and level are not part of the images
    CHECK(refused > 200 * static_cast<int>(golden.size() - 10));
}

}  // namespace gzip_test
