#include "identity/url.hpp"

#include <algorithm>

namespace dbguard::identity {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' || c == '_';
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

bool is_host(std::string_view host) {
    if (host.size() > 255) return false;
    if (host.starts_with('[')) {
        return host.size() > 3 && host.ends_with(']') &&
               host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdef:.") ==
                   std::string_view::npos;
    }
    return !host.empty() && !host.starts_with('.') &&
           std::all_of(host.begin(), host.end(), is_host_character);
}

bool is_port(std::string_view port) {
    if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit) ||
        port[0] == '0')
        return false;
    return std::stoul(std::string(port)) <= 65535;
}

}  // namespace

std::optional<HttpsUrl> parse_https_url(std::string_view url) {
    constexpr std::string_view scheme = "https://";
    if (!url.starts_with(scheme) || url.size() > 2048) return {};
    for (const char c : url)
        if (c <= ' ' || c == '\x7f' || c == '?' || c == '#' || c == '\\' || c == '@' || c == '"' ||
            c == '<' || c == '>')
            return {};

    const std::string_view rest = url.substr(scheme.size());
    const auto path_begin = std::min(rest.find('/'), rest.size());
    HttpsUrl out;
    out.authority = rest.substr(0, path_begin);
    out.path = rest.substr(path_begin);

    std::string_view host = out.authority;
    std::string_view port = "443";
    const auto colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
        port = host.substr(colon + 1);
        host = host.substr(0, colon);
    }
    out.host = lower(host);
    out.port = port;
    if (!is_host(out.host) || !is_port(out.port)) return {};
    return out;
}

}  // namespace dbguard::identity
