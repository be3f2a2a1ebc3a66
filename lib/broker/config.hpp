#pragma once

// The service's configuration file (dbguard-serve(5)) as data, and the step that reads what it points to. Strict as the policy
// file: unknown and duplicate keys, anchors and look-alike words are errors with a position; what is not understood does not
// start.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "identity/issuer.hpp"
#include "policy/policy.hpp"
#include "policy/problem.hpp"

namespace dbguard::broker {

/// Paths are as written; relative ones count from the folder of the configuration file.
struct FilePath {
    std::string path;
    policy::Position at;
};

/// Where a secret is: exactly one of both. Never in the file itself.
struct SecretSource {
    std::string file;
    std::string variable;
    policy::Position at;
};

struct IssuerSettings {
    std::string name;
    policy::Position at;
    identity::IssuerConfig rules;
    std::optional<FilePath> jwks_file;         ///< static keys: no network
    std::optional<FilePath> ca_file;           ///< the only roots to trust for this issuer; absent: the system's
    std::vector<std::string> private_hosts;    ///< may be on a private network (exact host names)
    std::vector<std::string> jwks_hosts;       ///< other hosts that the discovery document may name for keys
};

struct LoginSettings {
    std::string user;
    SecretSource password;
};

struct DatabaseSettings {
    std::string name;
    policy::Position at;
    policy::Engine engine = policy::Engine::postgres;
    std::string host;
    std::uint16_t port = 5432;
    std::string database;
    std::string tls_mode = "verify-full";
    std::optional<FilePath> root_certificates;
    /// The administrative login that makes a role for each session. Absent: `stored`.
    std::optional<LoginSettings> mint;
    std::uint32_t connections = 32;  ///< connection limit of a minted role
    /// Credentials handed out as they are, by the `login` of the policy role.
    std::vector<LoginSettings> stored;
};

struct ServeConfig {
    std::string file;
    std::string listen_address = "127.0.0.1";
    std::uint16_t listen_port = 8443;
    std::optional<FilePath> certificate;
    std::optional<FilePath> private_key;
    std::string data_dir;
    policy::Position data_dir_at;
    std::optional<FilePath> mask_key_file;
    std::vector<IssuerSettings> issuers;
    std::vector<DatabaseSettings> databases;
    std::vector<FilePath> policies;

    std::chrono::seconds ttl{3600};      ///< of a session whose role says nothing
    std::chrono::seconds max_ttl{24 * 3600};  ///< of any session
    std::chrono::seconds lease{90};
    std::chrono::seconds heartbeat{30};
    std::chrono::seconds sweep{30};
    std::uint64_t recording_max_bytes = std::uint64_t{4} << 30;  ///< of one session
    std::optional<std::chrono::seconds> recording_keep;  ///< from a session's end, where its policy says nothing; empty: for ever
    std::uint32_t failures_per_minute = 30;  ///< refused exchanges of one address, then 429
};

struct ConfigResult {
    std::optional<ServeConfig> config;       ///< there when no problem is an error
    std::vector<policy::Problem> problems;
};

inline constexpr std::size_t max_config_bytes = 1 << 20;

/// Reads no other file. `file` is used in messages, and its folder for relative paths.
ConfigResult parse_config(std::string_view text, std::string_view file);

// ---- what the file points to -----------------------------------------------------------------------------------------

struct LoadedPolicy {
    policy::Policy policy;
    std::string text;
    std::string hash;  ///< `sha256:` and hexadecimal digits
};

struct StoredLogin {
    std::string user;
    Secret password;
};

struct Database {
    DatabaseSettings settings;
    std::string root_certificates_file;  ///< absolute; empty: the system's
    std::string root_certificates;       ///< PEM
    Secret mint_password;
    std::vector<StoredLogin> stored;
};

struct Issuer {
    IssuerSettings settings;
    std::string jwks;     ///< the text of jwks_file
    std::string ca_file;  ///< absolute; empty: the system's
};

/// All that a service needs, read and checked against each other.
struct Prepared {
    ServeConfig config;
    std::string certificate_chain;
    Secret private_key;
    Secret mask_key;
    std::string data_dir;
    std::vector<Issuer> issuers;
    std::vector<Database> databases;
    std::vector<LoadedPolicy> policies;
};

struct PrepareResult {
    std::optional<Prepared> prepared;       ///< there when no problem is an error
    std::vector<policy::Problem> problems;  ///< of all the files
};

/// Reads an environment variable; empty: not set.
using Lookup = std::function<std::string(const std::string& name)>;

/// Reads certificates, secrets, keys and policies, and looks for what can never work: a role whose database has no credential
/// for its login, the same role of one database in two policies, an identity whose issuer is not configured (a warning).
/// `need_certificate` is false for `--dev`, which brings its own.
PrepareResult prepare(const ServeConfig& config, const Lookup& environment, bool need_certificate);

}  // namespace dbguard::broker
