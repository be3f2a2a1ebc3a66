#include "sql/postgres/parse.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

bool is_word(unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$' || c >= 0x80; }

// The end of what begins at `i` and holds no tokens: a comment, a string, a quoted name, a dollar quote. 0: none of these.
std::size_t skip_quoted(std::string_view text, std::size_t i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '-' && next == '-') return std::min(text.find('\n', i), text.size());
    if (c == '/' && next == '*') {
        std::size_t open = 1;
        for (i += 2; i < text.size() && open > 0;) {
            if (text.compare(i, 2, "*/") == 0) --open, i += 2;
            else if (text.compare(i, 2, "/*") == 0) ++open, i += 2;
            else ++i;
        }
        return i;
    }
    if (c == '\'' || c == '"') {
        // An E'' string ends no later than this takes it to end; what it thinks lies outside only adds to the bound.
        const std::size_t end = text.find(c, i + 1);
        return end == std::string_view::npos ? text.size() : end + 1;
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

std::size_t depth_bound(std::string_view text) {
    std::vector<std::size_t> runs{0};
    std::size_t open = 0;   // tokens of the enclosing runs
    std::size_t bound = 0;
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char c = text[i];
        if (std::isspace(c) != 0) {
            ++i;
            continue;
        }
        if (const std::size_t end = skip_quoted(text, i); end > i) {
            if (c == '\'' || c == '"' || c == '$') ++runs.back();
            i = end;
        } else if (c == '(' || c == '[') {
            open += runs.back() + 1;
            runs.push_back(0);
            ++i;
        } else if (c == ')' || c == ']') {
            if (runs.size() > 1) {
                runs.pop_back();
                open -= std::min(open, runs.back() + 1);
            }
            ++runs.back();
            ++i;
        } else if (c == ',' || c == ';') {
            runs.back() = 0;
            ++i;
        } else if (is_word(c)) {
            std::size_t end = i;
            while (end < text.size() && is_word(text[end])) ++end;
            const std::string_view word = text.substr(i, end - i);
            // AND and OR chains are flat in the grammar.
            if (same_word(word, "and") || same_word(word, "or")) runs.back() = 0;
            else ++runs.back();
            i = end;
        } else {
            ++runs.back();
            ++i;
        }
        bound = std::max(bound, open + runs.back());
    }
    return bound;
}

Parsed parse(std::string_view text) {
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

}  // namespace dbguard::sql::postgres
