#pragma once

// PostgreSQL's text to the relational tree, by the server's own grammar (libpg_query).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/tree.hpp"

namespace dbguard::sql::postgres {

/// The statements of one message, lowered, or why there are none.
struct Parsed {
    std::vector<tree::Statement> statements;
    std::string error;           ///< not empty: the grammar refused the text, or it is too deep
    std::uint32_t error_at = 0;  ///< byte offset
};

/// An upper bound on the depth of recursion the grammar, and everything that walks its tree, can need: open brackets plus
/// the longest run of tokens at one level that nothing separates. Linear in the text, no recursion. More than any depth
/// where the scanner would go over the text again and again.
std::size_t depth_bound(std::string_view text);

/// The end of what begins at `i` and holds no tokens: a comment, a string, a quoted name, a dollar quote. 0: none of these does.
std::size_t end_of_quoted(std::string_view text, std::size_t i);

/// Texts whose depth_bound is above this are refused before the grammar sees them (libpg_query needs about 2 kB of stack
/// and quadratic time a level).
inline constexpr std::size_t max_depth = 12'000;
/// Up to here the caller's own stack (1 MiB left) is enough; above, call through with_large_stack().
inline constexpr std::size_t shallow_depth = 250;

/// Needs a stack for depth_bound(text). `text` must be UTF-8 without NUL; standard_conforming_strings is taken as on.
Parsed parse(std::string_view text);

/// The same of what the server printed, also where its own grammar does not read that: it prints `CYCLE … SET c TO 'Y'::text DEFAULT
/// 'N'::text`, and takes no casts there (ruleutils.c, get_with_clause; gram.y, opt_cycle_clause).
Parsed parse_printed(std::string_view text);

}  // namespace dbguard::sql::postgres
