// What an expression can be at all, whatever the row: between which numbers, never NULL, never empty. For conditions that are
// true for every row without looking so.

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

constexpr long double infinite = std::numeric_limits<long double>::infinity();

bool named(const Expr& expr, std::initializer_list<std::string_view> names) {
    return !expr.name.parts.empty() && std::any_of(names.begin(), names.end(), [&](std::string_view name) { return expr.name.last() == name; });
}

std::optional<long double> number_of(const Expr& expr) {
    if (expr.kind != Kind::constant || expr.is_null || expr.text.empty() || expr.text.size() > 40 || expr.text.find_first_not_of("0123456789.-") != std::string::npos) return {};
    char* rest = nullptr;
    const long double out = std::strtold(expr.text.c_str(), &rest);
    return *rest == '\0' ? std::optional(out) : std::nullopt;
}

/// Between which numbers a field of a day or a moment stands (PostgreSQL manual, "EXTRACT, date_part"); empty: any, or another field.
std::optional<std::pair<long double, long double>> field_bounds(const Expr& field) {
    struct Field {
        std::string_view name;
        int low, high;
    };
    static constexpr Field fields[] = {
        {"month", 1, 12}, {"day", 1, 31}, {"quarter", 1, 4}, {"week", 1, 53}, {"doy", 1, 366}, {"dow", 0, 6}, {"isodow", 1, 7}, {"hour", 0, 23}, {"minute", 0, 59}, {"second", 0, 60},
    };
    if (field.kind != Kind::constant || field.is_null) return {};
    std::string name = field.text;
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto found = std::ranges::find(fields, name, &Field::name);
    return found == std::end(fields) ? std::nullopt : std::optional(std::pair<long double, long double>(found->low, found->high));
}

/// What one piece of a regular expression needs at least; `at` moves behind it. Only what plain patterns are made of.
bool piece_may_be_empty(std::string_view pattern, std::size_t& at, int depth);

bool branches_may_be_empty(std::string_view pattern, std::size_t& at, int depth) {
    bool any = false, branch = true;
    while (at < pattern.size() && pattern[at] != ')') {
        if (pattern[at] == '|') {
            any = any || branch;
            branch = true;
            ++at;
            continue;
        }
        branch = piece_may_be_empty(pattern, at, depth) && branch;
    }
    return any || branch;
}

bool piece_may_be_empty(std::string_view pattern, std::size_t& at, int depth) {
    bool empty = false;
    const char c = pattern[at++];
    if (c == '(') {
        if (depth > 20) return at = pattern.size(), false;
        if (at < pattern.size() && pattern[at] == '?') {
            if (!pattern.substr(at).starts_with("?:")) return at = pattern.size(), false;   // looks around, or sets options
            at += 2;
        }
        empty = branches_may_be_empty(pattern, at, depth + 1);
        if (at >= pattern.size()) return false;
        ++at;
    } else if (c == '[') {
        const std::size_t end = pattern.find(']', at + (at < pattern.size() && pattern[at] == '^' ? 2 : 1));
        if (end == std::string_view::npos) return at = pattern.size(), false;
        at = end + 1;
    } else if (c == '\\') {
        if (at >= pattern.size()) return false;
        if (std::string_view("0123456789mMyYAZ").find(pattern[at]) != std::string_view::npos) return at = pattern.size(), false;   // places, references
        ++at;
    } else if (c == '^' || c == '$') {
        return at = pattern.size(), false;
    }
    for (; at < pattern.size(); ++at) {
        if (pattern[at] == '*' || pattern[at] == '?') empty = true;
        else if (pattern[at] == '{') {
            if (pattern.substr(at).starts_with("{0")) empty = true;
            const std::size_t end = pattern.find('}', at);
            if (end == std::string_view::npos) return at = pattern.size(), false;
            at = end;
        } else if (pattern[at] != '+') break;
    }
    return empty;
}

}  // namespace

/// Nothing that the pattern asks for can be missing: it finds the empty text wherever it looks.
bool matches_anything(std::string_view pattern) {
    if (pattern.starts_with("***") || pattern.starts_with("(?")) {
        // (?s).*: options before the pattern; of these, none asks for more.
        const std::size_t end = pattern.find(')');
        if (!pattern.starts_with("(?") || end == std::string_view::npos || pattern.substr(2, end - 2).find_first_not_of("bceimnpqstwx") != std::string_view::npos) return false;
        if (pattern.substr(2, end - 2).find_first_of("bqx") != std::string_view::npos) return false;
        pattern.remove_prefix(end + 1);
    }
    if (pattern == "$") return true;
    if (pattern.starts_with("^")) pattern.remove_prefix(1);
    else if (pattern.starts_with("\\A")) pattern.remove_prefix(2);
    if (pattern.empty()) return true;
    if (pattern == ".*$" || pattern == ".{0,}$" || pattern == "(.*)$") return true;
    std::size_t at = 0;
    return branches_may_be_empty(pattern, at, 0) && at == pattern.size();
}

/// A text put together of constants: '%' || '%', concat('%').
std::optional<std::string> Analyzer::folded(const Expr& expr) const {
    const Expr* inside = without_casts(&expr);
    if (inside->kind == Kind::constant) {
        if (inside->is_null) return {};
        literals_matter_ = true;
        return inside->text;
    }
    const bool joins = (inside->kind == Kind::operation && inside->args.size() == 2 && inside->text.empty() && named(*inside, {"||"})) || (inside->kind == Kind::call && named(*inside, {"concat"}));
    if (!joins || inside->args.empty()) return {};
    std::string out;
    for (const tree::ExprPtr& arg : inside->args) {
        const auto part = folded(*arg);
        if (!part || out.size() > 1000) return {};
        out += *part;
    }
    return out;
}

/// Text that has at least one character, where it is one at all.
bool Analyzer::never_empty(const Expr& expr) const {
    const Expr* inside = &expr;
    for (; inside->kind == Kind::cast && !inside->args.empty(); inside = inside->args[0].get())
        if (const Expr& under = *inside->args[0]; under.kind == Kind::row) return true;   // (…)
    if (inside->kind == Kind::constant) return literals_matter_ = true, !inside->is_null && !inside->text.empty();
    if (inside->kind == Kind::call) {
        if (named(*inside, {"md5", "quote_literal", "quote_nullable", "quote_ident", "to_json", "to_jsonb", "row_to_json", "json_build_object", "jsonb_build_object"})) return true;
        if (named(*inside, {"concat"})) return std::any_of(inside->args.begin(), inside->args.end(), [&](const tree::ExprPtr& arg) { return never_empty(*arg); });
    }
    if (inside->kind == Kind::operation && inside->args.size() == 2 && inside->text.empty() && named(*inside, {"||"})) return never_empty(*inside->args[0]) || never_empty(*inside->args[1]);
    return false;
}

/// Whether the expression gives something for each row: code that makes something of something, or of anything.
bool Analyzer::gives_something(const Expr& expr, const Scope& scope) const {
    if (expr.kind != Kind::call) return false;
    if (named(expr, {"concat", "num_nulls", "num_nonnulls", "quote_nullable", "now", "random", "gen_random_uuid", "pi", "version", "txid_current", "pg_backend_pid", "json_build_object", "jsonb_build_object", "json_build_array",
                     "jsonb_build_array", "pg_typeof", "clock_timestamp", "statement_timestamp", "transaction_timestamp"}))
        return true;
    if (!named(expr, {"to_json", "to_jsonb", "row_to_json", "md5", "lower", "upper", "length", "char_length", "character_length", "octet_length", "bit_length", "abs", "sign", "ascii", "reverse", "btrim", "ltrim", "rtrim", "left",
                      "right", "repeat", "replace", "translate", "initcap", "quote_literal", "quote_ident", "substr", "substring", "strpos", "position", "overlay", "split_part", "concat_ws", "format", "to_char", "round", "floor",
                      "ceil", "trunc", "mod", "power", "convert_to", "encode", "to_hex", "to_tsvector", "starts_with", "lpad", "rpad", "date_trunc", "hashtext", "hashint4", "hstore", "jsonb_typeof", "json_typeof", "string_to_array"}))
        return false;
    return !expr.args.empty() && std::all_of(expr.args.begin(), expr.args.end(), [&](const tree::ExprPtr& arg) { return row_table(*arg, scope) != nullptr || is_not_null(*arg, scope); });
}

/// Between which numbers it stands, where it is one.
std::pair<long double, long double> Analyzer::bounds_of(const Expr& expr, const Scope& scope) const {
    const std::pair<long double, long double> anything{-infinite, infinite}, counted{0, infinite};
    const Expr* inside = without_casts(&expr);
    if (const auto number = number_of(*inside)) return literals_matter_ = true, std::pair{*number, *number};
    const auto at = [&](std::size_t i) { return bounds_of(*inside->args[i], scope); };
    switch (inside->kind) {
        case Kind::column: {
            const ScopeColumn* column = column_of(*inside, scope);
            if (column == nullptr || !column->not_null) return anything;
            if (const long double low = dialect_.built_in(column->value.type, -1).lowest(); low < 0) return {low, -low - 1};
            return anything;
        }
        case Kind::call: {
            const bool length = named(*inside, {"length", "char_length", "character_length"});
            if (length && inside->args.size() == 1) return {never_empty(*inside->args[0]) ? 1 : 0, 1073741824};
            if (named(*inside, {"octet_length", "bit_length", "abs", "cardinality", "ascii", "strpos", "position", "num_nulls", "num_nonnulls", "count"})) return counted;
            if (named(*inside, {"pg_column_size"})) return {1, infinite};
            if (named(*inside, {"random"})) return {0, 1};
            if (named(*inside, {"family"})) return {4, 6};
            if (named(*inside, {"masklen"})) return {0, 128};
            if (named(*inside, {"extract", "date_part"}) && inside->args.size() == 2) {
                // Not of an interval, which may have any number of hours.
                using Is = BuiltIn::Kind;
                const ScopeColumn* of = column_of(*inside->args[1], scope);
                const Is kind = of == nullptr ? Is::none : dialect_.built_in(of->value.type, -1).kind;
                literals_matter_ = true;
                if (const auto field = field_bounds(*inside->args[0]); field && (kind == Is::day || kind == Is::moment)) return *field;
            }
            if (named(*inside, {"sign"})) return {-1, 1};
            if (named(*inside, {"pi"})) return {3.14L, 3.15L};
            if (named(*inside, {"mod"}) && inside->args.size() == 2)
                if (const auto by = number_of(*without_casts(inside->args[1].get()))) return literals_matter_ = true, std::pair{1 - std::fabs(*by), std::fabs(*by) - 1};
            if (named(*inside, {"power"}) && inside->args.size() == 2)
                if (const auto by = number_of(*without_casts(inside->args[1].get())); by && std::fmod(*by, 2) == 0) return literals_matter_ = true, counted;
            return anything;
        }
        case Kind::operation: {
            if (!inside->text.empty()) return anything;
            if (inside->args.size() == 1 && named(*inside, {"-"})) return {-at(0).second, -at(0).first};
            if (inside->args.size() == 1 && named(*inside, {"@"})) return counted;
            if (inside->args.size() != 2) return anything;
            const auto by = number_of(*without_casts(inside->args[1].get()));
            if (named(*inside, {"*"}) && same(*inside->args[0], *inside->args[1])) return counted;
            if (named(*inside, {"%"}) && by) return literals_matter_ = true, std::pair{1 - std::fabs(*by), std::fabs(*by) - 1};
            if (named(*inside, {"^"}) && by && std::fmod(*by, 2) == 0) return literals_matter_ = true, counted;
            if (named(*inside, {"&"}) && by && *by >= 0) return literals_matter_ = true, std::pair{0.0L, *by};
            return anything;
        }
        case Kind::combine: {
            if (inside->args.empty() || inside->text != "greatest") return anything;   // and LEAST, by its name
            auto out = at(0);
            const bool greatest = named(*inside, {"greatest"});
            for (std::size_t i = 1; i < inside->args.size(); ++i) {
                const auto next = at(i);
                out.first = greatest ? std::max(out.first, next.first) : std::min(out.first, next.first);
                out.second = greatest ? std::max(out.second, next.second) : std::min(out.second, next.second);
            }
            return out;
        }
        case Kind::scalar_query: {
            // (SELECT count(*) FROM …)
            const tree::Query* query = inside->query.get();
            const bool counts = query != nullptr && query->combine == tree::Query::Combine::none && query->items.size() == 1 && query->group_by.empty() && query->having == nullptr && query->limit == nullptr &&
                                query->offset == nullptr && query->items[0].expr->kind == Kind::call && named(*query->items[0].expr, {"count"});
            return counts ? counted : anything;
        }
        default: return anything;
    }
}

/// A comparison that no row can fail, by what its sides can be.
bool Analyzer::holds_within_bounds(const std::string& way, const Expr& a, const Expr& b, const Scope& scope) const {
    const bool above = way == ">=" || way == ">", below = way == "<=" || way == "<", other = way == "<>" || way == "!=";
    if (!above && !below && !other) return false;
    // Text that is never empty against the empty one; also the text of what has no empty one: numbers, uuid, date.
    const Expr *left = without_casts(&a), *right = without_casts(&b);
    if ((other || way == ">" || way == ">=") && right->kind == Kind::constant && left->kind != Kind::constant) {
        const ScopeColumn* column = a.kind == Kind::cast && keeps_text(a) ? column_of(*left, scope) : nullptr;
        using Is = BuiltIn::Kind;
        constexpr Is printed[] = {Is::whole, Is::decimal, Is::day, Is::uuid};
        const bool text = column != nullptr && std::find(std::begin(printed), std::end(printed), dialect_.built_in(column->value.type, -1).kind) != std::end(printed);
        if (text || never_empty(a)) {
            literals_matter_ = true;
            if (!right->is_null && right->text.empty()) return true;
        }
    }
    // least(x, …) <= x <= greatest(x, …)
    const auto holds_side = [&](const Expr& side, const Expr& of, std::string_view name) {
        const Expr* inside = without_casts(&of);
        return inside->kind == Kind::combine && inside->text == "greatest" && named(*inside, {name}) && std::any_of(inside->args.begin(), inside->args.end(), [&](const tree::ExprPtr& arg) { return same(side, *arg); });
    };
    if (way == ">=" && (holds_side(a, b, "least") || holds_side(b, a, "greatest"))) return true;
    if (way == "<=" && (holds_side(a, b, "greatest") || holds_side(b, a, "least"))) return true;
    // Only where something is computed: a column by itself is compared()'s, and constants are not looked at in vain.
    const auto computed = [](const Expr& side) { return side.kind == Kind::call || side.kind == Kind::operation || side.kind == Kind::combine || side.kind == Kind::scalar_query; };
    if (!computed(*left) && !computed(*right)) return false;
    const Expr& first = computed(*left) ? a : b;
    if (const auto [low, high] = bounds_of(first, scope); low == -infinite && high == infinite) return false;
    literals_matter_ = true;
    const auto [low_a, high_a] = bounds_of(a, scope);
    const auto [low_b, high_b] = bounds_of(b, scope);
    if (way == ">=") return low_a >= high_b;
    if (way == ">") return low_a > high_b;
    if (way == "<=") return high_a <= low_b;
    if (way == "<") return high_a < low_b;
    return low_a > high_b || high_a < low_b;
}

/// `(SELECT min(x) FROM the same table)`, unrestricted: below every x; likewise max.
std::string Analyzer::end_of_target(const Expr& column, const Expr& expr, const Scope& scope) const {
    const tree::Query* query = expr.kind == Kind::scalar_query ? expr.query.get() : nullptr;
    if (query == nullptr || query->items.size() != 1 || query->combine != tree::Query::Combine::none) return {};
    const Expr& item = *query->items[0].expr;
    if (item.kind != Kind::call || !named(item, {"min", "max"}) || item.args.size() != 1 || column.kind != Kind::column || item.args[0]->kind != Kind::column) return {};
    if (column.name.parts.empty() || item.args[0]->name.parts.empty() || column.name.last() != item.args[0]->name.last()) return {};
    const catalogue::Relation* all = all_of(*query);
    const bool target = all != nullptr && std::any_of(scope.tables.begin(), scope.tables.end(), [&](const ScopeTable& table) { return table.is_target && table.relation == all; });
    return target ? item.name.last() : std::string();
}

/// A comparison that holds for every row, by any of the ways to tell.
bool Analyzer::never_fails(const std::string& way, const Expr& a, const Expr& b, const Scope& scope) const {
    if (compared(way, a, b, scope) == Truth::always || holds_within_bounds(way, a, b, scope)) return true;
    for (const bool turned : {false, true}) {
        const std::string end = end_of_target(turned ? b : a, turned ? a : b, scope);
        if (end.empty()) continue;
        const bool low = end == "min";
        if ((way == ">=" && low != turned) || (way == "<=" && low == turned)) return true;
    }
    return false;
}

}  // namespace dbguard::sql
