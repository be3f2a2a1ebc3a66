#pragma once

// TLS towards the database server, over OpenSSL, without I/O: what makes SSL objects with the right checks switched on. The
// checks happen inside the handshake; a handshake that ended well has passed them.

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.hpp"
#include "upstream/database_url.hpp"

namespace dbguard::upstream {

namespace errc {
inline constexpr std::string_view bad_tls_file =
    "bad_tls_file";  ///< missing, unreadable, unusable, or readable by others
inline constexpr std::string_view tls_refused = "tls_refused";  ///< the server does not speak TLS
inline constexpr std::string_view tls_failed = "tls_failed";  ///< the handshake failed; detail: why
inline constexpr std::string_view untrusted_certificate =
    "untrusted_certificate";  ///< detail: OpenSSL's reason
}  // namespace errc

struct SslDelete {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, SslDelete>;

/// A client context for one server: trust, own certificate, resumable sessions. Shared by threads; outlives its SSL objects.
class TlsContext {
  public:
    /// Reads all files. `host` is what the user named, not what it resolved to. `home` is the user's folder, where libpq's
    /// defaults lie; empty: no defaults. Errors: bad_tls_file, bad_option. Must not be called for SslMode::disable.
    static Result<std::shared_ptr<TlsContext>> make(
        const TlsSettings& settings, const std::string& host, const std::string& home
    );
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    /// A client's SSL without a BIO, in connect state: SNI set (for names), the certificate's name or address checked where the
    /// mode asks for it, an earlier session offered for resumption.
    Result<SslPtr> new_ssl();
    /// What the mode came to: `require` with a root certificate is verify_ca, as in libpq.
    SslMode effective_mode() const;

  private:
    struct Impl;
    explicit TlsContext(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Why the handshake on `ssl` failed, after SSL_connect gave `result`; empties OpenSSL's error queue.
/// Errors: untrusted_certificate, tls_failed.
Error handshake_error(SSL* ssl, int result);

/// The hash of the server's certificate for channel binding; empty when there is none or its signature names no usable hash.
/// Source: RFC 5929 §4.1.
std::string tls_server_end_point(SSL* ssl);
/// The same of any certificate, for the server's side.
std::string tls_server_end_point(X509* certificate);

}  // namespace dbguard::upstream
