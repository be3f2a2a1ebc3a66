#pragma once

// `run` with a policy service: this job's identity becomes a session.

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "broker/api.hpp"
#include "broker/client.hpp"
#include "cli/standalone.hpp"
#include "login/token_source.hpp"
#include "upstream/postgres_connector.hpp"

namespace CLI {
class App;
}

namespace dbguard::cli {

struct ServiceOptions {
    std::string database;   ///< --db
    std::string server;     ///< --server, DBGUARD_SERVER
    std::string server_ca;  ///< --server-ca, DBGUARD_SERVER_CA
    std::string audience;   ///< --audience, DBGUARD_AUDIENCE; empty: the host's name in `server`
    std::string role;       ///< --role; shared with standalone mode, so not added here
    login::TokenOptions token;
    /// For identity and exchange together, with all their tries.
    std::chrono::milliseconds patience{60'000};
};

void add_service_options(CLI::App& command, ServiceOptions& options);

/// Empty when the options go together; else what is wrong, for a usage error.
std::string check(const ServiceOptions& options);

/// The environment variables that hold this job's identity, for wiping once the session is open.
std::vector<std::string> identity_variables(const ServiceOptions& options);

struct OpenedSession {
    broker::Client client;
    broker::SessionGrant grant;
};

/// Gets a token and exchanges it, with retries until `patience` is over. Blocks. The detail of an error is for
/// people and names the cause and what to change; it holds no token.
Result<OpenedSession> open_session(const ServiceOptions& options);

/// How a session in `runner` placement reaches its database. Errors: bad_option, cannot_open.
Result<std::shared_ptr<upstream::PostgresConnector>> connector_for(const broker::DatabaseAccess& access);

/// The guard of a session in `runner` placement, as the service described it. `parts` brings where to listen and to record.
/// Errors: the grant cannot be used here (another engine or placement, a policy this version does not read); those of
/// start_guard().
Result<std::unique_ptr<Guard>> start_guard_for(const broker::SessionGrant& grant, GuardParts parts);

/// A folder of this run's own for a recording that only the service keeps; gone with this object.
class TemporaryFolder {
  public:
    /// Under RUNNER_TEMP, TMPDIR or /tmp, mode 0700. Errors: cannot_open.
    static Result<TemporaryFolder> make();
    TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    ~TemporaryFolder();

    const std::string& path() const { return path_; }

  private:
    explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

}  // namespace dbguard::cli
