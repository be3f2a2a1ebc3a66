// What the parser makes of declarations, and leaves out. Source: PostgreSQL manual 43.3 "Declarations", and pl_gram.y (decl_sect,
// decl_statement).

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/quoting.hpp"
#include "sql/postgres/dialect.hpp"
#include "sql/postgres/parse.hpp"
#include "sql/postgres/routine.hpp"

namespace dbguard::sql::postgres {
namespace {

constexpr std::string_view blanks = " \t\r\n\f\v";

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80; }

/// Words, quoted names and single characters, without white space, comments and strings between them.
class Tokens {
  public:
    explicit Tokens(std::string_view text) : text_(text) { next(); }

    std::string_view text() const { return text_.substr(begin_, end_ - begin_); }
    std::size_t begin() const { return begin_; }
    std::size_t last_end() const { return last_end_; }
    bool at_end() const { return begin_ == text_.size(); }
    bool is(std::string_view lower) const {
        return std::ranges::equal(text(), lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
    }
    bool is_one_of(std::initializer_list<std::string_view> words) const {
        return std::ranges::any_of(words, [&](std::string_view word) { return is(word); });
    }
    bool names() const { return !at_end() && (text_[begin_] == '"' || is_word(text_[begin_])); }

    void next() {
        last_end_ = end_;
        for (begin_ = end_; begin_ < text_.size();) {
            const std::size_t quoted = end_of_quoted(text_, begin_);
            if (blanks.find(text_[begin_]) != std::string_view::npos) ++begin_;
            else if (quoted > begin_ && text_[begin_] != '"') begin_ = quoted;
            else break;
        }
        end_ = begin_;
        if (at_end()) return;
        if (text_[begin_] == '"') end_ = end_of_quoted(text_, begin_);
        else if (is_word(text_[begin_])) while (end_ < text_.size() && is_word(text_[end_])) ++end_;
        else ++end_;
    }

  private:
    std::string_view text_;
    std::size_t begin_ = 0, end_ = 0, last_end_ = 0;
};

/// One of the server's own, or of a column, which is hardly a row's.
bool is_known_type(std::string_view type) {
    std::string name;
    for (const char c : type) name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    if (name.ends_with("%type") || name.find('[') != std::string::npos) return true;
    name.resize(std::min(name.size(), name.find_first_of(" \t\r\n(")));
    constexpr std::array<std::string_view, 16> words = {"int",    "integer", "smallint", "bigint", "real",  "float",   "double",   "decimal",
                                                        "dec",    "char",    "character", "national", "nchar", "boolean", "record", "refcursor"};
    return std::ranges::find(words, name) != words.end() || dialect().type(name) != 0;
}

/// Variables. `ends`: a semicolon ends the body.
std::string with_records(const std::string& body, bool& ends) {
    std::string out;
    std::size_t copied = 0;
    bool statement_begins = true;
    std::size_t open = 0;   // parentheses
    for (Tokens token(body); !token.at_end();) {
        ends = token.is(";");
        if (!(statement_begins && token.is("declare"))) {
            // A label (`<<outer>>`) stands before the statement.
            if (statement_begins && token.is("<")) {
                for (const int part : {1, 2, 3, 4}) {
                    token.next();
                    if (part == 2 ? !token.names() : !token.is(part == 1 ? "<" : ">")) return body;
                }
            } else {
                statement_begins = token.is(";") && open == 0;
            }
            if (token.is("(")) ++open;
            if (token.is(")") && open > 0) --open;
            token.next();
            continue;
        }
        token.next();
        // name [ CONSTANT ] type [ COLLATE … ] [ NOT NULL ] [ { DEFAULT | := | = } … ];
        while (!token.is("begin")) {
            if (token.is("declare")) {
                token.next();
                continue;
            }
            if (!token.names()) return body;
            token.next();
            if (token.is("constant")) token.next();
            if (!token.names()) return body;
            if (!token.is_one_of({"alias", "cursor", "no", "scroll"})) {
                const std::size_t type = token.begin();
                while (!token.at_end() && !token.is_one_of({";", ":", "=", "collate", "not", "default"})) token.next();
                if (!is_known_type(std::string_view(body).substr(type, token.last_end() - type))) {
                    out.append(body, copied, type - copied).append("record");
                    copied = token.last_end();
                }
            }
            while (!token.at_end() && !token.is(";")) token.next();
            if (token.at_end()) return body;
            token.next();
        }
        statement_begins = false;
    }
    return out.append(body, copied);
}

}  // namespace

std::vector<std::string> record_defaults(std::string_view body) {
    std::vector<std::string> out;
    bool begins = false;   // a declaration may begin here: behind another one, or DECLARE
    for (Tokens token(body); !token.at_end();) {
        if (!begins || !token.names() || token.is("declare")) {
            begins = token.is(";") || token.is("declare");
            token.next();
            continue;
        }
        begins = false;
        token.next();
        if (token.is("constant")) token.next();
        // Any beginning of the word counts as the word there (libpg_query, parse_datatype).
        if (!token.names() || token.text().size() > 6 || !token.is(std::string_view("record").substr(0, token.text().size()))) continue;
        token.next();
        while (token.names() && !token.is("default")) token.next();   // COLLATE, NOT NULL
        if (token.is(":")) token.next();
        if (!token.is("=") && !token.is("default")) continue;
        token.next();
        const std::size_t value = token.begin();
        while (!token.at_end() && !token.is(";")) token.next();
        out.emplace_back(body.substr(value, token.begin() - value));
    }
    return out;
}

std::string with_records(const catalogue::Function& function) {
    constexpr catalogue::Id first_made = 16384;   // access/transam.h, FirstNormalObjectId
    bool ends = false;
    const std::string body = with_records(function.body, ends);
    std::string rows;
    for (std::size_t i = 0; i < function.arguments.size() && i < function.argument_names.size(); ++i)
        if (function.arguments[i] >= first_made && !function.argument_names[i].empty()) rows += in_quotes(function.argument_names[i], '"') + " record; ";
    // As variables of a block around it they hide the arguments, of which the parser makes no rows.
    return rows.empty() ? body : "DECLARE " + rows + "BEGIN " + body + (ends ? "\nEND" : "\n; END");
}

}  // namespace dbguard::sql::postgres
