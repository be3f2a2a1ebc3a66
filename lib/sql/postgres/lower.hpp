#pragma once

// From PostgreSQL's raw parse tree to ours. Private to this room; see parse.hpp. The types of PostgreSQL's headers are only
// named here, so that no other file needs them.

#include "sql/tree.hpp"

struct Node;
struct List;
struct RangeVar;
struct RawStmt;

namespace dbguard::sql::postgres {

tree::ExprPtr lower_expr(const Node* node);
tree::QueryPtr lower_query(const Node* select);
std::unique_ptr<tree::Write> lower_write(const Node* node);
/// Any statement; begin and length are the caller's to set.
tree::Statement lower_statement(const Node* node);
tree::Name lower_relation(const RangeVar* relation);
/// A list of String nodes.
tree::Name lower_name(const List* names, int at);
std::vector<std::string> strings(const List* names);

}  // namespace dbguard::sql::postgres
