#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/data/csv_records.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/regression_dataset.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// What to do with a field that is empty or NaN.
enum class MissingNumbers { refuse, as_nan };

struct CsvOptions {
    /// The first line has the names of the columns. Without it they are "1", "2", ...
    bool header = true;
    char separator = ',';
    MissingNumbers missing = MissingNumbers::refuse;
    /// Names of columns to leave out. They may hold any text.
    std::vector<std::string> without = {};
};

/// Named columns of numbers, as read_csv returns them. They can be turned into a dataset.
///
/// Throws     DataError if the table has no column of a given name
template <class Scalar = float>
class CsvTable {
public:
    CsvTable(std::string place, std::vector<std::string> names, std::vector<Scalar> numbers)
        : place_(std::move(place)), names_(std::move(names)), numbers_(std::move(numbers)) {}

    Index rows() const { return names_.empty() ? 0 : static_cast<Index>(numbers_.size() / names_.size()); }
    Index columns() const { return static_cast<Index>(names_.size()); }
    const std::vector<std::string>& names() const { return names_; }
    Scalar operator()(Index row, Index column) const {
        return numbers_[static_cast<std::size_t>(row * columns() + column)];
    }

    /// The named columns are the targets. All others are inputs, in the order of the file.
    RegressionDataset<Scalar> regression(const std::vector<std::string>& targets) const {
        const std::vector<Index> chosen = find(targets);
        return {numbers_of(all_but(chosen)), numbers_of(chosen)};
    }

    /// The named column has the class of each sample. All others are inputs.
    ///
    /// Throws     DataError if a class is not an integer, or its magnitude is larger than 2^24
    TensorDataset<Scalar> classification(const std::string& labels) const {
        const std::vector<Index> chosen = find({labels});
        std::vector<Label> classes;
        for (Index row = 0; row < rows(); ++row) {
            const auto number = static_cast<double>((*this)(row, chosen[0]));
            if (!(std::abs(number) <= 1 << 24 && number == std::floor(number))) {  // a float holds these exactly
                throw DataError(place_, detail::text("expected classes that are integers in column \"",
                                                     detail::shown(labels), "\", got ", number, " in row ", row));
            }
            classes.push_back(static_cast<Label>(number));
        }
        return {numbers_of(all_but(chosen)), std::move(classes)};
    }

private:
    std::vector<Index> find(const std::vector<std::string>& names) const {
        std::vector<Index> columns;
        for (const std::string& name : names) { columns.push_back(detail::find_column(place_, names_, name)); }
        return columns;
    }
    std::vector<Index> all_but(const std::vector<Index>& chosen) const {
        std::vector<Index> others;
        for (Index column = 0; column < columns(); ++column) {
            if (std::find(chosen.begin(), chosen.end(), column) == chosen.end()) { others.push_back(column); }
        }
        return others;
    }
    Tensor<Scalar> numbers_of(const std::vector<Index>& chosen) const {
        Tensor<Scalar> tensor({rows(), static_cast<Index>(chosen.size())});
        Scalar* to = tensor.data();
        for (Index row = 0; row < rows(); ++row) {
            for (const Index column : chosen) { *to++ = (*this)(row, column); }
        }
        return tensor;
    }

    std::string place_;  // for messages
    std::vector<std::string> names_;
    std::vector<Scalar> numbers_;  // rows x columns
};

/// Reads a file of numbers separated by commas. Fields may be quoted, with "" for a quote. Numbers have a decimal point
/// in every locale and may have blanks around them. Every line has as many fields as the first. An empty line is
/// refused. The whole text is in memory while it is read.
///
/// Throws     DataError, naming file, line and column, if the file is missing, empty, of another format or larger than
///            memory, or a field is not a finite number in the range of Scalar
/// Source     RFC 4180
/// Example    const auto data = gacc::read_csv("houses.csv", {.without = {"street"}}).regression({"price"});
template <class Scalar = float>
CsvTable<Scalar> read_csv(const std::filesystem::path& path, const CsvOptions& options = {}) {
    const std::string place = "read_csv \"" + detail::shown_path(path.filename()) + "\"";
    detail::InputFile file(path, place, " at " + detail::shown_path(path));
    try {
        detail::CsvRecords records(detail::read_text(file, place), place, options.separator);
        std::vector<std::string> names;
        bool more = records.next();
        if (!more) { throw DataError(place, "expected lines of numbers, got an empty file"); }
        for (const std::string& field : records.fields()) {
            names.push_back(options.header ? std::string(detail::without_blanks(field))
                                           : std::to_string(names.size() + 1));
        }
        detail::check_names(place, names);
        std::vector<bool> wanted(names.size(), true);
        for (const std::string& name : options.without) {
            wanted[static_cast<std::size_t>(detail::find_column(place, names, name))] = false;
        }
        if (options.header) { more = records.next(); }

        std::vector<Scalar> numbers;
        for (; more; more = records.next()) {
            for (std::size_t column = 0; column < names.size(); ++column) {
                if (!wanted[column]) { continue; }
                const Scalar number = detail::read_number<Scalar>(records, column, names[column]);
                if (std::isnan(number) && options.missing == MissingNumbers::refuse) {
                    records.refuse(column, names[column], "a number", "use MissingNumbers::as_nan to read NaN");
                }
                numbers.push_back(number);
            }
        }
        std::vector<std::string> kept;
        for (std::size_t column = 0; column < names.size(); ++column) {
            if (wanted[column]) { kept.push_back(std::move(names[column])); }
        }
        return {place, std::move(kept), std::move(numbers)};
    } catch (const std::bad_alloc&) {
        throw DataError(
            place, detail::text("expected a file that fits into memory, got ", detail::grouped(file.size()), " bytes"));
    }
}

}  // namespace gacc
