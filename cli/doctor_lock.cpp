#include "cli/doctor_lock.hpp"

#include <algorithm>

#include "cli/doctor_lock_judge.hpp"
#include "sql/postgres/dialect.hpp"

namespace dbguard::cli {
namespace lock {

/// How many names a line of text lists.
constexpr std::size_t shown_names = 6;

std::string list(const std::vector<std::string>& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size() && i < shown_names; ++i) out += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > shown_names) out += " and " + std::to_string(names.size() - shown_names) + " more";
    return out;
}

void add_once(std::vector<std::string>& names, std::string name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

// ---- statements ----------------------------------------------------------------------------------------------------------

std::string Judge::lost_by(Id grantee) const {
    if (grantee == everybody) return "PUBLIC: every role loses this; give it to those who need it";
    if (is_user(grantee)) return {};
    return "every member of " + facts_.role_name(grantee) + " loses this";
}

/// A superuser's REVOKE is done in the owner's name and takes back what the owner gave; what another one gave on, that one takes
/// back (PostgreSQL manual, REVOKE, Notes).
void Judge::revoke(Phase phase, const std::string& what, const std::string& on, const Privilege& privilege, Id owner) {
    std::string sql = "REVOKE " + what + " ON " + on + " FROM " + grantee(privilege.grantee) + (privilege.grantable ? " CASCADE;" : ";");
    if (privilege.grantor != owner && facts_.roles.contains(privilege.grantor))
        sql = "SET LOCAL ROLE " + ident(facts_.role_name(privilege.grantor)) + "; " + sql + " RESET ROLE;";
    script_.add(phase, std::move(sql), lost_by(privilege.grantee));
}

void Judge::revoke_routine(const RoutineFacts& routine, const Privilege& privilege) {
    const bool plain = std::none_of(routine.name.begin(), routine.name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (plain) {
        revoke(Phase::revoke, "EXECUTE", "ROUTINE " + ident(routine.schema, routine.plain_name) + "(" + routine.name + ")", privilege, routine.owner);
        return;
    }
    // Names of its arguments' types that are not for a terminal: the server writes them itself.
    const std::string to = grantee(privilege.grantee);
    std::string tag = "$do$";
    while (to.find(tag) != std::string::npos) tag.insert(1, "x");
    script_.add(
        Phase::revoke, "DO " + tag + " BEGIN EXECUTE pg_catalog.concat('REVOKE EXECUTE ON ROUTINE ', " + std::to_string(routine.id) +
                           "::pg_catalog.regprocedure, " + literal(" FROM " + to) + "); END " + tag + ";",
        lost_by(privilege.grantee)
    );
}

void Judge::end_membership(const Membership& membership) {
    if (std::find(ended_.begin(), ended_.end(), membership) != ended_.end()) return;
    ended_.push_back(membership);
    std::string sql = "REVOKE " + ident(facts_.role_name(membership.role)) + " FROM " + ident(facts_.role_name(membership.member));
    // Since 16 a membership belongs to who gave it, and each of them has to take it back.
    if (facts_.version >= 160000) sql += " GRANTED BY " + ident(facts_.role_name(membership.grantor));
    script_.add(Phase::memberships, sql + ";", lost_by(membership.member));
}

void Judge::new_owner(const Thing& thing, const std::string& kind, const std::string& name) {
    if (owner_name_.empty()) {
        owner_name_ = user_.name.substr(0, 50) + "_owner";
        const auto taken = [&] {
            return std::any_of(facts_.roles.begin(), facts_.roles.end(), [&](const auto& one) { return one.second.name == owner_name_; });
        };
        for (int i = 2; taken(); ++i) owner_name_ = user_.name.substr(0, 50) + "_owner" + std::to_string(i);
        script_.add(Phase::make_roles, "CREATE ROLE " + ident(owner_name_) + " NOLOGIN;", "owns what " + user_.name + " should not");
        // Views and SECURITY DEFINER routines go on with the rights they had.
        script_.add(Phase::make_roles, "GRANT " + ident(user_.name) + " TO " + ident(owner_name_) + ";");
    }
    moved_.insert(thing.id);
    script_.add(Phase::make_roles, "ALTER " + kind + " " + name + " OWNER TO " + ident(owner_name_) + ";");
}

// ---- all of it --------------------------------------------------------------------------------------------------------

LockReport Judge::run() {
    if (needs_ && facts_.snapshot)
        for (const policy::Role* role : needs_->roles())
            sensitivities_.emplace_back(policy::RoleMasks(*policy_, *role), *facts_.snapshot, facts_.context, sql::postgres::dialect());
    if (needs_) {
        std::string names;
        for (const policy::Role* role : needs_->roles()) names += (names.empty() ? "" : ", ") + role->name;
        finding("judged for", CheckState::ok, facts_.role_name(facts_.user) + " in " + facts_.database + ", by what the policy opens to " + names);
    }
    attributes();
    predefined();
    other_roles();
    ownership();
    relations();
    schemas();
    database();
    routines();
    foreign();
    large_objects();
    statistics();
    server_objects();
    defaults();
    settings();
    keep();
    report_.sql = script_.text();
    return std::move(report_);
}

namespace {

/// A login's privileges are those of every role that uses it.
std::vector<const policy::Role*> sharing(const policy::Policy& policy, const policy::Role& role, const std::string& user) {
    std::vector<const policy::Role*> found = {&role};
    if (role.login != user) return found;
    for (const policy::Role& other : policy.roles) {
        const bool same_database = std::any_of(role.databases.begin(), role.databases.end(), [&](const auto& one) { return policy::admits_database(other, one.name); });
        if (&other != &role && other.login == role.login && same_database) found.push_back(&other);
    }
    return found;
}

}  // namespace
}  // namespace lock

LockReport check_lock(
    upstream::PostgresConnection& connection, const policy::Policy* policy, const policy::Role* role, upstream::Deadline deadline
) {
    const bool judged = policy != nullptr && role != nullptr;
    const auto facts = lock::read_facts(connection, judged, deadline);
    if (!facts) return {{{"lock", "catalogue", CheckState::fail, "the catalogue cannot be read: " + facts.error().text(), ""}}, {}};
    if (!judged) return lock::Judge(*facts, nullptr, nullptr).run();
    const lock::Needs needs(*policy, lock::sharing(*policy, *role, facts->role_name(facts->user)));
    return lock::Judge(*facts, policy, &needs).run();
}

}  // namespace dbguard::cli
