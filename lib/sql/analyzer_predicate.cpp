// What decides which rows come: filters. Whether a WHERE selects at all: analyzer_truth.cpp.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using tree::Expr;
using Kind = Expr::Kind;

bool is_word(const std::string& text, std::initializer_list<const char*> words) {
    std::string lower = text;
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return std::any_of(words.begin(), words.end(), [&](const char* word) { return lower == word; });
}

// policy.md, "Existence is not a value".
bool keeps_equality(const Expr& expr) {
    return expr.kind == Kind::call && expr.args.size() == 1 && expr.decides.empty() && !expr.name.parts.empty() &&
           is_word(expr.name.last(), {"lower", "upper", "btrim", "ltrim", "rtrim", "trim"});
}

const Expr* without_casts(const Expr* expr) {
    while ((expr->kind == Kind::cast || (expr->kind == Kind::combine && expr->text == "collate")) && !expr->args.empty()) expr = expr->args[0].get();
    return expr;
}

/// A cast to text or varchar as the server has them: the characters stay. A modifier cuts, and a type of the user's under that
/// name may do anything.
bool Analyzer::keeps_text(const Expr& cast) const {
    if (cast.kind != Kind::cast || cast.modified || cast.args.empty() || cast.name.parts.empty()) return false;
    if (!is_word(cast.name.last(), {"text", "varchar"})) return false;
    if (cast.name.parts.size() > 1) return cast.name.parts[cast.name.parts.size() - 2] == dialect_.system_schema;
    return names_.snapshot == nullptr || names_.snapshot->types(cast.name.last()).empty();
}

/// Of a function or operator that is total: whether it is so with these arguments.
bool Analyzer::is_total_call(const Expr& expr) const {
    if (expr.name.parts.empty()) return false;
    const std::string& name = expr.name.last();
    if (name == "split_part") {
        const Expr* field = expr.args.size() == 3 ? told_by(*expr.args[2]) : nullptr;
        return field != nullptr && field->text.find_first_not_of("-0") != std::string::npos;
    }
    if (name == "length") return expr.args.size() == 1;
    if (name == "replace") {
        // A few of those that make a text longer, one around the other, pass every limit, but only where they found something.
        const Expr* what = expr.args.size() == 3 ? told_by(*expr.args[1]) : nullptr;
        const Expr* with = expr.args.size() == 3 ? told_by(*expr.args[2]) : nullptr;
        return with != nullptr && with->text.size() <= (what != nullptr ? what->text.size() : 0);
    }
    if (is_word(name, {"~~", "!~~", "~~*", "!~~*"})) {
        // A pattern may not end in an escape, and that shows only where all before it matched.
        const Expr* pattern = expr.args.size() == 2 ? told_by(*expr.args[1]) : nullptr;
        return pattern != nullptr && !pattern->text.ends_with('\\');
    }
    return true;
}

/// The constant that a text or a number is told by; null where something on the way may change it.
const Expr* Analyzer::told_by(const Expr& expr) const {
    const Expr* inside = &expr;
    while (inside->kind == Kind::cast && !inside->args.empty()) {
        const Expr* under = inside->args[0].get();
        const bool number = !inside->modified && inside->text.empty() && is_word(inside->name.last(), {"int2", "int4", "int8"}) && under->kind == Kind::constant &&
                            !under->text.empty() && under->text.find_first_not_of("0123456789") == std::string::npos;
        if (!number && !keeps_text(*inside)) return nullptr;
        inside = under;
    }
    return inside->kind == Kind::constant && !inside->is_null && !inside->newer ? inside : nullptr;
}

void Analyzer::decides(const Value& value, Filter::Use use) {
    if (value.opaque || !value.functions.empty()) {
        Filter filter;
        filter.use = Filter::Use::other;
        filter.opaque = value.opaque;
        filter.functions = value.functions;
        if (std::find(out_.filters.begin(), out_.filters.end(), filter) == out_.filters.end()) out_.filters.push_back(std::move(filter));
    }
    meets(value);
    meet_type(value.type);
    for (const Source& source : value.sources) {
        if (source.flow == Flow::existence) continue;
        Filter filter{source, use, false, {}};
        const auto known = std::find_if(out_.filters.begin(), out_.filters.end(), [&](const Filter& other) {
            return !other.opaque && other.functions.empty() && other.source.column == source.column && other.source.path == source.path && other.use == use;
        });
        if (known == out_.filters.end()) out_.filters.push_back(std::move(filter));
    }
}

void Analyzer::decides_all(const tree::Exprs& exprs, const Scope& scope, const CteBinding* ctes) {
    for (const tree::ExprPtr& expr : exprs) decides(eval(*expr, scope, ctes));
}

void Analyzer::order_by(const tree::Exprs& exprs, const Scope& scope, const CteBinding* ctes, const Outputs& outputs) {
    for (const tree::ExprPtr& expr : exprs) {
        if (expr->kind == Kind::constant) literals_matter_ = true;
        if (expr->kind == Kind::constant && !expr->is_null && !expr->text.empty() && std::all_of(expr->text.begin(), expr->text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
            meets(given(*expr));
            const std::size_t at = std::stoul(expr->text.substr(0, 9));
            if (at >= 1 && at <= outputs.size()) decides(outputs[at - 1].second);
            continue;
        }
        if (expr->kind == Kind::column && expr->name.parts.size() == 1) {
            const auto named = std::find_if(outputs.begin(), outputs.end(), [&](const auto& output) { return output.first == expr->name.last(); });
            if (named != outputs.end()) {
                decides(named->second);
                continue;
            }
        }
        decides(eval(*expr, scope, ctes));
    }
}

/// Inside a routine: a name for one of its arguments, which is given where it is called.
bool Analyzer::is_given_argument(const Expr& expr, const Scope& scope) const {
    if (expr.name.parts.size() != 1) return false;
    for (const Scope* in = &scope; in != nullptr; in = in->outer)
        for (const ScopeTable& table : in->tables)
            if (!table.complete || table.unknown_is_opaque || table.alias == expr.name.last() || std::ranges::find(table.columns, expr.name.last(), &ScopeColumn::name) != table.columns.end()) return false;
    const auto named = std::ranges::find(named_parameters_, expr.name.last(), &std::pair<std::string, Value>::first);
    return named != named_parameters_.end() && named->second.is_given;
}

/// Made of constants and parameters alone; with a scope, also of the routine's arguments that are.
bool Analyzer::is_given(const Expr& expr, const Scope* scope) const {
    if (expr.newer) return false;
    switch (expr.kind) {
        case Kind::constant: return true;
        case Kind::parameter:
            if (scope != nullptr && !parameters_.empty()) return expr.number >= 1 && static_cast<std::size_t>(expr.number) <= parameters_.size() && parameters_[static_cast<std::size_t>(expr.number) - 1]->is_given;
            return parameters_.empty();
        case Kind::column: return scope != nullptr && is_given_argument(expr, *scope);
        case Kind::cast: case Kind::array: case Kind::row: case Kind::combine: case Kind::operation:
            if (expr.text == "collate") return false;
            return std::all_of(expr.args.begin(), expr.args.end(), [&](const tree::ExprPtr& arg) { return is_given(*arg, scope); });
        case Kind::call: {
            const FunctionRule* rule = expr.name.parts.empty() ? nullptr : dialect_.function("", expr.name.last());
            return rule != nullptr && rule->kind == FunctionKind::transparent && !expr.args.empty() &&
                   std::all_of(expr.args.begin(), expr.args.end(), [&](const tree::ExprPtr& arg) { return is_given(*arg, scope); });
        }
        default: return false;
    }
}

/// `stored` = a column of VALUES: each of its values stands there. What is computed of several such columns may be many more. Both stand in
/// one FROM, and only rows that match come: the others would come in the order of their hashes (PostgreSQL, nodeHashjoin.c: unmatched rows of
/// the inner side, batches).
bool Analyzer::is_one_of_given(const Expr& expr, const Expr& stored, const Scope& scope) const {
    if (keeps_others_ || table_of(*plain_column(stored), scope) == nullptr) return false;
    const Expr* column = without_casts(&expr);
    const ScopeTable* table = column->kind == Kind::column ? table_of(*column, scope) : nullptr;
    return table != nullptr && std::ranges::any_of(table->columns, [&](const ScopeColumn& one) { return one.name == column->name.last() && one.value.is_given; });
}

/// A list that is written out, or comes as one parameter: a computed one holds any number of values, as a range does.
bool Analyzer::is_given_list(const Expr& expr) const {
    const Expr* inside = without_casts(&expr);
    return is_given(expr) && (inside->kind == Kind::array || inside->kind == Kind::constant || inside->kind == Kind::parameter);
}

/// bpchar pads and citext folds: which value it is stays.
bool Analyzer::keeps_characters(const Expr& cast) const {
    if (cast.modified || cast.name.parts.empty() || !is_word(cast.name.last(), {"bpchar", "citext"})) return false;
    if (names_.snapshot == nullptr) return true;
    const auto types = names_.snapshot->types(cast.name.last());
    return std::all_of(types.begin(), types.end(), [](const catalogue::Type* type) { return type->name == "citext" && type->kind == catalogue::TypeKind::base; });
}

/// The column, where the expression is one as far as equality goes: itself, a cast to text, lower/upper/trim of it.
const Expr* Analyzer::plain_column(const Expr& expr) const {
    const Expr* inside = &expr;
    for (int steps = 0; steps < 4; ++steps) {
        if (inside->kind == Kind::column) return inside;
        if (inside->kind == Kind::cast && inside->text.empty() && (keeps_text(*inside) || keeps_characters(*inside))) inside = inside->args[0].get();
        else if (keeps_equality(*inside)) inside = inside->args[0].get();
        else return nullptr;
    }
    return nullptr;
}

void Analyzer::predicate(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    switch (expr.kind) {
        case Kind::logic_and:
        case Kind::logic_or:
        case Kind::logic_not:
            for (const tree::ExprPtr& arg : expr.args) predicate(*arg, scope, ctes);
            return;
        case Kind::operation:
            // `<>` tells of a row what `=` does.
            if (expr.args.size() == 2 && (expr.name.last() == "=" || (expr.name.last() == "<>" && !utility_)) && expr.text.empty()) {
                for (int side = 0; side < 2; ++side) {
                    const Expr& one = *expr.args[static_cast<std::size_t>(side)];
                    const Expr& other = *expr.args[static_cast<std::size_t>(1 - side)];
                    if (plain_column(one) == nullptr || !(is_given(other, &scope) || is_one_of_given(other, one, scope))) continue;
                    const Value value = eval(one, scope, ctes);
                    // A whole row; or what is named like a column and computed further in: whether left(ssn, 1) equals something is no
                    // question about equality of ssn.
                    if (value.fields != nullptr || !value.tells_which()) break;
                    meets(merge(value, eval(other, scope, ctes)));
                    decides(value, Filter::Use::equality);
                    decides(operators_used(expr.name, side == 0 ? value : Value{}, side == 0 ? Value{} : value));
                    return;
                }
            }
            break;
        case Kind::comparison_any:
        case Kind::in_list:
            if (expr.name.last() == "=" && !expr.negated && plain_column(*expr.args[0]) != nullptr &&
                std::all_of(expr.args.begin() + 1, expr.args.end(), [&](const tree::ExprPtr& arg) { return expr.kind == Kind::in_list ? is_given(*arg, &scope) : is_given_list(*arg); })) {
                const Value value = eval(*expr.args[0], scope, ctes);
                if (value.fields != nullptr || !value.tells_which()) break;
                Value listed = value;
                for (std::size_t i = 1; i < expr.args.size(); ++i) add_givens(listed, eval(*expr.args[i], scope, ctes));
                meets(listed);
                decides(value, Filter::Use::equality);
                decides(operators_used(expr.name, value, {}));
                return;
            }
            break;
        default: break;
    }
    decides(eval(expr, scope, ctes));
}

// `name = 'x' AND …`: what the rows that come have there.
void Analyzer::remember_constants(const Expr& where, Scope& scope) const {
    if (where.kind == Kind::logic_and) {
        for (const tree::ExprPtr& arg : where.args) remember_constants(*arg, scope);
        return;
    }
    if (where.kind != Kind::operation || where.args.size() != 2 || where.name.last() != "=" || !where.text.empty()) return;
    for (std::size_t side = 0; side < 2; ++side) {
        const Expr& column = *where.args[side];
        const Expr* constant = told_by(*where.args[1 - side]);
        if (column.kind == Kind::column && !column.name.parts.empty() && constant != nullptr)
            scope.known.emplace_back(column.name.last(), constant->text);
    }
}

/// Rows that the statement itself gives, or that a restricted query chooses.
bool Analyzer::rows_are_given(const tree::Query* query) const {
    if (query == nullptr || !query->values.empty()) return true;
    if (query->combine != tree::Query::Combine::none) return rows_are_given(query->left.get()) && rows_are_given(query->right.get());
    if (query->from.empty()) return true;
    if (query->limit != nullptr) return true;
    Scope nothing;
    if (query->where != nullptr && truth(*query->where, nothing) != Truth::always) return true;
    return std::all_of(query->from.begin(), query->from.end(), [&](const tree::From& from) {
        if (from.kind == tree::From::Kind::subquery) return rows_are_given(from.query.get());
        return from.kind == tree::From::Kind::functions &&
               std::all_of(from.functions.begin(), from.functions.end(), [&](const tree::ExprPtr& function) { return is_given(*function); });
    });
}

}  // namespace dbguard::sql
