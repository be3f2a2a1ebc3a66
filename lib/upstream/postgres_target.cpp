// What a URL and the environment say of a PostgreSQL server, in libpq's words.
// Source: PostgreSQL manual, "Parameter Key Words", "Environment Variables", "SSL Support".

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "upstream/database_url.hpp"

namespace dbguard::upstream {
namespace {

/// A setting and where it was found.
struct Setting {
    std::string value;
    std::string source;
    bool given() const { return !source.empty(); }
};

class Settings {
  public:
    Settings(const DatabaseUrl& url, const Environment& environment)
        : url_(url), environment_(environment) {}

    /// libpq's order: the URL, then the variable. Empty values count as not given.
    Setting get(std::string_view parameter, const char* variable) const {
        if (const auto value = url_.parameter(parameter); value && !value->empty())
            return {std::string(*value), std::string(parameter)};
        if (variable == nullptr || !environment_) return {};
        if (auto value = environment_(variable); value && !value->empty())
            return {std::move(*value), variable};
        return {};
    }

  private:
    const DatabaseUrl& url_;
    const Environment& environment_;
};

Error bad(const Setting& setting, std::string_view what) {
    return {errc::bad_option, setting.source + "=" + setting.value + ": " + std::string(what)};
}

Result<SslMode> parse_ssl_mode(const Setting& setting) {
    if (setting.value == "disable") return SslMode::disable;
    if (setting.value == "require") return SslMode::require;
    if (setting.value == "verify-ca") return SslMode::verify_ca;
    if (setting.value == "verify-full") return SslMode::verify_full;
    if (setting.value == "allow" || setting.value == "prefer")
        return bad(
            setting,
            "would go on in the clear when somebody on the way says so; write verify-full, "
            "verify-ca, require or disable"
        );
    return bad(setting, "disable, require, verify-ca or verify-full expected");
}

/// Parameters that ask for a protection or a way of connecting that dbguard has not got, with the values that ask for
/// nothing. To ignore one would be to pretend.
struct Unsupported {
    std::string_view name;
    std::array<std::string_view, 4> harmless;
};
constexpr std::array unsupported{
    Unsupported{"require_auth", {""}},
    Unsupported{"requirepeer", {""}},
    Unsupported{"sslcrl", {""}},
    Unsupported{"sslcrldir", {""}},
    Unsupported{"sslpassword", {""}},
    Unsupported{"sslcertmode", {"", "allow"}},
    Unsupported{"sslnegotiation", {"", "postgres"}},
    Unsupported{"sslsni", {"", "1"}},
    Unsupported{"ssl_min_protocol_version", {"", "TLSv1", "TLSv1.1", "TLSv1.2"}},
    Unsupported{"ssl_max_protocol_version", {"", "TLSv1.3"}},
    Unsupported{"gssencmode", {"", "disable", "prefer"}},
    Unsupported{"target_session_attrs", {"", "any"}},
    Unsupported{"hostaddr", {""}},
    Unsupported{"service", {""}},
    Unsupported{"replication", {"", "false", "off", "0"}},
    Unsupported{"ssl", {"", "true"}},
};

Result<void> refuse_unsupported(const DatabaseUrl& url) {
    for (const auto& [name, harmless] : unsupported) {
        const auto value = url.parameter(name);
        if (!value || std::ranges::find(harmless, *value) != harmless.end()) continue;
        return Error{errc::bad_option, std::string(name) + " is not supported"};
    }
    return {};
}

bool is_this_machine(const std::string& host) {
    if (host.starts_with('/') || host == "localhost") return true;
    in_addr v4;
    if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    in6_addr v6;
    return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Result<void> read_tls(const Settings& settings, const DatabaseUrl& url, PostgresTarget& target) {
    const auto root = settings.get("sslrootcert", "PGSSLROOTCERT");
    target.tls.root_certificates = root.value;
    target.tls.client_certificate = settings.get("sslcert", "PGSSLCERT").value;
    target.tls.client_key = settings.get("sslkey", "PGSSLKEY").value;

    const auto mode = settings.get("sslmode", "PGSSLMODE");
    const bool asked = mode.given() || root.given() || url.parameter("ssl") == "true";
    if (mode.given()) {
        const auto parsed = parse_ssl_mode(mode);
        if (!parsed) return parsed.error();
        target.tls.mode = *parsed;
    } else if (!asked && is_this_machine(target.host)) {
        target.tls.mode = SslMode::disable;
        target.plain_by_default = true;
    }
    if (target.tls.root_certificates == "system" && target.tls.mode != SslMode::verify_full)
        return bad(
            root,
            "anybody has a certificate from these authorities, so it needs sslmode=verify-full"
        );
    // libpq, too, ignores sslmode there: the kernel carries the bytes.
    if (target.is_socket()) target.tls.mode = SslMode::disable;
    return {};
}

Result<void> read_channel_binding(const Settings& settings, PostgresTarget& target) {
    const auto setting = settings.get("channel_binding", "PGCHANNELBINDING");
    if (!setting.given() || setting.value == "prefer") return {};
    if (setting.value == "disable") {
        target.channel_binding = ChannelBinding::disable;
    } else if (setting.value == "require") {
        if (target.tls.mode == SslMode::disable) return bad(setting, "needs TLS, which is off");
        target.channel_binding = ChannelBinding::require;
    } else {
        return bad(setting, "disable, prefer or require expected");
    }
    return {};
}

Result<void> read_timeout(const Settings& settings, PostgresTarget& target) {
    const auto setting = settings.get("connect_timeout", "PGCONNECT_TIMEOUT");
    if (!setting.given()) return {};
    int seconds = 0;
    const auto* end = setting.value.data() + setting.value.size();
    const auto [stopped, failed] = std::from_chars(setting.value.data(), end, seconds);
    if (failed != std::errc{} || stopped != end || seconds > 86'400)
        return bad(setting, "seconds expected");
    // Zero and less wait for ever in libpq; here the default stays.
    if (seconds > 0) target.connect_timeout = std::chrono::seconds(seconds);
    return {};
}

}  // namespace

std::string_view name(SslMode mode) {
    switch (mode) {
        case SslMode::disable:
            return "disable";
        case SslMode::require:
            return "require";
        case SslMode::verify_ca:
            return "verify-ca";
        case SslMode::verify_full:
            break;
    }
    return "verify-full";
}

std::string PostgresTarget::address() const {
    if (is_socket()) return host + "/.s.PGSQL." + std::to_string(port);
    const bool bracket = host.find(':') != std::string::npos;
    return (bracket ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<PostgresTarget> postgres_target(const DatabaseUrl& url, const Environment& environment) {
    if (url.engine != Engine::postgres) return Error{errc::bad_option, "not a PostgreSQL URL"};
    if (const auto ok = refuse_unsupported(url); !ok) return ok.error();
    const Settings settings(url, environment);

    PostgresTarget target;
    target.host = url.host;
    target.port = url.port;
    target.user = url.user.empty() ? settings.get("user", "PGUSER").value : url.user;
    if (target.user.empty())
        return Error{errc::bad_option, "no user: postgresql://USER@HOST/DATABASE expected"};
    target.database =
        url.database.empty() ? settings.get("dbname", "PGDATABASE").value : url.database;
    if (target.database.empty()) target.database = target.user;

    if (const auto ok = read_tls(settings, url, target); !ok) return ok.error();
    if (const auto ok = read_channel_binding(settings, target); !ok) return ok.error();
    if (const auto ok = read_timeout(settings, target); !ok) return ok.error();
    for (const auto* name : {"application_name", "options", "client_encoding"})
        if (const auto value = url.parameter(name))
            target.startup_parameters.emplace_back(name, *value);
    return target;
}

}  // namespace dbguard::upstream
