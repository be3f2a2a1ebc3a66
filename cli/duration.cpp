#include "cli/duration.hpp"

#include <charconv>

namespace dbguard::cli {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc() || !(value >= 0)) return std::nullopt;
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    double milliseconds = 0;
    if (unit.empty() || unit == "s")
        milliseconds = 1000;
    else if (unit == "ms")
        milliseconds = 1;
    else if (unit == "m" || unit == "min")
        milliseconds = 60'000;
    else if (unit == "h")
        milliseconds = 3'600'000;
    else if (unit == "d")
        milliseconds = 86'400'000;
    else
        return std::nullopt;
    constexpr double ten_years = 315'360'000'000;
    if (value * milliseconds > ten_years) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(value * milliseconds));
}

}  // namespace dbguard::cli
