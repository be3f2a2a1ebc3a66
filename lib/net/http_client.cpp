#include "net/http_client.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

namespace dbguard::net {
namespace {

constexpr std::size_t max_header_bytes = 64 * 1024;
constexpr std::size_t max_idle_handles = 4;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return lower(x) == lower(y);
           });
}

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// ---- addresses -------------------------------------------------------------------------------------------------------

struct Range {
    std::uint32_t network;
    int bits;
};

/// RFC 6890 and its registry, with multicast and the reserved block.
constexpr Range private_ranges[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // shared (carrier-grade NAT)
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local, where clouds keep their metadata services
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // IETF protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relays
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarking
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
};

bool is_private_v4(std::uint32_t address) {
    return std::any_of(
        std::begin(private_ranges),
        std::end(private_ranges),
        [&](const Range& range) { return (address ^ range.network) >> (32 - range.bits) == 0; }
    );
}

std::uint32_t v4_at(const unsigned char* bytes) {
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
           std::uint32_t{bytes[2]} << 8 | bytes[3];
}

/// Only global unicast (2000::/3) is public, less what is carved out of it; forms that hold an IPv4 address count as that.
bool is_private_v6(const unsigned char* a) {
    static constexpr unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static constexpr unsigned char nat64[12] = {0, 0x64, 0xFF, 0x9B};
    if (std::memcmp(a, mapped, 12) == 0 || std::memcmp(a, nat64, 12) == 0)
        return is_private_v4(v4_at(a + 12));
    if ((a[0] & 0xE0) != 0x20) return true;
    if (a[0] == 0x20 && a[1] == 0x02) return is_private_v4(v4_at(a + 2));  // 6to4
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02) return true;          // IETF, with Teredo
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0D && a[3] == 0xB8) return true;  // documentation
    if (a[0] == 0x3F && a[1] == 0xFF && a[2] < 0x10) return true;                   // documentation
    return false;
}

bool is_private(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, address, sizeof v4);
        return is_private_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, address, sizeof v6);
        return is_private_v6(v6.sin6_addr.s6_addr);
    }
    return true;
}

/// `host`, from `host`, `host:port` or `[address]:port`.
std::string_view without_port(std::string_view host) {
    const auto colon = host.rfind(':');
    if (colon == std::string_view::npos || host.find(']', colon) != std::string_view::npos)
        return host;
    return host.substr(0, colon);
}

/// For a host that is written as an address.
bool is_private_literal(std::string_view host) {
    std::string_view bare = without_port(host);
    if (bare.starts_with('[') && bare.ends_with(']'))
        return is_private_address(bare.substr(1, bare.size() - 2));
    const bool looks_numeric = bare.find_first_not_of("0123456789.") == std::string_view::npos;
    return looks_numeric && is_private_address(bare);
}

// ---- curl ------------------------------------------------------------------------------------------------------------

/// libcurl, loaded with the first request: it brings 26 libraries, which would cost each start of a program that makes none 4 ms
/// and 3 MB. Its name has been the same since 2006 (7.16).
struct Curl {
    decltype(&::curl_global_init) global_init = nullptr;
    decltype(&::curl_easy_init) easy_init = nullptr;
    decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
    decltype(&::curl_easy_reset) easy_reset = nullptr;
    decltype(&::curl_easy_setopt) easy_setopt = nullptr;
    decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
    decltype(&::curl_easy_perform) easy_perform = nullptr;
    decltype(&::curl_easy_strerror) easy_strerror = nullptr;
    decltype(&::curl_slist_append) slist_append = nullptr;
    decltype(&::curl_slist_free_all) slist_free_all = nullptr;
    std::string missing;  ///< why there is none

    Curl() {
        void* const library = ::dlopen("libcurl.so.4", RTLD_LAZY | RTLD_LOCAL);
        const auto find = [&](auto& function, const char* name) {
            function = library == nullptr ? nullptr : reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
            if (function == nullptr && missing.empty()) missing = ::dlerror();
        };
        find(global_init, "curl_global_init");
        find(easy_init, "curl_easy_init");
        find(easy_cleanup, "curl_easy_cleanup");
        find(easy_reset, "curl_easy_reset");
        find(easy_setopt, "curl_easy_setopt");
        find(easy_getinfo, "curl_easy_getinfo");
        find(easy_perform, "curl_easy_perform");
        find(easy_strerror, "curl_easy_strerror");
        find(slist_append, "curl_slist_append");
        find(slist_free_all, "curl_slist_free_all");
        // Its global state must be set up once, before threads use it.
        if (missing.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) missing = "curl cannot start";
    }
};

const Curl& curl() {
    static const Curl loaded;
    return loaded;
}

/// What the callbacks of one transfer work on.
struct Transfer {
    ClientResponse response;
    std::size_t max_body_bytes = 0;
    std::size_t header_bytes = 0;
    bool too_large = false;
    bool block_private = false;
    bool blocked = false;
};

std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    if (count > transfer.max_body_bytes - transfer.response.body.size()) {
        transfer.too_large = true;
        return 0;
    }
    transfer.response.body.append(bytes, count);
    return count;
}

std::size_t on_header(char* bytes, std::size_t, std::size_t count, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    transfer.header_bytes += count;
    if (transfer.header_bytes > max_header_bytes) {
        transfer.too_large = true;
        return 0;
    }
    const std::string_view line(bytes, count);
    // A status line begins a new block: what came before was interim (100, 103) or the proxy's answer to CONNECT.
    if (line.starts_with("HTTP/")) {
        transfer.response.headers.clear();
        return count;
    }
    const auto colon = line.find(':');
    if (colon != std::string_view::npos)
        transfer.response.headers.push_back(
            {std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1)))}
        );
    return count;
}

/// Looks at the address that is connected to, not at the name: a name may resolve to another one each time.
curl_socket_t on_open_socket(void* user, curlsocktype purpose, curl_sockaddr* address) {
    auto& transfer = *static_cast<Transfer*>(user);
    if (purpose == CURLSOCKTYPE_IPCXN && transfer.block_private && is_private(&address->addr)) {
        transfer.blocked = true;
        return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string_view code_of(CURLcode result, const Transfer& transfer) {
    if (transfer.too_large) return http_error::too_large;
    if (transfer.blocked) return http_error::blocked_address;
    switch (result) {
        case CURLE_URL_MALFORMAT:
        case CURLE_LOGIN_DENIED:  // a user in the URL
        case CURLE_UNSUPPORTED_PROTOCOL:
            return http_error::bad_url;
        case CURLE_OPERATION_TIMEDOUT:
            return http_error::timeout;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
            return http_error::certificate;
        case CURLE_SSL_CACERT_BADFILE:
            return http_error::bad_option;
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CIPHER:
            return http_error::tls;
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_PROXY:
            return http_error::proxy;
        case CURLE_FILESIZE_EXCEEDED:
            return http_error::too_large;
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_PARTIAL_FILE:
        case CURLE_BAD_CONTENT_ENCODING:
            return http_error::garbage;
        default:
            return http_error::unreachable;
    }
}

/// OpenSSL writes with write(2), and curl leaves signals alone where threads are (CURLOPT_NOSIGNAL): a peer that closed
/// would end the program. Holds SIGPIPE back in this thread and swallows the one that came.
class WithoutSigpipe {
  public:
    WithoutSigpipe() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~WithoutSigpipe() {
        const timespec at_once{};
        if (!was_pending_)
            while (sigtimedwait(&pipe_, nullptr, &at_once) == -1 && errno == EINTR) {
            }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    WithoutSigpipe(const WithoutSigpipe&) = delete;
    WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

  private:
    sigset_t pipe_;
    sigset_t before_;
    bool was_pending_ = false;
};

struct Free {
    void operator()(CURL* easy) const { curl().easy_cleanup(easy); }
    void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, Free>;
using List = std::unique_ptr<curl_slist, Free>;

bool is_header_text(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

/// Empty when a header would break out of its line.
std::optional<List> header_list(const std::vector<ClientHeader>& headers) {
    List list;
    const auto append = [&](const std::string& line) {
        if (curl_slist* longer = curl().slist_append(list.get(), line.c_str())) {
            (void)list.release();
            list.reset(longer);
        }
    };
    append("Expect:");  // no 100-continue: bodies are small
    for (const ClientHeader& header : headers) {
        if (header.name.empty() || !is_header_text(header.name) || !is_header_text(header.value))
            return {};
        // Curl wants `name;` for a header without value.
        append(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
    }
    return list;
}

class CurlClient final : public HttpClient {
  public:
    explicit CurlClient(HttpClientOptions options) : options_(std::move(options)) {}

    Result<ClientResponse> send(const ClientRequest& request) override {
        const std::string host = host_of(request.url);
        if (host.empty() || !is_header_text(request.url)) return Error{http_error::bad_url, ""};
        if (!curl().missing.empty()) return Error{http_error::unreachable, curl().missing};
        const auto headers = header_list(request.headers);
        if (!headers) return Error{http_error::bad_option, "a header with a line break"};
        const WithoutSigpipe
            quiet;  // outlives the handle, whose clean-up says good-bye to the peer
        Easy easy = take_handle();
        if (!easy) return Error{http_error::unreachable, "curl cannot start"};

        Transfer transfer;
        transfer.max_body_bytes = request.max_body_bytes;
        const bool guarded = options_.block_private_addresses && !is_exempt(host);
        // A proxy resolves names itself, and may well have a private address: only literal addresses can be judged then.
        transfer.block_private = guarded && options_.proxy.empty();
        if (guarded && !options_.proxy.empty() && is_private_literal(host))
            return Error{http_error::blocked_address, host + " is a private address"};

        if (const CURLcode set = configure(easy.get(), request, headers->get(), transfer);
            set != CURLE_OK)
            return Error{http_error::bad_option, host + ": " + curl().easy_strerror(set)};
        const CURLcode result = curl().easy_perform(easy.get());
        if (result != CURLE_OK) return failure(easy.get(), result, transfer, host);
        long status = 0;
        curl().easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
        if (status < 100 || status > 599) return Error{http_error::garbage, host + ": no status"};
        transfer.response.status = static_cast<int>(status);
        give_back(std::move(easy));
        return std::move(transfer.response);
    }

  private:
    bool is_exempt(std::string_view host) const {
        const auto& allowed = options_.private_hosts_allowed;
        return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& each) {
            return equal_ignoring_case(each, host) || equal_ignoring_case(each, without_port(host));
        });
    }

    // A handle keeps its connections and the parsed roots (20 ms for the system's) for the next request. Each is used by
    // one thread at a time.
    Easy take_handle() {
        const std::lock_guard lock(mutex_);
        if (idle_.empty()) return Easy(curl().easy_init());
        Easy easy = std::move(idle_.back());
        idle_.pop_back();
        return easy;
    }
    void give_back(Easy easy) {
        curl().easy_reset(easy.get());
        const std::lock_guard lock(mutex_);
        if (idle_.size() < max_idle_handles) idle_.push_back(std::move(easy));
    }

    /// The first option that curl refuses ends it: a request without one of them would be another request.
    CURLcode configure(
        CURL* easy, const ClientRequest& request, curl_slist* headers, Transfer& transfer
    ) const {
        CURLcode result = CURLE_OK;
        const auto set = [&](CURLoption option, auto value) {
            if (result == CURLE_OK) result = curl().easy_setopt(easy, option, value);
        };
        set(CURLOPT_URL, request.url.c_str());
        set(CURLOPT_PROTOCOLS_STR, options_.https_only ? "https" : "http,https");
        set(CURLOPT_HTTP_VERSION,
            static_cast<long>(CURL_HTTP_VERSION_1_1));  // some token endpoints refuse HTTP/2
        set(CURLOPT_HTTP09_ALLOWED, 0L);
        set(CURLOPT_FOLLOWLOCATION, 0L);
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
        set(CURLOPT_USERAGENT, options_.user_agent.c_str());
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
        set(CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(request.total_timeout.count())));

        set(CURLOPT_SSL_VERIFYPEER, 1L);
        set(CURLOPT_SSL_VERIFYHOST, 2L);
        set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
        if (!options_.ca_file.empty()) {
            set(CURLOPT_CAINFO, options_.ca_file.c_str());
            set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // these roots alone
        }
        // An empty string also keeps curl from reading the environment by itself.
        set(CURLOPT_PROXY, options_.proxy.c_str());
        if (!options_.proxy.empty()) {
            set(CURLOPT_NOPROXY, options_.no_proxy.c_str());
            set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        }
        set(CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
        set(CURLOPT_OPENSOCKETDATA, &transfer);

        if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
            set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
            set(CURLOPT_POSTFIELDS, request.body.data());  // borrowed
        }
        if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
        set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
        set(CURLOPT_HTTPHEADER, headers);
        set(CURLOPT_MAXFILESIZE_LARGE,
            static_cast<curl_off_t>(request.max_body_bytes));  // by Content-Length
        set(CURLOPT_WRITEFUNCTION, &on_body);
        set(CURLOPT_WRITEDATA, &transfer);
        set(CURLOPT_HEADERFUNCTION, &on_header);
        set(CURLOPT_HEADERDATA, &transfer);
        return result;
    }

    Error failure(CURL* easy, CURLcode result, const Transfer& transfer, const std::string& host)
        const {
        std::string_view code = code_of(result, transfer);
        // Curl says "unsupported protocol" of a server that speaks something else, too, and "receive error" of a broken
        // body: by then the request was out, or an answer had begun.
        curl_off_t ready_us = 0;
        long status = 0;
        curl().easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
        curl().easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (code == http_error::bad_url && ready_us > 0) code = http_error::garbage;
        if (result == CURLE_RECV_ERROR && status != 0) code = http_error::garbage;
        std::string detail = host + ": " + curl().easy_strerror(result);
        if (code == http_error::too_large) detail = host + ": the answer is too large";
        if (code == http_error::blocked_address) detail = host + " is at a private address";
        long proxy_status = 0;
        curl().easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
        if (code == http_error::unreachable && proxy_status >= 300) {
            code = http_error::proxy;
            detail = host + ": the proxy answered " + std::to_string(proxy_status);
        }
        return {code, std::move(detail)};
    }

    HttpClientOptions options_;
    std::mutex mutex_;
    std::vector<Easy> idle_;
};

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
    for (const ClientHeader& each : headers)
        if (equal_ignoring_case(each.name, name)) return each.value;
    return {};
}

std::string ClientResponse::content_type() const {
    const std::string_view value = header("content-type");
    std::string type(trim(value.substr(0, value.find(';'))));
    std::transform(type.begin(), type.end(), type.begin(), lower);
    return type;
}

std::unique_ptr<HttpClient> make_http_client(HttpClientOptions options) {
    return std::make_unique<CurlClient>(std::move(options));
}

void proxy_from_environment(
    HttpClientOptions& options, const std::function<std::string(const char* name)>& lookup
) {
    // As curl does, except that HTTP_PROXY is never read: a CGI request can set it, and https is what is spoken here.
    for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
        if (std::string value = lookup(name); !value.empty()) {
            options.proxy = std::move(value);
            break;
        }
    }
    for (const char* name : {"no_proxy", "NO_PROXY"}) {
        if (std::string value = lookup(name); !value.empty()) {
            options.no_proxy = std::move(value);
            break;
        }
    }
}

Result<void> expect(
    const ClientResponse& response, std::string_view url, std::string_view content_type
) {
    const std::string host = host_of(url);
    if (response.status >= 300 && response.status < 400)
        return Error{http_error::redirect, host + " answered " + std::to_string(response.status)};
    if (response.status < 200 || response.status >= 300)
        return Error{http_error::bad_status, host + " answered " + std::to_string(response.status)};
    const std::string type = response.content_type();
    const bool is_json = content_type == "application/json" && type.starts_with("application/") &&
                         type.ends_with("+json");
    if (type != content_type && !is_json)
        return Error{
            http_error::bad_content_type,
            host + " did not answer with " + std::string(content_type)};
    return {};
}

std::string host_of(std::string_view url) {
    const auto scheme = url.find("://");
    if (scheme == std::string_view::npos) return {};
    std::string_view authority = url.substr(scheme + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    if (const auto at = authority.rfind('@'); at != std::string_view::npos)
        authority.remove_prefix(at + 1);
    return std::string(authority);
}

std::string host_name_of(std::string_view url) {
    const std::string host = host_of(url);
    return std::string(without_port(host));
}

bool is_private_address(std::string_view address) {
    const std::string text(address);
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return is_private_v4(ntohl(v4.s_addr));
    in6_addr v6{};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return is_private_v6(v6.s6_addr);
    return true;
}

Result<ClientResponse> ScriptedHttpClient::send(const ClientRequest& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (requests_.size() > steps_.size())
        return Error{http_error::unreachable, "the script is over"};
    return steps_[requests_.size() - 1](request);
}

}  // namespace dbguard::net
