#pragma once

// The code of SQL and PL/pgSQL routines, taken apart into the texts the analysis can read. Private to this room.

#include "sql/dialect.hpp"

namespace dbguard::sql::postgres {

/// Not readable: other languages, PL/pgSQL that runs a text it builds (EXECUTE), SQL-standard bodies.
CodeBody read_code(const catalogue::Function& function);

}  // namespace dbguard::sql::postgres
