#include "upstream/tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

namespace dbguard::upstream {
namespace {

std::string openssl_reason() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown reason";
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "error " + std::to_string(code);
}

bool exists(const std::string& path) { return !path.empty() && ::access(path.c_str(), F_OK) == 0; }

Error bad_file(const std::string& path, std::string_view what) {
    return {errc::bad_tls_file, path + ": " + std::string(what)};
}

bool is_address(const std::string& host) {
    in6_addr address;
    return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &address) == 1;
}

/// libpq's rule: nobody else may read the key; one that belongs to root may be readable by its group.
/// Source: src/interfaces/libpq/fe-secure-openssl.c, initialize_SSL().
Result<void> check_key_mode(const std::string& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return bad_file(path, "private key does not exist");
    if (!S_ISREG(status.st_mode)) return bad_file(path, "private key is not a plain file");
    const mode_t forbidden = status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if ((status.st_mode & forbidden) != 0)
        return bad_file(
            path,
            "private key can be read by others; its mode should be 0600 (or 0640 when root owns it)"
        );
    return {};
}

}  // namespace

struct TlsContext::Impl {
    std::unique_ptr<SSL_CTX, SslDelete> context;
    std::string host;
    SslMode mode = SslMode::verify_full;
    std::mutex mutex;
    std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session{
        nullptr, SSL_SESSION_free};  ///< guarded by mutex

    Result<void> trust(const TlsSettings& settings, const std::string& home);
    Result<void> identify(const TlsSettings& settings, const std::string& home);
    void keep_sessions();
};

namespace {

int impl_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

}  // namespace

Result<void> TlsContext::Impl::trust(const TlsSettings& settings, const std::string& home) {
    auto* ctx = context.get();
    auto roots = settings.root_certificates;
    const bool named = !roots.empty();
    if (!named && !home.empty() && exists(home + "/.postgresql/root.crt"))
        roots = home + "/.postgresql/root.crt";
    if (named && roots != "system" && !exists(roots))
        return bad_file(roots, "root certificates do not exist");

    // As libpq: a root certificate beside sslmode=require turns it into verify-ca.
    if (mode == SslMode::require && !roots.empty()) mode = SslMode::verify_ca;
    if (mode == SslMode::require) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
        return {};
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    if (roots.empty() && mode == SslMode::verify_ca)
        return Error{
            errc::bad_option,
            "sslmode=verify-ca needs sslrootcert: without the name, any public certificate would "
            "do"};
    if (roots.empty() || roots == "system") {
        if (SSL_CTX_set_default_verify_paths(ctx) != 1)
            return Error{errc::bad_tls_file, "the system's root certificates"};
        return {};
    }
    if (SSL_CTX_load_verify_file(ctx, roots.c_str()) != 1)
        return bad_file(roots, "root certificates: " + openssl_reason());
    return {};
}

Result<void> TlsContext::Impl::identify(const TlsSettings& settings, const std::string& home) {
    auto* ctx = context.get();
    const auto defaults = home.empty() ? std::string() : home + "/.postgresql/postgresql";
    auto certificate = settings.client_certificate;
    auto key = settings.client_key;
    if (certificate.empty()) {
        if (!key.empty()) return bad_file(key, "sslkey without sslcert");
        if (defaults.empty() || !exists(defaults + ".crt")) return {};
        certificate = defaults + ".crt";
    }
    if (key.empty()) key = defaults + ".key";
    if (!exists(certificate)) return bad_file(certificate, "client certificate does not exist");
    if (const auto ok = check_key_mode(key); !ok) return ok;
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate.c_str()) != 1)
        return bad_file(certificate, "client certificate: " + openssl_reason());
    // An encrypted key would make OpenSSL ask on the terminal.
    SSL_CTX_set_default_passwd_cb(ctx, [](char*, int, int, void*) { return -1; });
    if (SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1)
        return bad_file(key, "private key (encrypted ones are not supported): " + openssl_reason());
    if (SSL_CTX_check_private_key(ctx) != 1)
        return bad_file(key, "private key of another certificate");
    return {};
}

// The last session is enough: all connections of a context go to the same server. PostgreSQL itself offers none, poolers do.
void TlsContext::Impl::keep_sessions() {
    auto* ctx = context.get();
    SSL_CTX_set_ex_data(ctx, impl_index(), this);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
        auto* impl = static_cast<Impl*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), impl_index()));
        const std::lock_guard lock(impl->mutex);
        impl->session.reset(session);
        return 1;  // the session is ours now
    });
}

Result<std::shared_ptr<TlsContext>> TlsContext::make(
    const TlsSettings& settings, const std::string& host, const std::string& home
) {
    ERR_clear_error();
    auto impl = std::make_unique<Impl>();
    impl->context.reset(SSL_CTX_new(TLS_client_method()));
    impl->mode = settings.mode;
    impl->host = host;
    auto* ctx = impl->context.get();
    if (ctx == nullptr) return Error{errc::tls_failed, openssl_reason()};
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Servers since 17 want to hear it on direct TLS and accept it otherwise; others ignore it.
    constexpr unsigned char protocol[] = "\x0apostgresql";
    SSL_CTX_set_alpn_protos(ctx, protocol, sizeof protocol - 1);
    if (const auto ok = impl->trust(settings, home); !ok) return ok.error();
    if (const auto ok = impl->identify(settings, home); !ok) return ok.error();
    impl->keep_sessions();
    return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;
SslMode TlsContext::effective_mode() const { return impl_->mode; }

Result<SslPtr> TlsContext::new_ssl() {
    ERR_clear_error();
    const auto& host = impl_->host;
    SslPtr ssl(SSL_new(impl_->context.get()));
    if (!ssl) return Error{errc::tls_failed, openssl_reason()};
    SSL_set_connect_state(ssl.get());
    const bool address = is_address(host);
    // RFC 6066 §3: no addresses in server_name.
    if (!address && SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1)
        return Error{errc::tls_failed, openssl_reason()};
    if (impl_->mode == SslMode::verify_full) {
        auto* parameters = SSL_get0_param(ssl.get());
        X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        const int ok =
            address
                ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.substr(0, host.find('%')).c_str())
                : X509_VERIFY_PARAM_set1_host(parameters, host.data(), host.size());
        if (ok != 1) return Error{errc::tls_failed, "cannot check the name " + host};
    }
    const std::lock_guard lock(impl_->mutex);
    if (impl_->session) SSL_set_session(ssl.get(), impl_->session.get());
    return ssl;
}

Error handshake_error(SSL* ssl, int result) {
    const int kind = SSL_get_error(ssl, result);
    const long verified = SSL_get_verify_result(ssl);
    const auto reason = openssl_reason();
    if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        return {errc::untrusted_certificate, X509_verify_cert_error_string(verified)};
    if (kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN)
        return {errc::tls_failed, "the server ended the handshake"};
    return {errc::tls_failed, reason};
}

std::string tls_server_end_point(X509* certificate) {
    int digest_id = NID_undef;
    if (X509_get_signature_info(certificate, &digest_id, nullptr, nullptr, nullptr) != 1) return {};
    // RFC 5929 §4.1: MD5 and SHA-1 are replaced by SHA-256; signatures without a single hash (Ed25519) have no binding.
    if (digest_id == NID_md5 || digest_id == NID_sha1) digest_id = NID_sha256;
    const EVP_MD* digest = EVP_get_digestbynid(digest_id);
    if (digest == nullptr) return {};
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_digest(certificate, digest, hash, &length) != 1) return {};
    return {reinterpret_cast<const char*>(hash), length};
}

std::string tls_server_end_point(SSL* ssl) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(ssl), X509_free
    );
    return certificate ? tls_server_end_point(certificate.get()) : std::string();
}

}  // namespace dbguard::upstream
