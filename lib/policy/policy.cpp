#include "policy/policy.hpp"

#include <algorithm>

namespace dbguard::policy {
namespace {

template <class T>
const T* find_named(const std::vector<T>& all, std::string_view name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const T& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::string_view name(Verdict verdict) {
    switch (verdict) {
        case Verdict::allow: return "allow";
        case Verdict::warn: return "warn";
        case Verdict::approve: return "approve";
        case Verdict::deny: return "deny";
    }
    return "deny";
}

std::string_view name(Engine engine) { return engine == Engine::postgres ? "postgres" : "mysql"; }

std::string_view name(Derived derived) { return derived == Derived::mask ? "mask" : "deny"; }

std::string_view name(Filter filter) {
    switch (filter) {
        case Filter::allow: return "allow";
        case Filter::equality: return "equality";
        case Filter::deny: return "deny";
    }
    return "deny";
}

const Role* find_role(const Policy& policy, std::string_view name) { return find_named(policy.roles, name); }
const Identity* find_identity(const Policy& policy, std::string_view name) {
    return find_named(policy.identities, name);
}
const Database* find_database(const Policy& policy, std::string_view name) {
    return find_named(policy.databases, name);
}
const MaskSet* find_masks(const Policy& policy, std::string_view name) { return find_named(policy.masks, name); }
const Approval* find_approval(const Policy& policy, std::string_view name) {
    return find_named(policy.approvals, name);
}

bool admits_database(const Role& role, std::string_view database) {
    return std::any_of(role.databases.begin(), role.databases.end(), [&](const Reference& one) {
        return one.name == database;
    });
}

RecordSettings record_settings(const Policy& policy, const Role& role) {
    auto settings = role.record.value_or(RecordSettings{});
    const auto& outer = policy.record;
    if (!settings.sql) settings.sql = outer && outer->sql ? outer->sql : RecordSql::masked;
    if (!settings.results) settings.results = outer && outer->results ? outer->results : RecordResults::none;
    if (!settings.raw) settings.raw = outer && outer->raw ? outer->raw : RecordRaw::never;
    if (!settings.keep && outer) settings.keep = outer->keep;
    if (settings.to.empty() && outer) settings.to = outer->to;
    return settings;
}

bool in_shadow(const Policy& policy, const Role& role) {
    return role.mode.value_or(policy.mode) == Mode::shadow;
}

std::string rule_name(const Role& role, const Rule& rule) {
    return role.name + '#' + (rule.id.empty() ? std::to_string(rule.number) : rule.id);
}

}  // namespace dbguard::policy
