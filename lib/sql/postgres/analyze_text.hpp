#pragma once

// The door of this room: one message's text, analysed.

#include <string_view>

#include "sql/analyze.hpp"

namespace dbguard::sql::postgres {

/// Parses by PostgreSQL's grammar and analyses. Takes its own large stack where the text is deep. `unparsed` where the grammar
/// refuses the text, a name does not resolve, the text is no UTF-8 (the client's encoding is pinned to it), holds a NUL, or is
/// deeper than max_depth.
Analysis analyze_text(std::string_view text, const Names& names);

}  // namespace dbguard::sql::postgres
