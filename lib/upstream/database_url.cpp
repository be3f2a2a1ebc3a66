#include "upstream/database_url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/encoding.hpp"

namespace dbguard::upstream {
namespace {

struct Scheme {
    std::string_view name;
    Engine engine;
    std::uint16_t port;
};
constexpr std::array schemes{
    Scheme{"postgresql", Engine::postgres, 5432},
    Scheme{"postgres", Engine::postgres, 5432},  // Heroku, Rails; not SQLAlchemy since 1.4
    Scheme{"mysql", Engine::mysql, 3306},
    Scheme{"mysql2", Engine::mysql, 3306},  // Rails
    Scheme{"mariadb", Engine::mysql, 3306},
};

/// The text with the position of its parts, for messages that do not repeat it.
class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<DatabaseUrl> parse();

  private:
    Error error(std::string_view what, const char* where) const {
        const auto position = static_cast<std::size_t>(where - text_.data()) + 1;
        return {errc::bad_url, std::string(what) + ", at character " + std::to_string(position)};
    }
    Result<std::string> decode(std::string_view part) const;

    Result<void> scheme();
    Result<void> user_part(std::string_view part);
    Result<void> host_part(std::string_view part);
    Result<void> port_part(std::string_view part);
    Result<void> database_part(std::string_view part);
    Result<void> parameters(std::string_view part);
    Result<void> parameter(std::string_view part);
    Result<void> parts_from_parameters();

    std::string_view text_;
    std::string_view rest_;
    const char* authority_ = nullptr;
    const char* query_ = nullptr;
    bool port_given_ = false;
    DatabaseUrl url_;
};

Result<std::string> Parser::decode(std::string_view part) const {
    if (auto decoded = percent_decode(part)) return std::move(*decoded);
    for (auto at = part.find('%'); at != std::string_view::npos; at = part.find('%', at + 1))
        if (!percent_decode(part.substr(at, 3)))
            return error("bad percent-encoding", part.data() + at);
    return error("bad percent-encoding", part.data());
}

Result<void> Parser::scheme() {
    const auto end = text_.find("://");
    if (end == std::string_view::npos) {
        return error("no scheme: postgresql://USER@HOST/DATABASE expected", text_.data());
    }
    const auto scheme = text_.substr(0, end);
    const auto plus = scheme.find('+');
    const auto base = scheme.substr(0, plus);
    const auto found = std::ranges::find(schemes, base, &Scheme::name);
    if (found == schemes.end())
        return error(
            "unknown scheme (postgresql, postgres, mysql, mysql2 and mariadb are known)",
            text_.data()
        );
    if (plus != std::string_view::npos) {
        const auto driver = scheme.substr(plus + 1);
        const bool word = std::ranges::all_of(driver, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
        if (driver.empty() || !word) return error("bad driver name in the scheme", driver.data());
    }
    url_.scheme = scheme;
    url_.engine = found->engine;
    url_.port = found->port;
    rest_ = text_.substr(end + 3);
    return {};
}

Result<void> Parser::user_part(std::string_view part) {
    if (const auto at = part.find('@'); at != std::string_view::npos)
        return error("an @ in user or password must be written %40", part.data() + at);
    const auto colon = part.find(':');
    auto user = decode(part.substr(0, colon));
    if (!user) return user.error();
    url_.user = std::move(*user);
    if (colon == std::string_view::npos) return {};
    auto password = decode(part.substr(colon + 1));
    if (!password) return password.error();
    url_.password = Secret(std::move(*password));
    return {};
}

bool is_host_name(std::string_view host) {
    return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
    });
}

bool is_ipv6(const std::string& host) {
    in6_addr address;
    return inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &address) == 1;
}

Result<void> Parser::host_part(std::string_view part) {
    if (const auto comma = part.find(','); comma != std::string_view::npos)
        return error("several hosts: name one", part.data() + comma);
    std::string_view host = part;
    std::string_view port;
    bool has_port = false;
    const bool bracketed = part.starts_with('[');
    if (bracketed) {
        const auto end = part.find(']');
        if (end == std::string_view::npos) return error("no ] behind an IPv6 address", part.data());
        host = part.substr(1, end - 1);
        const auto behind = part.substr(end + 1);
        if (!behind.empty() && behind[0] != ':')
            return error("unexpected text behind ]", behind.data());
        has_port = !behind.empty();
        if (has_port) port = behind.substr(1);
    } else if (const auto colon = part.find(':'); colon != std::string_view::npos) {
        host = part.substr(0, colon);
        port = part.substr(colon + 1);
        has_port = true;
    }
    auto decoded = decode(host);
    if (!decoded) return decoded.error();
    if (bracketed && !is_ipv6(*decoded)) return error("not an IPv6 address", host.data());
    if (!bracketed && decoded->find(',') != std::string::npos)
        return error("several hosts: name one", host.data());
    if (!bracketed && !decoded->empty() && !decoded->starts_with('/') && !is_host_name(*decoded))
        return error("not a host name", host.data());
    url_.host = std::move(*decoded);
    return has_port ? port_part(port) : Result<void>{};
}

Result<void> Parser::port_part(std::string_view part) {
    unsigned port = 0;
    const auto [end, failed] = std::from_chars(part.data(), part.data() + part.size(), port);
    if (failed != std::errc{} || end != part.data() + part.size() || port == 0 || port > 65535)
        return error("the port is not a number from 1 to 65535", part.data());
    url_.port = static_cast<std::uint16_t>(port);
    port_given_ = true;
    return {};
}

Result<void> Parser::database_part(std::string_view part) {
    if (const auto slash = part.find('/'); slash != std::string_view::npos)
        return error("a / in the database's name must be written %2F", part.data() + slash);
    auto database = decode(part);
    if (!database) return database.error();
    url_.database = std::move(*database);
    return {};
}

Result<void> Parser::parameter(std::string_view part) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0)
        return error("a parameter is not NAME=VALUE", part.data());
    auto name = decode(part.substr(0, equals));
    if (!name) return name.error();
    auto value = decode(part.substr(equals + 1));
    if (!value) return value.error();
    // Which of two would count differs between drivers.
    if (url_.parameter(*name) && *url_.parameter(*name) != *value)
        return error("a parameter is given twice with different values", part.data());
    url_.parameters.emplace_back(std::move(*name), std::move(*value));
    return {};
}

Result<void> Parser::parameters(std::string_view part) {
    query_ = part.data();
    while (!part.empty()) {
        const auto end = part.find('&');
        if (const auto ok = parameter(part.substr(0, end)); !ok) return ok;
        if (end == std::string_view::npos) break;
        part.remove_prefix(end + 1);
        if (part.empty()) return error("a parameter is missing behind &", part.data());
    }
    return {};
}

/// libpq lets parameters say what else stands in front.
Result<void> Parser::parts_from_parameters() {
    if (url_.engine != Engine::postgres) return {};
    const auto twice = [this](std::string_view name) {
        return error(std::string(name) + " is given twice with different values", query_);
    };
    if (const auto host = url_.parameter("host"); host && !host->empty()) {
        if (!url_.host.empty() && url_.host != *host) return twice("the host");
        if (host->find(',') != std::string_view::npos)
            return error("several hosts: name one", query_);
        if (!host->starts_with('/') && !is_host_name(*host) && !is_ipv6(std::string(*host)))
            return error("host is not a host name", query_);
        url_.host = *host;
    }
    if (const auto port = url_.parameter("port")) {
        const auto before = url_.port;
        const bool given = port_given_;
        if (!port_part(*port)) return error("the port is not a number from 1 to 65535", query_);
        if (given && url_.port != before) return twice("the port");
    }
    const auto take = [&](std::string_view name, std::string& into) {
        const auto value = url_.parameter(name);
        if (!value || value->empty()) return true;
        if (!into.empty() && into != *value) return false;
        into = *value;
        return true;
    };
    if (!take("user", url_.user)) return twice("the user");
    if (!take("dbname", url_.database)) return twice("the database");
    if (const auto password = url_.parameter("password")) {
        const Secret given{std::string(*password)};
        if (url_.password && *url_.password != given) return twice("the password");
        url_.password = given;
    }
    return {};
}

Result<DatabaseUrl> Parser::parse() {
    for (const char& c : text_)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f)
            return error("a space or control character", &c);
    if (const auto ok = scheme(); !ok) return ok.error();
    if (const auto hash = rest_.find('#'); hash != std::string_view::npos)
        return error("a # must be written %23", rest_.data() + hash);

    authority_ = rest_.data();
    const auto query_at = rest_.find('?');
    auto front = rest_.substr(0, query_at);
    const auto slash = front.find('/');
    const auto authority = front.substr(0, slash);
    auto host = authority;
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        if (const auto ok = user_part(authority.substr(0, at)); !ok) return ok.error();
        host = authority.substr(at + 1);
    }
    if (const auto ok = host_part(host); !ok) return ok.error();
    if (slash != std::string_view::npos)
        if (const auto ok = database_part(front.substr(slash + 1)); !ok) return ok.error();
    if (query_at != std::string_view::npos)
        if (const auto ok = parameters(rest_.substr(query_at + 1)); !ok) return ok.error();
    if (const auto ok = parts_from_parameters(); !ok) return ok.error();
    if (url_.host.empty()) return error("no host", host.data());
    return std::move(url_);
}

}  // namespace

std::optional<std::string_view> DatabaseUrl::parameter(std::string_view name) const {
    for (auto it = parameters.rbegin(); it != parameters.rend(); ++it)
        if (it->first == name) return it->second;
    return {};
}

Result<DatabaseUrl> parse_database_url(std::string_view text) { return Parser(text).parse(); }

Environment process_environment() {
    return [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        if (value == nullptr) return {};
        return value;
    };
}

}  // namespace dbguard::upstream
