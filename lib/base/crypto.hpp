#pragma once

#include <string>
#include <string_view>

namespace dbguard {

/// 32 raw bytes.
std::string sha256(std::string_view bytes);
/// 32 raw bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);
/// Cryptographically random bytes; throws when the system gives none.
std::string random_bytes(std::size_t count);
/// `prefix` followed by random characters of the unreserved alphabet, 5 bits each.
std::string random_id(std::string_view prefix, std::size_t characters);

}  // namespace dbguard
