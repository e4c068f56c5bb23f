// What an optimizer keeps and what its step costs, for the perceptron 784-512-256-128-10 and for a matrix of 2048 x 512:
// bench_optimizers [threads]. It prints bytes for each number of the model, and the least processor time of a step in
// milliseconds, all optimizers in turn. Then whole batches, cut in four, of the perceptron and of gacc-text's GPT: those
// that work during the backward pass beside those that keep the gradients.

#include <gacc/gacc.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "peers/networks.hpp"

namespace {

struct Subject {
    std::string name;
    std::unique_ptr<gacc::Optimizer<float>> optimizer;
    double least = std::numeric_limits<double>::infinity();  // seconds
};

double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void measure(const char* what, gacc::Sequential<float> model, int rounds) {
    gacc::Rng rng(1);
    model.initialize(rng);
    const auto parameters = model.parameters();
    std::vector<gacc::Matrix<float>> grads;
    for (const auto& parameter : parameters) {
        gacc::Matrix<float> grad(parameter.rows(), parameter.cols());
        std::generate_n(grad.data(), grad.size(), [&] { return static_cast<float>(rng.normal()); });
        grads.push_back(std::move(grad));
    }
    std::vector<Subject> subjects;
    const auto add = [&]<class Optimizer>(const char* name, Optimizer optimizer) {
        subjects.push_back({name, std::make_unique<Optimizer>(std::move(optimizer))});
    };
    add("SGD", gacc::SGD(parameters));
    add("SGD, momentum", gacc::SGD(parameters, {.momentum = 0.9}));
    add("Adam", gacc::Adam(parameters));
    add("AdamW", gacc::AdamW(parameters));
    add("Lion", gacc::Lion(parameters));
    add("RMSprop", gacc::RMSprop(parameters));
    add("RMSprop, centered with momentum", gacc::RMSprop(parameters, {.momentum = 0.9, .centered = true}));
    add("NAdam", gacc::NAdam(parameters));
    add("Adafactor", gacc::Adafactor(parameters));
    add("Muon", gacc::Muon(parameters));
    for (int round = 0; round < rounds; ++round) {
        for (Subject& subject : subjects) {
            for (std::size_t i = 0; i < grads.size(); ++i) { parameters[i].set_grad(grads[i]); }
            gacc::GradientTally tally = parameters.tally();
            tally.add<float>(gacc::Reduction::mean_over_samples, std::vector<float>{1});
            parameters.set_tally(tally);
            const double start = processor_seconds();
            subject.optimizer->step();
            subject.least = std::min(subject.least, processor_seconds() - start);
            subject.optimizer->zero_grad();
        }
    }
    std::printf("%s, %td numbers\n", what, parameters.count());
    for (const Subject& subject : subjects) {
        std::printf("  %-31s %6.3f bytes a number %8.3f ms\n", subject.name.c_str(),
                    static_cast<double>(subject.optimizer->state_bytes()) / static_cast<double>(parameters.count()),
                    1e3 * subject.least);
    }
}

/// A batch of random samples in four micro-batches.
struct Batch {
    Batch(const Network& net, gacc::Index samples)
        : micro_batch(samples / 4), labels_each(std::max<gacc::Index>(net.tokens, 1)) {
        gacc::Rng rng(1);
        const std::uint64_t classes = net.tokens > 0 ? gpt_characters : 10;
        inputs = gacc::Tensor<float>({samples, gacc::elements(net.input)});
        std::generate_n(inputs.data(), inputs.size(), [&] {
            return net.tokens > 0 ? static_cast<float>(rng.below(classes)) : static_cast<float>(rng.uniform(-1, 1));
        });
        labels.resize(static_cast<std::size_t>(samples * labels_each));
        std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(classes)); });
    }

    gacc::Index micro_batch, labels_each;
    gacc::Tensor<float> inputs;
    std::vector<gacc::Label> labels;
};

/// A model in training with one optimizer.
template <class Optimizer, bool folds>
class Training {
public:
    template <class Options>
    Training(const Network& net, const Options& options) : model_(net.model), optimizer_(initialized(model_), options) {
        if constexpr (folds) { folded_ = std::make_unique<gacc::FoldedBackward<float>>(model_, optimizer_); }
    }
    void step(const Batch& batch) {
        if constexpr (folds) { optimizer_.begin_batch(static_cast<double>(batch.labels.size())); }
        for (gacc::Index first = 0; first < batch.inputs.samples(); first += batch.micro_batch) {
            const auto part = std::span(batch.labels).subspan(
                static_cast<std::size_t>(first * batch.labels_each),
                static_cast<std::size_t>(batch.micro_batch * batch.labels_each));
            loss_.forward(model_.forward(batch.inputs.rows(first, batch.micro_batch)), part);
            if constexpr (folds) {
                folded_->backward(loss_.backward());
            } else {
                model_.backward(loss_.backward());
            }
        }
        optimizer_.step();
        optimizer_.zero_grad();
    }

private:
    static gacc::Parameters<float> initialized(gacc::Sequential<float>& model) {
        gacc::Rng rng(1);
        model.initialize(rng);
        return model.parameters();
    }

    gacc::Sequential<float> model_;
    gacc::SoftmaxCrossEntropy<float> loss_;
    Optimizer optimizer_;
    std::unique_ptr<gacc::FoldedBackward<float>> folded_;
};

void measure_batches(const char* what, const Network& net, gacc::Index samples, int rounds) {
    const Batch batch(net, samples);
    struct Row {
        const char* name;
        std::function<void()> step;
        std::vector<double> seconds;
    };
    std::vector<Row> rows;
    const auto add = [&]<class Optimizer, bool folds, class Options>(const char* name, const Options& options) {
        const auto training = std::make_shared<Training<Optimizer, folds>>(net, options);
        training->step(batch);
        rows.push_back({name, [training, &batch] { training->step(batch); }, {}});
    };
    add.operator()<gacc::SGD<float>, false>("SGD, momentum", gacc::SGDOptions{.momentum = 0.9});
    add.operator()<gacc::FoldedSGD<float>, true>("FoldedSGD", gacc::FoldedSGDOptions{.momentum = 0.9});
    add.operator()<gacc::Adam<float>, false>("Adam", gacc::AdamOptions());
    add.operator()<gacc::AdamA<float>, true>("AdamA", gacc::AdamAOptions());
    for (int round = 0; round < rounds; ++round) {
        for (Row& row : rows) {
            const double start = processor_seconds();
            row.step();
            row.seconds.push_back(processor_seconds() - start);
        }
    }
    std::printf("%s, a batch of 4 x %td\n", what, batch.micro_batch);
    for (Row& row : rows) {
        std::ranges::sort(row.seconds);
        std::printf("  %-31s least %8.3f ms  median %8.3f ms\n", row.name, 1e3 * row.seconds.front(),
                    1e3 * row.seconds[row.seconds.size() / 2]);
    }
}

}  // namespace

int main(int count, char** arguments) {
    gacc::set_threads(count > 1 ? std::atoi(arguments[1]) : 1);
    const gacc::Sequential<float> perceptron(gacc::Linear(784, 512), gacc::ReLU(), gacc::Linear(512, 256), gacc::ReLU(),
                                             gacc::Linear(256, 128), gacc::ReLU(), gacc::Linear(128, 10));
    measure("784-512-256-128-10", perceptron, 60);
    measure("2048 x 512", gacc::Sequential<float>(gacc::Linear(512, 2048, {.bias = false})), 20);
    measure_batches("784-512-256-128-10", {.model = perceptron, .input = {784}}, 128, 200);
    measure_batches("GPT", network("gpt"), 48, 15);
}
