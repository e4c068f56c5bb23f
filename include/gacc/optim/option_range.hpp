#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>

#include <cmath>
#include <cstddef>
#include <string>

namespace gacc::inline GACC_ABI {

/// The range of an optimizer's option.
enum class OptionRange {
    not_negative,  ///< 0 or more, finite, also as a Scalar
    not_positive,  ///< 0 or less, finite, also as a Scalar
    below_one,     ///< 0 or more, less than 1
    above_zero,    ///< more than 0; infinity too
    yes_or_no,     ///< a bool
};

namespace detail {

/// Throws     UsageError from `where` that says the range, unless the option is in it. It names the group if that is
///            not 0
template <class Scalar>
void check_option(const std::string& where, const char* option, double value, OptionRange range,
                  std::size_t group = 0) {
    const auto check = [&](bool valid, const char* expected) {
        if (valid) { return; }
        const std::string of = group == 0 ? "" : text(" of group ", group);
        throw UsageError(where, text("expected ", option, of, " ", expected, ", got ", value));
    };
    switch (range) {
        case OptionRange::not_negative:
            check(value >= 0 && std::isfinite(value), "of 0 or more");
            check(in_range<Scalar>(value), range_name<Scalar>);
            break;
        case OptionRange::not_positive:
            check(value <= 0 && std::isfinite(value), "of 0 or less");
            check(in_range<Scalar>(value), range_name<Scalar>);
            break;
        case OptionRange::below_one:
            check(value >= 0 && value < 1, "from 0 up to, not including, 1");
            break;
        case OptionRange::above_zero:
            check(value > 0, "larger than 0");
            break;
        case OptionRange::yes_or_no:
            check(value == 0 || value == 1, "0 or 1");
            break;
    }
}

}  // namespace detail
}  // namespace gacc
