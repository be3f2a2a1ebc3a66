#pragma once

#include <string>
#include <string_view>

namespace dbguard::recording {

/// Appends text from a recording so that it does nothing to a terminal or a CI's log: control and direction-turning
/// characters and invalid bytes as `\x1b` or `\u{202e}`, `##[` (a command to GitHub's runner anywhere in a line) as `##\[`.
/// A line break becomes a line break with `margin` behind it, or `\n` when the margin is empty. The margin should begin with
/// something visible: what looks for commands at the beginning of a line often skips blanks.
void append_printable(std::string& out, std::string_view text, std::string_view margin = {});
std::string printable(std::string_view text);

/// One line of JSON with all of these escaped where they stand in strings; the value stays the same.
std::string printable_json(std::string_view line);

}  // namespace dbguard::recording
