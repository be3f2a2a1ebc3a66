#include "recording/redact.hpp"

#include <algorithm>
#include <vector>

#include "base/encoding.hpp"
#include "recording/credentials.hpp"
#include "recording/letters.hpp"

namespace dbguard::recording {

namespace {

using Kind = Token::Kind;

constexpr std::string_view hidden_literal = "'***'";
/// Builds the shape: one spelling for all texts that differ only in literals, list lengths, comments, white space and case.
/// Writes to the front of `buffer`, which keeps its size from text to text.
class ShapeBuilder {
  public:
    ShapeBuilder(std::string& buffer, std::size_t text_bytes) {
        const std::size_t most = 3 * text_bytes + 8;   // no byte of a text becomes more than three: `1` behind `?, ` is `?, ...`
        if (buffer.size() < most) buffer.resize(most);
        begin_ = end_ = buffer.data();
    }

    std::string_view shape() const { return {begin_, end_}; }

    /// -> as it stands there, until the next call.
    std::string_view word(std::string_view spelling, bool fold) {
        separate(true);
        char* const begin = end_;
        put(spelling);
        if (fold)
            for (char* at = begin; at != end_; ++at) *at = lower(*at);
        glue_ = false;
        return {begin, end_};
    }
    void literal() {
        // `?, ?` and `?, ..., ?` become `?, ...`: the length of a list is no difference.
        if (drop_suffix("?, ..., ")) {
            put("?, ...");
        } else if (drop_suffix("?, ")) {
            put("?, ...");
        } else {
            separate(true);
            put('?');
        }
        glue_ = false;
    }
    void op(std::string_view spelling) {
        const bool cast = spelling == "::";
        if (!cast) separate(true);
        put(spelling);
        glue_ = cast;
    }
    void symbol(char c) {
        switch (c) {
            case ',':
                put(", ");
                glue_ = true;
                break;
            case ';':
                put("; ");
                glue_ = true;
                break;
            case '.':
            case '[':
                put(c);
                glue_ = true;
                break;
            case '(':
                separate(end_ != begin_ && !is_word(end_[-1]) && end_[-1] != '"');
                put('(');
                glue_ = true;
                break;
            default:
                put(c);
                glue_ = false;
                if (c == ')') fold_rows();
                break;
        }
    }
    void finish() {
        while (end_ != begin_ && (end_[-1] == ' ' || end_[-1] == ';')) --end_;
    }

  private:
    void put(char c) { *end_++ = c; }
    void put(std::string_view piece) { end_ = std::copy(piece.begin(), piece.end(), end_); }
    void separate(bool wanted) {
        const bool glued = glue_ || end_ == begin_ || end_[-1] == ' ';
        if (wanted && !glued) put(' ');
        glue_ = false;
    }
    bool drop_suffix(std::string_view suffix) {
        if (!shape().ends_with(suffix)) return false;
        char* const left = end_ - suffix.size();
        if (left != begin_ && is_word(left[-1])) return false;
        end_ = left;
        return true;
    }
    /// Rows of VALUES, when they hold nothing but literals.
    void fold_rows() {
        const std::string_view out = shape();
        for (const std::string_view row : {std::string_view("(?, ...)"), std::string_view("(?)")}) {
            if (!out.ends_with(row)) continue;
            for (const std::string_view between : {std::string_view(", ..., "), std::string_view(", ")}) {
                const auto tail = row.size() + between.size();
                if (out.size() < tail + row.size()) continue;
                const auto head = out.substr(0, out.size() - row.size());
                if (!head.ends_with(between) || !head.substr(0, head.size() - between.size()).ends_with(row)) continue;
                end_ -= tail;
                put(", ...");
                return;
            }
        }
    }

    char* begin_ = nullptr;
    char* end_ = nullptr;
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
    std::string_view shape;                  ///< in the buffer
};

Findings look(std::string_view text, const RedactOptions& options, std::string& buffer) {
    Findings findings;
    findings.good_end = text.size();
    if (!options.parsed) {
        Doubt doubt(text);
        Lexer lexer(text, options.lexis);
        for (Token token = lexer.next(); token.kind != Kind::end; token = lexer.next()) doubt.token(token);
        findings.good_end = std::min(doubt.end(), text.size());
    }

    ShapeBuilder builder(buffer, text.size());
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
            findings.shape = builder.shape();
            return findings;
        }
        switch (token.kind) {
            case Kind::space: continue;
            case Kind::comment:
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

    Findings findings = look(text, used, buffer_);
    if (used.parsed && findings.good_end < text.size()) {
        // The grammar accepted a text in which this lexer finds no end of a literal: it is the lexer that is wrong.
        used.parsed = false;
        findings = look(text, used, buffer_);
    }
    bool credentials = redacted.credentials;
    for (const auto& statement : findings.statements) credentials = credentials || statement.credentials;
    redacted.credentials = credentials;
    redacted.dropped_bytes = size - findings.good_end;

    const bool whole = used.parsed && !credentials && redacted.dropped_bytes == 0;
    if (used.level == Level::shape && used.parsed)
        redacted.sql = findings.shape;
    else if (whole && replacements.empty())
        redacted.sql = text;
    else
        write(text, used, findings, in_order(replacements, text.size()), redacted.sql);
    if (redacted.dropped_bytes > 0) append_dropped(redacted.sql, redacted.dropped_bytes);
    // The shape of a text that was not parsed may still hold a password (`PASSWORD hunter2`), and a digest of short texts
    // can be guessed.
    redacted.fingerprint = hash_(used.parsed ? findings.shape : std::string_view(redacted.sql)).substr(0, 16);
    return redacted;
}

}  // namespace dbguard::recording
