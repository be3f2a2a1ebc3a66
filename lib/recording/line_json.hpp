#pragma once

// One line as JSON: form only. The tree of a line (for replay) is built elsewhere.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace dbguard::recording {

/// What reading a line needs of its members.
struct LineForm {
    std::int64_t version = -1;   ///< `v` when it is a number
    bool sealed = false;         ///< `seal` is there
    std::string session;         ///< `sid`
    bool has_self = false;
};

/// Strict: one object, no member twice at its top, nested at most 64 deep, valid UTF-8.
/// Errors: malformed_line (recording/reader.hpp), the detail without any of the line's own text.
Result<LineForm> read_line_form(std::string_view line);

}  // namespace dbguard::recording
