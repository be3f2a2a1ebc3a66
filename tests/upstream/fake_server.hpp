#pragma once

// A server in a thread that does what a test says to each connection it accepts: what real servers never do.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/unique_fd.hpp"

namespace dbguard::upstream::test {

/// One accepted connection, blocking.
class Peer {
  public:
    explicit Peer(int fd) : fd_(fd) {}
    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    /// What is there, at least one byte; empty at the end.
    std::string receive() const {
        char buffer[4096];
        const auto n = ::recv(fd_, buffer, sizeof buffer, 0);
        return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
    }
    /// Until the client closes.
    void wait_for_end() const {
        while (!receive().empty()) {
        }
    }
    int fd() const { return fd_; }

  private:
    int fd_;
};

class FakeServer {
  public:
    using Script = std::function<void(Peer&)>;

    /// On a free port of 127.0.0.1, or on a socket in `folder`.
    explicit FakeServer(Script script, const std::string& folder = "")
        : script_(std::move(script)) {
        if (folder.empty()) {
            listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            bind(reinterpret_cast<sockaddr*>(&address), sizeof address);
            socklen_t size = sizeof address;
            ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
            port_ = ntohs(address.sin_port);
        } else {
            listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            const auto path = folder + "/.s.PGSQL.5432";
            std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
            bind(reinterpret_cast<sockaddr*>(&address), sizeof address);
        }
        thread_ = std::thread([this] { run(); });
    }
    ~FakeServer() {
        // Wakes accept().
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    int port() const { return port_; }
    std::string url(const std::string& parameters = "") const {
        return "postgresql://app:pencil@127.0.0.1:" + std::to_string(port_) + "/shop" + parameters;
    }

  private:
    void bind(const sockaddr* address, socklen_t size) {
        if (::bind(listener_.get(), address, size) != 0 || ::listen(listener_.get(), 16) != 0)
            throw std::runtime_error("cannot listen");
    }
    void run() {
        while (true) {
            const UniqueFd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!accepted) return;
            Peer peer(accepted.get());
            script_(peer);
        }
    }

    Script script_;
    UniqueFd listener_;
    int port_ = 0;
    std::thread thread_;
};

}  // namespace dbguard::upstream::test
