#include "sql/postgres/ddl_text.hpp"

#include <algorithm>
#include <cctype>
#include <initializer_list>

namespace dbguard::sql::postgres {
namespace {

bool is_word(unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$' || c >= 0x80; }

std::size_t end_of_quoted(std::string_view text, std::size_t i, bool escapes) {
    const char quote = text[i++];
    for (; i < text.size(); ++i) {
        if (escapes && text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            if (i + 1 < text.size() && text[i + 1] == quote) ++i;
            else return i + 1;
        }
    }
    return text.size();
}

/// Takes these words off the end.
bool drop_words(std::vector<Token>& tokens, std::initializer_list<const char*> words) {
    if (tokens.size() < words.size()) return false;
    auto token = tokens.end() - static_cast<std::ptrdiff_t>(words.size());
    for (const char* word : words)
        if ((token++)->word != word) return false;
    tokens.resize(tokens.size() - words.size());
    return true;
}

}  // namespace

std::vector<Token> tokens_of(std::string_view text, std::size_t begin, std::size_t end) {
    std::vector<Token> out;
    int depth = 0;
    for (std::size_t i = begin; i < end;) {
        const char c = text[i];
        const auto rest = text.substr(i);
        if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            ++i;
        } else if (rest.starts_with("--")) {
            i = std::min(text.find('\n', i), end);
        } else if (rest.starts_with("/*")) {
            int open = 1;
            for (i += 2; i < end && open > 0;) {
                if (text.compare(i, 2, "*/") == 0) --open, i += 2;
                else if (text.compare(i, 2, "/*") == 0) ++open, i += 2;
                else ++i;
            }
        } else {
            Token token;
            token.begin = i;
            token.character = c;
            token.depth = depth;
            if (c == '\'' || c == '"') {
                const bool escapes = c == '\'' && i > begin && (text[i - 1] == 'E' || text[i - 1] == 'e');
                i = end_of_quoted(text, i, escapes);
            } else if (c == '$' && text.find('$', i + 1) != std::string_view::npos && std::isdigit(static_cast<unsigned char>(text[i + 1])) == 0) {
                const std::size_t tag = text.find('$', i + 1) + 1 - i;
                const std::size_t close = text.find(text.substr(i, tag), i + tag);
                i = close == std::string_view::npos ? end : close + tag;
            } else if (is_word(static_cast<unsigned char>(c))) {
                while (i < end && is_word(static_cast<unsigned char>(text[i]))) {
                    token.word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))));
                    ++i;
                }
            } else {
                if (c == '(' || c == '[') ++depth;
                if (c == ')' || c == ']') token.depth = --depth;
                ++i;
            }
            token.end = i;
            out.push_back(std::move(token));
        }
    }
    return out;
}

std::string query_text(std::string_view text, std::size_t begin, std::size_t end) {
    auto tokens = tokens_of(text, begin, end);
    const auto head = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.depth == 0 && token.word == "as"; });
    if (head == tokens.end()) return {};
    tokens.erase(tokens.begin(), head + 1);
    if (!drop_words(tokens, {"with", "no", "data"}) && !drop_words(tokens, {"with", "data"}) && !drop_words(tokens, {"with", "local", "check", "option"}) &&
        !drop_words(tokens, {"with", "cascaded", "check", "option"}))
        drop_words(tokens, {"with", "check", "option"});
    if (tokens.empty()) return {};
    return std::string(text.substr(tokens.front().begin, tokens.back().end - tokens.front().begin));
}

std::string bracketed(std::string_view text, std::size_t begin, std::size_t end) {
    const auto tokens = tokens_of(text, begin, end);
    const auto open = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.character == '('; });
    if (open == tokens.end()) return {};
    const auto close = std::find_if(open + 1, tokens.end(), [&](const Token& token) { return token.character == ')' && token.depth == open->depth; });
    if (close == tokens.end()) return {};
    return std::string(text.substr(open->end, close->begin - open->end));
}

}  // namespace dbguard::sql::postgres
