// The part of `dbguard doctor` that asks the kernel. Source for what each thing is worth: wrapping.md D2.

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "cli/doctor_checks.hpp"

namespace dbguard::cli {
namespace {

/// A small file of /proc or /sys without its line end; empty when there is none.
std::string proc_value(const char* path) {
    auto text = read_file(path, 4096);
    if (!text) return {};
    while (text->ends_with('\n')) text->pop_back();
    return *text;
}

/// The kernel's Landlock version, 0 without it. Source: landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION.
long landlock_version() {
#ifdef SYS_landlock_create_ruleset
    return std::max(0L, ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U << 0));
#else
    return 0;
#endif
}

/// Whether a process of this user can have a user and a PID namespace. Tried in a child, which ends at once.
bool can_make_namespaces() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(::unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) == 0 ? 0 : 1);
    int status = 1;
    while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool in_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::string rest = path == nullptr ? "/usr/bin:/bin" : path;
    for (std::size_t at = 0; at <= rest.size();) {
        const std::size_t colon = std::min(rest.find(':', at), rest.size());
        if (::access((rest.substr(at, colon - at) + "/" + program).c_str(), X_OK) == 0) return true;
        at = colon + 1;
    }
    return false;
}

/// Groups whose members can become root by design.
std::string strong_groups() {
    std::vector<gid_t> ids(256);
    const int count = ::getgroups(static_cast<int>(ids.size()), ids.data());
    std::string names;
    for (int i = 0; i < count; ++i) {
        const group* entry = ::getgrgid(ids[static_cast<std::size_t>(i)]);
        if (entry == nullptr) continue;
        const std::string name = entry->gr_name;
        if (name == "docker" || name == "lxd" || name == "sudo" || name == "wheel" ||
            name == "disk")
            names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}

std::string writable_container_sockets() {
    std::string found;
    for (const char* path :
         {"/var/run/docker.sock",
          "/run/containerd/containerd.sock",
          "/run/podman/podman.sock",
          "/var/lib/lxd/unix.socket"})
        if (::access(path, W_OK) == 0) found += (found.empty() ? "" : ", ") + std::string(path);
    return found;
}

}  // namespace

Checks check_system() {
    Checks checks;
    const auto add = [&](std::string name, CheckState state, std::string text, std::string fix = ""
                     ) {
        checks.push_back({"system", std::move(name), state, std::move(text), std::move(fix)});
    };
    utsname system{};
    ::uname(&system);
    add("kernel",
        CheckState::ok,
        std::string(system.sysname) + " " + system.release + " on " + system.machine);

    if (::geteuid() == 0) {
        add("user",
            CheckState::warn,
            "root: the command can read dbguard's memory, and with it the database's password",
            "run the job as an ordinary user; what root must not have belongs behind a service");
    } else {
        std::string ways = strong_groups();
        if (const std::string sockets = writable_container_sockets(); !sockets.empty())
            ways += (ways.empty() ? "" : ", ") + sockets;
        if (in_path("sudo")) ways += std::string(ways.empty() ? "" : ", ") + "sudo is installed";
        add("user",
            ways.empty() ? CheckState::ok : CheckState::warn,
            ways.empty() ? "an ordinary user without a known way to root"
                         : "an ordinary user with ways to root: " + ways,
            ways.empty() ? ""
                         : "--no-new-privileges closes sudo for the command; groups and container "
                           "sockets stay open");
    }

    const std::string yama = proc_value("/proc/sys/kernel/yama/ptrace_scope");
    const bool scoped = yama == "1" || yama == "2" || yama == "3";
    if (::geteuid() != 0)
        add("memory",
            CheckState::ok,
            std::string("dbguard's memory is closed to other processes of this user (not dumpable)"
            ) + (scoped ? ", ptrace_scope=" + yama : ""));
    const bool no_new_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0;
    add("no-new-privileges",
        no_new_privileges ? CheckState::ok : CheckState::warn,
        no_new_privileges ? "available (--no-new-privileges)" : "not available");
    const long landlock = landlock_version();
    add("landlock",
        CheckState::note,
        landlock > 0 ? "version " + std::to_string(landlock) : "not available");
    add("namespaces",
        CheckState::note,
        can_make_namespaces() ? "this user can make user, PID and mount namespaces"
                              : "this user cannot make user namespaces");
    const bool proc = ::access("/proc/self/stat", R_OK) == 0;
    add("proc",
        proc ? CheckState::ok : CheckState::warn,
        proc ? "/proc is mounted"
             : "/proc is not mounted: what a command leaves running cannot be found");
    return checks;
}

}  // namespace dbguard::cli
