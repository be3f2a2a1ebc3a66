#pragma once

// What lower_utility.cpp and lower_table.cpp share. Private to them.

#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {

/// Adds one; good until the next is added.
tree::UtilityEffect& effect(tree::Statement& out, EffectClass effect_class, tree::ObjectKind kind = tree::ObjectKind::other);
/// Adds one that changes the catalogue, and no row.
void change(tree::Statement& out, EffectClass effect_class, tree::ObjectKind kind, tree::Name name);
std::unique_ptr<tree::Statement> inner(const Node* node);
/// One that is stored and run later: a default, a check. Null: nothing.
void add_expression(tree::Statement& out, const void* node);
void add_probe(tree::Statement& out, const Node* node);

void add_constraint(tree::Statement& out, const Constraint* constraint);
void create_table(tree::Statement& out, const CreateStmt* create);
void create_table_as(tree::Statement& out, const CreateTableAsStmt* stmt);
void alter_table(tree::Statement& out, const AlterTableStmt* alter);
void create_index(tree::Statement& out, const IndexStmt* index);

}  // namespace dbguard::sql::postgres
