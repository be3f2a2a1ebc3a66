#include "cli/wrapped_command.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.hpp"
#include "cli/output.hpp"
#include "process/child.hpp"

namespace dbguard::cli {
namespace {

using namespace std::chrono_literals;
using Clock = process::Supervisor::Clock;

/// Lets the guard's loop wake up for the child and the signals.
class ChildWatch : public net::Watcher {
  public:
    explicit ChildWatch(process::Supervisor& child) : child_(child) {}
    void ready(std::uint32_t) override { child_.advance(Clock::now()); }

  private:
    process::Supervisor& child_;
};

/// How long the loop may wait; the guard's own timers wake it earlier.
Clock::duration patience(
    const process::Supervisor& child, std::optional<Clock::time_point> deadline
) {
    if (!child.timer() && !deadline) return net::EventLoop::for_ever;
    Clock::time_point until = Clock::time_point::max();
    if (child.timer()) until = std::min(until, *child.timer());
    if (deadline) until = std::min(until, *deadline);
    return std::max<Clock::duration>(until - Clock::now(), 0ms);
}

}  // namespace

bool has_terminal() { return bool(UniqueFd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY))); }

WrappedResult run_wrapped(
    Guard& guard,
    process::Signals& signals,
    const WrappedCommand& wrapped,
    const std::function<std::string()>& revoked
) {
    WrappedResult result;
    auto environment =
        process::child_environment(wrapped.own_environment, guard.target(), wrapped.environment);
    if (!environment) {
        result.not_started = environment.error();
        return result;
    }
    for (const std::string& warning : environment->warnings) output().warning(warning);

    const bool terminal = has_terminal();
    const process::Command command{
        .arguments = wrapped.arguments,
        .environment = environment->environment.lines(),
        .keep_fds = process::inherited_fds(),
        .own_group = !terminal,
        .no_new_privileges = wrapped.no_new_privileges,
    };
    const auto began = Clock::now();
    process::adopt_orphans();
    const auto pid = process::spawn(command, signals.defaults());
    if (!pid) {
        result.not_started = pid.error();
        return result;
    }
    process::Supervisor child(
        signals,
        *pid,
        {.grace = wrapped.grace, .terminal = terminal, .end_leftovers = wrapped.end_leftovers}
    );
    ChildWatch watch(child);
    guard.loop().watch(child.fd(), EPOLLIN, watch);
    std::optional<Clock::time_point> deadline;
    if (wrapped.timeout) deadline = began + *wrapped.timeout;

    // Whatever arrived before the descriptor was watched.
    child.advance(Clock::now());
    while (!child.done()) {
        guard.loop().run_once(patience(child, deadline));
        const auto now = Clock::now();
        if (child.timer() && now >= *child.timer()) child.advance(now);
        if (result.end != WrappedResult::End::by_itself || child.status()) continue;

        std::string failure = guard.failure();
        if (failure.empty()) failure = revoked();
        if (!failure.empty()) {
            result.end = WrappedResult::End::failure;
            result.failure = std::move(failure);
        } else if (deadline && now >= *deadline) {
            result.end = WrappedResult::End::deadline;
        } else {
            continue;
        }
        deadline.reset();
        child.terminate(now);
    }
    guard.loop().forget(child.fd());
    result.status = child.status();
    result.leftovers = child.leftovers();
    result.took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    if (result.end == WrappedResult::End::by_itself && child.ended_by()) {
        result.end = WrappedResult::End::signal;
        result.signal = child.ended_by();
    }
    return result;
}

}  // namespace dbguard::cli
