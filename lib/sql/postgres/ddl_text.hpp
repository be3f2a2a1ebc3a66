#pragma once

// Stretches of a DDL text that the tree does not hold as text: queries, conditions, bodies. The grammar has accepted the text, so
// whatever opens is closed.

#include <string>
#include <string_view>
#include <vector>

namespace dbguard::sql::postgres {

/// A word, or one character of anything else; comments and quoted texts count as one.
struct Token {
    std::size_t begin = 0, end = 0;
    int depth = 0;  ///< of brackets around it
    std::string word;  ///< in lower case; empty for all that is no unquoted word
    char character = 0;
};

std::vector<Token> tokens_of(std::string_view text, std::size_t begin, std::size_t end);
/// The query of CREATE … AS query, without what may follow it.
std::string query_text(std::string_view text, std::size_t begin, std::size_t end);
/// What stands between the first brackets at or after `begin`.
std::string bracketed(std::string_view text, std::size_t begin, std::size_t end);

}  // namespace dbguard::sql::postgres
