// Where values go that are written, and the code that runs with them: defaults, checks, triggers, rules.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using catalogue::Relation;
using tree::Expr;

void Analyzer::copy_out(Copy copy) {
    // The same rule for all: only values of columns count, and code that had one in its hands.
    const bool harmless = std::none_of(copy.sources.begin(), copy.sources.end(), [](const Source& source) { return source.flow != Flow::existence; });
    if (harmless && !copy.opaque && copy.functions.empty()) return;
    if (std::find(out_.copies.begin(), out_.copies.end(), copy) == out_.copies.end()) out_.copies.push_back(std::move(copy));
}

void Analyzer::assign(const Relation* target, const std::string& target_name, const std::string& column, const Value& value) {
    Copy copy;
    copy.sources = value.sources;
    if (target != nullptr) {
        if (const catalogue::Column* known = target->column(column); known != nullptr) {
            copy.target = {target->id, known->number};
            meet_type(known->type);
            for (Source& source : copy.sources)
                if (source.flow == Flow::identity && source.path.empty() && !fits_as_it_is(source.column, *known)) source.flow = Flow::transformed;
        }
        meet_type(value.type);
        copy.target_name = target->schema + "." + target->name + "." + column;
    } else {
        copy.target_name = target_name + "." + column;
    }
    copy.functions = value.functions;
    copy.opaque = value.opaque;
    copy.extended = value.extended;
    copy_out(std::move(copy));
}

/// Of numbers: whether all that the one column can hold goes into the other, neither rounded nor out of its range, which would tell how
/// large a value is.
bool Analyzer::fits_as_it_is(const ColumnId& from, const catalogue::Column& to) const {
    const Relation* relation = names_.snapshot->relation(from.relation);
    const catalogue::Column* column = relation == nullptr ? nullptr : relation->column(from.number);
    if (column == nullptr) return true;
    const auto held = [&](catalogue::Id id, std::int32_t modifier) {
        for (int steps = 0; steps < 32; ++steps) {
            const catalogue::Type* type = names_.snapshot->type(id);
            if (type == nullptr || type->kind != catalogue::TypeKind::domain) break;
            id = type->base;
            modifier = type->modifier;
        }
        return dialect_.built_in(id, modifier);
    };
    const BuiltIn a = held(column->type, column->modifier), b = held(to.type, to.modifier);
    using Kind = BuiltIn::Kind;
    if (a.kind == Kind::whole && b.kind == Kind::whole) return b.bytes >= a.bytes;
    if (b.kind == Kind::decimal && b.digits != 0) {
        if (a.kind == Kind::whole) return b.digits - b.scale >= (a.bytes == 2 ? 5 : a.bytes == 4 ? 10 : 19) && b.scale >= 0;
        return a.kind == Kind::decimal && a.digits != 0 && b.scale >= a.scale && b.digits - b.scale >= a.digits - a.scale;
    }
    if (b.kind == Kind::whole) return a.kind != Kind::decimal && a.kind != Kind::floating;
    return true;
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

/// What the assignment's column gets.
Value Analyzer::assigned(const tree::Assignment& assignment, const Scope& scope, const CteBinding* ctes) {
    Value value = kept(*assignment.value, scope, ctes);
    return assignment.whole ? value : through(std::move(value), Flow::transformed);  // a member of the column gets it
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

}  // namespace dbguard::sql
