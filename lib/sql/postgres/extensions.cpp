#include "sql/postgres/extensions.hpp"

#include <algorithm>
#include <iterator>

namespace dbguard::sql::postgres {
namespace {

using Kind = FunctionKind;

template <class Names>
bool is_in(const Names& names, std::string_view name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Extensions whose functions compute from their arguments and touch nothing else, besides tables of their own that hold units, formats
// or words (PostgreSQL manual, appendix F; the extensions' own manuals). Left out on purpose: dblink, postgres_fdw, file_fdw, adminpack,
// pg_walinspect, pg_surgery, plpgsql_check (it quotes code, and computes what is constant in it), hypopg (it reads a text), pg_qualstats
// (it shows constants of other sessions' statements), pg_cron, pg_partman, pgq (they run or build statements), tcn and refint.
constexpr std::string_view computing[] = {
    // contrib
    "bloom", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance", "fuzzystrmatch", "hstore", "intagg", "intarray", "isn", "ltree", "pg_trgm", "pgcrypto", "seg",
    "sslinfo", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp",
    // triggers that change columns of the row they get, or remove the large object it named (appendix F, "spi", "lo")
    "autoinc", "insert_username", "lo", "moddatetime",
    // others
    "asn1oid", "debversion", "extra_window_functions", "first_last_agg", "hll", "icu_ext", "ip4r", "jsquery", "numeral", "pg_rational", "pg_similarity", "pg_sphere", "pgmp", "pgpcre",
    "postgis_sfcgal", "prefix", "q3c", "rum", "semver", "tdigest", "toastinfo", "vector",
};

// They look at how a table is stored, or at the server's own state. These are calls like any other (they lock, and run what indexes
// compute), but give numbers and places, no values.
constexpr std::string_view about_storage[] = {"amcheck", "old_snapshot", "pg_buffercache", "pg_freespacemap", "pg_prewarm", "pg_stat_kcache", "pg_visibility", "pgfincore", "pgrowlocks", "pgstattuple"};

// Of PostGIS those are left out that read or change tables named by an argument, or the statistics and indexes of one, and long
// transactions (PostGIS manual, "Management Functions", "Long Transaction Support"); ST_Transform reads spatial_ref_sys alone.
constexpr std::string_view postgis_by_name[] = {
    "_postgis_index_extent", "_postgis_join_selectivity", "_postgis_selectivity", "_postgis_stats", "addauth", "addgeometrycolumn", "checkauth", "checkauthtrigger",
    "disablelongtransactions", "dropgeometrycolumn", "dropgeometrytable", "enablelongtransactions", "find_srid", "geometry_columns", "get_proj4_from_srid", "gettransactionid",
    "lockrow", "longtransactionsenabled", "populate_geometry_columns", "postgis_addbbox", "postgis_cache_bbox", "postgis_dropbbox", "postgis_extensions_upgrade", "st_estimatedextent",
    "st_findextent", "st_fromflatgeobuftotable", "unlockrows", "updategeometrysrid", "postgis_hasbbox",
};

// orafce: the schemas oracle, plvchr, plvdate, plvlex, plvstr, dbms_assert and plunit; not those that keep or send what they are given
// (dbms_alert, dbms_output, dbms_pipe, utl_file), or run a text (dbms_sql).
constexpr std::string_view orafce[] = {
    "_is_kind", "add_bizdays", "add_days_to_timestamp", "add_months", "assert_equals", "assert_false", "assert_not_equals", "assert_not_null", "assert_null", "assert_true", "betwn", "bitand",
    "bizdays_between", "btrim", "char_name", "cosh", "days_inmonth", "dbtimezone", "decode", "dump", "enquote_literal", "enquote_name", "first", "get_full_version_num", "get_major_version",
    "get_major_version_num", "get_platform", "get_status", "greatest", "instr", "is_blank", "is_digit", "is_letter", "is_other", "is_prefix", "is_quote", "isbizday", "isleapyear", "last", "last_day",
    "least", "left", "length", "lengthb", "listagg", "lnnvl", "lpad", "lpart", "lstrip", "ltrim", "median", "mod", "months_between", "nanvl", "nearest_bizday", "next_bizday", "next_day", "nlssort",
    "noop", "normalize", "nth", "numtodsinterval", "nvarchar2", "nvl", "nvl2", "object_name", "orafce__obsolete_to_date", "orafce_concat2", "prev_bizday", "qualified_sql_name", "quoted1", "quoted2",
    "regexp_count", "regexp_instr", "regexp_like", "regexp_replace", "regexp_substr", "remainder", "replace_empty_strings", "replace_null_strings", "right", "round", "rpad", "rpart", "rstrip",
    "rtrim", "rvrs", "schema_name", "sessiontimezone", "simple_sql_name", "sinh", "stripped", "strposb", "substr", "substrb", "subtract", "swap", "sysdate", "tanh", "to_char", "to_date",
    "to_multi_byte", "to_number", "to_single_byte", "tokens", "translate_oracle_modifiers", "trunc", "unistr", "varchar2", "wm_concat",
};

// Of one extension, and only these.
struct Named {
    std::string_view extension;
    std::string_view function;
    Kind kind;
};
constexpr Named named[] = {
    {"address_standardizer", "parse_address", Kind::transparent},   // the other one reads tables that its arguments name
    {"pageinspect", "bt_metap", Kind::counting}, {"pageinspect", "bt_multi_page_stats", Kind::counting}, {"pageinspect", "bt_page_stats", Kind::counting},
    {"pageinspect", "hash_bitmap_info", Kind::counting}, {"pageinspect", "heap_tuple_infomask_flags", Kind::counting},
    {"pg_cron", "unschedule", Kind::counting},
    {"pg_stat_statements", "pg_stat_statements", Kind::shows_values}, {"pg_stat_statements", "pg_stat_statements_info", Kind::shows_values},
    {"pg_stat_statements", "pg_stat_statements_reset", Kind::counting},
    {"pg_walinspect", "pg_get_wal_stats", Kind::counting}, {"pg_walinspect", "pg_get_wal_stats_till_end_of_wal", Kind::counting},
    {"postgres_fdw", "postgres_fdw_disconnect", Kind::counting}, {"postgres_fdw", "postgres_fdw_disconnect_all", Kind::counting}, {"postgres_fdw", "postgres_fdw_get_connections", Kind::counting},
    {"tablefunc", "normal_rand", Kind::transparent},
};

}  // namespace

const FunctionRule* extension_function(std::string_view extension, std::string_view name) {
    static constexpr FunctionRule transparent{"", Kind::transparent, true}, counting{"", Kind::counting, true}, shows_values{"", Kind::shows_values, true}, runs_query{"", Kind::runs_query, true};
    if (is_in(computing, extension)) return &transparent;
    if (is_in(about_storage, extension)) return &counting;
    if (extension == "postgis") return is_in(postgis_by_name, name) ? nullptr : &transparent;
    if (extension == "orafce") return is_in(orafce, name) ? &transparent : nullptr;
    if (extension == "unit") return name == "unit_load" ? nullptr : &transparent;
    if (extension == "pointcloud") return name.find("version") == std::string_view::npos && name.find("upgrade") == std::string_view::npos ? &transparent : nullptr;
    // Files and the network are closed to its stylesheets (xslt_proc.c); the other one builds a query of its arguments.
    if (extension == "xml2") return name == "xpath_table" ? nullptr : &transparent;
    if (extension == "tablefunc" && name.starts_with("crosstab")) return &runs_query;
    for (const Named& one : named) {
        if (one.extension != extension || one.function != name) continue;
        return one.kind == Kind::counting ? &counting : one.kind == Kind::shows_values ? &shows_values : &transparent;
    }
    return nullptr;
}

}  // namespace dbguard::sql::postgres
