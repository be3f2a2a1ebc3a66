#pragma once

// What differs between engines, as data: which functions are built in and what they mean, which schemas are the system's,
// and how text becomes a tree. One instance an engine (sql/postgres/dialect.hpp).

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalogue/snapshot.hpp"
#include "sql/tree.hpp"

namespace dbguard::sql {

/// What a built-in function means to an analysis.
enum class FunctionKind : std::uint8_t {
    transparent,      ///< its value comes from its arguments; reads no user data, changes nothing
    aggregate,        ///< the same over many rows; window functions too
    counting,         ///< tells how many, not what
    runs_query,       ///< runs an argument as SQL text
    reads_by_name,    ///< reads a relation, schema or database named by an argument
    sets_setting, reads_setting, sequence, sets_sequence, lock, notify, sleep,
    server,           ///< files, programs, other sessions, replication, the server's state
    shows_values,     ///< statistics and texts that may hold values of any table
};

struct FunctionRule {
    std::string_view name;
    FunctionKind kind = FunctionKind::transparent;
    bool returns_set = false;
};

/// Text of a view, rule, function or argument, as a tree; `error` when the grammar refuses it.
struct ParsedText {
    std::vector<tree::Statement> statements;
    std::string error;
    std::uint32_t error_at = 0;
};

/// The code of a routine, as far as it can be read.
struct CodeBody {
    bool readable = false;              ///< false: it builds text and runs it, or is not understood
    std::vector<std::string> texts;     ///< every statement and expression (as `SELECT …`) in it, in no order
    std::vector<std::string> run_texts; ///< expressions (as `SELECT …`) whose values are texts that it runs; they stand in `texts`, too
    std::vector<std::string> variables; ///< names that are not columns there
    std::vector<std::string> unchanged; ///< of these: arguments that keep what they were given
    /// `new.column := …`: the column, and what it gets (as `SELECT …`); not among the texts. Only of a `new` that is the trigger's own row.
    std::vector<std::pair<std::string, std::string>> row_values;
    CodeCursors cursors{};
    bool sees_errors = false;           ///< it keeps what an error says, which may be values of the rows that it was about
    bool in_sequence = false;           ///< the texts are whole statements, the last one gives the value (SQL functions)
    bool printed = false;               ///< the server printed them, as it does a view's query: names are as the catalogue's definitions have them
};

/// A relation of the server's own whose other columns may hold values of any table, or texts of other statements.
struct ValueRelation {
    std::string_view name;
    std::vector<std::string_view> safe_columns;
    std::vector<std::string_view> value_columns;   ///< the others, as far as they are known
};

/// What matters of the values of a built-in type.
struct BuiltIn {
    enum class Kind : std::uint8_t { none, boolean, whole, decimal, floating, text, day, moment, uuid, document, other };
    Kind kind = Kind::none;         ///< none: no built-in type, or not one that is known
    int bytes = 0;                  ///< whole: 2, 4, 8
    int digits = 0, scale = 0;      ///< decimal: of how many, and how many behind the point; 0: any
    std::size_t characters = 0;     ///< text: at most; 0: any
    catalogue::Id element = 0;      ///< it is an array of these
    /// They compare and join with each other whatever they are. Not so arrays and rows (of other sizes, of what has no `=`), ranges,
    /// and json as text (its steps read it, and some of that is no character).
    bool ordinary = false;

    /// whole: the least; the greatest is `-lowest() - 1`. Else 0.
    long double lowest() const { return bytes == 2 ? -32768.0L : bytes == 4 ? -2147483648.0L : bytes == 8 ? -9223372036854775808.0L : 0; }
};

struct Dialect {
    /// The rule of a built-in function; null for a name that is not vetted. `schema` may be empty: the system's own.
    const FunctionRule* (*function)(std::string_view schema, std::string_view name);
    /// Names of the columns of a built-in table function; empty: one column of the function's own name, or not known
    /// (`known` tells).
    std::vector<std::string> (*table_function_columns)(std::string_view name, std::size_t arguments, bool& known);
    /// The number of a built-in type that is no row; 0: there is none of that name.
    catalogue::Id (*type)(std::string_view name);
    BuiltIn (*built_in)(catalogue::Id type, std::int32_t modifier);
    /// Whether the server may make a value of the second built-in type from one of the first without being told to.
    bool (*converts)(catalogue::Id from, catalogue::Id to);
    /// The columns that a value of that built-in type is spread into where it stands in FROM (unnest); empty: one, or an array's elements.
    std::span<const std::string_view> (*spread_columns)(catalogue::Id type);
    /// Built-in functions that may give what one of their arguments is, or has as an element: rows, arrays of rows (PostgreSQL: anyelement, anyarray).
    bool (*is_polymorphic)(std::string_view name);
    /// The type of what a built-in function or operator gives, where that has spread_columns; else 0.
    catalogue::Id (*spread_type)(std::string_view function);
    /// Where built-in things are; looked in before the search path.
    std::string_view system_schema;
    std::string_view settings_view;   ///< there: what one writes to it, one sets
    bool (*is_system_schema)(std::string_view schema);
    const ValueRelation* (*value_relation)(std::string_view name);
    /// Functions and operators that give a value for every value: they cannot fail, so whether they do tells nothing.
    bool (*is_total)(std::string_view name);
    /// Aggregates and window functions that give a value for all single values; `as_stored`: for those of a column.
    bool (*is_total_aggregate)(std::string_view name, bool as_stored);
    /// Columns that every table has and that hold no user data: ctid, xmin …
    bool (*is_system_column)(std::string_view name);
    /// Functions of well-known extensions that are as vetted as built-in ones: (extension, function) → its rule.
    const FunctionRule* (*extension_function)(std::string_view extension, std::string_view name);
    /// The rule of what the server makes along with a role's own types, by language and symbol of its code: the constructors of ranges.
    /// Null: it is none of these.
    const FunctionRule* (*made_function)(std::string_view language, std::string_view symbol);
    /// Languages in which only the server's owner writes functions.
    bool (*is_servers_language)(std::string_view language);
    /// Settings that can only narrow what the session may do: setting one is no `session.set`.
    bool (*only_restricts)(std::string_view setting);
    /// Why a session may not set this to `value`: what follows would be read otherwise than the analysis reads it. Empty: it may.
    std::string_view (*misleading)(std::string_view setting, std::string_view value);
    /// Whether a column's values stay as they are stored when it gets another of the server's own types.
    bool (*keeps_storage)(catalogue::Id type, std::int32_t modifier, std::string_view name, std::span<const int> modifiers);
    CodeBody (*read_code)(const catalogue::Function& function);
    ParsedText (*parse)(std::string_view text);
};

}  // namespace dbguard::sql
