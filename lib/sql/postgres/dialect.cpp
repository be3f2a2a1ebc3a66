#include "sql/postgres/dialect.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "sql/postgres/extensions.hpp"
#include "sql/postgres/parse.hpp"
#include "sql/postgres/routine.hpp"
#include "sql/postgres/table_changes.hpp"

namespace dbguard::sql::postgres {
namespace {

struct VettedFunction {
    std::string_view name;
    char letter;
    bool returns_set;
};

constexpr VettedFunction built_ins[] = {
#include "sql/postgres/functions.inc"
};

struct BuiltInType {
    std::string_view name;
    catalogue::Id number;
};

constexpr BuiltInType built_in_types[] = {
#include "sql/postgres/types.inc"
};

constexpr catalogue::Id tsvector = 3614;

// Written as functions, but made by the grammar: no row of pg_proc names them.
constexpr VettedFunction made_by_grammar[] = {
    {"coalesce", 't', false}, {"greatest", 't', false}, {"least", 't', false}, {"nullif", 't', false},
};

// Triggers that are built in. Nobody calls them by name but CREATE TRIGGER; what they do with a row is not read.
constexpr VettedFunction trigger_functions[] = {
    {"suppress_redundant_updates_trigger", 's', false}, {"tsvector_update_trigger", 's', false}, {"tsvector_update_trigger_column", 's', false},
};

FunctionKind kind_of(char letter) {
    switch (letter) {
        case 'a': return FunctionKind::aggregate;
        case 'e': return FunctionKind::counting;
        case 'q': return FunctionKind::runs_query;
        case 'x': return FunctionKind::reads_by_name;
        case 'c': return FunctionKind::sets_setting;
        case 'g': return FunctionKind::reads_setting;
        case 'n': return FunctionKind::sequence;
        case 'w': return FunctionKind::sets_sequence;
        case 'l': return FunctionKind::lock;
        case 'm': return FunctionKind::notify;
        case 'z': return FunctionKind::sleep;
        case 's': return FunctionKind::server;
        case 'v': return FunctionKind::shows_values;
        default: return FunctionKind::transparent;
    }
}

const FunctionRule* function(std::string_view schema, std::string_view name) {
    // Helpers of the standard's views; drivers call them (information_schema.sql of the server).
    static constexpr FunctionRule helper{"_pg_helper", FunctionKind::transparent, true};
    if (schema == "information_schema") return name.starts_with("_pg_") ? &helper : nullptr;
    if (!schema.empty() && schema != "pg_catalog") return nullptr;
    static const auto rules = [] {
        std::unordered_map<std::string_view, FunctionRule> out;
        for (const VettedFunction& entry : built_ins) out.emplace(entry.name, FunctionRule{entry.name, kind_of(entry.letter), entry.returns_set});
        for (const VettedFunction& entry : trigger_functions) out.emplace(entry.name, FunctionRule{entry.name, kind_of(entry.letter), false});
        for (const VettedFunction& entry : made_by_grammar) out.emplace(entry.name, FunctionRule{entry.name, kind_of(entry.letter), false});
        return out;
    }();
    const auto found = rules.find(name);
    return found == rules.end() ? nullptr : &found->second;
}

// Untrusted ones (PostgreSQL manual, CREATE LANGUAGE); other untrusted ones are ordinary code of the database.
// typecmds.c, makeRangeConstructors() and makeMultirangeConstructors(): the server's own code for every range type. The functions of its
// subtype that they call are judged when the type or its operator class is made.
const FunctionRule* made_function(std::string_view language, std::string_view symbol) {
    if (language != "internal") return nullptr;
    if (symbol.starts_with("range_constructor")) return function({}, "int4range");
    return symbol.starts_with("multirange_constructor") ? function({}, "int4multirange") : nullptr;
}

bool is_servers_language(std::string_view language) { return language == "c" || language == "internal"; }

std::vector<std::string> table_function_columns(std::string_view name, std::size_t arguments, bool& known) {
    static const std::unordered_map<std::string_view, std::vector<std::string>> columns = {
        {"json_each", {"key", "value"}}, {"jsonb_each", {"key", "value"}}, {"json_each_text", {"key", "value"}}, {"jsonb_each_text", {"key", "value"}},
        {"json_array_elements", {"value"}}, {"jsonb_array_elements", {"value"}}, {"json_array_elements_text", {"value"}}, {"jsonb_array_elements_text", {"value"}},
        {"aclexplode", {"grantor", "grantee", "privilege_type", "is_grantable"}},
        {"pg_options_to_table", {"option_name", "option_value"}},
        {"pg_get_keywords", {"word", "catcode", "barelabel", "catdesc", "baredesc"}},
        {"pg_timezone_names", {"name", "abbrev", "utc_offset", "is_dst"}}, {"pg_timezone_abbrevs", {"abbrev", "utc_offset", "is_dst"}},
        {"ts_parse", {"tokid", "token"}}, {"ts_token_type", {"tokid", "alias", "description"}},
        {"pg_partition_tree", {"relid", "parentrelid", "isleaf", "level"}}, {"pg_partition_ancestors", {"relid"}},
    };
    static constexpr std::array<std::string_view, 11> single = {
        "generate_series", "generate_subscripts", "regexp_matches", "regexp_split_to_table", "string_to_table", "json_object_keys",
        "jsonb_object_keys", "jsonb_path_query", "pg_listening_channels", "now", "current_schemas",
    };
    known = true;
    if (const auto found = columns.find(name); found != columns.end()) return found->second;
    if (name == "unnest") return std::vector<std::string>(arguments, "unnest");
    if (std::find(single.begin(), single.end(), name) != single.end()) return {};
    // One row of several columns (pg_proc.prorettype record or a composite type, versions 15 to 17).
    static constexpr std::string_view rows[] = {
        "json_populate_record", "json_to_record", "jsonb_populate_record", "jsonb_to_record", "pg_backup_stop",
        "pg_control_checkpoint", "pg_control_init", "pg_control_recovery", "pg_control_system",
        "pg_copy_logical_replication_slot", "pg_copy_physical_replication_slot", "pg_create_logical_replication_slot",
        "pg_create_physical_replication_slot", "pg_get_object_address", "pg_get_wal_summarizer_state",
        "pg_identify_object", "pg_identify_object_as_address", "pg_input_error_info", "pg_last_committed_xact",
        "pg_replication_slot_advance", "pg_sequence_parameters", "pg_split_walfile_name", "pg_stat_file",
        "pg_stat_get_archiver", "pg_stat_get_backend_subxact", "pg_stat_get_replication_slot",
        "pg_stat_get_subscription_stats", "pg_stat_get_wal", "pg_stat_get_wal_receiver", "pg_walfile_name_offset",
        "pg_xact_commit_timestamp_origin", "record_in", "record_recv",
    };
    if (std::find(std::begin(rows), std::end(rows), name) != std::end(rows)) {
        known = false;
        return {};
    }
    const FunctionRule* rule = function("", name);
    known = rule != nullptr && !rule->returns_set;
    return {};
}

catalogue::Id type(std::string_view name) {
    static const auto types = [] {
        std::unordered_map<std::string_view, catalogue::Id> out;
        for (const BuiltInType& entry : built_in_types) out.emplace(entry.name, entry.number);
        return out;
    }();
    const auto found = types.find(name);
    return found == types.end() ? 0 : found->second;
}

// pg_type.dat; of modifiers: PostgreSQL, numeric_typmod_precision and VARHDRSZ.
BuiltIn built_in(catalogue::Id type, std::int32_t modifier) {
    using enum BuiltIn::Kind;
    const auto plain = [](BuiltIn::Kind kind, int bytes = 0) {
        BuiltIn out;
        out.kind = kind;
        out.bytes = bytes;
        out.ordinary = true;
        return out;
    };
    const auto array_of = [](catalogue::Id element) {
        BuiltIn out;
        out.kind = other;
        out.element = element;
        return out;
    };
    switch (type) {
        case 16: return plain(boolean);
        case 20: return plain(whole, 8);
        case 21: return plain(whole, 2);
        case 23: return plain(whole, 4);
        case 700: case 701: return plain(floating);
        case 1700: {
            BuiltIn out = plain(decimal);
            if (modifier >= 4) {
                out.digits = (modifier - 4) >> 16;
                out.scale = (modifier - 4) & 0x7ff;
            }
            return out;
        }
        case 25: return plain(text);
        case 19: case 1043: {
            BuiltIn out = plain(text);
            if (type == 19) out.characters = 63;
            else if (modifier > 4) out.characters = static_cast<std::size_t>(modifier - 4);
            out.ordinary = type != 19;
            return out;
        }
        case 1082: return plain(day);
        case 1114: case 1184: return plain(moment);
        case 2950: return plain(uuid);
        case 3802: return plain(document);   // jsonb
        case 114: {                          // json: text
            BuiltIn out = plain(document);
            out.ordinary = false;
            return out;
        }
        case 17: case 18: case 26: case 650: case 774: case 790: case 829: case 869: case 1042: case 1083: case 1186: case 1266: return plain(other);
        case 1000: return array_of(16);
        case 1005: return array_of(21);
        case 1007: return array_of(23);
        case 1016: return array_of(20);
        case 1009: return array_of(25);
        case 1015: return array_of(1043);
        case 1231: return array_of(1700);
        case 1182: return array_of(1082);
        case 2951: return array_of(2950);
        default: return {};
    }
}

// pg_cast.castcontext = 'i', a little more than it says: groups in which each type can become some other. Of arrays what their
// elements are is not looked at; pseudo-types take anything.
bool converts(catalogue::Id from, catalogue::Id to) {
    static constexpr catalogue::Id groups[][22] = {
        {18, 19, 25, 1042, 1043, 2205, 194, 3361, 3402, 5017, 17},                                                // texts; regclass, statistics, bytea
        {20, 21, 23, 26, 700, 701, 1700, 24, 2202, 2203, 2204, 2205, 2206, 4191, 3734, 3769, 4096, 4089},         // numbers, reg…
        {1082, 1114, 1184},                                                                                       // date, timestamps
        {1083, 1266, 1186},                                                                                       // times, interval
        {650, 869}, {829, 774}, {1560, 1562},                                                                     // networks, hardware addresses, bits
    };
    for (const auto& group : groups) {
        const auto in = [&](catalogue::Id type) { return std::find(std::begin(group), std::end(group), type) != std::end(group); };
        if (in(from) && in(to)) return true;
    }
    static const auto loose = [] {
        std::unordered_map<catalogue::Id, bool> out;   // arrays, and (true) pseudo-types
        for (const BuiltInType& entry : built_in_types)
            if (entry.name.starts_with("any") || entry.name == "record" || entry.name == "_record" || entry.name == "cstring") out.emplace(entry.number, true);
            else if (entry.name.starts_with("_")) out.emplace(entry.number, false);
        return out;
    }();
    const auto a = loose.find(from), b = loose.find(to);
    return (b != loose.end() && b->second) || (a != loose.end() && (a->second || b != loose.end()));
}

std::span<const std::string_view> spread_columns(catalogue::Id type) {
    static constexpr std::string_view of_text_vector[] = {"lexeme", "positions", "weights"};
    if (type == tsvector) return of_text_vector;
    return {};
}

// pg_proc.prorettype of versions 15 to 18.
bool is_polymorphic(std::string_view name) {
    static constexpr std::string_view names[] = {
        "any_value", "array_agg", "array_append", "array_cat", "array_fill", "array_larger", "array_prepend", "array_remove", "array_replace", "array_reverse", "array_sample", "array_shuffle",
        "array_smaller", "array_sort", "first_value", "json_populate_record", "json_populate_recordset", "jsonb_populate_record", "jsonb_populate_recordset", "lag", "last_value", "lead", "lower",
        "max", "min", "mode", "nth_value", "percentile_disc", "trim_array", "unnest", "upper",
    };
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

catalogue::Id spread_type(std::string_view function) {
    static constexpr std::string_view gives_text_vector[] = {
        "array_to_tsvector", "json_to_tsvector", "jsonb_to_tsvector", "setweight", "strip", "to_tsvector", "ts_delete", "ts_filter", "tsvector_concat", "tsvectorin",
    };
    return std::find(std::begin(gives_text_vector), std::end(gives_text_vector), function) != std::end(gives_text_vector) ? tsvector : 0;
}

bool is_system_schema(std::string_view schema) { return schema == "pg_catalog" || schema == "information_schema" || schema == "pg_toast"; }

// Any session may put any value into its application_name, also one beside dbguard.
// Statistics hold values of the tables they are about, and the correlation of two rows tells which is the larger; activity holds the texts of other sessions' statements.
const ValueRelation* value_relation(std::string_view name) {
    static const std::vector<ValueRelation> relations = {
        {"pg_stats", {"schemaname", "tablename", "attname", "inherited", "null_frac", "avg_width", "n_distinct"},
         {"most_common_vals", "most_common_freqs", "histogram_bounds", "correlation", "most_common_elems", "most_common_elem_freqs", "elem_count_histogram", "range_length_histogram", "range_empty_frac", "range_bounds_histogram"}},
        {"pg_statistic", {"starelid", "staattnum", "stainherit", "stanullfrac", "stawidth", "stadistinct"},
         {"stakind1", "stakind2", "stakind3", "stakind4", "stakind5", "staop1", "staop2", "staop3", "staop4", "staop5", "stacoll1", "stacoll2", "stacoll3", "stacoll4", "stacoll5",
          "stanumbers1", "stanumbers2", "stanumbers3", "stanumbers4", "stanumbers5", "stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"}},
        {"pg_stats_ext", {"schemaname", "tablename", "statistics_schemaname", "statistics_name", "statistics_owner", "attnames", "kinds", "inherited", "n_distinct", "dependencies"},
         {"exprs", "most_common_vals", "most_common_val_nulls", "most_common_freqs", "most_common_base_freqs"}},
        {"pg_stats_ext_exprs", {"schemaname", "tablename", "statistics_schemaname", "statistics_name", "statistics_owner", "inherited", "null_frac", "avg_width", "n_distinct"},
         {"expr", "most_common_vals", "most_common_freqs", "histogram_bounds", "correlation", "most_common_elems", "most_common_elem_freqs", "elem_count_histogram", "range_length_histogram", "range_empty_frac", "range_bounds_histogram"}},
        {"pg_statistic_ext_data", {"stxoid", "stxdinherit"}, {"stxdndistinct", "stxddependencies", "stxdmcv", "stxdexpr"}},
        {"pg_stat_activity", {"datid", "datname", "pid", "leader_pid", "usesysid", "usename", "client_addr", "client_hostname", "client_port", "backend_start",
                              "xact_start", "query_start", "state_change", "wait_event_type", "wait_event", "state", "backend_xid", "backend_xmin", "query_id", "backend_type"},
         {"query", "application_name"}},
        {"pg_largeobject", {"loid", "pageno"}, {"data"}},
        // Of extensions: rows of a function, which has its columns' names.
        {"pg_stat_statements", {}, {"query"}},
        {"pg_stat_statements_info", {}, {}},
    };
    const auto found = std::find_if(relations.begin(), relations.end(), [&](const ValueRelation& relation) { return relation.name == name; });
    return found == relations.end() ? nullptr : &*found;
}

bool is_total(std::string_view name) {
    static constexpr std::array<std::string_view, 44> total = {
        "||", "=", "<>", "!=", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "->", "->>", "#>", "#>>", "?",
        "lower", "upper", "initcap", "length", "char_length", "character_length", "octet_length", "bit_length", "left", "right", "reverse", "concat", "concat_ws",
        "btrim", "ltrim", "rtrim", "replace", "translate", "md5", "sha224", "sha256", "sha384", "sha512", "split_part", "quote_literal", "quote_nullable", "starts_with",
    };
    return std::find(total.begin(), total.end(), name) != total.end();
}

// Not those that take no NULL as a name, no arrays of different sizes, no zero as a place; sums of what was computed overflow.
bool is_total_aggregate(std::string_view name, bool as_stored) {
    static constexpr std::array<std::string_view, 18> total = {
        "any_value", "min", "max", "string_agg", "bool_and", "bool_or", "every", "json_agg", "jsonb_agg", "first_value", "last_value", "lag", "lead",
        "row_number", "rank", "dense_rank", "percent_rank", "cume_dist",
    };
    if (as_stored && (name == "sum" || name == "avg")) return true;
    return std::find(total.begin(), total.end(), name) != total.end();
}

bool is_system_column(std::string_view name) {
    // In a view's definition: of a row whose type has lost it (PostgreSQL, get_rte_attribute_name). It is NULL.
    if (name == "?dropped?column?") return true;
    return name == "ctid" || name == "tableoid" || name == "xmin" || name == "xmax" || name == "cmin" || name == "cmax";
}

// pg_dump sets it, for its own safety (PostgreSQL manual, "Client Connection Defaults").
bool only_restricts(std::string_view setting) { return setting == "restrict_nonsystem_relation_kind"; }

// The value's letters and digits, small: all that the server looks at in an encoding's name (src/common/encnames.c).
std::string bare(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out.push_back(c);
        if (c >= 'A' && c <= 'Z') out.push_back(static_cast<char>(c - 'A' + 'a'));
    }
    return out;
}

std::string_view misleading(std::string_view setting, std::string_view value) {
    const std::string meant = bare(value);
    if (value.empty()) return {};
    if (setting == "standard_conforming_strings" && meant != "on" && meant != "true" && meant != "1")
        return "standard_conforming_strings stays on: otherwise the text of a statement means something else";
    if ((setting == "client_encoding" || setting == "names") && meant != "utf8" && meant != "unicode")
        return "client_encoding stays UTF8: otherwise the text of a statement means something else";
    return {};
}

ParsedText parse_text(std::string_view text) {
    ParsedText out;
    if (text.find('\0') != std::string_view::npos || depth_bound(text) > max_depth) {
        out.error = "too deep";
        return out;
    }
    Parsed parsed = parse_printed(text);
    out.statements = std::move(parsed.statements);
    out.error = std::move(parsed.error);
    out.error_at = parsed.error_at;
    return out;
}

}  // namespace

const Dialect& dialect() {
    static const Dialect instance{function, table_function_columns, type, built_in, converts, spread_columns, is_polymorphic, spread_type, "pg_catalog", "pg_settings", is_system_schema, value_relation, is_total, is_total_aggregate, is_system_column, extension_function, made_function, is_servers_language, only_restricts, misleading, keeps_storage, read_code, parse_text};
    return instance;
}

}  // namespace dbguard::sql::postgres
