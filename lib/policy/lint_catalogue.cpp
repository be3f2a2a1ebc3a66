#include "policy/lint_catalogue.hpp"

#include <algorithm>

#include "policy/decide.hpp"
#include "policy/fields.hpp"
#include "policy/masks.hpp"
#include "policy/sensitive_names.hpp"

namespace dbguard::policy {
namespace {

using catalogue::Relation;
using catalogue::RelationKind;

bool is_servers_own(std::string_view schema) { return schema == "pg_catalog" || schema == "information_schema" || schema.starts_with("pg_toast") || schema.starts_with("pg_temp"); }

/// Has rows of its own that a SELECT shows.
bool holds_rows(const Relation& relation) {
    return (relation.kind == RelationKind::table || relation.kind == RelationKind::foreign_table || relation.kind == RelationKind::partitioned_table) && !is_servers_own(relation.schema);
}

bool names(const ObjectPattern& pattern, const Relation& relation) {
    return matches_wildcard(pattern.schema, relation.schema) && matches_wildcard(pattern.relation, relation.name);
}

class CatalogueLinter {
  public:
    CatalogueLinter(const Policy& policy, const catalogue::Snapshot& snapshot, std::vector<Problem>& problems)
        : policy_(policy), snapshot_(snapshot), problems_(problems) {
        for (const auto& relation : snapshot.relations()) {
            if (is_servers_own(relation.schema)) continue;
            relation_names_.push_back(relation.schema + '.' + relation.name);
        }
    }

    void run() {
        for (const auto& set : policy_.masks)
            for (const auto& rule : set.columns) mask_rule(rule);
        for (const auto& role : policy_.roles) {
            for (const auto& rule : role.rules)
                for (const auto& pattern : rule.of) object(rule, pattern);
            sensitive(role);
        }
    }

  private:
    void add(Severity severity, Position at, std::string message, std::string suggestion) {
        problems_.push_back({policy_.file, at, severity, std::move(message), std::move(suggestion)});
    }

    std::string near_relation(const ObjectPattern& pattern) const {
        const std::vector<std::string_view> known(relation_names_.begin(), relation_names_.end());
        return std::string(nearest(pattern.schema + '.' + pattern.relation, known));
    }

    /// A mask on what is not there masks nothing; the column it was meant for comes as it is.
    void mask_rule(const MaskRule& rule) {
        for (const auto& pattern : rule.columns) {
            bool relation_found = false, column_found = false;
            std::vector<std::string_view> columns;
            for (const auto& relation : snapshot_.relations()) {
                if (is_servers_own(relation.schema) || !names(pattern, relation)) continue;
                relation_found = true;
                for (const auto& column : relation.columns) {
                    columns.push_back(column.name);
                    column_found = column_found || matches_wildcard(*pattern.column, column.name);
                }
            }
            if (column_found) continue;
            const auto severity = pattern.exact() ? Severity::error : Severity::warning;
            const auto near = relation_found ? std::string(nearest(*pattern.column, columns)) : near_relation(pattern);
            add(
                severity, rule.at, "this masks nothing: the schema has no " + std::string(relation_found ? "column " : "table of column ") + quoted(text(pattern)),
                near.empty() ? "name it as the catalogue does" : "write " + quoted(relation_found ? text({pattern.schema, pattern.relation, near}) : near + '.' + quoted_name(*pattern.column))
            );
        }
        for (const auto& tag : rule.tags) {
            const bool found = std::any_of(snapshot_.relations().begin(), snapshot_.relations().end(), [&](const Relation& relation) {
                return std::any_of(relation.columns.begin(), relation.columns.end(), [&](const catalogue::Column& column) {
                    return std::find(column.tags.begin(), column.tags.end(), tag) != column.tags.end();
                });
            });
            if (!found) add(Severity::warning, rule.at, "this masks nothing: no column of the schema has the tag " + quoted(tag), "write COMMENT ON COLUMN … IS 'dbguard:" + tag + "'");
        }
    }

    /// Only names without wildcards: the others may be meant for what comes.
    void object(const Rule& rule, const ObjectPattern& pattern) {
        if (!pattern.exact() || is_servers_own(pattern.schema)) return;
        const auto functions = snapshot_.functions(pattern.relation);
        if (std::any_of(functions.begin(), functions.end(), [&](const catalogue::Function* function) { return function->schema == pattern.schema; })) return;
        // What a rule for DDL names may be made by it.
        const bool makes = std::any_of(rule.classes.begin(), rule.classes.end(), [](sql::EffectClass one) { return sql::inside(sql::EffectClass::ddl_create, one); });
        if (makes) return;
        const auto* relation = snapshot_.relation(pattern.schema, pattern.relation);
        if (relation && (!pattern.column || relation->column(*pattern.column))) return;
        const auto near = relation ? std::string() : near_relation(pattern);
        add(Severity::warning, rule.at, "`of` names " + quoted(text(pattern)) + ", which the schema does not have", near.empty() ? "name it as the catalogue does" : "write " + quoted(near));
    }

    bool is_masked(const RoleMasks& masks, const Relation& relation, const catalogue::Column& column, int depth = 0) const {
        const auto rule = masks.column(relation.schema, relation.name, column.name, column.tags);
        if (rule.mask || rule.named) return true;  // `keep` by name is a word, too
        if (depth > 8) return false;
        // A partition or child carries the masks of its parent.
        return std::any_of(relation.parents.begin(), relation.parents.end(), [&](catalogue::Id id) {
            const auto* parent = snapshot_.relation(id);
            const auto* same = parent ? parent->column(column.name) : nullptr;
            return same && is_masked(masks, *parent, *same, depth + 1);
        });
    }

    /// The role's rules let it read this column of the table.
    static bool reads(const RoleRules& rules, const Relation& relation, const std::string& column) {
        sql::Effect effect;
        effect.effect_class = sql::EffectClass::read_table;
        effect.where = sql::Where::present;
        effect.has_limit = true;
        effect.objects.push_back({relation.schema, relation.name, {column}});
        return decide(rules, std::span(&effect, 1)).verdict < Verdict::deny;
    }

    void sensitive(const Role& role) {
        const RoleRules rules(policy_, role, Engine::postgres);
        const RoleMasks masks(policy_, role);
        for (const auto& relation : snapshot_.relations()) {
            if (is_servers_own(relation.schema) || !holds_rows(relation) || relation.columns.empty()) continue;
            std::string shown;
            bool any_masked = false;
            for (const auto& column : relation.columns) {
                const bool masked = is_masked(masks, relation, column);
                any_masked = any_masked || masked;
                if (masked || column.generated || sensitive_word(column.name).empty() || !reads(rules, relation, column.name)) continue;
                shown += (shown.empty() ? "" : ", ") + quoted_name(column.name);
            }
            const auto name = quoted(relation.schema + '.' + relation.name);
            if (!shown.empty())
                add(Severity::warning, role.at, "role " + quoted(role.name) + " reads " + name + " with columns that look sensitive and have no mask: " + shown, "mask them, write `keep` by name, or deny the table");
            else if (!any_masked && !sensitive_table_word(relation.name).empty() && reads(rules, relation, relation.columns.front().name))
                add(Severity::warning, role.at, "role " + quoted(role.name) + " reads " + name + ", which looks sensitive, without any mask", "mask its columns, or deny the table");
        }
    }

    const Policy& policy_;
    const catalogue::Snapshot& snapshot_;
    std::vector<Problem>& problems_;
    std::vector<std::string> relation_names_;
};

}  // namespace

void lint_catalogue(const Policy& policy, const catalogue::Snapshot& snapshot, std::vector<Problem>& problems) {
    CatalogueLinter(policy, snapshot, problems).run();
}

}  // namespace dbguard::policy
