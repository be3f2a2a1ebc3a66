#pragma once

// The guard as clients meet it: a listener with a user and password of its own, and for each client that logs in a connection to
// the database server and a relay::Session between them. Moves bytes, opens and closes, watches the clock; what the bytes mean is
// relay's. One thread: everything happens in the event loop it is given.
//
// The record goes first: Session::flush() before anything is sent to the server.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "net/event_loop.hpp"
#include "net/listener.hpp"
#include "relay/postgres/adapter.hpp"
#include "relay/session.hpp"
#include "tunnel/client_login.hpp"
#include "upstream/postgres_connector.hpp"

namespace dbguard::tunnel {

class Connection;

/// Makes the engine of one client's session. Errors: why there can be none (the record cannot be opened, …); the client is told.
using SessionFactory = std::function<Result<std::unique_ptr<relay::Session>>()>;

struct GuardOptions {
    net::ListenAddress listen;
    bool allow_remote = false;
    std::shared_ptr<upstream::PostgresConnector> server;
    /// What clients name; empty: any name, and all of them mean the server's target.
    std::string database;
    SessionFactory make_session;
    relay::postgres::AdapterLimits limits{};

    /// Fewer when this process may not have that many descriptors, two for each. What keeps a flood small is what one costs: a few
    /// kB, and before the login no more than a password message of 16 kB and the login's time.
    std::size_t max_connections = 4000;
    /// From accepting to the end of both logins. PostgreSQL's authentication_timeout is as long.
    std::chrono::milliseconds login_timeout{60'000};
    /// After a wrong password; PostgreSQL's auth_delay has the same use.
    std::chrono::milliseconds failed_login_delay{500};
    /// How long a client may take to read the last bytes of a session that is over.
    std::chrono::milliseconds closing_timeout{10'000};
    /// Told once for each thing worth a line in the log: "connection refused by the server", … Without secrets. May be empty.
    std::function<void(std::string_view)> on_warning;
};

class Guard {
  public:
    using Options = GuardOptions;

    Guard(net::EventLoop& loop, Options options);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    /// Listens. Errors: those of net::Listener.
    Result<void> start();
    /// As bound.
    const net::ListenAddress& address() const { return listener_.address(); }
    const std::string& user() const { return terms_.user; }
    const Secret& password() const { return password_; }
    const std::string& database() const { return options_.database; }

    std::uint64_t connections_made() const { return connections_made_; }
    std::size_t connections_open() const { return connections_.size(); }
    /// Not empty: a record could not be written. No connection is served any more.
    const std::string& failure() const { return failure_; }

    /// Accepts no more, and ends every session with a FATAL error (57P01) to its client. `reason` is one word, as in the record's
    /// `end`. What can be sent without waiting is sent.
    void stop(std::string_view reason);

  private:
    friend class Connection;

    void accept(UniqueFd socket);
    void remove(Connection& connection);
    void fail(std::string reason);
    void warn(std::string_view text) const;
    /// What the client gets as BackendKeyData: the server's own process id, because clients tell by it which notifications are
    /// theirs, and a secret key that is not the server's. Process id and key in one number; no other connection has it.
    std::uint64_t register_key(Connection& connection, std::uint32_t process_id);
    void forget_key(std::uint64_t key);
    void cancel(std::uint64_t key);
    /// On a thread of its own: opens a connection, sends the request, waits until the server closes it. Then the connection that
    /// has `key` is told; 0: none is.
    void cancel_at_server(std::uint32_t process_id, std::string secret_key, std::uint64_t key);

    net::EventLoop& loop_;
    Options options_;
    Secret password_;
    LoginTerms terms_;
    net::Listener listener_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::unordered_map<std::uint64_t, Connection*> by_key_;
    relay::postgres::Output output_;  ///< of the step at hand: one for all connections
    std::uint64_t connections_made_ = 0;
    std::string failure_;
    bool stopped_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for work of other threads that comes back late
};

}  // namespace dbguard::tunnel
