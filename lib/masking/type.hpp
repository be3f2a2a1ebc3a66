#pragma once

// How a column's values are built, so far as masks need to know. Built from the catalogue by
// whoever knows it; a domain is given as its base type (with the domain's own modifier).
// Engine-neutral names; MySQL adds kinds of its own.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::masking {

enum class Kind : std::uint8_t {
    other,  ///< ranges, geometric, network, xml, anything unknown: every mask but `keep` gives NULL
    text,   ///< text, varchar(n), name, "char", citext: any characters
    padded_text,  ///< char(n): blanks at the end mean nothing; results are padded to max_characters
    boolean,
    int2,
    int4,
    int8,
    float4,
    float8,
    numeric,
    money,
    date,
    time,
    timetz,
    timestamp,
    timestamptz,
    interval,
    uuid,
    bytes,  ///< bytea
    bits,   ///< bit(n), varbit
    json,
    jsonb,
    hstore,
    enumeration,  ///< uses labels
    array,        ///< uses element, delimiter
    composite,    ///< uses fields
    range,        ///< and multirange
};

struct Type {
    struct Field {
        std::string name;
        std::shared_ptr<const Type> type;
    };

    Kind kind = Kind::other;
    /// The server's id of the column's type; only told on, never decided by.
    std::uint32_t oid = 0;
    /// varchar(n), char(n): longer results are NULL.
    std::optional<std::uint32_t> max_characters;
    /// name (63), "char" (1): longer results are NULL.
    std::optional<std::uint32_t> max_bytes;
    /// numeric(precision, scale); both or none. A scale may be negative.
    std::optional<std::int32_t> precision;
    std::optional<std::int32_t> scale;
    std::vector<std::string> labels;
    std::shared_ptr<const Type> element;
    char delimiter = ',';
    /// In the order of the row's columns, dropped ones left out.
    std::vector<Field> fields;
};

/// A base type of PostgreSQL by its name in pg_type (`int4`, `varchar`, `bpchar`, `timestamptz`,
/// also the extensions' `citext` and `hstore`) and its type modifier (pg_attribute.atttypmod; -1:
/// none). What has no such name, and everything whose inside must be looked up (enums, arrays,
/// composites, ranges), comes as Kind::other with `oid`: fill those in yourself. The modifier of an
/// array column belongs to its elements. The caller makes sure that the name means the server's own
/// type (pg_catalog, or the extension's), not a namesake.
Type postgres_type(std::string_view name, std::uint32_t oid, std::int32_t modifier);

}  // namespace dbguard::masking
