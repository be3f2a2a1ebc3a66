#pragma once

// The code of SQL and PL/pgSQL routines, taken apart into the texts the analysis can read. Private to this room.

#include "sql/dialect.hpp"

namespace dbguard::sql::postgres {

/// Not readable: other languages, PL/pgSQL that runs a text it builds (EXECUTE), SQL-standard bodies.
CodeBody read_code(const catalogue::Function& function);

/// The defaults of variables that are declared as `record`, which the parser does not give.
std::vector<std::string> record_defaults(std::string_view body);

/// The body of a PL/pgSQL function with `record` for the types of variables and arguments that only the server's catalogue can tell:
/// they may be rows, and the parser has to know that where a field is assigned. Nothing that runs is changed.
std::string with_records(const catalogue::Function& function);

}  // namespace dbguard::sql::postgres
