#include "masking/type.hpp"

#include <utility>

namespace dbguard::masking {
namespace {

constexpr std::pair<std::string_view, Kind> kinds[] = {
    {"text", Kind::text},
    {"varchar", Kind::text},
    {"bpchar", Kind::padded_text},
    {"name", Kind::text},
    {"char", Kind::text},
    {"citext", Kind::text},
    {"bool", Kind::boolean},
    {"int2", Kind::int2},
    {"int4", Kind::int4},
    {"int8", Kind::int8},
    {"float4", Kind::float4},
    {"float8", Kind::float8},
    {"numeric", Kind::numeric},
    {"money", Kind::money},
    {"date", Kind::date},
    {"time", Kind::time},
    {"timetz", Kind::timetz},
    {"timestamp", Kind::timestamp},
    {"timestamptz", Kind::timestamptz},
    {"interval", Kind::interval},
    {"uuid", Kind::uuid},
    {"bytea", Kind::bytes},
    {"bit", Kind::bits},
    {"varbit", Kind::bits},
    {"json", Kind::json},
    {"jsonb", Kind::jsonb},
    {"hstore", Kind::hstore},
};

}  // namespace

Type postgres_type(std::string_view name, std::uint32_t oid, std::int32_t modifier) {
    Type type;
    type.oid = oid;
    for (const auto& [known, kind] : kinds)
        if (name == known) type.kind = kind;
    if (name == "name") type.max_bytes = 63;  // NAMEDATALEN - 1
    if (name == "char") type.max_bytes = 1;
    // Modifiers count from VARHDRSZ, 4: PostgreSQL source, varchar.c and numeric.c.
    if (modifier < 4) return type;
    const std::int32_t declared = modifier - 4;
    if (name == "varchar" || name == "bpchar") {
        type.max_characters = static_cast<std::uint32_t>(declared);
    } else if (name == "numeric") {
        type.precision = declared >> 16 & 0xffff;
        // 11 bits, two's complement: PostgreSQL 15 has scales from -1000 to 1000, older ones 0 to
        // 1000.
        type.scale = ((declared & 0x7ff) ^ 0x400) - 0x400;
    }
    return type;
}

}  // namespace dbguard::masking
