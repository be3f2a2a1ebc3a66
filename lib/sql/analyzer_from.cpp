// What stands in FROM and in WITH.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using catalogue::Relation;

std::vector<const tree::Cte*> as_written(const std::vector<tree::Cte>& with) {
    std::vector<const tree::Cte*> out;
    for (const tree::Cte& cte : with) out.push_back(&cte);
    return out;
}

/// WITH RECURSIVE: an item may name one that stands after it (PostgreSQL, checkWellFormedRecursion). Those that it names come
/// first; in a circle, which the server refuses, in some order.
std::vector<const tree::Cte*> in_order_of_use(const std::vector<tree::Cte>& with) {
    std::map<std::string, const tree::Cte*> by_name;
    for (const tree::Cte& cte : with) by_name.emplace(cte.name, &cte);
    std::vector<const tree::Cte*> out;
    std::set<const tree::Cte*> met;
    struct Visit {
        const tree::Cte* cte;
        std::vector<std::string> names;   // not looked at yet
    };
    std::vector<Visit> visits;
    const auto visit = [&](const tree::Cte* cte) {
        if (!met.insert(cte).second) return;
        Visit& added = visits.emplace_back();
        added.cte = cte;
        if (cte->query != nullptr) tree::relation_names(*cte->query, added.names);
        if (cte->write != nullptr) tree::relation_names(*cte->write, added.names);
    };
    for (const tree::Cte& cte : with) {
        visit(&cte);
        while (!visits.empty()) {
            if (visits.back().names.empty()) {
                out.push_back(visits.back().cte);
                visits.pop_back();
                continue;
            }
            const std::string name = std::move(visits.back().names.back());
            visits.back().names.pop_back();
            if (const auto used = by_name.find(name); used != by_name.end()) visit(used->second);
        }
    }
    return out;
}

/// What the name means at that place; null: no CTE.
const CteBinding* find_cte(const CteBinding* at, const std::string& name) {
    for (; at != nullptr; at = at->with->outer) {
        const auto found = at->with->by_name.find(name);
        if (found != at->with->by_name.end() && found->second->place <= at->place) return found->second;
    }
    return nullptr;
}

}  // namespace

Value rest_of(const ScopeTable& table) {
    Value rest;
    if (table.complete) return rest;
    for (const ScopeColumn& column : table.columns) rest = merge(rest, through(column.value, Flow::transformed));
    return rest;
}

const CteBinding* Analyzer::bind(const std::vector<tree::Cte>& with, bool recursive, const Scope* outer, const CteBinding* ctes) {
    if (with.empty()) return ctes;
    const auto opened = [&](const CteBinding* around) {
        withs_.push_back(std::make_unique<WithBindings>());
        withs_.back()->outer = around;
        return withs_.back().get();
    };
    WithBindings* const all = opened(ctes);
    std::size_t place = 0;
    for (const tree::Cte* item : recursive ? in_order_of_use(with) : as_written(with)) {
        const tree::Cte& cte = *item;
        auto binding = std::make_unique<CteBinding>();
        binding->name = cte.name;
        binding->with = all;
        binding->place = place++;
        CteBinding* bound = binding.get();
        bindings_.push_back(std::move(binding));
        const auto rebind = [&](const Result& result) {
            std::vector<ScopeColumn> columns;
            bound->exact = result.exact;
            for (std::size_t i = 0; i < result.outputs.size(); ++i) {
                ScopeColumn column;
                column.name = i < cte.column_aliases.size() ? cte.column_aliases[i] : result.outputs[i].first;
                column.value = result.outputs[i].second;
                columns.push_back(std::move(column));
            }
            for (const tree::AddedColumn& added : cte.added_columns) {
                ScopeColumn column;
                column.name = added.name;
                for (std::size_t i = 0; i < result.outputs.size(); ++i)
                    if (!result.exact || std::find(added.of.begin(), added.of.end(), columns[i].name) != added.of.end())
                        column.value = merge(column.value, through(columns[i].value, Flow::transformed));
                columns.push_back(std::move(column));
            }
            bound->columns = Columns(std::move(columns));
        };
        if (cte.write != nullptr) {
            const Result returned = write(*cte.write, outer, ctes);
            decided_by_computing(returned);   // RETURNING is computed, whoever reads it
            rebind(returned);
        } else if (recursive && cte.query->combine != tree::Query::Combine::none) {
            // The first term's columns, then the second's over what is known so far, until nothing new flows in.
            const CteBinding* inside = bind(cte.query->with, cte.query->recursive, outer, ctes);
            Result total = query(*cte.query->left, outer, inside, true);
            rebind(total);
            // Its second term sees itself, then its own WITH.
            WithBindings* const itself = opened(inside);
            itself->by_name.emplace(bound->name, bound);
            bound->with = itself;
            for (int round = 0; round < 16; ++round) {
                const Result next = query(*cte.query->right, outer, bound, true);
                bool changed = false;
                for (std::size_t i = 0; i < total.outputs.size(); ++i) {
                    if (i >= next.outputs.size()) break;
                    Value merged = merge(total.outputs[i].second, next.outputs[i].second);
                    if (merged.sources != total.outputs[i].second.sources || merged.opaque != total.outputs[i].second.opaque) changed = true;
                    total.outputs[i].second = std::move(merged);
                }
                total.exact = total.exact && next.exact;
                rebind(total);
                if (!changed) break;
                if (round == 15) for (auto& [name, value] : total.outputs) value.opaque = true;
            }
            if (cte.query->combine == tree::Query::Combine::compare)
                for (const auto& [name, value] : total.outputs) decides(value);
            rebind(total);
            for (const ScopeColumn& column : bound->columns)
                if (std::find(cte.cycle_columns.begin(), cte.cycle_columns.end(), column.name) != cte.cycle_columns.end()) decides(column.value);
            bound->with = all;
        } else {
            rebind(query(*cte.query, outer, ctes, true));
            bound->all_of = all_of(*cte.query);
        }
        all->by_name.emplace(bound->name, bound);
        ctes = bound;
    }
    return ctes;
}

void Analyzer::add_from(const tree::From& from, Scope& scope, const CteBinding* ctes) {
    for (ScopeTable& added : join(from, scope, ctes)) scope.tables.push_back(std::move(added));
}

namespace {

/// What stands before it in FROM is visible inside. A join of many would copy all of it for each otherwise.
bool sees_neighbours(const tree::From& from) {
    using Kind = tree::From::Kind;
    switch (from.kind) {
        case Kind::relation: return !from.functions.empty();
        case Kind::subquery: return from.lateral;
        case Kind::join: return sees_neighbours(*from.left) || sees_neighbours(*from.right);
        default: return true;
    }
}

}  // namespace

std::vector<ScopeTable> Analyzer::join(const tree::From& from, Scope& scope, const CteBinding* ctes) {
    using Kind = tree::From::Kind;
    const auto rename = [&](ScopeTable& table) {
        for (std::size_t i = 0; i < from.column_aliases.size() && i < table.columns.size(); ++i) table.columns.edit()[i].name = from.column_aliases[i];
        // Which column a name falls on is only known where their number is.
        if (!table.exact_order && !from.column_aliases.empty())
            for (ScopeColumn& column : table.columns.edit()) column.value.opaque = column.value.opaque || column.value.has_value();
    };
    std::vector<ScopeTable> out;
    switch (from.kind) {
        case Kind::relation: {
            for (const tree::ExprPtr& function : from.functions) decides(eval(*function, scope, ctes));
            if (from.relation.parts.size() == 1) {
                if (const CteBinding* cte = find_cte(ctes, from.relation.last())) {
                    ScopeTable table;
                    table.alias = from.alias.empty() ? cte->name : from.alias;
                    table.columns = cte->columns;
                    table.complete = table.exact_order = cte->exact;
                    table.all_of = cte->all_of;
                    table.rest = rest_of(table);
                    rename(table);
                    out.push_back(std::move(table));
                    return out;
                }
            }
            ScopeTable added = table(from.relation, from.alias);
            if (added.relation != nullptr && !from.column_aliases.empty()) {
                // The names are the query's now, the reads the table's.
                for (std::size_t i = 0; i < added.columns.size() && i < from.column_aliases.size(); ++i) read(*added.relation, added.columns[i].name);
            }
            rename(added);
            added.renamed = !from.column_aliases.empty();
            if (!from.column_aliases.empty() && added.relation != nullptr) {
                for (const ScopeColumn& column : added.columns)
                    if (added.relation->column(column.name) != nullptr) read(*added.relation, column.name);
                added.relation = nullptr;
            }
            out.push_back(std::move(added));
            return out;
        }
        case Kind::subquery: {
            const Result result = query(*from.query, from.lateral ? &scope : scope.outer, ctes, true);
            ScopeTable table;
            table.alias = from.alias;
            table.complete = table.exact_order = result.exact;
            for (const auto& [name, value] : result.outputs) table.columns.edit().push_back({name, value, false, false});
            table.rest = rest_of(table);
            table.all_of = all_of(*from.query);
            rename(table);
            out.push_back(std::move(table));
            return out;
        }
        case Kind::functions:
        case Kind::opaque: {
            ScopeTable table;
            table.alias = from.alias;
            Value all;
            std::vector<Value> given;
            for (const tree::ExprPtr& function : from.functions) {
                Value value = eval(*function, scope, ctes);
                given.push_back(value);
                if (from.functions.size() == 1 && from.kind == Kind::functions && value.fields != nullptr && from.defined_columns.empty() && (from.own_columns.empty() || from.own_columns[0].empty())) {
                    for (const auto& [name, field] : *value.fields) table.columns.edit().push_back({name, field, false, false});
                }
                all = from.functions.size() == 1 ? value : merge(all, value);
            }
            // How many rows come, and which, depends on what it is computed from; not on what they show.
            Value from_what = all;
            if (from_what.as_shown) from_what.opaque = false;
            if (from.functions.size() != 1 || !all.rows_counted) decides(from_what);
            const Value member = through(all, Flow::transformed);
            if (!from.defined_columns.empty()) {
                for (const std::string& name : from.defined_columns) table.columns.edit().push_back({name, member, false, false});
            } else if (table.columns.empty()) {
                bool known = true;
                for (std::size_t i = 0; i < from.functions.size(); ++i) {
                    const tree::ExprPtr& function = from.functions[i];
                    std::vector<std::string> names;
                    const bool built_in = function->kind == tree::Expr::Kind::call;
                    const auto users = built_in && names_.snapshot != nullptr ? names_.snapshot->functions(function->name.last()) : std::vector<const catalogue::Function*>{};
                    if (i < from.own_columns.size()) names = from.own_columns[i];
                    if (!names.empty()) {
                        for (std::string& name : names) table.columns.edit().push_back({std::move(name), member, false, false});
                        continue;
                    }
                    const bool spread = given[i].fields != nullptr && users.empty() && from.kind == Kind::functions;
                    if (spread)
                        for (const auto& [name, field] : *given[i].fields) names.push_back(name);
                    // How many columns its rows have is not known.
                    const bool rows = given[i].rows_inside && dialect_.spread_columns(given[i].type).empty() &&
                                      (users.empty() || std::any_of(users.begin(), users.end(), [&](const catalogue::Function* user) { return gives_any_type(*user); }));
                    if (!spread && rows && from.kind == Kind::functions) known = false;
                    if (built_in && !spread) {
                        bool this_known = true;
                        const std::string& called = function->name.last();
                        if (users.empty() || dialect_.function("", called) != nullptr) {
                            names = dialect_.table_function_columns(called, function->args.size(), this_known);
                            this_known = this_known && users.empty();
                        }
                        for (const catalogue::Function* user : users) {
                            std::vector<std::string> own = user->output_names;
                            if (const catalogue::Type* type = names_.snapshot->type(user->returns); own.empty() && type != nullptr && type->relation != 0) {
                                if (const Relation* row = names_.snapshot->relation(type->relation); row != nullptr)
                                    for (const catalogue::Column& column : row->columns) own.push_back(column.name);
                                else this_known = false;
                            }
                            // Which of several is called is not known.
                            if (user != users.front() && own != names) this_known = false;
                            if (own.size() > names.size()) names = std::move(own);
                        }
                        known = known && this_known;
                    }
                    if (names.empty()) {
                        const std::string own = output_name(*function);
                        names.push_back(from.functions.size() == 1 && !from.alias.empty() ? from.alias : own);
                    }
                    for (std::string& name : names) table.columns.edit().push_back({std::move(name), member, false, false});
                }
                table.exact_order = known;
                table.complete = known;
            }
            table.rest = member;
            if (from.ordinality) table.columns.edit().push_back({"ordinality", {}, false, false});
            if (table.alias.empty() && from.functions.size() == 1 && from.functions[0]->kind == tree::Expr::Kind::call) table.alias = from.functions[0]->name.last();
            if (!table.complete)
                for (std::size_t i = table.columns.size(); i < from.column_aliases.size(); ++i) table.columns.edit().push_back({from.column_aliases[i], member, false, false});
            rename(table);
            table.renamed = !from.column_aliases.empty();
            out.push_back(std::move(table));
            return out;
        }
        case Kind::join: {
            std::vector<ScopeTable> left = join(*from.left, scope, ctes);
            std::vector<ScopeTable> right;
            if (sees_neighbours(*from.right)) {
                Scope visible;
                visible.outer = scope.outer;
                visible.tables = scope.tables;
                visible.tables.insert(visible.tables.end(), left.begin(), left.end());
                right = join(*from.right, visible, ctes);
            } else {
                right = join(*from.right, scope, ctes);
            }

            std::vector<std::string> shared = from.using_columns;
            const auto find = [](std::vector<ScopeTable>& tables, const std::string& name, ScopeTable** where) -> ScopeColumn* {
                for (ScopeTable& table : tables)
                    for (std::size_t i = 0; i < table.columns.size(); ++i)
                        if (!table.columns[i].hidden && table.columns[i].name == name) {
                            *where = &table;
                            return &table.columns.edit()[i];
                        }
                return nullptr;
            };
            if (from.natural) {
                for (ScopeTable& table : left)
                    for (const ScopeColumn& column : table.columns) {
                        ScopeTable* where = nullptr;
                        if (!column.hidden && find(right, column.name, &where) != nullptr) shared.push_back(column.name);
                    }
                for (const auto* side : {&left, &right})
                    for (const ScopeTable& table : *side)
                        if (!table.complete) unresolved("NATURAL JOIN with a relation whose columns are not known", 0);
            }
            ScopeTable merged;
            for (const std::string& name : shared) {
                ScopeTable *left_table = nullptr, *right_table = nullptr;
                ScopeColumn* a = find(left, name, &left_table);
                ScopeColumn* b = find(right, name, &right_table);
                ScopeColumn both;
                both.name = name;
                if (a != nullptr) {
                    use(*left_table, *a);
                    decides(a->value);
                    both.value = a->value;
                    a->hidden = true;
                }
                if (b != nullptr) {
                    use(*right_table, *b);
                    decides(b->value);
                    both.value = a != nullptr ? merge(both.value, b->value) : b->value;
                    meets(both.value);
                    b->hidden = true;
                }
                if (a != nullptr && b != nullptr) decides(operators_used(tree::Name{{"="}, 0}, a->value, b->value));
                merged.columns.edit().push_back(std::move(both));
            }
            if (!from.using_alias.empty()) {
                // USING (…) AS u: u.a is the merged column, found by that name only.
                ScopeTable named = merged;
                named.alias = from.using_alias;
                for (ScopeColumn& column : named.columns.edit()) column.hidden = true;
                out.push_back(std::move(named));
            }
            if (!merged.columns.empty()) out.push_back(std::move(merged));
            // A long chain of joins hands on what it has, table by table only where something stands before it.
            if (out.empty()) out = std::move(left);
            else
                for (ScopeTable& table : left) out.push_back(std::move(table));
            for (ScopeTable& table : right) out.push_back(std::move(table));
            if (from.on != nullptr) {
                Scope both;
                both.outer = scope.outer;
                both.tables = scope.tables;
                const auto own = static_cast<std::ptrdiff_t>(both.tables.size());
                both.tables.insert(both.tables.end(), std::make_move_iterator(out.begin()), std::make_move_iterator(out.end()));
                const bool outer_keeps = std::exchange(keeps_others_, from.keeps_left || from.keeps_right);
                predicate(*from.on, both, ctes);
                keeps_others_ = outer_keeps;
                out.assign(std::make_move_iterator(both.tables.begin() + own), std::make_move_iterator(both.tables.end()));
            }
            if (!from.alias.empty()) {
                ScopeTable flat;
                flat.alias = from.alias;
                for (ScopeTable& table : out) {
                    flat.complete = flat.complete && table.complete;
                    flat.rest = merge(flat.rest, table.rest);
                    flat.unknown_is_opaque = flat.unknown_is_opaque || table.unknown_is_opaque;
                    flat.exact_order = flat.exact_order && table.exact_order;
                    flat.is_target = flat.is_target || table.is_target;
                    for (const ScopeColumn& column : table.columns) {
                        if (column.hidden) continue;
                        use(table, column);
                        flat.columns.edit().push_back(column);
                    }
                }
                rename(flat);
                out.clear();
                out.push_back(std::move(flat));
            }
            return out;
        }
    }
    return out;
}

}  // namespace dbguard::sql
