#pragma once

// A connected, non-blocking socket as a byte stream, in the clear or through TLS: what a pump reads from and writes to.

#include <sys/uio.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

typedef struct ssl_st SSL;

namespace dbguard::net {

/// What a read or a write came to.
struct Transfer {
    enum class Status : std::uint8_t {
        done,         ///< `bytes` were moved; fewer than asked for: nothing more for now
        would_block,  ///< nothing for now
        closed,       ///< read: the peer will send nothing more
        failed,       ///< the connection is over
    };
    Status status = Status::done;
    std::size_t bytes = 0;
};

class Stream {
  public:
    Stream() = default;
    /// Takes a connected socket; makes it non-blocking and switches Nagle's algorithm off where there is one.
    explicit Stream(UniqueFd socket);
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) noexcept;
    ~Stream();

    /// From now on through this TLS connection, whose handshake is finished. Takes `ssl`, which must have been made for
    /// this stream's socket (SSL_set_fd).
    void use_tls(SSL* ssl);
    bool tls() const { return ssl_ != nullptr; }

    int fd() const { return socket_.get(); }
    explicit operator bool() const { return static_cast<bool>(socket_); }

    /// Reads what is there, at most buffer.size().
    Transfer read(std::span<char> buffer);
    /// Something was received that read() has not given yet, and of which epoll knows nothing.
    bool buffered() const;
    /// Writes the parts in order, as far as the socket takes them.
    Transfer write(std::span<const iovec> parts);
    Transfer write(std::string_view bytes);

    /// Nothing more will be written (a half-close).
    void finish_writing();
    void close();

  private:
    UniqueFd socket_;
    SSL* ssl_ = nullptr;
};

}  // namespace dbguard::net
