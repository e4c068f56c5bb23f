#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/types.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// One buffer for the gradients of many parameters. It is open during a backward pass of a FoldedBackward. Gradients lie
/// over each other, and each is handed on as soon as it is complete; or the buffer is an optimizer's moments, and sums
/// start from what is there.
template <class Scalar>
struct FoldedGradients {
    /// `kind` says which: gradients or moments.
    explicit FoldedGradients(Index size, memory::Kind kind = memory::Kind::gradients)
        : numbers(size, kind), are_moments(kind == memory::Kind::moments) {}

    Buffer<Scalar> numbers;
    bool open = false;
    bool are_moments;
};

/// The memory of the gradients of one parameter: its own, or a place in FoldedGradients. A copy has its own.
template <class Scalar>
class GradientMemory {
public:
    GradientMemory() = default;
    GradientMemory(Buffer<Scalar> own) : own_(std::move(own)) {}
    GradientMemory(const GradientMemory& other)
        : own_(other.lender_ ? Buffer<Scalar>(other.size_, memory::Kind::gradients) : other.own_) {}
    GradientMemory& operator=(const GradientMemory& other) {
        if (this != &other) { *this = GradientMemory(other); }
        return *this;
    }
    GradientMemory(GradientMemory&&) noexcept = default;
    GradientMemory& operator=(GradientMemory&&) noexcept = default;
    ~GradientMemory() = default;

    /// Frees its own, and takes its size from number `first` of the other memory on.
    void borrow(std::shared_ptr<FoldedGradients<Scalar>> lender, Index first) {
        size_ = own_.size();
        first_ = first;
        lender_ = std::move(lender);
        own_ = Buffer<Scalar>(memory::Kind::gradients);
    }

    Index size() const { return lender_ ? size_ : own_.size(); }
    std::span<Scalar> span() { return lender_ ? place(lender_->numbers.span()) : own_.span(); }
    std::span<const Scalar> span() const {
        return lender_ ? place(std::as_const(lender_->numbers).span()) : own_.span();
    }
    /// Null if it is its own.
    const FoldedGradients<Scalar>* lender() const { return lender_.get(); }
    bool is_closed() const { return lender_ && !lender_->open; }
    /// Whether they are moments, which are never zeroed as gradients are.
    bool are_moments() const { return lender_ && lender_->are_moments; }
    Buffer<Scalar>& own() { return own_; }

private:
    template <class Number>
    std::span<Number> place(std::span<Number> all) const {
        return all.subspan(static_cast<std::size_t>(first_), static_cast<std::size_t>(size_));
    }

    Buffer<Scalar> own_;
    std::shared_ptr<FoldedGradients<Scalar>> lender_;
    Index first_ = 0, size_ = 0;  // in the lender's numbers
};

}  // namespace gacc::detail
