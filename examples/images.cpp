// gacc-images: trains a residual network (ResNet-20) on CIFAR-10, with images moved and flipped at random. trainer.hpp is
// the program; this is what it knows about CIFAR-10.

#include <gacc/gacc.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "resnet.hpp"
#include "trainer.hpp"
#include "trainer_advice.hpp"

namespace {

struct ImagesSettings : EpochSettings {
    ImagesSettings() {
        data = "data/cifar-10";
        epochs = 10;
        learning_rate = 0.03;
    }
};

/// The images of data_batch_1.bin to data_batch_5.bin, as many as are there, and of test_batch.bin.
class ImagesData {
public:
    explicit ImagesData(const TrainerSettings& settings)
        : train_(gacc::load_cifar10(training_files(settings.data))),
          test_(gacc::load_cifar10({std::filesystem::path(settings.data) / "test_batch.bin"})),
          moved_(train_, image(), augmentation(settings.seed)), as_they_are_(test_, image(), augmentation(0)) {
        if (!settings.quiet) {
            std::clog << train_.size() << " images for training, " << test_.size() << " for validation\n";
        }
    }
    ImagesData(const ImagesData&) = delete;  // its members refer to each other
    ImagesData& operator=(const ImagesData&) = delete;

    using Images = gacc::AugmentedImages<gacc::ImageDataset<float>>;
    const gacc::Prefetched<Images>& training() const { return ahead_; }
    const Images& test() const { return as_they_are_; }
    static gacc::Shape image() { return {32, 32, 3}; }

private:
    static std::vector<std::filesystem::path> training_files(const std::filesystem::path& folder) {
        std::vector<std::filesystem::path> files{folder / "data_batch_1.bin"};
        for (int i = 2; i <= 5; ++i) {
            const auto next = folder / ("data_batch_" + std::to_string(i) + ".bin");
            if (std::filesystem::exists(next)) { files.push_back(next); }
        }
        return files;
    }
    /// With the mean and the deviation of each channel over CIFAR-10's training images.
    static gacc::AugmentationOptions augmentation(std::uint64_t seed) {
        return {.mean = {0.4914, 0.4822, 0.4465}, .deviation = {0.247, 0.2435, 0.2616}, .seed = seed};
    }

    gacc::ImageDataset<float> train_, test_;  // bytes
    const Images moved_, as_they_are_;
    const gacc::Prefetched<Images> ahead_{moved_};
};

struct ImagesProgram {
    using Settings = ImagesSettings;
    using Data = ImagesData;
    using Loss = gacc::SoftmaxCrossEntropy<float>;

    static constexpr auto name = "gacc-images";
    static constexpr auto samples = "images";
    static constexpr auto description =
        "Trains a ResNet-20 with group normalisation on CIFAR-10, with gradients accumulated over micro-batches.";
    static const char* less_memory(const Settings&) { return "try a smaller --micro-batch"; }
    static constexpr bool validates_each_epoch = true;

    static int run(const Settings& settings, const Data& data, Ranks& ranks) {
        return ::run<ImagesProgram>(settings, data, ranks);
    }
    static std::vector<Subcommand<ImagesProgram>> subcommands() {
        return {comparison<ImagesProgram>(), auditing<ImagesProgram>(), advising<ImagesProgram>()};
    }

    static void add_options(CLI::App& app, Settings& settings) {
        if (const char* folder = std::getenv("GACC_CIFAR10")) { settings.data = folder; }
        add_trainer_options(app, settings,
                            {.data = "Folder of CIFAR-10's files data_batch_1.bin to data_batch_5.bin, or some of them, "
                                     "and test_batch.bin (also: GACC_CIFAR10)",
                             .learning_rate = "Of SGD with Nesterov's momentum of 0.9"});
        add_epoch_options(app, settings);
    }
    static void check(const Settings&) {}
    static gacc::Settings recorded(const Settings& settings) { return recorded_epochs(settings); }
    static gacc::Settings noted(const Settings& settings) { return recorded(settings); }
    static void complete(gacc::Settings&) {}
    static bool is_data_file(const std::string& file) {
        return file.starts_with("data_batch_") || file.starts_with("test_batch");
    }

    static gacc::Sequential<float> network(const Settings&, const Data&) { return resnet(); }
    static std::vector<std::pair<std::string, gacc::Shape>> parameters(const Settings& settings, const Data& data) {
        return names_and_shapes(network(settings, data));
    }
    static gacc::SGD<float> optimizer(const gacc::Parameters<float>& parameters, const Settings& settings) {
        return gacc::SGD<float>(parameters, {.learning_rate = settings.learning_rate,
                                             .momentum = 0.9,
                                             .nesterov = true,
                                             .weight_decay = 5e-4});
    }
};

}  // namespace

int main(int argc, char** argv) { return trainer_main<ImagesProgram>(argc, argv); }
