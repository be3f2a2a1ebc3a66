// Rows and COPY data on their way to the client: which masks they get, and the limits on them.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "relay/postgres/copy_options.hpp"
#include "relay/postgres/error_text.hpp"
#include "wire/postgres/copy.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using Kind = Pending::Kind;
using sql::StatementKind;

namespace {

using Masks = std::vector<std::optional<masking::Mask>>;

bool covers(const std::optional<masking::Mask>& mask) {
    return mask && mask->function != masking::Function::keep;
}

}  // namespace

const PlannedStatement* Adapter::planned(const Pending& entry) const {
    if (entry.kind == Kind::simple) return planned_of(entry.plan, entry.statement);
    if (entry.portal && entry.portal->statement) return planned_of(entry.portal->plan, entry.portal->statement->index);
    return planned_of(entry.plan, 0);
}

/// EXECUTE and FETCH return what the name stands for now. Null: not known.
const Masks* Adapter::masks_of(const PlannedStatement* statement, int depth) const {
    if (session_.masks_nothing()) return &as_it_is;
    if (statement == nullptr || depth > 4) return nullptr;
    const auto& sql = statement->statement;
    if (sql.kind == StatementKind::execute) {
        const auto prepared = statements_.now(sql.name);
        return prepared ? masks_of(planned_of(prepared->plan, prepared->index), depth + 1) : nullptr;
    }
    if (sql.kind == StatementKind::fetch) {
        const auto portal = portals_.now(sql.name);
        if (portal && portal->statement && !(portal->uncertain && hidden_cursors_))
            return masks_of(planned_of(portal->plan, portal->statement->index), depth + 1);
        // One that code made. Where none has made any, there is none, or it is not known to us for a reason that nobody thought of.
        return hidden_cursors_ || !code_cursors_ ? &of_tables_alone : &as_it_is;
    }
    const auto& masks = statement->decision.masks;
    // How many columns come is not known, but policy knows that none of them can be sensitive.
    if (statement->decision.unmasked || (!sql.outputs_exact && std::ranges::none_of(masks, covers))) return &as_it_is;
    return &masks;
}

std::shared_ptr<const ResultColumns> Adapter::describe_columns(
    std::string_view body, const wp::RowDescriptionView& description, const PlannedStatement* statement
) const {
    return make_columns(body, description, masks_of(statement), session_);
}

void Adapter::begin_result(
    const ResultColumns& columns, const std::vector<std::int16_t>* formats, std::uint64_t number, bool tell
) {
    auto masked = columns.masked;
    if (formats != nullptr) apply_formats(masked, *formats);
    result_.begun = true;
    result_.number = number;
    result_.raw = masked.empty() && !session_.wants_rows();
    result_.only_shown = masked.empty() && !result_.raw;
    if (tell) tell_columns(columns, number);
    if (result_.raw) return;
    if (!masker_) masker_ = std::make_unique<RowMasker>();
    masker_->begin(session_, std::move(masked), columns.count);
}

/// The rows of a portal come without a RowDescription: an earlier one says what they are.
void Adapter::begin_portal_result(Pending& entry, std::uint16_t count) {
    if (result_.begun || !entry.portal) return;
    const auto& portal = *entry.portal;
    const bool tell = !portal.suspended;
    if (portal.columns) return begin_result(*portal.columns, nullptr, entry.number, tell);
    if (portal.statement && portal.statement->columns && !portal.formats_unknown &&
        entry.plan && portal.statement->columns->context == entry.plan->context)
        return begin_result(*portal.statement->columns, &portal.result_formats, entry.number, tell);
    if (count == 0) return;
    // Nobody asked what they are. It cannot be found out any more.
    ResultColumns unknown;
    unknown.count = count;
    for (std::uint16_t i = 0; i < count && !session_.masks_nothing(); ++i) unknown.masked.push_back({i, masking::Mask{masking::Function::null}});
    begin_result(unknown, nullptr, entry.number, false);
}

void Adapter::tell_columns(const ResultColumns& columns, std::uint64_t number) {
    if (number == 0 || (columns.masked.empty() && !session_.wants_columns())) return;
    static thread_local std::vector<Session::Column> told;
    static thread_local Masks masks;
    told.clear();
    masks.assign(columns.count, std::nullopt);
    const auto description = wp::decode_row_description(columns.description);
    if (!description) return;
    for (const wp::ColumnView column : *description)
        told.push_back({column.name, column.type, column.relation, column.number});
    for (const auto& masked : columns.masked) masks[masked.index] = masked.mask;
    session_.columns(number, told, masks);
}

void Adapter::end_result() {
    result_.was_cut |= result_.cut;
    result_.begun = result_.cut = result_.copy_out = result_.only_shown = false;
    result_.raw = true;
    result_.copy.reset();
}

void Adapter::stop_statement(Refusal refusal) {
    if (stopped_) return;
    stopped_ = std::make_unique<Refusal>(std::move(refusal));
    cancel_wanted_ = true;
}

/// One more row may go on. Otherwise what was written of it, from `mark` on, is taken back.
bool Adapter::admit_row(std::size_t mark, std::size_t bytes) {
    const auto verdict = session_.rows(result_.number, 1, bytes);
    if (verdict == RowVerdict::forward) {
        result_.rows++;
        result_.bytes += bytes;
        return true;
    }
    to_client().own().resize(mark);
    if (verdict == RowVerdict::cut)
        result_.cut = true;
    else
        stop_statement(session_.limit_refusal());
    return false;
}

Adapter::Step Adapter::on_data_row(const Header& header, std::span<char> body) {
    Pending& entry = pending_.front();
    if (!result_.begun && entry.kind == Kind::execute && body.size() >= 2)
        begin_portal_result(entry, wp::load_u16(body.data()));
    if (!result_.begun) return unexpected('D');
    if (muted_ || stopped_ || result_.cut) return Step::drop;
    auto& out = to_client();
    const std::size_t mark = out.own().size();
    std::size_t row_bytes = header.frame_bytes();
    static thread_local std::vector<wp::ValueView> fields;
    bool show = !result_.raw && session_.wants_rows();
    if (result_.only_shown && body.size() < header.body_bytes) {
        // Too long to be held for the record's sake: it streams through.
        session_.not_recorded(result_.number, "rows", header.body_bytes, "a row longer than what is recorded of one");
        show = false;
    } else if (!result_.raw) {
        if (body.size() < header.body_bytes) {
            stop_statement({"54000", "dbguard: a row with masked columns is longer than dbguard holds", {}, {}});
            return Step::drop;
        }
        const auto row = masker_->mask(body, out.own(), show ? &fields : nullptr);
        if (row == RowMasker::Row::malformed) return unexpected('D');
        if (row == RowMasker::Row::rebuilt) row_bytes = out.own().size() - mark;
    }
    if (!admit_row(mark, row_bytes)) return Step::drop;
    if (show) session_.row(result_.number, fields);
    if (out.own().size() == mark) return Step::pass;
    out.commit();
    return Step::drop;
}

Adapter::Step Adapter::on_copy_out(std::string_view body) {
    const auto response = wp::decode_copy_out_response(body);
    if (!response || result_.begun) return unexpected('H');
    Pending& entry = pending_.front();
    const auto* statement = planned(entry);
    const Masks* masks = masks_of(statement);
    const std::size_t count = response->column_formats.size();
    result_.begun = result_.copy_out = true;
    result_.raw = true;
    result_.number = entry.number;
    if (masks == &as_it_is) return Step::pass;
    if (masks == nullptr || masks->size() != count) {
        stop_statement({"42501", "dbguard: the columns of this COPY are not known", {}, "Use SELECT."});
        return Step::drop;
    }
    if (std::ranges::none_of(*masks, covers)) return Step::pass;
    std::string_view text;
    if (entry.text)
        text = *entry.text;
    else if (entry.portal && entry.portal->statement)
        text = entry.portal->statement->text;
    text = text.substr(std::min<std::size_t>(statement->statement.begin, text.size()));
    if (statement->statement.length != 0) text = text.substr(0, statement->statement.length);
    auto options = copy_options(text, response->format == 1);
    if (!options) {
        stop_statement({"42501", "dbguard: the options of this COPY are not understood, and it has masked columns", {}, "Use SELECT."});
        return Step::drop;
    }
    options->options.max_row_bytes = limits_.max_masked_row_bytes;
    std::vector<masking::CopyColumn> columns(count);
    static const CopyTypes not_known;
    const CopyTypes& types = entry.statement < entry.copy_types.size() ? entry.copy_types[entry.statement] : not_known;
    for (std::size_t i = 0; i < count; ++i) {
        if (covers((*masks)[i])) columns[i].mask = (*masks)[i];
        columns[i].force_quote = options->force_quote_all;
        // Of a table all columns were asked for, and COPY leaves out those that are generated.
        const auto type = types.size() == count ? types.begin() + static_cast<std::ptrdiff_t>(i) : std::ranges::find(types, statement->statement.outputs[i].name, &CopyType::name);
        if (type != types.end()) columns[i].type = std::make_shared<const masking::Type>(session_.type(type->type, type->modifier));
    }
    static thread_local std::vector<Session::Column> told;
    told.clear();
    for (const auto& output : statement->statement.outputs) told.push_back({output.name, 0, 0, 0});
    told.resize(count);
    if (entry.number != 0) session_.columns(entry.number, told, *masks);
    auto made = masking::CopyMasker::make(session_.masker(), std::move(options->options), std::move(columns));
    if (!made) {
        stop_statement({"42501", "dbguard: this COPY cannot be masked: " + made.error().text(), {}, "Use SELECT."});
        return Step::drop;
    }
    result_.copy = std::make_unique<masking::CopyMasker>(std::move(*made));
    return Step::pass;
}

Adapter::Step Adapter::on_copy_out_data(const Header& header, std::string_view body) {
    if (muted_ || stopped_ || result_.cut) return Step::drop;
    auto& out = to_client();
    const std::size_t mark = out.own().size();
    std::size_t bytes = header.frame_bytes();
    if (result_.copy) {
        if (body.size() < header.body_bytes) {
            stop_statement({"54000", "dbguard: a row with masked columns is longer than dbguard holds", {}, {}});
            return Step::drop;
        }
        ByteWriter writer(out.own());
        const auto frame = wp::begin_frame('d', writer);
        if (auto fed = result_.copy->feed(body, out.own()); !fed) {
            out.own().resize(mark);
            stop_statement({"42501", "dbguard: this COPY cannot be masked: " + std::string(fed.error().code), {}, "Use SELECT."});
            return Step::drop;
        }
        wp::end_frame(frame, writer);
        if (out.own().size() == mark + wp::frame_header_bytes) {
            out.own().resize(mark);
            return Step::drop;
        }
        bytes = out.own().size() - mark;
    }
    // The server sends a row a message. Source: PostgreSQL manual, "COPY Operations": it need not, but does.
    if (!admit_row(mark, bytes)) return Step::drop;
    if (!result_.copy) return Step::pass;
    out.commit();
    return Step::drop;
}

Adapter::Step Adapter::on_copy_out_done() {
    if (result_.copy && !result_.cut && !stopped_)
        if (auto whole = result_.copy->finish(); !whole)
            stop_statement({"42501", "dbguard: this COPY ended in the middle of a row", {}, {}});
    result_.copy.reset();
    return stopped_ ? Step::drop : Step::pass;
}

Adapter::Step Adapter::on_function_result(std::string_view body) {
    const auto response = wp::decode_function_call_response(body);
    if (!response) return unexpected('V');
    const Pending& entry = pending_.front();
    const auto* masks = masks_of(planned(entry));
    const bool open = masks == &as_it_is || (masks != nullptr && std::ranges::none_of(*masks, covers));
    last_tag_ = "FUNCTION CALL";
    if (!response->value || (open && !session_.names_moved(entry.number))) return Step::pass;
    auto& out = to_client();
    ByteWriter writer(out.own());
    if (!wp::encode(wp::FunctionCallResponseView{}, writer)) return unexpected('V');
    out.commit();
    return Step::drop;
}

}  // namespace dbguard::relay::postgres
