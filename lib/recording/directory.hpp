#pragma once

// Recordings in a directory: found by session or by path.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace dbguard::recording {

/// The path that a user means: a file as it is named (with a `/`, or ending in .dbgl), otherwise a session in `directory`.
std::string recording_path(const std::string& directory, const std::string& file_or_session);

/// Paths of all recordings in a directory, sorted by name. Errors: cannot_read.
Result<std::vector<std::string>> list_recordings(const std::string& directory);

/// What the next recording's head names as `prev`: `session:head` of the one that was last ended in this directory. Empty: none, or
/// it is not known.
std::string previous_head(const std::string& directory);
/// Remembers it, in `<directory>/.previous`. Errors: cannot_write.
Result<void> remember_head(const std::string& directory, std::string_view session, std::string_view head);

}  // namespace dbguard::recording
