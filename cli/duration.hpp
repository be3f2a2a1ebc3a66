#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace dbguard::cli {

/// `90`, `90s`, `1.5h`, `500ms`, `10m`, `2d`: seconds where no unit is given. Empty for anything else, a
/// negative value, or more than ten years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace dbguard::cli
