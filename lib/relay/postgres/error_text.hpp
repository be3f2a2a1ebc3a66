#pragma once

// Errors and notices as the client is to see them: dbguard's own refusals, and the server's without the values that its texts
// quote ("Key (email)=(…) already exists", "invalid input syntax for type integer: …").

#include <string_view>

#include "relay/session.hpp"
#include "wire/postgres/error.hpp"

namespace dbguard::relay::postgres {

/// A refusal as an error: SQLSTATE, message, detail, hint; no position, so that no client points into the text.
wire::postgres::ErrorFields refusal_fields(const Refusal& refusal, std::string_view severity = "ERROR");

/// The same error or notice with nothing in it that may come from a row: severity, SQLSTATE, a message that depends on the
/// SQLSTATE alone, and the names of schema, table, column, type and constraint. What the parser says (it carries a position in
/// the statement's text: no error met while rows are read does) keeps its message, detail and hint, unless `runs_code`: then a
/// function may have raised it with any text. So does what is said of the statement before anything of it is done.
/// `text_runs_code`: not only triggers do; the text itself calls functions, which may run while it is parsed.
wire::postgres::ErrorFields without_values(const wire::postgres::ErrorFieldsView& fields, bool runs_code, bool text_runs_code);

/// What an SQLSTATE means, in general words. Never empty.
std::string_view general_message(std::string_view sqlstate);

}  // namespace dbguard::relay::postgres
