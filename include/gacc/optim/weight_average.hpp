#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/optimizer.hpp>
#include <gacc/optim/packets.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct WeightAverageOptions {
    double decay = 0.999;  ///< the share of the average that stays at each step; 0 or more, less than 1
};

/// An exponential moving average of the weights that an optimizer trains. It often generalises better than the weights of
/// the last step.
///
/// Update     after the first step, average = value; then average += (1 - decay) (value - average). It is done once a
///            step, however often update() is called: micro-batches do not count
/// Evaluate   swap() puts the averages into the model, and the model's weights aside; a second swap() undoes it
/// Memory     sizeof(Scalar) bytes for each number that the parameters store. plan() counts it, if it is given it
/// Throws     UsageError if the decay is out of its range; from update() while the averages are in the model, since the
///            step before has then trained them
/// Source     Polyak and Juditsky 1992 (doi.org/10.1137/0330046), with PyTorch's get_ema_multi_avg_fn
/// Example    gacc::WeightAverage average(adam, {.decay = 0.99});   checkpoint.keep("average", average);
///            ...   adam.step();  average.update();
///            ...   average.swap();  evaluate(model);  average.swap();
template <class Scalar>
class WeightAverage {
public:
    explicit WeightAverage(Optimizer<Scalar>& optimizer, const WeightAverageOptions& options = {})
        : optimizer_(optimizer), parameters_(optimizer.parameters()), options_(options), seen_(optimizer.steps()) {
        if (!(options.decay >= 0 && options.decay < 1)) {
            throw UsageError("WeightAverage",
                             detail::text("expected a decay from 0 up to, not including, 1, got ", options.decay));
        }
        const Index numbers = parameters_.stored_count();
        average_ = detail::with_memory("WeightAverage", numbers, sizeof(Scalar), "averages", "use a smaller model",
                                       [&] { return Buffer<Scalar>(numbers, memory::Kind::moments); });
        for_each([](std::span<const Scalar> values, std::span<Scalar> averages) {
            std::ranges::copy(values, averages.begin());
        });
        arrays_.reserve(parameters_.size());
    }

    /// Call it after each step. True if there was a step since the last call.
    bool update() {
        if (in_model_) {
            throw UsageError("WeightAverage::update",
                             "expected the model to have its own weights, got the averages; call swap() before you train on");
        }
        if (optimizer_.steps() == seen_) { return false; }
        const Scalar factor = updates_ == 0 ? Scalar(1) : static_cast<Scalar>(1 - options_.decay);
        arrays_.clear();
        for_each([&](std::span<const Scalar> values, std::span<Scalar> averages) {
            arrays_.push_back({values.data(), averages.data(), static_cast<Index>(values.size()) / lanes});
        });
        detail::for_packets<Arrays>(arrays_, 2, lanes, [&](const Arrays& at, Index first, Index last) {
            const auto share = detail::all_lanes<Packet>(static_cast<double>(factor));
            for (Index i = first * lanes; i < last * lanes; i += lanes) {
                const Packet average = detail::load_aligned(at.average + i);
                const Packet way = detail::minus(detail::load_aligned(at.value + i), average);
                detail::store_aligned(at.average + i, detail::multiply_add(share, way, average));
            }
        });
        seen_ = optimizer_.steps();
        ++updates_;
        return true;
    }

    /// Exchanges the model's weights and the averages.
    void swap() {
        Index offset = 0;
        for (auto& parameter : parameters_) {
            const std::span<Scalar> values = parameter.stored_values();
            std::ranges::swap_ranges(values, part(offset, values.size()));
            offset += static_cast<Index>(values.size());
        }
        in_model_ = !in_model_;
    }
    /// Whether the averages are in the model.
    bool in_model() const { return in_model_; }
    /// Steps that the average has seen.
    Index updates() const { return updates_; }

    std::size_t state_bytes() const { return average_.bytes(); }

    /// For a checkpoint: the numbers one after the other, without the padding, so that any machine can read them.
    State state() const {
        State words{detail::word(seen_), detail::word(updates_), detail::word(Index{in_model_})};
        const std::size_t first = words.size();
        words.resize(first + words_of_numbers());
        auto* to = reinterpret_cast<std::byte*>(words.data() + first);
        each_number(average_.span(), [&](const Scalar& number) {
            std::memcpy(to, &number, sizeof(Scalar));
            to += sizeof(Scalar);
        });
        return words;
    }
    void set_state(std::span<const std::uint64_t> words) {
        constexpr auto where = "WeightAverage", what = "an average of these weights";
        detail::check_state(where, words.size() == 3 + words_of_numbers() && words[2] <= 1, what);
        const Index seen = detail::count(where, words[0], what), updates = detail::count(where, words[1], what);
        seen_ = seen;
        updates_ = updates;
        in_model_ = words[2] == 1;
        const auto* from = reinterpret_cast<const std::byte*>(words.data() + 3);
        each_number(average_.span(), [&](Scalar& number) {
            std::memcpy(&number, from, sizeof(Scalar));
            from += sizeof(Scalar);
        });
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;
    struct Arrays {
        const Scalar* value;
        Scalar* average;
        Index packets;  // of each; whole packets, as in an optimizer's pass
    };

    std::span<Scalar> part(Index first, std::size_t count) {
        return average_.span().subspan(static_cast<std::size_t>(first), count);
    }
    /// Calls f(values, averages) for each parameter.
    template <class F>
    void for_each(const F& f) {
        Index offset = 0;
        for (const auto& parameter : parameters_) {
            const std::span<const Scalar> values = std::as_const(parameter).stored_values();
            f(values, part(offset, values.size()));
            offset += static_cast<Index>(values.size());
        }
    }
    template <class Element, class F>
    void each_number(std::span<Element> averages, const F& f) const {
        Index offset = 0;
        for (const auto& parameter : parameters_) {
            const std::size_t size = std::as_const(parameter).stored_values().size();
            parameter.for_each(averages.subspan(static_cast<std::size_t>(offset), size), f);
            offset += static_cast<Index>(size);
        }
    }
    std::size_t words_of_numbers() const {
        return (static_cast<std::size_t>(parameters_.count()) * sizeof(Scalar) + 7) / sizeof(std::uint64_t);
    }

    Optimizer<Scalar>& optimizer_;
    Parameters<Scalar> parameters_;
    WeightAverageOptions options_;
    Buffer<Scalar> average_;  // of all parameters, one after the other
    Index seen_;              // the optimizer's steps at the last update
    Index updates_ = 0;
    bool in_model_ = false;
    std::vector<Arrays> arrays_;
};

}  // namespace gacc
