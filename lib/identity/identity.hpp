#pragma once

// identity: from token text and keys to a verified Identity. It knows JWT, JWKS, OpenID discovery and what each CI
// platform's claims mean; it does no network I/O and reads no clock or file: keys, `now` and configuration come in.
// Start at verify.hpp. This header is the value that policy, broker and recording see.
// Sources: RFC 7515, 7517, 7518, 7519, 8037, 8725; OpenID Connect Core and Discovery 1.0.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::identity {

/// Seconds since 1970 in UTC, as in NumericDate (RFC 7519 §2).
using Time = std::chrono::sys_seconds;

/// Which platform's rules a token is read by.
enum class Profile : std::uint8_t { github, gitlab, generic };
std::string_view name(Profile profile);
std::optional<Profile> profile_from(std::string_view name);

/// Who stands behind the token. Configured with the issuer, never claimed.
enum class IdentityKind : std::uint8_t { ci, human, workload };
std::string_view name(IdentityKind kind);
std::optional<IdentityKind> identity_kind_from(std::string_view name);

enum class ClaimKind : std::uint8_t { null, boolean, number, string, array, object };
std::string_view name(ClaimKind kind);

struct Claim {
    ClaimKind kind = ClaimKind::null;
    /// string: its text; boolean: `true` or `false`; integer: its decimal text; array of strings: one each. Anything
    /// else (null, fractions, objects, arrays with other members) has none: it can be required, not compared.
    std::vector<std::string> values;

    bool operator==(const Claim&) const = default;
};

/// Something about a genuine token that makes it dangerous to trust by default: the run may be executing text that an
/// outsider wrote. It is refused unless whoever opens the door names this claim with this value (see `unnamed`).
struct Caution {
    std::string_view code;  ///< one of `caution`
    std::string claim;
    std::string value;

    bool operator==(const Caution&) const = default;
};

namespace caution {
/// GitHub: the event runs with the base repository's rights, but outsiders can cause it or choose what it reads.
inline constexpr std::string_view untrusted_event = "untrusted_event";
/// GitLab: a merge request pipeline; the commit may come from a fork.
inline constexpr std::string_view merge_request = "merge_request";
}  // namespace caution

/// A token that passed every check of verify(). A value.
struct Identity {
    std::string issuer;    ///< exactly as configured
    std::string subject;   ///< for people and records; never to be authorised on
    std::string audience;  ///< the one of ours that the token was made for
    Profile profile = Profile::generic;
    IdentityKind kind = IdentityKind::ci;
    std::map<std::string, Claim, std::less<>> claims;  ///< all of them, registered ones too

    std::string token_id;   ///< `jti:…`, or `sha256:…` of the signed part where there is none
    std::string job_id;     ///< what the platform calls one job, where the profile knows; may be empty
    std::string key_id;     ///< the kid that verified it; empty where the set had a single key without one
    std::string algorithm;  ///< as in RFC 7518 §3.1
    std::optional<Time> issued_at;
    Time expires_at;

    std::vector<Caution> cautions;

    bool operator==(const Identity&) const = default;

    /// The claim's only value; empty when absent, not comparable, or an array.
    std::optional<std::string_view> claim(std::string_view name) const;
    /// True when the claim is present and one of its values is one of `accepted`, byte for byte.
    bool claim_is(std::string_view name, const std::vector<std::string>& accepted) const;
    /// GitLab `ref_protected`; empty where the platform does not say.
    std::optional<bool> ref_protected() const;
    /// One line for people, from ids and names: `acme/shop run 7781 (push refs/heads/main)`.
    std::string summary() const;
};

/// What a policy's identity demands: claim name → accepted values.
using NamedClaims = std::map<std::string, std::vector<std::string>, std::less<>>;

/// The first caution that `named` does not name with exactly its value: then this identity must not be admitted.
std::optional<Caution> unnamed(const Identity& identity, const NamedClaims& named);

/// True when every claim of `named` is present with an accepted value. An empty `named` matches nobody.
bool matches(const Identity& identity, const NamedClaims& named);

}  // namespace dbguard::identity
