#pragma once

// JSON written by hand for the hot path: no tree, no allocation once the target is warm.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace dbguard::recording {

/// Appends `text` as a JSON string with its quotes. Bytes that are no valid UTF-8 become U+FFFD: a line must be readable
/// by every JSON parser. RFC 8259 §7, §8.1.
void append_json_string(std::string& out, std::string_view text);
void append_number(std::string& out, std::uint64_t value);
void append_number(std::string& out, std::int64_t value);
/// `2026-11-20T14:03:07.114Z`, without quotes. RFC 3339; years 0000 to 9999, beyond them the nearest of these.
void append_time(std::string& out, std::chrono::system_clock::time_point at);
/// Milliseconds with up to three decimals: `0.412`, `38`.
void append_milliseconds(std::string& out, std::chrono::microseconds duration);

}  // namespace dbguard::recording
