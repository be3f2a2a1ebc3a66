#include "relay/name_changes.hpp"

#include <algorithm>

namespace dbguard::relay {
namespace {

using Class = sql::EffectClass;

/// Older ones are forgotten, and whoever was planned before them is taken to be concerned.
constexpr std::size_t most_kept = 1024;
constexpr std::size_t most_names = 1024;

bool touches(const NameChange& change, const sql::Object& object) {
    return std::ranges::any_of(change.names, [&](const NameChange::Name& name) { return name.name == "*" ? name.schema == object.schema : name.name == object.name; });
}

bool concerns(const NameChange& change, std::span<const PlannedStatement> statements, bool started) {
    return std::ranges::any_of(statements, [&](const PlannedStatement& planned) {
        const sql::Statement& statement = planned.statement;
        // EXECUTE, FETCH: what they run is not told here.
        const bool fetches = statement.kind == sql::StatementKind::fetch, executes = sql::execute_of(statement) != nullptr;
        if (change.code && (!started || statement.runs_code || fetches || executes)) return true;
        if (started || fetches) return false;   // an open cursor holds its locks
        if (change.any || (executes && !change.names.empty())) return true;
        return std::ranges::any_of(statement.effects, [&](const sql::Effect& effect) {
            return std::ranges::any_of(effect.objects, [&](const sql::Object& object) { return touches(change, object); });
        });
    });
}

}  // namespace

void NameChange::add(const NameChange& other) {
    names.insert(names.end(), other.names.begin(), other.names.end());
    any = any || other.any || names.size() > most_names;
    if (any) names.clear();
    code = code || other.code;
}

NameChange name_change(std::span<const PlannedStatement> statements, bool understood) {
    NameChange out;
    out.any = out.code = !understood;
    for (const PlannedStatement& planned : statements) {
        if (!planned.statement.changes_catalogue) continue;
        for (const sql::Effect& effect : planned.statement.effects) {
            const Class is = effect.effect_class;
            // Code that is run may make anything.
            if (is == Class::call || is == Class::server || is == Class::ddl_rename || is == Class::ddl) out.any = out.code = true;
            if (is != Class::ddl_create && is != Class::ddl_alter && is != Class::ddl_drop) continue;
            if (effect.objects.empty()) out.any = out.code = true;
            for (const sql::Object& object : effect.objects) {
                if (object.temporary) continue;
                if (effect.of_code) out.code = true;
                else if (object.name.empty()) out.any = true;
                else out.names.push_back({object.schema, object.name});
            }
        }
    }
    return out;
}

void NameChanges::made(std::uint32_t connection, const NameChange& change) {
    if (change.empty()) return;
    made_.push_back({++last_, connection, change});
    if (made_.size() > most_kept) made_.pop_front();
}

bool NameChanges::concern(std::uint64_t seen, std::uint32_t connection, std::span<const PlannedStatement> statements, bool started) const {
    for (const auto& [by, change] : unanswered_)
        if (by != connection && concerns(change, statements, started)) return true;
    if (seen == last_) return false;
    if (!made_.empty() && made_.front().number > seen + 1) return true;
    return std::ranges::any_of(made_, [&](const Made& one) { return one.number > seen && one.connection != connection && concerns(one.change, statements, started); });
}

}  // namespace dbguard::relay
