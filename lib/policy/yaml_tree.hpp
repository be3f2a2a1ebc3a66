#pragma once

// A YAML document as a plain tree with positions: text stays text, whatever it looks like. Only what a policy file needs:
// anchors, aliases and tags are refused, and so are duplicate keys, several documents, deep nesting and large files.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/problem.hpp"

namespace dbguard::policy {

struct YamlKey {
    std::string text;
    Position at;
    bool plain = true;  ///< written without quotes
};

struct YamlNode {
    enum class Kind { null, scalar, sequence, map };
    Kind kind = Kind::null;
    Position at;
    std::string text;            ///< scalar
    bool plain = true;           ///< scalar: written without quotes
    std::vector<YamlKey> keys;   ///< map: one an item
    std::vector<YamlNode> items; ///< sequence and map

    /// The value under `key`, or nullptr.
    const YamlNode* find(std::string_view key) const;
};

/// Adds what is wrong to `problems`; empty when there is no usable tree.
std::optional<YamlNode> parse_yaml(std::string_view text, std::string_view file, std::vector<Problem>& problems);

/// What another YAML reader (1.1 or 1.2) would take this unquoted word for: `a boolean`, `a number`, `a date`, `nothing`;
/// empty when all agree that it is text. Source: YAML 1.1 type repository (bool, int, float, timestamp, null, merge,
/// value) and YAML 1.2 §10.3, core schema.
std::string_view yaml_reading(std::string_view word);

}  // namespace dbguard::policy
