// How long files of 100 MB take to load, good ones and hostile ones, and how much more memory than the file has bytes
// (of a gzipped file: than what it unpacks to).

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#ifdef GACC_BENCH_WITH_ZLIB
#include <gacc/data/gzip.hpp>
#endif

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "../examples/peak_memory.hpp"

namespace {

constexpr std::size_t size = 100'000'000;

const std::filesystem::path folder = std::filesystem::temp_directory_path() / "gacc_bench_loading";

std::filesystem::path written(const std::string& name, const std::string& start,
                              const std::string& fill = std::string(1, 0)) {
    std::string all = start;
    all.reserve(size);
    while (all.size() + fill.size() <= size) { all += fill; }
    std::ofstream(folder / name, std::ios::binary) << all;
    return folder / name;
}

std::string little_endian(std::uint64_t number) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) { bytes += static_cast<char>(number >> (8 * i) & 0xff); }
    return bytes;
}

/// `bytes` of numbers in one Linear and its Adam.
struct Model {
    explicit Model(std::size_t bytes)
        : model(gacc::Linear(1000, static_cast<gacc::Index>(bytes / 4000))), adam(model.parameters()) {
        model.initialize(rng);
    }
    gacc::Rng rng;
    gacc::DataPosition position;
    gacc::Sequential<float> model;
    gacc::Adam<float> adam;
    gacc::Checkpoint<float> checkpoint{adam, rng, position};
};

void load(benchmark::State& state, std::size_t justified, const std::function<void()>& call) {
    std::size_t most = 0;
    for (auto _ : state) {
        forget_peak_memory();
        const std::size_t idle = peak_memory();
        try {
            call();
        } catch (const gacc::DataError&) {}
        most = std::max(most, peak_memory() - idle);
    }
    state.counters["MiB_beyond_file"] = (static_cast<double>(most) - static_cast<double>(justified)) / 1048576;
}

}  // namespace

int main(int argc, char** argv) {
    std::filesystem::create_directory(folder);
    Model model(size);
    Model third(size / 3);
    const auto add = [](const std::string& name, std::size_t justified, const std::function<void()>& call) {
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { load(state, justified, call); })
            ->Iterations(5)
            ->Unit(benchmark::kMillisecond);
    };
    const auto add_safetensors = [&](const std::string& name, const std::filesystem::path& path) {
        add(name, std::filesystem::file_size(path), [path] { gacc::SafetensorsFile file(path); });
    };

    gacc::save_safetensors(folder / "model", model.model.parameters());
    add("safetensors/model", std::filesystem::file_size(folder / "model"),
        [&] { gacc::load_safetensors(folder / "model", model.model.parameters()); });
    third.checkpoint.save(folder / "checkpoint");
    add("checkpoint", std::filesystem::file_size(folder / "checkpoint"),
        [&] { third.checkpoint.load(folder / "checkpoint"); });
    add("checkpoint/save", 0, [&] { third.checkpoint.save(folder / "checkpoint"); });

    const std::string header = little_endian(size - 8) + "{";
    add_safetensors("safetensors/header of spaces", written("spaces", header, " "));
    add_safetensors("safetensors/header of many gaps",
                    written("gaps", header + R"("a":{"shape":[1)", ",1" + std::string(16'000, ' ')));
    add_safetensors("safetensors/header of brackets", written("brackets", header + "\"a\":", "["));
    add_safetensors("safetensors/header of one name", written("name", header + "\"", "a"));
    add_safetensors("safetensors/header of one tensor again and again",
                    written("tensors", header, R"("a":{"dtype":"U8","shape":[],"data_offsets":[0,0]},)"));
    add_safetensors("safetensors/header of one size again and again",
                    written("sizes", header + R"("a":{"shape":[1)", ",1"));
    add_safetensors("safetensors/header of escapes", written("escapes", header + "\"", "\\u0041\":{},\""));

    const auto idx = written("idx", std::string("\0\0\x08\x01\x05\xf5\xe0\xf8", 8));  // 100,000,000 - 8 labels
    add("idx", size, [&] { gacc::read_idx(idx); });
#ifdef GACC_BENCH_WITH_ZLIB
    std::string bytes(size, 0);
    {
        std::ifstream(idx, std::ios::binary).read(bytes.data(), size);
        gzFile file = gzopen((folder / "idx.gz").c_str(), "wb");
        gzwrite(file, bytes.data(), static_cast<unsigned>(size));
        gzclose(file);
    }
    bytes = {};
    add("idx/gzipped", size, [&] { gacc::read_idx_gz(folder / "idx.gz"); });
#endif
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    std::filesystem::remove_all(folder);
}
