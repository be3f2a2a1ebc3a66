#pragma once

// A Session that follows a script, and a conversation through the adapter printed as traces: a line a message, with who gets it.
//
//     >F …  what the server got         <B …  what the client got

#include <map>
#include <string>
#include <vector>

#include "../../support/postgres_frames.hpp"
#include "masking/apply.hpp"
#include "masking/type.hpp"
#include "relay/postgres/adapter.hpp"
#include "wire/postgres/message.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

class ScriptedSession : public Session {
  public:
    /// Texts without an entry are allowed, and nothing they return is sensitive.
    std::map<std::string, PlanRef, std::less<>> plans;
    std::map<std::string, std::string, std::less<>> questions;  ///< text → what must be asked before its plan is known
    std::map<std::pair<std::uint32_t, std::int16_t>, masking::Mask> sensitive;
    std::vector<std::string> log;
    std::optional<std::uint64_t> max_rows;
    RowVerdict over = RowVerdict::stop;
    std::optional<std::chrono::seconds> time_limit;
    std::uint64_t context_now = 0;
    std::string before_question, after_question;
    bool rows_wanted = false;
    bool refuse_submits = false;

    PlanRef plan(std::string_view text, Clock::time_point) override {
        if (const auto asked = questions.find(text); asked != questions.end()) {
            pending_question = asked->second;
            asking = asked->first;
            return nullptr;
        }
        if (const auto found = plans.find(text); found != plans.end()) return found->second;
        return open_plan();
    }
    PlanRef estimate(const PlanRef& plan, std::string_view, std::string_view, Clock::time_point) override { return plan; }
    std::optional<Refusal> execute(const PlanRef&, std::string_view, std::span<const std::optional<std::string_view>>, Clock::time_point) override { return {}; }
    std::optional<Question> question() override {
        if (pending_question.empty()) return {};
        return Question{pending_question, false, 0, before_question, after_question};
    }
    void answer(Answer answer) override {
        std::string line = "answer " + (answer.error.empty() ? std::string("of ") : "error " + answer.error + " of ");
        for (const auto& row : answer.rows)
            for (const auto& value : row) line += value ? *value + " " : "NULL ";
        log.push_back(line + "to " + pending_question);
        questions.erase(asking);
        pending_question.clear();
    }
    PlanRef plan_function(std::uint32_t oid, Clock::time_point now) override { return plan("function " + std::to_string(oid), now); }
    std::uint64_t context() const override { return context_now; }
    void parameter(std::string_view name, std::string_view value) override { log.push_back(std::string(name) + "=" + std::string(value)); }
    std::optional<Refusal> startup_setting(std::string_view, std::string_view) override { return {}; }
    void transaction_status(char status) override { this->status = status; }
    Submitted submit(const PlanRef&, std::string_view text, Form, std::span<const std::optional<std::string_view>> parameters, std::span<const std::int16_t>, Clock::time_point) override {
        if (refuse_submits) return {0, Refusal{"54000", "dbguard: enough", {}, {}}, false};
        std::string line = "submit " + std::string(text);
        for (const auto& parameter : parameters) line += " $" + std::string(parameter.value_or("NULL"));
        log.push_back(line);
        return {++last_number, {}, false};
    }
    void reject(const PlanRef&, std::string_view text, Form, const Refusal& refusal, Clock::time_point) override {
        log.push_back("reject " + std::string(text) + ": " + refusal.sqlstate);
    }
    void columns(std::uint64_t number, std::span<const Column> columns, const std::vector<std::optional<masking::Mask>>& masks) override {
        std::string line = "columns " + std::to_string(number);
        for (std::size_t i = 0; i < columns.size(); ++i) line += " " + std::string(columns[i].name) + (masks[i] ? ":" + masking::text(*masks[i]) : "");
        log.push_back(line);
    }
    Origin origin(std::uint32_t relation, std::int16_t number) const override {
        if (relation == 666) return {{}, false};
        const auto found = sensitive.find({relation, number});
        return found == sensitive.end() ? Origin{} : Origin{found->second, true};
    }
    const masking::Type& type(std::uint32_t type, std::int32_t modifier) const override {
        return types.try_emplace(type, masking::postgres_type(type == 23 ? "int4" : "text", type, modifier)).first->second;
    }
    const masking::Masker& masker() const override { return masker_; }
    RowVerdict rows(std::uint64_t, std::uint64_t count, std::uint64_t) override {
        seen_rows += count;
        return max_rows && seen_rows > *max_rows ? over : RowVerdict::forward;
    }
    bool wants_rows() const override { return rows_wanted; }
    void row(std::uint64_t number, std::span<const std::optional<std::string_view>> fields) override {
        std::string line = "row " + std::to_string(number);
        for (const auto& value : fields) line += " " + std::string(value.value_or("NULL"));
        log.push_back(line);
    }
    Refusal limit_refusal() const override { return {"54000", "dbguard: too many rows", {}, {}}; }
    void finish(std::uint64_t number, const Outcome& outcome, Clock::time_point) override {
        log.push_back("finish " + std::to_string(number) + " " + std::string(outcome.tag) + " " + std::to_string(outcome.rows) + (outcome.suspended ? " suspended" : ""));
    }
    void fail(std::uint64_t number, std::string_view sqlstate, std::string_view, Clock::time_point) override {
        log.push_back("fail " + std::to_string(number) + " " + std::string(sqlstate));
    }
    void cancelled(Clock::time_point) override { log.push_back("cancelled"); }
    std::optional<Clock::time_point> deadline(Clock::time_point began) const override {
        if (!time_limit) return {};
        return began + *time_limit;
    }
    void end(std::string_view reason, Clock::time_point) override { log.push_back("end " + std::string(reason)); }
    bool flush() override { return true; }

    // ---- for scripts

    static PlanRef open_plan(sql::StatementKind kind = sql::StatementKind::other, std::string name = {}) {
        return make({{kind, std::move(name), {}, false}});
    }
    struct Part {
        sql::StatementKind kind = sql::StatementKind::other;
        std::string name;
        std::vector<std::string> masks;  ///< one a column; empty: as it is
        bool exact = true;
    };
    static PlanRef make(std::vector<Part> parts, bool hide = false) {
        auto plan = std::make_shared<Plan>();
        plan->verdict = policy::Verdict::allow;
        for (auto& part : parts) {
            PlannedStatement planned;
            planned.statement.kind = part.kind;
            planned.statement.name = part.name;
            planned.statement.outputs_exact = part.exact;
            planned.statement.returns_rows = true;
            planned.decision.hide_texts = hide;
            for (const auto& mask : part.masks)
                planned.decision.masks.push_back(mask.empty() ? std::nullopt : std::optional(*masking::parse_mask(mask)));
            plan->statements.push_back(std::move(planned));
        }
        return plan;
    }
    static PlanRef denied(bool ask_server = false) {
        auto plan = std::make_shared<Plan>();
        plan->refusal = {"42501", "dbguard: no", "Rule r#1.", "Do not."};
        plan->ask_server_to_parse = ask_server;
        return plan;
    }

    char status = 'I';
    std::uint64_t last_number = 0, seen_rows = 0;

  private:
    std::string pending_question, asking;
    mutable std::map<std::uint32_t, masking::Type> types;
    masking::Masker masker_{Secret("key")};
};

/// Bytes of messages, whole or cut into pieces of `piece` bytes.
class Conversation {
  public:
    explicit Conversation(AdapterLimits limits = {}) : limits_(limits), adapter(session, limits_) {}

    Conversation& client(std::string bytes) { return feed(std::move(bytes), true); }
    Conversation& server(std::string bytes) { return feed(std::move(bytes), false); }
    Conversation& drain() {
        for (const auto& line : lines(output.to_server.text(), wire::postgres::Sender::frontend, server_bytes_)) trace += ">" + line + "\n";
        for (const auto& line : lines(output.to_client.text(), wire::postgres::Sender::backend, client_bytes_)) trace += "<" + line + "\n";
        output.clear();
        return *this;
    }
    /// What came out since the last call.
    std::string take() { return std::exchange(trace, {}); }

    ScriptedSession session;

  private:
    Conversation& feed(std::string bytes, bool from_client) {
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            std::string part = bytes.substr(at, piece);
            if (from_client)
                adapter.from_client(part, now, output);
            else
                adapter.from_server(part, now, output);
            drain();
        }
        return *this;
    }
    static std::vector<std::string> lines(const std::string& bytes, wire::postgres::Sender sender, std::string& rest) {
        rest += bytes;
        const auto frames = wire::postgres::take_frames(rest, sender);
        if (!frames) return {"? " + frames.error().text()};
        std::vector<std::string> out;
        for (const auto& frame : *frames) out.push_back(wire::postgres::line_of(frame, sender));
        return out;
    }

    AdapterLimits limits_;
    std::string server_bytes_, client_bytes_;

  public:
    Adapter adapter;
    Output output;
    Session::Clock::time_point now{std::chrono::seconds(1000)};
    std::string trace;
    std::size_t piece = 1 << 20;
};

// ---- messages

template <class Message>
std::string bytes_of(const Message& message) {
    std::string out;
    ByteWriter writer(out);
    const auto encoded = wire::postgres::encode(message, writer);
    return encoded ? out : std::string();
}
inline std::string q(std::string_view sql) { return bytes_of(wire::postgres::QueryView{sql}); }
inline std::string parse(std::string_view name, std::string_view sql) { return bytes_of(wire::postgres::ParseView{name, sql, {}}); }
inline std::string bind(std::string_view portal, std::string_view name, std::span<const wire::postgres::ValueView> values = {}, std::span<const std::int16_t> results = {}) {
    std::string out;
    ByteWriter writer(out);
    [[maybe_unused]] const auto encoded = wire::postgres::encode_bind(portal, name, {}, values, results, writer);
    return out;
}
inline std::string describe(char target, std::string_view name) { return bytes_of(wire::postgres::DescribeView{static_cast<wire::postgres::Target>(target), name}); }
inline std::string execute(std::string_view portal, std::int32_t rows = 0) { return bytes_of(wire::postgres::ExecuteView{portal, rows}); }
inline const std::string sync = bytes_of(wire::postgres::Sync{});
inline std::string ready(char status) { return bytes_of(wire::postgres::ReadyForQuery{static_cast<wire::postgres::TransactionStatus>(status)}); }
inline std::string done(std::string_view tag) { return bytes_of(wire::postgres::CommandCompleteView{tag}); }
inline std::string columns(std::initializer_list<wire::postgres::Column> columns) {
    std::string out;
    ByteWriter writer(out);
    const std::vector<wire::postgres::Column> list(columns);
    [[maybe_unused]] const auto encoded = wire::postgres::encode_row_description(list, writer);
    return out;
}
inline std::string row(std::initializer_list<wire::postgres::ValueView> values) {
    std::string out;
    ByteWriter writer(out);
    const std::vector<wire::postgres::ValueView> list(values);
    [[maybe_unused]] const auto encoded = wire::postgres::encode_data_row(list, writer);
    return out;
}
inline std::string error(std::string_view sqlstate, std::string_view message, std::string_view detail = {}) {
    std::string out;
    ByteWriter writer(out);
    [[maybe_unused]] const auto encoded = wire::postgres::encode_error_response({"ERROR", sqlstate, message, detail}, writer);
    return out;
}
inline std::string simple_message(char type) { return std::string(1, type) + std::string("\0\0\0\4", 4); }
inline const std::string parse_complete = simple_message('1'), bind_complete = simple_message('2'), close_complete = simple_message('3'), no_data = simple_message('n'), suspended = simple_message('s');

}  // namespace dbguard::relay::postgres
