#include <gacc/mpi/slices.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace slices_test {

using gacc::Index;
using gacc::mpi::detail::Piece;
using gacc::mpi::detail::Slices;

TEST_CASE("Slices: together they are all numbers once, each as equal as whole units allow") {
    const Slices slices({{0, 48}, {48, 16}, {64, 96}}, 160, 3, 16);
    CHECK(slices.pieces(0) == std::vector<Piece>{{0, 0, 48}});
    CHECK(slices.pieces(1) == std::vector<Piece>{{1, 0, 16}, {2, 0, 32}});
    CHECK(slices.pieces(2) == std::vector<Piece>{{2, 32, 64}});
    CHECK(slices.first(3) == 160);
    for (Index ranks = 1; ranks <= 12; ++ranks) {
        const Slices some({{0, 48}, {48, 16}, {64, 96}}, 160, ranks, 16);
        std::vector<int> times(160, 0);
        Index least = 160, most = 0;
        for (Index rank = 0; rank < ranks; ++rank) {
            const auto pieces = some.pieces(rank);
            for (const Piece& piece : pieces) {
                const Index at = std::vector<Index>{0, 48, 64}[piece.buffer] + piece.first;
                CHECK(at % 16 == 0);
                for (Index i = at; i < at + piece.count; ++i) { ++times[static_cast<std::size_t>(i)]; }
            }
            least = std::min(least, gacc::mpi::detail::numbers_in(pieces));
            most = std::max(most, gacc::mpi::detail::numbers_in(pieces));
        }
        CHECK(times == std::vector<int>(160, 1));
        CHECK(most - least <= 16);
    }
}

TEST_CASE("Slices: buffers that lie over each other are in the same slices") {
    const Slices slices({{0, 32}, {32, 32}, {0, 32}}, 64, 4, 16);
    CHECK(slices.pieces(1) == std::vector<Piece>{{0, 16, 16}, {2, 16, 16}});
    CHECK(slices.pieces(3) == std::vector<Piece>{{1, 16, 16}});
}

}  // namespace slices_test
