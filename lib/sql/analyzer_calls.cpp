// Calls of functions: which one a name means. Those built in: analyzer_built_in.cpp; those of the database: analyzer_code.cpp.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

}  // namespace

Value Analyzer::call(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    if (expr.name.parts.empty()) return {};
    const std::string& name = expr.name.last();
    const std::string* schema = expr.name.parts.size() > 1 ? &expr.name.parts[expr.name.parts.size() - 2] : nullptr;

    std::vector<Value> args;
    Value all;
    bool twice = false;   // some column stands in more than one argument
    for (const tree::ExprPtr& arg : expr.args) {
        args.push_back(eval(*arg, scope, ctes));
        args.back().is_given = is_given(*arg, &scope);
        meet_type(args.back().type);
        twice = twice || share_sources(all, args.back());
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
        out_.runs_code = out_.calls_code = out_.unread_code = true;
        Value out = through(all, Flow::transformed);
        out.functions.push_back(function.schema + "." + function.name);
        return out;
    };
    // Made or replaced by the same message: what the catalogue knows by that name may not be it.
    // It is read when it is there (the message goes in pieces then); until that, a rule that allows the name did not mean it.
    if (const MadeRelation* made = made_function(expr.name)) {
        Value out = unvetted(made->schema);
        Effect& unread = out_.effects.emplace_back(out_.effects.back());
        unread.objects[0].resolved = false;
        unread.detail = "a function that the same message makes";
        return out;
    }

    // What the search path can find: a function of the user's may stand before, or match better than, the built-in one.
    std::vector<const catalogue::Function*> users;
    if (names_.snapshot != nullptr && names_.context != nullptr)
        for (const catalogue::Function* function : names_.snapshot->functions(name))
            if (reachable(schema, function->schema)) users.push_back(function);
    const bool built_in_reachable = schema == nullptr || dialect_.is_system_schema(*schema);
    const FunctionRule* rule = built_in_reachable ? dialect_.function(schema == nullptr ? std::string_view() : std::string_view(*schema), name) : nullptr;

    // f(t) is t.f where the row has such a column.
    if (users.empty() && args.size() == 1 && args[0].is_row && (rule == nullptr || args[0].fields != nullptr)) {
        if (args[0].fields != nullptr)
            for (const auto& [field, value] : *args[0].fields)
                if (field == name && rule == nullptr) return value;
        if (rule == nullptr && args[0].steps) return member(args[0], name, false);
    }

    const std::optional<Value> converted = call_as_cast(expr, args);
    if (!users.empty()) {
        Value value = call_user(users, expr, args);
        if (value.fields == nullptr && std::none_of(users.begin(), users.end(), [&](const catalogue::Function* function) { return gives_any_type(*function); })) value.rows_inside = false;
        for (const catalogue::Function* function : users) value.rows_inside = value.rows_inside || spreads(function->returns);
        if (rule != nullptr) value = merge(value, call_built_in(*rule, expr, all, scope));
        return converted ? merge(value, *converted) : value;
    }
    if (rule == nullptr && converted) return *converted;
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
        if (rule->kind == FunctionKind::counting && args.size() == 1 && args[0].is_row) all = existence_of_row(args[0]);
        Value out = call_built_in(*rule, expr, all, scope);
        out.same_value = keeps_equality(expr) && all.tells_which() && !all.is_row;
        if (twice && (name == "concat" || name == "concat_ws")) {
            out.fallible = true;
            if (out.has_value()) out.may_fail = true;
        }
        if (converted) out = merge(out, *converted);
        out.rows_inside = (out.rows_inside || out.is_row) && dialect_.is_polymorphic(name);
        // A key for each column.
        if (is_word(name, {"to_jsonb", "to_json", "row_to_json"}) && args.size() == 1 && args[0].is_row && !all.opaque && !casts_may_be_unsaid()) out.members = args[0].fields;
        if (const catalogue::Id spread = dialect_.spread_type(name); spread != 0) {
            out.type = spread;
            out.rows_inside = true;
        }
        if (name == "array_agg" && args.size() == 1) out.type = array_of(args[0].type);
        if (name == "unnest") return unnested(expr, args, std::move(out));
        // A row of the type that the first argument has.
        if (const catalogue::Relation* members = name.ends_with("_populate_record") || name.ends_with("_populate_recordset") ? members_of(args.empty() ? 0 : args[0].type) : nullptr; members != nullptr) {
            auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
            for (const catalogue::Column& column : members->columns) fields->emplace_back(column.name, out);
            out.is_row = true;
            out.fields = std::move(fields);
        }
        return out;
    }
    if (built_in_reachable && schema == nullptr) {
        unknown_name("function " + name + " is not known", expr.name.at);
        // A default, a condition: looked up before anything is computed.
        if (utility_ && names_.snapshot != nullptr) return through(all, Flow::transformed);
    }
    out_.calls_unknown = out_.calls_unknown || (names_.snapshot != nullptr && !foreign_);
    return unvetted(schema != nullptr ? *schema : std::string(dialect_.system_schema));
}

/// Whether a name with this schema, or without one, can mean something of the user's in schema `in`.
bool Analyzer::reachable(const std::string* schema, const std::string& in) const {
    if (names_.context == nullptr) return false;
    if (schema != nullptr) return in == *schema || (*schema == "pg_temp" && in == names_.context->temp_schema);
    if (by_any_path()) return in != names_.context->temp_schema;
    return place_in_path(in) != std::string::npos;
}

/// npos: not there.
std::size_t Analyzer::place_in_path(const std::string& schema) const {
    if (names_.context == nullptr) return std::string::npos;
    const auto& path = path_ != nullptr ? *path_ : names_.context->search_path;
    const auto found = std::find(path.begin(), path.end(), schema);
    return found == path.end() ? std::string::npos : static_cast<std::size_t>(found - path.begin());
}

// `inet(x)`: what no function takes exactly so is a cast, where a type that is no row has the name (PostgreSQL, func_get_detail).
std::optional<Value> Analyzer::call_as_cast(const Expr& expr, const std::vector<Value>& args) {
    if (args.size() != 1 || expr.variadic || std::any_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return !name.empty(); })) return {};
    const std::string* schema = expr.name.parts.size() > 1 ? &expr.name.parts[expr.name.parts.size() - 2] : nullptr;
    bool known = (schema == nullptr || *schema == dialect_.system_schema) && dialect_.function("", expr.name.last()) == nullptr && dialect_.type(expr.name.last()) != 0;
    if (names_.snapshot != nullptr)
        for (const catalogue::Type* type : names_.snapshot->types(expr.name.last())) known = known || (type->kind != catalogue::TypeKind::composite && reachable(schema, type->schema));
    if (!known) return {};
    Expr said;
    said.kind = Kind::cast;
    said.name = expr.name;
    said.at = expr.at;
    return cast(said, args[0]);
}

/// What it gives is as its arguments are: rows, arrays of rows, anything else.
bool Analyzer::gives_any_type(const catalogue::Function& function) const {
    static constexpr std::string_view types[] = {"anyelement", "anyarray", "anynonarray", "anycompatible", "anycompatiblearray", "anycompatiblenonarray"};
    return std::any_of(std::begin(types), std::end(types), [&](std::string_view type) { return dialect_.type(type) == function.returns; });
}

/// The type of arrays of that type of the user's, for rows; 0: it is none.
catalogue::Id Analyzer::array_of(catalogue::Id id) const {
    if (members_of(id) == nullptr) return 0;
    const catalogue::Type* type = names_.snapshot->type(id);
    for (const catalogue::Type* array : names_.snapshot->types("_" + type->name))
        if (array->element == id) return array->id;
    return 0;
}

}  // namespace dbguard::sql
