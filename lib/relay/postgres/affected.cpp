// Statements that may change only so many rows: they run, are counted by their command tag and by the server's counters
// (row_counters.cpp), and are undone when there were more.
//
// In a transaction block, and in a pipeline, undoing is what any error does: the client gets one, and the server is made to fail
// as well. A Query outside of a block would be committed before its count is known, so it gets a transaction of dbguard's own, and
// the client hears of its success when that is committed. A Query of several statements is sent in parts: up to what is counted, that,
// up to the COMMIT that it brings. Meanwhile the client is held.

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

/// Whether its rows are counted where a bound is set: EXECUTE may run what has one.
bool is_counted(const PlannedStatement& planned) {
    const sql::Statement& statement = planned.statement;
    if (planned.decision.max_affected || statement.kind == StatementKind::execute) return true;
    if (statement.kind == StatementKind::explain && !statement.runs_inner) return false;
    return std::ranges::any_of(statement.inner, [](const sql::Statement& inner) { return inner.kind == StatementKind::execute; });
}

/// The message cut where what is counted begins and ends, and before what would commit it; none where it is all counted. Empty: some
/// counted statement stands outside of a transaction block that is there when it runs.
std::optional<std::vector<QueryPart>> parts_of(const Plan& plan, std::string_view text, bool in_block) {
    std::vector<QueryPart> parts;
    std::size_t begin = 0;
    bool counted = false;
    const auto add = [&](std::size_t end) {
        parts.push_back({std::string(text.substr(begin, end - begin)), characters(text.substr(0, begin)), counted});
        begin = end;
    };
    for (const PlannedStatement& planned : plan.statements) {
        const StatementKind kind = planned.statement.kind;
        const bool counts = is_counted(planned);
        const bool commits = in_block && (kind == StatementKind::commit || kind == StatementKind::prepare_transaction);
        if (counts && !in_block) return std::nullopt;
        const std::size_t here = std::min<std::size_t>(planned.statement.begin, text.size());
        if (&planned != &plan.statements.front() && here > begin && (counts != counted || commits)) add(here);
        counted = counts;
        if (kind == StatementKind::begin) in_block = true;
        if (kind == StatementKind::commit || kind == StatementKind::rollback || kind == StatementKind::prepare_transaction) in_block = false;
    }
    if (!parts.empty() || !counted) add(text.size());
    return parts;
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

/// Of these the counters are not asked for.
bool writes_system_tables(const sql::Statement& statement) {
    return std::ranges::any_of(statement.effects, [](const sql::Effect& effect) {
        return sql::inside(effect.effect_class, sql::EffectClass::write) && std::ranges::any_of(effect.objects, [](const sql::Object& object) { return object.schema == "pg_catalog"; });
    });
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
    bool uncounted = false, unseen = false;
    const auto look = [&](const PlannedStatement& planned) {
        const policy::Decision& decision = planned.decision;
        uncounted = uncounted || (decision.max_affected && planned.statement.writes_inside);
        unseen = unseen || writes_system_tables(planned.statement);
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
    if (bound) {
        bound->uncounted = uncounted;
        bound->unseen = unseen;
    }
    return bound;
}

/// Pass: the Query may go on now; counted_ is there when it needs a transaction of its own, `parts` where it has to be sent in
/// parts, each when the one before has been counted.
Adapter::Step Adapter::begin_counted_query(const PlanRef& plan, std::string_view text, std::unique_ptr<AffectedBound>& bound, std::vector<QueryPart>& parts) {
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
    const bool brings_own = controls_transactions(*plan);
    if (!bound->must_fail || brings_own) {
        auto cut = parts_of(*plan, text, status_ == 'T' || !brings_own);
        if (!cut)
            return refuse(plan, text, Form::simple, {"0A000", "dbguard: a statement whose affected rows are counted stands outside of the BEGIN and COMMIT of its message", {}, "Send the statements one by one, or all of them between BEGIN and COMMIT."});
        parts = std::move(*cut);
    }
    if (status_ == 'I' && !brings_own && !counted_) counted_ = std::make_unique<Counted>();
    return Step::pass;
}

/// The next part of a Query that is sent in parts, when the one before went well. False: there is none, or none that may run.
bool Adapter::send_next_part() {
    if (pending_.front().parts.empty() || pending_.front().failed || muted_ || status_ != 'T') return false;
    // It stays first in line, behind the question that goes before it.
    Pending entry = std::move(pending_.front());
    pop();
    const QueryPart part = std::move(entry.parts.front());
    entry.parts.erase(entry.parts.begin());
    if (part.counted && !entry.bound->must_fail) begin_measuring(false);
    shift_ = part.shift;
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const auto sent = wp::encode(wp::QueryView{part.text}, writer);
    out.commit();
    push(std::move(entry));
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
    if (statement != nullptr && !is_counted(*statement)) return true;
    const auto rows = changed_rows(tag, statement != nullptr && statement->statement.shows_changed);
    // The tag is about the outermost write alone.
    const bool reads = !rows && statement != nullptr && statement->statement.kind == StatementKind::execute && !statement->decision.max_affected;
    if (measured_) {
        measured_->untold = measured_->untold || entry.bound->uncounted || (!rows && !reads);
        measured_->by_tags += rows.value_or(0);
    }
    affected_rows_ += rows.value_or(0);
    return affected_rows_ <= entry.bound->rows;
}

/// Only the last CommandComplete of a Query waits; when more comes, it was not the last.
void Adapter::show_held_complete() {
    if (held_complete_.empty()) return;
    auto& out = to_client();
    if (!muted_) out.own().append(held_complete_);
    out.commit();
    held_complete_.clear();
}

/// The client was told that a statement of its pipeline has failed: the server ignores the rest, too, and rolls back at the Sync.
void Adapter::abort_pipeline() {
    muted_ = false;
    substitute(true, {});
    pending_.back().owner = Owner::abort;
    pending_.back().refusal.reset();
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
