#pragma once

// A role of a policy, compiled for one kind of database: its rules, its masks, and the whole of what they say of a statement.
// What a session, `policy explain` and `policy test` decide is decided here, once.

#include "policy/decide.hpp"
#include "policy/masks.hpp"
#include "policy/sensitivity.hpp"

namespace dbguard::policy {

/// Immutable. Borrows the role; keeps nothing else of the policy alive.
class RolePolicy {
  public:
    RolePolicy(const Policy& policy, const Role& role, Engine engine);

    const Role& role() const { return *role_; }
    const RoleRules& rules() const { return rules_; }
    const RoleMasks& masks() const { return masks_; }

    /// Rules, settings that may not change, and masks: Decision::masks has one entry an output. A statement without effects is
    /// allowed: EXECUTE, FETCH, CLOSE, an empty one; what they run was judged when it was prepared.
    Decision decide(const sql::Statement& statement, const Sensitivity& sensitivity, const Facts& facts = {}) const;
    /// For text that did not parse or resolve. Where something is `masked` it is refused, whatever the rules say: without lineage
    /// every column would have to be hidden.
    Decision decide_unparsed(std::string_view why, bool masked, const Facts& facts = {}) const;

  private:
    const Role* role_;
    RoleRules rules_;
    RoleMasks masks_;
    bool admits_unparsed_;  ///< text that nobody understands may run: settings that change what texts mean, too
};

}  // namespace dbguard::policy
