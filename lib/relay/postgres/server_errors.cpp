// What the server says in errors and notices, what of it the client sees, and what does not run behind an error.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/error_text.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using Kind = Pending::Kind;
using Owner = Pending::Owner;
using sql::StatementKind;

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

}  // namespace dbguard::relay::postgres
