#pragma once

// What the server's catalogue says: relations, columns, types, functions, operators. A Snapshot is immutable once built and
// shared between sessions; lookups are by number or by schema and name. Knows nothing of SQL text or policy. The queries
// that fill one are in catalogue/postgres.hpp.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace dbguard::catalogue {

/// The server's own number of an object (PostgreSQL: OID). 0 is none.
using Id = std::uint32_t;

struct Column {
    std::int16_t number = 0;  ///< PostgreSQL: attnum
    std::string name;
    Id type = 0;
    std::int32_t modifier = -1;   ///< PostgreSQL: atttypmod
    bool not_null = false;
    bool generated = false;
    bool collated = false;        ///< it has a collation of its own, not the database's
    std::string default_text;     ///< the default's or the generation's expression
    std::vector<std::string> tags;
};

enum class RelationKind : std::uint8_t {
    table, view, materialized_view, foreign_table, partitioned_table, sequence, composite, index, other,
};

struct Rule {
    char event = ' ';          ///< '2' update, '3' insert, '4' delete (pg_rewrite.ev_type)
    bool instead = false;
    std::string definition;    ///< CREATE RULE …
};

/// A foreign key that refers to a relation.
struct Reference {
    Id table = 0;                          ///< whose key it is
    char on_delete = 'a', on_update = 'a'; ///< a no action, r restrict, c cascade, n set null, d set default (pg_constraint)
    std::vector<std::int16_t> columns;     ///< the key's
    std::vector<std::int16_t> referenced;  ///< of the relation it refers to
};

struct Relation {
    Id id = 0;
    std::string schema;
    std::string name;
    RelationKind kind = RelationKind::table;
    bool temporary = false;
    bool own_temporary = false;  ///< in this session's pg_temp
    std::vector<Column> columns;
    std::string definition;         ///< the query of a view or materialized view
    std::vector<Rule> rules;        ///< other than a view's own
    std::vector<Id> parents;        ///< inherits from, or is a partition of
    std::vector<Id> children;       ///< that inherit from it, or are partitions of it; filled by Snapshot
    std::vector<Reference> referenced_by;
    std::vector<std::int16_t> primary_key;   ///< its columns, where no two rows have the same at any time: not deferrable; filled only then
    std::vector<Id> trigger_functions;
    /// Names that a trigger's function has for the rows as they were and as they became, two for each of `trigger_functions`; empty: that
    /// one has none, or (no names at all) none of them has (PostgreSQL manual, CREATE TRIGGER, "REFERENCING").
    std::vector<std::string> transition_tables;
    std::vector<Id> new_triggers;   ///< of `trigger_functions`: by triggers that were made or changed since the engine first saw this database
    std::vector<Id> unsaid;         ///< functions that its defaults, checks, indexes, partition key and statistics call
    std::vector<std::string> checks;  ///< conditions that all its rows and its children's meet, or come to NULL: CHECK
    std::string partition_key;      ///< PostgreSQL: RANGE (placed_at); of a partitioned table
    std::string partition_bound;    ///< PostgreSQL: FOR VALUES IN ('eu'), DEFAULT; of a partition
    bool has_expressions = false;   ///< checks, index expressions, policies made of code that is not built in

    const Column* column(std::string_view name) const;
    const Column* column(std::int16_t number) const;
};

enum class TypeKind : std::uint8_t { base, composite, domain, enumeration, pseudo, range, multirange };

struct Type {
    Id id = 0;
    std::string schema;
    std::string name;
    TypeKind kind = TypeKind::base;
    Id base = 0;       ///< of a domain; the subtype of a range
    Id element = 0;    ///< of an array
    Id relation = 0;   ///< of a composite
    std::int32_t modifier = -1;  ///< a domain's
    std::vector<std::string> labels;
    std::vector<std::string> checks;  ///< of a domain: those that call code which is not built in, over VALUE
    std::vector<Id> unsaid;           ///< of a domain: functions that its checks and its default call
    std::vector<std::string> conditions;  ///< of a domain: all of its checks, over VALUE
};

struct Function {
    Id id = 0;
    std::string schema;
    std::string name;
    char kind = 'f';          ///< f function, p procedure, a aggregate, w window
    std::string language;     ///< sql, plpgsql, c, internal, …
    bool security_definer = false;
    bool returns_set = false;
    Id returns = 0;
    std::string extension;    ///< the extension it belongs to
    bool after_extension = false;   ///< it was made or changed after that was made: by an update of it, by pg_upgrade, or by somebody
    std::vector<Id> arguments;
    std::vector<std::string> argument_names;   ///< of the inputs; may be empty
    std::vector<std::string> output_names;     ///< OUT and TABLE columns
    std::string body;         ///< its source as the server keeps it: a text, or the name of a symbol
    std::vector<std::string> settings;  ///< its SET clauses, `search_path=a, b`
    bool variadic = false;    ///< takes any number of the last argument
    std::vector<std::string> parts;   ///< of an aggregate: the functions it is made of: a number, or the name of one built in
    std::vector<Id> unsaid;           ///< functions that the defaults of its arguments call
    bool recent = false;      ///< made or changed since the engine first saw this database: nobody vouched for it
};

struct Operator {
    std::string schema;
    std::string name;
    Id function = 0;
    Id left = 0, right = 0;  ///< the types of its sides; 0: none
    std::string extension;   ///< the extension it belongs to
};

/// CREATE CAST … WITH FUNCTION.
struct Cast {
    Id source = 0, target = 0;
    Id function = 0;
    std::string built_in;     ///< the function's name, where it is one of the server's own
    bool silent = false;      ///< the server applies it without being told to: AS ASSIGNMENT, AS IMPLICIT
};

/// The session's own part of a name's meaning.
struct Context {
    std::vector<std::string> search_path;   ///< effective: current_schemas(true); pg_temp_N appears by its real name
    std::string temp_schema;                ///< empty: none yet
    std::string database;
    std::string user;
    bool uncommitted = false;   ///< the open transaction has changed names or settings: when it ends they may mean something else again

    bool operator==(const Context&) const = default;
};

class Snapshot {
  public:
    /// Takes over the parts and builds the look-ups.
    struct Parts {
        std::vector<Relation> relations;
        std::vector<Type> types;
        std::vector<Function> functions;   ///< none of those built in
        std::vector<Operator> operators;   ///< none of those built in
        std::vector<Cast> casts;           ///< none of those built in
        std::vector<std::string> extensions;
        Context rendered_under;            ///< the search path under which definitions were printed
    };
    explicit Snapshot(Parts parts);

    const Relation* relation(Id id) const;
    const Relation* relation(std::string_view schema, std::string_view name) const;
    const Type* type(Id id) const;
    /// Every type of that name, in whichever schema; none of those built in.
    std::vector<const Type*> types(std::string_view name) const;
    /// Every function of that name, in whichever schema.
    std::vector<const Function*> functions(std::string_view name) const;
    const Function* function(Id id) const;
    std::vector<const Operator*> operators(std::string_view name) const;
    const std::vector<Relation>& relations() const { return parts_.relations; }
    const std::vector<Function>& functions() const { return parts_.functions; }
    const std::vector<Operator>& operators() const { return parts_.operators; }
    const std::vector<Cast>& casts() const { return parts_.casts; }
    /// New functions that the checks and defaults of domains call.
    const std::vector<Id>& new_behind_types() const { return new_behind_types_; }
    /// All functions that those call.
    std::vector<Id> behind_types() const;
    const Context& rendered_under() const { return parts_.rendered_under; }
    /// Larger than every object that was known when the snapshot was taken.
    Id highest() const { return highest_; }
    /// About what it takes in memory.
    std::size_t bytes() const { return bytes_; }

  private:
    Parts parts_;
    std::unordered_map<Id, std::size_t> relations_by_id_;
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> relations_by_name_;
    std::unordered_map<Id, std::size_t> types_by_id_;
    std::unordered_multimap<std::string_view, std::size_t> types_by_name_;
    std::unordered_map<Id, std::size_t> functions_by_id_;
    std::unordered_multimap<std::string_view, std::size_t> functions_by_name_;
    std::unordered_multimap<std::string_view, std::size_t> operators_by_name_;
    std::vector<Id> new_behind_types_;
    Id highest_ = 0;
    std::size_t bytes_ = 0;
};

using SnapshotRef = std::shared_ptr<const Snapshot>;

/// What the functions and triggers were when the engine first saw the database.
struct FunctionSources {
    std::unordered_map<Id, std::string> functions;   ///< number → source and settings
    std::unordered_set<std::string> triggers;        ///< number and version of each
    bool seen = false;
};
/// The same text for the same code.
std::string source_of(const Function& function);

}  // namespace dbguard::catalogue
