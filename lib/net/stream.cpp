#include "net/stream.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace dbguard::net {

namespace {

using Status = Transfer::Status;

Transfer from_errno() {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {Status::would_block};
    return {Status::failed};
}

Transfer from_ssl(SSL* ssl, int result) {
    switch (SSL_get_error(ssl, result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: return {Status::would_block};
        case SSL_ERROR_ZERO_RETURN: return {Status::closed};
        default: ERR_clear_error(); return {Status::failed};
    }
}

}  // namespace

Stream::Stream(UniqueFd socket) : socket_(std::move(socket)) {
    const int flags = ::fcntl(fd(), F_GETFL);
    if ((flags & O_NONBLOCK) == 0) ::fcntl(fd(), F_SETFL, flags | O_NONBLOCK);
    const int on = 1;
    ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails harmlessly on a Unix socket
}

Stream::Stream(Stream&& other) noexcept
    : socket_(std::move(other.socket_)), ssl_(std::exchange(other.ssl_, nullptr)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
    close();
    socket_ = std::move(other.socket_);
    ssl_ = std::exchange(other.ssl_, nullptr);
    return *this;
}

Stream::~Stream() { close(); }

void Stream::use_tls(SSL* ssl) {
    // A retried write may come from another buffer: what was not written is kept elsewhere meanwhile.
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    ssl_ = ssl;
}

Transfer Stream::read(std::span<char> buffer) {
    if (ssl_ == nullptr) {
        for (;;) {
            const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), 0);
            if (count > 0) return {Status::done, static_cast<std::size_t>(count)};
            if (count == 0) return {Status::closed};
            if (errno != EINTR) return from_errno();
        }
    }
    // A TLS record is at most 16 KiB: gather as many as fit, so that what follows works on large runs, and so that nothing
    // stays behind in OpenSSL's own buffer, of which epoll knows nothing.
    std::size_t total = 0;
    while (total < buffer.size()) {
        ERR_clear_error();
        const auto room = std::min<std::size_t>(buffer.size() - total, INT_MAX);
        const int count = SSL_read(ssl_, buffer.data() + total, static_cast<int>(room));
        if (count <= 0) {
            if (total > 0) break;
            return from_ssl(ssl_, count);
        }
        total += static_cast<std::size_t>(count);
    }
    return {Status::done, total};
}

bool Stream::buffered() const { return ssl_ != nullptr && SSL_pending(ssl_) > 0; }

Transfer Stream::write(std::span<const iovec> parts) {
    std::size_t total = 0;
    if (ssl_ != nullptr) {
        for (const auto& part : parts) {
            std::size_t at = 0;
            while (at < part.iov_len) {
                ERR_clear_error();
                const auto left = std::min<std::size_t>(part.iov_len - at, INT_MAX);
                const int count =
                    SSL_write(ssl_, static_cast<const char*>(part.iov_base) + at, static_cast<int>(left));
                if (count <= 0) {
                    if (total > 0) return {Status::done, total};
                    return from_ssl(ssl_, count);
                }
                at += static_cast<std::size_t>(count);
                total += static_cast<std::size_t>(count);
            }
        }
        return {Status::done, total};
    }
    while (!parts.empty()) {
        const auto now = parts.first(std::min<std::size_t>(parts.size(), IOV_MAX));
        std::size_t asked = 0;
        for (const auto& part : now) asked += part.iov_len;
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(now.data());
        message.msg_iovlen = now.size();
        // One piece is the rule, and send() is the cheaper call.
        const ssize_t count = now.size() == 1 ? ::send(fd(), now[0].iov_base, now[0].iov_len, MSG_NOSIGNAL) : ::sendmsg(fd(), &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return total > 0 ? Transfer{Status::done, total} : from_errno();
        total += static_cast<std::size_t>(count);
        if (static_cast<std::size_t>(count) < asked) break;
        parts = parts.subspan(now.size());
    }
    return {Status::done, total};
}

Transfer Stream::write(std::string_view bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return write(std::span(&part, 1));
}

void Stream::finish_writing() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_);
    if (socket_) ::shutdown(fd(), SHUT_WR);
}

void Stream::close() {
    if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
    socket_.reset();
}

}  // namespace dbguard::net
