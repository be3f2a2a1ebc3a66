// Queries, values and calls.

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

bool is_json_step(const std::string& name) { return name == "->" || name == "->>" || name == "#>" || name == "#>>"; }

bool is_number(const std::string& text) {
    return !text.empty() && std::all_of(text.begin() + (text[0] == '-' ? 1 : 0), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// '{a,b}' → a, b; nothing where it is not that plain.
std::optional<std::vector<std::string>> plain_array(const std::string& text) {
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') return {};
    if (text.find_first_of("\"\\{", 1) != std::string::npos) return {};
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
        result = this->query(*query.left, outer, ctes, nested);
        const Result right = this->query(*query.right, outer, ctes, nested);
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
    // A value computed on the way, wanted or not: whether that fails is seen.
    if (nested)
        for (const auto& [name, value] : result.outputs)
            if (value.has_value() && (quiet_ ? value.is_seen : value.may_fail || value.is_seen)) decides(through(value, Flow::transformed));
    return result;
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

/// The columns of a composite type.
const catalogue::Relation* Analyzer::members_of(catalogue::Id type_id) const {
    const catalogue::Type* type = names_.snapshot == nullptr || type_id == 0 ? nullptr : names_.snapshot->type(type_id);
    while (type != nullptr && type->kind == catalogue::TypeKind::domain) type = names_.snapshot->type(type->base);
    if (type == nullptr || type->kind != catalogue::TypeKind::composite) return nullptr;
    const catalogue::Relation* members = names_.snapshot->relation(type->relation);
    return members == nullptr || members->columns.empty() ? nullptr : members;
}

// An operator made from a function that is not vetted is a call of that function, where its sides can be of its types.
Value Analyzer::operators_used(const tree::Name& name, const Value& left, const Value& right) {
    Value out;
    if (names_.snapshot == nullptr || name.parts.empty()) return out;
    for (const catalogue::Operator* op : names_.snapshot->operators(name.last())) {
        if (left.type != 0 && op->left != 0 && left.type != op->left) continue;
        if (right.type != 0 && op->right != 0 && right.type != op->right) continue;
        const catalogue::Function* function = names_.snapshot->function(op->function);
        if (function == nullptr) {
            // A built-in function under another operator's name: what the text says is not what it does.
            Effect& called = out_.effects.emplace_back();
            called.effect_class = EffectClass::call;
            called.objects.push_back({op->schema, op->name, {}, false, true, false});
            called.detail = "an operator that is not built in";
            continue;
        }
        const Value both = merge(left, right);
        Value code = call_user({function}, {}, {left, right});
        // What a vetted function gives comes from its sides, which the caller has.
        if (!code.functions.empty() || code.opaque || code.sources != through(both, Flow::transformed).sources) out = merge(out, code);
    }
    return out;
}

/// What a cast made by a user gives: a call of its function.
Value Analyzer::cast_by(const catalogue::Cast& cast, const Value& value) {
    if (const catalogue::Function* function = names_.snapshot->function(cast.function); function != nullptr) return call_user({function}, {}, {value});
    return built_in_part(cast.built_in, value);
}

/// A function of the server's own that the server calls by itself: as a part of an aggregate or of a cast.
Value Analyzer::built_in_part(const std::string& name, const Value& value) {
    const FunctionRule* rule = dialect_.function("", name);
    if (rule != nullptr && (rule->kind == FunctionKind::transparent || rule->kind == FunctionKind::aggregate || rule->kind == FunctionKind::counting)) return through(value, Flow::transformed);
    if (rule == nullptr) {
        // Parts of the server's own aggregates are in no list of functions to be called; with a state of the server's own they do no more.
        return through(value, Flow::transformed);
    }
    Expr call;
    call.kind = Kind::call;
    call.name.parts = {std::string(dialect_.system_schema), name};
    return call_built_in(*rule, call, value, Scope{});
}

/// `value` becomes one of that type of the user's: a domain's checks and the casts to it are code.
Value Analyzer::coerce(catalogue::Id id, Value value) {
    Value out;
    for (int steps = 0; steps < 32; ++steps) {
        meet_type(id);
        const catalogue::Type* type = names_.snapshot->type(id);
        if (type == nullptr) break;
        for (const std::string& check : type->checks) {
            const ParsedText parsed = dialect_.parse("SELECT " + check);
            if (!parsed.error.empty() || parsed.statements.size() != 1 || parsed.statements[0].query == nullptr || depth_ >= 16) {
                out.opaque = true;
                continue;
            }
            auto outer = std::exchange(named_parameters_, {{"value", value}});
            const auto* outer_path = path_;
            path_ = &names_.snapshot->rendered_under().search_path;
            const bool outer_foreign = std::exchange(foreign_, true);
            ++depth_;
            // It fails where the check does not hold.
            decides(eval(*parsed.statements[0].query->items[0].expr, Scope{}, nullptr));
            --depth_;
            foreign_ = outer_foreign;
            path_ = outer_path;
            named_parameters_ = std::move(outer);
        }
        for (const catalogue::Cast& cast : names_.snapshot->casts())
            if (cast.target == id) out = merge(out, cast_by(cast, value));
        if (type->kind == catalogue::TypeKind::domain) id = type->base;
        else if (type->element != 0) id = type->element;
        else break;
    }
    return out;
}

/// Types of the user's own that a statement computes with: where there are casts between them, the server may apply one unsaid.
void Analyzer::meet_type(catalogue::Id id) {
    if (names_.snapshot == nullptr || names_.snapshot->casts().empty()) return;
    for (int steps = 0; id != 0 && steps < 32; ++steps) {
        const catalogue::Type* type = names_.snapshot->type(id);
        if (type == nullptr || !types_.insert(id).second) return;
        if (const catalogue::Relation* members = members_of(id); members != nullptr)
            for (const catalogue::Column& column : members->columns) meet_type(column.type);
        id = type->kind == catalogue::TypeKind::domain ? type->base : type->element;
    }
}

/// Casts that the server applies without being told to (AS ASSIGNMENT, AS IMPLICIT): each counts where the statement computes
/// with a value of one of its types, with all that it computes as the argument.
void Analyzer::casts_unsaid(Statement& done) {
    if (types_.empty()) return;
    const auto plain = [&](const Output& output) { return !compares_sets_ && output.functions.empty() && !output.opaque && output.sources.size() == 1 && output.sources[0].flow == Flow::identity; };
    for (const catalogue::Cast& cast : names_.snapshot->casts()) {
        if (!cast.silent || (!types_.contains(cast.source) && !types_.contains(cast.target))) continue;
        const catalogue::Function* function = names_.snapshot->function(cast.function);
        if (function != nullptr && !function->extension.empty() && dialect_.extension_function(function->extension, function->name) != nullptr) continue;
        Value computed;
        for (const Output& output : done.outputs)
            if (!plain(output)) {
                Value value;
                value.sources = output.sources;
                computed = merge(computed, value);
            }
        for (const Filter& filter : done.filters) {
            Value value;
            if (!filter.opaque && filter.functions.empty()) value.sources.push_back(filter.source);
            computed = merge(computed, value);
        }
        for (const Copy& copy : done.copies) {
            Value value;
            value.sources = copy.sources;
            computed = merge(computed, value);
        }
        const Value given = cast_by(cast, computed);
        if (!given.has_value()) continue;
        decides(given);
        for (Output& output : done.outputs) {
            if (plain(output)) continue;
            Value value;
            value.sources = output.sources;
            value.functions = output.functions;
            value.opaque = output.opaque;
            value = merge(value, given);
            output.sources = value.sources;
            output.functions = value.functions;
            output.opaque = value.opaque;
            output.may_fail = true;
        }
        for (Copy& copy : done.copies) {
            copy.opaque = copy.opaque || given.opaque;
            copy.functions.insert(copy.functions.end(), given.functions.begin(), given.functions.end());
        }
    }
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
    if (!base.steps || key == nullptr) return through(merge(base, eval(*expr.args[1], scope, ctes)), Flow::transformed);
    Value out;
    const bool one = expr.name.last() == "->" || expr.name.last() == "->>";
    if (one) out = member(base, key->text, is_number(key->text));
    const auto path = one ? std::nullopt : plain_array(key->text);
    if (path) {
        out = base;
        for (const std::string& step : *path) out = member(out, step, is_number(step));
    }
    if (!one && (!path || path->empty())) out = through(base, Flow::transformed);
    add_givens(out, given(*key));
    return out;
}

Value Analyzer::eval(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    switch (expr.kind) {
        case Kind::column: return column(expr, scope);
        case Kind::star: {
            // count(*) never comes here; `t.*` as a value is the row.
            Result row;
            expand_star(expr, scope, row);
            Value out;
            for (const auto& [name, value] : row.outputs) out = merge(out, through(value, Flow::transformed));
            out.fields = std::make_shared<const std::vector<std::pair<std::string, Value>>>(row.outputs);
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
                out = i == 0 ? value : merge(out, value);
                (i == 0 && expr.args.size() > 1 ? left : right) = std::move(value);
            }
            Value code = operators_used(expr.name, left, right);
            out = merge(through(std::move(out), Flow::transformed), code);
            if (!dialect_.is_total(expr.name.last()) || !is_total_call(expr)) {
                out.fallible = true;
                if (out.has_value()) out.may_fail = true;
            }
            return out;
        }
        case Kind::comparison_any:
        case Kind::in_list: {
            Value out;
            Value left;
            for (std::size_t i = 0; i < expr.args.size(); ++i) {
                Value value = eval(*expr.args[i], scope, ctes);
                meet_type(value.type);
                if (i == 0) left = value;
                out = merge(out, value);
            }
            out = merge(through(std::move(out), Flow::transformed), operators_used(expr.name, left, {}));
            if (!dialect_.is_total(expr.name.last()) || expr.name.last().find('~') != std::string::npos) {
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
            return plain ? existence_of(value) : through(value, Flow::transformed);
        }
        case Kind::cast: {
            Value out = eval(*expr.args[0], scope, ctes);
            const bool row = out.is_row && out.fields != nullptr;
            auto fields = out.fields;
            const Value given_to = out;
            meet_type(given_to.type);
            out = through(std::move(out), Flow::transformed);
            const bool plain = expr.text.empty() && (keeps_text(expr) || (expr.modified && expr.name.last() == "varchar"));
            if (!plain) out.fallible = true;
            if (out.has_value() && !plain) out.may_fail = true;
            if (row && expr.name.last() == "record") out.fields = fields;
            // To a type of the user's: its checks and casts are code.
            if (names_.snapshot != nullptr && !expr.name.parts.empty()) {
                for (const catalogue::Type* type : names_.snapshot->types(expr.name.last())) {
                    if (expr.name.parts.size() > 1 && type->schema != expr.name.parts[expr.name.parts.size() - 2] && expr.name.parts[expr.name.parts.size() - 2] != "pg_temp") continue;
                    out = merge(out, coerce(type->id, given_to));
                    out.type = expr.text.empty() ? type->id : 0;
                }
                // From one, to one of the server's own.
                for (const catalogue::Cast& cast : names_.snapshot->casts())
                    if ((given_to.type != 0 ? cast.source == given_to.type : types_.contains(cast.source)) && names_.snapshot->type(cast.target) == nullptr)
                        out = merge(out, cast_by(cast, given_to));
            }
            return out;
        }
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
            out.is_row = true;
            out.fields = std::move(fields);
            return out;
        }
        case Kind::array:
        case Kind::combine: {
            Value out;
            for (const tree::ExprPtr& arg : expr.args) {
                const Value value = eval(*arg, scope, ctes);
                meet_type(value.type);
                out = merge(out, value);
            }
            out = through(std::move(out), Flow::transformed);
            // Which side is computed depends on another: whether it fails, or leaves a trace, tells.
            const bool chooses = expr.text == "case" || expr.text == "coalesce";
            const bool parses = expr.text == "xml" || expr.text == "json" || expr.text == "xmlserialize";
            if (parses) out.fallible = true;
            if (out.has_value() && ((chooses && out.fallible) || parses)) out.may_fail = true;
            return out;
        }
        case Kind::exists: {
            (void)query(*expr.query, &scope, ctes, true);
            return {};
        }
        case Kind::scalar_query: {
            const Result result = query(*expr.query, &scope, ctes, false);
            if (result.outputs.size() == 1 && result.exact) return result.outputs[0].second;
            Value out;
            for (const auto& [name, value] : result.outputs) out = merge(out, value);
            return through(std::move(out), Flow::transformed);
        }
        case Kind::array_query: {
            const Result result = query(*expr.query, &scope, ctes, false);
            Value out;
            for (const auto& [name, value] : result.outputs) out = merge(out, value);
            out.opaque = out.opaque || !result.exact;
            return through(std::move(out), Flow::aggregated);
        }
        case Kind::any_query: {
            const Result result = query(*expr.query, &scope, ctes, false);
            Value out = expr.args.empty() ? Value{} : eval(*expr.args[0], scope, ctes);
            const Value left = out;
            for (const auto& [name, value] : result.outputs) out = merge(out, value);
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

Value Analyzer::call(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    if (expr.name.parts.empty()) return {};
    const std::string& name = expr.name.last();
    const std::string* schema = expr.name.parts.size() > 1 ? &expr.name.parts[expr.name.parts.size() - 2] : nullptr;

    std::vector<Value> args;
    Value all;
    for (const tree::ExprPtr& arg : expr.args) {
        args.push_back(eval(*arg, scope, ctes));
        meet_type(args.back().type);
        all = merge(all, args.back());
    }
    // FILTER decides like a WHERE, ORDER BY and PARTITION BY like their namesakes.
    for (const tree::ExprPtr& decider : expr.decides) predicate(*decider, scope, ctes);
    if (expr.distinct) decides(all);

    // Code that may see and do anything.
    const auto unvetted = [&](std::string in) {
        Effect& called = out_.effects.emplace_back();
        called.effect_class = EffectClass::call;
        Object function;
        function.schema = std::move(in);
        function.name = name;
        called.objects.push_back(function);
        out_.runs_code = true;
        Value out = through(all, Flow::transformed);
        out.functions.push_back(function.schema + "." + function.name);
        return out;
    };
    // Made or replaced by the same message: what the catalogue knows by that name may not be it.
    if (const MadeRelation* made = made_function(expr.name)) return unvetted(made->schema);

    // What the search path can find: a function of the user's may stand before, or match better than, the built-in one.
    std::vector<const catalogue::Function*> users;
    if (names_.snapshot != nullptr && names_.context != nullptr) {
        const auto& path = path_ != nullptr ? *path_ : names_.context->search_path;
        for (const catalogue::Function* function : names_.snapshot->functions(name)) {
            const bool reachable = schema != nullptr ? function->schema == *schema || (*schema == "pg_temp" && function->schema == names_.context->temp_schema)
                                                     : std::find(path.begin(), path.end(), function->schema) != path.end();
            if (reachable) users.push_back(function);
        }
    }
    const bool built_in_reachable = schema == nullptr || dialect_.is_system_schema(*schema);
    const FunctionRule* rule = built_in_reachable ? dialect_.function(schema == nullptr ? std::string_view() : std::string_view(*schema), name) : nullptr;

    // f(t) is t.f where the row has such a column.
    if (users.empty() && args.size() == 1 && args[0].is_row && (rule == nullptr || args[0].fields != nullptr)) {
        if (args[0].fields != nullptr)
            for (const auto& [field, value] : *args[0].fields)
                if (field == name && rule == nullptr) return value;
        if (rule == nullptr && args[0].steps) return member(args[0], name, false);
    }

    if (!users.empty()) {
        Value value = call_user(users, expr, args);
        if (rule != nullptr) value = merge(value, call_built_in(*rule, expr, all, scope));
        return value;
    }
    if (rule != nullptr) {
        if ((name == "jsonb_extract_path" || name == "jsonb_extract_path_text" || name == "json_extract_path" || name == "json_extract_path_text") && !args.empty() && args[0].steps) {
            Value out = args[0];
            literals_matter_ = true;
            bool constant = !expr.variadic;
            for (std::size_t i = 1; i < expr.args.size(); ++i) constant = constant && told_by(*expr.args[i]) != nullptr;
            for (const std::string& named : expr.argument_names) constant = constant && named.empty();
            if (constant && expr.args.size() > 1) {
                for (std::size_t i = 1; i < expr.args.size(); ++i) {
                    const std::string& step = told_by(*expr.args[i])->text;
                    out = member(out, step, is_number(step));
                }
                return out;
            }
        }
        return call_built_in(*rule, expr, all, scope);
    }
    if (built_in_reachable && schema == nullptr) {
        unknown_name("function " + name + " is not known", expr.name.at);
    }
    return unvetted(schema != nullptr ? *schema : std::string(dialect_.system_schema));
}

Value Analyzer::call_built_in(const FunctionRule& rule, const Expr& expr, const Value& args, const Scope& scope) {
    const auto add_effect = [&](EffectClass effect_class, std::string detail) -> Effect& {
        Effect& effect = out_.effects.emplace_back();
        effect.effect_class = effect_class;
        effect.detail = std::move(detail);
        return effect;
    };
    const auto function_object = [&] {
        Object function;
        function.schema = std::string(dialect_.system_schema);
        function.name = std::string(rule.name);
        return function;
    };
    // Whether it was computed shows, whatever it gives.
    const auto seen = [] {
        Value out;
        out.fallible = out.is_seen = true;
        return out;
    };
    const auto stored_in = [&](const char* where) {
        decides(args);
        Copy stored;
        stored.target_name = where;
        stored.sources = args.sources;
        stored.functions = args.functions;
        stored.opaque = args.opaque;
        copy_out(std::move(stored));
    };
    if (rule.returns_set) decides(args);
    switch (rule.kind) {
        case FunctionKind::transparent: {
            Value out = through(args, Flow::transformed);
            const bool total = dialect_.is_total(rule.name) && is_total_call(expr);
            out.fallible = out.fallible || !total;
            if (out.has_value() && !total) out.may_fail = true;
            // Computed anew each time, the server does not leave it out where nobody reads it (PostgreSQL: provolatile).
            static constexpr std::string_view moving[] = {"random", "random_normal", "setseed", "clock_timestamp", "timeofday", "gen_random_uuid", "pg_stat_get_snapshot_timestamp"};
            if (std::find(std::begin(moving), std::end(moving), rule.name) != std::end(moving)) out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::aggregate: return through(args, Flow::aggregated);
        case FunctionKind::counting:
            if (expr.args.size() == 1 && expr.args[0]->kind != Kind::column && !expr.star_argument) return through(args, Flow::aggregated);
            return existence_of(args);
        case FunctionKind::sequence: {
            add_effect(EffectClass::read_table, "a sequence");
            Value out = through(args, Flow::transformed);
            out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::sets_sequence: {
            add_effect(EffectClass::write_update, "setval changes a sequence");
            stored_in("a sequence");
            Value out = through(args, Flow::transformed);
            out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::reads_setting: return through(args, Flow::transformed);
        case FunctionKind::sets_setting: {
            literals_matter_ = true;
            Effect& set = add_effect(EffectClass::session_set, "set_config");
            const bool in_order = std::all_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return name.empty(); });
            const Expr* told = expr.args.empty() || !in_order ? nullptr : told_by(*expr.args[0]);
            std::string known_name = told != nullptr ? told->text : "";
            const Expr* setting = expr.args.empty() || !in_order ? nullptr : expr.args[0].get();
            while (setting != nullptr && setting->kind == Kind::cast && keeps_text(*setting)) setting = setting->args[0].get();
            if (setting != nullptr && setting->kind == Kind::column && !setting->name.parts.empty())
                for (const auto& [column, constant] : scope.known)
                    if (column == setting->name.last()) known_name = constant;
            if (!known_name.empty()) {
                set.setting = known_name;
                for (char& c : set.setting)
                    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
                const Expr* value = expr.args.size() > 1 ? told_by(*expr.args[1]) : nullptr;
                set.detail = value != nullptr ? value->text : "?";
                if (dialect_.only_restricts(set.setting)) {
                    out_.effects.pop_back();
                    out_.changes_settings = true;
                    return through(args, Flow::transformed);
                }
                if (set.setting == "role" || set.setting == "session_authorization") set.effect_class = EffectClass::session_role;
            } else {
                // A name that is only known when it runs.
                Object unknown;
                unknown.resolved = false;
                unknown.name = "a setting that is only known when the statement runs";
                set.objects.push_back(unknown);
            }
            out_.changes_settings = true;
            Copy stored;
            stored.target_name = "a setting";
            stored.sources = args.sources;
            stored.functions = args.functions;
            stored.opaque = args.opaque;
            copy_out(std::move(stored));
            Value out = through(args, Flow::transformed);
            out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::lock:
            add_effect(EffectClass::lock, "advisory lock");
            stored_in("a lock");   // pg_locks shows its number
            return seen();
        case FunctionKind::sleep:
            // How long it takes is a signal.
            decides(args);
            return seen();
        case FunctionKind::notify: {
            add_effect(EffectClass::notify, "pg_notify");
            Copy sent;
            sent.target_name = "a notification";
            sent.sources = args.sources;
            sent.functions = args.functions;
            sent.opaque = args.opaque;
            copy_out(std::move(sent));
            return seen();
        }
        case FunctionKind::runs_query: {
            const bool in_order = std::all_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return name.empty(); });
            const Expr* text = expr.args.empty() || !in_order ? nullptr : told_by(*expr.args[0]);
            literals_matter_ = true;
            if (rule.name == "ts_rewrite" && expr.args.size() != 2) return through(args, Flow::transformed);
            // The literals inside the text meet what it names.
            meets(args, true);
            if (rule.name == "ts_rewrite") text = in_order ? told_by(*expr.args[1]) : nullptr;
            if (text != nullptr) {
                const ParsedText parsed = dialect_.parse(text->text);
                if (parsed.error.empty()) {
                    Value out = args;
                    for (const tree::Statement& statement : parsed.statements) {
                        const bool outer_foreign = std::exchange(foreign_, true);
                        const Statement run = inner(statement);
                        foreign_ = outer_foreign;
                        absorb(run);
                        for (const Output& output : run.outputs) {
                            Value value;
                            value.sources = output.sources;
                            value.functions = output.functions;
                            value.opaque = output.opaque;
                            value.may_fail = output.may_fail;
                            out = merge(out, value);
                        }
                    }
                    return through(std::move(out), Flow::transformed);
                }
            }
            Effect& called = add_effect(EffectClass::call, "runs a text that is only known when the statement runs");
            called.objects.push_back(function_object());
            out_.runs_code = true;
            Value out = through(args, Flow::transformed);
            out.opaque = true;
            return out;
        }
        case FunctionKind::reads_by_name:
        case FunctionKind::shows_values: {
            Effect& called = add_effect(EffectClass::call, "reads data that its arguments name");
            called.objects.push_back(function_object());
            Value out = through(args, Flow::transformed);
            out.opaque = true;
            return out;
        }
        case FunctionKind::server: {
            Effect& called = add_effect(EffectClass::server, "");
            called.objects.push_back(function_object());
            called.detail = std::string(rule.name);
            Copy handed;
            handed.target_name = "an argument of " + std::string(rule.name);
            handed.sources = args.sources;
            handed.functions = args.functions;
            handed.opaque = args.opaque;
            copy_out(std::move(handed));
            Value out = through(args, Flow::transformed);
            out.functions.push_back(std::string(dialect_.system_schema) + "." + std::string(rule.name));
            return out;
        }
    }
    return {};
}

Value Analyzer::call_user(const std::vector<const catalogue::Function*>& candidates, const Expr& expr, const std::vector<Value>& args) {
    Value all;
    for (const Value& arg : args) all = merge(all, arg);
    Value out;
    for (const catalogue::Function* function : candidates) {
        if (const FunctionRule* rule = function->extension.empty() ? nullptr : dialect_.extension_function(function->extension, function->name)) {
            out = merge(out, through(all, rule->kind == FunctionKind::aggregate ? Flow::aggregated : Flow::transformed));
            continue;
        }
        // A candidate that cannot take so many arguments is none.
        if (candidates.size() > 1 && !function->variadic && function->arguments.size() < args.size() && function->kind == 'f' &&
            std::any_of(candidates.begin(), candidates.end(), [&](const catalogue::Function* other) { return other->arguments.size() >= args.size(); }))
            continue;
        Object called;
        called.schema = function->schema;
        called.name = function->name;
        const bool known = std::any_of(out_.effects.begin(), out_.effects.end(), [&](const Effect& effect) {
            return effect.effect_class == EffectClass::call && effect.objects.size() == 1 && effect.objects[0] == called;
        });
        if (!known) {
            Effect& effect = out_.effects.emplace_back();
            effect.effect_class = EffectClass::call;
            effect.objects.push_back(called);
            effect.detail = "a function that is not built in";
        }
        out_.runs_code = true;
        meet_type(function->returns);
        for (const catalogue::Id argument : function->arguments) meet_type(argument);
        const std::string full = function->schema + "." + function->name;
        if (all.has_value()) {
            Copy handed;
            handed.target_name = "an argument of " + full;
            handed.sources = all.sources;
            handed.functions = {full};
            handed.opaque = all.opaque;
            copy_out(std::move(handed));
        }
        Value value;
        // By name an argument may stand anywhere.
        const bool by_name = std::any_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return !name.empty(); });
        if (function->kind == 'a' && !function->parts.empty() && depth_ < 16) {
            // An aggregate does what its parts do, with its arguments and what they made of them.
            value = through(all, Flow::aggregated);
            ++depth_;
            for (const std::string& part : function->parts) {
                const Value handed = merge(through(all, Flow::transformed), value);
                if (!is_number(part)) {
                    value = merge(value, built_in_part(part, handed));
                } else if (const catalogue::Function* made_of = names_.snapshot->function(static_cast<catalogue::Id>(std::strtoul(part.c_str(), nullptr, 10))); made_of != nullptr) {
                    value = merge(value, call_user({made_of}, {}, std::vector<Value>(made_of->arguments.size(), handed)));
                }
            }
            --depth_;
        } else if (auto read = call_body(*function, by_name || expr.variadic || function->variadic ? std::vector<Value>(std::max(function->arguments.size(), args.size()), all) : args)) {
            value = std::move(*read);
        } else {
            value = through(all, Flow::transformed);
            value.functions.push_back(full);
            // Code that nobody can read and nobody knew is vouched for by nobody: neither for what it gives nor for what it does.
            if (function->recent) {
                value.opaque = true;
                Effect& unread = out_.effects.emplace_back();
                unread.effect_class = EffectClass::call;
                called.resolved = false;
                unread.objects.push_back(called);
                unread.detail = "new code that cannot be read";
            }
        }
        value.fallible = value.is_seen = true;
        if (value.has_value()) value.may_fail = true;
        // What it read besides: a planner that runs it shows that as a constant.
        Value own = value;
        std::erase_if(own.sources, [&](const Source& source) { return std::any_of(all.sources.begin(), all.sources.end(), [&](const Source& given) { return given.column == source.column; }); });
        read_by_code_ = merge(read_by_code_, own);
        out = merge(out, value);
    }
    return out;
}

// The value of a routine whose code can be read: nothing where it cannot.
std::optional<Value> Analyzer::call_body(const catalogue::Function& function, const std::vector<Value>& args) {
    // What a recursive call gives comes from what the outer one reads.
    if (std::find(reading_.begin(), reading_.end(), function.id) != reading_.end()) {
        Value out;
        for (const Value& arg : args) out = merge(out, through(arg, Flow::transformed));
        return out;
    }
    if (depth_ >= 16 || ++bodies_read_ > 200) return {};
    const CodeBody body = dialect_.read_code(function);
    if (!body.readable) return {};
    std::vector<std::string> own_path;
    for (const std::string& setting : function.settings) {
        const std::size_t equals = setting.find('=');
        const std::string name = setting.substr(0, equals);
        // Under these its text means something else.
        if (name == "role" || name == "session_authorization" || name == "standard_conforming_strings" || name == "backslash_quote" || name == "client_encoding") return {};
        if (name != "search_path" || equals == std::string::npos) continue;
        std::vector<std::string> schemas = listed_names(setting.substr(equals + 1));
        const std::string temp = names_.context != nullptr ? names_.context->temp_schema : std::string();
        if (!temp.empty() && std::find(schemas.begin(), schemas.end(), "pg_temp") == schemas.end()) own_path.push_back(temp);
        if (std::find(schemas.begin(), schemas.end(), dialect_.system_schema) == schemas.end()) own_path.emplace_back(dialect_.system_schema);
        for (std::string& schema : schemas) {
            if (schema == "$user" && names_.context != nullptr) schema = names_.context->user;
            own_path.push_back(schema == "pg_temp" ? temp : std::move(schema));
        }
    }

    const std::string unresolved_before = unresolved_;
    const std::uint32_t unresolved_at_before = unresolved_at_;
    unresolved_.clear();
    auto outer_parameters = std::exchange(parameters_, {});
    auto outer_named = std::exchange(named_parameters_, {});
    const auto* outer_path = path_;
    if (!own_path.empty()) path_ = &own_path;
    std::vector<Value> bound;
    // Where variables may take what was read, a second reading knows what they may hold.
    const auto bind_parameters = [&](const Value& taken) {
        parameters_.clear();
        named_parameters_.clear();
        bound.clear();
        bound.reserve(args.size());
        for (const Value& arg : args) bound.push_back(taken.has_value() ? merge(arg, taken) : arg);
        for (std::size_t i = 0; i < bound.size(); ++i) {
            parameters_.push_back(&bound[i]);
            if (i < function.argument_names.size() && !function.argument_names[i].empty()) named_parameters_.emplace_back(function.argument_names[i], bound[i]);
        }
        // What is left to its default is given.
        for (std::size_t i = args.size(); i < 32; ++i) parameters_.push_back(&taken);
        for (std::size_t i = args.size(); i < function.argument_names.size(); ++i)
            if (!function.argument_names[i].empty()) named_parameters_.emplace_back(function.argument_names[i], taken);
        if (trigger_row_ != nullptr)
            for (const char* row : {"new", "old"}) named_parameters_.emplace_back(row, taken.has_value() ? merge(*trigger_row_, taken) : *trigger_row_);
        for (const std::string& variable : body.variables)
            if (std::none_of(named_parameters_.begin(), named_parameters_.end(), [&](const auto& known) { return known.first == variable; })) named_parameters_.emplace_back(variable, taken);
    };
    const bool outer_quiet = std::exchange(quiet_, true);
    const bool outer_foreign = std::exchange(foreign_, true);
    ++depth_;
    reading_.push_back(function.id);

    Value out;
    bool understood = true;
    std::vector<tree::Statement> statements;
    for (const std::string& text : body.texts) {
        ParsedText parsed = dialect_.parse(text);
        understood = understood && parsed.error.empty();
        for (tree::Statement& statement : parsed.statements) statements.push_back(std::move(statement));
    }
    Value taken;
    for (int reading = 0; reading < 2 && understood; ++reading) {
        out = {};
        bind_parameters(taken);
        for (const tree::Statement& statement : statements) {
            Result result;
            if (statement.query != nullptr) result = query(*statement.query, nullptr, nullptr, true);
            else if (statement.write != nullptr) result = write(*statement.write, nullptr, nullptr);
            else utility(statement);
            const bool gives_value = !body.in_sequence || &statement == &statements.back();
            if (!gives_value) continue;
            auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
            for (auto& [name, value] : result.outputs) {
                // RETURN NEW: the row goes where it was going.
                if (trigger_row_ != nullptr && value.fields != nullptr && value.fields == trigger_row_->fields) continue;
                // What a variable took may come out anywhere.
                out = merge(out, through(value, body.in_sequence && result.outputs.size() == 1 ? Flow::identity : Flow::transformed));
                fields->emplace_back(fields->size() < function.output_names.size() ? function.output_names[fields->size()] : name, value);
            }
            if (!result.exact && out.has_value()) out.opaque = true;
            if (body.in_sequence && result.outputs.size() > 1) {
                out.is_row = true;
                out.fields = std::move(fields);
            }
        }
        if (!body.in_sequence)
            for (const Value& arg : args) out = merge(out, through(arg, Flow::transformed));
        if (body.in_sequence || !out.has_value()) break;
        taken = through(out, Flow::transformed);
    }
    reading_.pop_back();
    --depth_;
    quiet_ = outer_quiet;
    foreign_ = outer_foreign;
    path_ = outer_path;
    parameters_ = std::move(outer_parameters);
    named_parameters_ = std::move(outer_named);
    understood = understood && unresolved_.empty();
    unresolved_ = unresolved_before;
    unresolved_at_ = unresolved_at_before;
    if (!understood) return {};
    return out;
}

}  // namespace dbguard::sql
