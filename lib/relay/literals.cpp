#include "relay/literals.hpp"

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

std::optional<std::string> value_of(std::string_view text, const Literal& literal) {
    const Token& token = literal.token;
    const std::string_view content = text.substr(token.content_begin, token.content_end - token.content_begin);
    const bool known = token.style == Token::Style::plain || token.style == Token::Style::dollar ||
                       (token.style == Token::Style::backslash && content.find('\\') == std::string_view::npos);
    if (token.kind != Token::Kind::string || !known) return std::nullopt;
    std::string value;
    for (std::size_t i = 0; i < content.size(); ++i) {
        value.push_back(content[i]);
        if (token.style != Token::Style::dollar && content[i] == '\'') ++i;
    }
    return value;
}

}  // namespace dbguard::relay
