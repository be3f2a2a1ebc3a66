// What a login may do with everything that is no table, and what has to be granted so that work goes on.
#include <algorithm>

#include "broker/grants.hpp"
#include "cli/doctor_lock_judge.hpp"

namespace dbguard::cli::lock {

// ---- where they are -----------------------------------------------------------------------------------------------------------

bool Judge::needs_something(std::string_view schema) const {
    using enum EffectClass;
    return needs_->opens_any({read_table, bulk, write, ddl, call, maintenance, lock, dcl, server}, schema, {});
}

bool Judge::has_on_schema(const Thing& schema, const std::string& privilege, bool afterwards) const {
    if (!afterwards) {
        if (is_superuser() || facts_.holds.contains(schema.owner)) return true;
        for (const Id id : facts_.holds)
            if (privilege == "USAGE" && (facts_.role_name(id) == "pg_read_all_data" || facts_.role_name(id) == "pg_write_all_data")) return true;
    } else if (owner_stays(schema)) {
        return true;
    }
    return std::any_of(schema.privileges.begin(), schema.privileges.end(), [&](const Privilege& one) { return one.name == privilege && (!afterwards || stays(one)); });
}

void Judge::schemas() {
    std::vector<std::string> open;
    for (const Thing& schema : facts_.schemas) {
        for (const Privilege& one : schema.privileges) {
            const bool create = one.name == "CREATE";
            if (needs_ ? (create ? needs_->opens_any({EffectClass::ddl}, schema.name, {}) : needs_something(schema.name)) : !create) continue;
            if (!create && schemas_used_.contains(schema.name)) continue;
            add_once(open, policy::quoted_name(schema.name) + " (" + one.name + ")");
            if (stays(one)) revoke(Phase::revoke, one.name, "SCHEMA " + ident(schema.name), one, schema.owner);
        }
    }
    if (open.empty()) held("schemas", "no CREATE or USAGE on a schema beyond the policy");
    else finding("schemas", open_state(), "may use or create in schemas where nothing opens that: " + list(open));
}

void Judge::database() {
    std::vector<std::string> open;
    bool from_public = false;
    for (const Privilege& one : facts_.this_database.privileges) {
        if (one.name == "CONNECT") continue;
        if (opens({EffectClass::ddl_create}, one.name == "CREATE" ? "" : "pg_temp", "")) continue;
        add_once(open, one.name == "CREATE" ? "CREATE (schemas)" : "TEMPORARY");
        from_public = from_public || one.grantee == everybody;
        if (stays(one)) revoke(Phase::revoke, one.name, "DATABASE " + ident(facts_.database), one, facts_.this_database.owner);
    }
    if (open.empty()) held("database", "makes no schemas and no temporary tables beyond the policy");
    else finding("database", open_state(), "has on the database what nothing opens: " + list(open) + (from_public ? ", from PostgreSQL's own grant to PUBLIC" : ""));
}

// ---- ways out of the tables ---------------------------------------------------------------------------------------------------------

void Judge::routines() {
    std::vector<std::string> definers, untrusted;
    for (const RoutineFacts& routine : facts_.routines) {
        const bool strange = routine.definer || routine.reaches_out || (!routine.trusted && routine.extension.empty());
        if (!strange || !routine.callable) continue;
        if (opens({EffectClass::call, EffectClass::server}, routine.schema, routine.plain_name)) continue;
        bool may = is_superuser() || facts_.holds.contains(routine.owner);
        for (const Privilege& one : routine.privileges) {
            may = true;
            if (stays(one)) revoke_routine(routine, one);
        }
        if (!may || is_superuser()) continue;
        const std::string from = routine.extension.empty() ? "" : " of " + routine.extension;
        if (routine.definer) add_once(definers, shown(routine.schema, routine.plain_name) + " (as " + facts_.role_name(routine.owner) + ")");
        else add_once(untrusted, shown(routine.schema, routine.plain_name) + " (" + routine.language + from + ")");
    }
    if (definers.empty()) held("definer routines", "no SECURITY DEFINER routine is executable that no rule opens");
    else finding("definer routines", open_state(), "may call code that runs with others' rights: " + list(definers));
    if (untrusted.empty()) held("untrusted routines", "no routine in C or an untrusted language is executable that no rule opens");
    else finding("untrusted routines", open_state(), "may call code that the server does not confine: " + list(untrusted));
}

void Judge::foreign() {
    std::vector<std::string> open;
    for (const OtherFacts& other : facts_.others) {
        if (!other.kind.starts_with("FOREIGN") || opens({EffectClass::server})) continue;
        for (const Privilege& one : other.privileges) {
            add_once(open, (other.kind == "FOREIGN SERVER" ? "server " : "wrapper ") + policy::quoted_name(other.name));
            if (stays(one)) revoke(Phase::revoke, "USAGE", other.kind + " " + ident(other.name), one, other.owner);
        }
    }
    if (open.empty()) held("foreign data", "no foreign server or wrapper is usable");
    else finding("foreign data", open_state(), "may connect elsewhere through: " + list(open));
}

void Judge::large_objects() {
    if (opens({EffectClass::server})) return;
    std::vector<std::string> open;
    for (const OtherFacts& other : facts_.others) {
        if (other.kind != "LARGE OBJECT") continue;
        for (const Privilege& one : other.privileges) {
            add_once(open, other.name);
            if (stays(one)) revoke(Phase::revoke, one.name, "LARGE OBJECT " + other.name, one, other.owner);
        }
    }
    if (facts_.any_large_object)
        script_.add(Phase::settings, "ALTER DATABASE " + ident(facts_.database) + " SET lo_compat_privileges = off;", "large objects get privileges again");
    if (!open.empty() || facts_.any_large_object)
        finding("large objects", open_state(), facts_.any_large_object ? "lo_compat_privileges: every large object may be read and changed" : "may read or change large objects: " + list(open));
    else held("large objects", "none is readable");
    std::vector<std::string> makers;
    for (const RoutineFacts& routine : facts_.large_object_routines)
        for (const Privilege& one : routine.privileges) {
            add_once(makers, routine.plain_name);
            if (stays(one)) revoke(Phase::revoke, "EXECUTE", "FUNCTION " + ident(routine.schema, routine.plain_name) + "(" + routine.name + ")", one, routine.owner);
        }
    if (!makers.empty()) finding("making large objects", open_state(), "may store data where no table rule sees it: " + list(makers));
    else held("making large objects", "may make none");
}

void Judge::statistics() {
    if (!reads_masked_) return;
    std::vector<std::string> open;
    for (const auto& view : facts_.statistics) {
        if (!view) continue;
        for (const Privilege& one : view->privileges) {
            if (one.name != "SELECT") continue;
            add_once(open, view->name);
            if (stays(one)) revoke(Phase::revoke, "SELECT", "TABLE " + ident(view->schema, view->name), one, view->owner);
        }
    }
    if (open.empty()) held("statistics", "pg_stats shows it no values");
    else finding("statistics", CheckState::warn, "sees the most common values of every column it may read, masked ones included: " + list(open));
}

void Judge::server_objects() {
    std::vector<std::string> open;
    if (!opens({EffectClass::server})) {
        for (const auto* things : {&facts_.server_routines, &facts_.server_relations})
            for (const Thing& thing : *things) {
                const bool routine = things == &facts_.server_routines;
                for (const Privilege& one : thing.privileges) {
                    add_once(open, thing.name.substr(0, thing.name.find('(')));
                    const std::string on = routine ? "FUNCTION " + ident(thing.schema) + "." + thing.name : "TABLE " + ident(thing.schema, thing.name);
                    if (stays(one)) revoke(Phase::revoke, one.name, on, one, thing.owner);
                }
            }
        for (const OtherFacts& other : facts_.others) {
            if (other.kind != "PARAMETER") continue;
            for (const Privilege& one : other.privileges) {
                add_once(open, "setting " + other.name);
                if (stays(one)) revoke(Phase::revoke, one.name, "PARAMETER " + other.name, one, other.owner);
            }
        }
    }
    if (open.empty()) held("server", "was given nothing of the server's own that is not everybody's");
    else finding("server", CheckState::warn, "was given what PostgreSQL keeps for administrators: " + list(open));
}

void Judge::defaults() {
    if (!needs_) return;
    std::vector<std::string> open;
    for (const DefaultPrivilege& one : facts_.defaults) {
        const auto needed = needs_->privileges(one.schema, {}, 'r');
        if (needed.contains(one.privilege.name)) continue;
        const std::string maker = facts_.role_name(one.maker);
        add_once(open, one.privilege.name + " on tables that " + maker + " makes" + (one.schema.empty() ? "" : " in " + policy::quoted_name(one.schema)));
        if (stays(one.privilege))
            script_.add(
                Phase::settings, "ALTER DEFAULT PRIVILEGES FOR ROLE " + ident(maker) + (one.schema.empty() ? "" : " IN SCHEMA " + ident(one.schema)) + " REVOKE " +
                                     one.privilege.name + " ON TABLES FROM " + grantee(one.privilege.grantee) + ";",
                lost_by(one.privilege.grantee)
            );
    }
    if (!open.empty()) finding("future tables", CheckState::warn, "will be given what no rule opens: " + list(open));
}

void Judge::settings() {
    if (!needs_) return;
    const auto& roles = needs_->roles();
    const bool only_reads = std::all_of(roles.begin(), roles.end(), [&](const policy::Role* role) { return broker::is_read_only(*role) && !policy::in_shadow(*policy_, *role); });
    std::chrono::milliseconds longest{0};
    bool limited = true;
    for (const policy::Role* role : roles) {
        if (role->limits.time) longest = std::max(longest, *role->limits.time);
        else limited = false;
    }
    const std::string in = "ALTER ROLE " + ident(target_) + " IN DATABASE " + ident(facts_.database) + " SET ";
    std::vector<std::string> missing;
    if (only_reads && !facts_.read_only) {
        missing.emplace_back("default_transaction_read_only is off although nothing opens a write");
        script_.add(Phase::settings, in + "default_transaction_read_only = on;");
    }
    if (limited && !facts_.has_timeout) {
        missing.emplace_back("no statement_timeout");
        // A second later than dbguard's own limit, so that its clearer words come first.
        script_.add(Phase::settings, in + "statement_timeout = " + std::to_string(longest.count() + 1000) + ";");
    }
    // With `serve` this is the role of one session, and has a limit.
    if (facts_.role(facts_.session_user).connection_limit < 0 && target_ == user_.name) {
        missing.emplace_back("no connection limit");
        script_.add(Phase::settings, "ALTER ROLE " + ident(facts_.role_name(facts_.session_user)) + " CONNECTION LIMIT " + std::to_string(suggested_connections) + ";");
    }
    if (missing.empty()) held("settings", std::string(only_reads ? "read-only transactions, " : "") + (limited ? "a statement_timeout, " : "") + "a connection limit");
    else finding("settings", CheckState::note, list(missing));
}

/// What the policy opens and would be lost with the wider right that it came from.
void Judge::keep() {
    if (!needs_) return;
    const std::string to = " TO " + ident(target_) + ";";
    const bool other_target = target_ != user_.name;
    for (const RelationFacts& relation : facts_.relations) {
        std::string missing;
        const bool sequence = relation.kind == 'S';
        const auto needed = wanted(relation);
        const ColumnView view = sequence ? ColumnView() : columns(relation);
        for (const std::string& privilege : needed) {
            if (privilege == "MAINTAIN" && facts_.version < 170000) continue;
            if (!has(relation, privilege, false) || (!other_target && has(relation, privilege, true))) continue;
            if (privilege == "SELECT" && !view.closed.empty()) continue;  // column by column, in relations()
            missing += (missing.empty() ? "" : ", ") + privilege;
        }
        if (!missing.empty()) script_.add(Phase::keep, "GRANT " + missing + " ON " + (sequence ? "SEQUENCE " : "TABLE ") + ident(relation.schema, relation.name) + to);
    }
    for (const Thing& schema : facts_.schemas) {
        const auto grant = [&](const char* privilege, bool needed) {
            if (needed && has_on_schema(schema, privilege, false) && (other_target || !has_on_schema(schema, privilege, true)))
                script_.add(Phase::keep, std::string("GRANT ") + privilege + " ON SCHEMA " + ident(schema.name) + to);
        };
        grant("USAGE", schemas_used_.contains(schema.name));
        grant("CREATE", needs_->opens_any({EffectClass::ddl_create, EffectClass::ddl_rename}, schema.name, {}));
    }
    const auto& database = facts_.this_database;
    const bool connects = std::any_of(database.privileges.begin(), database.privileges.end(), [&](const Privilege& one) { return one.name == "CONNECT" && stays(one) && (!other_target || one.grantee == everybody); });
    if (!connects && !owner_stays(database)) script_.add(Phase::keep, "GRANT CONNECT ON DATABASE " + ident(facts_.database) + to);
}

}  // namespace dbguard::cli::lock
