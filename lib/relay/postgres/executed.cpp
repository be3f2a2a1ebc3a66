// EXECUTE and FETCH: what runs is what a name stands for.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/copy_options.hpp"
#include "relay/postgres/verdicts.hpp"

namespace dbguard::relay::postgres {

using sql::StatementKind;

namespace {

/// The statement, or what it explains, makes a table of what its EXECUTE gives.
bool keeps_executed(const sql::Statement& statement) {
    return std::ranges::any_of(statement.copies, [](const sql::Copy& copy) { return copy.executed; });
}

}  // namespace

/// FETCH goes on with what DECLARE planned, and the code that it calls looks its names up now.
Adapter::Step Adapter::judge_fetched(const PlanRef& plan, const sql::Statement& fetch, std::string_view text, Form form) {
    const PortalRef portal = portals_.later(fetch.name);
    if (session_.masks_nothing() || !portal || !portal->plan || !portal->statement || portal->plan->context == session_.context()) return Step::pass;
    const PlannedStatement* declared = planned_of(portal->plan, portal->statement->index);
    if (declared == nullptr || !declared->statement.calls_code) return Step::pass;
    const PlanRef again = plan_for(portal->statement->text);
    if (!again) return Step::hold;
    if (never_runs(*again)) return refuse(plan, text, form, again->refusal);
    if (hides_more(declared, planned_of(again, 0))) return refuse(plan, text, form, names_have_moved);
    return Step::pass;
}

/// EXECUTE runs what was planned when the name was made; if names mean something else by now, it is judged again. So is what EXPLAIN
/// shows of it, and what CREATE TABLE AS keeps. `portal`: of an extended Execute. `inner`: its plan, where it is known.
Adapter::Step Adapter::judge_executed(const PlanRef& plan, const PlannedStatement& planned, std::string_view text, const Portal* portal, PlanRef& inner) {
    const sql::Statement& statement = planned.statement;
    if (statement.kind == StatementKind::fetch) return judge_fetched(plan, statement, text, portal != nullptr ? Form::extended : Form::simple);
    const sql::Statement* execute = sql::execute_of(statement);
    if (execute == nullptr) return Step::pass;
    const bool alone = execute == &statement;
    const Form form = portal != nullptr ? Form::extended : Form::simple;
    PreparedRef prepared = statements_.later(execute->name);
    if (!alone) {
        // It may be one that is on its way, or of this very message.
        if (!prepared) prepared = on_its_way(execute->name);
        bool changed = false;
        for (std::size_t i = 0; portal == nullptr && i < plan->statements.size() && &plan->statements[i] != &planned; ++i) {
            const sql::Statement& before = plan->statements[i].statement;
            changed = changed || before.changes_catalogue || before.changes_settings;
            if (before.kind != StatementKind::prepare || before.name != execute->name) continue;
            prepared = std::make_shared<Prepared>();
            prepared->text = text_of(before, text);
            prepared->plan = plan;
            prepared->index = static_cast<std::uint32_t>(i);
        }
        if (session_.masks_nothing() && (!prepared || prepared->plan == plan)) return Step::pass;
        if (!prepared)
            return refuse(plan, text, form, {"26000", "dbguard: prepared statement \"" + execute->name + "\" was not made by this session's own messages", {}, {}});
        if (changed)
            return refuse(plan, text, form, {"42501", "dbguard: an earlier statement of the same message changes what the prepared statement \"" + execute->name + "\" means", {}, "Send the statements one by one."});
    }
    if (!prepared) return Step::pass;
    if (prepared->plan != plan) {
        inner = current_plan(*prepared);
        if (!inner) return Step::hold;
        if (statement.kind != StatementKind::explain) inner = estimated(inner, text, portal != nullptr ? text : text_of(statement, text), portal);
        if (!inner) return Step::hold;
        if (statement.kind == StatementKind::explain ? never_runs(*inner) : denied(*inner)) return refuse(inner, text, form, inner->refusal);
    }
    const PlannedStatement* runs = planned_of(prepared->plan, prepared->index);
    if (!alone && !session_.masks_nothing()) {
        if (statement.kind == StatementKind::explain) {
            const bool by_prepare = runs != nullptr && runs->statement.kind == StatementKind::prepare;
            const auto query = by_prepare ? prepared_query(prepared->text) : std::optional<std::string_view>(prepared->text);
            const PlanRef shown = query ? plan_for((statement.runs_inner ? "EXPLAIN ANALYZE " : "EXPLAIN ") + std::string(*query)) : refusing_plan({"42501", "dbguard: what is explained could not be told", {}, {}});
            if (!shown) return Step::hold;
            if (denied(*shown)) return refuse(plan, text, form, shown->refusal);
            note_plan(*shown);
        }
        const bool masked = runs == nullptr || std::ranges::any_of(runs->decision.masks, [](const auto& mask) { return mask.has_value(); });
        if (keeps_executed(statement) && masked)
            return refuse(plan, text, form, {"42501", "dbguard: a masked column of the prepared statement \"" + execute->name + "\" would be copied to a new table", {}, "Copy the other columns only."});
    }
    if (inner) note_plan(*inner);
    return Step::pass;
}

}  // namespace dbguard::relay::postgres
