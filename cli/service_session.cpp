#include "cli/service_session.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "cli/duration.hpp"
#include "cli/output.hpp"
#include "login/exchange.hpp"
#include "net/http_client.hpp"
#include "policy/load.hpp"
#include "upstream/postgres_connector.hpp"

namespace dbguard::cli {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

/// `guard.example` of `https://guard.example:8443/x`.
std::string host_name(const std::string& url) {
    std::string host = net::host_of(url);
    const auto bracket = host.rfind(']');
    const auto colon = host.rfind(':');
    if (colon != host.npos && (bracket == host.npos || colon > bracket)) host.resize(colon);
    return host;
}

/// What the service's refusals mean to the one who wrote the pipeline. Source: broker/api.hpp, error_name.
std::string advice(
    const std::string& error, const ServiceOptions& options, const std::string& audience
) {
    using namespace broker::error_name;
    if (error == invalid_request)
        return "; the service does not accept this job's token: its issuer, its audience (" +
               audience + ") or the time may not be what the service expects";
    if (error == invalid_target) return "; no role opens " + options.database + " for this job";
    if (error == invalid_scope)
        return options.role.empty() ? "; several roles match: name one with --role"
                                    : "; this job may not be " + options.role;
    return "";
}

}  // namespace

void add_service_options(CLI::App& command, ServiceOptions& options) {
    const auto service = [](CLI::Option* option) { return option->group("With a policy service"); };
    service(command.add_option(
                "--db", options.database, "The database, by the name the policy has for it"
            ))
        ->type_name("NAME");
    service(command.add_option("--server", options.server, "The policy service"))
        ->type_name("URL")
        ->envname("DBGUARD_SERVER");
    service(
        command.add_option(
            "--server-ca", options.server_ca, "Its certificate's authority, PEM; else the system's"
        )
    )
        ->type_name("FILE")
        ->envname("DBGUARD_SERVER_CA");
    service(command.add_option(
                "--audience",
                options.audience,
                "Whom the identity token is for [the service's host name]"
            ))
        ->type_name("NAME")
        ->envname("DBGUARD_AUDIENCE");
    service(command.add_option(
                "--token-source",
                options.token.source,
                "Where it comes from, instead of detecting the platform"
            ))
        ->check(CLI::IsMember({"github", "gitlab", "file", "env", "command"}))
        ->type_name("SOURCE");
    service(command.add_option("--token-env", options.token.variable, "It is in this variable"))
        ->type_name("NAME");
    service(command.add_option("--token-file", options.token.file, "It is in this file"))
        ->type_name("FILE");
    service(command.add_option("--token-command", options.token.command, "This command prints it"))
        ->type_name("COMMAND");
    service(command.add_option_function<std::string>(
                "--session-timeout",
                [&options](const std::string& text) {
                    const auto value = parse_duration(text);
                    if (!value || value->count() == 0)
                        throw CLI::ValidationError(
                            "--session-timeout", "'" + text + "' is no duration such as 30s"
                        );
                    options.patience = *value;
                },
                "For getting the token and the session, with all retries [60s]"
            ))
        ->type_name("DURATION");
}

std::string check(const ServiceOptions& options) {
    if (options.server.empty())
        return "--db needs a policy service: --server URL (or DBGUARD_SERVER)";
    if (!options.server.starts_with("https://")) return "--server must be an https:// URL";
    return {};
}

std::vector<std::string> identity_variables(const ServiceOptions& options) {
    std::vector<std::string> names = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "DBGUARD_ID_TOKEN"};
    if (!options.token.variable.empty()) names.push_back(options.token.variable);
    return names;
}

Result<OpenedSession> open_session(const ServiceOptions& options) {
    broker::Endpoint endpoint{.url = options.server, .ca_file = options.server_ca};
    endpoint.timeout = std::min(endpoint.timeout, options.patience);
    endpoint.connect_timeout = std::min(endpoint.connect_timeout, options.patience);
    // The platform's own token endpoint is asked without --server-ca: that authority is the service's. Without --server-ca the
    // service is believed by what this machine believes, SSL_CERT_FILE included.
    const net::HttpClientOptions platform = login::http_options(login::from_process());
    endpoint.proxy = platform.proxy;
    endpoint.no_proxy = platform.no_proxy;
    if (endpoint.ca_file.empty()) endpoint.ca_file = platform.ca_file;
    const auto http = net::make_http_client(platform);
    const broker::Client client(endpoint);

    auto& clock = login::real_clock();
    const auto deadline = clock.now() + options.patience;
    auto source = login::choose_token_source(options.token, {login::from_process(), *http, clock});
    if (!source) return source.error();
    const std::string audience =
        options.audience.empty() ? host_name(options.server) : options.audience;
    output().detail("identity: " + (*source)->describe() + ", for " + audience);

    std::optional<broker::SessionGrant> grant;
    const auto exchanged = login::exchange(
        **source,
        audience,
        clock,
        deadline,
        [&](const Secret& token) -> std::optional<login::ExchangeFailure> {
            broker::FailedExchange failed;
            auto reply = client.exchange(
                {.subject_token = token, .database = options.database, .role = options.role},
                &failed
            );
            if (reply) {
                grant = std::move(*reply);
                return std::nullopt;
            }
            const std::string text =
                reply.error().detail + advice(failed.reply.error, options, audience);
            if (failed.again) output().detail("no session yet: " + text);
            return login::ExchangeFailure{
                .error = Error{reply.error().code, text},
                .again = failed.again,
                .token_unused = failed.token_unused,
                .not_before = failed.not_before};
        }
    );
    if (!exchanged) return exchanged.error();
    return OpenedSession{client, std::move(*grant)};
}

Result<std::shared_ptr<upstream::PostgresConnector>> connector_for(
    const broker::DatabaseAccess& access
) {
    upstream::PostgresTarget target;
    target.host = access.host;
    target.port = access.port;
    target.user = access.user;
    target.database = access.name;
    target.startup_parameters = {{"application_name", "dbguard"}};
    const auto modes = {
        upstream::SslMode::disable,
        upstream::SslMode::require,
        upstream::SslMode::verify_ca,
        upstream::SslMode::verify_full};
    const auto mode = std::find_if(modes.begin(), modes.end(), [&](auto one) {
        return upstream::name(one) == access.tls.mode;
    });
    if (mode == modes.end())
        return Error{
            errc::bad_option,
            "the service asks for sslmode " + access.tls.mode +
                ", which this version does not know"};
    target.tls.mode = *mode;
    target.tls.root_certificates = "system";

    // The service sends certificates as text; what reads them wants a file.
    UniqueFd roots;
    if (!access.tls.root_certificates.empty()) {
        const std::string& pem = access.tls.root_certificates;
        roots = UniqueFd(::memfd_create("dbguard-roots", MFD_CLOEXEC));
        if (!roots ||
            ::write(roots.get(), pem.data(), pem.size()) != static_cast<ssize_t>(pem.size()))
            return Error{
                dbguard::errc::cannot_open,
                std::string("memory for the server's roots: ") + std::strerror(errno)};
        target.tls.root_certificates = "/proc/self/fd/" + std::to_string(roots.get());
    }
    // No home: a client certificate of the runner's user is none of this session's.
    return upstream::PostgresConnector::make(std::move(target), access.password, "");
}

Result<std::unique_ptr<Guard>> start_guard_for(
    const broker::SessionGrant& grant, GuardParts parts
) {
    if (grant.placement != broker::Placement::runner)
        return Error{
            errc::bad_option,
            "the service places this session in its gateway, which this version does not know"};
    if (grant.database.engine != "postgres")
        return Error{
            errc::bad_option,
            "the service offers a " + grant.database.engine +
                " database, which this version does not know"};
    auto loaded = policy::load(grant.policy_text, "the service's policy");
    if (!loaded.policy) {
        const auto first =
            std::find_if(loaded.problems.begin(), loaded.problems.end(), [](const auto& one) {
                return one.severity == policy::Severity::error;
            });
        return Error{
            errc::bad_policy,
            first == loaded.problems.end() ? "the service's policy cannot be used"
                                           : policy::text(*first)};
    }
    auto server = connector_for(grant.database);
    if (!server) return server.error();
    parts.policy = std::make_shared<const policy::Policy>(std::move(*loaded.policy));
    parts.role = grant.role;
    parts.session = grant.session;
    parts.database = grant.database_name;
    parts.upstream_name = (*server)->target().address();
    parts.server = std::move(*server);
    parts.mask_key = grant.mask_key;
    parts.who = grant.who;
    return start_guard(std::move(parts));
}

Result<TemporaryFolder> TemporaryFolder::make() {
    std::string base = variable("RUNNER_TEMP");
    if (base.empty()) base = variable("TMPDIR");
    if (base.empty()) base = "/tmp";
    std::string path = base + "/dbguard-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
        return Error{dbguard::errc::cannot_open, base + ": " + std::strerror(errno)};
    return TemporaryFolder(std::move(path));
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace dbguard::cli
