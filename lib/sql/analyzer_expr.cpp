// Values: where they come from.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

bool is_json_step(const std::string& name) { return name == "->" || name == "->>" || name == "#>" || name == "#>>"; }

// '{a,b}' → a, b; nothing where it is not that plain.
std::optional<std::vector<std::string>> plain_array(const std::string& text) {
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') return {};
    // Quotes, escapes, arrays of arrays, and white space other than blanks, which the server takes away (PostgreSQL, array_isspace).
    if (text.find_first_of("\"\\{\t\n\v\f\r", 1) != std::string::npos) return {};
    std::vector<std::string> out;
    std::string item;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == ',' || text[i] == '}') {
            const std::size_t begin = item.find_first_not_of(' ');
            const std::size_t end = item.find_last_not_of(' ');
            if (begin != std::string::npos) out.push_back(item.substr(begin, end - begin + 1));
            item.clear();
        } else {
            item.push_back(text[i]);
        }
    }
    return out;
}

/// Whether an array or a row is written somewhere in it.
bool makes_structure(const Expr& expr) {
    bool found = false;
    tree::visit(expr, [&](const Expr& part) { found = found || part.kind == Kind::row || part.kind == Kind::array || part.kind == Kind::array_query; });
    return found;
}

}  // namespace

// Put together often enough, such a value grows as long as one likes, or stays empty.
bool share_sources(const Value& a, const Value& b) {
    return std::any_of(a.sources.begin(), a.sources.end(), [&](const Source& source) {
        return source.flow != Flow::existence && std::any_of(b.sources.begin(), b.sources.end(), [&](const Source& other) { return other.column == source.column && other.flow != Flow::existence; });
    });
}

bool is_number(const std::string& text) {
    return !text.empty() && std::all_of(text.begin() + (text[0] == '-' ? 1 : 0), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Value Analyzer::member(const Value& of, const std::string& field, bool array_step) const {
    if (of.fields != nullptr)
        for (const auto& [name, value] : *of.fields)
            if (name == field) return value;
    Value out = of;
    out.is_row = false;
    out.fields.reset();
    out.type = 0;
    if (const catalogue::Relation* members = members_of(of.type); members != nullptr && !array_step)
        if (const catalogue::Column* known = members->column(field); known != nullptr) out.type = known->type;
    for (Source& source : out.sources) {
        source.flow = std::min(source.flow, Flow::transformed);
        if (of.steps && !array_step) source.path.push_back(field);
    }
    return out;
}

// `profile->'tax'->>'tin'`: the member read, when it is told by constants; empty when the operator is no step.
std::optional<Value> Analyzer::path_step(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    if (expr.kind != Kind::operation || expr.args.size() != 2 || !is_json_step(expr.name.last())) return {};
    const Value base = eval(*expr.args[0], scope, ctes);
    const Expr* key = told_by(*expr.args[1]);
    if (base.steps) literals_matter_ = true;
    // json keeps the text: what is not to be had as a character shows when it is read.
    const bool reads_text = base.structured || expr.args[0]->kind == Kind::parameter;
    Value out;
    if (base.members != nullptr && key != nullptr && !is_number(key->text) && (expr.name.last() == "->" || expr.name.last() == "->>")) {
        literals_matter_ = true;
        for (const auto& [name, value] : *base.members)
            if (name == key->text || value.structured || value.opaque || !value.functions.empty() || value.may_fail || value.is_seen) out = merge(out, value);
        out = through(std::move(out), Flow::transformed);
        out.fallible = true;
        out.may_fail = out.has_value();
        add_givens(out, given(*key));
        return out;
    }
    if (!base.steps || key == nullptr) {
        out = through(merge(base, eval(*expr.args[1], scope, ctes)), Flow::transformed);
        if (reads_text) {
            out.fallible = true;
            if (out.has_value()) out.may_fail = true;
        }
        return out;
    }
    const bool one = expr.name.last() == "->" || expr.name.last() == "->>";
    if (one) out = member(base, key->text, is_number(key->text));
    const auto path = one ? std::nullopt : plain_array(key->text);
    if (path) {
        out = base;
        for (const std::string& step : *path) out = member(out, step, is_number(step));
    }
    if (!one && (!path || path->empty())) out = through(base, Flow::transformed);
    if (reads_text) out.fallible = true;
    add_givens(out, given(*key));
    return out;
}

/// `to_jsonb(row) - 'column'`, `- ARRAY['a', 'b']`: what is left of the row. Empty: it is something else.
std::optional<Value> Analyzer::without_members(const Expr& expr, const Value& left) const {
    if (expr.args.size() != 2 || expr.name.last() != "-" || !expr.text.empty()) return {};
    std::vector<std::string> gone;
    const Expr* list = without_casts(expr.args[1].get());
    if (list->kind == Kind::array) {
        for (const tree::ExprPtr& item : list->args) {
            const Expr* one = told_by(*item);
            if (one == nullptr) return {};
            gone.push_back(one->text);
        }
    } else if (expr.args[1]->kind == Kind::cast && expr.args[1]->text == "[]") {
        const auto listed = list->kind == Kind::constant ? plain_array(list->text) : std::nullopt;
        if (!listed) return {};
        gone = *listed;
    } else if (const Expr* key = told_by(*expr.args[1]); key != nullptr && key->quoted) {
        if (is_number(key->text)) return {};
        gone.push_back(key->text);
    } else {
        return {};
    }
    literals_matter_ = true;
    Value out;
    auto members = std::make_shared<std::vector<std::pair<std::string, Value>>>();
    for (const auto& [name, value] : *left.members) {
        // What its type makes of itself, before it is taken away, may be somebody's.
        if (std::ranges::find(gone, name) != gone.end() && !value.structured && !value.opaque && value.functions.empty() && !value.may_fail && !value.is_seen) continue;
        out = merge(out, through(value, Flow::transformed));
        members->emplace_back(name, value);
    }
    out.fallible = out.structured = true;
    out.may_fail = out.has_value();
    out.members = std::move(members);
    return out;
}

/// `of` as one of the type that the cast says.
Value Analyzer::cast(const Expr& expr, Value of) {
    Value out = std::move(of);
    const bool row = out.is_row && out.fields != nullptr;
    auto fields = out.fields;
    const Value given_to = out;
    meet_type(given_to.type);
    out = through(std::move(out), Flow::transformed);
    if (expr.text.empty() && !expr.name.parts.empty() && is_word(expr.name.last(), {"json", "jsonb"})) out.members = given_to.members;
    out.same_value = given_to.tells_which() && !given_to.is_row && expr.text.empty() && (keeps_text(expr) || keeps_characters(expr));
    const bool plain = expr.text.empty() && (keeps_text(expr) || (expr.modified && expr.name.last() == "varchar"));
    if (!plain) out.fallible = true;
    if (out.has_value() && !plain) out.may_fail = true;
    if (row && expr.name.last() == "record") out.fields = fields;
    // To a type of the user's: its checks and casts are code.
    const catalogue::Type* to = nullptr;
    std::size_t place = 0;
    if (names_.snapshot != nullptr && !expr.name.parts.empty()) {
        for (const catalogue::Type* type : names_.snapshot->types(expr.name.last())) {
            if (expr.name.parts.size() > 1 && type->schema != expr.name.parts[expr.name.parts.size() - 2] && expr.name.parts[expr.name.parts.size() - 2] != "pg_temp") continue;
            out = merge(out, through(coerce(type->id, given_to), Flow::transformed));
            // Of several the one that the search path finds first.
            const std::size_t here = expr.name.parts.size() > 1 ? 0 : place_in_path(type->schema);
            if (to != nullptr && here >= place) continue;
            place = here;
            to = type;
        }
        if (to != nullptr) out.type = expr.text.empty() ? to->id : 0;
        // From one, or from an array or a domain of it, to one of the server's own.
        const auto made_of = [&](catalogue::Id source) {
            catalogue::Id id = given_to.type;
            for (int steps = 0; id != 0 && id != source && steps < 32; ++steps) {
                const catalogue::Type* type = names_.snapshot->type(id);
                id = type == nullptr ? 0 : type->kind == catalogue::TypeKind::domain ? type->base : type->element;
            }
            return id == source;
        };
        for (const catalogue::Cast& cast : names_.snapshot->casts())
            if ((given_to.type != 0 ? made_of(cast.source) : types_.contains(cast.source)) && names_.snapshot->type(cast.target) == nullptr) out = merge(out, through(cast_by(cast, given_to), Flow::transformed));   // and cut, or converted again
        const catalogue::Id built_in = dialect_.type(expr.name.last());
        if (to != nullptr) out.rows_inside = spreads(to->id);
        else if (built_in != 0 && expr.name.last() != "record" && expr.name.last() != "_record") out.rows_inside = false;
        if (built_in != 0 && expr.text.empty() && !dialect_.spread_columns(built_in).empty()) {
            out.type = built_in;
            out.rows_inside = true;
        }
        // A text as another: nothing is computed.
        if (expr.text.empty() && keeps_text(expr) && is_text(given_to.type) && out.functions == given_to.functions && out.opaque == given_to.opaque) {
            out.sources = given_to.sources;
            out.type = built_in;
        }
    }
    return out;
}

/// text and varchar, which differ by name alone.
bool Analyzer::is_text(catalogue::Id type) const { return type != 0 && (type == dialect_.type("text") || type == dialect_.type("varchar")); }

/// Of CASE and COALESCE: the arguments that may be the value; the others choose.
static bool may_be_the_value(const Expr& expr, std::size_t i) {
    if (expr.text == "coalesce") return true;
    if (expr.text != "case") return false;
    if (i + 1 == expr.args.size()) return true;   // ELSE
    return expr.number == 0 ? i % 2 == 1 : i > 0 && i % 2 == 0;
}

/// CASE and COALESCE that give one of their arguments as it is, whatever is chosen by: all that come from columns are of one type, and
/// what else may come becomes one of that, too.
bool Analyzer::gives_one_of(const Expr& expr, const std::vector<Value>& args) const {
    catalogue::Id type = 0;
    bool plain = true;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (!may_be_the_value(expr, i)) continue;
        if (args[i].is_row || args[i].fields != nullptr || args[i].rows_inside) return false;
        if (!args[i].has_value()) {
            plain = plain && expr.args[i]->kind == Kind::constant;
            continue;
        }
        if (args[i].type == 0 || (type != 0 && args[i].type != type && !(is_text(type) && is_text(args[i].type)))) return false;
        type = args[i].type;
    }
    // To text nothing comes by a conversion that changes what stands there, unless that is somebody's code.
    return type != 0 && (plain || is_text(type)) && !casts_may_be_unsaid();
}

Value Analyzer::eval(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    Value out = value_of(expr, scope, ctes);
    if (!expr.newer || expr.name.parts.empty()) return out;
    // To an older server it is a column or a variable, where there are no arguments, or a call of a user's function.
    const std::string& name = expr.column_name.empty() ? expr.name.last() : expr.column_name;
    if (expr.args.empty()) {
        for (const Scope* in = &scope; in != nullptr; in = in->outer) {
            Value column;
            bool uncertain = false;
            const bool found = find_column(name, *in, column, uncertain);
            out = merge(out, column);
            if (found) break;
        }
        for (const auto& [named, variable] : named_parameters_)
            if (named == name) out = merge(out, variable);
    }
    std::vector<Value> args;
    for (const tree::ExprPtr& arg : expr.args) args.push_back(eval(*arg, scope, ctes));
    if (const MadeRelation* made = made_function(tree::Name{{name}, expr.at}); made != nullptr) {
        // Of this very message: nothing is known of it.
        Effect& called = out_.effects.emplace_back();
        called.effect_class = EffectClass::call;
        called.objects.push_back({made->schema, name, {}, false, false, false});
        called.detail = "a function that the same message makes";
        out_.runs_code = out_.calls_code = true;
        out.functions.push_back(made->schema + "." + name);
    }
    std::vector<const catalogue::Function*> users;
    if (names_.snapshot != nullptr)
        for (const catalogue::Function* function : names_.snapshot->functions(name))
            if (reachable(nullptr, function->schema)) users.push_back(function);
    return users.empty() ? out : merge(out, call_user(users, {}, args));
}

/// `t.*` of something whose columns the query calls otherwise.
static bool shows_renamed(const Expr& star, const Scope& scope) {
    for (const Scope* in = &scope; in != nullptr; in = in->outer)
        for (const ScopeTable& table : in->tables)
            if (table.renamed && (star.name.parts.empty() || table.alias == star.name.last())) return true;
    return false;
}

/// As the grammar reads it.
Value Analyzer::value_of(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    switch (expr.kind) {
        case Kind::column: {
            Value out = column(expr, scope);
            out.rows_inside = out.rows_inside || spreads(out.type);
            return out;
        }
        case Kind::star: {
            // count(*) never comes here; `t.*` as a value is the row.
            Result row;
            expand_star(expr, scope, row);
            Value out;
            for (const auto& [name, value] : row.outputs) out = merge(out, through(value, Flow::transformed));
            if (!shows_renamed(expr, scope)) out.fields = std::make_shared<const std::vector<std::pair<std::string, Value>>>(row.outputs);
            out.is_row = true;
            return out;
        }
        case Kind::constant: return given(expr);
        case Kind::set_default:
        case Kind::current_of: return {};
        case Kind::parameter: {
            const auto number = static_cast<std::size_t>(expr.number);
            if (number >= 1 && number <= parameters_.size()) return *parameters_[number - 1];
            return given(expr);
        }
        case Kind::call: return call(expr, scope, ctes);
        case Kind::operation: {
            if (auto step = path_step(expr, scope, ctes)) {
                const Value code = operators_used(expr.name, eval(*expr.args[0], scope, ctes), {});
                return code.has_value() ? merge(*step, code) : *step;
            }
            Value out, left, right;
            for (std::size_t i = 0; i < expr.args.size(); ++i) {
                Value value = eval(*expr.args[i], scope, ctes);
                meet_type(value.type);
                value.structured = value.structured || value.is_row;
                out = i == 0 ? value : merge(out, value);
                (i == 0 && expr.args.size() > 1 ? left : right) = std::move(value);
            }
            Value code = operators_used(expr.name, left, right);
            if (auto rest = left.members != nullptr && !code.has_value() && code.functions.empty() ? without_members(expr, left) : std::nullopt) return *rest;
            // [NOT] BETWEEN: comparisons by their names (PostgreSQL, transformAExprBetween).
            if (expr.text == "between" || expr.text == "not between")
                for (const char* way : {">=", "<=", "<", ">"}) code = merge(code, operators_used(tree::Name{{way}, expr.at}, left, right));
            out = merge(through(std::move(out), Flow::transformed), code);
            if (expr.name.last() == "||" && !dialect_.spread_columns(left.type).empty()) out.type = left.type;
            const bool grows = expr.name.last() == "||" && share_sources(left, right);
            // Parameters may be arrays, or json.
            const bool unknown = std::all_of(expr.args.begin(), expr.args.end(), [&](const tree::ExprPtr& arg) { return is_given(*arg); }) &&
                                 std::any_of(expr.args.begin(), expr.args.end(), [](const tree::ExprPtr& arg) { return arg->kind == Kind::parameter; });
            if (!dialect_.is_total(expr.name.last()) || !is_total_call(expr) || left.structured || right.structured || grows || unknown) {
                out.fallible = true;
                if (out.has_value()) out.may_fail = true;
            }
            return out;
        }
        case Kind::comparison_any:
        case Kind::in_list: {
            Value out;
            Value left;
            bool structured = false;
            for (std::size_t i = 0; i < expr.args.size(); ++i) {
                Value value = eval(*expr.args[i], scope, ctes);
                meet_type(value.type);
                // The list itself is an array; what counts is what stands in it.
                const bool list = i == 1 && expr.args[i]->kind == Kind::array;
                structured = structured || value.is_row || (value.structured && !list) ||
                             (list && std::any_of(expr.args[i]->args.begin(), expr.args[i]->args.end(), [&](const tree::ExprPtr& element) { return makes_structure(*element); }));
                if (i == 0) left = value;
                out = merge(out, value);
            }
            out = merge(through(std::move(out), Flow::transformed), operators_used(expr.name, left, {}));
            if (structured || !dialect_.is_total(expr.name.last()) || expr.name.last().find('~') != std::string::npos) {
                out.fallible = true;
                if (out.has_value()) out.may_fail = true;
            }
            return out;
        }
        case Kind::logic_and:
        case Kind::logic_or:
        case Kind::logic_not:
        case Kind::is_truth: {
            Value out;
            for (const tree::ExprPtr& arg : expr.args) out = merge(out, eval(*arg, scope, ctes));
            out = through(std::move(out), Flow::transformed);
            // Its other sides need not be computed once one has decided.
            if (out.has_value() && out.fallible && expr.args.size() > 1) out.may_fail = true;
            return out;
        }
        case Kind::is_null: {
            const Expr* tested = expr.args[0].get();
            const Value value = eval(*tested, scope, ctes);
            // Whether an expression is NULL can tell what it was computed from; a column's own NULL is existence.
            const bool plain = tested->kind == Kind::column && value.fields == nullptr;
            return plain ? existence_of(value) : value.is_row ? existence_of_row(value) : through(value, Flow::transformed);
        }
        case Kind::cast: return cast(expr, eval(*expr.args[0], scope, ctes));
        case Kind::member: {
            const Value of = eval(*expr.args[0], scope, ctes);
            if (of.fields == nullptr && !of.is_row && !of.steps) return through(of, Flow::transformed);
            return member(of, expr.text, false);
        }
        case Kind::member_star: {
            return through(eval(*expr.args[0], scope, ctes), Flow::transformed);
        }
        case Kind::subscript: {
            Value of = eval(*expr.args[0], scope, ctes);
            Value out = of;
            for (std::size_t i = 1; i < expr.args.size(); ++i) {
                const Expr* key = told_by(*expr.args[i]);
                if (of.steps) literals_matter_ = true;
                if (key != nullptr && of.steps) {
                    out = member(out, key->text, is_number(key->text));
                    add_givens(out, given(*key));
                } else out = through(merge(out, eval(*expr.args[i], scope, ctes)), Flow::transformed);
            }
            const bool steps = out.steps;
            out = through(std::move(out), Flow::transformed);
            out.steps = steps;
            return out;
        }
        case Kind::row: {
            Value out;
            auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
            for (const tree::ExprPtr& arg : expr.args) {
                Value value = eval(*arg, scope, ctes);
                meet_type(value.type);
                out = merge(out, through(value, Flow::transformed));
                fields->emplace_back("f" + std::to_string(fields->size() + 1), std::move(value));
            }
            out.is_row = out.structured = true;
            out.fields = std::move(fields);
            return out;
        }
        case Kind::array:
        case Kind::combine: {
            if (expr.text == "collate" && expr.args.size() == 1) {
                Value out = eval(*expr.args[0], scope, ctes);
                out.structured = true;
                return out;
            }
            Value out, code, first;
            std::vector<Value> args;
            bool alike = expr.kind == Kind::array;   // all of one type
            bool structured = false;   // what is compared, or put into an array of arrays
            // CASE x WHEN y and NULLIF compare by the operator that `=` is under the search path.
            const bool equates = (expr.text == "case" && expr.number != 0) || expr.text == "nullif";
            for (std::size_t i = 0; i < expr.args.size(); ++i) {
                const Value value = eval(*expr.args[i], scope, ctes);
                meet_type(value.type);
                out = merge(out, value);
                args.push_back(value);
                if (i == 0) first = value;
                alike = alike && value.type == first.type;
                const bool compared = equates && i % 2 == 1 && i + (expr.text == "case" ? 1 : 0) < expr.args.size();
                if (compared) code = merge(code, operators_used(tree::Name{{"="}, expr.at}, first, value));
                structured = structured || ((compared || expr.kind == Kind::array) && (first.structured || first.is_row || value.structured || value.is_row));
            }
            const bool gives_one = gives_one_of(expr, args);
            Value one;
            for (std::size_t i = 0; i < args.size() && gives_one; ++i) one = merge(one, may_be_the_value(expr, i) ? args[i] : through(args[i], Flow::transformed));
            out = through(std::move(out), Flow::transformed);
            if (gives_one) out.sources = one.sources;
            if (code.has_value()) out = merge(out, through(code, Flow::transformed));
            // Which side is computed depends on another: whether it fails, or leaves a trace, tells.
            const bool chooses = expr.text == "case" || expr.text == "coalesce";
            const bool parses = expr.text == "xml" || expr.text == "json" || expr.text == "xmlserialize";
            const bool compares = structured || (out.structured && (expr.text == "nullif" || expr.text == "greatest" || expr.text == "least"));
            if (parses || compares) out.fallible = true;
            if (out.has_value() && ((chooses && out.fallible) || parses || compares)) out.may_fail = true;
            if (expr.kind == Kind::array) out.structured = true;
            if (alike) out.type = array_of(first.type);
            return out;
        }
        case Kind::exists: {
            (void)query(*expr.query, &scope, ctes, true);
            Value out;
            out.fallible = true;   // how long it takes shows, where something chooses whether it runs
            return out;
        }
        case Kind::scalar_query: {
            const Result result = query(*expr.query, &scope, ctes, false);
            Value out;
            if (result.outputs.size() == 1 && result.exact) {
                out = result.outputs[0].second;
            } else {
                for (const auto& [name, value] : result.outputs) out = merge(out, value);
                out = through(std::move(out), Flow::transformed);
            }
            out.fallible = true;   // more than one row; and how long it takes shows, where something chooses whether it runs
            return out;
        }
        case Kind::array_query: {
            const Result result = query(*expr.query, &scope, ctes, false);
            Value out;
            for (const auto& [name, value] : result.outputs) out = merge(out, value);
            out.opaque = out.opaque || !result.exact;
            out.fallible = out.structured = true;
            out = through(std::move(out), Flow::aggregated);
            if (result.outputs.size() == 1) out.type = array_of(result.outputs[0].second.type);
            return out;
        }
        case Kind::any_query: {
            const Result result = query(*expr.query, &scope, ctes, false);
            Value out = expr.args.empty() ? Value{} : eval(*expr.args[0], scope, ctes);
            const Value left = out;
            for (const auto& [name, value] : result.outputs) out = merge(out, value);
            out.fallible = true;
            if (out.structured && out.has_value()) out.may_fail = true;
            const Value code = operators_used(expr.name.parts.empty() ? tree::Name{{"="}, expr.at} : expr.name, left, {});
            return merge(through(std::move(out), Flow::transformed), code);
        }
        case Kind::opaque: {
            unresolved(expr.text.empty() ? "part of the statement was not understood" : expr.text, expr.at);
            Value out;
            out.opaque = true;
            return out;
        }
    }
    return {};
}

}  // namespace dbguard::sql
