#pragma once

// How many rows the server's planner expects a statement to return or to change, asked without running it.
// Source: PostgreSQL manual, EXPLAIN.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "catalogue/postgres.hpp"

namespace dbguard::catalogue::postgres {

/// Stands before the statement's text in the question: an error's position counts from behind it.
inline constexpr std::string_view estimate_prefix = "EXPLAIN (FORMAT JSON) ";

/// `statement` is one statement that EXPLAIN takes; its parameters are the question's.
std::string estimate_query(std::string_view statement);

/// The largest of: rows that the statement returns, rows that one of its writes (in a CTE, too) is given.
Result<std::uint64_t> read_estimate(const Rows& rows);

}  // namespace dbguard::catalogue::postgres
