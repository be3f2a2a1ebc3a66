#include "broker/grants.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <ctime>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "base/quoting.hpp"

namespace dbguard::broker {

using upstream::Deadline;
using upstream::PostgresConnection;
using upstream::QueryResult;

namespace {

/// Administrative connections kept open, and in use at most: a burst of jobs must not use up the server's.
constexpr std::size_t max_idle = 4;
constexpr int max_places = 8;

std::string identifier(std::string_view name) { return in_quotes(name, '"'); }

/// standard_conforming_strings is on in these connections, so a backslash is itself.
std::string literal(std::string_view text) { return in_quotes(text, '\''); }

std::string timestamp(identity::Time time) {
    const std::time_t seconds = time.time_since_epoch().count();
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S+00", &parts);
    return {text, size};
}

/// Names and comments reach SQL text: PostgreSQL itself takes no NUL in either.
bool is_plain(std::string_view text) { return text.find('\0') == std::string_view::npos; }

bool is_true(const std::optional<std::string>& field) { return field == "t"; }

/// The server's words without the statement: a failing CREATE ROLE is not to show its verifier in a log.
std::string server_words(const PostgresConnection& connection, const Error& error) {
    const auto& fields = connection.last_error();
    if (error.code != upstream::errc::server_error || !fields) return error.text();
    std::string sqlstate, message, detail;
    for (const auto& [code, text] : fields->fields) {
        if (code == 'C') sqlstate = text;
        if (code == 'M') message = text;
        if (code == 'D') detail = " (" + text.substr(0, 300) + ")";  // what still depends on a role
    }
    return sqlstate + " " + message + detail;
}

Error unavailable(const PostgresConnection& connection, const Error& error) {
    return Error{errc::database_unavailable, server_words(connection, error)};
}

}  // namespace

std::string role_prefix(std::string_view instance) { return "dbguard_" + std::string(instance) + "_"; }

std::string role_name(std::string_view instance, std::string_view session) {
    std::string name = role_prefix(instance);
    for (const char c : session) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return name;
}

bool is_read_only(const policy::Role& role) {
    using sql::EffectClass;
    // What works in a read-only transaction: PostgreSQL manual, SET TRANSACTION. (nextval, a `read` to policy, does not.)
    constexpr EffectClass harmless[] = {
        EffectClass::read, EffectClass::tx, EffectClass::session, EffectClass::bulk_export, EffectClass::notify
    };
    for (const auto& rule : role.rules) {
        if (rule.verdict == policy::Verdict::deny) continue;
        for (const auto opened : rule.classes) {
            const bool reads = std::any_of(std::begin(harmless), std::end(harmless), [&](EffectClass outer) { return sql::inside(opened, outer); });
            if (!reads) return false;
        }
    }
    return true;
}

std::string scram_verifier(const Secret& password, std::string_view salt, int iterations) {
    const std::string& text = password.reveal();
    std::string salted(32, '\0');
    PKCS5_PBKDF2_HMAC(
        text.data(), static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(salt.data()),
        static_cast<int>(salt.size()), iterations, EVP_sha256(), static_cast<int>(salted.size()),
        reinterpret_cast<unsigned char*>(salted.data())
    );
    const std::string stored_key = sha256(hmac_sha256(salted, "Client Key"));
    const std::string server_key = hmac_sha256(salted, "Server Key");
    return "SCRAM-SHA-256$" + std::to_string(iterations) + ":" + base64(salt) + "$" + base64(stored_key) + ":" + base64(server_key);
}

// ---- connections ---------------------------------------------------------------------------------------------------------

Grants::Grants(const Database& database, upstream::PostgresTarget target, std::shared_ptr<upstream::PostgresConnector> connector)
    : settings_(database.settings), password_(database.mint_password), target_(std::move(target)), connector_(std::move(connector)) {}

Result<std::unique_ptr<Grants>> Grants::make(const Database& database) {
    const auto& settings = database.settings;
    upstream::PostgresTarget target;
    target.host = settings.host;
    target.port = settings.port;
    target.database = settings.database;
    target.user = settings.mint->user;
    if (settings.tls_mode == "disable") target.tls.mode = upstream::SslMode::disable;
    else if (settings.tls_mode == "require") target.tls.mode = upstream::SslMode::require;
    else if (settings.tls_mode == "verify-ca") target.tls.mode = upstream::SslMode::verify_ca;
    else target.tls.mode = upstream::SslMode::verify_full;
    target.tls.root_certificates = database.root_certificates_file;
    // `row_security` and friends do not matter here; what does is that no setting changes what our texts mean, and that no
    // schema stands before pg_catalog's names.
    target.startup_parameters = {
        {"application_name", "dbguard serve"},
        {"options", "-c standard_conforming_strings=on -c search_path=pg_catalog -c statement_timeout=30000 -c lock_timeout=5000 -c default_transaction_read_only=off"},
    };
    auto connector = upstream::PostgresConnector::make(target, database.mint_password, "");
    if (!connector) return connector.error();
    return std::unique_ptr<Grants>(new Grants(database, std::move(target), std::move(*connector)));
}

class Grants::Place {
  public:
    Place(Grants& grants, Deadline deadline) : grants_(grants) {
        std::unique_lock lock(grants_.mutex_);
        held_ = grants_.place_free_.wait_until(lock, deadline, [&] { return grants_.places_taken_ < max_places; });
        if (held_) ++grants_.places_taken_;
    }
    ~Place() {
        if (!held_) return;
        const std::lock_guard lock(grants_.mutex_);
        --grants_.places_taken_;
        grants_.place_free_.notify_one();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    bool held() const { return held_; }

  private:
    Grants& grants_;
    bool held_ = false;
};

Result<PostgresConnection> Grants::take(Deadline deadline) {
    {
        const std::lock_guard lock(mutex_);
        while (!idle_.empty()) {
            PostgresConnection connection = std::move(idle_.back());
            idle_.pop_back();
            if (connection.usable()) return connection;
        }
    }
    auto connection = PostgresConnection::connect(*connector_, deadline);
    if (!connection) return Error{errc::database_unavailable, connection.error().text()};
    return connection;
}

void Grants::give_back(PostgresConnection connection) {
    if (!connection.usable()) return;
    const std::lock_guard lock(mutex_);
    if (idle_.size() < max_idle) idle_.push_back(std::move(connection));
}

Result<PostgresConnection> Grants::connect_to(const std::string& database, Deadline deadline) {
    upstream::PostgresTarget target = target_;
    target.database = database;
    auto connector = upstream::PostgresConnector::make(std::move(target), password_, "");
    if (!connector) return connector.error();
    return PostgresConnection::connect(**connector, deadline);
}

// ---- making ----------------------------------------------------------------------------------------------------------------

namespace {

/// What is known of a login role before anybody is made a member of it.
struct LoginRole {
    bool found = false;
    std::string too_powerful;  ///< why it could undo what limits it; empty: it could not
    std::vector<std::pair<std::string, std::string>> settings;
    bool admin_is_superuser = false;
};

/// One round trip. Whoever may become such a role, or touch the server's files and programs, is a superuser by a detour (PostgreSQL
/// manual, "Predefined Roles"). Settings that only a superuser may give are left out unless we are one: they concern the server (logging,
/// preloading), not what statements mean.
constexpr std::string_view login_query = R"sql(
SELECT r.rolsuper, r.rolcreaterole, r.rolreplication, me.rolsuper,
       split_part(s.setting, '=', 1), substr(s.setting, strpos(s.setting, '=') + 1),
       (SELECT min(x.rolname) FROM pg_catalog.pg_roles x
        WHERE x.oid <> r.oid AND pg_has_role(r.oid, x.oid, 'MEMBER')
          AND (x.rolsuper OR x.rolcreaterole OR x.rolreplication
               OR x.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')))
FROM pg_catalog.pg_roles me
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $1
LEFT JOIN LATERAL (
    SELECT unnest(c.setconfig) AS setting, c.setdatabase
    FROM pg_catalog.pg_db_role_setting c
    WHERE c.setrole = r.oid
      AND c.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
) s ON me.rolsuper OR EXISTS (
    SELECT FROM pg_catalog.pg_settings g
    WHERE g.name = split_part(s.setting, '=', 1) AND g.context IN ('user', 'backend'))
WHERE me.rolname = current_user
ORDER BY s.setdatabase NULLS FIRST
)sql";

Result<LoginRole> look_up(PostgresConnection& connection, std::string_view login, Deadline deadline) {
    const std::optional<std::string_view> parameters[] = {login};
    const auto result = connection.query(login_query, parameters, deadline);
    if (!result) return result.error();
    LoginRole role;
    for (const auto& row : result->rows) {
        if (row.size() != 7) return Error{upstream::errc::server_error, "unexpected answer"};
        role.admin_is_superuser = is_true(row[3]);
        if (!row[0]) continue;
        role.found = true;
        if (is_true(row[0])) role.too_powerful = "is SUPERUSER";
        else if (is_true(row[1])) role.too_powerful = "is CREATEROLE";
        else if (is_true(row[2])) role.too_powerful = "is REPLICATION";
        else if (row[6]) role.too_powerful = "is a member of " + *row[6];
        if (row[4] && row[5]) role.settings.emplace_back(*row[4], *row[5]);
    }
    return role;
}

Result<void> acceptable(const LoginRole& role, std::string_view login) {
    if (!role.found) return Error{errc::cannot_grant, "the login role " + std::string(login) + " does not exist"};
    if (!role.too_powerful.empty())
        return Error{errc::cannot_grant, "the login role " + std::string(login) + " " + role.too_powerful + ": it could undo what limits it"};
    return {};
}

/// Roles come and go without waiting for the server's disk: one that a crash brings back is swept, and one that it takes away ends
/// its session.
constexpr std::string_view without_waiting = "SELECT pg_catalog.set_config('synchronous_commit', 'off', true);\n";

std::string creation(const GrantRequest& request, const LoginRole& login, const std::string& verifier, std::uint32_t connections) {
    const auto user = identifier(request.user);
    // Several statements in one simple query are one transaction: all or nothing.
    std::string sql = std::string(without_waiting) + "CREATE ROLE " + user + " LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS" +
                      " CONNECTION LIMIT " + std::to_string(connections) + " PASSWORD " + literal(verifier) +
                      " VALID UNTIL " + literal(timestamp(request.valid_until)) + ";\n";
    sql += "COMMENT ON ROLE " + user + " IS " + literal(request.comment) + ";\n";
    sql += "GRANT " + identifier(request.login) + " TO " + user + ";\n";
    // To end its connections and to hand on what it owns, we must be a member of it.
    if (!login.admin_is_superuser) sql += "GRANT " + user + " TO CURRENT_USER;\n";
    for (const auto& [name, value] : login.settings) {
        if (name == "role" || name == "session_authorization") continue;
        // FROM CURRENT takes lists (search_path) as they are, without parsing and quoting them again.
        sql += "SELECT pg_catalog.set_config(" + literal(name) + ", " + literal(value) + ", true);\n";
        sql += "ALTER ROLE " + user + " SET " + identifier(name) + " FROM CURRENT;\n";
    }
    sql += "ALTER ROLE " + user + " SET role = " + literal(request.login) + ";\n";
    if (request.read_only) sql += "ALTER ROLE " + user + " SET default_transaction_read_only = on;\n";
    if (request.statement_timeout)
        sql += "ALTER ROLE " + user + " SET statement_timeout = " + std::to_string(request.statement_timeout->count()) + ";\n";
    return sql;
}

}  // namespace

Result<Secret> Grants::create(const GrantRequest& request, Deadline deadline) {
    const Place place(*this, deadline);
    if (!place.held()) return Error{errc::database_unavailable, "too many requests wait for it"};
    if (!is_plain(request.login) || !is_plain(request.comment) || !is_plain(request.user))
        return Error{errc::cannot_grant, "a name with a NUL"};
    auto connection = take(deadline);
    if (!connection) return connection.error();
    auto login = look_up(*connection, request.login, deadline);
    if (!login && !connection->usable()) {
        // It was an idle one that the server had closed.
        connection = PostgresConnection::connect(*connector_, deadline);
        if (!connection) return Error{errc::database_unavailable, connection.error().text()};
        login = look_up(*connection, request.login, deadline);
    }
    if (!login) return unavailable(*connection, login.error());
    if (const auto good = acceptable(*login, request.login); !good) {
        give_back(std::move(*connection));
        return good.error();
    }
    // 160 bits; letters and digits only, so that no client quotes it wrongly and SASLprep changes nothing.
    Secret password(random_id("", 32));
    const auto verifier = scram_verifier(password, random_bytes(16), 4096);
    const auto made = connection->query(creation(request, *login, verifier, settings_.connections), deadline);
    if (!made) {
        const Error error = connection->usable() ? Error{errc::cannot_grant, server_words(*connection, made.error())}
                                                 : unavailable(*connection, made.error());
        give_back(std::move(*connection));
        return error;
    }
    give_back(std::move(*connection));
    return password;
}

// ---- removing --------------------------------------------------------------------------------------------------------------

namespace {

/// A row when the role is there, and one for each other database in which it owns something or was granted something.
constexpr std::string_view role_query = R"sql(
SELECT DISTINCT d.datname
FROM pg_catalog.pg_roles r
LEFT JOIN (pg_catalog.pg_shdepend s JOIN pg_catalog.pg_database d ON d.oid = s.dbid AND d.datname <> current_database())
    ON s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = r.oid
WHERE r.rolname = $1
)sql";

std::string release(std::string_view user, std::string_view login) {
    std::string sql;
    if (!login.empty()) sql = "REASSIGN OWNED BY " + identifier(user) + " TO " + identifier(login) + ";\n";
    return sql + "DROP OWNED BY " + identifier(user) + ";\n";
}

/// No new connections first, in a transaction of its own; then the end of those there are, each of which gets two seconds to go.
std::string disconnect(std::string_view user) {
    return "BEGIN; " + std::string(without_waiting) + "ALTER ROLE " + identifier(user) + " NOLOGIN; COMMIT;\n" + std::string(without_waiting) +
           "SELECT pg_catalog.pg_terminate_backend(pid, 2000) FROM pg_catalog.pg_stat_activity WHERE usename = " + literal(user) + ";\n";
}

}  // namespace

Result<void> Grants::drop(std::string_view user, std::string_view login, Deadline deadline) {
    const Place place(*this, deadline);
    if (!place.held()) return Error{errc::database_unavailable, "too many requests wait for it"};
    if (!is_plain(user) || !is_plain(login)) return Error{errc::cannot_drop, "a name with a NUL"};
    auto connection = take(deadline);
    if (!connection) return connection.error();
    const std::optional<std::string_view> name[] = {user};
    auto found = connection->query(role_query, name, deadline);
    if (!found && !connection->usable()) {
        connection = PostgresConnection::connect(*connector_, deadline);
        if (!connection) return Error{errc::database_unavailable, connection.error().text()};
        found = connection->query(role_query, name, deadline);
    }
    if (!found) return unavailable(*connection, found.error());
    if (found->rows.empty()) {
        give_back(std::move(*connection));
        return {};
    }
    const auto run = [&](const std::string& sql) -> Result<void> {
        const auto done = connection->query(sql, deadline);
        if (done) return {};
        const Error reason{errc::cannot_drop, server_words(*connection, done.error())};
        // After a failure inside of BEGIN … COMMIT the connection would stay in its transaction.
        if (connection->usable()) static_cast<void>(connection->query("ROLLBACK", deadline));
        give_back(std::move(*connection));
        return reason;
    };
    std::string sql = disconnect(user);
    for (const auto& row : found->rows) {
        if (row.empty() || !row[0]) continue;
        if (!sql.empty())
            if (auto done = run(sql); !done) return done;
        sql.clear();
        auto other = connect_to(*row[0], deadline);
        const auto released = other ? other->query(release(user, login), deadline) : Result<QueryResult>(other.error());
        if (!released) {
            const std::string why = other ? server_words(*other, released.error()) : released.error().text();
            give_back(std::move(*connection));
            return Error{errc::cannot_drop, "in database " + *row[0] + ": " + why};
        }
    }
    if (auto done = run(sql + release(user, login) + "DROP ROLE IF EXISTS " + identifier(user)); !done) return done;
    give_back(std::move(*connection));
    return {};
}

Result<std::vector<Grants::Found>> Grants::list(std::string_view prefix, Deadline deadline) {
    const Place place(*this, deadline);
    if (!place.held()) return Error{errc::database_unavailable, "too many requests wait for it"};
    auto connection = take(deadline);
    if (!connection) return connection.error();
    const std::optional<std::string_view> parameters[] = {prefix};
    constexpr std::string_view sql = R"sql(
SELECT r.rolname, (
    SELECT min(l.rolname) FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles l ON l.oid = m.roleid
    WHERE m.member = r.oid)
FROM pg_catalog.pg_roles r WHERE starts_with(r.rolname, $1)
)sql";
    auto result = connection->query(sql, parameters, deadline);
    if (!result && !connection->usable()) {
        connection = PostgresConnection::connect(*connector_, deadline);
        if (!connection) return Error{errc::database_unavailable, connection.error().text()};
        result = connection->query(sql, parameters, deadline);
    }
    if (!result) return unavailable(*connection, result.error());
    std::vector<Found> found;
    for (const auto& row : result->rows)
        if (row.size() == 2 && row[0]) found.push_back({*row[0], row[1].value_or("")});
    give_back(std::move(*connection));
    return found;
}

Result<void> Grants::check(const std::vector<std::string>& logins, Deadline deadline) {
    const Place place(*this, deadline);
    if (!place.held()) return Error{errc::database_unavailable, "too many requests wait for it"};
    auto connection = take(deadline);
    if (!connection) return connection.error();
    const auto me = connection->query("SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user", deadline);
    if (!me) return unavailable(*connection, me.error());
    if (me->rows.empty() || me->rows[0].empty() || !is_true(me->rows[0][0]))
        return Error{errc::cannot_grant, "the login " + settings_.mint->user + " has no CREATEROLE"};
    for (const auto& login : logins) {
        const auto role = look_up(*connection, login, deadline);
        if (!role) return unavailable(*connection, role.error());
        if (const auto good = acceptable(*role, login); !good) return good;
        const std::optional<std::string_view> parameters[] = {login};
        const auto member = connection->query(
            "SELECT pg_catalog.pg_has_role(current_user, $1, 'USAGE') AND "
            "pg_catalog.pg_has_role(current_user, $1, 'MEMBER WITH ADMIN OPTION')",
            parameters, deadline
        );
        if (!member) return unavailable(*connection, member.error());
        if (member->rows.empty() || member->rows[0].empty() || !is_true(member->rows[0][0]))
            return Error{errc::cannot_grant, "GRANT " + login + " TO " + settings_.mint->user + " WITH ADMIN OPTION is needed"};
    }
    give_back(std::move(*connection));
    return {};
}

}  // namespace dbguard::broker
