#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "masking/copy_format.hpp"

namespace dbguard::relay::postgres {

struct CopyStatementOptions {
    masking::CopyOptions options;
    bool force_quote_all = false;  ///< FORCE_QUOTE was given; quoting more than was asked for changes no value
};

/// The options behind TO STDOUT of a COPY statement, in the new form and the two older ones. `binary`: as CopyOutResponse says.
/// Empty: not understood, or of another format than the server says.
/// Source: PostgreSQL manual, COPY.
std::optional<CopyStatementOptions> copy_options(std::string_view statement, bool binary);

/// A query whose columns are those of the COPY statement: `(query)`'s own, or SELECT of the table's. Empty: not understood.
std::optional<std::string> copy_source_query(std::string_view statement);

/// The query of `PREPARE name (types) AS query`. Empty: not understood.
std::optional<std::string_view> prepared_query(std::string_view statement);

}  // namespace dbguard::relay::postgres
