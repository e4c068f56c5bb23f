#pragma once

#include <gacc/gacc.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

/// The training of one rank that has all lanes.
class OneRank {
public:
    OneRank(gacc::Sequential<float>& model, gacc::Optimizer<float>& optimizer, gacc::Index lanes)
        : lanes_(model.parameters(), lanes), optimizer_(optimizer) {}

    template <class Data>
    gacc::LaneBatch<float, Data> share(const gacc::Batch<Data>& batch) {
        return lanes_.of(batch);
    }
    template <class Prepare, class Measure>
    void step(const Prepare& prepare, const Measure& measure) {
        lanes_.join();
        const bool empty = optimizer_.parameters().tally().empty();  // all samples were left out
        if (empty && lanes() == 1) { return; }
        prepare();
        measure(*this);
        if (!empty) { optimizer_.step(); }
        optimizer_.zero_grad();
    }
    // As those of gacc::mpi::DataParallel.
    static bool end_batch(gacc::NoiseScale<float>& noise) { return noise.end_batch(); }
    static double norm(gacc::GradientNorm<float>& norm) { return norm(); }
    template <class Checkpoint>
    void save(const Checkpoint& checkpoint, const std::filesystem::path& path, const gacc::Settings& notes) {
        checkpoint.save(path, notes);
    }
    void expect_same(const std::string&, std::uint64_t) {}
    gacc::Index lanes() const { return lanes_.lanes(); }
    std::size_t bytes() const { return lanes_.bytes(); }

private:
    gacc::Lanes<float> lanes_;
    gacc::Optimizer<float>& optimizer_;
};
