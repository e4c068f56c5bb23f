#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>

#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// Calls run(arrays, first, last) so that together the calls take every packet of all parameters once. An element is
/// worth `cost` multiply-adds. Every thread takes the same share of each parameter, which is also the share of its
/// weights that a layer gives it, so that it finds its numbers in its cache.
template <class Arrays, class F>
void for_packets(std::span<const Arrays> parameters, std::int64_t cost, Index lanes, const F& run) {
    Index all = 0;
    for (const Arrays& arrays : parameters) { all += arrays.packets; }
    parallel_for(all, std::int64_t{all} * lanes * cost, [&](Index first, Index last) {
        for (const Arrays& arrays : parameters) {
            run(arrays, share(arrays.packets, first, all), share(arrays.packets, last, all));
        }
    });
}

}  // namespace gacc::detail
