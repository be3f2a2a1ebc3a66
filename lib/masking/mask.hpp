#pragma once

// What a reader sees instead of a masked value. Mask is the value type that policies name and
// sessions apply; apply() in masking/apply.hpp does it. Knows types and formats; knows nothing of
// tables, columns or rules.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace dbguard::masking {

namespace errc {
inline constexpr std::string_view bad_mask = "bad_mask";
}

enum class Function : std::uint8_t {
    null,
    redact,
    replace,
    hash,
    zero,
    bucket,
    date_year,
    date_month,
    email,
    first,
    last,
    partial,
    keep,
};

/// A mask as the policy writes it (`with:`, `keys:`, `detect:`). The table of exact results is in
/// doc/policy-language.md.
struct Mask {
    Function function = Function::null;
    std::uint64_t a = 0;  ///< the number of first, last and bucket; the first of partial
    std::uint64_t b = 0;  ///< the second of partial
    /// Only these members of a json, hstore or composite value; each a path of member names. Empty:
    /// the whole value.
    std::vector<std::vector<std::string>> keys;
    /// Only what these detectors find in the text; empty: the whole value.
    std::vector<std::string> detectors;
    /// date_year, date_month: of a column without a time zone. Where its value comes as one with a zone (UNION of both), the session's
    /// TimeZone has moved it by up to a week, and a year that begins tells the day: then it is NULL.
    bool no_zone = false;

    bool operator==(const Mask&) const = default;
};

/// `last(4)` → Mask. Errors: bad_mask.
Result<Mask> parse_mask(std::string_view with);
/// The way back: `last(4)`.
std::string text(const Mask& mask);

/// Which of two masks shows less; the first of: null, redact, replace, hash, zero/bucket/date,
/// email/first/last/partial, keep. Two of equal rank become the one that shows no more than either
/// (first(2) and first(4): first(2)) or, where neither does, redact. Covers the keys and detector
/// matches of both; either without them covers the whole value.
Mask stricter(const Mask& a, const Mask& b);

}  // namespace dbguard::masking
