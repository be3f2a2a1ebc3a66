#pragma once

// Claims in the shapes that the platforms document (identity.md A1, A2), with names of their own.

#include "tests/identity/signer.hpp"

namespace dbguard::test {

inline constexpr std::int64_t issued = 1'780'000'000;  // 2026-05-28
inline constexpr const char* our_audience = "https://guard.acme.example";

inline json github_claims() {
    return {
        {"jti", "0c8a5d3e-9d1b-4f26-8a60-0b6f6f3f8a11"},
        {"sub", "repo:acme@4821/shop@990017:ref:refs/heads/main"},
        {"aud", our_audience},
        {"ref", "refs/heads/main"},
        {"sha", "9f1c0de5a4f7f8f0a2d4c6b8e0f1a2b3c4d5e6f7"},
        {"repository", "acme/shop"},
        {"repository_owner", "acme"},
        {"repository_owner_id", "4821"},
        {"run_id", "7781"},
        {"run_number", "12"},
        {"run_attempt", "1"},
        {"repository_visibility", "private"},
        {"repository_id", "990017"},
        {"actor_id", "31"},
        {"actor", "ada"},
        {"workflow", "tests"},
        {"head_ref", ""},
        {"base_ref", ""},
        {"event_name", "push"},
        {"ref_protected", "true"},
        {"ref_type", "branch"},
        {"workflow_ref", "acme/shop/.github/workflows/tests.yml@refs/heads/main"},
        {"job_workflow_ref", "acme/shop/.github/workflows/tests.yml@refs/heads/main"},
        {"check_run_id", "551"},
        {"runner_environment", "github-hosted"},
        {"iss", "https://token.actions.githubusercontent.com"},
        {"nbf", issued - 600},
        {"exp", issued + 300},
        {"iat", issued},
    };
}

inline json gitlab_claims() {
    return {
        {"namespace_id", "72"},
        {"namespace_path", "acme"},
        {"project_id", "20"},
        {"project_path", "acme/shop"},
        {"user_id", "1"},
        {"user_login", "ada"},
        {"user_email", "ada@acme.example"},
        {"user_identities", json::array({{{"provider", "saml"}, {"extern_uid", "ada"}}})},
        {"pipeline_id", "574"},
        {"pipeline_source", "push"},
        {"job_id", "302"},
        {"ref", "main"},
        {"ref_type", "branch"},
        {"ref_path", "refs/heads/main"},
        {"ref_protected", "true"},
        {"groups_direct", json::array({"acme", "acme/dba"})},
        {"runner_id", 1},
        {"runner_environment", "self-hosted"},
        {"sha", "714a629c0b401fdce83e847fc9589983fc6f46bc"},
        {"project_visibility", "private"},
        {"job_project_id", "20"},
        {"job_project_path", "acme/shop"},
        {"jti", "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b"},
        {"iss", "https://gitlab.acme.example"},
        {"iat", issued},
        {"nbf", issued - 5},
        {"exp", issued + 3600},
        {"sub", "project_path:acme/shop:ref_type:branch:ref:main"},
        {"aud", our_audience},
    };
}

inline json generic_claims() {
    return {
        {"iss", "https://issuer.example/ci"},
        {"sub", "job:1"},
        {"aud", our_audience},
        {"iat", issued},
        {"exp", issued + 600},
        {"jti", "j-1"}};
}

}  // namespace dbguard::test
