#pragma once

// Mask sets of a policy file.

#include <optional>
#include <string>

#include "policy/fields.hpp"

namespace dbguard::policy {

/// Empty: it is no map.
std::optional<MaskSet> read_mask_set(Fields& fields, const std::string& name, Position at, const YamlNode& node);

}  // namespace dbguard::policy
