#include "process/exit_status.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dbguard::process {

std::optional<ExitStatus> from_wait_status(int wait_status) {
    if (WIFEXITED(wait_status)) return ExitStatus{.code = WEXITSTATUS(wait_status)};
    if (WIFSIGNALED(wait_status)) return ExitStatus{.signal = WTERMSIG(wait_status)};
    return std::nullopt;
}

std::string signal_name(int number) {
    // glibc 2.32: "INT" for SIGINT, null for a number without a name.
    const char* name = ::sigabbrev_np(number);
    return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number);
}

std::string describe(const ExitStatus& status) {
    if (status.signal != 0) return "killed by " + signal_name(status.signal);
    return "exit status " + std::to_string(status.code);
}

void end_like(const ExitStatus& status) {
    if (status.signal == 0) std::exit(status.code);
    std::fflush(nullptr);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    std::signal(status.signal, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, status.signal);
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
    ::kill(::getpid(), status.signal);
    ::_exit(status.shell_code());
}

}  // namespace dbguard::process
