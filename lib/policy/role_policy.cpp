#include "policy/role_policy.hpp"

#include "policy/mask_decision.hpp"

namespace dbguard::policy {

RolePolicy::RolePolicy(const Policy& policy, const Role& role, Engine engine)
    : role_(&role),
      rules_(policy, role, engine),
      masks_(policy, role),
      admits_unparsed_(masks_.empty() && policy::decide_unparsed(rules_, "").verdict <= Verdict::warn) {}

Decision RolePolicy::decide(const sql::Statement& statement, const Sensitivity& sensitivity, const Facts& facts) const {
    Decision decision;
    decision.verdict = Verdict::allow;
    if (!statement.effects.empty()) decision = policy::decide(rules_, statement, facts);
    for (const sql::Effect& effect : statement.effects) {
        if (effect.misleading.empty() || admits_unparsed_ || decision.verdict == Verdict::deny) continue;
        decision.verdict = Verdict::deny;
        decision.rule = "";
        decision.reason = effect.misleading;
        decision.fix = "Leave the setting as it is.";
    }
    decision.masks.assign(statement.outputs.size(), std::nullopt);
    decide_masks(statement, sensitivity, *role_, masks_, decision);
    return decision;
}

Decision RolePolicy::decide_unparsed(std::string_view why, bool masked, const Facts& facts) const {
    Decision decision = policy::decide_unparsed(rules_, why, facts);
    if (masked && decision.verdict < Verdict::approve) {
        decision.verdict = Verdict::deny;
        decision.rule = "masks";
        decision.reason = "the statement was not understood (" + std::string(why) + "), so it cannot be masked";
        decision.fix = "Write the statement in a plainer form, one statement at a time.";
    }
    return decision;
}

}  // namespace dbguard::policy
