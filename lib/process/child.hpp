#pragma once

// process: starts the wrapped command, passes signals on, waits for it and for what it leaves behind. It knows
// processes; what the exit codes mean to a user stands in cli/exit_code.hpp. Start with Command and spawn(),
// then Supervisor.
//
// Why fork() and execve() and not Boost.Process: its v2 in 1.81 leaves descriptors open in the child (the sweep
// is off by one, and Asio's sockets have no FD_CLOEXEC), ends a failed exec with exit() (static destructors and
// buffered output run twice), skips an `on_exec_error` of the documented signature and reports a signal's
// number as an exit code. All of that can be repaired with one initializer, but what remains of the library
// then is fork() itself; the exact errno of a failed exec (126 or 127), PDEATHSIG and process groups would
// still be ours. See the tests of this room for what is relied on.

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.hpp"
#include "process/signals.hpp"

namespace dbguard::process {

namespace errc {
inline constexpr std::string_view not_found = "not_found";            ///< a shell's 127
inline constexpr std::string_view not_executable = "not_executable";  ///< a shell's 126
inline constexpr std::string_view cannot_start = "cannot_start";  ///< no process, no memory, …
}  // namespace errc

struct Command {
    /// What to run and its arguments; the first is looked up in PATH of `environment` when it has no slash.
    std::vector<std::string> arguments;
    /// NAME=VALUE: exactly what the child gets.
    std::vector<std::string> environment;
    /// Descriptors ≥ 3 that the child keeps (what dbguard itself was given, see inherited_fds). All others are
    /// closed.
    std::vector<int> keep_fds;
    /// A process group of its own, so that it and its children can be signalled together. Not where there is a
    /// terminal: there the group belongs to the shell, and in `dbguard run -- psql | less` a group of the
    /// child's own would stop the pager (or psql) as soon as it reads the keyboard.
    bool own_group = true;
    /// The child and its descendants cannot gain privileges by set-user-id programs: sudo is dead (prctl(2),
    /// PR_SET_NO_NEW_PRIVS).
    bool no_new_privileges = false;
};

/// Where the command would be run from. Errors: not_found, not_executable. For telling early; spawn() looks itself.
Result<std::string> find_executable(const Command& command);

/// Starts the command. Returns when the program has been replaced (exec succeeded), so that "missing" and "not
/// executable" are errors here and not exit codes to be guessed from. Signal mask and actions are those dbguard
/// was started with.
///
/// To be called from the main thread: the child gets a TERM (HUP in the terminal's group) when the thread that
/// started it ends, so that a killed dbguard leaves no child that believes in its database (prctl(2),
/// PR_SET_PDEATHSIG). A script without `#!` is run by /bin/sh, as execvp() and shells do. Errors: not_found,
/// not_executable, cannot_start.
Result<pid_t> spawn(const Command& command, const SignalDefaults& defaults);

/// The descriptors ≥ 3 that were open when the program began: a shell's `3<file`, `<(process substitution)`, a
/// job server's pipes. They belong to the child. Looked up once, by the first call: to be made in main(),
/// before anything is opened.
const std::vector<int>& inherited_fds();

/// Opens /dev/null (close-on-exec) for each of 0, 1, 2 that is closed, so that no socket takes its number.
void fill_standard_fds();

}  // namespace dbguard::process
