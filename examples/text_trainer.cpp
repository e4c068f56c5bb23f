// gacc-text: trains a small GPT to predict the next character of a text, and writes in its style. trainer.hpp is the
// program; this is what it knows about text.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/io/safetensors.hpp>

#include <CLI/CLI.hpp>

#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gpt.hpp"
#include "text_data.hpp"
#include "text_run.hpp"
#include "text_sample.hpp"
#include "text_settings.hpp"
#include "trainer.hpp"
#include "trainer_advice.hpp"

namespace {

struct TextProgram {
    using Settings = TextSettings;
    using Data = TextData;
    using Loss = gacc::LinearCrossEntropy<float>;

    static constexpr auto name = "gacc-text";
    static constexpr auto samples = "sequences";
    static constexpr auto description =
        "Trains a GPT on the characters of a text, with gradients accumulated over micro-batches.\n"
        "gacc-text sample FILE draws text from a saved checkpoint: see gacc-text sample --help.";
    static const char* less_memory(const Settings&) {
        return "try a smaller --micro-batch, or fewer --tokens, --layers or --width";
    }

    static int run(const Settings& settings, const Data& data, Ranks& ranks) {
        return run_text<TextProgram>(settings, data, ranks);
    }
    static std::vector<Subcommand<TextProgram>> subcommands() {
        return {auditing<TextProgram>(), advising<TextProgram>()};
    }

    static void add_options(CLI::App& app, Settings& settings) { add_text_options(app, settings); }
    static void check(const Settings& settings) { ::check(settings.sample); }
    static gacc::Settings recorded(const Settings& settings) { return recorded_text(settings); }
    static gacc::Settings noted(const Settings& settings) { return recorded(settings); }
    static void complete(gacc::Settings&) {}
    static bool is_data_file(const std::string&) { return false; }  // the data are a file

    static gacc::Sequential<float> network(const Settings& settings, const Data& data) {
        return gpt(data.vocabulary().size(), settings.network);
    }
    static std::vector<std::pair<std::string, gacc::Shape>> parameters(const Settings& settings, const Data& data) {
        return gpt_parameters(data.vocabulary().size(), settings.network);
    }
    /// As nanoGPT trains on characters.
    static gacc::AdamW<float> optimizer(const gacc::Parameters<float>& parameters, const Settings& settings) {
        constexpr double none = std::numeric_limits<double>::infinity();
        gacc::AdamW<float> adamw(parameters, {.learning_rate = settings.learning_rate,
                                              .beta2 = 0.99,
                                              .weight_decay = settings.weight_decay,
                                              .clip_norm = settings.clip_norm > 0 ? settings.clip_norm : none});
        adamw.group(gacc::vectors, {.weight_decay = 0});
        return adamw;
    }
};

/// The network and the vocabulary of a checkpoint.
TextSettings network_of(const gacc::Settings& notes, const std::string& where) {
    TextSettings settings;
    CLI::App app;
    add_network_options(app, settings);
    std::vector<std::string> arguments;
    for (const char* option : {"layers", "heads", "width", "tokens", "bytes"}) {
        const auto found = notes.find(option);
        if (found == notes.end() || !can_be_recorded<TextProgram>(option, found->second)) {
            throw gacc::CheckpointError(where, std::string("expected a --") + option + " of gacc-text, got none");
        }
        arguments.push_back(std::string("--") + option + '=' + found->second);
    }
    app.parse(arguments);
    return settings;
}

/// gacc-text sample FILE: draws text from a checkpoint. It needs no text and no moments.
int sample_main(int argc, char** argv) {
    try {
        CLI::App app("Draws text from a checkpoint that gacc-text has saved.", "gacc-text sample");
        std::string path;
        SampleOptions options;
        int threads = 0;
        app.add_option("FILE", path, "The checkpoint")->required();
        add_sample_options(app, options);
        app.add_option("--seed", options.seed, "Of what is drawn")->check(CLI::NonNegativeNumber)->capture_default_str();
        app.add_option("--threads", threads, "0: as many as the machine has")->check(CLI::Range(0, 64));
        try {
            app.parse(argc, argv);
            check(options);
        } catch (const CLI::ParseError& error) {
            std::ostringstream out, wrong;
            const int code = app.exit(error, out, wrong);
            std::cout << gacc::escaped(out.str(), "\n");
            std::cerr << gacc::escaped(wrong.str(), "\n");
            return code == 0 ? done : usage;
        }
        gacc::set_threads(threads);
        const std::string where = "gacc-text sample \"" + path + '"';
        const gacc::CheckpointInfo info = gacc::checkpoint_info(path);
        const TextSettings settings = network_of(info.settings, where);
        const gacc::Vocabulary vocabulary = noted_vocabulary(info.settings, settings.bytes, where);
        info.expect(gpt_parameters(vocabulary.size(), settings.network));
        auto model = gpt(vocabulary.size(), settings.network);
        gacc::load_safetensors(path, model.parameters(), gacc::OtherTensors::ignore);
        std::cout << shown(sample_text(model, vocabulary, options)) << '\n' << std::flush;
        if (!std::cout) { throw gacc::OutputError("gacc-text", "expected to write the sample, got an error"); }
        return done;
    } catch (const std::exception& error) {
        std::cerr << gacc::escaped(error.what()) << '\n';
        return exit_code(error);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string(argv[1]) == "sample") { return sample_main(argc - 1, argv + 1); }
    return trainer_main<TextProgram>(argc, argv);
}
