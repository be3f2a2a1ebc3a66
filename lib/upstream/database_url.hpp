#pragma once

// Connecting and logging in to a database server as its client. This room knows where the server is (database_url), how far it
// is trusted (tls), how one logs in (postgres_login, without I/O), how connections are opened (postgres_connector) and how
// dbguard asks questions of its own (postgres_connection). What sessions do on a connection afterwards is the relay's.
//
// This file: database URLs as CI variables hold them, read strictly.
// Source: PostgreSQL manual, "Connection Strings" and "Parameter Key Words"; RFC 3986.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace dbguard::upstream {

namespace errc {
inline constexpr std::string_view bad_url =
    "bad_database_url";  ///< detail: what and at which character, from 1
inline constexpr std::string_view bad_option =
    "bad_database_option";  ///< a parameter with a value that cannot be used
}  // namespace errc

enum class Engine : std::uint8_t { postgres, mysql };

using UrlParameters = std::vector<std::pair<std::string, std::string>>;

/// A parsed URL. All parts are decoded.
struct DatabaseUrl {
    std::string
        scheme;  ///< as given: postgresql, postgres, postgresql+psycopg, mysql, mysql2, mariadb, …
    Engine engine = Engine::postgres;
    std::string
        host;  ///< name, address without brackets, or a Unix socket's directory (begins with '/')
    std::uint16_t port = 0;  ///< the engine's usual one when the URL names none
    std::string user;        ///< empty: none given
    std::optional<Secret> password;
    std::string database;      ///< empty: none given
    UrlParameters parameters;  ///< all of the query, in its order; `host` and the like included

    bool is_socket() const { return host.starts_with('/'); }
    /// The last one of this name.
    std::optional<std::string_view> parameter(std::string_view name) const;
};

/// Parts may come from parameters as in libpq (`host`, `port`, `dbname`, `user`, `password`); given twice with different values
/// they are refused. Errors: bad_url (wrong scheme, no host, bad percent-encoding, several hosts, a fragment, …). The detail
/// never repeats the user's part of the URL.
Result<DatabaseUrl> parse_database_url(std::string_view text);

/// Reads one environment variable; empty optional: not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
/// The process's own.
Environment process_environment();

// ---- what a PostgreSQL URL asks for ----------------------------------------------------------------------------------

/// As libpq's words. `allow` and `prefer` do not exist here: both silently go on without TLS when somebody on the way says so.
enum class SslMode : std::uint8_t { disable, require, verify_ca, verify_full };
enum class ChannelBinding : std::uint8_t { disable, prefer, require };
std::string_view name(SslMode mode);

struct TlsSettings {
    SslMode mode = SslMode::verify_full;
    std::string
        root_certificates;  ///< a file; "system"; empty: ~/.postgresql/root.crt if there is one, else the system's
    std::string
        client_certificate;  ///< a file; empty: ~/.postgresql/postgresql.crt if there is one
    std::string client_key;  ///< a file; empty: ~/.postgresql/postgresql.key if there is one
    bool operator==(const TlsSettings&) const = default;
};

/// Where and as whom to log in.
struct PostgresTarget {
    std::string host;  ///< name, address, or a socket's directory
    std::uint16_t port = 5432;
    std::string user;
    std::string database;
    TlsSettings tls;
    /// No sslmode was given and the server is on this machine (loopback, socket): `tls.mode` is disable, because nothing leaves
    /// it. Worth a line to the user; sslmode=verify-full in the URL asks for TLS all the same.
    bool plain_by_default = false;
    ChannelBinding channel_binding = ChannelBinding::prefer;
    std::chrono::seconds connect_timeout{15};  ///< of opening, TLS and login together
    /// From the URL, for dbguard's own connections: application_name, options, client_encoding.
    UrlParameters startup_parameters;

    bool is_socket() const { return host.starts_with('/'); }
    /// "host:port" or the socket's path.
    std::string address() const;
};

/// What the URL says; what it does not say, from PGUSER, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY, PGCHANNELBINDING and
/// PGCONNECT_TIMEOUT; sslmode at last is verify-full, or disable when the server is on this machine.
/// Errors: bad_option (no user; sslmode allow or prefer; values or combinations that libpq, too, refuses; parameters that ask for
/// a protection dbguard has not got, such as require_auth or sslcrl).
Result<PostgresTarget> postgres_target(const DatabaseUrl& url, const Environment& environment);

/// Where the password comes from, first found first: the URL, PGPASSWORD (MySQL: MYSQL_PWD), and for PostgreSQL the URL's
/// passfile, PGPASSFILE, ~/.pgpass. Matching and mode check are libpq's.
struct FoundPassword {
    std::optional<Secret> password;
    std::string source;  ///< for people: "the URL", "PGPASSWORD", a file's name; empty: none found
    std::vector<std::string> warnings;  ///< such as: a passfile that others may read is ignored
};
FoundPassword find_password(const DatabaseUrl& url, const Environment& environment);

/// The password of the first matching line. `lines` is a passfile's text: host:port:database:user:password, with `\:` and `\\`.
/// Source: PostgreSQL manual, "The Password File".
std::optional<Secret> match_passfile(
    std::string_view lines,
    std::string_view host,
    std::string_view port,
    std::string_view database,
    std::string_view user
);

}  // namespace dbguard::upstream
