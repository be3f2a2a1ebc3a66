#pragma once

// A catalogue made from plain DDL, for `policy explain`: no database is asked. It knows tables with their columns, parents,
// views, materialized views and which functions there are; it does not know column types, generated columns, triggers or
// what is inside functions, so what depends on these is judged more strictly, or (generated columns) has to be named in the
// policy, to be seen here as the server's own catalogue would show it.

#include <string_view>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"

namespace dbguard::cli {

namespace errc {
inline constexpr std::string_view bad_schema = "bad_schema";
}

/// What names mean where nobody has set anything: search_path "$user", public, for a user without a schema.
catalogue::Context fixture_context();

/// PostgreSQL's DDL; lines that begin with a backslash (psql's commands) are passed over. Errors: bad_schema (the detail begins with the line).
Result<catalogue::SnapshotRef> read_schema(std::string_view ddl);

}  // namespace dbguard::cli
