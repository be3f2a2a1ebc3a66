#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "identity/json.hpp"

namespace dbguard::identity {

namespace jwt_error {
inline constexpr std::string_view too_large = "token_too_large";
inline constexpr std::string_view encrypted = "token_encrypted";            ///< five segments: JWE
inline constexpr std::string_view not_compact = "token_not_compact";        ///< not three segments, or JSON form
inline constexpr std::string_view bad_encoding = "token_bad_encoding";      ///< a segment is not strict base64url
inline constexpr std::string_view bad_header = "token_bad_header";
inline constexpr std::string_view bad_claims = "token_bad_claims";
}  // namespace jwt_error

/// GitHub's tokens are 1.5–2.5 kB; 16 KiB leaves room for group lists.
inline constexpr std::size_t max_token_bytes = 16 * 1024;

/// A token taken apart and not yet believed.
struct UnverifiedJwt {
    std::string signed_part;  ///< header and payload as received, with the dot between them
    std::string signature;    ///< raw bytes
    Json header;              ///< an object
    Json claims;              ///< an object

    /// `iss`, only for choosing the configuration to verify by; empty when absent or not a string.
    std::string_view unverified_issuer() const;
};

/// Compact serialisation (RFC 7515 §7.1) and nothing else. The signature is not checked.
/// Errors: jwt_error. The detail says which JSON error; it holds no text of the token.
Result<UnverifiedJwt> parse_jwt(std::string_view token);

}  // namespace dbguard::identity
