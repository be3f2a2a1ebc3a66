#pragma once

// A blocking HTTPS server that misbehaves as told, for tests of clients: each connection is handed to the next step, on
// one thread. Listens on 127.0.0.1 and a port of its own.

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "net/dev_certificate.hpp"

namespace dbguard::test {

/// A certificate in files, made once a process.
struct StubCertificate {
    net::DevCertificate certificate;
    std::string ca_file;

    explicit StubCertificate(const std::vector<std::string>& names)
        : certificate(net::make_dev_certificate(names, 2)) {
        std::string path = "/tmp/dbguard-test-ca-XXXXXX";
        UniqueFd fd(::mkstemp(path.data()));
        if (!fd) throw std::runtime_error("mkstemp");
        ca_file = path;
        std::ofstream(path) << certificate.ca;
    }
    ~StubCertificate() { ::unlink(ca_file.c_str()); }
};

inline const StubCertificate& local_certificate() {
    static const StubCertificate certificate({"127.0.0.1", "localhost"});
    return certificate;
}

class StubConnection {
  public:
    StubConnection(SSL* ssl, int fd) : ssl_(ssl), fd_(fd) {}

    /// Header and body (by Content-Length) of one request; shorter when the client went away.
    std::string read_request() {
        std::string text;
        std::size_t wanted = std::string::npos;
        while (text.size() < wanted) {
            char buffer[4096];
            const int count = SSL_read(ssl_, buffer, sizeof buffer);
            if (count <= 0) break;
            text.append(buffer, static_cast<std::size_t>(count));
            const auto end = text.find("\r\n\r\n");
            if (wanted != std::string::npos || end == std::string::npos) continue;
            const auto length = text.find("Content-Length: ");
            wanted = end + 4 + (length < end ? std::stoul(text.substr(length + 16)) : 0);
        }
        return text;
    }
    /// False when the client went away.
    bool write(std::string_view bytes) {
        return bytes.empty() || SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    }
    void answer(
        int status,
        std::string_view content_type,
        std::string_view body,
        std::string_view headers = ""
    ) {
        write(
            "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " +
            std::string(content_type) + "\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\nConnection: close\r\n" + std::string(headers) + "\r\n" + std::string(body)
        );
    }
    /// Closes with RST instead of FIN.
    void reset() {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

  private:
    SSL* ssl_;
    int fd_;
};

class TlsStub {
  public:
    using Step = std::function<void(StubConnection&)>;

    /// The steps are used one a connection whose handshake succeeded; past the last, connections are closed at once.
    explicit TlsStub(
        std::vector<Step> steps, const StubCertificate& certificate = local_certificate()
    )
        : steps_(std::move(steps)), context_(SSL_CTX_new(TLS_server_method())) {
        BIO* chain = BIO_new_mem_buf(
            certificate.certificate.chain.data(),
            static_cast<int>(certificate.certificate.chain.size())
        );
        X509* x509 = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
        const std::string& key_text = certificate.certificate.key.reveal();
        BIO* key_bio = BIO_new_mem_buf(key_text.data(), static_cast<int>(key_text.size()));
        EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
        const bool good = SSL_CTX_use_certificate(context_, x509) == 1 &&
                          SSL_CTX_use_PrivateKey(context_, key) == 1;
        X509_free(x509);
        EVP_PKEY_free(key);
        BIO_free(chain);
        BIO_free(key_bio);
        if (!good) throw std::runtime_error("stub certificate");

        listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_.get(), 16) != 0 ||
            ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
            throw std::runtime_error("stub listener");
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~TlsStub() {
        stop_ = true;
        thread_.join();
        SSL_CTX_free(context_);
    }
    TlsStub(const TlsStub&) = delete;
    TlsStub& operator=(const TlsStub&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url(std::string_view path = "/") const {
        return "https://127.0.0.1:" + std::to_string(port_) + std::string(path);
    }
    /// Connections that got as far as a step.
    std::size_t served() const { return served_; }
    /// For steps that wait: true once the test is over.
    bool stopped() const { return stop_; }

  private:
    void serve() {
        // This thread's own writes to clients that left.
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        while (!stop_) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 20) <= 0) continue;
            const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!client) continue;
            const timeval limit{10, 0};
            ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
            SSL* ssl = SSL_new(context_);
            SSL_set_fd(ssl, client.get());
            if (SSL_accept(ssl) == 1 && served_ < steps_.size()) {
                StubConnection connection(ssl, client.get());
                steps_[served_++](connection);
                SSL_shutdown(ssl);
            }
            SSL_free(ssl);
            ERR_clear_error();
        }
    }

    std::vector<Step> steps_;
    SSL_CTX* context_;
    UniqueFd listener_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stop_ = false;
    std::atomic<std::size_t> served_ = 0;
    std::thread thread_;
};

}  // namespace dbguard::test
