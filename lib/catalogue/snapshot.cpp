#include "catalogue/snapshot.hpp"

#include <algorithm>
#include <type_traits>

namespace dbguard::catalogue {
namespace {

template <class Map, class Vector>
auto find(const Map& map, const typename Map::key_type& key, const Vector& items)
    -> const typename Vector::value_type* {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &items[found->second];
}

}  // namespace

const Column* Relation::column(std::string_view wanted) const {
    for (const Column& column : columns)
        if (column.name == wanted) return &column;
    return nullptr;
}

const Column* Relation::column(std::int16_t number) const {
    for (const Column& column : columns)
        if (column.number == number) return &column;
    return nullptr;
}

namespace {

std::size_t held(const Column& column);
std::size_t held(const Rule& rule);
std::size_t held(const Reference& reference);
std::size_t held(const Relation& relation);
std::size_t held(const Type& type);
std::size_t held(const Function& function);
std::size_t held(const Operator& one);
std::size_t held(const Cast& cast);

// What lies behind a value, besides the value itself.
std::size_t held(const std::string& text) { return text.capacity() < sizeof text / 2 ? 0 : text.capacity() + 1; }
template <class Item>
std::size_t held(const std::vector<Item>& items) {
    std::size_t bytes = items.capacity() * sizeof(Item);
    if constexpr (!std::is_trivially_copyable_v<Item>)
        for (const Item& item : items) bytes += held(item);
    return bytes;
}
std::size_t held(const Column& column) { return held(column.name) + held(column.default_text) + held(column.tags); }
std::size_t held(const Rule& rule) { return held(rule.definition); }
std::size_t held(const Reference& reference) { return held(reference.columns) + held(reference.referenced); }
std::size_t held(const Relation& relation) {
    return held(relation.schema) + held(relation.name) + held(relation.columns) + held(relation.definition) + held(relation.rules) + held(relation.parents) +
           held(relation.children) + held(relation.referenced_by) + held(relation.trigger_functions) + held(relation.transition_tables) + held(relation.new_triggers) + held(relation.checks) + held(relation.partition_key) + held(relation.partition_bound);
}
std::size_t held(const Type& type) { return held(type.schema) + held(type.name) + held(type.labels) + held(type.checks) + held(type.conditions); }
std::size_t held(const Function& function) {
    return held(function.schema) + held(function.name) + held(function.language) + held(function.extension) + held(function.arguments) + held(function.argument_names) +
           held(function.output_names) + held(function.body) + held(function.settings) + held(function.parts);
}
std::size_t held(const Operator& one) { return held(one.schema) + held(one.name); }
std::size_t held(const Cast& cast) { return held(cast.built_in); }

}  // namespace

std::string source_of(const Function& function) {
    std::string out = function.language + '\0' + function.body;
    for (const std::string& setting : function.settings) out += '\0' + setting;
    return out;
}

Snapshot::Snapshot(Parts parts) : parts_(std::move(parts)) {
    for (std::size_t i = 0; i < parts_.relations.size(); ++i) {
        const Relation& relation = parts_.relations[i];
        relations_by_id_.emplace(relation.id, i);
        relations_by_name_.emplace(std::pair<std::string_view, std::string_view>(relation.schema, relation.name), i);
        highest_ = std::max(highest_, relation.id);
    }
    for (Relation& relation : parts_.relations) relation.children.clear();
    for (std::size_t i = 0; i < parts_.relations.size(); ++i)
        for (const Id parent : parts_.relations[i].parents)
            if (const auto found = relations_by_id_.find(parent); found != relations_by_id_.end()) parts_.relations[found->second].children.push_back(parts_.relations[i].id);
    for (std::size_t i = 0; i < parts_.types.size(); ++i) {
        types_by_id_.emplace(parts_.types[i].id, i);
        types_by_name_.emplace(parts_.types[i].name, i);
    }
    for (std::size_t i = 0; i < parts_.functions.size(); ++i) {
        functions_by_id_.emplace(parts_.functions[i].id, i);
        functions_by_name_.emplace(parts_.functions[i].name, i);
    }
    for (const Type& type : parts_.types)
        for (const Id id : type.unsaid)
            if (const Function* called = function(id); called != nullptr && called->recent && std::find(new_behind_types_.begin(), new_behind_types_.end(), id) == new_behind_types_.end())
                new_behind_types_.push_back(id);
    for (std::size_t i = 0; i < parts_.operators.size(); ++i)
        operators_by_name_.emplace(parts_.operators[i].name, i);
    // A look-up takes a node of some 64 bytes, with its place in the table.
    constexpr std::size_t node = 64;
    const std::size_t look_ups = 2 * (parts_.relations.size() + parts_.types.size() + parts_.functions.size()) + parts_.operators.size();
    bytes_ = sizeof *this + held(parts_.relations) + held(parts_.types) + held(parts_.functions) + held(parts_.operators) + held(parts_.casts) + held(parts_.extensions) + look_ups * node;
}

const Relation* Snapshot::relation(Id id) const { return find(relations_by_id_, id, parts_.relations); }

const Relation* Snapshot::relation(std::string_view schema, std::string_view name) const {
    return find(relations_by_name_, std::pair(schema, name), parts_.relations);
}

const Type* Snapshot::type(Id id) const { return find(types_by_id_, id, parts_.types); }

std::vector<Id> Snapshot::behind_types() const {
    std::vector<Id> out;
    for (const Type& type : parts_.types) out.insert(out.end(), type.unsaid.begin(), type.unsaid.end());
    return out;
}

std::vector<const Type*> Snapshot::types(std::string_view name) const {
    std::vector<const Type*> found;
    const auto [begin, end] = types_by_name_.equal_range(name);
    for (auto i = begin; i != end; ++i) found.push_back(&parts_.types[i->second]);
    return found;
}

const Function* Snapshot::function(Id id) const { return find(functions_by_id_, id, parts_.functions); }

std::vector<const Function*> Snapshot::functions(std::string_view name) const {
    std::vector<const Function*> found;
    const auto [begin, end] = functions_by_name_.equal_range(name);
    for (auto i = begin; i != end; ++i) found.push_back(&parts_.functions[i->second]);
    return found;
}

std::vector<const Operator*> Snapshot::operators(std::string_view name) const {
    std::vector<const Operator*> found;
    const auto [begin, end] = operators_by_name_.equal_range(name);
    for (auto i = begin; i != end; ++i) found.push_back(&parts_.operators[i->second]);
    return found;
}

}  // namespace dbguard::catalogue
