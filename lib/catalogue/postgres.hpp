#pragma once

// The questions that fill a Snapshot from a PostgreSQL server, and the reading of their answers. They run as any login (all
// they read is readable by everybody), name every object and operator by schema, and need no setting.
// Source: PostgreSQL manual, "System Catalogs".

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"

namespace dbguard::catalogue::postgres {

namespace errc {
inline constexpr std::string_view bad_answer = "bad_catalogue_answer";
}

using Rows = std::vector<std::vector<std::optional<std::string>>>;

/// One row: what names mean to this session, and whether anything was written since.
const std::string& state_query();
struct State {
    Context context;
    std::string database_id;  ///< the server's own number of the database
    std::string next_transaction;  ///< unchanged: nothing was committed or begun to write since
};
Result<State> read_state(const Rows& rows);

/// One row, one text: unchanged while the catalogue is (also for what this session's open transaction did).
const std::string& digest_query();
Result<std::string> read_digest(const Rows& rows);

/// `dbguard:` tags in a column's comment or security label: `e-mail, dbguard:pii` → pii.
std::vector<std::string> tags_of_comment(std::string_view comment);

/// Everything. `context` is the one the definitions are printed under.
const std::string& load_query();
/// `known` holds the functions of the first load of this database, and is filled by it.
Result<SnapshotRef> read_load(const Rows& rows, const Context& context, FunctionSources& known);

}  // namespace dbguard::catalogue::postgres
