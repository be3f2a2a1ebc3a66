#pragma once

// One client and its connection to the server, from accept to close.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/event_loop.hpp"
#include "net/stream.hpp"
#include "relay/postgres/adapter.hpp"
#include "relay/session.hpp"
#include "tunnel/client_login.hpp"
#include "tunnel/server_login.hpp"

namespace dbguard::tunnel {

class Guard;

class Connection {
  public:
    Connection(Guard& guard, UniqueFd client);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Begins to read. False: the loop refused.
    bool start();
    /// The client's CancelRequest for this session came in on another connection.
    void cancel();
    /// The cancel request of dbguard's own is through.
    void cancel_sent();
    /// Ends the session: tells the client, sends what can be sent without waiting. The caller removes it.
    void stop(std::string_view reason);

  private:
    enum class State : std::uint8_t { client_login, server_login, relaying, closing };

    /// One of the two sockets.
    struct Side : net::Watcher {
        explicit Side(Connection& owner) : connection(owner) {}
        void ready(std::uint32_t events) override { connection.ready(*this, events); }

        Connection& connection;
        net::Stream stream;
        std::string unsent;  ///< what the socket did not take yet, from `sent` on
        std::size_t sent = 0;
        std::uint32_t watched = 0;  ///< events the loop is asked for; 0: it does not know the socket
        bool more = false;          ///< the last read filled the buffer: there may be more to read
        bool ended = false;         ///< the peer sends nothing more
        bool finished = false;      ///< nothing more will be written

        bool blocked() const { return sent < unsent.size(); }
    };

    void ready(Side& side, std::uint32_t events);
    void read_client();
    void read_server();
    void read_server_once();
    void write_rest(Side& side);
    void send(Side& side, relay::postgres::Gather& what);
    void send(Side& side, std::string_view bytes);
    bool watch(Side& side);
    bool client_held() const;
    void update_interest();

    void on_client_login(std::string_view bytes);
    void begin_session();
    void connect_server();
    void on_server_login(ServerLogin::Outcome outcome);
    void deliver();
    void arm_deadline();
    void on_client_end();
    void refuse(const relay::Refusal& refusal);
    void end_session(std::string_view reason);
    /// Sends what is left to the client, then closes.
    void close_soon();
    void remove();

    Guard& guard_;
    State state_ = State::client_login;
    bool removed_ = false;
    bool session_ended_ = false;
    Side client_{*this};
    Side server_{*this};
    std::unique_ptr<ClientLogin> client_login_;
    std::unique_ptr<ServerLogin> server_login_;
    std::unique_ptr<relay::Session> session_;
    std::unique_ptr<relay::postgres::Adapter> adapter_;
    net::EventLoop::TimerId timer_ = 0;           ///< of the login, or of closing
    net::EventLoop::TimerId deadline_timer_ = 0;  ///< of a statement
    std::uint64_t key_ = 0;                       ///< as told to the client
    std::uint32_t server_process_ = 0;
    std::string server_key_;
};

}  // namespace dbguard::tunnel
