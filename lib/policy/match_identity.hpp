#pragma once

// Which roles a caller has: verified claims against the policy's identities. The token has been verified before (identity
// room); nothing here looks at signatures or times.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace dbguard::policy {

/// A verified caller. A claim that is a list has several values; numbers and booleans stand as JSON spells them; a claim
/// that is an object is left out.
struct Caller {
    std::string issuer;
    std::vector<std::string> audience;
    std::map<std::string, std::vector<std::string>, std::less<>> claims;
    Mfa mfa = Mfa::none;  ///< how the log-in of a person was confirmed
};

/// Empty: the identity is the caller's. Otherwise what does not fit, for the audit record and never for the caller:
/// `issuer`, `audience`, `mfa`, or the claim's name.
///
/// Every claim must match; a missing one is a denial. Jobs that run with a repository's rights on a stranger's content
/// (GitHub: pull_request_target, workflow_run, issue_comment, issues; GitLab: merge_request_event; CircleCI: a re-run over
/// SSH) match only where the identity names that value of that claim.
std::string mismatch(const Identity& identity, const Caller& caller);

struct RoleMatch {
    std::string role;
    std::string identity;

    bool operator==(const RoleMatch&) const = default;
};

struct IdentityMatch {
    std::vector<RoleMatch> roles;  ///< in the order of the file; a role once
    /// `shop-ci: repository_id`, one an identity that did not fit.
    std::vector<std::string> refused;
};

/// The roles that `caller` has for `database`.
IdentityMatch match_identity(const Policy& policy, const Caller& caller, std::string_view database);

}  // namespace dbguard::policy
