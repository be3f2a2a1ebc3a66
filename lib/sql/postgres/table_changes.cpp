#include "sql/postgres/table_changes.hpp"

#include <algorithm>
#include <array>

#include "sql/postgres/dialect.hpp"
#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {

namespace {

/// Built-in functions that give another value for each row, though nothing else is to be said of them (pg_proc.provolatile).
bool is_volatile(std::string_view name) {
    static constexpr std::array<std::string_view, 11> names = {
        "clock_timestamp", "timeofday", "random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7", "current_query", "currval", "lastval", "ts_rewrite",
    };
    return name.starts_with("pg_") || std::ranges::find(names, name) != names.end();
}

/// Computed once for all rows, whatever is in them: then a new column's default is kept beside the table.
bool same_for_all_rows(const tree::Expr& expr) {
    using Kind = tree::Expr::Kind;
    switch (expr.kind) {
        case Kind::constant: return true;
        case Kind::call: {
            const std::string_view schema = expr.name.parts.size() > 1 ? std::string_view(expr.name.parts[expr.name.parts.size() - 2]) : std::string_view();
            const auto* rule = dialect().function(schema, expr.name.last());
            if (rule == nullptr || rule->kind != FunctionKind::transparent || is_volatile(expr.name.last())) return false;
            break;
        }
        case Kind::operation:
            // Somebody's own operator would be another name, or stand with its schema.
            if (expr.name.parts.size() > 1 || std::string_view("+ - * / ||").find(expr.name.last()) == std::string_view::npos) return false;
            break;
        case Kind::cast:
            if (expr.name.parts.size() > 1 && expr.name.parts.front() != "pg_catalog") return false;
            break;
        case Kind::array:
        case Kind::combine: break;
        default: return false;
    }
    return std::ranges::all_of(expr.args, [](const tree::ExprPtr& arg) { return arg && same_for_all_rows(*arg); });
}

/// The type's name where it is one of the server's own and no array; empty: only the catalogue knows.
tree::Name type_name(const TypeName* type) {
    tree::Name name;
    if (type == nullptr || type->arrayBounds != NIL || type->setof || type->pct_type) return name;
    return lower_name(type->names, -1);
}

bool is_serial(const tree::Name& name) {
    if (name.parts.size() != 1) return false;
    static constexpr std::array<std::string_view, 6> serials = {"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"};
    return std::ranges::find(serials, name.last()) != serials.end();
}

void note_new_column(const ColumnDef& column, tree::UtilityEffect& effect) {
    const tree::Name type = type_name(column.typeName);
    // A serial's default is the next value of a sequence; a domain's checks are made row by row.
    if (is_serial(type)) effect.rewrites_table = true;
    else if (!type.parts.empty()) effect.new_types.push_back(type);
    const auto computed = [&](const Node* expression) {
        if (expression != nullptr && !same_for_all_rows(*lower_expr(expression)) && effect.rewrites_table == false) effect.rewrites_table.reset();
    };
    computed(column.raw_default);
    each(column.constraints, [&](const Node* node) {
        const auto* constraint = as<Constraint>(node);
        if (constraint->contype == CONSTR_GENERATED || constraint->contype == CONSTR_IDENTITY) effect.rewrites_table = true;
        if (constraint->contype == CONSTR_DEFAULT) computed(constraint->raw_expr);
    });
}

}  // namespace

Lock lock_of(const AlterTableCmd& command) {
    switch (command.subtype) {
        // SHARE UPDATE EXCLUSIVE
        case AT_SetStatistics:
        case AT_SetOptions:
        case AT_ResetOptions:
        case AT_ValidateConstraint:
        case AT_ClusterOn:
        case AT_DropCluster:
        case AT_SetRelOptions:
        case AT_ResetRelOptions:
        case AT_AttachPartition:
        case AT_DetachPartitionFinalize: return Lock::none;
        case AT_DetachPartition: return as<PartitionCmd>(command.def)->concurrent ? Lock::none : Lock::blocks_reads;
        // SHARE ROW EXCLUSIVE
        case AT_EnableTrig:
        case AT_EnableAlwaysTrig:
        case AT_EnableReplicaTrig:
        case AT_DisableTrig:
        case AT_EnableTrigAll:
        case AT_DisableTrigAll:
        case AT_EnableTrigUser:
        case AT_DisableTrigUser: return Lock::blocks_writes;
        case AT_AddConstraint: return as<Constraint>(command.def)->contype == CONSTR_FOREIGN ? Lock::blocks_writes : Lock::blocks_reads;
        default: return Lock::blocks_reads;
    }
}

bool changes_names_only(const AlterTableCmd& command) {
    switch (command.subtype) {
        case AT_ColumnDefault:  // one that is set is looked at as an expression
        case AT_DropNotNull:
        case AT_SetNotNull:
        case AT_DropExpression:
        case AT_SetStatistics:
        case AT_SetOptions:
        case AT_ResetOptions:
        case AT_SetStorage:
        case AT_SetCompression:
        case AT_DropColumn:
        case AT_AlterConstraint:
        case AT_DropConstraint:
        case AT_ChangeOwner:
        case AT_ClusterOn:
        case AT_DropCluster:
        case AT_SetTableSpace:
        case AT_SetRelOptions:
        case AT_ResetRelOptions:
        case AT_EnableTrig:
        case AT_EnableAlwaysTrig:
        case AT_EnableReplicaTrig:
        case AT_DisableTrig:
        case AT_EnableTrigAll:
        case AT_DisableTrigAll:
        case AT_EnableTrigUser:
        case AT_DisableTrigUser:
        case AT_EnableRule:
        case AT_EnableAlwaysRule:
        case AT_EnableReplicaRule:
        case AT_DisableRule:
        case AT_AddInherit:
        case AT_DropInherit:
        case AT_ReplicaIdentity:
        case AT_EnableRowSecurity:
        case AT_DisableRowSecurity:
        case AT_ForceRowSecurity:
        case AT_NoForceRowSecurity:
        case AT_DetachPartition:
        case AT_DetachPartitionFinalize:
        case AT_DropIdentity: return true;
        default: return false;
    }
}

bool keeps_names(const AlterTableCmd& command) {
    switch (command.subtype) {
        case AT_ColumnDefault:
        case AT_DropNotNull:
        case AT_SetNotNull:
        case AT_SetStatistics:
        case AT_SetOptions:
        case AT_ResetOptions:
        case AT_SetStorage:
        case AT_SetCompression:
        case AT_AddConstraint:
        case AT_AlterConstraint:
        case AT_ValidateConstraint:
        case AT_DropConstraint:
        case AT_ClusterOn:
        case AT_DropCluster:
        case AT_SetTableSpace:
        case AT_SetLogged:
        case AT_SetUnLogged:
        case AT_SetRelOptions:
        case AT_ResetRelOptions:
        case AT_DisableTrig:
        case AT_DisableTrigAll:
        case AT_DisableTrigUser:
        case AT_ReplicaIdentity: return true;
        default: return false;
    }
}

void note_rewrite(const AlterTableCmd& command, tree::UtilityEffect& effect) {
    switch (command.subtype) {
        case AT_AddColumn: return note_new_column(*as<ColumnDef>(command.def), effect);
        case AT_AlterColumnType: {
            const auto* column = as<ColumnDef>(command.def);
            tree::Retyped retyped;
            retyped.column = command.name == nullptr ? "" : command.name;
            if (column->raw_default == nullptr) retyped.type = type_name(column->typeName);
            bool plain = true;
            each(column->typeName == nullptr ? NIL : column->typeName->typmods, [&](const Node* node) {
                plain = plain && IsA(node, A_Const) && IsA(&as<A_Const>(node)->val, Integer);
                if (plain) retyped.modifiers.push_back(as<A_Const>(node)->val.ival.ival);
            });
            if (!plain) retyped.type.parts.clear();
            effect.retyped.push_back(std::move(retyped));
            return;
        }
        case AT_SetLogged:
        case AT_SetUnLogged:
        case AT_SetAccessMethod:
        case AT_SetTableSpace:
        case AT_SetExpression: effect.rewrites_table = true; return;
        default: return;
    }
}

bool keeps_storage(catalogue::Id type, std::int32_t modifier, std::string_view name, std::span<const int> modifiers) {
    // pg_type.dat. A modifier is what the server packs it to (varchar.c, numeric.c, timestamp.c); -1: none.
    constexpr catalogue::Id text = 25, varchar = 1043, varbit = 1562, numeric = 1700, inet = 869, cidr = 650;
    const auto named = [&](std::string_view other, catalogue::Id id) { return name == other && type == id; };
    if (name == "text") return type == text || type == varchar;
    if (name == "varchar" && modifiers.empty()) return type == text || type == varchar;
    if (named("varchar", varchar)) return modifiers.size() == 1 && modifier >= 0 && modifiers[0] >= modifier - 4;
    if (named("varbit", varbit)) return modifiers.empty() || (modifiers.size() == 1 && modifier >= 0 && modifiers[0] >= modifier);
    if (named("numeric", numeric)) {
        if (modifiers.empty()) return true;
        if (modifier < 0 || modifiers.size() > 2) return false;
        const int precision = ((modifier - 4) >> 16) & 0xffff, scale = (modifier - 4) & 0x7ff;
        return modifiers[0] >= precision && (modifiers.size() == 2 ? modifiers[1] : 0) == scale;
    }
    if (name == "inet") return type == inet || type == cidr;
    for (const auto& [moment, id] : {std::pair<std::string_view, catalogue::Id>{"timestamp", 1114}, {"timestamptz", 1184}, {"time", 1083}, {"timetz", 1266}})
        if (named(moment, id)) return modifiers.empty() || (modifiers.size() == 1 && modifiers[0] >= (modifier < 0 ? 6 : modifier));
    // The same type again, without anything in parentheses before or after.
    for (const auto& [same, id] : {std::pair<std::string_view, catalogue::Id>{"bool", 16}, {"bytea", 17}, {"int8", 20}, {"int2", 21}, {"int4", 23}, {"json", 114}, {"float4", 700}, {"float8", 701}, {"date", 1082}, {"uuid", 2950}, {"jsonb", 3802}})
        if (named(same, id)) return modifiers.empty();
    return false;
}

}  // namespace dbguard::sql::postgres
