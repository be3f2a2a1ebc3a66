#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace dbguard::process {

struct Process {
    pid_t pid = 0;
    std::string
        name;  ///< the kernel's short name: at most 15 bytes, chosen by the program: print it escaped
    bool operator==(const Process&) const = default;
};

/// Makes this process the new parent of all orphans below it, also of those that called setsid() (prctl(2),
/// PR_SET_CHILD_SUBREAPER). Only what other services start (a container, a systemd unit) escapes.
void adopt_orphans();

/// Everything below this process that has not ended, parents first. Read from /proc, so a moment old; empty
/// where /proc is not mounted.
std::vector<Process> descendants();

}  // namespace dbguard::process
