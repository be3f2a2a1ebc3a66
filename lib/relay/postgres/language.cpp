#include "relay/postgres/language.hpp"

#include <memory>

#include "catalogue/postgres.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/dialect.hpp"
#include "sql/postgres/text_shape.hpp"

namespace dbguard::relay::postgres {
namespace {

Language::Parameter parameter(std::string_view name) {
    using enum Language::Parameter;
    if (name == "search_path") return names;
    if (name == "session_authorization") return user;
    if (name == "standard_conforming_strings" || name == "client_encoding") return text;
    return other;
}

masking::Type mask_type(std::uint32_t type, std::int32_t modifier, const catalogue::Snapshot* snapshot) {
    struct Base {
        std::uint32_t id;
        const char* name;
        std::uint32_t array;
    };
    // PostgreSQL: pg_type.dat. The numbers of built-in types never change.
    static constexpr Base bases[] = {
        {16, "bool", 1000}, {17, "bytea", 1001}, {18, "char", 1002}, {19, "name", 1003}, {20, "int8", 1016}, {21, "int2", 1005}, {23, "int4", 1007},
        {25, "text", 1009}, {26, "oid", 1028}, {114, "json", 199}, {142, "xml", 143}, {700, "float4", 1021}, {701, "float8", 1022}, {790, "money", 791},
        {869, "inet", 1041}, {650, "cidr", 651}, {829, "macaddr", 1040}, {1042, "bpchar", 1014}, {1043, "varchar", 1015}, {1082, "date", 1182},
        {1083, "time", 1183}, {1114, "timestamp", 1115}, {1184, "timestamptz", 1185}, {1186, "interval", 1187}, {1266, "timetz", 1270}, {1560, "bit", 1561},
        {1562, "varbit", 1563}, {1700, "numeric", 1231}, {2950, "uuid", 2951}, {3802, "jsonb", 3807},
    };
    for (const Base& base : bases) {
        if (base.id == type) return masking::postgres_type(base.name, type, modifier);
        if (base.array == type) {
            masking::Type out;
            out.kind = masking::Kind::array;
            out.oid = type;
            out.element = std::make_shared<const masking::Type>(masking::postgres_type(base.name, base.id, modifier));
            return out;
        }
    }
    masking::Type out;
    out.oid = type;
    const catalogue::Type* known = snapshot == nullptr ? nullptr : snapshot->type(type);
    if (known == nullptr) return out;
    switch (known->kind) {
        case catalogue::TypeKind::domain: return mask_type(known->base, known->modifier >= 0 ? known->modifier : modifier, snapshot);
        case catalogue::TypeKind::enumeration:
            out.kind = masking::Kind::enumeration;
            out.labels = known->labels;
            return out;
        case catalogue::TypeKind::composite: {
            out.kind = masking::Kind::composite;
            const catalogue::Relation* relation = snapshot->relation(known->relation);
            if (relation == nullptr) return masking::Type{};
            for (const catalogue::Column& column : relation->columns)
                out.fields.push_back({column.name, std::make_shared<const masking::Type>(mask_type(column.type, column.modifier, snapshot))});
            return out;
        }
        case catalogue::TypeKind::range:
        case catalogue::TypeKind::multirange: out.kind = masking::Kind::range; return out;
        case catalogue::TypeKind::base: {
            if (known->name == "citext" || known->name == "hstore") return masking::postgres_type(known->name, type, modifier);
            if (known->element != 0 && known->name.starts_with("_")) {
                out.kind = masking::Kind::array;
                out.element = std::make_shared<const masking::Type>(mask_type(known->element, modifier, snapshot));
            }
            return out;
        }
        default: return out;
    }
}

}  // namespace

const Language& language() {
    static const Language postgres{
        policy::Engine::postgres, sql::postgres::dialect, catalogue::postgres::questions, recording::Lexis::postgres(), sql::postgres::analyze_text, sql::postgres::text_shape, parameter, mask_type,
    };
    return postgres;
}

}  // namespace dbguard::relay::postgres
