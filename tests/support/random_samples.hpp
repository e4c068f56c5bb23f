#pragma once

#include <gacc/core/random.hpp>
#include <gacc/data/dataset.hpp>

#include "support/gradient_check.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace gacc::test {

/// 23 samples of 6 inputs, with labels of 3 classes.
inline TensorDataset<float> random_samples() {
    Rng rng(3);
    Tensor<float> inputs({23, 6});
    inputs.matrix() = random_matrix<float>(rng, 23, 6);
    std::vector<Label> labels(23);
    std::ranges::generate(labels, [&] { return static_cast<Label>(rng.below(3)); });
    return {std::move(inputs), std::move(labels)};
}

/// Samples of 6 inputs. The first one says which of 2 classes it is.
inline TensorDataset<float> samples_of_two_classes(Index samples) {
    Rng rng(1);
    Tensor<float> inputs({samples, 6});
    std::vector<Label> labels;
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.normal()); }
    for (Index i = 0; i < samples; ++i) { labels.push_back(inputs.data()[6 * i] > 0 ? 1 : 0); }
    return TensorDataset<float>(inputs, labels);
}

}  // namespace gacc::test
