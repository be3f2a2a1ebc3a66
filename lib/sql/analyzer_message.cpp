// The statements of one message, in order: what one makes of names, settings and triggers holds for those behind it.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

using tree::ObjectKind;

bool makes_trigger(const tree::Statement& statement) {
    return statement.effects.size() == 2 && statement.effects[0].effect_class == EffectClass::ddl_alter && statement.effects[1].effect_class == EffectClass::call &&
           statement.effects[1].kind == ObjectKind::function && !statement.effects[1].objects.empty() && !statement.effects[1].objects[0].parts.empty();
}

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

namespace {

/// EXECUTE or FETCH, also inside EXPLAIN and CREATE TABLE AS: what that runs stands elsewhere.
const tree::Statement* runs_what_is_kept(const tree::Statement& statement) {
    if (statement.kind == StatementKind::execute || statement.kind == StatementKind::fetch) return &statement;
    if (statement.kind == StatementKind::prepare) return nullptr;
    for (const auto& inner : statement.inner)
        if (const tree::Statement* found = runs_what_is_kept(*inner)) return found;
    return nullptr;
}

/// It takes away or changes what has a name: another thing, where the name means another by then.
bool changes_what_is_named(const Statement& statement) {
    return std::ranges::any_of(statement.effects, [](const Effect& effect) {
        using Class = EffectClass;
        for (const Class changed : {Class::ddl_alter, Class::ddl_drop, Class::ddl_truncate, Class::ddl_rename, Class::ddl_comment, Class::dcl, Class::lock, Class::maintenance})
            if (inside(effect.effect_class, changed) && !effect.objects.empty()) return true;
        return false;
    });
}

/// What is stored (views, bodies, children) goes on with what it was made over, whatever has that name afterwards, and other rows, rules or
/// another definition may stand behind a name that stays: the statements of one message are not followed that far.
bool changes_what_is_stored(const tree::Statement& statement, const Names& names) {
    if (names.snapshot == nullptr) return false;
    if (statement.of_rule) return true;
    const auto is_there = [&](const tree::Name& name) {
        return !name.parts.empty() && std::ranges::any_of(names.snapshot->relations(), [&](const catalogue::Relation& relation) { return relation.name == name.last(); });
    };
    return std::ranges::any_of(statement.effects, [&](const tree::UtilityEffect& effect) {
        using Class = EffectClass;
        if (effect.effect_class == Class::ddl_rename) return effect.takes_away && !effect.names_index;
        // A table that gets or loses a child is told by two names.
        if (effect.effect_class == Class::ddl_alter) return effect.takes_away || (effect.kind == ObjectKind::relation && effect.objects.size() > 1);
        const bool makes = effect.effect_class == Class::ddl_create && (effect.kind == ObjectKind::relation || effect.kind == ObjectKind::new_relation);
        return makes && std::ranges::any_of(effect.objects, is_there);
    });
}

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
    // What one statement sets holds for those behind it.
    catalogue::Context context;
    Names now = names;
    if (names.context != nullptr && statements.size() > 1) {
        context = *names.context;
        now.context = &context;
    }
    bool settings = false, catalogue = false, lost = false, stored = false, fires = false, operators = false;
    // What this message prepares or opens, and that leaves all names as they are.
    std::vector<std::string> plain_cursors, plain_prepared;
    const auto is_plain = [&](const tree::Statement& kept) { return kept.kind == StatementKind::execute && std::ranges::find(plain_prepared, kept.name) != plain_prepared.end(); };
    for (const tree::Statement& statement : statements) {
        Analyzer analyzer(now, dialect, made);
        out.statements.push_back(analyzer.run(statement));
        for (Effect& effect : out.statements.back().effects)
            if (effect.effect_class == EffectClass::session_set) effect.misleading = dialect.misleading(effect.setting, effect.detail);
        const Statement& done = out.statements.back();
        const bool computes = !done.relations.empty() || statement.query != nullptr || statement.write != nullptr || !statement.inner.empty() || !statement.expressions.empty() || !statement.code.empty();
        // What is prepared or open was planned under the names that were: EXECUTE plans it again under those that are.
        const tree::Statement* kept = runs_what_is_kept(statement);
        // A cursor of this message that calls no code: it was planned, and only gives rows.
        if (kept != nullptr && kept->kind == StatementKind::fetch && std::ranges::find(plain_cursors, kept->name) != plain_cursors.end()) kept = nullptr;
        const bool moved = lost || catalogue || (names.context != nullptr && now.context->search_path != names.context->search_path);
        const bool goes_by_names = computes || (lost && changes_what_is_named(done));
        if ((((lost || operators) && goes_by_names) || (stored && computes) || (kept != nullptr && moved)) && names.snapshot != nullptr && out.unparsed.empty()) {
            out.unparsed = lost || stored || kept != nullptr ? "an earlier statement of the same message changes what names mean, in a way that only shows when it runs; send it by itself"
                                : "an earlier statement of the same message makes an operator or a cast, whose code is not followed; send it by itself";
            out.unparsed_at = statement.begin;
        }
        operators = operators || statement.makes_operators;
        stored = stored || (statements.size() > 1 && changes_what_is_stored(statement, names));
        if (done.kind == StatementKind::declare_cursor || done.kind == StatementKind::prepare) {
            std::vector<std::string>& plain = done.kind == StatementKind::prepare ? plain_prepared : plain_cursors;
            std::erase(plain, done.name);
            if (!done.inner.empty() && !done.inner[0].runs_code && !done.inner[0].changes_settings) plain.push_back(done.name);
        }
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
            if ((kept != nullptr && !is_plain(*kept)) || !follow_settings(done, settings, catalogue, context, dialect)) lost = true;
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
