#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "identity/algorithm.hpp"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace dbguard::identity {

namespace jwks_error {
inline constexpr std::string_view malformed = "jwks_malformed";
inline constexpr std::string_view too_large = "jwks_too_large";
inline constexpr std::string_view too_many_keys = "jwks_too_many_keys";
inline constexpr std::string_view private_key = "jwks_private_key";      ///< the set gives secrets away: trust none of it
inline constexpr std::string_view duplicate_kid = "jwks_duplicate_kid";
inline constexpr std::string_view no_usable_key = "jwks_no_usable_key";
}  // namespace jwks_error

inline constexpr std::size_t max_jwks_bytes = 256 * 1024;
inline constexpr std::size_t max_jwks_keys = 100;
inline constexpr std::size_t max_kid_bytes = 512;

/// A public key that may verify signatures. Copies share the OpenSSL key, which is never changed.
struct PublicKey {
    std::optional<std::string> id;
    KeyType type = KeyType::rsa;
    std::optional<Algorithm> algorithm;  ///< the only one, where the set says so
    std::size_t bits = 0;                ///< RSA: modulus length
    std::shared_ptr<evp_pkey_st> key;
};

struct KeySet {
    std::vector<PublicKey> keys;
    /// Why others were left out: `key 3: reason`, for the log and `doctor`.
    std::vector<std::string> ignored;

    const PublicKey* find(std::string_view kid) const;
};

/// A JWK set (RFC 7517 §5). Keys that are not for verifying (`use`, `key_ops`), of an unknown kind, RSA below 2048 bits
/// or not on their curve are left out; a set that shows a private or symmetric key, or two usable keys with one kid, is
/// refused whole. Errors: jwks_error.
Result<KeySet> parse_jwks(std::string_view text);

}  // namespace dbguard::identity
