// What stands in FROM, and which column a name means.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using catalogue::Relation;
using catalogue::RelationKind;

// Deeper stored definitions are refused: PostgreSQL itself allows them, ordinary schemas do not have them.
constexpr int max_definition_depth = 64;

std::vector<const tree::Cte*> as_written(const std::vector<tree::Cte>& with) {
    std::vector<const tree::Cte*> out;
    for (const tree::Cte& cte : with) out.push_back(&cte);
    return out;
}

/// WITH RECURSIVE: an item may name one that stands after it (PostgreSQL, checkWellFormedRecursion). Those that it names come
/// first; in a circle, which the server refuses, in some order.
std::vector<const tree::Cte*> in_order_of_use(const std::vector<tree::Cte>& with) {
    std::map<std::string, const tree::Cte*> by_name;
    for (const tree::Cte& cte : with) by_name.emplace(cte.name, &cte);
    std::vector<const tree::Cte*> out;
    std::set<const tree::Cte*> met;
    struct Visit {
        const tree::Cte* cte;
        std::vector<std::string> names;   // not looked at yet
    };
    std::vector<Visit> visits;
    const auto visit = [&](const tree::Cte* cte) {
        if (!met.insert(cte).second) return;
        Visit& added = visits.emplace_back();
        added.cte = cte;
        if (cte->query != nullptr) tree::relation_names(*cte->query, added.names);
        if (cte->write != nullptr) tree::relation_names(*cte->write, added.names);
    };
    for (const tree::Cte& cte : with) {
        visit(&cte);
        while (!visits.empty()) {
            if (visits.back().names.empty()) {
                out.push_back(visits.back().cte);
                visits.pop_back();
                continue;
            }
            const std::string name = std::move(visits.back().names.back());
            visits.back().names.pop_back();
            if (const auto used = by_name.find(name); used != by_name.end()) visit(used->second);
        }
    }
    return out;
}

/// Of a table whose columns are not all listed: what the others may hold, from what the listed ones do.
Value rest_of(const ScopeTable& table) {
    Value rest;
    if (table.complete) return rest;
    for (const ScopeColumn& column : table.columns) rest = merge(rest, through(column.value, Flow::transformed));
    return rest;
}

}  // namespace

bool Value::has_value() const {
    if (opaque) return true;
    return std::any_of(sources.begin(), sources.end(), [](const Source& source) { return source.flow != Flow::existence; });
}

bool Value::tells_which() const {
    if (opaque || !functions.empty()) return false;
    return same_value || std::all_of(sources.begin(), sources.end(), [](const Source& source) { return source.flow == Flow::identity || source.flow == Flow::existence; });
}

Value merge(const Value& a, const Value& b) {
    Value out;
    out.same_value = a.tells_which() && b.tells_which();
    out.opaque = a.opaque || b.opaque;
    out.may_fail = a.may_fail || b.may_fail;
    out.fallible = a.fallible || b.fallible;
    out.is_seen = a.is_seen || b.is_seen;
    out.structured = a.structured || b.structured || a.is_row || b.is_row;
    out.rows_inside = a.rows_inside || b.rows_inside || a.is_row || b.is_row;
    out.type = a.type == b.type ? a.type : 0;
    out.functions = a.functions;
    for (const std::string& function : b.functions)
        if (std::find(out.functions.begin(), out.functions.end(), function) == out.functions.end()) out.functions.push_back(function);
    out.sources = a.sources;
    for (const Source& source : b.sources) {
        // In some rows as it is, in others computed: both are true, and neither hides the other.
        const auto same = std::find_if(out.sources.begin(), out.sources.end(), [&](const Source& known) {
            const bool either_exists = known.flow == Flow::existence || source.flow == Flow::existence;
            return known.column == source.column && known.path == source.path && (either_exists || (known.flow == Flow::identity) == (source.flow == Flow::identity));
        });
        if (same == out.sources.end()) out.sources.push_back(source);
        else same->flow = std::max(same->flow, source.flow);
    }
    std::sort(out.sources.begin(), out.sources.end());
    out.givens = a.givens;
    out.givens_lost = a.givens_lost;
    add_givens(out, b);
    return out;
}

Value through(Value value, Flow flow) {
    for (Source& source : value.sources) source.flow = std::min(source.flow, flow);
    std::sort(value.sources.begin(), value.sources.end());
    value.sources.erase(std::unique(value.sources.begin(), value.sources.end()), value.sources.end());
    value.structured = value.structured || value.is_row;
    value.rows_inside = value.rows_inside || value.is_row;
    value.extended = value.same_value = false;
    value.is_row = false;
    value.steps = false;
    value.fields.reset();
    value.type = 0;
    return value;
}

Value existence_of(Value value) {
    const bool computed = value.opaque || !value.functions.empty() || std::any_of(value.sources.begin(), value.sources.end(), [](const Source& source) {
        return source.flow == Flow::transformed || source.flow == Flow::aggregated;
    });
    return through(std::move(value), computed ? Flow::transformed : Flow::existence);
}

/// Whether there is such a row, and whether each of its columns is NULL.
Value existence_of_row(const Value& row) {
    if (row.fields == nullptr || row.opaque || !row.functions.empty()) return through(row, Flow::transformed);
    Value out;
    for (const auto& [name, value] : *row.fields) out = merge(out, existence_of(value));
    return out;
}

void Analyzer::unresolved(std::string reason, std::uint32_t at) {
    not_understood_ = true;
    if (!unresolved_.empty()) return;
    unresolved_ = std::move(reason);
    unresolved_at_ = at;
}

// A name that the catalogue has not got. Without a catalogue nobody asked for names. What stands in another text than the
// statement's own may come after code that has run.
void Analyzer::unknown_name(std::string reason, std::uint32_t at) {
    if (names_.snapshot == nullptr) return;
    const bool understood = !not_understood_ && !foreign_;
    unresolved(std::move(reason), at);
    not_understood_ = !understood;
}

Analyzer::Resolved Analyzer::resolve(const tree::Name& name) const {
    Resolved out;
    if (name.parts.empty()) return out;
    const std::string& last = name.last();
    const std::string* schema = name.parts.size() > 1 ? &name.parts[name.parts.size() - 2] : nullptr;
    static const std::vector<std::string> nowhere;
    const std::vector<std::string>& path = path_ != nullptr ? *path_ : names_.context != nullptr ? names_.context->search_path : nowhere;
    const std::string& temp = names_.context != nullptr ? names_.context->temp_schema : last;
    const auto made_in = [&](const std::string& in) -> const MadeRelation* {
        for (auto made = made_.rbegin(); made != made_.rend(); ++made)
            if (!made->function && (made->name == last || (made->gone && made->name == "*")) && (made->schema == in || (made->temporary && in == "pg_temp"))) return &*made;
        return nullptr;
    };
    const auto look = [&](const std::string& in) {
        if ((out.made = made_in(in)) != nullptr) {
            if (!out.made->gone) return true;
            out.made = nullptr;
            return false;
        }
        if (names_.snapshot == nullptr) return false;
        out.relation = names_.snapshot->relation(in, last);
        return out.relation != nullptr;
    };
    if (schema != nullptr) {
        look(*schema == "pg_temp" && made_in("pg_temp") == nullptr ? temp : *schema);
    } else if (const MadeRelation* temporary = made_in("pg_temp"); temporary != nullptr && !temporary->gone) {
        out.made = temporary;
    } else {
        for (const std::string& in : path)
            if (look(in)) break;
    }
    out.system = out.relation != nullptr && dialect_.is_system_schema(out.relation->schema);
    return out;
}

const MadeRelation* Analyzer::made_function(const tree::Name& name) const {
    if (name.parts.empty()) return nullptr;
    const std::string* schema = name.parts.size() > 1 ? &name.parts[name.parts.size() - 2] : nullptr;
    for (const MadeRelation& made : made_)
        if (made.function && made.name == name.last() && (schema == nullptr || made.schema == *schema)) return &made;
    return nullptr;
}

Object Analyzer::object(const Relation& relation) const {
    Object out;
    out.schema = relation.schema;
    out.name = relation.name;
    out.temporary = relation.own_temporary;
    return out;
}

Object Analyzer::object(const tree::Name& name, bool* found) const {
    const Resolved resolved = resolve(name);
    if (found != nullptr) *found = resolved.relation != nullptr || resolved.made != nullptr;
    if (resolved.relation != nullptr) return object(*resolved.relation);
    Object out;
    if (resolved.made != nullptr) {
        out.schema = resolved.made->schema;
        out.name = resolved.made->name;
        out.temporary = resolved.made->temporary;
        return out;
    }
    if (name.parts.size() > 1) out.schema = name.parts[name.parts.size() - 2];
    if (!name.parts.empty()) out.name = name.last();
    out.resolved = false;
    return out;
}

void Analyzer::read_object(EffectClass effect_class, Object object) {
    auto& entry = reads_[{effect_class, {object.schema, object.name}}];
    if (entry.first.name.empty()) entry.first = std::move(object);
}

void Analyzer::read(const Relation& relation, const std::string& column) {
    Read*& known = relations_read_[&relation];
    if (known == nullptr) {
        const EffectClass effect_class = dialect_.is_system_schema(relation.schema) ? EffectClass::read_catalog : EffectClass::read_table;
        known = &reads_[{effect_class, {relation.schema, relation.name}}];
        if (known->first.name.empty()) known->first = object(relation);
    }
    if (!column.empty()) known->second.insert(column);
}

void Analyzer::touch(const Relation& relation) {
    if (std::find(out_.relations.begin(), out_.relations.end(), relation.id) == out_.relations.end()) out_.relations.push_back(relation.id);
    if (relation.has_expressions) out_.runs_code = out_.calls_code = out_.unread_code = true;
}

/// Numbers, texts, dates and the like, which compare and join with each other whatever they are. Not so arrays and rows (of other
/// sizes, of what has no `=`), ranges, json (its steps read the text, and some of that is no character), nor what has a collation
/// of its own: two of them do not compare (PostgreSQL manual, "Collation Support").
bool Analyzer::is_ordinary(catalogue::Id id) const {
    // pg_type.dat
    static constexpr catalogue::Id built_in[] = {16, 17, 18, 20, 21, 23, 25, 26, 650, 700, 701, 774, 790, 829, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802};
    if (std::find(std::begin(built_in), std::end(built_in), id) != std::end(built_in)) return true;
    const catalogue::Type* type = names_.snapshot == nullptr ? nullptr : names_.snapshot->type(id);
    return type != nullptr && (type->kind == catalogue::TypeKind::enumeration || (type->kind == catalogue::TypeKind::base && type->element == 0));
}

std::vector<ScopeColumn> Analyzer::base_columns(const Relation& relation) {
    std::vector<ScopeColumn> out;
    out.reserve(relation.columns.size());
    for (const catalogue::Column& column : relation.columns) {
        ScopeColumn listed;
        listed.name = column.name;
        listed.not_null = column.not_null;
        listed.value.sources.push_back({{relation.id, column.number}, Flow::identity, {}});
        listed.value.steps = true;
        listed.value.type = column.type;
        // A composite's members are paths of it.
        const catalogue::Type* type = names_.snapshot->type(column.type);
        while (type != nullptr && type->kind == catalogue::TypeKind::domain) {
            listed.value.type = type->base;
            type = names_.snapshot->type(type->base);
        }
        if (type != nullptr && type->kind == catalogue::TypeKind::composite) listed.value.is_row = true;
        listed.value.structured = column.collated || !is_ordinary(listed.value.type);
        out.push_back(std::move(listed));
    }
    return out;
}

// A view is expanded once a statement, however many views over it there are: what that does to the statement is the same
// each time.
std::vector<ScopeColumn> Analyzer::view_columns(const Relation& relation, bool& exact) {
    auto known = views_.find(relation.id);
    if (known == views_.end()) {
        std::string outer_unresolved = std::exchange(unresolved_, {});
        const std::uint32_t outer_at = std::exchange(unresolved_at_, 0);
        ExpandedView view;
        // A view that reads itself can be made and locked; a query of it the server refuses (42P17).
        for (const catalogue::Column& column : relation.columns) {
            view.columns.push_back({column.name, {}, false, false});
            view.columns.back().value.opaque = true;
        }
        views_.emplace(relation.id, view);
        view.columns = expand_view(relation, view.exact);
        view.unresolved = std::exchange(unresolved_, std::move(outer_unresolved));
        unresolved_at_ = outer_at;
        known = views_.insert_or_assign(relation.id, std::move(view)).first;
    }
    if (!known->second.unresolved.empty()) unresolved(known->second.unresolved, 0);
    exact = known->second.exact;
    return known->second.columns;
}

std::vector<ScopeColumn> Analyzer::expand_view(const Relation& relation, bool& exact) {
    if (depth_ >= max_definition_depth) {
        unresolved("views nested more than " + std::to_string(max_definition_depth) + " deep", 0);
        exact = false;
        return {};
    }
    const ParsedText parsed = dialect_.parse(relation.definition);
    if (!parsed.error.empty() || parsed.statements.size() != 1 || parsed.statements[0].query == nullptr) {
        unresolved("the definition of view " + relation.schema + "." + relation.name + " could not be read", 0);
        exact = false;
        return {};
    }
    const auto* outer_path = path_;
    const bool outer_quiet = quiet_;
    path_ = &names_.snapshot->rendered_under().search_path;
    quiet_ = true;
    ++depth_;
    const bool outer_foreign = std::exchange(foreign_, true);
    const Result result = query(*parsed.statements[0].query, nullptr, nullptr, true);
    foreign_ = outer_foreign;
    --depth_;
    path_ = outer_path;
    quiet_ = outer_quiet;
    std::vector<ScopeColumn> out;
    exact = result.exact && result.outputs.size() >= relation.columns.size();
    for (std::size_t i = 0; i < relation.columns.size(); ++i) {
        ScopeColumn listed;
        listed.name = relation.columns[i].name;
        if (i < result.outputs.size() && result.exact) listed.value = result.outputs[i].second;
        else listed.value.opaque = true;
        if (listed.value.type == 0) listed.value.type = relation.columns[i].type;
        out.push_back(std::move(listed));
    }
    exact = true;   // the view's own columns are known even where their lineage is not
    return out;
}

ScopeTable Analyzer::table(const tree::Name& name, const std::string& alias) {
    ScopeTable out;
    out.alias = alias.empty() && !name.parts.empty() ? name.last() : alias;
    const Resolved resolved = resolve(name);
    if (resolved.made != nullptr) {
        if (alias.empty()) out.schema = resolved.made->schema;
        out.columns = resolved.made->columns;
        out.complete = out.exact_order = resolved.made->exact;
        out.rest = rest_of(out);
        Object made = object(name);
        read_object(EffectClass::read_table, std::move(made));
        return out;
    }
    if (resolved.relation == nullptr) {
        unknown_name("relation \"" + out.alias + "\" is not known", name.at);
        Object missing = object(name);
        read_object(EffectClass::read_table, std::move(missing));
        out.complete = out.exact_order = false;
        return out;
    }
    const Relation& relation = *resolved.relation;
    if (alias.empty()) out.schema = relation.schema;
    touch(relation);
    if (resolved.system || relation.columns.empty()) {
        // Its columns are the server's own.
        read(relation, "");
        out.relation = &relation;
        if (const ValueRelation* shows = dialect_.value_relation(relation.name); resolved.system && shows != nullptr) {
            for (const std::string_view safe : shows->safe_columns) out.columns.push_back({std::string(safe), {}, false, false});
            out.unknown_is_opaque = true;
            out_.unread_code = out_.unread_code || foreign_;
        }
        out.complete = out.exact_order = !resolved.system && relation.kind != RelationKind::sequence && relation.kind != RelationKind::index;
        return out;
    }
    if (relation.kind == RelationKind::view) {
        Object view = object(relation);
        view.expanded = true;
        read_object(EffectClass::read_table, std::move(view));
        out.columns = view_columns(relation, out.exact_order);
        return out;
    }
    read(relation, "");
    out.relation = &relation;
    out.columns = base_columns(relation);
    return out;
}

Value Analyzer::row_of(const ScopeTable& table) {
    Value out;
    auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
    for (const ScopeColumn& column : table.columns) {
        use(table, column);
        out = merge(out, through(column.value, Flow::transformed));
        fields->emplace_back(column.name, column.value);
    }
    out.is_row = true;
    out.opaque = out.opaque || table.unknown_is_opaque;
    out.fields = std::move(fields);
    return out;
}

void Analyzer::use(const ScopeTable& table, const ScopeColumn& column) {
    if (table.is_target) target_used_ = true;
    if (table.relation != nullptr) read(*table.relation, column.name);
}

const CteBinding* Analyzer::bind(const std::vector<tree::Cte>& with, bool recursive, const Scope* outer, const CteBinding* ctes) {
    for (const tree::Cte* item : recursive ? in_order_of_use(with) : as_written(with)) {
        const tree::Cte& cte = *item;
        auto binding = std::make_unique<CteBinding>();
        binding->name = cte.name;
        binding->outer = ctes;
        CteBinding* bound = binding.get();
        bindings_.push_back(std::move(binding));
        const auto rebind = [&](const Result& result) {
            bound->columns.clear();
            bound->exact = result.exact;
            for (std::size_t i = 0; i < result.outputs.size(); ++i) {
                ScopeColumn column;
                column.name = i < cte.column_aliases.size() ? cte.column_aliases[i] : result.outputs[i].first;
                column.value = result.outputs[i].second;
                bound->columns.push_back(std::move(column));
            }
            for (const std::string& added : cte.added_columns) {
                // SEARCH and CYCLE collect values of the query's own columns.
                ScopeColumn column;
                column.name = added;
                for (const auto& [name, value] : result.outputs) column.value = merge(column.value, through(value, Flow::transformed));
                bound->columns.push_back(std::move(column));
            }
        };
        if (cte.write != nullptr) {
            const Result returned = write(*cte.write, outer, ctes);
            decided_by_computing(returned);   // RETURNING is computed, whoever reads it
            rebind(returned);
        } else if (recursive && cte.query->combine != tree::Query::Combine::none) {
            // The first term's columns, then the second's over what is known so far, until nothing new flows in.
            const CteBinding* inside = bind(cte.query->with, cte.query->recursive, outer, ctes);
            Result total = query(*cte.query->left, outer, inside, true);
            rebind(total);
            bound->outer = inside;
            for (int round = 0; round < 16; ++round) {
                const Result next = query(*cte.query->right, outer, bound, true);
                bool changed = false;
                for (std::size_t i = 0; i < total.outputs.size(); ++i) {
                    if (i >= next.outputs.size()) break;
                    Value merged = merge(total.outputs[i].second, next.outputs[i].second);
                    if (merged.sources != total.outputs[i].second.sources || merged.opaque != total.outputs[i].second.opaque) changed = true;
                    total.outputs[i].second = std::move(merged);
                }
                total.exact = total.exact && next.exact;
                rebind(total);
                if (!changed) break;
                if (round == 15) for (auto& [name, value] : total.outputs) value.opaque = true;
            }
            if (cte.query->combine == tree::Query::Combine::compare)
                for (const auto& [name, value] : total.outputs) decides(value);
            rebind(total);
            for (const ScopeColumn& column : bound->columns)
                if (std::find(cte.cycle_columns.begin(), cte.cycle_columns.end(), column.name) != cte.cycle_columns.end()) decides(column.value);
            bound->outer = ctes;
        } else {
            rebind(query(*cte.query, outer, ctes, true));
            bound->all_of = all_of(*cte.query);
        }
        ctes = bound;
    }
    return ctes;
}

void Analyzer::add_from(const tree::From& from, Scope& scope, const CteBinding* ctes) {
    for (ScopeTable& added : join(from, scope, ctes)) scope.tables.push_back(std::move(added));
}

namespace {

/// What stands before it in FROM is visible inside. A join of many would copy all of it for each otherwise.
bool sees_neighbours(const tree::From& from) {
    using Kind = tree::From::Kind;
    switch (from.kind) {
        case Kind::relation: return !from.functions.empty();
        case Kind::subquery: return from.lateral;
        case Kind::join: return sees_neighbours(*from.left) || sees_neighbours(*from.right);
        default: return true;
    }
}

}  // namespace

std::vector<ScopeTable> Analyzer::join(const tree::From& from, Scope& scope, const CteBinding* ctes) {
    using Kind = tree::From::Kind;
    const auto rename = [&](ScopeTable& table) {
        for (std::size_t i = 0; i < from.column_aliases.size() && i < table.columns.size(); ++i) table.columns[i].name = from.column_aliases[i];
        // Which column a name falls on is only known where their number is.
        if (!table.exact_order && !from.column_aliases.empty())
            for (ScopeColumn& column : table.columns) column.value.opaque = column.value.opaque || column.value.has_value();
    };
    std::vector<ScopeTable> out;
    switch (from.kind) {
        case Kind::relation: {
            for (const tree::ExprPtr& function : from.functions) decides(eval(*function, scope, ctes));
            if (from.relation.parts.size() == 1) {
                for (const CteBinding* cte = ctes; cte != nullptr; cte = cte->outer) {
                    if (cte->name != from.relation.last()) continue;
                    ScopeTable table;
                    table.alias = from.alias.empty() ? cte->name : from.alias;
                    table.columns = cte->columns;
                    table.complete = table.exact_order = cte->exact;
                    table.all_of = cte->all_of;
                    table.rest = rest_of(table);
                    rename(table);
                    out.push_back(std::move(table));
                    return out;
                }
            }
            ScopeTable added = table(from.relation, from.alias);
            if (added.relation != nullptr && !from.column_aliases.empty()) {
                // The names are the query's now, the reads the table's.
                for (std::size_t i = 0; i < added.columns.size() && i < from.column_aliases.size(); ++i) read(*added.relation, added.columns[i].name);
            }
            rename(added);
            if (!from.column_aliases.empty() && added.relation != nullptr) {
                for (const ScopeColumn& column : added.columns)
                    if (added.relation->column(column.name) != nullptr) read(*added.relation, column.name);
                added.relation = nullptr;
            }
            out.push_back(std::move(added));
            return out;
        }
        case Kind::subquery: {
            const Result result = query(*from.query, from.lateral ? &scope : scope.outer, ctes, true);
            ScopeTable table;
            table.alias = from.alias;
            table.complete = table.exact_order = result.exact;
            for (const auto& [name, value] : result.outputs) table.columns.push_back({name, value, false, false});
            table.rest = rest_of(table);
            table.all_of = all_of(*from.query);
            rename(table);
            out.push_back(std::move(table));
            return out;
        }
        case Kind::functions:
        case Kind::opaque: {
            ScopeTable table;
            table.alias = from.alias;
            Value all;
            std::vector<Value> given;
            for (const tree::ExprPtr& function : from.functions) {
                Value value = eval(*function, scope, ctes);
                given.push_back(value);
                if (from.functions.size() == 1 && from.kind == Kind::functions && value.fields != nullptr && from.defined_columns.empty() && (from.own_columns.empty() || from.own_columns[0].empty())) {
                    for (const auto& [name, field] : *value.fields) table.columns.push_back({name, field, false, false});
                }
                all = merge(all, value);
            }
            // How many rows come, and which, depends on what it is computed from.
            decides(all);
            const Value member = through(all, Flow::transformed);
            if (!from.defined_columns.empty()) {
                for (const std::string& name : from.defined_columns) table.columns.push_back({name, member, false, false});
            } else if (table.columns.empty()) {
                bool known = true;
                for (std::size_t i = 0; i < from.functions.size(); ++i) {
                    const tree::ExprPtr& function = from.functions[i];
                    std::vector<std::string> names;
                    const bool built_in = function->kind == tree::Expr::Kind::call;
                    const auto users = built_in && names_.snapshot != nullptr ? names_.snapshot->functions(function->name.last()) : std::vector<const catalogue::Function*>{};
                    if (i < from.own_columns.size()) names = from.own_columns[i];
                    if (!names.empty()) {
                        for (std::string& name : names) table.columns.push_back({std::move(name), member, false, false});
                        continue;
                    }
                    const bool spread = given[i].fields != nullptr && users.empty() && from.kind == Kind::functions;
                    if (spread)
                        for (const auto& [name, field] : *given[i].fields) names.push_back(name);
                    // How many columns its rows have is not known.
                    const bool rows = given[i].rows_inside && dialect_.spread_columns(given[i].type).empty() &&
                                      (users.empty() || std::any_of(users.begin(), users.end(), [&](const catalogue::Function* user) { return gives_any_type(*user); }));
                    if (!spread && rows && from.kind == Kind::functions) known = false;
                    if (built_in && !spread) {
                        bool this_known = true;
                        const std::string& called = function->name.last();
                        if (users.empty() || dialect_.function("", called) != nullptr) {
                            names = dialect_.table_function_columns(called, function->args.size(), this_known);
                            this_known = this_known && users.empty();
                        }
                        for (const catalogue::Function* user : users) {
                            std::vector<std::string> own = user->output_names;
                            if (const catalogue::Type* type = names_.snapshot->type(user->returns); own.empty() && type != nullptr && type->relation != 0) {
                                if (const Relation* row = names_.snapshot->relation(type->relation); row != nullptr)
                                    for (const catalogue::Column& column : row->columns) own.push_back(column.name);
                                else this_known = false;
                            }
                            // Which of several is called is not known.
                            if (user != users.front() && own != names) this_known = false;
                            if (own.size() > names.size()) names = std::move(own);
                        }
                        known = known && this_known;
                    }
                    if (names.empty()) {
                        const std::string own = output_name(*function);
                        names.push_back(from.functions.size() == 1 && !from.alias.empty() ? from.alias : own);
                    }
                    for (std::string& name : names) table.columns.push_back({std::move(name), member, false, false});
                }
                table.exact_order = known;
                table.complete = known;
            }
            table.rest = member;
            if (from.ordinality) table.columns.push_back({"ordinality", {}, false, false});
            if (table.alias.empty() && from.functions.size() == 1 && from.functions[0]->kind == tree::Expr::Kind::call) table.alias = from.functions[0]->name.last();
            if (!table.complete)
                for (std::size_t i = table.columns.size(); i < from.column_aliases.size(); ++i) table.columns.push_back({from.column_aliases[i], member, false, false});
            rename(table);
            out.push_back(std::move(table));
            return out;
        }
        case Kind::join: {
            std::vector<ScopeTable> left = join(*from.left, scope, ctes);
            std::vector<ScopeTable> right;
            if (sees_neighbours(*from.right)) {
                Scope visible;
                visible.outer = scope.outer;
                visible.tables = scope.tables;
                visible.tables.insert(visible.tables.end(), left.begin(), left.end());
                right = join(*from.right, visible, ctes);
            } else {
                right = join(*from.right, scope, ctes);
            }

            std::vector<std::string> shared = from.using_columns;
            const auto find = [](std::vector<ScopeTable>& tables, const std::string& name, ScopeTable** where) -> ScopeColumn* {
                for (ScopeTable& table : tables)
                    for (ScopeColumn& column : table.columns)
                        if (!column.hidden && column.name == name) {
                            *where = &table;
                            return &column;
                        }
                return nullptr;
            };
            if (from.natural) {
                for (ScopeTable& table : left)
                    for (const ScopeColumn& column : table.columns) {
                        ScopeTable* where = nullptr;
                        if (!column.hidden && find(right, column.name, &where) != nullptr) shared.push_back(column.name);
                    }
                for (const auto* side : {&left, &right})
                    for (const ScopeTable& table : *side)
                        if (!table.complete) unresolved("NATURAL JOIN with a relation whose columns are not known", 0);
            }
            ScopeTable merged;
            for (const std::string& name : shared) {
                ScopeTable *left_table = nullptr, *right_table = nullptr;
                ScopeColumn* a = find(left, name, &left_table);
                ScopeColumn* b = find(right, name, &right_table);
                ScopeColumn both;
                both.name = name;
                if (a != nullptr) {
                    use(*left_table, *a);
                    decides(a->value);
                    both.value = a->value;
                    a->hidden = true;
                }
                if (b != nullptr) {
                    use(*right_table, *b);
                    decides(b->value);
                    both.value = a != nullptr ? merge(both.value, b->value) : b->value;
                    meets(both.value);
                    b->hidden = true;
                }
                if (a != nullptr && b != nullptr) decides(operators_used(tree::Name{{"="}, 0}, a->value, b->value));
                merged.columns.push_back(std::move(both));
            }
            if (!from.using_alias.empty()) {
                // USING (…) AS u: u.a is the merged column, found by that name only.
                ScopeTable named = merged;
                named.alias = from.using_alias;
                for (ScopeColumn& column : named.columns) column.hidden = true;
                out.push_back(std::move(named));
            }
            if (!merged.columns.empty()) out.push_back(std::move(merged));
            // A long chain of joins hands on what it has, table by table only where something stands before it.
            if (out.empty()) out = std::move(left);
            else
                for (ScopeTable& table : left) out.push_back(std::move(table));
            for (ScopeTable& table : right) out.push_back(std::move(table));
            if (from.on != nullptr) {
                Scope both;
                both.outer = scope.outer;
                both.tables = scope.tables;
                const auto own = static_cast<std::ptrdiff_t>(both.tables.size());
                both.tables.insert(both.tables.end(), std::make_move_iterator(out.begin()), std::make_move_iterator(out.end()));
                predicate(*from.on, both, ctes);
                out.assign(std::make_move_iterator(both.tables.begin() + own), std::make_move_iterator(both.tables.end()));
            }
            if (!from.alias.empty()) {
                ScopeTable flat;
                flat.alias = from.alias;
                for (ScopeTable& table : out) {
                    flat.complete = flat.complete && table.complete;
                    flat.rest = merge(flat.rest, table.rest);
                    flat.unknown_is_opaque = flat.unknown_is_opaque || table.unknown_is_opaque;
                    flat.exact_order = flat.exact_order && table.exact_order;
                    flat.is_target = flat.is_target || table.is_target;
                    for (ScopeColumn& column : table.columns) {
                        if (column.hidden) continue;
                        use(table, column);
                        flat.columns.push_back(std::move(column));
                    }
                }
                rename(flat);
                out.clear();
                out.push_back(std::move(flat));
            }
            return out;
        }
    }
    return out;
}

bool Analyzer::find_column(const std::string& name, const Scope& scope, Value& value, bool& uncertain) {
    bool found = false;
    Value rest;
    for (const ScopeTable& table : scope.tables) {
        for (const ScopeColumn& column : table.columns) {
            if (column.hidden || column.name != name) continue;
            use(table, column);
            value = found ? merge(value, column.value) : column.value;
            found = true;
        }
        if (!table.complete) {
            uncertain = true;
            rest = merge(rest, table.rest);
        }
        if (table.unknown_is_opaque) rest.opaque = true;
        if (!found && (table.relation != nullptr || table.is_target) && dialect_.is_system_column(name)) {
            if (table.is_target) target_used_ = true;
            uncertain = true;
        }
    }
    if (!found) value = std::move(rest);
    return found;
}

Value Analyzer::column(const tree::Expr& expr, const Scope& scope) {
    const std::vector<std::string>& parts = expr.name.parts;
    if (parts.empty()) return {};
    const std::string& last = parts.back();
    // A relation whose columns are not known may have the name, or the query around it: then it may be either.
    Value either;
    bool anywhere = false;
    const auto or_else = [&](Value value) { return anywhere && either.has_value() ? merge(either, value) : value; };
    for (const Scope* in = &scope; in != nullptr; in = in->outer) {
        if (parts.size() == 1) {
            Value value;
            bool uncertain = false;
            if (find_column(last, *in, value, uncertain)) {
                // In a routine it may be the variable of that name (plpgsql.variable_conflict).
                for (const auto& [name, variable] : named_parameters_)
                    if (name == last && variable.has_value()) value = merge(value, variable);
                return or_else(std::move(value));
            }
            for (const ScopeTable& table : in->tables)
                if (table.alias == last) return or_else(row_of(table));
            if (uncertain || value.has_value()) {
                either = merge(either, value);
                anywhere = true;
                if (dialect_.is_system_column(last)) return either;
            }
            continue;
        }
        const std::string& qualifier = parts[parts.size() - 2];
        const std::string* schema = parts.size() > 2 ? &parts[parts.size() - 3] : nullptr;
        for (const ScopeTable& table : in->tables) {
            if (table.alias != qualifier || (schema != nullptr && table.schema != *schema)) continue;
            for (const ScopeColumn& column : table.columns)
                if (column.name == last) {
                    use(table, column);
                    return column.value;
                }
            if (table.is_target) target_used_ = true;
            if (table.unknown_is_opaque && !dialect_.is_system_column(last)) {
                Value unknown;
                unknown.opaque = true;
                return unknown;
            }
            if (dialect_.is_system_column(last)) return {};
            if (!table.complete) return table.rest;
            // `t.f` is f(t) where t has no column f.
            tree::Expr call_of;
            call_of.kind = tree::Expr::Kind::call;
            call_of.name.parts = {last};
            call_of.name.at = expr.at;
            tree::ExprPtr row = tree::make_expr(tree::Expr::Kind::column, expr.at);
            row->name.parts = {qualifier};
            call_of.args.push_back(std::move(row));
            call_of.argument_names.emplace_back();
            return call(call_of, *in, nullptr);
        }
        // A whole row by schema and table, or a member of a composite column.
        for (const ScopeTable& table : in->tables)
            if (table.alias == last && table.schema == qualifier) return row_of(table);
    }
    for (const auto& [name, value] : named_parameters_) {
        if (name == last) return or_else(value);
        if (parts.size() != 2 || name != parts[0]) continue;
        if (value.fields != nullptr)
            for (const auto& [field, of_field] : *value.fields)
                if (field == last) return of_field;
        return through(value, value.fields == nullptr ? Flow::transformed : Flow::identity);
    }
    if (anywhere) return either;
    if (!parameters_.empty() && parts.size() == 2) return {};
    unknown_name("column \"" + last + "\" is not known", expr.at);
    return {};
}

}  // namespace dbguard::sql
