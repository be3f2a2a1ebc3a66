#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace dbguard::net {

namespace http_error {
inline constexpr std::string_view bad_url = "http_bad_url";
inline constexpr std::string_view unreachable = "http_unreachable";  ///< name, route, refused, reset
inline constexpr std::string_view timeout = "http_timeout";
inline constexpr std::string_view certificate = "http_certificate";
inline constexpr std::string_view tls = "http_tls";  ///< the handshake failed for another reason
inline constexpr std::string_view too_large = "http_too_large";
inline constexpr std::string_view garbage = "http_garbage";  ///< what came back is not HTTP/1.1, or was cut short
inline constexpr std::string_view blocked_address = "http_blocked_address";
inline constexpr std::string_view proxy = "http_proxy";
inline constexpr std::string_view bad_option = "http_bad_option";  ///< the CA file cannot be read, …
// Made by expect() below:
inline constexpr std::string_view redirect = "http_redirect";
inline constexpr std::string_view bad_status = "http_bad_status";
inline constexpr std::string_view bad_content_type = "http_bad_content_type";
}  // namespace http_error

struct ClientHeader {
    std::string name;
    std::string value;

    bool operator==(const ClientHeader&) const = default;
};

struct ClientRequest {
    std::string method = "GET";
    std::string url;  ///< http or https; no user part
    std::vector<ClientHeader> headers{};
    std::string body{};
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds total_timeout{15000};  ///< of this one try, connecting included
    std::size_t max_body_bytes = 64 * 1024;          ///< of the response
};

struct ClientResponse {
    int status = 0;
    std::vector<ClientHeader> headers;
    std::string body;

    /// The first of that name, without regard to case; empty when absent.
    std::string_view header(std::string_view name) const;
    /// The media type in lower case without parameters.
    std::string content_type() const;
};

/// One blocking request at a time to some HTTP server. Never follows a redirect, never retries, keeps no cookies, and
/// writes no log: the details of its errors name the host and the reason, no path, header or body.
class HttpClient {
  public:
    virtual ~HttpClient() = default;
    /// Any status that the server gave is a response. Errors: http_error.
    virtual Result<ClientResponse> send(const ClientRequest& request) = 0;
};

struct HttpClientOptions {
    std::string ca_file{};  ///< PEM, the only roots to trust; empty: the system's
    std::string proxy{};    ///< `http://host:port` for https and http requests; empty: none (see proxy_from_environment)
    std::string no_proxy{};
    bool https_only = true;
    /// Server side: a configured issuer must not make the service talk to its own network. Checked on the address that
    /// is connected to, after name resolution.
    bool block_private_addresses = false;
    std::vector<std::string> private_hosts_allowed{};  ///< exact host names or addresses exempt from that
    std::string user_agent = "dbguard";
};

/// Over libcurl: HTTP/1.1, TLS 1.2 or later, certificate and host name always verified. Safe to use from several
/// threads.
std::unique_ptr<HttpClient> make_http_client(HttpClientOptions options = {});

/// HTTPS_PROXY, https_proxy, ALL_PROXY and NO_PROXY, through `lookup`, into the options.
void proxy_from_environment(
    HttpClientOptions& options,
    const std::function<std::string(const char* name)>& lookup  ///< empty string: not set
);

/// A success status and this media type (`application/json`; `application/xyz+json` counts as JSON), or an error that
/// names host and status. Errors: redirect, bad_status, bad_content_type.
Result<void> expect(
    const ClientResponse& response, std::string_view url, std::string_view content_type
);

/// `host` or `host:port` of a URL, for messages; empty when there is none.
std::string host_of(std::string_view url);

/// The same without the port: `guard.example`, `[::1]`.
std::string host_name_of(std::string_view url);

/// True for loopback, link-local, private, shared, multicast and other addresses that are not on the public Internet
/// (RFC 6890), and for IPv6 forms that contain one. Text form; true also for what is not an address.
bool is_private_address(std::string_view address);

/// Answers from a script, for tests: each request is handed to the next step.
class ScriptedHttpClient final : public HttpClient {
  public:
    using Step = std::function<Result<ClientResponse>(const ClientRequest&)>;
    explicit ScriptedHttpClient(std::vector<Step> steps) : steps_(std::move(steps)) {}
    /// Past the last step every request is `unreachable`.
    Result<ClientResponse> send(const ClientRequest& request) override;
    const std::vector<ClientRequest>& requests() const { return requests_; }
    bool finished() const { return requests_.size() == steps_.size(); }

  private:
    std::mutex mutex_;
    std::vector<Step> steps_;
    std::vector<ClientRequest> requests_;
};

}  // namespace dbguard::net
