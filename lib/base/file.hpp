#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace dbguard {

namespace errc {
inline constexpr std::string_view cannot_open = "cannot_open";
inline constexpr std::string_view cannot_read = "cannot_read";
inline constexpr std::string_view too_large = "too_large";
}  // namespace errc

/// The whole file, at most `max_bytes`. The detail names the path and the system's reason.
/// Errors: cannot_open, cannot_read, too_large.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace dbguard
