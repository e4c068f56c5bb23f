#pragma once

#include <gacc/layers/layer.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace gacc::inline GACC_ABI {

namespace detail {

/// Four random words for a row of the batch and four columns. The last counter is never 0, but in Rng it is. So the
/// words differ from those of an Rng.
inline std::array<std::uint32_t, 4> dropout_words(const Where& where, std::uint64_t row, std::uint64_t quarter) {
    const auto low = [](auto number) { return static_cast<std::uint32_t>(number); };
    const auto key = where.seed;
    const auto rest = 0x8000'0000U ^ low(where.layer) ^ (low(row >> 32) << 20);
    return philox4x32({low(quarter), low(row), low(where.step), rest}, {low(key), low(key >> 32)});
}

/// Returns p if it is a probability of dropping.
inline double checked_dropout(const char* layer, double p) {
    if (!(p >= 0 && p < 1)) {
        throw UsageError(layer, text("expected a probability from 0 up to, not including, 1, got ", p));
    }
    return p;
}
/// Of the 2^32 words those below it drop.
inline std::uint32_t dropped_words(double p) { return static_cast<std::uint32_t>(p * 0x1p32); }

}  // namespace detail

/// In training, each element of x is dropped (y = 0) with probability p; else y = x / (1 - p). In predict(), y = x.
///
/// The mask is drawn from a counter: the seed, the step, the layer, the row of the batch and the column. So it is the
/// same for every cut of the batch, for any number of threads, after a resume, and when activations are computed again.
/// It takes no memory: backward draws it again.
///
/// Gradients  grad_x = 0 where x was dropped, else grad_y / (1 - p)
/// Throws     UsageError unless 0 <= p < 1
/// Source     Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting"; scaled in
///            training, as PyTorch does
/// Example    gacc::Sequential model(gacc::Linear(784, 512), gacc::ReLU(), gacc::Dropout(0.5), gacc::Linear(512, 10));
template <class Scalar = float>
class Dropout : public Layer<Scalar> {
public:
    explicit Dropout(double p) : p_(detail::checked_dropout("Dropout", p)) {}

    std::string description() const override { return detail::text("Dropout(", p_, ")"); }
    LayerConfig config() const override { return {"Dropout", {{"p", p_}}}; }
    LayerPlan plan(const Shape& x) const override {
        return {.y = x, .reads_x = false, .reads_y = false, .elementwise = true};
    }

    void forward(Forward<Scalar> call) const override { mask(call.where, call.x, call.y); }
    void backward(Backward<Scalar> call) override { mask(call.where, call.grad_y, call.grad_x); }

private:
    void mask(const Where& where, const ConstMatrixView<Scalar>& from, MatrixView<Scalar> to) const {
        if (!where.training || p_ == 0) {
            to = from;
            return;
        }
        const auto scale = static_cast<Scalar>(1 / (1 - p_));
        const std::uint32_t dropped = detail::dropped_words(p_);
        for (Index i = 0; i < from.rows(); ++i) {
            std::array<std::uint32_t, 4> words{};
            for (Index j = 0; j < from.cols(); ++j) {
                const auto column = static_cast<std::uint64_t>(where.first_column + j);
                if (j == 0 || column % 4 == 0) {
                    words = detail::dropout_words(where, static_cast<std::uint64_t>(where.first_row + i), column / 4);
                }
                to(i, j) = words[column % 4] < dropped ? Scalar(0) : from(i, j) * scale;
            }
        }
    }

    double p_;
};

}  // namespace gacc
