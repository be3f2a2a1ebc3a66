#pragma once

// What the policy tools read: policies and catalogue fixtures, with the messages that go with what is wrong.

#include <memory>
#include <optional>
#include <string>

#include "catalogue/snapshot.hpp"
#include "policy/policy.hpp"

namespace dbguard::cli {

/// Reads and loads; says what is wrong on stderr, one problem a line. Null: it cannot be used.
std::shared_ptr<const policy::Policy> load_policy_file(const std::string& path);

/// Null, after a message that names the roles there are.
const policy::Role* role_of_policy(const policy::Policy& policy, const std::string& name);

/// A catalogue from a file of DDL. Errors: what read_file and read_schema say, the detail beginning with the path.
Result<catalogue::SnapshotRef> read_schema_file(const std::string& path);
/// The same for an option: nothing where it is empty. False, after a message: it cannot be used.
bool load_schema_file(const std::string& path, catalogue::SnapshotRef& out);

}  // namespace dbguard::cli
