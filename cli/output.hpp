#pragma once

// The one voice of the program on stderr. stdout belongs to the wrapped command (run), or to the answer that
// was asked for.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace dbguard::cli {

/// Most important first.
enum class Level : std::uint8_t {
    error,    ///< something failed; always shown
    warning,  ///< a denial, a wait, something to look at; not with --quiet
    info,     ///< one line at the start, one at the end; not with --quiet
    detail,   ///< allowed statements and the like; only with --verbose, and in the log file
};

/// A named value of an event, for --json and the log file.
using Field = std::pair<std::string, std::variant<std::string, std::int64_t, bool>>;
using Fields = std::vector<Field>;

class Output {
  public:
    struct Options {
        bool quiet = false;
        bool verbose = false;
        bool json = false;  ///< each line is one JSON object
        std::string
            log_file{};  ///< gets every event, whatever quiet and verbose say; appended to, mode 0600
        bool log_json = true;  ///< the log file's form
    };

    /// Errors: cannot_open (the log file).
    Result<void> configure(Options options);
    const Options& options() const { return options_; }

    /// One line: `dbguard: TEXT`, or {"v":1,"time":…,"level":…,"event":EVENT,"text":TEXT, fields…}. Text from
    /// outside (SQL, server messages, names) may be part of `text` and of fields: control characters and what a
    /// CI's log would take for a command are made harmless. One write(2) a line, so lines of several processes
    /// do not mix. From any thread.
    void line(
        Level level, std::string_view event, std::string_view text, const Fields& fields = {}
    );

    void error(std::string_view text) { line(Level::error, "error", text); }
    void warning(std::string_view text) { line(Level::warning, "warning", text); }
    void info(std::string_view text) { line(Level::info, "info", text); }
    void detail(std::string_view text) { line(Level::detail, "detail", text); }

    Output();
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

  private:
    struct State;

    Options options_;
    std::unique_ptr<State> state_;
};

/// The program's own.
Output& output();

/// `text` for one line of a terminal or a log: line breaks, escape sequences, other control characters,
/// bidirectional overrides and invalid UTF-8 as visible escapes, and GitHub's old `##[command]`, which its
/// runner finds anywhere in a line, broken up. Longer than `max_bytes`: cut, with `…`.
std::string printable(std::string_view text, std::size_t max_bytes = 4096);

/// Whether stderr is to be coloured: NO_COLOR, CLICOLOR_FORCE, TERM=dumb, and whether it is a terminal.
bool use_colour();

}  // namespace dbguard::cli
