#pragma once

// Names of columns and tables that often hold what should be masked. A hint for lint and drafts, never a decision: what is
// masked is what the policy names.

#include <string>
#include <string_view>

namespace dbguard::policy {

/// The word in the name that gives it away (`email`, `card number`); empty: none. Letter case, `_` and camelCase do not
/// matter; words inside longer words do not count (`token` in `tokenizer`).
std::string sensitive_word(std::string_view column);
/// The same for tables: `credentials`, `salaries`.
std::string sensitive_table_word(std::string_view table);

}  // namespace dbguard::policy
