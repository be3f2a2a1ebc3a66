// ReadyForQuery: the end of a Query, of a pipeline, or of a message of dbguard's own.

#include "relay/postgres/adapter.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using Kind = Pending::Kind;
using Owner = Pending::Owner;

namespace {

/// What went away while the server looked at it (XX000, "cache lookup failed"), a deadlock, a lock that the client's lock_timeout did not
/// wait for, a conflict with recovery: others change names at the same time, and it need not come to pass again.
bool passes(std::string_view sqlstate) { return sqlstate == "XX000" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "40001"; }

}  // namespace

Adapter::Step Adapter::on_ready(std::string_view body) {
    const auto ready = wp::decode_ready_for_query(body);
    if (!ready || pending_.empty()) return unexpected('Z');
    if (pending_.front().extended() || (pending_.front().refusal && !pending_.front().failed)) return unexpected('Z');
    status_ = static_cast<char>(ready->status);
    if (pending_.front().owner == Owner::counters) {
        pop();
        if (!measured_ || !measured_->behind) return Step::drop;
        end_measuring();  // the client's message stands first again
    } else if (pending_.front().owner == Owner::client && pending_.front().kind == Kind::simple && ask_behind(pending_.front())) {
        return Step::drop;
    }
    Pending& entry = pending_.front();
    const Owner owner = entry.owner;
    const auto step = owner == Owner::client ? ready_of_client(entry) : ready_of_own(entry);
    if (!step) return Step::drop;
    pop();
    end_result();
    result_ = {};
    last_tag_.clear();
    if (status_ == 'I') end_transaction();
    if (owner == Owner::begin) return Step::drop;  // the client knows of no transaction
    if (!pending_.empty()) session_.more_was_sent();
    session_.transaction_status(status_);
    if (hold_ == Hold::copy || (hold_ == Hold::drain && pending_.empty())) release_client();
    return owner == Owner::client && std::exchange(muted_, false) && fail_transaction() ? Step::drop : *step;
}

/// Empty: more of the message comes, or what ends it has been sent.
std::optional<Adapter::Step> Adapter::ready_of_client(Pending& entry) {
    if (entry.kind == Kind::simple) {
        if (send_next_part() || next_piece(entry)) return std::nullopt;
        if (counted_ && counted_->begun) {
            const bool told_of_failure = std::exchange(muted_, false);
            end_counted_query(!entry.failed && !told_of_failure && status_ == 'T');
            pop();
            result_ = {};
            last_tag_.clear();
            return std::nullopt;
        }
        if ((entry.bound && hold_ == Hold::count) || hold_ == Hold::piece) release_client();
    }
    if (counted_ && !counted_->begun) counted_.reset();
    if (entry.kind != Kind::sync && !entry.failed) finish_statement(entry, last_tag_, false);
    if (entry.kind == Kind::simple) {
        // A Query leaves no unnamed statement behind. Source: PostgreSQL manual, "Extended Query".
        statements_.erase({});
        portals_.erase({});
    }
    return Step::pass;
}

/// Empty: it is not the end of what dbguard asks.
std::optional<Adapter::Step> Adapter::ready_of_own(Pending& entry) {
    const Owner owner = entry.owner;
    if (owner == Owner::question || owner == Owner::types) {
        if (status_ == 'E' && pending_.size() == 1 && in_savepoint_ && savepoint_made_) {
            pop();
            rescue_transaction(owner);
            return std::nullopt;
        }
        in_savepoint_ = false;
    }
    switch (owner) {
        case Owner::end:
            counted_.reset();
            release_client();
            return Step::pass;
        case Owner::abort: release_client(); return Step::pass;
        case Owner::types: release_client(); return Step::drop;
        case Owner::question:
        case Owner::probe: break;
        default: return Step::drop;
    }
    const bool answered = std::exchange(probe_answered_, false);
    if (answered && pieces_) {
        // The client has its error, and a transaction of dbguard's own has failed with it.
        if (const auto answer = std::move(answer_)) session_.answer(std::move(*answer));
        end_pieces();
        if (counted_ && counted_->begun) {
            own_query("ROLLBACK", Owner::end);
            pop();
            return std::nullopt;
        }
        counted_.reset();
        release_client();
        return Step::pass;
    }
    if (owner == Owner::probe) {
        release_client(answered);
        return answered ? Step::pass : Step::drop;
    }
    const bool again = !answered && answer_ && passes(answer_->error) && status_ != 'E' && pending_.size() == 1 && asked_again_ < 3;
    if (const auto question = again ? session_.question() : std::nullopt) {
        ++asked_again_;
        pop();
        ask(*question, nullptr);
        return std::nullopt;
    }
    asked_again_ = 0;
    question_done(answer_ ? answer_->error : std::string{});
    skip_held_ = answered;
    return answered ? Step::pass : Step::drop;
}

/// The server is in no transaction any more.
void Adapter::end_transaction() {
    end_portals();
    affected_rows_ = 0;
    if (!std::exchange(hide_, false)) return;
    // What was sent behind is hidden already where it has to be.
    hide_code_ = false;
    for (const auto& later : pending_)
        if (later.plan) note_plan(*later.plan);
}

/// The client was told of a failure that the server knows nothing of: its transaction must not go on. False: there is none, or more follows.
bool Adapter::fail_transaction() {
    if (status_ != 'T' || !pending_.empty() || (hold_ != Hold::none && hold_ != Hold::count && hold_ != Hold::piece)) return false;
    resume_ = false;
    substitute(false, {});
    pending_.back().owner = Owner::abort;
    pending_.back().refusal.reset();
    hold(Hold::abort);
    return true;
}

}  // namespace dbguard::relay::postgres
