#include "relay/literals.hpp"

#include "base/encoding.hpp"
#include "masking/unicode.hpp"

namespace dbguard::relay {

using recording::Token;

namespace {

constexpr std::size_t most_literals = 4096;

}  // namespace

std::optional<std::vector<Literal>> literals_of(std::string_view text, const recording::Lexis& lexis) {
    std::vector<Literal> out;
    recording::Lexer lexer(text, lexis);
    std::size_t sign = std::string_view::npos;
    for (Token token = lexer.next(); token.kind != Token::Kind::end; token = lexer.next()) {
        switch (token.kind) {
            case Token::Kind::space:
            case Token::Kind::comment: continue;
            case Token::Kind::op:
                sign = text[token.end - 1] == '-' ? token.end - 1 : std::string_view::npos;
                continue;
            case Token::Kind::string:
            case Token::Kind::number:
                if (out.size() == most_literals) return std::nullopt;
                out.push_back({token, token.kind == Token::Kind::number ? sign : std::string_view::npos});
                break;
            default: break;
        }
        sign = std::string_view::npos;
    }
    return out;
}

namespace {

/// A number in `digits` at `at`, of at most `most` digits; moves `at` behind it. Empty: there is no digit.
std::optional<char32_t> number_at(std::string_view content, std::size_t& at, std::size_t most, unsigned base) {
    char32_t value = 0;
    std::size_t count = 0;
    for (; count < most && at < content.size(); ++count, ++at) {
        const char c = content[at];
        const unsigned digit = c >= '0' && c <= '9' ? static_cast<unsigned>(c - '0') : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? static_cast<unsigned>((c | 0x20) - 'a') + 10 : base;
        if (digit >= base) break;
        value = value * base + digit;
    }
    if (count == 0) return std::nullopt;
    return value;
}

/// E'…' (PostgreSQL manual 4.1.2.2). Empty: the server does not take it.
std::optional<std::string> without_backslashes(std::string_view content) {
    std::string value;
    for (std::size_t i = 0; i < content.size();) {
        const char c = content[i++];
        if (c == '\'') ++i;   // doubled
        if (c != '\\') {
            value.push_back(c);
            continue;
        }
        if (i == content.size()) return std::nullopt;
        const char escape = content[i];
        constexpr std::string_view names = "bfnrt", characters = "\b\f\n\r\t";
        if (const std::size_t known = names.find(escape); known != std::string_view::npos) {
            value.push_back(characters[known]);
            ++i;
        } else if (escape >= '0' && escape <= '7') {
            value.push_back(static_cast<char>(*number_at(content, i, 3, 8)));
        } else if (escape == 'u' || escape == 'U') {
            const auto character = number_at(content, ++i, escape == 'u' ? 4 : 8, 16);
            if (!character || *character > 0x10FFFF) return std::nullopt;
            masking::append_utf8(value, *character);
        } else if (escape == 'x') {
            const auto byte = number_at(content, ++i, 2, 16);
            value.push_back(byte ? static_cast<char>(*byte) : 'x');
        } else {
            value.push_back(escape);
            ++i;
        }
    }
    return value;
}

/// U&'…' (PostgreSQL manual 4.1.2.3), with what stands behind it: perhaps UESCAPE '!'.
std::optional<std::string> without_unicode_escapes(std::string_view content, std::string_view behind) {
    char mark = '\\';
    if (const std::size_t begin = behind.find_first_not_of(" \t\r\n\f"); begin != std::string_view::npos) {
        std::string word(behind.substr(begin, 7));
        for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        if (behind.substr(begin).starts_with("--") || behind.substr(begin).starts_with("/*")) return std::nullopt;
        if (word == "uescape") {
            const std::size_t quote = behind.find('\'', begin);
            if (quote == std::string_view::npos || quote + 2 >= behind.size() || behind[quote + 2] != '\'') return std::nullopt;
            mark = behind[quote + 1];
        }
    }
    std::string value;
    for (std::size_t i = 0; i < content.size();) {
        const char c = content[i++];
        if (c == '\'') ++i;
        if (c != mark) {
            value.push_back(c);
            continue;
        }
        if (i < content.size() && content[i] == mark) {
            value.push_back(content[i++]);
            continue;
        }
        const bool six = i < content.size() && content[i] == '+';
        if (six) ++i;
        const auto character = number_at(content, i, six ? 6 : 4, 16);
        if (!character || *character > 0x10FFFF) return std::nullopt;
        masking::append_utf8(value, *character);
    }
    return value;
}

}  // namespace

std::optional<std::string> value_of(std::string_view text, const Literal& literal) {
    const Token& token = literal.token;
    if (token.kind != Token::Kind::string) return std::nullopt;
    const std::string_view content = text.substr(token.content_begin, token.content_end - token.content_begin);
    switch (token.style) {
        case Token::Style::dollar: return std::string(content);
        case Token::Style::backslash:
        case Token::Style::unicode: {
            auto value = token.style == Token::Style::backslash ? without_backslashes(content) : without_unicode_escapes(content, text.substr(token.end));
            if (value && !is_valid_utf8(*value)) value.reset();   // halves of a pair, single bytes
            return value;
        }
        case Token::Style::bits: return std::nullopt;
        case Token::Style::plain: break;
    }
    std::string value;
    for (std::size_t i = 0; i < content.size(); ++i) {
        value.push_back(content[i]);
        if (content[i] == '\'') ++i;
    }
    return value;
}

std::string joined_values(std::string_view text, std::span<const Literal> literals, std::size_t first) {
    std::string out;
    for (std::size_t i = first; i < literals.size(); ++i) {
        const auto value = value_of(text, literals[i]);
        if (!value) break;
        out += *value;
        if (i + 1 == literals.size()) break;
        const std::size_t begin = literals[i].token.end, end = literals[i + 1].token.begin;
        const std::string_view between = text.substr(begin, end - begin);
        const bool joins = between.find("||") != std::string_view::npos || between.find('\n') != std::string_view::npos;
        if (!joins || between.find_first_not_of(" \t\r\n\f|()") != std::string_view::npos) break;
    }
    return out;
}

}  // namespace dbguard::relay
