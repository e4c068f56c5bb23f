#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/kept_slice.hpp>
#include <gacc/optim/packets.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The numbers of a parameter, and up to three that are kept for each of them.
template <class Scalar>
struct ElementArrays {
    Scalar* value;
    const Scalar* grad;
    std::array<Scalar*, 3> kept;
    Index packets;  // of each array; whole packets, so every element goes through the same instructions
    std::size_t group = 0;
};

/// The common part of passes over these arrays. The constants of a pass are in all lanes of a local object, as in
/// AdamPass.
template <class Scalar>
struct ElementPass {
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index lanes = Simd<Scalar>::lanes;

    static Packet all(double value) { return all_lanes<Packet>(value); }

    Packet smallest = all(std::numeric_limits<Scalar>::min());
    /// A gradient below this has a square that is not a normal number, and counts as 0, as in AdamPass.
    Packet smallest_grad = all(std::sqrt(std::numeric_limits<Scalar>::min() / std::numeric_limits<Scalar>::epsilon()));
};

/// The common part of optimizers that update each number from its own gradient and from what they keep for it.
template <class Scalar, class Options>
class ElementwiseOptimizer : public GroupedOptimizer<Scalar, Options> {
public:
    std::size_t state_bytes() const override {
        std::size_t bytes = this->clipping_bytes();
        for (const Kept& kept : all_kept_) { bytes += kept.numbers.bytes(); }
        return bytes;
    }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        std::vector<typename Optimizer<Scalar>::Moments> all;
        for (Kept& kept : all_kept_) { all.push_back({kept.name, kept.numbers.span(), kept.non_negative}); }
        return all;
    }

    bool keep_slice(Index first, Index count) override {
        const KeptSlice next{first, count};
        std::vector<Buffer<Scalar>> moved;
        for (const Kept& kept : all_kept_) { moved.push_back(slice_.moved(kept.numbers, next)); }
        for (std::size_t i = 0; i < moved.size(); ++i) { all_kept_[i].numbers = std::move(moved[i]); }
        slice_ = next;
        return true;
    }

protected:
    ElementwiseOptimizer(std::string name, Parameters<Scalar> parameters, const Options& options)
        : GroupedOptimizer<Scalar, Options>(std::move(name), std::move(parameters), options),
          slice_{0, this->parameters().stored_count()} {
        arrays_.reserve(this->parameters().size());
    }

    /// From now on it keeps a number for each number that the parameters store. ElementArrays has them in the order of
    /// these calls.
    void keep(const char* name, bool non_negative = false) {
        const Index numbers = this->parameters().stored_count();
        auto zeros = with_memory(this->name(), numbers, sizeof(Scalar), "moments", "use a smaller model",
                                 [&] { return Buffer<Scalar>(numbers, memory::Kind::moments); });
        all_kept_.push_back({name, non_negative, std::move(zeros)});
    }

    /// Calls Pass(steps[group]).run(arrays, first, last) over all elements. An element costs `cost` multiply-adds.
    template <class Pass, class Step>
    void run(const std::vector<Step>& steps, std::int64_t cost) {
        arrays_.clear();
        Index offset = 0;
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            auto& parameter = this->parameters()[i];
            const auto values = parameter.stored_values();
            const auto size = static_cast<Index>(values.size());
            const KeptSlice::Part part = slice_.part(offset, size);
            ElementArrays<Scalar> arrays{values.data() + part.in_parameter,
                                         parameter.materialize_grads().data() + part.in_parameter,
                                         {},
                                         part.count / Simd<Scalar>::lanes,
                                         this->group_of(i)};
            for (std::size_t k = 0; k < all_kept_.size(); ++k) {
                arrays.kept[k] = all_kept_[k].numbers.data() + part.in_moments;
            }
            arrays_.push_back(arrays);
            offset += size;
        }
        for_packets<ElementArrays<Scalar>>(arrays_, cost, Simd<Scalar>::lanes,
                                           [&](const ElementArrays<Scalar>& arrays, Index first, Index last) {
                                               Pass(steps[arrays.group]).run(arrays, first, last);
                                           });
    }

    /// The value as a Scalar.
    ///
    /// Throws     UsageError from step() that names `what`, if it is not in the range of Scalar
    Scalar in_step(const char* what, double value) const {
        if (!in_range<Scalar>(value)) {
            throw UsageError(this->name() + "::step", text("expected ", what, " ", range_name<Scalar>, ", got ", value,
                                                           "; nothing has changed; set a smaller learning rate"));
        }
        return static_cast<Scalar>(value);
    }
    Scalar decay(std::size_t group) const {
        return in_step("learning_rate * weight_decay", this->learning_rate(group) * this->weight_decay(group));
    }

private:
    struct Kept {
        const char* name;
        bool non_negative;
        Buffer<Scalar> numbers;  // of all parameters, one after the other
    };

    std::vector<Kept> all_kept_;
    KeptSlice slice_;                            // if not of all: of these numbers
    std::vector<ElementArrays<Scalar>> arrays_;  // of a step, one for each parameter
};

}  // namespace gacc::detail
