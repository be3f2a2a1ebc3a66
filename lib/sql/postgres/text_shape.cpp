#include "sql/postgres/text_shape.hpp"

namespace dbguard::sql::postgres {
namespace {

constexpr std::size_t max_shape_bytes = 64 * 1024;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '$'; }

}  // namespace

bool text_shape(std::string_view text, std::string& out) {
    out.clear();
    if (text.size() > max_shape_bytes) return false;
    std::size_t i = 0;
    while (i < text.size()) {
        const char c = text[i];
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (c != '\n' && c != '\t' && c != '\r' && (c < 0x20 || c > 0x7e)) return false;
        if (is_letter(c)) {
            const std::size_t begin = i;
            while (i < text.size() && is_word(text[i])) ++i;
            if (i < text.size() && text[i] == '\'') return false;   // E'', B'', N'' …
            out.append(text.substr(begin, i - begin));
        } else if (is_digit(c) || (c == '.' && is_digit(next))) {
            while (i < text.size() && is_digit(text[i])) ++i;
            if (i < text.size() && text[i] == '.') {
                ++i;
                if (i < text.size() && text[i] == '.') return false;   // 1..10
                while (i < text.size() && is_digit(text[i])) ++i;
            }
            if (i < text.size() && (is_word(text[i]) || text[i] == '.' || text[i] == '\'')) return false;   // 1e5, 0x1f, 1_000, 1a
            out.append("?n");
        } else if (c == '\'') {
            if (i > 0 && (text[i - 1] == '&' || text[i - 1] == '\'' || text[i - 1] == '"')) return false;   // U&''
            for (++i;; ++i) {
                if (i >= text.size()) return false;
                if (text[i] < 0x20 || text[i] > 0x7e) return false;
                if (text[i] != '\'') continue;
                if (i + 1 < text.size() && text[i + 1] == '\'') {
                    ++i;
                    continue;
                }
                break;
            }
            ++i;
            out.append("?s");
        } else if (c == '"') {
            const std::size_t begin = i;
            if (i > 0 && text[i - 1] == '&') return false;   // U&""
            for (++i;; ++i) {
                if (i >= text.size() || text[i] < 0x20 || text[i] > 0x7e) return false;
                if (text[i] == '"') break;
            }
            ++i;
            if (i < text.size() && (text[i] == '"' || text[i] == '\'')) return false;
            out.append(text.substr(begin, i - begin));
        } else if (c == '$') {
            if (!is_digit(next)) return false;
            const std::size_t begin = i++;
            while (i < text.size() && is_digit(text[i])) ++i;
            if (i < text.size() && is_word(text[i])) return false;
            out.append(text.substr(begin, i - begin));
        } else if ((c == '-' && next == '-') || (c == '/' && next == '*') || c == '\\') {
            return false;
        } else if (c == ';') {
            // Only at the end.
            if (text.find_first_not_of("; \n\t\r", i) != std::string_view::npos) return false;
            out.push_back(c);
            ++i;
        } else {
            // A `?` of the text's own could be taken for a literal's.
            if (c == '?') return false;
            out.push_back(c);
            ++i;
        }
    }
    return true;
}

}  // namespace dbguard::sql::postgres
