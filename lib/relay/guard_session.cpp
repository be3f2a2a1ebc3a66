#include "relay/guard_session.hpp"

#include <algorithm>
#include <utility>

#include "base/crypto.hpp"
#include "base/quoting.hpp"
#include "relay/literals.hpp"

namespace dbguard::relay {
namespace {

using policy::Verdict;

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

}  // namespace

GuardSession::GuardSession(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)), masker_(shared_->value_masker), connection_(++shared_->connections) {
    records_rows_ = shared_->options.recording != nullptr && shared_->record.results == policy::RecordResults::masked;
    records_columns_ = shared_->options.recording != nullptr && shared_->record.results.value_or(policy::RecordResults::none) != policy::RecordResults::none;
    if (!shared_->wants_names) {
        context_ = shared_->context(nullptr, {});
        stale_ = false;
    }
}

namespace {

// BEGIN, SET TRANSACTION and their like need no names. In a transaction a question must not come before them: SET
// TRANSACTION has to be the first statement (PostgreSQL manual, SET TRANSACTION).
bool needs_no_names(std::string_view text, const Language& language) {
    if (text.size() > 256) return false;
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return true;
    const std::string word = lower_case(text.substr(begin, text.find_first_of(" \t\r\n;", begin) - begin));
    if (word != "set" && word != "begin" && word != "start" && word != "commit" && word != "end" && word != "rollback" && word != "abort" && word != "savepoint" && word != "release") return false;
    const sql::Analysis analysis = language.analyze(text, {});
    if (!analysis.unparsed.empty() || analysis.statements.size() != 1) return false;
    const sql::Statement& only = analysis.statements[0];
    return only.kind != sql::StatementKind::other && std::ranges::all_of(only.effects, [](const sql::Effect& effect) {
        return effect.objects.empty() && (effect.effect_class == sql::EffectClass::tx || effect.effect_class == sql::EffectClass::session_set);
    });
}

}  // namespace

// ---- plans ----------------------------------------------------------------------------------------------------------

PlanRef GuardSession::cached(std::string_view text, Clock::time_point now) {
    PlanContext& context = *context_;
    const auto find = [&](PlanContext::Plans& plans, std::string_view key) -> PlanRef {
        const auto found = plans.find(key);
        if (found == plans.end()) return nullptr;
        if (!found->second->until || now < *found->second->until) return found->second;
        plans.erase(found);
        return nullptr;
    };
    // Most texts are new, and most of those are of a known shape.
    std::string& shape = shared_->shape;
    const bool has_shape = shared_->language.shape(text, shape);
    if (has_shape)
        if (PlanRef known = find(context.shapes, shape)) return known;
    if (PlanRef known = find(context.plans, text)) return known;
    std::shared_ptr<RecordedPlan> plan = shared_->make_plan(text, has_shape, context, now);
    const std::size_t bytes = bytes_of(*plan) + (plan->by_shape ? shape.size() : text.size());
    if (context.plan_bytes + bytes > shared_->options.plan_cache_bytes) {
        context.plans.clear();
        context.shapes.clear();
        context.plan_bytes = 0;
    }
    if (bytes < shared_->options.plan_cache_bytes) {
        context.plan_bytes += bytes;
        if (plan->by_shape) context.shapes.emplace(shape, plan);
        else context.plans.emplace(std::string(text), plan);
    }
    return plan;
}

PlanRef GuardSession::plan(std::string_view text, Clock::time_point now) {
    const bool asked = asking_ != Asking::nothing;
    if (!names_are_known(now)) {
        // Not for these: SET TRANSACTION has to come first, and where the client has sent more than was answered, what it sent may
        // have failed: a question would fail, too, and in a pipeline the ROLLBACK behind it would be skipped.
        const bool known_once = context_ != nullptr && context_->snapshot != nullptr && misleading_.empty();
        if (asked || !known_once || !needs_no_names(text, shared_->language)) return nullptr;
        asking_ = Asking::nothing;
        return cached(text, now);
    }
    if (context_ == nullptr) context_ = shared_->context(nullptr, {});
    // A transaction in which they could not be asked for must end all the same.
    if (!failed_names_.empty() && context_->snapshot != nullptr && misleading_.empty() && needs_no_names(text, shared_->language)) return cached(text, now);
    if (shared_->wants_names && context_->snapshot == nullptr) return shared_->unparsed_plan(text, failed_names_.empty() ? "the catalogue is not known" : failed_names_, *context_, now);
    if (!failed_names_.empty()) return shared_->unparsed_plan(text, failed_names_, *context_, now);
    if (!misleading_.empty()) return shared_->unparsed_plan(text, "the server reports a setting under which the text may mean something else", *context_, now);
    PlanRef plan = cached(text, now);
    // Another session may have made what is not known: nobody is told so before it was asked for again.
    const RecordedPlan& planned = recorded(plan);
    const bool asked_now = std::exchange(asked_now_, false);
    if (shared_->wants_names && !planned.unparsed.empty() && !planned.statements.empty() && !asked_now && status_ != 'E') {
        stale_ = true;
        if (!names_are_known(now)) return nullptr;
    }
    return plan;
}

namespace {

/// The text of one statement of several.
std::string_view statement_text(std::string_view text, const sql::Statement& statement) {
    text.remove_prefix(std::min<std::size_t>(statement.begin, text.size()));
    return statement.length == 0 ? text : text.substr(0, statement.length);
}

}  // namespace

PlanRef GuardSession::estimate(const PlanRef& plan, std::string_view text, std::string_view run, Clock::time_point now) {
    const RecordedPlan& planned = recorded(plan);
    if (!planned.needs_estimate || context_ == nullptr) return plan;
    if (estimating_ == nullptr || estimating_->plan != plan || estimating_->run != run) {
        estimating_ = std::make_unique<Estimating>();
        estimating_->plan = plan;
        estimating_->run = run;
        estimating_->rows.resize(planned.statements.size());
    }
    const catalogue::Questions& questions = shared_->language.questions();
    for (std::size_t& i = estimating_->next; i < planned.statements.size(); ++i) {
        const PlannedStatement& one = planned.statements[i];
        if (!one.decision.needs_estimate || !one.statement.explainable) continue;
        // What an earlier statement of the message makes or sets is not there yet when the server is asked.
        const bool first = std::none_of(planned.statements.begin(), planned.statements.begin() + static_cast<std::ptrdiff_t>(i), [](const PlannedStatement& before) {
            return before.statement.changes_catalogue || before.statement.changes_settings || before.statement.kind == sql::StatementKind::prepare;
        });
        const bool only = planned.statements.size() == 1;
        if (!first || (!only && one.statement.kind == sql::StatementKind::prepare)) continue;
        const std::string_view before = only ? std::string_view{} : run.substr(0, std::min<std::size_t>(one.statement.begin, run.size()));
        estimating_->question = questions.estimate(only ? run : statement_text(run, one.statement));
        estimating_->shift = std::ranges::count_if(before, [](char c) { return (c & 0xC0) != 0x80; }) - static_cast<std::ptrdiff_t>(questions.estimate_prefix.size());
        asking_ = Asking::estimate;
        return nullptr;
    }
    const auto done = std::move(estimating_);
    return shared_->estimated_plan(planned, done->rows, text, *context_, now);
}

PlanRef GuardSession::plan_function(std::uint32_t function_oid, Clock::time_point now) {
    if (!names_are_known(now)) return nullptr;
    if (context_ == nullptr) context_ = shared_->context(nullptr, {});
    std::string name;
    const catalogue::Function* function = context_->snapshot == nullptr ? nullptr : context_->snapshot->function(function_oid);
    if (function != nullptr) return plan_call(function->schema, function->name, function->arguments.size(), now);
    const auto known = shared_->built_in_functions.find(function_oid);
    if (known == shared_->built_in_functions.end() && status_ != 'E') {
        asking_ = Asking::function;
        function_asked_ = function_oid;
        return nullptr;
    }
    if (known == shared_->built_in_functions.end() || known->second.empty()) return shared_->unparsed_plan("function " + std::to_string(function_oid), "no such function is known", *context_, now);
    const std::size_t dot = known->second.find('.');
    return plan_call(known->second.substr(0, dot), known->second.substr(dot + 1), 0, now);
}

/// A FunctionCall is a `call` of the function, and whatever a query that calls it would be.
PlanRef GuardSession::plan_call(const std::string& schema, const std::string& name, std::size_t arguments, Clock::time_point now) {
    std::string text = "SELECT " + in_quotes(schema, '"') + "." + in_quotes(name, '"') + "(";
    for (std::size_t i = 1; i <= arguments; ++i) text += (i == 1 ? "$" : ", $") + std::to_string(i);
    text += ")";
    const PlanRef query = plan(text, now);
    if (query == nullptr || query->verdict > Verdict::warn) return query;
    if (!masks_nothing() && std::ranges::any_of(query->statements, [](const PlannedStatement& one) { return one.statement.cursors != sql::CodeCursors::none; }))
        return shared_->unparsed_plan(text, "this function makes or closes cursors; call it in a query", *context_, now);
    for (const PlannedStatement& one : query->statements)
        for (const auto& mask : one.decision.masks)
            if (mask) return shared_->unparsed_plan(text, "what this function gives would have to be masked; call it in a query", *context_, now);
    return shared_->function_plan(schema, name, *context_, now);
}

// ---- what the server reports ------------------------------------------------------------------------------------------

void GuardSession::parameter(std::string_view name, std::string_view value) {
    masker_.set_parameter(name, value);
    const Language::Parameter means = shared_->language.parameter(name);
    if (means == Language::Parameter::text) {
        std::erase(misleading_, name);
        if (!shared_->language.dialect().misleading(name, value).empty()) misleading_.emplace_back(name);
    }
    if (connected_ && means != Language::Parameter::other) state(name, value);
    if (means == Language::Parameter::names) stale_ = shared_->wants_names;
}

std::optional<Refusal> GuardSession::startup_setting(std::string_view name, std::string_view value) {
    sql::Statement set;
    sql::Effect& effect = set.effects.emplace_back();
    effect.effect_class = sql::EffectClass::session_set;
    effect.setting = lower_case(name);
    if (effect.setting == "role" || effect.setting == "session_authorization") effect.effect_class = sql::EffectClass::session_role;
    effect.detail = std::string(value);
    effect.misleading = shared_->language.dialect().misleading(effect.setting, effect.detail);
    const policy::Decision decision = shared_->policy.decide(set, {});
    if (decision.verdict <= Verdict::warn || (shared_->shadow && !decision.reason.empty())) return {};
    const Refusal refusal = refusal_of(decision);
    // The value is not told: what a client may set is not to be found out from the record.
    auto plan = std::make_shared<RecordedPlan>();
    plan->verdict = decision.verdict;
    plan->rule = decision.rule;
    plan->reason = decision.reason;
    plan->fix = decision.fix;
    plan->statements.push_back({std::move(set), decision});
    const std::string text = "SET " + std::string(name) + " = '***'";
    if (shared_->options.recording != nullptr) plan->about = shared_->about(*plan, text, plan->credentials);
    reject(plan, text, Form::startup, refusal, now_);
    return refusal;
}

void GuardSession::transaction_status(char status) {
    // What SET and DDL did is undone, or kept, with the transaction.
    if (status == 'I') names_have_changed();
    if (status == 'I' && changed_in_transaction_) {
        stale_ = shared_->wants_names;
        catalogue_changed_ = true;
        // What was sent behind that end and is not answered may have changed names in the next transaction.
        changed_in_transaction_ = more_was_sent_;
    }
    more_was_sent_ = false;
    status_ = status;
}

/// The others look at names again; this session knows of its own changes by itself.
void GuardSession::tell_of_change() {
    const bool knew_all = seen_ == shared_->changes.last();
    shared_->changes.made(connection_, open_change_);
    if (knew_all) seen_ = shared_->changes.last();
}

void GuardSession::names_have_changed() {
    if (open_change_.empty()) return;
    tell_of_change();
    if (more_was_sent_) return;   // behind the end: it may be changing them again
    open_change_ = {};
    shared_->changes.answered(connection_);
}

void GuardSession::transaction_may_have_ended() {
    if (!changed_in_transaction_) return;
    stale_ = shared_->wants_names;
    catalogue_changed_ = true;
}

// ---- the statement ----------------------------------------------------------------------------------------------------

GuardSession::Running* GuardSession::running(std::uint64_t number) {
    const auto at = std::ranges::lower_bound(running_, number, {}, &Running::number);
    return at != running_.end() && at->number == number ? &*at : nullptr;
}

void GuardSession::forget(const Running& one) {
    running_.rerase(std::ranges::lower_bound(running_, one.number, {}, &Running::number));
    // An idle connection keeps room for a message or two.
    if (running_.empty() && running_.capacity() > 4) running_.set_capacity(0);
}

std::optional<Refusal> GuardSession::execute(
    const PlanRef& prepared, std::string_view text, std::span<const std::optional<std::string_view>> parameters, Clock::time_point now
) {
    const RecordedPlan& planned = recorded(prepared);
    if (planned.watched.empty()) return {};
    // Its arguments are literals as a rule; what is computed is one value.
    const auto literals = literals_of(text, shared_->language.lexis);
    std::vector<std::optional<std::string>> values;
    for (const Literal& literal : literals.value_or(std::vector<Literal>{})) values.push_back(value_of(text, literal));
    std::vector<std::optional<std::string_view>> arguments(values.begin(), values.end());
    const bool given_by_bind = arguments.empty() && !parameters.empty();
    // At least one, so that they do not count as too long to be held.
    if (arguments.empty()) arguments.emplace_back();
    const GivenValues given{true, text, shared_->language.lexis, given_by_bind ? parameters : std::span<const std::optional<std::string_view>>(arguments), {}};
    if (auto refusal = written_back(planned.watched, given)) return refusal;
    return shared_->equality.take(planned.watched, given, now);
}

Session::Submitted GuardSession::submit(
    const PlanRef& plan, std::string_view text, Form form, std::span<const std::optional<std::string_view>> parameters, std::span<const std::int16_t> formats, Clock::time_point now
) {
    const RecordedPlan& planned = recorded(plan);
    now_ = now;
    Submitted out;
    const auto& limits = shared_->role.limits;
    // Each statement of a Query counts; what an Execute runs is one, whatever message prepared it.
    const std::uint64_t carried = form == Form::simple ? std::max<std::size_t>(1, plan->statements.size()) : 1;
    if (limits.statements && shared_->statements_run + carried > *limits.statements) {
        policy::Decision over;
        over.rule = "limits";
        over.reason = "this session has run its " + std::to_string(*limits.statements) + " statements";
        over.fix = "Open another session.";
        out.refusal = refusal_of(over);
        out.refusal->sqlstate = "54000";
        reject(plan, text, form, *out.refusal, now);
        return out;
    }
    if (!planned.watched.empty()) {
        const GivenValues given{false, text, shared_->language.lexis, parameters, formats};
        out.refusal = written_back(planned.watched, given);
        if (!out.refusal) out.refusal = shared_->equality.take(planned.watched, given, now);
        if (out.refusal) {
            reject(plan, text, form, *out.refusal, now);
            return out;
        }
    }
    ++shared_->statistics.statements;
    shared_->statements_run += carried;
    std::uint64_t number = shared_->statistics.statements;
    bool credentials = planned.credentials;
    if (auto* writer = shared_->options.recording.get()) {
        number = record_statement(planned, text, form, parameters, formats, true, credentials, now);
        if (writer->error()) {
            shared_->statistics.record_failed = true;
            out.end_session = true;
            policy::Decision failed;
            failed.rule = "record";
            failed.reason = "the recording cannot be written (" + std::string(writer->error()->code) + "), so the statement does not run";
            failed.fix = "Make room where recordings are kept.";
            out.refusal = refusal_of(failed);
            out.refusal->sqlstate = "58030";
            return out;
        }
    }
    out.number = number;
    if (running_.full()) running_.set_capacity(std::max<std::size_t>(2, 2 * running_.capacity()));
    running_.push_back({});
    Running& started = running_.back();
    started.number = number;
    started.began = now;
    started.quotes = credentials;
    if (!masks_nothing()) {
        started.plan = plan;
        started.seen = seen_;
    }
    if (planned.verdict == Verdict::warn) ++shared_->statistics.warned;
    if (planned.verdict == Verdict::warn || shared_->options.report_all) shared_->tell(planned.verdict, planned.rule, planned.reason, planned.fix, planned, text);
    const bool commits = std::ranges::any_of(planned.statements, [](const PlannedStatement& one) {
        return one.statement.kind == sql::StatementKind::commit || one.statement.kind == sql::StatementKind::prepare_transaction;
    });
    if (commits) transaction_may_have_ended();
    if (planned.changes_catalogue || planned.changes_settings) {
        stale_ = shared_->wants_names;
        catalogue_changed_ = catalogue_changed_ || planned.changes_catalogue;
        changed_in_transaction_ = true;
    }
    if (planned.changes_catalogue && shared_->wants_names) {
        open_change_.add(name_change(planned.statements, planned.unparsed.empty()));
        tell_of_change();
    }
    if (!open_change_.empty() && (commits || status_ == 'I')) shared_->changes.may_be_made(connection_, open_change_);
    return out;
}

void GuardSession::reject(const PlanRef& plan, std::string_view text, Form form, const Refusal& refusal, Clock::time_point now) {
    ++shared_->statistics.denied;
    const RecordedPlan& planned = recorded(plan);
    // A text that did not parse is told of by what the parser stumbled over.
    const bool not_parsed = planned.statements.empty() && !planned.unparsed.empty();
    if (auto* writer = shared_->options.recording.get()) {
        bool credentials = false;
        recording::Failed failed;
        failed.statement = record_statement(planned, text, form, {}, {}, false, credentials, now);
        const std::string message = recorded_message(refusal.sqlstate, refusal.message, credentials || not_parsed);
        failed.code = refusal.sqlstate;
        failed.text = message;
        writer->append(failed);
    }
    if (planned.verdict >= Verdict::approve) {
        shared_->tell(Verdict::deny, planned.rule, planned.reason.empty() ? "no rule allows this" : planned.reason, planned.fix, planned, text);
    } else {
        // A limit's, or the protocol's.
        std::string_view reason = refusal.message;
        if (reason.starts_with("dbguard: ")) reason.remove_prefix(9);
        std::string_view rule = refusal.detail;
        rule = rule.starts_with("Rule ") && rule.ends_with(".") ? rule.substr(5, rule.size() - 6) : std::string_view{};
        shared_->tell(Verdict::deny, rule, reason, refusal.hint, planned, text);
    }
}

void GuardSession::mistaken(const PlanRef& plan, std::string_view text, Form form, std::string_view sqlstate, std::string_view message, Clock::time_point now) {
    ++shared_->statistics.failed;
    auto* writer = shared_->options.recording.get();
    if (writer == nullptr) return;
    bool credentials = false;
    recording::Failed failed;
    failed.statement = record_statement(recorded(plan), text, form, {}, {}, false, credentials, now);
    const std::string shown = recorded_message(sqlstate, message, credentials || recorded(plan).statements.empty());
    failed.code = sqlstate;
    failed.text = shown;
    writer->append(failed);
}

void GuardSession::expired(std::uint64_t number, Clock::time_point now) {
    const Running* one = running(number);
    ++shared_->statistics.denied;
    const std::uint64_t allowed = shared_->role.limits.time ? static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(*shared_->role.limits.time).count()) : 0;
    if (auto* writer = shared_->options.recording.get()) {
        writer->append(recording::Limit{number, now, "time", allowed});
        writer->append(recording::Cancel{number, now, connection_, "limit"});
    }
    if (one != nullptr) shared_->tell(Verdict::deny, "limits", "the statement took longer than " + std::to_string(allowed) + " ms", "", {}, {});
}

Session::Origin GuardSession::origin(std::uint32_t relation, std::int16_t number) const {
    Origin out;
    if (shared_->policy.masks().empty() || relation == 0) return out;
    if (context_ == nullptr || context_->snapshot == nullptr) {
        out.known = false;
        return out;
    }
    const catalogue::Relation* found = context_->snapshot->relation(relation);
    out.of_table = found != nullptr && found->kind != catalogue::RelationKind::view;
    if (const policy::SensitiveColumn* column = context_->sensitivity.column({relation, number})) {
        out.mask = column->mask;
        return out;
    }
    // The server's own relations are not in the snapshot by number.
    // What this session made since the snapshot is newer than all in it; the analysis knew it by what made it.
    const bool own = changed_in_transaction_ && relation > context_->snapshot->highest();
    out.known = relation < 16384 || own || found != nullptr;
    return out;
}

const masking::Type& GuardSession::type(std::uint32_t type, std::int32_t modifier) const {
    const auto key = std::pair(type, modifier);
    auto found = types_.find(key);
    if (found == types_.end()) found = types_.emplace(key, shared_->language.mask_type(type, modifier, context_ == nullptr ? nullptr : context_->snapshot.get())).first;
    return found->second;
}

RowVerdict GuardSession::over_limit(std::string_view which, std::uint64_t allowed, Running& running) {
    policy::Decision over;
    over.rule = "limits";
    over.reason = "the result is larger than " + std::to_string(allowed) + (which == "bytes" ? " bytes" : " rows");
    over.fix = "Ask for less, with LIMIT or a narrower WHERE.";
    limit_refusal_ = std::make_unique<Refusal>(refusal_of(over));
    limit_refusal_->sqlstate = "54000";
    if (auto* writer = shared_->options.recording.get()) {
        recording::Limit event;
        event.statement = running.number;
        event.at = running.began;
        event.which = which;
        event.allowed = allowed;
        writer->append(event);
    }
    const bool cut = shared_->role.limits.over == policy::Over::cut;
    if (!cut) ++shared_->statistics.denied;
    else ++shared_->statistics.warned;
    shared_->tell(cut ? Verdict::warn : Verdict::deny, over.rule, over.reason + (cut ? ", and was cut" : ""), over.fix, {}, {});
    return shared_->role.limits.over == policy::Over::cut ? RowVerdict::cut : RowVerdict::stop;
}

bool GuardSession::names_moved(Running& one) {
    const NameChanges& changes = shared_->changes;
    if (one.plan == nullptr || (one.seen == changes.last() && !changes.unanswered(connection_))) return false;
    if (changes.concern(one.seen, connection_, one.plan->statements, one.rows > 0)) return true;
    one.seen = changes.last();
    return false;
}

bool GuardSession::names_moved(std::uint64_t number) {
    Running* one = running(number);
    return one != nullptr && names_moved(*one);
}

RowVerdict GuardSession::rows(std::uint64_t number, std::uint64_t count, std::uint64_t bytes) {
    Running* one = running(number);
    if (one == nullptr) return RowVerdict::forward;
    if (names_moved(*one)) {
        const policy::Decision moved{
            .verdict = Verdict::deny, .rule = "masks", .reason = "another connection changed what names of this statement mean while it ran", .fix = "Run it again.",
        };
        limit_refusal_ = std::make_unique<Refusal>(refusal_of(moved));
        limit_refusal_->sqlstate = "40001";   // serialization_failure: what clients know to try again
        ++shared_->statistics.denied;
        shared_->tell(moved.verdict, moved.rule, moved.reason, moved.fix, {}, {});
        return RowVerdict::stop;
    }
    const auto& limits = shared_->role.limits;
    if (limits.rows && one->rows + count > *limits.rows) return over_limit("rows", *limits.rows, *one);
    if (limits.bytes && one->bytes + bytes > *limits.bytes) return over_limit("bytes", *limits.bytes, *one);
    if (limits.session_rows && shared_->session_rows + count > *limits.session_rows) return over_limit("session_rows", *limits.session_rows, *one);
    one->rows += count;
    one->bytes += bytes;
    shared_->session_rows += count;
    shared_->statistics.rows += count;
    return RowVerdict::forward;
}

void GuardSession::finish(std::uint64_t number, const Outcome& outcome, Clock::time_point now) {
    Running* one = running(number);
    if (auto* writer = shared_->options.recording.get()) {
        if (one != nullptr) flush_rows(*one);
        recording::Done event;
        event.statement = number;
        event.tag = outcome.tag;
        event.rows = outcome.rows;
        event.bytes = outcome.bytes;
        if (one != nullptr) event.took = std::chrono::duration_cast<std::chrono::microseconds>(now - one->began);
        event.suspended = outcome.suspended;
        event.cut = outcome.cut;
        writer->append(event);
    }
    if (one != nullptr && !outcome.suspended) forget(*one);
}

void GuardSession::fail(std::uint64_t number, std::string_view sqlstate, std::string_view text, Clock::time_point now) {
    ++shared_->statistics.failed;
    Running* one = running(number);
    if (auto* writer = shared_->options.recording.get()) {
        if (one != nullptr) flush_rows(*one);
        recording::Failed event;
        event.statement = number;
        const std::string shown = recorded_message(sqlstate, text, one != nullptr && one->quotes);
        event.code = sqlstate;
        event.text = shown;
        if (one != nullptr) event.took = std::chrono::duration_cast<std::chrono::microseconds>(now - one->began);
        writer->append(event);
    }
    if (one != nullptr) forget(*one);
}

std::optional<Session::Clock::time_point> GuardSession::deadline(Clock::time_point began) const {
    if (!shared_->role.limits.time) return {};
    return began + *shared_->role.limits.time;
}

namespace {

class GuardEngine : public Engine {
  public:
    explicit GuardEngine(EngineOptions options) {
        const bool lasting_key = !options.mask_key.empty();
        if (!lasting_key) options.mask_key = Secret(random_bytes(32));
        shared_ = std::make_shared<Shared>(std::move(options), lasting_key);
    }
    std::unique_ptr<Session> session() override { return std::make_unique<GuardSession>(shared_); }
    const Statistics& statistics() const override { return shared_->statistics; }
    void close(std::string_view why, Session::Clock::time_point now) override {
        if (closed_ || shared_->options.recording == nullptr) return;
        closed_ = true;
        recording::End event;
        event.at = now;
        event.why = why;
        event.statements = shared_->statistics.statements;
        event.denied = shared_->statistics.denied;
        event.failed = shared_->statistics.failed;
        event.masked = shared_->statistics.masked_results;
        if (!shared_->options.recording->end(event)) shared_->statistics.record_failed = true;
    }

  private:
    std::shared_ptr<Shared> shared_;
    bool closed_ = false;
};

}  // namespace

std::unique_ptr<Engine> make_engine(EngineOptions options) { return std::make_unique<GuardEngine>(std::move(options)); }

}  // namespace dbguard::relay
