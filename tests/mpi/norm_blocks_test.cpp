#include <gacc/mpi/norm_blocks.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace norm_blocks_test {

using gacc::Index;
using gacc::mpi::detail::NormBlocks;
using gacc::mpi::detail::Piece;

TEST_CASE("NormBlocks: a block belongs to the rank that has its first number") {
    // Blocks of the first parameter begin with numbers 0, 32 and 64, that of the second one with 80.
    const NormBlocks blocks({80, 16}, 32, {0, 48, 80, 96});
    CHECK(blocks.first(0) == 0);
    CHECK(blocks.first(1) == 2);
    CHECK(blocks.first(2) == 3);
    CHECK(blocks.first(3) == 4);
    CHECK(blocks.block(1) == Piece{0, 32, 32});
    CHECK(blocks.block(2) == Piece{0, 64, 16});
    CHECK(blocks.block(3) == Piece{1, 0, 16});
    CHECK(blocks.part(0, 0) == Piece{0, 32, 16});
    CHECK(blocks.part(0, 1) == Piece{0, 48, 16});
    CHECK(blocks.part(0, 2).count == 0);
    CHECK(blocks.part(1, 1) == Piece{0, 64, 16});
    CHECK(blocks.part(1, 2).count == 0);
}

TEST_CASE("NormBlocks: a block may reach over several slices, and a rank may have no block") {
    const NormBlocks blocks({64}, 64, {0, 16, 32, 32, 64});
    CHECK(blocks.part(0, 1) == Piece{0, 16, 16});
    CHECK(blocks.part(0, 2).count == 0);  // an empty slice
    CHECK(blocks.part(0, 3) == Piece{0, 32, 32});
    for (Index rank = 1; rank < 4; ++rank) {
        CHECK(blocks.first(rank) == blocks.first(rank + 1));
        CHECK(blocks.part(rank, rank).count == 0);
    }
}

TEST_CASE("NormBlocks: parts of a rank's last block and its other blocks are all numbers once") {
    for (Index ranks = 1; ranks <= 9; ++ranks) {
        const std::vector<Index> sizes = {112, 16, 48, 160};
        std::vector<Index> slices;
        for (Index rank = 0; rank <= ranks; ++rank) { slices.push_back(336 / 16 * rank / ranks * 16); }
        const NormBlocks blocks(sizes, 64, slices);
        Index numbers = 0;
        for (Index rank = 0; rank < ranks; ++rank) {
            Index of_last = 0;
            for (Index other = 0; other < ranks; ++other) { of_last += blocks.part(rank, other).count; }
            for (Index i = blocks.first(rank); i < blocks.first(rank + 1); ++i) { numbers += blocks.block(i).count; }
            if (blocks.first(rank) < blocks.first(rank + 1)) {
                CHECK(of_last == blocks.block(blocks.first(rank + 1) - 1).count);
            }
        }
        CHECK(numbers == 336);
    }
}

}  // namespace norm_blocks_test
