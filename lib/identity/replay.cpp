#include "identity/replay.hpp"

namespace dbguard::identity {

TokenUseRecord replay_rule(const Identity& identity, const IssuerConfig& issuer) {
    TokenUseRecord record;
    record.key.issuer = identity.issuer;
    record.keep_until = identity.expires_at + issuer.leeway;
    record.key.token = identity.token_id;
    if (issuer.use == TokenUse::single) return record;
    record.max_uses = issuer.max_uses;
    // The length keeps `job 1, audience 2x` apart from `job 12, audience x`.
    if (!identity.job_id.empty())
        record.key.token = "job:" + std::to_string(identity.job_id.size()) + ":" + identity.job_id +
                           ":" + identity.audience;
    return record;
}

Result<void> MemoryReplayStore::use(const TokenUseRecord& record, Time now) {
    const auto found = entries_.find(record.key);
    if (found != entries_.end() && now < found->second.keep_until) {
        Entry& entry = found->second;
        if (entry.uses >= record.max_uses) return Error{replay_error::replayed, ""};
        ++entry.uses;
        // A job may have several tokens: remember it for as long as the longest of them lives.
        entry.keep_until = std::max(entry.keep_until, record.keep_until);
        return {};
    }
    if (entries_.size() >= max_entries_) forget_expired(now);
    if (entries_.size() >= max_entries_) return Error{replay_error::store_full, ""};
    entries_[record.key] = Entry{1, record.keep_until};
    return {};
}

void MemoryReplayStore::forget_expired(Time now) {
    std::erase_if(entries_, [&](const auto& entry) { return now >= entry.second.keep_until; });
}

}  // namespace dbguard::identity
