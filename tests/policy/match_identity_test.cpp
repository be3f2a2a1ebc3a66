#include "policy/match_identity.hpp"

#include <doctest/doctest.h>

#include "effects.hpp"

using namespace dbguard;
using namespace dbguard::policy;

namespace {

const Policy& shop() {
    static const auto policy = policy_of(R"(dbguard: 1
policy: p
identities:
  ci:
    issuer: https://token.actions.githubusercontent.com
    audience: dbguard.example
    claims: { repository_id: "990017", event_name: [push, pull_request], ref: "refs/heads/*" }
  any-event:
    issuer: https://token.actions.githubusercontent.com
    audience: dbguard.example
    claims: { repository_id: "990017", event_name: "*" }
  target:
    issuer: https://token.actions.githubusercontent.com
    audience: dbguard.example
    claims: { repository_id: "990017", event_name: pull_request_target }
  person:
    issuer: https://login.example
    audience: cli
    mfa: webauthn
    claims: { groups: [oncall, admins], email_verified: "true" }
databases: { shop: { engine: postgres }, bill: { engine: mysql } }
roles:
  tester: { for: [ci, person], databases: shop, login: l, rules: [ { allow: read } ] }
  wide: { for: any-event, databases: [shop, bill], login: l, rules: [ { allow: read } ] }
  target: { for: target, databases: shop, login: l, rules: [ { allow: read } ] }
)");
    return policy;
}

Caller job(std::string event = "push") {
    return {
        "https://token.actions.githubusercontent.com",
        {"dbguard.example"},
        {{"repository_id", {"990017"}}, {"event_name", {std::move(event)}}, {"ref", {"refs/heads/main"}}},
    };
}

std::string why(const char* identity, const Caller& caller) { return mismatch(*find_identity(shop(), identity), caller); }

}  // namespace

TEST_CASE("every claim must match, and a missing one is a denial") {
    CHECK(why("ci", job()) == "");
    auto caller = job();
    caller.claims["repository_id"] = {"666"};
    CHECK(why("ci", caller) == "repository_id");
    caller = job();
    caller.claims.erase("repository_id");
    CHECK(why("ci", caller) == "repository_id");
    caller.claims["repository_id"] = {};
    CHECK(why("ci", caller) == "repository_id");
    caller = job("schedule");
    CHECK(why("ci", caller) == "event_name");
    caller = job();
    caller.claims["ref"] = {"refs/tags/v1"};
    CHECK(why("ci", caller) == "ref");
}

TEST_CASE("issuer and audience are compared byte for byte") {
    for (const auto* issuer : {"https://token.actions.githubusercontent.com/", "https://Token.actions.githubusercontent.com",
                               "https://token.actions.githubusercontent.com.evil.example", "", "https://login.example"}) {
        auto caller = job();
        caller.issuer = issuer;
        CHECK(why("ci", caller) == "issuer");
    }
    for (const auto& audience : std::vector<std::vector<std::string>>{{}, {"dbguard"}, {"dbguard.example/"}, {"DBGUARD.example"}}) {
        auto caller = job();
        caller.audience = audience;
        CHECK(why("ci", caller) == "audience");
    }
}

TEST_CASE("events that run a stranger's content match only where they are named") {
    for (const auto* event : {"pull_request_target", "workflow_run", "issue_comment", "issues"}) {
        CHECK(why("any-event", job(event)) == "event_name");
        CHECK(why("target", job(event)) == (std::string(event) == "pull_request_target" ? "" : "event_name"));
    }
    CHECK(why("any-event", job("push")) == "");
    auto caller = job();
    caller.claims["pipeline_source"] = {"merge_request_event"};
    CHECK(why("any-event", caller) == "pipeline_source");
    caller = job();
    caller.claims["oidc.circleci.com/ssh-rerun"] = {"true"};
    CHECK(why("any-event", caller) == "oidc.circleci.com/ssh-rerun");
}

TEST_CASE("a claim that is a list matches by one of its values; a person needs the asked-for factor") {
    Caller person{"https://login.example", {"cli"}, {{"groups", {"staff", "oncall"}}, {"email_verified", {"true"}}}, Mfa::webauthn};
    CHECK(why("person", person) == "");
    person.mfa = Mfa::any;
    CHECK(why("person", person) == "mfa");
    person.mfa = Mfa::webauthn;
    person.claims["groups"] = {"staff"};
    CHECK(why("person", person) == "groups");
}

TEST_CASE("roles are found by identity and database") {
    auto match = match_identity(shop(), job(), "shop");
    CHECK(match.roles == std::vector<RoleMatch>{{"tester", "ci"}, {"wide", "any-event"}});
    CHECK(match.refused == std::vector<std::string>{"target: event_name", "person: issuer"});
    CHECK(match_identity(shop(), job(), "bill").roles == std::vector<RoleMatch>{{"wide", "any-event"}});
    CHECK(match_identity(shop(), job(), "other").roles.empty());
    CHECK(match_identity(shop(), {}, "shop").roles.empty());
}
