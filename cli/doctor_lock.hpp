#pragma once

// The second lock (dbguard-doctor(1)): what PostgreSQL's own privileges hold back from this login should dbguard's analysis
// ever be wrong, what they do not, and the statements that would close the difference. The analysis never relies on it.

#include <chrono>
#include <string>
#include <vector>

#include "cli/doctor_checks.hpp"
#include "policy/policy.hpp"
#include "upstream/postgres_connection.hpp"

namespace dbguard::cli {

struct LockReport {
    Checks checks;                 ///< of group `lock`
    std::vector<std::string> sql;  ///< in an order that can be pasted, with comments; empty: nothing to close
};

/// Reads the catalogue in a read-only transaction. Without a policy (`role` is null) only what no policy needs is judged; with
/// one, all its roles that share the role's login and database count, because they share this login's privileges.
LockReport check_lock(
    upstream::PostgresConnection& connection, const policy::Policy* policy, const policy::Role* role, upstream::Deadline deadline
);

}  // namespace dbguard::cli
