#pragma once

// A catalogue made from plain DDL, for `policy explain`: no database is asked. sql/postgres/ddl_catalogue.hpp says what it
// knows and what it passes over.

#include <string_view>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"

namespace dbguard::cli {

/// PostgreSQL's DDL; lines that begin with a backslash (psql's commands) are passed over. Errors: sql::postgres::errc::bad_ddl
/// (the detail begins with the line).
Result<catalogue::SnapshotRef> read_schema(std::string_view ddl);

}  // namespace dbguard::cli
