#include "cli/cmd_sessions.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "recording/directory.hpp"
#include "recording/printable.hpp"
#include "recording/reader.hpp"
#include "recording/replay.hpp"

namespace dbguard::cli {

namespace {

using recording::Summary;

struct SessionsArguments {
    std::string directory = ".";
    std::string session;
    bool json = false;
};

std::string_view state(const Summary& summary) {
    if (!summary.ended.empty()) return "ended";
    return summary.being_written ? "running" : "died";
}

nlohmann::ordered_json to_json(const Summary& summary, const std::string& path) {
    nlohmann::ordered_json object;
    object["session"] = summary.session;
    object["state"] = state(summary);
    object["began"] = summary.began;
    if (!summary.ended.empty()) {
        object["ended"] = summary.ended;
        object["why"] = summary.why;
        object["statements"] = summary.statements;
        object["denied"] = summary.denied;
        object["failed"] = summary.failed;
        object["masked_results"] = summary.masked;
    }
    object["role"] = summary.role;
    object["database"] = summary.database;
    object["engine"] = summary.engine;
    object["login"] = summary.login;
    object["upstream"] = summary.upstream;
    object["policy"] = summary.policy;
    if (!summary.mode.empty()) object["mode"] = summary.mode;
    if (!summary.record_sql.empty()) object["record"] = {{"sql", summary.record_sql}, {"results", summary.record_results}};
    object["gateway"] = summary.gateway;
    if (!summary.previous.empty()) object["previous"] = summary.previous;
    if (!summary.agent.empty()) object["agent"] = summary.agent;
    for (const auto& [name, value] : summary.who) object["who"][name] = value;
    object["file"] = path;
    object["file_bytes"] = summary.file_bytes;
    return object;
}

void print_json(const nlohmann::ordered_json& object) {
    const auto text = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::printf("%s\n", recording::printable_json(text).c_str());
}

std::string column(const std::string& text, std::size_t width) {
    std::string out = recording::printable(text.empty() ? "-" : text);
    if (out.size() < width) out.append(width - out.size(), ' ');
    return out + "  ";
}

int list(const SessionsArguments& arguments) {
    auto paths = recording::list_recordings(arguments.directory);
    if (!paths) {
        output().error(paths.error().text());
        return 4;
    }
    int code = exit_ok;
    std::vector<std::pair<Summary, std::string>> found;
    for (const auto& path : *paths) {
        auto summary = recording::summarise(path);
        if (!summary) {
            output().warning(path + ": " + summary.error().text());
            code = exit_failed;
            continue;
        }
        found.emplace_back(std::move(*summary), path);
    }
    // Latest first: RFC 3339 in UTC sorts as text.
    std::ranges::sort(found, [](const auto& a, const auto& b) {
        return std::tie(a.first.began, a.second) > std::tie(b.first.began, b.second);
    });
    if (!arguments.json && !found.empty())
        std::printf("%s%s%s%s%s%s\n", column("SESSION", 14).c_str(), column("BEGAN", 24).c_str(),
                    column("STATE", 7).c_str(), column("ROLE", 12).c_str(), column("DATABASE", 12).c_str(),
                    "STATEMENTS");
    for (const auto& [summary, path] : found) {
        if (arguments.json) {
            print_json(to_json(summary, path));
            continue;
        }
        std::string count = "-";
        if (!summary.ended.empty()) {
            count = std::to_string(summary.statements);
            if (summary.denied > 0) count += " (" + std::to_string(summary.denied) + " denied)";
        }
        std::printf("%s%s%s%s%s%s\n", column(summary.session, 14).c_str(), column(summary.began, 24).c_str(),
                    column(std::string(state(summary)), 7).c_str(), column(summary.role, 12).c_str(),
                    column(summary.database, 12).c_str(), count.c_str());
    }
    return std::fflush(stdout) == 0 ? code : exit_failed;
}

int show(const SessionsArguments& arguments) {
    const auto path = recording::recording_path(arguments.directory, arguments.session);
    auto summary = recording::summarise(path);
    if (!summary) {
        output().error(path + ": " + summary.error().text());
        return 4;
    }
    const auto verified = recording::verify_file(path);
    if (arguments.json) {
        auto object = to_json(*summary, path);
        object["verified"] = recording::name(verified.outcome);
        object["lines"] = verified.lines;
        object["head"] = verified.chain_head;
        print_json(object);
    } else {
        const auto row = [](std::string_view name, const std::string& value) {
            if (!value.empty())
                std::printf("%s%s\n", column(std::string(name), 10).c_str(), recording::printable(value).c_str());
        };
        row("session", summary->session);
        row("state", std::string(state(*summary)) + (summary->why.empty() ? "" : " (" + summary->why + ")"));
        row("began", summary->began);
        row("ended", summary->ended);
        row("role", summary->role);
        row("database", summary->database + (summary->engine.empty() ? "" : " (" + summary->engine + ")"));
        row("server", summary->upstream);
        row("login", summary->login);
        row("policy", summary->policy);
        row("mode", summary->mode);
        row("records", summary->record_sql.empty() ? "" : "sql: " + summary->record_sql + ", results: " + summary->record_results);
        row("agent", summary->agent.empty() ? "" : summary->agent + " (as declared)");
        for (const auto& [name, value] : summary->who) row("who", name + ": " + value);
        if (!summary->ended.empty())
            row("statements", std::to_string(summary->statements) + ", " + std::to_string(summary->denied) +
                                  " denied, " + std::to_string(summary->failed) + " failed");
        if (summary->masked > 0) row("masked", std::to_string(summary->masked) + (summary->masked == 1 ? " result" : " results") + " with masked columns");
        row("gateway", summary->gateway);
        row("follows", summary->previous.substr(0, summary->previous.find(':')));
        row("file", path);
        row("verified", recording::text(verified));
        row("head", verified.chain_head);
    }
    const bool doubtful = verified.outcome == recording::Verification::Outcome::broken ||
                          verified.outcome == recording::Verification::Outcome::unreadable;
    return std::fflush(stdout) == 0 && !doubtful ? exit_ok : exit_failed;
}

}  // namespace

void add_sessions_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<SessionsArguments>();
    auto* command = app.add_subcommand("sessions", "List recorded sessions, or show one");
    command->require_subcommand(1);
    const auto options = [&](CLI::App* one) {
        one->add_option("--dir", arguments->directory, "Where recordings are")
            ->envname("DBGUARD_RECORD_DIR")->capture_default_str();
        one->add_flag("--json", arguments->json, "One JSON object a session");
    };
    auto* list_command = command->add_subcommand("list", "All sessions in a directory, latest first");
    options(list_command);
    list_command->callback([arguments, &exit_code] { exit_code = list(*arguments); });
    auto* show_command = command->add_subcommand("show", "Who, what, when; and whether the recording holds");
    show_command->add_option("session", arguments->session, "A session in --dir, or a .dbgl file")->required();
    options(show_command);
    show_command->callback([arguments, &exit_code] { exit_code = show(*arguments); });
}

}  // namespace dbguard::cli
