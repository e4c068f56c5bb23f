#pragma once

// The ranks that mpirun has started, or the only one if it has not started the program. ranks_alone.hpp has the same
// without MPI.

#include <gacc/mpi/data_parallel.hpp>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <variant>

#include "one_rank.hpp"

class Processes {
public:
    Processes(int& argc, char**& argv, bool several) {
        if (several) { session_.emplace(argc, argv); }
    }

    gacc::Index rank() const { return session_ ? session_->rank() : 0; }
    gacc::Index count() const { return session_ ? session_->ranks() : 1; }
    gacc::Index on_this_machine() const {
        int here = 1;
        if (!session_) { return here; }
        MPI_Comm machine = MPI_COMM_NULL;
        check(MPI_Comm_split_type(session_->communicator(), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
        MPI_Comm_size(machine, &here);
        MPI_Comm_free(&machine);
        return here;
    }

    /// Call it on all ranks. Each byte becomes the bitwise or of those of all ranks.
    void unite(std::span<std::byte> bytes) {
        if (count() == 1) { return; }
        MPI_Request request = MPI_REQUEST_NULL;
        check(MPI_Iallreduce(MPI_IN_PLACE, bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, MPI_BOR,
                             session_->communicator(), &request));
        for (int done = 0; done == 0; std::this_thread::yield()) {  // there may be more ranks than cores
            check(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
        }
    }

    /// Ends all ranks.
    [[noreturn]] static void end(int code) {
        MPI_Abort(MPI_COMM_WORLD, code);
        std::abort();
    }

    gacc::mpi::Session& session() { return *session_; }

private:
    static void check(int code) {
        if (code == MPI_SUCCESS) { return; }
        throw gacc::mpi::MessageError("MPI", "expected success, got error " + std::to_string(code));
    }

    std::optional<gacc::mpi::Session> session_;
};

/// The training of one of several ranks.
class SeveralRanks {
public:
    SeveralRanks(gacc::mpi::Session& session, gacc::Sequential<float>& model, gacc::Optimizer<float>& optimizer,
                 gacc::Index lanes)
        : parallel_(session, model, optimizer, {.lanes = lanes}) {}

    template <class Data>
    gacc::LaneBatch<float, Data> share(const gacc::Batch<Data>& batch) {
        return parallel_.share(batch);
    }
    template <class Prepare, class Measure>
    void step(const Prepare& prepare, const Measure& measure) {
        prepare();
        parallel_.step([&] { measure(parallel_); });
    }
    template <class Checkpoint>
    void save(const Checkpoint& checkpoint, const std::filesystem::path& path, const gacc::Settings& notes) {
        parallel_.save(checkpoint, path, notes);
    }
    void expect_same(const std::string& what, std::uint64_t number) { parallel_.expect_same(what, number); }
    gacc::Index lanes() const { return parallel_.lanes(); }
    std::size_t bytes() const { return parallel_.bytes(); }

private:
    gacc::mpi::DataParallel<float> parallel_;
};

using Training = std::variant<std::unique_ptr<OneRank>, std::unique_ptr<SeveralRanks>>;

inline Training make_training(Processes& processes, gacc::Sequential<float>& model, gacc::Optimizer<float>& optimizer,
                              gacc::Index lanes) {
    if (processes.count() == 1) { return std::make_unique<OneRank>(model, optimizer, lanes); }
    return std::make_unique<SeveralRanks>(processes.session(), model, optimizer, lanes);
}
