#pragma once

namespace dbguard::cli {

/// What a command's exit code means (design.md, "Commands"; dbguard-run(1)). `run` otherwise ends with its
/// child's own code, or dies of the same signal. The band from 122 is clear of what database clients use (psql
/// 0–3, mysql 1); 125 to 127 are what env(1), timeout(1) and shells mean by them; 64 to 78 are sysexits.h.
enum ExitCode : int {
    exit_ok = 0,
    exit_failed = 1,  ///< a check found something: policy lint, verify, doctor
    exit_usage = 64,
    exit_unavailable = 69,
    exit_internal = 70,
    exit_config = 78,

    exit_denied = 122,          ///< run: the child exited 0 although something was denied
    exit_revoked = 123,         ///< run: the session was revoked, expired, or the recording failed
    exit_deadline = 124,        ///< run: --timeout was reached
    exit_setup = 125,           ///< run: nothing was started: no session, no database, no listener
    exit_not_executable = 126,  ///< run: the command was found but cannot be run
    exit_not_found = 127,       ///< run: there is no such command
};

}  // namespace dbguard::cli
