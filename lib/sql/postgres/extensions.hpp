#pragma once

// Which functions of well-known extensions are as vetted as those that are built in.

#include <string_view>

#include "sql/dialect.hpp"

namespace dbguard::sql::postgres {

/// The rule of a function of that extension; null: it is judged as any other code is. Only the server's owner can have made another C
/// function of that name in it (Analyzer::is_servers_code).
const FunctionRule* extension_function(std::string_view extension, std::string_view name);

}  // namespace dbguard::sql::postgres
