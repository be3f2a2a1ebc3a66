#include "process/supervisor.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

using namespace dbguard;
using namespace dbguard::process;
using namespace std::chrono_literals;

namespace {

/// A running `sh -c script` with its standard output at hand.
struct Running {
    Signals signals;
    UniqueFd out;
    pid_t pid = 0;
};

Running start(const std::string& script, Command command = {}) {
    auto signals = Signals::take({.respect_ignored = true, .job_control = true});
    REQUIRE(signals.has_value());
    adopt_orphans();
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd kept(::dup(1));
    ::dup2(ends[1], 1);
    ::close(ends[1]);
    command.arguments = {"sh", "-c", script};
    if (command.environment.empty()) command.environment = {"PATH=/usr/bin:/bin"};
    const auto pid = spawn(command, signals->defaults());
    ::dup2(kept.get(), 1);
    REQUIRE(pid.has_value());
    return {std::move(*signals), UniqueFd(ends[0]), *pid};
}

std::string read_line(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n') line += c;
    return line;
}

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t size; (size = ::read(fd, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(size));
    return text;
}

ExitStatus run(const std::string& script) {
    Running running = start(script);
    Supervisor supervisor(running.signals, running.pid, {});
    supervisor.run();
    REQUIRE(supervisor.status());
    return *supervisor.status();
}

std::string signal_lines() {
    std::ifstream file("/proc/self/status");
    std::string lines;
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("SigBlk") || line.starts_with("SigIgn")) lines += line + "\n";
    return lines;
}

const std::string signals_at_start = signal_lines();

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

/// SIGKILL of what a test left running on purpose.
void clean_up(const std::vector<Process>& left) {
    for (const Process& process : left) {
        ::kill(process.pid, SIGKILL);
        ::waitpid(process.pid, nullptr, 0);
    }
}

}  // namespace

TEST_CASE("the exit status is the child's own") {
    CHECK(run("exit 0") == ExitStatus{});
    CHECK(run("exit 1") == ExitStatus{.code = 1});
    CHECK(run("exit 77") == ExitStatus{.code = 77});
    CHECK(run("exit 255") == ExitStatus{.code = 255});
    CHECK(run("kill -TERM $$") == ExitStatus{.signal = SIGTERM});
    CHECK(run("kill -KILL $$") == ExitStatus{.signal = SIGKILL});
    CHECK(ExitStatus{.signal = SIGTERM}.shell_code() == 143);
    CHECK(describe(ExitStatus{.signal = SIGTERM}) == "killed by SIGTERM");
}

TEST_CASE("missing and not executable are told apart before anything ran") {
    auto signals = Signals::take({});
    REQUIRE(signals.has_value());
    const auto attempt = [&](const std::string& name) {
        return spawn(
            {.arguments = {name}, .environment = {"PATH=/nowhere:/usr/bin:/bin"}},
            signals->defaults()
        );
    };
    struct Case {
        const char* name;
        std::string_view code;
    };
    char script[] = "/tmp/dbguard-test-XXXXXX";
    UniqueFd file(::mkstemp(script));
    REQUIRE(file);
    const Case cases[] = {
        {"no-such-command-anywhere", process::errc::not_found},
        {"/no/such/file", process::errc::not_found},
        {"/etc/passwd/x", process::errc::not_found},
        {"", process::errc::not_found},
        {"/tmp", process::errc::not_executable},
        {script, process::errc::not_executable},
    };
    for (const Case& one : cases) {
        CAPTURE(one.name);
        const auto result = attempt(one.name);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().code == one.code);
        const auto early =
            find_executable({.arguments = {one.name}, .environment = {"PATH=/usr/bin:/bin"}});
        REQUIRE_FALSE(early.has_value());
        CHECK(early.error().code == one.code);
    }
    CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);  // the failed ones were waited for

    SUBCASE("a script without #! is run by the shell") {
        REQUIRE(::write(file.get(), "exit 7\n", 7) == 7);
        ::fchmod(file.get(), 0755);
        file.reset();  // a file open for writing is not executed
        const auto pid = attempt(script);
        REQUIRE(pid.has_value());
        int status = 0;
        ::waitpid(*pid, &status, 0);
        CHECK(from_wait_status(status) == ExitStatus{.code = 7});
    }
    ::unlink(script);
}

TEST_CASE("the child has the environment it was given and nothing else") {
    Running running =
        start("env", {.environment = {"PATH=/usr/bin:/bin", "ONE=1", "TWO=zwei drei"}});
    Supervisor supervisor(running.signals, running.pid, {});
    supervisor.run();
    std::string text = read_all(running.out.get());
    // sh itself adds PWD, and some shells `_`, OLDPWD and SHLVL.
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (line.starts_with("PWD=") || line.starts_with("_=") || line.starts_with("SHLVL=") ||
            line.starts_with("OLDPWD="))
            continue;
        lines.push_back(line);
    }
    std::sort(lines.begin(), lines.end());
    CHECK(lines == std::vector<std::string>{"ONE=1", "PATH=/usr/bin:/bin", "TWO=zwei drei"});
}

TEST_CASE("no descriptor reaches the child but 0, 1, 2 and those that are kept") {
    const UniqueFd open_one(::open("/dev/null", O_RDONLY)
    );  // not close-on-exec, as Asio's sockets are
    const UniqueFd high(::fcntl(open_one.get(), F_DUPFD, 300));
    const UniqueFd kept(::fcntl(open_one.get(), F_DUPFD_CLOEXEC, 40));
    REQUIRE(kept.get() == 40);
    Running running = start(
        "i=0; while [ $i -lt 310 ]; do [ ! -e /proc/$$/fd/$i ] || echo $i; i=$((i + 1)); done",
        {.keep_fds = {40}}
    );
    Supervisor supervisor(running.signals, running.pid, {});
    supervisor.run();
    CHECK(read_all(running.out.get()) == "0\n1\n2\n40\n");
}

TEST_CASE("the child starts with the signals dbguard was started with") {
    Running running = start("grep -E '^Sig(Blk|Ign)' /proc/self/status");
    Supervisor supervisor(running.signals, running.pid, {});
    supervisor.run();
    CHECK(read_all(running.out.get()) == signals_at_start);
    CHECK(signal_lines() != signals_at_start);
}

TEST_CASE("signals are passed on to the whole group") {
    Running running = start(
        "trap 'echo usr1' USR1; trap 'echo term; exit 5' TERM; sh -c 'trap \"\" USR1; trap \"echo "
        "inner; exit\" TERM; echo up; while :; do sleep 0.05; done' & "
        "echo up; while :; do sleep 0.05; done"
    );
    Supervisor supervisor(running.signals, running.pid, {});
    CHECK(read_line(running.out.get()) == "up");
    CHECK(read_line(running.out.get()) == "up");
    ::kill(::getpid(), SIGUSR1);
    supervisor.advance(Supervisor::Clock::now());
    ::kill(::getpid(), SIGTERM);
    supervisor.run();
    CHECK(supervisor.status() == ExitStatus{.code = 5});
    REQUIRE(supervisor.ended_by());
    CHECK(supervisor.ended_by()->number == SIGTERM);
    const std::string text = read_all(running.out.get());
    CHECK(text.find("usr1\n") != std::string::npos);
    CHECK(text.find("inner\n") != std::string::npos);
    CHECK(text.find("term\n") != std::string::npos);
}

TEST_CASE("a child that ignores TERM is killed after the grace period, with what it started") {
    Running running = start(
        "trap '' TERM; (trap '' TERM; sleep 60) & echo $!; setsid sh -c 'trap \"\" TERM; sleep 60' "
        "& echo up; sleep 60"
    );
    const pid_t background = std::stoi(read_line(running.out.get()));
    REQUIRE(read_line(running.out.get()) == "up");
    Supervisor supervisor(running.signals, running.pid, {.grace = 300ms});
    const auto began = Supervisor::Clock::now();
    supervisor.terminate(began);
    supervisor.run();
    const auto took = Supervisor::Clock::now() - began;
    CHECK(supervisor.status() == ExitStatus{.signal = SIGKILL});
    CHECK(took >= 300ms);
    CHECK(took < 3s);
    CHECK_FALSE(exists(background));
    CHECK(supervisor.leftovers().empty());
    CHECK(descendants().empty());
}

TEST_CASE("a second signal means now, but the same wish twice is one") {
    Running running = start("trap '' TERM; echo up; while :; do sleep 0.05; done");
    REQUIRE(read_line(running.out.get()) == "up");
    Supervisor supervisor(running.signals, running.pid, {.grace = 20s});
    ::kill(::getpid(), SIGTERM);
    supervisor.advance(Supervisor::Clock::now());
    ::kill(::getpid(), SIGTERM);  // as timeout(1) does
    supervisor.advance(Supervisor::Clock::now());
    std::this_thread::sleep_for(350ms);
    supervisor.advance(Supervisor::Clock::now());
    CHECK_FALSE(supervisor.status());
    const auto began = Supervisor::Clock::now();
    ::kill(::getpid(), SIGTERM);
    supervisor.run();
    CHECK(supervisor.status() == ExitStatus{.signal = SIGKILL});
    CHECK(Supervisor::Clock::now() - began < 2s);
}

TEST_CASE("a stopped child is ended as well") {
    Running running = start("echo up; kill -STOP $$; echo continued; exit 3");
    REQUIRE(read_line(running.out.get()) == "up");
    Supervisor supervisor(running.signals, running.pid, {.grace = 10s});
    std::this_thread::sleep_for(50ms);
    const auto began = Supervisor::Clock::now();
    supervisor.terminate(began);
    supervisor.run();
    CHECK(supervisor.status() == ExitStatus{.signal = SIGTERM});
    CHECK(Supervisor::Clock::now() - began < 5s);
}

TEST_CASE("what a child leaves running is reported, and left") {
    Running running = start("setsid sleep 47 >/dev/null & exit 4");
    Supervisor supervisor(running.signals, running.pid, {});
    supervisor.run();
    CHECK(supervisor.status() == ExitStatus{.code = 4});
    REQUIRE(supervisor.leftovers().size() == 1);
    CHECK(supervisor.leftovers()[0].name == "sleep");
    CHECK(exists(supervisor.leftovers()[0].pid));
    clean_up(supervisor.leftovers());
}

TEST_CASE("what a child leaves running is ended where that is asked for") {
    Running running = start("(setsid sh -c 'sleep 47; true' >/dev/null &) ; exit 4");
    Supervisor supervisor(running.signals, running.pid, {.grace = 500ms, .end_leftovers = true});
    supervisor.run();
    CHECK(supervisor.status() == ExitStatus{.code = 4});
    CHECK_FALSE(supervisor.leftovers().empty());
    CHECK(descendants().empty());
}

TEST_CASE("a helper that ends right after its parent is nothing to report") {
    Running running = start("sleep 0.03 & exit 0");
    Supervisor supervisor(running.signals, running.pid, {});
    supervisor.run();
    CHECK(supervisor.leftovers().empty());
    CHECK(descendants().empty());
}

TEST_CASE("the keys of a shared terminal are the child's own business") {
    // An INT from another process is passed on, without a grace period; the kernel's cannot be made here (see
    // tests/cli).
    Running running = start(
        "trap 'echo int' INT; echo up; for i in 1 2 3 4 5 6; do sleep 0.05; done; exit 6",
        {.own_group = false}
    );
    REQUIRE(read_line(running.out.get()) == "up");
    Supervisor supervisor(running.signals, running.pid, {.grace = 100ms, .terminal = true});
    ::kill(::getpid(), SIGINT);
    supervisor.run();
    CHECK(supervisor.status() == ExitStatus{.code = 6});
    CHECK(read_all(running.out.get()) == "int\n");
    CHECK_FALSE(supervisor.ended_by());
}

TEST_CASE("the child can gain no privileges where that is asked for") {
    for (const bool asked : {false, true}) {
        Running running = start("grep NoNewPrivs /proc/self/status", {.no_new_privileges = asked});
        Supervisor supervisor(running.signals, running.pid, {});
        supervisor.run();
        CHECK(read_all(running.out.get()) == (asked ? "NoNewPrivs:\t1\n" : "NoNewPrivs:\t0\n"));
    }
}
