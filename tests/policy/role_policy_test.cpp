#include "policy/role_policy.hpp"

#include <doctest/doctest.h>

#include "effects.hpp"

using namespace dbguard;
using namespace dbguard::policy;

namespace {

constexpr const char* masks = "    masks: pii\nmasks:\n  pii:\n    columns:\n      - { column: public.customers.email, with: email }\n";

struct Fixture {
    explicit Fixture(const std::string& rules) : policy(policy_with_rules(rules)), role(policy, policy.roles.at(0), Engine::postgres) {}

    Decision of(const std::string& effects, std::string_view misleading = {}) const {
        sql::Statement statement;
        statement.effects = effects_of(effects);
        if (!misleading.empty()) statement.effects.at(0).misleading = misleading;
        return role.decide(statement, {});
    }

    Policy policy;
    RolePolicy role;
};

}  // namespace

TEST_CASE("a setting that changes what texts mean stays as it is, unless whatever is not understood may run") {
    const Fixture reader("      - allow: [read, session.set]\n");
    CHECK(reader.of("session.set").verdict == Verdict::allow);
    const Decision refused = reader.of("session.set", "client_encoding stays UTF8");
    CHECK(refused.verdict == Verdict::deny);
    CHECK(refused.reason == "client_encoding stays UTF8");
    CHECK(!refused.fix.empty());
    // A rule's own denial says more.
    const Fixture without("      - deny: session.set\n      - allow: read\n");
    CHECK(without.of("session.set", "client_encoding stays UTF8").reason != "client_encoding stays UTF8");

    CHECK(Fixture("      - allow: [read, session.set, unparsed]\n").of("session.set", "client_encoding stays UTF8").verdict == Verdict::allow);
    CHECK(Fixture(std::string("      - allow: [read, session.set, unparsed]\n") + masks).of("session.set", "client_encoding stays UTF8").verdict == Verdict::deny);
}

TEST_CASE("what is not understood cannot be masked") {
    const Fixture everything("      - allow: [read, session.set, unparsed]\n");
    CHECK(everything.role.decide_unparsed("syntax error", false).verdict == Verdict::allow);
    const Decision masked = everything.role.decide_unparsed("syntax error", true);
    CHECK(masked.verdict == Verdict::deny);
    CHECK(masked.rule == "masks");
    CHECK(masked.reason.find("syntax error") != std::string::npos);
    // Where the rules refuse it anyway, the rule is named.
    CHECK(Fixture("      - allow: read\n").role.decide_unparsed("syntax error", true).rule != "masks");
}

TEST_CASE("a statement without effects was judged when it was prepared") {
    const Fixture reader("      - allow: read\n");
    sql::Statement fetch;
    fetch.outputs.resize(2);
    const Decision decision = reader.role.decide(fetch, {});
    CHECK(decision.verdict == Verdict::allow);
    CHECK(decision.masks.size() == 2);
}

TEST_CASE("who opens a function by its exact name vouches for what it gives, under `of` as under `function`") {
    const auto verdict = [](const std::string& rule) {
        const Fixture fixture("      - allow: read\n" + rule + masks);
        sql::Statement statement;
        statement.effects = effects_of("call crm.balance");
        statement.outputs.push_back({"balance", {}, {"crm.balance"}});
        const catalogue::Snapshot empty{{}};
        const sql::Dialect nothing{};
        return fixture.role.decide(statement, Sensitivity(RoleMasks(fixture.policy, fixture.policy.roles.at(0)), empty, {}, nothing)).verdict;
    };
    CHECK(verdict("      - allow: call\n        of: crm.balance\n") == Verdict::allow);
    CHECK(verdict("      - allow: call\n        when: { function: crm.balance }\n") == Verdict::allow);
    CHECK(verdict("      - allow: call\n") == Verdict::deny);
    CHECK(verdict("      - allow: call\n        of: \"crm.*\"\n") == Verdict::deny);
    CHECK(verdict("      - allow: call\n        of: crm.other\n      - allow: call\n") == Verdict::deny);
    CHECK(verdict("      - warn: call\n        of: crm.balance\n        when: { hours: \"Mo-Fr 08:00-18:00\" }\n      - allow: call\n") == Verdict::deny);
}
