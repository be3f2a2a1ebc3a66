// What the recording says of a session, as it happens.

#include <algorithm>
#include <list>
#include <utility>

#include "base/encoding.hpp"
#include "masking/detect.hpp"
#include "recording/credentials.hpp"
#include "relay/guard_session.hpp"

namespace dbguard::relay {
namespace {

constexpr std::size_t recorded_rows_bytes = 64 * 1024;

std::string_view form_name(Form form) {
    switch (form) {
        case Form::simple: return "simple";
        case Form::extended: return "extended";
        case Form::function_call: return "function_call";
        case Form::startup: return "startup";
    }
    return "";
}

bool is_binary(std::span<const std::int16_t> formats, std::size_t index) {
    if (formats.size() == 1) return formats[0] == 1;
    return index < formats.size() && formats[index] == 1;
}

/// Text that may be looked at for personal data and shown.
bool reads_as_text(std::string_view value) {
    return is_valid_utf8(value) && std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r'; });
}

using Kind = recording::Parameter::Kind;

/// Parameters as they may be recorded; borrows from them and from `storage`.
std::vector<recording::Parameter> recorded_parameters(
    const Shared& shared, const RecordedPlan& plan, bool credentials, std::span<const std::optional<std::string_view>> parameters, std::span<const std::int16_t> formats, std::list<std::string>& storage
) {
    std::vector<recording::Parameter> out;
    out.reserve(parameters.size());
    const recording::Level level = shared.level();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        recording::Parameter& value = out.emplace_back();
        if (!parameters[i]) continue;
        value.kind = Kind::hidden;
        if (credentials || level == recording::Level::shape) continue;
        const bool binary = is_binary(formats, i);
        value.value = *parameters[i];
        const bool text = reads_as_text(value.value);
        const Fate* fate = level == recording::Level::masked && plan.hides_values ? &plan.fates.parameter(i) : nullptr;
        if (fate != nullptr && !fate->keep) {
            // What a mask makes of a binary value is not worth knowing here.
            const auto masked = fate->mask && text && !binary && fate->mask->keys.empty() ? shared.value_masker.mask_text(*fate->mask, value.value) : std::nullopt;
            if (!masked) continue;
            value.value = storage.emplace_back(*masked);
        } else if (level == recording::Level::masked && text && !masking::find(value.value).empty()) {
            value.value = storage.emplace_back(masking::redact_text(value.value));
        }
        if (recording::reads_like_credentials(value.value)) continue;
        value.kind = binary && !text ? Kind::binary : Kind::text;
    }
    return out;
}

}  // namespace

const RecordedPlan& GuardSession::recorded(const PlanRef& plan) {
    static const RecordedPlan unknown = [] {
        RecordedPlan made;
        recording::StatementText text;
        text.unparsed = "not known to this session";
        recording::Decision decision;
        decision.verdict = policy::name(policy::Verdict::deny);
        made.about = recording::describe(text, decision);
        return made;
    }();
    const RecordedPlan* known = plan->recorded();
    return known == nullptr ? unknown : *known;
}

recording::LineNumber GuardSession::record_statement(
    const RecordedPlan& planned, std::string_view text, Form form, std::span<const std::optional<std::string_view>> parameters, std::span<const std::int16_t> formats, bool sent, bool& credentials,
    Clock::time_point now
) {
    now_ = now;
    credentials = planned.credentials;
    std::string own;
    if (planned.by_shape && shared_->level() != recording::Level::shape) own = shared_->about(planned, text, credentials);
    std::list<std::string> storage;   // allocates nothing for a statement without parameters
    std::vector<recording::Parameter> values;
    if (!parameters.empty()) values = recorded_parameters(*shared_, planned, credentials, parameters, formats, storage);
    recording::Statement event;
    event.at = now;
    event.connection = connection_;
    event.transaction = status_;
    event.form = form_name(form);
    event.about = own.empty() ? planned.about : own;
    event.parameters = values;
    event.sent = sent;
    return shared_->options.recording->append(event);
}

/// An error's or a notice's text as it may be recorded.
std::string GuardSession::recorded_message(std::string_view sqlstate, std::string_view text, bool quotes) const {
    // Syntax errors and those of data (class 22) quote the text.
    const bool quoting = sqlstate == "42601" || sqlstate.starts_with("22");
    switch (shared_->level()) {
        case recording::Level::full: return quotes ? without_quoted(text) : std::string(text);
        case recording::Level::shape: return quotes || quoting ? without_quoted(text) : std::string(text);
        case recording::Level::masked: break;
    }
    return masking::redact_text(quotes ? without_quoted(text) : std::string(text));
}

void GuardSession::not_recorded(std::uint64_t number, std::string_view what, std::uint64_t bytes, std::string_view why) {
    if (auto* writer = shared_->options.recording.get()) writer->append(recording::Gap{number, what, bytes, why});
}

void GuardSession::note(std::uint64_t number, std::string_view severity, std::string_view code, std::string_view text) {
    auto* writer = shared_->options.recording.get();
    if (writer == nullptr) return;
    const Running* one = running(number);
    const std::string shown = recorded_message(code, text, one != nullptr && one->quotes);
    writer->append(recording::Note{number, severity, code, shown});
}

void GuardSession::state(std::string_view name, std::string_view value) {
    if (auto* writer = shared_->options.recording.get()) writer->append(recording::State{now_, connection_, name, value});
}

void GuardSession::columns(std::uint64_t number, std::span<const Column> columns, const std::vector<std::optional<masking::Mask>>& masks) {
    if (std::ranges::any_of(masks, [](const auto& mask) { return mask && mask->function != masking::Function::keep; })) ++shared_->statistics.masked_results;
    auto* writer = shared_->options.recording.get();
    if (!records_columns_) return;
    std::vector<std::string> texts;
    texts.reserve(columns.size());
    std::vector<recording::Column> listed;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        texts.push_back(i < masks.size() && masks[i] ? masking::text(*masks[i]) : "");
        listed.push_back({columns[i].name, columns[i].type, columns[i].relation, columns[i].number, texts.back()});
    }
    writer->append(recording::Columns{number, listed});
}

void GuardSession::row(std::uint64_t number, std::span<const std::optional<std::string_view>> fields) {
    Running* one = running(number);
    if (one == nullptr || !records_rows_) return;
    if (one->quotes) {
        ++one->unrecorded_rows;   // what names a credential may give it back
        return;
    }
    recording::append_row(one->rendered, fields);
    ++one->rendered_count;
    if (one->rendered.size() > recorded_rows_bytes) flush_rows(*one);
}

void GuardSession::flush_rows(Running& one) {
    if (const std::uint64_t rows = std::exchange(one.unrecorded_rows, 0); rows > 0) not_recorded(one.number, "rows", 0, "the statement names a credential");
    if (one.rendered_count == 0) return;
    recording::Rows event;
    event.statement = one.number;
    event.first = one.recorded_rows;
    event.count = one.rendered_count;
    event.rendered = one.rendered;
    shared_->options.recording->append(event);
    one.recorded_rows += one.rendered_count;
    one.rendered_count = 0;
    one.rendered.clear();
}

void GuardSession::cancelled(Clock::time_point now) {
    if (auto* writer = shared_->options.recording.get()) {
        recording::Cancel event;
        event.at = now;
        event.by = "client";
        writer->append(event);
    }
}

void GuardSession::end(std::string_view reason, Clock::time_point now) {
    if (ended_) return;
    ended_ = true;
    if (auto* writer = shared_->options.recording.get()) {
        const std::string value = std::to_string(connection_) + " closed: " + std::string(reason);
        recording::State event;
        event.at = now;
        event.name = "connection";
        event.value = value;
        writer->append(event);
    }
}

bool GuardSession::flush() {
    auto* writer = shared_->options.recording.get();
    if (writer == nullptr) return true;
    if (writer->flush()) return true;
    shared_->statistics.record_failed = true;
    return false;
}

}  // namespace dbguard::relay
