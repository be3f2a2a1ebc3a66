#pragma once

// Opens connections to one PostgreSQL server: address, TLS, login, each with the deadline given. Blocking calls, each on the
// caller's thread; the sockets can be handed to an event loop afterwards. Keeps what makes the next login cheap: TLS sessions and
// SCRAM keys. Safe to use from several threads.

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/unique_fd.hpp"
#include "upstream/database_url.hpp"
#include "upstream/postgres_login.hpp"
#include "upstream/tls.hpp"

namespace dbguard::upstream {

namespace errc {
inline constexpr std::string_view cannot_resolve = "cannot_resolve";  ///< the host's name
inline constexpr std::string_view cannot_connect =
    "cannot_connect";  ///< detail: every address and its reason
inline constexpr std::string_view timeout = "upstream_timeout";
inline constexpr std::string_view connection_lost = "connection_lost";
}  // namespace errc

using Deadline = std::chrono::steady_clock::time_point;

/// A connection's socket and, with TLS, its SSL (handshake done, its BIO on that socket). The socket is non-blocking and
/// close-on-exec.
struct ServerStream {
    UniqueFd fd;
    SslPtr ssl;  ///< empty: plain. Declared behind fd: it goes first.

    /// All of `bytes`. Errors: timeout, connection_lost.
    Result<void> write(std::string_view bytes, Deadline deadline);
    /// At least one byte, at most `max_bytes`, appended to `into`. Errors: timeout, connection_lost (also for end of file).
    Result<void> read(std::string& into, std::size_t max_bytes, Deadline deadline);
    /// Says goodbye as far as that needs no waiting (close_notify), then closes.
    void close();
};

/// A logged-in connection. When `leftover` is not empty, it comes before whatever is read next.
struct OpenSession {
    ServerStream stream;
    PostgresSession session;
    std::string leftover;
};

class PostgresConnector {
  public:
    /// Reads the TLS files. `home`: see TlsContext::make. Errors: bad_tls_file, bad_option.
    static Result<std::shared_ptr<PostgresConnector>> make(
        PostgresTarget target, std::optional<Secret> password, const std::string& home
    );

    const PostgresTarget& target() const { return target_; }

    /// Socket and TLS. All addresses of a name are tried in turn. Errors: cannot_resolve, cannot_connect, timeout,
    /// connection_lost, tls_refused, tls_failed, untrusted_certificate.
    Result<ServerStream> open(Deadline deadline);
    /// What PostgresLogin needs on this stream: user, database, password, binding, kept SCRAM keys.
    PostgresLoginOptions login_options(const ServerStream& stream, UrlParameters parameters);
    /// Keeps the SCRAM keys of a login that succeeded.
    void keep(const PostgresSession& session);

    /// open(), then the login with these startup parameters and version. When the server refused the login,
    /// `server_error` (if given) gets its fields. Errors: of open() and of PostgresLogin.
    Result<OpenSession> connect(
        UrlParameters parameters,
        wire::postgres::ProtocolVersion version,
        Deadline deadline,
        std::optional<wire::postgres::ErrorFields>* server_error = nullptr
    );

    /// Sends a CancelRequest on a connection of its own (with TLS where the target has it) and waits until the server closes it:
    /// then the signal is on its way. Errors: of open().
    Result<void> cancel(std::uint32_t process_id, std::string_view secret_key, Deadline deadline);

  private:
    PostgresConnector(PostgresTarget target, std::optional<Secret> password)
        : target_(std::move(target)), password_(std::move(password)) {}

    PostgresTarget target_;
    std::optional<Secret> password_;
    std::shared_ptr<TlsContext> tls_;  ///< empty: no TLS
    std::mutex mutex_;
    std::optional<wire::postgres::ScramClientKeys> scram_keys_;  ///< guarded by mutex_
};

}  // namespace dbguard::upstream
