#pragma once

// Lineage of what the catalogue stores: the queries of materialized views, the expressions of generated columns.

#include <string_view>
#include <vector>

#include "sql/analyze.hpp"

namespace dbguard::sql {

struct Lineage {
    std::vector<Source> sources;
    bool opaque = false;
};

/// One a column of the relation.
std::vector<Lineage> lineage_of_stored_query(const catalogue::Relation& relation, const Names& names, const Dialect& dialect);
/// `text` is an expression over the relation's own columns.
Lineage lineage_of_expression(const catalogue::Relation& relation, std::string_view text, const Names& names, const Dialect& dialect);

}  // namespace dbguard::sql
