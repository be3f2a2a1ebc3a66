#pragma once

// What `run` says at its end, and the exit code it ends with.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/guard.hpp"
#include "cli/wrapped_command.hpp"
#include "process/exit_status.hpp"

namespace dbguard::cli {

/// --fail-on: what makes dbguard fail although the command itself exited with 0.
enum class FailOn { none, denied, warned };

/// The end of the run: an exit code with its meaning, or the signal to die of.
struct Verdict {
    process::ExitStatus status;
    std::string meaning;  ///< one clause for people, naming where the code comes from
};

/// By precedence: never started (126, 127, 125), session failed (123), deadline (124), the command's own status
/// when it is not 0, the recording could not be closed (123), denials (122), 0. Source: wrapping.md C2.
Verdict judge(
    const WrappedResult& run,
    const GuardStatistics& statistics,
    const Result<void>& closed,
    FailOn fail_on
);

/// Who and where, for the lines and the summary.
struct SessionFacts {
    std::string session;
    std::string database;
    std::string role;
    std::string recording_url;  ///< of the service; empty: none
};

/// The closing line on stderr, leftovers, the GitHub annotations, step summary and outputs. `tell` is false
/// with --no-summary.
void report_end(
    const SessionFacts& facts,
    const WrappedResult& run,
    const GuardStatistics& statistics,
    const Verdict& verdict,
    bool tell
);

}  // namespace dbguard::cli
