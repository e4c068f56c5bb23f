// Brings a GPT-2 of Python's transformers to gacc and back.
//
//   gpt2 import FOLDER FILE    from config.json and model.safetensors in FOLDER to a file for gacc::load_model()
//   gpt2 export FILE FOLDER    writes FOLDER/model.safetensors from such a file; FOLDER/config.json has its sizes
//
// In Python, GPT2LMHeadModel.save_pretrained(FOLDER) and GPT2LMHeadModel.from_pretrained(FOLDER) are the other side.
#include <gacc/gacc.hpp>
#include <gacc/io/model_file.hpp>

#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "gpt2.hpp"
#include "gpt2_config.hpp"

int main(int argc, char** argv) {
    const std::string command = argc == 4 ? argv[1] : "";
    if (command != "import" && command != "export") {
        std::cerr << "usage: gpt2 import FOLDER FILE | gpt2 export FILE FOLDER\n";
        return 2;
    }
    const bool imports = command == "import";
    const std::filesystem::path folder = argv[imports ? 2 : 3], file = argv[imports ? 3 : 2];
    try {
        const Gpt2Options options = gpt2_config(folder / "config.json");
        if (imports) {
            auto model = gpt2(options.positions, options);
            load_gpt2(folder / "model.safetensors", model, options);
            gacc::save_model(file, model);
            std::cout << model.summary();
        } else {
            auto model = gacc::load_model(file);
            save_gpt2(folder / "model.safetensors", model, options);
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
