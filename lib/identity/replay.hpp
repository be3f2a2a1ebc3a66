#pragma once

#include <compare>
#include <map>
#include <string>

#include "base/result.hpp"
#include "identity/issuer.hpp"

namespace dbguard::identity {

namespace replay_error {
inline constexpr std::string_view replayed = "replayed";
inline constexpr std::string_view store_full = "replay_store_full";
inline constexpr std::string_view store_unreachable = "replay_store_unreachable";
}  // namespace replay_error

/// What one exchange uses up.
struct TokenUseKey {
    std::string issuer;
    std::string token;  ///< token_id, or job id and audience

    auto operator<=>(const TokenUseKey&) const = default;
};

struct TokenUseRecord {
    TokenUseKey key;
    unsigned max_uses = 1;
    Time keep_until;  ///< expiry and leeway: after it the token is refused for its age

    bool operator==(const TokenUseRecord&) const = default;
};

/// identity.md A0: single-use by jti for tokens minted on demand; for static ones a bounded number of uses by issuer,
/// job and audience, or by the token itself where no claim names the job.
TokenUseRecord replay_rule(const Identity& identity, const IssuerConfig& issuer);

/// Where uses are counted. Shared by all replicas of the service; checked and counted in one atomic step.
class ReplayStore {
  public:
    virtual ~ReplayStore() = default;
    /// Counts this use. Errors: replayed (it was used up), store_full, store_unreachable: each of them is a refusal.
    virtual Result<void> use(const TokenUseRecord& record, Time now) = 0;
};

/// For tests and a single process. Not thread-safe. Forgets what is past keep_until; refuses when full.
class MemoryReplayStore final : public ReplayStore {
  public:
    explicit MemoryReplayStore(std::size_t max_entries = 100000) : max_entries_(max_entries) {}
    Result<void> use(const TokenUseRecord& record, Time now) override;
    std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        unsigned uses = 0;
        Time keep_until;
    };
    void forget_expired(Time now);

    std::size_t max_entries_;
    std::map<TokenUseKey, Entry> entries_;
};

}  // namespace dbguard::identity
