#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dbguard::identity {

/// An https URL without user part, query or fragment, taken apart but not normalised.
struct HttpsUrl {
    std::string authority;  ///< as written: host, and port where one is written
    std::string host;       ///< in lower case, IPv6 with its brackets
    std::string port;       ///< `443` where none is written
    std::string path;       ///< as written; may be empty

    /// Same scheme, host and port (RFC 6454 §5).
    bool same_origin(const HttpsUrl& other) const { return host == other.host && port == other.port; }
};

/// Empty for anything else: another scheme or a scheme in capitals, `user@`, `?`, `#`, white space, control or non-ASCII
/// characters (a host that looks alike in another script is written in its xn-- form or not at all), a port out of range.
std::optional<HttpsUrl> parse_https_url(std::string_view url);

}  // namespace dbguard::identity
