#pragma once

#include <gacc/model/block.hpp>

#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

namespace detail {

/// A layer or a block: a Block can be made from it.
template <class L>
concept Buildable = requires { typename L::scalar_type; } &&
                    std::convertible_to<L, Block<typename L::scalar_type>>;

template <class Scalar, Buildable... Layers>
std::vector<Block<Scalar>> blocks_of(Layers... layers) {
    std::vector<Block<Scalar>> blocks;
    blocks.reserve(sizeof...(Layers));
    (blocks.push_back(Block<Scalar>(std::move(layers))), ...);
    return blocks;
}

/// The blocks of a Shortcut.
template <class Scalar>
struct ShortcutBlocks {
    std::vector<Block<Scalar>> blocks;
};

}  // namespace detail

/// Layers one after the other, as one part of a larger block: Concat(Chain(Linear(8, 4), ReLU()), Linear(8, 2)).
template <detail::Buildable First, detail::Buildable... Rest>
auto Chain(First first, Rest... rest) {
    using Scalar = typename First::scalar_type;
    return Block<Scalar>(Block<Scalar>::Kind::chain,
                         {{"", detail::blocks_of<Scalar>(std::move(first), std::move(rest)...)}});
}

/// Layers that bring the input of a Residual to the shape of the branch. The Residual adds their output in place of its
/// input.
template <detail::Buildable First, detail::Buildable... Rest>
auto Shortcut(First first, Rest... rest) {
    using Scalar = typename First::scalar_type;
    return detail::ShortcutBlocks<Scalar>{detail::blocks_of<Scalar>(std::move(first), std::move(rest)...)};
}

/// y = x + branch(x), or shortcut(x) + branch(x).
///
/// Memory     the sum lies over the last value of the branch, and its gradient serves both. Only x, which is read
///            twice, needs a separate place for its gradient
/// Names      parameters of block 3 of a model: "3.branch.0.weight", "3.shortcut.weight"
/// Throws     ShapeError, when it is added to a model, if the two shapes differ
/// Source     He et al. 2016, "Deep residual learning for image recognition", arXiv:1512.03385, section 3.2
/// Example    gacc::Residual(gacc::Linear(64, 64), gacc::ReLU())
///            gacc::Residual(gacc::Shortcut(gacc::Linear(64, 32)), gacc::Linear(64, 32), gacc::ReLU())
template <detail::Buildable First, detail::Buildable... Rest>
auto Residual(First first, Rest... rest) {
    using Scalar = typename First::scalar_type;
    return Block<Scalar>(Block<Scalar>::Kind::sum,
                         {{"branch", detail::blocks_of<Scalar>(std::move(first), std::move(rest)...)}});
}
template <class Scalar, detail::Buildable... Layers>
requires(sizeof...(Layers) > 0) auto Residual(detail::ShortcutBlocks<Scalar> shortcut, Layers... layers) {
    return Block<Scalar>(Block<Scalar>::Kind::sum, {{"branch", detail::blocks_of<Scalar>(std::move(layers)...)},
                                                    {"shortcut", std::move(shortcut.blocks)}});
}

/// The features of several functions of x, side by side, for every row.
///
/// Names      parameters of block 3 of a model: "3.0.weight", "3.1.weight"
/// Throws     ShapeError, when it is added to a model, if their shapes differ in a size other than the last
/// Example    gacc::Concat(gacc::Linear(8, 4), gacc::Chain(gacc::Linear(8, 3), gacc::ReLU()))
template <detail::Buildable First, detail::Buildable... Rest>
auto Concat(First first, Rest... rest) {
    using Scalar = typename First::scalar_type;
    std::vector<typename Block<Scalar>::Part> parts;
    for (auto& block : detail::blocks_of<Scalar>(std::move(first), std::move(rest)...)) {
        const std::string name = std::to_string(parts.size());
        parts.push_back({name, {std::move(block)}});
    }
    return Block<Scalar>(Block<Scalar>::Kind::concat, std::move(parts));
}

}  // namespace gacc
