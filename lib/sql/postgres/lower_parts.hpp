#pragma once

// What lower_utility.cpp, lower_session.cpp, lower_table.cpp and lower_options.cpp share. Private to them.

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

// ---- lower_options.cpp
std::string lower_case(std::string text);
tree::Name one(std::string name);
/// The last of that name; null: none.
const DefElem* option(const List* options, const char* name);
std::string option_text(const DefElem* element);
/// An option that is on unless it says otherwise: VERBOSE, FULL true, FULL off …
bool is_on(const List* options, const char* name);
tree::ObjectKind kind_of(ObjectType type);
/// Objects of the server rather than of a schema.
bool is_server_object(ObjectType type);
bool is_role_object(ObjectType type);
/// The name inside DROP, COMMENT, RENAME …: a list, a type name, a function with its arguments. For what belongs to a table
/// (`last_is_part`), the table's name is what stands before the last part.
tree::Name object_name(const Node* node, bool last_is_part);
bool is_part_of_table(ObjectType type);

// ---- lower_session.cpp
void set_variable(tree::Statement& out, const VariableSetStmt* set);
void copy(tree::Statement& out, const CopyStmt* stmt);
void explain(tree::Statement& out, const ExplainStmt* stmt);
void transaction(tree::Statement& out, const TransactionStmt* stmt);
void vacuum(tree::Statement& out, const VacuumStmt* stmt);

}  // namespace dbguard::sql::postgres
