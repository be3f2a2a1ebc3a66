#pragma once

// From trees to facts: names resolved in the catalogue, effects, lineage, filters, copies. The main door of the room.

#include <memory>

#include "catalogue/snapshot.hpp"
#include "sql/dialect.hpp"
#include "sql/statement.hpp"

namespace dbguard::sql {

/// What the analyses of many texts have worked out of one snapshot's relations. For one thread at a time.
struct KnownColumns;
std::shared_ptr<KnownColumns> known_columns();

/// Where names are looked up. Borrowed for the call.
struct Names {
    const catalogue::Snapshot* snapshot = nullptr;
    const catalogue::Context* context = nullptr;
    KnownColumns* known = nullptr;   ///< of that snapshot; may be null
};

/// Analyses the statements of one message in order: what an earlier one creates, later ones may name. Needs a stack as deep
/// as the text is (see sql/postgres/parse.hpp).
Analysis analyze(const std::vector<tree::Statement>& statements, const Names& names, const Dialect& dialect);

}  // namespace dbguard::sql
