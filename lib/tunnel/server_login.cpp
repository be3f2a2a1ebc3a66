#include "tunnel/server_login.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace dbguard::tunnel {

namespace {

/// The server's address when it can be told without asking anybody.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

std::optional<Address> plain_address(const upstream::PostgresTarget& target) {
    Address address;
    if (target.is_socket()) {
        auto& name = reinterpret_cast<sockaddr_un&>(address.storage);
        const std::string file = target.host + "/.s.PGSQL." + std::to_string(target.port);
        if (file.size() >= sizeof name.sun_path) return {};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, file.c_str(), file.size() + 1);
        address.size = sizeof name;
        return address;
    }
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    if (::inet_pton(AF_INET, target.host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(target.port);
        address.size = sizeof v4;
        return address;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    if (::inet_pton(AF_INET6, target.host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(target.port);
        address.size = sizeof v6;
        return address;
    }
    return {};
}

}  // namespace

ServerLogin::ServerLogin(net::EventLoop& loop, std::shared_ptr<upstream::PostgresConnector> server)
    : loop_(loop), server_(std::move(server)), self_(std::make_shared<ServerLogin*>(this)) {}

ServerLogin::~ServerLogin() {
    *self_ = nullptr;
    if (watched_) loop_.forget(stream_.fd());
}

void ServerLogin::start(upstream::UrlParameters parameters, std::chrono::milliseconds timeout, Done done) {
    parameters_ = std::move(parameters);
    done_ = std::move(done);
    if (server_->target().tls.mode != upstream::SslMode::disable || !start_here()) start_thread(timeout);
}

bool ServerLogin::start_here() {
    const auto& target = server_->target();
    const auto address = plain_address(target);
    if (!address) return false;
    UniqueFd socket(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        fail(upstream::errc::cannot_connect, std::strerror(errno));
        return true;
    }
    stream_ = net::Stream(std::move(socket));
    const int result = ::connect(stream_.fd(), reinterpret_cast<const sockaddr*>(&address->storage), address->size);
    // A Unix socket whose queue is full says EAGAIN and cannot be waited for: the thread's blocking way can.
    if (result != 0 && errno == EAGAIN) {
        stream_.close();
        return false;
    }
    if (result != 0 && errno != EINPROGRESS) {
        fail(upstream::errc::cannot_connect, target.address() + ": " + std::strerror(errno));
        return true;
    }
    connecting_ = result != 0;
    watched_events_ = connecting_ ? EPOLLOUT : EPOLLIN;
    watched_ = loop_.watch(stream_.fd(), watched_events_, *this);
    if (!watched_)
        fail(upstream::errc::cannot_connect, std::strerror(errno));
    else if (!connecting_)
        begin_login();
    return true;
}

void ServerLogin::start_thread(std::chrono::milliseconds timeout) {
    std::thread([server = server_,
                 parameters = parameters_,
                 deadline = std::chrono::steady_clock::now() + timeout,
                 mailbox = loop_.mailbox(),
                 self = self_] {
        auto outcome = std::make_shared<Outcome>();
        auto opened = server->connect(parameters, wire::postgres::protocol_3_0, deadline, &outcome->server_error);
        if (opened) {
            outcome->stream = net::Stream(std::move(opened->stream.fd));
            if (opened->stream.ssl) outcome->stream.use_tls(opened->stream.ssl.release());
            outcome->session = std::move(opened->session);
            outcome->leftover = std::move(opened->leftover);
        } else {
            outcome->error = opened.error();
        }
        mailbox->post([self, outcome] {
            if (*self != nullptr) (*self)->finish(std::move(*outcome));
        });
    }).detach();
}

void ServerLogin::begin_login() {
    connecting_ = false;
    upstream::ServerStream none;
    login_ = std::make_unique<upstream::PostgresLogin>(server_->login_options(none, parameters_));
    auto packet = login_->start();
    if (!packet) return fail(packet.error().code, packet.error().detail);
    unsent_ = std::move(*packet);
    flush();
}

void ServerLogin::flush() {
    const auto written = stream_.write(unsent_);
    if (written.status == net::Transfer::Status::failed) return fail(upstream::errc::connection_lost, "while logging in");
    unsent_.erase(0, written.bytes);
    const std::uint32_t wanted = unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
    if (std::exchange(watched_events_, wanted) != wanted) loop_.change(stream_.fd(), wanted, *this);
}

void ServerLogin::ready(std::uint32_t) {
    if (connecting_) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == EINPROGRESS) return;
        if (error != 0) return fail(upstream::errc::cannot_connect, server_->target().address() + ": " + std::strerror(error));
        return begin_login();
    }
    if (!unsent_.empty()) return flush();
    const auto buffer = loop_.buffer();
    const auto got = stream_.read(buffer);
    if (got.status == net::Transfer::Status::would_block) return;
    if (got.status != net::Transfer::Status::done) return fail(upstream::errc::connection_lost, "while logging in");
    const auto done = login_->receive({buffer.data(), got.bytes}, unsent_);
    if (!done) {
        Outcome outcome;
        outcome.error = done.error();
        outcome.server_error = login_->server_error();
        return finish(std::move(outcome));
    }
    if (!*done) {
        if (!unsent_.empty()) flush();
        return;
    }
    server_->keep(login_->session());
    Outcome outcome;
    outcome.session = std::move(login_->session());
    outcome.leftover = login_->leftover();
    loop_.forget(stream_.fd());
    watched_ = false;
    outcome.stream = std::move(stream_);
    finish(std::move(outcome));
}

void ServerLogin::fail(std::string_view code, std::string detail) {
    Outcome outcome;
    outcome.error.emplace(code, std::move(detail));
    finish(std::move(outcome));
}

void ServerLogin::finish(Outcome outcome) {
    if (watched_) loop_.forget(stream_.fd());
    watched_ = false;
    // Later, so that whoever waits may destroy this.
    loop_.defer([self = self_, outcome = std::make_shared<Outcome>(std::move(outcome))] {
        if (*self == nullptr || !(*self)->done_) return;
        const auto done = std::move((*self)->done_);
        done(std::move(*outcome));
    });
}

}  // namespace dbguard::tunnel
