#pragma once

// What a policy may ever open, so that what the database gives beyond it can be named. Generous on purpose: a rule with
// conditions counts as opening, a denial only where nothing escapes it. What is called closed here is closed to every statement.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "masking/mask.hpp"
#include "policy/masks.hpp"
#include "policy/policy.hpp"
#include "policy/sensitivity.hpp"
#include "sql/effect.hpp"

namespace dbguard::cli::lock {

class Needs {
  public:
    /// For all these roles at once: they share one login, so what one of them needs the login needs. Borrows the policy.
    Needs(const policy::Policy& policy, std::vector<const policy::Role*> roles) : policy_(policy), roles_(std::move(roles)) {}

    const std::vector<const policy::Role*>& roles() const { return roles_; }

    /// Some statement of this class on this object may run. An empty schema or name stands for any.
    bool opens(sql::EffectClass effect, std::string_view schema = {}, std::string_view name = {}) const;
    bool opens_any(std::initializer_list<sql::EffectClass> effects, std::string_view schema = {}, std::string_view name = {}) const;
    /// This column's value may be read, masked or not.
    bool reads(std::string_view schema, std::string_view name, std::string_view column) const;
    /// The privileges on a table, view or sequence that what is open can need: SELECT, INSERT, …
    std::set<std::string> privileges(std::string_view schema, std::string_view name, char kind) const;
    /// Any class that can change an object's definition: then its owner must be one who may.
    bool changes(std::string_view schema, std::string_view name) const;

  private:
    bool opens(const policy::Role& role, sql::EffectClass effect, std::string_view schema, std::string_view name, const std::string_view* column) const;

    const policy::Policy& policy_;
    std::vector<const policy::Role*> roles_;
};

/// The mask gives NULL for every value of a type of this category (pg_type.typcategory): the value itself is never needed.
bool gives_only_null(const masking::Mask& mask, char category);

}  // namespace dbguard::cli::lock
