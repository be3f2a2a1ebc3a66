#pragma once

// A database role for one session: made with nothing but the policy role's `login`, and gone afterwards.
//
//   dbguard_<instance>_<session>   LOGIN NOINHERIT, a random password of which the server only ever sees the SCRAM verifier,
//                                  VALID UNTIL the session's end, a connection limit, member of the login role and of nothing
//                                  else, no attribute, owns nothing
//   ALTER ROLE … SET role = login  so that what the session creates belongs to the login role and outlives the session
//   … and the login role's own settings (search_path, …), which would otherwise be lost, default_transaction_read_only where no
//   rule of the role writes, and statement_timeout from its limits
//
// NOINHERIT is the membership's kind in PostgreSQL 16 and later as well (GRANT takes it from the member), so that RESET ROLE or
// SET ROLE NONE leaves a role without any privilege.
// The administrative login: CREATEROLE, and member of each login role WITH ADMIN OPTION; a superuser is not needed.
// Source: PostgreSQL manual, CREATE ROLE, GRANT, ALTER ROLE, REASSIGN OWNED, DROP OWNED, "Role Membership".

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "broker/config.hpp"
#include "identity/identity.hpp"
#include "upstream/postgres_connection.hpp"

namespace dbguard::broker {

namespace errc {
/// The database cannot be reached, or refused the administrative login: trying again may help.
inline constexpr std::string_view database_unavailable = "database_unavailable";
/// The login role is missing, too powerful, or the administrative login lacks a right; detail: which. An operator must act.
inline constexpr std::string_view cannot_grant = "cannot_grant";
/// The session's role could not be removed yet; it cannot log in any more.
inline constexpr std::string_view cannot_drop = "cannot_drop";
}  // namespace errc

/// What a session's role is to be.
struct GrantRequest {
    std::string user;     ///< from role_name()
    std::string login;
    std::string comment;  ///< who and why, for the database's administrators
    identity::Time valid_until;
    bool read_only = false;
    std::optional<std::chrono::milliseconds> statement_timeout;
};

/// `dbguard_<instance>_<session in lower case>`: what follows the prefix is the service's and the session's own.
std::string role_name(std::string_view instance, std::string_view session);
/// `dbguard_<instance>_`
std::string role_prefix(std::string_view instance);

/// True when no rule of the role opens anything that writes: then its transactions may be read-only to the server as well.
bool is_read_only(const policy::Role& role);

/// PostgreSQL's stored form of a password (SCRAM-SHA-256$4096:salt$stored key:server key), from plain ASCII.
/// Source: RFC 5803, RFC 7677; PostgreSQL manual, pg_authid.
std::string scram_verifier(const Secret& password, std::string_view salt, int iterations);

/// Makes and removes session roles in one database. Keeps an administrative connection open between calls, because a session's
/// beginning waits for it. Safe to use from several threads.
class Grants {
  public:
    /// `database` must have `mint`. Errors: those of upstream::PostgresConnector::make.
    static Result<std::unique_ptr<Grants>> make(const Database& database);

    /// All or nothing. Errors: database_unavailable, cannot_grant.
    Result<Secret> create(const GrantRequest& request, upstream::Deadline deadline);
    /// Stops log-ins, ends what runs, hands what it owns to `login` (in whatever database of the server), removes it. Does
    /// nothing when it is gone already. Errors: database_unavailable, cannot_drop.
    Result<void> drop(std::string_view user, std::string_view login, upstream::Deadline deadline);
    /// Roles in the server that begin with `prefix`, with the login role each is member of (empty: of none).
    struct Found {
        std::string user;
        std::string login;
    };
    Result<std::vector<Found>> list(std::string_view prefix, upstream::Deadline deadline);
    /// What `serve --check` and start-up look at: the login works and has CREATEROLE, each of `logins` exists and is not too
    /// powerful. Errors: database_unavailable, cannot_grant.
    Result<void> check(const std::vector<std::string>& logins, upstream::Deadline deadline);

  private:
    Grants(const Database& database, upstream::PostgresTarget target, std::shared_ptr<upstream::PostgresConnector> connector);

    /// Holds one of the few places at the database while a call uses a connection.
    class Place;
    Result<upstream::PostgresConnection> take(upstream::Deadline deadline);
    void give_back(upstream::PostgresConnection connection);
    Result<upstream::PostgresConnection> connect_to(const std::string& database, upstream::Deadline deadline);

    DatabaseSettings settings_;
    Secret password_;
    upstream::PostgresTarget target_;
    std::shared_ptr<upstream::PostgresConnector> connector_;
    std::mutex mutex_;  ///< for what follows
    std::condition_variable place_free_;
    std::vector<upstream::PostgresConnection> idle_;
    int places_taken_ = 0;
};

}  // namespace dbguard::broker
