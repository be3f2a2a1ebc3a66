// What the server sends: whose it is, what it settles, and what the client sees of it.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/error_text.hpp"
#include "wire/postgres/parameter.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using Kind = Pending::Kind;
using Owner = Pending::Owner;
using sql::StatementKind;

Adapter::Step Adapter::unexpected(char type) {
    return fatal("08P01", std::string("the server sent an unexpected message of type '") + type + "'");
}

Adapter::Step Adapter::server_message(const Header& header, std::span<char> bytes) {
    const std::string_view body(bytes.data(), bytes.size());
    const char type = header.type;
    if (header.body_bytes > body.size() && type != 'D' && type != 'd')
        return fatal("54000", "the server sent a message that is longer than dbguard holds");
    // These belong to no request.
    switch (type) {
        case 'S': return on_parameter_status(body);
        case 'N': return on_notice(body);
        case 'A': return Step::pass;
        case 'E': return on_error(body);
        case 'Z': return on_ready(body);
        default: break;
    }
    if (pending_.empty()) return unexpected(type);
    Pending& entry = pending_.front();
    if (entry.owner != Owner::client) return own_reply(type, body);
    if (entry.refusal) return unexpected(type);
    if (entry.failed) return unexpected(type);
    // Muted: the client was told that its statement failed, and the server does not know it. What is said is heard, not told.
    const Step step = client_reply(header, bytes);
    return muted_ && step == Step::pass ? Step::drop : step;
}

/// A reply to a message of the client's, which is first in line.
Adapter::Step Adapter::client_reply(const Header& header, std::span<char> bytes) {
    const std::string_view body(bytes.data(), bytes.size());
    const char type = header.type;
    Pending& entry = pending_.front();
    if (!muted_) warn_once(entry);
    show_held_complete();
    const bool runs = entry.kind == Kind::simple || entry.kind == Kind::execute;
    if (runs && entry.bound && entry.bound->must_fail && (type == 'T' || type == 'H' || type == 'G')) {
        // What it names is there after all.
        if (type == 'G') return fatal(entry.bound->refusal);
        stop_statement(entry.bound->refusal);
        result_.begun = true;
        result_.copy_out = type == 'H';
        return Step::drop;
    }
    switch (type) {
        case '1':
            if (entry.kind != Kind::parse) return unexpected(type);
            statements_.set(entry.name, entry.prepared);
            statements_.settle(entry.name, entry.prepared);
            pop();
            return Step::pass;
        case '2':
            if (entry.kind != Kind::bind) return unexpected(type);
            commit_portal(entry);
            pop();
            return Step::pass;
        case '3':
            if (entry.kind != Kind::close) return unexpected(type);
            if (entry.of_portal) {
                portals_.erase(entry.name);
                portals_.settle(entry.name, nullptr);
            } else {
                statements_.erase(entry.name);
                statements_.settle(entry.name, nullptr);
            }
            pop();
            return Step::pass;
        case 't': return entry.kind == Kind::describe && !entry.of_portal ? Step::pass : unexpected(type);
        case 'n':
            if (entry.kind != Kind::describe) return unexpected(type);
            pop();
            return Step::pass;
        case 'T':
            if (entry.kind != Kind::describe && entry.kind != Kind::simple) return unexpected(type);
            return on_row_description(body);
        case 'D': return runs ? on_data_row(header, bytes) : unexpected(type);
        case 'C':
        case 'I': return runs ? on_command_complete(type == 'C' ? body : std::string_view{}) : unexpected(type);
        case 's':
            if (entry.kind != Kind::execute) return unexpected(type);
            return on_suspended();
        case 'G': return runs ? on_copy_in() : unexpected(type);
        case 'H': return runs ? on_copy_out(body) : unexpected(type);
        case 'd': return runs && result_.copy_out ? on_copy_out_data(header, body) : unexpected(type);
        case 'c': return runs && result_.copy_out ? on_copy_out_done() : unexpected(type);
        case 'V': return entry.kind == Kind::function_call ? on_function_result(body) : unexpected(type);
        case 'W': return fatal("0A000", "replication through dbguard is not supported");
        default: return unexpected(type);
    }
}

void Adapter::pop() {
    pending_.pop();
    if (!pending_.empty()) pending_.front().began = now_;
    if (hold_ == Hold::full && pending_.size() <= limits_.max_pending / 2) release_client();
}

void Adapter::warn_once(Pending& entry) {
    if (entry.warned || !entry.plan || entry.plan->warnings.empty()) return;
    if (entry.kind != Kind::simple && entry.kind != Kind::execute) return;
    entry.warned = true;
    for (const auto& warning : entry.plan->warnings)
        send_notice(wp::ErrorFields("WARNING", "01000", warning));
}

/// The portal runs the statement that its name meant when Bind was carried out, whatever was expected then.
void Adapter::commit_portal(const Pending& entry) {
    const PreparedRef statement = statements_.now(entry.statement_name);
    if (entry.portal->statement != statement) {
        entry.portal->statement = statement;
        entry.portal->plan = statement ? statement->plan : PlanRef{};
    }
    portals_.set(entry.name, entry.portal);
    portals_.settle(entry.name, entry.portal);
}

Adapter::Step Adapter::on_parameter_status(std::string_view body) {
    const auto parameter = wp::decode_parameter_status(body);
    if (!parameter) return unexpected('S');
    session_.parameter(parameter->name, parameter->value);
    return Step::pass;
}

namespace {

/// The server's sentence about a table that it looks for by the name that the statement gives.
bool misses_relation(const sql::Statement& statement, const wp::ErrorFieldsView& fields) {
    using namespace wp::error_field;
    if (fields.get(sqlstate) != "42P01" || fields.get(routine) != "RangeVarGetRelidExtended" || !fields.get(where).empty() || !fields.get(internal_query).empty()) return false;
    const auto is_said = [&](const std::string& name) { return fields.get(message) == "relation \"" + name + "\" does not exist"; };
    return std::ranges::any_of(statement.effects, [&](const sql::Effect& effect) {
        return std::ranges::any_of(effect.objects, [&](const sql::Object& object) { return is_said(object.name) || is_said(object.schema + "." + object.name); });
    });
}

}  // namespace

/// What the server says in answer to a message of the client's (null: to none), without values where it could hold some.
wp::ErrorFields Adapter::without_hidden(const wp::ErrorFieldsView& fields, const Pending* entry) const {
    if (entry != nullptr && session_.names_moved(entry->number)) return without_values(fields, true, true);
    // What may only fail is hidden alone: nothing of it stays that could speak later.
    const bool may_only_fail = entry != nullptr && entry->bound && entry->bound->must_fail && !session_.masks_nothing();
    if (!hide_ && !may_only_fail) return wp::ErrorFields(fields);
    // The last of several statements may fail because the commit behind it does.
    const std::size_t count = entry != nullptr && entry->owner == Owner::client && entry->plan ? entry->plan->statements.size() : 0;
    const PlannedStatement* statement = count == 1 || (count > 1 && entry->statement + 1 < count) ? planned(*entry) : nullptr;
    if (statement == nullptr) return without_values(fields, hide_code_, hide_code_);
    const sql::Statement& sql = statement->statement;
    if (sql.only_names || misses_relation(sql, fields)) return wp::ErrorFields(fields);
    const bool runs_another = sql.kind == StatementKind::execute || sql.kind == StatementKind::fetch;
    return without_values(fields, hide_code_, hide_code_ && (sql.calls_code || runs_another));
}

void Adapter::send_server_error(const wp::ErrorFieldsView& fields) { send_error(without_hidden(fields, nullptr)); }

Adapter::Step Adapter::on_notice(std::string_view body) {
    const bool own = !pending_.empty() && pending_.front().owner != Owner::client;
    if (own || muted_) return Step::drop;
    const bool may_only_fail = !pending_.empty() && pending_.front().bound && pending_.front().bound->must_fail;
    const bool hides = hide_ || may_only_fail || (!pending_.empty() && session_.names_moved(pending_.front().number));
    if (!hides && !session_.wants_notes()) return Step::pass;
    const auto notice = wp::decode_notice_response(body);
    if (!notice) return unexpected('N');
    const wp::ErrorFields shown = without_hidden(notice->fields, pending_.empty() ? nullptr : &pending_.front());
    session_.note(pending_.empty() ? 0 : pending_.front().number, shown.get(wp::error_field::severity), shown.get(wp::error_field::sqlstate), shown.message());
    if (!hides) return Step::pass;
    show_held_complete();
    send_notice(shown);
    return Step::drop;
}

Adapter::Step Adapter::on_error(std::string_view body) {
    const auto error = wp::decode_error_response(body);
    if (!error) return unexpected('E');
    const auto& fields = error->fields;
    auto severity = fields.get(wp::error_field::severity_nonlocalized);
    if (severity.empty()) severity = fields.get(wp::error_field::severity);
    if (severity == "FATAL" || severity == "PANIC") {
        // The server ends the session; it closes the connection next.
        if (!pending_.empty() && pending_.front().number != 0)
            session_.fail(pending_.front().number, fields.get(wp::error_field::sqlstate), general_message(fields.get(wp::error_field::sqlstate)), now_);
        abandon_measuring(fields.get(wp::error_field::sqlstate));
        send_server_error(fields);
        ended_ = true;
        return Step::stop;
    }
    if (pending_.empty()) return unexpected('E');
    copy_in_ = false;
    Pending& entry = pending_.front();
    if (entry.owner != Owner::client) return own_error(fields);
    show_held_complete();  // of the statement before
    const std::string sqlstate(fields.get(wp::error_field::sqlstate));
    if (entry.failed || muted_) {
        // The client was told already.
    } else if (entry.refusal) {
        send_error(refusal_fields(*entry.refusal));
    } else if (stopped_) {
        send_error(refusal_fields(*stopped_));
        if (entry.number != 0) session_.fail(entry.number, stopped_->sqlstate, stopped_->message, now_);
    } else {
        const wp::ErrorFields shown = without_hidden(fields, &entry);
        if (entry.number != 0) session_.fail(entry.number, sqlstate, shown.message(), now_);
        send_error(shown);
    }
    stopped_.reset();
    cancel_wanted_ = false;
    result_ = {};
    entry.copies_left = 0;
    if (!entry.extended()) {
        entry.failed = true;  // ReadyForQuery follows
        entry.number = 0;
        if (hold_ == Hold::copy) release_client();
        return Step::drop;
    }
    entry.number = 0;
    drop_until_sync(sqlstate);
    return Step::drop;
}

/// What the client was held for has been answered, or will not be.
void Adapter::release_waiting() {
    const auto counted = [](const Pending& entry) { return entry.bound != nullptr; };
    if (hold_ == Hold::copy || (hold_ == Hold::count && std::ranges::none_of(pending_, counted))) release_client();
}

/// After an error in an extended message the server ignores everything up to the next Sync.
void Adapter::drop_until_sync(std::string_view sqlstate) {
    while (!pending_.empty() && pending_.front().kind != Kind::sync) {
        if (pending_.front().number != 0)
            session_.fail(pending_.front().number, sqlstate, "not run: an earlier statement of the pipeline failed", now_);
        pop();
    }
    abandon_measuring(sqlstate);
    // What was expected of the names does not come true, but for what stands behind that Sync.
    statements_.forget_expected();
    portals_.forget_expected();
    for (const auto& entry : pending_) {
        if (entry.owner != Owner::client) continue;
        if (entry.kind == Kind::parse && !entry.refusal) statements_.expect(entry.name, entry.prepared);
        if (entry.kind == Kind::bind) portals_.expect(entry.name, entry.portal);
        if (entry.kind == Kind::close) {
            if (entry.of_portal)
                portals_.expect(entry.name, nullptr);
            else
                statements_.expect(entry.name, nullptr);
        }
    }
    release_waiting();
    if (!pending_.empty()) return;
    skipping_ = true;
    if (hold_ == Hold::question) question_done(answer_ && !answer_->error.empty() ? answer_->error : "25P02");
    if (hold_ == Hold::probe || hold_ == Hold::types) release_client();
}

namespace {

/// What went away while the server looked at it (XX000, "cache lookup failed"), a deadlock, a lock that the client's lock_timeout did not
/// wait for, a conflict with recovery: others change names at the same time, and it need not come to pass again.
bool passes(std::string_view sqlstate) { return sqlstate == "XX000" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "40001"; }

}  // namespace

Adapter::Step Adapter::on_ready(std::string_view body) {
    const auto ready = wp::decode_ready_for_query(body);
    if (!ready || pending_.empty()) return unexpected('Z');
    if (pending_.front().extended() || (pending_.front().refusal && !pending_.front().failed)) return unexpected('Z');
    const char status = static_cast<char>(ready->status);
    status_ = status;
    if (pending_.front().owner == Owner::counters) {
        pop();
        if (!measured_ || !measured_->behind) return Step::drop;
        end_measuring();
    } else if (pending_.front().owner == Owner::client && pending_.front().kind == Kind::simple && ask_behind(pending_.front())) {
        return Step::drop;
    }
    Pending& entry = pending_.front();
    Step step = Step::pass;
    const Owner owner = entry.owner;
    if (owner == Owner::question || owner == Owner::types) {
        if (status == 'E' && pending_.size() == 1 && in_savepoint_ && savepoint_made_) {
            pop();
            rescue_transaction(owner);
            return Step::drop;
        }
        in_savepoint_ = false;
    }
    if (owner == Owner::client && entry.kind == Kind::simple && send_next_part()) return Step::drop;
    if (owner == Owner::client && entry.kind == Kind::simple && next_piece(entry)) return Step::drop;
    if (owner == Owner::client && counted_ && !counted_->begun) counted_.reset();
    if (owner == Owner::client && counted_ && entry.kind == Kind::simple) {
        const bool told_of_failure = std::exchange(muted_, false);
        end_counted_query(!entry.failed && !told_of_failure && status == 'T');
        pop();
        result_ = {};
        last_tag_.clear();
        return Step::drop;
    }
    if (owner == Owner::end) {
        counted_.reset();
        release_client();
    } else if (owner == Owner::client) {
        if (entry.kind == Kind::simple && ((entry.bound && hold_ == Hold::count) || hold_ == Hold::piece)) release_client();
        if (entry.kind != Kind::sync && !entry.failed) finish_statement(entry, last_tag_, false);
        if (entry.kind == Kind::simple) {
            // A Query leaves no unnamed statement behind. Source: PostgreSQL manual, "Extended Query".
            statements_.erase({});
            portals_.erase({});
        }
    } else if ((owner == Owner::question || owner == Owner::probe) && probe_answered_ && pieces_) {
        // The client has its error, and a transaction of dbguard's own has failed with it.
        probe_answered_ = false;
        if (const auto answer = std::move(answer_)) session_.answer(std::move(*answer));
        end_pieces();
        if (counted_ && counted_->begun) {
            own_query("ROLLBACK", Owner::end);
            pop();
            return Step::drop;
        }
        counted_.reset();
        release_client();
    } else if (owner == Owner::question) {
        const bool answered = std::exchange(probe_answered_, false);
        if (!answered) step = Step::drop;
        if (const auto question = answered || !passes(answer_ ? answer_->error : "") || status == 'E' || pending_.size() > 1 || asked_again_ == 3 ? std::nullopt : session_.question()) {
            ++asked_again_;
            pop();
            ask(*question, nullptr);
            return Step::drop;
        }
        asked_again_ = 0;
        question_done(answer_ ? answer_->error : std::string{});
        skip_held_ = answered;
    } else if (owner == Owner::probe) {
        const bool answered = std::exchange(probe_answered_, false);
        if (!answered) step = Step::drop;
        release_client(answered);
    } else if (owner == Owner::types) {
        step = Step::drop;
        release_client();
    } else if (owner == Owner::abort) {
        release_client();
    } else {
        step = Step::drop;
    }
    pop();
    end_result();
    result_ = {};
    last_tag_.clear();
    if (status == 'I') {
        end_portals();
        affected_rows_ = 0;
        // What was sent behind is hidden already where it has to be.
        if (std::exchange(hide_, false)) {
            hide_code_ = false;
            for (const auto& later : pending_)
                if (later.plan) note_plan(*later.plan);
        }
    }
    if (owner == Owner::begin) return Step::drop;  // the client knows of no transaction
    if (!pending_.empty()) session_.more_was_sent();
    session_.transaction_status(status);
    if (hold_ == Hold::copy || (hold_ == Hold::drain && pending_.empty())) release_client();
    if (owner == Owner::client && muted_) {
        muted_ = false;
        // The client was told of a failure that the server knows nothing of: its transaction must not go on.
        if (status == 'T' && pending_.empty() && (hold_ == Hold::none || hold_ == Hold::count || hold_ == Hold::piece)) {
            resume_ = false;
            substitute(false, {});
            pending_.back().owner = Owner::abort;
            pending_.back().refusal.reset();
            hold(Hold::abort);
            return Step::drop;
        }
    }
    return step;
}

Adapter::Step Adapter::on_row_description(std::string_view body) {
    const auto description = wp::decode_row_description(body);
    if (!description) return unexpected('T');
    Pending& entry = pending_.front();
    if (entry.kind == Kind::describe) {
        if (entry.of_portal) {
            if (const auto portal = portals_.now(entry.name)) {
                const auto* statement = portal->statement ? planned_of(portal->plan, portal->statement->index) : nullptr;
                // What it goes by may be another's name since it began to run.
                const bool stays = portal->number != 0 && portal->columns && statement != nullptr && goes_by_name(statement->statement.kind);
                if (!stays) portal->columns = describe_columns(body, *description, statement);
            }
        } else if (const auto prepared = statements_.now(entry.name)) {
            auto columns = describe_columns(body, *description, planned_of(prepared->plan, prepared->index));
            if (columns && prepared->plan) {
                // They are this plan's, whatever the session has learned since.
                auto own = std::make_shared<ResultColumns>(*columns);
                own->context = prepared->plan->context;
                columns = std::move(own);
            }
            prepared->columns = std::move(columns);
        }
        pop();
        return Step::pass;
    }
    if (result_.begun) return unexpected('T');
    if (session_.masks_nothing() && !session_.wants_columns()) {
        // Nobody looks at it.
        result_.begun = result_.raw = true;
        result_.number = entry.number;
        return Step::pass;
    }
    const auto columns = describe_columns(body, *description, planned(entry));
    begin_result(*columns, nullptr, entry.number, true);
    return Step::pass;
}

Adapter::Step Adapter::on_command_complete(std::string_view body) {
    Pending& entry = pending_.front();
    std::string_view tag;
    if (!body.empty()) {
        const auto complete = wp::decode_command_complete(body);
        if (!complete) return unexpected('C');
        tag = complete->tag;
    }
    // In a pipeline it stays although the client was told of a failure before it.
    const bool counts = entry.bound && !stopped_ && (!muted_ || entry.kind == Kind::execute);
    if (counts && !count_affected(entry, tag)) stopped_ = std::make_unique<Refusal>(entry.bound->refusal);
    if (stopped_) {
        // It ended before it could be cancelled. The client is told of the limit all the same.
        fail_counted(entry, *stopped_);
        if (entry.bound) forget_measured();
        stopped_.reset();
        cancel_wanted_ = false;
        commit_names(entry, tag);
        muted_ = true;
        end_result();
        if (entry.kind == Kind::simple) {
            entry.statement++;
        } else if (entry.bound) {
            // Its pipeline must fail with it: the server ignores the rest, and rolls back at the Sync.
            pop();
            abort_pipeline();
        } else {
            pop();
        }
        return Step::drop;
    }
    if (tag == "COMMIT") affected_rows_ = 0;  // ROLLBACK may go back to a savepoint only
    if (result_.cut && !muted_) send_notice(refusal_fields(session_.limit_refusal(), "WARNING"));
    commit_names(entry, tag);
    last_tag_ = tag;
    const bool waits = entry.kind == Kind::simple ? counted_ || measured_ : entry.bound && measured_;
    if (entry.kind == Kind::execute) {
        Pending done = std::move(entry);
        pop();
        if (!waits) {
            end_execute(done, tag);
            return Step::pass;
        }
        measured_->entry = std::move(done);
        measured_->behind = true;
        measured_->tag = tag;
    } else {
        entry.statement++;
        end_result();
    }
    if (!waits) return Step::pass;
    if (muted_) return Step::drop;
    // Not before its rows are counted, and its transaction is committed.
    ByteWriter writer(held_complete_);
    if (body.empty() ? wp::encode(wp::EmptyQueryResponse{}, writer).has_value() : wp::encode(wp::CommandCompleteView{tag}, writer).has_value())
        return Step::drop;
    return unexpected('C');
}

/// An Execute has run to its end.
void Adapter::end_execute(Pending& entry, std::string_view tag) {
    begin_portal_result(entry, 0);
    finish_statement(entry, tag, false);
    end_result();
    result_ = {};
    if (entry.portal) entry.portal->suspended = false;
    release_waiting();
}

Adapter::Step Adapter::on_suspended() {
    Pending& entry = pending_.front();
    note_cursors(planned(entry));
    finish_statement(entry, {}, true);
    result_ = {};
    if (entry.portal) entry.portal->suspended = true;
    pop();
    return Step::pass;
}

void Adapter::finish_statement(Pending& entry, std::string_view tag, bool suspended) {
    if (entry.number == 0) return;
    Outcome outcome;
    outcome.tag = tag;
    outcome.rows = result_.rows;
    outcome.bytes = result_.bytes;
    outcome.suspended = suspended;
    outcome.cut = result_.cut || result_.was_cut;
    session_.finish(entry.number, outcome, now_);
}

/// A transaction has ended, and nearly all portals with it.
void Adapter::end_portals() {
    portals_.erase_if([](const Portal& portal) { return !portal.holdable; });
    portals_.for_each([](Portal& portal) { portal.uncertain = true; });
}

/// Code of the statement has run. What it made of cursors is not known by their names, nor what it put in the place of others.
void Adapter::note_cursors(const PlannedStatement* statement, int depth) {
    if (statement == nullptr || depth > 4 || session_.masks_nothing()) return;
    const sql::Statement& sql = statement->statement;
    if (sql.cursors != sql::CodeCursors::none) hidden_cursors_ = hidden_cursors_ || !statement->decision.unmasked;
    code_cursors_ = code_cursors_ || sql.cursors != sql::CodeCursors::none || sql.unread_code;
    if (sql.cursors == sql::CodeCursors::replaces) {
        portals_.erase_if([](const Portal& portal) { return portal.cursor; });
        hidden_cursors_ = true;
    }
    if (const sql::Statement* execute = sql::execute_of(sql))
        if (const auto prepared = statements_.now(execute->name)) return note_cursors(planned_of(prepared->plan, prepared->index), depth + 1);
    if (sql.kind == StatementKind::fetch)
        if (const auto portal = portals_.now(sql.name); portal && portal->statement) return note_cursors(planned_of(portal->plan, portal->statement->index), depth + 1);
}

namespace {

/// What the name stands for that a PREPARE or a DECLARE of the entry's makes.
std::shared_ptr<Prepared> made_by(const Pending& entry, const sql::Statement& sql, std::uint32_t index) {
    auto made = std::make_shared<Prepared>();
    if (entry.text) made->text = sql.begin < entry.text->size() ? entry.text->substr(sql.begin, sql.length) : *entry.text;
    made->plan = entry.plan;
    made->index = index;
    return made;
}

}  // namespace

/// What a PREPARE makes that is on its way.
PreparedRef Adapter::on_its_way(std::string_view name) const {
    PreparedRef found;
    for (const Pending& entry : pending_) {
        if (!entry.plan || entry.owner != Pending::Owner::client || (entry.kind != Pending::Kind::simple && entry.kind != Pending::Kind::execute)) continue;
        for (std::uint32_t i = entry.statement; i < entry.plan->statements.size(); ++i)
            if (const sql::Statement& sql = entry.plan->statements[i].statement; sql.kind == StatementKind::prepare && sql.name == name) found = made_by(entry, sql, i);
    }
    return found;
}

/// What the statement that is now complete means for the names.
void Adapter::commit_names(const Pending& entry, std::string_view tag) {
    const PlannedStatement* statement = planned(entry);
    if (tag == "DISCARD ALL") {
        statements_.clear();
        portals_.clear();
        return;
    }
    if (tag == "DEALLOCATE ALL") return statements_.clear();
    if (tag == "CLOSE CURSOR ALL") return portals_.clear();
    // ROLLBACK TO says the same as ROLLBACK, and the cursors that were open before its savepoint stay.
    const bool to_savepoint = statement != nullptr && statement->statement.kind == StatementKind::rollback_to;
    if (to_savepoint) portals_.for_each([](Portal& portal) { portal.uncertain = true; });
    else if (tag == "COMMIT" || tag == "ROLLBACK" || tag == "PREPARE TRANSACTION") end_portals();
    if (statement == nullptr) return;
    const auto& sql = statement->statement;
    note_cursors(statement);
    switch (sql.kind) {
        case StatementKind::deallocate: statements_.erase(sql.name); break;
        case StatementKind::close_cursor: portals_.erase(sql.name); break;
        case StatementKind::prepare:
        case StatementKind::declare_cursor: {
            auto prepared = made_by(entry, sql, entry.statement);
            if (sql.kind == StatementKind::prepare) {
                statements_.set(sql.name, std::move(prepared));
                break;
            }
            auto portal = std::make_shared<Portal>();
            portal->plan = entry.plan;
            portal->cursor = true;
            // Only keeps what is known of a name for longer: a cursor that is no more is the server's to refuse.
            const auto& text = prepared->text;
            portal->holdable = std::ranges::search(text, std::string_view("hold"), [](char a, char b) {
                                   return (a | 0x20) == b;
                               }).begin() != text.end();
            portal->statement = std::move(prepared);
            portals_.set(sql.name, std::move(portal));
            break;
        }
        default: break;
    }
}

Adapter::Step Adapter::on_copy_in() {
    Pending& entry = pending_.front();
    if (pending_.size() > 1) return fatal("08P01", "COPY data was expected behind other messages");
    if (entry.copies_left > 0) entry.copies_left--;
    copy_in_ = true;
    if (hold_ == Hold::copy || hold_ == Hold::count) release_client();
    return Step::pass;
}

}  // namespace dbguard::relay::postgres
