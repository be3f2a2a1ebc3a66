#pragma once

// A catalogue from plain DDL, for `policy explain`, `policy test` and the tests of this room: no database is asked. Read by
// the server's own grammar. Numbers are made up, from 16384 on, in the order of the text; the same text gives the same ones.
//
// Known: schemas, tables (INHERITS, LIKE, PARTITION OF, serial, NOT NULL, PRIMARY KEY, generated columns), CREATE TABLE AS,
// views, materialized views, sequences, rules, triggers, types (composite, enum, domain, range), functions with the bodies
// of those in SQL, aggregates, operators, names of extensions, and `dbguard:` tags in COMMENT ON COLUMN.
// Passed over, as they change nothing that names mean: indexes, constraints other than those above, GRANT, OWNER, other
// comments, other settings, transactions, rows (INSERT, SELECT). Everything else is an error: an explanation from a
// catalogue that is not the text's would be wrong.
// Not known: what is inside extensions; texts of defaults.

#include <string_view>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"

namespace dbguard::sql::postgres {

namespace errc {
inline constexpr std::string_view bad_ddl = "bad_ddl";
}

/// What names mean to a session where nobody has set anything: search_path pg_catalog, public.
catalogue::Context fixture_context();

/// Errors: bad_ddl, the detail begins `line 3, byte 71: `.
Result<catalogue::SnapshotRef> catalogue_of_ddl(std::string_view ddl);

}  // namespace dbguard::sql::postgres
