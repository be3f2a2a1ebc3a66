// A denial teaches: whatever is refused, the client reads which rule it was (or that none opens it), why, and one thing to do.

#include <doctest/doctest.h>

#include "effects.hpp"
#include "policy/decide.hpp"

using namespace dbguard::policy;
namespace sql = dbguard::sql;

namespace {

void teaches(const Decision& decision, const std::string& rule) {
    CHECK(decision.verdict >= Verdict::approve);
    CHECK(decision.rule == rule);
    CHECK(decision.reason.find(rule.empty() ? "no rule of role r allows" : rule) != std::string::npos);
    CHECK(decision.fix.size() > 10);
    CHECK(decision.fix.back() == '.');
}

}  // namespace

TEST_CASE("for every class a denial names rule, reason and one thing to do") {
    for (int i = 0; i <= static_cast<int>(sql::EffectClass::unparsed); ++i) {
        sql::Effect effect;
        effect.effect_class = static_cast<sql::EffectClass>(i);
        const auto name = std::string(sql::name(effect.effect_class));
        INFO(name);
        for (const bool with_object : {false, true}) {
            if (with_object) effect.objects.push_back({"public", "t", {"a"}});
            for (const bool resolved : {true, false}) {
                if (with_object) effect.objects[0].resolved = resolved;
                for (const auto where : {sql::Where::not_applicable, sql::Where::missing, sql::Where::trivial, sql::Where::present}) {
                    effect.where = where;
                    const auto judged = [&](const std::string& rules) {
                        const auto policy = policy_with_rules(rules);
                        return decide(RoleRules(policy, policy.roles[0], Engine::postgres), std::span(&effect, 1));
                    };
                    const std::string other = name == "tx" ? "notify" : "tx";
                    teaches(judged("      - allow: " + other + "\n"), "");
                    teaches(judged("      - deny: " + name + "\n"), "r#1");
                    teaches(judged("      - deny: " + name + "\n        id: never\n        why: Because.\n        fix: Do that instead.\n"), "r#never");
                    teaches(judged("      - approve: " + name + "\n        by: dba\n"), "r#1");
                }
            }
            effect.objects.clear();
        }
    }
}

TEST_CASE("the rule's own words come first") {
    const auto policy = policy_with_rules("      - allow: read\n      - deny: write.delete\n        why: Rows are kept for ever.\n        fix: Set deleted_at instead.\n");
    const auto decision = decide(RoleRules(policy, policy.roles[0], Engine::postgres), effects_of("write.delete public.t where=present"));
    CHECK(decision.reason == "write.delete of public.t is denied by rule r#2: Rows are kept for ever.");
    CHECK(decision.fix == "Set deleted_at instead.");
}

TEST_CASE("what nobody understood, and what has no effects at all, teaches too") {
    const auto policy = policy_with_rules("      - allow: read\n");
    const RoleRules rules(policy, policy.roles[0], Engine::postgres);
    teaches(decide_unparsed(rules, "syntax error"), "");
    const auto nothing = decide(rules, std::vector<sql::Effect>());
    CHECK_FALSE(nothing.reason.empty());
    CHECK_FALSE(nothing.fix.empty());
}
