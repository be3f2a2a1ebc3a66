#include "cli/cmd_serve.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "broker/config.hpp"
#include "broker/service.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "net/dev_certificate.hpp"
#include "net/http_server.hpp"

namespace dbguard::cli {
namespace {

/// How long running requests may take once a stop was asked for; an orchestrator kills after 10 s or more.
constexpr std::chrono::milliseconds stop_grace{8'000};

struct Options {
    std::string config;
    std::string listen;
    bool check = false;
    bool dev = false;
    bool json = false;
    bool quiet = false;
    bool verbose = false;
};

std::string environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value ? value : "";
}

void show(const std::vector<policy::Problem>& problems) {
    for (const auto& problem : problems) {
        const auto level = problem.severity == policy::Severity::error ? Level::error : Level::warning;
        output().line(level, "config", policy::text(problem), {{"line", std::int64_t{problem.at.line}}, {"column", std::int64_t{problem.at.column}}});
    }
}

void write_log(const broker::LogEntry& entry) {
    static constexpr Level levels[] = {Level::detail, Level::info, Level::warning, Level::error};
    std::string text(entry.event);
    Fields fields;
    for (const auto& [name, value] : entry.fields) {
        if (!value.empty()) text += " " + std::string(name) + "=" + value;
        fields.emplace_back(std::string(name), value);
    }
    output().line(levels[static_cast<int>(entry.level)], entry.event, text, fields);
}

/// A throwaway certificate for this run; the authority's certificate goes into a file for clients to trust.
Result<std::string> make_dev_files(broker::Prepared& prepared) {
    if (::mkdir(prepared.data_dir.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{errc::cannot_open, prepared.data_dir + ": " + std::strerror(errno)};
    auto made = net::make_dev_certificate({"localhost", "127.0.0.1", "::1"}, 30);
    const std::string path = prepared.data_dir + "/dev-ca.pem";
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd || ::write(fd.get(), made.ca.data(), made.ca.size()) != static_cast<ssize_t>(made.ca.size()))
        return Error{errc::cannot_open, path + ": " + std::strerror(errno)};
    prepared.certificate_chain = std::move(made.chain);
    prepared.private_key = std::move(made.key);
    return path;
}

/// `127.0.0.1:0`, `[::1]:8443`: checked by the same reader as in the file.
bool set_listen(broker::ServeConfig& config, const std::string& listen) {
    const auto colon = listen.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == listen.size()) return false;
    char* end = nullptr;
    const unsigned long port = std::strtoul(listen.c_str() + colon + 1, &end, 10);
    if (*end != '\0' || port > 65535 || listen[colon + 1] == '-') return false;
    config.listen_address = listen.substr(0, colon);
    if (config.listen_address.size() > 2 && config.listen_address.front() == '[')
        config.listen_address = config.listen_address.substr(1, config.listen_address.size() - 2);
    config.listen_port = static_cast<std::uint16_t>(port);
    return true;
}

void say_ready(const Options& options, const broker::Prepared& prepared, const std::string& url, const std::string& ca) {
    if (options.json) {
        nlohmann::ordered_json line = {{"url", url}};
        if (!ca.empty()) line["ca"] = ca;
        std::cout << line.dump() << std::endl;
    }
    output().line(Level::info, "serve", "serving at " + url, {{"url", url}});
    if (!options.dev) return;
    const std::string database = prepared.databases.front().settings.name;
    output().info("a throwaway certificate is in use. In another terminal, or in a job:");
    output().info("  export DBGUARD_SERVER=" + url + " DBGUARD_SERVER_CA=" + ca);
    output().info("  dbguard doctor --server " + url);
    output().info("  dbguard run --db " + database + " --token-file TOKEN -- psql -c 'SELECT 1'");
}

/// Reads the file and all that it names. Empty: it cannot be used, and why was said; `exit_code` is what that means at start.
std::optional<broker::Prepared> read_configuration(const Options& options, int& exit_code) {
    exit_code = exit_config;
    const auto text = read_file(options.config, broker::max_config_bytes);
    if (!text) {
        output().error(text.error().text());
        return {};
    }
    auto parsed = broker::parse_config(*text, options.config);
    show(parsed.problems);
    if (!parsed.config) return {};
    if (!options.listen.empty() && !set_listen(*parsed.config, options.listen)) {
        output().error("--listen must be an address and a port, such as 127.0.0.1:8443");
        exit_code = exit_usage;
        return {};
    }
    auto read = broker::prepare(*parsed.config, environment, !options.dev);
    show(read.problems);
    return std::move(read.prepared);
}

/// All or nothing: what is not understood changes nothing.
void reload(const Options& options, broker::Service& service) {
    int unused = 0;
    auto prepared = read_configuration(options, unused);
    if (!prepared) {
        output().line(Level::error, "reload", "SIGHUP: " + options.config + " cannot be used as it is now; the configuration from before stays");
        return;
    }
    const std::string counts = std::to_string(prepared->databases.size()) + " databases, " + std::to_string(prepared->policies.size()) + " policies, " +
                               std::to_string(prepared->issuers.size()) + " issuers";
    const auto done = service.reload(std::move(*prepared));
    if (done) output().line(Level::info, "reload", "SIGHUP: " + options.config + " is in force: " + counts);
    else
        output().line(
            Level::error, "reload", "SIGHUP: " + done.error().detail + (done.error().code == broker::errc::needs_restart ? ", which needs a restart" : "") +
                                        "; the configuration from before stays", {{"reason", std::string(done.error().code)}}
        );
}

int serve(const Options& options) {
    Output::Options voice;
    voice.quiet = options.quiet;
    voice.verbose = options.verbose;
    voice.json = options.json;
    if (const auto configured = output().configure(voice); !configured) {
        output().error(configured.error().text());
        return exit_usage;
    }
    int failed = exit_config;
    auto read = read_configuration(options, failed);
    if (!read) return failed;
    broker::Prepared& prepared = *read;

    if (options.check) {
        const auto problems = broker::check_databases(prepared);
        for (const auto& problem : problems) output().error(problem);
        if (!problems.empty()) return exit_unavailable;
        output().info(options.config + ": good; " + std::to_string(prepared.databases.size()) + " databases, " +
                      std::to_string(prepared.policies.size()) + " policies, " + std::to_string(prepared.issuers.size()) + " issuers");
        return exit_ok;
    }

    std::string ca;
    if (options.dev) {
        auto made = make_dev_files(prepared);
        if (!made) {
            output().error(made.error().text());
            return exit_unavailable;
        }
        ca = std::move(*made);
    }
    // Before the first thread, so that every thread has them blocked and this one can wait for them.
    sigset_t stop_signals;
    sigemptyset(&stop_signals);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&stop_signals, number);
    pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a full disk
    // Administrative passwords are in this process's memory: no core files, and nobody of the same user reads it.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

    net::HttpServerOptions server_options;
    server_options.address = prepared.config.listen_address;
    server_options.port = prepared.config.listen_port;
    server_options.certificate_chain = prepared.certificate_chain;
    server_options.private_key = prepared.private_key;
    server_options.handler_threads = 64;  // most of them wait for a database or an issuer
    broker::ServiceWorld world;
    world.log = write_log;
    auto service = broker::Service::make(prepared, std::move(world));
    if (!service) {
        output().error(service.error().text());
        return exit_unavailable;
    }
    net::HttpHandler handler;
    handler.respond = [raw = service->get()](const net::HttpRequest& request) { return raw->respond(request); };
    handler.max_body_bytes = [raw = service->get()](const net::HttpRequest& head) { return raw->max_body_bytes(head); };
    handler.report = [](std::string_view line) { output().line(Level::error, "server", line); };
    auto server = net::HttpServer::start(std::move(server_options), std::move(handler));
    if (!server) {
        output().error(server.error().text());
        return server.error().code == net::errc::bad_certificate ? exit_config : exit_unavailable;
    }
    (*service)->start();
    const bool is_v6 = prepared.config.listen_address.find(':') != std::string::npos;
    const std::string host = is_v6 ? "[" + prepared.config.listen_address + "]" : prepared.config.listen_address;
    say_ready(options, prepared, "https://" + host + ":" + std::to_string((*server)->port()), ca);

    int received = 0;
    for (;;) {
        sigwait(&stop_signals, &received);
        if (received != SIGHUP) break;
        reload(options, **service);
    }
    output().line(Level::info, "serve", "stopping; open sessions live on until their leases end");
    (*server)->stop(stop_grace);
    (*service)->stop();
    return exit_ok;
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "serve", "The policy service: who may do what on which database\n\n"
                 "Exchanges CI identity tokens for short sessions, makes a database role for each, and takes it away."
    );
    command->add_option("--config,-c", options->config, "The configuration, dbguard-serve(5)")->type_name("FILE")->required()->envname("DBGUARD_SERVE_CONFIG");
    command->add_option("--listen", options->listen, "Instead of the configuration's `listen`; port 0 takes a free one")->type_name("ADDRESS:PORT");
    command->add_flag("--check", options->check, "Read everything, ask the databases, and stop: 0 when all is well");
    command->add_flag("--dev", options->dev, "Use a throwaway certificate and say how to trust it");
    command->add_flag("--json", options->json, "Log as JSON lines; one JSON line with the URL on stdout once it is ready");
    command->add_flag("--quiet,-q", options->quiet, "Log errors only");
    command->add_flag("--verbose,-v", options->verbose, "Log everything");
    command->footer("Examples:\n"
                    "  dbguard serve --config serve.yaml --check     is the configuration good, are the databases willing?\n"
                    "  dbguard serve --config serve.yaml --dev       try it on this machine\n\n"
                    "Reads the configuration and the policies again on SIGHUP, stops cleanly on SIGTERM. See dbguard-serve(1) and dbguard-serve(5).\n");
    command->callback([options, &exit_code] { exit_code = serve(*options); });
}

}  // namespace dbguard::cli
