#include <gacc/data/fingerprint.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace fingerprint_test {

using gacc::fingerprint;
using gacc::ImageDataset;
using gacc::Index;
using gacc::Label;
using gacc::Tensor;
using gacc::TensorDataset;

namespace {

template <class T>
Tensor<T> tensor(gacc::Shape shape, std::initializer_list<T> numbers) {
    Tensor<T> out(std::move(shape));
    std::ranges::copy(numbers, out.data());
    return out;
}

std::uint64_t of(gacc::Shape shape, std::initializer_list<float> inputs, std::vector<Label> labels) {
    return fingerprint(TensorDataset<float>(tensor<float>(std::move(shape), inputs), std::move(labels)));
}

}  // namespace

TEST_CASE("fingerprint: the CRC-64 of sizes, labels and inputs, byte by byte") {
    const std::vector<std::uint8_t> bytes{
        2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,    0,    0, 0, 0, 0,  // 2 samples of 1 feature
        3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f,              // the label 3 and 1.0F
        5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0xc0,              // the label 5 and -2.0F
    };
    gacc::Crc64 sum;
    sum.add(bytes);
    CHECK(of({2, 1}, {1, -2}, {3, 5}) == sum.value());
    CHECK(of({2, 1}, {1, -2}, {3, 5}) == 0x8490292369610C56);  // computed in Python, bit by bit
}

TEST_CASE("fingerprint: data that differ in anything have another one") {
    std::set<std::uint64_t> seen;
    for (const std::uint64_t one :
         {of({2, 2}, {1, 2, 3, 4}, {0, 1}), of({2, 2}, {1, 2, 3, 5}, {0, 1}),  // the last number
          of({2, 2}, {1.0000001F, 2, 3, 4}, {0, 1}),                           // the last bit of the first
          of({2, 2}, {1, 2, 3, 4}, {0, 2}),                                    // a label
          of({2, 2}, {1, 2, 3, 4}, {1, 0}),                                    // the labels' order
          of({2, 2}, {3, 4, 1, 2}, {1, 0}),                                    // the samples' order
          of({2, 2}, {2, 1, 3, 4}, {0, 1}),                                    // the order within a sample
          of({2, 1}, {1, 2}, {0, 1}), of({1, 2}, {1, 2}, {0}), of({1, 1}, {1}, {0}), of({1, 1}, {0}, {0}),
          of({0, 2}, {}, {}), of({0, 3}, {}, {})}) {
        CHECK(seen.insert(one).second);
    }
}

TEST_CASE("fingerprint: the same for the same numbers in any type of dataset") {
    struct OwnType {
        using scalar_type = float;
        Index size() const { return 2; }
        Index features() const { return 3; }
        Label label(Index sample) const { return static_cast<Label>(sample); }
        void copy_inputs(Index sample, std::span<float> row) const {
            row[0] = -1;
            row[1] = 1;
            row[2] = sample == 0 ? -1.0F : 1.0F;
        }
    };
    const auto images = [](gacc::PixelScaling scaling) {
        return fingerprint(ImageDataset<float>(tensor<std::uint8_t>({2, 1, 3}, {0, 255, 0, 0, 255, 255}),
                                               tensor<std::uint8_t>({2}, {0, 1}), scaling));
    };
    const std::uint64_t expected = of({2, 3}, {-1, 1, -1, -1, 1, 1}, {0, 1});
    CHECK(fingerprint(OwnType{}) == expected);
    CHECK(images({}) == expected);
    CHECK(images({.mean = 0.25}) != expected);
}

TEST_CASE("fingerprint: of numbers in double, likewise") {
    const std::vector<std::uint8_t> bytes{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,    0,
                                          7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f};
    gacc::Crc64 sum;
    sum.add(bytes);
    CHECK(fingerprint(TensorDataset<double>(tensor<double>({1, 1}, {1.0}), {7})) == sum.value());
}

}  // namespace fingerprint_test
