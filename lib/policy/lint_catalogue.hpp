#pragma once

// The part of lint that needs to know what is in the database. Private to lint().

#include <vector>

#include "catalogue/snapshot.hpp"
#include "policy/policy.hpp"

namespace dbguard::policy {

/// Masks and rules that name what is not there; tables and columns that look sensitive and come unmasked.
void lint_catalogue(const Policy& policy, const catalogue::Snapshot& snapshot, std::vector<Problem>& problems);

}  // namespace dbguard::policy
