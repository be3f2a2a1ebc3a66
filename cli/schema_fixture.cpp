#include "cli/schema_fixture.hpp"

#include <algorithm>
#include <string>

#include "sql/postgres/ddl_catalogue.hpp"

namespace dbguard::cli {
namespace {

// Blanks in their place: positions stay.
std::string without_psql_commands(std::string_view ddl) {
    std::string out(ddl);
    for (std::size_t at = 0; at < out.size();) {
        const auto end = std::min(out.size(), out.find('\n', at));
        if (out[at] == '\\') std::fill(out.begin() + static_cast<std::ptrdiff_t>(at), out.begin() + static_cast<std::ptrdiff_t>(end), ' ');
        at = end + 1;
    }
    return out;
}

}  // namespace

Result<catalogue::SnapshotRef> read_schema(std::string_view ddl) { return sql::postgres::catalogue_of_ddl(without_psql_commands(ddl)); }

}  // namespace dbguard::cli
