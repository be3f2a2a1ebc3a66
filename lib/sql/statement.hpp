#pragma once

// What is known of one statement after analysis: its effects, where each output column's value comes from, which columns
// decide which rows come (filters), and which values are stored elsewhere (copies). Facts only: what they are worth is
// policy's business. Whatever could not be worked out says so (`opaque`), and policy treats it as the most sensitive.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sql/effect.hpp"

namespace dbguard::sql {

/// A base column: PostgreSQL's relation OID and attribute number; MySQL's numbers are the catalogue's own.
struct ColumnId {
    std::uint32_t relation = 0;
    std::int16_t number = 0;

    auto operator<=>(const ColumnId&) const = default;
};

/// How a column's value reaches its destination. Ordered from harmless to literal.
enum class Flow : std::uint8_t {
    existence,    ///< only whether there is a value: count(x), x IS NULL, EXISTS
    aggregated,   ///< through an aggregate or window function
    transformed,  ///< through an expression
    identity,     ///< as it is stored
};

struct Source {
    ColumnId column;
    Flow flow = Flow::identity;
    /// The member of a json, hstore or composite value that is read; empty: the whole value.
    std::vector<std::string> path;

    auto operator<=>(const Source&) const = default;
};

/// One column of a result. `opaque`: its value may come from anything the statement can reach. `as_shown`: then it is as a relation of
/// the server's own shows it (statistics, texts of other sessions), and nothing was computed of it. `of_shown`: it may be computed, but
/// of nothing else that is opaque.
struct Output {
    std::string name;
    std::vector<Source> sources;
    std::vector<std::string> functions;  ///< code outside the vetted list that the value passed through, as `schema.name`
    bool may_fail = false;  ///< computing it may fail for some values: whether it does tells something about them
    bool opaque = false;
    bool as_shown = false;
    bool of_shown = false;

    bool operator==(const Output&) const = default;
};

/// A column that decides which rows come or in which order.
struct Filter {
    enum class Use : std::uint8_t {
        equality,  ///< compared for equality with given values only
        other,     ///< ordering, pattern, range, join, grouping, DISTINCT, …
    };
    Source source;
    Use use = Use::other;
    bool opaque = false;                 ///< it may be any column; `source` says nothing
    std::vector<std::string> functions;  ///< as in Output; `source` says nothing where there are some

    bool operator==(const Filter&) const = default;
};

/// A column of a table that the statement makes.
struct NewColumn {
    std::string schema, relation, name;
    bool temporary = false;
    bool of_view = false;   ///< of a materialized view, whose query stays in the catalogue

    bool operator==(const NewColumn&) const = default;
};

/// A column that policy knows by another name afterwards, or no longer by what it came from or by its comment.
struct Rename {
    ColumnId column;
    NewColumn before, after;
    bool from_children = false;   ///< with `carried`: a child or partition goes, which may be why this one has a mask
    bool carried = false;   ///< not the name changes: the column loses the parent or the expression whose mask it carries, or a tag
    std::string member;     ///< not empty: no column, but this member of values that are rows gets another name

    bool operator==(const Rename&) const = default;
};

/// A value that is stored, sent or handed to code: INSERT … SELECT, UPDATE … SET, CREATE TABLE AS, NOTIFY, an argument of
/// a function that is not vetted.
struct Copy {
    ColumnId target;          ///< relation 0: no column of a table
    std::string target_name;  ///< for people
    std::optional<NewColumn> made;   ///< then the target is that
    std::vector<Source> sources;
    std::vector<std::string> functions;  ///< as in Output
    bool opaque = false;
    bool executed = false;    ///< the columns of the prepared statement that an EXECUTE of this statement runs: `sources` says nothing
    bool extended = false;    ///< the column's own value with something given put before or behind it: that goes with every value

    bool operator==(const Copy&) const = default;
};

/// A literal or a parameter of the text, and the columns that its value meets: compared with, stored in, computed with. For
/// what may be recorded of it. One that is not listed may have met anything.
struct Given {
    std::uint32_t at = 0;          ///< byte offset of the literal, or of the minus sign before it; of a parameter its number
    bool parameter = false;
    bool unknown = false;          ///< it meets more than is listed
    std::vector<Source> meets;     ///< sorted

    bool operator==(const Given&) const = default;
};

/// What a statement means for the session that runs it; everything else is `other`.
enum class StatementKind : std::uint8_t {
    other, begin, commit, rollback, savepoint, rollback_to, release, prepare_transaction,
    prepare, execute, deallocate, declare_cursor, fetch, close_cursor, copy_in, copy_out, set, discard, explain,
};

/// What code does with cursors that the session can FETCH from, as far as its text tells. Ordered.
enum class CodeCursors : std::uint8_t {
    none,
    opens,     ///< makes some, under names that are theirs
    replaces,  ///< may close one of the session's, or make one under a name that was given
};

struct Statement {
    std::uint32_t begin = 0;  ///< byte offset of its text in the message
    std::uint32_t length = 0;
    StatementKind kind = StatementKind::other;
    std::vector<Effect> effects;
    bool returns_rows = false;
    std::vector<Output> outputs;  ///< one a result column, when returns_rows
    bool outputs_exact = true;    ///< false: how many columns come is not known (`*` over one of the server's own relations)
    std::vector<Filter> filters;
    std::vector<Copy> copies;
    std::vector<Rename> renames;
    std::vector<Given> givens;    ///< of the text as written, also inside what PREPARE and the like carry
    std::vector<std::uint32_t> relations;  ///< every base relation it can reach, through views, rules, triggers, functions
    bool runs_inner = false;      ///< EXPLAIN ANALYZE: what it carries is run, not only planned
    bool shows_changed = false;   ///< a query: one row for each that its WITH changes, so its command tag counts them
    bool writes_inside = false;   ///< a WITH, a function or a rule of it changes rows, which its command tag does not count
    bool runs_code = false;       ///< functions, triggers, rules or casts outside the vetted list: its error texts may hold anything
    bool calls_code = false;      ///< of that, more than the triggers of the tables it writes: code that its own text calls
    bool unread_code = false;     ///< of that, some whose text was not read, or that reads what shows values of any table
    CodeCursors cursors{};        ///< what it does with cursors
    bool calls_unknown = false;   ///< of that, functions that the catalogue does not hold
    bool changes_catalogue = false;        ///< names may mean something else afterwards
    bool changes_settings = false;         ///< search_path, role or another setting may differ afterwards
    bool explainable = false;              ///< the planner can say how many rows it returns or changes
    bool only_names = false;               ///< it computes nothing and looks at no row: its error texts hold names, but for what it checks (SQLSTATE classes 22, 23)
    bool literals_matter = false;          ///< other constants in the same text could make it mean something else
    std::string name;                      ///< the prepared statement or cursor it makes or uses; empty: all of them
    std::vector<Statement> inner;          ///< what PREPARE, DECLARE, EXPLAIN or COPY (query) carries: its outputs are those of EXECUTE, FETCH, …

    bool operator==(const Statement&) const = default;
};

/// The EXECUTE that it is, or that its EXPLAIN or CREATE TABLE AS runs; null: there is none.
const Statement* execute_of(const Statement& statement);

/// The statements of one message, or why there are none.
struct Analysis {
    std::vector<Statement> statements;
    /// Not empty: the text is `unparsed`, for this reason. Statements may still stand there (as far as they were understood).
    std::string unparsed;
    std::uint32_t unparsed_at = 0;  ///< byte offset
    /// One statement, neither query nor write, that is so only because it names what the catalogue does not hold.
    bool unknown_names = false;

    bool operator==(const Analysis&) const = default;
};

}  // namespace dbguard::sql
