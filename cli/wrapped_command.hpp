#pragma once

// The command around which `run` puts a session: started when the listener is ready, watched in the guard's
// loop, and its end turned into the program's.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/guard.hpp"
#include "process/environment.hpp"
#include "process/supervisor.hpp"

namespace dbguard::cli {

struct WrappedCommand {
    std::vector<std::string> arguments;
    /// dbguard's own, as it was before secrets were wiped from it.
    process::Environment own_environment;
    process::ChildEnvironmentOptions environment;
    std::chrono::milliseconds grace{5000};
    std::optional<std::chrono::milliseconds> timeout;
    bool end_leftovers = false;
    bool no_new_privileges = false;
};

/// How it went, and why it ended.
struct WrappedResult {
    enum class End {
        by_itself,
        signal,    ///< dbguard was told to end
        deadline,  ///< `timeout` was reached
        failure,   ///< the guard failed, or the session was revoked
    };
    End end = End::by_itself;
    std::optional<process::ExitStatus> status;  ///< empty: it was never started
    std::optional<Error> not_started;           ///< process::errc
    std::string failure;                        ///< for End::failure
    std::optional<process::Signal> signal;      ///< for End::signal
    std::vector<process::Process> leftovers;
    std::chrono::milliseconds took{0};
};

/// Whether dbguard has a controlling terminal: then the command stays in its process group (see process::Command).
bool has_terminal();

/// Starts the command and runs the guard's loop until it and what it started have ended. `signals` were taken
/// on this thread, which is the main one. `revoked` is asked after each wake-up of the loop: not empty means
/// that the session is over. Warnings of the environment go to output().
WrappedResult run_wrapped(
    Guard& guard,
    process::Signals& signals,
    const WrappedCommand& command,
    const std::function<std::string()>& revoked
);

}  // namespace dbguard::cli
