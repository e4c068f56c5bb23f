#pragma once

#include <gacc/model/operation.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Marks on the values and operations of a graph what follows from who reads what, and from which parameters are
/// trained.
template <class Scalar>
class GraphMarks {
public:
    GraphMarks(std::vector<Value>& values, std::vector<Operation<Scalar>>& operations)
        : values_(values), operations_(operations) {}

    void mark() {
        mark_readers();
        mark_wants_grad();
        mark_by_rows();
        mark_completed();
    }

private:
    void mark_readers() {
        for (Value& value : values_) { value.readers.clear(); }
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            for (const std::size_t input : operations_[i].inputs) { values_[input].readers.push_back(i); }
        }
    }

    void mark_wants_grad() {
        values_.front().wants_grad = false;
        for (const auto& operation : operations_) {
            const auto wants = [&](std::size_t input) { return values_[input].wants_grad; };
            values_[operation.output].wants_grad =
                std::ranges::any_of(operation.inputs, wants) || !trained(operation).empty();
        }
    }

    void mark_by_rows() {
        const Index rows = values_.back().rows();
        for (std::size_t i = values_.size(); i-- > 0;) {
            const auto& readers = values_[i].readers;
            const auto is_by_rows = [&](std::size_t index) {
                const auto& operation = operations_[index];
                const bool by_rows = operation.kind != OperationKind::layer || operation.plan.by_rows ||
                                     operation.plan.elementwise;
                return by_rows && values_[operation.output].by_rows;
            };
            values_[i].by_rows =
                values_[i].rows() == rows && std::all_of(readers.begin(), readers.end(), is_by_rows);
        }
    }

    /// A gradient is complete after the first operation that uses the parameter's values: backward reaches it last.
    void mark_completed() {
        std::set<const Parameter<Scalar>*> seen;
        for (auto& operation : operations_) {
            operation.completes.clear();
            for (auto* parameter : trained(operation)) {
                Parameter<Scalar>& owner = parameter->owner();
                if (seen.insert(&owner).second) { operation.completes.push_back(&owner); }
            }
        }
    }

    /// The trained parameters of its layer.
    static std::vector<Parameter<Scalar>*> trained(const Operation<Scalar>& operation) {
        if (operation.by_samples) { return {}; }
        auto all = operation.layer->parameters();
        std::erase_if(all, [](const auto* parameter) { return parameter->is_frozen(); });
        return all;
    }

    std::vector<Value>& values_;
    std::vector<Operation<Scalar>>& operations_;
};

}  // namespace gacc::detail
