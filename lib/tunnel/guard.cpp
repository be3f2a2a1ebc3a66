#include "tunnel/guard.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "base/crypto.hpp"
#include "tunnel/connection.hpp"
#include "wire/postgres/lists.hpp"

namespace dbguard::tunnel {

namespace wp = wire::postgres;

Guard::Guard(net::EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      password_(random_id("", 32)),
      terms_(make_login_terms(random_id("dbguard_", 10), options_.database, password_)),
      listener_(loop) {}

namespace {

/// Descriptors that are not for connections: the recording, the log, the loop, a question of the broker's.
constexpr rlim_t other_descriptors = 64;

std::size_t connections_for_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
    return std::max<std::size_t>(1, (std::max(limit.rlim_cur, other_descriptors) - other_descriptors) / 2);
}

}  // namespace

Guard::~Guard() {
    *alive_ = false;
    connections_.clear();
}

Result<void> Guard::start() {
    options_.max_connections = std::min(options_.max_connections, connections_for_descriptors());
    return listener_.listen(options_.listen, options_.allow_remote, [this](UniqueFd socket) { accept(std::move(socket)); });
}

void Guard::accept(UniqueFd socket) {
    if (!failure_.empty()) return;
    if (connections_.size() >= options_.max_connections) {
        // As the server says it; nothing is read, so the end of the connection may overtake it.
        std::string out;
        ByteWriter writer(out);
        [[maybe_unused]] const auto sent = wp::encode_error_response(
            {"FATAL", "53300", "dbguard: too many connections to this listener"}, writer
        );
        net::Stream stream(std::move(socket));
        stream.write(out);
        return;
    }
    auto connection = std::make_unique<Connection>(*this, std::move(socket));
    auto& reference = *connection;
    connections_.emplace(&reference, std::move(connection));
    ++connections_made_;
    if (!reference.start()) remove(reference);
}

void Guard::remove(Connection& connection) {
    loop_.defer([this, alive = alive_, at = &connection] {
        if (*alive) connections_.erase(at);
    });
}

void Guard::fail(std::string reason) {
    if (!failure_.empty()) return;
    failure_ = std::move(reason);
    listener_.close();
    loop_.defer([this, alive = alive_] {
        if (*alive) stop("error");
    });
}

void Guard::warn(std::string_view text) const {
    if (options_.on_warning) options_.on_warning(text);
}

std::uint64_t Guard::register_key(Connection& connection, std::uint32_t process_id) {
    for (;;) {
        const std::string secret = random_bytes(4);
        const std::uint64_t key = std::uint64_t{process_id} << 32 | wp::load_u32(secret.data());
        if (key != 0 && by_key_.emplace(key, &connection).second) return key;
    }
}

void Guard::forget_key(std::uint64_t key) { by_key_.erase(key); }

void Guard::cancel(std::uint64_t key) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) found->second->cancel();
}

void Guard::cancel_at_server(std::uint32_t process_id, std::string secret_key, std::uint64_t key) {
    std::thread([this,
                 server = options_.server,
                 process_id,
                 secret_key = std::move(secret_key),
                 mailbox = loop_.mailbox(),
                 alive = alive_,
                 key] {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        // Too late or in vain: the statement then goes on, and its rows go nowhere.
        [[maybe_unused]] const auto sent = server->cancel(process_id, secret_key, deadline);
        if (key == 0) return;
        mailbox->post([this, alive, key] {
            if (!*alive) return;
            const auto found = by_key_.find(key);
            if (found != by_key_.end()) found->second->cancel_sent();
        });
    }).detach();
}

void Guard::stop(std::string_view reason) {
    if (stopped_) return;
    stopped_ = true;
    listener_.close();
    for (auto& [at, connection] : connections_) connection->stop(reason);
    connections_.clear();
}

}  // namespace dbguard::tunnel
