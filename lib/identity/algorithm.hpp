#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace dbguard::identity {

/// The signatures that can be checked. No `none` and no HMAC: they do not exist here, so no header can ask for them.
/// Source: RFC 7518 §3.1, RFC 8037 §3.1 (EdDSA: Ed25519 only).
enum class Algorithm : std::uint8_t { rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, eddsa };

enum class KeyType : std::uint8_t { rsa, ec_p256, ec_p384, ed25519 };

std::string_view name(Algorithm algorithm);
/// Case-sensitive (RFC 7515 §4.1.1).
std::optional<Algorithm> algorithm_from(std::string_view name);
KeyType key_type_of(Algorithm algorithm);

}  // namespace dbguard::identity
