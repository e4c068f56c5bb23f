#include <gacc/model/lifetimes.hpp>

#include <gacc/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lifetimes_test {

using gacc::Index;
using gacc::detail::Lifetime;

TEST_CASE("Lifetimes: a place is free again after the last reader") {
    std::vector<Lifetime> chain{{10, 0, 1}, {20, 1, 2}, {5, 2, 3}, {7, 3, 4}};
    CHECK(gacc::detail::place_by_lifetimes(chain) == 30);
    CHECK(chain[0].before == 0);
    CHECK(chain[1].before == 10);
    CHECK(chain[2].before == 0);  // the first is dead when it is born
    CHECK(chain[3].before == 5);
    std::vector<Lifetime> none;
    CHECK(gacc::detail::place_by_lifetimes(none) == 0);
}

TEST_CASE("Lifetimes: of any that live at once, none lies over another, and none beyond the end") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 300; ++trial) {
        std::vector<Lifetime> all;
        Index sum = 0;
        for (std::size_t i = 0; i < 12; ++i) {
            const std::size_t dead = i + static_cast<std::size_t>(rng.below(5));
            all.push_back({1 + static_cast<Index>(rng.below(9)), i, dead});
            sum += all.back().numbers;
        }
        const Index most = gacc::detail::place_by_lifetimes(all);
        CHECK(most <= sum);
        for (std::size_t i = 0; i < all.size(); ++i) {
            CHECK(all[i].before + all[i].numbers <= most);
            for (std::size_t j = 0; j < i; ++j) {
                const bool at_once = all[j].dead >= all[i].born;
                const bool apart = all[i].before + all[i].numbers <= all[j].before ||
                                   all[j].before + all[j].numbers <= all[i].before;
                CHECK((apart || !at_once));
            }
        }
    }
}

}  // namespace lifetimes_test
