#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/mpi/session.hpp>

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace gacc::inline GACC_ABI::mpi {

/// What a rank has sent and received.
struct Traffic {
    Index exchanges = 0;         ///< of gradients: one a batch
    std::uint64_t messages = 0;  ///< sent
    std::uint64_t sent = 0;      ///< bytes of gradients and values
    std::uint64_t received = 0;
};

namespace detail {

/// Messages that are under way, until wait().
class Messages {
public:
    explicit Messages(Session& session) : session_(&session) {}

    template <class T>
    void send(Index to, Tag tag, std::span<const T> numbers) {
        for_each_part(numbers, [&](std::span<const T> part) {
            MPI_Request request = MPI_REQUEST_NULL;
            detail::check(MPI_Isend(part.data(), static_cast<int>(part.size_bytes()), MPI_BYTE, static_cast<int>(to), tag,
                                    session_->communicator(), &request),
                          "MPI_Isend");
            add(request, to);
            if (tag == control) { return; }
            traffic_.messages += 1;
            traffic_.sent += part.size_bytes();
        });
    }
    template <class T>
    void receive(Index from, Tag tag, std::span<T> numbers) {
        for_each_part(numbers, [&](std::span<T> part) {
            MPI_Request request = MPI_REQUEST_NULL;
            detail::check(MPI_Irecv(part.data(), static_cast<int>(part.size_bytes()), MPI_BYTE, static_cast<int>(from),
                                    tag, session_->communicator(), &request),
                          "MPI_Irecv");
            add(request, from);
            if (tag != control) { traffic_.received += part.size_bytes(); }
        });
    }

    /// Lets MPI go on with what is under way: it works only while it is called.
    void progress() { all_done(); }

    /// Returns when all have arrived.
    ///
    /// Throws     MessageError if a rank has ended without one of them
    void wait() {
        using Clock = std::chrono::steady_clock;
        std::optional<Clock::time_point> end_seen;
        for (Index polls = 1; !all_done(); ++polls) {
            std::this_thread::yield();  // there may be more ranks than cores
            if (polls % 64 != 0) { continue; }
            const std::optional<Index> ended = ended_rank();
            if (!ended) { continue; }
            // Nothing more comes from it. What it has sent before is still carried to its end.
            if (!end_seen) { end_seen = Clock::now(); }
            if (Clock::now() - *end_seen > std::chrono::seconds(2)) {
                throw MessageError(gacc::detail::text("rank ", session_->rank()),
                                   gacc::detail::text("expected messages from rank ", *ended, ", got its end; see what that "
                                                      "rank printed, and whether all ranks make as many steps"));
            }
        }
        requests_.clear();
        peers_.clear();
    }

    const Traffic& traffic() const { return traffic_; }
    void count_exchange() { ++traffic_.exchanges; }

private:
    /// MPI counts bytes in an int.
    template <class T, class F>
    static void for_each_part(std::span<T> numbers, const F& f) {
        constexpr std::size_t most = (std::size_t{1} << 30) / sizeof(T);
        for (; numbers.size() > most; numbers = numbers.subspan(most)) { f(numbers.first(most)); }
        if (!numbers.empty()) { f(numbers); }
    }
    void add(MPI_Request request, Index peer) {
        requests_.push_back(request);
        peers_.push_back(peer);
    }
    bool all_done() {
        int done = 0;
        detail::check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUSES_IGNORE),
                      "MPI_Testall");
        return done != 0;
    }
    /// A rank that has ended though a message with it is under way.
    std::optional<Index> ended_rank() {
        for (std::size_t i = 0; i < requests_.size(); ++i) {
            int done = 0, ended = 0;
            detail::check(MPI_Request_get_status(requests_[i], &done, MPI_STATUS_IGNORE), "MPI_Request_get_status");
            if (done != 0) { continue; }
            detail::check(MPI_Iprobe(static_cast<int>(peers_[i]), goodbye, session_->communicator(), &ended,
                                     MPI_STATUS_IGNORE),
                          "MPI_Iprobe");
            if (ended != 0) { return peers_[i]; }
        }
        return std::nullopt;
    }

    Session* session_;
    std::vector<MPI_Request> requests_;
    std::vector<Index> peers_;  // with whom
    Traffic traffic_;
};

}  // namespace detail
}  // namespace gacc::mpi
