#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "process/child.hpp"
#include "process/descendants.hpp"
#include "process/exit_status.hpp"
#include "process/signals.hpp"

namespace dbguard::process {

/// Watches a running child inside somebody else's event loop: read fd(), and call advance() whenever it is
/// readable or the time of timer() has come. Owns nothing but the duty to reap: every child of this process
/// that ends is waited for here.
///
///   running ── child ended ──────────────→ settling ── nothing is left, or 150 ms → done
///      └─ terminate(), a signal → ending ── child and descendants gone ───────────→ done
///                                  └─ grace is over, or a second signal → killing → done
///
/// Signals (wrapping.md C3, C8): TERM, HUP, INT and QUIT are passed on and start the grace period; USR1 and
/// USR2 are passed on. With a terminal, the INT and QUIT of its keys have reached the child already and are
/// nothing to dbguard; an INT from elsewhere is passed on without a grace period (psql cancels its statement
/// and lives). The parent's end counts as TERM.
class Supervisor {
  public:
    using Clock = std::chrono::steady_clock;

    struct Options {
        /// Between the polite signal and KILL. Below the 7.5 s after which a GitHub runner sends its own next signal.
        std::chrono::milliseconds grace{5000};
        /// The child is in dbguard's own process group and shares its terminal.
        bool terminal = false;
        /// Whether descendants that outlive the child are ended as well (else they are only reported).
        bool end_leftovers = false;
    };

    /// `signals` outlives this. `child` comes from spawn().
    Supervisor(Signals& signals, pid_t child, Options options);

    int fd() const { return signals_.fd(); }
    /// When advance() is to be called at the latest.
    std::optional<Clock::time_point> timer() const;
    void advance(Clock::time_point now);

    /// The session is over (deadline, revoked, recording failed): TERM, grace, KILL.
    void terminate(Clock::time_point now);

    /// Nothing more to wait for; status() says how the child ended.
    bool done() const { return done_; }
    /// Empty while the child runs.
    const std::optional<ExitStatus>& status() const { return status_; }
    /// What the child left running, once done(): still running then, unless end_leftovers or terminate() ended it.
    const std::vector<Process>& leftovers() const { return leftovers_; }
    /// The first signal that asked for the end: for the closing message.
    const std::optional<Signal>& ended_by() const { return ended_by_; }

    /// Waits here until done(): for a caller without a loop of its own.
    void run();

  private:
    void on_signal(const Signal& signal, Clock::time_point now);
    void reap(Clock::time_point now);
    void pass_on(int number);
    void begin_ending(Clock::time_point now);
    void kill_all(Clock::time_point now);
    void check_descendants(Clock::time_point now);

    Signals& signals_;
    pid_t child_;
    Options options_;
    std::optional<ExitStatus> status_;
    std::vector<Process> leftovers_;
    std::optional<Signal> ended_by_;
    std::optional<Clock::time_point> ending_since_;
    std::optional<Clock::time_point> kill_at_;
    std::optional<Clock::time_point> settle_until_;
    int kills_ = 0;
    bool done_ = false;
};

}  // namespace dbguard::process
