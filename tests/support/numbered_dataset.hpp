#pragma once

#include <gacc/core/types.hpp>
#include <gacc/data/dataset.hpp>

#include <numeric>
#include <set>
#include <span>
#include <vector>

namespace gacc::test {

/// Sample i has the inputs 10 i, 10 i + 1, 10 i + 2 and the label i + 100. It records the calls.
class Numbered {
public:
    using scalar_type = float;

    explicit Numbered(Index size) : size_(size) {}

    Index size() const { return size_; }
    Index features() const { return 3; }
    Label label(Index sample) const { return static_cast<Label>(sample + 100); }
    void copy_inputs(Index sample, std::span<float> row) const {
        std::iota(row.begin(), row.end(), static_cast<float>(10 * sample));
        copied.push_back(sample);
        places.insert(row.data());
    }

    mutable std::vector<Index> copied;      // samples, in the order in which they were asked for
    mutable std::set<const float*> places;  // where their inputs were written

private:
    Index size_;
};

}  // namespace gacc::test
