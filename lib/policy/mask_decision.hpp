#pragma once

// Lineage in, masks out: what of a statement's results is masked, and what is refused because a masked value would leave in
// another way (computed from, filtered by, copied elsewhere, handed to code). Pure.

#include "policy/decision.hpp"
#include "policy/masks.hpp"
#include "policy/policy.hpp"
#include "policy/sensitivity.hpp"
#include "sql/statement.hpp"

namespace dbguard::policy {

/// Adds masks and hide_texts to a decision about the statement's effects, or makes it a denial. `role` vouches for functions
/// that its rules allow by name; `masks` are its own, for columns that the statement makes.
void decide_masks(const sql::Statement& statement, const Sensitivity& sensitivity, const Role& role, const RoleMasks& masks, Decision& decision);

}  // namespace dbguard::policy
