#pragma once

// Traps in a policy that loads: identities anybody could imitate, rules that never match or open nothing, masks that
// unmask, recordings that keep too much. load() has already refused what is malformed.

#include <vector>

#include "policy/policy.hpp"

namespace dbguard::policy {

/// In the order of the file. Errors are what a careful reviewer would refuse, warnings what they would ask about, notes
/// what they would like to know.
std::vector<Problem> lint(const Policy& policy);

}  // namespace dbguard::policy
