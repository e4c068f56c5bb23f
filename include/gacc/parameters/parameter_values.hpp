#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/types.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Numbers of a parameter in PyTorch's order, row by row: in its memory, if they lie so there, else in a copy
/// that this object owns. Read them before the parameter changes: only numbers in its memory follow.
///
/// Shapes     Parameter::size() numbers
/// Example    const auto values = parameter.values();  for (const float number : values.span()) { ... }
template <class Scalar>
class ParameterValues {
public:
    /// Numbers in a parameter's memory, which must stay.
    explicit ParameterValues(std::span<const Scalar> in_place) : in_place_(in_place) {}
    explicit ParameterValues(Buffer<Scalar> copy) : copy_(std::move(copy)) {}

    std::span<const Scalar> span() const& { return is_copy() ? copy_.span() : in_place_; }
    operator std::span<const Scalar>() const& { return span(); }
    void span() const&& = delete;  // a copy would be gone
    operator std::span<const Scalar>() const&& = delete;

    Index size() const { return is_copy() ? copy_.size() : static_cast<Index>(in_place_.size()); }
    Scalar operator[](Index i) const { return span()[static_cast<std::size_t>(i)]; }

    /// Whether they are a copy: of a matrix of several columns, which lies in panels, and of gradients that are zero.
    bool is_copy() const { return copy_.size() > 0; }

private:
    std::span<const Scalar> in_place_;
    Buffer<Scalar> copy_;
};

}  // namespace gacc
