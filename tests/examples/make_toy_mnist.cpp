// Writes four small files in the format of MNIST into a folder: make_toy_mnist FOLDER [SEED [TRAINING_SAMPLES]]
#include <cstdio>
#include <fstream>
#include <string>

#include "toy_digits.hpp"

namespace {

void write_idx(const std::string& path, const gacc::Tensor<std::uint8_t>& bytes) {
    std::ofstream file(path, std::ios::binary);
    file.put(0).put(0).put(8).put(static_cast<char>(bytes.shape().size()));
    for (const gacc::Index size : bytes.shape()) {
        for (const int shift : {24, 16, 8, 0}) { file.put(static_cast<char>(size >> shift & 0xff)); }
    }
    file.write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
    gacc::Rng rng(argc > 2 ? std::stoull(argv[2]) : 7);
    const gacc::Index samples = argc > 3 ? std::stol(argv[3]) : 2000;
    for (const std::string split : {"train", "t10k"}) {
        const auto digits = toy_digits(split == "train" ? samples : 500, rng);
        gacc::Tensor<std::uint8_t> labels({digits.size()});
        for (gacc::Index i = 0; i < digits.size(); ++i) {
            labels.data()[i] = static_cast<std::uint8_t>(digits.label(i));
        }
        write_idx(argv[1] + ("/" + split) + "-images-idx3-ubyte", digits.pixels());
        write_idx(argv[1] + ("/" + split) + "-labels-idx1-ubyte", labels);
    }
}
