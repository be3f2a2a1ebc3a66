#include "upstream/tls.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "net/dev_certificate.hpp"

namespace dbguard::upstream {
namespace {

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "dbguard-tls-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const auto file = path / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
        ::chmod(file.c_str(), mode);
        return file.string();
    }
};

using ContextPtr = std::unique_ptr<SSL_CTX, SslDelete>;

ContextPtr server_context(
    const net::DevCertificate& certificate, int max_version = TLS1_3_VERSION
) {
    ContextPtr context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_max_proto_version(context.get(), max_version);
    const std::unique_ptr<BIO, decltype(&BIO_free)> chain(
        BIO_new_mem_buf(certificate.chain.data(), static_cast<int>(certificate.chain.size())),
        BIO_free
    );
    const std::unique_ptr<X509, decltype(&X509_free)> x509(
        PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr), X509_free
    );
    const auto& key_text = certificate.key.reveal();
    const std::unique_ptr<BIO, decltype(&BIO_free)> key_bio(
        BIO_new_mem_buf(key_text.data(), static_cast<int>(key_text.size())), BIO_free
    );
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free
    );
    REQUIRE(SSL_CTX_use_certificate(context.get(), x509.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
    return context;
}

struct Outcome {
    std::string_view code = "ok";
    std::string detail;
    std::string hash;         ///< as the client computes it
    std::string server_hash;  ///< as the server does
    std::string server_name;  ///< SNI
    bool resumed = false;
};

/// A handshake in memory, then one byte each way, so that TLS 1.3's tickets arrive.
Outcome shake_hands(TlsContext& client_context, SSL_CTX* server_context) {
    Outcome outcome;
    auto client = client_context.new_ssl();
    REQUIRE(client.has_value());
    const SslPtr server(SSL_new(server_context));
    SSL_set_accept_state(server.get());
    BIO* one = nullptr;
    BIO* other = nullptr;
    REQUIRE(BIO_new_bio_pair(&one, 0, &other, 0) == 1);
    SSL_set_bio(client->get(), one, one);
    SSL_set_bio(server.get(), other, other);
    for (int i = 0; i < 10; ++i) {
        ERR_clear_error();
        const int result = SSL_connect(client->get());
        const int kind = SSL_get_error(client->get(), result);
        if (result != 1 && kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE) {
            const auto error = handshake_error(client->get(), result);
            outcome.code = error.code;
            outcome.detail = error.detail;
            return outcome;
        }
        ERR_clear_error();
        SSL_accept(server.get());
        if (SSL_is_init_finished(client->get()) && SSL_is_init_finished(server.get())) break;
    }
    char byte = 'x';
    SSL_write(server.get(), &byte, 1);
    CHECK(SSL_read(client->get(), &byte, 1) == 1);
    outcome.hash = tls_server_end_point(client->get());
    outcome.server_hash = tls_server_end_point(SSL_get_certificate(server.get()));
    outcome.resumed = SSL_session_reused(client->get()) == 1;
    const char* name = SSL_get_servername(server.get(), TLSEXT_NAMETYPE_host_name);
    outcome.server_name = name != nullptr ? name : "";
    SSL_shutdown(client->get());
    SSL_shutdown(server.get());
    return outcome;
}

Outcome attempt(
    const TlsSettings& settings,
    const std::string& host,
    SSL_CTX* server,
    const std::string& home = ""
) {
    auto context = TlsContext::make(settings, host, home);
    REQUIRE(context.has_value());
    return shake_hands(**context, server);
}

}  // namespace

TEST_CASE("verify-full checks authority and name, verify-ca the authority, require neither") {
    const Folder folder;
    const auto mine = net::make_dev_certificate({"db.example.com", "127.0.0.1", "::1"}, 1);
    const auto ca = folder.write("ca.pem", mine.ca);
    const auto strange_ca =
        folder.write("other.pem", net::make_dev_certificate({"db.example.com"}, 1).ca);
    const auto server = server_context(mine);

    CHECK(attempt({SslMode::verify_full, ca}, "db.example.com", server.get()).code == "ok");
    CHECK(attempt({SslMode::verify_full, ca}, "127.0.0.1", server.get()).code == "ok");
    CHECK(attempt({SslMode::verify_full, ca}, "::1", server.get()).code == "ok");
    const auto wrong_name = attempt({SslMode::verify_full, ca}, "other.example.com", server.get());
    CHECK(wrong_name.code == errc::untrusted_certificate);
    CHECK(wrong_name.detail == "hostname mismatch");
    CHECK(
        attempt({SslMode::verify_full, ca}, "127.0.0.2", server.get()).detail ==
        "IP address mismatch"
    );
    CHECK(
        attempt({SslMode::verify_full, strange_ca}, "db.example.com", server.get()).code ==
        errc::untrusted_certificate
    );
    // The machine's own authorities know nothing of this certificate.
    CHECK(
        attempt({SslMode::verify_full, "system"}, "db.example.com", server.get()).code ==
        errc::untrusted_certificate
    );
    CHECK(
        attempt({SslMode::verify_full, ""}, "db.example.com", server.get()).code ==
        errc::untrusted_certificate
    );

    CHECK(attempt({SslMode::verify_ca, ca}, "other.example.com", server.get()).code == "ok");
    CHECK(
        attempt({SslMode::verify_ca, strange_ca}, "db.example.com", server.get()).code ==
        errc::untrusted_certificate
    );
    CHECK(attempt({SslMode::require, ""}, "other.example.com", server.get()).code == "ok");
    // As in libpq: a root certificate makes require verify.
    CHECK(
        attempt({SslMode::require, strange_ca}, "db.example.com", server.get()).code ==
        errc::untrusted_certificate
    );
    CHECK(
        TlsContext::make({SslMode::require, strange_ca}, "h", "").value()->effective_mode() ==
        SslMode::verify_ca
    );
    CHECK(
        TlsContext::make({SslMode::require, ""}, "h", "").value()->effective_mode() ==
        SslMode::require
    );
}

TEST_CASE("the root certificate in the user's folder counts when none is named") {
    const Folder folder;
    const auto mine = net::make_dev_certificate({"db.example.com"}, 1);
    folder.write(".postgresql/root.crt", mine.ca);
    const auto server = server_context(mine);
    CHECK(
        attempt({SslMode::verify_full}, "db.example.com", server.get(), folder.path).code == "ok"
    );
    CHECK(
        TlsContext::make({SslMode::require}, "h", folder.path).value()->effective_mode() ==
        SslMode::verify_ca
    );
}

TEST_CASE("names go into SNI, addresses do not") {
    const Folder folder;
    const auto server = server_context(net::make_dev_certificate({"db.example.com"}, 1));
    CHECK(
        attempt({SslMode::require}, "db.example.com", server.get()).server_name == "db.example.com"
    );
    CHECK(attempt({SslMode::require}, "127.0.0.1", server.get()).server_name == "");
    CHECK(attempt({SslMode::require}, "::1", server.get()).server_name == "");
}

TEST_CASE("old versions of TLS are refused") {
    const auto certificate = net::make_dev_certificate({"h"}, 1);
    CHECK(
        attempt({SslMode::require}, "h", server_context(certificate, TLS1_2_VERSION).get()).code ==
        "ok"
    );
    CHECK(
        attempt({SslMode::require}, "h", server_context(certificate, TLS1_1_VERSION).get()).code ==
        errc::tls_failed
    );
}

TEST_CASE("both ends hash the certificate alike for channel binding") {
    const auto server = server_context(net::make_dev_certificate({"h"}, 1));
    const auto outcome = attempt({SslMode::require}, "h", server.get());
    CHECK(outcome.hash.size() >= 32);
    CHECK(outcome.hash == outcome.server_hash);
}

TEST_CASE("the second connection of a context resumes the first one's session") {
    const Folder folder;
    const auto mine = net::make_dev_certificate({"db.example.com"}, 1);
    const auto ca = folder.write("ca.pem", mine.ca);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const auto server = server_context(mine, version);
        const unsigned char id[] = "test";
        SSL_CTX_set_session_id_context(server.get(), id, 4);
        auto context = TlsContext::make({SslMode::verify_full, ca}, "db.example.com", "").value();
        const auto first = shake_hands(*context, server.get());
        CHECK_FALSE(first.resumed);
        const auto second = shake_hands(*context, server.get());
        CHECK(second.resumed);
        CHECK(second.hash == first.hash);
    }
}

TEST_CASE("files that are named must be there and be good") {
    const Folder folder;
    const auto mine = net::make_dev_certificate({"h"}, 1);
    const auto cert = folder.write("cert.pem", mine.chain);
    const auto key = folder.write("key.pem", mine.key.reveal());
    const auto error = [](const TlsSettings& settings, const std::string& home = "") {
        const auto context = TlsContext::make(settings, "h", home);
        return context ? std::string("ok") : context.error().text();
    };
    const auto mode = SslMode::require;
    const auto missing = (folder.path / "no").string();
    CHECK(error({mode, "", cert, key}) == "ok");
    CHECK(
        error({mode, missing}) == "bad_tls_file: " + missing + ": root certificates do not exist"
    );
    CHECK(
        error({SslMode::verify_full, folder.write("empty", "")}).find("root certificates: ") !=
        std::string::npos
    );
    CHECK(
        error({mode, "", missing, key}) ==
        "bad_tls_file: " + missing + ": client certificate does not exist"
    );
    CHECK(
        error({mode, "", cert, missing}) ==
        "bad_tls_file: " + missing + ": private key does not exist"
    );
    CHECK(
        error({mode, "", cert, folder.path}).find("private key is not a plain file") !=
        std::string::npos
    );
    CHECK(error({mode, "", "", key}).find("sslkey without sslcert") != std::string::npos);
    CHECK(error({mode, "", key, key}).find("client certificate: ") != std::string::npos);
    const auto other_key =
        folder.write("other.pem", net::make_dev_certificate({"h"}, 1).key.reveal());
    CHECK(error({mode, "", cert, other_key}).find("private key") != std::string::npos);
    CHECK(
        error({SslMode::verify_ca}).find("sslmode=verify-ca needs sslrootcert") != std::string::npos
    );
    // Default names are used when they exist, and then must be whole.
    CHECK(error({mode}, folder.path) == "ok");
    folder.write(".postgresql/postgresql.crt", mine.chain);
    CHECK(error({mode}, folder.path).find("private key does not exist") != std::string::npos);
    folder.write(".postgresql/postgresql.key", mine.key.reveal());
    CHECK(error({mode}, folder.path) == "ok");
}

TEST_CASE("a key that others can read is refused as libpq refuses it") {
    const Folder folder;
    const auto mine = net::make_dev_certificate({"h"}, 1);
    const auto cert = folder.write("cert.pem", mine.chain);
    const bool root = ::geteuid() == 0;
    for (const mode_t mode : {0600, 0400, 0640, 0644, 0660, 0604}) {
        const auto key = folder.write("key.pem", mine.key.reveal(), mode);
        const bool allowed = mode == 0600 || mode == 0400 || (root && mode == 0640);
        CHECK(TlsContext::make({SslMode::require, "", cert, key}, "h", "").has_value() == allowed);
    }
}

}  // namespace dbguard::upstream
