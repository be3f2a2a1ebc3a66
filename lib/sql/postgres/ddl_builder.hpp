#pragma once

// A catalogue as the statements of a text make it, one after the other (ddl_catalogue.hpp). Private to this room. What each file holds:
// ddl_catalogue.cpp what is done with a statement, and names; ddl_types.cpp types; ddl_relations.cpp tables, views and their columns;
// ddl_code.cpp functions, operators, triggers and rules.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"

struct AlterTableStmt;
struct ColumnDef;
struct CommentStmt;
struct CompositeTypeStmt;
struct Constraint;
struct CreateCastStmt;
struct CreateDomainStmt;
struct CreateFunctionStmt;
struct CreateStmt;
struct CreateTrigStmt;
struct DefineStmt;
struct DropStmt;
struct List;
struct Node;
struct PartitionBoundSpec;
struct RangeVar;
struct RawStmt;
struct RuleStmt;
struct TypeName;

namespace dbguard::sql::postgres {

class DdlBuilder {
  public:
    /// Borrowed.
    explicit DdlBuilder(std::string_view text);

    void add(const RawStmt* raw);
    /// The first thing that was not understood.
    const std::optional<Error>& error() const { return error_; }
    catalogue::SnapshotRef snapshot() const;

  private:
    using Column = catalogue::Column;
    using Function = catalogue::Function;
    using Id = catalogue::Id;
    using Relation = catalogue::Relation;
    using RelationKind = catalogue::RelationKind;
    using Type = catalogue::Type;
    using TypeKind = catalogue::TypeKind;
    struct Name {
        std::string schema, name;
    };

    // ---- ddl_catalogue.cpp
    void statement(const Node* node);
    void fail(const std::string& what, int location = -1);
    Id next_id() { return last_id_++; }
    Name name_of(const RangeVar* relation) const;
    Name name_of(const List* names) const;
    Relation* find(const Name& name);
    Relation* known(const RangeVar* relation);
    const Type* find_type(const std::string& schema, const std::string& name) const;
    Id find_function(const List* names) const;

    // ---- ddl_types.cpp
    Id add_type(const Name& name, TypeKind kind, Id base = 0, Id relation = 0);
    Id type_id(const TypeName* type);
    Id unlisted_type(const std::string& name, int location);
    static std::int32_t modifier(const TypeName* type);
    static const TypeName* type_option(const List* definition, const char* name);
    void create_composite(const CompositeTypeStmt* create);
    void create_domain(const CreateDomainStmt* create);
    void create_cast(const CreateCastStmt* create);

    // ---- ddl_relations.cpp
    void not_null(Relation& relation, const List* names);
    void add_column(Relation& relation, const ColumnDef* definition);
    Relation begin_relation(const Name& name, RelationKind kind, bool temporary = false);
    void end_relation(Relation relation);
    void make_sequences();
    bool exists(const Name& name, bool if_not_exists, int location);
    void constraint_of(Relation& relation, const Constraint* constraint);
    void check_of(Relation& relation, const Constraint* constraint);
    std::string bound_of(const PartitionBoundSpec* bound) const;
    void refers(Relation& relation, const Constraint* constraint, const std::vector<std::string>& names);
    void create_table(const CreateStmt* create, RelationKind kind);
    void create_query(const RangeVar* target, const List* aliases, RelationKind kind, bool if_not_exists, bool replace, bool recursive);
    void alter_table(const AlterTableStmt* alter);
    void comment(const CommentStmt* comment);
    void drop(const DropStmt* drop);

    // ---- ddl_code.cpp
    void create_function(const CreateFunctionStmt* create);
    void define(const DefineStmt* define);
    void create_trigger(const CreateTrigStmt* trigger);
    void create_rule(const RuleStmt* rule);

    std::string_view text_;
    std::size_t begin_ = 0, end_ = 0;   ///< of the statement
    std::string schema_ = "public";
    catalogue::Snapshot::Parts parts_;
    Id last_id_ = 16384;  // below are the server's own (PostgreSQL: FirstNormalObjectId)
    std::map<Id, std::vector<std::string>> primary_;   ///< columns of primary keys
    std::set<Id> loose_;                ///< relations whose key may be looked at later than at once, or may be gone
    std::vector<Name> sequences_;       ///< that the columns of the relation being made have
    std::size_t composite_at_ = 0;
    std::optional<Error> error_;
};

}  // namespace dbguard::sql::postgres
