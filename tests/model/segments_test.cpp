#include <gacc/model/segments.hpp>

#include <gacc/gacc.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace segments_test {

using gacc::Activation;
using gacc::Index;
using gacc::detail::Segment;
using gacc::detail::segments_of;

namespace {

/// Images of 40 x 32 pixels, whose blocks are 3 samples, then a wide layer.
gacc::Sequential<float> network() {
    gacc::Rng rng(3);
    gacc::Sequential model(gacc::Input(40, 32, 2), gacc::Conv2d(2, 16, {.kernel = 1}), gacc::GroupNorm(4, 16),
                           gacc::MaxPool2d(5, {.stride = 4, .padding = 2}), gacc::Flatten(), gacc::Linear(1280, 24),
                           gacc::ReLU(), gacc::Linear(24, 5));
    model.initialize(rng);
    return model;
}

/// The values after two steps of 11 samples.
std::vector<float> trained(Index micro_batch, int threads, bool recompute) {
    gacc::set_threads(threads);
    auto model = network();
    gacc::SoftmaxCrossEntropy loss;
    gacc::SGD sgd(model.parameters(), {.learning_rate = 0.1});
    constexpr Index batch = 11;
    if (recompute) {
        gacc::plan({.batch_size = batch, .micro_batch = micro_batch, .recomputation = gacc::Recomputation::always}, model,
                   loss, sgd);
    }
    gacc::Rng rng(4);
    gacc::Matrix<float> inputs(batch, 2560);
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.uniform(-1, 1)); }
    const std::vector<gacc::Label> labels{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0};
    for (int step = 0; step < 2; ++step) {
        for (Index first = 0; first < batch; first += micro_batch) {
            const Index count = std::min(micro_batch, batch - first);
            loss.forward(model.forward(inputs.middleRows(first, count)),
                         std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
            model.backward(loss.backward());
        }
        sgd.step();
        sgd.zero_grad();
    }
    gacc::set_threads(0);
    std::vector<float> values;
    for (const auto& parameter : model.parameters()) {
        const auto value = parameter.value();
        values.insert(values.end(), value.data(), value.data() + value.size());
    }
    return values;
}

}  // namespace

TEST_CASE("block_of: 128 rows, or as many samples as 256 KiB hold, but 128 samples at most") {
    using gacc::detail::block_of;
    CHECK(block_of<float>({.width = 4}) == 128);
    CHECK(block_of<float>({.width = 100'000}) == 128);
    CHECK(block_of<float>({.width = 4, .rows = 60}) == 128);
    CHECK(block_of<float>({.width = 16, .rows = 1024}) == 4);
    CHECK(block_of<double>({.width = 16, .rows = 1024}) == 2);
    CHECK(block_of<float>({.width = 5000, .rows = 64}) == 2);
    CHECK(block_of<float>({.width = 100, .rows = 1000}) == 1);
}

TEST_CASE("segments_of: cuts after a kept activation that separates, where blocks differ by four times or more") {
    const auto shown = [](const std::vector<Activation>& activations) {
        std::string text;
        for (const auto& [first, last, block] : segments_of<float>(activations)) {
            text += gacc::detail::text(first, '-', last, ": ", block, "; ");
        }
        return text;
    };
    Activation image{.width = 16, .rows = 1024}, half{.width = 16, .rows = 512}, row{.width = 9};
    CHECK(shown({row, row}) == "0-2: 128; ");
    CHECK(shown({image, half, row}) == "0-3: 4; ");
    CHECK(shown({half, image, row}) == "0-3: 4; ");
    half.separates = true;
    CHECK(shown({image, half, row}) == "0-2: 4; 2-3: 128; ");
    image.separates = true;
    CHECK(shown({image, half, row}) == "0-2: 4; 2-3: 128; ");  // half has blocks of 8
    row.separates = true;
    CHECK(shown({row, image, row}) == "0-1: 128; 1-2: 4; 2-3: 128; ");
    image.kept = half.kept = false;
    CHECK(shown({image, half, row}) == "0-3: 4; ");
}

TEST_CASE("Sequential: segments are cut before a wide layer, but not where a value is read twice or read again") {
    auto model = network();
    const auto segments = segments_of<float>(model.activations());
    REQUIRE(segments.size() == 2);
    CHECK(segments[0].block == 3);
    CHECK(segments[1].block == 128);
    gacc::Sequential<float> residual(gacc::Input(64, 64, 4), gacc::Residual(gacc::Conv2d(4, 4, {.kernel = 1})),
                                     gacc::ReLU(), gacc::GlobalAveragePool());
    CHECK(segments_of<float>(residual.activations()).size() == 1);
}

TEST_CASE("Sequential: bits depend neither on the cut, the blocks of segments, recomputation nor threads") {
    const auto uncut = trained(11, 1, false);
    for (const Index micro_batch : {1, 2, 3, 4, 6, 11}) {
        for (const int threads : {1, 2}) {
            for (const bool recompute : {false, true}) {
                CAPTURE(micro_batch);
                CAPTURE(threads);
                CAPTURE(recompute);
                CHECK(trained(micro_batch, threads, recompute) == uncut);
            }
        }
    }
}

TEST_CASE("plan: a micro-batch may have as many samples as the largest block") {
    auto model = network();
    gacc::SoftmaxCrossEntropy loss;
    gacc::SGD sgd(model.parameters(), {.learning_rate = 0.1});
    CHECK(gacc::plan({.batch_size = 1024}, model, loss, sgd).micro_batch == 128);
}

}  // namespace segments_test
