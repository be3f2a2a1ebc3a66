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

/// What the client was held for has been answered, or will not be.
void Adapter::release_waiting() {
    const auto counted = [](const Pending& entry) { return entry.bound != nullptr; };
    if (hold_ == Hold::copy || (hold_ == Hold::count && std::ranges::none_of(pending_, counted))) release_client();
}

void Adapter::warn_once(Pending& entry) {
    if (entry.warned || !entry.plan || entry.plan->warnings.empty()) return;
    if (entry.kind != Kind::simple && entry.kind != Kind::execute) return;
    entry.warned = true;
    for (const auto& warning : entry.plan->warnings)
        send_notice(wp::ErrorFields("WARNING", "01000", warning));
}

Adapter::Step Adapter::on_parameter_status(std::string_view body) {
    const auto parameter = wp::decode_parameter_status(body);
    if (!parameter) return unexpected('S');
    session_.parameter(parameter->name, parameter->value);
    return Step::pass;
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

Adapter::Step Adapter::on_copy_in() {
    Pending& entry = pending_.front();
    if (pending_.size() > 1) return fatal("08P01", "COPY data was expected behind other messages");
    if (entry.copies_left > 0) entry.copies_left--;
    copy_in_ = true;
    if (hold_ == Hold::copy || hold_ == Hold::count) release_client();
    return Step::pass;
}

}  // namespace dbguard::relay::postgres
