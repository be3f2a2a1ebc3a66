#pragma once

// Sockets that take connections: TCP, or a Unix socket in a folder of its own.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "net/event_loop.hpp"

namespace dbguard::net {

namespace errc {
inline constexpr std::string_view bad_address = "bad_address";
inline constexpr std::string_view not_loopback = "not_loopback";
inline constexpr std::string_view cannot_listen = "cannot_listen";
}  // namespace errc

/// Where to listen.
struct ListenAddress {
    std::string host = "127.0.0.1";  ///< a numeric address, or `localhost`
    std::uint16_t port = 0;          ///< 0: one that is free
    std::string directory;           ///< not empty: a Unix socket in this folder instead

    bool operator==(const ListenAddress&) const = default;
};

/// `HOST:PORT`, `[::1]:PORT`, `PORT` or `unix:DIR`. Errors: bad_address.
Result<ListenAddress> parse_listen_address(std::string_view text);

class Listener : private Watcher {
  public:
    /// Called with each new connection.
    using OnAccept = std::function<void(UniqueFd)>;

    explicit Listener(EventLoop& loop) : loop_(loop) {}
    ~Listener() override;

    /// Binds and listens; connections are taken from now on. Only loopback addresses unless `allow_remote`.
    /// The folder of a Unix socket is made with mode 0700, or must be the user's own and closed to others; the socket's
    /// file is `.s.PGSQL.<port>`, as libpq looks for it; connections of other users are closed unanswered.
    /// Errors: not_loopback, cannot_listen.
    Result<void> listen(const ListenAddress& address, bool allow_remote, OnAccept on_accept);
    /// As bound: with the real port. For a Unix socket `port` is that of its file's name.
    const ListenAddress& address() const { return address_; }

    /// No connection is taken until resume().
    void pause();
    void resume();
    void close();

  private:
    void ready(std::uint32_t events) override;
    Result<void> listen_tcp(bool allow_remote);
    Result<void> listen_unix();

    EventLoop& loop_;
    UniqueFd socket_;
    ListenAddress address_;
    OnAccept on_accept_;
    std::string socket_file_;
    bool made_directory_ = false;
    bool paused_ = false;
    EventLoop::TimerId retry_ = 0;  ///< while there are no descriptors for connections
};

}  // namespace dbguard::net
