#pragma once

// Signals as something to read: one file descriptor for the event loop, no handlers, nothing to do in signal context.

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace dbguard::process {

/// A signal that has arrived.
struct Signal {
    int number = 0;
    /// The kernel sent it: the terminal's Ctrl-C or Ctrl-\ (which the foreground group's other members have
    /// received as well), or a hang-up. Otherwise another process did. Source: sigaction(2), si_code SI_KERNEL.
    bool from_kernel = false;
    /// The process that started dbguard has ended (see end_with_parent); `number` is SIGTERM then.
    bool parent_died = false;
};

/// What a child starts with: as dbguard itself was started.
struct SignalDefaults {
    sigset_t mask{};
    bool pipe_ignored = false;
    bool file_size_ignored = false;  ///< SIGXFSZ
};

/// Takes over INT, TERM, HUP, QUIT, USR1, USR2, TSTP and CONT where asked, and CHLD; ignores PIPE (a peer that
/// goes away is an error of write(), not the end of dbguard) and XFSZ (so is a file that may not grow), blocks TTOU (a denial is told even where `stty
/// tostop` is set and the child's own job has the terminal).
///
/// To be made once, on the main thread, before any other thread: threads inherit the mask, and a thread that
/// does not block these signals would receive them instead.
class Signals {
  public:
    struct Options {
        /// INT, HUP or QUIT that was ignored when dbguard started stays ignored (nohup; a script's `command
        /// &`), as is usual for programs that pass signals on. A listener without a child takes them all the
        /// same.
        bool respect_ignored = true;
        /// Take TSTP and CONT as well: where the child is in a group of its own, they must be passed on.
        /// Elsewhere the kernel stops both.
        bool job_control = false;
    };
    static Result<Signals> take(Options options);

    Signals(Signals&&) = default;
    Signals& operator=(Signals&&) = delete;
    /// Restores the mask and PIPE. Signals that are pending by then are delivered.
    ~Signals();

    /// Readable while next() has something. Level-triggered.
    int fd() const { return fd_.get(); }
    /// The next signal, or empty. Never waits.
    std::optional<Signal> next();

    /// Delivers a Signal with `parent_died` when the parent process ends. Not armed when HUP was ignored at the
    /// start: who says nohup wants to outlive the shell. Needs the parent as it was when the program began
    /// (parent_at_start). The kernel sends it when the *thread* that forked ends: next() looks whether the
    /// parent is really gone.
    void end_with_parent();

    const SignalDefaults& defaults() const { return defaults_; }
    /// Stops this process as SIGTSTP would, until it is continued.
    void stop_self();

  private:
    Signals() = default;

    UniqueFd fd_;
    SignalDefaults defaults_;
    bool hangup_ignored_ = false;
    bool parent_armed_ = false;
    bool parent_reported_ = false;
    bool parent_gone_already_ = false;
};

/// The parent's process id when this program was loaded.
pid_t parent_at_start();

}  // namespace dbguard::process
