#pragma once

#include "sql/dialect.hpp"

namespace dbguard::sql::postgres {

/// PostgreSQL's rules: built-in functions of versions 15 to 18, contrib extensions, system schemas and columns.
const Dialect& dialect();

}  // namespace dbguard::sql::postgres
