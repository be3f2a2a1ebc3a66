// Who a login is: attributes, memberships, what it owns. These decide which of its privileges stay.
#include <algorithm>

#include "cli/doctor_lock_judge.hpp"

namespace dbguard::cli::lock {
namespace {

struct Predefined {
    std::string_view role;
    std::string_view means;
    std::optional<EffectClass> opened_by;  ///< a policy that opens this class wants it
};

/// PostgreSQL manual, "Predefined Roles".
constexpr Predefined predefined_roles[] = {
    {"pg_read_all_data", "reads every table, also those made later", {}},
    {"pg_write_all_data", "writes every table, also those made later", {}},
    {"pg_read_server_files", "reads files of the server's machine", EffectClass::server},
    {"pg_write_server_files", "writes files of the server's machine", EffectClass::server},
    {"pg_execute_server_program", "runs programs on the server's machine", EffectClass::server},
    {"pg_read_all_settings", "reads settings meant for superusers", EffectClass::server},
    {"pg_read_all_stats", "sees what others run, with its values", EffectClass::server},
    {"pg_stat_scan_tables", "may hold long locks through monitoring functions", EffectClass::server},
    {"pg_monitor", "sees what others run, with its values", EffectClass::server},
    {"pg_signal_backend", "ends others' sessions", EffectClass::server},
    {"pg_signal_autovacuum_worker", "ends the server's own clean-up", EffectClass::server},
    {"pg_checkpoint", "forces checkpoints", EffectClass::maintenance},
    {"pg_maintain", "vacuums, locks and refreshes every table", EffectClass::maintenance},
    {"pg_create_subscription", "makes the server connect to others", EffectClass::server},
    {"pg_use_reserved_connections", "takes connections kept for administrators", {}},
};

}  // namespace

// ---- who it is -------------------------------------------------------------------------------------------------------------

void Judge::attributes() {
    std::vector<std::string> all;
    std::set<Id> whom = {facts_.user, facts_.session_user};
    for (const Id id : whom) {
        const RoleFacts& role = facts_.role(id);
        std::string off;
        const auto look = [&](bool has, const char* attribute) {
            if (!has) return;
            add_once(all, attribute);
            off += std::string(" NO") + attribute;
        };
        look(role.superuser, "SUPERUSER");
        look(role.create_role, "CREATEROLE");
        look(role.create_database, "CREATEDB");
        look(role.replication, "REPLICATION");
        look(role.bypass_rls, "BYPASSRLS");
        if (off.empty()) continue;
        if (id != bootstrap_superuser) {
            // What a superuser does without being granted it, only a policy tells.
            if (needs_ || !role.superuser) script_.add(Phase::change_roles, "ALTER ROLE " + ident(role.name) + off + ";");
            continue;
        }
        // It cannot be made less: work needs a login of its own.
        if (!needs_) continue;
        target_ = "dbguard_" + facts_.database.substr(0, 55);
        while (std::any_of(facts_.roles.begin(), facts_.roles.end(), [&](const auto& one) { return one.second.name == target_; })) target_ += "_";
        script_.add(
            Phase::make_roles, "CREATE ROLE " + ident(target_) + " LOGIN CONNECTION LIMIT " + std::to_string(suggested_connections) + ";",
            "give it a password with psql's \\password, and let dbguard log in as this role instead of " + role.name
        );
    }
    if (all.empty()) {
        held("attributes", user_.name + " is no superuser, makes no roles or databases, does not replicate, is bound by row security");
        return;
    }
    finding("attributes", CheckState::warn, user_.name + " has " + list(all) + (is_superuser() ? ": nothing in the database holds" : ""));
}

void Judge::predefined() {
    std::vector<std::string> open, wanted;
    for (const Membership& one : facts_.memberships) {
        const RoleFacts& role = facts_.role(one.role);
        if (!role.predefined() || role.name == "pg_database_owner" || facts_.role(one.member).predefined()) continue;
        if (!facts_.reaches.contains(one.member) || !(one.inherits || one.can_become)) continue;
        const auto* known = std::find_if(std::begin(predefined_roles), std::end(predefined_roles), [&](const Predefined& each) { return each.role == role.name; });
        if (known != std::end(predefined_roles) && known->opened_by && opens({*known->opened_by})) {
            add_once(wanted, role.name);
            continue;
        }
        add_once(open, role.name + (known == std::end(predefined_roles) ? "" : " (" + std::string(known->means) + ")"));
        if (needs_ || !(role.name.ends_with("_all_data") || role.name == "pg_maintain")) end_membership(one);
    }
    if (!open.empty()) finding("predefined roles", CheckState::warn, "is a member of " + list(open));
    else held("predefined roles", wanted.empty() ? "is in none of them" : "is only in those the policy opens: " + list(wanted));
}

void Judge::other_roles() {
    std::vector<std::string> wide;
    for (const Membership& one : facts_.memberships) {
        const RoleFacts& role = facts_.role(one.role);
        if (role.predefined() || is_user(one.role) || !facts_.reaches.contains(one.member)) continue;
        const bool strong = role.superuser || role.create_role || role.create_database || role.replication || role.bypass_rls;
        // Attributes are not inherited; what is inherited counts as its own below.
        const bool only_by_becoming = !one.inherits && one.can_become && !opens({EffectClass::session_role});
        if (!(strong && one.can_become) && !only_by_becoming) continue;
        add_once(wide, role.name + (role.superuser ? " (a superuser)" : strong ? " (with more attributes)" : ""));
        if (needs_ || strong) end_membership(one);
    }
    if (wide.empty()) held("other roles", "SET ROLE leads to nothing wider");
    else finding("other roles", CheckState::warn, "may SET ROLE to " + list(wide));
}

void Judge::ownership() {
    // A policy that opens changes to an object's definition wants its owner to be able to.
    const auto wanted = [&](const Thing& thing) { return needs_ && needs_->changes(thing.schema, thing.name); };
    const auto owned = [&](const Thing& thing) { return facts_.holds.contains(thing.owner) && thing.owner != bootstrap_superuser; };
    struct Owned {
        const Thing* thing;
        std::string kind, name;
    };
    std::vector<Owned> open;
    std::set<Id> owners_needed;
    const auto look = [&](const Thing& thing, std::string kind, std::string name, bool needed) {
        if (!owned(thing)) return;
        if (needed) owners_needed.insert(thing.owner);
        else open.push_back({&thing, std::move(kind), std::move(name)});
    };
    look(facts_.this_database, "DATABASE", ident(facts_.database), false);
    for (const Thing& schema : facts_.schemas) {
        const bool needed = needs_ && needs_->opens_any({EffectClass::ddl, EffectClass::dcl}, schema.name, {});
        look(schema, "SCHEMA", ident(schema.name), needed);
    }
    for (const RelationFacts& relation : facts_.relations) {
        if (relation.linked) continue;  // goes with its table
        const char* kind = relation.kind == 'v' ? "VIEW" : relation.kind == 'm' ? "MATERIALIZED VIEW" : relation.kind == 'S' ? "SEQUENCE"
                           : relation.kind == 'f' ? "FOREIGN TABLE" : "TABLE";
        look(relation, kind, ident(relation.schema, relation.name), wanted(relation));
    }
    for (const RoutineFacts& routine : facts_.routines) {
        if (routine.extension.empty()) look(routine, "ROUTINE", ident(routine.schema, routine.plain_name) + "(" + routine.name + ")", wanted(routine));
    }
    for (const OtherFacts& other : facts_.others)
        if (other.kind != "PARAMETER") look(other, other.kind, other.kind == "LARGE OBJECT" ? other.name : ident(other.name), opens({EffectClass::server}));

    std::vector<std::string> names;
    for (const Owned& one : open) {
        std::string kind = one.kind;
        std::transform(kind.begin(), kind.end(), kind.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        names.push_back(kind + " " + shown(one.thing->schema, one.kind == "ROUTINE" ? static_cast<const RoutineFacts*>(one.thing)->plain_name : one.thing->name));
        const Id owner = one.thing->owner;
        const RoleFacts& role = facts_.role(owner);
        if (!needs_ || role.name == "pg_database_owner") continue;  // the latter by way of owning the database
        if (!is_user(owner) && !owners_needed.contains(owner)) {
            for (const Membership& membership : facts_.memberships)
                if (membership.role == owner && facts_.holds.contains(membership.member)) end_membership(membership);
        } else {
            new_owner(*one.thing, one.kind, one.name);
        }
    }
    auto left = facts_.memberships;
    std::erase_if(left, [&](const Membership& one) {
        const bool implicit = facts_.role(one.role).name == "pg_database_owner" && moved_.contains(facts_.this_database.id);
        return implicit || std::find(ended_.begin(), ended_.end(), one) != ended_.end();
    });
    kept_ = closure(left, facts_.user, false);
    if (facts_.session_user != facts_.user) kept_.merge(closure(left, facts_.session_user, false));
    kept_.erase(bootstrap_superuser);
    if (!names.empty()) finding("ownership", CheckState::warn, "owns, and so may change or drop: " + list(names));
    else if (!is_superuser()) held("ownership", owners_needed.empty() ? "owns nothing" : "owns only what the policy lets it change");
}

}  // namespace dbguard::cli::lock
