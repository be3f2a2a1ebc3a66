#include "tunnel/guard.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <doctest/doctest.h>


namespace dbguard::tunnel {

using namespace std::chrono_literals;

namespace {

constexpr auto never = 24h;

/// A guard before a server that is not there, and a client that says what it is told to.
struct Fixture {
    void start(std::chrono::milliseconds login, std::chrono::milliseconds closing) {
        GuardOptions options;
        upstream::PostgresTarget target;
        target.host = "127.0.0.1";
        target.port = 1;
        auto connector = upstream::PostgresConnector::make(target, Secret("password"), "/");
        REQUIRE(connector.has_value());
        options.server = *connector;
        options.make_session = [] { return Result<std::unique_ptr<relay::Session>>(Error{"unused", "a test"}); };
        options.login_timeout = login;
        options.closing_timeout = closing;
        guard = std::make_unique<Guard>(loop, std::move(options));
        REQUIRE(guard->start().has_value());
        client = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(guard->address().port);
        REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
        while (guard->connections_made() == 0) loop.run_once();
    }

    void say(std::string_view bytes) const { REQUIRE(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())); }

    /// Until the guard has let the client go; -> what the client can read of it.
    std::string until_gone() {
        while (guard->connections_open() > 0) loop.run_once();
        std::string out;
        char buffer[1000];
        for (ssize_t n = 0; (n = ::recv(client.get(), buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
        return out;
    }

    net::EventLoop loop;
    std::unique_ptr<Guard> guard;
    UniqueFd client;
};

/// Asks for a version of the protocol that nobody speaks any more.
std::string refused_startup() { return std::string("\0\0\0\x08\0\x02\0\0", 8); }

}  // namespace

TEST_CASE_FIXTURE(Fixture, "who says nothing is let go when the login has taken its time") {
    start(20ms, never);
    CHECK(until_gone().empty());
}

TEST_CASE_FIXTURE(Fixture, "who begins to speak and stops has no more time") {
    start(20ms, never);
    say(std::string("\0\0\0", 3));
    CHECK(until_gone().empty());
}

TEST_CASE_FIXTURE(Fixture, "who stays at the end of its session is not waited for for ever, whatever time its login had") {
    start(never, 20ms);
    say(refused_startup());
    CHECK(until_gone().starts_with("E"));
}

TEST_CASE_FIXTURE(Fixture, "who goes at the end of its session is gone at once") {
    start(never, never);
    say(refused_startup());
    REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
    CHECK(until_gone().starts_with("E"));
}

}  // namespace dbguard::tunnel
