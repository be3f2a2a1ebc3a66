#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/identity.hpp"
#include "identity/jwks.hpp"

namespace dbguard::identity {

namespace discovery_error {
inline constexpr std::string_view malformed = "discovery_malformed";
inline constexpr std::string_view wrong_issuer = "discovery_wrong_issuer";  ///< the detail suggests a spelling, if it is that
inline constexpr std::string_view bad_jwks_uri = "discovery_bad_jwks_uri";
}  // namespace discovery_error

inline constexpr std::size_t max_discovery_bytes = 64 * 1024;

/// OpenID Connect Discovery 1.0 §4: one trailing slash is dropped before the suffix.
std::string discovery_url(std::string_view issuer);

struct Discovery {
    std::string issuer;
    std::string jwks_uri;

    bool operator==(const Discovery&) const = default;
};

/// Checks that the document speaks for `issuer`, byte for byte, and that its keys lie on https at the issuer's own
/// origin or at a host of `pinned_hosts` (`www.googleapis.com`; port 443 unless `host:port`).
/// Errors: discovery_error.
Result<Discovery> parse_discovery(
    std::string_view document, std::string_view issuer,
    const std::vector<std::string>& pinned_hosts = {}
);

/// `max-age` of a Cache-Control header; zero with no-store or no-cache; empty when absent or unreadable.
std::optional<std::chrono::seconds> cache_max_age(std::string_view cache_control);

struct KeyCachePolicy {
    std::chrono::seconds min_fresh{300};        ///< whatever the server says, within these two
    std::chrono::seconds max_fresh{86400};
    std::chrono::seconds default_fresh{3600};   ///< where it says nothing
    std::chrono::seconds refresh_ahead{60};     ///< begin a refresh this long before staleness
    std::chrono::seconds unknown_kid_pause{30}; ///< between fetches that an unknown kid causes
    std::chrono::seconds retry_pause{10};       ///< after a failed fetch
    std::chrono::seconds stale_limit{86400};    ///< how long past freshness old keys serve while fetching fails
    /// A fetch, two requests of 15 s at most, that reported nothing for so long is taken for lost.
    std::chrono::seconds fetch_limit{45};
};

/// What to do about one token now.
enum class KeyAction : std::uint8_t {
    use,              ///< verify with keys()
    use_and_refresh,  ///< verify with keys() and fetch in the background
    fetch,            ///< fetch first, then ask again
    wait,             ///< another caller is fetching: wait for it, then ask again
    refuse,           ///< no keys, or not this one, and it is too early to ask again
};

/// The keys of one issuer over time, without I/O: the caller fetches and reports. A failed fetch never evicts good
/// keys. Not thread-safe.
class KeyCache {
  public:
    explicit KeyCache(KeyCachePolicy policy = {}) : policy_(policy) {}

    /// For a token with this kid (empty: none). `fetch` and `use_and_refresh` mark a fetch as begun, so that one caller
    /// gets them; it must report fetched() or failed().
    KeyAction next(std::optional<std::string_view> kid, Time now);
    /// `max_age` from cache_max_age(). Replaces the keys: one that the issuer withdrew is gone.
    void fetched(KeySet keys, std::optional<std::chrono::seconds> max_age, Time now);
    void failed(Time now);

    /// Null before the first successful fetch, and past the stale limit as of the last next().
    const KeySet* keys() const { return keys_ ? &*keys_ : nullptr; }
    std::optional<Time> fresh_until() const { return fresh_until_; }

  private:
    bool may_fetch(Time now, std::chrono::seconds pause) const;
    KeyAction begin(KeyAction action, Time now);

    KeyCachePolicy policy_;
    std::optional<KeySet> keys_;
    std::optional<Time> fresh_until_;
    std::optional<Time> last_begin_;
    std::optional<Time> last_failure_;
    bool fetching_ = false;
};

}  // namespace dbguard::identity
