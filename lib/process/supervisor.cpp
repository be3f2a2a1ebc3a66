#include "process/supervisor.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace dbguard::process {
namespace {

using namespace std::chrono_literals;

/// A shell that has ended often has a helper that is about to: only what is still there then is worth a report.
constexpr auto settle_time = 150ms;
/// timeout(1), and a terminal's hang-up, send the same signal to the process and again to its group: that is
/// one wish. A person's second Ctrl-C comes later.
constexpr auto same_wish = 300ms;
/// Between two rounds of KILL: what was forked in between has its turn in the next.
constexpr auto kill_round = 200ms;
/// Then whatever still shows is stuck in the kernel, and dbguard ends without it.
constexpr int kill_rounds = 10;

}  // namespace

Supervisor::Supervisor(Signals& signals, pid_t child, Options options)
    : signals_(signals), child_(child), options_(options) {}

std::optional<Supervisor::Clock::time_point> Supervisor::timer() const {
    if (done_) return std::nullopt;
    if (kill_at_ && settle_until_) return std::min(*kill_at_, *settle_until_);
    return kill_at_ ? kill_at_ : settle_until_;
}

void Supervisor::advance(Clock::time_point now) {
    while (const auto signal = signals_.next()) on_signal(*signal, now);
    // Several CHLD may have become one, so it is asked for whatever came.
    reap(now);
    if (done_) return;
    if (kill_at_ && now >= *kill_at_) kill_all(now);
    if (status_) check_descendants(now);
}

void Supervisor::on_signal(const Signal& signal, Clock::time_point now) {
    switch (signal.number) {
        case SIGCHLD:
            return;
        case SIGTSTP:
            pass_on(SIGTSTP);
            signals_.stop_self();
            return;
        case SIGCONT:
        case SIGUSR1:
        case SIGUSR2:
            pass_on(signal.number);
            return;
        default:
            break;
    }
    const bool keyboard = signal.number == SIGINT || signal.number == SIGQUIT;
    if (options_.terminal && keyboard && signal.from_kernel) return;
    if (ending_since_) {
        if (now - *ending_since_ >= same_wish) kill_all(now);
        return;
    }
    pass_on(signal.number);
    if (options_.terminal && keyboard) return;
    ended_by_ = signal;
    begin_ending(now);
}

void Supervisor::pass_on(int number) {
    // The child has not been waited for while status_ is empty, so its number (and its group's) is still its own.
    if (!status_) ::kill(options_.terminal ? child_ : -child_, number);
}

void Supervisor::begin_ending(Clock::time_point now) {
    ending_since_ = now;
    kill_at_ = now + options_.grace;
    settle_until_.reset();
    // A stopped process does not see the signal before it is continued.
    pass_on(SIGCONT);
}

void Supervisor::terminate(Clock::time_point now) {
    if (ending_since_ || done_) return;
    pass_on(SIGTERM);
    begin_ending(now);
}

void Supervisor::kill_all(Clock::time_point now) {
    pass_on(SIGKILL);
    for (const Process& process : descendants()) ::kill(process.pid, SIGKILL);
    kill_at_ = now + kill_round;
    if (++kills_ < kill_rounds) return;
    if (!status_) status_ = ExitStatus{.signal = SIGKILL};
    leftovers_ = descendants();
    done_ = true;
}

void Supervisor::reap(Clock::time_point now) {
    for (;;) {
        int wait_status = 0;
        const pid_t pid = ::waitpid(-1, &wait_status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return;
        if (pid != child_ || status_) continue;
        status_ = from_wait_status(wait_status);
        if (!status_) continue;
        if (ending_since_) {
            // Those that were not in the child's group, or came late, hear of it now.
            for (const Process& process : descendants()) {
                ::kill(process.pid, SIGTERM);
                ::kill(process.pid, SIGCONT);
            }
        } else {
            settle_until_ = now + settle_time;
        }
    }
}

void Supervisor::check_descendants(Clock::time_point now) {
    if (done_) return;
    // Orphans are adopted, so without a child there is no descendant either; the look into /proc costs a
    // millisecond or more.
    siginfo_t unused{};
    const bool childless =
        ::waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
    const std::vector<Process> left = childless ? std::vector<Process>{} : descendants();
    if (left.empty()) {
        done_ = true;
        return;
    }
    if (!settle_until_ || now < *settle_until_) return;
    settle_until_.reset();
    leftovers_ = left;
    if (!options_.end_leftovers) {
        done_ = true;
        return;
    }
    for (const Process& process : left) {
        ::kill(process.pid, SIGTERM);
        ::kill(process.pid, SIGCONT);
    }
    begin_ending(now);
}

void Supervisor::run() {
    while (!done_) {
        int wait_ms = -1;
        if (const auto at = timer()) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(*at - Clock::now()).count();
            wait_ms = static_cast<int>(std::clamp<long>(left, 0, 60'000));
        }
        pollfd one{.fd = fd(), .events = POLLIN, .revents = 0};
        ::poll(&one, 1, wait_ms);
        advance(Clock::now());
    }
}

}  // namespace dbguard::process
