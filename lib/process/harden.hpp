#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace dbguard::process {

/// No core files, and other processes of the same user cannot read this one's memory, environment and
/// descriptors or attach to it (prctl(2), PR_SET_DUMPABLE; Linux resets it by exec, so the child is an ordinary
/// process). Root can. It also hides RUNNER_TRACKING_ID from a GitHub runner that looks for orphans:
/// Signals::end_with_parent makes up for that. Undone before a leak checker of a sanitizer build runs at exit,
/// which has to attach to this process.
void protect_memory();

/// The value of an environment variable; its bytes in this process are overwritten and the variable is removed,
/// so that neither /proc/self/environ nor a child shows it. Removing alone would leave the bytes. Empty when it
/// is not set. Not to be called while another thread reads the environment.
Secret take_variable(const char* name);

/// Overwrites bytes that are not wanted in memory any longer, such as a password in argv (which `ps` shows).
void wipe(char* bytes, std::size_t count);

}  // namespace dbguard::process
