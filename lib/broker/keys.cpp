#include "broker/keys.hpp"

#include <algorithm>

#include "identity/jwks.hpp"

namespace dbguard::broker {

using identity::KeyAction;
using identity::KeySet;
using identity::Time;

namespace {

/// How long a token waits for keys that another one is fetching.
constexpr std::chrono::seconds wait_for_fetch{20};

struct Fetched {
    KeySet keys;
    std::optional<std::chrono::seconds> max_age;
};

Result<net::ClientResponse> get_json(net::HttpClient& client, const std::string& url, std::size_t max_bytes) {
    net::ClientRequest request;
    request.url = url;
    request.headers = {{"Accept", "application/json"}};
    request.max_body_bytes = max_bytes;
    auto response = client.send(request);
    if (!response) return response;
    if (const auto good = net::expect(*response, url, "application/json"); !good) return good.error();
    return response;
}

/// OpenID Connect Discovery 1.0: the document names the keys. Some hosts serve key sets as application/jwk-set+json
/// (RFC 7517 §8.5), which counts as JSON.
Result<Fetched> fetch(net::HttpClient& client, const Issuer& issuer) {
    const auto& name = issuer.settings.rules.issuer;
    const auto document = get_json(client, identity::discovery_url(name), identity::max_discovery_bytes);
    if (!document) return document.error();
    const auto discovery = identity::parse_discovery(document->body, name, issuer.settings.jwks_hosts);
    if (!discovery) return discovery.error();
    const auto response = get_json(client, discovery->jwks_uri, identity::max_jwks_bytes);
    if (!response) return response.error();
    auto keys = identity::parse_jwks(response->body);
    if (!keys) return keys.error();
    return Fetched{std::move(*keys), identity::cache_max_age(response->header("cache-control"))};
}

bool same(const Issuer& a, const Issuer& b) {
    return a.settings.name == b.settings.name && a.settings.rules == b.settings.rules && a.jwks == b.jwks && a.ca_file == b.ca_file &&
           a.settings.jwks_file.has_value() == b.settings.jwks_file.has_value() && a.settings.private_hosts == b.settings.private_hosts &&
           a.settings.jwks_hosts == b.settings.jwks_hosts;
}

}  // namespace

struct IssuerKeys::Source {
    Issuer issuer;
    std::unique_ptr<net::HttpClient> client;  // empty: static keys
    std::function<void(std::string_view, std::string_view)> report;

    std::mutex mutex;  // for what follows
    std::condition_variable changed;
    identity::KeyCache cache;
    std::optional<KeySet> fixed;
    std::string last_failure;
    std::thread background;
    bool background_runs = false;

    ~Source() {
        if (background.joinable()) background.join();
    }
    void fetch_now(const std::function<Time()>& now);
    void fetch_in_background(const std::function<Time()>& now);
};

void IssuerKeys::Source::fetch_now(const std::function<Time()>& now) {
    auto fetched = fetch(*client, issuer);
    if (!fetched && report) report(issuer.settings.name, "fetching keys: " + fetched.error().text());
    if (fetched && report)
        for (const auto& line : fetched->keys.ignored) report(issuer.settings.name, "key ignored: " + line);
    const std::lock_guard lock(mutex);
    if (fetched) cache.fetched(std::move(fetched->keys), fetched->max_age, now());
    else {
        last_failure = fetched.error().text();
        cache.failed(now());
    }
    changed.notify_all();
}

/// Caller holds the mutex. The cache begins one fetch at a time, so a thread that still runs is one it gave up as lost: the
/// next try is then made by the next token.
void IssuerKeys::Source::fetch_in_background(const std::function<Time()>& now) {
    if (background_runs) return;
    if (background.joinable()) background.join();  // it has nothing left to do
    background_runs = true;
    background = std::thread([this, now] {
        fetch_now(now);
        const std::lock_guard lock(mutex);
        background_runs = false;
    });
}

Result<std::unique_ptr<IssuerKeys>> IssuerKeys::make(
    std::vector<Issuer> issuers,
    const HttpClientFactory& clients,
    std::function<void(std::string_view issuer, std::string_view line)> report,
    const IssuerKeys* before
) {
    std::unique_ptr<IssuerKeys> made(new IssuerKeys);
    for (auto& issuer : issuers) {
        if (before != nullptr) {
            const auto kept = std::find_if(before->sources_.begin(), before->sources_.end(), [&](const auto& one) { return same(one->issuer, issuer); });
            if (kept != before->sources_.end()) {
                made->rules_.push_back(issuer.settings.rules);
                made->sources_.push_back(*kept);
                continue;
            }
        }
        auto source = std::make_shared<Source>();
        source->report = report;
        if (issuer.settings.jwks_file) {
            auto keys = identity::parse_jwks(issuer.jwks);
            if (!keys) return keys.error();
            source->fixed = std::move(*keys);
        } else {
            source->client = clients(issuer);
        }
        made->rules_.push_back(issuer.settings.rules);
        source->issuer = std::move(issuer);
        made->sources_.push_back(std::move(source));
    }
    return made;
}

IssuerKeys::~IssuerKeys() = default;

Result<IssuerKeys::Verified> IssuerKeys::verify(std::string_view token, const std::function<Time()>& now) {
    const auto jwt = identity::parse_jwt(token);
    if (!jwt) return jwt.error();
    const auto rules = identity::choose_issuer(*jwt, rules_);
    if (!rules) return rules.error();
    Source& source = *sources_[static_cast<std::size_t>(*rules - rules_.data())];
    auto identity = verify_with(source, *jwt, now);
    if (!identity) return identity.error();
    return Verified{std::move(*identity), *rules};
}

Result<identity::Identity> IssuerKeys::verify_with(
    Source& source, const identity::UnverifiedJwt& jwt, const std::function<Time()>& now
) {
    const auto& rules = source.issuer.settings.rules;
    if (source.fixed) return identity::verify(jwt, rules, *source.fixed, now());

    std::unique_lock lock(source.mutex);
    const auto give_up = std::chrono::steady_clock::now() + wait_for_fetch;
    bool fetched_by_me = false;
    for (;;) {
        const auto action = source.cache.next(jwt.header.find_string("kid"), now());
        switch (action) {
            case KeyAction::use_and_refresh:
                source.fetch_in_background(now);
                [[fallthrough]];
            case KeyAction::use: {
                // A copy shares OpenSSL's keys; verifying must not hold the lock.
                const KeySet keys = *source.cache.keys();
                lock.unlock();
                return identity::verify(jwt, rules, keys, now());
            }
            case KeyAction::fetch:
                if (fetched_by_me) {  // the cache must not ask twice in one call; then it is a fault, not a loop
                    source.cache.failed(now());
                    return Error{errc::keys_unavailable, source.last_failure};
                }
                fetched_by_me = true;
                lock.unlock();
                source.fetch_now(now);
                lock.lock();
                break;
            case KeyAction::wait:
                if (source.changed.wait_until(lock, give_up) == std::cv_status::timeout)
                    return Error{errc::keys_unavailable, "another fetch takes too long"};
                break;
            case KeyAction::refuse:
                if (const KeySet* keys = source.cache.keys()) return identity::verify(jwt, rules, *keys, now());
                return Error{errc::keys_unavailable, source.last_failure};
        }
    }
}

void IssuerKeys::warm(const std::function<Time()>& now) {
    for (const auto& source : sources_) {
        if (source->fixed) continue;
        {
            const std::lock_guard lock(source->mutex);
            if (source->cache.next(std::nullopt, now()) != KeyAction::fetch) continue;
        }
        source->fetch_now(now);
    }
}

HttpClientFactory default_http_clients() {
    return [](const Issuer& issuer) {
        net::HttpClientOptions options;
        options.ca_file = issuer.ca_file;
        options.block_private_addresses = true;
        options.private_hosts_allowed = issuer.settings.private_hosts;
        net::proxy_from_environment(options, [](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value ? value : "");
        });
        return net::make_http_client(std::move(options));
    };
}

}  // namespace dbguard::broker
