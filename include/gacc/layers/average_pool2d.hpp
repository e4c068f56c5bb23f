#pragma once

#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/layers/windows.hpp>

#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

struct AveragePool2dOptions {
    Size2d stride = 0;          ///< pixels from one window to the next; 0: the kernel, so that windows do not overlap
    Size2d padding = 0;         ///< pixels of 0 around the image
    bool count_padding = true;  ///< divide by all pixels of the window; without it by those in the image
};

/// The mean of each window of the image, for every channel by itself.
///
/// Shapes     x {height, width, channels};  y {windows down, windows across, channels}, where the windows of a side are
///            floor((pixels + 2 padding - kernel) / stride) + 1
/// Gradients  grad_x = the sum of grad_y / pixels over the windows that have it, in order
/// Defaults   PyTorch's: stride = kernel, no padding, count_padding (its count_include_pad)
/// Throws     ShapeError if a size is out of its range (docs/options.md), or samples are no images or smaller than a
///            window
/// Example    gacc::AveragePool2d layer(2);
template <class Scalar = float>
class AveragePool2d : public Layer<Scalar> {
public:
    explicit AveragePool2d(Size2d kernel, AveragePool2dOptions options = {})
        : windows_("AveragePool2d", kernel, options.stride, options.padding), count_padding_(options.count_padding) {}

    std::string description() const override { return windows_.description(); }
    LayerConfig config() const override {
        auto options = windows_.options();
        options.push_back({"count_padding", count_padding_});
        return {"AveragePool2d", std::move(options)};
    }
    LayerPlan plan(const Shape& x) const override {
        const Shape y = windows_.shape_of_y(x);
        return {.y = y, .work = windows_.additions(y), .reads_x = false, .reads_y = false, .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        const Index channels = call.x.cols();
        windows_.for_each_window(call.samples, call.shape, [&](Index row_of_y, const detail::PixelBox& window) {
            const Packet pixels = pixels_of(window);
            for (Index i = 0; i < channels; i += lanes) {
                Packet sum = detail::all_lanes<Packet>(0);
                window.for_each([&](Index row) {
                    const Scalar* x = call.x.data() + row * call.x.outerStride() + i;
                    sum = detail::plus(sum, detail::load_padded(x, channels - i));
                });
                detail::store_first(call.y.data() + row_of_y * call.y.outerStride() + i, detail::quotient(sum, pixels),
                                    channels - i);
            }
        });
    }

    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        const Index channels = call.grad_x.cols();
        call.grad_x.setZero();
        windows_.for_each_window(call.samples, call.shape, [&](Index row_of_y, const detail::PixelBox& window) {
            const Packet pixels = pixels_of(window);
            for (Index i = 0; i < channels; i += lanes) {
                const Scalar* grad_y = call.grad_y.data() + row_of_y * call.grad_y.outerStride() + i;
                const Packet share = detail::quotient(detail::load_padded(grad_y, channels - i), pixels);
                window.for_each([&](Index row) {
                    Scalar* grad_x = call.grad_x.data() + row * call.grad_x.outerStride() + i;
                    const Packet sum = detail::plus(detail::load_padded(grad_x, channels - i), share);
                    detail::store_first(grad_x, sum, channels - i);
                });
            }
        });
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;

    /// The number by which the sum of a window is divided.
    Packet pixels_of(const detail::PixelBox& window) const {
        const Size2d kernel = windows_.kernel();
        return detail::all_lanes<Packet>(
            static_cast<double>(count_padding_ ? kernel.height * kernel.width : window.size()));
    }

    detail::Windows windows_;
    bool count_padding_;
};

}  // namespace gacc
