// Statements as a whole: queries and writes at the top, and everything that is neither.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::ObjectKind;

bool makes_trigger(const tree::Statement& statement) {
    return statement.effects.size() == 2 && statement.effects[0].effect_class == EffectClass::ddl_alter && statement.effects[1].effect_class == EffectClass::call &&
           statement.effects[1].kind == ObjectKind::function && !statement.effects[1].objects.empty() && !statement.effects[1].objects[0].parts.empty();
}

}  // namespace

// `demo, "Mixed", public` as SET takes it: the value's names, unquoted.
std::vector<std::string> listed_names(const std::string& value) {
    std::vector<std::string> out;
    std::string name;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i <= value.size(); ++i) {
        const char c = i < value.size() ? value[i] : ',';
        if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (c == ',' && !quoted) {
            if (any || !name.empty()) out.push_back(name);
            name.clear();
            any = false;
        } else if (quoted || (c != ' ' && c != '\t' && c != '\n')) {
            name.push_back(!quoted && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
        }
    }
    return out;
}

Statement Analyzer::inner(const tree::Statement& statement, const Scope* around) {
    Analyzer analyzer(names_, dialect_, made_);
    analyzer.around_ = around;
    analyzer.depth_ = depth_ + 1;
    analyzer.path_ = path_;
    analyzer.foreign_ = foreign_;
    analyzer.watched_ = watched_;
    Statement out = analyzer.run(statement);
    givens_lost_ = givens_lost_ || analyzer.givens_lost_;
    if (!analyzer.unresolved_.empty()) {
        const bool understood = !not_understood_ && analyzer.only_unknown();
        unresolved(analyzer.unresolved_, analyzer.unresolved_at_);
        not_understood_ = !understood;
    }
    literals_matter_ = literals_matter_ || analyzer.literals_matter_;
    read_by_code_ = merge(read_by_code_, analyzer.read_by_code_);
    return out;
}

/// All that the inner statement does, the outer one does.
void Analyzer::absorb(const Statement& inner) {
    out_.effects.insert(out_.effects.end(), inner.effects.begin(), inner.effects.end());
    for (const Filter& filter : inner.filters)
        if (std::find(out_.filters.begin(), out_.filters.end(), filter) == out_.filters.end()) out_.filters.push_back(filter);
    for (const Copy& copy : inner.copies) copy_out(copy);
    for (const std::uint32_t relation : inner.relations)
        if (std::find(out_.relations.begin(), out_.relations.end(), relation) == out_.relations.end()) out_.relations.push_back(relation);
    for (const Given& given : inner.givens)
        if (std::find(out_.givens.begin(), out_.givens.end(), given) == out_.givens.end()) out_.givens.push_back(given);
    out_.runs_code = out_.runs_code || inner.runs_code;
    out_.calls_code = out_.calls_code || inner.calls_code;
    out_.unread_code = out_.unread_code || inner.unread_code;
    out_.writes_inside = out_.writes_inside || inner.writes_inside ||
                         std::any_of(inner.effects.begin(), inner.effects.end(), [](const Effect& effect) { return inside(effect.effect_class, EffectClass::write) && !effect.objects.empty(); });
    out_.changes_catalogue = out_.changes_catalogue || inner.changes_catalogue;
    out_.changes_settings = out_.changes_settings || inner.changes_settings;
}

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

void Analyzer::utility(const tree::Statement& statement) {
    for (const tree::UtilityEffect& effect : statement.effects) utility_effect(effect);
    Scope scope;
    if (!statement.expressions.empty() || !statement.checks.empty() || !statement.probes.empty() || !statement.rewritten.empty() || statement.of_rule) {
        // What a default, a check or an index expression computes is over the table's own columns; code in it is a call, and
        // an expression that can fail tells of the values it fails for.
        ScopeTable own;
        const catalogue::Relation* table = nullptr;
        for (const tree::UtilityEffect& effect : statement.effects) {
            const bool of_table = effect.kind == ObjectKind::relation && !effect.objects.empty() && !inside(effect.effect_class, EffectClass::read);
            const Resolved resolved = of_table ? resolve(effect.objects[0]) : Resolved{};
            // A table that is being made, or was in this message: its columns are new.
            if ((effect.kind == ObjectKind::new_relation || resolved.made != nullptr) && !effect.objects.empty() && own.alias.empty()) {
                own.alias = effect.objects[0].last();
                const std::size_t place = static_cast<std::size_t>(&effect - statement.effects.data());
                if (place < out_.effects.size() && !out_.effects[place].objects.empty()) own.schema = out_.effects[place].objects[0].schema;
            }
            if (resolved.relation == nullptr || resolved.system) continue;
            table = resolved.relation;
            own.columns = base_columns(*table);
            own.alias = table->name;
            own.schema = table->schema;
            break;
        }
        own.complete = false;
        std::set<std::uint32_t> own_relations;
        for (const ScopeColumn& column : own.columns)
            for (const Source& source : column.value.sources) own_relations.insert(source.column.relation);
        if (makes_trigger(statement) || statement.of_rule) {
            // They name the row as it was and as it becomes.
            scope.tables.push_back(own);
            scope.tables.back().alias = "old";
            own.alias = "new";
        }
        scope.tables.push_back(std::move(own));
        if (statement.domain) named_parameters_.emplace_back("value", values_of_type(*statement.domain));
        for (const tree::ExprPtr& expr : statement.expressions) {
            const Value value = eval(*expr, scope, nullptr);
            if (value.may_fail) decides(value);
            // A parameter of EXECUTE, an argument of CALL, a default: a value that goes elsewhere.
            Copy stored;
            stored.target_name = statement.kind == StatementKind::execute ? "a parameter of \"" + statement.name + "\"" : "what the statement stores or hands on";
            for (const Source& source : value.sources)
                if (!own_relations.contains(source.column.relation)) stored.sources.push_back(source);
            stored.functions = value.functions;
            stored.opaque = value.opaque;
            copy_out(std::move(stored));
        }
        // A CHECK is tried on the rows that are there: whether it holds tells of them. How many rows an index keeps can be read.
        for (const tree::ExprPtr& expr : statement.checks) predicate(*expr, scope, nullptr);
        // So can how many different values an expression has, and how often there is none. Of a column as it is that is no secret.
        for (const tree::ExprPtr& expr : statement.probes) {
            const Value value = eval(*expr, scope, nullptr);
            if (plain_column(*expr) == nullptr) decides(value);
        }
        for (const tree::Assignment& assignment : statement.rewritten) assign(table, "", assignment, scope, nullptr);
        if (statement.domain) named_parameters_.pop_back();
    }
    if (!statement.code.empty()) {
        catalogue::Function block;
        block.language = statement.code_language;
        block.body = statement.code;
        block.recent = true;
        out_.runs_code = out_.calls_code = true;
        if (const auto read = call_body(block, {})) {
            // What it reads decides what it does, or whether it fails.
            decides(*read);
        } else {
            Copy kept;
            kept.target_name = "a block of code";
            kept.opaque = true;
            copy_out(std::move(kept));
            out_.unread_code = true;
        }
    }
    for (const auto& nested : statement.inner) {
        using Kind = StatementKind;
        const bool outer_watched = std::exchange(watched_, watched_ || (statement.kind == Kind::explain && statement.executes_inner));
        Statement run = inner(*nested, statement.of_rule ? &scope : nullptr);
        watched_ = outer_watched;
        if (statement.kind == Kind::explain && !statement.executes_inner) {
            // Planned, not run: only what it reads counts, and what it filters by (estimates tell).
            Statement planned = run;
            // A planner runs what it takes to be constant: calls count.
            planned.effects.erase(std::remove_if(planned.effects.begin(), planned.effects.end(), [](const Effect& effect) {
                return inside(effect.effect_class, EffectClass::write) || inside(effect.effect_class, EffectClass::ddl) || effect.effect_class == EffectClass::lock;
            }), planned.effects.end());
            planned.copies.clear();
            planned.changes_catalogue = planned.changes_settings = false;
            absorb(planned);
        } else {
            absorb(run);
        }
        if (statement.kind == Kind::prepare) {
            // Counted when it is executed, as the statement that it is.
            out_.writes_inside = run.writes_inside;
            out_.shows_changed = run.shows_changed;
        }
        if (statement.kind == Kind::explain) {
            out_.runs_inner = statement.executes_inner;
            Copy shown;
            shown.target_name = "the plan";
            shown.sources = read_by_code_.sources;
            shown.functions = read_by_code_.functions;
            shown.opaque = read_by_code_.opaque;
            copy_out(std::move(shown));
        }
        if (statement.kind == Kind::copy_out || statement.kind == Kind::prepare || statement.kind == Kind::declare_cursor) {
            // What EXECUTE and FETCH will show.
            out_.outputs = run.outputs;
            out_.outputs_exact = run.outputs_exact;
        }
        if (statement.stores_values && nested->kind == StatementKind::execute) {
            // CREATE TABLE AS EXECUTE: whatever the prepared statement gives.
            Copy copy;
            copy.target_name = statement.stores_into && !statement.stores_into->parts.empty() ? statement.stores_into->last() : "a new table";
            copy.opaque = true;
            copy_out(std::move(copy));
        }
        if (statement.stores_values) {
            for (const Output& output : run.outputs) {
                Copy copy;
                copy.target_name = (statement.stores_into && !statement.stores_into->parts.empty() ? statement.stores_into->last() : "a new table") + "." + output.name;
                copy.sources = output.sources;
                copy.functions = output.functions;
                copy.opaque = output.opaque;
                copy_out(std::move(copy));
            }
        }
        out_.inner.push_back(std::move(run));
    }

    // What it takes away, later statements of the message do not find: the name may then mean another.
    for (std::size_t i = 0; i < statement.effects.size() && i < out_.effects.size(); ++i) {
        const tree::UtilityEffect& lowered = statement.effects[i];
        if (!lowered.takes_away) continue;
        if (lowered.kind != ObjectKind::relation && lowered.kind != ObjectKind::schema) continue;
        for (const Object& object : out_.effects[i].objects) {
            MadeRelation gone;
            gone.schema = object.schema;
            gone.name = object.name;
            gone.temporary = object.temporary;
            gone.gone = true;
            made_.push_back(std::move(gone));
        }
    }

    for (std::size_t i = 0; i < statement.effects.size() && i < out_.effects.size(); ++i) {
        // CREATE FUNCTION, also OR REPLACE of one that exists.
        if (statement.effects[i].kind != ObjectKind::function || statement.effects[i].effect_class != EffectClass::ddl_create) continue;
        for (const Object& object : out_.effects[i].objects) {
            MadeRelation& made = made_.emplace_back();
            made.schema = object.schema;
            made.name = object.name;
            made.function = true;
        }
    }

    // What it makes, later statements of the message may name.
    if (!statement.effects.empty() && statement.effects[0].kind == ObjectKind::new_relation && !out_.effects.empty() && !out_.effects[0].objects.empty()) {
        const Object& object = out_.effects[0].objects[0];
        MadeRelation made;
        made.schema = object.schema;
        made.name = object.name;
        made.temporary = object.temporary;
        for (const std::string& column : statement.defined_columns) {
            if (column == "*") made.exact = false;
            else made.columns.push_back({column, {}, false, false}), made.columns.back().value.structured = true;   // whatever its type is
        }
        if (!out_.inner.empty() && statement.stores_into) {
            std::size_t i = 0;
            for (const Output& output : out_.inner[0].outputs) {
                ScopeColumn column;
                column.name = i < statement.stored_columns.size() ? statement.stored_columns[i] : output.name;
                column.value.sources = output.sources;
                column.value.opaque = output.opaque;
                column.value.functions = output.functions;
                column.value.may_fail = output.may_fail;
                made.columns.push_back(std::move(column));
                ++i;
            }
            made.exact = out_.inner[0].outputs_exact;
        }
        made_.push_back(std::move(made));
    }
    // What goes along stands behind all that the statement says, or among the same effect's objects.
    for (const auto& [lowered, place] : std::exchange(told_, {})) {
        Effect effect = std::move(out_.effects[place]);
        utility_along(*lowered, effect);
        out_.effects[place] = std::move(effect);
    }
    out_.changes_catalogue = out_.changes_catalogue || statement.changes_catalogue;
    out_.changes_settings = out_.changes_settings || statement.changes_settings;
    if (statement.returns_rows) {
        out_.returns_rows = true;
        // SHOW, EXPLAIN, CALL: columns of their own.
        if (out_.outputs.empty()) out_.outputs_exact = false;
    }
    if (statement.opaque) unresolved(statement.opaque_reason, statement.opaque_at);
}

Statement Analyzer::run(const tree::Statement& statement) {
    out_.begin = statement.begin;
    out_.length = statement.length;
    out_.kind = statement.kind;
    out_.name = statement.name;
    utility_ = statement.query == nullptr && statement.write == nullptr;
    out_.explainable = statement.query != nullptr || statement.write != nullptr || statement.stores_values || statement.kind == StatementKind::declare_cursor ||
                       statement.kind == StatementKind::execute || statement.kind == StatementKind::prepare || statement.kind == StatementKind::copy_out;
    if (names_.snapshot != nullptr && depth_ == 0 && !names_.snapshot->new_behind_types().empty() &&
        (out_.explainable || std::any_of(statement.effects.begin(), statement.effects.end(), [](const tree::UtilityEffect& effect) { return effect.effect_class == EffectClass::call || effect.effect_class == EffectClass::bulk_import; })))
        code_of_types();
    Result result;
    bool rows = false;
    if (statement.query != nullptr) {
        result = query(*statement.query, around_, nullptr, false);
        out_.shows_changed = writes_ == 1 && gives_all(statement.query->with, *statement.query);
        out_.writes_inside = out_.writes_inside || (writes_ > 0 && !out_.shows_changed);
        rows = !statement.query->into.has_value();
        if (statement.query->into) {
            tree::UtilityEffect made;
            made.effect_class = EffectClass::ddl_create;
            made.kind = ObjectKind::new_relation;
            made.objects.push_back(*statement.query->into);
            made.temporary = statement.query->into_temporary;
            utility_effect(made);
            out_.changes_catalogue = true;
            for (const auto& [name, value] : result.outputs) {
                Copy copy;
                copy.target_name = statement.query->into->last() + "." + name;
                copy.sources = value.sources;
                copy.functions = value.functions;
                copy.opaque = value.opaque;
                copy_out(std::move(copy));
            }
            MadeRelation relation;
            relation.schema = out_.effects.back().objects[0].schema;
            relation.name = statement.query->into->last();
            relation.temporary = out_.effects.back().objects[0].temporary;
            relation.exact = result.exact;
            for (const auto& [name, value] : result.outputs) relation.columns.push_back({name, value, false, false});
            made_.push_back(std::move(relation));
        }
        // A query without a table is a read all the same.
        if (reads_.empty() && out_.effects.empty()) {
            Effect read;
            read.effect_class = EffectClass::read_table;
            out_.effects.push_back(std::move(read));
        }
        for (Effect& effect : out_.effects)
            if (effect.effect_class == EffectClass::read_table) effect.has_limit = statement.query->limit != nullptr;
    } else if (statement.write != nullptr) {
        result = write(*statement.write, around_, nullptr);
        rows = !statement.write->returning.empty();
    } else {
        utility(statement);
    }
    if (statement.query != nullptr || statement.write != nullptr) {
        out_.returns_rows = rows;
        out_.outputs_exact = result.exact;
        if (watched_) decided_by_computing(result);
        if (rows) {
            out_.outputs.reserve(result.outputs.size());
            for (auto& [name, value] : result.outputs) {
                meets(value);
                Output output;
                output.name = std::move(name);
                output.sources = std::move(value.sources);
                output.functions = std::move(value.functions);
                output.opaque = value.opaque;
                output.as_shown = value.as_shown;
                output.may_fail = value.may_fail;
                out_.outputs.push_back(std::move(output));
            }
        }
    }
    list_givens();
    casts_unsaid(out_);
    // A trigger that is made runs no code yet.
    out_.only_names = statement.only_names && (!out_.runs_code || makes_trigger(statement)) && statement.expressions.empty() && statement.checks.empty() && statement.probes.empty() &&
                      statement.rewritten.empty() && statement.inner.empty();
    out_.literals_matter = literals_matter_ || (statement.query == nullptr && statement.write == nullptr);
    // One effect for all that is read, an object each.
    const bool has_limit = statement.query != nullptr && statement.query->limit != nullptr;
    for (auto& [key, entry] : reads_) {
        const auto same = std::find_if(out_.effects.begin(), out_.effects.end(), [&](const Effect& effect) {
            return effect.effect_class == key.first && effect.detail.empty() && !effect.objects.empty();
        });
        Object object = std::move(entry.first);
        object.columns.assign(entry.second.begin(), entry.second.end());
        if (same != out_.effects.end()) {
            same->objects.push_back(std::move(object));
            continue;
        }
        Effect read;
        read.effect_class = key.first;
        if (statement.query != nullptr) read.has_limit = has_limit;
        read.objects.push_back(std::move(object));
        out_.effects.push_back(std::move(read));
    }
    return std::move(out_);
}

std::vector<ScopeColumn> Analyzer::stored_query_columns(const catalogue::Relation& relation) {
    bool exact = true;
    return view_columns(relation, exact);
}

Value Analyzer::stored_expression(const catalogue::Relation& relation, std::string_view text) {
    Value unknown;
    unknown.opaque = true;
    const ParsedText parsed = dialect_.parse("SELECT " + std::string(text));
    if (!parsed.error.empty() || parsed.statements.size() != 1 || parsed.statements[0].query == nullptr || parsed.statements[0].query->items.size() != 1) return unknown;
    const auto* outer_path = path_;
    path_ = &names_.snapshot->rendered_under().search_path;
    Scope scope;
    ScopeTable own;
    own.alias = relation.name;
    own.columns = base_columns(relation);
    scope.tables.push_back(std::move(own));
    Value out = eval(*parsed.statements[0].query->items[0].expr, scope, nullptr);
    path_ = outer_path;
    return out;
}

namespace {

// What names mean after this statement of the message, where it changes that. False: nobody can tell.
bool follow_settings(const Statement& statement, bool settings_before, bool catalogue_before, catalogue::Context& context, const Dialect& dialect) {
    using Kind = StatementKind;
    const bool undoes = statement.kind == Kind::rollback || statement.kind == Kind::rollback_to;
    const bool ends = undoes || statement.kind == Kind::commit || statement.kind == Kind::prepare_transaction;
    // The end of a transaction takes back what it set, and its rollback what it made; ON COMMIT DROP what an earlier message made.
    if ((ends && (settings_before || context.uncommitted)) || (undoes && catalogue_before)) return false;
    if (statement.kind == Kind::discard && statement.name != "plans") return false;
    for (const Effect& effect : statement.effects) {
        const bool path = effect.setting == "search_path";
        if (effect.effect_class == EffectClass::session_reset && (path || effect.setting.empty()) && statement.kind == Kind::set) return false;
        if (effect.effect_class == EffectClass::session_role) return false;
        if (effect.effect_class != EffectClass::session_set) continue;
        if (effect.setting.empty()) return false;
        if (!path) continue;
        if (effect.detail.empty() || effect.detail.find('?') != std::string::npos) return false;
        std::vector<std::string> named = listed_names(effect.detail);
        std::vector<std::string> path_now;
        const bool system_named = std::find(named.begin(), named.end(), dialect.system_schema) != named.end();
        if (!context.temp_schema.empty() && std::find(named.begin(), named.end(), "pg_temp") == named.end()) path_now.push_back(context.temp_schema);
        if (!system_named) path_now.emplace_back(dialect.system_schema);
        for (std::string& name : named) path_now.push_back(name == "$user" ? context.user : name == "pg_temp" ? context.temp_schema : name);
        context.search_path = std::move(path_now);
    }
    // Code may set anything.
    return !statement.runs_code || std::none_of(statement.effects.begin(), statement.effects.end(), [](const Effect& effect) { return effect.effect_class == EffectClass::call; });
}

// A block of code that can be read, and that makes types but calls and changes nothing else, leaves every other name as it is:
// DO … CREATE TYPE … EXCEPTION WHEN duplicate_object.
bool leaves_names(const tree::Statement& statement, const Names& names, const Dialect& dialect, std::vector<MadeRelation> made) {
    if (statement.code.empty()) return false;
    catalogue::Function block;
    block.language = statement.code_language;
    block.body = statement.code;
    const CodeBody body = dialect.read_code(block);
    if (!body.readable || !body.run_texts.empty()) return false;
    for (const std::string& text : body.texts) {
        const ParsedText parsed = dialect.parse(text);
        if (!parsed.error.empty()) return false;
        for (const tree::Statement& one : parsed.statements) {
            const bool makes_types = !one.effects.empty() && std::ranges::all_of(one.effects, [](const tree::UtilityEffect& effect) {
                return effect.kind == ObjectKind::type && (effect.effect_class == EffectClass::ddl_create || effect.effect_class == EffectClass::ddl_alter);
            });
            if (makes_types && one.query == nullptr && one.write == nullptr && one.inner.empty()) continue;
            const Statement done = Analyzer(names, dialect, made).run(one);
            if (one.query == nullptr || done.runs_code || done.changes_catalogue || done.changes_settings) return false;
        }
    }
    return true;
}

}  // namespace

Analysis analyze(const std::vector<tree::Statement>& statements, const Names& names, const Dialect& dialect) {
    Analysis out;
    std::vector<MadeRelation> made;
    catalogue::Context context;
    if (names.context != nullptr) context = *names.context;
    const Names now{names.snapshot, names.context != nullptr ? &context : nullptr};
    bool settings = false, catalogue = false, lost = false, fires = false, operators = false;
    for (const tree::Statement& statement : statements) {
        Analyzer analyzer(now, dialect, made);
        out.statements.push_back(analyzer.run(statement));
        for (Effect& effect : out.statements.back().effects)
            if (effect.effect_class == EffectClass::session_set) effect.misleading = dialect.misleading(effect.setting, effect.detail);
        const Statement& done = out.statements.back();
        const bool computes = !done.relations.empty() || statement.query != nullptr || statement.write != nullptr || !statement.inner.empty() || !statement.expressions.empty() || !statement.code.empty();
        if ((lost || operators) && names.snapshot != nullptr && out.unparsed.empty() && computes) {
            out.unparsed = lost ? "an earlier statement of the same message changes what names mean, in a way that only shows when it runs; send it by itself"
                                : "an earlier statement of the same message makes an operator or a cast, whose code is not followed; send it by itself";
            out.unparsed_at = statement.begin;
        }
        operators = operators || statement.makes_operators;
        const auto runs_triggers = [](const Effect& effect) {
            using Class = EffectClass;
            return inside(effect.effect_class, Class::write) || effect.effect_class == Class::bulk_import || effect.effect_class == Class::ddl_truncate || effect.effect_class == Class::call;
        };
        if (fires && names.snapshot != nullptr && out.unparsed.empty() && std::ranges::any_of(done.effects, runs_triggers) && !makes_trigger(statement)) {
            out.unparsed = "an earlier statement of the same message makes a trigger, whose code is not followed; send it by itself";
            out.unparsed_at = statement.begin;
        }
        if (makes_trigger(statement)) fires = true;   // it runs no code yet
        catalogue = catalogue || done.changes_catalogue;
        if (!makes_trigger(statement) && !leaves_names(statement, now, dialect, made)) {
            settings = settings || done.changes_settings;
            if (!follow_settings(done, settings, catalogue, context, dialect)) lost = true;
        }
        if (out.unparsed.empty() && !analyzer.unresolved().empty()) {
            out.unparsed = analyzer.unresolved();
            out.unparsed_at = analyzer.unresolved_at();
            out.unknown_names = statements.size() == 1 && statement.query == nullptr && statement.write == nullptr && analyzer.only_unknown();
        }
    }
    return out;
}

}  // namespace dbguard::sql
