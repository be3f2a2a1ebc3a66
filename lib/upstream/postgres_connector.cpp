#include "upstream/postgres_connector.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <thread>
#include <vector>

#include "upstream/socket_bio.hpp"

namespace dbguard::upstream {
namespace {

using Clock = std::chrono::steady_clock;

/// One address a name has.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    std::string text() const {
        char buffer[INET6_ADDRSTRLEN] = "";
        if (storage.ss_family == AF_INET)
            inet_ntop(
                AF_INET,
                &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr,
                buffer,
                sizeof buffer
            );
        else if (storage.ss_family == AF_INET6)
            inet_ntop(
                AF_INET6,
                &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr,
                buffer,
                sizeof buffer
            );
        return buffer;
    }
    bool is_loopback() const {
        if (storage.ss_family == AF_INET)
            return ntohl(reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr) >> 24 ==
                   127;
        return storage.ss_family == AF_INET6 &&
               IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
    }
};

Result<std::vector<Address>> look_up(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* list = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (failed != 0) return Error{errc::cannot_resolve, host + ": " + ::gai_strerror(failed)};
    std::vector<Address> found;
    for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
        Address address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.size = entry->ai_addrlen;
        found.push_back(address);
    }
    ::freeaddrinfo(list);
    return found;
}

/// getaddrinfo() has no deadline, so names are looked up on a thread that is left behind when it takes too long.
Result<std::vector<Address>> resolve(
    const std::string& host, std::uint16_t port, Deadline deadline
) {
    if (auto literal = look_up(host, port, AI_NUMERICHOST)) return literal;
    struct Shared {
        std::mutex mutex;
        std::condition_variable done;
        std::optional<Result<std::vector<Address>>> result;
    };
    const auto shared = std::make_shared<Shared>();
    std::thread([shared, host, port] {
        auto result = look_up(host, port, 0);
        const std::lock_guard lock(shared->mutex);
        shared->result = std::move(result);
        shared->done.notify_all();
    }).detach();
    std::unique_lock lock(shared->mutex);
    if (!shared->done.wait_until(lock, deadline, [&] { return shared->result.has_value(); }))
        return Error{errc::timeout, "looking up " + host};
    return std::move(*shared->result);
}

Result<UniqueFd> connect_to(
    const sockaddr* address, socklen_t size, int family, Deadline deadline
) {
    UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return Error{errc::cannot_connect, std::strerror(errno)};
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (::connect(fd.get(), address, size) == 0) return fd;
    if (errno != EINPROGRESS && errno != EINTR)
        return Error{errc::cannot_connect, std::strerror(errno)};
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return Error{errc::timeout, "no answer"};
        pollfd entry{fd.get(), POLLOUT, 0};
        const int ready =
            ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
        if (ready > 0) break;
        if (ready < 0 && errno != EINTR) return Error{errc::cannot_connect, std::strerror(errno)};
    }
    int failed = 0;
    socklen_t length = sizeof failed;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &length);
    if (failed != 0) return Error{errc::cannot_connect, std::strerror(failed)};
    return fd;
}

Result<UniqueFd> connect_socket(const PostgresTarget& target, Deadline deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = target.address();
    if (path.size() >= sizeof address.sun_path)
        return Error{errc::cannot_connect, path + ": the path is too long"};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    auto fd =
        connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address, AF_UNIX, deadline);
    if (!fd) return Error{fd.error().code, path + ": " + fd.error().detail};
    return fd;
}

/// Each address in turn, with an equal share of the time that is left: the first must not use up the deadline.
Result<UniqueFd> connect_tcp(const PostgresTarget& target, Deadline deadline) {
    auto addresses = resolve(target.host, target.port, deadline);
    if (!addresses) return addresses.error();
    // Without TLS because the server is on this machine: then it must be.
    if (target.plain_by_default)
        std::erase_if(*addresses, [](const Address& a) { return !a.is_loopback(); });
    if (addresses->empty()) return Error{errc::cannot_resolve, target.host + ": no usable address"};
    std::string reasons;
    bool only_timeouts = true;
    for (std::size_t i = 0; i < addresses->size(); ++i) {
        const auto& address = (*addresses)[i];
        const auto now = Clock::now();
        const auto share = now + (deadline - now) / static_cast<int>(addresses->size() - i);
        auto fd = connect_to(
            reinterpret_cast<const sockaddr*>(&address.storage),
            address.size,
            address.storage.ss_family,
            share
        );
        if (fd) return fd;
        only_timeouts = only_timeouts && fd.error().code == errc::timeout;
        reasons += (reasons.empty() ? "" : "; ") + address.text() + " port " +
                   std::to_string(target.port) + ": " + fd.error().detail;
    }
    return Error{only_timeouts ? errc::timeout : errc::cannot_connect, reasons};
}

Result<void> shake_hands(ServerStream& stream, Deadline deadline) {
    while (true) {
        ERR_clear_error();
        const int result = SSL_connect(stream.ssl.get());
        if (result == 1) return {};
        const int kind = SSL_get_error(stream.ssl.get(), result);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
            return handshake_error(stream.ssl.get(), result);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return Error{errc::timeout, "TLS handshake"};
        pollfd entry{
            stream.fd.get(), static_cast<short>(kind == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
        if (::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000))) < 0 &&
            errno != EINTR)
            return Error{errc::connection_lost, std::strerror(errno)};
    }
}

Result<void> start_tls(ServerStream& stream, TlsContext& context, Deadline deadline) {
    std::string request;
    ByteWriter writer(request);
    wire::postgres::encode(wire::postgres::SSLRequest{}, writer);
    if (const auto ok = stream.write(request, deadline); !ok) return ok;
    // One byte and no more: what came with it in the clear could not be told from what comes after (CVE-2021-23222).
    std::string answer;
    if (const auto ok = stream.read(answer, 1, deadline); !ok) return ok;
    if (answer == "N")
        return Error{
            errc::tls_refused,
            "the server offers no TLS; only sslmode=disable would go on without"};
    // What follows is an error text that nobody vouches for: not shown (CVE-2024-10977).
    if (answer == "E")
        return Error{
            errc::tls_refused, "the server has an error before TLS, of which it may not tell"};
    if (answer != "S") return Error{errc::tls_refused, "not a PostgreSQL server"};
    auto ssl = context.new_ssl();
    if (!ssl) return ssl.error();
    BIO* bio = new_socket_bio(stream.fd.get());
    if (bio == nullptr) return Error{errc::tls_failed, "no memory"};
    SSL_set_bio(ssl->get(), bio, bio);
    stream.ssl = std::move(*ssl);
    return shake_hands(stream, deadline);
}

}  // namespace

Result<std::shared_ptr<PostgresConnector>> PostgresConnector::make(
    PostgresTarget target, std::optional<Secret> password, const std::string& home
) {
    std::shared_ptr<PostgresConnector> connector(
        new PostgresConnector(std::move(target), std::move(password))
    );
    const auto& made_for = connector->target_;
    if (made_for.tls.mode == SslMode::disable) return connector;
    auto tls = TlsContext::make(made_for.tls, made_for.host, home);
    if (!tls) return tls.error();
    connector->tls_ = std::move(*tls);
    return connector;
}

Result<ServerStream> PostgresConnector::open(Deadline deadline) {
    auto fd =
        target_.is_socket() ? connect_socket(target_, deadline) : connect_tcp(target_, deadline);
    if (!fd) return fd.error();
    ServerStream stream;
    stream.fd = std::move(*fd);
    if (!tls_) return stream;
    if (const auto ok = start_tls(stream, *tls_, deadline); !ok) return ok.error();
    return stream;
}

PostgresLoginOptions PostgresConnector::login_options(
    const ServerStream& stream, UrlParameters parameters
) {
    PostgresLoginOptions options;
    options.user = target_.user;
    options.database = target_.database;
    options.password = password_;
    options.parameters = std::move(parameters);
    options.tls = stream.ssl != nullptr;
    options.private_channel = options.tls || target_.is_socket();
    if (options.tls) options.certificate_hash = tls_server_end_point(stream.ssl.get());
    options.channel_binding = target_.channel_binding;
    const std::lock_guard lock(mutex_);
    options.scram_keys = scram_keys_;
    return options;
}

void PostgresConnector::keep(const PostgresSession& session) {
    if (!session.scram_keys) return;
    const std::lock_guard lock(mutex_);
    if (scram_keys_ != session.scram_keys) scram_keys_ = session.scram_keys;
}

Result<OpenSession> PostgresConnector::connect(
    UrlParameters parameters,
    wire::postgres::ProtocolVersion version,
    Deadline deadline,
    std::optional<wire::postgres::ErrorFields>* server_error
) {
    auto stream = open(deadline);
    if (!stream) return stream.error();
    auto options = login_options(*stream, std::move(parameters));
    options.version = version;
    PostgresLogin login(std::move(options));
    auto startup = login.start();
    if (!startup) return startup.error();
    std::string out = std::move(*startup);
    std::string in;
    while (true) {
        if (const auto ok = stream->write(out, deadline); !ok) return ok.error();
        out.clear();
        in.clear();
        if (const auto ok = stream->read(in, 16 * 1024, deadline); !ok) return ok.error();
        const auto done = login.receive(in, out);
        if (!done) {
            if (server_error != nullptr) *server_error = login.server_error();
            return done.error();
        }
        if (*done) break;
    }
    keep(login.session());
    return OpenSession{std::move(*stream), std::move(login.session()), login.leftover()};
}

Result<void> PostgresConnector::cancel(
    std::uint32_t process_id, std::string_view secret_key, Deadline deadline
) {
    std::string request;
    ByteWriter writer(request);
    const wire::postgres::CancelRequest message{process_id, std::string(secret_key)};
    if (const auto ok = encode(message, writer); !ok) return ok;
    auto stream = open(deadline);
    if (!stream) return stream.error();
    if (const auto ok = stream->write(request, deadline); !ok) return ok;
    // The server answers with nothing but the end of the connection, in whatever form.
    std::string ignored;
    while (true) {
        const auto read = stream->read(ignored, 1024, deadline);
        if (read) {
            ignored.clear();
            continue;
        }
        if (read.error().code == errc::timeout) return read;
        return {};
    }
}

}  // namespace dbguard::upstream
