#include "recording.hpp"

#include <charconv>
#include <map>
#include <optional>
#include <sstream>

#include "postgres_player.hpp"
#include "../support/postgres_frames.hpp"
#include "wire/postgres/result.hpp"

namespace dbguard::transcripts {

namespace wp = wire::postgres;

namespace {

struct Tapped {
    char side;  ///< F, B, >, <
    std::string frame;
    bool names = false;
};

using Numbers = std::map<std::uint32_t, std::uint32_t>;  ///< of relations: the server's → the schema's

std::optional<std::string> from_hex(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += 2) {
        unsigned byte = 0;
        const char* end = text.data() + std::min(at + 2, text.size());
        const auto [stopped, error] = std::from_chars(text.data() + at, end, byte, 16);
        if (error != std::errc{} || stopped != text.data() + at + 2) return {};
        out.push_back(static_cast<char>(byte));
    }
    return out;
}

/// A RowDescription with the schema's numbers; also with sizes of types as bytes_of_trace() gives them.
std::string as_the_schema_has_it(const std::string& frame, const Numbers& numbers) {
    if (frame[0] != 'T') return frame;
    const auto description = wp::decode_row_description(std::string_view(frame).substr(wp::frame_header_bytes));
    if (!description) return frame;
    auto columns = wp::to_columns(*description);
    for (auto& column : columns) {
        column.type_size = -1;
        if (const auto known = numbers.find(column.relation); known != numbers.end()) column.relation = known->second;
    }
    std::string out;
    ByteWriter writer(out);
    [[maybe_unused]] const auto encoded = wp::encode_row_description(columns, writer);
    return out;
}

/// What really went to one side, against what the transcript says. Empty: the same.
std::string difference(const std::vector<std::string>& happened, const std::vector<std::string>& played) {
    for (std::size_t i = 0; i < std::max(happened.size(), played.size()); ++i) {
        const std::string is = i < happened.size() ? happened[i] : "(nothing)", says = i < played.size() ? played[i] : "(nothing)";
        if (is != says) return "message " + std::to_string(i + 1) + "\n  happened: " + is + "\n  played:   " + says;
    }
    return {};
}

}  // namespace

Result<Transcript> transcript_of(std::string_view tap, Player& player) {
    const auto blank = std::min(tap.find("\n\n"), tap.size());
    auto head = read(tap.substr(0, blank));
    if (!head) return head.error();
    Transcript out = std::move(*head);
    std::vector<Tapped> all;
    Numbers numbers;
    std::istringstream lines{std::string(tap.substr(blank))};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty()) continue;
        std::istringstream words(line);
        std::string side, what, schema, name;
        words >> side >> what;
        if (side == "relation") {
            words >> schema >> name;
            if (const auto number = PostgresPlayer::number_of(schema, name)) numbers[static_cast<std::uint32_t>(std::stoul(what))] = number;
        } else if (what == "CancelRequest") {
            all.push_back({'F', {}, false});
        } else {
            const auto bytes = from_hex(what);
            if (!bytes || side.size() != 1) return Error{"bad_tap", line};
            all.push_back({side[0], *bytes, false});
        }
    }

    // Which messages to the server ask for names, and which of its answers are to those.
    std::vector<Sent> sent;
    for (const auto& one : all)
        if (one.side == '>') sent.push_back({one.frame, false});
    mark_names(sent);
    Owed owed;
    std::size_t next = 0;
    for (auto& one : all) {
        if (one.side == '>') {
            one.names = sent[next].names;
            owed.sent(sent[next++]);
        } else if (one.side == 'B') {
            one.names = owed.said(one.frame);
        }
    }

    std::vector<std::string> to_server, to_client;
    for (const auto& one : all) {
        if (one.names) continue;
        if (one.side == '>') {
            to_server.push_back(wp::line_of(one.frame, wp::Sender::frontend));
        } else if (one.side == '<') {
            to_client.push_back(wp::line_of(as_the_schema_has_it(one.frame, numbers), wp::Sender::backend));
        } else if (one.side == 'F') {
            out.steps.push_back({one.frame.empty() ? "F CancelRequest" : wp::line_of(one.frame, wp::Sender::frontend), {}});
        } else {
            out.steps.push_back({wp::line_of(as_the_schema_has_it(one.frame, numbers), wp::Sender::backend), {}});
        }
    }

    std::vector<std::string> says_server, says_client;
    for (auto& step : out.steps) {
        auto actions = player.play(step.line);
        if (!actions) return actions.error();
        step.actions = std::move(*actions);
        for (const auto& action : step.actions) {
            if (action == "> asks what names mean" || action == "> CancelRequest") continue;
            const bool server = action[0] == '>';
            if (!server && action[0] != '<') continue;
            const std::string line = action.substr(2) == "as received" ? step.line : (server ? "F " : "B ") + action.substr(2);
            (server ? says_server : says_client).push_back(line);
        }
    }
    if (const auto differs = difference(to_server, says_server); !differs.empty()) return Error{"not_what_happened", "to the server, " + differs};
    if (const auto differs = difference(to_client, says_client); !differs.empty()) return Error{"not_what_happened", "to the client, " + differs};
    return out;
}

}  // namespace dbguard::transcripts
