#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/graph.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The names of the operations of a block, in the order in which it builds them: "3.branch.0". A sum has the name of
/// its block.
template <class Scalar>
void add_operation_names(const Block<Scalar>& block, const std::string& name, std::vector<std::string>& names) {
    using Kind = typename Block<Scalar>::Kind;
    const auto& parts = block.parts();
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& part = parts[block.kind() == Kind::sum ? parts.size() - 1 - i : i];
        for (std::size_t j = 0; j < part.blocks.size(); ++j) {
            add_operation_names(part.blocks[j], block.place(name, part, j), names);
        }
    }
    if (block.kind() != Kind::chain) { names.push_back(name); }
}

/// A table with columns two spaces apart: texts are left-aligned, numbers right-aligned.
class Table {
public:
    using Row = std::array<std::string, 5>;

    void add(Row row) { rows_.push_back(std::move(row)); }
    std::string text() const {
        std::array<std::size_t, 5> widths{};
        for (const Row& row : rows_) {
            for (std::size_t i = 0; i < row.size(); ++i) { widths[i] = std::max(widths[i], row[i].size()); }
        }
        std::string all;
        for (const Row& row : rows_) {
            std::string line;
            for (std::size_t i = 0; i < row.size(); ++i) {
                const std::string space(widths[i] - row[i].size(), ' ');
                line += (i > 0 ? "  " : "") + (i < 3 ? row[i] + space : space + row[i]);
            }
            line.erase(line.find_last_not_of(' ') + 1);
            all += line + '\n';
        }
        return all;
    }

private:
    std::vector<Row> rows_;
};

/// A line for each operation of a model: its name, its description, the shape of its output, the number of its
/// parameters, and the bytes of its activation for a sample, with the numbers that layers keep beside it.
template <class Scalar>
std::string summary(const Graph<Scalar>& graph, const std::vector<Block<Scalar>>& blocks,
                    const std::vector<Activation>& activations) {
    const auto number = [](Index count) { return grouped(static_cast<std::uint64_t>(count)); };
    std::vector<std::string> names;
    for (std::size_t i = 0; i < blocks.size(); ++i) { add_operation_names(blocks[i], std::to_string(i), names); }
    Table table;
    table.add({"name", "layer", "shape", "parameters", "bytes a sample"});
    if (graph.has_input()) { table.add({"input", "", to_string(graph.input().shape), "", ""}); }
    Index all_parameters = 0, all_bytes = 0;
    bool dropped = false;
    std::size_t slots = 0;  // activations that are in the table already
    for (const auto& operation : graph.operations()) {
        const Value& y = graph.values()[operation.output];
        Index parameters = 0;
        if (operation.layer != nullptr) {
            for (const auto* parameter : operation.layer->parameters()) {
                parameters += parameter->shares().empty() ? parameter->size() : 0;
            }
        }
        std::string held = "in place";
        if (y.slot == slots && slots == activations.size()) {
            ++slots;
            held = "in the loss";
        } else if (y.slot == slots) {
            ++slots;
            const Activation& activation = activations[y.slot];
            const Index bytes = product_of(sample_numbers<Scalar>(activation), Index{sizeof(Scalar)});
            held = activation.kept     ? number(bytes)
                   : activation.needed ? '(' + number(bytes) + ')'
                                       : "not kept";
            all_bytes = sum_of(all_bytes, activation.kept ? bytes : 0);
            dropped = dropped || (!activation.kept && activation.needed);
        }
        const char* other = operation.kind == OperationKind::sum ? "sum" : "concatenation";
        all_parameters += parameters;
        table.add({names[operation.output - 1], operation.layer != nullptr ? operation.layer->description() : other,
                   to_string(y.shape), parameters > 0 ? number(parameters) : "", std::move(held)});
    }
    table.add({"total", "", "", number(all_parameters), number(all_bytes)});
    return table.text() +
           (dropped ? "(in brackets: not kept, but computed again, a block of samples at a time)\n" : "");
}

}  // namespace gacc::detail
