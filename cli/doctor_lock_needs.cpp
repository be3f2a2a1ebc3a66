#include "cli/doctor_lock_needs.hpp"

#include <algorithm>

namespace dbguard::cli::lock {
namespace {

using policy::ObjectPattern;
using policy::Rule;
using policy::Verdict;
using sql::EffectClass;

bool overlaps(const Rule& rule, EffectClass effect) {
    return std::any_of(rule.classes.begin(), rule.classes.end(), [&](EffectClass one) { return sql::inside(one, effect) || sql::inside(effect, one); });
}

bool covers(const Rule& rule, EffectClass effect) {
    return std::any_of(rule.classes.begin(), rule.classes.end(), [&](EffectClass one) { return sql::inside(effect, one); });
}

bool part_may_match(const std::string& pattern, std::string_view name) { return name.empty() || policy::matches_wildcard(pattern, name); }

bool may_name(const Rule& rule, std::string_view schema, std::string_view name, const std::string_view* column) {
    const bool by_object = rule.of.empty() || std::any_of(rule.of.begin(), rule.of.end(), [&](const ObjectPattern& pattern) {
        return part_may_match(pattern.schema, schema) && part_may_match(pattern.relation, name) &&
               (column == nullptr || !pattern.column || policy::matches_wildcard(*pattern.column, *column));
    });
    if (!by_object || !rule.when || rule.when->functions.empty() || name.empty()) return by_object;
    return std::any_of(rule.when->functions.begin(), rule.when->functions.end(), [&](const ObjectPattern& pattern) {
        return part_may_match(pattern.schema, schema) && part_may_match(pattern.relation, name);
    });
}

/// Nothing of this object escapes the rule. A name that is not given is any name: only `*` covers it.
bool names_all_of(const Rule& rule, std::string_view schema, std::string_view name, const std::string_view* column) {
    const auto part = [](const std::string& pattern, std::string_view given) {
        return given.empty() ? pattern == "*" : policy::matches_wildcard(pattern, given);
    };
    return rule.of.empty() || std::any_of(rule.of.begin(), rule.of.end(), [&](const ObjectPattern& pattern) {
        const bool whole = !pattern.column || *pattern.column == "*";
        return part(pattern.schema, schema) && part(pattern.relation, name) && (whole || (column != nullptr && policy::matches_wildcard(*pattern.column, *column)));
    });
}

}  // namespace

bool Needs::opens(const policy::Role& role, EffectClass effect, std::string_view schema, std::string_view name, const std::string_view* column) const {
    if (policy::in_shadow(policy_, role)) return true;  // nothing is enforced
    const bool opened = std::any_of(role.rules.begin(), role.rules.end(), [&](const Rule& rule) {
        // A rule that counts rows tightens and opens nothing (policy.md 5.5).
        const bool counts = rule.when && rule.when->counts_rows();
        return rule.verdict != Verdict::deny && !counts && overlaps(rule, effect) && may_name(rule, schema, name, column);
    });
    return opened && std::none_of(role.rules.begin(), role.rules.end(), [&](const Rule& rule) {
        return rule.verdict == Verdict::deny && !rule.shadow && !rule.when && covers(rule, effect) && names_all_of(rule, schema, name, column);
    });
}

bool Needs::opens(EffectClass effect, std::string_view schema, std::string_view name) const {
    return std::any_of(roles_.begin(), roles_.end(), [&](const policy::Role* role) { return opens(*role, effect, schema, name, nullptr); });
}

bool Needs::opens_any(std::initializer_list<EffectClass> effects, std::string_view schema, std::string_view name) const {
    return std::any_of(effects.begin(), effects.end(), [&](EffectClass effect) { return opens(effect, schema, name); });
}

bool Needs::reads(std::string_view schema, std::string_view name, std::string_view column) const {
    return std::any_of(roles_.begin(), roles_.end(), [&](const policy::Role* role) {
        return opens(*role, EffectClass::read_table, schema, name, &column) || opens(*role, EffectClass::bulk_export, schema, name, &column);
    });
}

std::set<std::string> Needs::privileges(std::string_view schema, std::string_view name, char kind) const {
    using enum EffectClass;
    std::set<std::string> needed;
    const auto need = [&](const char* privilege, std::initializer_list<EffectClass> effects) {
        if (opens_any(effects, schema, name)) needed.insert(privilege);
    };
    if (kind == 'S') {
        // nextval is `read` (policy.md 2.1); an INSERT anywhere near may take a default from it.
        need("SELECT", {read_table});
        need("USAGE", {read_table, write_insert, write_merge, bulk_import});
        need("UPDATE", {write_update});
        return needed;
    }
    need("SELECT", {read_table, bulk_export});
    need("INSERT", {write_insert, write_merge, write_replace, bulk_import});
    need("UPDATE", {write_update, write_merge, lock});  // FOR UPDATE and FOR SHARE ask for it too
    need("DELETE", {write_delete, write_merge});
    need("TRUNCATE", {ddl_truncate});
    need("REFERENCES", {ddl_create, ddl_alter});
    need("TRIGGER", {ddl_create, ddl_alter});
    need("MAINTAIN", {maintenance, lock});
    return needed;
}

bool Needs::changes(std::string_view schema, std::string_view name) const {
    using enum EffectClass;
    return opens_any({ddl, ddl_create_index, ddl_alter, ddl_drop, ddl_rename, ddl_comment, dcl, maintenance}, schema, name);
}

bool gives_only_null(const masking::Mask& mask, char category) {
    using masking::Function;
    if (!mask.keys.empty() || !mask.detectors.empty()) return false;
    if (mask.function == Function::null) return true;
    // The table of mask functions: numbers and dates under a mask for text.
    const bool plain = category == 'N' || category == 'D';
    switch (mask.function) {
        case Function::redact:
        case Function::replace:
        case Function::hash:
        case Function::email:
        case Function::first:
        case Function::last:
        case Function::partial: return plain;
        default: return false;
    }
}

}  // namespace dbguard::cli::lock
