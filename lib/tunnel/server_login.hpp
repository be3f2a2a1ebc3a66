#pragma once

// Opening the connection to the server and logging in, without blocking the loop: directly where that needs neither name resolution
// nor TLS, else on a thread of its own.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/event_loop.hpp"
#include "net/stream.hpp"
#include "upstream/postgres_connector.hpp"
#include "upstream/postgres_login.hpp"

namespace dbguard::tunnel {

class ServerLogin : private net::Watcher {
  public:
    struct Outcome {
        /// Set: failed. Why, for the log.
        std::optional<Error> error;
        /// The server refused the login: what it said.
        std::optional<wire::postgres::ErrorFields> server_error;
        net::Stream stream;
        upstream::PostgresSession session;
        std::string leftover;
    };
    using Done = std::function<void(Outcome)>;

    ServerLogin(net::EventLoop& loop, std::shared_ptr<upstream::PostgresConnector> server);
    ~ServerLogin() override;

    /// Calls `done` once, later, in the loop, unless this is destroyed before.
    void start(upstream::UrlParameters parameters, std::chrono::milliseconds timeout, Done done);

  private:
    void ready(std::uint32_t events) override;
    bool start_here();
    void start_thread(std::chrono::milliseconds timeout);
    void begin_login();
    void flush();
    void finish(Outcome outcome);
    void fail(std::string_view code, std::string detail);

    net::EventLoop& loop_;
    std::shared_ptr<upstream::PostgresConnector> server_;
    upstream::UrlParameters parameters_;
    Done done_;
    net::Stream stream_;
    std::unique_ptr<upstream::PostgresLogin> login_;
    std::string unsent_;
    bool connecting_ = false;
    bool watched_ = false;
    std::uint32_t watched_events_ = 0;
    std::shared_ptr<ServerLogin*> self_;  ///< emptied when this is destroyed
};

}  // namespace dbguard::tunnel
