#pragma once

// From the text of a trace (wire/postgres/trace.hpp) back to the message that it tells of.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "wire/postgres/frame.hpp"

namespace dbguard::wire::postgres {

/// The bytes of the message that this line tells of, but for what a trace leaves out: the sizes of a RowDescription's types come as
/// -1. Errors: bad_value, for a line that is no trace, was cut, or tells of a message of logging in.
Result<std::string> bytes_of_trace(std::string_view line);

}  // namespace dbguard::wire::postgres
