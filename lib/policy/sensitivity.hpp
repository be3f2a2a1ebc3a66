#pragma once

// Which columns of a database are sensitive to a role: those its masks name, and those that carry their values without
// being named (children and partitions, generated columns, materialized views). Made once a snapshot of the catalogue and
// role; then pure look-ups.

#include <map>
#include <span>
#include <string>
#include <unordered_set>

#include "catalogue/snapshot.hpp"
#include "policy/masks.hpp"
#include "sql/analyze.hpp"
#include "sql/statement.hpp"

namespace dbguard::policy {

struct SensitiveColumn {
    masking::Mask mask;
    Derived derived = Derived::deny;
    Filter filter = Filter::deny;
    std::string name;  ///< `public.customers.email`
    std::string rule;  ///< `masks.pii[0]`; `masks` where several, or nobody knows which, make it
    std::string derived_rule = "masks", filter_rule = "masks";  ///< `masks.pii.derived`, `masks.pii.filter`
    bool from_children = false;   ///< of a parent: masked because a child or partition is
    /// What it shows is the same for every value: a value that is made of others may be stored there.
    bool hides = false;
};

class Sensitivity {
  public:
    /// Nothing is sensitive.
    Sensitivity() = default;
    /// `before`: what was sensitive earlier stays so under another name, for masks name columns and a rename does not make their
    /// values harmless.
    Sensitivity(const RoleMasks& masks, const catalogue::Snapshot& snapshot, const catalogue::Context& context, const sql::Dialect& dialect, const Sensitivity* before = nullptr);

    /// Null: not sensitive. Borrowed.
    const SensitiveColumn* column(sql::ColumnId column) const;
    /// The same, where reading that member of it is harmless when the mask is for other members.
    const SensitiveColumn* source(const sql::Source& source) const;
    /// Some column of which members of that name are masked; null: none.
    const SensitiveColumn* with_member(std::string_view name) const;
    /// Adds what `other` knows besides, whether or not it is there now: to be `before` of the next one.
    void remember(const Sensitivity& other) { columns_.insert(other.columns_.begin(), other.columns_.end()); }
    bool touches(std::span<const std::uint32_t> relations) const;
    /// Some column here may not decide which rows come.
    bool restricts_filters() const { return restricts_filters_; }
    /// What is computed of some column here is refused.
    bool restricts_derived() const { return restricts_derived_; }
    /// The role masks nothing here.
    bool empty() const { return columns_.empty(); }
    /// The role has masks, whether or not this database has such columns.
    bool has_masks() const { return has_masks_; }

  private:
    std::map<sql::ColumnId, SensitiveColumn> columns_;
    std::unordered_set<std::uint32_t> relations_;
    bool has_masks_ = false;
    bool restricts_filters_ = false;
    bool restricts_derived_ = false;
};

}  // namespace dbguard::policy
