#include "net/http_server.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "base/unique_fd.hpp"
#include "net/dev_certificate.hpp"

namespace dbguard::net {
namespace {

using std::chrono::milliseconds;

/// A blocking TLS client that sends whatever it is told to.
class RawClient {
  public:
    /// No TLS when `ca` is empty.
    RawClient(std::uint16_t port, const std::string& ca, const std::string& host = "localhost") {
        fd_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{5, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        if (ca.empty()) return;
        context_.reset(SSL_CTX_new(TLS_client_method()));
        BIO* bio = BIO_new_mem_buf(ca.data(), static_cast<int>(ca.size()));
        X509* root = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
        BIO_free(bio);
        REQUIRE(root);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), root);
        X509_free(root);
        SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        ssl_.reset(SSL_new(context_.get()));
        SSL_set1_host(ssl_.get(), host.c_str());
        SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
        SSL_set_fd(ssl_.get(), fd_.get());
        connected_ = SSL_connect(ssl_.get()) == 1;
    }

    bool connected() const { return connected_; }
    bool send(std::string_view text) {
        if (ssl_) return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0;
        return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) > 0;
    }
    /// Up to the end of the first response by its Content-Length, or to the end of the connection.
    std::string receive() {
        std::string text;
        char piece[4096];
        while (!complete(text)) {
            const int got = ssl_ ? SSL_read(ssl_.get(), piece, sizeof piece)
                                 : static_cast<int>(::recv(fd_.get(), piece, sizeof piece, 0));
            if (got <= 0) break;
            text.append(piece, static_cast<std::size_t>(got));
        }
        return text;
    }
    /// True when the server closes within the receive time-out.
    bool closed_by_server() {
        char byte;
        const auto got = ssl_ ? SSL_read(ssl_.get(), &byte, 1) : static_cast<int>(::recv(fd_.get(), &byte, 1, 0));
        return got <= 0 && errno != EAGAIN;
    }
    std::string ask(std::string_view text) {
        send(text);
        return receive();
    }

  private:
    static bool complete(const std::string& text) {
        const auto end = text.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        const auto at = text.find("Content-Length: ");
        if (at == std::string::npos || at > end) return text.rfind("HTTP/1.1 100", 0) != 0;
        return text.size() >= end + 4 + std::stoul(text.substr(at + 16));
    }
    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };
    UniqueFd fd_;
    std::unique_ptr<SSL_CTX, Free> context_;
    std::unique_ptr<SSL, Free> ssl_;
    bool connected_ = false;
};

const DevCertificate& certificate() {
    static const DevCertificate made = make_dev_certificate({"localhost", "127.0.0.1", "::1"}, 2);
    return made;
}

HttpServerOptions options() {
    std::signal(SIGPIPE, SIG_IGN);
    HttpServerOptions options;
    options.certificate_chain = certificate().chain;
    options.private_key = certificate().key;
    options.header_timeout = milliseconds(400);
    options.body_timeout = milliseconds(400);
    options.handshake_timeout = milliseconds(400);
    options.idle_timeout = milliseconds(400);
    return options;
}

HttpResponse echo(const HttpRequest& request) {
    HttpResponse response;
    response.headers = {{"Content-Type", "text/plain"}};
    response.body = request.method + " " + request.path + " [" + request.query + "] " +
                    std::to_string(request.body.size()) + " " + std::string(request.header("x-test")) + " " + request.peer;
    return response;
}

std::unique_ptr<HttpServer> start(HttpServerOptions with, HttpHandler handler) {
    auto server = HttpServer::start(std::move(with), std::move(handler));
    REQUIRE(server.has_value());
    return std::move(*server);
}

std::string body_of(const std::string& response) {
    const auto end = response.find("\r\n\r\n");
    return end == std::string::npos ? "" : response.substr(end + 4);
}

TEST_CASE("requests on one connection are answered one after the other") {
    const auto server = start(options(), {echo, {}, {}});
    RawClient client(server->port(), certificate().ca);
    REQUIRE(client.connected());
    CHECK(body_of(client.ask("GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nX-Test: one\r\n\r\n")) == "GET /a/b [c=d] 0 one 127.0.0.1");
    CHECK(body_of(client.ask("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")) == "POST /p [] 5  127.0.0.1");
    CHECK(
        body_of(client.ask("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")) ==
        "POST /c [] 7  127.0.0.1"
    );
    const auto last = client.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(last.find("Connection: close") != std::string::npos);
    CHECK(client.closed_by_server());
}

TEST_CASE("a request may come one byte at a time") {
    const auto server = start(options(), {echo, {}, {}});
    RawClient client(server->port(), certificate().ca);
    for (const char c : std::string_view("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"))
        REQUIRE(client.send({&c, 1}));
    CHECK(body_of(client.receive()) == "POST /slow [] 3  127.0.0.1");
}

TEST_CASE("HEAD is answered without a body") {
    const auto server = start(options(), {echo, {}, {}});
    RawClient client(server->port(), certificate().ca);
    client.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::string all;
    for (std::string part = client.receive(); !part.empty(); part = client.receive()) all += part;
    CHECK(all.find("HTTP/1.1 200") == 0);
    CHECK(body_of(all).empty());
}

TEST_CASE("a header sent twice counts as absent") {
    const auto server = start(options(), {echo, {}, {}});
    RawClient client(server->port(), certificate().ca);
    CHECK(body_of(client.ask("GET / HTTP/1.1\r\nX-Test: a\r\nX-Test: b\r\n\r\n")) == "GET / [] 0  127.0.0.1");
}

TEST_CASE("what is not HTTP is refused") {
    const auto server = start(options(), {echo, {}, {}});
    const auto status_of = [&](std::string_view text) {
        RawClient client(server->port(), certificate().ca);
        const auto response = client.ask(text);
        CHECK(client.closed_by_server());
        return response.substr(0, 12);
    };
    CHECK(status_of("\x16\x03\x01 nonsense\r\n\r\n") == "HTTP/1.1 400");
    CHECK(status_of("GET / HTTP/3.9\r\n\r\n") == "HTTP/1.1 400");
    CHECK(status_of("GET http://other/ HTTP/1.1\r\n\r\n") == "HTTP/1.1 400");
    CHECK(status_of("CONNECT db:5432 HTTP/1.1\r\n\r\n") == "HTTP/1.1 400");
    CHECK(status_of("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n") == "HTTP/1.1 400");
    CHECK(status_of("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "HTTP/1.1 400");
    CHECK(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") == "HTTP/1.1 400");
    CHECK(status_of("GET / HTTP/1.1\r\nA: " + std::string(40'000, 'a') + "\r\n\r\n") == "HTTP/1.1 431");
    CHECK(status_of("GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\n\r\n") == "HTTP/1.1 431");
}

TEST_CASE("a body larger than the handler wants is refused, by length and by chunks") {
    auto small = options();
    small.small_body_bytes = 100;
    HttpHandler handler{echo, [](const HttpRequest& head) { return head.path == "/big" ? 1000u : 0u; }, {}};
    const auto server = start(small, handler);
    const auto post = [&](std::string_view path, std::size_t size) {
        RawClient client(server->port(), certificate().ca);
        return client.ask("POST " + std::string(path) + " HTTP/1.1\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'a')).substr(0, 12);
    };
    CHECK(post("/small", 100) == "HTTP/1.1 200");
    CHECK(post("/small", 101) == "HTTP/1.1 413");
    CHECK(post("/big", 1000) == "HTTP/1.1 200");
    CHECK(post("/big", 1001) == "HTTP/1.1 413");
    RawClient client(server->port(), certificate().ca);
    CHECK(client.ask("POST /big HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'a') + "\r\n0\r\n\r\n").substr(0, 12) == "HTTP/1.1 413");
}

TEST_CASE("a client that waits for 100 Continue gets it") {
    const auto server = start(options(), {echo, {}, {}});
    RawClient client(server->port(), certificate().ca);
    client.send("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    std::string all = client.receive();
    client.send("ok");
    if (all.find("/e") == std::string::npos) all += client.receive();
    CHECK(all.find("HTTP/1.1 100 Continue\r\n\r\n") == 0);
}

TEST_CASE("slow clients are closed: before TLS, in the header, in the body, between requests") {
    const auto server = start(options(), {echo, {}, {}});
    RawClient silent(server->port(), "");
    CHECK(silent.closed_by_server());
    RawClient not_tls(server->port(), "");
    not_tls.send("GET / HTTP/1.1\r\n\r\n");
    not_tls.receive();
    CHECK(not_tls.closed_by_server());

    RawClient header(server->port(), certificate().ca);
    const auto began = std::chrono::steady_clock::now();
    // A byte now and then does not keep it open.
    while (header.send("G") && std::chrono::steady_clock::now() - began < milliseconds(3000))
        std::this_thread::sleep_for(milliseconds(50));
    CHECK(header.closed_by_server());
    CHECK(std::chrono::steady_clock::now() - began < milliseconds(3000));

    RawClient body(server->port(), certificate().ca);
    body.send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    CHECK(body.closed_by_server());
    RawClient idle(server->port(), certificate().ca);
    idle.ask("GET / HTTP/1.1\r\n\r\n");
    CHECK(idle.closed_by_server());
}

TEST_CASE("connections above the bounds are closed at once, and room comes back") {
    auto few = options();
    few.max_connections = 3;
    few.max_connections_per_peer = 2;
    few.idle_timeout = milliseconds(5000);
    const auto server = start(few, {echo, {}, {}});
    auto first = std::make_optional<RawClient>(server->port(), certificate().ca);
    RawClient second(server->port(), certificate().ca);
    REQUIRE(first->connected());
    REQUIRE(second.connected());
    RawClient third(server->port(), certificate().ca);
    CHECK_FALSE(third.connected());
    first.reset();
    for (int i = 0; i < 100 && server->connections() > 1; ++i) std::this_thread::sleep_for(milliseconds(10));
    RawClient fourth(server->port(), certificate().ca);
    CHECK(fourth.connected());
}

TEST_CASE("a certificate of another authority or for another name is not accepted by a client") {
    const auto server = start(options(), {echo, {}, {}});
    const auto other = make_dev_certificate({"localhost"}, 2);
    CHECK_FALSE(RawClient(server->port(), other.ca).connected());
    CHECK_FALSE(RawClient(server->port(), certificate().ca, "guard.example").connected());
    CHECK(RawClient(server->port(), certificate().ca).connected());
}

TEST_CASE("a handler that throws is a 500 and a report, without the reason in the answer") {
    std::string reported;
    HttpHandler handler{
        [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("secret reason"); }, {},
        [&](std::string_view line) { reported = line; }
    };
    const auto server = start(options(), handler);
    RawClient client(server->port(), certificate().ca);
    const auto response = client.ask("GET / HTTP/1.1\r\n\r\n");
    CHECK(response.substr(0, 12) == "HTTP/1.1 500");
    CHECK(response.find("secret") == std::string::npos);
    CHECK(reported.find("secret reason") != std::string::npos);
}

TEST_CASE("a header value with a line break is not sent") {
    HttpHandler handler{
        [](const HttpRequest&) { return HttpResponse{200, {{"X-A", "a\r\nX-Evil: 1"}, {"X-B", "b"}}, ""}; }, {}, {}
    };
    const auto server = start(options(), handler);
    RawClient client(server->port(), certificate().ca);
    const auto response = client.ask("GET / HTTP/1.1\r\n\r\n");
    CHECK(response.find("Evil") == std::string::npos);
    CHECK(response.find("X-B: b") != std::string::npos);
}

TEST_CASE("stop() lets a running request finish, closes the idle and refuses new ones") {
    std::atomic<bool> running = false;
    HttpHandler handler{
        [&](const HttpRequest&) {
            running = true;
            std::this_thread::sleep_for(milliseconds(300));
            return HttpResponse{200, {}, "done"};
        },
        {}, {}
    };
    auto patient = options();
    patient.idle_timeout = milliseconds(60'000);
    const auto server = start(patient, handler);
    RawClient idle(server->port(), certificate().ca);
    RawClient busy(server->port(), certificate().ca);
    busy.send("GET / HTTP/1.1\r\n\r\n");
    while (!running) std::this_thread::sleep_for(milliseconds(5));
    const auto began = std::chrono::steady_clock::now();
    std::thread stopper([&] { server->stop(milliseconds(3000)); });
    const auto response = busy.receive();
    stopper.join();
    CHECK(body_of(response) == "done");
    CHECK(response.find("Connection: close") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - began < milliseconds(2500));
    CHECK(idle.closed_by_server());
    CHECK(server->connections() == 0);
    server->stop(milliseconds(0));
}

TEST_CASE("many clients at once") {
    auto many = options();
    many.io_threads = 2;
    const auto server = start(many, {echo, {}, {}});
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
            RawClient client(server->port(), certificate().ca);
            for (int i = 0; i < 50; ++i)
                if (client.ask("GET /n HTTP/1.1\r\n\r\n").find("GET /n") != std::string::npos) ++good;
        });
    for (auto& thread : threads) thread.join();
    CHECK(good == 400);
}

TEST_CASE("a bad address or a key of another certificate is refused") {
    auto bad = options();
    bad.address = "not-an-address";
    CHECK(HttpServer::start(bad, {echo, {}, {}}).error().code == errc::cannot_listen);
    const auto server = start(options(), {echo, {}, {}});
    auto taken = options();
    taken.port = server->port();
    CHECK(HttpServer::start(taken, {echo, {}, {}}).error().code == errc::cannot_listen);
    auto other_key = options();
    other_key.private_key = make_dev_certificate({"localhost"}, 2).key;
    CHECK(HttpServer::start(other_key, {echo, {}, {}}).error().code == errc::bad_certificate);
    auto garbage = options();
    garbage.certificate_chain = "garbage";
    CHECK(HttpServer::start(garbage, {echo, {}, {}}).error().code == errc::bad_certificate);
}

}  // namespace
}  // namespace dbguard::net
