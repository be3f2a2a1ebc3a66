#include "cli/cmd_proxy.hpp"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/standalone.hpp"
#include "process/harden.hpp"
#include "process/signals.hpp"

namespace dbguard::cli {

namespace {

struct ProxyOptions {
    StandaloneOptions standalone;
    Output::Options output;
    std::string log_format = "json";
    bool json = false;
};

int setup_failed(std::string_view text) {
    output().line(Level::error, "setup_failed", text, {{"exit_code", std::int64_t{exit_setup}}});
    return exit_setup;
}

/// Ends the loop when the process is told to end.
class EndOnSignal : private net::Watcher {
  public:
    EndOnSignal(process::Signals& signals, net::EventLoop& loop) : signals_(signals), loop_(loop) {
        loop.watch(signals.fd(), EPOLLIN, *this);
    }
    ~EndOnSignal() override { loop_.forget(signals_.fd()); }
    int signal() const { return signal_; }

  private:
    void ready(std::uint32_t) override {
        while (const auto signal = signals_.next()) {
            if (signal->number != SIGTERM && signal->number != SIGINT && signal->number != SIGHUP && signal->number != SIGQUIT) continue;
            signal_ = signal->number;
            loop_.stop();
        }
    }

    process::Signals& signals_;
    net::EventLoop& loop_;
    int signal_ = 0;
};

/// The one line on stdout. False: nobody reads it.
bool announce(const process::Target& target, const StandaloneOptions& options, const GuardStatistics& statistics, bool json) {
    const std::string url = process::rewrite_url({}, target);
    std::string line = url;
    if (json)
        line = nlohmann::ordered_json{
            {"url", url},
            {"session", target.session},
            {"host", target.host},
            {"port", target.port},
            {"user", target.user},
            {"database", target.database},
            {"role", options.role},
            {"recording", statistics.recording},
            {"pid", ::getpid()},
        }.dump();
    line += '\n';
    return std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fflush(stdout) == 0;
}

/// Two descriptors a connection: the soft limit, 1024 for programs that use select(), would be reached at 480.
void allow_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, std::max<rlim_t>(limit.rlim_cur, 16'384));
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(ProxyOptions& options) {
    options.output.json = options.json;
    options.output.log_json = options.log_format == "json";
    if (const auto configured = output().configure(options.output); !configured) {
        output().line(Level::error, "usage", "proxy: --log-file " + configured.error().detail);
        return exit_usage;
    }
    process::protect_memory();
    allow_descriptors();
    auto signals = process::Signals::take({.respect_ignored = false});
    if (!signals) return setup_failed(signals.error().text());
    auto guard = start_standalone(options.standalone);
    if (!guard) return setup_failed(guard.error().detail.empty() ? guard.error().text() : guard.error().detail);
    for (const char* secret : {"DBGUARD_DB_URL", "PGPASSWORD"}) process::take_variable(secret);

    const process::Target& target = (*guard)->target();
    output().line(
        Level::info,
        "ready",
        target.session + ": " + target.database + " as " + options.standalone.role + " on " + target.host +
            (target.is_socket() ? "" : ":" + std::to_string(target.port)),
        {{"session", target.session}, {"database", target.database}, {"role", options.standalone.role}, {"host", target.host},
         {"port", std::int64_t{target.port}}, {"recording", (*guard)->statistics().recording}}
    );
    if (options.standalone.record_dir.empty()) output().info("nothing is recorded: no --record-dir was given");
    if (!announce(target, options.standalone, (*guard)->statistics(), options.json)) return setup_failed("stdout cannot be written");

    int signal = 0;
    {
        EndOnSignal end(*signals, (*guard)->loop());
        while (!(*guard)->loop().stopped() && (*guard)->failure().empty()) (*guard)->loop().run_once();
        signal = end.signal();
    }
    const std::string failure = (*guard)->failure();
    const auto closed = (*guard)->stop(failure.empty() ? "signal" : "error");
    const auto statistics = (*guard)->statistics();
    output().line(
        Level::info,
        "end",
        target.session + ": " + std::to_string(statistics.statements) + " statements, " + std::to_string(statistics.denied) + " denied",
        {{"session", target.session}, {"statements", static_cast<std::int64_t>(statistics.statements)},
         {"denied", static_cast<std::int64_t>(statistics.denied)}, {"signal", std::int64_t{signal}}}
    );
    if (!failure.empty() || !closed) {
        output().error(failure.empty() ? closed.error().text() : failure);
        return exit_revoked;
    }
    return exit_ok;
}

}  // namespace

void add_proxy_command(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand("proxy", "Only the listener of a guard, until a signal ends it");
    const auto options = std::make_shared<ProxyOptions>();
    add_standalone_options(*command, options->standalone);
    const auto voice = [&](CLI::Option* option) { option->group("Messages"); };
    voice(command->add_flag("--json", options->json, "On stdout one JSON object with the URL; on stderr one a line"));
    voice(command->add_flag("--quiet,-q", options->output.quiet, "Errors only"));
    voice(command->add_flag("--verbose,-v", options->output.verbose, "Allowed statements as well"));
    voice(command->add_option("--log-file", options->output.log_file, "Append everything to this file")->type_name("FILE"));
    voice(command->add_option("--log-format", options->log_format, "Of the log file: json or text")
              ->check(CLI::IsMember({"json", "text"}))
              ->capture_default_str());
    command->footer(
        "Once it is ready it prints the URL for clients, with this session's own user and password, and serves until\n"
        "SIGTERM or SIGINT. Each denial, warning and wait is a line on stderr.\n\n"
        "Exit code: 0 ended by a signal; 64 wrong usage; 123 the recording failed; 125 set-up failed.\n\n"
        "Example:\n"
        "  DBGUARD_DB_URL=postgresql://app:secret@127.0.0.1/shop dbguard proxy --policy p.yaml --role tester --json\n"
    );
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace dbguard::cli
