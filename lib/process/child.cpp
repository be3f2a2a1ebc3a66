#include "process/child.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/unique_fd.hpp"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace dbguard::process {
namespace {

std::string_view path_of(const Command& command) {
    // The last one would win in a shell; duplicates do not occur in an Environment.
    for (const std::string& line : command.environment)
        if (line.starts_with("PATH=")) return std::string_view(line).substr(5);
    return "/usr/local/bin:/usr/bin:/bin";
}

/// The paths to try in turn. Source: POSIX.1, 8.3 PATH (an empty element is the current directory).
std::vector<std::string> candidates(const Command& command) {
    const std::string& name = command.arguments.front();
    if (name.find('/') != name.npos) return {name};
    std::vector<std::string> found;
    std::string_view path = path_of(command);
    if (name.empty()) return found;
    for (;;) {
        const auto colon = path.find(':');
        const std::string_view folder = path.substr(0, colon);
        found.push_back((folder.empty() ? "." : std::string(folder)) + "/" + name);
        if (colon == path.npos) return found;
        path.remove_prefix(colon + 1);
    }
}

Error start_error(int number, const std::string& name) {
    if (number == ENOENT || number == ENOTDIR)
        return {errc::not_found, name + ": " + std::strerror(ENOENT)};
    return {errc::not_executable, name + ": " + std::strerror(number)};
}

/// Everything the child needs between fork and exec, made before: only async-signal-safe calls are allowed there
/// (fork(2): other threads may hold the allocator's lock).
struct Prepared {
    std::vector<std::string> paths;
    std::vector<char*> arguments;        ///< null-terminated
    std::vector<char*> shell_arguments;  ///< /bin/sh PATH ARGUMENTS…; [1] is filled in by the child
    std::vector<char*> environment;
    const int* keep = nullptr;
    std::size_t keep_count = 0;
    rlim_t descriptor_limit = 0;
};

Prepared prepare(const Command& command) {
    Prepared prepared;
    prepared.paths = candidates(command);
    static char shell[] = "/bin/sh";
    prepared.shell_arguments = {shell, nullptr};
    for (const std::string& argument : command.arguments) {
        char* text = const_cast<char*>(argument.c_str());
        prepared.arguments.push_back(text);
        if (prepared.arguments.size() > 1) prepared.shell_arguments.push_back(text);
    }
    prepared.arguments.push_back(nullptr);
    prepared.shell_arguments.push_back(nullptr);
    for (const std::string& line : command.environment)
        prepared.environment.push_back(const_cast<char*>(line.c_str()));
    prepared.environment.push_back(nullptr);
    prepared.keep = command.keep_fds.data();
    prepared.keep_count = command.keep_fds.size();
    rlimit limit{};
    prepared.descriptor_limit = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
    return prepared;
}

void close_others_on_exec(const Prepared& prepared) {
    // close_range is new in Linux 5.9, its CLOEXEC flag in 5.11.
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        for (rlim_t fd = 3; fd < prepared.descriptor_limit; ++fd)
            ::fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
    }
    for (std::size_t i = 0; i < prepared.keep_count; ++i) ::fcntl(prepared.keep[i], F_SETFD, 0);
}

void restore_signals(const SignalDefaults& defaults) {
    // Caught signals become default by exec itself; ignored ones stay ignored, and only these are our doing.
    std::signal(SIGPIPE, defaults.pipe_ignored ? SIG_IGN : SIG_DFL);
    std::signal(SIGXFSZ, defaults.file_size_ignored ? SIG_IGN : SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &defaults.mask, nullptr);
}

/// Tries each path. Returns the errno that tells most: a file that may not be run beats one that is not there.
int exec_first(Prepared& prepared) {
    int failure = ENOENT;
    for (const std::string& path : prepared.paths) {
        ::execve(path.c_str(), prepared.arguments.data(), prepared.environment.data());
        if (errno == ENOEXEC) {
            prepared.shell_arguments[1] = const_cast<char*>(path.c_str());
            ::execve("/bin/sh", prepared.shell_arguments.data(), prepared.environment.data());
            return ENOEXEC;
        }
        if (errno == EACCES)
            failure = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ENODEV && errno != ESTALE)
            return errno;
    }
    return failure;
}

[[noreturn]] void become(
    const Command& command,
    Prepared& prepared,
    const SignalDefaults& defaults,
    pid_t parent,
    int error_pipe
) {
    if (command.own_group) ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, command.own_group ? SIGTERM : SIGHUP);
    if (::getppid() != parent) ::_exit(125);  // it ended before the kernel was told
    if (command.no_new_privileges) ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    close_others_on_exec(prepared);
    restore_signals(defaults);
    const int failure = exec_first(prepared);
    [[maybe_unused]] const ssize_t written = ::write(error_pipe, &failure, sizeof failure);
    ::_exit(127);
}

}  // namespace

Result<std::string> find_executable(const Command& command) {
    int failure = ENOENT;
    for (const std::string& path : candidates(command)) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) continue;
        if (S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0) return path;
        failure = EACCES;
    }
    return start_error(failure, command.arguments.front());
}

Result<pid_t> spawn(const Command& command, const SignalDefaults& defaults) {
    Prepared prepared = prepare(command);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errc::cannot_start, std::strerror(errno)};
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    // Above the descriptors that the child keeps, should one of those be closed by now and its number be free.
    if (const int moved = ::fcntl(write_end.get(), F_DUPFD_CLOEXEC, 3); moved >= 0)
        write_end = UniqueFd(moved);

    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return Error{errc::cannot_start, std::strerror(errno)};
    if (pid == 0) become(command, prepared, defaults, parent, write_end.get());

    // On both sides, so that it holds for whoever comes first (setpgid(2)).
    if (command.own_group) ::setpgid(pid, pid);
    write_end.reset();
    int failure = 0;
    ssize_t size;
    do size = ::read(read_end.get(), &failure, sizeof failure);
    while (size < 0 && errno == EINTR);
    if (size == sizeof failure) {
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        return start_error(failure, command.arguments.front());
    }
    return pid;
}

namespace {

std::vector<int> open_fds() {
    std::vector<int> found;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
    if (!folder) return found;
    while (const dirent* entry = ::readdir(folder.get())) {
        if (entry->d_name[0] == '.') continue;
        const int fd = std::atoi(entry->d_name);
        // What exec left open has no FD_CLOEXEC; libraries' own descriptors, opened before main(), should have it.
        if (fd < 3 || fd == ::dirfd(folder.get()) || (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
            continue;
        found.push_back(fd);
    }
    return found;
}

}  // namespace

const std::vector<int>& inherited_fds() {
    static const std::vector<int> found = open_fds();
    return found;
}

void fill_standard_fds() {
    for (int fd = 0; fd <= 2; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        // The lowest free number is this one.
        [[maybe_unused]] const int opened =
            ::open("/dev/null", (fd == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
    }
}

}  // namespace dbguard::process
