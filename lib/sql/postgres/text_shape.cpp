#include "sql/postgres/text_shape.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
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
    out.resize(2 * text.size());   // a literal of one byte becomes two, and no byte more than that
    const char* from = text.data();
    const char* const end = from + text.size();
    char* to = out.data();
    const auto at = [&] { return static_cast<std::size_t>(from - text.data()); };
    const auto put = [&](char kind) {
        *to++ = '?';
        *to++ = kind;
    };
    while (from != end) {
        const char c = *from;
        const Class begins = class_of(c);
        if (begins == plain) {
            *to++ = c;
            ++from;
            continue;
        }
        if (begins == letter) {
            do *to++ = *from++;
            while (from != end && is_word(*from));
            if (from != end && *from == '\'') return false;   // E'', B'', N'' …
            continue;
        }
        if (begins == other) return false;   // also `?`, which could be taken for a literal's place, and \ of psql
        const char next = from + 1 != end ? from[1] : '\0';
        if (begins == digit || (c == '.' && is_digit(next))) {
            if (c == '0' && is_digit(next)) return false;   // 007: more digits than the number has
            const char* const begin = from;
            while (from != end && is_digit(*from)) ++from;
            const std::ptrdiff_t digits = from - begin;
            bool whole = digits > 0;
            if (from != end && *from == '.') {
                whole = false;
                ++from;
                if (from != end && *from == '.') return false;   // 1..10
                while (from != end && is_digit(*from)) ++from;
            }
            if (from != end && (is_word(*from) || *from == '.' || *from == '\'')) return false;   // 1e5, 0x1f, 1_000
            put(!whole ? 'd' : digits <= 4 ? 'n' : digits <= 9 ? 'i' : 'l');
        } else if (c == '\'' || c == '"') {
            if (from != text.data() && (from[-1] == '&' || from[-1] == '\'' || from[-1] == '"')) return false;   // U&''
            const std::size_t behind = end_of_quotes(text, at() + 1, c);
            if (behind == std::string_view::npos || (behind < text.size() && (text[behind] == '"' || text[behind] == '\''))) return false;
            const std::size_t bytes = behind - at();
            if (c == '\'') put(bytes == 2 ? 'e' : 's');
            else to = std::copy_n(from, bytes, to);
            from += bytes;
        } else if (c == '$') {
            if (!is_digit(next)) return false;
            do *to++ = *from++;
            while (from != end && is_digit(*from));
            if (from != end && is_word(*from)) return false;
        } else if (c == ';') {
            // Only at the end.
            if (text.find_first_not_of("; \n\t\r", at()) != std::string_view::npos) return false;
            to = std::copy(from, end, to);
            from = end;
        } else if (c == '/' && next == '*') {
            // What drivers put before a statement to say where it comes from. Comments nest: one inside is in doubt.
            const std::size_t behind = end_of_comment(text, at() + 2);
            if (behind == std::string_view::npos) return false;
            *to++ = ' ';
            from = text.data() + behind;
        } else {
            if (c == '-' && next == '-') return false;
            *to++ = *from++;
        }
    }
    out.resize(static_cast<std::size_t>(to - out.data()));
    return true;
}

}  // namespace dbguard::sql::postgres
