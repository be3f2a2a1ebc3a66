// INSERT, UPDATE, DELETE, MERGE: what they do to their target, and what comes back.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using catalogue::Relation;
using tree::Expr;
using Write = tree::Write;

namespace {

EffectClass class_of(Write::Kind kind) {
    switch (kind) {
        case Write::Kind::insert: return EffectClass::write_insert;
        case Write::Kind::update: return EffectClass::write_update;
        case Write::Kind::delete_: return EffectClass::write_delete;
        case Write::Kind::merge: return EffectClass::write_merge;
    }
    return EffectClass::unparsed;
}

/// As pg_rewrite calls them.
char rule_event(Write::Kind kind) { return kind == Write::Kind::insert ? '3' : kind == Write::Kind::delete_ ? '4' : '2'; }

std::vector<std::string> columns_of(const std::vector<tree::Assignment>& assignments) {
    std::vector<std::string> out;
    for (const tree::Assignment& assignment : assignments) out.push_back(assignment.column);
    return out;
}

/// WITH moved AS (DELETE … RETURNING …) INSERT … SELECT … FROM moved: as many rows are inserted as were deleted.
bool puts_all(const Write& write) {
    return write.kind == Write::Kind::insert && write.source != nullptr && write.source->with.empty() && !write.on_conflict_update && !write.on_conflict_nothing && gives_all(write.with, *write.source);
}

}  // namespace

/// A query of all rows that the one write of its WITH returns, a row for each.
bool gives_all(const std::vector<tree::Cte>& with, const tree::Query& rows) {
    if (with.size() != 1 || with[0].write == nullptr || with[0].write->returning.empty() || !with[0].write->with.empty()) return false;
    return rows.combine == tree::Query::Combine::none && rows.values.empty() && rows.from.size() == 1 && rows.where == nullptr && rows.having == nullptr && rows.group_by.empty() &&
           rows.distinct_on.empty() && !rows.distinct && rows.limit == nullptr && rows.offset == nullptr && !rows.locks_rows && rows.from[0].kind == tree::From::Kind::relation &&
           rows.from[0].functions.empty() && rows.from[0].relation.parts.size() == 1 && rows.from[0].relation.last() == with[0].name &&
           std::all_of(rows.items.begin(), rows.items.end(), [](const tree::Item& item) { return item.expr->kind == Expr::Kind::column || item.expr->kind == Expr::Kind::constant || item.expr->kind == Expr::Kind::star; });
}

/// What a statement writes to, and what is known of it.
struct Analyzer::Target {
    const Relation* relation = nullptr;  ///< null: not known
    const Relation* base = nullptr;      ///< the table behind it, where it is a view
    Object object;
    std::string name;                    ///< with its schema
    ScopeTable table;                    ///< its rows
    bool elsewhere = false;              ///< a rule or a trigger decides what is done instead
    std::size_t first_effect = 0;        ///< from here on effects are of the write
};

void Analyzer::write_effect(EffectClass effect_class, const Object& target, Where where, std::vector<std::string> columns) {
    Effect effect;
    effect.effect_class = effect_class;
    effect.where = where;
    Object object = target;
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    object.columns = std::move(columns);
    effect.objects.push_back(std::move(object));
    out_.effects.push_back(std::move(effect));
}

/// The one table that a view shows, where it shows just one: a write to the view is a write to it (PostgreSQL manual, CREATE
/// VIEW, "Updatable Views").
const Relation* Analyzer::base_of_view(const Relation& view) {
    const Relation* at = &view;
    const auto* outer_path = path_;
    path_ = &names_.snapshot->rendered_under().search_path;
    for (int steps = 0; at != nullptr && at->kind == catalogue::RelationKind::view; ++steps) {
        const ParsedText parsed = dialect_.parse(at->definition);
        const bool plain = parsed.error.empty() && parsed.statements.size() == 1 && parsed.statements[0].query != nullptr && parsed.statements[0].query->from.size() == 1 &&
                           parsed.statements[0].query->from[0].kind == tree::From::Kind::relation && steps < 64;
        at = plain ? resolve(parsed.statements[0].query->from[0].relation).relation : nullptr;
        // The server's own views are written by rules, or not at all.
        if (at != nullptr && dialect_.is_system_schema(at->schema)) break;
    }
    path_ = outer_path;
    return at;
}

Analyzer::Target Analyzer::target_of(const Write& write) {
    Target target;
    const Resolved resolved = resolve(write.target);
    const Relation* relation = target.relation = resolved.relation;
    target.object = object(write.target);
    target.name = target.object.schema.empty() ? target.object.name : target.object.schema + "." + target.object.name;
    target.first_effect = out_.effects.size();
    const std::string called = write.target.parts.empty() ? "" : write.target.last();
    if (relation == nullptr && resolved.made == nullptr) unknown_name("relation \"" + called + "\" is not known", write.target.at);
    if (relation != nullptr) {
        touch(*relation);
        if (!relation->trigger_functions.empty()) out_.runs_code = out_.unread_code = true;
        triggers_of(*relation);
        rules_of(*relation, rule_event(write.kind), !write.returning.empty());
        // Writing through a view writes its table, and is judged by both names.
        if (relation->kind == catalogue::RelationKind::view) target.base = base_of_view(*relation);
    }
    ScopeTable& table = target.table;
    table.alias = write.alias.empty() ? called : write.alias;
    table.is_target = true;
    const bool is_view = relation != nullptr && relation->kind == catalogue::RelationKind::view;
    // Of the server's own views the catalogue has no queries.
    if (is_view && !(resolved.system && relation->definition.empty())) {
        table.columns = view_columns(*relation, table.exact_order);
        for (ScopeColumn& column : table.columns.edit()) {
            if (target.base == nullptr || column.value.sources.size() != 1 || column.value.sources[0].flow != Flow::identity || column.value.sources[0].column.relation != target.base->id) continue;
            const catalogue::Column* own = target.base->column(column.value.sources[0].column.number);
            column.not_null = own != nullptr && own->not_null;
        }
    } else if (relation != nullptr && !resolved.system) {
        table.columns = base_columns(*relation);
        table.relation = relation;
    } else {
        table.complete = table.exact_order = false;
        if (resolved.made != nullptr) {
            table.columns = resolved.made->columns;
            table.complete = table.exact_order = resolved.made->exact;
        }
    }
    table.schema = write.alias.empty() && relation != nullptr ? relation->schema : "";
    target.elsewhere = relation != nullptr && (!relation->rules.empty() || (is_view && (target.base == nullptr || !relation->trigger_functions.empty())));
    return target;
}

/// The column gets the value. What a literal in that meets: the column, and what else the value is made with; where something else is done
/// instead, anything.
void Analyzer::put(const Target& target, const std::string& column, const Value& value, bool unknown) {
    assign(target.relation, target.name, column, value);
    const auto& columns = target.table.columns;
    const auto own = std::find_if(columns.begin(), columns.end(), [&](const ScopeColumn& listed) { return listed.name == column; });
    if (own == columns.end()) meets(value, true);
    else meets(merge(value, own->value), unknown || target.elsewhere);
}

void Analyzer::put_all(const Target& target, const std::vector<tree::Assignment>& assignments, const Scope& scope, const CteBinding* ctes) {
    for (const tree::Assignment& assignment : assignments) {
        if (assignment.value == nullptr) continue;
        const Value value = assigned(assignment, scope, ctes);
        put(target, assignment.column, value);
        values_follow(target.base != nullptr ? target.base : target.relation, assignment.column, value);
    }
}

void Analyzer::insert_rows(const Write& write, Target& target, Scope& scope, const CteBinding* ctes) {
    const Relation* relation = target.relation;
    std::vector<std::string> into = write.columns;
    if (into.empty() && relation != nullptr)
        for (const catalogue::Column& column : relation->columns) into.push_back(column.name);
    ScopeTable excluded;
    excluded.alias = "excluded";
    excluded.columns = target.table.columns;
    for (ScopeColumn& column : excluded.columns.edit()) column.value = {};
    excluded.complete = target.table.complete;
    if (write.source != nullptr) {
        Result rows = query(*write.source, scope.outer, ctes, false);
        for (std::size_t i = 0; i < rows.outputs.size(); ++i) {
            const std::string column = i < into.size() ? into[i] : "?";
            Value value = rows.outputs[i].second;
            if (!rows.exact && value.has_value()) value.opaque = true;
            put(target, column, value, !rows.exact);
            for (ScopeColumn& listed : excluded.columns.edit())
                if (listed.name == column) listed.value = value;
        }
    }
    new_defaults(relation, write.source != nullptr ? into : std::vector<std::string>{});
    write_effect(EffectClass::write_insert, target.object, Where::not_applicable, into);
    target.table.is_target = false;
    if (write.on_conflict_update) {
        Scope conflict = scope;
        conflict.tables.push_back(target.table);
        conflict.tables.push_back(std::move(excluded));
        if (write.conflict_where != nullptr) predicate(*write.conflict_where, conflict, ctes);
        put_all(target, write.conflict_assignments, conflict, ctes);
        write_effect(EffectClass::write_merge, target.object, rows_are_given(write.source.get()) ? Where::present : Where::missing, columns_of(write.conflict_assignments));
        if (relation != nullptr) rules_of(*relation, '2', !write.returning.empty());
    }
    scope.tables.push_back(target.table);
}

/// UPDATE, DELETE and MERGE: rows that are there already.
void Analyzer::change_rows(const Write& write, const Target& target, Scope& scope, const CteBinding* ctes) {
    scope.tables.push_back(target.table);
    for (const tree::From& from : write.from) add_from(from, scope, ctes);
    target_used_ = false;
    // NOT MATCHED BY SOURCE
    keeps_others_ = std::ranges::any_of(write.whens, &Write::When::by_source);
    if (write.where != nullptr) predicate(*write.where, scope, ctes);
    keeps_others_ = false;
    const bool depends = target_used_;
    Where where = where_of(write.where.get(), scope, depends);
    if (where == Where::present && holds_for_samples(write, scope)) where = Where::trivial;
    if (write.kind == Write::Kind::merge) return merge_rows(write, target, where, scope, ctes);
    put_all(target, write.assignments, scope, ctes);
    write_effect(class_of(write.kind), target.object, where, columns_of(write.assignments));
}

void Analyzer::merge_rows(const Write& write, const Target& target, Where where, const Scope& scope, const CteBinding* ctes) {
    const Relation* relation = target.relation;
    const bool given = write.from.size() == 1 &&
                       (write.from[0].kind == tree::From::Kind::subquery ? rows_are_given(write.from[0].query.get()) : write.from[0].kind == tree::From::Kind::functions);
    if (where == Where::present && !given) where = Where::missing;
    for (const Write::When& when : write.whens) {
        target_used_ = false;
        if (when.condition != nullptr) predicate(*when.condition, scope, ctes);
        // NOT MATCHED BY SOURCE reaches all that the join leaves.
        Where own = when.by_source ? where_of(when.condition.get(), scope, target_used_) : where;
        if (own == Where::not_applicable) own = Where::missing;
        put_all(target, when.assignments, scope, ctes);
        for (std::size_t i = 0; i < when.values.size(); ++i) {
            const bool in_order = relation != nullptr && when.columns.empty() && i < relation->columns.size();
            put(target, i < when.columns.size() ? when.columns[i] : in_order ? relation->columns[i].name : "?", eval(*when.values[i], scope, ctes));
        }
        if (when.nothing) continue;
        if (when.action == Write::Kind::insert) {
            write_effect(EffectClass::write_insert, target.object, Where::not_applicable, when.columns);
            if (relation != nullptr) rules_of(*relation, '3', !write.returning.empty());
            continue;
        }
        if (when.action == Write::Kind::delete_) write_effect(EffectClass::write_delete, target.object, own, {});
        write_effect(EffectClass::write_merge, target.object, own, columns_of(when.assignments));
    }
}

/// The same is done to the table behind the view, to the columns that the view's are made of.
void Analyzer::write_behind_view(const Write& write, const Target& target) {
    const Relation& base = *target.base;
    std::vector<Effect> behind;
    for (std::size_t i = target.first_effect; i < out_.effects.size(); ++i) {
        Effect effect = out_.effects[i];
        if (!inside(effect.effect_class, EffectClass::write) || effect.objects.size() != 1 || effect.objects[0].name != target.object.name || effect.objects[0].schema != target.object.schema) continue;
        std::set<std::string> columns;
        for (const std::string& name : effect.objects[0].columns)
            for (const ScopeColumn& column : target.table.columns)
                if (column.name == name)
                    for (const Source& source : column.value.sources)
                        if (const catalogue::Column* own = source.column.relation == base.id ? base.column(source.column.number) : nullptr; own != nullptr) columns.insert(own->name);
        effect.objects[0] = object(base);
        effect.objects[0].columns.assign(columns.begin(), columns.end());
        behind.push_back(std::move(effect));
    }
    out_.effects.insert(out_.effects.end(), behind.begin(), behind.end());
    if (!base.trigger_functions.empty()) out_.runs_code = out_.unread_code = true;
    triggers_of(base);
    rules_of(base, rule_event(write.kind), !write.returning.empty());
}

/// Each row of the view is a setting, and an UPDATE of it sets that.
void Analyzer::write_settings() {
    Effect set;
    set.effect_class = EffectClass::session_set;
    set.detail = std::string(dialect_.settings_view);
    Object unknown;
    unknown.resolved = false;
    unknown.name = "a setting that is only known when the statement runs";
    set.objects.push_back(std::move(unknown));
    out_.effects.push_back(std::move(set));
    out_.changes_settings = true;
}

Analyzer::Result Analyzer::returned(const Write& write, const Target& target, Scope& scope, const CteBinding* ctes) {
    Result result;
    if (write.returning.empty()) return result;
    // MERGE … RETURNING *: the source's columns stand before the target's (PostgreSQL manual, MERGE).
    if (write.kind == Write::Kind::merge && scope.tables.size() > 1) std::rotate(scope.tables.begin(), scope.tables.begin() + 1, scope.tables.end());
    if (target.relation != nullptr) {
        for (const char* name : {"old", "new"}) {
            // RETURNING old.a, new.a
            ScopeTable row = target.table;
            row.alias = name;
            row.is_target = false;
            for (ScopeColumn& column : row.columns.edit()) column.hidden = true;
            scope.tables.push_back(std::move(row));
        }
    }
    for (const tree::Item& item : write.returning) {
        if (item.expr->kind == Expr::Kind::star) {
            expand_star(*item.expr, scope, result);
            continue;
        }
        result.outputs.emplace_back(output_name(*item.expr, item.alias), eval(*item.expr, scope, ctes));
    }
    return result;
}

Analyzer::Result Analyzer::write(const Write& write, const Scope* outer, const CteBinding* ctes) {
    if (++writes_ > 1 && !std::exchange(counted_outside_, false)) out_.writes_inside = true;
    counted_outside_ = puts_all(write);
    ctes = bind(write.with, write.recursive, outer, ctes);
    Target target = target_of(write);
    Scope scope;
    scope.outer = outer;
    for (const tree::ExprPtr& subscript : write.subscripts) {
        const Value place = eval(*subscript, scope, ctes);
        for (const std::string& column : write.columns) assign(target.relation, target.name, column, place);
    }
    if (write.kind == Write::Kind::insert) insert_rows(write, target, scope, ctes);
    else change_rows(write, target, scope, ctes);
    if (target.base != nullptr) write_behind_view(write, target);
    if (const Relation* last = target.base != nullptr ? target.base : target.relation; last != nullptr) {
        const bool inserts = write.kind == Write::Kind::insert;
        if (!inserts && last->schema == dialect_.system_schema && last->name == dialect_.settings_view) write_settings();
        write_along(*last, target.first_effect, write.only || (inserts && last->kind != catalogue::RelationKind::partitioned_table));
    }
    return returned(write, target, scope, ctes);
}

}  // namespace dbguard::sql
