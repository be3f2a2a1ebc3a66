#include "sql/postgres/parse.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>

#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

// A hundredth of a second's work for the scanner.
constexpr std::size_t max_rescanned_bytes = 10'000'000;

// A table: every byte of every new text is looked up.
constexpr std::array<bool, 256> word_bytes = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < out.size(); ++c)
        out[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
    return out;
}();
bool is_word(unsigned char c) { return word_bytes[c]; }

// At least as many as there are; once above `enough` nobody counts further.
std::size_t most_tokens(std::string_view text, std::size_t enough) {
    std::size_t tokens = 0;
    bool in_word = false;
    for (std::size_t i = 0; i < text.size() && tokens <= enough; ++i) {
        const bool word = is_word(static_cast<unsigned char>(text[i]));
        if (word ? !in_word : text[i] != ' ') ++tokens;
        in_word = word;
    }
    return tokens;
}

bool is_operator(char c) { return std::string_view("~!@#^&|`?+-*/%<>=").find(c) != std::string_view::npos; }

// How often the scanner looks at the same bytes: where a comment begins it reads all the operator characters that follow
// (scan.l, xcstart) and gives them back, so that `/*/*/*…` takes quadratic time.
struct Rescans {
    std::size_t bytes = 0;
    std::size_t run_end = 0;

    void comment_begins(std::string_view text, std::size_t i) {
        if (run_end < i + 2) run_end = i + 2;
        while (run_end < text.size() && is_operator(text[run_end])) ++run_end;
        bytes += run_end - i;
    }
};

// The end of what begins at `i` and holds no tokens: a comment, a string, a quoted name, a dollar quote. 0: none of these.
std::size_t skip_quoted(std::string_view text, std::size_t i, Rescans& rescans) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '-' && next == '-') return std::min(text.find_first_of("\n\r", i), text.size());
    if (c == '/' && next == '*') {
        std::size_t open = 1;
        rescans.comment_begins(text, i);
        for (i += 2; i < text.size() && open > 0;) {
            if (text.compare(i, 2, "*/") == 0) {
                --open, i += 2;
            } else if (text.compare(i, 2, "/*") == 0) {
                rescans.comment_begins(text, i);
                ++open, i += 2;
            } else {
                ++i;
            }
        }
        return i;
    }
    if (c == '\'' || c == '"') {
        const bool escapes = c == '\'' && i > 0 && (text[i - 1] == 'e' || text[i - 1] == 'E') && (i == 1 || !is_word(text[i - 2]));
        if (!escapes) {
            const std::size_t end = text.find(c, i + 1);
            return end == std::string_view::npos ? text.size() : end + 1;
        }
        for (++i; i < text.size() && text[i] != '\'';) i += text[i] == '\\' ? 2 : 1;
        return std::min(i + 1, text.size());
    }
    if (c == '$' && (i == 0 || !is_word(text[i - 1]))) {
        std::size_t tag = i + 1;
        while (tag < text.size() && text[tag] != '$' && is_word(text[tag])) ++tag;
        if (tag >= text.size() || text[tag] != '$' || std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0) return 0;
        const std::size_t end = text.find(text.substr(i, tag + 1 - i), tag + 1);
        return end == std::string_view::npos ? text.size() : end + (tag + 1 - i);
    }
    return 0;
}

bool same_word(std::string_view word, std::string_view lower) {
    return word.size() == lower.size() && std::equal(word.begin(), word.end(), lower.begin(), [](char a, char b) {
               return std::tolower(static_cast<unsigned char>(a)) == b;
           });
}

/// What stands between two brackets of one level.
struct Level {
    std::size_t run = 0;    ///< tokens since the last one that separates
    /// Words that nest without brackets, whatever separates their operands: UNION, JOIN, CASE. Which END ends a CASE is not
    /// told (`t.end`), so a CASE counts to the end of the statement.
    std::size_t kept = 0;

    std::size_t depth() const { return run + kept; }
};

// Bytes of the `characters`-th character (1-based), as PostgreSQL counts positions.
std::uint32_t byte_offset(std::string_view text, int characters) {
    std::size_t i = 0;
    for (int seen = 1; i < text.size() && seen < characters; ++seen) {
        ++i;
        while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) ++i;
    }
    return static_cast<std::uint32_t>(i);
}

}  // namespace

std::size_t end_of_quoted(std::string_view text, std::size_t i) {
    Rescans unbounded;
    return skip_quoted(text, i, unbounded);
}

std::size_t depth_bound(std::string_view text) {
    // Nothing is deeper than it has bytes, or tokens, and most texts have few.
    if (text.size() <= shallow_depth) return text.size();
    if (const std::size_t tokens = most_tokens(text, shallow_depth); tokens <= shallow_depth) return tokens;
    std::vector<Level> levels{Level{}};
    Rescans rescans;
    std::size_t open = 0;   // of the enclosing levels
    std::size_t bound = 0;
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char c = text[i];
        Level& level = levels.back();
        if (std::isspace(c) != 0) {
            ++i;
            continue;
        }
        if (const std::size_t end = skip_quoted(text, i, rescans); end > i) {
            if (c == '\'' || c == '"' || c == '$') ++level.run;
            if (rescans.bytes > max_rescanned_bytes) return std::numeric_limits<std::size_t>::max();
            i = end;
        } else if (c == '(' || c == '[') {
            open += level.depth() + 1;
            levels.emplace_back();
            ++i;
        } else if (c == ')' || c == ']') {
            if (levels.size() > 1) {
                levels.pop_back();
                open -= std::min(open, levels.back().depth() + 1);
            }
            ++levels.back().run;
            ++i;
        } else if (c == ',') {
            level.run = 0;
            ++i;
        } else if (c == ';') {
            level = {};
            ++i;
        } else if (is_word(c)) {
            std::size_t end = i;
            while (end < text.size() && is_word(text[end])) ++end;
            const std::string_view word = text.substr(i, end - i);
            const auto is = [&](std::string_view lower) { return same_word(word, lower); };
            // AND and OR chains are flat in the grammar.
            if (is("and") || is("or")) level.run = 0;
            else if (is("join") || is("case") || is("union") || is("except") || is("intersect")) ++level.kept;
            else ++level.run;
            i = end;
        } else {
            ++level.run;
            ++i;
        }
        bound = std::max(bound, open + levels.back().depth());
    }
    return bound;
}

namespace {

/// The text with blanks for the comments between the parts of a constant (`'a' -- why` and a second line `'b'`): white space to the
/// server's scanner (scan.l, whitespace_with_newline), tokens to the one here, which has it from there but tells of comments. Empty:
/// there are none, or a backslash leaves open where a constant ends.
std::string joined_constants(std::string_view text) {
    std::string out;
    if (text.find('\\') != std::string_view::npos || text.find("--") == std::string_view::npos) return out;
    Rescans rescans;
    for (std::size_t i = 0; i < text.size() && rescans.bytes <= max_rescanned_bytes;) {
        const std::size_t end = skip_quoted(text, i, rescans);
        const bool constant = end > i && text[i] == '\'';
        i = std::max(end, i + 1);
        if (!constant) continue;
        std::vector<std::pair<std::size_t, std::size_t>> comments;
        bool lines = false;
        std::size_t next = end;
        for (; next < text.size(); ++next) {
            const char c = text[next];
            if (text.compare(next, 2, "--") == 0) {
                comments.emplace_back(next, std::min(text.find_first_of("\n\r", next), text.size()));
                next = comments.back().second - 1;
            } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f') {
                break;
            }
            lines = lines || c == '\n' || c == '\r';
        }
        if (!lines || next >= text.size() || text[next] != '\'') continue;
        if (out.empty() && !comments.empty()) out = text;
        for (const auto& [begin, behind] : comments) std::fill(out.begin() + static_cast<std::ptrdiff_t>(begin), out.begin() + static_cast<std::ptrdiff_t>(behind), ' ');
    }
    return out;
}

Parsed parse_as_written(std::string_view text) {
    Parsed parsed;
    const std::string owned(text);
    MemoryContext context = pg_query_enter_memory_context();
    PgQueryInternalParsetreeAndError result = pg_query_raw_parse(owned.c_str(), PG_QUERY_PARSE_DEFAULT);
    if (result.error != nullptr) {
        parsed.error = result.error->message != nullptr ? result.error->message : "syntax error";
        parsed.error_at = byte_offset(text, result.error->cursorpos);
        pg_query_free_error(result.error);
    } else {
        const int count = list_length(result.tree);
        parsed.statements.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) {
            const auto* raw = static_cast<const RawStmt*>(list_nth(result.tree, i));
            tree::Statement statement = lower_statement(raw->stmt);
            statement.begin = static_cast<std::uint32_t>(std::max(0, raw->stmt_location));
            statement.length = raw->stmt_len > 0 ? static_cast<std::uint32_t>(raw->stmt_len)
                                                 : static_cast<std::uint32_t>(text.size()) - statement.begin;
            parsed.statements.push_back(std::move(statement));
        }
    }
    std::free(result.stderr_buffer);
    pg_query_exit_memory_context(context);
    return parsed;
}

}  // namespace

Parsed parse(std::string_view text) {
    Parsed parsed = parse_as_written(text);
    if (parsed.error.empty()) return parsed;
    if (const std::string joined = joined_constants(text); !joined.empty())
        if (Parsed again = parse_as_written(joined); again.error.empty()) return again;
    return parsed;
}

namespace {

/// The end of the cast that begins at `begin`, where it stands behind a constant of CYCLE; 0: it does not.
std::size_t cycle_cast_end(std::string_view text, std::size_t begin) {
    if (begin == 0 || text.substr(begin, 2) != "::" || text[begin - 1] != '\'') return 0;
    for (std::size_t i = begin + 2; i < text.size(); ++i) {
        const std::string_view rest = text.substr(i);
        if (rest.starts_with(" DEFAULT ") || rest.starts_with(" USING ")) return i;
        if (text[i] == '"') {
            i = text.find('"', i + 1);
            if (i == std::string_view::npos) return 0;
        } else if (!is_word(static_cast<unsigned char>(text[i])) && std::string_view(" .,()[]").find(text[i]) == std::string_view::npos) {
            return 0;
        }
    }
    return 0;
}

}  // namespace

Parsed parse_printed(std::string_view text) {
    Parsed parsed = parse(text);
    std::string without(text);
    for (int casts = 0; !parsed.error.empty() && casts < 32; ++casts) {
        const std::size_t end = cycle_cast_end(without, parsed.error_at);
        if (end == 0) break;
        without.erase(parsed.error_at, end - parsed.error_at);
        parsed = parse(without);
    }
    return parsed;
}

}  // namespace dbguard::sql::postgres
