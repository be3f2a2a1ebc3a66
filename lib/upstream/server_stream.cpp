// Bytes of a server connection, with or without TLS, each call with a deadline.

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "upstream/postgres_connector.hpp"

namespace dbguard::upstream {
namespace {

/// Waits until the socket is ready for one of `events`, or fails.
Result<void> wait_for(int fd, short events, Deadline deadline) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now()
        );
        if (left.count() <= 0) return Error{errc::timeout, ""};
        pollfd entry{fd, events, 0};
        const int ready =
            ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return Error{errc::connection_lost, std::strerror(errno)};
    }
}

Error tls_error(SSL* ssl, int result) {
    const int kind = SSL_get_error(ssl, result);
    const int system_error = errno;
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (kind == SSL_ERROR_ZERO_RETURN) return {errc::connection_lost, "closed by the server"};
    if (code != 0 && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return {errc::connection_lost, "closed by the server without TLS's goodbye"};
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    if (reason != nullptr) return {errc::connection_lost, reason};
    return {
        errc::connection_lost,
        system_error != 0 ? std::strerror(system_error) : "closed by the server"};
}

/// Empty: done, else what to wait for.
std::optional<short> wanted_by(SSL* ssl, int result) {
    const int kind = SSL_get_error(ssl, result);
    if (kind == SSL_ERROR_WANT_READ) return POLLIN;
    if (kind == SSL_ERROR_WANT_WRITE) return POLLOUT;
    return {};
}

}  // namespace

Result<void> ServerStream::write(std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        short events = POLLOUT;
        if (ssl) {
            ERR_clear_error();
            errno = 0;
            std::size_t written = 0;
            const int result = SSL_write_ex(ssl.get(), bytes.data(), bytes.size(), &written);
            if (result == 1) {
                bytes.remove_prefix(written);
                continue;
            }
            const auto wanted = wanted_by(ssl.get(), result);
            if (!wanted) return tls_error(ssl.get(), result);
            events = *wanted;
        } else {
            const auto written = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (written >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(written));
                continue;
            }
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                return Error{errc::connection_lost, std::strerror(errno)};
        }
        if (const auto ok = wait_for(fd.get(), events, deadline); !ok) return ok;
    }
    return {};
}

Result<void> ServerStream::read(std::string& into, std::size_t max_bytes, Deadline deadline) {
    const auto before = into.size();
    into.resize(before + max_bytes);
    const auto finish = [&](std::size_t count) { into.resize(before + count); };
    while (true) {
        short events = POLLIN;
        if (ssl) {
            ERR_clear_error();
            errno = 0;
            std::size_t count = 0;
            const int result = SSL_read_ex(ssl.get(), into.data() + before, max_bytes, &count);
            if (result == 1) {
                finish(count);
                return {};
            }
            const auto wanted = wanted_by(ssl.get(), result);
            if (!wanted) {
                finish(0);
                return tls_error(ssl.get(), result);
            }
            events = *wanted;
        } else {
            const auto count = ::recv(fd.get(), into.data() + before, max_bytes, 0);
            if (count > 0) {
                finish(static_cast<std::size_t>(count));
                return {};
            }
            if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
                finish(0);
                return Error{
                    errc::connection_lost,
                    count == 0 ? "closed by the server" : std::strerror(errno)};
            }
            if (errno == EINTR) continue;
        }
        if (const auto ok = wait_for(fd.get(), events, deadline); !ok) {
            finish(0);
            return ok;
        }
    }
}

void ServerStream::close() {
    if (ssl && fd) {
        ERR_clear_error();
        if (SSL_is_init_finished(ssl.get())) SSL_shutdown(ssl.get());
        ERR_clear_error();
    }
    ssl.reset();
    fd.reset();
}

}  // namespace dbguard::upstream
