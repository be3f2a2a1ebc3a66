#pragma once

// JSON written by hand for the hot path: no tree, no allocation once the target is warm.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace dbguard::recording {

/// Appends `text` as a JSON string with its quotes. Bytes that are no valid UTF-8 become U+FFFD: a line must be readable
/// by every JSON parser (RFC 8259 §7, §8.1). Control characters beyond ASCII's and those that turn the direction of text
/// become escapes as well, so that a recording can be looked at in a terminal.
void append_json_string(std::string& out, std::string_view text);
void append_number(std::string& out, std::uint64_t value);
void append_number(std::string& out, std::int64_t value);
/// `2026-11-20T14:03:07.114Z`, without quotes. RFC 3339; years 0000 to 9999, beyond them the nearest of these.
void append_time(std::string& out, std::chrono::system_clock::time_point at);
/// Milliseconds with up to three decimals: `0.412`, `38`.
void append_milliseconds(std::string& out, std::chrono::microseconds duration);

/// Bytes of the UTF-8 sequence at the front of `text`, 1 for ASCII, 0 when there is none. RFC 3629 §4.
std::size_t utf8_sequence_bytes(std::string_view text);
/// Whether a terminal or a reader can be misled by it: C0 and C1 controls, DEL, line and paragraph separators, marks that
/// turn the direction of text (Unicode TR 36 §2.5). `sequence` is one whole character.
bool is_unprintable(std::string_view sequence);

}  // namespace dbguard::recording
