#include "process/database_url.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/encoding.hpp"

namespace dbguard::process {
namespace {

constexpr std::array<std::string_view, 5> postgres_schemes = {
    "postgresql", "postgres", "postgis", "pgsql", "psql"};
constexpr std::array<std::string_view, 3> mysql_schemes = {"mysql", "mysql2", "mariadb"};

/// Parameters that must not reach the listener's URL, in lower case. The rest of a URL's parameters stay.
constexpr std::array<std::string_view, 46> dropped_parameters = {
    // where and as whom: that is what is replaced
    "host",
    "hostaddr",
    "port",
    "user",
    "username",
    "password",
    "dbname",
    "database",
    "passfile",
    "service",
    "servicefile",
    "target_session_attrs",
    "targetservertype",
    "load_balance_hosts",
    "loadbalancehosts",
    "requirepeer",
    "socket",
    "unix_socket",
    "socketpath",
    // encryption and its files: the listener is local and has a certificate of nobody
    "ssl",
    "sslmode",
    "ssl-mode",
    "ssl_mode",
    "sslnegotiation",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcertmode",
    "sslidentity",
    "sslaccept",
    "sslfactory",
    "ssl_ca",
    "ssl-ca",
    "ssl_cert",
    "ssl-cert",
    "ssl_key",
    "ssl-key",
    "requiressl",
    "channel_binding",
    "channelbinding",
    "require_auth",
    // GSSAPI would be asked for before anything else
    "gssencmode",
};

struct Parts {
    bool jdbc = false;
    std::string_view scheme;
    std::string_view authority;
    std::string_view path;   ///< without its slash
    std::string_view query;  ///< without its question mark
};

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return out;
}

bool is_of_engine(std::string_view scheme, std::string_view engine) {
    const std::string base = lower(scheme.substr(0, scheme.find('+')));
    const auto among = [&](const auto& list) {
        return std::find(list.begin(), list.end(), base) != list.end();
    };
    return engine == "mysql" ? among(mysql_schemes) : among(postgres_schemes);
}

/// Source: RFC 3986 §3, and JDBC's `jdbc:` before it.
std::optional<Parts> split(std::string_view url, std::string_view engine) {
    Parts parts;
    if (lower(url.substr(0, 5)) == "jdbc:") {
        parts.jdbc = true;
        url.remove_prefix(5);
    }
    const auto scheme_end = url.find("://");
    if (scheme_end == url.npos) return std::nullopt;
    parts.scheme = url.substr(0, scheme_end);
    if (!is_of_engine(parts.scheme, engine)) return std::nullopt;
    std::string_view rest = url.substr(scheme_end + 3);
    rest = rest.substr(0, rest.find('#'));
    if (const auto question = rest.find('?'); question != rest.npos) {
        parts.query = rest.substr(question + 1);
        rest = rest.substr(0, question);
    }
    if (const auto slash = rest.find('/'); slash != rest.npos) {
        parts.path = rest.substr(slash + 1);
        rest = rest.substr(0, slash);
    }
    parts.authority = rest;
    return parts;
}

std::string decoded(std::string_view text) {
    return percent_decode(text).value_or(std::string(text));
}

template <class Visit>
void for_each_parameter(std::string_view query, Visit visit) {
    while (!query.empty()) {
        const std::string_view one = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), one.size() + 1));
        if (!one.empty()) visit(one.substr(0, one.find('=')), one);
    }
}

/// What of the model's parameters goes on, as it stands there.
std::string kept_parameters(std::string_view query) {
    std::string kept;
    for_each_parameter(query, [&](std::string_view name, std::string_view whole) {
        const std::string key = lower(decoded(name));
        if (std::find(dropped_parameters.begin(), dropped_parameters.end(), key) !=
            dropped_parameters.end())
            return;
        kept += (kept.empty() ? "" : "&") + std::string(whole);
    });
    return kept;
}

/// Whether the driver behind this scheme takes libpq's `sslmode`. asyncpg, pg8000 and others behind SQLAlchemy
/// refuse an argument they do not know (and read PGSSLMODE, or try without TLS when the server says no).
bool takes_sslmode(std::string_view scheme) {
    const auto plus = scheme.find('+');
    return plus == scheme.npos || scheme.substr(plus + 1).starts_with("psycopg");
}

void add(std::string& query, std::string_view name, std::string_view value) {
    query += (query.empty() ? "" : "&") + std::string(name) + "=" + percent_encode(value);
}

}  // namespace

std::optional<Place> place_of(std::string_view url, std::string_view engine) {
    const auto parts = split(url, engine);
    if (!parts) return std::nullopt;
    Place place;
    std::string_view server = parts->authority;
    if (const auto at = server.rfind('@'); at != server.npos) server.remove_prefix(at + 1);
    const auto bracket = server.rfind(']');
    const auto colon = server.rfind(':');
    if (colon != server.npos && (bracket == server.npos || colon > bracket)) {
        place.port = server.substr(colon + 1);
        server = server.substr(0, colon);
    }
    if (server.starts_with('[') && server.ends_with(']'))
        server = server.substr(1, server.size() - 2);
    place.host = lower(decoded(server));
    place.database = decoded(parts->path);
    for_each_parameter(parts->query, [&](std::string_view name, std::string_view whole) {
        const std::string key = lower(decoded(name));
        const std::string value = decoded(whole.substr(std::min(whole.size(), name.size() + 1)));
        if (key == "host") place.host = lower(value);
        if (key == "port") place.port = value;
        if (key == "dbname") place.database = value;
    });
    if (place.port.empty()) place.port = engine == "mysql" ? "3306" : "5432";
    return place;
}

std::string rewrite_url(std::string_view model, const Target& target) {
    const auto parts = split(model, target.engine);
    if (parts && parts->jdbc) return jdbc_url(model, target);
    const std::string scheme = parts
                                   ? std::string(parts->scheme)
                                   : std::string(target.engine == "mysql" ? "mysql" : "postgresql");
    std::string query = kept_parameters(parts ? parts->query : std::string_view());
    std::string url =
        scheme + "://" + percent_encode(target.user) + ":" + percent_encode(target.password) + "@";
    const bool bracket = target.host.find(':') != std::string::npos;
    if (!target.is_socket()) url += (bracket ? "[" + target.host + "]" : target.host) + ":" + std::to_string(target.port);
    url += "/" + percent_encode(target.database);
    if (target.is_socket()) {
        add(query, target.engine == "mysql" ? "socket" : "host", target.host);
        if (target.engine != "mysql") add(query, "port", std::to_string(target.port));
    }
    if (target.engine != "mysql" && takes_sslmode(scheme)) add(query, "sslmode", "disable");
    return query.empty() ? url : url + "?" + query;
}

std::string jdbc_url(std::string_view model, const Target& target) {
    const auto parts = split(model, target.engine);
    std::string query = kept_parameters(parts && parts->jdbc ? parts->query : std::string_view());
    add(query, "user", target.user);
    add(query, "password", target.password);
    if (target.engine != "mysql") add(query, "sslmode", "disable");
    return "jdbc:" + std::string(target.engine == "mysql" ? "mysql" : "postgresql") + "://" +
           (target.is_socket() ? "127.0.0.1" : target.host) + ":" + std::to_string(target.port) +
           "/" + percent_encode(target.database) + "?" + query;
}

}  // namespace dbguard::process
