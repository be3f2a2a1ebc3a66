#pragma once

// From the text of a policy file to a Policy, or to a list of all that is wrong with it. Strict: unknown and duplicate
// keys, anchors, aliases, tags, several documents, and words that another YAML reader would take for a boolean, number or
// date where text is meant are errors. Reads no file and keeps nothing.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace dbguard::policy {

/// A policy file larger than this is refused before it is read.
inline constexpr std::size_t max_policy_bytes = std::size_t{1} << 20;
/// Deeper nesting than this is refused; the language itself needs 8.
inline constexpr std::size_t max_policy_depth = 16;
/// More rules in one role are refused: each new statement is held against all of them.
inline constexpr std::size_t max_role_rules = 2000;

struct LoadResult {
    std::optional<Policy> policy;   ///< there when no problem is an error
    std::vector<Problem> problems;  ///< in the order of the file
};

/// `file` is used in messages only.
LoadResult load(std::string_view text, std::string_view file);

}  // namespace dbguard::policy
