// dbguard's own messages on the client's server connection: questions about names, probes of texts, columns of portals. None of
// them touches the unnamed statement or portal, and none of their replies reaches the client, but for the server's error about a
// text that does not parse: that is the client's answer.

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "base/crypto.hpp"
#include "relay/postgres/adapter.hpp"
#include "relay/postgres/copy_options.hpp"
#include "relay/postgres/error_text.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;

namespace {

/// A name that no client has by accident; a client that guesses it harms itself.
const std::string& own_name() {
    static const std::string name = random_id("dbguard_", 16);
    return name;
}

Pending own_entry(Pending::Kind kind, Pending::Owner owner) {
    Pending entry;
    entry.kind = kind;
    entry.owner = owner;
    return entry;
}

}  // namespace

/// One statement, from Parse to Close, with the parameters of `portal`. `aside`: what it gives is nobody's. False: it cannot be sent.
bool Adapter::own_statement(std::string_view sql, Pending::Owner owner, bool aside, ByteWriter& writer, const Portal* portal) {
    using Kind = Pending::Kind;
    const auto& name = own_name();
    bool sent = true;
    if (portal != nullptr) {
        const wp::ValueListView values(portal->parameter_count, portal->parameters);
        const std::vector<wp::ValueView> parameters(values.begin(), values.end());
        sent &= wp::encode_parse(name, sql, portal->statement->parameter_types, writer).has_value();
        sent &= wp::encode_bind(name, name, portal->parameter_formats, parameters, {}, writer).has_value();
    } else {
        sent &= wp::encode_parse(name, sql, {}, writer).has_value();
        sent &= wp::encode_bind(name, name, {}, {}, {}, writer).has_value();
    }
    sent &= wp::encode(wp::ExecuteView{name, 0}, writer).has_value();
    sent &= wp::encode(wp::CloseView{wp::Target::portal, name}, writer).has_value();
    sent &= wp::encode(wp::CloseView{wp::Target::statement, name}, writer).has_value();
    push(own_entry(Kind::parse, owner));
    push(own_entry(Kind::bind, owner));
    push(own_entry(Kind::execute, owner)).aside = aside;
    push(own_entry(Kind::close, owner));
    push(own_entry(Kind::close, owner));
    return sent;
}

/// The beginning of something of dbguard's own. What fails in the client's transaction block would take it along: it runs behind a
/// savepoint. Only where it is certain that a block is open (elsewhere SAVEPOINT is the error): nothing is on its way, and no pipeline
/// is open, in which the block may have ended. It always has the same name, so that statistics of statements do not fill with it; one
/// of the client's may have that, too: the later one counts, and it is gone when the client goes on.
bool Adapter::begin_own(Pending::Owner owner, bool with_savepoint, ByteWriter& writer) {
    in_savepoint_ = with_savepoint && status_ == 'T' && pending_.empty() && !pipeline_open_;
    savepoint_made_ = false;
    return forget_own(owner, writer) && (!in_savepoint_ || own_statement("SAVEPOINT dbguard", owner, true, writer));
}

/// What an earlier statement left behind when it failed half-way; closing what is not there is no error.
bool Adapter::forget_own(Pending::Owner owner, ByteWriter& writer) {
    push(own_entry(Pending::Kind::close, owner));
    return wp::encode(wp::CloseView{wp::Target::statement, own_name()}, writer).has_value();
}

/// Also when nothing failed: so no lock stays that the server took to answer (a view's definition takes one on each table behind it), and
/// no local setting.
bool Adapter::close_savepoint(Pending::Owner owner, ByteWriter& writer) {
    return own_statement("ROLLBACK TO SAVEPOINT dbguard", owner, true, writer) && own_statement("RELEASE SAVEPOINT dbguard", owner, true, writer);
}

/// Something of dbguard's own has failed in the client's transaction block: brings that back.
void Adapter::rescue_transaction(Pending::Owner owner) {
    in_savepoint_ = false;   // it is tried once
    auto& out = to_server();
    ByteWriter writer(out.own());
    // In the transaction the portal is still there, too.
    push(own_entry(Pending::Kind::close, owner));
    if (!wp::encode(wp::CloseView{wp::Target::portal, own_name()}, writer) || !forget_own(owner, writer) || !close_savepoint(owner, writer) || !wp::encode(wp::Sync{}, writer)) throw std::logic_error("a transaction cannot be brought back");
    push(own_entry(Pending::Kind::sync, owner));
    out.commit();
}

/// Parse, Bind, Execute, Close, and Sync, or Flush where the client's own pipeline is open: a Sync would end its transaction.
void Adapter::ask(const Question& question, const Portal* portal) {
    using Kind = Pending::Kind;
    constexpr auto owner = Pending::Owner::question;
    auto& out = to_server();
    ByteWriter writer(out.own());
    of_statement_.reset();
    if (question.of_statement) of_statement_ = question.shift;
    // The error of a question about the client's statement is that statement's.
    bool sent = begin_own(owner, !question.of_statement, writer);
    if (!question.before.empty()) sent &= own_statement(question.before, owner, true, writer);
    sent &= own_statement(question.sql, owner, false, writer, question.of_statement ? portal : nullptr);
    if (in_savepoint_)
        sent &= close_savepoint(owner, writer);
    else if (!question.after.empty())
        sent &= own_statement(question.after, owner, true, writer);
    if (!sent) throw std::logic_error("a question of dbguard's own cannot be sent");
    pending_.back().statement = 1;  // the last one, where no Sync follows
    if (pipeline_open_ && !held_simple_) {
        [[maybe_unused]] const auto flushed = wp::encode(wp::Flush{}, writer);
    } else {
        // A Query behind an open pipeline is no client's habit; it must not wait for a Sync that never comes.
        [[maybe_unused]] const auto synced = wp::encode(wp::Sync{}, writer);
        pending_.back().statement = 0;
        push(own_entry(Kind::sync, owner));
        pipeline_open_ = false;
    }
    out.commit();
    answer_ = std::make_unique<Answer>();
    answer_bytes_ = 0;
}

/// Lets the server parse the text of a statement that is going to be refused. `parse_body`: of the client's Parse, whose
/// parameter types count; empty: it came as a Query.
void Adapter::probe(std::string_view text, std::string_view parse_body) {
    using Kind = Pending::Kind;
    constexpr auto owner = Pending::Owner::probe;
    const auto& name = own_name();
    wp::ParseView parse{name, text, {}};
    if (!parse_body.empty())
        if (const auto given = wp::decode_parse(parse_body)) parse.parameter_types = given->parameter_types;
    auto& out = to_server();
    ByteWriter writer(out.own());
    const bool sent = wp::encode(wp::CloseView{wp::Target::statement, name}, writer).has_value() &&
                      wp::encode(parse, writer).has_value() &&
                      wp::encode(wp::CloseView{wp::Target::statement, name}, writer).has_value();
    if (!sent) throw std::logic_error("a probe cannot be sent");
    push(own_entry(Kind::close, owner));
    push(own_entry(Kind::parse, owner));
    push(own_entry(Kind::close, owner));
    pending_.back().statement = 1;
    // A Parse stands in the client's own pipeline, and its failure is the failure of that; a Query is followed by
    // ReadyForQuery, as a Sync is.
    if (!parse_body.empty()) {
        pipeline_open_ = true;
        [[maybe_unused]] const auto flushed = wp::encode(wp::Flush{}, writer);
    } else {
        [[maybe_unused]] const auto synced = wp::encode(wp::Sync{}, writer);
        pending_.back().statement = 0;
        push(own_entry(Kind::sync, owner));
    }
    out.commit();
}

/// Describes the SELECT that reads what the COPY reads.
/// False: it cannot be asked.
bool Adapter::ask_copy_types(std::string_view text) {
    using Kind = Pending::Kind;
    constexpr auto owner = Pending::Owner::types;
    const auto& name = own_name();
    const auto query = copy_source_query(text);
    const bool failed = pending_.empty() && status_ == 'E';
    if (!query || failed) return false;  // unknown types: their masked values become NULL
    hold(Hold::types);
    auto& out = to_server();
    ByteWriter writer(out.own());
    bool sent = begin_own(owner, true, writer);
    sent &= wp::encode_parse(name, *query, {}, writer).has_value();
    sent &= wp::encode(wp::DescribeView{wp::Target::statement, name}, writer).has_value();
    sent &= wp::encode(wp::CloseView{wp::Target::statement, name}, writer).has_value();
    push(own_entry(Kind::parse, owner));
    push(own_entry(Kind::describe, owner));
    push(own_entry(Kind::close, owner));
    if (in_savepoint_) sent &= close_savepoint(owner, writer);
    if (!sent) throw std::logic_error("the types of a COPY cannot be asked for");
    if (pipeline_open_ && !held_simple_) {
        pending_.back().statement = 1;
        [[maybe_unused]] const auto flushed = wp::encode(wp::Flush{}, writer);
    } else {
        [[maybe_unused]] const auto synced = wp::encode(wp::Sync{}, writer);
        push(own_entry(Kind::sync, owner));
        pipeline_open_ = false;
    }
    out.commit();
    return true;
}

void Adapter::describe_portal(std::string_view portal, const PortalRef& ref) {
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const auto sent = wp::encode(wp::DescribeView{wp::Target::portal, portal}, writer);
    out.commit();
    Pending entry = own_entry(Pending::Kind::describe, Pending::Owner::describe);
    entry.of_portal = true;
    entry.name = portal;
    entry.portal = ref;
    ref->described = true;
    push(std::move(entry));
}

void Adapter::question_row(std::string_view body) {
    if (!answer_) return;
    answer_bytes_ += body.size();
    const auto row = wp::decode_data_row(body);
    if (!row || answer_bytes_ > limits_.max_answer_bytes) {
        answer_->error = "54000";
        return;
    }
    auto& fields = answer_->rows.emplace_back();
    for (const auto value : row->values)
        fields.push_back(value ? std::optional<std::string>(*value) : std::nullopt);
}

/// The last reply to a question has come (`error` empty), or none will.
void Adapter::question_done(std::string error) {
    if (!answer_) return;
    if (!error.empty()) {
        answer_->rows.clear();
        answer_->error = std::move(error);
    }
    const auto answer = std::move(answer_);
    session_.answer(std::move(*answer));
    release_client();
}

/// A reply to a message of dbguard's own, which is first in line.
Adapter::Step Adapter::own_reply(char type, std::string_view body) {
    using Kind = Pending::Kind;
    using Owner = Pending::Owner;
    Pending& entry = pending_.front();
    const Kind kind = entry.kind;
    switch (type) {
        case '1':
            if (kind != Kind::parse) return unexpected(type);
            if (entry.owner == Owner::probe) {
                probe_accepted_ = true;
                probed_.reset();   // refused, and recorded as that
            }
            break;
        case '2':
            if (kind != Kind::bind) return unexpected(type);
            break;
        case '3':
            if (kind != Kind::close) return unexpected(type);
            if (entry.statement == 1) {
                // No Sync follows: this was the last reply.
                if (entry.owner == Owner::counters) {
                    pop();
                    return end_measured_execute();
                }
                if (entry.owner == Owner::question)
                    question_done({});
                else
                    release_client();
            }
            break;
        case 't': return kind == Kind::describe && !entry.of_portal ? Step::drop : unexpected(type);
        case 'n':
            if (kind != Kind::describe) return unexpected(type);
            break;
        case 'T': {
            if (kind == Kind::simple && entry.owner == Owner::counters) return Step::drop;
            if (kind != Kind::describe) return unexpected(type);
            const auto description = wp::decode_row_description(body);
            if (!description) return unexpected(type);
            if (entry.owner == Owner::types) {
                for (const wp::ColumnView column : *description) copy_types_.back().push_back({column.type, column.type_modifier, std::string(column.name)});
                break;
            }
            if (!entry.portal) return unexpected(type);
            entry.portal->columns = describe_columns(body, *description, planned(entry));
            break;
        }
        case 'D':
            if (entry.owner == Owner::counters) {
                counters_row(body);
                return Step::drop;
            }
            if (kind != Kind::execute) return unexpected(type);
            if (!entry.aside) question_row(body);
            return Step::drop;
        case 'C':
        case 'I':
            // A statement of a question has its own rows; one of the guard's is a transaction command.
            if (kind != Kind::execute && kind != Kind::simple) return unexpected(type);
            if (entry.owner == Owner::end) return on_counted_end(body);
            if (kind == Kind::simple) return Step::drop;
            savepoint_made_ = in_savepoint_;   // the first thing that runs
            break;
        default: return unexpected(type);
    }
    pop();
    return Step::drop;
}

/// An error in answer to a message of dbguard's own.
Adapter::Step Adapter::own_error(const wp::ErrorFieldsView& fields) {
    using Kind = Pending::Kind;
    using Owner = Pending::Owner;
    Pending& entry = pending_.front();
    const std::string sqlstate(fields.get(wp::error_field::sqlstate));
    const Owner owner = entry.owner;
    if (owner == Owner::question && answer_) answer_->error = sqlstate;
    if (owner == Owner::begin) return fatal(sqlstate, "a transaction for a counted statement cannot be opened");
    if (entry.kind == Kind::sync || entry.kind == Kind::simple) {
        entry.failed = true;  // ReadyForQuery follows
        if (owner == Owner::counters) counters_failed(fields);
        if (owner == Owner::end && counted_ && !held_complete_.empty()) {
            // The commit failed, and with it the statement.
            held_complete_.clear();
            if (counted_->number != 0) session_.fail(counted_->number, sqlstate, general_message(sqlstate), now_);
            counted_->number = 0;
            send_server_error(fields);
        }
        return Step::drop;
    }
    if (owner == Owner::abort) {
        // This one was meant to fail.
        drop_until_sync(sqlstate);
        release_client();
        return Step::drop;
    }
    const auto sync = std::ranges::find(pending_, Kind::sync, &Pending::kind);
    const bool own_sync_follows = sync != pending_.end() && sync->owner == owner;
    if (counted_ && (owner == Owner::question || owner == Owner::probe)) show_held_complete();
    if (owner == Owner::question && of_statement_) {
        // What the client wants to run fails itself, and this is why.
        wp::ErrorFields shown = without_hidden(fields, nullptr);
        const std::string place(shown.get(wp::error_field::position));
        std::ptrdiff_t position = 0;
        if (std::from_chars(place.data(), place.data() + place.size(), position).ec == std::errc{})
            shown.set(wp::error_field::position, std::to_string(std::max<std::ptrdiff_t>(1, position + *of_statement_)));
        send_error(shown);
        probe_answered_ = own_sync_follows;
    } else if (owner == Owner::probe) {
        // The server's error is the client's answer, and the message it answers is done with. Several commands in one text are no
        // error of the client's: it is Parse that takes but one.
        const bool several = probed_ && probed_->form == Form::simple && sqlstate == "42601" && fields.get(wp::error_field::routine) == "exec_parse_message";
        if (several) {
            Refusal refusal = probed_ ? probed_->plan->refusal : Refusal{"42501", "dbguard: the statements could not be analysed", {}, {}};
            refusal.hint = "Send the statements one by one.";
            if (probed_) session_.reject(probed_->plan, probed_->text, probed_->form, refusal, now_);
            send_error(refusal_fields(refusal));
        } else {
            send_server_error(fields);
        }
        if (probed_ && !several) session_.mistaken(probed_->plan, probed_->text, probed_->form, sqlstate, fields.get(wp::error_field::message), now_);
        probed_.reset();
        // In the client's pipeline its own Sync brings the ReadyForQuery.
        probe_answered_ = own_sync_follows;
    } else if (owner == Owner::question && own_sync_follows && sqlstate == "57014") {
        // The client's cancel request, or its statement_timeout: it was meant for the statement that waits.
        cancelled_ = {sqlstate, std::string(without_hidden(fields, nullptr).message()), {}, {}};
    } else if (!own_sync_follows) {
        // In the client's own pipeline the server ignores from here on what the client sends, the message that waits for this
        // question, or stands behind this Describe, first of all: so this is its error.
        send_server_error(fields);
    }
    drop_until_sync(sqlstate);
    return Step::drop;
}

}  // namespace dbguard::relay::postgres
