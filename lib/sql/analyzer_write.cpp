// INSERT, UPDATE, DELETE, MERGE: effects, where values go, what comes back.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using catalogue::Relation;
using tree::Expr;
using Write = tree::Write;

EffectClass class_of(Write::Kind kind) {
    switch (kind) {
        case Write::Kind::insert: return EffectClass::write_insert;
        case Write::Kind::update: return EffectClass::write_update;
        case Write::Kind::delete_: return EffectClass::write_delete;
        case Write::Kind::merge: return EffectClass::write_merge;
    }
    return EffectClass::unparsed;
}

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

void Analyzer::copy_out(Copy copy) {
    // The same rule for all: only values of columns count, and code that had one in its hands.
    const bool harmless = std::none_of(copy.sources.begin(), copy.sources.end(), [](const Source& source) { return source.flow != Flow::existence; });
    if (harmless && !copy.opaque && copy.functions.empty()) return;
    if (std::find(out_.copies.begin(), out_.copies.end(), copy) == out_.copies.end()) out_.copies.push_back(std::move(copy));
}

void Analyzer::assign(const Relation* target, const std::string& target_name, const std::string& column, const Value& value) {
    Copy copy;
    if (target != nullptr) {
        if (const catalogue::Column* known = target->column(column); known != nullptr) {
            copy.target = {target->id, known->number};
            meet_type(known->type);
        }
        meet_type(value.type);
        copy.target_name = target->schema + "." + target->name + "." + column;
    } else {
        copy.target_name = target_name + "." + column;
    }
    copy.sources = value.sources;
    copy.functions = value.functions;
    copy.opaque = value.opaque;
    copy.extended = value.extended;
    copy_out(std::move(copy));
}

/// `column = value`, as far as it only puts the column's own value, or a member of it, back where it was: those keep their
/// sources' flow. A value that stands elsewhere in the column than it stood is computed.
Value Analyzer::kept(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    using Kind = Expr::Kind;
    const auto with = [&](Value value, std::size_t from) {
        for (std::size_t i = from; i < expr.args.size(); ++i) value = merge(value, through(eval(*expr.args[i], scope, ctes), Flow::transformed));
        return value;
    };
    if (expr.kind == Kind::column || expr.kind == Kind::scalar_query) return eval(expr, scope, ctes);
    if (plain_column(expr) != nullptr) {
        // lower, trim and the like: which value it is stays. The whole is looked at for the code in it.
        (void)eval(expr, scope, ctes);
        return eval(*plain_column(expr), scope, ctes);
    }
    if (expr.kind == Kind::cast && !expr.args.empty() && expr.args[0]->kind != Kind::column && (keeps_text(expr) || expr.args[0]->kind == Kind::combine)) {
        const Value whole = eval(expr, scope, ctes);
        Value value = kept(*expr.args[0], scope, ctes);
        value.functions = whole.functions;
        value.opaque = whole.opaque;
        return value;
    }
    if (expr.kind == Kind::combine && expr.text == "case") {
        Value out;
        for (std::size_t i = expr.number == 0 ? 0 : 1; i + 1 < expr.args.size(); i += 2) {
            out = merge(out, through(eval(*expr.args[i], scope, ctes), Flow::transformed));
            out = merge(out, kept(*expr.args[i + 1], scope, ctes));
        }
        if (expr.number != 0) out = merge(out, through(eval(*expr.args[0], scope, ctes), Flow::transformed));
        return merge(out, kept(*expr.args.back(), scope, ctes));
    }
    if (expr.kind == Kind::combine && expr.text == "coalesce") {
        Value out;
        for (const tree::ExprPtr& arg : expr.args) out = merge(out, kept(*arg, scope, ctes));
        return out;
    }
    if (expr.kind == Kind::combine && expr.text == "nullif" && expr.args.size() == 2) {
        const bool equality = plain_column(*expr.args[0]) != nullptr && is_given(*expr.args[1]);
        decides(eval(*expr.args[0], scope, ctes), equality ? Filter::Use::equality : Filter::Use::other);
        return with(kept(*expr.args[0], scope, ctes), 1);
    }
    // Members of json and hstore that are added, replaced or taken away leave the others where they are.
    const auto is_document = [&](const Value& value) {
        return value.steps && std::all_of(value.sources.begin(), value.sources.end(), [](const Source& source) { return source.path.empty(); });
    };
    const bool built_in = expr.name.parts.size() == 1 || (expr.name.parts.size() == 2 && expr.name.parts[0] == dialect_.system_schema);
    const auto named = [&](std::initializer_list<const char*> names) {
        return built_in && std::any_of(names.begin(), names.end(), [&](const char* name) { return expr.name.last() == name; });
    };
    const bool in_place = (expr.kind == Kind::operation && expr.args.size() == 2 && expr.text.empty() && named({"||", "-", "#-"})) ||
                          (expr.kind == Kind::call && !expr.args.empty() && named({"jsonb_set", "jsonb_set_lax", "jsonb_insert", "jsonb_strip_nulls", "delete"}));
    if (in_place && expr.args[0]->kind != Kind::constant) {
        const Value base = kept(*expr.args[0], scope, ctes);
        const Expr* first = expr.args[0].get();
        while ((first->kind == Kind::operation || first->kind == Kind::call || (first->kind == Kind::combine && first->text == "coalesce")) && !first->args.empty()) first = first->args[0].get();
        if (first->kind == Kind::column && is_document(eval(*first, scope, ctes)) && is_document_type(eval(*first, scope, ctes).type)) {
            const Value whole = eval(expr, scope, ctes);
            Value value = with(base, 1);
            value.functions = whole.functions;
            value.opaque = whole.opaque;
            return value;
        }
    }
    Value out = eval(expr, scope, ctes);
    if (expr.args.size() == 2 && ((expr.kind == Kind::operation && expr.text.empty() && named({"||"})) || (expr.kind == Kind::call && named({"array_append", "array_prepend", "array_cat"}))))
        for (const std::size_t side : {0, 1})
            out.extended = out.extended || (expr.args[side]->kind == Kind::column && eval(*expr.args[side], scope, ctes).tells_which() && is_given(*expr.args[1 - side]) && !without_casts(expr.args[1 - side].get())->is_null);
    return out;
}

/// json, jsonb, hstore: what `||`, `-` and the like leave members in place of.
bool Analyzer::is_document_type(catalogue::Id id) const {
    if (dialect_.built_in(id, -1).kind == BuiltIn::Kind::document) return true;
    const catalogue::Type* type = names_.snapshot == nullptr ? nullptr : names_.snapshot->type(id);
    return type != nullptr && type->name == "hstore" && type->kind == catalogue::TypeKind::base;
}

void Analyzer::assign(const Relation* target, const std::string& target_name, const tree::Assignment& assignment, const Scope& scope, const CteBinding* ctes) {
    if (assignment.value == nullptr) return;
    Value value = kept(*assignment.value, scope, ctes);
    // A member of the column gets it.
    if (!assignment.whole) value = through(std::move(value), Flow::transformed);
    assign(target, target_name, assignment.column, value);
}

/// New code that runs wherever a row is written, though no statement says so: of defaults, checks, indexes, partition keys and
/// domains. What it means was looked at when it came there; its names may mean something else since.
void Analyzer::unsaid_code(const Relation& relation) {
    if (names_.snapshot == nullptr) return;
    std::vector<catalogue::Id> functions = relation.unsaid;
    std::set<catalogue::Id> met;
    const auto of_type = [&](const auto& self, catalogue::Id id, int steps) -> void {
        const catalogue::Type* type = names_.snapshot->type(id);
        if (type == nullptr || steps > 16 || !met.insert(id).second) return;
        functions.insert(functions.end(), type->unsaid.begin(), type->unsaid.end());
        self(self, type->base, steps + 1);
        self(self, type->element, steps + 1);
        if (const Relation* members = type->kind == catalogue::TypeKind::composite ? names_.snapshot->relation(type->relation) : nullptr; members != nullptr)
            for (const catalogue::Column& column : members->columns) self(self, column.type, steps + 1);
    };
    for (const catalogue::Column& column : relation.columns) of_type(of_type, column.type, 0);
    std::sort(functions.begin(), functions.end());
    functions.erase(std::unique(functions.begin(), functions.end()), functions.end());
    for (const catalogue::Id id : functions) {
        const catalogue::Function* function = names_.snapshot->function(id);
        if (function == nullptr || !function->recent) continue;
        // A trigger's: read with the row that it gets, where it is fired (triggers_of).
        if (std::find(relation.trigger_functions.begin(), relation.trigger_functions.end(), id) != relation.trigger_functions.end()) continue;
        const Value value = call_user({function}, {}, {});
        decides(value);
        for (const catalogue::Column& column : relation.columns) assign(&relation, "", column.name, value);
    }
}

/// Values become ones of a domain in too many ways to tell that they do not: as arguments, as what a function returns, in rows made
/// of json or XML. So new code of a domain counts in all statements while what it means now reaches values. When the domain was made
/// it was refused if it did, or could not be read.
void Analyzer::code_of_types() {
    for (const catalogue::Id id : names_.snapshot->new_behind_types()) {
        Analyzer probe(names_, dialect_, made_);
        probe.path_ = path_;
        probe.depth_ = depth_ + 1;
        probe.foreign_ = true;
        const Value value = probe.call_user({names_.snapshot->function(id)}, {}, {});
        for (const Source& source : value.sources) decides(Value{{source}});
        for (const Filter& filter : probe.out_.filters)
            if (!filter.opaque && filter.functions.empty()) decides(Value{{filter.source}});
        for (const Copy& copy : probe.out_.copies)
            for (const Source& source : copy.sources) decides(Value{{source}});
    }
}

/// A trigger that is new, or of code that is new: what was there when the engine first saw the database is the schema's own.
void Analyzer::triggers_of(const Relation& relation) {
    if (names_.snapshot == nullptr) return;
    unsaid_code(relation);
    for (std::size_t i = 0; i < relation.trigger_functions.size(); ++i) {
        const catalogue::Function* function = names_.snapshot->function(relation.trigger_functions[i]);
        const bool attached = std::find(relation.new_triggers.begin(), relation.new_triggers.end(), relation.trigger_functions[i]) != relation.new_triggers.end();
        if (function == nullptr || (!function->recent && !attached)) continue;
        ScopeTable table;
        table.columns = base_columns(relation);
        const Value row = row_of(table);
        // Tables of a WITH around its function: they stand before those of the catalogue, and behind those of its own WITHs.
        WithBindings with;
        std::vector<CteBinding> many;
        many.reserve(2);
        for (std::size_t rows = 2 * i; rows < 2 * i + 2 && rows < relation.transition_tables.size(); ++rows) {
            if (relation.transition_tables[rows].empty()) continue;
            CteBinding& named = many.emplace_back();
            named.name = relation.transition_tables[rows];
            named.with = &with;
            named.place = many.size() - 1;
            named.columns = table.columns;
            with.by_name.emplace(named.name, &named);
        }
        const Value* outer = std::exchange(trigger_row_, &row);
        const CteBinding* outer_rows = std::exchange(transitions_, many.empty() ? nullptr : &many.back());
        Value value;
        if (function->recent) {
            value = call_user({function}, {}, {});
        } else if (vetted_rule(*function) == nullptr && !call_body(*function, {})) {
            // What it does is the schema's own; that it gets these rows is not.
            Copy handed;
            handed.target_name = "what " + function->schema + "." + function->name + " does with a row";
            handed.sources = row.sources;
            copy_out(std::move(handed));
        }
        trigger_row_ = outer;
        transitions_ = outer_rows;
        // Whether it fails, or puts another row in the place of this one, depends on what it reads.
        decides(value);
        for (const catalogue::Column& column : relation.columns) assign(&relation, "", column.name, value);
    }
}

/// Columns that are left to their default, or computed from others, by code that is new: what was there when the engine first saw
/// the database is the schema's own.
void Analyzer::new_defaults(const Relation* relation, const std::vector<std::string>& given) {
    if (relation == nullptr || names_.snapshot == nullptr) return;
    for (const catalogue::Column& column : relation->columns) {
        if (column.default_text.find('(') == std::string::npos || (!column.generated && std::find(given.begin(), given.end(), column.name) != given.end())) continue;
        const ParsedText parsed = dialect_.parse("SELECT " + column.default_text);
        if (!parsed.error.empty() || parsed.statements.size() != 1 || parsed.statements[0].query == nullptr || parsed.statements[0].query->items.size() != 1) continue;
        bool calls_new = false;
        tree::visit(*parsed.statements[0].query->items[0].expr, [&](const Expr& part) {
            if (part.kind != Expr::Kind::call || part.name.parts.empty()) return;
            for (const catalogue::Function* function : names_.snapshot->functions(part.name.last())) calls_new = calls_new || function->recent;
        });
        if (calls_new) assign(relation, "", column.name, stored_expression(*relation, column.default_text));
    }
}

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

// What a rule does instead of, or besides, the statement.
void Analyzer::rules_of(const Relation& relation, char event, bool shown) {
    for (const catalogue::Rule& rule : relation.rules) {
        if (rule.event != event) continue;
        out_.runs_code = out_.calls_code = out_.unread_code = true;
        if (depth_ >= 16) {
            unresolved("rules that lead to rules", 0);
            return;
        }
        const ParsedText parsed = dialect_.parse(rule.definition);
        if (!parsed.error.empty() || parsed.statements.size() != 1) {
            unresolved("a rule of " + relation.schema + "." + relation.name + " could not be read", 0);
            continue;
        }
        const auto* outer_path = path_;
        path_ = &names_.snapshot->rendered_under().search_path;
        const bool outer_foreign = std::exchange(foreign_, true);
        ++depth_;
        for (const auto& action : parsed.statements[0].inner) {
            // old and new are rows of the relation.
            Scope scope;
            for (const char* name : {"old", "new"}) {
                ScopeTable row;
                row.alias = name;
                row.columns = base_columns(relation);
                scope.tables.push_back(std::move(row));
            }
            if (action->write != nullptr) {
                // What it returns is what the statement that it stands for returns, whatever the relation's own columns are.
                for (auto& [name, value] : write(*action->write, &scope, nullptr).outputs) {
                    if (!shown) continue;
                    Copy given;
                    given.target_name = "what a rule of " + relation.schema + "." + relation.name + " returns";
                    given.sources = value.sources;
                    given.functions = value.functions;
                    given.opaque = value.opaque;
                    copy_out(std::move(given));
                }
            }
            else if (action->query != nullptr) (void)query(*action->query, &scope, nullptr, true);
            else utility(*action);
        }
        --depth_;
        foreign_ = outer_foreign;
        path_ = outer_path;
    }
}

Analyzer::Result Analyzer::write(const Write& write, const Scope* outer, const CteBinding* ctes) {
    if (++writes_ > 1 && !std::exchange(counted_outside_, false)) out_.writes_inside = true;
    counted_outside_ = puts_all(write);
    ctes = bind(write.with, write.recursive, outer, ctes);
    const Resolved resolved = resolve(write.target);
    const Relation* relation = resolved.relation;
    const Object target = object(write.target);
    const std::size_t first_effect = out_.effects.size();
    const Relation* base = nullptr;
    if (relation == nullptr && resolved.made == nullptr) unknown_name("relation \"" + (write.target.parts.empty() ? "" : write.target.last()) + "\" is not known", write.target.at);
    if (relation != nullptr) {
        touch(*relation);
        if (!relation->trigger_functions.empty()) out_.runs_code = out_.unread_code = true;
        triggers_of(*relation);
        rules_of(*relation, write.kind == Write::Kind::insert ? '3' : write.kind == Write::Kind::delete_ ? '4' : '2', !write.returning.empty());
        if (relation->kind == catalogue::RelationKind::view) {
            // Writing through a view writes its table, and is judged by both names.
            base = base_of_view(*relation);
        }
    }

    ScopeTable table;
    table.alias = write.alias.empty() && !write.target.parts.empty() ? write.target.last() : write.alias;
    table.is_target = true;
    // Of the server's own views the catalogue has no queries.
    if (relation != nullptr && relation->kind == catalogue::RelationKind::view && !(resolved.system && relation->definition.empty())) {
        table.columns = view_columns(*relation, table.exact_order);
        for (ScopeColumn& column : table.columns.edit()) {
            if (base == nullptr || column.value.sources.size() != 1 || column.value.sources[0].flow != Flow::identity || column.value.sources[0].column.relation != base->id) continue;
            const catalogue::Column* own = base->column(column.value.sources[0].column.number);
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
    // What a literal of a written value meets: the column it is written to, and what else it is made with. Where a rule or a
    // trigger decides what is done instead, that is anything.
    const bool elsewhere = relation != nullptr && (!relation->rules.empty() || (relation->kind == catalogue::RelationKind::view && (base == nullptr || !relation->trigger_functions.empty())));
    const auto written = [&](const std::string& column, const Value& value, bool unknown = false) {
        const auto own = std::find_if(table.columns.begin(), table.columns.end(), [&](const ScopeColumn& listed) { return listed.name == column; });
        if (own == table.columns.end()) meets(value, true);
        else meets(merge(value, own->value), unknown || elsewhere);
    };
    const std::string target_name = target.schema.empty() ? target.name : target.schema + "." + target.name;

    const auto put = [&](const tree::Assignment& assignment, const Scope& from) {
        Value value = kept(*assignment.value, from, ctes);
        return assignment.whole ? value : through(std::move(value), Flow::transformed);   // a member of the column gets it
    };
    Scope scope;
    scope.outer = outer;
    for (const tree::ExprPtr& subscript : write.subscripts) {
        const Value place = eval(*subscript, scope, ctes);
        for (const std::string& column : write.columns) assign(relation, target_name, column, place);
    }
    std::vector<std::string> insert_columns = write.columns;
    if (write.kind == Write::Kind::insert) {
        if (insert_columns.empty() && relation != nullptr)
            for (const catalogue::Column& column : relation->columns) insert_columns.push_back(column.name);
        ScopeTable excluded;
        excluded.alias = "excluded";
        excluded.columns = table.columns;
        for (ScopeColumn& column : excluded.columns.edit()) column.value = {};
        excluded.complete = table.complete;
        if (write.source != nullptr) {
            Result rows = query(*write.source, outer, ctes, false);
            for (std::size_t i = 0; i < rows.outputs.size(); ++i) {
                const std::string column = i < insert_columns.size() ? insert_columns[i] : "?";
                Value value = rows.outputs[i].second;
                if (!rows.exact && value.has_value()) value.opaque = true;
                assign(relation, target_name, column, value);
                written(column, value, !rows.exact);
                for (ScopeColumn& listed : excluded.columns.edit())
                    if (listed.name == column) listed.value = value;
            }
        }
        new_defaults(relation, write.source != nullptr ? insert_columns : std::vector<std::string>{});
        write_effect(EffectClass::write_insert, target, Where::not_applicable, insert_columns);
        table.is_target = false;
        if (write.on_conflict_update) {
            Scope conflict = scope;
            conflict.tables.push_back(table);
            conflict.tables.push_back(excluded);
            if (write.conflict_where != nullptr) predicate(*write.conflict_where, conflict, ctes);
            for (const tree::Assignment& assignment : write.conflict_assignments) {
                if (assignment.value == nullptr) continue;
                const Value value = put(assignment, conflict);
                assign(relation, target_name, assignment.column, value);
                values_follow(base != nullptr ? base : relation, assignment.column, value);
                written(assignment.column, value);
            }
            write_effect(EffectClass::write_merge, target, rows_are_given(write.source.get()) ? Where::present : Where::missing, columns_of(write.conflict_assignments));
            if (relation != nullptr) rules_of(*relation, '2', !write.returning.empty());
        }
        scope.tables.push_back(table);
    } else {
        scope.tables.push_back(table);
        for (const tree::From& from : write.from) add_from(from, scope, ctes);
        target_used_ = false;
        if (write.where != nullptr) predicate(*write.where, scope, ctes);
        const bool depends = target_used_;
        Where where = where_of(write.where.get(), scope, depends);
        if (where == Where::present && holds_for_samples(write, scope)) where = Where::trivial;
        if (write.kind == Write::Kind::merge) {
            const bool given = write.from.size() == 1 &&
                               (write.from[0].kind == tree::From::Kind::subquery ? rows_are_given(write.from[0].query.get())
                                : write.from[0].kind == tree::From::Kind::functions);
            if (where == Where::present && !given) where = Where::missing;
            for (const Write::When& when : write.whens) {
                target_used_ = false;
                if (when.condition != nullptr) predicate(*when.condition, scope, ctes);
                // NOT MATCHED BY SOURCE reaches all that the join leaves.
                Where own = when.by_source ? where_of(when.condition.get(), scope, target_used_) : where;
                if (own == Where::not_applicable) own = Where::missing;
                for (const tree::Assignment& assignment : when.assignments) {
                    if (assignment.value == nullptr) continue;
                    const Value value = put(assignment, scope);
                    assign(relation, target_name, assignment.column, value);
                    values_follow(base != nullptr ? base : relation, assignment.column, value);
                    written(assignment.column, value);
                }
                for (std::size_t i = 0; i < when.values.size(); ++i) {
                    const std::string column = i < when.columns.size() ? when.columns[i]
                                               : relation != nullptr && when.columns.empty() && i < relation->columns.size() ? relation->columns[i].name : "?";
                    const Value value = eval(*when.values[i], scope, ctes);
                    assign(relation, target_name, column, value);
                    written(column, value);
                }
                if (when.nothing) continue;
                if (when.action == Write::Kind::insert) {
                    write_effect(EffectClass::write_insert, target, Where::not_applicable, when.columns);
                    if (relation != nullptr) rules_of(*relation, '3', !write.returning.empty());
                    continue;
                }
                if (when.action == Write::Kind::delete_) write_effect(EffectClass::write_delete, target, own, {});
                write_effect(EffectClass::write_merge, target, own, columns_of(when.assignments));
            }
        } else {
            for (const tree::Assignment& assignment : write.assignments) {
                if (assignment.value == nullptr) continue;
                const Value value = put(assignment, scope);
                assign(relation, target_name, assignment.column, value);
                values_follow(base != nullptr ? base : relation, assignment.column, value);
                written(assignment.column, value);
            }
            write_effect(class_of(write.kind), target, where, columns_of(write.assignments));
        }
    }

    if (base != nullptr) {
        // The same is done to the table behind the view, to the columns that the view's are made of.
        std::vector<Effect> behind;
        for (std::size_t i = first_effect; i < out_.effects.size(); ++i) {
            Effect effect = out_.effects[i];
            if (!inside(effect.effect_class, EffectClass::write) || effect.objects.size() != 1 || effect.objects[0].name != target.name || effect.objects[0].schema != target.schema) continue;
            std::set<std::string> columns;
            for (const std::string& name : effect.objects[0].columns)
                for (const ScopeColumn& column : table.columns)
                    if (column.name == name)
                        for (const Source& source : column.value.sources)
                            if (const catalogue::Column* own = source.column.relation == base->id ? base->column(source.column.number) : nullptr; own != nullptr) columns.insert(own->name);
            effect.objects[0] = object(*base);
            effect.objects[0].columns.assign(columns.begin(), columns.end());
            behind.push_back(std::move(effect));
        }
        out_.effects.insert(out_.effects.end(), behind.begin(), behind.end());
        if (!base->trigger_functions.empty()) out_.runs_code = out_.unread_code = true;
        triggers_of(*base);
        rules_of(*base, write.kind == Write::Kind::insert ? '3' : write.kind == Write::Kind::delete_ ? '4' : '2', !write.returning.empty());
    }

    if (const Relation* last = base != nullptr ? base : relation; last != nullptr && last->schema == dialect_.system_schema && last->name == dialect_.settings_view && write.kind != Write::Kind::insert) {
        // Each row is a setting, and an UPDATE of it sets that.
        Effect set;
        set.effect_class = EffectClass::session_set;
        set.detail = std::string(last->name);
        Object unknown;
        unknown.resolved = false;
        unknown.name = "a setting that is only known when the statement runs";
        set.objects.push_back(std::move(unknown));
        out_.effects.push_back(std::move(set));
        out_.changes_settings = true;
    }

    if (relation != nullptr) {
        const Relation& written_to = base != nullptr ? *base : *relation;
        const bool own_rows = write.only || (write.kind == Write::Kind::insert && written_to.kind != catalogue::RelationKind::partitioned_table);
        write_along(written_to, first_effect, own_rows);
    }

    Result result;
    if (!write.returning.empty()) {
        // MERGE … RETURNING *: the source's columns stand before the target's (PostgreSQL manual, MERGE).
        if (write.kind == Write::Kind::merge && scope.tables.size() > 1) std::rotate(scope.tables.begin(), scope.tables.begin() + 1, scope.tables.end());
        if (relation != nullptr) {
            for (const char* name : {"old", "new"}) {
                // RETURNING old.a, new.a
                ScopeTable row = table;
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
    }
    return result;
}

}  // namespace dbguard::sql
