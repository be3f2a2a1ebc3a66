#pragma once

// The one relational tree that both front ends lower their grammar into: sources, outputs, expressions, writes, calls, with
// byte positions. Names, effects, lineage and masks are worked out on it, once (sql/analyze.hpp). What a front end cannot
// lower it lowers to an opaque node, which is refused or masked. Names stand as the dialect folds them.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "catalogue/snapshot.hpp"
#include "sql/effect.hpp"
#include "sql/statement.hpp"

namespace dbguard::sql::tree {

struct Expr;
struct Query;
struct Write;
struct Statement;
using ExprPtr = std::unique_ptr<Expr>;
using Exprs = boost::container::small_vector<ExprPtr, 2>;
using QueryPtr = std::unique_ptr<Query>;

/// `schema.table.column` as written, without the quotes.
struct Name {
    using Parts = boost::container::small_vector<std::string, 2>;
    Parts parts;
    std::uint32_t at = 0;  ///< byte offset

    const std::string& last() const { return parts.back(); }
};

struct Expr {
    enum class Kind : std::uint8_t {
        column,           ///< name
        star,             ///< name: the qualifier, or nothing
        constant,         ///< text; is_null for NULL; quoted
        parameter,        ///< number
        call,             ///< name(args …); see the members for aggregates
        operation,        ///< name = operator; args are its one or two sides
        comparison_any,   ///< args[0] operator ANY/ALL (args[1]); number 1: ALL
        in_list,          ///< args[0] IN (args[1] …); negated
        logic_and, logic_or, logic_not,
        is_null,          ///< args[0] IS [NOT] NULL; negated
        is_truth,         ///< args[0] IS [NOT] TRUE/FALSE/UNKNOWN: text
        cast,             ///< args[0] :: name; text `[]` for an array of it; modified: the type has a modifier, varchar(3)
        member,           ///< (args[0]).text
        member_star,      ///< (args[0]).*
        subscript,        ///< args[0][args[1] …]
        row, array,
        combine,          ///< CASE, COALESCE, GREATEST, NULLIF, XML and JSON constructors …: text says which; a value may come from each of args;
                          ///< name: of a result column made of it, as of a constant that is written as a word (current_date)
        exists,           ///< EXISTS (query)
        scalar_query,     ///< (query) as a value
        array_query,      ///< ARRAY(query)
        any_query,        ///< args[0] operator ANY/ALL/IN (query); number 1: ALL
        current_of, set_default,
        opaque,           ///< not understood: text says what
    };
    Kind kind = Kind::opaque;
    Name name;
    std::string text;
    Exprs args;
    QueryPtr query;
    std::uint32_t at = 0;
    int number = 0;
    bool is_null = false;
    bool quoted = false;      ///< a constant that was written in quotes
    bool negated = false;
    bool modified = false;
    // calls
    bool variadic = false;              ///< the last argument is an array of arguments
    bool star_argument = false;         ///< count(*)
    bool distinct = false;
    bool newer = false;                 ///< a server older than the grammar reads a function of this name here, or a column
    bool windowed = false;
    Exprs decides;                          ///< FILTER, ORDER BY, PARTITION BY of a call: which values, in which order
    std::vector<std::string> argument_names;   ///< parallel to args; empty: by position
    std::string column_name;            ///< of a result column made of it, where that is not the call's name

    // They come and go by the dozen with every text: what one leaves the next one takes.
    static void* operator new(std::size_t bytes);
    static void operator delete(void* place) noexcept;
};

ExprPtr make_expr(Expr::Kind kind, std::uint32_t at = 0);

struct Item {
    ExprPtr expr;
    std::string alias;  ///< empty: the dialect's own
};

struct From {
    enum class Kind : std::uint8_t { relation, subquery, functions, join, opaque };
    Kind kind = Kind::relation;
    Name relation;
    std::string alias;
    std::vector<std::string> column_aliases;
    QueryPtr query;
    bool lateral = false;
    Exprs functions;                        ///< of a table function, or what an opaque source is computed from; of a relation: what its sample depends on
    std::vector<std::string> defined_columns;  ///< AS t(a int, b text); JSON_TABLE's and XMLTABLE's
    std::vector<std::vector<std::string>> own_columns;   ///< ROWS FROM (f() AS (a int), g()): those defined for each of the functions; empty: not
    bool ordinality = false;
    // join
    std::unique_ptr<From> left, right;
    bool natural = false;
    bool keeps_left = false;                 ///< LEFT, FULL: what stands left comes in any case
    bool keeps_right = false;                ///< RIGHT, FULL
    std::vector<std::string> using_columns;
    std::string using_alias;                 ///< USING (…) AS alias: a name for the merged columns alone
    ExprPtr on;
};

/// A column that SEARCH or CYCLE adds, made of others of its query.
struct AddedColumn {
    std::string name;
    std::vector<std::string> of;
};

struct Cte {
    std::string name;
    std::vector<std::string> column_aliases;
    QueryPtr query;
    std::unique_ptr<Write> write;
    std::vector<AddedColumn> added_columns;
    std::vector<std::string> cycle_columns;  ///< CYCLE a, b: no row comes again that has the same there
};

/// SELECT, VALUES, TABLE, or a set operation of two.
struct Query {
    std::vector<Cte> with;
    bool recursive = false;
    enum class Combine : std::uint8_t { none, union_all, compare };
    Combine combine = Combine::none;  ///< compare: UNION, INTERSECT, EXCEPT
    bool widens = false;              ///< of these UNION
    QueryPtr left, right;
    std::vector<Item> items;
    std::vector<From> from;
    ExprPtr where, having;
    Exprs group_by, order_by, distinct_on, windows;
    bool distinct = false;
    ExprPtr limit, offset;
    bool locks_rows = false;
    std::vector<Exprs> values;
    std::optional<Name> into;      ///< SELECT INTO
    bool into_temporary = false;
    std::uint32_t at = 0;
};

struct Assignment {
    std::string column;
    bool whole = true;  ///< false: a member or an element of it
    ExprPtr value;      ///< null: from the column of that position of `source` of a multi-assignment (opaque)
};

struct Write {
    enum class Kind : std::uint8_t { insert, update, delete_, merge };
    Kind kind = Kind::insert;
    std::vector<Cte> with;
    bool recursive = false;
    Name target;
    bool only = false;                      ///< UPDATE ONLY, DELETE FROM ONLY: not its children
    std::string alias;
    std::vector<std::string> columns;       ///< INSERT (…); empty: all
    Exprs subscripts;                       ///< evaluated to find the place in a column: INSERT INTO t (a[f()])
    QueryPtr source;                        ///< INSERT's rows, MERGE's source is in from; null: DEFAULT VALUES
    std::vector<Assignment> assignments;    ///< UPDATE
    std::vector<From> from;                 ///< UPDATE … FROM, DELETE … USING, MERGE … USING
    ExprPtr where;                          ///< MERGE: its join condition
    std::vector<Item> returning;
    bool on_conflict_update = false;
    bool on_conflict_nothing = false;       ///< rows may come that are not inserted
    std::vector<Assignment> conflict_assignments;
    ExprPtr conflict_where;
    struct When {
        ExprPtr condition;
        Kind action = Kind::update;
        bool nothing = false;
        bool by_source = false;             ///< WHEN NOT MATCHED BY SOURCE
        std::vector<std::string> columns;
        std::vector<Assignment> assignments;
        Exprs values;
    };
    std::vector<When> whens;
    std::uint32_t at = 0;
};

/// The unqualified names of all relations that stand in FROM somewhere in it, at any depth; some more than once.
void relation_names(const Query& query, std::vector<std::string>& out);
void relation_names(const Write& write, std::vector<std::string>& out);

/// Every expression in it, its own, those of its parts and of the queries in it; the outer before the inner.
void visit(const Expr& expr, const std::function<void(const Expr&)>& each);

/// What the objects of an effect are, so that their names can be looked up.
enum class ObjectKind : std::uint8_t { relation, new_relation, function, schema, type, other };

/// A column that gets another type.
struct Retyped {
    std::string column;
    Name type;                   ///< one of the server's own; empty: another, or the values are computed anew
    std::vector<int> modifiers;  ///< what stands in its parentheses
};

struct UtilityEffect {
    EffectClass effect_class = EffectClass::unparsed;
    ObjectKind kind = ObjectKind::other;
    std::vector<Name> objects;
    Lock lock = Lock::none;
    std::optional<bool> rewrites_table;
    std::vector<Name> new_types;    ///< of columns that are added
    std::vector<Retyped> retyped;
    bool temporary = false;         ///< makes a temporary object
    bool if_not_exists = false;
    bool or_replace = false;        ///< ddl.alter of what exists
    bool only_existing = false;     ///< drop: nothing happens to what does not exist
    bool names_index = false;       ///< of an index by its own name, which a catalogue need not hold
    bool cascade = false;           ///< and what depends on it
    bool only = false;              ///< not its children
    bool orders_rows = false;       ///< its rows stand in an index's order afterwards
    bool keeps_names = false;       ///< ddl.alter: neither its name nor its columns' mean something else afterwards
    bool takes_away = false;        ///< drop, rename, move: the name, or a column's, may mean something else afterwards
    std::string setting;
    std::string detail;
};

/// Columns that stand elsewhere afterwards than where they stood: under another name of their own, of their table or its schema, or without
/// what they came from, or with another comment.
struct Moved {
    enum class Kind : std::uint8_t { column, relation, to_schema, schema, parent, expression, comment };
    Kind kind = Kind::column;
    Name of;                ///< the table; schema: none
    std::string from, to;   ///< column, expression, comment: the column. relation, to_schema, schema: to the name; comment: what it says
};

struct Statement {
    std::uint32_t begin = 0, length = 0;
    StatementKind kind = StatementKind::other;
    QueryPtr query;
    std::unique_ptr<Write> write;
    std::vector<UtilityEffect> effects;
    Exprs expressions;                      ///< evaluated by a utility statement: defaults, EXECUTE's arguments, SET's …
    Exprs checks;                           ///< conditions that the rows of its table have to meet, or that choose some of them
    Exprs probes;                           ///< computed over the rows of its table and kept where it shows: index expressions, statistics
    std::vector<Assignment> rewritten;      ///< columns of its table that are computed anew
    std::vector<Moved> moved;
    std::optional<Name> domain;             ///< ALTER DOMAIN: VALUE in checks is each value of that type
    std::string code, code_language;        ///< DO
    std::optional<catalogue::Function> makes_function;   ///< CREATE FUNCTION: what its text tells. No numbers
    std::string renamed_to;                 ///< RENAME of a function: its name from now on; with `makes_operators`: the function that runs
    std::vector<std::string> transition_tables;   ///< CREATE TRIGGER: names of the rows as they were and as they became
    std::vector<std::unique_ptr<Statement>> inner;
    /// CREATE TABLE AS, CREATE VIEW, COPY …: where the query's values go.
    std::optional<Name> stores_into;
    bool stores_values = false;             ///< a table; false: a view
    std::vector<std::string> stored_columns;
    bool keeps_query = false;               ///< a materialized view: its query stays in the catalogue
    std::string name;
    std::vector<std::string> defined_columns;  ///< CREATE TABLE: for the statements that follow in the same message
    bool returns_rows = false;              ///< SHOW, EXPLAIN, …: of their own
    bool executes_inner = false;            ///< EXPLAIN ANALYZE and the like run it now; effects of inner count anyway
    bool changes_catalogue = false;
    bool changes_settings = false;
    bool makes_operators = false;           ///< CREATE OPERATOR, CREATE CAST: code that runs where no name says so
    bool of_rule = false;                   ///< CREATE RULE: old and new in its condition and actions are rows of its table
    bool only_names = false;                ///< it changes what names mean or who may use them, and looks at no row
    bool opaque = false;                    ///< part of it was not understood
    std::string opaque_reason;
    std::uint32_t opaque_at = 0;
    std::vector<std::string> copy_columns;  ///< COPY t (a, b)
};

}  // namespace dbguard::sql::tree
