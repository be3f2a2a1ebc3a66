// The verdict on a text: its plan, for which the session may have to be asked, with what the server expects of it where policy wants to
// know; and what becomes of a text that may not run.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/copy_options.hpp"
#include "relay/postgres/error_text.hpp"
#include "relay/postgres/verdicts.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using sql::StatementKind;

namespace {

/// What a failed transaction takes.
bool ends_or_undoes(StatementKind kind) {
    return kind == StatementKind::commit || kind == StatementKind::rollback || kind == StatementKind::rollback_to || kind == StatementKind::prepare_transaction;
}

/// Whether it is a COPY TO with masked columns. CopyOutResponse does not say of which types they are.
bool needs_copy_types(const PlannedStatement& planned) {
    return planned.statement.kind == StatementKind::copy_out && std::ranges::any_of(planned.decision.masks, [](const auto& mask) {
               return mask && mask->function != masking::Function::keep;
           });
}

/// Of a plan that the session has not made: there is nothing in it to record.
constexpr std::uint64_t no_context = ~std::uint64_t{0};

}  // namespace

PlanRef refusing_plan(Refusal refusal) {
    auto plan = std::make_shared<Plan>();
    plan->refusal = std::move(refusal);
    plan->context = no_context;
    return plan;
}

template <class Plan>
PlanRef Adapter::plan_by(Plan&& plan_now, const Portal* portal) {
    for (;;) {
        if (auto plan = plan_now()) {
            if (cancelled_.message.empty()) return plan;
            return refusing_plan(std::exchange(cancelled_, {}));
        }
        auto question = session_.question();
        // Each round must learn something; an engine that goes on asking gets no third of a hundred.
        if (!question || ++questions_ > 64)
            return refusing_plan({"42501", "dbguard: the statement could not be analysed", {}, {}});
        if (pending_.empty() && status_ == 'E') {
            session_.answer({{}, "25P02"});
            continue;
        }
        ask(*question, portal);
        hold(Hold::question);
        return nullptr;
    }
}

PlanRef Adapter::plan_for(std::string_view text) {
    return plan_by([&] { return session_.plan(text, now_); });
}

PlanRef Adapter::plan_for_function(std::uint32_t function) {
    return plan_by([&] { return session_.plan_function(function, now_); });
}

/// Asks for the types of the next COPY TO of the message that needs them. False: none does, or what it reads is made by an earlier
/// statement of the same message; its masked values become NULL.
bool Adapter::ask_next_copy_types(const Plan& plan, std::string_view text) {
    while (copies_asked_ < plan.statements.size()) {
        const auto& before = copies_asked_ == 0 ? sql::Statement{} : plan.statements[copies_asked_ - 1].statement;
        if (before.changes_catalogue || before.changes_settings) return false;
        const PlannedStatement& planned = plan.statements[copies_asked_++];
        if (!needs_copy_types(planned)) continue;
        copy_types_.resize(copies_asked_);
        if (ask_copy_types(text_of(planned.statement, text))) return true;
    }
    return false;
}

PlanRef Adapter::estimated(const PlanRef& plan, std::string_view text, std::string_view run, const Portal* portal) {
    // In a failed transaction nothing runs, and nothing can be asked.
    if (!plan->needs_estimate || (pending_.empty() && status_ == 'E')) return plan;
    for (const Estimated& one : estimated_)
        if (one.plan == plan && one.run == run) return one.known;
    auto known = plan_by([&] { return session_.estimate(plan, text, run, now_); }, portal);
    if (known) estimated_.push_back({plan, std::string(run), known});
    return known;
}

PlanRef Adapter::current_plan(Prepared& prepared) {
    if (prepared.plan && prepared.plan->context == session_.context()) return prepared.plan;
    auto plan = plan_for(prepared.text);
    if (plan && !never_runs(*plan)) {
        prepared.index = 0;  // its text is that statement alone
        prepared.plan = plan;
        prepared.columns.reset();
        prepared.described = false;
    }
    return plan;
}

void Adapter::note_plan(const Plan& plan) {
    for (const auto& planned : plan.statements) {
        hide_ |= planned.decision.hide_texts;
        hide_code_ |= planned.decision.hide_texts && planned.statement.runs_code;
    }
}

void Adapter::substitute(bool extended, Refusal refusal, std::string_view text) {
    auto& out = to_server();
    ByteWriter writer(out.own());
    // A Parse that fails leaves no statement behind, so its name cannot disturb one of the client's.
    [[maybe_unused]] const auto sent =
        extended ? wp::encode_parse("dbguard refused", text, {}, writer)
                 : wp::encode(wp::QueryView{text}, writer);
    out.commit();
    Pending entry;
    entry.kind = extended ? Pending::Kind::parse : Pending::Kind::simple;
    entry.refusal = std::make_unique<Refusal>(std::move(refusal));
    push(std::move(entry));
    pipeline_open_ = extended;
}

Adapter::Step Adapter::refuse(const PlanRef& plan, std::string_view text, Form form, Refusal refusal) {
    if (plan && plan->context != no_context) session_.reject(plan, text, form, refusal, now_);
    substitute(form == Form::extended, std::move(refusal));
    return Step::drop;
}

/// `parse_body`: of the client's Parse; empty: the text came as a Query.
Adapter::Step Adapter::refuse_plan(const PlanRef& plan, std::string_view text, Form form, std::string_view parse_body) {
    // A typing mistake gets the server's own error; also in a failed transaction, where it reads the text before it looks at that.
    const bool failed = pending_.empty() && status_ == 'E';
    const bool odd = pipeline_open_ && parse_body.empty();  // a Query behind an open pipeline
    if (plan->ask_server_to_parse && failed && !plan->statements.empty() && std::ranges::none_of(plan->statements, [](const PlannedStatement& planned) { return ends_or_undoes(planned.statement.kind); })) {
        // Whatever it means, the server does not look.
        session_.mistaken(plan, text, form, "25P02", "current transaction is aborted", now_);
        substitute(form == Form::extended, {}, "SELECT");
        pending_.back().refusal.reset();
        return Step::drop;
    }
    // So does one that holds several commands.
    const bool several = !parse_body.empty() && plan->statements.size() > 1;
    if ((plan->ask_server_to_parse || several) && !probe_accepted_ && !odd) {
        probed_ = Probed{plan, std::string(text), form};
        probe(text, parse_body);
        hold(Hold::probe);
        return Step::hold;
    }
    return refuse(plan, text, form, plan->refusal);
}

bool Adapter::submit(
    const PlanRef& plan,
    std::string_view text,
    Form form,
    std::span<const std::optional<std::string_view>> parameters,
    std::span<const std::int16_t> formats,
    std::uint64_t& number,
    Step& step
) {
    auto submitted = session_.submit(plan, text, form, parameters, formats, now_);
    if (submitted.refusal) {
        if (submitted.end_session) {
            step = fatal(*submitted.refusal);
        } else {
            substitute(form == Form::extended, std::move(*submitted.refusal));
            step = Step::drop;
        }
        return false;
    }
    number = submitted.number;
    return true;
}

Adapter::Step Adapter::too_long(const Header& header) {
    const Refusal refusal{
        "54000",
        "dbguard: the statement is longer than " + std::to_string(limits_.max_statement_bytes) + " bytes",
        {},
        "Send it in parts, or use COPY for data."
    };
    // The text was not read; the record says that something was refused, and why.
    return refuse(session_.plan({}, now_), {}, header.type == 'P' ? Form::extended : Form::simple, refusal);
}

}  // namespace dbguard::relay::postgres
