#include "sql/postgres/text_shape.hpp"

#include <array>
#include <cstdint>

namespace dbguard::sql::postgres {
namespace {

constexpr std::size_t max_shape_bytes = 64 * 1024;

/// What a byte can begin.
enum Class : std::uint8_t { other, letter, digit, plain, special };

// plain: goes on as it is, and nothing begins with it. special: looked at more closely.
constexpr std::array<Class, 256> classes = [] {
    std::array<Class, 256> out{};
    for (int c = 'a'; c <= 'z'; ++c) out[static_cast<std::size_t>(c)] = out[static_cast<std::size_t>(c - 32)] = letter;
    out['_'] = letter;
    for (int c = '0'; c <= '9'; ++c) out[static_cast<std::size_t>(c)] = digit;
    for (const char c : {' ', '\n', '\t', '\r', ',', '(', ')', '[', ']', '=', '<', '>', '+', '*', '%', ':', '!', '~', '|', '^', '#', '@', '&'})
        out[static_cast<std::size_t>(c)] = plain;
    for (const char c : {'.', '\'', '"', '$', '-', '/', ';'}) out[static_cast<std::size_t>(c)] = special;
    return out;
}();

Class class_of(char c) { return classes[static_cast<std::uint8_t>(c)]; }
bool is_digit(char c) { return class_of(c) == digit; }

constexpr std::array<bool, 256> words = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < out.size(); ++c) out[c] = classes[c] == letter || classes[c] == digit || c == '$';
    return out;
}();
bool is_word(char c) { return words[static_cast<std::uint8_t>(c)]; }

/// From behind the opening quote to behind the closing one; npos: none, or a byte that is no printable ASCII stands before it.
std::size_t end_of_quotes(std::string_view text, std::size_t i, char quote) {
    for (; i < text.size() && text[i] >= 0x20 && text[i] <= 0x7e; ++i)
        if (text[i] == quote) {
            if (i + 1 >= text.size() || text[i + 1] != quote) return i + 1;
            ++i;
        }
    return std::string_view::npos;
}

/// From behind the opening of a comment to behind its end; npos: none, another opening, or a byte that is no printable ASCII.
std::size_t end_of_comment(std::string_view text, std::size_t i) {
    for (; i + 1 < text.size(); ++i) {
        if (text[i] == '*' && text[i + 1] == '/') return i + 2;
        if (text[i] == '/' && text[i + 1] == '*') return std::string_view::npos;
        if ((text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') || text[i] > 0x7e) return std::string_view::npos;
    }
    return std::string_view::npos;
}

}  // namespace

bool text_shape(std::string_view text, std::string& out) {
    out.clear();
    if (text.size() > max_shape_bytes) return false;
    std::size_t i = 0;
    std::size_t copied = 0;   // up to here stands in `out`
    const auto replace = [&](std::size_t begin, std::string_view with) {
        out.append(text.substr(copied, begin - copied));
        out.append(with);
        copied = i;
    };
    while (i < text.size()) {
        const char c = text[i];
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        switch (class_of(c)) {
            case plain:
                ++i;
                continue;
            case letter:
                while (i < text.size() && is_word(text[i])) ++i;
                if (i < text.size() && text[i] == '\'') return false;   // E'', B'', N'' …
                continue;
            case other: return false;   // also `?`, which could be taken for a literal's place, and \ of psql
            case digit: break;
            case special:
                if (c == '.' && !is_digit(next)) {
                    ++i;
                    continue;
                }
                break;
        }
        const std::size_t begin = i;
        if (c == '.' || is_digit(c)) {
            if (c == '0' && is_digit(next)) return false;   // 007: more digits than the number has
            while (i < text.size() && is_digit(text[i])) ++i;
            const std::size_t digits = i - begin;
            bool whole = digits > 0;
            if (i < text.size() && text[i] == '.') {
                whole = false;
                ++i;
                if (i < text.size() && text[i] == '.') return false;   // 1..10
                while (i < text.size() && is_digit(text[i])) ++i;
            }
            if (i < text.size() && (is_word(text[i]) || text[i] == '.' || text[i] == '\'')) return false;   // 1e5, 0x1f, 1_000
            replace(begin, !whole ? "?d" : digits <= 4 ? "?n" : digits <= 9 ? "?i" : "?l");
        } else if (c == '\'' || c == '"') {
            if (i > 0 && (text[i - 1] == '&' || text[i - 1] == '\'' || text[i - 1] == '"')) return false;   // U&''
            i = end_of_quotes(text, i + 1, c);
            if (i == std::string_view::npos || (i < text.size() && (text[i] == '"' || text[i] == '\''))) return false;
            if (c == '\'') replace(begin, i - begin == 2 ? "?e" : "?s");
        } else if (c == '$') {
            if (!is_digit(next)) return false;
            for (++i; i < text.size() && is_digit(text[i]);) ++i;
            if (i < text.size() && is_word(text[i])) return false;
        } else if (c == ';') {
            // Only at the end.
            if (text.find_first_not_of("; \n\t\r", i) != std::string_view::npos) return false;
            i = text.size();
        } else {
            if (c == '-' && next == '-') return false;
            ++i;
            if (c == '/' && next == '*') {
                // What drivers put before a statement to say where it comes from. Comments nest: one inside is in doubt.
                i = end_of_comment(text, i + 1);
                if (i == std::string_view::npos) return false;
                replace(begin, " ");
            }
        }
    }
    out.append(text.substr(copied));
    return true;
}

}  // namespace dbguard::sql::postgres
