#pragma once

// The Session of the engine (relay/engine.hpp). Private to this room.

#include <boost/circular_buffer.hpp>

#include "masking/apply.hpp"
#include "relay/shared.hpp"

namespace dbguard::relay {

class GuardSession : public Session {
  public:
    explicit GuardSession(std::shared_ptr<Shared> shared);
    ~GuardSession() override {
        more_was_sent_ = false;
        names_have_changed();
    }

    PlanRef plan(std::string_view text, Clock::time_point now) override;
    PlanRef estimate(const PlanRef& plan, std::string_view text, std::string_view run, Clock::time_point now) override;
    std::optional<Question> question() override;
    void answer(Answer answer) override;
    PlanRef plan_function(std::uint32_t function_oid, Clock::time_point now) override;
    std::uint64_t context() const override { return context_ == nullptr || stale_ || shared_->changes.last() != seen_ ? 0 : context_->id; }

    void parameter(std::string_view name, std::string_view value) override;
    std::optional<Refusal> startup_setting(std::string_view name, std::string_view value) override;
    void transaction_status(char status) override;
    void transaction_may_have_ended() override;
    void more_was_sent() override { more_was_sent_ = true; }

    std::optional<Refusal> execute(const PlanRef& prepared, std::string_view text, std::span<const std::optional<std::string_view>> parameters, Clock::time_point now) override;
    Submitted submit(const PlanRef& plan, std::string_view text, Form form, std::span<const std::optional<std::string_view>> parameters, std::span<const std::int16_t> formats, Clock::time_point now) override;
    void mistaken(const PlanRef& plan, std::string_view text, Form form, std::string_view sqlstate, std::string_view message, Clock::time_point now) override;
    void not_recorded(std::uint64_t number, std::string_view what, std::uint64_t bytes, std::string_view why) override;
    void note(std::uint64_t number, std::string_view severity, std::string_view code, std::string_view text) override;
    bool wants_notes() const override { return shared_->options.recording != nullptr; }
    bool names_moved(std::uint64_t number) override;
    void expired(std::uint64_t number, Clock::time_point now) override;
    void reject(const PlanRef& plan, std::string_view text, Form form, const Refusal& refusal, Clock::time_point now) override;
    void columns(std::uint64_t number, std::span<const Column> columns, const std::vector<std::optional<masking::Mask>>& masks) override;
    Origin origin(std::uint32_t relation, std::int16_t number) const override;
    bool wants_columns() const override { return records_columns_; }
    bool masks_nothing() const override { return shared_->policy.masks().empty(); }
    const masking::Type& type(std::uint32_t type, std::int32_t modifier) const override;
    const masking::Masker& masker() const override { return masker_; }
    RowVerdict rows(std::uint64_t number, std::uint64_t count, std::uint64_t bytes) override;
    bool wants_rows() const override { return records_rows_; }
    void row(std::uint64_t number, std::span<const std::optional<std::string_view>> fields) override;
    Refusal limit_refusal() const override { return *limit_refusal_; }
    void finish(std::uint64_t number, const Outcome& outcome, Clock::time_point now) override;
    void fail(std::uint64_t number, std::string_view sqlstate, std::string_view text, Clock::time_point now) override;
    void cancelled(Clock::time_point now) override;
    std::optional<Clock::time_point> deadline(Clock::time_point began) const override;
    void end(std::string_view reason, Clock::time_point now) override;
    bool flush() override;

  private:
    PlanRef plan_call(const std::string& schema, const std::string& name, std::size_t arguments, Clock::time_point now);
    /// Which question comes next.
    enum class Asking : std::uint8_t { nothing, state, digest, load, function, estimate };
    /// What the server has said so far of the statements of one plan.
    struct Estimating {
        PlanRef plan;
        std::string run;
        std::vector<std::optional<std::uint64_t>> rows;  ///< one a statement; those asked about come in order
        std::size_t next = 0;                            ///< the statement that is asked about
        std::string question;
        std::ptrdiff_t shift = 0;
    };
    /// What the server said of names so far.
    struct Asked {
        catalogue::Context names;
        std::string database_id, next_transaction, digest;
        std::string before_dear, after_dear;   ///< catalogue::State
    };
    struct Running {
        std::uint64_t number = 0;
        Clock::time_point began;
        std::uint64_t rows = 0;
        std::uint64_t bytes = 0;
        std::uint64_t recorded_rows = 0;
        std::string rendered;        ///< rows that are not recorded yet
        std::uint64_t rendered_count = 0;
        bool quotes = false;         ///< what quotes the text, an error or a result, may hold a credential
        std::uint64_t unrecorded_rows = 0;
        PlanRef plan;                ///< null where nothing is masked
        std::uint64_t seen = 0;      ///< NameChanges::last() when it was planned
    };
    /// The engine's side of a plan; of one that an adapter made (for a portal that it does not know) nothing is known.
    static const RecordedPlan& recorded(const PlanRef& plan);
    /// Writes the `stmt` line; something is recorded. `credentials`: whether the text names one.
    recording::LineNumber record_statement(
        const RecordedPlan& planned, std::string_view text, Form form, std::span<const std::optional<std::string_view>> parameters, std::span<const std::int16_t> formats, bool sent,
        bool& credentials, Clock::time_point now
    );
    std::string recorded_message(std::string_view sqlstate, std::string_view text, bool quotes) const;
    void state(std::string_view name, std::string_view value);

    bool names_are_known(Clock::time_point now);
    void use(const catalogue::SnapshotRef& snapshot);
    void names_unknown(const std::string& why);
    Running* running(std::uint64_t number);
    void forget(const Running& one);
    void flush_rows(Running& running);
    void tell_of_change();
    /// The transaction that changed names is over, or may be.
    void names_have_changed();
    bool names_moved(Running& running);
    RowVerdict over_limit(std::string_view which, std::uint64_t allowed, Running& running);
    PlanRef cached(std::string_view text, Clock::time_point now);

    std::shared_ptr<Shared> shared_;
    masking::Masker masker_;
    std::uint32_t connection_;
    PlanContextRef context_;
    std::string failed_names_;       ///< why names could not be asked for
    std::unique_ptr<Asked> asked_;   ///< while the questions about names go on
    Asking asking_ = Asking::nothing;
    std::unique_ptr<Estimating> estimating_;
    bool just_failed_ = false;       ///< the last question did: the statement that asked it is answered without
    bool asked_now_ = false;         ///< the names were asked for since the last plan was given
    bool more_was_sent_ = false;     ///< behind the transaction whose end is told next
    bool stale_ = true;              ///< names may mean something else: ask before the next plan
    bool catalogue_changed_ = false; ///< by this session: the transaction's number does not tell
    bool changed_in_transaction_ = false;
    NameChange open_change_;         ///< what this session's open transaction changes of names
    std::uint64_t seen_ = 0;         ///< NameChanges::last() when names were asked for
    int rounds_ = 0;                 ///< how often they were asked for since they were known
    Clock::time_point checked_{};
    std::uint32_t function_asked_ = 0;
    char status_ = 'I';
    std::vector<std::string> misleading_;   ///< parameters whose value makes the server read texts otherwise than the analysis does
    bool records_rows_ = false;
    bool records_columns_ = false;
    boost::circular_buffer<Running> running_;  ///< by number; taken from the front as a rule, and a pipeline can be tens of thousands long
    std::unique_ptr<Refusal> limit_refusal_;
    bool ended_ = false;
    bool connected_ = false;         ///< what the server reported at first is known: the rest is change
    Clock::time_point now_{};        ///< of the last statement, for events that come without a time
    mutable std::map<std::pair<std::uint32_t, std::int32_t>, masking::Type> types_;
};

}  // namespace dbguard::relay
