#include "cli/policy_files.hpp"

#include <iostream>

#include "base/file.hpp"
#include "cli/output.hpp"
#include "cli/schema_fixture.hpp"
#include "policy/load.hpp"

namespace dbguard::cli {
namespace {

constexpr std::size_t max_schema_bytes = std::size_t{16} << 20;

}  // namespace

std::shared_ptr<const policy::Policy> load_policy_file(const std::string& path) {
    const auto text = read_file(path, policy::max_policy_bytes);
    if (!text) {
        output().error(text.error().text());
        return nullptr;
    }
    auto loaded = policy::load(*text, path);
    for (const auto& problem : loaded.problems) std::cerr << printable(policy::text(problem)) << '\n';
    if (!loaded.policy) return nullptr;
    return std::make_shared<const policy::Policy>(std::move(*loaded.policy));
}

const policy::Role* role_of_policy(const policy::Policy& policy, const std::string& name) {
    const auto* role = policy::find_role(policy, name);
    if (role) return role;
    std::string known;
    for (const auto& one : policy.roles) known += (known.empty() ? "" : ", ") + one.name;
    output().error("the policy " + policy.file + " has no role " + name + (known.empty() ? "" : "; it has " + known));
    return nullptr;
}

Result<catalogue::SnapshotRef> read_schema_file(const std::string& path) {
    const auto ddl = read_file(path, max_schema_bytes);
    if (!ddl) return ddl.error();
    auto schema = read_schema(*ddl);
    if (!schema) return Error{schema.error().code, path + ": " + schema.error().detail};
    return schema;
}

bool load_schema_file(const std::string& path, catalogue::SnapshotRef& out) {
    if (path.empty()) return true;
    auto schema = read_schema_file(path);
    if (schema) out = std::move(*schema);
    else output().error(schema.error().detail);
    return schema.has_value();
}

}  // namespace dbguard::cli
