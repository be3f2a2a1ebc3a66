#pragma once

// What ALTER TABLE does to a table beside its definition: how strongly it locks, and whether all rows are written anew. As far
// as the text tells; what only the catalogue knows is left open in the effect (new_types, retyped).
// Source: PostgreSQL manual, ALTER TABLE (each form names its lock; "Notes" says what rewrites) and "Explicit Locking".

#include <optional>
#include <span>
#include <string_view>

#include "catalogue/snapshot.hpp"
#include "sql/tree.hpp"

struct AlterTableCmd;

namespace dbguard::sql::postgres {

/// The lock of one form on the table that is altered.
Lock lock_of(const AlterTableCmd& command);

/// Notes in `effect` what one form does to the rows.
void note_rewrite(const AlterTableCmd& command, tree::UtilityEffect& effect);

/// Whether one form changes names, settings or rights only: nothing is computed, and of rows at most whether they are NULL is looked at.
bool changes_names_only(const AlterTableCmd& command);

/// Whether one form leaves what names mean: the table's and its columns'.
bool keeps_names(const AlterTableCmd& command);

/// Whether values of a built-in type stay as they are stored when their column gets another (`name` of pg_catalog, with what
/// stands in its parentheses): varchar(10) to varchar(20), numeric(8,2) to numeric(10,2), varchar to text.
bool keeps_storage(catalogue::Id type, std::int32_t modifier, std::string_view name, std::span<const int> modifiers);

}  // namespace dbguard::sql::postgres
