#pragma once

// The questions that fill a Snapshot from a PostgreSQL server, and the reading of their answers. They run as any login (all
// they read is readable by everybody), name every object and operator by schema, and need no setting.
// Source: PostgreSQL manual, "System Catalogs".

#include <string>
#include <string_view>
#include <vector>

#include "catalogue/questions.hpp"

namespace dbguard::catalogue::postgres {

namespace errc {
inline constexpr std::string_view bad_answer = "bad_catalogue_answer";
}

/// All of them, for the engine.
const Questions& questions();

const std::string& state_query();
Result<State> read_state(const Rows& rows);
const std::string& digest_query();
Result<std::string> read_digest(const Rows& rows);
const std::string& load_query();
Result<SnapshotRef> read_load(const Rows& rows, const Context& context, FunctionSources& known);
std::string function_query(std::uint32_t id);

/// `dbguard:` tags in a column's comment or security label: `e-mail, dbguard:pii` → pii.
std::vector<std::string> tags_of_comment(std::string_view comment);

}  // namespace dbguard::catalogue::postgres
