#include <gacc/kernels/padded_band.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

namespace padded_band_test {

using gacc::Index;
using gacc::detail::Images;
using gacc::detail::Range;

TEST_CASE("copy_band: pixels of the image, and zeros around them and after their channels") {
    for (const Index channels : {1, 2, 5, 16, 19}) {
        for (const Index pixel : {channels, channels + 3}) {
            const Index height = 3, width = 4;
            std::vector<float> numbers(static_cast<std::size_t>(2 * height * width * pixel));
            std::iota(numbers.begin(), numbers.end(), 1.0F);
            const Images<const float> images{numbers.data(), height, width, pixel};
            for (const Range rows : {Range{0, 3}, {-2, 2}, {1, 6}, {-5, -1}, {3, 5}}) {
                for (const Range columns : {Range{0, 4}, {-3, 2}, {2, 9}, {-1, 5}, {-6, -2}, {4, 6}}) {
                    for (const Index room : {channels, channels + 2}) {
                        std::vector<float> band(static_cast<std::size_t>(rows.size() * columns.size() * room), 77.0F);
                        gacc::detail::copy_band(images, 1, rows, columns, channels, band.data(), room);
                        auto at = band.begin();
                        for (Index row = rows.first; row < rows.last; ++row) {
                            for (Index column = columns.first; column < columns.last; ++column) {
                                for (Index c = 0; c < room; ++c, ++at) {
                                    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
                                    REQUIRE(*at == (inside && c < channels ? images.at(1, row, column)[c] : 0.0F));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

}  // namespace padded_band_test
