#pragma once

#include <gacc/core/error.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/model_parameter.hpp>
#include <gacc/parameters/parameter.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The content of a model, which handles to its parameters keep alive: blocks, the graph that they make and the tally
/// of gradients. A copy has layers of its own, empty gradients, and the same seed.
template <class Scalar>
struct ModelBody {
    using Access = ModelParameter<Scalar>;

    ModelBody() = default;
    ModelBody(const ModelBody& other) : blocks(other.blocks), tally(other.tally.before_training()) {
        if (other.graph.has_input()) { graph.set_input(other.graph.input().shape); }
        for (auto& block : blocks) { block.build(graph, graph.values().size() - 1); }
        link_parameters();
        for (auto* parameter : parameters()) { parameter->zero_grad(); }
        graph.finish();
    }
    ModelBody& operator=(const ModelBody&) = delete;

    /// Adds a block and names its parameters.
    ///
    /// Throws     ShapeError if it does not fit; UsageError if it uses the values of a parameter that is not there.
    ///            Nothing is changed then
    void append(Block<Scalar> block) {
        Graph<Scalar> longer = graph;
        if (!longer.has_input()) {
            if (block.input_shape().empty()) {
                throw ShapeError("Sequential", "expected a first layer with a known number of features, or an Input "
                                               "before it, got " + block.description());
            }
            longer.set_input(block.input_shape());
        }
        block.build(longer, longer.values().size() - 1);
        block.for_each_layer(std::to_string(blocks.size()), [](Layer<Scalar>& layer, const std::string& name) {
            for (auto* parameter : layer.parameters()) { Access::rename(*parameter, name + '.' + parameter->name()); }
        });
        blocks.push_back(std::move(block));
        try {
            link_parameters();
            longer.finish();
        } catch (...) {
            blocks.pop_back();
            link_parameters();
            throw;
        }
        graph = std::move(longer);
    }

    /// Tells parameters that use the values of others where those are.
    void link_parameters() {
        const auto all = parameters();
        for (auto* parameter : all) { Access::unlink(*parameter); }
        for (auto* parameter : all) {
            if (parameter->shares().empty()) { continue; }
            const auto owner = std::find_if(all.begin(), all.end(), [&](const auto* other) {
                return other->shares().empty() && other->name() == parameter->shares();
            });
            if (owner == all.end()) {
                throw UsageError("Sequential", "expected a parameter \"" + parameter->shares() + "\", whose values " +
                                                   parameter->name() + " uses, got none; add its layer before");
            }
            Access::share(*parameter, **owner);
        }
    }

    /// Freezes all parameters that `which` selects, or trains them again. The same happens to parameters that use their
    /// values.
    ///
    /// Throws     MemoryError if there is no memory for gradients; what `which` throws. Nothing is changed then
    template <class Which>
    void set_frozen(const Which& which, bool frozen) {
        std::set<const Parameter<Scalar>*> owners;  // each is asked about once
        auto chosen = parameters();
        for (auto* parameter : chosen) {
            const Parameter<Scalar>& owner = parameter->owner();
            if (&owner == parameter && which(owner)) { owners.insert(&owner); }
        }
        std::erase_if(chosen, [&](auto* parameter) { return !owners.contains(&parameter->owner()); });
        if (!frozen) {
            for (auto* parameter : chosen) { Access::prepare_grads(*parameter); }
        }
        for (auto* parameter : chosen) { frozen ? Access::freeze(*parameter) : Access::unfreeze(*parameter); }
        graph.finish();
    }

    /// Calls f(layer) for all layers, in the order of their parameters.
    template <class F>
    void for_each_layer(const F& f) {
        for (auto& block : blocks) {
            block.for_each_layer("", [&](Layer<Scalar>& layer, const std::string&) { f(layer); });
        }
    }

    /// The parameters of all layers, also those that use the values of others.
    std::vector<Parameter<Scalar>*> parameters() {
        std::vector<Parameter<Scalar>*> all;
        for_each_layer([&](Layer<Scalar>& layer) {
            for (auto* parameter : layer.parameters()) { all.push_back(parameter); }
        });
        return all;
    }

    /// Sets the parameters to the values of another model.
    ///
    /// Throws     UsageError if those have other names or shapes, or share other values; nothing is changed then
    void take_values(const ModelBody& other) {
        ModelBody copy(other);  // not const, so it gives its parameters
        const auto from = copy.parameters(), to = parameters();
        const auto fits = [](const Parameter<Scalar>* own, const Parameter<Scalar>* its) {
            return own->name() == its->name() && own->shape() == its->shape() && own->shares() == its->shares();
        };
        if (!std::equal(to.begin(), to.end(), from.begin(), from.end(), fits)) {
            throw UsageError("Sequential", "expected a model of the same parameters to assign to one whose parameters a "
                                           "handle or an optimizer refers to, got another");
        }
        for (std::size_t i = 0; i < to.size(); ++i) {
            if (!from[i]->is_set() && !to[i]->is_set()) { continue; }  // neither has first values
            const auto values = std::as_const(*from[i]).stored_values();
            std::copy(values.begin(), values.end(), to[i]->stored_values().begin());
        }
    }

    std::vector<Block<Scalar>> blocks;
    Graph<Scalar> graph;
    GradientTally tally;
};

}  // namespace gacc::detail
