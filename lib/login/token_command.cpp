#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include "base/unique_fd.hpp"
#include "login/sources.hpp"

extern char** environ;

namespace dbguard::login {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t max_output_bytes = 64 * 1024;

/// A process group of its own, killed and reaped when this ends: a helper of the command must not outlive it.
class Group {
  public:
    explicit Group(pid_t pid) : pid_(pid) {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    ~Group() { end(); }

    /// The command's wait status; empty when it still runs at the deadline.
    std::optional<int> wait(Steady::time_point deadline) {
        for (;;) {
            siginfo_t info{};
            ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG);
            if (info.si_pid == pid_) return end();
            if (Steady::now() >= deadline) return {};
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }

  private:
    /// Killed first, reaped second: until then nobody else can get the group's number.
    int end() {
        if (pid_ == 0) return 0;
        ::kill(-pid_, SIGKILL);
        int status = 0;
        while (::waitpid(pid_, &status, 0) == -1 && errno == EINTR) {
        }
        pid_ = 0;
        return status;
    }

    pid_t pid_;
};

/// `sh -c COMMAND` with nothing to read, its output into `out`, its errors where ours go. The shell is the platform's own
/// way to write such a command down: `circleci run oidc get --claims '{"aud":"…"}'`.
int start(const std::string& command, int out, pid_t& pid) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    );

    const char* arguments[] = {"sh", "-c", command.c_str(), nullptr};
    const int failed = ::posix_spawn(
        &pid, "/bin/sh", &actions, &attributes, const_cast<char**>(arguments), environ
    );
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/// Everything until the end of the output. Errors: deadline, cannot_read.
Result<std::string> read_all(int fd, Steady::time_point deadline) {
    std::string output;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
        if (left <= 0) return Error{login_error::deadline, "--token-command did not end in time"};
        pollfd waiting{fd, POLLIN, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<long>(left, 60'000)));
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        char buffer[4096];
        const ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0)
            return Error{
                login_error::cannot_read, "--token-command: " + std::string(std::strerror(errno))};
        if (count == 0) return output;
        output.append(buffer, static_cast<std::size_t>(count));
        if (output.size() > max_output_bytes)
            return Error{login_error::cannot_read, "--token-command wrote more than 64 KiB"};
    }
}

}  // namespace

Result<Secret> run_token_command(const std::string& command, std::chrono::milliseconds limit) {
    const auto deadline = Steady::now() + limit;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return Error{
            login_error::cannot_read, "--token-command: " + std::string(std::strerror(errno))};
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    pid_t pid = 0;
    if (const int failed = start(command, in.get(), pid); failed != 0)
        return Error{
            login_error::cannot_read, "--token-command: " + std::string(std::strerror(failed))};
    in.reset();
    Group group(pid);

    auto output = read_all(out.get(), deadline);
    if (!output) return output.error();
    Secret whole(std::move(*output));
    const auto status = group.wait(deadline);
    if (!status) return Error{login_error::deadline, "--token-command did not end in time"};
    if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0)
        return Error{
            login_error::cannot_read,
            "--token-command " + (WIFEXITED(*status)
                                      ? "exited with " + std::to_string(WEXITSTATUS(*status))
                                      : "was killed")};
    const std::string& text = whole.reveal();
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos)
        return Error{login_error::cannot_read, "--token-command wrote nothing"};
    return Secret(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

}  // namespace dbguard::login
