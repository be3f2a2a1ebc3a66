#include "identity/discovery.hpp"

#include <algorithm>

#include "identity/issuer.hpp"
#include "identity/json.hpp"
#include "identity/url.hpp"

namespace dbguard::identity {
namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) {
               return lower(x) == lower(y);
           });
}

bool is_pinned(const HttpsUrl& url, const std::vector<std::string>& pinned_hosts) {
    const std::string with_port = url.host + ":" + url.port;
    return std::any_of(pinned_hosts.begin(), pinned_hosts.end(), [&](const std::string& host) {
        return equal_ignoring_case(host, with_port) ||
               (url.port == "443" && equal_ignoring_case(host, url.host));
    });
}

}  // namespace

std::string discovery_url(std::string_view issuer) {
    if (issuer.ends_with('/')) issuer.remove_suffix(1);
    return std::string(issuer) + "/.well-known/openid-configuration";
}

Result<Discovery> parse_discovery(
    std::string_view document, std::string_view issuer, const std::vector<std::string>& pinned_hosts
) {
    const auto json = parse_json(document, {.max_bytes = max_discovery_bytes});
    if (!json) return Error{discovery_error::malformed, json.error().text()};
    const auto said = json->find_string("issuer");
    const auto keys = json->find_string("jwks_uri");
    if (!said || !keys) return Error{discovery_error::malformed, "no issuer or jwks_uri"};
    if (*said != issuer) return Error{discovery_error::wrong_issuer, spelling_hint(issuer, *said)};

    const auto ours = parse_https_url(issuer);
    const auto theirs = parse_https_url(*keys);
    if (!ours || !theirs) return Error{discovery_error::bad_jwks_uri, "not a plain https URL"};
    if (!ours->same_origin(*theirs) && !is_pinned(*theirs, pinned_hosts))
        return Error{
            discovery_error::bad_jwks_uri,
            "keys at " + theirs->host + ", which is neither the issuer's origin nor pinned"};
    return Discovery{std::string(*said), std::string(*keys)};
}

std::optional<std::chrono::seconds> cache_max_age(std::string_view cache_control) {
    std::optional<std::chrono::seconds> age;
    while (!cache_control.empty()) {
        const auto comma = std::min(cache_control.find(','), cache_control.size());
        const std::string_view directive = trim(cache_control.substr(0, comma));
        cache_control.remove_prefix(std::min(comma + 1, cache_control.size()));

        const auto equals = std::min(directive.find('='), directive.size());
        const std::string_view name = trim(directive.substr(0, equals));
        if (equal_ignoring_case(name, "no-store") || equal_ignoring_case(name, "no-cache"))
            return std::chrono::seconds(0);
        if (!equal_ignoring_case(name, "max-age") || equals == directive.size()) continue;
        std::string_view digits = trim(directive.substr(equals + 1));
        if (digits.size() >= 2 && digits.front() == '"' && digits.back() == '"')
            digits = digits.substr(1, digits.size() - 2);
        if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
            continue;
        // RFC 9111 §1.2.2: too large a number is read as a very large one.
        age =
            std::chrono::seconds(digits.size() > 9 ? 999'999'999 : std::stol(std::string(digits)));
    }
    return age;
}

KeyAction KeyCache::next(std::optional<std::string_view> kid, Time now) {
    if (fetching_ && last_begin_ && now >= *last_begin_ + policy_.fetch_limit)
        failed(now);  // its caller is gone
    if (keys_ && now >= *fresh_until_ + policy_.stale_limit) keys_.reset();

    if (!keys_) {
        if (fetching_) return KeyAction::wait;
        return may_fetch(now, {}) ? begin(KeyAction::fetch, now) : KeyAction::refuse;
    }
    if (kid && !keys_->find(*kid)) {
        // A new key, or an attacker who makes kids up: one fetch in a while tells, for all of them together.
        if (fetching_) return KeyAction::wait;
        return may_fetch(now, policy_.unknown_kid_pause) ? begin(KeyAction::fetch, now)
                                                         : KeyAction::refuse;
    }
    if (now < *fresh_until_ - policy_.refresh_ahead) return KeyAction::use;
    // While the issuer answers, nothing is verified with stale keys. While it fails they go on serving, and nobody
    // waits for it.
    const bool is_stale = now >= *fresh_until_;
    if (is_stale && !last_failure_) {
        if (fetching_) return KeyAction::wait;
        return begin(KeyAction::fetch, now);
    }
    if (fetching_ || !may_fetch(now, {})) return KeyAction::use;
    return begin(KeyAction::use_and_refresh, now);
}

void KeyCache::fetched(KeySet keys, std::optional<std::chrono::seconds> max_age, Time now) {
    keys_ = std::move(keys);
    fresh_until_ =
        now +
        std::clamp(max_age.value_or(policy_.default_fresh), policy_.min_fresh, policy_.max_fresh);
    last_failure_.reset();
    fetching_ = false;
}

void KeyCache::failed(Time now) {
    last_failure_ = now;
    fetching_ = false;
}

bool KeyCache::may_fetch(Time now, std::chrono::seconds pause) const {
    return (!last_failure_ || now >= *last_failure_ + policy_.retry_pause) &&
           (!last_begin_ || now >= *last_begin_ + pause);
}

KeyAction KeyCache::begin(KeyAction action, Time now) {
    last_begin_ = now;
    fetching_ = true;
    return action;
}

}  // namespace dbguard::identity
