#pragma once

// A small tolerant SQL lexer that knows where literals, comments and identifiers begin and end, and no grammar. It only has to
// agree with the server about quoting; where it cannot, it says so (`unterminated`).
// Sources: PostgreSQL manual 4.1 "Lexical Structure" (and scan.l for string continuation); MySQL manual 9 "Language Structure".

#include <cstdint>
#include <string_view>

namespace dbguard::recording {

/// How literals are written: the dialect, and the session's settings that change it.
struct Lexis {
    bool backslash_escapes = false;       ///< in '…': standard_conforming_strings off; MySQL without NO_BACKSLASH_ESCAPES
    bool double_quoted_strings = false;   ///< "…" is a string: MySQL without ANSI_QUOTES
    bool backtick_identifiers = false;
    bool dollar_quotes = false;           ///< $tag$…$tag$
    bool prefixed_strings = false;        ///< E'…', U&'…', U&"…"
    bool nested_comments = false;
    bool hash_comments = false;           ///< # to the end of the line
    bool executable_comments = false;     ///< /*! … */ and /*M! … */ are code
    bool dashes_need_space = false;       ///< `--` begins a comment only before white space

    bool operator==(const Lexis&) const = default;
    static Lexis postgres();
    static Lexis mysql();
};

struct Token {
    enum class Kind : std::uint8_t {
        end,
        space,        ///< a run of white space
        comment,
        word,         ///< a keyword or an unquoted identifier
        quoted_word,  ///< "…", U&"…", `…`
        string,       ///< any string literal with its prefix and quotes
        number,
        parameter,    ///< $1
        symbol,       ///< one of ( ) [ ] , ; .
        op,           ///< a run of operator characters; ::; also /*! and its */
        unterminated, ///< a literal, identifier or comment without an end: all the rest of the text
    };
    enum class Style : std::uint8_t { plain, backslash, unicode, bits, dollar };

    Kind kind = Kind::end;
    Style style = Style::plain;   ///< string: how its content is escaped
    char quote = 0;               ///< string, quoted_word, unterminated: the quote character ($ for dollar quotes)
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t content_begin = 0;  ///< string, quoted_word: between the quotes
    std::size_t content_end = 0;
};

class Lexer {
  public:
    /// Borrows `text`.
    Lexer(std::string_view text, const Lexis& lexis) : text_(text), lexis_(lexis) {}
    /// The next token; they cover the text without gaps. After the last: Kind::end.
    Token next();

  private:
    Token string(std::size_t begin, std::size_t quote_at, Token::Style style);
    Token quoted_word(std::size_t begin, std::size_t quote_at);
    Token dollar_quoted(std::size_t begin, std::size_t tag_end);
    Token block_comment(std::size_t begin);
    Token word_or_prefixed();
    Token number();
    Token op();
    Token until(Token::Kind kind, std::size_t begin, std::size_t end);
    Token unterminated(std::size_t begin, char quote);
    bool line_comment_begins() const;
    bool comment_begins_at(std::size_t at) const;
    char at(std::size_t index) const { return index < text_.size() ? text_[index] : '\0'; }

    std::string_view text_;
    Lexis lexis_;
    std::size_t at_ = 0;
    int executable_depth_ = 0;
    // PostgreSQL: a string goes on, in the same style, after white space with a newline in it (manual 4.1.2.1).
    bool may_continue_ = false;
    bool newline_seen_ = false;
    Token::Style continued_ = Token::Style::plain;
};

}  // namespace dbguard::recording
