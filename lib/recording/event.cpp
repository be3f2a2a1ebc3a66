#include "recording/event.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "recording/compress.hpp"
#include "recording/json_text.hpp"

namespace dbguard::recording {

namespace {

/// Members of one JSON object. `,"name":` is put together at compile time where the name is a literal.
void text_member(std::string& out, std::string_view prefix, std::string_view value) {
    out.append(prefix);
    append_json_string(out, value);
}
void optional_text(std::string& out, std::string_view prefix, std::string_view value) {
    if (!value.empty()) text_member(out, prefix, value);
}
void number_member(std::string& out, std::string_view prefix, std::uint64_t value) {
    out.append(prefix);
    append_number(out, value);
}
void optional_number(std::string& out, std::string_view prefix, std::uint64_t value) {
    if (value != 0) number_member(out, prefix, value);
}
void time_member(std::string& out, Time at) {
    out.append(",\"at\":\"");
    append_time(out, at);
    out.push_back('"');
}
void statement_member(std::string& out, LineNumber statement) {
    optional_number(out, ",\"for\":", statement);
}
void text_list(std::string& out, std::string_view prefix, std::span<const std::string> values) {
    out.append(prefix);
    char before = '[';
    for (const auto& value : values) {
        out.push_back(before);
        append_json_string(out, value);
        before = ',';
    }
    if (before == '[') out.push_back('[');
    out.push_back(']');
}

void optional_flag(std::string& out, std::string_view prefix, std::optional<bool> value) {
    if (value) out.append(prefix).append(*value ? "true" : "false");
}

void append_effects(std::string& out, std::span<const Effect> effects) {
    out.append(",\"eff\":[");
    bool first = true;
    for (const Effect& effect : effects) {
        if (!first) out.push_back(',');
        first = false;
        text_member(out, "{\"c\":", effect.effect_class);
        if (!effect.objects.empty()) text_list(out, ",\"o\":", effect.objects);
        if (std::ranges::any_of(effect.columns, [](const auto& columns) { return !columns.empty(); })) {
            out.append(",\"k\":");
            char before = '[';
            for (const auto& columns : effect.columns) {
                text_list(out, {&before, 1}, columns);
                before = ',';
            }
            out.push_back(']');
        }
        optional_text(out, ",\"where\":", effect.where);
        optional_flag(out, ",\"limit\":", effect.limit);
        optional_flag(out, ",\"rewrites\":", effect.rewrites_table);
        optional_text(out, ",\"lock\":", effect.lock);
        optional_text(out, ",\"set\":", effect.setting);
        out.push_back('}');
    }
    out.push_back(']');
}

void append_decision(std::string& out, const Decision& decision) {
    text_member(out, "\"v\":", decision.verdict);
    optional_text(out, ",\"rule\":", decision.rule);
    if (decision.rules.size() > 1) text_list(out, ",\"rules\":", decision.rules);
    if (!decision.masks.empty()) text_list(out, ",\"masks\":", decision.masks);
    optional_text(out, ",\"why\":", decision.reason);
    optional_text(out, ",\"by\":", decision.approvers);
    optional_text(out, ",\"bind\":", decision.bind);
    optional_text(out, ",\"shadow\":", decision.shadow);
}

void append_binary(std::string& out, std::string_view bytes) {
    out.append("{\"b64\":\"");
    out.append(base64(bytes));
    out.append("\"}");
}

void append_value(std::string& out, std::string_view value) {
    if (is_valid_utf8(value))
        append_json_string(out, value);
    else
        append_binary(out, value);
}

void connection_member(std::string& out, std::uint32_t connection) { optional_number(out, ",\"c\":", connection); }

/// At most `max` bytes of `text`, not ending inside a UTF-8 sequence.
std::string_view cut(std::string_view text, std::size_t max) {
    if (text.size() <= max) return text;
    while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xC0) == 0x80) --max;
    return text.substr(0, max);
}

}  // namespace

std::string describe(const StatementText& text, const Decision& decision, std::size_t max_sql_bytes) {
    std::string out;
    out.reserve(text.sql.size() + 256);
    const auto kept = cut(text.sql, max_sql_bytes);
    text_member(out, ",\"sql\":", kept);
    if (kept.size() < text.sql.size()) number_member(out, ",\"cut\":", text.sql.size());
    optional_number(out, ",\"bytes\":", text.original_bytes);
    optional_text(out, ",\"fp\":", text.fingerprint);
    optional_text(out, ",\"mac\":", text.digest);
    if (!text.effects.empty()) append_effects(out, text.effects);
    optional_text(out, ",\"unparsed\":", text.unparsed);
    if (!decision.verdict.empty()) {
        out.append(",\"d\":{");
        append_decision(out, decision);
        out.push_back('}');
    }
    return out;
}

void append_row(std::string& out, std::span<const std::optional<std::string_view>> fields) {
    if (!out.empty()) out.push_back(',');
    out.push_back('[');
    bool first = true;
    for (const auto& field : fields) {
        if (!first) out.push_back(',');
        first = false;
        if (!field)
            out.append("null");
        else
            append_value(out, *field);
    }
    out.push_back(']');
}

void append_members(std::string& out, const Head& event) {
    out.append(",\"t\":\"head\",\"v\":1,\"seal\":1,\"facts\":1");
    text_member(out, ",\"sid\":", event.session);
    time_member(out, event.at);
    optional_text(out, ",\"gw\":", event.gateway);
    optional_text(out, ",\"policy\":", event.policy);
    optional_text(out, ",\"role\":", event.role);
    optional_text(out, ",\"db\":", event.database);
    optional_text(out, ",\"engine\":", event.engine);
    optional_text(out, ",\"login\":", event.login);
    optional_text(out, ",\"upstream\":", event.upstream);
    optional_text(out, ",\"mode\":", event.mode);
    if (!event.record_sql.empty() || !event.record_results.empty()) {
        text_member(out, ",\"record\":{\"sql\":", event.record_sql);
        text_member(out, ",\"results\":", event.record_results);
        out.push_back('}');
    }
    if (!event.who.empty()) {
        out.append(",\"who\":{");
        bool first = true;
        for (const Claim& claim : event.who) {
            if (!first) out.push_back(',');
            first = false;
            append_json_string(out, claim.name);
            text_member(out, ":", claim.value);
        }
        out.push_back('}');
    }
    if (!event.agent.empty()) {
        text_member(out, ",\"agent\":{\"name\":", event.agent);
        out.append(",\"declared\":true}");
    }
    optional_text(out, ",\"key\":", event.client_key);
    optional_text(out, ",\"prev\":", event.previous);
}

void append_members(std::string& out, const Statement& event) {
    out.append(",\"t\":\"stmt\"");
    time_member(out, event.at);
    connection_member(out, event.connection);
    text_member(out, ",\"tx\":", {&event.transaction, 1});
    text_member(out, ",\"proto\":", event.form);
    out.append(event.about);
    if (!event.parameters.empty()) {
        out.append(",\"par\":[");
        bool first = true;
        for (const Parameter& parameter : event.parameters) {
            if (!first) out.push_back(',');
            first = false;
            switch (parameter.kind) {
                case Parameter::Kind::null: out.append("null"); break;
                case Parameter::Kind::text: append_value(out, parameter.value); break;
                case Parameter::Kind::binary: append_binary(out, parameter.value); break;
                case Parameter::Kind::hidden: out.append("{\"hidden\":true}"); break;
            }
        }
        out.push_back(']');
    }
    if (!event.parameter_types.empty()) {
        out.append(",\"pt\":");
        char before = '[';
        for (const std::uint32_t type : event.parameter_types) {
            out.push_back(before);
            append_number(out, std::uint64_t{type});
            before = ',';
        }
        out.push_back(']');
    }
    if (event.sent) out.append(",\"sent\":true");
}

void append_members(std::string& out, const Decided& event) {
    out.append(",\"t\":\"decision\"");
    statement_member(out, event.statement);
    time_member(out, event.at);
    out.push_back(',');
    append_decision(out, event.decision);
}

void append_members(std::string& out, const Approval& event) {
    out.append(",\"t\":\"approval\"");
    statement_member(out, event.statement);
    time_member(out, event.at);
    text_member(out, ",\"id\":", event.id);
    text_member(out, ",\"v\":", event.state);
    optional_text(out, ",\"who\":", event.who);
    optional_text(out, ",\"how\":", event.how);
    optional_text(out, ",\"shown\":", event.shown);
}

void append_members(std::string& out, const Sent& event) {
    out.append(",\"t\":\"sent\"");
    statement_member(out, event.statement);
    time_member(out, event.at);
}

void append_members(std::string& out, const Columns& event) {
    out.append(",\"t\":\"cols\"");
    statement_member(out, event.statement);
    out.append(",\"cols\":[");
    bool first = true;
    for (const Column& column : event.columns) {
        if (!first) out.push_back(',');
        first = false;
        text_member(out, "{\"n\":", column.name);
        number_member(out, ",\"t\":", column.type);
        if (column.relation != 0) {
            number_member(out, ",\"r\":", column.relation);
            out.append(",\"a\":");
            append_number(out, std::int64_t{column.number});
        }
        optional_text(out, ",\"m\":", column.mask);
        out.push_back('}');
    }
    out.push_back(']');
}

void append_members(std::string& out, const Rows& event) {
    out.append(",\"t\":\"rows\"");
    statement_member(out, event.statement);
    number_member(out, ",\"first\":", event.first);
    number_member(out, ",\"count\":", event.count);
    const std::string packed = event.rendered.size() > compress_from_bytes ? compressed(event.rendered) : std::string();
    if (packed.empty()) {
        out.append(",\"rows\":[").append(event.rendered).push_back(']');
        return;
    }
    out.append(",\"zrows\":\"").append(base64(packed)).push_back('"');
}

void append_members(std::string& out, const Done& event) {
    out.append(",\"t\":\"done\"");
    statement_member(out, event.statement);
    text_member(out, ",\"tag\":", event.tag);
    number_member(out, ",\"rows\":", event.rows);
    optional_number(out, ",\"bytes\":", event.bytes);
    out.append(",\"ms\":");
    append_milliseconds(out, event.took);
    if (event.cut) out.append(",\"cut\":true");
    if (event.suspended) out.append(",\"more\":true");
}

void append_members(std::string& out, const Failed& event) {
    out.append(",\"t\":\"err\"");
    statement_member(out, event.statement);
    text_member(out, ",\"code\":", event.code);
    text_member(out, ",\"text\":", event.text);
    out.append(",\"ms\":");
    append_milliseconds(out, event.took);
}

void append_members(std::string& out, const Note& event) {
    out.append(",\"t\":\"note\"");
    statement_member(out, event.statement);
    text_member(out, ",\"sev\":", event.severity);
    optional_text(out, ",\"code\":", event.code);
    text_member(out, ",\"text\":", event.text);
}

void append_members(std::string& out, const State& event) {
    out.append(",\"t\":\"state\"");
    time_member(out, event.at);
    connection_member(out, event.connection);
    text_member(out, ",\"name\":", event.name);
    text_member(out, ",\"value\":", event.value);
}

void append_members(std::string& out, const Cancel& event) {
    out.append(",\"t\":\"cancel\"");
    statement_member(out, event.statement);
    time_member(out, event.at);
    connection_member(out, event.connection);
    text_member(out, ",\"by\":", event.by);
}

void append_members(std::string& out, const Limit& event) {
    out.append(",\"t\":\"limit\"");
    statement_member(out, event.statement);
    time_member(out, event.at);
    text_member(out, ",\"which\":", event.which);
    number_member(out, ",\"allowed\":", event.allowed);
}

void append_members(std::string& out, const Gap& event) {
    out.append(",\"t\":\"gap\"");
    statement_member(out, event.statement);
    text_member(out, ",\"what\":", event.what);
    number_member(out, ",\"bytes\":", event.bytes);
    text_member(out, ",\"why\":", event.why);
}

void append_members(std::string& out, const End& event) {
    out.append(",\"t\":\"end\"");
    time_member(out, event.at);
    text_member(out, ",\"why\":", event.why);
    number_member(out, ",\"stmts\":", event.statements);
    number_member(out, ",\"denied\":", event.denied);
    number_member(out, ",\"failed\":", event.failed);
    optional_number(out, ",\"masked\":", event.masked);
}

}  // namespace dbguard::recording
