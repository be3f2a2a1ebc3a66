#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dbguard {

std::string hex(std::string_view bytes);
std::string base64(std::string_view bytes);
/// Strict: padding required, no white space, no non-canonical trailing bits. Source: RFC 4648 §4.
std::optional<std::string> base64_decode(std::string_view text);
/// Without padding. Source: RFC 4648 §5.
std::string base64url(std::string_view bytes);
/// Strict: no padding, no white space, no non-canonical trailing bits.
std::optional<std::string> base64url_decode(std::string_view text);

/// Percent-encodes all but RFC 3986 §2.3 unreserved characters.
std::string percent_encode(std::string_view text);
/// Empty when a `%` is not followed by two hexadecimal digits, or encodes a NUL.
std::optional<std::string> percent_decode(std::string_view text);

bool is_valid_utf8(std::string_view text);

}  // namespace dbguard
