// Code that runs unsaid: operators, casts, checks of domains, functions of ranges and of other types.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

}  // namespace

/// The columns of a composite type.
const catalogue::Relation* Analyzer::members_of(catalogue::Id type_id) const {
    const catalogue::Type* type = names_.snapshot == nullptr || type_id == 0 ? nullptr : names_.snapshot->type(type_id);
    while (type != nullptr && type->kind == catalogue::TypeKind::domain) type = names_.snapshot->type(type->base);
    if (type == nullptr || type->kind != catalogue::TypeKind::composite) return nullptr;
    const catalogue::Relation* members = names_.snapshot->relation(type->relation);
    return members == nullptr || members->columns.empty() ? nullptr : members;
}

/// Whether an operator over `wanted` may be meant where a side is of type `given`.
bool Analyzer::could_be(catalogue::Id given, catalogue::Id wanted) const {
    using catalogue::TypeKind;
    const auto base_of = [&](catalogue::Id& id) {
        const catalogue::Type* type = names_.snapshot->type(id);
        for (int steps = 0; steps < 32 && type != nullptr && type->kind == TypeKind::domain; ++steps) type = names_.snapshot->type(id = type->base);
        return type;
    };
    const catalogue::Type* from = base_of(given);
    const catalogue::Type* to = base_of(wanted);
    if (given == 0 || wanted == 0 || given == wanted || dialect_.converts(given, wanted)) return true;
    if (from == nullptr && to == nullptr) return false;
    if (std::any_of(names_.snapshot->casts().begin(), names_.snapshot->casts().end(), [&](const catalogue::Cast& cast) { return cast.silent && cast.source == given && cast.target == wanted; })) return true;
    // Casts without a function are not listed, nor which elements become which; a child's row is one of its parent.
    const auto open = [](const catalogue::Type* type) { return type != nullptr && type->kind == TypeKind::base; };
    return open(from) || open(to) || (from != nullptr && to != nullptr && from->kind == TypeKind::composite && to->kind == TypeKind::composite);
}

// An operator made from a function that is not vetted is a call of that function, where its sides can be of its types. Not one that an
// extension brings along with its C function: nothing told of a comparison says of what type it is, so that one type's own `=`
// would be called by every statement. Only a superuser installs such an extension.
Value Analyzer::operators_used(const tree::Name& name, const Value& left, const Value& right) {
    Value out;
    if (names_.snapshot == nullptr || name.parts.empty()) return out;
    for (const catalogue::Operator* op : names_.snapshot->operators(name.last())) {
        if (!could_be(left.type, op->left) || !could_be(right.type, op->right)) continue;
        const catalogue::Function* function = names_.snapshot->function(op->function);
        if (function == nullptr) {
            // A built-in function under another operator's name: what the text says is not what it does.
            Effect& called = out_.effects.emplace_back();
            called.effect_class = EffectClass::call;
            called.objects.push_back({op->schema, op->name, {}, false, true, false});
            called.detail = "an operator that is not built in";
            continue;
        }
        if (!op->extension.empty() && op->extension == function->extension && function->kind == 'f' && is_servers_code(*function)) continue;
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

/// Some code of the user's may be such a cast.
bool Analyzer::casts_may_be_unsaid() const {
    if (names_.snapshot == nullptr) return true;
    return std::ranges::any_of(names_.snapshot->casts(), [&](const catalogue::Cast& cast) {
        const catalogue::Function* function = names_.snapshot->function(cast.function);
        return cast.silent && (function == nullptr || vetted_rule(*function) == nullptr || !is_servers_code(*function));
    });
}

/// Casts that the server applies without being told to (AS ASSIGNMENT, AS IMPLICIT): each counts where the statement computes
/// with a value of one of its types, with all that it computes as the argument.
void Analyzer::casts_unsaid(Statement& done) {
    if (types_.empty()) return;
    const auto plain = [&](const Output& output) { return !compares_sets_ && output.functions.empty() && !output.opaque && output.sources.size() == 1 && output.sources[0].flow == Flow::identity; };
    for (const catalogue::Cast& cast : names_.snapshot->casts()) {
        if (!cast.silent || (!types_.contains(cast.source) && !types_.contains(cast.target))) continue;
        const catalogue::Function* function = names_.snapshot->function(cast.function);
        if (function != nullptr && vetted_rule(*function) != nullptr && is_servers_code(*function)) continue;
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
        // What the statement makes of it is not known.
        const Value given = through(cast_by(cast, computed), Flow::transformed);
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

}  // namespace dbguard::sql
