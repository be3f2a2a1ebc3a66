// What the client sends: the verdict on each message, and what the server gets for it.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/copy_options.hpp"
#include "relay/postgres/verdicts.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using sql::StatementKind;

namespace {

/// Whether the text is needed when the answers come: for the names it makes, or a COPY's options.
bool keeps_text(const Plan& plan) {
    return std::ranges::any_of(plan.statements, [](const PlannedStatement& planned) {
        const auto kind = planned.statement.kind;
        return kind == StatementKind::prepare || kind == StatementKind::declare_cursor ||
               kind == StatementKind::copy_out;
    });
}

std::uint8_t copies(const Plan& plan) {
    return static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(
        255, std::ranges::count_if(plan.statements, [](const PlannedStatement& planned) {
            return planned.statement.kind == StatementKind::copy_in;
        })
    ));
}

}  // namespace

Adapter::Step Adapter::client_message(const Header& header, std::string_view body) {
    // Up to the next Sync the server ignores everything; so it need not see it.
    if (skipping_ && header.type != 'S' && header.type != 'X') return Step::drop;
    if (pending_.size() >= limits_.max_pending) {
        hold(Hold::full);
        return Step::hold;
    }
    const bool copy_message = header.type == 'd' || header.type == 'c' || header.type == 'f';
    if (copy_in_ && !copy_message && header.type != 'S' && header.type != 'H' && header.type != 'X')
        return fatal("08P01", std::string("unexpected message type '") + header.type + "' while COPY data is read");
    // Whether CopyData, Sync and the rest are read as copy data or as commands depends on the server's answer.
    if (!copy_in_ && header.type != 'X' && header.type != 'H' && copy_undecided()) {
        hold(Hold::copy);
        return Step::hold;
    }
    if (header.body_bytes > body.size() && header.type != 'd' && header.type != 'B') return too_long(header);
    if (std::exchange(behind_end_, false) && !pending_.empty()) session_.transaction_may_have_ended();
    held_simple_ = header.type == 'Q';
    Step step = Step::stop;
    switch (header.type) {
        case 'Q': step = on_query(body); break;
        case 'P': step = on_parse(body); break;
        case 'B': step = on_bind(header, body); break;
        case 'D': step = on_describe(body); break;
        case 'E': step = on_execute(body); break;
        case 'C': step = on_close(body); break;
        case 'S': step = body.empty() ? on_sync() : fatal("08P01", "a malformed Sync message"); break;
        case 'H': step = body.empty() ? Step::pass : fatal("08P01", "a malformed Flush message"); break;
        case 'F': step = on_function_call(body); break;
        case 'd':
        case 'c':
        case 'f': step = on_copy_message(header); break;
        case 'X':
            terminated_ = true;
            step = Step::pass;
            break;
        default: return fatal("08P01", std::string("unexpected message type '") + header.type + "'");
    }
    if (step != Step::hold) {
        behind_end_ = header.type == 'Q' || header.type == 'S' || header.type == 'F';
        forget_held();
    }
    return step;
}

/// What was found out for the message at hand, or a piece of it.
void Adapter::forget_held() {
    probe_accepted_ = false;
    copies_asked_ = 0;
    copy_types_.clear();
    estimated_.clear();
    questions_ = 0;
    cancelled_ = {};
}

/// A COPY FROM STDIN is on its way and has not been answered.
bool Adapter::copy_undecided() {
    // Looked for only while there may be one: a pipeline can be long.
    copy_sent_ = copy_sent_ && std::ranges::any_of(pending_, [](const Pending& entry) { return entry.copies_left > 0; });
    return copy_sent_;
}

Pending& Adapter::push(Pending&& entry) {
    entry.began = now_;
    copy_sent_ = copy_sent_ || entry.copies_left > 0;
    pending_.push(std::move(entry));
    return pending_.back();
}

Adapter::Step Adapter::on_query(std::string_view body) {
    const auto query = wp::decode_query(body);
    if (!query) return fatal("08P01", "a malformed Query message");
    if (pieces_) return send_piece(query->sql);
    shift_ = 0;
    return run_query(query->sql);
}

Adapter::Step Adapter::run_query(std::string_view text) {
    PlanRef plan = plan_for(text);
    if (!plan) return Step::hold;
    // What PREPARE carries is estimated when it is executed.
    const bool only_prepares = plan->statements.size() == 1 && plan->statements.front().statement.kind == StatementKind::prepare;
    if (plan->needs_estimate && !only_prepares) {
        const auto copied = plan->statements.front().statement.kind == StatementKind::copy_out ? copy_source_query(text) : std::nullopt;
        plan = estimated(plan, text, copied ? *copied : text, nullptr);
        if (!plan) return Step::hold;
    }
    if (denied(*plan) && !(only_prepares && plan->needs_estimate)) {
        if (!pieces_)
            if (const Step step = begin_pieces(*plan, text); step != Step::drop) return step;
        return refuse_plan(plan, text, Form::simple, {});
    }
    std::vector<std::pair<PlanRef, std::string_view>> executed;
    for (const auto& planned : plan->statements) {
        PlanRef inner;
        if (const Step step = judge_executed(plan, planned, text, nullptr, inner); step != Step::pass) return step;
        if (inner) executed.emplace_back(inner, text_of(planned.statement, text));
    }
    if (ask_next_copy_types(*plan, text)) return Step::hold;
    auto bound = bound_of(*plan);
    std::vector<QueryPart> parts;
    if (bound)
        if (const Step ready = begin_counted_query(plan, text, bound, parts); ready != Step::pass) return ready;
    for (const auto& [prepared, execute] : executed)
        if (auto refusal = session_.execute(prepared, execute, {}, now_)) {
            if (counted_ && !counted_->begun) counted_.reset();
            return refuse(plan, text, Form::simple, std::move(*refusal));
        }
    Pending entry;
    Step step;
    if (!submit(plan, text, Form::simple, {}, {}, entry.number, step)) {
        if (counted_ && !counted_->begun) counted_.reset();
        return step;
    }
    if (counted_ && !std::exchange(counted_->begun, true)) own_query("BEGIN", Pending::Owner::begin);
    if (bound) hold(Hold::count);
    if (bound && !bound->must_fail && (parts.empty() || parts.front().counted)) begin_measuring(false);
    entry.bound = std::move(bound);
    entry.copy_types = std::move(copy_types_);
    note_plan(*plan);
    entry.plan = plan;
    entry.copies_left = copies(*plan);
    if (keeps_text(*plan)) entry.text = std::make_shared<const std::string>(text);
    pipeline_open_ = false;
    if (parts.empty()) {
        push(std::move(entry));
        return Step::pass;
    }
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const auto sent = wp::encode(wp::QueryView{parts.front().text}, writer);
    out.commit();
    entry.parts.assign(std::make_move_iterator(parts.begin() + 1), std::make_move_iterator(parts.end()));
    push(std::move(entry));
    return Step::drop;
}

Adapter::Step Adapter::on_parse(std::string_view body) {
    const auto parse = wp::decode_parse(body);
    if (!parse) return fatal("08P01", "a malformed Parse message");
    const PlanRef plan = plan_for(parse->sql);
    if (!plan) return Step::hold;
    if (never_runs(*plan)) return refuse_plan(plan, parse->sql, Form::extended, body);
    if (statements_.size() >= limits_.max_names)
        return refuse(plan, parse->sql, Form::extended, {"54000", "dbguard: too many prepared statements", {}, {}});
    auto prepared = std::make_shared<Prepared>();
    prepared->text = parse->sql;
    for (std::size_t i = 0; i < parse->parameter_types.size(); ++i) prepared->parameter_types.push_back(parse->parameter_types[i]);
    prepared->plan = plan;
    Pending entry;
    entry.kind = Pending::Kind::parse;
    entry.name = parse->statement;
    entry.prepared = prepared;
    entry.plan = plan;
    statements_.expect(parse->statement, std::move(prepared));
    note_plan(*plan);
    push(std::move(entry));
    pipeline_open_ = true;
    return Step::pass;
}

namespace {

/// Walks through a Bind that is not here whole, behind its head: only where the result formats begin matters, and they stand at
/// the end. They are needed for masked columns alone, so a Bind that streams gives none, and see on_bind.
struct BindHead {
    std::string_view portal, statement;
};
std::optional<BindHead> bind_head(std::string_view body) {
    ByteReader in(body);
    BindHead head{in.c_string(), in.c_string()};
    if (in.failed()) return {};
    return head;
}

}  // namespace

Adapter::Step Adapter::on_bind(const Header& header, std::string_view body) {
    const bool whole = body.size() == header.body_bytes;
    wp::BindView bind;
    if (whole) {
        auto decoded = wp::decode_bind(body);
        if (!decoded) return fatal("08P01", "a malformed Bind message");
        bind = *decoded;
    } else {
        const auto head = bind_head(body);
        if (!head) return fatal("08P01", "a malformed Bind message");
        bind.portal = head->portal;
        bind.statement = head->statement;
    }
    auto portal = std::make_shared<Portal>();
    // When the name is about to change, the change may fail, and then the old statement runs: both must be allowed. But for a
    // change in this very pipeline: where that fails, this Bind is skipped, too.
    portal->statement = statements_.later(bind.statement);
    PreparedRef now = statements_.now(bind.statement);
    if (now && now != portal->statement) {
        const auto changes = [&](const Pending& entry) { return entry.kind == Pending::Kind::parse && entry.owner == Pending::Owner::client && entry.name == bind.statement; };
        const auto last = std::make_reverse_iterator(pending_.end()), first = std::make_reverse_iterator(pending_.begin());
        const auto found = std::find_if(last, first, [&](const Pending& entry) { return !entry.extended() || changes(entry); });
        if (found != first && changes(*found)) now.reset();
    }
    for (const auto& prepared : {portal->statement, now}) {
        if (!prepared) continue;
        const PlanRef plan = current_plan(*prepared);
        if (!plan) return Step::hold;
        if (never_runs(*plan)) return refuse(plan, prepared->text, Form::extended, plan->refusal);
    }
    if (portal->statement) portal->plan = portal->statement->plan;
    if (portals_.size() >= limits_.max_names)
        return refuse(portal->plan, {}, Form::extended, {"54000", "dbguard: too many portals", {}, {}});
    if (whole) {
        for (std::size_t i = 0; i < bind.result_formats.size(); ++i) portal->result_formats.push_back(bind.result_formats[i]);
        portal->parameter_count = static_cast<std::uint16_t>(bind.parameters.size());
        // The server refuses others (src/backend/tcop/postgres.c, exec_bind_message).
        portal->formats_unknown = bind.parameter_formats.size() > 1 && bind.parameter_formats.size() != bind.parameters.size();
        if (bind.parameters.raw().size() <= limits_.max_recorded_parameter_bytes)
            portal->parameters = bind.parameters.raw();
        bool binary = false;
        for (std::size_t i = 0; i < bind.parameter_formats.size(); ++i) binary = binary || bind.parameter_formats[i] != 0;
        if (binary || (portal->plan && portal->plan->needs_estimate))
            for (std::size_t i = 0; i < bind.parameter_formats.size(); ++i) portal->parameter_formats.push_back(bind.parameter_formats[i]);
    } else {
        portal->formats_unknown = true;
    }
    portal->parameter_bytes = header.body_bytes;
    Pending entry;
    entry.kind = Pending::Kind::bind;
    entry.name = bind.portal;
    entry.portal = portal;
    entry.plan = portal->plan;
    entry.statement_name = bind.statement;
    portals_.expect(bind.portal, std::move(portal));
    push(std::move(entry));
    pipeline_open_ = true;
    return Step::pass;
}

Adapter::Step Adapter::on_describe(std::string_view body) {
    const auto describe = wp::decode_describe(body);
    if (!describe) return fatal("08P01", "a malformed Describe message");
    Pending entry;
    entry.kind = Pending::Kind::describe;
    entry.of_portal = describe->target == wp::Target::portal;
    entry.name = describe->name;
    if (entry.of_portal) {
        if (const auto portal = portals_.later(describe->name)) portal->described = true;
    } else if (const auto prepared = statements_.later(describe->name)) {
        prepared->described = true;
    }
    push(std::move(entry));
    pipeline_open_ = true;
    return Step::pass;
}

Adapter::Step Adapter::on_execute(std::string_view body) {
    const auto execute = wp::decode_execute(body);
    if (!execute) return fatal("08P01", "a malformed Execute message");
    const PortalRef portal = portals_.later(execute->portal);
    Pending entry;
    entry.kind = Pending::Kind::execute;
    entry.name = execute->portal;
    entry.portal = portal;
    if (!portal || !portal->plan || !portal->statement) {
        // Either there is none, or a function made it and nobody knows what is in it.
        const Refusal unknown{
            "34000",
            "dbguard: portal \"" + std::string(execute->portal) + "\" was not made by this session's own messages",
            {},
            {}
        };
        return refuse(refusing_plan(unknown), {}, Form::extended, unknown);
    }
    PlanRef plan = portal->plan;
    const std::string& text = portal->statement->text;
    if (plan->context != session_.context()) {
        // Names may mean something else since Bind. The server runs what it planned then; it must be allowed in both lights.
        const PlanRef again = plan_for(text);
        if (!again) return Step::hold;
        if (never_runs(*again)) return refuse(again, text, Form::extended, again->refusal);
        if (hides_more(planned_of(plan, portal->statement->index), planned_of(again, 0))) return refuse(again, text, Form::extended, names_have_moved);
    }
    // Without its parameters, or a text that EXPLAIN takes, it is taken for the largest.
    const bool has_parameters = portal->parameter_count == 0 || !portal->parameters.empty();
    const PlannedStatement* runs = planned_of(plan, portal->statement->index);
    const bool by_prepare = runs != nullptr && runs->statement.kind == StatementKind::prepare;
    if (plan->needs_estimate && !by_prepare && !portal->cursor && has_parameters && !portal->formats_unknown && !portal->suspended) {
        const auto copied = plan->statements.front().statement.kind == StatementKind::copy_out ? copy_source_query(text) : std::nullopt;
        plan = estimated(plan, text, copied ? *copied : text, portal.get());
        if (!plan) return Step::hold;
    }
    if (denied(*plan) && !portal->suspended) return refuse(plan, text, Form::extended, plan->refusal);
    PlanRef executed;
    if (!portal->plan->statements.empty())
        if (const Step step = judge_executed(plan, portal->plan->statements.front(), text, portal.get(), executed); step != Step::pass) return step;
    if (ask_next_copy_types(*plan, text)) return Step::hold;
    entry.copy_types = std::move(copy_types_);
    auto bound = bound_of(*plan, planned_of(plan, portal->statement->index));
    if (bound && !bound->must_fail && (execute->max_rows > 0 || copies(*plan) > 0))
        return refuse(plan, text, Form::extended, {"0A000", "dbguard: a statement whose affected rows are counted runs as a whole, and COPY as a simple query", {}, {}});
    // The same statement goes on; also where the answer to the Execute before is still on its way.
    const auto in_flight = [&] { return std::ranges::any_of(pending_, [&](const Pending& other) { return other.kind == Pending::Kind::execute && other.portal == portal; }); };
    const bool goes_on = portal->number != 0 && (portal->suspended || in_flight());
    if (goes_on) {
        entry.number = portal->number;
    } else {
        std::vector<std::optional<std::string_view>> parameters;
        if (!portal->parameters.empty())
            for (const auto value : wp::ValueListView(portal->parameter_count, portal->parameters)) parameters.push_back(value);
        if (executed)
            if (auto refusal = session_.execute(executed, text, parameters, now_)) return refuse(plan, text, Form::extended, std::move(*refusal));
        Step step;
        if (!submit(plan, text, Form::extended, parameters, portal->parameter_formats, entry.number, step)) return step;
        if (portal->parameters.empty() && (portal->parameter_count > 0 || portal->formats_unknown))
            session_.not_recorded(entry.number, "parameters", portal->parameter_bytes, "longer than what is recorded of them");
        portal->number = entry.number;
    }
    note_plan(*plan);
    entry.plan = plan;
    entry.bound = std::move(bound);
    entry.copies_left = copies(*plan);
    if (keeps_text(*plan)) entry.text = std::make_shared<const std::string>(text);
    // What a Describe said, or will say, of the statement holds for this plan of it alone.
    const auto& columns = portal->statement->columns;
    const bool statement_described = portal->statement->described && (!columns || columns->context == plan->context);
    const bool described = portal->described || (statement_described && !portal->formats_unknown);
    // … but not what a name stood for that it goes by.
    const bool by_name = runs != nullptr && goes_by_name(runs->statement.kind) && !session_.masks_nothing();
    if (!described || (by_name && !goes_on)) describe_portal(execute->portal, portal);
    const bool counted = entry.bound != nullptr;
    const bool measured = counted && !entry.bound->must_fail;
    if (measured) begin_measuring(true);
    push(std::move(entry));
    pipeline_open_ = true;
    if (!counted) return Step::pass;
    // What the client sends next waits for the count. The Execute itself goes on, with a Flush of ours behind it.
    hold(Hold::count);
    auto& out = to_server();
    ByteWriter writer(out.own());
    [[maybe_unused]] const auto sent = wp::encode(*execute, writer);
    out.commit();
    if (measured) {
        ask_counters(true);
        pending_.back().statement = 1;  // no Sync follows
    }
    [[maybe_unused]] const auto flushed = wp::encode(wp::Flush{}, writer);
    out.commit();
    return Step::drop;
}

Adapter::Step Adapter::on_close(std::string_view body) {
    const auto close = wp::decode_close(body);
    if (!close) return fatal("08P01", "a malformed Close message");
    Pending entry;
    entry.kind = Pending::Kind::close;
    entry.of_portal = close->target == wp::Target::portal;
    entry.name = close->name;
    if (entry.of_portal)
        portals_.expect(close->name, nullptr);
    else
        statements_.expect(close->name, nullptr);
    push(std::move(entry));
    pipeline_open_ = true;
    return Step::pass;
}

Adapter::Step Adapter::on_sync() {
    if (copy_in_) return Step::drop;  // the server ignores it while it reads copy data
    Pending entry;
    entry.kind = Pending::Kind::sync;
    push(std::move(entry));
    pipeline_open_ = false;
    skipping_ = false;
    return Step::pass;
}

Adapter::Step Adapter::on_function_call(std::string_view body) {
    const auto call = wp::decode_function_call(body);
    if (!call) return fatal("08P01", "a malformed FunctionCall message");
    held_simple_ = true;  // like a Query, it is followed by ReadyForQuery
    const PlanRef plan = plan_for_function(call->function);
    if (!plan) return Step::hold;
    const std::string text = "function " + std::to_string(call->function);
    if (denied(*plan)) return refuse(plan, text, Form::function_call, plan->refusal);
    Pending entry;
    entry.kind = Pending::Kind::function_call;
    const std::vector<wp::ValueView> arguments(call->arguments.begin(), call->arguments.end());
    std::vector<std::int16_t> formats;
    for (std::size_t i = 0; i < call->argument_formats.size(); ++i) formats.push_back(call->argument_formats[i]);
    Step step;
    if (!submit(plan, text, Form::function_call, arguments, formats, entry.number, step)) return step;
    note_plan(*plan);
    entry.plan = plan;
    push(std::move(entry));
    pipeline_open_ = false;
    return Step::pass;
}

Adapter::Step Adapter::on_copy_message(const Header& header) {
    // Outside of a copy the server ignores these: the client goes on sending after its COPY has failed.
    if (!copy_in_) return Step::drop;
    if (header.type == 'd') return Step::pass;
    copy_in_ = false;
    if (!pending_.empty() && pending_.front().bound) hold(Hold::count);
    return Step::pass;
}

}  // namespace dbguard::relay::postgres
