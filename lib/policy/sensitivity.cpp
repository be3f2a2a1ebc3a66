#include "policy/sensitivity.hpp"

#include <algorithm>

#include "sql/lineage.hpp"

namespace dbguard::policy {
namespace {

using catalogue::Relation;
using catalogue::RelationKind;

bool is_index(const std::string& step) { return !step.empty() && step.find_first_not_of("0123456789") == std::string::npos; }

// A member read overlaps a masked one when either holds the other.
bool overlaps(const std::vector<std::string>& read, const std::vector<std::string>& masked) {
    std::size_t i = 0;
    for (const std::string& step : read) {
        if (is_index(step)) continue;   // through an array to its elements
        if (i == masked.size()) return true;
        if (step != masked[i]) return false;
        ++i;
    }
    return true;
}

// date, timestamp, and arrays and domains of them
bool has_no_zone(catalogue::Id id, const catalogue::Snapshot& snapshot) {
    for (int steps = 0; steps < 32; ++steps) {
        const catalogue::Type* type = snapshot.type(id);
        if (type == nullptr) break;
        id = type->base != 0 ? type->base : type->element;
    }
    // pg_type.dat: date timestamp _timestamp _date
    static constexpr catalogue::Id types[] = {1082, 1114, 1115, 1182};
    return std::find(std::begin(types), std::end(types), id) != std::end(types);
}

// Types whose masked value is one text, one number or nothing: json keeps its members' names, an array how many there are.
bool is_scalar(catalogue::Id id, const catalogue::Snapshot& snapshot) {
    for (int steps = 0; steps < 32; ++steps) {
        const catalogue::Type* type = snapshot.type(id);
        if (type == nullptr) break;
        if (type->kind == catalogue::TypeKind::base && type->name == "citext") return true;
        if (type->kind != catalogue::TypeKind::domain) return false;
        id = type->base;
    }
    // pg_type.dat: bool bytea name int8 int2 int4 text bpchar varchar float4 float8 numeric date time timestamp timestamptz interval timetz uuid
    static constexpr catalogue::Id scalars[] = {16, 17, 19, 20, 21, 23, 25, 1042, 1043, 700, 701, 1700, 1082, 1083, 1114, 1184, 1186, 1266, 2950};
    return std::find(std::begin(scalars), std::end(scalars), id) != std::end(scalars);
}

}  // namespace

Sensitivity::Sensitivity(const RoleMasks& masks, const catalogue::Snapshot& snapshot, const catalogue::Context& context, const sql::Dialect& dialect, const Sensitivity* before)
    : has_masks_(!masks.empty()) {
    if (masks.empty()) return;
    std::unordered_set<std::uint64_t> decided;   // the policy has its own word for it
    const auto key = [](const Relation& relation, const catalogue::Column& column) {
        return static_cast<std::uint64_t>(relation.id) << 16 | static_cast<std::uint16_t>(column.number);
    };
    const auto name = [](const Relation& relation, const catalogue::Column& column) { return relation.schema + "." + relation.name + "." + column.name; };
    for (const Relation& relation : snapshot.relations()) {
        if (dialect.is_system_schema(relation.schema)) continue;   // what those hold of values the analysis says
        // A view has no values of its own: its columns are what its query reads.
        for (const catalogue::Column& column : relation.columns) {
            const ColumnRule rule = masks.column(relation.schema, relation.name, column.name, column.tags);
            if (rule.named) decided.insert(key(relation, column));
            if (!rule.mask || rule.mask->function == masking::Function::keep) continue;
            SensitiveColumn& sensitive = columns_[{relation.id, column.number}] = {*rule.mask, rule.derived, rule.filter, name(relation, column), rule.rule, rule.derived_rule, rule.filter_rule};
            const bool cuts_date = rule.mask->function == masking::Function::date_year || rule.mask->function == masking::Function::date_month;
            sensitive.mask.no_zone = cuts_date && has_no_zone(column.type, snapshot);
        }
    }
    if (before != nullptr)
        for (const auto& [id, known] : before->columns_) {
            const Relation* relation = snapshot.relation(id.relation);
            const catalogue::Column* column = relation == nullptr ? nullptr : relation->column(id.number);
            if (column == nullptr) continue;
            const auto [now, added] = columns_.emplace(id, known);
            if (added) now->second.name = name(*relation, *column);
        }
    // Children and partitions carry their parents' masks, and a parent shows its children's rows; a few rounds for several levels.
    for (bool changed = true; changed;) {
        changed = false;
        const auto carry = [&](const Relation& from, const Relation& to, bool upwards) {
            for (const catalogue::Column& column : from.columns) {
                const auto known = columns_.find({from.id, column.number});
                const catalogue::Column* other = known == columns_.end() ? nullptr : to.column(column.name);
                if (other == nullptr || columns_.contains({to.id, other->number}) || decided.contains(key(to, *other))) continue;
                SensitiveColumn& carried = columns_[{to.id, other->number}] = known->second;
                carried.from_children = carried.from_children || upwards;
                changed = true;
            }
        };
        for (const Relation& relation : snapshot.relations())
            for (const catalogue::Id parent_id : relation.parents)
                if (const Relation* parent = snapshot.relation(parent_id); parent != nullptr) {
                    carry(*parent, relation, false);
                    carry(relation, *parent, true);
                }
    }
    // Stored copies: generated columns and materialized views. One masked column as it is, or alone in an expression, keeps
    // its mask; several together are redacted.
    const auto copy_mask = [&](const std::vector<sql::Source>& sources, bool opaque, SensitiveColumn& out) {
        const SensitiveColumn* first = nullptr;
        bool several = false;
        for (const sql::Source& from : sources) {
            const SensitiveColumn* found = source(from);
            if (found == nullptr || from.flow == sql::Flow::existence) continue;
            if (first == nullptr) {
                first = found;
                out = *found;
            } else {
                several = true;
                if (found->derived > out.derived) {
                    out.derived = found->derived;
                    out.derived_rule = found->derived_rule;
                }
                if (found->filter > out.filter) {
                    out.filter = found->filter;
                    out.filter_rule = found->filter_rule;
                }
            }
        }
        if (first == nullptr && !opaque) return false;
        if (first == nullptr) out.rule = "masks";
        const bool alone = sources.size() == 1 && !opaque && first->mask.keys.empty();
        if (several || !alone) {
            const bool nothing = first != nullptr && first->mask.function == masking::Function::null;
            out.mask = {};
            out.mask.function = nothing ? masking::Function::null : masking::Function::redact;
        }
        return true;
    };
    for (int round = 0; round < 4; ++round) {
        bool changed = false;
        for (const Relation& relation : snapshot.relations()) {
            std::vector<sql::Lineage> lineage;
            if (relation.kind == RelationKind::materialized_view) lineage = sql::lineage_of_stored_query(relation, {&snapshot, &context}, dialect);
            for (std::size_t i = 0; i < relation.columns.size(); ++i) {
                const catalogue::Column& column = relation.columns[i];
                const sql::ColumnId own{relation.id, column.number};
                if (columns_.contains(own) || decided.contains(key(relation, column))) continue;
                sql::Lineage from;
                if (relation.kind == RelationKind::materialized_view && i < lineage.size()) from = lineage[i];
                else if (column.generated) from = sql::lineage_of_expression(relation, column.default_text, {&snapshot, &context}, dialect);
                else continue;
                SensitiveColumn copy;
                copy.name = name(relation, column);
                if (!copy_mask(from.sources, from.opaque, copy)) continue;
                copy.name = name(relation, column);
                columns_[own] = std::move(copy);
                changed = true;
            }
        }
        if (!changed) break;
    }
    for (auto& [id, sensitive] : columns_) {
        relations_.insert(id.relation);
        restricts_filters_ = restricts_filters_ || sensitive.filter != Filter::allow;
        restricts_derived_ = restricts_derived_ || sensitive.derived != Derived::mask;
        const Relation* relation = snapshot.relation(id.relation);
        const catalogue::Column* column = relation == nullptr ? nullptr : relation->column(id.number);
        using Function = masking::Function;
        const masking::Mask& mask = sensitive.mask;
        const bool constant = mask.function == Function::redact || mask.function == Function::replace || mask.function == Function::zero;
        sensitive.hides = mask.keys.empty() && mask.detectors.empty() && (mask.function == Function::null || (constant && column != nullptr && is_scalar(column->type, snapshot)));
    }
}

const SensitiveColumn* Sensitivity::column(sql::ColumnId column) const {
    const auto found = columns_.find(column);
    return found == columns_.end() ? nullptr : &found->second;
}

const SensitiveColumn* Sensitivity::source(const sql::Source& source) const {
    const SensitiveColumn* found = column(source.column);
    if (found == nullptr || found->mask.keys.empty() || source.path.empty()) return found;
    const bool any = std::any_of(found->mask.keys.begin(), found->mask.keys.end(), [&](const auto& masked) { return overlaps(source.path, masked); });
    return any ? found : nullptr;
}

const SensitiveColumn* Sensitivity::with_member(std::string_view name) const {
    const auto found = std::ranges::find_if(columns_, [&](const auto& entry) {
        return std::ranges::any_of(entry.second.mask.keys, [&](const auto& path) { return std::ranges::find(path, name) != path.end(); });
    });
    return found == columns_.end() ? nullptr : &found->second;
}

bool Sensitivity::touches(std::span<const std::uint32_t> relations) const {
    return std::any_of(relations.begin(), relations.end(), [&](std::uint32_t relation) { return relations_.contains(relation); });
}

}  // namespace dbguard::policy
