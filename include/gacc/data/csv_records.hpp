#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <locale>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

inline std::string_view without_blanks(std::string_view field) {
    const std::size_t first = field.find_first_not_of(" \t");
    if (first == std::string_view::npos) { return {}; }
    return field.substr(first, field.find_last_not_of(" \t") - first + 1);
}

/// The records of a CSV text, one after the other. Each has as many fields as the first.
///
/// Throws     DataError naming line and column; UsageError if the separator is not allowed
class CsvRecords {
public:
    CsvRecords(std::string content, std::string place, char separator)
        : text_(std::move(content)), place_(std::move(place)), separator_(separator) {
        if (std::string_view("\"\r\n+-.").find(separator) != std::string_view::npos ||
            std::isalnum(separator, std::locale::classic())) {
            throw UsageError(
                place_, text("expected a separator that is no part of a number, no quote and no end of a line, got '",
                             shown({&separator, 1}), "'"));
        }
        if (text_.starts_with("\xef\xbb\xbf")) { at_ = 3; }  // the byte order mark that some programs write
    }

    /// Reads the next record; false at the end of the text.
    bool next() {
        if (at_ == text_.size()) { return false; }
        line_ = next_line_;
        const std::size_t expected = fields_.size();
        std::size_t count = 0;
        bool more = true;
        while (more) {
            if (count == fields_.size()) { fields_.emplace_back(); }
            more = read_field(fields_[count], count);
            ++count;
        }
        if (expected > 0 && count != expected) {
            throw DataError(place_, text("expected ", expected, " fields in line ", line_, ", as in the first, got ",
                                         count == 1 && fields_[0].empty() ? "an empty line" : std::to_string(count)));
        }
        return true;
    }

    const std::vector<std::string>& fields() const { return fields_; }

    /// Throws the error of a field of this record.
    [[noreturn]] void refuse(std::size_t column, const std::string& name, const std::string& expected,
                             const std::string& to_do = "") const {
        const std::string& field = fields_[column];
        throw DataError(place_, text("expected ", expected, " in line ", line_, ", column ", column + 1, " (\"",
                                     shown(name), "\"), got ", field.empty() ? "nothing" : '"' + shown(field) + '"',
                                     to_do.empty() ? "" : "; ", to_do));
    }

private:
    /// Reads a field and its end; true if a separator ended it.
    bool read_field(std::string& field, std::size_t column) {
        field.clear();
        const bool quoted = take('"');
        if (quoted) { read_quoted(field, column); }
        while (!quoted && at_ < text_.size() && !ends_field()) {
            if (text_[at_] == '"') { refuse_quote("quotes around the whole field", column); }
            field += text_[at_++];
        }
        if (take(separator_)) { return true; }
        if (at_ < text_.size() && !ends_field()) { refuse_quote("the end of the field after its quotes", column); }
        take('\r');
        take('\n');
        ++next_line_;
        return false;
    }
    /// Reads from behind the first quote to the last one.
    void read_quoted(std::string& field, std::size_t column) {
        for (;; ++at_) {
            if (at_ == text_.size()) { refuse_quote("a second quote", column); }
            if (text_[at_] == '"') {
                ++at_;
                if (at_ == text_.size() || text_[at_] != '"') { return; }
            }
            next_line_ += text_[at_] == '\n' ? 1 : 0;
            field += text_[at_];
        }
    }
    [[noreturn]] void refuse_quote(const char* expected, std::size_t column) const {
        throw DataError(place_, text("expected ", expected, " in line ", line_, ", column ", column + 1, ", got ",
                                     at_ == text_.size() ? "the end of the file" : "other text"));
    }
    bool ends_field() const {
        return text_[at_] == separator_ || text_[at_] == '\n' || text_.compare(at_, 2, "\r\n") == 0;
    }
    bool take(char wanted) {
        const bool there = at_ < text_.size() && text_[at_] == wanted;
        at_ += there ? 1 : 0;
        return there;
    }

    std::string text_;
    std::string place_;
    char separator_;
    std::size_t at_ = 0;
    std::size_t line_ = 0;       // in which the record begins
    std::size_t next_line_ = 1;  // in which at_ lies
    std::vector<std::string> fields_;
};

/// The number in a field; NaN if the field is empty or says NaN.
template <class Scalar>
Scalar read_number(const CsvRecords& records, std::size_t column, const std::string& name) {
    std::string_view field = without_blanks(records.fields()[column]);
    if (field.empty()) { return std::numeric_limits<Scalar>::quiet_NaN(); }
    if (field.size() > 1 && field[0] == '+' && field[1] != '-') { field.remove_prefix(1); }  // from_chars refuses a '+'
    const char* const end = field.data() + field.size();
    const auto read = [&](auto& number) {
        const auto [last, error] = std::from_chars(field.data(), end, number);
        if (last != end || error == std::errc::invalid_argument) { records.refuse(column, name, "a number"); }
        return error == std::errc();
    };
    Scalar number = 0;
    if (read(number) && !std::isinf(number)) { return number; }
    if (double wide = 0; !std::isinf(number) && read(wide) && std::abs(wide) < 1) { return static_cast<Scalar>(wide); }
    records.refuse(column, name, std::string("a finite number ") + range_name<Scalar>);
}

inline void check_names(const std::string& place, const std::vector<std::string>& names) {
    std::set<std::string_view> seen;
    for (const std::string& name : names) {
        if (!seen.insert(name).second) {
            throw DataError(place, text("expected columns with different names, got \"", shown(name), "\" twice"));
        }
    }
}

inline Index find_column(const std::string& place, const std::vector<std::string>& names, const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        std::string all;
        for (const std::string& known : names) { all += (all.empty() ? "\"" : ", \"") + shown(known) + '"'; }
        throw DataError(place, text("expected a column \"", shown(name), "\", got ", shown(all, 400)));
    }
    return found - names.begin();
}

}  // namespace gacc::detail
