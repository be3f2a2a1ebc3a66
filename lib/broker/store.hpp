#pragma once

// What the service must not forget: sessions with their leases, tokens already used, and why each request was answered as it
// was. One interface; SQLite behind it (store_sqlite.cpp), PostgreSQL later. Session tokens are kept as SHA-256 only.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "identity/replay.hpp"

namespace dbguard::broker {

namespace errc {
/// The store cannot be opened, read or written; the caller answers temporarily_unavailable and lets nothing through.
inline constexpr std::string_view store_failed = "store_failed";
inline constexpr std::string_view too_many_sessions = "too_many_sessions";
}  // namespace errc

using Time = identity::Time;

enum class SessionState : std::uint8_t {
    opening,  ///< its credential is being made
    open,
    ended,
};

struct StoredSession {
    std::string id;
    std::string token_hash;  ///< SHA-256 of the session token, hexadecimal
    SessionState state = SessionState::opening;
    std::string policy;      ///< its name
    std::string policy_hash;
    std::string role;
    std::string database;    ///< logical name
    std::string login;
    std::string database_user;
    /// The database user was made for this session and has not been dropped yet.
    bool drop_user = false;
    std::string issuer;
    std::string subject;
    std::string job_id;      ///< may be empty
    std::string who;         ///< a line for people
    Time created;
    Time expires;            ///< however often it is renewed
    Time lease_until;
    std::optional<Time> ended;
    std::string end_reason;  ///< client, lease, ttl, replaced, error, …
    std::optional<std::chrono::seconds> keep;  ///< its recording, from its end on; empty: for ever
    bool recording_removed = false;

    bool operator==(const StoredSession&) const = default;
};

/// One decision of the service. Written before its answer leaves.
struct AuditEntry {
    Time at;
    std::string correlation_id;
    std::string event;     ///< exchange, renew, end, recording, sweep, retention
    std::string decision;  ///< allowed, refused, failed, done
    std::string reason;    ///< an error code with its detail; empty when allowed
    std::string peer;
    std::string session;
    std::string database;
    std::string policy;
    std::string role;
    std::string identity;  ///< the policy's name for the caller
    std::string issuer;
    std::string subject;
    std::string token_id;
    std::string key_id;
    std::string who;       ///< ids and names from verified claims, as JSON

    bool operator==(const AuditEntry&) const = default;
};

/// Safe to use from several threads. Every function fails with store_failed when the store is out of reach.
class Store : public identity::ReplayStore {
  public:
    /// Distinguishes this service's roles in a database from another service's: 6 characters, made once for each store.
    virtual Result<std::string> instance() = 0;

    /// Adds a session unless `max_open` sessions of its database and role are opening or open already: one atomic step.
    /// Errors: too_many_sessions.
    virtual Result<void> add(const StoredSession& session, std::optional<std::uint64_t> max_open) = 0;
    /// opening → open, together with the decision that allowed it. False: the session was ended meanwhile, and nothing was written.
    virtual Result<bool> opened(std::string_view id, const AuditEntry& decision) = 0;
    virtual Result<std::optional<StoredSession>> find(std::string_view id) = 0;
    /// Prolongs an open session's lease. False: it is not open.
    virtual Result<bool> renew(std::string_view id, Time lease_until) = 0;
    /// → ended, once, together with an audit entry where one is given: false when it was ended before.
    virtual Result<bool> end(std::string_view id, std::string_view reason, Time now, const AuditEntry* why = nullptr) = 0;
    /// The session's database user is gone. (A power cut may forget it: dropping again does no harm.)
    virtual Result<void> dropped(std::string_view id) = 0;

    /// Open (or opening) sessions of this job for this database and role.
    virtual Result<std::vector<StoredSession>> of_job(
        std::string_view issuer, std::string_view job_id, std::string_view database, std::string_view role
    ) = 0;
    /// Not ended, but past their lease or their end.
    virtual Result<std::vector<StoredSession>> overdue(Time now) = 0;
    /// Ended, but with a database user that is still to be dropped.
    virtual Result<std::vector<StoredSession>> undropped() = 0;
    /// The database users of all sessions that are not ended.
    virtual Result<std::vector<std::string>> users_in_use(std::string_view database) = 0;
    /// Ended, with a recording whose time to be kept is over; at most 500, the longest over first.
    virtual Result<std::vector<StoredSession>> past_keeping(Time now) = 0;
    /// The session's recording is gone, for the reason that `why` has.
    virtual Result<void> recording_removed(std::string_view id, const AuditEntry& why) = 0;
    /// The newest first.
    virtual Result<std::vector<StoredSession>> latest(std::size_t count) = 0;

    virtual Result<void> audit(const AuditEntry& entry) = 0;
    /// Of one correlation id, the oldest first.
    virtual Result<std::vector<AuditEntry>> audits(std::string_view correlation_id) = 0;
};

/// Opens or creates the file (mode 0600): WAL, synchronous FULL, STRICT tables. A file of a newer schema is refused.
/// Errors: store_failed.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path);

}  // namespace dbguard::broker
