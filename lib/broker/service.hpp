#pragma once

// The policy service behind its HTTPS door: who is asking (identity), which role that opens (policy), a credential for the
// session (grants), what is remembered (store), the recording as it grows (recordings). Start at Service::respond(); the life of
// a session is exchange.cpp, then sessions.cpp. Reads the clock it is given and listens on nothing: cli/cmd_serve.cpp puts
// net::HttpServer before it.
//
// Every decision is in the audit table before its answer leaves. What cannot be written down is not allowed.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "broker/api.hpp"
#include "broker/config.hpp"
#include "broker/grants.hpp"
#include "broker/keys.hpp"
#include "broker/rate_limit.hpp"
#include "broker/recordings.hpp"
#include "broker/store.hpp"
#include "net/http_server.hpp"

namespace dbguard::broker {

namespace errc {
/// What a running service cannot change: detail says what. The old configuration stays.
inline constexpr std::string_view needs_restart = "needs_restart";
}  // namespace errc

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// One line of the log. Holds no token, password or row value.
struct LogEntry {
    LogLevel level = LogLevel::info;
    std::string_view event;
    std::vector<std::pair<std::string_view, std::string>> fields;
};
using Log = std::function<void(const LogEntry& entry)>;

/// The world outside; tests give their own.
struct ServiceWorld {
    std::function<identity::Time()> now;  ///< empty: the system clock
    HttpClientFactory clients;            ///< empty: default_http_clients()
    Log log;                              ///< may be empty; called from several threads
};

/// Asks each database that mints whether its administrative login can do that for the policies' roles: a line for each that
/// cannot. Connects, changes nothing.
std::vector<std::string> check_databases(const Prepared& prepared);

class Service {
  public:
    /// Opens the store and the recordings under data_dir (made, mode 0700), and makes the mask key when the configuration names
    /// none (data_dir/mask.key). Connects to nothing yet. Errors: store_failed, recording_failed, those of Grants::make and
    /// IssuerKeys::make, cannot_read.
    static Result<std::unique_ptr<Service>> make(Prepared prepared, ServiceWorld world);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// For net::HttpHandler. Safe from several threads.
    net::HttpResponse respond(const net::HttpRequest& request);
    std::size_t max_body_bytes(const net::HttpRequest& head) const;

    /// Fetches keys and opens connections, so that the first job does not wait; then sweeps every config.sweep until stop().
    void start();
    /// Stops the sweeper. Sessions stay open: their leases end them if no service comes back. May be called twice.
    void stop();
    /// From the next request on, another configuration: all of it or, with an error, nothing. Requests that began go on under
    /// the one they began with, and so do open sessions, except that their leases follow the new times. What a former
    /// configuration made in a database is still removed there. Errors: needs_restart (listen, data_dir), those of make().
    Result<void> reload(Prepared prepared);
    /// One round: ends sessions whose lease or time is over, removes the roles of ended sessions, and with `strays` also this
    /// service's roles that belong to no open session, and recordings that were kept long enough. Returns how many roles were removed.
    std::size_t sweep(bool strays);

    Store& store() { return *store_; }

  private:
    struct Answer;
    struct Choice;
    /// What one reading of the configuration makes. Immutable; shared by the requests that began under it.
    struct Generation {
        Prepared prepared;
        std::shared_ptr<IssuerKeys> keys;
        /// By logical name, only `mint`; of one name the current one first, then those of former addresses that may still hold
        /// sessions' roles.
        std::multimap<std::string, std::shared_ptr<Grants>, std::less<>> grants;

        const Database* find_database(std::string_view name) const;
        Grants* grants_of(std::string_view database) const;
    };
    explicit Service(ServiceWorld world);
    Result<std::shared_ptr<const Generation>> generate(Prepared prepared, const Generation* before);
    std::shared_ptr<const Generation> current() const;
    void become(std::shared_ptr<const Generation> next);

    identity::Time now() const { return world_.now(); }
    void log(LogLevel level, std::string_view event, std::vector<std::pair<std::string_view, std::string>> fields) const;

    // exchange.cpp
    net::HttpResponse exchange(const net::HttpRequest& request);
    static Result<Choice> choose(
        const Generation& now, const identity::Identity& identity, const ExchangeRequest& request, AuditEntry& audit
    );
    Result<SessionGrant> open_session(const Generation& current, const Choice& choice, const IssuerKeys::Verified& verified, AuditEntry& audit);
    Result<void> replace_earlier(const StoredSession& session);
    net::HttpResponse refuse(const net::HttpRequest& request, AuditEntry audit, const Error& reason);

    // sessions.cpp
    net::HttpResponse session_request(const net::HttpRequest& request, std::string_view id, std::string_view action);
    net::HttpResponse renew(const StoredSession& session);
    net::HttpResponse end(const net::HttpRequest& request, const StoredSession& session);
    net::HttpResponse recording(const net::HttpRequest& request, const StoredSession& session);
    std::optional<StoredSession> authenticate(const net::HttpRequest& request, std::string_view id);
    /// Ends it in the store and at the database. True: its role is gone.
    bool end_session(const StoredSession& session, std::string_view reason, const AuditEntry* why = nullptr);
    bool drop_user(const StoredSession& session);
    void remove_recordings();

    static net::HttpResponse error(int status, std::string_view name, std::string description, std::string correlation = "");
    static net::HttpResponse reply(int status, std::string json);

    ServiceWorld world_;
    std::string instance_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<Recordings> recordings_;
    FailureLimit failures_;
    std::atomic<int> exchanges_{0};  ///< running now

    std::mutex reload_mutex_;  ///< one at a time
    mutable std::mutex generation_mutex_;
    std::shared_ptr<const Generation> generation_;

    std::mutex sweep_mutex_;  ///< one round at a time
    std::mutex mutex_;        ///< for stop_ and fresh_
    std::condition_variable wake_;
    bool stop_ = false;
    bool fresh_ = true;  ///< the configuration's databases were not asked yet
    std::thread sweeper_;
};

}  // namespace dbguard::broker
