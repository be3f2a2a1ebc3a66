// Whether a condition holds for every row, whatever it looks like: then a WHERE selects nothing.

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

bool is_operator(const Expr& expr, std::initializer_list<const char*> names) {
    if (expr.kind != Kind::operation || expr.args.size() != 2) return false;
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return expr.name.last() == name; });
}

/// A key that expressions which same() takes for equal share; others may share it, too.
std::string look_of(const Expr& expr) {
    const Expr* inside = without_casts(&expr);
    std::string out = std::to_string(static_cast<int>(inside->kind));
    out += inside->kind == Kind::column && !inside->name.parts.empty() ? inside->name.last() : inside->text;
    if (inside->kind != Kind::column)
        for (const std::string& part : inside->name.parts) out += "." + part;
    out += "(";
    for (const tree::ExprPtr& arg : inside->args) out += look_of(*arg) + ",";
    return out + ")";
}

}  // namespace

bool Analyzer::is_not_null(const Expr& expr, const Scope& scope) const {
    const Expr* inside = without_casts(&expr);
    if (inside->kind == Kind::constant) return !inside->is_null;
    // Of two sides that are there something is made that is there.
    if (inside->kind == Kind::operation && inside->args.size() == 2 && is_word(inside->name.last(), {"=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "||"}))
        return is_not_null(*inside->args[0], scope) && is_not_null(*inside->args[1], scope);
    if (inside->kind == Kind::combine && inside->text == "coalesce")
        return std::any_of(inside->args.begin(), inside->args.end(), [&](const tree::ExprPtr& arg) { return is_not_null(*arg, scope); });
    if (inside->kind == Kind::is_null) return true;
    if (inside->kind == Kind::call) return gives_something(*inside, scope);
    if (inside->kind == Kind::row) return !inside->args.empty() && std::all_of(inside->args.begin(), inside->args.end(), [&](const tree::ExprPtr& arg) { return is_not_null(*arg, scope); });
    if (inside->kind != Kind::column || inside->name.parts.empty()) return false;
    const std::string& name = inside->name.last();
    for (const ScopeTable& table : scope.tables) {
        if (inside->name.parts.size() > 1 && table.alias != inside->name.parts[inside->name.parts.size() - 2]) continue;
        for (const ScopeColumn& column : table.columns)
            if (column.name == name) return column.not_null;
        if (dialect_.is_system_column(name)) return true;
    }
    return false;
}

/// What is left of an expression that gives one of its sides as it is: x || '', x + 0, x * 1, greatest(x, x).
const Expr& Analyzer::bare(const Expr& expr) const {
    const Expr* at = &expr;
    for (int steps = 0; steps < 8; ++steps) {
        const tree::Query* inner = at->kind == Kind::scalar_query ? at->query.get() : nullptr;
        if (at->kind == Kind::operation && at->args.size() == 1 && at->text.empty() && at->name.last() == "+") {
            at = at->args[0].get();
        } else if (inner != nullptr && inner->combine == tree::Query::Combine::none && inner->items.size() == 1 && inner->from.empty() && inner->where == nullptr && inner->having == nullptr && inner->group_by.empty() &&
                   inner->limit == nullptr && inner->offset == nullptr && inner->values.empty() && inner->items[0].expr->kind == Kind::column) {
            at = inner->items[0].expr.get();   // (SELECT x)
        } else if (at->kind == Kind::operation && at->args.size() == 2 && at->text.empty()) {
            const Expr* right = without_casts(at->args[1].get());
            if (right->kind != Kind::constant || right->is_null) return *at;
            literals_matter_ = true;
            const std::string& way = at->name.last();
            const bool nothing = (right->text.empty() && way == "||") || (right->text == "0" && is_word(way, {"+", "-", "|", "#", "<<", ">>"})) || (right->text == "1" && is_word(way, {"*", "/"}));
            if (!nothing) return *at;
            at = at->args[0].get();
        } else if (at->kind == Kind::combine && is_word(at->text, {"greatest", "coalesce"}) && !at->args.empty() &&
                   std::all_of(at->args.begin() + 1, at->args.end(), [&](const tree::ExprPtr& arg) { return same(*at->args[0], *arg); })) {
            at = at->args[0].get();
        } else {
            return *at;
        }
    }
    return *at;
}

bool Analyzer::same(const Expr& one, const Expr& other) const {
    const Expr &a = bare(one), &b = bare(other);
    if (a.kind == Kind::cast && !a.args.empty()) return same(*a.args[0], b);
    if (b.kind == Kind::cast && !b.args.empty()) return same(a, *b.args[0]);
    if (a.kind == Kind::constant && b.kind == Kind::constant) literals_matter_ = true;
    if (a.kind == Kind::column && b.kind == Kind::column) {
        if (a.name.parts.empty() || b.name.parts.empty() || a.name.last() != b.name.last()) return false;
        if (a.name.parts.size() > 1 && b.name.parts.size() > 1) return a.name.parts == b.name.parts;
        // `id = OLD.id` in a rule's action: a row of the rule's table, and one of the action's.
        const auto is_of_rule = [](const Expr& column) { return column.name.parts.size() == 2 && is_word(column.name.parts[0], {"old", "new"}); };
        return is_of_rule(a) == is_of_rule(b);
    }
    if (a.kind != b.kind || a.text != b.text || a.is_null != b.is_null || a.number != b.number || a.negated != b.negated ||
        a.name.parts != b.name.parts || a.args.size() != b.args.size() || a.query != nullptr || b.query != nullptr)
        return false;
    if (a.kind == Kind::call || a.kind == Kind::opaque) {
        const FunctionRule* rule = a.name.parts.empty() ? nullptr : dialect_.function("", a.name.last());
        if (rule == nullptr || rule->kind != FunctionKind::transparent) return false;
    }
    for (std::size_t i = 0; i < a.args.size(); ++i)
        if (!same(*a.args[i], *b.args[i])) return false;
    return true;
}

/// `x IN (SELECT x)`, `x IN (VALUES (x))`
bool Analyzer::gives_itself(const Expr& expr, const tree::Query& query) const {
    if (query.combine != tree::Query::Combine::none || !query.from.empty() || query.where != nullptr || query.having != nullptr || query.limit != nullptr || query.offset != nullptr) return false;
    if (query.values.empty()) return query.items.size() == 1 && same(expr, *query.items[0].expr);
    return std::any_of(query.values.begin(), query.values.end(), [&](const auto& row) { return row.size() == 1 && same(expr, *row[0]); });
}

/// `column IN (SELECT that column FROM that table)`, unrestricted: every row's own value is among them.
bool Analyzer::all_of_target(const Expr& column, const tree::Query& query, const Scope& scope) const {
    // One side of a UNION ALL is enough.
    if (query.combine == tree::Query::Combine::union_all && query.limit == nullptr && query.offset == nullptr && query.left != nullptr && query.right != nullptr)
        return all_of_target(column, *query.left, scope) || all_of_target(column, *query.right, scope);
    const auto nothing = [&](const tree::ExprPtr& bound, std::string_view text) {
        if (bound == nullptr) return true;
        literals_matter_ = true;
        return bound->kind == Kind::constant && (bound->is_null || bound->text == text);   // LIMIT ALL, OFFSET 0
    };
    if (column.kind != Kind::column || query.combine != tree::Query::Combine::none || !query.with.empty() || query.from.size() != 1 || query.items.size() != 1 ||
        query.having != nullptr || !query.group_by.empty() || !nothing(query.limit, "none") || !nothing(query.offset, "0"))
        return false;
    if (query.where != nullptr && truth(*query.where, scope) != Truth::always) return false;
    const tree::From& from = query.from[0];
    const Expr& item = *query.items[0].expr;
    if (from.kind != tree::From::Kind::relation || item.kind != Kind::column || item.name.parts.empty() || column.name.parts.empty()) return false;
    if (item.name.last() != column.name.last()) return false;
    const Resolved resolved = resolve(from.relation);
    return resolved.relation != nullptr && std::any_of(scope.tables.begin(), scope.tables.end(), [&](const ScopeTable& table) {
               return table.is_target && table.relation == resolved.relation;
           });
}

/// Whether one side of an OR and its opposite stand in it: they cover every row between them. Terms meet through what they
/// are about, so that fifty thousand of them take no more than one look each.
bool Analyzer::opposites(const Expr& any_of) const {
    literals_matter_ = true;   // terms with other constants would not have met
    struct Term {
        const Expr* about;     ///< what two terms have to agree in
        std::string_view way;  ///< in which way: an operator, `null`, `not null` …
        const Expr* term;
    };
    constexpr std::size_t most_alike = 8;   // terms of the same look that differ nevertheless (t.id, u.id)
    std::map<std::string, std::vector<Term>> seen;
    const auto opposite = [](std::string_view x, std::string_view y) {
        constexpr std::pair<std::string_view, std::string_view> pairs[] = {
            {"=", "<>"}, {"=", "!="}, {"<", ">="}, {"<=", ">"}, {"<=", ">="}, {"~~", "!~~"}, {"~~*", "!~~*"}, {"~", "!~"}, {"~*", "!~*"}, {"null", "not null"}, {"in", "not in"}, {"yes", "not"},
        };
        return std::any_of(std::begin(pairs), std::end(pairs), [&](const auto& pair) { return (pair.first == x && pair.second == y) || (pair.first == y && pair.second == x); });
    };
    const auto agree = [&](const Expr& a, const Expr& b) {
        if (&a == &b) return true;
        if (a.kind != b.kind || a.args.size() != b.args.size() || a.kind == Kind::column || a.kind == Kind::call) return same(a, b);
        // The operator is the way; the sides are what it is about.
        for (std::size_t i = 0; i < a.args.size(); ++i)
            if (!same(*a.args[i], *b.args[i])) return false;
        return !a.args.empty();
    };
    const auto meet = [&](const std::string& look, const Expr& about, std::string_view way, bool whole) {
        std::vector<Term>& known = seen[look];
        std::size_t alike = 0;
        for (const Term& other : known) {
            if (opposite(way, other.way) && (whole ? same(about, *other.about) : agree(about, *other.about))) return true;
            alike += other.way == way;
        }
        if (alike < most_alike) known.push_back({&about, way, &about});
        return false;
    };
    struct Line {
        const Expr* column;
        double end;
    };
    std::map<std::string, std::pair<std::optional<Line>, std::optional<Line>>> lines;
    for (const tree::ExprPtr& arg : any_of.args) {
        const Expr& term = *arg;
        if (term.kind == Kind::logic_not) {
            if (meet("t" + look_of(*term.args[0]), *term.args[0], "not", true)) return true;
            continue;
        }
        if (meet("t" + look_of(term), term, "yes", true)) return true;
        if (term.kind == Kind::is_null && meet("n" + look_of(*term.args[0]), term, term.negated ? "not null" : "null", false)) return true;
        if (term.kind == Kind::in_list || (term.kind == Kind::operation && term.args.size() == 2 && !term.name.parts.empty())) {
            std::string look = term.kind == Kind::in_list ? "l" : "o";
            for (const tree::ExprPtr& side : term.args) look += look_of(*side);
            const std::string_view way = term.kind == Kind::in_list ? (term.negated ? "not in" : "in") : std::string_view(term.name.last());
            if (meet(look, term, way, false)) return true;
        }
        if (term.kind != Kind::operation || term.args.size() != 2 || term.name.parts.empty()) continue;
        // x < 5 OR x > 3: two half-lines that meet.
        const std::string& way = term.name.last();
        const bool below = way == "<" || way == "<=", above = way == ">" || way == ">=";
        const Expr* end = without_casts(term.args[1].get());
        if ((!below && !above) || end->kind != Kind::constant || end->text.empty()) continue;
        literals_matter_ = true;
        char* rest = nullptr;
        const double number = std::strtod(end->text.c_str(), &rest);
        if (*rest != '\0') continue;
        auto& [high, low] = lines[look_of(*term.args[0])];
        auto& own = below ? high : low;
        if (!own || (below ? number > own->end : number < own->end)) own = Line{term.args[0].get(), number};
        if (high && low && high->end > low->end && same(*high->column, *low->column)) return true;
    }
    return false;
}

/// The column of FROM that the expression is, where it is one; `of`: its table.
const ScopeColumn* Analyzer::column_of(const Expr& expr, const Scope& scope, const ScopeTable** of) const {
    if (expr.kind != Kind::column || expr.name.parts.empty()) return nullptr;
    for (const ScopeTable& table : scope.tables) {
        if (expr.name.parts.size() > 1 && table.alias != expr.name.parts[expr.name.parts.size() - 2]) continue;
        for (const ScopeColumn& column : table.columns) {
            if (column.name != expr.name.last() || (column.hidden && expr.name.parts.size() == 1)) continue;
            if (of != nullptr) *of = &table;
            return &column;
        }
    }
    return nullptr;
}

/// The table of FROM whose whole row the expression is, where it is one.
const ScopeTable* Analyzer::row_table(const Expr& expr, const Scope& scope) const {
    if ((expr.kind != Kind::column && expr.kind != Kind::star) || expr.name.parts.size() != 1 || column_of(expr, scope) != nullptr) return nullptr;
    for (const ScopeTable& table : scope.tables)
        if (table.alias == expr.name.last()) return &table;
    return nullptr;
}

/// Whether something in it is, or may be, of the table that is written.
bool Analyzer::depends_on_target(const Expr& expr, const Scope& scope) const {
    bool depends = false;
    tree::visit(expr, [&](const Expr& part) {
        if (part.kind == Kind::opaque || part.kind == Kind::current_of) depends = true;
        if (part.kind != Kind::column && part.kind != Kind::star) return;
        for (const ScopeTable& table : scope.tables) {
            if (!table.is_target) continue;
            if (part.name.parts.empty() || !table.complete) depends = true;
            else if (part.name.parts.size() > 1) depends = depends || part.name.parts[part.name.parts.size() - 2] == table.alias;
            else depends = depends || part.name.last() == table.alias || dialect_.is_system_column(part.name.last()) ||
                           std::any_of(table.columns.begin(), table.columns.end(), [&](const ScopeColumn& column) { return column.name == part.name.last(); });
        }
    });
    return depends;
}

/// `target.a = other.a`, where the other is the same table, and all of it: each row meets itself.
bool Analyzer::same_row(const Expr& a, const Expr& b, const Scope& scope) const {
    const auto table_of = [&](const Expr& expr, std::string& name) -> const ScopeTable* {
        const ScopeTable* table = nullptr;
        if (const ScopeColumn* column = column_of(expr, scope, &table); column != nullptr) {
            // A subquery's column goes by another name, but comes from the table's.
            const auto& sources = column->value.sources;
            const bool plain = table->all_of != nullptr && sources.size() == 1 && sources[0].flow == Flow::identity && sources[0].column.relation == table->all_of->id;
            const catalogue::Column* own = plain ? table->all_of->column(sources[0].column.number) : nullptr;
            name = own != nullptr ? own->name : column->name;
            return table;
        }
        if (expr.kind != Kind::column || expr.name.parts.size() < 2 || expr.name.last() != "ctid") return nullptr;
        name = "ctid";
        for (const ScopeTable& listed : scope.tables)
            if (listed.alias == expr.name.parts[expr.name.parts.size() - 2]) return &listed;
        return nullptr;
    };
    std::string name_a, name_b;
    const ScopeTable* one = table_of(a, name_a);
    const ScopeTable* other = table_of(b, name_b);
    if (one == nullptr || other == nullptr || one == other || name_a != name_b) return false;
    if (other->is_target) std::swap(one, other);
    return one->is_target && one->relation != nullptr && (other->relation == one->relation || other->all_of == one->relation);
}

/// The table that a query shows all rows of, where it is one table and no more.
const catalogue::Relation* Analyzer::all_of(const tree::Query& query) const {
    if (query.combine != tree::Query::Combine::none || !query.with.empty() || query.from.size() != 1 || query.from[0].kind != tree::From::Kind::relation || query.having != nullptr ||
        !query.group_by.empty() || !query.distinct_on.empty() || query.limit != nullptr || query.offset != nullptr || !query.from[0].functions.empty())
        return nullptr;
    if (query.where != nullptr && truth(*query.where, Scope{}) != Truth::always) return nullptr;
    const catalogue::Relation* relation = resolve(query.from[0].relation).relation;
    return relation == nullptr || relation->kind == catalogue::RelationKind::view ? nullptr : relation;
}

namespace {

/// A whole number as it is written; nothing where it is none, or longer than any that a column can hold.
std::optional<long double> whole_number(const Expr* expr) {
    const std::size_t sign = expr->text.starts_with('-') ? 1 : 0;
    if (expr->kind != Kind::constant || expr->is_null || expr->text.size() == sign || expr->text.size() > 25) return {};
    if (expr->text.find_first_not_of("0123456789", sign) != std::string::npos) return {};
    return std::strtold(expr->text.c_str(), nullptr);
}

bool holds(const std::string& way, long double a, long double b) {
    if (way == "=") return a == b;
    if (way == "<>" || way == "!=") return a != b;
    if (way == "<") return a < b;
    if (way == "<=") return a <= b;
    if (way == ">") return a > b;
    return a >= b;
}

}  // namespace

/// A comparison of two sides that are no numbers in disguise: of constants, with what a type's values can be, of a value with
/// itself and something added.
Analyzer::Truth Analyzer::compared(const std::string& way, const Expr& a, const Expr& b, const Scope& scope) const {
    constexpr std::string_view ways[] = {"=", "<>", "!=", "<", "<=", ">", ">="};
    if (std::find(std::begin(ways), std::end(ways), way) == std::end(ways)) return Truth::unknown;
    const Expr *left = without_casts(&a), *right = without_casts(&b);
    const auto one = whole_number(left), other = whole_number(right);
    if (left->kind == Kind::constant && right->kind == Kind::constant) literals_matter_ = true;
    if (one && other) return holds(way, *one, *other) ? Truth::always : Truth::never;
    if (left->kind == Kind::constant && right->kind == Kind::constant && !left->is_null && !right->is_null && (way == "=" || way == "<>" || way == "!="))
        return (left->text == right->text) == (way == "=") ? Truth::always : Truth::unknown;
    // `5 < x` is `x > 5`.
    const auto turned = [&]() -> std::string { return way == "<" ? ">" : way == "<=" ? ">=" : way == ">" ? "<" : way == ">=" ? "<=" : way; };
    if (one) return compared(turned(), b, a, scope);
    if (other) {
        const ScopeColumn* column = column_of(*left, scope);
        if (column == nullptr || !column->not_null) return Truth::unknown;
        const long double low = dialect_.built_in(column->value.type, -1).lowest();
        if (low == 0) return Truth::unknown;
        const long double high = -low - 1;
        // A text_shape() tells numbers of up to four and up to nine digits apart. So all numbers of one shape are well within the
        // type, or it matters which it is.
        const std::size_t safe_digits = low == -32768.0L ? 4 : 9;
        if (right->quoted || right->text.size() - right->text.starts_with('-') > safe_digits) literals_matter_ = true;
        const bool at_ends = holds(way, low, *other) && holds(way, high, *other);
        if ((way == "<>" || way == "!=") && (*other < low || *other > high)) return Truth::always;
        return at_ends && way != "=" && way != "<>" && way != "!=" ? Truth::always : Truth::unknown;
    }
    if (right->kind == Kind::constant && !right->is_null && right->text.empty() && way == ">=" && left->kind == Kind::column) return Truth::always;
    // x + 1 > x, x - 1 < x, and the other way round.
    const auto moved = [&](const Expr& side, const Expr& from) -> long double {
        if (!is_operator(side, {"+", "-"}) || !same(*side.args[0], from)) return 0;
        const auto by = whole_number(without_casts(side.args[1].get()));
        if (by) literals_matter_ = true;
        return !by ? 0 : side.name.last() == "+" ? *by : -*by;
    };
    if (const long double by = moved(*left, *right); by != 0) return holds(way, by, 0) ? Truth::always : Truth::never;
    if (const long double by = moved(*right, *left); by != 0) return holds(way, 0, by) ? Truth::always : Truth::never;
    return Truth::unknown;
}

/// Whether a condition holds for every possible row, by its meaning.
Analyzer::Truth Analyzer::truth(const Expr& expr, const Scope& scope) const {
    const auto negate = [](Truth value) { return value == Truth::always ? Truth::never : value == Truth::never ? Truth::always : Truth::unknown; };
    switch (expr.kind) {
        case Kind::constant:
            literals_matter_ = true;
            if (expr.is_null) return Truth::never;
            if (is_word(expr.text, {"true", "t", "yes", "y", "on", "1"})) return Truth::always;
            if (is_word(expr.text, {"false", "f", "no", "n", "off", "0"})) return Truth::never;
            return Truth::unknown;
        case Kind::cast: return expr.args.empty() ? Truth::unknown : truth(*expr.args[0], scope);
        case Kind::logic_not: return negate(truth(*expr.args[0], scope));
        case Kind::logic_and: {
            Truth out = Truth::always;
            for (const tree::ExprPtr& arg : expr.args) {
                const Truth value = truth(*arg, scope);
                if (value == Truth::never) return Truth::never;
                if (value == Truth::unknown) out = Truth::unknown;
            }
            return out;
        }
        case Kind::logic_or: {
            Truth out = Truth::never;
            const bool of_target = std::any_of(scope.tables.begin(), scope.tables.end(), [](const ScopeTable& table) { return table.is_target; });
            for (const tree::ExprPtr& arg : expr.args) {
                const Truth value = truth(*arg, scope);
                if (value == Truth::always) return Truth::always;
                if (value != Truth::unknown) continue;
                out = Truth::unknown;
                // The same for every row: then all of them come, whatever else is asked.
                if (of_target && !depends_on_target(*arg, scope)) return Truth::always;
            }
            return out == Truth::unknown && opposites(expr) ? Truth::always : out;
        }
        case Kind::is_null:
            if (const ScopeTable* row = row_table(*expr.args[0], scope); row != nullptr) {
                // Of a row: NULL when all of it is, NOT NULL when none of it is.
                const auto there = [](const ScopeColumn& column) { return column.not_null; };
                if (expr.negated) return row->complete && std::all_of(row->columns.begin(), row->columns.end(), there) ? Truth::always : Truth::unknown;
                return std::any_of(row->columns.begin(), row->columns.end(), there) ? Truth::never : Truth::unknown;
            }
            if (!is_not_null(*expr.args[0], scope)) return Truth::unknown;
            return expr.negated ? Truth::always : Truth::never;
        case Kind::is_truth: {
            const Truth inside = truth(*expr.args[0], scope);
            if (expr.text == "true") return inside;
            if (expr.text == "not false") return inside == Truth::always ? Truth::always : Truth::unknown;
            if (expr.text == "not unknown") return inside == Truth::always || is_not_null(*expr.args[0], scope) ? Truth::always : Truth::unknown;
            if (expr.text == "false") return negate(inside);
            if (expr.text == "not true" && inside == Truth::never) return Truth::always;
            return Truth::unknown;
        }
        case Kind::operation: {
            if (expr.args.size() == 3 && expr.text == "between") {
                if (same(*expr.args[0], *expr.args[1]) && same(*expr.args[0], *expr.args[2])) return Truth::always;
                const bool wide = never_fails(">=", *expr.args[0], *expr.args[1], scope) && never_fails("<=", *expr.args[0], *expr.args[2], scope);
                return wide ? Truth::always : Truth::unknown;
            }
            if (expr.args.size() != 2) return Truth::unknown;
            const Expr& a = *expr.args[0];
            const Expr& b = *expr.args[1];
            if (expr.text == "not distinct" && same(a, b)) return Truth::always;
            if (expr.text == "distinct") {
                const bool null_a = without_casts(&a)->is_null, null_b = without_casts(&b)->is_null;
                if ((null_b && is_not_null(a, scope)) || (null_a && is_not_null(b, scope))) return Truth::always;
                return Truth::unknown;
            }
            if (is_operator(expr, {"=", "<=", ">=", "~~", "~~*", "@>", "<@", "&&"}) && same(a, b)) return Truth::always;
            if (is_operator(expr, {"<>", "!=", "<", ">", "!~~", "!~~*"}) && same(a, b)) return Truth::never;
            // x - x = 0, x * 0 = 0: a zero in disguise against another.
            // position('' in x), strpos(x, ''): 1
            const auto finds_nothing = [&](const Expr& side) {
                const Expr* part = side.kind == Kind::call && side.args.size() == 2 && !side.name.parts.empty() && is_word(side.name.last(), {"position", "strpos"}) ? without_casts(side.args[1].get()) : nullptr;
                if (part == nullptr || part->kind != Kind::constant || part->is_null || !part->text.empty()) return false;
                literals_matter_ = true;
                return true;
            };
            if (const Expr* bound = without_casts(&b); finds_nothing(a) && bound->kind == Kind::constant) {
                if (const auto number = whole_number(bound); number && holds(expr.name.last(), 1, *number)) return Truth::always;
            }
            const auto is_zero = [&](const Expr& side) {
                const Expr* inside = without_casts(&side);
                const auto zero = [&](const Expr& factor) {
                    const Expr* constant = without_casts(&factor);
                    if (constant->kind == Kind::constant) literals_matter_ = true;
                    return constant->kind == Kind::constant && !constant->is_null && constant->text == "0";
                };
                if (is_operator(*inside, {"-"}) && same(*inside->args[0], *inside->args[1])) return true;
                if (is_operator(*inside, {"%"}))
                    if (const Expr* by = without_casts(inside->args[1].get()); by->kind == Kind::constant && (by->text == "1" || by->text == "-1")) return literals_matter_ = true;
                if (is_operator(*inside, {"*"})) return zero(*inside->args[0]) || zero(*inside->args[1]);
                return zero(*inside);
            };
            if (is_operator(expr, {"=", "<=", ">="}) && is_zero(a) && is_zero(b)) return Truth::always;
            if (is_operator(expr, {"~~", "~~*"})) {
                const Expr* pattern = without_casts(&b);
                literals_matter_ = literals_matter_ || pattern->kind == Kind::constant;
                if (const auto text = folded(*pattern); text && !text->empty() && text->find_first_not_of('%') == std::string::npos) return Truth::always;
            }
            if (is_operator(expr, {"~", "~*"})) {
                const Expr* pattern = without_casts(&b);
                // SIMILAR TO '%'
                if (pattern->kind == Kind::call && !pattern->args.empty() && !pattern->name.parts.empty() && pattern->name.last() == "similar_to_escape") {
                    const Expr* like = without_casts(pattern->args[0].get());
                    literals_matter_ = true;
                    if (like->kind == Kind::constant && !like->text.empty() && like->text.find_first_not_of('%') == std::string::npos) return Truth::always;
                }
                literals_matter_ = literals_matter_ || pattern->kind == Kind::constant;
                if (pattern->kind == Kind::constant && !pattern->is_null && matches_anything(pattern->text)) return Truth::always;
            }
            const auto sizes = [](const Expr& side) {
                return side.kind == Kind::call && !side.name.parts.empty() &&
                       is_word(side.name.last(), {"length", "char_length", "character_length", "octet_length", "bit_length", "abs", "cardinality", "random", "pg_column_size"});
            };
            const Expr* right = without_casts(&b);
            if (right->kind == Kind::constant && (sizes(a) || expr.name.last() == "^@")) literals_matter_ = true;
            if (sizes(a) && right->kind == Kind::constant &&
                ((expr.name.last() == ">=" && right->text == "0") || (expr.name.last() == ">" && right->text.starts_with("-"))))
                return Truth::always;
            if (expr.name.last() == "^@" && right->kind == Kind::constant && right->text.empty()) return Truth::always;
            if (expr.text.empty() && expr.name.last() == "=") {
                if (same_row(a, b, scope)) return Truth::always;
                // Which table a row stands in is the same for all of them.
                for (const Expr* side : {&a, &b})
                    if (const Expr* inside = without_casts(side); inside->kind == Kind::column && !inside->name.parts.empty() && inside->name.last() == "tableoid") return Truth::always;
            }
            if (!expr.text.empty()) return Truth::unknown;
            const std::string& way = expr.name.last();
            if (const Truth told = compared(way, a, b, scope); told != Truth::unknown) return told;
            if (never_fails(way, a, b, scope)) return Truth::always;
            // (condition) = true
            for (const bool turned : {false, true}) {
                const Expr& side = turned ? a : b;
                const Expr& condition = turned ? b : a;
                if ((way != "=" && way != "<>" && way != "!=") || side.kind != Kind::constant || side.quoted || !is_word(side.text, {"true", "false"}) || condition.kind == Kind::constant) continue;
                literals_matter_ = true;
                const Truth inside = truth(condition, scope);
                return is_word(side.text, {"true"}) == (way == "=") ? inside : negate(inside);
            }
            // A row's place and its table: below none of them, and the same for all of them.
            for (const Expr* side : {&a, &b}) {
                const Expr* inside = without_casts(side);
                const Expr* constant = without_casts(side == &a ? &b : &a);
                if (inside->kind != Kind::column || inside->name.parts.empty() || constant->kind != Kind::constant) continue;
                if (inside->name.last() == "tableoid") return Truth::always;
                literals_matter_ = literals_matter_ || inside->name.last() == "ctid";
                const bool upward = side == &a ? way == ">" || way == ">=" : way == "<" || way == "<=";
                if (inside->name.last() == "ctid" && constant->text == "(0,0)" && (upward || way == "<>" || way == "!=")) return Truth::always;
            }
            // to_jsonb(t) ? 'id'
            if (way == "?" && a.kind == Kind::call && !a.args.empty() && !a.name.parts.empty() && is_word(a.name.last(), {"to_jsonb", "hstore"}))
                if (const ScopeTable* row = row_table(*a.args[0], scope); row != nullptr && b.kind == Kind::constant) {
                    literals_matter_ = true;
                    if (std::any_of(row->columns.begin(), row->columns.end(), [&](const ScopeColumn& column) { return column.name == b.text; })) return Truth::always;
                }
            return Truth::unknown;
        }
        case Kind::call: {
            const Expr* prefix = expr.args.size() == 2 && !expr.name.parts.empty() && expr.name.last() == "starts_with" ? without_casts(expr.args[1].get()) : nullptr;
            if (prefix == nullptr || prefix->kind != Kind::constant) return Truth::unknown;
            literals_matter_ = true;
            return !prefix->is_null && prefix->text.empty() ? Truth::always : Truth::unknown;
        }
        case Kind::in_list: {
            bool found = false;
            for (std::size_t i = 1; i < expr.args.size(); ++i) found = found || same(*expr.args[0], *expr.args[i]);
            if (found) return expr.negated ? Truth::never : Truth::always;
            // Every value that the type has.
            if (const ScopeColumn* column = expr.args.empty() || expr.negated || names_.snapshot == nullptr ? nullptr : column_of(*without_casts(expr.args[0].get()), scope); column != nullptr) {
                std::set<std::string> left;
                if (const catalogue::Type* type = names_.snapshot->type(column->value.type); type != nullptr) left = {type->labels.begin(), type->labels.end()};
                else if (dialect_.built_in(column->value.type, -1).kind == BuiltIn::Kind::boolean) left = {"false", "true"};
                if (left.empty()) return Truth::unknown;
                literals_matter_ = true;
                for (std::size_t i = 1; i < expr.args.size(); ++i) left.erase(without_casts(expr.args[i].get())->text);
                if (left.empty()) return Truth::always;
            }
            return Truth::unknown;
        }
        case Kind::scalar_query: {
            const tree::Query* query = expr.query.get();
            if (query == nullptr || query->combine != tree::Query::Combine::none || query->items.size() != 1 || !query->from.empty() || query->where != nullptr) return Truth::unknown;
            return truth(*query->items[0].expr, scope);
        }
        case Kind::comparison_any: {
            if (expr.number == 1) return Truth::unknown;   // ALL
            if (expr.args.size() == 2 && expr.args[1]->kind == Kind::array && expr.name.last() == "=")
                for (const tree::ExprPtr& element : expr.args[1]->args)
                    if (same(*expr.args[0], *element)) return Truth::always;
            if (expr.args.size() == 2 && expr.name.last() == "=")
                if (const Expr* array = without_casts(expr.args[1].get()); array->kind == Kind::array_query && array->query != nullptr && all_of_target(*expr.args[0], *array->query, scope)) return Truth::always;
            return Truth::unknown;
        }
        case Kind::any_query:
            if (expr.number == 1) return Truth::unknown;   // ALL
            if (!expr.args.empty() && !expr.negated && (expr.name.parts.empty() || is_word(expr.name.last(), {"=", ">=", "<="})) && expr.query != nullptr && (expr.name.parts.empty() || expr.query->values.size() <= 1) && gives_itself(*expr.args[0], *expr.query)) return Truth::always;
            if (!expr.args.empty() && (expr.name.parts.empty() || expr.name.last() == "=") && expr.query != nullptr && all_of_target(*expr.args[0], *expr.query, scope))
                return Truth::always;
            return Truth::unknown;
        case Kind::exists: {
            // EXISTS (SELECT … FROM the same table WHERE it is this very row).
            if (expr.query == nullptr || expr.query->combine != tree::Query::Combine::none) return Truth::unknown;
            if (expr.query->where == nullptr && expr.query->having == nullptr) return Truth::always;
            const tree::Query& query = *expr.query;
            if (query.where != nullptr && truth(*query.where, scope) == Truth::never) return Truth::never;
            if (query.from.size() == 1 && query.from[0].kind == tree::From::Kind::relation && query.where != nullptr && query.where->kind == Kind::operation &&
                query.where->args.size() == 2 && query.where->name.last() == "=" && query.where->args[0]->kind == Kind::column && query.where->args[1]->kind == Kind::column &&
                query.where->args[0]->name.last() == query.where->args[1]->name.last()) {
                const Resolved resolved = resolve(query.from[0].relation);
                for (const ScopeTable& table : scope.tables)
                    if (table.is_target && table.relation != nullptr && table.relation == resolved.relation) return Truth::always;
            }
            return Truth::unknown;
        }
        case Kind::combine: {
            if (expr.text == "coalesce") {
                // All sides that can come are true.
                bool always = !expr.args.empty();
                for (const tree::ExprPtr& arg : expr.args) {
                    const Truth value = truth(*arg, scope);
                    if (value == Truth::always && &arg == &expr.args.front()) return Truth::always;
                    if (value != Truth::always && !(without_casts(arg.get())->kind == Kind::constant && without_casts(arg.get())->is_null)) always = false;
                }
                return always ? Truth::always : Truth::unknown;
            }
            if (expr.text == "case") {
                // [test] (when then)* else: every outcome that can come is true, or none is.
                bool always = true, never = true;
                const auto count = [&](const Expr& outcome) {
                    const Truth value = truth(outcome, scope);
                    always = always && value == Truth::always;
                    never = never && value == Truth::never;
                };
                for (std::size_t i = expr.number == 0 ? 0 : 1; i + 1 < expr.args.size(); i += 2) {
                    const Truth when = expr.number == 0 ? truth(*expr.args[i], scope) : Truth::unknown;
                    if (when == Truth::never) continue;
                    count(*expr.args[i + 1]);
                    if (when == Truth::always) return always ? Truth::always : never ? Truth::never : Truth::unknown;
                }
                count(*expr.args.back());
                return always ? Truth::always : never ? Truth::never : Truth::unknown;
            }
            return Truth::unknown;
        }
        default: return Truth::unknown;
    }
}

Where Analyzer::where_of(const Expr* where, const Scope& scope, bool depends_on_target) const {
    if (where == nullptr) return Where::missing;
    if (where->kind == Kind::current_of) return Where::present;
    if (!depends_on_target) return Where::trivial;   // the same for every row: all of them, or none
    return truth(*where, scope) == Truth::always ? Where::trivial : Where::present;
}

}  // namespace dbguard::sql
