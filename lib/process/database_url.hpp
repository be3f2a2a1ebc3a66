#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dbguard::process {

/// Where the child finds its database: dbguard's own listener.
struct Target {
    std::string engine = "postgres";  ///< or "mysql"
    std::string host;  ///< an address, or the absolute path of the socket's directory
    std::uint16_t port = 0;
    std::string user;
    std::string password;  ///< of this session only; the child is meant to have it
    std::string database;
    std::string session;  ///< `s_…`

    bool is_socket() const { return host.starts_with('/'); }
};

/// Where a URL leads, as far as it says; for telling whether it is the guarded database.
struct Place {
    std::string host;
    std::string port;  ///< the engine's own when the URL names none
    std::string database;
    bool operator==(const Place&) const = default;
};

/// Empty when `url` is no URL of this engine (postgres, postgresql, postgresql+psycopg, postgis, pgsql, psql,
/// mysql, mysql2, mariadb, each also behind `jdbc:`).
std::optional<Place> place_of(std::string_view url, std::string_view engine);

/// `model` with host, port, user, password and database replaced: its scheme and its harmless parameters stay
/// (an application's name, Prisma's `schema`, a pool's size), those that name TLS files, ask for encryption or
/// lead elsewhere go, and `sslmode=disable` comes where the driver understands it, since the listener is local.
/// Without a usable model: `postgresql://…` or `mysql://…`. Source: libpq, "Connection URIs"; wrapping.md C8
/// has the other drivers.
std::string rewrite_url(std::string_view model, const Target& target);

/// `jdbc:postgresql://HOST:PORT/DB?user=…&password=…`. The PostgreSQL driver does not speak Unix sockets by itself.
std::string jdbc_url(std::string_view model, const Target& target);

}  // namespace dbguard::process
