// Which relation, and which column, a name means; views.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using catalogue::Relation;
using catalogue::RelationKind;

// Deeper stored definitions are refused: PostgreSQL itself allows them, ordinary schemas do not have them.
constexpr int max_definition_depth = 64;

}  // namespace

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
    } else if (by_any_path() && names_.snapshot != nullptr) {
        // Whichever of them it was: none where there are several.
        if (!look(std::string(dialect_.system_schema)))
            for (const Relation& relation : names_.snapshot->relations()) {
                if (relation.name != last || relation.temporary || dialect_.is_system_schema(relation.schema)) continue;
                const bool another = out.relation != nullptr;
                out.relation = another ? nullptr : &relation;
                if (another) break;
            }
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
        known->second.reserve(std::min<std::size_t>(relation.columns.size(), 8));
    }
    if (!column.empty()) known->second.insert(column);
}

void Analyzer::touch(const Relation& relation) {
    if (std::find(out_.relations.begin(), out_.relations.end(), relation.id) == out_.relations.end()) out_.relations.push_back(relation.id);
    if (relation.has_expressions) out_.runs_code = out_.calls_code = out_.unread_code = true;
}

/// As BuiltIn::ordinary; nor is what has a collation of its own: two of them do not compare (PostgreSQL manual, "Collation Support").
bool Analyzer::is_ordinary(catalogue::Id id) const {
    if (dialect_.built_in(id, -1).ordinary) return true;
    const catalogue::Type* type = names_.snapshot == nullptr ? nullptr : names_.snapshot->type(id);
    return type != nullptr && (type->kind == catalogue::TypeKind::enumeration || (type->kind == catalogue::TypeKind::base && type->element == 0));
}

Columns Analyzer::base_columns(const Relation& relation) {
    if (names_.known != nullptr)
        if (const auto known = names_.known->of.find(&relation); known != names_.known->of.end()) return known->second;
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
    Columns columns(std::move(out));
    if (names_.known != nullptr) {
        if (names_.known->of.size() >= KnownColumns::most) names_.known->of.clear();
        names_.known->of.emplace(&relation, columns);
    }
    return columns;
}

std::shared_ptr<KnownColumns> known_columns() { return std::make_shared<KnownColumns>(); }

// A view is expanded once a statement, however many views over it there are: what that does to the statement is the same
// each time.
Columns Analyzer::view_columns(const Relation& relation, bool& exact) {
    auto known = views_.find(relation.id);
    if (known == views_.end()) {
        std::string outer_unresolved = std::exchange(unresolved_, {});
        const std::uint32_t outer_at = std::exchange(unresolved_at_, 0);
        ExpandedView view;
        // A view that reads itself can be made and locked; a query of it the server refuses (42P17).
        for (const catalogue::Column& column : relation.columns) {
            view.columns.edit().push_back({column.name, {}, false, false});
            view.columns.edit().back().value.opaque = true;
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

Columns Analyzer::expand_view(const Relation& relation, bool& exact) {
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
    const bool outer_text_names = std::exchange(text_names_, false);
    const Result result = query(*parsed.statements[0].query, nullptr, nullptr, true);
    text_names_ = outer_text_names;
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
    return Columns(std::move(out));
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
    if (without_ != nullptr && without_->relations.contains(relation.id) && (text_names_ || !without_->by_name)) {
        met_moving_ = true;
        for (const catalogue::Column& column : relation.columns) out.columns.edit().push_back({column.name, {}, false, false});
        return out;
    }
    touch(relation);
    if (resolved.system || relation.columns.empty()) {
        // Its columns are the server's own.
        read(relation, "");
        out.relation = &relation;
        const ValueRelation* shows = resolved.system ? dialect_.value_relation(relation.name) : nullptr;
        if (shows != nullptr) out_.unread_code = out_.unread_code || foreign_;
        if (!relation.columns.empty()) {
            for (const catalogue::Column& column : relation.columns) {
                ScopeColumn& listed = out.columns.edit().emplace_back();
                listed.name = column.name;
                listed.value.opaque = listed.value.as_shown = listed.value.of_shown = shows != nullptr && std::find(shows->safe_columns.begin(), shows->safe_columns.end(), column.name) == shows->safe_columns.end();
            }
            return out;
        }
        if (shows != nullptr) {
            for (const std::string_view safe : shows->safe_columns) out.columns.edit().push_back({std::string(safe), {}, false, false});
            out.unknown_is_opaque = true;
            out.shows = shows;
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
    if (!table.renamed) out.fields = std::move(fields);
    return out;
}

void Analyzer::use(const ScopeTable& table, const ScopeColumn& column) {
    if (table.is_target) target_used_ = true;
    if (table.relation != nullptr) read(*table.relation, column.name);
}

/// `elsewhere`: a query inside this one may have the name, too.
bool Analyzer::find_column(const std::string& name, const Scope& scope, Value& value, bool& uncertain, bool elsewhere) {
    bool found = false;
    Value rest;
    // What is not listed is that of another relation of the server's own where there is one, unless it is known to be of this one.
    const auto may_show = [&](const ScopeTable& table) {
        const bool another = elsewhere || std::any_of(scope.tables.begin(), scope.tables.end(), [](const ScopeTable& other) { return !other.complete && !other.unknown_is_opaque; });
        return !another || table.shows == nullptr || std::find(table.shows->value_columns.begin(), table.shows->value_columns.end(), name) != table.shows->value_columns.end();
    };
    for (const ScopeTable& table : scope.tables) {
        for (const ScopeColumn& column : table.columns) {
            if (column.hidden || column.name != name) continue;
            use(table, column);
            if (found) value = merge(value, column.value);
            else value = column.value;
            found = true;
        }
        if (!table.complete) {
            uncertain = true;
            rest = merge(rest, table.rest);
        }
        if (table.unknown_is_opaque && may_show(table)) {
            rest.as_shown = !rest.opaque || rest.as_shown;
            rest.of_shown = !rest.opaque || rest.of_shown;
            rest.opaque = true;
        }
        if (!found && (table.relation != nullptr || table.is_target) && dialect_.is_system_column(name)) {
            if (table.is_target) target_used_ = true;
            uncertain = true;
        }
    }
    if (!found) value = std::move(rest);
    return found;
}

Value Analyzer::column(const tree::Expr& expr, const Scope& scope) {
    const tree::Name::Parts& parts = expr.name.parts;
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
            if (find_column(last, *in, value, uncertain, anywhere)) {
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
                unknown.opaque = unknown.as_shown = unknown.of_shown = true;
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
