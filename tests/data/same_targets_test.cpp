#include <gacc/data/same_targets.hpp>

#include <doctest/doctest.h>

#include <array>
#include <span>

namespace same_targets_test {

using gacc::Index;
using gacc::Label;

namespace {

/// 9 samples of 2 numbers, with one label each.
struct Labelled {
    using scalar_type = float;
    Index size() const { return 9; }
    Index features() const { return 2; }
    void copy_inputs(Index, std::span<float>) const {}
    Label label(Index sample) const { return static_cast<Label>(sample + 1); }
};

/// The same with three labels a sample.
struct RowLabelled {
    using scalar_type = float;
    Index size() const { return 9; }
    Index features() const { return 2; }
    void copy_inputs(Index, std::span<float>) const {}
    Index labels_per_sample() const { return 3; }
    void copy_labels(Index sample, std::span<Label> labels) const {
        for (Label& label : labels) { label = static_cast<Label>(sample + 2); }
    }
};

/// The same with two targets.
struct Targets {
    using scalar_type = float;
    Index size() const { return 9; }
    Index features() const { return 2; }
    void copy_inputs(Index, std::span<float>) const {}
    Index target_features() const { return 2; }
    void copy_targets(Index sample, std::span<float> row) const {
        for (float& number : row) { number = static_cast<float>(sample + 3); }
    }
};

/// Its inputs are all 1.
template <class Data>
struct Ones : gacc::detail::SameTargets<Data> {
    explicit Ones(const Data& data) : gacc::detail::SameTargets<Data>(data) {}
    void copy_inputs(Index, std::span<float> row) const {
        for (float& number : row) { number = 1; }
    }
};

}  // namespace

TEST_CASE("SameTargets: has the sizes of the other dataset and its labels") {
    const Labelled data;
    const Ones<Labelled> ones(data);
    CHECK(ones.size() == 9);
    CHECK(ones.features() == 2);
    CHECK(ones.label(4) == 5);
}

TEST_CASE("SameTargets: has the labels of rows, or the targets") {
    const RowLabelled rows;
    const Ones<RowLabelled> of_rows(rows);
    std::array<Label, 3> labels{};
    of_rows.copy_labels(4, labels);
    CHECK(of_rows.labels_per_sample() == 3);
    CHECK(labels == std::array<Label, 3>{6, 6, 6});

    const Targets targets;
    const Ones<Targets> of_targets(targets);
    std::array<float, 2> row{};
    of_targets.copy_targets(4, row);
    CHECK(of_targets.target_features() == 2);
    CHECK(row == std::array<float, 2>{7, 7});
}

TEST_CASE("SameTargets: is a dataset of the other one's kind, and of no other kind") {
    CHECK(gacc::LabelledDataset<Ones<Labelled>>);
    CHECK_FALSE(gacc::RowLabelledDataset<Ones<Labelled>>);
    CHECK_FALSE(gacc::TargetDataset<Ones<Labelled>>);
    CHECK(gacc::RowLabelledDataset<Ones<RowLabelled>>);
    CHECK_FALSE(gacc::LabelledDataset<Ones<RowLabelled>>);
    CHECK(gacc::TargetDataset<Ones<Targets>>);
    CHECK_FALSE(gacc::LabelledDataset<Ones<Targets>>);
}

}  // namespace same_targets_test
