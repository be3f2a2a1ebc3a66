#pragma once

// A text without its literals, for finding what was worked out for another text of the same shape.

#include <string>
#include <string_view>

namespace dbguard::sql::postgres {

/// Appends the shape of one statement to `out` (cleared first): every number is `?n`, every plain string `?s`, every plain
/// comment a blank, all else as it is. False, in doubt, where PostgreSQL's lexer might cut the text otherwise: comments, escapes, dollar quotes, prefixed
/// strings and numbers, bytes that are no printable ASCII, several statements, more than 64 KiB.
/// Two texts of one shape have the same tokens but for the values of literals. PostgreSQL manual 4.1, "Lexical Structure".
bool text_shape(std::string_view text, std::string& out);

}  // namespace dbguard::sql::postgres
