#include "policy/match_identity.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace dbguard::policy {
namespace {

/// Claims whose value tells that a stranger's content, or a stranger's hands, may be in the job.
struct Dangerous {
    std::string_view claim;
    std::string_view value;
};
constexpr std::array<Dangerous, 6> dangerous = {{
    // GitHub Actions: these run with the base repository's rights (documentation: "Events that trigger workflows").
    {"event_name", "pull_request_target"},
    {"event_name", "workflow_run"},
    {"event_name", "issue_comment"},
    {"event_name", "issues"},
    // GitLab: pipelines of merge requests may run a fork's code in the parent project.
    {"pipeline_source", "merge_request_event"},
    // CircleCI: somebody has a shell in the job.
    {"oidc.circleci.com/ssh-rerun", "true"},
}};

bool admits(const Claim& claim, const std::vector<std::string>& given) {
    return std::any_of(given.begin(), given.end(), [&](const std::string& value) {
        return std::any_of(claim.values.begin(), claim.values.end(), [&](const std::string& pattern) {
            return matches_wildcard(pattern, value);
        });
    });
}

/// By its own word, not by a wildcard.
bool names_value(const Identity& identity, const Dangerous& danger) {
    return std::any_of(identity.claims.begin(), identity.claims.end(), [&](const Claim& claim) {
        return claim.name == danger.claim &&
               std::find(claim.values.begin(), claim.values.end(), danger.value) != claim.values.end();
    });
}

}  // namespace

std::string mismatch(const Identity& identity, const Caller& caller) {
    if (identity.issuer != caller.issuer) return "issuer";
    if (std::find(caller.audience.begin(), caller.audience.end(), identity.audience) == caller.audience.end())
        return "audience";
    if (identity.claims.empty()) return "claims";  // load() has refused it
    for (const auto& claim : identity.claims) {
        const auto given = caller.claims.find(claim.name);
        if (given == caller.claims.end() || !admits(claim, given->second)) return claim.name;
    }
    for (const auto& danger : dangerous) {
        const auto given = caller.claims.find(danger.claim);
        if (given == caller.claims.end() || names_value(identity, danger)) continue;
        if (std::find(given->second.begin(), given->second.end(), danger.value) != given->second.end())
            return std::string(danger.claim);
    }
    // Strictest last in the enumeration: webauthn satisfies `any`.
    if (caller.mfa < identity.mfa) return "mfa";
    return {};
}

IdentityMatch match_identity(const Policy& policy, const Caller& caller, std::string_view database) {
    IdentityMatch out;
    std::set<std::string, std::less<>> matched;
    for (const auto& identity : policy.identities) {
        const auto why = mismatch(identity, caller);
        if (why.empty()) matched.insert(identity.name);
        else out.refused.push_back(identity.name + ": " + why);
    }
    for (const auto& role : policy.roles) {
        if (!admits_database(role, database)) continue;
        const auto found = std::find_if(role.identities.begin(), role.identities.end(), [&](const Reference& one) {
            return matched.contains(one.name);
        });
        if (found != role.identities.end()) out.roles.push_back({role.name, found->name});
    }
    return out;
}

}  // namespace dbguard::policy
