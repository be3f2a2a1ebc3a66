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
    for (const tree::Item& item : query.items) {
        if (item.expr->kind == Kind::star || item.expr->kind == Kind::member_star) {
            if (item.expr->kind == Kind::star) {
                expand_star(*item.expr, scope, result);
            } else {
                expand_row(eval(*item.expr->args[0], scope, ctes), result);
            }
            continue;
        }
        result.outputs.emplace_back(output_name(*item.expr, item.alias), eval(*item.expr, scope, ctes));
    }
    const auto group = [&](const auto& self, const Expr& expr) -> void {
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
            if (at >= 1 && at <= result.outputs.size()) decides(result.outputs[at - 1].second);
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
    if (query.distinct)
        for (const auto& [name, value] : result.outputs) decides(value);
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
