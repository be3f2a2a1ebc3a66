#pragma once

// Traps in a policy that loads: identities anybody could imitate, rules that never match or open nothing, masks that
// unmask, recordings that keep too much. load() has already refused what is malformed.

#include <vector>

#include "catalogue/snapshot.hpp"
#include "policy/policy.hpp"

namespace dbguard::policy {

struct LintContext {
    /// What is in the database. Null: not known, and names are not held against it.
    const catalogue::Snapshot* snapshot = nullptr;
    /// A tag of databases (`prod`) on which nothing may be in shadow. Empty: anything may.
    std::string environment;
};

/// In the order of the file. Errors are what a careful reviewer would refuse, warnings what they would ask about, notes
/// what they would like to know.
std::vector<Problem> lint(const Policy& policy, const LintContext& context = {});

}  // namespace dbguard::policy
