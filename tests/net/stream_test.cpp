#include "net/stream.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/dev_certificate.hpp"

namespace dbguard::net {
namespace {

using Status = Transfer::Status;

/// Two ends of a TCP connection on the loopback, or of a Unix socket.
std::pair<UniqueFd, UniqueFd> connected(bool tcp) {
    if (!tcp) {
        int fds[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        return {UniqueFd(fds[0]), UniqueFd(fds[1])};
    }
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    UniqueFd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(one.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    UniqueFd other(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(other);
    return {std::move(one), std::move(other)};
}

struct FreeSsl {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeSsl>;

/// Both ends with their handshake behind them.
std::pair<Stream, Stream> connected_by_tls() {
    static const DevCertificate certificate = make_dev_certificate({"localhost"}, 2);
    const auto pem = [](const std::string& text) { return BIO_new_mem_buf(text.data(), static_cast<int>(text.size())); };
    const Context server_context(SSL_CTX_new(TLS_server_method())), client_context(SSL_CTX_new(TLS_client_method()));
    BIO* chain = pem(certificate.chain);
    X509* leaf = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
    BIO* key_text = pem(certificate.key.reveal());
    EVP_PKEY* key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
    REQUIRE(SSL_CTX_use_certificate(server_context.get(), leaf) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(server_context.get(), key) == 1);
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(chain);
    BIO_free(key_text);

    auto [ours, theirs] = connected(true);
    SSL* client = SSL_new(client_context.get());
    SSL* server = SSL_new(server_context.get());
    SSL_set_fd(client, ours.get());
    SSL_set_fd(server, theirs.get());
    int accepted = 0;
    std::thread other([&] { accepted = SSL_accept(server); });
    const int done = SSL_connect(client);
    other.join();
    REQUIRE(done == 1);
    REQUIRE(accepted == 1);
    Stream a(std::move(ours)), b(std::move(theirs));
    a.use_tls(client);
    b.use_tls(server);
    return {std::move(a), std::move(b)};
}

std::pair<Stream, Stream> connected_streams(int kind) {
    if (kind == 2) return connected_by_tls();
    auto [a, b] = connected(kind == 0);
    return {Stream(std::move(a)), Stream(std::move(b))};
}

const char* const kinds[] = {"TCP", "a Unix socket", "TLS"};

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return text;
}

/// What is there now.
std::string read_all(Stream& stream, Status& end, std::size_t piece = 64 * 1024) {
    std::string text;
    std::vector<char> buffer(piece);
    for (;;) {
        const auto got = stream.read(buffer);
        if (got.status != Status::done) {
            end = got.status;
            return text;
        }
        text.append(buffer.data(), got.bytes);
    }
}

TEST_CASE("a stream does not block, and says so when there is nothing") {
    for (int kind = 0; kind < 3; ++kind) {
        CAPTURE(kinds[kind]);
        auto [a, b] = connected_streams(kind);
        char byte = 0;
        CHECK(a.read({&byte, 1}).status == Status::would_block);
        CHECK_FALSE(a.buffered());
        CHECK((::fcntl(a.fd(), F_GETFL) & O_NONBLOCK) != 0);
        CHECK(a.tls() == (kind == 2));
        if (kind == 0) {
            int on = 0;
            socklen_t size = sizeof on;
            ::getsockopt(a.fd(), IPPROTO_TCP, TCP_NODELAY, &on, &size);
            CHECK(on == 1);
        }
    }
}

TEST_CASE("a writer is told how much was taken, and nothing is lost, doubled or changed") {
    for (int kind = 0; kind < 3; ++kind) {
        CAPTURE(kinds[kind]);
        auto [a, b] = connected_streams(kind);
        const std::string text = pattern(24 << 20);
        std::string received;
        std::size_t sent = 0;
        int full = 0;
        Status end = Status::done;
        while (sent < text.size()) {
            // Retried from another buffer each time, as a pump does that keeps the rest elsewhere.
            const std::string rest = text.substr(sent, 1 << 20);
            const auto written = a.write(rest);
            REQUIRE(written.status != Status::failed);
            REQUIRE(written.bytes <= rest.size());
            sent += written.bytes;
            if (written.bytes == rest.size()) continue;
            ++full;  // the reader is slow: now it reads
            received += read_all(b, end);
        }
        // Over TCP the last pieces may be on their way.
        while (received.size() < text.size()) received += read_all(b, end);
        CHECK(end == Status::would_block);
        CHECK(full > 0);
        CHECK((received == text));
    }
}

TEST_CASE("parts go out in order, more of them than one call takes") {
    for (int kind = 0; kind < 3; ++kind) {
        CAPTURE(kinds[kind]);
        auto [a, b] = connected_streams(kind);
        std::vector<std::string> pieces;
        std::string all;
        for (int i = 0; i < 3 * IOV_MAX; ++i) all += pieces.emplace_back(i % 7 == 0 ? "" : std::to_string(i) + ",");
        std::vector<iovec> parts;
        for (auto& piece : pieces) parts.push_back({piece.data(), piece.size()});
        const auto written = a.write(parts);
        CHECK(written.status == Status::done);
        // A Unix socket counts each call's overhead, and may take less.
        REQUIRE(written.bytes <= all.size());
        if (kind == 0) CHECK(written.bytes == all.size());
        std::string received;
        Status end = Status::done;
        while (received.size() < written.bytes) received += read_all(b, end);
        CHECK((received == all.substr(0, written.bytes)));
    }
}

TEST_CASE("reading into a small buffer leaves the rest, and TLS tells what epoll cannot") {
    for (int kind = 0; kind < 3; ++kind) {
        CAPTURE(kinds[kind]);
        auto [a, b] = connected_streams(kind);
        REQUIRE(a.write("0123456789").bytes == 10);
        char buffer[4];
        Transfer got;
        do got = b.read(buffer);
        while (got.status == Status::would_block);
        CHECK(std::string_view(buffer, got.bytes) == "0123");
        CHECK(b.buffered() == (kind == 2));
        Status end = Status::done;
        CHECK(read_all(b, end, 3) == "456789");
        CHECK_FALSE(b.buffered());
    }
}

TEST_CASE("one direction may end while the other goes on") {
    for (int kind = 0; kind < 3; ++kind) {
        CAPTURE(kinds[kind]);
        auto [a, b] = connected_streams(kind);
        REQUIRE(a.write("the last word").status == Status::done);
        a.finish_writing();
        std::string received;
        Status end = Status::would_block;
        while (end == Status::would_block) received += read_all(b, end);
        CHECK(received == "the last word");
        CHECK(end == Status::closed);
        CHECK(b.write("an answer").bytes == 9);
        end = Status::would_block;
        received.clear();
        while (end == Status::would_block && received.size() < 9) received += read_all(a, end);
        CHECK(received == "an answer");
    }
}

TEST_CASE("a peer that is gone is a value, never a signal") {
    for (int kind = 0; kind < 2; ++kind) {  // TLS writes by upstream's own BIO there; see tests/upstream/tls_test.cpp
        CAPTURE(kinds[kind]);
        auto [a, b] = connected_streams(kind);
        b.close();
        Transfer last;
        for (int i = 0; i < 3; ++i) last = a.write("into the void");
        CHECK(last.status == Status::failed);
        CHECK(last.bytes == 0);
    }
}

TEST_CASE("a reset is a failure, not an end") {
    auto [a, b] = connected_streams(0);
    const linger now{1, 0};
    ::setsockopt(b.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    b.close();
    char byte = 0;
    Transfer got;
    do got = a.read({&byte, 1});
    while (got.status == Status::would_block);
    CHECK(got.status == Status::failed);
}

TEST_CASE("TLS that is cut off without its goodbye is a failure, not an end") {
    auto [a, b] = connected_by_tls();
    REQUIRE(a.write("the first half").status == Status::done);
    ::shutdown(a.fd(), SHUT_WR);  // as whoever sits in between could do it
    std::string received;
    Status end = Status::would_block;
    while (end == Status::would_block) received += read_all(b, end);
    CHECK(received == "the first half");
    CHECK(end == Status::failed);
}

TEST_CASE("TLS that was tampered with is a failure, and later calls stay one") {
    auto [ours, theirs] = connected_by_tls();
    REQUIRE(::send(theirs.fd(), "\x17\x03\x03\x00\x20 this was never encrypted by anybody", 37, 0) == 37);
    Status end = Status::would_block;
    std::string received;
    while (end == Status::would_block) received += read_all(ours, end);
    CHECK(received.empty());
    CHECK(end == Status::failed);
    CHECK(ours.write("hello").status == Status::failed);
}

TEST_CASE("a stream closes what it owns, once, and gives it up when it is moved") {
    auto [a, b] = connected_streams(1);
    const int fd = a.fd();
    Stream moved(std::move(a));
    CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move): that it owns nothing is the point
    CHECK(moved.fd() == fd);
    CHECK(::fcntl(fd, F_GETFD) >= 0);
    auto [c, d] = connected_streams(1);
    const int second = c.fd();
    moved = std::move(c);
    CHECK(::fcntl(fd, F_GETFD) < 0);
    CHECK(moved.fd() == second);
    moved.close();
    moved.close();
    CHECK_FALSE(moved);
    CHECK(::fcntl(second, F_GETFD) < 0);
    char byte = 0;
    CHECK(d.read({&byte, 1}).status == Status::closed);
    moved.finish_writing();  // nothing to finish
}

}  // namespace
}  // namespace dbguard::net
