#include "net/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace dbguard::net {

namespace {

Error system_error(const std::string& what) {
    return Error{errc::cannot_listen, what + ": " + std::strerror(errno)};
}

std::optional<std::uint16_t> port_number(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
    return port;
}

/// The peer's user on a Unix socket, by the kernel's word.
bool same_user(int fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
    ListenAddress address;
    if (text.starts_with("unix:")) {
        address.directory = text.substr(5);
        if (address.directory.empty()) return Error{errc::bad_address, "unix: needs a folder"};
        while (address.directory.size() > 1 && address.directory.back() == '/') address.directory.pop_back();
        return address;
    }
    std::string_view port = text;
    if (text.starts_with('[')) {
        const auto end = text.find("]:");
        if (end == std::string_view::npos) return Error{errc::bad_address, "expected [ADDRESS]:PORT"};
        address.host = text.substr(1, end - 1);
        port = text.substr(end + 2);
    } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        address.host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (address.host.find(':') != std::string::npos)
            return Error{errc::bad_address, "write an IPv6 address as [ADDRESS]:PORT"};
    }
    const auto number = port_number(port);
    if (!number || address.host.empty())
        return Error{errc::bad_address, "expected HOST:PORT or unix:DIR, not '" + std::string(text) + "'"};
    address.port = *number;
    return address;
}

Listener::~Listener() { close(); }

Result<void> Listener::listen(const ListenAddress& address, bool allow_remote, OnAccept on_accept) {
    address_ = address;
    on_accept_ = std::move(on_accept);
    if (auto bound = address.directory.empty() ? listen_tcp(allow_remote) : listen_unix(); !bound)
        return bound;
    if (::listen(socket_.get(), 512) != 0) return system_error("listen");
    if (!loop_.watch(socket_.get(), EPOLLIN, *this)) return system_error("epoll_ctl");
    return {};
}

Result<void> Listener::listen_tcp(bool allow_remote) {
    if (address_.host == "localhost") address_.host = "127.0.0.1";
    sockaddr_storage storage{};
    socklen_t size = 0;
    bool loopback = false;
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, address_.host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(address_.port);
        size = sizeof v4;
        loopback = ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    } else if (::inet_pton(AF_INET6, address_.host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(address_.port);
        size = sizeof v6;
        loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    } else {
        return Error{errc::cannot_listen, "'" + address_.host + "' is no numeric address"};
    }
    if (!loopback && !allow_remote)
        return Error{errc::not_loopback, address_.host + " can be reached from other machines; --allow-remote permits it"};
    socket_ = UniqueFd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) return system_error("socket");
    const int on = 1;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0)
        return system_error(address_.host + ":" + std::to_string(address_.port));
    if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
        return system_error("getsockname");
    address_.port = ntohs(storage.ss_family == AF_INET ? v4.sin_port : v6.sin6_port);
    return {};
}

Result<void> Listener::listen_unix() {
    const auto& directory = address_.directory;
    if (::mkdir(directory.c_str(), 0700) == 0)
        made_directory_ = true;
    else if (errno != EEXIST)
        return system_error(directory);
    struct stat status {};
    if (::lstat(directory.c_str(), &status) != 0) return system_error(directory);
    if (!S_ISDIR(status.st_mode)) return Error{errc::cannot_listen, directory + " is no folder"};
    if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
        return Error{errc::cannot_listen, directory + " must be yours and closed to others (mode 0700)"};
    if (address_.port == 0) address_.port = 5432;  // the name libpq looks for when no port is given
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string file = directory + "/.s.PGSQL." + std::to_string(address_.port);
    if (file.size() >= sizeof name.sun_path)
        return Error{errc::cannot_listen, directory + ": the name is too long for a Unix socket"};
    std::memcpy(name.sun_path, file.c_str(), file.size() + 1);
    socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) return system_error("socket");
    // A socket file that nobody listens on was left by a killed process; one that answers is in use.
    if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
        if (errno != EADDRINUSE) return system_error(file);
        const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        // connect() to a file that is no socket is refused as well, and that file is not ours to remove.
        const bool is_socket = ::lstat(file.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
        if (!is_socket || ::connect(probe.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0 || errno != ECONNREFUSED)
            return Error{errc::cannot_listen, file + " is in use"};
        ::unlink(file.c_str());
        if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) return system_error(file);
    }
    socket_file_ = file;
    ::chmod(file.c_str(), 0600);
    return {};
}

void Listener::ready(std::uint32_t) {
    // A few at a time: connections that are there already have their turn between two floods.
    for (int i = 0; i < 16 && socket_; ++i) {
        UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                // Nothing can be taken before something ends; without a pause this would spin.
                pause();
                retry_ = loop_.after(std::chrono::milliseconds(100), [this] { resume(); });
            }
            return;
        }
        if (!socket_file_.empty() && !same_user(client.get())) continue;
        on_accept_(std::move(client));
    }
}

void Listener::pause() {
    if (!paused_ && socket_) loop_.forget(socket_.get());
    paused_ = true;
}

void Listener::resume() {
    if (paused_ && socket_) loop_.watch(socket_.get(), EPOLLIN, *this);
    paused_ = false;
}

void Listener::close() {
    loop_.cancel(std::exchange(retry_, 0));
    if (!socket_) return;
    if (!paused_) loop_.forget(socket_.get());
    socket_.reset();
    if (!socket_file_.empty()) ::unlink(socket_file_.c_str());
    if (made_directory_) ::rmdir(address_.directory.c_str());
    socket_file_.clear();
}

}  // namespace dbguard::net
