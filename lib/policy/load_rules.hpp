#pragma once

// Rules of a policy file: what each reads of the tree, and what it says of that which does not fit.

#include <optional>
#include <string_view>
#include <vector>

#include "policy/fields.hpp"

namespace dbguard::policy {

/// Empty: it is no map.
std::optional<Rule> read_rule(Fields& fields, const YamlNode& node);
/// `of`, `column`, `in`. `columns_only`: three parts each.
std::vector<ObjectPattern> read_objects(Fields& fields, const YamlNode& node, std::string_view what, bool columns_only);

}  // namespace dbguard::policy
