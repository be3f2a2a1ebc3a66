#include "process/signals.hpp"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace dbguard::process {
namespace {

const pid_t parent_when_loaded = ::getppid();

/// Sent by the kernel when the parent ends. A real-time signal, so that nobody's TERM is mistaken for it.
int parent_signal() { return SIGRTMIN + 3; }

bool is_ignored(int number) {
    struct sigaction action {};
    return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

pid_t parent_at_start() { return parent_when_loaded; }

Result<Signals> Signals::take(Options options) {
    Signals signals;
    signals.hangup_ignored_ = is_ignored(SIGHUP);
    signals.defaults_.pipe_ignored = is_ignored(SIGPIPE);
    signals.defaults_.file_size_ignored = is_ignored(SIGXFSZ);

    sigset_t taken;
    sigemptyset(&taken);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        if (options.respect_ignored && is_ignored(number)) continue;
        sigaddset(&taken, number);
        // A blocked signal that is ignored is not kept for signalfd on every kernel.
        std::signal(number, SIG_DFL);
    }
    if (options.job_control) {
        sigaddset(&taken, SIGTSTP);
        sigaddset(&taken, SIGCONT);
    }
    sigaddset(&taken, SIGCHLD);
    // A parent may have left SIGCHLD ignored; then children could not be waited for (waitpid(2), NOTES).
    std::signal(SIGCHLD, SIG_DFL);
    sigaddset(&taken, parent_signal());

    sigset_t blocked = taken;
    sigaddset(&blocked, SIGTTOU);
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &blocked, &signals.defaults_.mask);
        error != 0)
        return Error{"cannot_take_signals", std::strerror(error)};
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is EFBIG then: a full disk, not the end of this process

    signals.fd_ = UniqueFd(::signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals.fd_) return Error{"cannot_take_signals", std::strerror(errno)};
    return signals;
}

Signals::~Signals() {
    if (!fd_) return;
    if (parent_armed_) {
        ::prctl(PR_SET_PDEATHSIG, 0);
        std::signal(parent_signal(), SIG_IGN);
    }
    if (!defaults_.pipe_ignored) std::signal(SIGPIPE, SIG_DFL);
    if (!defaults_.file_size_ignored) std::signal(SIGXFSZ, SIG_DFL);
    ::pthread_sigmask(SIG_SETMASK, &defaults_.mask, nullptr);
}

std::optional<Signal> Signals::next() {
    const Signal parent_died{.number = SIGTERM, .parent_died = true};
    if (parent_gone_already_ && !parent_reported_) {
        parent_reported_ = true;
        return parent_died;
    }
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
        const int number = static_cast<int>(info.ssi_signo);
        if (number != parent_signal())
            return Signal{.number = number, .from_kernel = info.ssi_code == SI_KERNEL};
        if (!parent_armed_ || parent_reported_ || ::getppid() == parent_when_loaded) continue;
        parent_reported_ = true;
        return parent_died;
    }
    return std::nullopt;
}

void Signals::end_with_parent() {
    if (hangup_ignored_) return;
    parent_armed_ = true;
    ::prctl(PR_SET_PDEATHSIG, parent_signal());
    // It may have ended before the kernel was told. The signal makes the descriptor readable.
    if (::getppid() != parent_when_loaded) {
        parent_gone_already_ = true;
        ::kill(::getpid(), parent_signal());
    }
}

void Signals::stop_self() {
    // With its default action and unblocked: the kernel then does not stop a process that no shell could continue (an
    // orphaned process group: POSIX.1, 2.4.3 Signal Actions), which SIGSTOP would.
    std::signal(SIGTSTP, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGTSTP);
    ::kill(::getpid(), SIGTSTP);
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
    ::pthread_sigmask(SIG_BLOCK, &only, nullptr);
}

}  // namespace dbguard::process
