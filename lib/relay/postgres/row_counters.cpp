// How many rows a statement has changed in all tables, which its command tag does not tell: what foreign keys take along, what triggers,
// rules and functions write, several writes in one WITH.
//
// The server counts what a transaction does to each table (pg_stat_get_xact_tuples_inserted and its like; PostgreSQL manual, "Statistics
// Functions"), and hands these numbers on only between transactions. So they are asked for before and behind the statement, in one
// transaction with it, and the difference is its own. The message waits for the second answer as if the server had not yet said that it
// is done. They count versions of rows: an update that moves a row to another partition is two, and what code takes back (a caught
// error) stays counted. TRUNCATE sets them back. `track_counts = off`, a superuser's setting, silences them.

#include <algorithm>
#include <charconv>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/error_text.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using Kind = Pending::Kind;
using Owner = Pending::Owner;

namespace {

/// First a row about them all: whether anything is counted, and how many tables there are of which nothing is (foreign ones, and those of
/// other access methods than heap, pg_am 2). Then each table with rows. The server's own (FirstNormalObjectId is 16384) change with DDL.
constexpr std::string_view question =
    "SELECT 0::pg_catalog.oid, pg_catalog.current_setting('track_counts')::pg_catalog.name, NULL::pg_catalog.name, "
    "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c WHERE c.relkind OPERATOR(pg_catalog.=) 'f' "
    "OR c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relam OPERATOR(pg_catalog.<>) 2) "
    "UNION ALL SELECT t.id, (SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.oid OPERATOR(pg_catalog.=) t.space), t.name, t.rows "
    "FROM (SELECT c.oid AS id, c.relnamespace AS space, c.relname AS name, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) "
    "OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) "
    "OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS rows FROM pg_catalog.pg_class AS c "
    "WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND c.oid OPERATOR(pg_catalog.>=) 16384) AS t WHERE t.rows OPERATOR(pg_catalog.>) 0";

struct Change {
    std::string_view table;
    std::uint64_t rows = 0;
};

/// The largest changes first.
std::string told(std::vector<Change> changes) {
    constexpr std::size_t most = 5;
    std::ranges::sort(changes, std::ranges::greater{}, &Change::rows);
    std::string out;
    for (std::size_t i = 0; i < changes.size() && i < most; ++i)
        out += (i == 0 ? "" : ", ") + std::string(changes[i].table) + " " + std::to_string(changes[i].rows);
    if (changes.size() > most) out += ", and " + std::to_string(changes.size() - most) + " more tables";
    return out;
}

}  // namespace

/// Before the statement, and behind it. `in_pipeline`: of the client, in which a Sync would end its transaction.
void Adapter::ask_counters(bool in_pipeline) {
    if (!in_pipeline) return own_query(question, Owner::counters);
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const bool asked = forget_own(Owner::counters, writer) && own_statement(question, Owner::counters, false, writer);
    out.commit();
}

/// The statement is to be sent next.
void Adapter::begin_measuring(bool in_pipeline) {
    measured_ = std::make_unique<Measured>();
    measured_->earlier = affected_rows_;
    ask_counters(in_pipeline);
}

/// A row of an answer.
void Adapter::counters_row(std::string_view body) {
    if (!measured_) return;
    RowCounters& counters = measured_->behind ? measured_->after : measured_->before;
    const auto row = wp::decode_data_row(body);
    if (!row || row->values.size() != 4) return;
    const std::vector<wp::ValueView> fields(row->values.begin(), row->values.end());
    const auto number = [](const wp::ValueView& field, auto& out) {
        return field && std::from_chars(field->data(), field->data() + field->size(), out).ec == std::errc{};
    };
    std::uint32_t table = 0;
    std::uint64_t rows = 0;
    if (!fields[1] || !number(fields[0], table) || !number(fields[3], rows)) return;
    if (table == 0) {
        counters.on = *fields[1] == "on";
        counters.blind = rows > 0;
    } else {
        counters.tables[table] = {std::string(*fields[1]) + "." + std::string(fields[2].value_or("")), rows};
    }
}

/// Adds what the command tags did not tell to what the transaction has changed. False: that is too much, or nobody knows.
bool Adapter::within_bound(const Measured& measured, AffectedBound& bound) {
    bool known = measured.before.on && measured.after.on;
    std::vector<Change> changes;
    std::uint64_t sum = 0;
    for (const auto& [table, counted] : measured.after.tables) {
        const auto found = measured.before.tables.find(table);
        const std::uint64_t before = found == measured.before.tables.end() ? 0 : found->second.rows;
        known = known && counted.rows >= before;
        const std::uint64_t rows = counted.rows >= before ? counted.rows - before : counted.rows;
        if (rows > 0) changes.push_back({counted.name, rows});
        sum += rows;
    }
    for (const auto& [table, counted] : measured.before.tables) known = known && measured.after.tables.contains(table);
    if (measured.untold && (!known || measured.after.blind || bound.unseen)) {
        bound.refusal.message += " (how many it changed cannot be told)";
        return false;
    }
    if (sum > measured.by_tags) affected_rows_ += sum - measured.by_tags;
    if (affected_rows_ <= bound.rows) return true;
    bound.refusal.message += " (changed: " + told(std::move(changes)) + ")";
    affected_rows_ = measured.earlier;  // it is undone
    return false;
}

/// ReadyForQuery of a counted Query, or of a part of it. True: its tables are asked about first.
bool Adapter::ask_behind(Pending& entry) {
    if (!measured_) return false;
    if (entry.failed || muted_) {
        forget_measured();
        return false;
    }
    measured_->behind = true;
    measured_->entry = std::move(entry);
    pop();
    ask_counters(false);
    return true;
}

/// The answer is there: the message is first in line again.
void Adapter::end_measuring() {
    const std::unique_ptr<Measured> measured = std::move(measured_);
    Pending& entry = measured->entry;
    if (!muted_ && !within_bound(*measured, *entry.bound)) {
        fail_counted(entry, entry.bound->refusal);
        muted_ = true;
    }
    if (!counted_) show_held_complete();
    push(std::move(entry));
}

/// The same for an Execute in the client's pipeline, which is answered by this.
Adapter::Step Adapter::end_measured_execute() {
    if (!measured_) return Step::drop;   // it was refused before
    const std::unique_ptr<Measured> measured = std::move(measured_);
    Pending& entry = measured->entry;
    if (within_bound(*measured, *entry.bound)) {
        show_held_complete();
        end_execute(entry, measured->tag);
        return Step::drop;
    }
    fail_counted(entry, entry.bound->refusal);
    end_result();
    abort_pipeline();
    return Step::drop;
}

/// The client hears that the statement has failed, in place of what was to tell that it is done.
void Adapter::fail_counted(Pending& entry, const Refusal& refusal) {
    held_complete_.clear();
    if (!muted_) send_error(refusal_fields(refusal));
    if (entry.number != 0) session_.fail(entry.number, refusal.sqlstate, refusal.message, now_);
    entry.number = 0;
}

/// A question has failed, and the statement with it: the client is told why.
void Adapter::counters_failed(const wp::ErrorFieldsView& fields) {
    if (!measured_ || muted_) return;
    const auto waiting = std::ranges::find(pending_, Owner::client, &Pending::owner);
    const wp::ErrorFields shown = without_hidden(fields, nullptr);
    send_error(shown);
    held_complete_.clear();
    Pending* entry = measured_->behind ? &measured_->entry : waiting != pending_.end() ? &*waiting : nullptr;
    if (entry != nullptr && entry->number != 0) session_.fail(std::exchange(entry->number, 0), shown.sqlstate(), shown.message(), now_);
    muted_ = true;
}

/// Nothing more will be heard of it.
void Adapter::abandon_measuring(std::string_view sqlstate) {
    if (!measured_) return;
    if (measured_->entry.number != 0) session_.fail(measured_->entry.number, sqlstate, "how many rows it changed could not be asked", now_);
    forget_measured();
    held_complete_.clear();
}

/// What it did is undone.
void Adapter::forget_measured() {
    if (measured_) affected_rows_ = measured_->earlier;
    measured_.reset();
}

}  // namespace dbguard::relay::postgres
