// Statements as a whole: queries and writes at the top, and everything that is neither.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using tree::ObjectKind;

Statement Analyzer::inner(const tree::Statement& statement, const Scope* around) {
    Analyzer analyzer(names_, dialect_, made_);
    analyzer.around_ = around;
    analyzer.depth_ = depth_ + 1;
    analyzer.path_ = path_;
    analyzer.running_path_ = running_path_;
    analyzer.keeps_code_ = keeps_code_;
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
    runs_text_ = runs_text_ || analyzer.runs_text_;
    read_by_code_ = merge(read_by_code_, analyzer.read_by_code_);
    return out;
}

/// A statement of a block has been analysed; `out_.relations` are what it reaches.
void Analyzer::note_step(std::size_t place, const tree::Statement& statement, std::size_t first_effect, bool calls) {
    if (steps_.size() <= place) steps_.resize(place + 1);
    CodeStep& step = steps_[place];
    step.effects.emplace_back(first_effect, out_.effects.size());
    step.calls = step.calls || calls || statement.query != nullptr || statement.write != nullptr || !statement.inner.empty();
    for (const std::uint32_t id : out_.relations)
        if (const catalogue::Relation* relation = names_.snapshot->relation(id)) step.names.insert(relation->name);
    for (std::size_t i = first_effect; i < out_.effects.size(); ++i) {
        const Effect& effect = out_.effects[i];
        const std::size_t told = i - first_effect;
        const bool keeps = !step.calls && told < statement.effects.size() && statement.effects[told].keeps_names;
        for (const Object& object : effect.objects) {
            step.names.insert(object.name);
            if (effect.effect_class == EffectClass::call) step.calls = true;
            if ((effect.effect_class == EffectClass::ddl_alter || effect.effect_class == EffectClass::ddl_rename) && !keeps) step.changed.insert(object.name);
        }
    }
}

/// What one of the block's statements changes, another one names: before or behind it, for there are loops.
bool Analyzer::steps_move_names() const {
    for (const CodeStep& step : steps_)
        for (const std::string& name : step.changed)
            for (const CodeStep& other : steps_)
                if ((&other != &step || step.calls) && other.names.contains(name)) return true;
    return false;
}

/// Code looks its names up when it comes to them: not what names mean before the statement, if something that the statement runs
/// changes that.
void Analyzer::names_that_move(std::size_t own_effects, std::size_t made_before) {
    if (names_.snapshot == nullptr || !(out_.calls_code || runs_text_)) return;
    std::set<std::string> read;
    std::size_t called = 0;
    for (const std::uint32_t id : out_.relations)
        if (const catalogue::Relation* relation = names_.snapshot->relation(id)) read.insert(relation->name);
    for (const Effect& effect : out_.effects)
        if (effect.effect_class == EffectClass::call)
            for (const Object& object : effect.objects)
                if (read.insert(object.name).second) ++called;
    const bool looks_up = !out_.relations.empty() || called > 1 || runs_text_;
    bool moves = steps_move_names();
    for (std::size_t i = own_effects; i < out_.effects.size() && looks_up; ++i) {
        const Effect& effect = out_.effects[i];
        if (effect.effect_class == EffectClass::session_role) moves = true;
        if (effect.effect_class == EffectClass::session_set) moves = moves || effect.setting.empty() || effect.setting == "search_path";
        const bool of_step = std::ranges::any_of(steps_, [&](const CodeStep& step) {
            return std::ranges::any_of(step.effects, [&](const auto& range) { return i >= range.first && i < range.second; });
        });
        const bool changes = !of_step && (effect.effect_class == EffectClass::ddl_alter || effect.effect_class == EffectClass::ddl_rename);
        for (const Object& object : effect.objects) moves = moves || (changes && read.contains(object.name));
    }
    // A table of the code's own is empty when it is made; and what is put into it is a copy.
    const auto stands_before = [&](const MadeRelation& made) {
        if (made.gone || !read.contains(made.name)) return false;
        const catalogue::Relation* known = names_.snapshot->relation(made.schema, made.name);
        return made.function || made.view || known == nullptr || known->kind == catalogue::RelationKind::view;
    };
    if (looks_up)
        moves = moves || std::any_of(made_.begin() + static_cast<std::ptrdiff_t>(made_before), made_.end(), stands_before) || std::ranges::any_of(made_by_code_, stands_before);
    if (moves) unresolved("the statement runs code that changes what names mean, and code that looks names up", out_.begin);
}

const Statement* execute_of(const Statement& statement) {
    if (statement.kind == StatementKind::execute) return &statement;
    if (statement.kind != StatementKind::explain && statement.kind != StatementKind::other) return nullptr;
    for (const Statement& inner : statement.inner)
        if (const Statement* found = execute_of(inner)) return found;
    return nullptr;
}

/// COPY of a table without a list of columns gives those that are not generated (PostgreSQL manual, COPY, "column_name").
void Analyzer::leave_out_generated(const tree::Statement& source) {
    if (!out_.outputs_exact || source.query == nullptr || source.query->items.size() != 1 || source.query->items[0].expr->kind != tree::Expr::Kind::star) return;
    const auto exported = std::ranges::find_if(out_.effects, [](const Effect& effect) { return effect.effect_class == EffectClass::bulk_export && !effect.objects.empty(); });
    const catalogue::Relation* relation = exported == out_.effects.end() ? nullptr : relation_of(exported->objects[0]);
    if (relation == nullptr || relation->columns.size() != out_.outputs.size()) return;
    for (std::size_t i = out_.outputs.size(); i-- > 0;)
        if (relation->columns[i].generated) out_.outputs.erase(out_.outputs.begin() + static_cast<std::ptrdiff_t>(i));
}

/// All that the inner statement does, the outer one does.
void Analyzer::absorb(const Statement& inner) {
    out_.effects.insert(out_.effects.end(), inner.effects.begin(), inner.effects.end());
    for (const Filter& filter : inner.filters)
        if (std::find(out_.filters.begin(), out_.filters.end(), filter) == out_.filters.end()) out_.filters.push_back(filter);
    for (const Copy& copy : inner.copies) copy_out(copy);
    out_.renames.insert(out_.renames.end(), inner.renames.begin(), inner.renames.end());
    for (const std::uint32_t relation : inner.relations)
        if (std::find(out_.relations.begin(), out_.relations.end(), relation) == out_.relations.end()) out_.relations.push_back(relation);
    for (const Given& given : inner.givens)
        if (std::find(out_.givens.begin(), out_.givens.end(), given) == out_.givens.end()) out_.givens.push_back(given);
    out_.runs_code = out_.runs_code || inner.runs_code;
    out_.calls_code = out_.calls_code || inner.calls_code;
    out_.unread_code = out_.unread_code || inner.unread_code;
    out_.cursors = std::max(out_.cursors, inner.cursors);
    out_.writes_inside = out_.writes_inside || inner.writes_inside ||
                         std::any_of(inner.effects.begin(), inner.effects.end(), [](const Effect& effect) { return inside(effect.effect_class, EffectClass::write) && !effect.objects.empty(); });
    out_.changes_catalogue = out_.changes_catalogue || inner.changes_catalogue;
    out_.changes_settings = out_.changes_settings || inner.changes_settings;
}

void Analyzer::utility(const tree::Statement& statement) {
    const std::size_t first_effect = out_.effects.size();
    for (const tree::UtilityEffect& effect : statement.effects) utility_effect(effect);
    for (const tree::Moved& moved : statement.moved) renames_of(moved);
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
        // CREATE OR REPLACE RULE "_RETURN": another query for the view.
        if (statement.of_rule && table != nullptr && table->kind == catalogue::RelationKind::view) kept_before({{}, {table->id}, false});
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
        const bool kept_outside = std::exchange(keeps_code_, std::ranges::any_of(statement.effects, [](const tree::UtilityEffect& effect) { return inside(effect.effect_class, EffectClass::ddl); }));
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
        for (const tree::Assignment& assignment : statement.rewritten)
            if (assignment.value != nullptr) assign(table, "", assignment.column, assigned(assignment, scope, nullptr));
        if (statement.domain) named_parameters_.pop_back();
        keeps_code_ = kept_outside;
    }
    if (!statement.code.empty()) {
        catalogue::Function block;
        block.language = statement.code_language;
        block.body = statement.code;
        block.recent = true;
        out_.runs_code = out_.calls_code = true;
        in_block_ = true;
        const auto read = call_body(block, {});
        in_block_ = false;
        if (read) {
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
            if (statement.kind == Kind::copy_out) leave_out_generated(*nested);
        }
        if (statement.stores_values && nested->kind == StatementKind::execute) {
            // CREATE TABLE AS EXECUTE: whatever the prepared statement gives. Whoever sends this one knows that.
            Copy copy;
            copy.target_name = statement.stores_into && !statement.stores_into->parts.empty() ? statement.stores_into->last() : "a new table";
            copy.opaque = copy.executed = true;
            copy_out(std::move(copy));
        }
        if (statement.stores_values) {
            std::size_t place = 0;
            for (const Output& output : run.outputs) {
                Copy copy;
                const Object* stored = statement.stores_into && first_effect < out_.effects.size() && !out_.effects[first_effect].objects.empty() ? &out_.effects[first_effect].objects[0] : nullptr;
                const std::string& column = place < statement.stored_columns.size() ? statement.stored_columns[place] : output.name;
                ++place;
                if (stored != nullptr && stored->resolved && run.outputs_exact) copy.made = NewColumn{stored->schema, stored->name, column, stored->temporary, statement.keeps_query};
                copy.target_name = (statement.stores_into && !statement.stores_into->parts.empty() ? statement.stores_into->last() : "a new table") + "." + output.name;
                copy.sources = output.sources;
                copy.functions = output.functions;
                copy.opaque = output.opaque;
                copy_out(std::move(copy));
            }
        }
        out_.inner.push_back(std::move(run));
    }

    new_code(statement, first_effect);

    // A statement of code: the code's others may stand before it.
    if (first_effect > 0)
        for (std::size_t i = 0; i < statement.effects.size() && first_effect + i < out_.effects.size(); ++i) {
            const Effect& effect = out_.effects[first_effect + i];
            if (effect.effect_class != EffectClass::ddl_create) continue;
            for (const Object& object : effect.objects) {
                MadeRelation& made = made_by_code_.emplace_back();
                made.schema = object.schema;
                made.name = object.name;
                made.function = statement.effects[i].kind == ObjectKind::function;
                made.view = statement.stores_into.has_value() && !statement.stores_values;
            }
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
            if (statement.makes_function) {
                catalogue::Function code = *statement.makes_function;
                code.schema = object.schema;
                code.recent = true;
                made.code = std::make_shared<const catalogue::Function>(std::move(code));
            }
        }
    }

    // What it makes, later statements of the message may name.
    if (!statement.effects.empty() && statement.effects[0].kind == ObjectKind::new_relation && !out_.effects.empty() && !out_.effects[0].objects.empty()) {
        const Object& object = out_.effects[0].objects[0];
        MadeRelation made;
        made.schema = object.schema;
        made.name = object.name;
        made.temporary = object.temporary;
        made.view = statement.stores_into.has_value() && !statement.stores_values;
        for (const std::string& column : statement.defined_columns) {
            if (column == "*") made.exact = false;
            else made.columns.edit().push_back({column, {}, false, false}), made.columns.edit().back().value.structured = true;   // whatever its type is
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
                made.columns.edit().push_back(std::move(column));
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
    const std::size_t made_before = made_.size();
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
                if (const Object& stored = out_.effects.back().objects[0]; stored.resolved && result.exact) copy.made = NewColumn{stored.schema, stored.name, name, stored.temporary, false};
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
            for (const auto& [name, value] : result.outputs) relation.columns.edit().push_back({name, value, false, false});
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
                output.of_shown = value.of_shown;
                output.may_fail = value.may_fail;
                out_.outputs.push_back(std::move(output));
            }
        }
    }
    list_givens();
    casts_unsaid(out_);
    if (depth_ == 0) names_that_move(utility_ ? statement.effects.size() : 0, made_before);
    // A trigger that is made runs no code yet, nor its WHEN.
    out_.only_names = statement.only_names && (!out_.runs_code || makes_trigger(statement)) && statement.expressions.empty() && (statement.checks.empty() || makes_trigger(statement)) && statement.probes.empty() &&
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

Columns Analyzer::stored_query_columns(const catalogue::Relation& relation) {
    stored_ = true;
    bool exact = true;
    return view_columns(relation, exact);
}

Value Analyzer::stored_expression(const catalogue::Relation& relation, std::string_view text) {
    stored_ = true;
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

}  // namespace dbguard::sql
