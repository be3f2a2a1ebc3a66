#include "relay/postgres/error_text.hpp"

#include <algorithm>
#include <array>

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
namespace field = wp::error_field;

namespace {

struct General {
    std::string_view code;  ///< five characters: the SQLSTATE; two: its class
    std::string_view message;
};

/// Source: PostgreSQL manual, appendix "PostgreSQL Error Codes". Sorted; a class stands before its members.
constexpr std::array general_messages = {
    General{"00", "the statement was successful"},
    General{"01", "the statement raised a warning"},
    General{"02", "there is no data"},
    General{"03", "the statement is not complete"},
    General{"08", "there is a connection fault"},
    General{"09", "a triggered action failed"},
    General{"0A", "a feature is not supported"},
    General{"0B", "the transaction cannot begin like this"},
    General{"0F", "a locator is not valid"},
    General{"0L", "a grantor is not valid"},
    General{"0P", "a role specification is not valid"},
    General{"0Z", "a diagnostics fault"},
    General{"20", "no case was found"},
    General{"21", "the number of rows or columns does not fit"},
    General{"21000", "more than one row returned by a subquery used as an expression"},
    General{"22", "a value does not fit"},
    General{"22001", "value too long for its type"},
    General{"22003", "numeric value out of range"},
    General{"22004", "null value not allowed"},
    General{"22007", "invalid format of a date or time value"},
    General{"22008", "date or time value out of range"},
    General{"22009", "invalid time zone displacement"},
    General{"2200H", "sequence generator limit exceeded"},
    General{"22011", "substring error"},
    General{"22012", "division by zero"},
    General{"22013", "invalid preceding or following size in window function"},
    General{"22019", "invalid escape character"},
    General{"2201B", "invalid regular expression"},
    General{"2201E", "invalid argument for logarithm"},
    General{"2201F", "invalid argument for power function"},
    General{"2201W", "LIMIT must not be negative"},
    General{"2201X", "OFFSET must not be negative"},
    General{"22021", "character not in the encoding's repertoire"},
    General{"22023", "invalid parameter value"},
    General{"22025", "invalid escape sequence"},
    General{"22026", "string data length mismatch"},
    General{"2202E", "array subscript error"},
    General{"22030", "duplicate JSON object key value"},
    General{"22032", "invalid JSON text"},
    General{"22033", "invalid SQL/JSON subscript"},
    General{"22P01", "floating-point exception"},
    General{"22P02", "invalid input syntax for a type"},
    General{"22P03", "invalid binary representation"},
    General{"22P04", "bad COPY file format"},
    General{"22P05", "character has no equivalent in the target encoding"},
    General{"23", "an integrity constraint is violated"},
    General{"23001", "a row is still referenced"},
    General{"23502", "null value violates a not-null constraint"},
    General{"23503", "a foreign key constraint is violated"},
    General{"23505", "duplicate key value violates a unique constraint"},
    General{"23514", "a check constraint is violated"},
    General{"23P01", "conflicting key value violates an exclusion constraint"},
    General{"24", "invalid cursor state"},
    General{"25", "invalid transaction state"},
    General{"25001", "there is already a transaction in progress"},
    General{"25006", "cannot do this in a read-only transaction"},
    General{"25P01", "there is no transaction in progress"},
    General{"25P02", "current transaction is aborted, commands ignored until end of transaction block"},
    General{"25P03", "terminating connection due to idle-in-transaction timeout"},
    General{"26", "there is no such prepared statement"},
    General{"27", "triggered data change violation"},
    General{"28", "authorization failed"},
    General{"2B", "objects still depend on it"},
    General{"2D", "invalid transaction termination"},
    General{"2F", "an SQL routine failed"},
    General{"34", "there is no such cursor"},
    General{"38", "an external routine failed"},
    General{"39", "an external routine was called wrongly"},
    General{"3B", "a savepoint fault"},
    General{"3D", "there is no such database"},
    General{"3F", "there is no such schema"},
    General{"40", "the transaction was rolled back"},
    General{"40001", "could not serialize access due to concurrent update"},
    General{"40P01", "deadlock detected"},
    General{"42", "the statement is not valid or not permitted"},
    General{"42501", "permission denied"},
    General{"42601", "syntax error"},
    General{"42703", "a column does not exist"},
    General{"42704", "an object does not exist"},
    General{"42804", "types do not match"},
    General{"42883", "a function or operator does not exist"},
    General{"42P01", "a relation does not exist"},
    General{"42P07", "a relation exists already"},
    General{"44", "a view's check option is violated"},
    General{"53", "insufficient resources"},
    General{"53100", "disk full"},
    General{"53200", "out of memory"},
    General{"53300", "too many connections"},
    General{"54", "a limit of the server is exceeded"},
    General{"54001", "statement too complex"},
    General{"55", "an object is not in the state this needs"},
    General{"55P03", "a lock is not available"},
    General{"57", "the server's operator intervened"},
    General{"57014", "canceling statement due to user request or timeout"},
    General{"57P01", "terminating connection due to administrator command"},
    General{"58", "a system fault at the server"},
    General{"72", "snapshot too old"},
    General{"F0", "a fault in the server's configuration file"},
    General{"HV", "a foreign data wrapper failed"},
    General{"P0", "a function raised an error"},
    General{"P0001", "a function raised an exception"},
    General{"P0002", "a function found no row"},
    General{"P0003", "a function found too many rows"},
    General{"P0004", "an assertion failed"},
    General{"XX", "an internal error of the server"},
};

std::string_view look_up(std::string_view code) {
    const auto found = std::ranges::lower_bound(general_messages, code, {}, &General::code);
    return found != general_messages.end() && found->code == code ? found->message : std::string_view{};
}

/// Names of things, never values.
constexpr std::string_view names_of_things = "stcdn";

/// Where in the server an error was raised. Nothing that a client can make run chooses this: what RAISE, plpy.error or dblink report
/// comes from routines of their own.
struct Raised {
    std::string_view routine;
    std::string_view code;  ///< five characters or a class
};

/// Their message is one of a few fixed sentences. Source: src/backend of PostgreSQL 13 to 18. Sorted.
constexpr std::array fixed_sentences = {
    Raised{"CheckForSerializableConflictOut", "40001"},
    Raised{"DeadLockReport", "40P01"},
    Raised{"ExecOnConflictUpdate", "21000"},
    Raised{"OnConflict_CheckForSerializationFailure", "40001"},
    Raised{"PortalSetResultFormat", "08P01"},  // a Bind of so many result formats
    Raised{"PreCommit_CheckForSerializationFailure", "40001"},
    Raised{"ProcessInterrupts", "25P03"},  // … due to idle-in-transaction timeout
    Raised{"ProcessInterrupts", "55P03"},  // … due to lock timeout
    Raised{"ProcessInterrupts", "57014"},  // … due to statement timeout, user request
    Raised{"ProcessInterrupts", "57P01"},
    Raised{"RevalidateCachedQuery", "0A000"},  // cached plan must not change result type: drivers prepare again
    Raised{"exec_bind_message", "08P01"},  // so many parameters, or formats
    Raised{"exec_bind_message", "22023"},  // unsupported format code
    Raised{"exec_bind_message", "25P02"},
    Raised{"exec_execute_message", "25P02"},
    Raised{"exec_parse_message", "25P02"},
    Raised{"exec_parse_message", "42601"},  // cannot insert multiple commands …
    Raised{"exec_simple_query", "25P02"},
    Raised{"printtup_prepare_info", "22023"},  // unsupported format code
};

/// Their message names the statement's own tables, columns and constraints, or says what the statement is; values stand in the
/// detail, which does not go on. Sorted.
constexpr std::array sentences_of_names = {
    Raised{"ATAddForeignKeyConstraint", "42"},
    Raised{"ATExecAddColumn", "42"},
    Raised{"ATExecAlterColumnType", "42"},
    Raised{"ATExecColumnDefault", "42"},
    Raised{"ATExecDropColumn", "42"},
    Raised{"ATExecDropConstraint", "42"},
    Raised{"ATExecDropNotNull", "42"},
    Raised{"ATExecSetNotNull", "42"},
    Raised{"ATPrepAlterColumnType", "42"},
    Raised{"ATRewriteTable", "23"},
    Raised{"BeginTransactionBlock", "25001"},
    Raised{"DefineIndex", "42"},
    Raised{"DropErrorMsgNonExistent", "42"},
    Raised{"ExecConstraints", "23"},
    Raised{"ExecFindPartition", "23514"},
    Raised{"ExecPartitionCheckEmitError", "23514"},
    Raised{"ExecWithCheckOptions", "44000"},
    Raised{"PreventCommandIfReadOnly", "25006"},
    Raised{"PreventInTransactionBlock", "25001"},
    Raised{"ReleaseSavepoint", "3B001"},
    Raised{"ReportNotNullViolationError", "23502"},
    Raised{"RequireTransactionBlock", "25P01"},
    Raised{"RollbackToSavepoint", "3B001"},
    Raised{"_bt_check_unique", "23505"},
    Raised{"check_exclusion_or_unique_constraint", "23P01"},
    Raised{"check_for_column_name_collision", "42701"},
    Raised{"comparetup_index_btree", "23505"},
    Raised{"comparetup_index_btree_tiebreak", "23505"},
    Raised{"heap_create_with_catalog", "42P07"},
    Raised{"index_create", "42P07"},
    Raised{"renameatt_internal", "42"},
    Raised{"reportDependentObjects", "2BP01"},
    Raised{"ri_ReportViolation", "23"},
};

/// The parser, the rewriter and the checks before anything is done, about the statement itself: all of it goes on. What they find
/// inside a function's text has a context (the field W), or stands at a place in that (p, with q); so has what computing a value brings
/// about. Source: src/backend/parser, rewrite and commands of PostgreSQL 15. Sorted.
constexpr std::array about_the_statement = {
    Raised{"ATExecSetStatistics", "42"},
    Raised{"ATExecValidateConstraint", "42704"},
    Raised{"ATSimplePermissions", "42"},
    Raised{"BeginCopyTo", "42809"},
    Raised{"CheckSelectLocking", "0A"},
    Raised{"CheckTransactionBlock", "25P01"},
    Raised{"CheckValidResultRel", "42"},
    Raised{"CheckValidResultRelNew", "42"},
    Raised{"ComputeIndexAttrs", "42"},
    Raised{"CopyFrom", "42809"},
    Raised{"CopyGetAttnums", "42"},
    Raised{"CreateStatistics", "42"},
    Raised{"CreateTriggerFiringOn", "42"},
    Raised{"DefineRelation", "42"},
    Raised{"DropErrorMsgNonExistent", "3F"},
    Raised{"DropErrorMsgNonExistent", "42"},
    Raised{"DropErrorMsgWrongType", "42"},
    Raised{"ExecRefreshMatView", "0A"},
    Raised{"MergeAttributes", "42"},
    Raised{"ParseFuncOrColumn", "42"},
    Raised{"ProcessCopyOptions", "0A"},
    Raised{"ProcessCopyOptions", "22023"},
    Raised{"ProcessCopyOptions", "42"},
    Raised{"RenameRelationInternal", "42"},
    Raised{"ResolveOpClass", "42"},
    Raised{"addRangeTableEntryForFunction", "42"},
    Raised{"addRangeTableEntryForSubquery", "42"},
    Raised{"checkExprIsVarFree", "42"},
    Raised{"checkInsertTargets", "42"},
    Raised{"checkNameSpaceConflicts", "42"},
    Raised{"checkViewTupleDesc", "42"},
    Raised{"check_agg_arguments", "42"},
    Raised{"check_agglevels_and_constraints", "42"},
    Raised{"check_ungrouped_columns_walker", "42"},
    Raised{"cluster", "42704"},
    Raised{"coerce_to_boolean", "42804"},
    Raised{"colNameToVar", "42"},
    Raised{"do_analyze_rel", "42703"},
    Raised{"errorConflictingDefElem", "42"},
    Raised{"errorMissingColumn", "42"},
    Raised{"errorMissingRTE", "42"},
    Raised{"findTargetlistEntrySQL92", "42"},
    Raised{"get_relation_constraint_attnos", "42704"},
    Raised{"index_check_primary_key", "42"},
    Raised{"infer_arbiter_indexes", "42P10"},
    Raised{"make_row_comparison_op", "42"},
    Raised{"make_scalar_array_op", "42"},
    Raised{"op_error", "42"},
    Raised{"parserOpenTable", "42P01"},
    Raised{"process_matched_tle", "42601"},
    Raised{"process_owned_by", "42"},
    Raised{"rewriteTargetListIU", "428C9"},
    Raised{"rewriteTargetView", "55000"},
    Raised{"scanRTEForColumn", "42"},
    Raised{"scanner_yyerror", "42601"},
    Raised{"select_common_type", "42"},
    Raised{"transformAlterTableStmt", "42"},
    Raised{"transformAssignedExpr", "42"},
    Raised{"transformAssignmentIndirection", "42"},
    Raised{"transformCollateClause", "42"},
    Raised{"transformColumnNameList", "42"},
    Raised{"transformColumnRef", "42"},
    Raised{"transformContainerSubscripts", "42"},
    Raised{"transformFromClauseItem", "42"},
    Raised{"transformIndexConstraint", "42"},
    Raised{"transformInsertRow", "42"},
    Raised{"transformInsertStmt", "42"},
    Raised{"transformLockingClause", "42"},
    Raised{"transformMultiAssignRef", "0A"},
    Raised{"transformMultiAssignRef", "42"},
    Raised{"transformParamRef", "42P02"},
    Raised{"transformSetOperationTree", "42"},
    Raised{"transformSubLink", "42"},
    Raised{"transformTypeCast", "42846"},
    Raised{"transformUpdateTargetList", "42"},
    Raised{"transformValuesClause", "42"},
    Raised{"unknown_attribute", "42"},
};

/// As about_the_statement, at a place in its text alone: a value can make them speak, too (regtype). Sorted.
constexpr std::array about_a_place = {
    Raised{"typenameType", "42704"},
};

template <std::size_t size>
bool raised_in(const std::array<Raised, size>& list, std::string_view routine, std::string_view code) {
    for (auto at = std::ranges::lower_bound(list, routine, {}, &Raised::routine); at != list.end() && at->routine == routine; ++at)
        if (code.starts_with(at->code)) return true;
    return false;
}

}  // namespace

static_assert(std::ranges::is_sorted(general_messages, {}, &General::code));
static_assert(std::ranges::is_sorted(fixed_sentences, {}, &Raised::routine));
static_assert(std::ranges::is_sorted(sentences_of_names, {}, &Raised::routine));
static_assert(std::ranges::is_sorted(about_the_statement, {}, &Raised::routine));
static_assert(std::ranges::is_sorted(about_a_place, {}, &Raised::routine));

std::string_view general_message(std::string_view sqlstate) {
    if (const auto exact = look_up(sqlstate); !exact.empty()) return exact;
    if (const auto general = look_up(sqlstate.substr(0, 2)); !general.empty()) return general;
    return "the server reports an error";
}

wp::ErrorFields refusal_fields(const Refusal& refusal, std::string_view severity) {
    return {severity, refusal.sqlstate, refusal.message, refusal.detail, refusal.hint};
}

wp::ErrorFields without_values(const wp::ErrorFieldsView& fields, bool runs_code, bool text_runs_code) {
    wp::ErrorFields out;
    const auto copy = [&](char code) {
        if (const auto value = fields.get(code); !value.empty()) out.fields.emplace_back(code, value);
    };
    copy(field::severity);
    copy(field::severity_nonlocalized);
    const auto sqlstate = fields.get(field::sqlstate);
    const auto routine = fields.get(field::routine);
    const bool fixed = raised_in(fixed_sentences, routine, sqlstate);
    // What the parser refuses names only what the text names; so does a name of a cursor or prepared statement that is none.
    const bool of_names = sqlstate == "26000" || sqlstate == "34000";
    const bool at_its_text = !fields.get(field::position).empty();
    // Every routine that is written in SQL or another language leaves its context.
    const bool from_code = !fields.get(field::internal_query).empty() || !fields.get(field::where).empty();
    const bool about_itself = !from_code && (raised_in(about_the_statement, routine, sqlstate) || (at_its_text && raised_in(about_a_place, routine, sqlstate)));
    const bool whole = about_itself || (at_its_text && !text_runs_code && !from_code) || (!runs_code && (of_names || at_its_text)) || (of_names && !text_runs_code && !from_code);
    const bool sentence = fixed || (raised_in(sentences_of_names, routine, sqlstate) && (!runs_code || (!text_runs_code && !from_code)));
    // RAISE chooses its SQLSTATE, so code that reads rows could spell a value with it: only codes of the list go on.
    out.fields.emplace_back(field::sqlstate, runs_code && !whole && !sentence && look_up(sqlstate).empty() ? "P0001" : sqlstate);
    if (whole) {
        copy(field::message);
        copy(field::detail);
        copy(field::hint);
        copy(field::position);
    } else if (sentence) {
        copy(field::message);
    } else {
        out.fields.emplace_back(field::message, general_message(out.sqlstate()));
    }
    if (!runs_code || whole)  // RAISE … USING TABLE = anything
        for (const char name : names_of_things) copy(name);
    copy(field::file);
    copy(field::line);
    copy(field::routine);
    return out;
}

}  // namespace dbguard::relay::postgres
