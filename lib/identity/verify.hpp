#pragma once

#include <span>

#include "identity/issuer.hpp"
#include "identity/jwks.hpp"
#include "identity/jwt.hpp"

namespace dbguard::identity {

/// For the audit record only: an unauthenticated caller learns none of it (identity.md A5). The codes of jwt_error
/// come through verify(token text, …) as well.
namespace verify_error {
inline constexpr std::string_view unknown_issuer = "unknown_issuer";
inline constexpr std::string_view algorithm_not_allowed = "algorithm_not_allowed";
inline constexpr std::string_view header_not_understood = "header_not_understood";  ///< crit, zip, b64
inline constexpr std::string_view wrong_type = "wrong_type";                        ///< typ, or a nested cty
inline constexpr std::string_view bad_kid = "bad_kid";          ///< not a string, too long, or absent among several keys
inline constexpr std::string_view unknown_kid = "unknown_kid";  ///< the caller may fetch the keys once more (discovery.hpp)
inline constexpr std::string_view key_mismatch = "key_mismatch";  ///< the key is of another type or for another algorithm
inline constexpr std::string_view bad_signature = "bad_signature";
inline constexpr std::string_view wrong_issuer = "wrong_issuer";
inline constexpr std::string_view wrong_audience = "wrong_audience";
inline constexpr std::string_view other_audiences = "other_audiences";
inline constexpr std::string_view wrong_authorized_party = "wrong_authorized_party";
inline constexpr std::string_view bad_time = "bad_time";  ///< exp absent, or exp, nbf, iat not a sane number
inline constexpr std::string_view expired = "expired";
inline constexpr std::string_view not_yet_valid = "not_yet_valid";  ///< nbf or iat lies ahead
inline constexpr std::string_view too_old = "too_old";
inline constexpr std::string_view lifetime_too_long = "lifetime_too_long";
inline constexpr std::string_view bad_subject = "bad_subject";
inline constexpr std::string_view bad_token_id = "bad_token_id";
inline constexpr std::string_view missing_claim = "missing_claim";
inline constexpr std::string_view wrong_claim = "wrong_claim";  ///< of another JSON type, or not a pinned value
inline constexpr std::string_view foreign_project = "foreign_project";  ///< GitLab: the job runs elsewhere than it says
}  // namespace verify_error

/// The configuration whose issuer equals the token's unverified `iss` byte for byte. Before any network traffic.
/// Errors: unknown_issuer.
Result<const IssuerConfig*> choose_issuer(
    const UnverifiedJwt& jwt, std::span<const IssuerConfig> configured
);

/// Every check of identity.md A6 that needs no store: algorithm, header, key, signature, then the claims. No claim is
/// used before the signature holds. What remains for the caller: the replay rule (replay.hpp), the cautions
/// (identity.hpp), the policy, and the audit record before any answer.
/// Errors: verify_error. The details name claims and header members, never their values.
Result<Identity> verify(
    const UnverifiedJwt& jwt, const IssuerConfig& issuer, const KeySet& keys, Time now
);

/// The same from token text. Errors: jwt_error, verify_error.
Result<Identity> verify(
    std::string_view token, const IssuerConfig& issuer, const KeySet& keys, Time now
);

/// The platform's own rules over verified claims: fills in job_id and cautions. Called by verify().
/// Errors: missing_claim, wrong_claim, foreign_project.
Result<void> profile_checks(Identity& identity, const IssuerConfig& issuer);

/// Claims as data, for showing what a token says without believing it (`whoami`, `doctor`).
std::map<std::string, Claim, std::less<>> claims_of(const UnverifiedJwt& jwt);

}  // namespace dbguard::identity
