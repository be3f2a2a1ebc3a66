#pragma once

// A text without its literals, for finding what was worked out for another text of the same shape.

#include <string>
#include <string_view>

namespace dbguard::sql::postgres {

/// Appends the shape of one statement to `out` (cleared first): every plain string is `?s`, an empty one `?e`, a number of up to four
/// digits `?n`, of up to nine `?i`, a longer one `?l`, one with a point `?d`, every plain comment a blank, all else as it is. The
/// classes are those that matter for what a column's type can hold (sql::Analyzer::compared). False, in doubt, where PostgreSQL's lexer might cut the text otherwise: comments, escapes, dollar quotes, prefixed
/// strings and numbers, bytes that are no printable ASCII, several statements, more than 64 KiB.
/// Two texts of one shape have the same tokens but for the values of literals. PostgreSQL manual 4.1, "Lexical Structure".
bool text_shape(std::string_view text, std::string& out);

}  // namespace dbguard::sql::postgres
