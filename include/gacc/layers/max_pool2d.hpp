#pragma once

#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/layers/windows.hpp>

#include <string>

namespace gacc::inline GACC_ABI {

struct MaxPool2dOptions {
    Size2d stride = 0;   ///< pixels from one window to the next; 0: the kernel, so that windows do not overlap
    Size2d padding = 0;  ///< pixels around the image that are never the maximum
};

/// The largest number of each window of the image, for every channel by itself. NaN is larger than any number.
///
/// Shapes     x {height, width, channels};  y {windows down, windows across, channels}, where the windows of a side are
///            floor((pixels + 2 padding - kernel) / stride) + 1
/// Gradients  grad_x = the sum of grad_y over the windows whose maximum it is. The first of equal numbers, row by row,
///            is the maximum. The last NaN is.
/// Memory     nothing: backward finds the maximum in x again. If windows do not overlap, grad_x lies over x.
/// Defaults   PyTorch's: stride = kernel, no padding
/// Throws     ShapeError if a size is out of its range (docs/options.md), or samples are no images or smaller than a
///            window
/// Example    gacc::MaxPool2d layer(2);  gacc::MaxPool2d overlapping(3, {.stride = 2, .padding = 1});
template <class Scalar = float>
class MaxPool2d : public Layer<Scalar> {
public:
    explicit MaxPool2d(Size2d kernel, MaxPool2dOptions options = {})
        : windows_("MaxPool2d", kernel, options.stride, options.padding) {}

    std::string description() const override { return windows_.description(); }
    LayerConfig config() const override { return {"MaxPool2d", windows_.options()}; }
    LayerPlan plan(const Shape& x) const override {
        const Shape y = windows_.shape_of_y(x);
        return {.y = y, .work = windows_.additions(y), .reads_y = false, .overwrites_x = !windows_.overlap()};
    }

    void forward(Forward<Scalar> call) const override {
        const Index channels = call.x.cols();
        windows_.for_each_window(call.samples, call.shape, [&](Index row_of_y, const detail::PixelBox& window) {
            for (Index i = 0; i < channels; i += lanes) {
                const Maximum maximum(call.x, window, i);
                detail::store_first(call.y.data() + row_of_y * call.y.outerStride() + i, maximum.value, channels - i);
            }
        });
    }

    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        const Index channels = call.x.cols();
        const bool adds = windows_.overlap();
        if (adds) {
            call.grad_x.setZero();
        } else {
            windows_.for_each_gap(call.samples, call.shape, [&](Index row) { call.grad_x.row(row).setZero(); });
        }
        windows_.for_each_window(call.samples, call.shape, [&](Index row_of_y, const detail::PixelBox& window) {
            for (Index i = 0; i < channels; i += lanes) {
                const Index count = channels - i;
                const Maximum maximum(call.x, window, i);
                const Packet grad_y =
                    detail::load_padded(call.grad_y.data() + row_of_y * call.grad_y.outerStride() + i, count);
                Packet here = zero();
                window.for_each([&](Index row) {
                    Scalar* grad_x = call.grad_x.data() + row * call.grad_x.outerStride() + i;
                    const Packet grad = detail::keep_where(detail::is_equal(maximum.number, here), grad_y);
                    here = detail::plus(here, one());
                    detail::store_first(grad_x, adds ? detail::plus(detail::load_padded(grad_x, count), grad) : grad,
                                        count);
                });
            }
        });
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;

    static Packet zero() { return detail::all_lanes<Packet>(0); }
    static Packet one() { return detail::all_lanes<Packet>(1); }

    /// The maximum of a window, in channels i to i + lanes - 1.
    struct Maximum {
        Packet value;
        Packet number = zero();  // of its pixel in the window

        Maximum(const ConstMatrixView<Scalar>& x, const detail::PixelBox& window, Index i)
            : value(at(x, window.first_row(), i)) {
            Packet pixel = zero();
            window.for_each([&](Index row) {
                const Packet here = at(x, row, i);
                const Packet larger = detail::either(detail::is_less(value, here), detail::is_nan(here));
                value = detail::choose(larger, here, value);
                number = detail::choose(larger, pixel, number);
                pixel = detail::plus(pixel, one());
            });
        }
        static Packet at(const ConstMatrixView<Scalar>& x, Index row, Index i) {
            return detail::load_padded(x.data() + row * x.outerStride() + i, x.cols() - i);
        }
    };

    detail::Windows windows_;
};

}  // namespace gacc
