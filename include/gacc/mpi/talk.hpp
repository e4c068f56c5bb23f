#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/mpi/agreement.hpp>
#include <gacc/mpi/messages.hpp>
#include <gacc/mpi/session.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// What ranks tell each other beside the exchange of gradients. All ranks make the same calls.
///
/// Throws     MessageError if a rank ends before the others
class Talk {
public:
    explicit Talk(Session& session) : session_(session), messages_(session) {}

    Messages& messages() { return messages_; }

    /// The sum of all ranks' numbers, in the order of ranks.
    double sum(double number) {
        std::vector<double> all(static_cast<std::size_t>(session_.ranks()), number);
        for (Index rank = 0; rank < session_.ranks(); ++rank) {
            if (rank == session_.rank()) { continue; }
            messages_.receive(rank, control, std::span(all).subspan(static_cast<std::size_t>(rank), 1));
            messages_.send(rank, control,
                           std::span<const double>(all).subspan(static_cast<std::size_t>(session_.rank()), 1));
        }
        messages_.wait();
        double sum = 0;
        for (const double each : all) { sum += each; }
        return sum;
    }

    /// Compares facts with those of rank 0. If some differ, all ranks throw the first difference.
    void agree(const char* where, const Facts& facts) {
        const Index own = session_.rank();
        std::string text = facts.text(), difference;
        for (Index rank = 1; rank < session_.ranks(); ++rank) { send_text(0, rank, text); }
        if (own > 0) { difference = Facts::difference(text, facts.text(), own); }
        for (Index rank = 1; rank < session_.ranks(); ++rank) {
            std::string of_rank = difference;
            send_text(rank, 0, of_rank);
            if (own == 0 && difference.empty()) { difference = of_rank; }
        }
        for (Index rank = 1; rank < session_.ranks(); ++rank) { send_text(0, rank, difference); }
        if (!difference.empty()) { throw UsageError(where, "expected the same on all ranks, got " + difference); }
    }
    /// On rank `to`, the text becomes that of rank `from`. Other ranks do nothing.
    void send_text(Index from, Index to, std::string& text) {
        std::uint64_t size = text.size();
        const auto send = [&]<class T>(std::span<T> numbers) {
            if (session_.rank() == from) { messages_.send(to, control, std::span<const T>(numbers)); }
            if (session_.rank() == to) { messages_.receive(from, control, numbers); }
            messages_.wait();
        };
        send(std::span(&size, 1));
        if (session_.rank() == to) { text.resize(static_cast<std::size_t>(size)); }
        send(std::span(text));
    }

private:
    Session& session_;
    Messages messages_;
};

}  // namespace gacc::mpi::detail
