// gacc-mnist: trains a perceptron or a convolutional network on MNIST. trainer.hpp is the program; this is what it knows
// about MNIST.

#include <gacc/gacc.hpp>

#ifdef GACC_MNIST_WITH_ZLIB
#include <gacc/data/gzip.hpp>
constexpr gacc::IdxReader reader = gacc::read_idx_gz;
#else
constexpr gacc::IdxReader reader = gacc::read_idx;
#endif

#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "mnist_networks.hpp"
#include "trainer.hpp"
#include "trainer_advice.hpp"

namespace {

struct MnistSettings : EpochSettings {
    MnistSettings() { data = "data/mnist"; }

    std::string model = "perceptron";
    std::vector<Index> hidden = {512, 256, 128};
};

class MnistData {
public:
    explicit MnistData(const TrainerSettings& settings)
        : train_(gacc::load_mnist(settings.data, gacc::Split::train, reader)),
          test_(gacc::load_mnist(settings.data, gacc::Split::test, reader)) {
        if (test_.features() != train_.features()) {
            throw gacc::DataError("gacc-mnist",
                                  "expected test images of " + std::to_string(train_.features()) +
                                      " pixels as for training, got " + std::to_string(test_.features()));
        }
    }

    const gacc::ImageDataset<float>& training() const { return train_; }
    const gacc::ImageDataset<float>& test() const { return test_; }
    /// height x width x 1
    gacc::Shape image() const { return {train_.pixels().shape()[1], train_.pixels().shape()[2], 1}; }

private:
    gacc::ImageDataset<float> train_, test_;
};

struct Mnist {
    using Settings = MnistSettings;
    using Data = MnistData;
    using Loss = gacc::SoftmaxCrossEntropy<float>;

    static constexpr auto name = "gacc-mnist";
    static constexpr auto samples = "samples";
    static constexpr auto description =
        "Trains a perceptron or a convolutional network on MNIST, with gradients accumulated over micro-batches.";
    static const char* less_memory(const Settings& settings) {
        return settings.model == "cnn" ? "try a smaller --micro-batch" : "try smaller --hidden layers";
    }
    static constexpr bool validates_each_epoch = false;

    static int run(const Settings& settings, const Data& data, Ranks& ranks) {
        return ::run<Mnist>(settings, data, ranks);
    }
    static std::vector<Subcommand<Mnist>> subcommands() {
        return {comparison<Mnist>(), auditing<Mnist>(), advising<Mnist>()};
    }

    static void add_options(CLI::App& app, Settings& settings) {
        if (const char* folder = std::getenv("GACC_DATA")) { settings.data = folder; }
        add_trainer_options(app, settings,
                            {.data = "Folder of the four MNIST files (also: GACC_DATA)",
                             .learning_rate = "Of Adam; 0.002 for --model cnn if not given"});
        add_epoch_options(app, settings);
        auto* model = app.add_option("--model", settings.model,
                                     "perceptron, or cnn: two convolutions and two linear layers, with dropout")
                          ->check(CLI::IsMember({"perceptron", "cnn"}))
                          ->capture_default_str();
        app.add_option("--hidden", settings.hidden, "Widths of the perceptron's hidden layers")
            ->delimiter(',')
            ->check(CLI::Range(Index{1}, Index{1'000'000}))
            ->default_str("512,256,128");
        app.callback([model, &app, &settings] {
            if (model->count() > 0 && settings.model == "cnn" && app["--hidden"]->count() > 0) {
                throw CLI::ValidationError("--hidden", "expected a perceptron, got --model cnn");
            }
            if (settings.model == "cnn" && app["--learning-rate"]->count() == 0) { settings.learning_rate = 2e-3; }
        });
    }
    static void check(const Settings& settings) {
        if (settings.hidden.empty()) {
            throw CLI::ValidationError("--hidden", "expected one width or more, got none");
        }
    }

    static gacc::Settings recorded(const Settings& settings) {
        std::string hidden;
        for (const Index width : settings.hidden) { hidden += (hidden.empty() ? "" : ",") + std::to_string(width); }
        gacc::Settings all = recorded_epochs(settings);
        all.emplace("hidden", hidden);
        all.emplace("model", settings.model);
        return all;
    }
    /// The checkpoint of a perceptron does not name the model, as when there was no other.
    static gacc::Settings noted(const Settings& settings) {
        gacc::Settings all = recorded(settings);
        all.erase(settings.model == "cnn" ? "hidden" : "model");
        return all;
    }
    static void complete(gacc::Settings& notes) { notes.emplace("model", "perceptron"); }

    static bool is_data_file(const std::string& file) { return file.starts_with("train-") || file.starts_with("t10k-"); }

    static gacc::Sequential<float> network(const Settings& settings, const Data& data) {
        const gacc::Shape image = data.image();
        if (settings.model == "perceptron") { return perceptron(image[0] * image[1], settings.hidden); }
        check_image(image);
        return convolutional(image);
    }
    static void check_image(const gacc::Shape& image) {
        if (image[0] >= 6 && image[1] >= 6) { return; }
        throw gacc::DataError(name, "expected images of 6 x 6 pixels or more for --model cnn, got " +
                                        std::to_string(image[0]) + " x " + std::to_string(image[1]));
    }
    static std::vector<std::pair<std::string, gacc::Shape>> parameters(const Settings& settings, const Data& data) {
        if (settings.model == "cnn") { return names_and_shapes(network(settings, data)); }
        const gacc::Shape image = data.image();
        std::vector<Index> widths = settings.hidden;
        widths.push_back(10);
        std::vector<std::pair<std::string, gacc::Shape>> parameters;
        Index inputs = image[0] * image[1];
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const std::string layer = std::to_string(2 * i);
            parameters.push_back({layer + ".weight", {widths[i], inputs}});
            parameters.push_back({layer + ".bias", {widths[i]}});
            inputs = widths[i];
        }
        return parameters;
    }
    static gacc::Adam<float> optimizer(const gacc::Parameters<float>& parameters, const Settings& settings) {
        return gacc::Adam<float>(parameters, {.learning_rate = settings.learning_rate});
    }
};

}  // namespace

int main(int argc, char** argv) { return trainer_main<Mnist>(argc, argv); }
