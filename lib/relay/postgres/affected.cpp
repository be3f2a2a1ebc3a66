// Statements that may change only so many rows: they run, are counted by their command tag, and are undone when there were more.
//
// In a transaction block, and in a pipeline, undoing is what any error does: the client gets one, and the server is made to fail
// as well. A Query outside of a block would be committed before its count is known, so it gets a transaction of dbguard's own, and
// the client hears of its success when that is committed. A Query that brings its own BEGIN and COMMIT is sent up to the COMMIT
// first. Meanwhile the client is held.

#include <algorithm>
#include <functional>

#include "relay/postgres/adapter.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using Kind = Pending::Kind;
using Owner = Pending::Owner;
using sql::StatementKind;

namespace {

bool controls_transactions(const Plan& plan) {
    return std::ranges::any_of(plan.statements, [](const PlannedStatement& planned) {
        switch (planned.statement.kind) {
            case StatementKind::begin:
            case StatementKind::commit:
            case StatementKind::rollback:
            case StatementKind::prepare_transaction: return true;
            default: return false;
        }
    });
}

/// Before which statements the message is cut, so that what they would commit is counted first. Empty: some counted statement
/// stands outside of a transaction block that is there when it runs.
std::optional<std::vector<std::size_t>> commits_of(const Plan& plan, bool in_block) {
    std::vector<std::size_t> cuts;
    for (const PlannedStatement& planned : plan.statements) {
        switch (planned.statement.kind) {
            case StatementKind::begin: in_block = true; break;
            case StatementKind::commit:
            case StatementKind::prepare_transaction:
                if (in_block && planned.statement.begin > 0) cuts.push_back(planned.statement.begin);
                in_block = false;
                break;
            case StatementKind::rollback: in_block = false; break;
            default:
                if (!in_block && (planned.decision.max_affected || planned.statement.kind == StatementKind::execute)) return std::nullopt;
        }
    }
    return cuts;
}

/// BEGIN … ROLLBACK with no other end of a transaction between: whatever it changes is undone, by it or by an error.
bool undoes_itself(const Plan& plan) {
    const auto& statements = plan.statements;
    if (statements.size() < 2 || statements.front().statement.kind != StatementKind::begin || statements.back().statement.kind != StatementKind::rollback) return false;
    return std::ranges::none_of(std::span(statements).subspan(1, statements.size() - 2), [](const PlannedStatement& planned) {
        const StatementKind kind = planned.statement.kind;
        // A routine may commit.
        return kind == StatementKind::commit || kind == StatementKind::rollback || kind == StatementKind::prepare_transaction || planned.statement.runs_code;
    });
}

/// How many rows a command tag says were changed; empty when it does not say, as SELECT (of a WITH that writes) or EXPLAIN.
std::optional<std::uint64_t> changed_rows(std::string_view tag, bool shows_changed) {
    for (const std::string_view command : {"INSERT ", "UPDATE ", "DELETE ", "MERGE ", "COPY "})
        if (tag.starts_with(command)) return wp::tag_rows(tag);
    if (shows_changed && tag.starts_with("SELECT ")) return wp::tag_rows(tag);
    return {};
}

}  // namespace

/// The strictest bound of a message's statements, those behind EXECUTE included; null: none has one. `bound_to`: the one that a
/// portal runs, which may have been made by PREPARE.
std::unique_ptr<AffectedBound> Adapter::bound_of(const Plan& plan, const PlannedStatement* bound_to) const {
    std::unique_ptr<AffectedBound> bound;
    if (plan.must_fail) {
        bound = std::make_unique<AffectedBound>();
        bound->must_fail = true;
        bound->refusal = plan.refusal;
        return bound;
    }
    bool uncounted = false;
    const auto look = [&](const PlannedStatement& planned) {
        const policy::Decision& decision = planned.decision;
        uncounted = uncounted || (decision.max_affected && planned.statement.writes_inside);
        if (!decision.max_affected || (bound && bound->rows <= *decision.max_affected)) return;
        bound = std::make_unique<AffectedBound>();
        bound->rows = *decision.max_affected;
        bound->refusal.message = "dbguard: " + decision.max_affected_reason;
        bound->refusal.detail = "Rule " + decision.max_affected_rule + ".";
        bound->refusal.hint = decision.max_affected_fix;
    };
    // EXECUTE, also as what EXPLAIN or CREATE TABLE AS runs.
    const std::function<void(const sql::Statement&)> executed = [&](const sql::Statement& statement) {
        if (statement.kind == StatementKind::explain && !statement.runs_inner) return;
        for (const sql::Statement& inner : statement.inner) executed(inner);
        if (statement.kind != StatementKind::execute) return;
        if (const auto prepared = statements_.later(statement.name))
            if (const auto* inner = planned_of(prepared->plan, prepared->index)) {
                look(*inner);
                uncounted = uncounted || (inner->decision.max_affected && inner->statement.shows_changed);
            }
    };
    for (const auto& planned : plan.statements) {
        // What PREPARE carries is counted when it is executed.
        if (planned.statement.kind == StatementKind::prepare) {
            if (&planned != bound_to) continue;
            uncounted = uncounted || std::ranges::any_of(planned.statement.inner, [](const sql::Statement& inner) { return inner.shows_changed; });
        }
        look(planned);
        executed(planned.statement);
    }
    if (bound) bound->uncounted = uncounted;
    return bound;
}

/// Pass: the Query may go on now; counted_ is there when it needs a transaction of its own, `pieces` where it has to be sent in
/// parts, each when the one before has been counted.
Adapter::Step Adapter::begin_counted_query(const PlanRef& plan, std::string_view text, std::unique_ptr<AffectedBound>& bound, std::vector<std::string>& pieces) {
    if (pipeline_open_)
        return refuse(plan, text, Form::simple, {"0A000", "dbguard: a statement whose affected rows are counted cannot stand behind messages without Sync", {}, {}});
    if (!pending_.empty()) {
        hold(Hold::drain);  // whether a transaction is open is known when all answers are there
        return Step::hold;
    }
    if (status_ == 'E') {
        bound.reset();  // the server refuses it
        return Step::pass;
    }
    if (status_ == 'I' && undoes_itself(*plan)) {
        bound.reset();  // nothing stays to be counted
        return Step::pass;
    }
    if (controls_transactions(*plan)) {
        const auto commits = commits_of(*plan, status_ == 'T');
        if (!commits)
            return refuse(plan, text, Form::simple, {"0A000", "dbguard: a statement whose affected rows are counted stands outside of the BEGIN and COMMIT of its message", {}, "Send the statements one by one, or all of them between BEGIN and COMMIT."});
        std::size_t begin = 0;
        for (const std::size_t end : *commits) {
            pieces.emplace_back(text.substr(begin, end - begin));
            begin = end;
        }
        if (begin > 0) pieces.emplace_back(text.substr(begin));
        return Step::pass;
    }
    if (status_ == 'I' && !counted_) counted_ = std::make_unique<Counted>();
    return Step::pass;
}

/// The next part of a Query that is sent in parts, when the one before went well. False: there is none, or none that may run.
bool Adapter::send_next_piece(Pending& entry) {
    if (entry.pieces.empty() || entry.failed || muted_ || status_ != 'T') return false;
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const auto sent = wp::encode(wp::QueryView{entry.pieces.front()}, writer);
    out.commit();
    entry.pieces.erase(entry.pieces.begin());
    return true;
}

void Adapter::own_query(std::string_view sql, Owner owner) {
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const auto sent = wp::encode(wp::QueryView{sql}, writer);
    out.commit();
    Pending entry;
    entry.owner = owner;
    push(std::move(entry));
}

/// False: there are more than may be.
bool Adapter::count_affected(Pending& entry, std::string_view tag) {
    if (entry.bound->must_fail) return false;
    const auto* statement = planned(entry);
    const bool executes = statement != nullptr && (statement->statement.kind != StatementKind::explain || statement->statement.runs_inner) && std::ranges::any_of(statement->statement.inner, [](const sql::Statement& inner) { return inner.kind == StatementKind::execute; });
    const bool writes = statement == nullptr || statement->decision.max_affected || statement->statement.kind == StatementKind::execute || executes;
    if (!writes) return true;
    auto rows = changed_rows(tag, statement != nullptr && statement->statement.shows_changed);
    // The tag is about the outermost write alone.
    if (entry.bound->uncounted) rows.reset();
    if (!rows) {
        if (!entry.bound->uncounted && statement != nullptr && statement->statement.kind == StatementKind::execute && !statement->decision.max_affected) return true;
        entry.bound->refusal.message += " (how many it changed cannot be told)";
        return false;
    }
    affected_rows_ += *rows;
    return affected_rows_ <= entry.bound->rows;
}

/// Only the last CommandComplete of a Query waits; when more comes, it was not the last.
void Adapter::show_held_complete() {
    if (counted_->complete.empty()) return;
    auto& out = to_client();
    if (!muted_) out.own().append(counted_->complete);
    out.commit();
    counted_->complete.clear();
}

/// ReadyForQuery of a Query in a transaction of dbguard's own.
void Adapter::end_counted_query(bool keep) {
    Pending& entry = pending_.front();
    counted_->number = keep ? entry.number : 0;
    counted_->tag = last_tag_;
    counted_->rows = result_.rows;
    counted_->bytes = result_.bytes;
    if (!keep) show_held_complete();
    own_query(keep ? "COMMIT" : "ROLLBACK", Owner::end);
}

/// CommandComplete of COMMIT or ROLLBACK.
Adapter::Step Adapter::on_counted_end(std::string_view) {
    if (!counted_) return unexpected('C');
    show_held_complete();
    if (counted_->number != 0)
        session_.finish(counted_->number, {counted_->tag, counted_->rows, counted_->bytes, false}, now_);
    counted_->number = 0;
    return Step::drop;
}

}  // namespace dbguard::relay::postgres
