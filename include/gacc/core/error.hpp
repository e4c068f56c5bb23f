#pragma once

#include <gacc/core/abi.hpp>
#include <gacc/core/text.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace gacc::inline GACC_ABI {

/// The base of all errors of the library. Its text reads
/// `gacc: <where>: expected <what>, got <what>[; what to do]`. A call that throws changes nothing.
class Error : public std::runtime_error {
public:
    Error(std::string_view where, std::string_view what)
        : std::runtime_error("gacc: " + std::string(where) + ": " + std::string(what)) {}
};

/// Rows and columns that do not fit.
class ShapeError : public Error {
    using Error::Error;
};

/// A call at the wrong moment, or an option out of its range.
class UsageError : public Error {
    using Error::Error;
};

/// There is not enough memory, or a memory budget cannot be met.
class MemoryError : public UsageError {
    using UsageError::UsageError;
};

/// A file that is not what it should be.
class DataError : public Error {
    using Error::Error;
};

/// A checkpoint that is damaged, or of another model.
class CheckpointError : public DataError {
public:
    using DataError::DataError;
    /// The same text.
    explicit CheckpointError(const DataError& error) : DataError(error) {}
};

/// A loss, a gradient or a factor of a step is infinite or NaN.
class NonFiniteError : public Error {
    using Error::Error;
};

/// A file that could not be written.
class OutputError : public Error {
    using Error::Error;
};

}  // namespace gacc
