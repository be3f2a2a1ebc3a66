#pragma once

// What is wrong with a policy file, and where.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::policy {

/// A place in the policy file; both count from 1, the column in characters. Line 0: the file as a whole.
struct Position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    auto operator<=>(const Position&) const = default;
};

enum class Severity : std::uint8_t { error, warning, note };

std::string_view name(Severity severity);

struct Problem {
    std::string file;
    Position at;
    Severity severity = Severity::error;
    std::string message;     ///< what is wrong, one clause
    std::string suggestion;  ///< what to do about it, one imperative clause; may be empty

    bool operator==(const Problem&) const = default;
};

/// A word of the file, as messages show it.
std::string quoted(std::string_view word);
/// One line: policy.yaml:3:7: error: unknown key `rulse` in role `tester`; write `rules`
std::string text(const Problem& problem);
bool has_errors(const std::vector<Problem>& problems);

}  // namespace dbguard::policy
