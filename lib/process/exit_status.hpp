#pragma once

#include <optional>
#include <string>

namespace dbguard::process {

/// How a process ended: with an exit code, or by a signal.
struct ExitStatus {
    int code = 0;    ///< 0–255; meaningless when `signal` is set
    int signal = 0;  ///< 0: it exited

    /// As a shell reports it in `$?`: the code, or 128 + signal.
    int shell_code() const { return signal == 0 ? code : 128 + signal; }
    bool success() const { return signal == 0 && code == 0; }
    bool operator==(const ExitStatus&) const = default;
};

/// What waitpid() reported. Empty when the process was only stopped or continued.
std::optional<ExitStatus> from_wait_status(int wait_status);

/// `exit status 3`, `killed by SIGTERM`.
std::string describe(const ExitStatus& status);
/// `SIGTERM`; `signal 37` where there is no name.
std::string signal_name(int number);

/// Ends this process as that one ended: exits with its code, or dies of the same signal, so that a shell sees a
/// true signal death (wrapping.md C2: a script's `trap`, `set -e` and `wait` tell 143 from "killed by
/// SIGTERM"). No core file is left. Exits with 128 + signal where the signal does not kill (process 1 of a
/// container). Destructors of automatic objects do not run: call it last.
[[noreturn]] void end_like(const ExitStatus& status);

}  // namespace dbguard::process
