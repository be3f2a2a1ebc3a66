#include "recording/credentials.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "recording/letters.hpp"

namespace dbguard::recording {

namespace {

using Kind = Token::Kind;

/// SQL inside literals (dynamic SQL, function bodies) is looked into this deep; below it everything counts as a credential.
constexpr int max_nesting = 4;

template <std::size_t N>
bool any_of(const std::array<std::string_view, N>& patterns, std::string_view word) {
    return std::ranges::any_of(patterns, [&](std::string_view pattern) { return equals(word, pattern); });
}

/// Words that name a credential wherever they stand. `word` in lower case.
bool names_credential(std::string_view word) {
    if (word.find("pass") != std::string_view::npos) {
        if (word == "password_encryption") return false;  // a setting; its value is a method
        return word.find("passw") != std::string_view::npos || word.find("passphrase") != std::string_view::npos;
    }
    // Most words are told apart by how they end: `api_key`, `stripe_api_key`.
    const auto ends = [&](std::initializer_list<std::string_view> endings) {
        return std::ranges::any_of(endings, [&](std::string_view ending) {
            return word.ends_with(ending) && (word.size() == ending.size() || ending[0] == '_' || word[word.size() - ending.size() - 1] == '_');
        });
    };
    if (word.size() < 3) return false;
    switch (word.back()) {
        case 'd': return ends({"pwd"}) || word == "identified";
        case 'g': return word == "auth_string" || word == "authentication_string";
        case 'n': return ends({"_token"});
        case 't': return ends({"secret"});
        case 'y': return ends({"apikey", "sslkey", "api_key", "access_key", "secret_key", "private_key"});
        default: return false;
    }
}

/// Functions that take a key or a password as an argument.
bool takes_credential(std::string_view function) {
    static constexpr std::array<std::string_view, 10> functions = {
        "crypt", "encrypt", "decrypt", "encrypt_iv", "decrypt_iv", "hmac", "digest",
        "aes_encrypt", "aes_decrypt", "des_encrypt",
    };
    return begins(function, "pgp_") || any_of(functions, function);
}

/// A literal's content with its escapes resolved, as far as it matters for reading words in it. Uses `buffer` when there
/// are any.
std::string_view decoded(std::string_view text, const Token& token, std::string& buffer) {
    const auto content = text.substr(token.content_begin, token.content_end - token.content_begin);
    if (token.style == Token::Style::dollar || content.find_first_of("\\'\"") == std::string_view::npos) return content;
    buffer.clear();
    const auto digits = [&](std::size_t from, std::size_t most, unsigned base, unsigned& value) {
        std::size_t count = 0;
        for (value = 0; count < most && from + count < content.size(); ++count) {
            const char c = lower(content[from + count]);
            unsigned digit = 16;
            if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
            if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a' + 10);
            if (digit >= base) break;
            value = value * base + digit;
        }
        return count;
    };
    const bool unicode = token.style == Token::Style::unicode;
    const bool backslash = token.style == Token::Style::backslash;
    for (std::size_t i = 0; i < content.size(); ++i) {
        const char c = content[i];
        unsigned value = 0;
        std::size_t count = 0;
        if (c == token.quote && i + 1 < content.size()) {
            buffer.push_back(content[++i]);  // doubled
        } else if (c == '\\' && (backslash || unicode) && i + 1 < content.size()) {
            const char letter = content[i + 1];
            if (unicode) {  // \XXXX, \+XXXXXX (manual 4.1.2.3)
                const bool plus = letter == '+';
                count = digits(i + 1 + plus, plus ? 6 : 4, 16, value);
                i += plus + count;
            } else if (letter == 'x' || letter == 'u' || letter == 'U') {  // manual 4.1.2.2
                count = digits(i + 2, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, 16, value);
                i += 1 + count;
            } else if (letter >= '0' && letter <= '7') {
                count = digits(i + 1, 3, 8, value);
                i += count;
            } else {
                ++i;
                value = static_cast<unsigned char>(letter == 'n' || letter == 't' || letter == 'r' ? ' ' : letter);
            }
            buffer.push_back(value < 0x80 ? static_cast<char>(value) : '\x80');
        } else {
            buffer.push_back(c);
        }
    }
    return buffer;
}

}  // namespace

bool is_credential_name(std::string_view content) {
    constexpr std::size_t longest = 64;
    if (content.empty() || content.size() > longest) return false;
    if (!std::ranges::all_of(content, [](char c) { return is_word(c) || c == '.' || c == '-'; })) return false;
    std::size_t begin = content.rfind('.');
    begin = begin == std::string_view::npos ? 0 : begin + 1;
    const std::string last = lowered(content.substr(begin));
    return names_credential(last) && last != "secret" && last != "identified";
}

bool CredentialWatch::word(std::string_view spelling) { return word(spelling, lowered(spelling)); }

bool CredentialWatch::word(std::string_view spelling, std::string_view word) {
    bool found = names_credential(word) || word.starts_with("dblink");
    // CREATE SERVER | USER MAPPING | SUBSCRIPTION | FOREIGN …, ALTER SYSTEM, IMPORT FOREIGN SCHEMA: options and
    // connection strings. CHANGE MASTER, CHANGE REPLICATION SOURCE: the same for MySQL. COPY … PROGRAM: a command line.
    switch (before_) {
        case Verb::makes: found = found || word == "server" || word == "subscription" || word == "system" || word == "foreign"; break;
        case Verb::makes_user: found = found || word == "mapping"; break;
        case Verb::change: found = found || word == "master" || word == "replication"; break;
        case Verb::none: break;
    }
    if (word == "copy") copy_ = true;
    if (copy_ && word == "program") found = true;
    before_ = verb(word);
    previous_ = spelling;
    return found;
}

bool CredentialWatch::quoted_word(std::string_view text, const Token& token) {
    const auto content = text.substr(token.content_begin, token.content_end - token.content_begin);
    const bool escaped = token.content_begin > token.begin + 1 && content.find('\\') != std::string_view::npos;
    // A setting's name has parts: "app.api_key".
    bool found = escaped;
    for (std::size_t begin = 0; begin <= content.size();) {
        const std::size_t end = std::min(content.find('.', begin), content.size());
        found = word(content.substr(begin, end - begin)) || found;
        begin = end + 1;
    }
    return found;
}

bool CredentialWatch::opens_parenthesis() const { return takes_credential(previous_); }

CredentialWatch::Verb CredentialWatch::verb(std::string_view word) const {
    if (word.size() < 4 || word.size() > 6) return Verb::none;
    if (word == "create" || word == "alter" || word == "import") return Verb::makes;
    if (before_ == Verb::makes && word == "user") return Verb::makes_user;
    return word == "change" ? Verb::change : Verb::none;
}

bool literal_carries_credentials(std::string_view text, const Token& token, const Lexis& lexis, int nesting) {
    std::string buffer;
    const auto content = decoded(text, token, buffer);
    if (reads_like_credentials(content)) return true;
    // SQL inside: dynamic SQL and function bodies, recognised by literals or calls of their own.
    if (content.find_first_of("'$(") == std::string_view::npos) return false;
    return carries_credentials(content, lexis, nesting + 1);
}

bool carries_credentials(std::string_view text, const Lexis& lexis, int nesting) {
    if (nesting > max_nesting) return true;
    Lexer lexer(text, lexis);
    CredentialWatch watch;
    for (;;) {
        const Token token = lexer.next();
        const auto spelling = text.substr(token.begin, token.end - token.begin);
        switch (token.kind) {
            case Kind::end: return false;
            case Kind::space: break;
            case Kind::word:
                if (watch.word(spelling)) return true;
                break;
            case Kind::quoted_word:
                if (watch.quoted_word(text, token)) return true;
                break;
            case Kind::comment:
                if (reads_like_credentials(spelling)) return true;
                break;
            case Kind::string:
                if (literal_carries_credentials(text, token, lexis, nesting)) return true;
                watch.other();
                break;
            case Kind::unterminated:
                if (reads_like_credentials(spelling)) return true;
                break;
            case Kind::symbol:
                if (spelling == "(" && watch.opens_parenthesis()) return true;
                [[fallthrough]];
            default: watch.other(); break;
        }
    }
}

bool reads_like_credentials(std::string_view content) {
    std::size_t searched = 0;  // a URL begun before this would end where the last one did, and hold no more
    for (std::size_t i = 0; i < content.size(); ++i) {
        const char c = lower(content[i]);
        const auto rest = content.substr(i);
        if (c == ':' && i >= searched && rest.starts_with("://")) {
            // RFC 3986 §3.2.1: userinfo stands before the last @ of the authority.
            // Programs differ about a `/` inside a password, so this looks as far as the word goes.
            const auto authority = rest.substr(3, rest.substr(3).find_first_of(" \t\r\n'\""));
            const auto at = authority.rfind('@');
            if (at != std::string_view::npos && authority.substr(0, at).find(':') != std::string_view::npos) return true;
            searched = i + 3 + authority.size();
            continue;
        }
        if (c != 'p' && c != 's' && c != 'i' && c != 'a' && c != 't') continue;
        std::size_t length = 0;
        bool weak = false;
        for (const std::string_view word :
             {std::string_view("password"), std::string_view("passwd"), std::string_view("passphrase"),
              std::string_view("pwd"), std::string_view("secret"), std::string_view("identified"),
              std::string_view("api_key"), std::string_view("access_key"), std::string_view("sslkey"), std::string_view("secret_key")})
            if (begins(rest, word)) length = word.size();
        // Words of ordinary texts, too: only where something is said to be it.
        for (const std::string_view word :
             {std::string_view("token"), std::string_view("authorization"), std::string_view("api-key"), std::string_view("apikey"),
              std::string_view("private_key"), std::string_view("passcode")})
            if (begins(rest, word)) {
                length = word.size();
                weak = true;
            }
        if (length == 0) continue;
        // `password_encryption` and `passwords` are other words; `my_password` and `client_secret` are not.
        std::size_t at = length;
        if (at < rest.size() && is_word(rest[at])) continue;
        const std::size_t name_end = at;
        bool assigned = false;
        while (at < rest.size() && (is_space(rest[at]) || rest[at] == '=' || rest[at] == ':' || rest[at] == '\'' ||
                                    rest[at] == '"' || rest[at] == '\\' || rest[at] == '>')) {
            assigned = assigned || rest[at] == '=' || rest[at] == ':';
            ++at;
        }
        if (at > name_end && (weak ? assigned : at < rest.size() || assigned)) return true;
    }
    return false;
}

}  // namespace dbguard::recording
