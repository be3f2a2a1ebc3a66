#pragma once

// Names of relations, columns and functions as a policy writes them: `public.customers`, `*.*.*_secret`,
// `shop."My Table".email`. A part with a dot, a space or a quote is written as in SQL; `*` matches any characters within
// one part, also in a quoted one. Names are spelled as the catalogue spells them: nothing is folded to lower case.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace dbguard::policy {

namespace errc {
inline constexpr std::string_view bad_object = "bad_object";
}

/// Where letter case does not matter to the server (MySQL: columns always, relations by lower_case_table_names).
/// ASCII letters only.
struct NameRules {
    bool fold_relations = false;
    bool fold_columns = false;

    bool operator==(const NameRules&) const = default;
};

struct ObjectPattern {
    std::string schema;
    std::string relation;               ///< or function
    std::optional<std::string> column;  ///< empty: the relation and all its columns

    bool operator==(const ObjectPattern&) const = default;
    /// No part has a `*`.
    bool exact() const;
};

/// Two or three parts. Errors: bad_object (the detail says what is wrong).
Result<ObjectPattern> parse_object(std::string_view text);
/// The way back, quoted where needed.
std::string text(const ObjectPattern& pattern);
/// One name as SQL would write it: quoted when it holds a dot, white space or a quote.
std::string quoted_name(std::string_view name);

/// `*` stands for any characters, all others for themselves. Linear in practice: one backtracking point.
bool matches_wildcard(std::string_view pattern, std::string_view text, bool fold_case = false);
bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace dbguard::policy
