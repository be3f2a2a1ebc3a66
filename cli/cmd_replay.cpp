#include "cli/cmd_replay.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "recording/directory.hpp"
#include "recording/printable.hpp"
#include "recording/reader.hpp"
#include "recording/replay.hpp"

namespace dbguard::cli {

namespace {

struct ReplayArguments {
    std::string recording;
    std::string directory = ".";
    bool json = false;
    bool denied = false;
    bool full = false;
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
    if (arguments.full) options.max_text_bytes = 0, options.max_rows = SIZE_MAX;
    recording::Replay timeline(options);
    std::string text;
    const auto write = [&] {
        const bool good = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
        text.clear();
        return good;
    };
    for (;;) {
        auto line = reader->next();
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
        if (arguments.json)
            text.append(recording::printable_json((*line)->bytes)).push_back('\n');
        else
            timeline.append(text, **line);
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
    command->add_flag("--full", arguments->full, "Texts and rows of any length");
    command->footer("Shows each statement with its verdict and rule, which columns were masked, what came of it and when.\n"
                    "The chain is checked on the way: 0 shown, 1 changed from here on, 2 torn tail, 4 unreadable.\n");
    command->callback([arguments, &exit_code] { exit_code = replay(*arguments); });
}

}  // namespace dbguard::cli
