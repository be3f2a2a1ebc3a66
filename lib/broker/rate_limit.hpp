#pragma once

// How often one address may fail: a bucket that fills with time. Only failures cost, so that a fleet of runners behind one
// address is not slowed down by working.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace dbguard::broker {

/// Safe to use from several threads. Remembers at most `max_peers` addresses; when full, it forgets those that are whole again,
/// and else counts all new ones together.
class FailureLimit {
  public:
    using Clock = std::chrono::steady_clock;
    explicit FailureLimit(std::uint32_t per_minute, std::size_t max_peers = 20'000)
        : per_minute_(per_minute), max_peers_(max_peers) {}

    /// Whether this address may try now.
    bool allows(std::string_view peer, Clock::time_point now) {
        const std::lock_guard lock(mutex_);
        auto found = buckets_.find(peer);
        if (found == buckets_.end() && buckets_.size() >= max_peers_) found = buckets_.find("others");
        if (found == buckets_.end()) return true;
        refill(found->second, now);
        return found->second.tokens >= 1;
    }
    void failed(std::string_view peer, Clock::time_point now) {
        const std::lock_guard lock(mutex_);
        Bucket& bucket = bucket_of(peer, now);
        refill(bucket, now);
        bucket.tokens = std::max(0.0, bucket.tokens - 1);
    }
    void set_per_minute(std::uint32_t per_minute) {
        const std::lock_guard lock(mutex_);
        per_minute_ = per_minute;
    }
    std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return buckets_.size();
    }

  private:
    struct Bucket {
        double tokens = 0;
        Clock::time_point at;
    };

    void refill(Bucket& bucket, Clock::time_point now) const {
        const double minutes = std::chrono::duration<double, std::ratio<60>>(now - bucket.at).count();
        bucket.tokens = std::min<double>(per_minute_, bucket.tokens + minutes * per_minute_);
        bucket.at = now;
    }
    Bucket& bucket_of(std::string_view peer, Clock::time_point now) {
        if (const auto found = buckets_.find(peer); found != buckets_.end()) return found->second;
        if (buckets_.size() >= max_peers_) {
            for (auto entry = buckets_.begin(); entry != buckets_.end();) {
                refill(entry->second, now);
                entry = entry->second.tokens >= per_minute_ ? buckets_.erase(entry) : std::next(entry);
            }
        }
        const std::string_view name = buckets_.size() >= max_peers_ ? std::string_view("others") : peer;
        return buckets_.try_emplace(std::string(name), Bucket{static_cast<double>(per_minute_), now}).first->second;
    }

    std::uint32_t per_minute_;
    const std::size_t max_peers_;
    mutable std::mutex mutex_;
    std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace dbguard::broker
