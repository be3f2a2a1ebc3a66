#pragma once

// What is written down of a session: one struct an event, one line of the recording each. Start at recording/writer.hpp.
//
// The events are values for the length of one append(): every string_view borrows from the caller and nothing is kept.
// append_members() writes an event as compact JSON members straight into a byte string that the caller reuses, so that a
// warm writer does not allocate. doc/recording-format.md is the stored format.
//
// Few, long lines: each line is hashed for itself, so a plain allowed statement is two of them. `stmt` carries the
// decision and, when it goes on at once, the intent to send (`"sent":true`); `done` carries what came of it. Lines of their
// own for `decision`, `approval` and `sent` are for statements that wait.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::recording {

using Time = std::chrono::system_clock::time_point;
/// The number of a line. Later lines name a statement by the number of its `stmt` line.
using LineNumber = std::uint64_t;

/// A name and a value, both plain text.
struct Claim {
    std::string_view name;
    std::string_view value;
};

/// The first line: who works on what under which rules.
struct Head {
    std::string_view session;    ///< `s_8Q2M`; also the name of the file
    Time at;
    std::string_view gateway;    ///< name/version of what records
    std::string_view policy;     ///< `sha256:…`
    std::string_view role;       ///< of the policy
    std::string_view database;   ///< as the policy or the command calls it
    std::string_view engine;     ///< postgres, mysql, mariadb
    std::string_view login;      ///< the database's own user
    std::string_view upstream;   ///< host:port, no credentials
    std::string_view mode;       ///< enforce, shadow
    std::string_view record_sql;      ///< shape, masked, full
    std::string_view record_results;  ///< none, shape, masked
    std::span<const Claim> who;  ///< verified claims
    std::string_view agent;      ///< declared label of the agent; empty: none
    std::string_view client_key; ///< thumbprint of the key the session is bound to; may be empty
    /// Chain head of the session this recorder wrote before, as `session:hex`; may be empty.
    std::string_view previous;
};

/// One effect, in the policy's words: class, objects (`public.orders`) and what a rule may ask of it.
struct Effect {
    std::string_view effect_class;
    std::span<const std::string> objects;
    std::span<const std::span<const std::string>> columns;  ///< of each object; empty: as a whole
    std::string_view where;         ///< missing, trivial, present; empty: it has none
    std::optional<bool> limit;
    std::optional<bool> rewrites_table;
    std::string_view lock;          ///< blocks_writes, blocks_reads; empty: none
    std::string_view setting;
};

/// What is said of a statement's text: the same each time the same text is planned, so it is rendered once (describe())
/// and kept with the plan.
struct StatementText {
    std::string_view sql;            ///< redacted (recording/redact.hpp): nothing here is looked at again
    std::string_view fingerprint;
    std::uint64_t original_bytes = 0;  ///< length of the text as received
    std::string_view digest;         ///< keyed digest of the raw bytes, hex; may be empty
    std::span<const Effect> effects;
    std::string_view unparsed;       ///< why it is not understood; empty: it is
};

/// What policy said.
struct Decision {
    std::string_view verdict;    ///< allow, warn, approve, deny
    std::string_view rule;       ///< `tester#4`; empty: no rule opened it
    std::string_view reason;     ///< one sentence; worth its bytes for everything but a plain allow
    std::span<const std::string> rules;  ///< every rule that matched, when more than `rule`
    std::span<const std::string> masks = {};  ///< of the result's columns, as `column: mask`
    std::string_view approvers;  ///< approve: the name under `approvals`
    std::string_view bind;       ///< approve: digest of what the approval is bound to
    std::string_view shadow;     ///< verdict an enforced decision would have had; empty: the same
};

/// SQL texts longer than this are recorded up to here; their full length stands beside them (`bytes`, `cut`).
inline constexpr std::size_t default_max_sql_bytes = 1024 * 1024;

/// Renders both as JSON members (`,"sql":…,"d":{…}`) to be kept and given to Statement::about as often as it is executed.
std::string describe(
    const StatementText& text,
    const Decision& decision,
    std::size_t max_sql_bytes = default_max_sql_bytes
);

/// A bound parameter as it may be recorded: the caller has masked it.
struct Parameter {
    enum class Kind : std::uint8_t { null, text, binary, hidden };
    Kind kind = Kind::null;
    std::string_view value;  ///< text (recorded as binary when it is no UTF-8), binary
};

/// A statement arrived and was decided.
struct Statement {
    Time at;
    std::uint32_t connection = 0;  ///< which of the session's connections, from 1; 0: it has only one
    char transaction = 'I';      ///< 'I', 'T', 'E' before it
    std::string_view form;       ///< simple, extended, function_call
    std::string_view about;      ///< from describe(); borrowed
    std::span<const Parameter> parameters;
    std::span<const std::uint32_t> parameter_types;  ///< the engine's type ids; may be empty
    bool sent = false;           ///< goes on as soon as this line is flushed
};

/// A decision that was not known when the statement was recorded, or replaces the first one.
struct Decided {
    LineNumber statement = 0;
    Time at;
    Decision decision;
};

struct Approval {
    LineNumber statement = 0;
    Time at;
    std::string_view id;
    std::string_view state;      ///< requested, approved, rejected, expired
    std::string_view who;
    std::string_view how;
    std::string_view shown;      ///< digest of what the approver saw
};

/// The intent to send a statement that had to wait: flushed before its bytes leave.
struct Sent {
    LineNumber statement = 0;
    Time at;
};

struct Column {
    std::string_view name;
    std::uint32_t type = 0;      ///< the engine's type id
    std::uint32_t relation = 0;  ///< origin; 0: none
    std::int16_t number = 0;
    std::string_view mask;       ///< as the policy writes it; empty: not masked
};

struct Columns {
    LineNumber statement = 0;
    std::span<const Column> columns;
};

/// Rows as the client saw them. Rendered row by row with append_row() into a buffer of the caller's.
struct Rows {
    LineNumber statement = 0;
    std::uint64_t first = 0;     ///< number of the first row within the result, from 0
    std::uint64_t count = 0;
    std::string_view rendered;   ///< JSON arrays with commas between them
};

/// Appends one row as a JSON array, with a comma before it unless `out` is empty. Fields that are no valid UTF-8 are
/// written as {"b64":"…"}.
void append_row(std::string& out, std::span<const std::optional<std::string_view>> fields);

/// A statement ended well.
struct Done {
    LineNumber statement = 0;
    std::string_view tag;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::chrono::microseconds took{};
    bool cut = false;            ///< a limit ended the result early
    bool suspended = false;      ///< the portal can be asked for more
};

/// A statement ended badly, or an error without a statement (`statement` 0).
struct Failed {
    LineNumber statement = 0;
    std::string_view code;       ///< SQLSTATE, or MySQL's number
    std::string_view text;       ///< as the client was sent it
    std::chrono::microseconds took{};
};

/// A notice or warning as the client was sent it.
struct Note {
    LineNumber statement = 0;
    std::string_view severity;
    std::string_view code;
    std::string_view text;
};

/// A setting that changes what text means: search_path, role, database.
struct State {
    Time at;
    std::uint32_t connection = 0;
    std::string_view name;
    std::string_view value;
};

struct Cancel {
    LineNumber statement = 0;
    Time at;
    std::uint32_t connection = 0;
    std::string_view by;         ///< client, limit, operator
};

struct Limit {
    LineNumber statement = 0;
    Time at;
    std::string_view which;      ///< rows, bytes, time, statements, session_rows
    std::uint64_t allowed = 0;
};

/// The recorder could not keep a payload. Never silently.
struct Gap {
    LineNumber statement = 0;
    std::string_view what;       ///< sql, parameters, rows
    std::uint64_t bytes = 0;
    std::string_view why;
};

/// The last line.
struct End {
    Time at;
    std::string_view why;        ///< client, server, limit, ttl, idle, error, revoked
    std::uint64_t statements = 0;
    std::uint64_t denied = 0;
    std::uint64_t failed = 0;
    std::uint64_t masked = 0;    ///< results with at least one masked column
};

// Each appends its event's members, beginning with `,"t":"…"`.
void append_members(std::string& out, const Head& event);
void append_members(std::string& out, const Statement& event);
void append_members(std::string& out, const Decided& event);
void append_members(std::string& out, const Approval& event);
void append_members(std::string& out, const Sent& event);
void append_members(std::string& out, const Columns& event);
void append_members(std::string& out, const Rows& event);
void append_members(std::string& out, const Done& event);
void append_members(std::string& out, const Failed& event);
void append_members(std::string& out, const Note& event);
void append_members(std::string& out, const State& event);
void append_members(std::string& out, const Cancel& event);
void append_members(std::string& out, const Limit& event);
void append_members(std::string& out, const Gap& event);
void append_members(std::string& out, const End& event);

}  // namespace dbguard::recording
