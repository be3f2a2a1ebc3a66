#include "recording/redact.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/encoding.hpp"

namespace dbguard::recording {

namespace {

using Kind = Token::Kind;

constexpr std::string_view hidden_literal = "'***'";
/// SQL inside literals (dynamic SQL, function bodies) is looked into this deep; below it everything counts as a credential.
constexpr int max_nesting = 4;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

/// `pattern` in lower case.
bool equals(std::string_view word, std::string_view pattern) {
    if (word.size() != pattern.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i)
        if (lower(word[i]) != pattern[i]) return false;
    return true;
}
bool begins(std::string_view word, std::string_view pattern) {
    return word.size() >= pattern.size() && equals(word.substr(0, pattern.size()), pattern);
}
std::string lowered(std::string_view word) {
    std::string out(word);
    for (char& c : out) c = lower(c);
    return out;
}
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
    switch (word.size()) {   // most words are told apart by that
        case 3: return word == "pwd";
        case 6: return word == "secret" || word == "apikey" || word == "sslkey";
        case 7: return word == "api_key";
        case 10: return word == "identified" || word == "access_key" || word == "secret_key";
        case 11: return word == "private_key" || word == "auth_string";
        case 12: return word == "access_token";
        case 13: return word == "client_secret";
        case 21: return word == "authentication_string";
        default: return false;
    }
}

/// A literal that is a name alone: set_config('app.password', …), WHERE key = 'api_key' AND value = …. Words that are also values
/// are none.
bool is_credential_name(std::string_view content) {
    constexpr std::size_t longest = 64;
    if (content.empty() || content.size() > longest) return false;
    if (!std::ranges::all_of(content, [](char c) { return is_word(c) || c == '.' || c == '-'; })) return false;
    std::size_t begin = content.rfind('.');
    begin = begin == std::string_view::npos ? 0 : begin + 1;
    const std::string last = lowered(content.substr(begin));
    return names_credential(last) && last != "secret" && last != "identified";
}

/// Functions that take a key or a password as an argument.
bool takes_credential(std::string_view function) {
    static constexpr std::array<std::string_view, 10> functions = {
        "crypt", "encrypt", "decrypt", "encrypt_iv", "decrypt_iv", "hmac", "digest",
        "aes_encrypt", "aes_decrypt", "des_encrypt",
    };
    return begins(function, "pgp_") || any_of(functions, function);
}

/// Watches the words of a statement go by.
class CredentialWatch {
  public:
    /// True when this word says that the statement carries a credential.
    bool word(std::string_view spelling) { return word(spelling, lowered(spelling)); }
    /// `word`: the spelling in lower case.
    bool word(std::string_view spelling, std::string_view word) {
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
    /// `"dblink"(…)` is the same function. What U&"…" spells with escapes is not read: it has something to hide.
    bool quoted_word(std::string_view text, const Token& token) {
        const auto content = text.substr(token.content_begin, token.content_end - token.content_begin);
        const bool escaped = token.content_begin > token.begin + 1 && content.find('\\') != std::string_view::npos;
        return word(content) || escaped;
    }
    /// True when a parenthesis behind the last word makes it a call that takes a credential.
    bool opens_parenthesis() const { return takes_credential(previous_); }
    void other() {
        before_ = Verb::none;
        previous_ = {};
    }
    void end_statement() { *this = {}; }

  private:
    /// What the last words say of the next one.
    enum class Verb : std::uint8_t { none, makes, makes_user, change };
    Verb verb(std::string_view word) const {
        if (word.size() < 4 || word.size() > 6) return Verb::none;
        if (word == "create" || word == "alter" || word == "import") return Verb::makes;
        if (before_ == Verb::makes && word == "user") return Verb::makes_user;
        return word == "change" ? Verb::change : Verb::none;
    }

    std::string_view previous_;
    Verb before_ = Verb::none;
    bool copy_ = false;
};

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

bool carries_credentials(std::string_view text, const Lexis& lexis, int nesting);

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

/// Builds the shape: one spelling for all texts that differ only in literals, list lengths, comments, white space and case.
class ShapeBuilder {
  public:
    explicit ShapeBuilder(std::string& out) : out_(out) { out_.clear(); }

    void space() { space_ = true; }
    /// -> as it stands there, until the next call.
    std::string_view word(std::string_view spelling, bool fold) {
        separate(true);
        const std::size_t begin = out_.size();
        out_.append(spelling);
        if (fold)
            for (char *at = out_.data() + begin, *end = out_.data() + out_.size(); at != end; ++at) *at = lower(*at);
        glue_ = false;
        return std::string_view(out_).substr(begin);
    }
    void literal() {
        // `?, ?` and `?, ..., ?` become `?, ...`: the length of a list is no difference.
        if (drop_suffix("?, ..., ")) {
            out_.append("?, ...");
        } else if (drop_suffix("?, ")) {
            out_.append("?, ...");
        } else {
            separate(true);
            out_.push_back('?');
        }
        glue_ = false;
        space_ = false;
    }
    void op(std::string_view spelling) {
        const bool cast = spelling == "::";
        if (cast) {
            space_ = false;
            out_.append(spelling);
            glue_ = true;
            return;
        }
        separate(true);
        out_.append(spelling);
        glue_ = false;
        space_ = true;
    }
    void symbol(char c) {
        switch (c) {
            case ',':
                out_.append(", ");
                glue_ = true;
                break;
            case ';':
                out_.append("; ");
                glue_ = true;
                break;
            case '.':
            case '[':
                out_.push_back(c);
                glue_ = true;
                break;
            case '(':
                separate(!out_.empty() && !is_word(out_.back()) && out_.back() != '"');
                out_.push_back('(');
                glue_ = true;
                break;
            default:
                out_.push_back(c);
                glue_ = false;
                if (c == ')') fold_rows();
                break;
        }
        space_ = false;
    }
    void finish() {
        while (!out_.empty() && (out_.back() == ' ' || out_.back() == ';')) out_.pop_back();
    }

  private:
    void separate(bool wanted) {
        const bool glued = glue_ || out_.empty() || out_.back() == ' ';
        if (wanted && !glued) out_.push_back(' ');
        glue_ = false;
        space_ = false;
    }
    bool drop_suffix(std::string_view suffix) {
        if (!std::string_view(out_).ends_with(suffix)) return false;
        const auto left = out_.size() - suffix.size();
        if (left > 0 && is_word(out_[left - 1])) return false;
        out_.resize(left);
        return true;
    }
    /// Rows of VALUES, when they hold nothing but literals.
    void fold_rows() {
        for (const std::string_view row : {std::string_view("(?, ...)"), std::string_view("(?)")}) {
            if (!std::string_view(out_).ends_with(row)) continue;
            for (const std::string_view between : {std::string_view(", ..., "), std::string_view(", ")}) {
                const auto tail = row.size() + between.size();
                if (out_.size() < tail + row.size()) continue;
                const auto head = std::string_view(out_).substr(0, out_.size() - row.size());
                if (!head.ends_with(between) || !head.substr(0, head.size() - between.size()).ends_with(row)) continue;
                out_.resize(out_.size() - tail);
                out_.append(", ...");
                return;
            }
        }
    }

    std::string& out_;
    bool space_ = false;
    bool glue_ = true;
};

/// Where a text that was not parsed cannot be trusted to mean what the lexer took it for: from its first literal on.
class Doubt {
  public:
    explicit Doubt(std::string_view text) : text_(text) {}

    void token(const Token& token) {
        const bool quoted = token.kind == Kind::string || token.kind == Kind::quoted_word;
        if (token.kind == Kind::unterminated) doubtful_ = true;
        if (quoted) {
            if (first_quote_ == std::string_view::npos) first_quote_ = token.begin;
            // 'it's': a literal that ends at, or begins behind, a letter was meant to go on.
            if (token.end < text_.size() && is_word(text_[token.end])) doubtful_ = true;
            if (token.begin > 0 && is_word(text_[token.begin - 1])) doubtful_ = true;
            // 'it\'s' under rules where the backslash means nothing.
            const auto content = text_.substr(token.content_begin, token.content_end - token.content_begin);
            if (token.style != Token::Style::backslash && content.ends_with('\\')) doubtful_ = true;
        }
    }
    /// The text is only good up to here; npos: all of it.
    std::size_t end() const { return doubtful_ ? first_quote_ : std::string_view::npos; }

  private:
    std::string_view text_;
    std::size_t first_quote_ = std::string_view::npos;
    bool doubtful_ = false;
};

void append_dropped(std::string& out, std::size_t bytes) {
    if (!out.empty() && !is_space(out.back())) out.push_back(' ');
    out.append("/* dropped: ").append(std::to_string(bytes)).append(" bytes */");
}

/// Neighbouring statements that are treated alike.
struct StatementRange {
    std::size_t end = 0;
    bool credentials = false;
};

/// The first pass: shape, and which statements carry credentials.
struct Findings {
    std::vector<StatementRange> statements;  ///< in order; the last one ends at `good_end`
    std::size_t good_end = 0;                ///< what lies behind is not written at any level
};

Findings look(std::string_view text, const RedactOptions& options, std::string& shape) {
    Findings findings;
    findings.good_end = text.size();
    if (!options.parsed) {
        Doubt doubt(text);
        Lexer lexer(text, options.lexis);
        for (Token token = lexer.next(); token.kind != Kind::end; token = lexer.next()) doubt.token(token);
        findings.good_end = std::min(doubt.end(), text.size());
    }

    ShapeBuilder builder(shape);
    Lexer lexer(text, options.lexis);
    CredentialWatch watch;
    bool credentials = false;
    bool named = false;   // by a literal that is nothing but a credential's name, and worth something beside another value
    bool valued = false;
    const bool fold = !options.lexis.backtick_identifiers;  // MySQL's names may differ by case
    const auto end_statement = [&](std::size_t end) {
        credentials = credentials || (named && valued);
        named = valued = false;
        auto& ranges = findings.statements;
        if (!ranges.empty() && ranges.back().credentials == credentials)
            ranges.back().end = end;
        else
            ranges.push_back({end, credentials});
        credentials = false;
    };
    for (;;) {
        const Token token = lexer.next();
        const auto spelling = text.substr(token.begin, token.end - token.begin);
        const bool bad = token.kind == Kind::unterminated || token.begin >= findings.good_end;
        if (token.kind == Kind::end || bad) {
            if (bad) {
                findings.good_end = std::min(findings.good_end, token.begin);
                // What is dropped may be the credential of a statement of which the rest is kept.
                credentials = credentials || carries_credentials(text.substr(findings.good_end), options.lexis, 0);
            }
            end_statement(findings.good_end);
            builder.finish();
            return findings;
        }
        switch (token.kind) {
            case Kind::space: builder.space(); continue;
            case Kind::comment:
                builder.space();
                credentials = credentials || reads_like_credentials(spelling);
                continue;
            case Kind::word:
                if (const auto written = builder.word(spelling, fold); fold ? watch.word(spelling, written) : watch.word(spelling)) credentials = true;
                continue;
            case Kind::quoted_word:
                if (watch.quoted_word(text, token)) credentials = true;
                if (options.parsed)
                    builder.word(spelling, false);
                else
                    builder.literal();
                continue;
            case Kind::parameter:
                valued = true;
                builder.word(spelling, false);
                break;
            case Kind::string:
                (is_credential_name(text.substr(token.content_begin, token.content_end - token.content_begin)) ? named : valued) = true;
                credentials = credentials || literal_carries_credentials(text, token, options.lexis, 0);
                builder.literal();
                break;
            case Kind::number: builder.literal(); break;
            case Kind::op: builder.op(spelling); break;
            default:
                if (spelling == "(" && watch.opens_parenthesis()) credentials = true;
                builder.symbol(spelling[0]);
                if (spelling == ";") {
                    end_statement(token.end);
                    watch.end_statement();
                }
                break;
        }
        watch.other();
    }
}

/// The caller's ranges in order, without overlaps, inside the text.
std::vector<Replacement> in_order(std::span<const Replacement> replacements, std::size_t size) {
    std::vector<Replacement> sorted;
    for (Replacement replacement : replacements) {
        replacement.end = std::min(replacement.end, size);
        if (replacement.begin < replacement.end) sorted.push_back(replacement);
    }
    std::ranges::sort(sorted, {}, &Replacement::begin);
    std::vector<Replacement> merged;
    for (const Replacement& replacement : sorted) {
        if (!merged.empty() && replacement.begin < merged.back().end)
            merged.back().end = std::max(merged.back().end, replacement.end);
        else
            merged.push_back(replacement);
    }
    return merged;
}

/// Copies the text out, leaving out the caller's ranges.
class Copier {
  public:
    Copier(std::string_view text, std::vector<Replacement> ranges, std::string& out)
        : text_(text), ranges_(std::move(ranges)), out_(out) {}

    /// Bytes [begin, end) as they are, but for the ranges. Calls come in order.
    void copy(std::size_t begin, std::size_t end) {
        skip_to(begin);
        begin = std::max(begin, done_);
        while (next_ < ranges_.size() && ranges_[next_].begin < end) {
            const Replacement& range = ranges_[next_];
            if (range.begin > begin) out_.append(text_.substr(begin, range.begin - begin));
            out_.append(range.with);
            begin = done_ = range.end;
            ++next_;
        }
        if (begin < end) out_.append(text_.substr(begin, end - begin));
    }
    /// Something else stands for [begin, end), ranges or not. Nothing when a range has covered it already.
    void instead(std::size_t begin, std::size_t end, std::string_view with) {
        skip_to(begin);
        if (begin < done_) return;
        out_.append(with);
        while (next_ < ranges_.size() && ranges_[next_].begin < end) {
            done_ = std::max(done_, ranges_[next_].end);
            ++next_;
        }
    }

  private:
    void skip_to(std::size_t begin) {
        while (next_ < ranges_.size() && ranges_[next_].end <= begin) ++next_;
    }

    std::string_view text_;
    std::vector<Replacement> ranges_;
    std::string& out_;
    std::size_t next_ = 0;
    std::size_t done_ = 0;  ///< a range that was written covers everything before this
};

/// The second pass, for texts that lose something.
void write(
    std::string_view text, const RedactOptions& options, const Findings& findings, std::vector<Replacement> ranges,
    std::string& out
) {
    Copier copier(text, std::move(ranges), out);
    Lexer lexer(text.substr(0, findings.good_end), options.lexis);
    CredentialWatch watch;
    bool dropping = false;  // not parsed, and behind a word that names a credential
    std::size_t dropped = 0;
    std::size_t statement = 0;
    for (Token token = lexer.next(); token.kind != Kind::end; token = lexer.next()) {
        while (statement + 1 < findings.statements.size() && token.begin >= findings.statements[statement].end)
            ++statement;
        const bool credentials = findings.statements[statement].credentials;
        const auto spelling = text.substr(token.begin, token.end - token.begin);
        if (token.kind == Kind::symbol && spelling == ";") {
            if (dropped > 0) append_dropped(out, dropped);
            dropped = 0;
            dropping = false;
            watch.end_statement();
            copier.copy(token.begin, token.end);
            continue;
        }
        if (dropping) {
            dropped += token.end - token.begin;
            continue;
        }
        bool hide = false;
        switch (token.kind) {
            case Kind::string: hide = credentials || !options.parsed; break;
            case Kind::comment: hide = credentials || !options.parsed; break;
            case Kind::number:
            case Kind::quoted_word: hide = !options.parsed; break;
            case Kind::unterminated: hide = true; break;
            default: break;
        }
        if (!hide)
            copier.copy(token.begin, token.end);
        else if (token.kind == Kind::comment)
            copier.instead(token.begin, token.end, "");
        else
            copier.instead(token.begin, token.end, options.parsed ? hidden_literal : "?");
        if (!options.parsed && credentials) {
            if (token.kind == Kind::word)
                dropping = watch.word(spelling);
            else if (token.kind == Kind::quoted_word)
                dropping = watch.quoted_word(text, token);
            else if (spelling == "(")
                dropping = watch.opens_parenthesis();
        }
    }
    if (dropped > 0) append_dropped(out, dropped);
}

}  // namespace

std::string_view name(Level level) {
    switch (level) {
        case Level::shape: return "shape";
        case Level::masked: return "masked";
        case Level::full: return "full";
    }
    return "";
}

std::optional<Level> level(std::string_view name) {
    for (const Level level : {Level::shape, Level::masked, Level::full})
        if (recording::name(level) == name) return level;
    return {};
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
        if (c != 'p' && c != 's' && c != 'i' && c != 'a') continue;
        std::size_t length = 0;
        for (const std::string_view word :
             {std::string_view("password"), std::string_view("passwd"), std::string_view("passphrase"),
              std::string_view("pwd"), std::string_view("secret"), std::string_view("identified"),
              std::string_view("api_key"), std::string_view("access_key"), std::string_view("sslkey")})
            if (begins(rest, word)) length = word.size();
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
        if (at > name_end && (at < rest.size() || assigned)) return true;
    }
    return false;
}

Redacted Redactor::redact(
    std::string_view text, const RedactOptions& options, std::span<const Replacement> replacements
) {
    Redacted redacted;
    RedactOptions used = options;
    const std::size_t size = text.size();
    if (!is_valid_utf8(text)) {
        // In another encoding a quote may be half a character. Only what is plain ASCII before any quoting is certain.
        std::size_t good = 0;
        while (good < text.size() && static_cast<unsigned char>(text[good]) < 0x80 && text[good] != '\'' &&
               text[good] != '"' && text[good] != '`' && text[good] != '$')
            ++good;
        redacted.credentials = carries_credentials(text, used.lexis, 0);
        text = text.substr(0, good);
        used.parsed = false;
    }

    Findings findings = look(text, used, shape_);
    if (used.parsed && findings.good_end < text.size()) {
        // The grammar accepted a text in which this lexer finds no end of a literal: it is the lexer that is wrong.
        used.parsed = false;
        findings = look(text, used, shape_);
    }
    bool credentials = redacted.credentials;
    for (const auto& statement : findings.statements) credentials = credentials || statement.credentials;
    redacted.credentials = credentials;
    redacted.dropped_bytes = size - findings.good_end;

    const bool whole = used.parsed && !credentials && redacted.dropped_bytes == 0;
    if (used.level == Level::shape && used.parsed)
        redacted.sql = shape_;
    else if (whole && replacements.empty())
        redacted.sql = text;
    else
        write(text, used, findings, in_order(replacements, text.size()), redacted.sql);
    if (redacted.dropped_bytes > 0) append_dropped(redacted.sql, redacted.dropped_bytes);
    // The shape of a text that was not parsed may still hold a password (`PASSWORD hunter2`), and a digest of short texts
    // can be guessed.
    redacted.fingerprint = hash_(used.parsed ? shape_ : redacted.sql).substr(0, 16);
    return redacted;
}

}  // namespace dbguard::recording
