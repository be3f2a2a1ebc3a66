#include "recording/lexer.hpp"

#include <array>

namespace dbguard::recording {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool continues_tag(char c) { return starts_word(c) || is_digit(c); }
enum Class : std::uint8_t { other, space, letter, digit, dollar, symbol };
constexpr std::array<Class, 256> classes = [] {
    std::array<Class, 256> out{};
    for (std::size_t c = 0; c < out.size(); ++c) {
        if (starts_word(static_cast<char>(c))) out[c] = letter;
        if (is_digit(static_cast<char>(c))) out[c] = digit;
    }
    for (const char c : {' ', '\t', '\n', '\r', '\f', '\v'}) out[static_cast<unsigned char>(c)] = space;
    for (const char c : {'(', ')', '[', ']', ',', ';', '.'}) out[static_cast<unsigned char>(c)] = symbol;
    out['$'] = dollar;
    return out;
}();
Class class_of(char c) { return classes[static_cast<unsigned char>(c)]; }
bool is_space(char c) { return class_of(c) == space; }
bool continues_word(char c) { return class_of(c) >= letter && class_of(c) <= dollar; }
bool is_symbol(char c) { return class_of(c) == symbol; }

}  // namespace

Lexis Lexis::postgres() {
    Lexis lexis;
    lexis.dollar_quotes = lexis.prefixed_strings = lexis.nested_comments = true;
    return lexis;
}

Lexis Lexis::mysql() {
    Lexis lexis;
    lexis.backslash_escapes = lexis.double_quoted_strings = lexis.backtick_identifiers = true;
    lexis.hash_comments = lexis.executable_comments = lexis.dashes_need_space = true;
    return lexis;
}

Token Lexer::until(Token::Kind kind, std::size_t begin, std::size_t end) {
    at_ = end;
    Token token;
    token.kind = kind;
    token.begin = begin;
    token.end = end;
    return token;
}

Token Lexer::unterminated(std::size_t begin, char quote) {
    Token token = until(Token::Kind::unterminated, begin, text_.size());
    token.quote = quote;
    return token;
}

bool Lexer::line_comment_begins() const {
    const char c = at(at_);
    if (c == '#') return lexis_.hash_comments;
    if (c != '-' || at(at_ + 1) != '-') return false;
    if (!lexis_.dashes_need_space) return true;
    // MySQL manual 9.7: followed by at least one white space or control character, or the end.
    return static_cast<unsigned char>(at(at_ + 2)) <= ' ';
}

bool Lexer::comment_begins_at(std::size_t where) const {
    if (at(where) == '/' && at(where + 1) == '*') return true;
    if (at(where) == '#') return lexis_.hash_comments;
    if (at(where) != '-' || at(where + 1) != '-') return false;
    return !lexis_.dashes_need_space || static_cast<unsigned char>(at(where + 2)) <= ' ';
}

Token Lexer::next() {
    if (at_ >= text_.size()) return until(Token::Kind::end, text_.size(), text_.size());
    const std::size_t begin = at_;
    const char c = text_[at_];
    const Class kind = class_of(c);

    if (kind == space) {
        std::size_t end = at_;
        for (; end < text_.size() && is_space(text_[end]); ++end)
            if (text_[end] == '\n' || text_[end] == '\r') newline_seen_ = true;
        return until(Token::Kind::space, begin, end);
    }
    if (kind == letter || kind == digit || (kind == symbol && c != '.')) {
        may_continue_ = false;
        if (kind == letter) return word_or_prefixed();
        return kind == digit ? number() : until(Token::Kind::symbol, begin, begin + 1);
    }
    if (line_comment_begins()) {
        std::size_t end = at_;
        // MySQL ends the line at \n only (manual 9.7); PostgreSQL at \r, too.
        while (end < text_.size() && text_[end] != '\n' && (lexis_.dashes_need_space || text_[end] != '\r')) ++end;
        return until(Token::Kind::comment, begin, end);
    }

    const bool continues = may_continue_ && newline_seen_ && c == '\'';
    may_continue_ = false;
    if (c == '/' && at(at_ + 1) == '*') return block_comment(begin);
    if (c == '\'') {
        if (continues) return string(begin, begin, continued_);
        return string(begin, begin, lexis_.backslash_escapes ? Token::Style::backslash : Token::Style::plain);
    }
    if (c == '"') {
        if (!lexis_.double_quoted_strings) return quoted_word(begin, begin);
        return string(begin, begin, lexis_.backslash_escapes ? Token::Style::backslash : Token::Style::plain);
    }
    if (c == '`' && lexis_.backtick_identifiers) return quoted_word(begin, begin);
    if (c == '.' && at(at_ + 1) == '.') return until(Token::Kind::op, begin, begin + 2);
    if (c == '.' && is_digit(at(at_ + 1))) return number();
    if (c == '$') {
        std::size_t end = at_ + 1;
        if (is_digit(at(end))) {
            while (is_digit(at(end))) ++end;
            return until(Token::Kind::parameter, begin, end);
        }
        if (lexis_.dollar_quotes && (starts_word(at(end)) || at(end) == '$')) {
            while (continues_tag(at(end))) ++end;
            if (at(end) == '$') return dollar_quoted(begin, end + 1);
        }
        if (!lexis_.dollar_quotes) {  // MySQL: $ may begin an identifier
            while (continues_word(at(end))) ++end;
            return until(Token::Kind::word, begin, end);
        }
        return until(Token::Kind::op, begin, begin + 1);
    }
    if (c == '.') return until(Token::Kind::symbol, begin, begin + 1);
    return op();
}

Token Lexer::string(std::size_t begin, std::size_t quote_at, Token::Style style) {
    const char quote = text_[quote_at];
    for (std::size_t i = quote_at + 1; i < text_.size(); ++i) {
        if (text_[i] == '\\' && style == Token::Style::backslash) {
            ++i;
        } else if (text_[i] == quote) {
            if (at(i + 1) == quote) {
                ++i;
                continue;
            }
            Token token = until(Token::Kind::string, begin, i + 1);
            token.style = style;
            token.quote = quote;
            token.content_begin = quote_at + 1;
            token.content_end = i;
            may_continue_ = quote == '\'';
            newline_seen_ = false;
            continued_ = style;
            return token;
        }
    }
    return unterminated(begin, quote);
}

Token Lexer::quoted_word(std::size_t begin, std::size_t quote_at) {
    const char quote = text_[quote_at];
    for (std::size_t i = quote_at + 1; i < text_.size(); ++i) {
        if (text_[i] != quote) continue;
        if (at(i + 1) == quote) {
            ++i;
            continue;
        }
        Token token = until(Token::Kind::quoted_word, begin, i + 1);
        token.quote = quote;
        token.content_begin = quote_at + 1;
        token.content_end = i;
        return token;
    }
    return unterminated(begin, quote);
}

Token Lexer::dollar_quoted(std::size_t begin, std::size_t tag_end) {
    const auto tag = text_.substr(begin, tag_end - begin);
    const auto close = text_.find(tag, tag_end);
    if (close == std::string_view::npos) return unterminated(begin, '$');
    Token token = until(Token::Kind::string, begin, close + tag.size());
    token.style = Token::Style::dollar;
    token.quote = '$';
    token.content_begin = tag_end;
    token.content_end = close;
    return token;
}

Token Lexer::block_comment(std::size_t begin) {
    std::size_t i = begin + 2;
    if (lexis_.executable_comments && (at(i) == '!' || (at(i) == 'M' && at(i + 1) == '!'))) {
        i += at(i) == '!' ? 1 : 2;
        while (is_digit(at(i))) ++i;
        ++executable_depth_;
        return until(Token::Kind::op, begin, i);
    }
    int depth = 1;
    while (i + 1 < text_.size()) {
        if (text_[i] == '*' && text_[i + 1] == '/') {
            i += 2;
            if (--depth == 0) return until(Token::Kind::comment, begin, i);
        } else if (lexis_.nested_comments && text_[i] == '/' && text_[i + 1] == '*') {
            ++depth;
            i += 2;
        } else {
            ++i;
        }
    }
    return unterminated(begin, '*');
}

Token Lexer::word_or_prefixed() {
    const std::size_t begin = at_;
    const char c = text_[begin];
    if (at(begin + 1) == '\'') {
        const bool bits = c == 'b' || c == 'B' || c == 'x' || c == 'X';
        if (bits) return string(begin, begin + 1, Token::Style::bits);
        if (c == 'n' || c == 'N')
            return string(begin, begin + 1,
                          lexis_.backslash_escapes ? Token::Style::backslash : Token::Style::plain);
        if (lexis_.prefixed_strings && (c == 'e' || c == 'E'))
            return string(begin, begin + 1, Token::Style::backslash);
    }
    if (lexis_.prefixed_strings && (c == 'u' || c == 'U') && at(begin + 1) == '&') {
        if (at(begin + 2) == '\'') return string(begin, begin + 2, Token::Style::unicode);
        if (at(begin + 2) == '"') return quoted_word(begin, begin + 2);
    }
    std::size_t end = begin + 1;
    while (end < text_.size() && continues_word(text_[end])) ++end;
    return until(Token::Kind::word, begin, end);
}

// PostgreSQL's scan.l: decinteger, hexinteger, octinteger, bininteger, numeric, real. Exact, because a `$` behind a number
// begins a dollar quote, and one behind a letter does not.
Token Lexer::number() {
    std::size_t end = at_;
    const auto digits = [&](auto is_one) {
        while (is_one(at(end)) || (at(end) == '_' && is_one(at(end + 1)))) ++end;
    };
    const auto is_hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
    const char base = at(end) == '0' ? static_cast<char>(at(end + 1) | 0x20) : '\0';
    const auto first = at(end + 2) == '_' ? at(end + 3) : at(end + 2);
    if (base == 'x' && is_hex(first)) {
        end += 2;
        digits(is_hex);
    } else if ((base == 'o' && first >= '0' && first <= '7') || (base == 'b' && (first == '0' || first == '1'))) {
        end += 2;
        digits(is_digit);
    } else {
        digits(is_digit);
        // 1..10 is two numbers: the range of a PL/pgSQL loop.
        if (at(end) == '.' && at(end + 1) != '.') {
            ++end;
            if (is_digit(at(end))) digits(is_digit);
        }
        const bool exponent = (at(end) | 0x20) == 'e';
        const std::size_t sign = at(end + 1) == '+' || at(end + 1) == '-' ? 1 : 0;
        if (exponent && is_digit(at(end + 1 + sign))) {
            end += 1 + sign;
            digits(is_digit);
        }
    }
    // Junk behind a number is an error to PostgreSQL and an identifier to MySQL; here it belongs to the literal.
    if (starts_word(at(end)))
        while (continues_word(at(end))) ++end;
    return until(Token::Kind::number, at_, end);
}

Token Lexer::op() {
    const std::size_t begin = at_;
    if (executable_depth_ > 0 && at(begin) == '*' && at(begin + 1) == '/') {
        --executable_depth_;
        return until(Token::Kind::op, begin, begin + 2);
    }
    std::size_t end = begin + 1;
    while (end < text_.size()) {
        const char c = text_[end];
        const bool other = is_space(c) || starts_word(c) || is_digit(c) || is_symbol(c) || c == '\'' || c == '"' ||
                           c == '`' || c == '$' || comment_begins_at(end) ||
                           (executable_depth_ > 0 && c == '*' && at(end + 1) == '/');
        if (other) break;
        ++end;
    }
    return until(Token::Kind::op, begin, end);
}

}  // namespace dbguard::recording
