// What a statement reaches beside the tables it names: children and partitions, tables whose foreign keys go along, what CASCADE
// takes. All of it is judged as what is done to it, but needs no rule to open it: the server asks for no privilege there either
// (PostgreSQL manual, "Inheritance" and "Foreign Keys").

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using catalogue::Relation;
using catalogue::RelationKind;

/// Children, partitions, and theirs.
std::vector<const Relation*> Analyzer::below(const Relation& relation) const {
    std::vector<const Relation*> out{&relation};
    if (names_.snapshot == nullptr) return {};
    for (std::size_t i = 0; i < out.size(); ++i)
        for (const catalogue::Id id : out[i]->children)
            if (const Relation* child = names_.snapshot->relation(id); child != nullptr && std::find(out.begin(), out.end(), child) == out.end()) out.push_back(child);
    out.erase(out.begin());
    return out;
}

Object Analyzer::along(const Relation& relation) const {
    Object out = object(relation);
    out.expanded = true;
    return out;
}

/// The relation that a judged object is, if it is one.
const Relation* Analyzer::relation_of(const Object& object) const {
    return names_.snapshot == nullptr || !object.resolved || object.expanded ? nullptr : names_.snapshot->relation(object.schema, object.name);
}

/// Code that the server runs for the rows of a table which the statement does not name.
void Analyzer::fires(const Relation& relation) {
    touch(relation);
    if (!relation.trigger_functions.empty()) out_.runs_code = out_.unread_code = true;
    triggers_of(relation);
}

/// A write of `relation`, as far as it reaches others.
void Analyzer::write_along(const Relation& relation, std::size_t first_effect, bool only) {
    if (names_.snapshot == nullptr || (relation.children.empty() && relation.referenced_by.empty())) return;
    const std::size_t own = out_.effects.size();
    for (std::size_t i = first_effect; i < own; ++i) {
        Effect& effect = out_.effects[i];
        if (!inside(effect.effect_class, EffectClass::write) || effect.objects.empty() || relation_of(effect.objects[0]) != &relation) continue;
        const std::vector<std::string> columns = effect.objects[0].columns;
        const EffectClass effect_class = effect.effect_class;
        const Where where = effect.where;
        std::vector<const Relation*> reached{&relation};
        // Rows are put into partitions, not into children of another kind.
        if (effect.objects.size() == 1 && !only && (effect_class != EffectClass::write_insert || relation.kind == RelationKind::partitioned_table))
            for (const Relation* child : below(relation)) {
                effect.objects.push_back(along(*child));
                effect.objects.back().columns = columns;
                reached.push_back(child);
            }
        for (const Relation* one : reached) {   // `effect` may move from here on
            if (one != &relation) fires(*one);
            if (effect_class == EffectClass::write_delete) keys_follow(*one, true, {}, where);
            else if (effect_class != EffectClass::write_insert) keys_follow(*one, false, columns, where);
        }
    }
}

/// ON DELETE and ON UPDATE of the keys that refer to rows which go away, or to columns that change.
void Analyzer::keys_follow(const Relation& relation, bool removed, const std::vector<std::string>& columns, Where where) {
    for (const catalogue::Reference& key : relation.referenced_by) {
        const Relation* from = names_.snapshot->relation(key.table);
        const auto changes = [&](std::int16_t number) {
            const catalogue::Column* column = relation.column(number);
            return column != nullptr && std::find(columns.begin(), columns.end(), column->name) != columns.end();
        };
        const char action = removed ? key.on_delete : std::any_of(key.referenced.begin(), key.referenced.end(), changes) ? key.on_update : 'a';
        if (from == nullptr || (action != 'c' && action != 'n' && action != 'd')) continue;
        const bool removes = removed && action == 'c';
        Effect effect;
        effect.effect_class = removes ? EffectClass::write_delete : EffectClass::write_update;
        effect.where = where;
        effect.detail = removed ? "ON DELETE of a foreign key" : "ON UPDATE of a foreign key";
        effect.objects.push_back(along(*from));
        std::vector<std::string> changed;
        if (!removes)
            for (const std::int16_t number : key.columns)
                if (const catalogue::Column* column = from->column(number); column != nullptr) changed.push_back(column->name);
        std::sort(changed.begin(), changed.end());
        effect.objects.back().columns = changed;
        std::vector<const Relation*> reached{from};
        if (from->kind == RelationKind::partitioned_table)
            for (const Relation* part : below(*from)) {
                effect.objects.push_back(along(*part));
                effect.objects.back().columns = changed;
                reached.push_back(part);
            }
        if (std::find(out_.effects.begin(), out_.effects.end(), effect) != out_.effects.end()) continue;   // round in a circle
        out_.effects.push_back(std::move(effect));
        for (const Relation* one : reached) fires(*one);
        rules_of(*from, removes ? '4' : '2');
        keys_follow(*from, removes, changed, where);
    }
}

/// ON UPDATE CASCADE: the columns that refer to this one get its new value, and those that refer to them.
void Analyzer::values_follow(const Relation* relation, const std::string& column, const Value& value, int steps) {
    const catalogue::Column* changed = relation == nullptr || names_.snapshot == nullptr || steps > 16 || !value.has_value() ? nullptr : relation->column(column);
    if (changed == nullptr) return;
    for (const catalogue::Reference& key : relation->referenced_by) {
        const Relation* from = key.on_update == 'c' ? names_.snapshot->relation(key.table) : nullptr;
        for (std::size_t i = 0; from != nullptr && i < key.referenced.size() && i < key.columns.size(); ++i) {
            const catalogue::Column* own = key.referenced[i] == changed->number ? from->column(key.columns[i]) : nullptr;
            if (own == nullptr) continue;
            assign(from, "", own->name, value);
            values_follow(from, own->name, value, steps + 1);
        }
    }
}

/// Whether the query of a view names the relation.
bool Analyzer::shows(const Relation& view, const Relation& relation) {
    if (view.definition.find(relation.name) == std::string::npos && relation.name.find('"') == std::string::npos) return false;
    const ParsedText parsed = dialect_.parse(view.definition);
    if (!parsed.error.empty() || parsed.statements.size() != 1) return true;   // nobody can tell
    std::vector<MadeRelation> nothing;
    Analyzer analyzer(names_, dialect_, nothing);
    analyzer.path_ = &names_.snapshot->rendered_under().search_path;
    analyzer.depth_ = depth_ + 1;
    const Statement read = analyzer.run(parsed.statements[0]);
    for (const Effect& effect : read.effects)
        for (const Object& object : effect.objects)
            if (object.schema == relation.schema && object.name == relation.name) return true;
    return false;
}

/// What policy calls the columns of a table afterwards.
void Analyzer::renames_of(const tree::Moved& moved) {
    using Moves = tree::Moved::Kind;
    if (names_.snapshot == nullptr) return;
    std::vector<const Relation*> reached;
    if (moved.kind == Moves::schema) {
        Moving all;
        all.by_name = true;
        moves_schema(moved.from, all);
        kept_before(all);
        for (const Relation& relation : names_.snapshot->relations())
            if (relation.schema == moved.from) reached.push_back(&relation);
    } else if (const Resolved resolved = resolve(moved.of); resolved.relation != nullptr && !resolved.system) {
        reached.push_back(resolved.relation);
        if (moved.kind == Moves::parent) shown_above(*resolved.relation);
        // A column has its name in children and partitions, too, and an expression.
        if (moved.kind == Moves::column || moved.kind == Moves::expression || moved.kind == Moves::parent)
            for (const Relation* child : below(*resolved.relation)) reached.push_back(child);
    }
    // Values elsewhere may be rows of it.
    const auto is_row_of = [&](catalogue::Id id, const Relation& relation) {
        for (int steps = 0; id != 0 && steps < 32; ++steps) {
            const catalogue::Type* type = names_.snapshot->type(id);
            if (type == nullptr || type->kind == catalogue::TypeKind::composite) return type != nullptr && type->relation == relation.id;
            id = type->kind == catalogue::TypeKind::domain ? type->base : type->element;
        }
        return false;
    };
    const auto has_rows = [&](const Relation& relation) {
        return std::ranges::any_of(names_.snapshot->relations(), [&](const Relation& other) {
            return std::ranges::any_of(other.columns, [&](const catalogue::Column& column) { return is_row_of(column.type, relation); });
        });
    };
    if (moved.kind == Moves::column && std::ranges::any_of(reached, [&](const Relation* relation) { return has_rows(*relation); })) {
        Rename member;
        member.member = moved.from;
        out_.renames.push_back(std::move(member));
    }
    for (const Relation* relation : reached)
        for (const catalogue::Column& column : relation->columns) {
            if ((moved.kind == Moves::column || moved.kind == Moves::expression || moved.kind == Moves::comment) && column.name != moved.from) continue;
            // It may go on with the tags that it has, each a word of its own.
            if (moved.kind == Moves::comment && std::all_of(column.tags.begin(), column.tags.end(), [&](const std::string& tag) {
                    const std::string word = "dbguard:" + tag;
                    for (std::size_t at = moved.to.find(word); at != std::string::npos; at = moved.to.find(word, at + 1))
                        if (at + word.size() == moved.to.size() || std::string_view(" ,;.)\n").find(moved.to[at + word.size()]) != std::string_view::npos) return true;
                    return false;
                }))
                continue;
            Rename rename;
            rename.column = {relation->id, column.number};
            rename.before = {relation->schema, relation->name, column.name, false, false};
            rename.after = rename.before;
            rename.carried = moved.kind == Moves::parent || moved.kind == Moves::expression || moved.kind == Moves::comment;
            if (moved.kind == Moves::column) rename.after.name = moved.to;
            if (moved.kind == Moves::relation) rename.after.relation = moved.to;
            if (moved.kind == Moves::schema || moved.kind == Moves::to_schema) rename.after.schema = moved.to;
            out_.renames.push_back(std::move(rename));
        }
}

/// DROP … CASCADE of relations: views of them go, keys that refer to them go.
void Analyzer::cascade_of_drop(std::vector<const Relation*> gone, Effect& dropped) {
    Effect altered;
    altered.effect_class = EffectClass::ddl_alter;
    altered.rewrites_table = false;
    altered.detail = "CASCADE";
    const auto knows = [&](const Relation* relation) { return std::find(gone.begin(), gone.end(), relation) != gone.end(); };
    for (std::size_t i = 0; i < gone.size() && depth_ < 16; ++i) {
        for (const Relation& other : names_.snapshot->relations()) {
            const bool view = other.kind == RelationKind::view || other.kind == RelationKind::materialized_view;
            if (!view || dialect_.is_system_schema(other.schema) || knows(&other) || !shows(other, *gone[i])) continue;
            gone.push_back(&other);
            dropped.objects.push_back(along(other));
        }
        for (const catalogue::Reference& key : gone[i]->referenced_by)
            if (const Relation* from = names_.snapshot->relation(key.table); from != nullptr && !knows(from)) altered.objects.push_back(along(*from));
    }
    if (!altered.objects.empty()) out_.effects.push_back(std::move(altered));
}

/// What DDL, LOCK, COPY … FROM of `effect`'s own objects do to others.
void Analyzer::utility_along(const tree::UtilityEffect& lowered, Effect& effect) {
    if (names_.snapshot == nullptr) return;
    using Class = EffectClass;
    const bool rows = effect.effect_class == Class::bulk_import;
    const bool recurses = effect.effect_class == Class::ddl_truncate || effect.effect_class == Class::ddl_alter || effect.effect_class == Class::ddl_drop ||
                          effect.effect_class == Class::ddl_rename || effect.effect_class == Class::lock || effect.effect_class == Class::maintenance || rows;
    std::vector<const Relation*> own;
    if (lowered.kind == tree::ObjectKind::relation && recurses)
        for (const Object& object : effect.objects)
            if (const Relation* relation = relation_of(object); relation != nullptr) own.push_back(relation);
    const auto reach = [&](const Relation* relation) {
        if (std::find(own.begin(), own.end(), relation) != own.end()) return;
        own.push_back(relation);
        effect.objects.push_back(along(*relation));
    };
    const std::size_t named = own.size();
    for (std::size_t i = 0; i < named; ++i) {
        const bool partitioned = own[i]->kind == RelationKind::partitioned_table;
        const bool needs_parts = rows || effect.effect_class == Class::maintenance || (effect.effect_class == Class::ddl_drop && !lowered.cascade);
        if (lowered.only || (needs_parts && !partitioned)) continue;
        for (const Relation* child : below(*own[i])) reach(child);
    }
    if (lowered.cascade && effect.effect_class == Class::ddl_truncate)
        for (std::size_t i = 0; i < own.size(); ++i)
            for (const catalogue::Reference& key : own[i]->referenced_by)
                if (const Relation* from = names_.snapshot->relation(key.table); from != nullptr) {
                    reach(from);
                    for (const Relation* child : below(*from)) reach(child);
                }
    if (rows || effect.effect_class == Class::ddl_truncate)
        for (std::size_t i = named; i < own.size(); ++i) fires(*own[i]);
    if (!lowered.cascade || effect.effect_class == Class::ddl_truncate) return;

    if (effect.effect_class == Class::ddl_drop && lowered.kind == tree::ObjectKind::schema)
        for (const Relation& relation : names_.snapshot->relations())
            if (std::any_of(effect.objects.begin(), effect.objects.end(), [&](const Object& object) { return object.name == "*" && object.schema == relation.schema; })) own.push_back(&relation);
    Effect views;
    views.effect_class = Class::ddl_drop;
    views.lock = Lock::blocks_reads;
    views.detail = "CASCADE";
    cascade_of_drop(own, effect.effect_class == Class::ddl_drop ? effect : views);
    if (!views.objects.empty()) out_.effects.push_back(std::move(views));

    // Columns of a type, triggers of a function, defaults by a sequence go, too.
    if (effect.effect_class != Class::ddl_drop || own.size() > named) return;
    Effect altered;
    altered.effect_class = Class::ddl_alter;
    altered.rewrites_table = false;
    altered.detail = "CASCADE";
    const bool of_types = lowered.kind == tree::ObjectKind::type, of_code = lowered.kind == tree::ObjectKind::function;
    for (const tree::Name& name : lowered.objects) {
        if (name.parts.empty()) continue;
        std::set<catalogue::Id> reached;
        if (of_types)
            for (const Source& source : values_of_type(name).sources) reached.insert(source.column.relation);
        for (const Relation& relation : names_.snapshot->relations()) {
            if (of_code && std::any_of(relation.trigger_functions.begin(), relation.trigger_functions.end(), [&](catalogue::Id id) {
                    const catalogue::Function* function = names_.snapshot->function(id);
                    return function != nullptr && function->name == name.last();
                }))
                reached.insert(relation.id);
            if (std::any_of(own.begin(), own.end(), [&](const Relation* sequence) {
                    return sequence->kind == RelationKind::sequence && std::any_of(relation.columns.begin(), relation.columns.end(), [&](const catalogue::Column& column) { return column.default_text.find(sequence->name) != std::string::npos; });
                }))
                reached.insert(relation.id);
        }
        for (const catalogue::Id id : reached)
            if (const Relation* relation = names_.snapshot->relation(id); relation != nullptr && relation->kind != RelationKind::composite) altered.objects.push_back(along(*relation));
    }
    if (!altered.objects.empty()) out_.effects.push_back(std::move(altered));
}

}  // namespace dbguard::sql
