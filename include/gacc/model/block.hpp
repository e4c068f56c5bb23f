#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/graph.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A layer of a model, or several layers as one block: Residual, Concat and Chain return it. Copies own their layers.
template <class Scalar>
class Block {
public:
    using scalar_type = Scalar;

    /// How the parts become one value.
    enum class Kind { layer, chain, sum, concat };

    /// Blocks one after the other, with a name that is part of the names of their parameters. A chain has one part
    /// without a name, or several parts with names, one after the other.
    struct Part {
        std::string name;
        std::vector<Block> blocks;
    };

    template <std::derived_from<Layer<Scalar>> L>
    Block(L layer) : layer_(std::make_unique<L>(std::move(layer))), copy_(&copy_of<L>) {}
    Block(Kind kind, std::vector<Part> parts) : kind_(kind), parts_(std::move(parts)) {}

    Block(const Block& other)
        : kind_(other.kind_), layer_(other.layer_ ? other.copy_(*other.layer_) : nullptr), copy_(other.copy_),
          parts_(other.parts_) {}
    Block& operator=(const Block& other) {
        if (this != &other) { *this = Block(other); }
        return *this;
    }
    Block(Block&&) noexcept = default;
    Block& operator=(Block&&) noexcept = default;
    ~Block() = default;

    Kind kind() const { return kind_; }
    const std::vector<Part>& parts() const { return parts_; }
    std::vector<Part>& parts() { return parts_; }

    /// Its layer; null if it is not a layer.
    Layer<Scalar>* layer() { return layer_.get(); }
    const Layer<Scalar>* layer() const { return layer_.get(); }

    /// Calls f(layer, name) for all layers within, in the order of their parameters. `name` is the place: "3.branch.0".
    template <class F>
    void for_each_layer(const std::string& name, const F& f) {
        if (layer_) { return f(*layer_, name); }
        for (Part& part : parts_) {
            for (std::size_t i = 0; i < part.blocks.size(); ++i) {
                part.blocks[i].for_each_layer(place(name, part, i), f);
            }
        }
    }
    /// The name of block i of a part, if this block has the name `name`.
    std::string place(const std::string& name, const Part& part, std::size_t i) const {
        const std::string inside = part.name.empty() ? name : name + '.' + part.name;
        return is_single(part) ? inside : inside + '.' + std::to_string(i);
    }

    std::string description() const {
        if (layer_) { return layer_->description(); }
        std::string text = kind_ == Kind::sum ? "Residual(" : kind_ == Kind::concat ? "Concat(" : "Chain(";
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            text += (i == 0 ? "" : kind_ == Kind::chain ? ", " : "; ") + (kind_ == Kind::sum ? parts_[i].name + ' ' : "");
            for (std::size_t j = 0; j < parts_[i].blocks.size(); ++j) {
                text += (j > 0 ? ", " : "") + parts_[i].blocks[j].description();
            }
        }
        return text + ')';
    }

    /// Adds its operations on value x to the graph. Returns the value that they make. The shortcut comes before the
    /// branch, so that a sum can lie over the last value of the branch.
    ///
    /// Throws     ShapeError if shapes do not fit
    std::size_t build(detail::Graph<Scalar>& graph, std::size_t x) {
        if (layer_) { return graph.apply(*layer_, x); }
        std::vector<std::size_t> made(parts_.size(), x);
        for (std::size_t i = parts_.size(); i-- > 0;) {
            const std::size_t part = kind_ == Kind::sum ? i : parts_.size() - 1 - i;
            for (Block& block : parts_[part].blocks) { made[part] = block.build(graph, made[part]); }
            if (kind_ == Kind::chain && part + 1 < parts_.size()) { made[part + 1] = made[part]; }
        }
        if (kind_ == Kind::chain) { return made.back(); }
        if (kind_ == Kind::concat) { return graph.concat(std::move(made)); }
        return graph.sum(made.front(), made.size() > 1 ? made[1] : x);
    }

    /// The shape that its first layer takes; empty if that takes any shape.
    Shape input_shape() const {
        if (layer_) { return layer_->input_shape(); }
        return parts_.front().blocks.front().input_shape();
    }

private:
    template <class L>
    static std::unique_ptr<Layer<Scalar>> copy_of(const Layer<Scalar>& layer) {
        if constexpr (std::copy_constructible<L>) {
            return std::make_unique<L>(static_cast<const L&>(layer));
        } else {
            throw UsageError(layer.description(), "expected a layer that can be copied, got one that cannot");
        }
    }
    /// A shortcut, or a part with a name of a chain or a Concat, with one layer needs no number in its name.
    bool is_single(const Part& part) const {
        if (part.blocks.size() != 1 || part.name.empty()) { return false; }
        return kind_ != Kind::sum || part.name != "branch";
    }

    Kind kind_ = Kind::layer;
    std::unique_ptr<Layer<Scalar>> layer_;
    std::unique_ptr<Layer<Scalar>> (*copy_)(const Layer<Scalar>&) = nullptr;
    std::vector<Part> parts_;
};

/// The shape of a sample, if the first layer does not say it: gacc::Sequential model(gacc::Input(28, 28, 1), ...). It
/// is not a layer and has no number in the names of parameters.
struct Input {
    /// Throws     ShapeError if a size is less than 1, or there are no sizes
    template <std::convertible_to<Index>... Sizes>
    explicit Input(Sizes... sizes) : Input(Shape{static_cast<Index>(sizes)...}) {}
    explicit Input(Shape sizes) : shape(std::move(sizes)) {
        for (const Index size : shape) {
            if (size < 1) { throw ShapeError("Input", "expected sizes of 1 or more, got " + to_string(shape)); }
        }
        if (shape.empty()) { throw ShapeError("Input", "expected one size or more, got none"); }
    }
    Shape shape;
};

}  // namespace gacc
