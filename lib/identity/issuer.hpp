#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "identity/algorithm.hpp"
#include "identity/identity.hpp"

namespace dbguard::identity {

struct RequiredClaim {
    std::string name;
    ClaimKind kind = ClaimKind::string;
    std::vector<std::string> values{};  ///< one of them must be there, for pinning a tenant; empty: any

    bool operator==(const RequiredClaim&) const = default;
};

/// How often one token may be exchanged (identity.md A0).
enum class TokenUse : std::uint8_t {
    single,   ///< minted on demand: once per jti
    per_job,  ///< made once for the job and not renewable: up to max_uses for the same job and audience
};

/// What is believed of one issuer: configuration, made by issuer_defaults() and then narrowed or widened by the file.
struct IssuerConfig {
    std::string issuer;  ///< compared byte for byte with `iss` and with the discovery document
    Profile profile = Profile::generic;
    IdentityKind kind = IdentityKind::ci;

    std::vector<std::string> audiences;  ///< ours; one must be an exact member of `aud`
    bool allow_other_audiences = false;  ///< then another recipient could replay the token here
    std::vector<std::string> authorized_parties;  ///< `azp`, when present, must be one of these; empty: not compared
    std::vector<Algorithm> algorithms = {Algorithm::rs256};
    std::vector<std::string> types = {"JWT"};  ///< accepted `typ` (without regard to case); absent is always accepted

    std::chrono::seconds leeway{60};
    std::chrono::seconds max_age{600};        ///< since `iat`; when set above zero, `iat` is required
    std::chrono::seconds max_lifetime{3600};  ///< `exp - iat`
    TokenUse use = TokenUse::single;
    unsigned max_uses = 50;                   ///< per_job only
    std::string job_claim;                    ///< generic profile: the claim that names one job; empty: none does

    std::vector<RequiredClaim> required_claims;
    /// GitLab before 18.3 sends no `job_project_id`; without it a fork's pipeline cannot be told from the project's.
    bool gitlab_before_18_3 = false;

    bool operator==(const IssuerConfig&) const = default;
};

inline constexpr std::string_view github_issuer = "https://token.actions.githubusercontent.com";

/// The profile's required claims, lifetimes and replay rule. `audiences` stays empty: it must be given.
IssuerConfig issuer_defaults(Profile profile, std::string issuer);

namespace issuer_error {
inline constexpr std::string_view bad_issuer_url = "bad_issuer_url";
inline constexpr std::string_view bad_issuer_config = "bad_issuer_config";
}  // namespace issuer_error

/// Refuses configuration that could never be safe: an issuer that is not a plain https URL (no user, query or
/// fragment), no or an empty audience, an audience that is the platform's default, no algorithm, a leeway above 5 min.
/// Errors: issuer_error.
Result<void> check(const IssuerConfig& config);

/// When two issuers differ only by trailing slash, case or default port: what to write instead of `configured`.
/// For a message at configuration time; the comparison itself stays exact.
std::string spelling_hint(std::string_view configured, std::string_view offered);

}  // namespace dbguard::identity
