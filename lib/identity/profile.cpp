// What each platform's claims mean. Sources: GitHub Docs, "OpenID Connect reference" and "Events that trigger
// workflows"; GitLab Docs, "OpenID Connect (OIDC) Authentication Using ID Tokens", and lib/gitlab/ci/jwt_v2.rb.
#include <algorithm>
#include <array>

#include "identity/verify.hpp"

namespace dbguard::identity {
namespace {

/// Events that run on the default branch, with the base repository's rights, while an outsider causes them or chooses
/// text, a branch or an artifact that the run reads. (`pull_request` is not here: from a fork it gets no token.)
constexpr std::array<std::string_view, 10> untrusted_events = {
    "pull_request_target",
    "workflow_run",
    "issue_comment",
    "issues",
    "discussion",
    "discussion_comment",
    "fork",
    "commit_comment",
    "watch",
    "gollum",
};

/// Claims that are there must be strings; the required ones were checked before.
Result<std::string_view> text_claim(const Identity& identity, std::string_view name) {
    const auto found = identity.claims.find(name);
    if (found == identity.claims.end())
        return Error{verify_error::missing_claim, std::string(name)};
    if (found->second.kind != ClaimKind::string)
        return Error{verify_error::wrong_claim, std::string(name)};
    return std::string_view(found->second.values.front());
}

Result<void> github_checks(Identity& identity) {
    const auto event = text_claim(identity, "event_name");
    if (!event) return event.error();
    if (std::find(untrusted_events.begin(), untrusted_events.end(), *event) !=
        untrusted_events.end())
        identity.cautions.push_back({caution::untrusted_event, "event_name", std::string(*event)});

    const auto run = text_claim(identity, "run_id");
    if (!run) return run.error();
    const auto attempt = text_claim(identity, "run_attempt");
    if (!attempt) return attempt.error();
    identity.job_id = std::string(*run) + "/" + std::string(*attempt);
    if (const auto check_run = identity.claim("check_run_id"))
        identity.job_id += "/" + std::string(*check_run);
    return {};
}

Result<void> gitlab_checks(Identity& identity, const IssuerConfig& issuer) {
    const auto project = text_claim(identity, "project_id");
    if (!project) return project.error();
    // A fork's merge request pipeline may run in the parent: project_* then names one of the two and job_project_* where
    // the job ran (identity.md A2: gitlab-org/gitlab#548165, MR 202241). Only a job of the project itself is its job.
    if (!identity.claims.contains("job_project_id") && !issuer.gitlab_before_18_3)
        return Error{verify_error::missing_claim, "job_project_id"};
    for (const std::string_view name : {"job_project_id", "source_project_id"}) {
        if (!identity.claims.contains(name)) continue;
        const auto other = text_claim(identity, name);
        if (!other) return other.error();
        if (*other != *project) return Error{verify_error::foreign_project, std::string(name)};
    }
    if (!identity.ref_protected()) return Error{verify_error::wrong_claim, "ref_protected"};

    const auto source = text_claim(identity, "pipeline_source");
    if (!source) return source.error();
    if (*source == "merge_request_event" || *source == "external_pull_request_event")
        identity.cautions.push_back(
            {caution::merge_request, "pipeline_source", std::string(*source)}
        );

    const auto job = text_claim(identity, "job_id");
    if (!job) return job.error();
    identity.job_id = *job;
    return {};
}

Result<void> generic_checks(Identity& identity, const IssuerConfig& issuer) {
    if (issuer.job_claim.empty()) return {};
    const auto job = identity.claim(issuer.job_claim);
    if (!job || job->empty()) return Error{verify_error::missing_claim, issuer.job_claim};
    identity.job_id = *job;
    return {};
}

}  // namespace

Result<void> profile_checks(Identity& identity, const IssuerConfig& issuer) {
    switch (issuer.profile) {
        case Profile::github:
            return github_checks(identity);
        case Profile::gitlab:
            return gitlab_checks(identity, issuer);
        case Profile::generic:
            return generic_checks(identity, issuer);
    }
    return {};
}

}  // namespace dbguard::identity
