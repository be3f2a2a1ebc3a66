#include "net/http_server.hpp"

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace dbguard::net {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

std::string_view HttpRequest::header(std::string_view name) const {
    std::string_view found;
    bool seen = false;
    for (const auto& [key, value] : headers) {
        if (key != name) continue;
        if (seen) return {};
        seen = true;
        found = value;
    }
    return found;
}

namespace {

/// After a refusal, for what the client is still sending.
constexpr std::chrono::seconds linger_time{2};
constexpr std::size_t linger_bytes = 8 * 1024 * 1024;

constexpr auto await = asio::as_tuple(asio::use_awaitable);
using Parser = http::request_parser<http::string_body>;

std::string_view reason_phrase(int status) {
    return http::obsolete_reason(static_cast<http::status>(status));
}

/// RFC 9110 §5.6.7: IMF-fixdate.
std::string http_date() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[64];
    const auto size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return {text, size};
}

std::string serialize(const HttpResponse& response, bool keep_alive, bool head) {
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
    text += reason_phrase(response.status);
    text += "\r\nDate: " + http_date() + "\r\nContent-Length: " + std::to_string(response.body.size());
    text += keep_alive ? "\r\n" : "\r\nConnection: close\r\n";
    for (const auto& [name, value] : response.headers) {
        // A line break here would let a value write headers of its own (response splitting).
        if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) continue;
        text += name + ": " + value + "\r\n";
    }
    text += "\r\n";
    if (!head) text += response.body;
    return text;
}

HttpResponse plain(int status, std::string text) {
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}}, std::move(text)};
}

HttpRequest to_request(const Parser& parser, const std::string& peer) {
    const auto& message = parser.get();
    HttpRequest request;
    request.method = message.method_string();
    const std::string_view target(message.target().data(), message.target().size());
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    for (const auto& field : message) {
        std::string name(field.name_string());
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
        request.headers.emplace_back(std::move(name), std::string(field.value()));
    }
    request.peer = peer;
    return request;
}

/// Tokens come in bodies and headers.
void wipe(std::string& text) {
    if (!text.empty()) OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}
void wipe(HttpRequest& request) {
    wipe(request.body);
    for (auto& [name, value] : request.headers) wipe(value);
}

/// One client. Everything in it runs on its strand.
struct Connection : std::enable_shared_from_this<Connection> {
    Connection(tcp::socket socket, asio::ssl::context& tls, std::string peer)
        : stream(std::move(socket), tls), timer(stream.get_executor()), peer(std::move(peer)) {}

    /// From now on the connection is closed when `allowed` is over. The coroutine then sees its operation fail.
    void deadline(std::chrono::milliseconds allowed) {
        timer.expires_after(allowed);
        timer.async_wait([self = shared_from_this()](error_code error) {
            // An expiry that was already on its way when the deadline moved on has no error either.
            if (!error && self->timer.expiry() <= Clock::now()) self->close();
        });
    }
    void no_deadline() { timer.expires_at(Clock::time_point::max()); }
    void close() {
        closed = true;
        timer.cancel();
        error_code ignored;
        stream.next_layer().shutdown(tcp::socket::shutdown_both, ignored);
        stream.next_layer().close(ignored);
    }

    asio::ssl::stream<tcp::socket> stream;
    asio::steady_timer timer;
    std::string peer;
    bool first = true;     // no request was served yet
    bool idle = true;      // no request has begun: may be closed at once when the server stops
    bool closed = false;
    bool draining = false;  // the server stops: close after the current response
};
using ConnectionPtr = std::shared_ptr<Connection>;

}  // namespace

struct HttpServer::Impl {
    Impl(HttpServerOptions options, HttpHandler handler)
        : options(std::move(options)), handler(std::move(handler)),
          pool(static_cast<std::size_t>(std::max(1, this->options.handler_threads))) {}

    void report(std::string_view line) const {
        if (handler.report) handler.report(line);
    }

    asio::awaitable<void> accept_loop();
    asio::awaitable<void> serve(ConnectionPtr connection);
    asio::awaitable<bool> serve_requests(Connection& connection);
    asio::awaitable<bool> read_header(Connection& connection, Parser& parser, std::string& buffer);
    asio::awaitable<bool> read_body(Connection& connection, Parser& parser, std::string& buffer);
    asio::awaitable<bool> write(Connection& connection, std::string text);
    asio::awaitable<void> refuse(Connection& connection, HttpResponse response, bool head);
    template <class Value>
    asio::awaitable<Value> on_pool(std::function<Value()> work);
    HttpResponse respond(const HttpRequest& request) const;
    std::size_t body_limit(const HttpRequest& head) const;

    bool enter(const ConnectionPtr& connection);
    void leave(const ConnectionPtr& connection);

    HttpServerOptions options;
    HttpHandler handler;
    asio::io_context io;
    asio::ssl::context tls{asio::ssl::context::tls_server};
    tcp::acceptor acceptor{asio::make_strand(io)};
    asio::thread_pool pool;
    std::vector<std::thread> threads;
    std::uint16_t port = 0;

    mutable std::mutex mutex;  // for what follows
    std::condition_variable all_gone;
    std::set<ConnectionPtr> open;
    std::map<std::string, std::size_t> open_of_peer;
    bool stopping = false;
    bool stopped = false;
};

bool HttpServer::Impl::enter(const ConnectionPtr& connection) {
    const std::lock_guard lock(mutex);
    if (stopping || open.size() >= options.max_connections) return false;
    auto& of_peer = open_of_peer[connection->peer];
    if (of_peer >= options.max_connections_per_peer) return false;
    ++of_peer;
    open.insert(connection);
    return true;
}

void HttpServer::Impl::leave(const ConnectionPtr& connection) {
    const std::lock_guard lock(mutex);
    open.erase(connection);
    if (const auto found = open_of_peer.find(connection->peer);
        found != open_of_peer.end() && --found->second == 0)
        open_of_peer.erase(found);
    if (open.empty()) all_gone.notify_all();
}

asio::awaitable<void> HttpServer::Impl::accept_loop() {
    asio::steady_timer pause(acceptor.get_executor());
    while (acceptor.is_open()) {
        auto strand = asio::make_strand(io);
        auto [error, socket] = co_await acceptor.async_accept(strand, await);
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
        if (error) {
            // Mostly EMFILE: the descriptor table is full; trying at once would spin.
            report("accept: " + error.message());
            pause.expires_after(std::chrono::milliseconds(100));
            co_await pause.async_wait(await);
            continue;
        }
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        const auto endpoint = socket.remote_endpoint(ignored);
        auto connection = std::make_shared<Connection>(std::move(socket), tls, endpoint.address().to_string());
        if (!enter(connection)) continue;  // closed by its destructor
        asio::co_spawn(strand, serve(connection), [this, connection](std::exception_ptr escaped) {
            if (escaped) report("a connection ended by an exception");
            connection->close();
            leave(connection);
        });
    }
}

asio::awaitable<void> HttpServer::Impl::serve(ConnectionPtr connection) {
    auto& stream = connection->stream;
    connection->deadline(options.handshake_timeout);
    auto [handshake_error] = co_await stream.async_handshake(asio::ssl::stream_base::server, await);
    if (handshake_error || connection->closed) co_return;
    bool more = true;
    while (more && !connection->closed) more = co_await serve_requests(*connection);
    if (connection->closed) co_return;
    connection->deadline(std::chrono::seconds(2));
    co_await stream.async_shutdown(await);
}

/// One request and its response. False: the connection is to be closed.
asio::awaitable<bool> HttpServer::Impl::serve_requests(Connection& connection) {
    std::string buffer;  // what was read and not parsed; pipelined requests are not served, the rest is dropped with close
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
    parser.body_limit(boost::none);  // decided below, from Content-Length or piece by piece
    parser.eager(false);

    connection.idle = true;
    if (connection.draining) co_return false;
    const bool header_read = co_await read_header(connection, parser, buffer);
    if (!header_read) co_return false;

    HttpRequest request = to_request(parser, connection.peer);
    const bool head = request.method == "HEAD";
    std::string_view bad_request;
    if (request.path.empty() || request.path.front() != '/') bad_request = "the target must be a path\n";
    // Both at once is how requests are smuggled past a proxy: RFC 9112 §6.3.
    else if (parser.chunked() && parser.get().find(http::field::content_length) != parser.get().end())
        bad_request = "both Content-Length and Transfer-Encoding\n";
    if (!bad_request.empty()) {
        co_await refuse(connection, plain(400, std::string(bad_request)), head);
        co_return false;
    }

    std::size_t limit = options.small_body_bytes;
    const auto length = parser.content_length();
    if (handler.max_body_bytes && (parser.chunked() || (length && *length > limit))) {
        connection.no_deadline();
        std::function<std::size_t()> ask = [this, &request] { return body_limit(request); };
        limit = co_await on_pool<std::size_t>(std::move(ask));
    }
    if (length && *length > limit) {
        co_await refuse(connection, plain(413, "the body is too large\n"), head);
        co_return false;
    }
    parser.body_limit(limit);
    if (const auto expect = request.header("expect"); !expect.empty() && !parser.is_done()) {
        const bool written = co_await write(connection, "HTTP/1.1 100 Continue\r\n\r\n");
        if (!written) co_return false;
    }
    const bool body_read = co_await read_body(connection, parser, buffer);
    if (!body_read) co_return false;
    request.body = std::move(parser.get().body());
    wipe(buffer);

    connection.no_deadline();
    bool keep_alive = parser.keep_alive();
    std::function<HttpResponse()> work = [this, &request] { return respond(request); };
    HttpResponse response = co_await on_pool<HttpResponse>(std::move(work));
    wipe(request);
    if (connection.closed) co_return false;
    keep_alive = keep_alive && !connection.draining;
    std::string text = serialize(response, keep_alive, head);
    wipe(response.body);
    const bool written = co_await write(connection, std::move(text));
    co_return written && keep_alive;
}

asio::awaitable<bool> HttpServer::Impl::read_header(Connection& connection, Parser& parser, std::string& buffer) {
    connection.deadline(connection.first ? options.header_timeout : options.idle_timeout);
    connection.first = false;
    std::string piece(4096, '\0');
    while (!parser.is_header_done()) {
        auto [error, size] = co_await connection.stream.async_read_some(asio::buffer(piece), await);
        if (error || connection.closed) co_return false;
        if (connection.idle) {
            connection.idle = false;
            connection.deadline(options.header_timeout);
        }
        buffer.append(piece, 0, size);
        OPENSSL_cleanse(piece.data(), size);
        error_code bad;
        const auto used = parser.put(asio::buffer(buffer), bad);
        buffer.erase(0, used);
        if (bad && bad != http::error::need_more) {
            const int status = bad == http::error::header_limit ? 431 : 400;
            co_await refuse(connection, plain(status, "not an acceptable HTTP request\n"), false);
            co_return false;
        }
        if (buffer.size() > options.max_header_bytes + piece.size()) {
            co_await refuse(connection, plain(431, "the header is too large\n"), false);
            co_return false;
        }
    }
    co_return true;
}

asio::awaitable<bool> HttpServer::Impl::read_body(Connection& connection, Parser& parser, std::string& buffer) {
    connection.deadline(options.body_timeout);
    parser.eager(true);
    std::string piece(16 * 1024, '\0');
    while (!parser.is_done()) {
        error_code bad;
        if (!buffer.empty()) {
            const auto used = parser.put(asio::buffer(buffer), bad);
            OPENSSL_cleanse(buffer.data(), used);
            buffer.erase(0, used);
        }
        if (bad && bad != http::error::need_more) {
            const int status = bad == http::error::body_limit ? 413 : 400;
            co_await refuse(connection, plain(status, "not an acceptable body\n"), false);
            co_return false;
        }
        if (parser.is_done()) break;
        auto [error, size] = co_await connection.stream.async_read_some(asio::buffer(piece), await);
        if (error || connection.closed) co_return false;
        buffer.append(piece, 0, size);
        OPENSSL_cleanse(piece.data(), size);
        // Chunk headers and trailers are bounded by nobody else.
        if (buffer.size() > options.max_header_bytes + piece.size()) co_return false;
    }
    co_return true;
}

asio::awaitable<bool> HttpServer::Impl::write(Connection& connection, std::string text) {
    connection.deadline(options.write_timeout);
    auto [error, size] = co_await asio::async_write(connection.stream, asio::buffer(text), await);
    static_cast<void>(size);
    wipe(text);
    co_return !error && !connection.closed;
}

/// Answers and reads on for a while: closing at once, with bytes unread, would reset the connection, and a client that is still
/// sending would never see the answer (RFC 9112 §9.6).
asio::awaitable<void> HttpServer::Impl::refuse(Connection& connection, HttpResponse response, bool head) {
    const bool written = co_await write(connection, serialize(response, false, head));
    if (!written) co_return;
    connection.deadline(linger_time);
    std::string piece(16 * 1024, '\0');
    std::size_t dropped = 0;
    while (dropped < linger_bytes) {
        auto [error, size] = co_await connection.stream.async_read_some(asio::buffer(piece), await);
        if (error || connection.closed) co_return;
        dropped += size;
    }
}

/// Runs `work` on a handler thread and comes back to the connection's strand with its value.
template <class Value>
asio::awaitable<Value> HttpServer::Impl::on_pool(std::function<Value()> work) {
    auto task = [](std::function<Value()> run) -> asio::awaitable<Value> { co_return run(); };
    auto spawned = asio::co_spawn(pool, task(std::move(work)), asio::use_awaitable);
    co_return co_await std::move(spawned);
}

HttpResponse HttpServer::Impl::respond(const HttpRequest& request) const {
    try {
        return handler.respond(request);
    } catch (const std::exception& fault) {
        report(std::string("a handler threw: ") + fault.what());
    } catch (...) {
        report("a handler threw");
    }
    return plain(500, "internal error\n");
}

std::size_t HttpServer::Impl::body_limit(const HttpRequest& head) const {
    try {
        return handler.max_body_bytes(head);
    } catch (const std::exception& fault) {
        report(std::string("a handler threw: ") + fault.what());
        return 0;
    }
}

// ---- outside -----------------------------------------------------------------------------------------------------------

namespace {

int choose_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size, void*) {
    static constexpr unsigned char http11[] = "\x08http/1.1";
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, http11, sizeof http11 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

Result<void> set_up_tls(asio::ssl::context& tls, const HttpServerOptions& options) {
    error_code error;
    tls.set_options(
        asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3 |
            asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 | SSL_OP_NO_RENEGOTIATION |
            SSL_OP_NO_COMPRESSION,
        error
    );
    if (!error) tls.use_certificate_chain(asio::buffer(options.certificate_chain), error);
    if (error) return Error{errc::bad_certificate, "certificate: " + error.message()};
    tls.use_private_key(asio::buffer(options.private_key.reveal()), asio::ssl::context::pem, error);
    if (error) return Error{errc::bad_certificate, "private key: " + error.message()};
    if (SSL_CTX_check_private_key(tls.native_handle()) != 1)
        return Error{errc::bad_certificate, "the key does not belong to the certificate"};
    SSL_CTX_set_alpn_select_cb(tls.native_handle(), choose_http11, nullptr);
    return {};
}

Result<void> listen(tcp::acceptor& acceptor, const HttpServerOptions& options) {
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    const auto failed = [&](const char* what) {
        return Error{
            errc::cannot_listen,
            options.address + " port " + std::to_string(options.port) + ": " + what + ": " + error.message()
        };
    };
    if (error) return failed("address");
    const tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), error);
    if (error) return failed("socket");
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    acceptor.bind(endpoint, error);
    if (error) return failed("bind");
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (error) return failed("listen");
    return {};
}

}  // namespace

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, HttpHandler handler) {
    auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
    if (auto done = set_up_tls(impl->tls, impl->options); !done) return done.error();
    if (auto done = listen(impl->acceptor, impl->options); !done) return done.error();
    impl->port = impl->acceptor.local_endpoint().port();
    asio::co_spawn(impl->acceptor.get_executor(), impl->accept_loop(), asio::detached);
    for (int i = 0; i < std::max(1, impl->options.io_threads); ++i)
        impl->threads.emplace_back([io = &impl->io] { io->run(); });
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

std::uint16_t HttpServer::port() const { return impl_->port; }

std::size_t HttpServer::connections() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->open.size();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
    Impl& impl = *impl_;
    std::unique_lock lock(impl.mutex);
    if (impl.stopped) return;
    impl.stopping = true;
    asio::post(impl.acceptor.get_executor(), [&impl] {
        error_code ignored;
        impl.acceptor.close(ignored);
    });
    for (const auto& connection : impl.open)
        asio::post(connection->stream.get_executor(), [connection] {
            connection->draining = true;
            if (connection->idle) connection->close();
        });
    const auto gone = [&impl] { return impl.open.empty(); };
    impl.all_gone.wait_for(lock, grace, gone);
    for (const auto& connection : impl.open)
        asio::post(connection->stream.get_executor(), [connection] { connection->close(); });
    // Handlers are not interrupted: their connection leaves when they return.
    impl.all_gone.wait(lock, gone);
    impl.stopped = true;
    lock.unlock();
    impl.pool.join();
    impl.io.stop();
    for (auto& thread : impl.threads) thread.join();
}

}  // namespace dbguard::net
