#pragma once

// Which mask a column has in a role. Knows names and tags; knows nothing of lineage (policy/sensitivity.hpp asks here for
// every column of the catalogue).

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace dbguard::policy {

/// What the role's mask sets say of one column.
struct ColumnRule {
    /// Empty: the column is shown as it is.
    std::optional<masking::Mask> mask;
    /// An exact name stands in the policy for it (with `keep` or with a mask): stored copies follow that word.
    bool named = false;
    /// Of the sets whose rules make the mask, the strictest of each.
    Derived derived = Derived::deny;
    Filter filter = Filter::deny;
    std::string rule;  ///< `masks.pii[0]`, the one that decided; empty: none matched
    std::string derived_rule, filter_rule;  ///< `masks.pii.derived`, `masks.pii.filter`: of the set that is strictest there

    bool operator==(const ColumnRule&) const = default;
};

/// A role's mask sets. Immutable; keeps nothing of the policy alive.
class RoleMasks {
  public:
    RoleMasks(const Policy& policy, const Role& role, NameRules names = {});

    /// Names as the catalogue spells them. All matching rules apply and the strictest wins, except that `keep` by the
    /// column's exact name wins over tags, wildcards and detectors, never over another exact rule.
    ColumnRule column(
        std::string_view schema, std::string_view table, std::string_view column, std::span<const std::string> tags = {}
    ) const;
    /// column().mask
    std::optional<masking::Mask> mask_for(
        std::string_view schema, std::string_view table, std::string_view column, std::span<const std::string> tags = {}
    ) const;

    /// No rule at all: nothing can be masked.
    bool empty() const { return rules_.empty(); }
    /// Some rule goes by tag: tags are worth reading.
    bool wants_tags() const;
    /// The strictest of all sets; the language's defaults when there is none.
    Derived derived() const { return derived_; }
    Filter filter() const { return filter_; }

  private:
    struct Entry {
        std::vector<ObjectPattern> columns;
        std::vector<std::string> tags;
        bool everywhere = false;
        masking::Mask mask;
        Derived derived = Derived::deny;
        Filter filter = Filter::deny;
        std::string rule;
        std::string set;  ///< `masks.pii`
    };
    enum class Match : std::uint8_t { no, loose, exact };
    Match match(
        const Entry& entry, std::string_view schema, std::string_view table, std::string_view column,
        std::span<const std::string> tags
    ) const;

    std::vector<Entry> rules_;
    NameRules names_;
    Derived derived_ = Derived::deny;
    Filter filter_ = Filter::deny;
};

}  // namespace dbguard::policy
