#include "relay/postgres/copy_options.hpp"

#include <string>
#include <vector>

namespace dbguard::relay::postgres {

namespace {

struct Token {
    enum class Kind : std::uint8_t { word, quoted_name, text, symbol, number, end };
    Kind kind = Kind::end;
    std::string text;  ///< words in lower case, strings without quotes
};

bool letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_char(char c) {
    return letter(c) || digit(c) || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

/// The tokens of a statement that the server has accepted; empty for what need not occur in a COPY's options. A backslash in an
/// ordinary string is one: standard_conforming_strings is on wherever there are masks.
class Lexer {
  public:
    explicit Lexer(std::string_view text) : rest_(text) {}

    /// What no token was made of yet.
    std::string_view rest() const { return rest_; }

    std::optional<Token> next() {
        if (!skip_blanks()) return {};
        if (rest_.empty()) return Token{};
        const char c = rest_[0];
        if ((c == 'e' || c == 'E') && rest_.size() > 1 && rest_[1] == '\'') {
            rest_.remove_prefix(1);
            return escaped_string();
        }
        if ((c == 'u' || c == 'U') && rest_.size() > 2 && rest_[1] == '&' && (rest_[2] == '\'' || rest_[2] == '"')) {
            // What its escapes mean is not worked out: of no use as an option.
            rest_.remove_prefix(2);
            return rest_[0] == '"' ? quoted('"', Token::Kind::quoted_name) : quoted('\'', Token::Kind::number);
        }
        if (letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80) return word();
        if (digit(c)) return number();
        if (c == '\'') return quoted('\'', Token::Kind::text);
        if (c == '"') return quoted('"', Token::Kind::quoted_name);
        if (c == '$') return dollar_string();
        rest_.remove_prefix(1);
        return Token{Token::Kind::symbol, std::string(1, c)};
    }

  private:
    bool skip_blanks() {
        for (;;) {
            while (!rest_.empty() && (rest_[0] == ' ' || (rest_[0] >= '\t' && rest_[0] <= '\r'))) rest_.remove_prefix(1);
            if (rest_.starts_with("--")) {
                const auto end = rest_.find_first_of("\r\n");
                rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
            } else if (rest_.starts_with("/*")) {
                int depth = 0;
                do {
                    if (rest_.starts_with("/*")) {
                        ++depth;
                        rest_.remove_prefix(2);
                    } else if (rest_.starts_with("*/")) {
                        --depth;
                        rest_.remove_prefix(2);
                    } else if (rest_.empty()) {
                        return false;
                    } else {
                        rest_.remove_prefix(1);
                    }
                } while (depth > 0);
            } else {
                return true;
            }
        }
    }
    Token word() {
        Token token{Token::Kind::word, {}};
        while (!rest_.empty() && name_char(rest_[0])) {
            const char c = rest_[0];
            token.text += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
            rest_.remove_prefix(1);
        }
        return token;
    }
    Token number() {
        Token token{Token::Kind::number, {}};
        while (!rest_.empty() && (name_char(rest_[0]) || rest_[0] == '.')) {
            token.text += rest_[0];
            rest_.remove_prefix(1);
        }
        return token;
    }
    std::optional<Token> quoted(char quote, Token::Kind kind) {
        Token token{kind, {}};
        rest_.remove_prefix(1);
        for (;;) {
            if (rest_.empty()) return {};
            if (rest_[0] == quote) {
                rest_.remove_prefix(1);
                if (rest_.empty() || rest_[0] != quote) return token;
            }
            token.text += rest_[0];
            rest_.remove_prefix(1);
        }
    }
    std::optional<Token> escaped_string() {
        Token token{Token::Kind::text, {}};
        rest_.remove_prefix(1);
        for (;;) {
            if (rest_.empty()) return {};
            char c = rest_[0];
            rest_.remove_prefix(1);
            if (c == '\'') {
                if (rest_.empty() || rest_[0] != '\'') return token;
                rest_.remove_prefix(1);
            } else if (c == '\\') {
                if (rest_.empty()) return {};
                c = rest_[0];
                rest_.remove_prefix(1);
                switch (c) {
                    case 't': c = '\t'; break;
                    case 'n': c = '\n'; break;
                    case 'r': c = '\r'; break;
                    case 'b': c = '\b'; break;
                    case 'f': c = '\f'; break;
                    case '\\':
                    case '\'':
                    case '"': break;
                    default: return {};  // octal, hexadecimal, Unicode: nobody writes a delimiter so
                }
            }
            token.text += c;
        }
    }
    std::optional<Token> dollar_string() {
        const auto end = rest_.find('$', 1);
        if (end == std::string_view::npos) return {};
        const auto tag = rest_.substr(0, end + 1);
        const auto close = rest_.find(tag, tag.size());
        if (close == std::string_view::npos) return {};
        Token token{Token::Kind::text, std::string(rest_.substr(tag.size(), close - tag.size()))};
        rest_.remove_prefix(close + tag.size());
        return token;
    }

    std::string_view rest_;
};

class OptionReader {
  public:
    explicit OptionReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    bool read() {
        word("with");
        const bool understood = symbol('(') ? list() : legacy();
        if (!understood) return false;
        symbol(';');
        return peek().kind == Token::Kind::end;
    }

    std::string format;
    std::optional<std::string> delimiter, null, quote, escape, encoding;
    bool header = false;
    bool force_quote = false;

  private:
    const Token& peek() const {
        static const Token end;
        return at_ < tokens_.size() ? tokens_[at_] : end;
    }
    bool word(std::string_view text) {
        if (peek().kind != Token::Kind::word || peek().text != text) return false;
        ++at_;
        return true;
    }
    bool symbol(char c) {
        if (peek().kind != Token::Kind::symbol || peek().text[0] != c) return false;
        ++at_;
        return true;
    }
    bool text(std::optional<std::string>& into) {
        word("as");
        const auto kind = peek().kind;
        if (kind != Token::Kind::text && kind != Token::Kind::word) return false;
        into = peek().text;
        ++at_;
        return true;
    }
    bool names() {
        if (symbol('*')) return true;
        const bool bracketed = symbol('(');
        do {
            if (peek().kind != Token::Kind::word && peek().kind != Token::Kind::quoted_name) return false;
            ++at_;
        } while (symbol(','));
        return !bracketed || symbol(')');
    }
    /// TRUE unless a value says otherwise. Source: defGetBoolean.
    bool boolean(bool& into) {
        into = true;
        const Token token = peek();
        if (token.kind == Token::Kind::symbol || token.kind == Token::Kind::end) return true;
        ++at_;
        std::string value = token.text;
        for (char& c : value)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
        if (value == "true" || value == "on" || value == "1") return true;
        if (value == "false" || value == "off" || value == "0") {
            into = false;
            return true;
        }
        return false;  // HEADER match is for COPY FROM
    }
    bool list() {
        do {
            if (peek().kind != Token::Kind::word) return false;
            const std::string name = peek().text;
            ++at_;
            std::optional<std::string> value;
            bool flag = false;
            if (name == "format") {
                if (!text(value)) return false;
                format = *value;
            } else if (name == "delimiter") {
                if (!text(delimiter)) return false;
            } else if (name == "null") {
                if (!text(null)) return false;
            } else if (name == "quote") {
                if (!text(quote)) return false;
            } else if (name == "escape") {
                if (!text(escape)) return false;
            } else if (name == "encoding") {
                if (!text(encoding)) return false;
            } else if (name == "header") {
                if (!boolean(header)) return false;
            } else if (name == "force_quote") {
                if (!names()) return false;
                force_quote = true;
            } else if (name == "freeze") {
                if (!boolean(flag)) return false;
            } else {
                return false;
            }
        } while (symbol(','));
        return symbol(')');
    }
    bool legacy() {
        for (;;) {
            if (word("using")) {
                if (!word("delimiters") || !text(delimiter)) return false;
            } else if (word("binary")) {
                format = "binary";
            } else if (word("csv")) {
                format = "csv";
            } else if (word("header")) {
                header = true;
            } else if (word("delimiter")) {
                if (!text(delimiter)) return false;
            } else if (word("delimiters")) {
                if (!text(delimiter)) return false;
            } else if (word("null")) {
                if (!text(null)) return false;
            } else if (word("quote")) {
                if (!text(quote)) return false;
            } else if (word("escape")) {
                if (!text(escape)) return false;
            } else if (word("encoding")) {
                if (!text(encoding)) return false;
            } else if (word("freeze") || word("with")) {
            } else if (word("force")) {
                if (!word("quote") || !names()) return false;
                force_quote = true;
            } else {
                return peek().kind == Token::Kind::end || (peek().kind == Token::Kind::symbol && peek().text == ";");
            }
        }
    }

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
};

bool one_character(const std::optional<std::string>& text, char& into) {
    if (!text) return true;
    if (text->size() != 1) return false;
    into = (*text)[0];
    return true;
}

}  // namespace

std::optional<CopyStatementOptions> copy_options(std::string_view statement, bool binary) {
    Lexer lexer(statement);
    int depth = 0;
    bool copy_seen = false, old_binary = false;
    // Up to TO STDOUT outside of all brackets; what is inside of them is the query.
    for (bool to = false;;) {
        const auto token = lexer.next();
        if (!token || token->kind == Token::Kind::end) return {};
        if (token->kind == Token::Kind::symbol) {
            if (token->text == "(") ++depth;
            if (token->text == ")") --depth;
        }
        if (depth > 0) continue;
        const bool is_word = token->kind == Token::Kind::word;
        if (is_word && token->text == "binary" && copy_seen) old_binary = true;
        if (to && is_word && (token->text == "stdout" || token->text == "stdin")) break;
        copy_seen = is_word && token->text == "copy";
        to = is_word && token->text == "to";
    }
    std::vector<Token> tokens;
    for (;;) {
        auto token = lexer.next();
        if (!token) return {};
        if (token->kind == Token::Kind::end) break;
        tokens.push_back(std::move(*token));
    }
    OptionReader reader(std::move(tokens));
    if (!reader.read()) return {};
    if (old_binary) reader.format = "binary";
    CopyStatementOptions out;
    if (reader.format == "binary") {
        if (!binary) return {};
        out.options = masking::CopyOptions::binary();
        return out;
    }
    if (binary) return {};
    if (reader.format == "csv")
        out.options = masking::CopyOptions::csv();
    else if (!reader.format.empty() && reader.format != "text")
        return {};
    if (!one_character(reader.delimiter, out.options.delimiter)) return {};
    if (!one_character(reader.quote, out.options.quote)) return {};
    out.options.escape = out.options.quote;
    if (!one_character(reader.escape, out.options.escape)) return {};
    if (reader.null) out.options.null = *reader.null;
    out.options.header = reader.header;
    out.options.encoding = reader.encoding;
    out.force_quote_all = reader.force_quote;
    return out;
}

std::optional<std::string> copy_source_query(std::string_view statement) {
    Lexer lexer(statement);
    auto token = lexer.next();
    if (!token || token->kind != Token::Kind::word || token->text != "copy") return {};
    std::string_view from = lexer.rest();  // behind COPY
    std::string_view bracket;              // from the first bracket outside of others
    int depth = 0;
    for (bool first = true;; first = false) {
        const std::string_view before = lexer.rest();
        token = lexer.next();
        if (!token || token->kind == Token::Kind::end) return {};
        const bool symbol = token->kind == Token::Kind::symbol;
        if (first && token->kind == Token::Kind::word && token->text == "binary") from = lexer.rest();
        if (symbol && token->text == "(" && depth++ == 0 && bracket.empty()) bracket = lexer.rest();
        if (symbol && token->text == ")") --depth;
        if (depth != 0 || token->kind != Token::Kind::word || token->text != "to") continue;
        const auto cut = [&](std::string_view begin) { return begin.substr(0, begin.size() - before.size()); };
        if (bracket.empty()) return "SELECT * FROM " + std::string(cut(from));
        const std::string_view inside = cut(bracket);
        const auto close = inside.rfind(')');
        if (close == std::string_view::npos) return {};
        const std::string table(from.substr(0, from.size() - bracket.size() - 1));
        // COPY (query): there is no table's name before the bracket.
        Lexer name(table);
        const auto named = name.next();
        if (named && named->kind == Token::Kind::end) return std::string(inside.substr(0, close));
        return "SELECT " + std::string(inside.substr(0, close)) + " FROM " + table;
    }
}

std::optional<std::string_view> prepared_query(std::string_view statement) {
    Lexer lexer(statement);
    auto token = lexer.next();
    if (!token || token->kind != Token::Kind::word || token->text != "prepare" || !lexer.next()) return {};
    for (int depth = 0;;) {
        token = lexer.next();
        if (!token || token->kind == Token::Kind::end) return {};
        const bool symbol = token->kind == Token::Kind::symbol;
        if (symbol && token->text == "(") ++depth;
        if (symbol && token->text == ")") --depth;
        if (depth == 0 && token->kind == Token::Kind::word && token->text == "as") return lexer.rest();
    }
}

}  // namespace dbguard::relay::postgres
