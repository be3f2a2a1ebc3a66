#pragma once

// A recording as text for people: a timeline of statements with verdict, rule, columns, outcome and times.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "recording/reader.hpp"

namespace dbguard::recording {

/// `2026-11-20T14:03:07.114Z` → a point in time. Empty for anything else.
std::optional<Time> parse_time(std::string_view text);

/// What a recording says of itself, for lists.
struct Summary {
    std::string session, role, database, engine, login, policy, mode, agent, gateway, upstream, key;
    std::string previous;         ///< `session:head` of the one before, as the head names it
    std::vector<std::pair<std::string, std::string>> who;
    std::string began;            ///< as recorded
    std::string ended;            ///< empty: no `end`
    std::string why;              ///< of the end
    std::uint64_t statements = 0, denied = 0, failed = 0, masked = 0;
    std::string record_sql, record_results;  ///< what the policy has recorded; empty: not told
    std::uint64_t file_bytes = 0;
    bool being_written = false;
};

/// Reads the first and the last line only, and checks nothing. Without an `end` the counters are 0.
/// Errors: cannot_read, not_a_recording, unsupported_version.
Result<Summary> summarise(const std::string& path);

struct ReplayOptions {
    bool colour = false;
    /// Of a statement's text and of other texts; what is longer is cut, with its length. 0: all.
    std::size_t max_text_bytes = 2000;
    /// Recorded rows shown of each batch.
    std::size_t max_rows = 20;
    /// Only statements that were not simply allowed, and errors.
    bool only_denied = false;
    /// Only statements with an effect other than reading, transactions and the session's own settings.
    bool only_writes = false;
    /// Only the statement of this line. 0: all.
    LineNumber statement = 0;
    /// Only this connection's. 0: all.
    std::uint64_t connection = 0;

    bool narrows() const { return only_denied || only_writes || statement != 0 || connection != 0; }
};

/// Feed it the lines in order; it appends text. Everything from the recording is made harmless for terminals.
class Replay {
  public:
    explicit Replay(ReplayOptions options) : options_(options) {}
    /// Lines of an unknown type are passed over.
    void append(std::string& out, const LineView& line);
    /// Whether the options leave this line in: for those who show it themselves. Feed it the lines in order, instead of append().
    bool wants(const LineView& line);
    /// The time of the last line that had one and was shown.
    std::optional<Time> latest() const { return latest_; }

  private:
    struct Json;
    bool wants_statement(const Json& line, LineNumber number) const;
    bool wants_line(const Json& line, std::string_view type, LineNumber number);
    void head(std::string& out, const Json& line);
    void statement(std::string& out, LineNumber number, const Json& line);
    void columns(std::string& out, const Json& line);
    void rows(std::string& out, const Json& line);
    void end(std::string& out, const Json& line);
    void begin_detail(std::string& out, const Json& line);
    void clock(std::string& out, const Json& line);
    void connection(std::string& out, const Json& line);
    void text(std::string& out, std::string_view value, std::string_view margin);
    void coloured(std::string& out, std::string_view colour, std::string_view value);

    ReplayOptions options_;
    std::optional<Time> began_;
    std::optional<Time> latest_;
    std::uint64_t connection_ = 1;      ///< the one of the line before
    LineNumber shown_ = 0;              ///< the statement that was printed last
    std::vector<LineNumber> hidden_;    ///< statements that are not shown, and whose outcome is to come
};

}  // namespace dbguard::recording
