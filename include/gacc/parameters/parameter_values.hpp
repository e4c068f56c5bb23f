#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/types.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Numbers of a parameter in PyTorch's order, row by row. If they lie in this order in the parameter's memory, they are
/// not copied. Else this object owns a copy, which does not follow changes of the parameter.
///
/// Shapes     Parameter::size() numbers
/// Example    const auto values = parameter.values();  for (const float number : values.span()) { ... }
template <class Scalar>
class ParameterValues {
public:
    /// Numbers in the memory of a parameter, which must outlive this object.
    explicit ParameterValues(std::span<const Scalar> in_place) : in_place_(in_place) {}
    explicit ParameterValues(Buffer<Scalar> copy) : copy_(std::move(copy)) {}

    std::span<const Scalar> span() const& { return is_copy() ? copy_.span() : in_place_; }
    operator std::span<const Scalar>() const& { return span(); }
    void span() const&& = delete;  // a copy would be destroyed
    operator std::span<const Scalar>() const&& = delete;

    Index size() const { return is_copy() ? copy_.size() : static_cast<Index>(in_place_.size()); }
    Scalar operator[](Index i) const { return span()[static_cast<std::size_t>(i)]; }

    /// Whether they are a copy. Matrices with several columns, which lie in panels, and gradients that are zero are
    /// copied.
    bool is_copy() const { return copy_.size() > 0; }

private:
    std::span<const Scalar> in_place_;
    Buffer<Scalar> copy_;
};

}  // namespace gacc
