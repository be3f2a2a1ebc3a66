#pragma once

// The predicate `hours`: `Mo-Fr 08:00-18:00`, `Sa,Su 10:00-14:00 +02:00`, `22:00-06:00 UTC`. Days, then times of day, then an
// offset from UTC (UTC where none is given). Named time zones are not taken: their rules change under the policy.

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace dbguard::policy {

namespace errc {
inline constexpr std::string_view bad_hours = "bad_hours";
}

struct Hours {
    using Time = std::chrono::system_clock::time_point;

    std::uint8_t days = 0x7f;               ///< bit 0 is Monday; the day a span begins on
    std::chrono::minutes from{0};           ///< inclusive
    std::chrono::minutes to{24 * 60};       ///< exclusive; not above `from`: it ends on the next day
    std::chrono::minutes offset{0};         ///< east of UTC

    bool operator==(const Hours&) const = default;
    bool contains(Time now) const;
    /// The next moment at which contains() may answer otherwise.
    Time next_change(Time now) const;
};

/// Errors: bad_hours.
Result<Hours> parse_hours(std::string_view text);

}  // namespace dbguard::policy
