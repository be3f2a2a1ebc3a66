#include "sql/postgres/ddl_builder.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "sql/postgres/ddl_text.hpp"
#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using catalogue::Function;
using catalogue::Id;
using catalogue::Relation;
using catalogue::RelationKind;
using catalogue::Type;
using catalogue::TypeKind;

struct BuiltInType {
    std::string_view name;
    Id id, array;
};
// PostgreSQL: pg_type.dat. These numbers never change.
constexpr BuiltInType built_in_types[] = {
    {"bool", 16, 1000}, {"bytea", 17, 1001}, {"char", 18, 1002}, {"name", 19, 1003}, {"int8", 20, 1016}, {"int2", 21, 1005}, {"int4", 23, 1007},
    {"text", 25, 1009}, {"oid", 26, 1028}, {"json", 114, 199}, {"xml", 142, 143}, {"point", 600, 1017}, {"float4", 700, 1021}, {"float8", 701, 1022},
    {"money", 790, 791}, {"macaddr", 829, 1040}, {"inet", 869, 1041}, {"cidr", 650, 651}, {"bpchar", 1042, 1014}, {"varchar", 1043, 1015},
    {"date", 1082, 1182}, {"time", 1083, 1183}, {"timestamp", 1114, 1115}, {"timestamptz", 1184, 1185}, {"interval", 1186, 1187},
    {"timetz", 1266, 1270}, {"bit", 1560, 1561}, {"varbit", 1562, 1563}, {"numeric", 1700, 1231}, {"regclass", 2205, 2210}, {"uuid", 2950, 2951},
    {"jsonb", 3802, 3807}, {"tsvector", 3614, 3643}, {"tsquery", 3615, 3645}, {"int4range", 3904, 3905}, {"numrange", 3906, 3907},
    {"tsrange", 3908, 3909}, {"tstzrange", 3910, 3911}, {"daterange", 3912, 3913}, {"int8range", 3926, 3927},
    {"record", 2249, 2287}, {"void", 2278, 0}, {"trigger", 2279, 0}, {"internal", 2281, 0}, {"cstring", 2275, 1263}, {"anyelement", 2283, 0},
    {"anyarray", 2277, 0}, {"event_trigger", 3838, 0},
};

}  // namespace

Id DdlBuilder::add_type(const Name& name, TypeKind kind, Id base, Id relation) {
    Type type;
    type.id = next_id();
    type.schema = name.schema;
    type.name = name.name;
    type.kind = kind;
    type.base = base;
    type.relation = relation;
    parts_.types.push_back(type);
    Type array;
    array.id = next_id();
    array.schema = name.schema;
    array.name = "_" + name.name;
    array.element = type.id;
    parts_.types.push_back(array);
    return type.id;
}

Id DdlBuilder::type_id(const TypeName* type) {
    if (type == nullptr) return 0;
    const auto parts = strings(type->names);
    if (parts.empty()) return 0;
    const bool array = type->arrayBounds != NIL;
    const std::string schema = parts.size() > 1 ? parts[parts.size() - 2] : "";
    if (type->pct_type) return 0;
    std::string name = parts.back();
    if (schema.empty()) {
        if (name == "serial" || name == "serial4") name = "int4";
        if (name == "bigserial" || name == "serial8") name = "int8";
        if (name == "smallserial" || name == "serial2") name = "int2";
    }
    if (schema.empty() || schema == "pg_catalog")
        for (const BuiltInType& built_in : built_in_types)
            if (built_in.name == name) return array ? built_in.array : built_in.id;
    if (schema != "pg_catalog") {
        const Type* found = find_type(schema, name);
        if (found != nullptr && !array) return found->id;
        if (found != nullptr) return find_type(found->schema, "_" + name)->id;
    }
    // A built-in type outside the list, or an extension's.
    if (schema == "pg_catalog" || !parts_.extensions.empty() || schema.empty()) return unlisted_type(name, type->location);
    fail("type \"" + name + "\" is not known", type->location);
    return 0;
}

Id DdlBuilder::unlisted_type(const std::string& name, int location) {
    static constexpr std::string_view known[] = {"citext", "hstore", "ltree", "cube", "box", "circle", "line", "lseg", "path", "polygon", "macaddr8", "pg_lsn", "txid_snapshot",
                                                 "jsonpath", "regproc", "regtype", "regrole", "regnamespace", "regprocedure", "regoper", "regoperator", "tid", "xid", "xid8", "cid",
                                                 "anynonarray", "anyenum", "anyrange", "anycompatible", "anycompatiblearray", "int4multirange", "int8multirange", "nummultirange",
                                                 "tsmultirange", "tstzmultirange", "datemultirange", "language_handler", "fdw_handler", "unknown", "refcursor", "oidvector", "int2vector"};
    if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
        fail("type \"" + name + "\" is not known", location);
        return 0;
    }
    // An extension's type is one of its schema; what dbguard knows of it goes by its name.
    if (name == "citext" || name == "hstore") return add_type({"public", name}, TypeKind::base);
    return 0;
}

// varchar(n), char(n): n and the four bytes of its length; numeric(p,s): both in one number (PostgreSQL: varchar.c, numeric.c).
std::int32_t DdlBuilder::modifier(const TypeName* type) {
    std::vector<std::int32_t> numbers;
    each(type->typmods, [&](const Node* node) {
        if (IsA(node, A_Const) && nodeTag(&as<A_Const>(node)->val) == T_Integer) numbers.push_back(as<A_Const>(node)->val.ival.ival);
    });
    const auto parts = strings(type->names);
    if (numbers.empty() || parts.empty()) return -1;
    if (parts.back() == "varchar" || parts.back() == "bpchar") return numbers[0] > 10'485'760 ? -1 : numbers[0] + 4;
    if (parts.back() == "numeric") {
        const std::int32_t scale = numbers.size() > 1 ? numbers[1] : 0;
        return numbers[0] < 1 || numbers[0] > 1000 ? -1 : ((numbers[0] << 16) | (scale & 0x7ff)) + 4;
    }
    return -1;
}

const TypeName* DdlBuilder::type_option(const List* definition, const char* name) {
    const TypeName* found = nullptr;
    each(definition, [&](const Node* node) {
        const auto* option = as<DefElem>(node);
        if (std::strcmp(option->defname, name) == 0 && option->arg != nullptr && IsA(option->arg, TypeName)) found = as<TypeName>(option->arg);
    });
    return found;
}

void DdlBuilder::create_composite(const CompositeTypeStmt* create) {
    const Name name = name_of(create->typevar);
    Relation row = begin_relation(name, RelationKind::composite);
    each(create->coldeflist, [&](const Node* column) { add_column(row, as<ColumnDef>(column)); });
    add_type(name, TypeKind::composite, 0, row.id);
    composite_at_ = parts_.types.size() - 2;
    end_relation(std::move(row));
}

void DdlBuilder::create_domain(const CreateDomainStmt* create) {
    const Id base = type_id(create->typeName);
    add_type(name_of(create->domainname), TypeKind::domain, base);
    (parts_.types.end() - 2)->modifier = modifier(create->typeName);
    each(create->constraints, [&](const Node* constraint) {
        if (as<Constraint>(constraint)->contype != CONSTR_CHECK) return;
        std::string check = bracketed(text_, static_cast<std::size_t>(std::max(0, as<Constraint>(constraint)->location)), end_);
        const auto words = tokens_of(check, 0, check.size());
        const bool calls = std::any_of(words.begin(), words.end(), [&](const Token& token) {
            return std::any_of(parts_.functions.begin(), parts_.functions.end(), [&](const Function& function) { return function.name == token.word; });
        });
        if (calls) (parts_.types.end() - 2)->checks.push_back(check);
        (parts_.types.end() - 2)->conditions.push_back("(" + check + ")");
    });
}

void DdlBuilder::create_cast(const CreateCastStmt* create) {
    if (create->func == nullptr) return;
    catalogue::Cast made{type_id(create->sourcetype), type_id(create->targettype), find_function(create->func->objname), {}, create->context != COERCION_EXPLICIT};
    if (made.function == 0) made.built_in = strings(create->func->objname).back();
    parts_.casts.push_back(std::move(made));
}

}  // namespace dbguard::sql::postgres
