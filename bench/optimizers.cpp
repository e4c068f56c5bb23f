// What an optimizer keeps and what its step costs, for the perceptron 784-512-256-128-10 and for a matrix of 2048 x 512:
// bench_optimizers [threads]. It prints bytes for each number of the model, and the least processor time of a step in
// milliseconds, all optimizers in turn.

#include <gacc/gacc.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
    add("RMSprop, both", gacc::RMSprop(parameters, {.momentum = 0.9, .centered = true}));
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
        std::printf("  %-14s %6.3f bytes a number %8.3f ms\n", subject.name.c_str(),
                    static_cast<double>(subject.optimizer->state_bytes()) / static_cast<double>(parameters.count()),
                    1e3 * subject.least);
    }
}

}  // namespace

int main(int count, char** arguments) {
    gacc::set_threads(count > 1 ? std::atoi(arguments[1]) : 1);
    measure("784-512-256-128-10",
            gacc::Sequential<float>(gacc::Linear(784, 512), gacc::ReLU(), gacc::Linear(512, 256), gacc::ReLU(),
                                    gacc::Linear(256, 128), gacc::ReLU(), gacc::Linear(128, 10)),
            60);
    measure("2048 x 512", gacc::Sequential<float>(gacc::Linear(512, 2048, {.bias = false})), 20);
}
