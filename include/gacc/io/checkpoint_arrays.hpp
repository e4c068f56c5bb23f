#pragma once

#include <gacc/core/bfloat16.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/io/tensor_info.hpp>
#include <gacc/optim/optimizer.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Numbers that a checkpoint holds as a tensor: the values, gradients or moments of a parameter. Moments may have a
/// shape of their own.
template <class Scalar>
struct CheckpointArray {
    std::string name;
    Parameter<Scalar>* parameter;
    std::span<Scalar> stored;
    bool non_negative = false;
    Shape own_shape{};
    std::span<BFloat16> rounded{};  // moments that are kept so, in place of `stored`

    const Shape& shape() const { return own_shape.empty() ? parameter->shape() : own_shape; }
    DType dtype() const { return rounded.empty() ? dtype_of<Scalar>() : dtype_of<BFloat16>(); }
    template <class F>
    void with_numbers(const F& f) const {
        rounded.empty() ? f(stored) : f(rounded);
    }
    /// Calls f(number) row by row, without the padding.
    template <class F>
    void for_each(const F& f) const {
        with_numbers([&]<class Number>(std::span<Number> numbers) {
            if (own_shape.empty()) { return parameter->for_each(numbers, f); }
            for (Number& number : numbers) { f(number); }
        });
    }
};

/// The parameters whose gradients have memory of their own. Those of others are in moments (FoldedBackward).
template <class Scalar>
std::vector<Parameter<Scalar>*> own_gradients(const Parameters<Scalar>& parameters) {
    std::vector<Parameter<Scalar>*> own;
    for (auto& parameter : parameters.with_gradients()) {
        if (!parameter.grad_is_folded()) { own.push_back(&parameter); }
    }
    return own;
}

/// All that a checkpoint of this optimizer holds beside its states, in the order of the file.
template <class Scalar>
std::vector<CheckpointArray<Scalar>> checkpoint_arrays(Optimizer<Scalar>& optimizer, bool with_gradients) {
    const auto& parameters = optimizer.parameters();
    std::vector<CheckpointArray<Scalar>> all;
    for (auto& parameter : optimizer.all_parameters()) {
        all.push_back({parameter.name(), &parameter, parameter.value_storage()});
    }
    if (with_gradients) {
        for (auto* parameter : own_gradients(parameters)) {
            all.push_back({"gradients/" + parameter->name(), parameter, parameter->grad_storage()});
        }
    }
    for (const auto& moments : optimizer.moments()) {
        const std::string start = optimizer.name() + "/" + moments.name + "/";
        if (moments.parameter) {
            auto& parameter = parameters[*moments.parameter];
            all.push_back({start + parameter.name(), &parameter, moments.stored, moments.non_negative, moments.shape,
                           moments.rounded});
            continue;
        }
        if (static_cast<Index>(moments.size()) != parameters.stored_count()) {
            throw UsageError("Checkpoint", "expected the moments of all numbers, got those of a rank's slice; call "
                                           "DataParallel::save(), and load before you make a DataParallel");
        }
        std::size_t first = 0;
        for (auto& parameter : parameters) {
            const std::size_t size = std::as_const(parameter).stored_values().size();
            CheckpointArray<Scalar> array{start + parameter.name(), &parameter, {}, moments.non_negative};
            if (moments.rounded.empty()) {
                array.stored = moments.stored.subspan(first, size);
            } else {
                array.rounded = moments.rounded.subspan(first, size);
            }
            all.push_back(std::move(array));
            first += size;
        }
    }
    return all;
}

template <class Scalar>
void check_finite(const CheckpointArray<Scalar>& array, const std::string& where) {
    array.with_numbers([&]<class Number>(std::span<Number> numbers) {
        for (const Number stored : numbers) {
            const auto number = static_cast<Scalar>(stored);
            if (std::isfinite(number)) { continue; }
            throw NonFiniteError(where, text("expected finite numbers, got ", number, " in ", shown(array.name)));
        }
    });
}

}  // namespace gacc::detail
