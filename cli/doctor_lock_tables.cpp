// What a login may do with tables, views and sequences, and what the policy wants of them.
#include <algorithm>
#include <map>
#include <tuple>

#include "cli/doctor_lock_judge.hpp"
#include "sql/postgres/dialect.hpp"

namespace dbguard::cli::lock {

std::vector<sql::Lineage> Judge::lineage(const RelationFacts& relation) const {
    const auto* known = facts_.snapshot && relation.kind == 'v' && !relation.invoker ? facts_.snapshot->relation(relation.id) : nullptr;
    if (known == nullptr) return {};
    return sql::lineage_of_stored_query(*known, {facts_.snapshot.get(), &facts_.context}, sql::postgres::dialect());
}

std::set<std::string> Judge::wanted(const RelationFacts& relation) const {
    if (!needs_) return {};
    auto needed = needs_->privileges(relation.schema, relation.name, relation.kind);
    // To a policy a view is what it reads: its tables being open is enough (and of no table at all there is nothing to hide).
    if (relation.kind == 'v' && !needed.contains("SELECT")) {
        bool all = true;
        for (const sql::Lineage& column : lineage(relation))
            for (const sql::Source& source : column.sources) {
                const auto* base = facts_.snapshot->relation(source.column.relation);
                all = all && base != nullptr && needs_->opens(EffectClass::read_table, base->schema, base->name);
            }
        if (all) needed.insert("SELECT");
    }
    return needed;
}

bool Judge::has(const RelationFacts& relation, const std::string& privilege, bool afterwards) const {
    if (!afterwards) {
        if (is_superuser() || facts_.holds.contains(relation.owner)) return true;
        for (const Id id : facts_.holds) {
            const std::string& name = facts_.role_name(id);
            if (name == "pg_read_all_data" && privilege == "SELECT") return true;
            if (name == "pg_write_all_data" && (privilege == "INSERT" || privilege == "UPDATE" || privilege == "DELETE")) return true;
            if (name == "pg_maintain" && privilege == "MAINTAIN") return true;
        }
    } else if (owner_stays(relation)) {
        return true;
    }
    return std::any_of(relation.privileges.begin(), relation.privileges.end(), [&](const Privilege& one) {
        return one.column == 0 && one.name == privilege && (!afterwards || stays(one));
    });
}

ColumnView Judge::columns(const RelationFacts& relation) const {
    ColumnView out;
    const auto* known = facts_.snapshot ? facts_.snapshot->relation(relation.id) : nullptr;
    if (known == nullptr) return out;
    // A view reads with its owner's rights: its columns are as closed as those they come from.
    const auto from = lineage(relation);
    for (std::size_t i = 0; i < known->columns.size(); ++i) {
        const catalogue::Column& column = known->columns[i];
        bool readable = needs_->reads(relation.schema, relation.name, column.name);
        bool of_masked = false;
        if (i < from.size()) {
            for (const sql::Source& source : from[i].sources) {
                const auto* base = facts_.snapshot->relation(source.column.relation);
                const auto* base_column = base ? base->column(source.column.number) : nullptr;
                if (base_column == nullptr || source.flow == sql::Flow::existence) continue;
                readable = readable && needs_->reads(base->schema, base->name, base_column->name);
                of_masked = of_masked || std::any_of(sensitivities_.begin(), sensitivities_.end(), [&](const auto& one) { return one.column(source.column) != nullptr; });
            }
        }
        if (!readable) {
            out.closed.push_back(column.name);
            continue;
        }
        out.open.push_back(column.name);
        bool masked = !sensitivities_.empty(), nulled = masked;
        for (const auto& sensitivity : sensitivities_) {
            const auto* sensitive = sensitivity.column({relation.id, column.number});
            masked = masked && sensitive != nullptr;
            nulled = nulled && sensitive != nullptr && gives_only_null(sensitive->mask, facts_.category(column.type));
        }
        if (nulled && relation.kind != 'v') out.nulled.push_back(column.name);
        else if (masked || of_masked) out.masked.push_back(column.name);
    }
    return out;
}

/// A view in a schema of the login's own that gives NULL instead, found first by unqualified names.
void Judge::views_of_nulled(const RelationFacts& relation, const ColumnView& columns) {
    const std::string schema = "dbguard_" + user_.name.substr(0, 55);
    const std::string view = ident(schema, relation.name);
    std::string outputs;
    const auto* known = facts_.snapshot->relation(relation.id);
    for (const catalogue::Column& column : known->columns) {
        if (std::find(columns.closed.begin(), columns.closed.end(), column.name) != columns.closed.end()) continue;
        outputs += outputs.empty() ? "" : ", ";
        const bool nulled = std::find(columns.nulled.begin(), columns.nulled.end(), column.name) != columns.nulled.end();
        const auto text = facts_.type_texts.find({relation.id, column.number});
        if (!nulled) {
            outputs += ident(column.name);
            continue;
        }
        // A type's name that is not for a terminal: people write this one themselves.
        if (text == facts_.type_texts.end() || std::any_of(text->second.begin(), text->second.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) return;
        outputs += "NULL::" + text->second + " AS " + ident(column.name);
    }
    const std::string why = "work that names " + shown(relation.schema, relation.name) + " with its schema has to name the view instead";
    script_.add(Phase::optional, "CREATE SCHEMA IF NOT EXISTS " + ident(schema) + ";", why);
    script_.add(Phase::optional, "GRANT USAGE ON SCHEMA " + ident(schema) + " TO " + ident(target_) + ";", why);
    script_.add(Phase::optional, "CREATE VIEW " + view + " AS SELECT " + outputs + " FROM " + ident(relation.schema, relation.name) + ";", why);
    script_.add(Phase::optional, "ALTER VIEW " + view + " OWNER TO " + ident(facts_.role_name(relation.owner)) + ";", why);
    script_.add(Phase::optional, "GRANT SELECT ON " + view + " TO " + ident(target_) + ";", why);
    // Of the whole, which takes back single columns with it.
    const std::string table = "TABLE " + ident(relation.schema, relation.name);
    script_.add(Phase::optional, "REVOKE SELECT ON " + table + " FROM " + ident(target_) + ";", why);
    for (const Privilege& one : relation.privileges)
        if (one.name == "SELECT" && stays(one) && !is_user(one.grantee)) revoke(Phase::optional, "SELECT", table, one, relation.owner);
    std::string path = ident(schema);
    for (const std::string& name : facts_.context.search_path)
        if (name != "pg_catalog" && name != schema && !name.starts_with("pg_temp")) path += ", " + ident(name);
    script_.add(Phase::optional, "ALTER ROLE " + ident(target_) + " IN DATABASE " + ident(facts_.database) + " SET search_path = " + path + ";", why);
}

void Judge::relations() {
    if (!needs_) {
        finding("tables", CheckState::note, "which of its privileges are more than needed is told with --policy and --role");
        return;
    }
    std::vector<std::string> read, written, closed, masked, nulled;
    for (const RelationFacts& relation : facts_.relations) {
        const auto needed = wanted(relation);
        if (!needed.empty()) schemas_used_.insert(relation.schema);
        const std::string name = shown(relation.schema, relation.name);
        const std::string on = std::string(relation.kind == 'S' ? "SEQUENCE " : "TABLE ") + ident(relation.schema, relation.name);
        // By who gave to whom: what nobody needs.
        std::map<std::tuple<Id, Id, bool>, std::string> revokes;
        std::vector<std::string> too_much;
        for (const Privilege& one : relation.privileges) {
            if (needed.contains(one.name)) continue;
            if (one.name == "SELECT") add_once(read, name);
            else add_once(too_much, one.name);
            if (!stays(one)) continue;
            std::string& what = revokes[{one.grantee, one.grantor, one.grantable}];
            what += (what.empty() ? "" : ", ") + one.name;
            const auto* known = one.column != 0 && facts_.snapshot ? facts_.snapshot->relation(relation.id) : nullptr;
            if (const auto* column = known ? known->column(one.column) : nullptr) what += " (" + ident(column->name) + ")";
        }
        if (!too_much.empty()) written.push_back(name + " (" + list(too_much) + ")");
        for (const auto& [who, what] : revokes)
            revoke(Phase::revoke, what, on, {what, std::get<0>(who), std::get<1>(who), std::get<2>(who), 0}, relation.owner);
        if (relation.kind == 'S' || !needed.contains("SELECT")) continue;

        const ColumnView view = columns(relation);
        const bool selects = has(relation, "SELECT", false);
        const auto selects_column = [&](const std::string& column) {
            if (selects) return true;
            const auto* known = facts_.snapshot->relation(relation.id);
            return std::any_of(relation.privileges.begin(), relation.privileges.end(), [&](const Privilege& one) {
                const auto* at = one.column != 0 && one.name == "SELECT" ? known->column(one.column) : nullptr;
                return at != nullptr && at->name == column;
            });
        };
        std::string open_columns;
        for (const std::string& column : view.open) open_columns += (open_columns.empty() ? "" : ", ") + ident(column);
        bool found = false;
        for (const std::string& column : view.closed) {
            if (!selects_column(column)) continue;
            found = true;
            closed.push_back(name + "." + policy::quoted_name(column));
        }
        if (found) {
            for (const Privilege& one : relation.privileges) {
                if (one.name != "SELECT" || !stays(one)) continue;
                const auto* column = one.column != 0 ? facts_.snapshot->relation(relation.id)->column(one.column) : nullptr;
                if (column != nullptr && std::find(view.closed.begin(), view.closed.end(), column->name) == view.closed.end()) continue;
                revoke(Phase::revoke, "SELECT" + (column ? " (" + ident(column->name) + ")" : std::string()), on, one, relation.owner);
            }
            if (selects && !open_columns.empty() && !owner_stays(relation))
                script_.add(Phase::columns, "GRANT SELECT (" + open_columns + ") ON " + on + " TO " + ident(target_) + ";");
        }
        for (const std::string& column : view.masked)
            if (selects_column(column)) masked.push_back(name + "." + policy::quoted_name(column));
        bool any_nulled = false;
        for (const std::string& column : view.nulled) {
            if (!selects_column(column)) continue;
            any_nulled = true;
            nulled.push_back(name + "." + policy::quoted_name(column));
        }
        const bool only_read = needed.size() == 1 && !relation.row_security && (relation.kind == 'r' || relation.kind == 'p' || relation.kind == 'f' || relation.kind == 'm');
        if (any_nulled && only_read && !owner_stays(relation)) views_of_nulled(relation, view);
    }
    reads_masked_ = !masked.empty() || !nulled.empty();
    const auto tell = [&](const char* name, const std::vector<std::string>& found, CheckState state, const char* open, const char* good, const char* fix = "") {
        if (found.empty()) held(name, good);
        else finding(name, state, open + list(found), fix);
    };
    tell("reading", read, CheckState::warn, "may read what no rule opens: ", "nothing that no rule opens may be read");
    tell("writing", written, CheckState::warn, "may change what no rule opens: ", "nothing that no rule opens may be written");
    tell("denied columns", closed, CheckState::warn, "may read columns that the policy denies: ", "no column may be read that the policy denies");
    tell("null columns", nulled, CheckState::note, "shown as NULL to everybody, but the server would give them: ", "no column is readable that everybody sees as NULL", "a view can give NULL instead; the statements at the end change which names work has to use");
    tell("masked columns", masked, CheckState::note, "only dbguard's analysis masks these, because their masks are made from the value: ", "no masked column is readable", masked.empty() ? "" : "mask them with `null` to have the server hold them as well");
}

}  // namespace dbguard::cli::lock
