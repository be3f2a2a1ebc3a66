#pragma once

// The protocol-neutral engine of one client session: statements in, decisions out, everything recorded. It does no I/O and
// reads no clock; `now` comes in. A protocol adapter (relay/postgres) turns messages into calls of this class and decisions
// back into bytes; a driver (tunnel) moves the bytes and flushes the record before it sends.
//
// The life of a statement:
//   plan(text) → a Plan, or nothing: then the adapter asks the server the next question() on the session's own server
//   connection (between the client's messages, without disturbing them), gives back the answer, and calls plan() again.
//   deny → reject(); otherwise submit() → forward → rows … → finish() or fail().

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/decision.hpp"
#include "sql/statement.hpp"

namespace dbguard::masking {
class Masker;
struct Type;
}  // namespace dbguard::masking

namespace dbguard::relay {

/// One statement with what policy says of it.
struct PlannedStatement {
    sql::Statement statement;
    policy::Decision decision;
};

/// A refusal as the client is to see it. The adapter turns it into its protocol's error (PostgreSQL: SQLSTATE, DETAIL, HINT).
struct Refusal {
    std::string sqlstate = "42501";
    std::string message;  ///< begins with "dbguard: "
    std::string detail;   ///< rule and request id
    std::string hint;     ///< what to do instead; may be empty

    bool operator==(const Refusal&) const = default;
};

struct RecordedPlan;

/// What is known of one message's text: shared, immutable, cached by text and context.
struct Plan {
    virtual ~Plan() = default;
    /// Itself when the engine made it, for the engine: null for a refusal of the adapter's own.
    virtual const RecordedPlan* recorded() const { return nullptr; }

    std::vector<PlannedStatement> statements;
    policy::Verdict verdict = policy::Verdict::deny;  ///< strictest of all statements
    Refusal refusal;                                  ///< when verdict is deny or approve
    std::vector<std::string> warnings;                ///< sent to the client as notices (verdict warn)
    /// A rule asks how many rows the server expects, nobody has asked it yet, and the answer may let it run: see
    /// Session::estimate(). Until then the verdict is that of the worst.
    bool needs_estimate = false;
    /// The text did not parse or a name did not resolve. Before refusing, the adapter asks the server to parse it alone
    /// (PostgreSQL: Parse; nothing runs): when the server refuses it, the server's own error is the answer.
    bool ask_server_to_parse = false;
    /// Denied, but what some of its statements mean depends on what those before them do: the adapter may ask for plans of them one by
    /// one, each when the ones before have run.
    bool piece_by_piece = false;
    /// It names what does not exist, so that it can only fail, and the server says best how. Should it not fail, then what it names
    /// was made meanwhile: it must be undone, and none of its rows may go on (`refusal`).
    bool must_fail = false;
    std::uint64_t context = 0;  ///< of the names and settings it was made under: equal to Session::context() while it holds
};
using PlanRef = std::shared_ptr<const Plan>;

/// A query of dbguard's own, to be run on the session's server connection as one extended-protocol statement with text
/// results, and its answer.
struct Question {
    std::string sql;
    /// It carries the statement that the client wants to run, and takes its parameters. When it fails, so would that: the
    /// server's error is the client's answer.
    bool of_statement = false;
    /// Where the client's text stands in it: to be added to a position that the server tells, in characters.
    std::ptrdiff_t shift = 0;
    /// To be run right before and right behind it, in one transaction with it; nobody reads what they give. Empty: nothing.
    std::string before, after;
};
struct Answer {
    std::vector<std::vector<std::optional<std::string>>> rows;
    /// Not empty: the server refused the question (SQLSTATE).
    std::string error;
};

/// How a statement travelled, for the record.
enum class Form : std::uint8_t { simple, extended, function_call, startup };

/// What came of a statement.
struct Outcome {
    std::string_view tag;       ///< the command tag
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    bool suspended = false;     ///< more rows may be asked for
    bool cut = false;           ///< a limit ended the result early
};

/// Whether rows may go on.
enum class RowVerdict : std::uint8_t { forward, cut, stop };

class Session {
  public:
    using Clock = std::chrono::system_clock;

    virtual ~Session() = default;

    // ---- before the statement -----------------------------------------------------------------------------------

    /// The plan for a message's text, or nothing: then question() has something to ask first. Never waits.
    virtual PlanRef plan(std::string_view text, Clock::time_point now) = 0;
    /// The plan with the server's estimate taken into account, or nothing: then question() has something to ask first. To be
    /// called before a statement runs whose plan needs one. `text` is what plan() was asked for, `run` what the server is to
    /// estimate in its place: the same, or the EXECUTE that runs it.
    virtual PlanRef estimate(const PlanRef& plan, std::string_view text, std::string_view run, Clock::time_point now) = 0;
    /// What to ask the server before plan() can answer; empty when nothing (more).
    virtual std::optional<Question> question() = 0;
    /// The answer to the last question(). An error makes what depended on it `unparsed`.
    virtual void answer(Answer answer) = 0;
    /// The plan for a FunctionCall message (PostgreSQL's fast path): a `call` of that function.
    virtual PlanRef plan_function(std::uint32_t function_oid, Clock::time_point now) = 0;
    /// Changes whenever names or settings may mean something else; a Plan made under another value is asked for again
    /// before it is executed.
    virtual std::uint64_t context() const = 0;

    // ---- what the server reports ----------------------------------------------------------------------------------

    /// ParameterStatus, and the startup packet's parameters.
    virtual void parameter(std::string_view name, std::string_view value) = 0;
    /// A setting asked for in the startup packet or the connection attributes: counts as `session.set`.
    /// Empty: allowed.
    virtual std::optional<Refusal> startup_setting(std::string_view name, std::string_view value) = 0;
    /// 'I' idle, 'T' in a transaction, 'E' in a failed one (PostgreSQL's ReadyForQuery; the same words for MySQL).
    virtual void transaction_status(char status) = 0;
    /// The client goes on behind a Query or Sync that the server has not answered: a transaction may have ended there.
    virtual void transaction_may_have_ended() {}
    /// Said before transaction_status: the client has sent more, which is not answered yet.
    virtual void more_was_sent() {}

    // ---- the statement --------------------------------------------------------------------------------------------

    /// Records statement, decision and `sent`; to be called before its bytes leave. `parameters` may be empty (not
    /// recorded); `formats` as in PostgreSQL's Bind: none (all text), one for all, or one each; 1 is binary. Returns the number the later calls refer to, or a refusal: a limit is reached, or the record cannot be
    /// written (then the session must end).
    struct Submitted {
        std::uint64_t number = 0;
        std::optional<Refusal> refusal;
        bool end_session = false;
    };
    virtual Submitted submit(
        const PlanRef& plan,
        std::string_view text,
        Form form,
        std::span<const std::optional<std::string_view>> parameters,
        std::span<const std::int16_t> formats,
        Clock::time_point now
    ) = 0;
    /// Takes account of the values that EXECUTE gives to the statement behind it, whose plan is `prepared`; to be called before
    /// the EXECUTE is submitted. Not empty: it must not run.
    virtual std::optional<Refusal> execute(
        const PlanRef& prepared, std::string_view text, std::span<const std::optional<std::string_view>> parameters, Clock::time_point now
    ) = 0;
    /// Records a statement that the server refused when it was asked to parse it, and that therefore does not run: the client
    /// has the server's own error. No denial.
    virtual void mistaken(const PlanRef& /*plan*/, std::string_view /*text*/, Form, std::string_view /*sqlstate*/, std::string_view /*message*/, Clock::time_point) {}
    /// Records that something of a statement is not in the record: `parameters`, `rows`.
    virtual void not_recorded(std::uint64_t /*number*/, std::string_view /*what*/, std::uint64_t /*bytes*/, std::string_view /*why*/) {}
    /// Records a notice or warning as the client is sent it. `number` 0: of no statement.
    virtual void note(std::uint64_t /*number*/, std::string_view /*severity*/, std::string_view /*code*/, std::string_view /*text*/) {}
    /// Whether note() wants to be told.
    virtual bool wants_notes() const { return false; }
    /// Another session changed what the statement's names mean since it was planned: it may not be what it was taken for, and texts
    /// about it may hold anything. Its rows are stopped by rows().
    virtual bool names_moved(std::uint64_t /*number*/) { return false; }
    /// Records that a statement ran for longer than it may: it is about to be cancelled.
    virtual void expired(std::uint64_t /*number*/, Clock::time_point) {}
    /// Records a refused statement.
    virtual void reject(const PlanRef& plan, std::string_view text, Form form, const Refusal& refusal, Clock::time_point now) = 0;

    /// A result with these columns begins: recorded; `masked[i]` says that column i is masked.
    struct Column {
        std::string_view name;
        std::uint32_t type = 0;      ///< the server's type id
        std::uint32_t relation = 0;  ///< origin, 0 when none
        std::int16_t number = 0;
    };
    virtual void columns(std::uint64_t number, std::span<const Column> columns, const std::vector<std::optional<masking::Mask>>& masks) = 0;
    /// The sensitive column at this origin, by its mask: the net under the analysis. Empty: not sensitive. `known` is false
    /// for a relation the catalogue has not got: then everything of it is treated as masked with `null`.
    struct Origin {
        std::optional<masking::Mask> mask;
        bool known = true;
        bool of_table = false;  ///< the column of a table, not of a view
    };
    virtual Origin origin(std::uint32_t relation, std::int16_t number) const = 0;

    /// Whether columns() wants to see a result's columns although none of them is masked (and so whenever wants_rows()).
    virtual bool wants_columns() const { return true; }
    /// The role has no masks at all: results pass as they are, whatever is known of them.
    virtual bool masks_nothing() const { return false; }
    /// How values of this type are masked; unknown types come as one that every mask turns into NULL. Borrowed from the
    /// session, valid until the next answer().
    virtual const masking::Type& type(std::uint32_t type, std::int32_t modifier) const = 0;
    /// Applies masks with this session's key and the settings that change how values look (DateStyle, bytea_output, …).
    virtual const masking::Masker& masker() const = 0;

    /// `count` rows of `bytes` in all are about to go to the client.
    virtual RowVerdict rows(std::uint64_t number, std::uint64_t count, std::uint64_t bytes) = 0;
    /// Whether rows() wants to see the row's masked fields (recording `results: masked`).
    virtual bool wants_rows() const = 0;
    virtual void row(std::uint64_t number, std::span<const std::optional<std::string_view>> fields) = 0;
    /// The refusal that tells of the limit that rows() stopped at.
    virtual Refusal limit_refusal() const = 0;

    virtual void finish(std::uint64_t number, const Outcome& outcome, Clock::time_point now) = 0;
    /// The server refused it. `text` is what the client was sent.
    virtual void fail(std::uint64_t number, std::string_view sqlstate, std::string_view text, Clock::time_point now) = 0;
    virtual void cancelled(Clock::time_point now) = 0;
    /// The time after which a statement that began at `began` is to be cancelled; empty: no limit.
    virtual std::optional<Clock::time_point> deadline(Clock::time_point began) const = 0;

    /// The session is over. `reason` is one word: client, server, limit, ttl, idle, error, revoked.
    virtual void end(std::string_view reason, Clock::time_point now) = 0;

    // ---- the record -----------------------------------------------------------------------------------------------

    /// Writes out what was appended since the last call. The driver calls it before it sends anything to the server.
    /// False: the record cannot be written and nothing may be sent.
    virtual bool flush() = 0;
};

}  // namespace dbguard::relay
