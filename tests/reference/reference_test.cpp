// Trains the MNIST perceptron from the same first weights and on the same data order as PyTorch did, and compares the
// losses one by one. Usage: gacc_reference_test FOLDER DATA, or the folders in GACC_REFERENCE and GACC_DATA.
// FOLDER holds init.safetensors and any number of trace-*.json. Exit code 77: nothing to compare with.
//
// In double the whole trajectory is compared. In float only its start: sooner or later an activation falls so close to
// the kink of a ReLU that rounding decides its side, and from there on two runs go apart by 1e-4 and more. PyTorch's
// own float32 does so from the 29th loss of trace-k4-mean on, on a processor other than the one that wrote it.

#include <gacc/data/gzip.hpp>
#include <gacc/gacc.hpp>
#include <gacc/io/safetensors.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using gacc::Index;

struct Trace {
    Index micro_batch, accumulation_steps;
    double learning_rate;
    bool mean;  // else the notebook's undivided sum
    std::vector<double> losses;
};

/// What follows "key": in the text.
std::string after(const std::string& json, const std::string& key) {
    return json.substr(json.find("\"" + key + "\": ") + key.size() + 4);
}

Trace read_trace(const std::filesystem::path& path) {
    std::ifstream stream(path);
    const std::string json{std::istreambuf_iterator<char>(stream), {}};
    Trace trace{std::stol(after(json, "micro_batch")),
                std::stol(after(json, "accumulation_steps")),
                std::stod(after(json, "learning_rate")),
                after(json, "normalize").starts_with("\"mean\""),
                {}};
    std::string list = after(json, "losses").substr(1);
    for (char* at = list.data(); *at != ']';) {
        trace.losses.push_back(std::strtod(at, &at));
        at += *at == ',' ? 1 : 0;
        while (*at == '\n') { ++at; }
    }
    return trace;
}

/// The mean loss of each micro-batch, as the PyTorch script computes it.
template <class Scalar>
std::vector<double> train(const Trace& trace, const std::string& weights, const std::string& data_folder) {
    using Linear = gacc::Linear<Scalar>;
    using ReLU = gacc::ReLU<Scalar>;
    const auto data = gacc::load_mnist<Scalar>(data_folder, gacc::Split::train, gacc::read_idx_gz);
    gacc::Sequential model(Linear(784, 512), ReLU(), Linear(512, 256), ReLU(), Linear(256, 128), ReLU(),
                           Linear(128, 10));
    gacc::load_safetensors(weights, model.parameters());
    gacc::SoftmaxCrossEntropy<Scalar> loss(
        {.reduction = trace.mean ? gacc::Reduction::mean_over_samples : gacc::Reduction::sum_of_micro_batch_means});
    gacc::Adam adam(model.parameters(), {.learning_rate = trace.learning_rate});
    gacc::Accumulator accumulator(adam, gacc::EveryMicroBatches(trace.accumulation_steps));
    std::vector<double> losses;
    for (const auto& micro : gacc::ordered_batches(data, {.batch_size = trace.micro_batch})) {
        if (losses.size() == std::min<std::size_t>(trace.losses.size(), 200)) { break; }
        losses.push_back(loss.forward(model.forward(micro.inputs), micro.labels).mean());
        model.backward(loss.backward());
        accumulator.update();
    }
    return losses;
}

/// The largest difference among the first `count` losses.
double largest_difference(const std::vector<double>& a, const std::vector<double>& b, std::size_t count) {
    double largest = 0;
    for (std::size_t i = 0; i < std::min(count, b.size()); ++i) {
        largest = std::max(largest, std::abs(a.at(i) - b[i]));
    }
    return largest;
}

}  // namespace

int main(int argc, char** argv) {
    const char* folder = argc > 1 ? argv[1] : std::getenv("GACC_REFERENCE");
    const char* data_folder = argc > 2 ? argv[2] : std::getenv("GACC_DATA");
    if (folder == nullptr || data_folder == nullptr) {
        std::puts("skipped: GACC_REFERENCE (init.safetensors, trace-*.json) or GACC_DATA (MNIST) is not set");
        return 77;
    }
    const std::string weights = std::string(folder) + "/init.safetensors";
    int compared = 0, failed = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with("trace-") || !name.ends_with(".json")) { continue; }
        const Trace trace = read_trace(entry.path());
        const auto exact = train<double>(trace, weights, data_folder);
        const auto losses = train<float>(trace, weights, data_folder);
        const double first40 = largest_difference(exact, trace.losses, 40);
        const double first200 = largest_difference(exact, trace.losses, 200);
        const double float28 = largest_difference(losses, trace.losses, 28);
        const bool good = trace.losses.size() >= 40 && first40 <= 1e-5 && first200 <= 1e-4 && float28 <= 1e-5;
        std::printf(
            "%s: largest difference in double %.1e of the first 40, %.1e of the first 200; "
            "in float %.1e of the first 28, %.1e of 40, %.1e of 200%s\n",
            name.c_str(), first40, first200, float28, largest_difference(losses, trace.losses, 40),
            largest_difference(losses, trace.losses, 200), good ? "" : "  FAILED");
        ++compared;
        failed += good ? 0 : 1;
    }
    std::printf("%d passed, %d failed\n", compared - failed, failed);
    return compared == 0 ? 77 : failed;
}
