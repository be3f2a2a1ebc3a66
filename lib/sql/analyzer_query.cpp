// Queries: what a SELECT gives, by which names, and what decides its rows.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

// The name the server gives a column without an alias, and how sure it is of it: PostgreSQL, FigureColnameInternal. A name
// that this gets wrong would be looked for elsewhere by the query around it, and found there: so this follows it exactly.
int column_name(const Expr& expr, std::string& name) {
    switch (expr.kind) {
        case Kind::column:
            if (expr.name.parts.empty()) return 0;
            name = expr.name.last();
            return 2;
        case Kind::call:
            name = expr.column_name.empty() ? expr.name.last() : expr.column_name;
            return 2;
        case Kind::member: name = expr.text; return 2;
        case Kind::member_star:
        case Kind::subscript: return expr.args.empty() ? 0 : column_name(*expr.args[0], name);
        case Kind::cast: {
            const int strength = expr.args.empty() ? 0 : column_name(*expr.args[0], name);
            if (strength > 1 || expr.name.parts.empty()) return strength;
            name = expr.name.last();
            return 1;
        }
        case Kind::combine: {
            if (expr.text == "collate") return expr.args.empty() ? 0 : column_name(*expr.args[0], name);
            if (expr.text == "case") {
                // The ELSE stands last.
                const int strength = expr.args.empty() ? 0 : column_name(*expr.args.back(), name);
                if (strength > 1) return strength;
                name = "case";
                return 1;
            }
            if (expr.name.parts.empty()) return 0;
            name = expr.name.last();
            return 2;
        }
        case Kind::constant:
            if (expr.name.parts.empty()) return 0;
            name = expr.name.last();
            return 2;
        case Kind::exists: name = "exists"; return 2;
        case Kind::array:
        case Kind::array_query: name = expr.column_name.empty() ? "array" : expr.column_name; return 2;
        case Kind::row: name = "row"; return 2;
        case Kind::scalar_query: {
            // Of a set operation, its first query's.
            const tree::Query* query = expr.query.get();
            while (query != nullptr && query->left != nullptr) query = query->left.get();
            if (query != nullptr && !query->items.empty()) {
                if (!query->items[0].alias.empty()) name = query->items[0].alias;
                else if (column_name(*query->items[0].expr, name) == 0) name = "?column?";
                return 2;
            }
            if (query != nullptr && !query->values.empty()) {
                name = "column1";
                return 2;
            }
            return 0;
        }
        default: return 0;
    }
}

// No server gives more (PostgreSQL: 1,664; MySQL: 4,096); a query of stars over queries of stars asks for any number.
constexpr std::size_t max_columns = 4096;

/// Something in FROM by its name; null: there is none, or more than one.
const ScopeTable* table_named(const std::string& alias, const Scope& scope) {
    const ScopeTable* out = nullptr;
    for (const ScopeTable& table : scope.tables)
        if (table.alias == alias && std::exchange(out, &table) != nullptr) return nullptr;
    return out;
}

}  // namespace

std::string Analyzer::output_name(const Expr& expr, const std::string& alias) {
    if (!alias.empty()) return alias;
    std::string name;
    return column_name(expr, name) == 0 ? "?column?" : name;
}

Analyzer::Result Analyzer::query(const tree::Query& query, const Scope* outer, const CteBinding* ctes, bool nested) {
    ctes = bind(query.with, query.recursive, outer, ctes);
    Result result;
    if (query.combine != tree::Query::Combine::none) {
        compares_sets_ = true;
        // All columns of a set operation are computed, wanted or not; so it is where a view is one.
        const bool outer_quiet = std::exchange(quiet_, quiet_ && !nested);
        result = this->query(*query.left, outer, ctes, nested);
        const Result right = this->query(*query.right, outer, ctes, nested);
        quiet_ = outer_quiet;
        result.exact = result.exact && right.exact;
        if (!result.exact) {
            // Which column meets which is not known.
            Value all;
            for (const Result* side : {&static_cast<const Result&>(result), &right})
                for (const auto& [name, value] : side->outputs) all = merge(all, value);
            for (auto& [name, value] : result.outputs) value.opaque = value.opaque || all.has_value();
        }
        for (const Result* side : {&static_cast<const Result&>(result), &right})
            for (const auto& [name, value] : side->outputs) meet_type(value.type);
        for (std::size_t i = 0; i < right.outputs.size(); ++i) {
            if (i < result.outputs.size()) result.outputs[i].second = merge(result.outputs[i].second, right.outputs[i].second);
            else result.outputs.push_back(right.outputs[i]);
        }
        for (auto& [name, value] : result.outputs) {
            value.is_row = false;
            value.fields.reset();
            if (query.combine == tree::Query::Combine::compare) decides(value);
        }
    } else if (!query.values.empty()) {
        Scope scope;
        scope.outer = outer;
        for (const auto& row : query.values) {
            for (std::size_t i = 0; i < row.size(); ++i) {
                Value value = eval(*row[i], scope, ctes);
                if (i < result.outputs.size()) result.outputs[i].second = merge(result.outputs[i].second, value);
                else result.outputs.emplace_back("column" + std::to_string(i + 1), std::move(value));
            }
        }
        for (std::size_t i = 0; i < result.outputs.size(); ++i)
            result.outputs[i].second.is_given = std::ranges::all_of(query.values, [&](const auto& row) { return i < row.size() && is_given(*row[i]); });
        // All columns of a list of rows are computed, wanted or not; so it is where a view is one.
        const bool outer_quiet = std::exchange(quiet_, quiet_ && !nested);
        if (nested) decided_by_computing(result);
        quiet_ = outer_quiet;
    } else {
        return select(query, outer, ctes, nested);
    }
    Scope scope;
    scope.outer = outer;
    order_by(query.order_by, scope, ctes, result.outputs);
    for (const tree::ExprPtr* limit : {&query.limit, &query.offset})
        if (*limit != nullptr) decides(eval(**limit, scope, ctes));
    return result;
}

Analyzer::Result Analyzer::select(const tree::Query& query, const Scope* outer, const CteBinding* ctes, bool nested) {
    Scope scope;
    scope.outer = outer;
    for (const tree::From& from : query.from) add_from(from, scope, ctes);
    if (query.where != nullptr) {
        predicate(*query.where, scope, ctes);
        remember_constants(*query.where, scope);
    }

    Result result;
    result.outputs.reserve(query.items.size());
    std::vector<const ScopeTable*> columns_of;   // for each output: whose own column it is as it stands there; null: none
    for (const tree::Item& item : query.items) {
        columns_of.resize(result.outputs.size());
        if (item.expr->kind == Kind::column) columns_of.push_back(table_of(*item.expr, scope));
        if (item.expr->kind == Kind::star || item.expr->kind == Kind::member_star) {
            if (item.expr->kind == Kind::star) {
                expand_star(*item.expr, scope, result);
                columns_of.resize(result.outputs.size(), item.expr->name.parts.size() == 1 ? table_named(item.expr->name.last(), scope) : item.expr->name.parts.empty() && scope.tables.size() == 1 ? &scope.tables[0] : nullptr);
            } else {
                expand_row(eval(*item.expr->args[0], scope, ctes), result);
            }
            continue;
        }
        result.outputs.emplace_back(output_name(*item.expr, item.alias), eval(*item.expr, scope, ctes));
    }
    columns_of.resize(result.outputs.size());
    // Of one table's columns, those behind its key tell no rows apart that the key does not.
    std::vector<std::pair<const ScopeTable*, std::string>> grouped;
    const bool sets = std::ranges::any_of(query.group_by, [](const tree::ExprPtr& expr) { return expr->kind == Kind::row || expr->kind == Kind::combine; });
    const auto group = [&](const auto& self, const Expr& expr) -> void {
        if (const ScopeTable* table = sets || expr.kind != Kind::column ? nullptr : table_of(expr, scope); is_of_key(table, expr.kind == Kind::column ? expr.name.last() : "", grouped)) {
            meet_type(eval(expr, scope, ctes).type);
            return;
        }
        // ROLLUP (1), (1, 2): what stands in them is told as it is outside of them.
        if (expr.kind == Kind::row || (expr.kind == Kind::combine && expr.text == "grouping set")) {
            for (const tree::ExprPtr& arg : expr.args) self(self, *arg);
            return;
        }
        // A name is a column of FROM before it is an output; a number is an output.
        if (expr.kind == Kind::constant) literals_matter_ = true;
        if (expr.kind == Kind::constant && is_number(expr.text)) {
            // Bounded, for it may have any number of digits, or be a sign alone; the server refuses what is no position.
            meets(given(expr));
            const std::size_t at = expr.text.size() > 9 || expr.text[0] == '-' ? 0 : std::stoul(expr.text);
            if (at < 1 || at > result.outputs.size()) return;
            const Value& output = result.outputs[at - 1].second;
            const Expr* item = sets || query.items.size() != result.outputs.size() ? nullptr : query.items[at - 1].expr.get();
            if (item != nullptr && item->kind == Kind::column && is_of_key(columns_of[at - 1], item->name.last(), grouped)) meet_type(output.type);
            else decides(output);
            return;
        }
        if (expr.kind == Kind::column && expr.name.parts.size() == 1) {
            Value value;
            bool uncertain = false;
            if (find_column(expr.name.last(), scope, value, uncertain)) return decides(value);
            const auto named = std::find_if(result.outputs.begin(), result.outputs.end(), [&](const auto& output) { return output.first == expr.name.last(); });
            if (named != result.outputs.end()) return decides(named->second);
        }
        decides(eval(expr, scope, ctes));
    };
    for (const tree::ExprPtr& expr : query.group_by) group(group, *expr);
    if (query.having != nullptr) predicate(*query.having, scope, ctes);
    decides_all(query.windows, scope, ctes);
    // Positions and names of outputs mean here what they mean in ORDER BY.
    order_by(query.distinct_on, scope, ctes, result.outputs);
    if (query.distinct) distinct(query, result, columns_of);
    order_by(query.order_by, scope, ctes, result.outputs);
    for (const tree::ExprPtr* limit : {&query.limit, &query.offset})
        if (*limit != nullptr) decides(eval(**limit, scope, ctes));
    if (query.locks_rows) {
        Effect& locked = out_.effects.emplace_back();
        locked.effect_class = EffectClass::lock;
        locked.detail = "row locks";
        for (const ScopeTable& table : scope.tables)
            if (table.relation != nullptr) locked.objects.push_back(object(*table.relation));
    }
    if (nested) decided_by_computing(result);
    return result;
}

/// SELECT DISTINCT hashes all columns, and gives rows in the order of that: those behind the key may stand there where ORDER BY decides it.
void Analyzer::distinct(const tree::Query& query, const Result& result, const std::vector<const ScopeTable*>& columns_of) {
    const auto is_ordered = [&](std::size_t i) {
        return std::ranges::any_of(query.order_by, [&](const tree::ExprPtr& expr) {
            if (expr->kind == Kind::constant) return !expr->quoted && expr->text == std::to_string(i + 1);
            if (expr->kind != Kind::column || expr->newer || expr->name.last() != result.outputs[i].first) return false;
            return expr->name.parts.size() == 1 || (expr->name.parts.size() == 2 && columns_of[i] != nullptr && columns_of[i]->alias == expr->name.parts[0]);
        });
    };
    std::vector<std::pair<const ScopeTable*, std::string>> before;
    std::vector<bool> behind(result.outputs.size());
    bool ordered = result.exact;
    for (std::size_t i = 0; i < result.outputs.size(); ++i) {
        const ScopeTable* table = columns_of[i];
        const ScopeColumn* own = nullptr;
        for (const ScopeColumn& column : table == nullptr ? Columns{} : table->columns)
            if (column.value.sources == result.outputs[i].second.sources) own = &column;
        behind[i] = own != nullptr && is_of_key(table, own->name, before);
        ordered = ordered && (behind[i] || is_ordered(i));
    }
    for (std::size_t i = 0; i < result.outputs.size(); ++i) {
        if (behind[i] && ordered) meet_type(result.outputs[i].second.type);
        else decides(result.outputs[i].second);
    }
}

/// What in this query's own FROM a column is of; null: nothing, or nobody can tell.
const ScopeTable* Analyzer::table_of(const Expr& expr, const Scope& scope) const {
    if (expr.newer || expr.name.parts.empty() || expr.name.parts.size() > 2) return nullptr;
    const auto has = [&](const ScopeTable& table, bool hidden) {
        return std::ranges::any_of(table.columns, [&](const ScopeColumn& column) { return column.name == expr.name.last() && (hidden || !column.hidden); });
    };
    if (expr.name.parts.size() == 2) {
        const ScopeTable* table = table_named(expr.name.parts[0], scope);
        return table != nullptr && table->complete && has(*table, true) ? table : nullptr;
    }
    const ScopeTable* out = nullptr;
    for (const ScopeTable& table : scope.tables) {
        if (!table.complete || table.unknown_is_opaque) return nullptr;
        if (has(table, false) && std::exchange(out, &table) != nullptr) return nullptr;
    }
    return out;
}

/// Whether rows that have the same in the columns `before` this one have the same there, too: those of the table's primary key are among
/// them. That is what the server goes by as well (PostgreSQL, remove_useless_groupby_columns); where it sorts, it comes to this column only
/// behind the key. `column` is added to those before. Rows of children may have the key's value once more.
bool Analyzer::is_of_key(const ScopeTable* table, const std::string& column, std::vector<std::pair<const ScopeTable*, std::string>>& before) const {
    if (table == nullptr || table->relation == nullptr) return false;
    const catalogue::Relation& relation = *table->relation;
    const bool whole = relation.kind == catalogue::RelationKind::partitioned_table || (relation.kind == catalogue::RelationKind::table && relation.children.empty());
    const bool known = whole && !relation.primary_key.empty() && std::ranges::all_of(relation.primary_key, [&](std::int16_t number) {
        const catalogue::Column* key = relation.column(number);
        return key != nullptr && std::ranges::find(before, std::pair(table, key->name)) != before.end();
    });
    before.emplace_back(table, column);
    return known;
}

/// A value computed on the way, wanted or not: whether that fails is seen.
void Analyzer::decided_by_computing(const Result& result) {
    for (const auto& [name, value] : result.outputs) {
        if (!value.has_value()) continue;
        const bool computed = std::any_of(value.sources.begin(), value.sources.end(), [](const Source& source) { return source.flow == Flow::transformed; });
        if (value.is_seen || (!quiet_ && (value.may_fail || (watched_ && computed)))) decides(through(value, Flow::transformed));
    }
}

void Analyzer::expand_star(const tree::Expr& star, const Scope& scope, Result& result) {
    const std::string* alias = star.name.parts.empty() ? nullptr : &star.name.parts.back();
    const std::string* schema = star.name.parts.size() > 1 ? &star.name.parts[star.name.parts.size() - 2] : nullptr;
    bool found = alias == nullptr;
    for (const Scope* in = &scope; in != nullptr; in = in->outer) {
        for (const ScopeTable& table : in->tables) {
            if (alias != nullptr && (table.alias != *alias || (schema != nullptr && table.schema != *schema))) continue;
            found = true;
            if (!table.exact_order) result.exact = false;
            if (table.unknown_is_opaque) {
                Value unknown;
                unknown.opaque = true;
                result.outputs.emplace_back("?", std::move(unknown));
            }
            for (const ScopeColumn& column : table.columns) {
                if (alias == nullptr && column.hidden) continue;
                if (result.outputs.size() >= max_columns) {
                    unresolved("a query of more than " + std::to_string(max_columns) + " columns", star.at);
                    result.exact = false;
                    return;
                }
                use(table, column);
                result.outputs.emplace_back(column.name, column.value);
            }
        }
        if (found) break;
    }
    if (found) return;
    // `composite.*` of a column
    tree::Expr column_of;
    column_of.kind = Kind::column;
    column_of.name = star.name;
    column_of.at = star.at;
    expand_row(column(column_of, scope), result);
}

/// `row.*`
void Analyzer::expand_row(const Value& row, Result& result) const {
    if (row.fields != nullptr) {
        for (const auto& [name, value] : *row.fields) result.outputs.emplace_back(name, value);
    } else if (const catalogue::Relation* members = row.steps ? members_of(row.type) : nullptr; members != nullptr) {
        for (const catalogue::Column& column : members->columns) result.outputs.emplace_back(column.name, member(row, column.name, false));
    } else {
        result.exact = false;
        result.outputs.emplace_back("?", through(row, Flow::transformed));
    }
}

}  // namespace dbguard::sql
