#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/layers/layer_config.hpp>
#include <gacc/layers/size2d.hpp>

#include <algorithm>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI::detail {

/// Throws     ShapeError unless a sample of this shape is an image
inline void check_image(const std::string& layer, const Shape& x) {
    if (x.size() != 3) {
        throw ShapeError(layer, "expected samples of {height, width, channels}, got samples of shape " + to_string(x));
    }
}

/// A rectangle of pixels. Pixel (row, column) of sample i is row first + row * width + column of a matrix.
struct PixelBox {
    Index top, bottom, left, right;  // bottom and right are outside
    Index first, width;              // of the image

    Index size() const { return (bottom - top) * (right - left); }
    Index first_row() const { return first + top * width + left; }

    /// Calls f(row of the matrix) for every pixel, row by row.
    template <class F>
    void for_each(const F& f) const {
        for (Index row = top; row < bottom; ++row) {
            for (Index column = left; column < right; ++column) { f(first + row * width + column); }
        }
    }
};

/// The windows of a pooling layer along one side of the image.
struct WindowsOfSide {
    Index kernel, stride, padding;

    struct Range {
        Index first, last;  // last is outside
    };

    /// The number of windows of a side with so many pixels.
    Index count(Index pixels) const { return (sum_of(pixels, 2 * padding) - kernel) / stride + 1; }
    /// The pixels of a window that are in the image.
    Range pixels_of(Index window, Index pixels) const {
        const Index begin = window * stride - padding;
        return {std::max<Index>(begin, 0), std::min(begin + kernel, pixels)};
    }
    /// Whether a window has this pixel, if windows do not overlap.
    bool has(Index pixel, Index pixels) const {
        const Index place = pixel + padding;
        return place % stride < kernel && place / stride < count(pixels);
    }
};

/// The windows of a pooling layer.
class Windows {
public:
    /// A stride of 0 is the kernel.
    ///
    /// Throws     ShapeError if the kernel has a size below 1 or above 4096, the stride is negative, or the padding is
    ///            negative or more than half the kernel
    Windows(const char* layer, Size2d kernel, Size2d stride, Size2d padding)
        : layer_(layer), kernel_(kernel), stride_(stride == Size2d(0) ? kernel : stride), padding_(padding) {
        constexpr Index largest = 4096;  // so that float can number the pixels of a window
        const auto refuse = [&](const char* expected, Size2d got) {
            throw ShapeError(layer, text("expected ", expected, ", got ", to_string(got)));
        };
        if (std::min(kernel.height, kernel.width) < 1 || std::max(kernel.height, kernel.width) > largest) {
            refuse("a kernel of sizes from 1 to 4096", kernel);
        }
        if (std::min(stride_.height, stride_.width) < 1) { refuse("a stride of 1 or more", stride); }
        if (std::min(padding.height, padding.width) < 0 || padding.height > kernel.height / 2 ||
            padding.width > kernel.width / 2) {
            refuse("a padding from 0 to half the kernel", padding);
        }
    }

    Size2d kernel() const { return kernel_; }
    bool overlap() const { return stride_.height < kernel_.height || stride_.width < kernel_.width; }

    /// "MaxPool2d(3, stride 2, padding 1)"
    std::string description() const {
        return layer_ + ("(" + to_string(kernel_)) + (stride_ == kernel_ ? "" : ", stride " + to_string(stride_)) +
               (padding_ == Size2d(0) ? "" : ", padding " + to_string(padding_)) + ")";
    }

    /// The options of a LayerConfig.
    auto options() const {
        return decltype(LayerConfig::options){{"kernel_height", kernel_.height},   {"kernel_width", kernel_.width},
                                              {"stride_height", stride_.height},   {"stride_width", stride_.width},
                                              {"padding_height", padding_.height}, {"padding_width", padding_.width}};
    }

    /// The additions for a sample of y of this shape.
    Index additions(const Shape& y) const { return product_of(y[0], y[1], y[2], kernel_.height, kernel_.width); }

    /// The shape of y for samples of shape x.
    ///
    /// Throws     ShapeError if they are no images, or smaller than a window
    Shape shape_of_y(const Shape& x) const {
        check_image(description(), x);
        if (sum_of(x[0], 2 * padding_.height) < kernel_.height || sum_of(x[1], 2 * padding_.width) < kernel_.width) {
            throw ShapeError(description(), "expected samples of a window or more, padding included, got samples of " +
                                                ("shape " + to_string(x)));
        }
        return {rows_.count(x[0]), columns_.count(x[1]), x[2]};
    }

    /// Calls f(row of y, pixels of x) for every window of the samples, in order. `shape` is that of a sample of x.
    template <class F>
    void for_each_window(Index samples, std::span<const Index> shape, const F& f) const {
        const Index height = shape[0], width = shape[1];
        Index row_of_y = 0;
        for (Index sample = 0; sample < samples; ++sample) {
            for (Index row = 0; row < rows_.count(height); ++row) {
                const auto [top, bottom] = rows_.pixels_of(row, height);
                for (Index column = 0; column < columns_.count(width); ++column) {
                    const auto [left, right] = columns_.pixels_of(column, width);
                    f(row_of_y++, PixelBox{top, bottom, left, right, sample * height * width, width});
                }
            }
        }
    }

    /// Calls f(row of x) for every pixel that no window has. The windows must not overlap.
    template <class F>
    void for_each_gap(Index samples, std::span<const Index> shape, const F& f) const {
        const Index height = shape[0], width = shape[1];
        for (Index row = 0; row < samples * height; ++row) {
            const bool row_has = rows_.has(row % height, height);
            for (Index column = 0; column < width; ++column) {
                if (!row_has || !columns_.has(column, width)) { f(row * width + column); }
            }
        }
    }

private:
    std::string layer_;
    Size2d kernel_, stride_, padding_;
    WindowsOfSide rows_{kernel_.height, stride_.height, padding_.height};
    WindowsOfSide columns_{kernel_.width, stride_.width, padding_.width};
};

}  // namespace gacc::detail
