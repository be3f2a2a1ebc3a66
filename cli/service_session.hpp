#pragma once

// `run` with a policy service: this job's identity becomes a session.

#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "broker/api.hpp"
#include "broker/client.hpp"
#include "login/token_source.hpp"

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

}  // namespace dbguard::cli
