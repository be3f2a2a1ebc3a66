#pragma once

// The PostgreSQL protocol of one client session after both logins, without I/O: bytes of either side go in, what is to be sent
// comes out. Turns messages into calls of relay::Session and its decisions back into bytes. What is allowed goes on exactly as
// received; values of any size stream through; only what must be seen whole is held.
//
// A refusal is done by substitution: the refused message is replaced, where it stands, by one that the server itself is sure to
// refuse, and the server's error by ours. So transaction state, implicit transactions of pipelines and the skipping to Sync are
// what they are for any error, and nothing about the server is simulated.
//
// Where to read: adapter.cpp cuts the streams into messages; client_messages.cpp with verdicts.cpp, own_messages.cpp (questions, probes),
// server_messages.cpp with server_errors.cpp and ready.cpp, results.cpp.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "masking/copy_format.hpp"
#include "relay/postgres/columns.hpp"
#include "relay/postgres/gather.hpp"
#include "relay/postgres/names.hpp"
#include "relay/postgres/pending.hpp"
#include "relay/session.hpp"
#include "wire/postgres/error.hpp"
#include "wire/postgres/extended_query.hpp"
#include "wire/postgres/frame.hpp"

namespace dbguard::relay::postgres {

/// What is held in memory at most; beyond it a statement is refused, a row ends its statement.
struct AdapterLimits {
    std::size_t max_statement_bytes = 64 * 1024 * 1024;
    std::size_t max_masked_row_bytes = 64 * 1024 * 1024;
    /// A Bind up to this size is held; a longer one streams through.
    std::size_t whole_bind_bytes = 256 * 1024;
    std::size_t max_recorded_parameter_bytes = 64 * 1024;
    std::size_t max_recorded_row_bytes = 1024 * 1024;
    std::size_t max_answer_bytes = 64 * 1024 * 1024;
    /// Messages without an answer, from which on the client is not read. The server's buffer of 8 KiB fills long before: its answers come.
    std::size_t max_pending = 4096;
    std::size_t max_names = 100'000;
};

class Adapter {
  public:
    using Clock = Session::Clock;

    /// Both must outlive the adapter.
    Adapter(Session& session, const AdapterLimits& limits) : session_(session), limits_(limits) {}

    /// Bytes of the client, or of the server. May change them. `out` borrows from them until it is cleared, which must happen
    /// before the next call.
    void from_client(std::span<char> bytes, Clock::time_point now, Output& out);
    void from_server(std::span<char> bytes, Clock::time_point now, Output& out);
    /// The server is gone: tells the client, unless it knows.
    void server_closed(Clock::time_point now, Output& out);
    /// Ends the session with this error, after what is in `out`.
    void terminate(const Refusal& refusal, Clock::time_point now, Output& out);

    /// False while the client is held; then its bytes are best left in its socket.
    bool wants_client_bytes() const { return hold_ == Hold::none && !ended_; }
    /// Nothing more will come of it: send what there is and close both sides.
    bool ended() const { return ended_; }
    /// The client said goodbye: nothing more is to be read from it.
    bool client_finished() const { return terminated_; }
    /// True once for each cancel request of dbguard's own; the driver sends it and then calls cancel_sent().
    bool take_cancel();
    void cancel_sent(Clock::time_point now, Output& out);
    /// The client's own CancelRequest came in.
    void client_cancelled(Clock::time_point now) { session_.cancelled(now); }

    /// When the statement that runs is to be cancelled; empty: never, or nothing runs.
    std::optional<Clock::time_point> deadline() const;
    /// That time has come.
    void expire(Clock::time_point now, Output& out);
    /// No statement is on its way.
    bool idle() const { return pending_.empty() && hold_ == Hold::none; }
    char transaction_status() const { return status_; }

  private:
    using Header = wire::postgres::FrameHeader;
    /// pass: the message goes on as received. drop: it does not (handled, or replaced). hold: not yet. stop: the session is over.
    enum class Step : std::uint8_t { pass, drop, hold, stop };
    enum class Hold : std::uint8_t { none, question, probe, types, copy, abort, cancel, drain, count, piece, full };

    /// One side's stream of messages.
    struct Inlet {
        std::string carry;       ///< the beginning of a message that is not here completely
        std::uint64_t pass = 0;  ///< bytes of the current message that go on unseen
        std::uint64_t drop = 0;  ///< bytes of the current message that go nowhere
    };
    /// Where the relay stands in a run of bytes.
    struct Cursor {
        Gather& out;
        char* run;  ///< from here to `at` nothing was changed, and nothing sent yet
        char* at;
        char* end;
        void flush() {
            out.borrow({run, static_cast<std::size_t>(at - run)});
            run = at;
        }
    };

    // ---- adapter.cpp: streams into messages
    void consume_client(std::span<char> bytes);
    void consume_server(std::span<char> bytes);
    std::size_t client_needs(const Header& header) const;
    std::size_t server_needs(const Header& header) const;
    template <class Needs>
    std::size_t fill(Inlet& inlet, std::span<char>& bytes, wire::postgres::Sender sender, Needs&& needs);
    void resume_if_asked();
    Gather& to_server();
    Gather& to_client();
    Step fatal(std::string_view sqlstate, std::string_view message);
    Step fatal(const Refusal& refusal);
    void send_error(const wire::postgres::ErrorFields& fields);
    void send_notice(const wire::postgres::ErrorFields& fields);

    // ---- client_messages.cpp
    Step client_message(const Header& header, std::string_view body);
    Step on_query(std::string_view body);
    Step run_query(std::string_view text);
    void forget_held();
    Step on_parse(std::string_view body);
    Step on_bind(const Header& header, std::string_view body);
    Step on_describe(std::string_view body);
    Step on_execute(std::string_view body);
    Step on_close(std::string_view body);
    Step on_sync();
    Step on_function_call(std::string_view body);
    Step on_copy_message(const Header& header);
    bool copy_undecided();
    Pending& push(Pending&& entry);

    // ---- verdicts.cpp
    /// The plan of a text, or null: the client is held while the server is asked.
    PlanRef plan_for(std::string_view text);
    PlanRef plan_for_function(std::uint32_t function);
    template <class Plan>
    PlanRef plan_by(Plan&& plan_now, const Portal* portal = nullptr);
    /// The statement's plan under the names as they are now, or null: held.
    PlanRef current_plan(Prepared& prepared);
    /// The plan with an estimate of what `run` returns or changes, where policy asks for one; null: held. `portal` has its
    /// parameters; null: it has none.
    PlanRef estimated(const PlanRef& plan, std::string_view text, std::string_view run, const Portal* portal);
    bool ask_next_copy_types(const Plan& plan, std::string_view text);
    void note_plan(const Plan& plan);
    Step refuse(const PlanRef& plan, std::string_view text, Form form, Refusal refusal);
    Step refuse_plan(const PlanRef& plan, std::string_view text, Form form, std::string_view parse_body);
    /// No grammar takes this for a statement, so the server refuses it without doing anything.
    static constexpr std::string_view refused_text = "dbguard refused this statement";
    void substitute(bool extended, Refusal refusal, std::string_view text = refused_text);
    /// Submits; false: refused (`step` says how it goes on).
    bool submit(
        const PlanRef& plan,
        std::string_view text,
        Form form,
        std::span<const std::optional<std::string_view>> parameters,
        std::span<const std::int16_t> formats,
        std::uint64_t& number,
        Step& step
    );
    Step too_long(const Header& header);

    // ---- executed.cpp
    Step judge_fetched(const PlanRef& plan, const sql::Statement& fetch, std::string_view text, Form form);
    Step judge_executed(const PlanRef& plan, const PlannedStatement& planned, std::string_view text, const Portal* portal, PlanRef& inner);

    // ---- own_messages.cpp
    bool own_statement(std::string_view sql, Pending::Owner owner, bool aside, ByteWriter& writer, const Portal* portal = nullptr);
    bool begin_own(Pending::Owner owner, bool with_savepoint, ByteWriter& writer);
    bool forget_own(Pending::Owner owner, ByteWriter& writer);
    bool close_savepoint(Pending::Owner owner, ByteWriter& writer);
    void rescue_transaction(Pending::Owner owner);
    void ask(const Question& question, const Portal* portal);
    void probe(std::string_view text, std::string_view parse_body);
    bool ask_copy_types(std::string_view text);
    void describe_portal(std::string_view portal, const PortalRef& ref);
    void question_row(std::string_view body);
    void question_done(std::string error);
    Step own_reply(char type, std::string_view body);
    Step own_error(const wire::postgres::ErrorFieldsView& fields);
    void hold(Hold reason) { hold_ = reason; }
    void release_client(bool skip_message = false) {
        resume_ = true;
        skip_held_ = skip_message;
    }

    // ---- server_messages.cpp
    Step server_message(const Header& header, std::span<char> body);
    Step client_reply(const Header& header, std::span<char> body);
    Step on_parameter_status(std::string_view body);
    Step on_row_description(std::string_view body);
    Step on_command_complete(std::string_view body);
    Step on_suspended();
    Step on_copy_in();
    Step unexpected(char type);
    void pop();
    void release_waiting();
    void finish_statement(Pending& entry, std::string_view tag, bool suspended);
    void end_execute(Pending& entry, std::string_view tag);
    void warn_once(Pending& entry);

    // ---- server_errors.cpp
    Step on_error(std::string_view body);
    Step on_notice(std::string_view body);
    void drop_until_sync(std::string_view sqlstate);
    wire::postgres::ErrorFields without_hidden(const wire::postgres::ErrorFieldsView& fields, const Pending* entry) const;
    void send_server_error(const wire::postgres::ErrorFieldsView& fields);

    // ---- ready.cpp
    Step on_ready(std::string_view body);
    std::optional<Step> ready_of_client(Pending& entry);
    std::optional<Step> ready_of_own(Pending& entry);
    void end_transaction();
    bool fail_transaction();

    // ---- session_names.cpp
    void commit_portal(const Pending& entry);
    void commit_names(const Pending& entry, std::string_view tag);
    PreparedRef on_its_way(std::string_view name) const;
    void note_cursors(const PlannedStatement* statement, int depth = 0);
    void end_portals();

    // ---- affected.cpp
    std::unique_ptr<AffectedBound> bound_of(const Plan& plan, const PlannedStatement* bound_to = nullptr) const;
    Step begin_counted_query(const PlanRef& plan, std::string_view text, std::unique_ptr<AffectedBound>& bound, std::vector<QueryPart>& parts);
    bool send_next_part();
    void own_query(std::string_view sql, Pending::Owner owner);
    bool count_affected(Pending& entry, std::string_view tag);
    void show_held_complete();
    void end_counted_query(bool keep);
    Step on_counted_end(std::string_view body);
    void abort_pipeline();

    // ---- row_counters.cpp
    struct Measured;
    void ask_counters(bool in_pipeline);
    void begin_measuring(bool in_pipeline);
    void counters_row(std::string_view body);
    bool within_bound(const Measured& measured, AffectedBound& bound);
    bool ask_behind(Pending& entry);
    void end_measuring();
    Step end_measured_execute();
    void fail_counted(Pending& entry, const Refusal& refusal);
    void counters_failed(const wire::postgres::ErrorFieldsView& fields);
    void abandon_measuring(std::string_view sqlstate);
    void forget_measured();

    // ---- pieces.cpp
    Step begin_pieces(const Plan& plan, std::string_view text);
    Step send_piece(std::string_view whole);
    bool next_piece(Pending& entry);
    void end_pieces();

    // ---- results.cpp
    const PlannedStatement* planned(const Pending& entry) const;
    std::shared_ptr<const ResultColumns> describe_columns(
        std::string_view body,
        const wire::postgres::RowDescriptionView& description,
        const PlannedStatement* statement
    ) const;
    const std::vector<std::optional<masking::Mask>>* masks_of(const PlannedStatement* statement, int depth = 0) const;
    void begin_result(const ResultColumns& columns, const std::vector<std::int16_t>* formats, std::uint64_t number, bool tell);
    void begin_portal_result(Pending& entry, std::uint16_t count);
    void tell_columns(const ResultColumns& columns, std::uint64_t number);
    void end_result();
    bool admit_row(std::size_t mark, std::size_t bytes);
    Step on_data_row(const Header& header, std::span<char> body);
    Step on_copy_out(std::string_view body);
    Step on_copy_out_data(const Header& header, std::string_view body);
    Step on_copy_out_done();
    Step on_function_result(std::string_view body);
    void stop_statement(Refusal refusal);

    Session& session_;
    const AdapterLimits& limits_;
    Output* out_ = nullptr;           ///< of the call at hand
    Clock::time_point now_{};
    Cursor* client_cursor_ = nullptr;
    Cursor* server_cursor_ = nullptr;

    Inlet client_;
    Inlet server_;
    PendingQueue pending_;
    NameMap<PreparedRef> statements_;
    NameMap<PortalRef> portals_;

    Hold hold_ = Hold::none;
    bool resume_ = false;
    bool skip_held_ = false;       ///< the held message was answered already
    bool ended_ = false;
    bool terminated_ = false;
    bool skipping_ = false;        ///< the server ignores everything up to the next Sync
    bool pipeline_open_ = false;   ///< extended messages since the last Sync
    bool behind_end_ = false;      ///< the client's last message was a Query or Sync
    bool copy_sent_ = false;       ///< a COPY FROM STDIN may be on its way, see copy_undecided()
    bool copy_in_ = false;         ///< the server reads CopyData
    bool hide_ = false;            ///< texts are rebuilt, until the transaction ends
    bool hide_code_ = false;       ///< … and code of unknown kind may write them
    bool code_cursors_ = false;    ///< code made cursors, or may have
    bool hidden_cursors_ = false;  ///< … of which nobody knows what they read
    bool muted_ = false;           ///< the client was told that its statement failed; what the server still says of it is dropped
    bool cancel_wanted_ = false;
    char status_ = 'I';
    std::string backlog_;          ///< what the client sent while held
    std::unique_ptr<Answer> answer_;
    std::optional<std::ptrdiff_t> of_statement_;  ///< the question is about the client's statement; its shift
    Refusal cancelled_;            ///< a question was cancelled, or took too long: so is the message at hand, or held
    std::size_t answer_bytes_ = 0;
    bool held_simple_ = false;     ///< the message at hand, or held, is a Query
    bool probe_accepted_ = false;  ///< the held message's text: the server can parse it
    bool probe_answered_ = false;  ///< … cannot, and the client has its error
    bool in_savepoint_ = false;    ///< of dbguard's own, behind which its messages run that are on their way
    bool savepoint_made_ = false;  ///< the server has said so: one of the client's may have that name
    int asked_again_ = 0;          ///< the question that is open: how often, after it had failed
    struct Probed {
        PlanRef plan;
        std::string text;
        Form form = Form::simple;
    };
    std::optional<Probed> probed_;  ///< what the server is asked to parse, for the record
    /// Estimates for the message at hand, or held: by plan and what was to be run.
    struct Estimated {
        PlanRef plan;
        std::string run;
        PlanRef known;
    };
    std::vector<Estimated> estimated_;
    std::size_t copies_asked_ = 0;  ///< for so many statements of the message at hand, or held
    std::vector<CopyTypes> copy_types_;
    std::uint32_t questions_ = 0;  ///< for the message at hand
    /// A Query that runs in a transaction of dbguard's own, because its affected rows are counted.
    struct Counted {
        bool begun = false;        ///< its transaction is
        std::uint64_t number = 0;  ///< of the session; 0: its end is recorded already
        std::string tag;
        std::uint64_t rows = 0, bytes = 0;
    };
    std::unique_ptr<Counted> counted_;
    /// What the server says of the tables that the transaction has changed.
    struct RowCounters {
        struct Table {
            std::string name;
            std::uint64_t rows = 0;
        };
        std::map<std::uint32_t, Table> tables;
        bool on = false;           ///< it counts
        bool blind = false;        ///< there are tables of which it does not
    };
    /// What a statement does to all tables, or several that stand side by side in a Query.
    struct Measured {
        RowCounters before, after;
        bool behind = false;       ///< the statement has run
        bool untold = false;       ///< its command tag did not tell all
        std::uint64_t by_tags = 0; ///< rows that it told
        std::uint64_t earlier = 0; ///< rows of counted statements in the transaction before it
        Pending entry;             ///< the client's message, while it waits for the last answer
        std::string tag;           ///< of an Execute
    };
    std::unique_ptr<Measured> measured_;
    std::string held_complete_;    ///< the last CommandComplete of a counted statement: told when nothing can undo it any more
    /// A Query that is sent statement by statement.
    struct Piece {
        std::size_t begin = 0, length = 0;  ///< of the message's text; length 0: to its end
        sql::StatementKind kind{};
    };
    struct Pieces {
        std::vector<Piece> statements;
        std::size_t next = 0;      ///< to be sent
    };
    std::unique_ptr<Pieces> pieces_;
    std::ptrdiff_t shift_ = 0;          ///< characters of the Query's text before the part of it that runs
    std::uint64_t affected_rows_ = 0;   ///< of counted statements, in the client's transaction
    std::unique_ptr<Refusal> stopped_;  ///< the statement at hand is being stopped, for this reason

    /// The result that is coming in.
    struct Result {
        bool begun = false;        ///< its columns are known
        bool cut = false;          ///< no more rows go on
        bool was_cut = false;      ///< of an earlier statement of the same Query
        bool raw = true;           ///< rows go on without a look inside
        bool only_shown = false;   ///< they are looked at for the record alone
        bool copy_out = false;
        std::uint64_t number = 0;
        std::uint64_t rows = 0;
        std::uint64_t bytes = 0;
        std::unique_ptr<masking::CopyMasker> copy;
    };
    Result result_;
    std::string last_tag_;             ///< of a Query's last statement
    std::unique_ptr<RowMasker> masker_;
};

}  // namespace dbguard::relay::postgres
