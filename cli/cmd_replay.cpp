#include "cli/cmd_replay.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "recording/directory.hpp"
#include "recording/printable.hpp"
#include "recording/reader.hpp"
#include "recording/replay.hpp"

namespace dbguard::cli {

namespace {

constexpr std::chrono::milliseconds follow_every{200};
constexpr int damaged_looks = 5;
constexpr std::chrono::duration<double> longest_pause{2};  // idle time is compressed to this

struct ReplayArguments {
    std::string recording;
    std::string directory = ".";
    bool json = false;
    bool denied = false;
    bool full = false;
    bool writes = false;
    bool follow = false;
    double speed = 0;  ///< 0: all at once
    std::uint64_t statement = 0;
    std::uint64_t connection = 0;
};

/// NO_COLOR (no-color.org) and terminals only.
bool colour_on_stdout() {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && (!no_color || !*no_color) && (!term || std::string_view(term) != "dumb");
}

int replay(const ReplayArguments& arguments) {
    const auto path = recording::recording_path(arguments.directory, arguments.recording);
    auto reader = recording::Reader::open(path);
    if (!reader) {
        output().error(reader.error().text());
        return 4;
    }
    recording::ReplayOptions options;
    options.colour = colour_on_stdout();
    options.only_denied = arguments.denied;
    options.only_writes = arguments.writes;
    options.statement = arguments.statement;
    options.connection = arguments.connection;
    if (arguments.full) options.max_text_bytes = 0, options.max_rows = SIZE_MAX;
    recording::Replay timeline(options);
    std::string text;
    const auto write = [&] {
        const bool good = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
        text.clear();
        return good;
    };
    std::optional<recording::Time> shown_until;
    int looks_at_damage = 0;
    for (;;) {
        auto line = reader->next();
        // What is being written may be half written.
        const bool grows = arguments.follow && (!line || !*line) && !reader->ended() && looks_at_damage < damaged_looks;
        if (grows && recording::is_being_written(path)) {
            // A torn tail is the line that is being written; anything else that does not fit may have been seen half written, too.
            looks_at_damage = line || line.error().code == recording::errc::torn_tail ? 0 : looks_at_damage + 1;
            if (std::fflush(stdout) != 0) return exit_failed;
            std::this_thread::sleep_for(follow_every);
            if (reader->read_on()) continue;
        } else if (grows && reader->read_on()) {
            // It ended between the look at its end and the look for its writer: one more look.
            looks_at_damage = damaged_looks;
            continue;
        }
        if (!line) {
            // What came before holds and was shown; what comes now cannot be trusted.
            (void)write();
            std::fflush(stdout);
            const bool torn = line.error().code == recording::errc::torn_tail;
            output().line(torn ? Level::warning : Level::error, "recording", path + ": " + line.error().text());
            if (torn) return 2;
            const bool changed = reader->lines() > 0 && line.error().code != recording::errc::cannot_read;
            return changed ? exit_failed : 4;
        }
        if (!*line) break;
        looks_at_damage = 0;
        if (arguments.json && options.narrows() && !timeline.wants(**line)) continue;
        if (arguments.json)
            text.append(recording::printable_json((*line)->bytes)).push_back('\n');
        else
            timeline.append(text, **line);
        if (arguments.speed > 0 && !text.empty()) {
            const auto at = timeline.latest();
            if (at && shown_until && *at > *shown_until) {
                if (std::fflush(stdout) != 0) return exit_failed;
                std::this_thread::sleep_for(std::min<std::chrono::duration<double>>(longest_pause, std::chrono::duration<double>(*at - *shown_until) / arguments.speed));
            }
            if (at) shown_until = at;
        }
        if (!write()) return exit_failed;  // nobody reads any more
    }
    if (std::fflush(stdout) != 0) return exit_failed;
    if (!reader->ended() && !arguments.json)
        output().line(Level::info, "recording",
                      recording::is_being_written(path) ? "the session is still running"
                                                        : "no end: the writer died, or the tail is missing");
    return exit_ok;
}

}  // namespace

void add_replay_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<ReplayArguments>();
    auto* command = app.add_subcommand("replay", "Show a recorded session as a timeline of statements");
    command->add_option("recording", arguments->recording, "A .dbgl file, or a session in --dir")->required();
    command->add_option("--dir", arguments->directory, "Where recordings are")
        ->envname("DBGUARD_RECORD_DIR")->capture_default_str();
    command->add_flag("--json", arguments->json, "The recorded lines themselves");
    command->add_flag("--denied", arguments->denied, "Only what was denied, asked about, warned of, or failed");
    command->add_flag("--writes", arguments->writes, "Only statements that do more than read");
    command->add_option("--statement", arguments->statement, "Only the statement of this number")->type_name("N");
    command->add_option("--connection", arguments->connection, "Only this one of the session's connections")->type_name("N");
    command->add_flag("--follow,-f", arguments->follow, "While the session goes on, wait for more");
    command->add_option("--speed", arguments->speed, "As it happened, this many times as fast; pauses last 2 s at most")
        ->type_name("X")->check(CLI::Range(0.01, 10000.0))->excludes("--json");
    command->add_flag("--full", arguments->full, "Texts and rows of any length");
    command->footer("Shows each statement with its verdict and rule, which columns were masked, what came of it and when.\n"
                    "The chain is checked on the way: 0 shown, 1 changed from here on, 2 torn tail, 4 unreadable.\n");
    command->callback([arguments, &exit_code] { exit_code = replay(*arguments); });
}

}  // namespace dbguard::cli
