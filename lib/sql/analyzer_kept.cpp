// What was computed or allowed before, and stays when names, code or tables change: materialized views and generated columns keep values,
// and code that runs unsaid (triggers, defaults, checks) goes on running, as the schema's own once dbguard is started again.

#include <algorithm>
#include <cctype>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using catalogue::Relation;
using catalogue::RelationKind;

void Analyzer::moves_schema(const std::string& schema, Moving& out) const {
    for (const Relation& relation : names_.snapshot->relations())
        if (relation.schema == schema) out.relations.insert(relation.id);
    for (const catalogue::Function& function : names_.snapshot->functions())
        if (function.schema == schema) out.functions.insert(function.id);
}

/// What an effect takes from its name, or lets say something else.
Analyzer::Moving Analyzer::moving(const tree::UtilityEffect& lowered, const Effect& effect) const {
    Moving out;
    const bool of_function = lowered.kind == tree::ObjectKind::function;
    const bool replaces = effect.effect_class == EffectClass::ddl_alter && (lowered.or_replace || (of_function && !lowered.takes_away));
    const bool unnamed = effect.effect_class == EffectClass::ddl_drop && std::ranges::any_of(effect.objects, [](const Object& object) { return object.name.empty(); });
    if (names_.snapshot == nullptr || (!replaces && !lowered.takes_away && !unnamed)) return out;
    out.by_name = !replaces;
    for (std::size_t i = 0; i < effect.objects.size(); ++i) {
        const Object& object = effect.objects[i];
        const bool in_schema = i < lowered.objects.size() && lowered.objects[i].parts.size() > 1;
        if (lowered.kind == tree::ObjectKind::relation || lowered.kind == tree::ObjectKind::new_relation) {
            if (const Relation* relation = names_.snapshot->relation(object.schema, object.name); relation != nullptr) out.relations.insert(relation->id);
        } else if (lowered.kind == tree::ObjectKind::schema) {
            moves_schema(object.schema, out);
        } else if (of_function) {
            for (const catalogue::Function* function : names_.snapshot->functions(object.name))
                if (!in_schema || function->schema == object.schema) out.functions.insert(function->id);
        } else if (object.name.empty() && effect.effect_class == EffectClass::ddl_drop) {   // which one is not told
            for (const Relation& relation : names_.snapshot->relations()) out.relations.insert(relation.id);
            for (const catalogue::Function& function : names_.snapshot->functions()) out.functions.insert(function.id);
        } else {
            for (const catalogue::Operator* op : names_.snapshot->operators(object.name)) out.functions.insert(op->function);
            for (const catalogue::Cast& cast : names_.snapshot->casts()) out.functions.insert(cast.function);
        }
    }
    return out;
}

// Materialized views and generated columns keep what they were computed from, and carry the masks of what they would be computed from
// now: that must not become less. (What came as an argument they carry in any case.)
void Analyzer::kept_before(const Moving& moving) {
    if ((moving.functions.empty() && moving.relations.empty()) || names_.snapshot == nullptr || depth_ >= 16) return;
    const auto compare = [&](const Relation& relation, const std::string& column, const Value& now, const Value& then) {
        Copy kept;
        for (const Source& source : now.sources)
            if (source.flow != Flow::existence && std::ranges::none_of(then.sources, [&](const Source& other) { return other.column == source.column && other.path == source.path && other.flow != Flow::existence; }))
                kept.sources.push_back({source.column, Flow::identity, source.path});
        const auto may_hold_anything = [](const Value& value) { return value.opaque || !value.functions.empty(); };
        kept.opaque = may_hold_anything(now) && !may_hold_anything(then);
        if (kept.sources.empty() && !kept.opaque) return;
        kept.target_name = relation.schema + "." + relation.name + "." + column + ", which keeps what it was computed from (drop it first)";
        kept.made = NewColumn{relation.schema, relation.name, column, relation.temporary, false};
        copy_out(std::move(kept));
    };
    std::vector<MadeRelation> nothing;
    const auto reader = [&](const Moving* without) {
        Analyzer out(names_, dialect_, nothing);
        out.depth_ = depth_ + 1;
        out.without_ = without;
        return out;
    };
    const auto unless_understood = [](const Analyzer& analyzer, Value value) {
        value.opaque = value.opaque || !analyzer.unresolved_.empty();
        return value;
    };
    for (const Relation& relation : names_.snapshot->relations()) {
        if (dialect_.is_system_schema(relation.schema)) continue;
        if (relation.kind == RelationKind::materialized_view) {
            Analyzer without = reader(&moving);
            const Columns then = without.stored_query_columns(relation);
            if (!without.met_moving_) continue;
            Analyzer whole = reader(nullptr);
            const Columns now = whole.stored_query_columns(relation);
            for (std::size_t i = 0; i < now.size() && i < then.size(); ++i)
                compare(relation, now[i].name, unless_understood(whole, now[i].value), unless_understood(without, then[i].value));
        }
        // A generated column computes nothing but by code.
        for (const catalogue::Column& column : relation.columns) {
            if (!column.generated || column.default_text.find('(') == std::string::npos) continue;
            Analyzer without = reader(&moving);
            const Value then = without.stored_expression(relation, column.default_text);
            if (!without.met_moving_) continue;
            Analyzer whole = reader(nullptr);
            const Value now = whole.stored_expression(relation, column.default_text);
            compare(relation, column.name, unless_understood(whole, now), unless_understood(without, then));
        }
    }
}

/// `relation` goes away, or leaves its parents: those may be masked because it is, and a materialized view keeps rows of it.
void Analyzer::shown_above(const Relation& relation) {
    std::vector<const Relation*> above{&relation};
    for (std::size_t i = 0; i < above.size(); ++i)
        for (const catalogue::Id id : above[i]->parents)
            if (const Relation* parent = names_.snapshot->relation(id); parent != nullptr && std::ranges::find(above, parent) == above.end()) above.push_back(parent);
    if (above.size() == 1 || depth_ >= 16) return;
    std::vector<MadeRelation> nothing;
    for (const Relation& view : names_.snapshot->relations()) {
        if (view.kind != RelationKind::materialized_view || dialect_.is_system_schema(view.schema)) continue;
        Analyzer analyzer(names_, dialect_, nothing);
        analyzer.depth_ = depth_ + 1;
        for (const ScopeColumn& shown : analyzer.stored_query_columns(view))
            for (const Source& source : shown.value.sources)
                for (std::size_t i = 1; i < above.size(); ++i) {
                    const catalogue::Column* column = source.column.relation == above[i]->id ? above[i]->column(source.column.number) : nullptr;
                    if (column == nullptr) continue;
                    Rename rename;
                    rename.column = source.column;
                    rename.before = rename.after = {above[i]->schema, above[i]->name, column->name, false, false};
                    rename.carried = rename.from_children = true;
                    if (std::ranges::find(out_.renames, rename) == out_.renames.end()) out_.renames.push_back(std::move(rename));
                }
    }
}

namespace {

/// The words of a code's text, as names without quotes are written.
void words_of(std::string_view text, std::set<std::string>& out) {
    std::string word;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const char c = i < text.size() ? text[i] : ' ';
        const bool in_word = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || static_cast<signed char>(c) < 0;
        if (in_word) {
            word.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
        } else if (!word.empty()) {
            out.insert(std::move(word));
            word.clear();
        }
    }
}

}  // namespace

/// The functions that run where no statement says so, and all that their texts may name: words of more than that, which costs nothing.
Analyzer::Unsaid Analyzer::unsaid() const {
    Unsaid out;
    std::vector<catalogue::Id> next;
    for (const Relation& relation : names_.snapshot->relations()) {
        next.insert(next.end(), relation.trigger_functions.begin(), relation.trigger_functions.end());
        next.insert(next.end(), relation.unsaid.begin(), relation.unsaid.end());
    }
    for (const catalogue::Id id : names_.snapshot->behind_types()) next.push_back(id);
    if (next.empty()) return out;
    // An operator or a cast needs no name there.
    for (const catalogue::Operator& op : names_.snapshot->operators())
        if (op.extension.empty()) next.push_back(op.function);
    for (const catalogue::Cast& cast : names_.snapshot->casts()) next.push_back(cast.function);
    const auto read = [&](const std::string& text) {
        std::set<std::string> words;
        words_of(text, words);
        for (const std::string& word : words) {
            if (!out.words.insert(word).second) continue;
            for (const catalogue::Function* function : names_.snapshot->functions(word)) next.push_back(function->id);
        }
    };
    std::set<catalogue::Id> views;
    for (std::size_t i = 0;; ++i) {
        if (i == next.size()) {
            for (const Relation& relation : names_.snapshot->relations())
                if (relation.kind == RelationKind::view && !dialect_.is_system_schema(relation.schema) && out.words.contains(relation.name) && views.insert(relation.id).second) read(relation.definition);
            if (i == next.size()) break;
        }
        const catalogue::Function* function = names_.snapshot->function(next[i]);
        if (function == nullptr || !out.functions.insert(function->id).second) continue;
        out.words.insert(function->name);
        read(function->body);
        next.insert(next.end(), function->unsaid.begin(), function->unsaid.end());
        for (const std::string& part : function->parts)
            if (is_number(part)) next.push_back(static_cast<catalogue::Id>(std::strtoul(part.c_str(), nullptr, 10)));
    }
    return out;
}

/// What code does with the values that it reads, when it runs for the rows of `fires_for` (null: for none). Empty: it cannot be read.
std::optional<std::vector<Copy>> Analyzer::done_by(const catalogue::Function& function, const Relation* fires_for, std::span<const std::string> transition_tables) {
    Analyzer probe(names_, dialect_, made_);
    probe.depth_ = depth_ + 1;
    probe.foreign_ = true;
    ScopeTable table;
    Value row;
    std::vector<Value> arguments;
    if (fires_for != nullptr) {
        // Of a table that the same message makes nothing is known, and nothing is in it.
        if (fires_for->id != 0) {
            table.columns = base_columns(*fires_for);
            row = probe.row_of(table);
        }
        probe.trigger_row_ = &row;
    }
    WithBindings with;
    std::vector<CteBinding> many;
    many.reserve(transition_tables.size());
    for (const std::string& name : transition_tables) {
        if (name.empty()) continue;
        CteBinding& named = many.emplace_back();
        named.name = name;
        named.with = &with;
        named.place = many.size() - 1;
        named.columns = table.columns;
        with.by_name.emplace(named.name, &named);
    }
    if (!many.empty()) probe.transitions_ = &many.back();
    catalogue::Function as_new = function;
    as_new.recent = true;
    Value value;
    if (const FunctionRule* rule = vetted_rule(function); rule == nullptr || !is_servers_code(function)) {
        const auto read = probe.call_body(as_new, std::vector<Value>(function.arguments.size()));
        if (!read) return {};
        value = *read;
    }
    std::vector<Copy> out = std::move(probe.out_.copies);
    if (fires_for != nullptr && fires_for->id != 0) {
        // It may stand in any column of the row.
        for (const catalogue::Column& column : fires_for->columns) probe.assign(fires_for, "", column.name, value);
        out.insert(out.end(), probe.out_.copies.begin(), probe.out_.copies.end());
    } else if (value.has_value()) {
        Copy given;
        given.target_name = "what runs " + function.schema + "." + function.name + " unsaid";
        given.sources = value.sources;
        given.functions = value.functions;
        given.opaque = value.opaque;
        out.push_back(std::move(given));
    }
    return out;
}

/// Code comes to where it runs unsaid, from now on as the schema's own: what it does is judged here, but for what `before` did there.
void Analyzer::runs_unsaid(const catalogue::Function& function, const catalogue::Function* before, const Relation* fires_for, std::span<const std::string> transition_tables) {
    auto now = done_by(function, fires_for, transition_tables);
    if (!now) {
        Copy unread;
        unread.target_name = "code that runs unsaid (" + function.schema + "." + function.name + ")";
        unread.opaque = true;
        if (fires_for != nullptr && before == nullptr && !function.recent) {
            // What it does is the schema's own; that it gets these rows is not.
            unread.opaque = false;
            for (const catalogue::Column& column : fires_for->columns) unread.sources.push_back({{fires_for->id, column.number}, Flow::transformed, {}});
        }
        copy_out(std::move(unread));
        return;
    }
    const auto then = before == nullptr ? std::nullopt : done_by(*before, fires_for, transition_tables);
    for (Copy& copy : *now) {
        const bool did = then && std::ranges::any_of(*then, [&](const Copy& other) { return other.target == copy.target && other.target_name == copy.target_name && std::ranges::includes(other.sources, copy.sources) && other.opaque >= copy.opaque; });
        if (!did) copy_out(std::move(copy));
    }
}

/// CREATE [OR REPLACE] FUNCTION, or another name for one: where it is what runs unsaid, or that may name it.
void Analyzer::comes_to_run_unsaid(const catalogue::Function& function, const std::string& name, const std::string& schema) {
    if (names_.snapshot == nullptr || depth_ >= 16) return;
    const Unsaid unsaid = this->unsaid();
    if (!unsaid.words.contains(name) || (name == function.name && unsaid.functions.contains(function.id))) return;
    const catalogue::Function* before = nullptr;
    for (const catalogue::Function* known : names_.snapshot->functions(name))
        if (known->id != function.id && known->arguments.size() == function.arguments.size() && (schema.empty() || known->schema == schema)) before = known;
    bool fires = false;
    for (const Relation& relation : names_.snapshot->relations())
        for (std::size_t i = 0; i < relation.trigger_functions.size(); ++i) {
            if (before == nullptr || relation.trigger_functions[i] != before->id) continue;
            fires = true;
            const std::span<const std::string> tables(relation.transition_tables);
            runs_unsaid(function, before, &relation, tables.size() >= 2 * i + 2 ? tables.subspan(2 * i, 2) : std::span<const std::string>());
        }
    if (!fires) runs_unsaid(function, before, nullptr, {});
}

/// CREATE TRIGGER.
void Analyzer::comes_to_fire(const tree::Statement& statement, const Relation& relation) {
    if (names_.snapshot == nullptr || depth_ >= 16) return;
    for (const tree::UtilityEffect& effect : statement.effects) {
        if (effect.effect_class != EffectClass::call || effect.objects.empty()) continue;
        const tree::Name& name = effect.objects[0];
        const MadeRelation* made = made_function(name);
        if (made != nullptr && made->code != nullptr) runs_unsaid(*made->code, nullptr, &relation, statement.transition_tables);
        if (made != nullptr) continue;
        for (const catalogue::Function* function : names_.snapshot->functions(name.last()))
            if (reachable(name.parts.size() > 1 ? &name.parts[name.parts.size() - 2] : nullptr, function->schema)) runs_unsaid(*function, nullptr, &relation, statement.transition_tables);
    }
}

void Analyzer::new_code(const tree::Statement& statement, std::size_t first_effect) {
    if (names_.snapshot == nullptr || first_effect >= out_.effects.size()) return;
    const Effect effect = out_.effects[first_effect];
    const std::string schema = effect.objects.empty() ? std::string() : effect.objects[0].schema;
    if (statement.makes_function) {
        catalogue::Function made = *statement.makes_function;
        made.schema = schema;
        comes_to_run_unsaid(made, made.name, schema);
    }
    if (statement.makes_operators && !statement.renamed_to.empty() && !unsaid().functions.empty())
        for (const catalogue::Function* function : names_.snapshot->functions(statement.renamed_to)) runs_unsaid(*function, nullptr, nullptr, {});
    const bool moves = !statement.effects.empty() && statement.effects[0].kind == tree::ObjectKind::function && statement.effects[0].takes_away && effect.effect_class != EffectClass::ddl_drop;
    if (moves)
        for (const Object& object : effect.objects)
            for (const catalogue::Function* function : names_.snapshot->functions(object.name))
                if (function->schema == object.schema || object.schema.empty()) comes_to_run_unsaid(*function, statement.renamed_to.empty() ? function->name : statement.renamed_to, {});
    if (makes_trigger(statement) && !statement.effects.empty() && !statement.effects[0].objects.empty()) {
        const Resolved table = resolve(statement.effects[0].objects[0]);
        comes_to_fire(statement, table.relation != nullptr ? *table.relation : Relation{});
    }
    const auto values_of = [&](const Relation& view) {
        std::vector<Value> out;
        bool exact = true;
        Analyzer reader(names_, dialect_, made_);
        reader.depth_ = depth_ + 1;
        for (const ScopeColumn& column : reader.view_columns(view, exact)) out.push_back(column.value);
        return out;
    };
    for (const tree::Moved& moved : statement.moved) {
        using Moves = tree::Moved::Kind;
        const Resolved view = moved.kind == Moves::relation || moved.kind == Moves::to_schema ? resolve(moved.of) : Resolved{};
        if (view.relation != nullptr && view.relation->kind != RelationKind::view) comes_to_be_read(moved.kind == Moves::relation ? moved.to : view.relation->name, {}, {});
        if (view.relation != nullptr && view.relation->kind == RelationKind::view) comes_to_be_read(moved.kind == Moves::relation ? moved.to : view.relation->name, values_of(*view.relation), {});
    }
    if (statement.stores_into && !statement.stores_values && !out_.inner.empty() && !effect.objects.empty()) {
        std::vector<Value> columns;
        for (const Output& output : out_.inner.back().outputs) {
            Value& value = columns.emplace_back();
            value.sources = output.sources;
            value.functions = output.functions;
            value.opaque = output.opaque || !output.functions.empty();
        }
        const Relation* before = names_.snapshot->relation(schema, effect.objects[0].name);
        comes_to_be_read(effect.objects[0].name, columns, before != nullptr && before->kind == RelationKind::view ? values_of(*before) : std::vector<Value>());
    }
}

/// A view that code which runs unsaid may read gets these columns. None: a table of that name, which such code may then write.
void Analyzer::comes_to_be_read(const std::string& name, const std::vector<Value>& columns, const std::vector<Value>& before) {
    if (names_.snapshot == nullptr || depth_ >= 16) return;
    const Unsaid unsaid = this->unsaid();
    if (!unsaid.words.contains(name)) return;
    const auto writes = [&](const catalogue::Id id, const Relation* fires_for) {
        const catalogue::Function* function = names_.snapshot->function(id);
        if (function == nullptr) return;
        auto done = done_by(*function, fires_for, {});
        if (!done) return;
        for (Copy& copy : *done) {
            const Relation* target = names_.snapshot->relation(copy.target.relation);
            if (target == nullptr || target->name != name || target == fires_for) continue;
            copy.target = {};
            copy.target_name = "a table of the name of " + copy.target_name + ", to which " + function->schema + "." + function->name + " writes";
            copy_out(std::move(copy));
        }
    };
    if (columns.empty())
        for (const Relation& relation : names_.snapshot->relations()) {
            for (const catalogue::Id id : relation.trigger_functions) writes(id, &relation);
            for (const catalogue::Id id : relation.unsaid) writes(id, nullptr);
        }
    for (std::size_t i = 0; i < columns.size(); ++i) {
        Copy shown;
        shown.target_name = "code that runs unsaid and reads " + name;
        shown.opaque = columns[i].opaque && !(i < before.size() && before[i].opaque);
        for (const Source& source : columns[i].sources)
            if (i >= before.size() || std::ranges::none_of(before[i].sources, [&](const Source& other) { return other.column == source.column; })) shown.sources.push_back(source);
        copy_out(std::move(shown));
    }
}

}  // namespace dbguard::sql
