// What an utility statement does, effect by effect: on which objects, with which lock, and what it reads and writes on the way.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using tree::ObjectKind;

/// What is known of the rows of the table that is altered once its columns' types are.
std::optional<bool> Analyzer::rewrites(const tree::UtilityEffect& lowered) const {
    auto out = lowered.rewrites_table;
    for (const tree::Retyped& retyped : lowered.retyped) {
        const Resolved table = lowered.objects.empty() ? Resolved{} : resolve(lowered.objects.front());
        const catalogue::Column* column = nullptr;
        if (table.relation != nullptr)
            for (const catalogue::Column& one : table.relation->columns)
                if (one.name == retyped.column) column = &one;
        const bool system = !retyped.type.parts.empty() && (retyped.type.parts.size() == 1 || retyped.type.parts.front() == dialect_.system_schema);
        if (column == nullptr || !system || !dialect_.keeps_storage(column->type, column->modifier, retyped.type.last(), retyped.modifiers)) out = true;
    }
    // A domain's checks are made row by row.
    for (const tree::Name& type : lowered.new_types) {
        const bool system = type.parts.size() > 1 && type.parts.front() == dialect_.system_schema;
        if (out != false || system) continue;
        const auto known = names_.snapshot == nullptr ? std::vector<const catalogue::Type*>{} : names_.snapshot->types(type.last());
        if (std::any_of(known.begin(), known.end(), [](const catalogue::Type* one) { return one->kind == catalogue::TypeKind::domain; })) out.reset();
    }
    return out;
}

void Analyzer::utility_effect(const tree::UtilityEffect& lowered) {
    if (lowered.effect_class == EffectClass::session_set && dialect_.only_restricts(lowered.setting)) return;
    Effect effect;
    effect.effect_class = lowered.effect_class;
    effect.lock = lowered.lock;
    effect.rewrites_table = rewrites(lowered);
    if (!effect.rewrites_table && lowered.effect_class == EffectClass::maintenance) effect.rewrites_table = false;
    effect.setting = lowered.setting;
    effect.detail = lowered.detail;
    effect.of_code = lowered.kind == ObjectKind::function || lowered.kind == ObjectKind::type || lowered.kind == ObjectKind::other;
    for (const tree::Name& name : lowered.objects) {
        Object listed;
        switch (lowered.kind) {
            case ObjectKind::relation: {
                bool found = false;
                listed = object(name, &found);
                if (!found && lowered.only_existing) {
                    // IF EXISTS of what does not exist: the name is known, and that it is nothing's. It is judged as one of the
                    // schema where it would be.
                    listed.resolved = true;
                    if (listed.schema.empty() && names_.context != nullptr)
                        for (const std::string& schema : names_.context->search_path)
                            if (!dialect_.is_system_schema(schema) && schema != names_.context->temp_schema) {
                                listed.schema = schema;
                                break;
                            }
                }
                // What reads no value and runs no expression may name what the catalogue does not hold: an index, or nothing at all,
                // which the server says best. It is judged as one of each schema in which it can be.
                const bool reads_nothing = lowered.effect_class == EffectClass::ddl_drop || lowered.effect_class == EffectClass::ddl_rename ||
                                           lowered.effect_class == EffectClass::ddl_comment || lowered.effect_class == EffectClass::lock ||
                                           lowered.effect_class == EffectClass::ddl_truncate || lowered.effect_class == EffectClass::ddl_create_index ||
                                           lowered.effect_class == EffectClass::bulk_import || lowered.effect_class == EffectClass::maintenance || lowered.effect_class == EffectClass::dcl || lowered.names_index;
                if (!found && !lowered.only_existing && reads_nothing && names_.context != nullptr) {
                    // REINDEX computes the expressions of the index again.
                    if (lowered.effect_class == EffectClass::maintenance) out_.runs_code = out_.calls_code = out_.unread_code = true;
                    listed.resolved = true;
                    if (listed.schema.empty()) {
                        const std::size_t before = effect.objects.size();
                        for (const std::string& schema : names_.context->search_path) {
                            if (dialect_.is_system_schema(schema) || schema == names_.context->temp_schema) continue;
                            effect.objects.push_back(listed);
                            effect.objects.back().schema = schema;
                        }
                        if (effect.objects.size() > before) continue;
                        listed.resolved = false;
                    }
                } else if (!found && !lowered.only_existing) {
                    unknown_name("relation \"" + listed.name + "\" is not known", name.at);
                }
                const Resolved resolved = resolve(name);
                if (resolved.relation != nullptr) {
                    touch(*resolved.relation);
                    // COPY fires triggers as INSERT does, TRUNCATE its own.
                    if (lowered.effect_class == EffectClass::bulk_import || lowered.effect_class == EffectClass::ddl_truncate) {
                        if (!resolved.relation->trigger_functions.empty()) out_.runs_code = out_.unread_code = true;
                        triggers_of(*resolved.relation);
                    }
                    // Whichever index it is: which columns that has is not known.
                    if (lowered.orders_rows)
                        for (const ScopeColumn& column : base_columns(*resolved.relation)) decides(column.value);
                    // These compute what is stored, or known of it, anew.
                    if (lowered.effect_class == EffectClass::maintenance || lowered.effect_class == EffectClass::ddl_create_index || lowered.effect_class == EffectClass::ddl_alter)
                        unsaid_code(*resolved.relation);
                }
                break;
            }
            case ObjectKind::new_relation: {
                listed.name = name.parts.empty() ? "" : name.last();
                listed.temporary = lowered.temporary;
                const bool in_temp = name.parts.size() > 1 && (name.parts[0] == "pg_temp" || (names_.context != nullptr && !names_.context->temp_schema.empty() && name.parts[0] == names_.context->temp_schema));
                if (in_temp) listed.temporary = true;
                if (listed.temporary) {
                    listed.schema = "pg_temp";
                } else if (name.parts.size() > 1) {
                    listed.schema = name.parts[name.parts.size() - 2];
                } else if (names_.context != nullptr) {
                    for (const std::string& schema : names_.context->search_path) {
                        if (dialect_.is_system_schema(schema) || schema == names_.context->temp_schema) continue;
                        listed.schema = schema;
                        break;
                    }
                    listed.resolved = !listed.schema.empty();
                }
                if (names_.snapshot != nullptr && effect.effect_class == EffectClass::ddl_create && (listed.temporary || names_.snapshot->relation(listed.schema, listed.name) == nullptr)) comes_to_be_read(listed.name, {}, {});
                // OR REPLACE of what exists alters it.
                if (lowered.or_replace && !listed.temporary && names_.snapshot != nullptr && names_.snapshot->relation(listed.schema, listed.name) != nullptr)
                    effect.effect_class = EffectClass::ddl_alter, effect.rewrites_table = false;
                break;
            }
            case ObjectKind::function: {
                listed.name = name.parts.empty() ? "" : name.last();
                const bool qualified = name.parts.size() > 1;
                if (qualified) listed.schema = name.parts[name.parts.size() - 2];
                bool exists = false;
                if (names_.snapshot != nullptr) {
                    for (const catalogue::Function* function : names_.snapshot->functions(listed.name)) {
                        const auto& path = names_.context->search_path;
                        const bool visible = qualified ? function->schema == listed.schema : std::find(path.begin(), path.end(), function->schema) != path.end();
                        if (!visible) continue;
                        exists = true;
                        listed.schema = function->schema;
                    }
                }
                if (!exists && listed.schema.empty() && names_.context != nullptr)
                    for (const std::string& schema : names_.context->search_path)
                        if (!dialect_.is_system_schema(schema) && schema != names_.context->temp_schema) {
                            listed.schema = schema;
                            break;
                        }
                if (lowered.or_replace && exists) effect.effect_class = EffectClass::ddl_alter, effect.rewrites_table = false;
                if (const MadeRelation* made = made_function(name); made != nullptr && !exists) listed.schema = made->schema;
                else if (lowered.effect_class == EffectClass::call && !exists && names_.snapshot != nullptr && dialect_.function("", listed.name) == nullptr)
                    unknown_name("function " + listed.name + " is not known", name.at);
                break;
            }
            case ObjectKind::schema:
                listed.schema = name.parts.empty() ? "" : name.last();
                listed.name = "*";
                break;
            case ObjectKind::type:
            case ObjectKind::other:
                listed.name = name.parts.empty() ? "" : name.last();
                if (name.parts.size() > 1) listed.schema = name.parts[name.parts.size() - 2];
                else if (names_.context != nullptr)
                    for (const std::string& schema : names_.context->search_path)
                        if (!dialect_.is_system_schema(schema) && schema != names_.context->temp_schema) {
                            listed.schema = schema;
                            break;
                        }
                break;
        }
        if (listed.name.empty()) listed.resolved = false;   // which one the front end does not tell
        effect.objects.push_back(std::move(listed));
    }
    // CALL and DO: their notices and errors may hold anything that they read.
    if (effect.effect_class == EffectClass::call) out_.runs_code = out_.calls_code = true;
    // VACUUM and ANALYZE of all tables.
    if (effect.effect_class == EffectClass::maintenance && lowered.objects.empty() && names_.snapshot != nullptr)
        for (const catalogue::Relation& relation : names_.snapshot->relations())
            if (!relation.unsaid.empty()) unsaid_code(relation);
    kept_before(moving(lowered, effect));
    if (effect.effect_class == EffectClass::ddl_drop && lowered.takes_away)
        for (const Object& gone : effect.objects) {
            if (const catalogue::Relation* relation = relation_of(gone); relation != nullptr) shown_above(*relation);
            if (lowered.kind != ObjectKind::schema || names_.snapshot == nullptr) continue;
            for (const catalogue::Relation& relation : names_.snapshot->relations())
                if (relation.schema == gone.schema) shown_above(relation);
        }
    told_.emplace_back(&lowered, out_.effects.size());
    out_.effects.push_back(std::move(effect));
}

/// Every value that is of a domain, or of one made of it.
Value Analyzer::values_of_type(const tree::Name& name) {
    Value out;
    if (names_.snapshot == nullptr || name.parts.empty()) return out;
    std::set<catalogue::Id> types;
    for (const catalogue::Type* type : names_.snapshot->types(name.last())) types.insert(type->id);
    const auto is_of = [&](catalogue::Id id) {
        for (int steps = 0; id != 0 && steps < 32; ++steps) {
            if (types.contains(id)) return true;
            const catalogue::Type* type = names_.snapshot->type(id);
            if (type == nullptr) return false;
            id = type->kind == catalogue::TypeKind::domain ? type->base : type->element;
        }
        return false;
    };
    for (const catalogue::Relation& relation : names_.snapshot->relations())
        for (const catalogue::Column& column : relation.columns)
            if (is_of(column.type)) out.sources.push_back({{relation.id, column.number}, Flow::identity, {}});
    std::sort(out.sources.begin(), out.sources.end());
    return out;
}

}  // namespace dbguard::sql
