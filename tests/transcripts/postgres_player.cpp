#include "postgres_player.hpp"

#include <stdexcept>

#include "catalogue/postgres.hpp"
#include "policy/load.hpp"
#include "../support/fixture_language.hpp"
#include "../support/postgres_frames.hpp"
#include "postgres_text.hpp"
#include "wire/postgres/extended_query.hpp"

namespace dbguard::transcripts {

namespace wp = wire::postgres;

namespace {

bool asks_names(std::string_view sql) {
    const auto& questions = catalogue::postgres::questions();
    return sql == questions.state() || sql == questions.digest() || sql == questions.load();
}

bool is_own(std::string_view name) { return name.starts_with("dbguard_"); }

wp::FrameView view_of(const std::string& frame) { return {frame[0], std::string_view(frame).substr(wp::frame_header_bytes), frame}; }

std::string message(char type, std::string_view body = {}) {
    std::string out;
    ByteWriter writer(out);
    const auto at = wp::begin_frame(type, writer);
    writer.bytes(body);
    wp::end_frame(at, writer);
    return out;
}

}  // namespace

// A run of messages under dbguard's own name up to its Sync or Flush is one matter, about names when one of its texts is.
void mark_names(std::vector<Sent>& sent) {
    std::size_t begin = 0;
    bool own = false, names = false;
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const auto frame = view_of(sent[i].frame);
        bool here = false;
        if (frame.type == 'P') {
            const auto parse = wp::decode_parse(frame.body);
            here = parse && is_own(parse->statement);
            names = names || (here && asks_names(parse->sql));
        } else if (frame.type == 'B') {
            const auto bind = wp::decode_bind(frame.body);
            here = bind && is_own(bind->statement);
        } else if (frame.type == 'E') {
            const auto execute = wp::decode_execute(frame.body);
            here = execute && is_own(execute->portal);
        } else if (frame.type == 'C' || frame.type == 'D') {
            here = frame.body.size() > 1 && is_own(frame.body.substr(1));
        } else if (own && (frame.type == 'S' || frame.type == 'H')) {
            for (std::size_t k = begin; names && k <= i; ++k) sent[k].names = true;
        }
        if (here && !own) begin = i;
        if (!here) names = false;
        own = here;
    }
}

void Owed::sent(const Sent& message) {
    const char type = message.frame[0];
    if (type == 'H' || type == 'd' || type == 'c' || type == 'f' || type == 'X') return;
    owed_.push_back({type, message.names});
}

std::string Owed::answer(char status) {
    const char type = owed_.front().type;
    owed_.pop_front();
    switch (type) {
        case 'P': return message('1');
        case 'B': return message('2');
        case 'C': return message('3');
        case 'D': return message('n');
        case 'S': return message('Z', {&status, 1});
        default: return message('C', std::string_view("SELECT 1\0", 9));
    }
}

bool Owed::said(std::string_view frame) {
    const char type = frame[0];
    const bool names = this->names();
    if (owed_.empty()) return false;
    const char asked = owed_.front().type;
    const bool extended = asked != 'Q' && asked != 'F' && asked != 'S';
    switch (type) {
        case 'N':
        case 'S':
        case 'A': return names;
        case 'Z': owed_.pop_front(); break;
        case '1':
        case '2':
        case '3':
        case 's': owed_.pop_front(); break;
        case 'n': if (asked == 'D') owed_.pop_front(); break;
        case 'T': if (asked == 'D') owed_.pop_front(); break;
        case 'C':
        case 'I': if (asked == 'E') owed_.pop_front(); break;
        case 'E':
            while (extended && !owed_.empty() && owed_.front().type != 'S') owed_.pop_front();
            break;
        default: break;
    }
    return names;
}

PostgresPlayer::PostgresPlayer(const std::string& policy, const std::string& role, const std::string& schema) {
    auto loaded = policy::load(policy, "policy.yaml");
    if (!loaded.policy) throw std::runtime_error("the policy does not load");
    auto made = sql::postgres::catalogue_of_ddl(schema);
    if (!made) throw std::runtime_error("the schema is not understood: " + made.error().text());
    relay::postgres::fixture_schema() = *made;
    relay::EngineOptions options;
    options.language = &relay::postgres::fixture_language();
    options.policy = std::make_shared<const policy::Policy>(std::move(*loaded.policy));
    options.role = role;
    options.session = "s_1";
    engine_ = relay::make_engine(std::move(options));
    session_ = engine_->session();
    // What every server of ours reports when one has logged in.
    for (const auto& [name, value] : {std::pair{"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"}, {"IntervalStyle", "postgres"}, {"standard_conforming_strings", "on"}, {"TimeZone", "UTC"}})
        session_->parameter(name, value);
    adapter_ = std::make_unique<relay::postgres::Adapter>(*session_, limits_);
}

std::uint32_t PostgresPlayer::number_of(std::string_view schema, std::string_view relation) {
    const auto* found = relay::postgres::fixture_schema() ? relay::postgres::fixture_schema()->relation(schema, relation) : nullptr;
    return found == nullptr ? 0 : found->id;
}

Result<std::vector<std::string>> PostgresPlayer::play(std::string_view line) {
    std::vector<std::string> actions;
    if (line == "F CancelRequest") {
        adapter_->client_cancelled(now_);
        actions.emplace_back("> CancelRequest");  // the driver's to send, to the same server process
        return actions;
    }
    if (line == "B end") {
        adapter_->server_closed(now_, output_);
        drain({}, false, actions);
        return actions;
    }
    const auto bytes = wp::bytes_of_trace(line);
    if (!bytes) return bytes.error();
    const bool from_client = line[0] == 'F';
    std::string given = *bytes;
    if (from_client) {
        adapter_->from_client(given, now_, output_);
    } else {
        owed_.said(*bytes);
        adapter_->from_server(given, now_, output_);
    }
    drain(*bytes, from_client, actions);
    answer_questions(actions);
    while (adapter_->take_cancel()) {
        actions.emplace_back("> CancelRequest");
        adapter_->cancel_sent(now_, output_);
        drain({}, from_client, actions);
        answer_questions(actions);
    }
    if (actions.empty()) actions.emplace_back(adapter_->wants_client_bytes() || !from_client ? "nothing goes on" : "held");
    return actions;
}

void PostgresPlayer::answer_questions(std::vector<std::string>& actions) {
    while (owed_.names()) {
        std::string answer = owed_.answer(adapter_->transaction_status());
        adapter_->from_server(answer, now_, output_);
        drain({}, false, actions);
    }
}

void PostgresPlayer::drain(std::string_view came, bool from_client, std::vector<std::string>& actions) {
    to_server_ += output_.to_server.text();
    to_client_ += output_.to_client.text();
    output_.clear();
    std::vector<Sent> sent;
    for (auto& frame : wp::take_frames(to_server_, wp::Sender::frontend).value()) sent.push_back({std::move(frame), false});
    mark_names(sent);
    for (const Sent& one : sent) {
        owed_.sent(one);
        if (one.names) {
            // As one action, whatever it takes.
            if (actions.empty() || actions.back() != "> asks what names mean") actions.emplace_back("> asks what names mean");
        } else {
            actions.push_back("> " + (from_client && one.frame == came ? "as received" : wp::line_of(one.frame, wp::Sender::frontend).substr(2)));
        }
    }
    for (const auto& frame : wp::take_frames(to_client_, wp::Sender::backend).value())
        actions.push_back("< " + (!from_client && frame == came ? "as received" : wp::line_of(frame, wp::Sender::backend).substr(2)));
    if (adapter_->ended() && (actions.empty() || actions.back() != "end")) actions.emplace_back("end");
}

}  // namespace dbguard::transcripts
