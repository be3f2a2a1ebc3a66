// What prepared statements, portals and cursors are called, as the server carries out what makes and ends them.

#include <algorithm>

#include "relay/postgres/adapter.hpp"

namespace dbguard::relay::postgres {

using sql::StatementKind;

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

}  // namespace dbguard::relay::postgres
