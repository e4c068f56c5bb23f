#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>

#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// Calls run(arrays, first, last) so that the calls together take every packet of all parameters once. An element costs
/// `cost` multiply-adds. Every thread takes the same share of each parameter. That is also its share of the weights in
/// the layers, so it finds its numbers in its cache.
template <class Arrays, class F>
void for_packets(std::span<const Arrays> parameters, std::int64_t cost, Index lanes, const F& run) {
    Index all = 0;
    for (const Arrays& arrays : parameters) { all += arrays.packets; }
    if (all == 0) { return; }
    parallel_for(all, std::int64_t{all} * lanes * cost, [&](Index first, Index last) {
        for (const Arrays& arrays : parameters) {
            run(arrays, share(arrays.packets, first, all), share(arrays.packets, last, all));
        }
    });
}

}  // namespace gacc::detail
