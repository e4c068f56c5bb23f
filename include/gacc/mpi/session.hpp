#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <mpi.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

namespace gacc::inline GACC_ABI::mpi {

/// A call of MPI that failed, or a rank that ended while others waited for it.
class MessageError : public Error {
    using Error::Error;
};

namespace detail {

/// Throws     MessageError with the text of MPI's error
inline void check(int code, const char* call) {
    if (code == MPI_SUCCESS) { return; }
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    MPI_Error_string(code, text.data(), &length);
    throw MessageError(call, "expected success, got \"" + std::string(text.data(), static_cast<std::size_t>(length)) + '"');
}

/// What a message is about.
enum Tag { control = 1, gradients, norms, values, goodbye };

}  // namespace detail

/// The ranks of a program that mpirun has started: MPI_Init when it is made, MPI_Finalize at its end. Make one in main(),
/// before all that uses it.
///
/// Errors     MPI's are exceptions. If a rank leaves by an exception, all ranks end with a non-zero status: with the
///            message that its catch block prints, or, if nothing catches it, with that of the exception and the rank
/// Throws     MessageError if MPI cannot start; UsageError if it was started before
/// Example    gacc::mpi::Session session(argc, argv);
///            if (session.rank() == 0) { std::cout << "on " << session.ranks() << " ranks\n"; }
class Session {
public:
    Session(int& argc, char**& argv) : exceptions_(std::uncaught_exceptions()) {
        int started = 0;
        MPI_Initialized(&started);
        if (started != 0) { throw UsageError("Session", "expected MPI not to be started yet, got a second start"); }
        int level = 0;
        detail::check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread");
        detail::check(MPI_Comm_dup(MPI_COMM_WORLD, &communicator_), "MPI_Comm_dup");
        MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
        MPI_Comm_rank(communicator_, &rank_);
        MPI_Comm_size(communicator_, &ranks_);
        session() = this;
        before_ = std::set_terminate(end_all_with_message);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    ~Session() {
        std::set_terminate(before_);
        session() = nullptr;
        if (std::uncaught_exceptions() > exceptions_) {
            std::atexit(end_all);  // a catch block has yet to print the message
            return;
        }
        say_goodbye();
        MPI_Comm_free(&communicator_);
        MPI_Finalize();
    }

    Index rank() const { return rank_; }
    /// The number of ranks.
    Index ranks() const { return ranks_; }

    MPI_Comm communicator() const { return communicator_; }

private:
    /// Tells the others that no message follows, and waits until they say the same. A rank that still waits for another
    /// message then knows that none comes.
    void say_goodbye() const {
        for (int other = 0; other < ranks_; ++other) {
            MPI_Request request = MPI_REQUEST_NULL;
            if (other == rank_) { continue; }
            MPI_Isend(nullptr, 0, MPI_BYTE, other, detail::goodbye, communicator_, &request);
            MPI_Request_free(&request);
        }
        for (int other = 0; other < ranks_; ++other) {
            if (other == rank_) { continue; }
            MPI_Recv(nullptr, 0, MPI_BYTE, other, detail::goodbye, communicator_, MPI_STATUS_IGNORE);
        }
    }

    static Session*& session() {
        static Session* only = nullptr;
        return only;
    }
    [[noreturn]] static void end_all_with_message() {
        std::string text = "an exception that is no std::exception";
        try {
            if (const auto exception = std::current_exception()) { std::rethrow_exception(exception); }
            text = "std::terminate";
        } catch (const std::exception& exception) {
            text = exception.what();
        } catch (...) {
        }
        if (session() != nullptr) { text = "rank " + std::to_string(session()->rank_) + ": " + text; }
        std::fprintf(stderr, "%s\n", text.c_str());
        end_all();
        std::abort();
    }
    static void end_all() {
        std::cout.flush();
        std::fflush(nullptr);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }

    int exceptions_;
    MPI_Comm communicator_ = MPI_COMM_NULL;
    int rank_ = 0, ranks_ = 1;
    std::terminate_handler before_ = nullptr;
};

}  // namespace gacc::mpi
