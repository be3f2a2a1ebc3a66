#pragma once

// An HTTPS server for small requests: HTTP/1.1 over TLS 1.2 and 1.3, keep-alive, everything bounded (connections, header and
// body sizes, time). Handlers are ordinary blocking functions on a few threads of their own. Knows no routes.
//
// Boost.Asio moves the bytes and Boost.Beast's synchronous parser reads them (stack: instantiating Beast's own async
// operations costs a minute of compile time a file); neither shows here.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace dbguard::net {

namespace errc {
/// The address cannot be parsed or listened on; detail has the system's reason.
inline constexpr std::string_view cannot_listen = "cannot_listen";
/// The certificate or its key is unusable, or one does not belong to the other.
inline constexpr std::string_view bad_certificate = "bad_certificate";
}  // namespace errc

struct HttpRequest {
    std::string method;  ///< as sent: case matters (RFC 9110 §9.1)
    std::string path;    ///< begins with '/', percent-encoding as sent
    std::string query;   ///< after the '?', as sent
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
    std::string body;
    std::string peer;    ///< the client's address, without port

    /// The value of the only header with this lower-case name. Empty when absent, and when sent twice: a header that decides
    /// something must not be read differently by us and by a proxy before us.
    std::string_view header(std::string_view name) const;
};

struct HttpResponse {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;  ///< Content-Length, Date and Connection are added
    std::string body;
};

struct HttpServerOptions {
    std::string address = "127.0.0.1";  ///< an IPv4 or IPv6 address
    std::uint16_t port = 0;             ///< 0: any free one
    std::string certificate_chain;      ///< PEM, leaf first
    Secret private_key;                 ///< PEM

    std::size_t max_connections = 1024;           ///< more are closed at once
    std::size_t max_connections_per_peer = 256;   ///< one flooding address leaves room for others
    std::size_t max_header_bytes = 16 * 1024;     ///< also bounds the request line
    /// Bodies up to this size are read before anybody is asked; a larger one needs HttpHandler::max_body_bytes.
    std::size_t small_body_bytes = 64 * 1024;
    std::chrono::milliseconds handshake_timeout{10'000};
    std::chrono::milliseconds header_timeout{10'000};  ///< for the whole header, from its first byte
    std::chrono::milliseconds body_timeout{30'000};    ///< for the whole body
    std::chrono::milliseconds write_timeout{30'000};   ///< for the whole response
    std::chrono::milliseconds idle_timeout{75'000};    ///< between requests
    int io_threads = 1;
    int handler_threads = 4;
};

/// What answers. Called from several threads at once; must not throw (a throw is answered with 500 and reported).
struct HttpHandler {
    std::function<HttpResponse(const HttpRequest&)> respond;
    /// The largest body this request (whose `body` is empty yet) may have; absent or smaller than its Content-Length: 413.
    std::function<std::size_t(const HttpRequest&)> max_body_bytes;
    /// Faults of the server itself, one line each, for the log: a handler's exception, a failing accept. May be absent.
    std::function<void(std::string_view)> report;
};

class HttpServer {
  public:
    /// Listens and serves from threads of its own until stop(). Errors: cannot_listen, bad_certificate.
    static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler handler);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    std::uint16_t port() const;
    /// Connections open now.
    std::size_t connections() const;
    /// Stops accepting, closes idle connections, lets running requests finish for up to `grace`, then closes all of them and
    /// waits for their handlers. May be called twice.
    void stop(std::chrono::milliseconds grace);

  private:
    struct Impl;
    explicit HttpServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace dbguard::net
