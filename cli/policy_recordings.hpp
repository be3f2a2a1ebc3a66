#pragma once

// What recordings tell `policy diff` and `policy suggest`: sessions, the different texts with their effects and verdicts, and
// each time one of them came. doc/recording-format.md says what the lines hold; what they do not hold (the values of hidden
// literals) is not made up here.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "sql/effect.hpp"

namespace dbguard::cli {

struct RecordedSession {
    std::string file, session, began, policy, role, database, engine, mode;
    std::string caller;        ///< the workflow or pipeline, as far as claims tell; else empty
    bool facts = false, names_unknown = false;  ///< as of its texts
    std::size_t statements = 0;
    std::uint64_t rows = 0;    ///< of all its results
};

/// A text that came once or more often, with what was made of it.
struct RecordedText {
    std::string sql;           ///< as recorded: redacted
    std::string fingerprint;
    std::string unparsed;      ///< why it was not understood; empty: it was
    std::string verdict, rule; ///< at its first time
    std::string shadow;        ///< what it would have been, were shadow rules enforced
    /// Objects of names with several points are not resolved.
    std::vector<sql::Effect> effects;
    bool facts = false;          ///< the effects say columns and facts; else only classes and objects
    std::uint64_t bytes = 0;   ///< of the text as it came
    bool cut = false;
    bool no_query = false;       ///< a function call message, a setting of the startup packet
    bool foreign_class = false;  ///< an effect of a class this program does not know
    /// The session knew no catalogue, as none of its policy's rules went by name: names stand as they were typed, views and
    /// functions for themselves.
    bool names_unknown = false;
};

struct RecordedStatement {
    std::size_t text = 0;      ///< index
    std::size_t session = 0;   ///< index
    std::uint64_t line = 0;
    std::string at;            ///< as recorded
    std::chrono::system_clock::time_point time;
    bool sent = false, done = false, failed = false;
    std::uint64_t rows = 0, bytes = 0, affected = 0;
    double milliseconds = 0;
};

struct Recordings {
    std::vector<RecordedSession> sessions;
    std::vector<RecordedText> texts;
    std::vector<RecordedStatement> statements;
    /// What could not be read, and why: one clause each.
    std::vector<std::string> left_out;
};

/// Reads files, and all recordings of folders. Of one whose tail is torn, what is whole; one that was changed is left out
/// whole, and so is one of another engine than PostgreSQL. `since`: sessions that began earlier are passed over.
/// Errors: cannot_read (a path that is not there).
Result<Recordings> read_recordings(const std::vector<std::string>& paths, std::optional<std::chrono::system_clock::time_point> since);

/// The same for options: `since` is a duration, or empty. Says on stderr what is wrong, and what was left out; the exit code.
int load_recordings(const std::vector<std::string>& paths, const std::string& since, Recordings& out);

/// `UPDATE 12` → 12; 0 for commands that change no rows.
std::uint64_t affected_rows(std::string_view tag);

}  // namespace dbguard::cli
