#include "policy/masks.hpp"

#include <algorithm>
#include <tuple>

namespace dbguard::policy {
namespace {

bool fits(const ObjectPattern& pattern, std::string_view schema, std::string_view table, std::string_view column, NameRules names) {
    return matches_wildcard(pattern.schema, schema, names.fold_relations) &&
           matches_wildcard(pattern.relation, table, names.fold_relations) && pattern.column &&
           matches_wildcard(*pattern.column, column, names.fold_columns);
}

/// An order of masks that has nothing to do with the file's: strictest function first.
bool comes_first(const masking::Mask& a, const masking::Mask& b) {
    return std::tie(a.function, a.a, a.b, a.keys, a.detectors) < std::tie(b.function, b.a, b.b, b.keys, b.detectors);
}

}  // namespace

RoleMasks::RoleMasks(const Policy& policy, const Role& role, NameRules names) : names_(names) {
    bool any = false;
    for (const auto& reference : role.masks) {
        const auto* set = find_masks(policy, reference.name);
        if (!set) continue;  // load() has refused it
        derived_ = any ? std::max(derived_, set->derived) : set->derived;
        filter_ = any ? std::max(filter_, set->filter) : set->filter;
        any = true;
        const auto set_name = "masks." + set->name;
        for (const auto& rule : set->columns)
            rules_.push_back(
                {rule.columns, rule.tags, rule.everywhere, rule.mask, set->derived, set->filter,
                 set_name + '[' + std::to_string(rule.index) + ']', set_name}
            );
    }
}

RoleMasks::Match RoleMasks::match(
    const Entry& entry, std::string_view schema, std::string_view table, std::string_view column,
    std::span<const std::string> tags
) const {
    auto best = entry.everywhere ? Match::loose : Match::no;
    for (const auto& pattern : entry.columns) {
        if (!fits(pattern, schema, table, column, names_)) continue;
        if (pattern.exact()) return Match::exact;
        best = Match::loose;
    }
    for (const auto& tag : entry.tags)
        if (std::find(tags.begin(), tags.end(), tag) != tags.end()) best = Match::loose;
    return best;
}

ColumnRule RoleMasks::column(
    std::string_view schema, std::string_view table, std::string_view column, std::span<const std::string> tags
) const {
    std::vector<const Entry*> exact, all;
    bool kept = false;
    for (const auto& entry : rules_) {
        const auto found = match(entry, schema, table, column, tags);
        if (found == Match::no) continue;
        all.push_back(&entry);
        // A detector is a net, also where its `in` names the column: it is no word about the column itself.
        if (found != Match::exact || !entry.mask.detectors.empty()) continue;
        exact.push_back(&entry);
        kept = kept || entry.mask.function == masking::Function::keep;
    }
    ColumnRule out;
    out.named = !exact.empty();
    auto& candidates = kept ? exact : all;
    std::sort(candidates.begin(), candidates.end(), [](const Entry* a, const Entry* b) {
        return comes_first(a->mask, b->mask);
    });
    bool any = false;
    for (const auto* entry : candidates) {
        if (out.rule.empty()) out.rule = entry->rule;
        if (entry->mask.function == masking::Function::keep) continue;
        out.mask = out.mask ? masking::stricter(*out.mask, entry->mask) : entry->mask;
        if (!any || entry->derived > out.derived) {
            out.derived = entry->derived;
            out.derived_rule = entry->set + ".derived";
        }
        if (!any || entry->filter > out.filter) {
            out.filter = entry->filter;
            out.filter_rule = entry->set + ".filter";
        }
        any = true;
    }
    return out;
}

std::optional<masking::Mask> RoleMasks::mask_for(
    std::string_view schema, std::string_view table, std::string_view column, std::span<const std::string> tags
) const {
    return this->column(schema, table, column, tags).mask;
}

bool RoleMasks::wants_tags() const {
    return std::any_of(rules_.begin(), rules_.end(), [](const Entry& entry) { return !entry.tags.empty(); });
}

}  // namespace dbguard::policy
