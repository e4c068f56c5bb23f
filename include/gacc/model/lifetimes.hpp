#pragma once

#include <gacc/core/sizes.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Numbers of a sample that are needed from one operation to another.
struct Lifetime {
    Index numbers;
    std::size_t born, dead;  // the operations that write it first and read it last; both need its place
    Index before = 0;        // numbers of a sample that lie before it

    bool overlaps(const Lifetime& other) const {
        return other.before < sum_of(before, numbers) && before < sum_of(other.before, other.numbers);
    }
};

/// Gives each in turn, in the order in which they are born, the lowest place that is free during its life. Returns the
/// numbers of a sample that all take.
inline Index place_by_lifetimes(std::vector<Lifetime>& all) {
    Index most = 0;
    std::vector<std::size_t> alive;
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::erase_if(alive, [&](std::size_t j) { return all[j].dead < all[i].born; });
        alive.push_back(i);
        for (bool moved = true; moved;) {
            moved = false;
            for (const std::size_t j : alive) {
                if (j != i && all[i].overlaps(all[j])) {
                    all[i].before = sum_of(all[j].before, all[j].numbers);
                    moved = true;
                }
            }
        }
        most = std::max(most, sum_of(all[i].before, all[i].numbers));
    }
    return most;
}

}  // namespace gacc::detail
