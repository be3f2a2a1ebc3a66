// Calls of functions: those built in, by what they mean; those of the database, by their code.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

}  // namespace

Value Analyzer::call(const Expr& expr, const Scope& scope, const CteBinding* ctes) {
    if (expr.name.parts.empty()) return {};
    const std::string& name = expr.name.last();
    const std::string* schema = expr.name.parts.size() > 1 ? &expr.name.parts[expr.name.parts.size() - 2] : nullptr;

    std::vector<Value> args;
    Value all;
    bool twice = false;   // some column stands in more than one argument
    for (const tree::ExprPtr& arg : expr.args) {
        args.push_back(eval(*arg, scope, ctes));
        meet_type(args.back().type);
        twice = twice || share_sources(all, args.back());
        all = merge(all, args.back());
    }
    // FILTER decides like a WHERE, ORDER BY and PARTITION BY like their namesakes.
    for (const tree::ExprPtr& decider : expr.decides) predicate(*decider, scope, ctes);
    if (expr.distinct) decides(all);

    // Code that may see and do anything.
    const auto unvetted = [&](std::string in) {
        Effect& called = out_.effects.emplace_back();
        called.effect_class = EffectClass::call;
        Object function;
        function.schema = std::move(in);
        function.name = name;
        called.objects.push_back(function);
        out_.runs_code = out_.calls_code = out_.unread_code = true;
        Value out = through(all, Flow::transformed);
        out.functions.push_back(function.schema + "." + function.name);
        return out;
    };
    // Made or replaced by the same message: what the catalogue knows by that name may not be it.
    // It is read when it is there (the message goes in pieces then); until that, a rule that allows the name did not mean it.
    if (const MadeRelation* made = made_function(expr.name)) {
        Value out = unvetted(made->schema);
        Effect& unread = out_.effects.emplace_back(out_.effects.back());
        unread.objects[0].resolved = false;
        unread.detail = "a function that the same message makes";
        return out;
    }

    // What the search path can find: a function of the user's may stand before, or match better than, the built-in one.
    std::vector<const catalogue::Function*> users;
    if (names_.snapshot != nullptr && names_.context != nullptr)
        for (const catalogue::Function* function : names_.snapshot->functions(name))
            if (reachable(schema, function->schema)) users.push_back(function);
    const bool built_in_reachable = schema == nullptr || dialect_.is_system_schema(*schema);
    const FunctionRule* rule = built_in_reachable ? dialect_.function(schema == nullptr ? std::string_view() : std::string_view(*schema), name) : nullptr;

    // f(t) is t.f where the row has such a column.
    if (users.empty() && args.size() == 1 && args[0].is_row && (rule == nullptr || args[0].fields != nullptr)) {
        if (args[0].fields != nullptr)
            for (const auto& [field, value] : *args[0].fields)
                if (field == name && rule == nullptr) return value;
        if (rule == nullptr && args[0].steps) return member(args[0], name, false);
    }

    const std::optional<Value> converted = call_as_cast(expr, args);
    if (!users.empty()) {
        Value value = call_user(users, expr, args);
        if (std::none_of(users.begin(), users.end(), [&](const catalogue::Function* function) { return gives_any_type(*function); })) value.rows_inside = false;
        for (const catalogue::Function* function : users) value.rows_inside = value.rows_inside || spreads(function->returns);
        if (rule != nullptr) value = merge(value, call_built_in(*rule, expr, all, scope));
        return converted ? merge(value, *converted) : value;
    }
    if (rule == nullptr && converted) return *converted;
    if (rule != nullptr) {
        if ((name == "jsonb_extract_path" || name == "jsonb_extract_path_text" || name == "json_extract_path" || name == "json_extract_path_text") && !args.empty() && args[0].steps) {
            Value out = args[0];
            literals_matter_ = true;
            bool constant = !expr.variadic;
            for (std::size_t i = 1; i < expr.args.size(); ++i) constant = constant && told_by(*expr.args[i]) != nullptr;
            for (const std::string& named : expr.argument_names) constant = constant && named.empty();
            if (constant && expr.args.size() > 1) {
                for (std::size_t i = 1; i < expr.args.size(); ++i) {
                    const std::string& step = told_by(*expr.args[i])->text;
                    out = member(out, step, is_number(step));
                }
                return out;
            }
        }
        if (rule->kind == FunctionKind::counting && args.size() == 1 && args[0].is_row) all = existence_of_row(args[0]);
        Value out = call_built_in(*rule, expr, all, scope);
        out.same_value = keeps_equality(expr) && all.tells_which() && !all.is_row;
        if (twice && (name == "concat" || name == "concat_ws")) {
            out.fallible = true;
            if (out.has_value()) out.may_fail = true;
        }
        if (converted) out = merge(out, *converted);
        out.rows_inside = (out.rows_inside || out.is_row) && dialect_.is_polymorphic(name);
        if (const catalogue::Id spread = dialect_.spread_type(name); spread != 0) {
            out.type = spread;
            out.rows_inside = true;
        }
        if (name == "array_agg" && args.size() == 1) out.type = array_of(args[0].type);
        if (name == "unnest") return unnested(expr, args, std::move(out));
        // A row of the type that the first argument has.
        if (const catalogue::Relation* members = name.ends_with("_populate_record") || name.ends_with("_populate_recordset") ? members_of(args.empty() ? 0 : args[0].type) : nullptr; members != nullptr) {
            auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
            for (const catalogue::Column& column : members->columns) fields->emplace_back(column.name, out);
            out.is_row = true;
            out.fields = std::move(fields);
        }
        return out;
    }
    if (built_in_reachable && schema == nullptr) {
        unknown_name("function " + name + " is not known", expr.name.at);
        // A default, a condition: looked up before anything is computed.
        if (utility_ && names_.snapshot != nullptr) return through(all, Flow::transformed);
    }
    out_.calls_unknown = out_.calls_unknown || (names_.snapshot != nullptr && !foreign_);
    return unvetted(schema != nullptr ? *schema : std::string(dialect_.system_schema));
}

/// Whether a name with this schema, or without one, can mean something of the user's in schema `in`.
bool Analyzer::reachable(const std::string* schema, const std::string& in) const {
    if (names_.context == nullptr) return false;
    if (schema != nullptr) return in == *schema || (*schema == "pg_temp" && in == names_.context->temp_schema);
    return place_in_path(in) != std::string::npos;
}

/// npos: not there.
std::size_t Analyzer::place_in_path(const std::string& schema) const {
    if (names_.context == nullptr) return std::string::npos;
    const auto& path = path_ != nullptr ? *path_ : names_.context->search_path;
    const auto found = std::find(path.begin(), path.end(), schema);
    return found == path.end() ? std::string::npos : static_cast<std::size_t>(found - path.begin());
}

// `inet(x)`: what no function takes exactly so is a cast, where a type that is no row has the name (PostgreSQL, func_get_detail).
std::optional<Value> Analyzer::call_as_cast(const Expr& expr, const std::vector<Value>& args) {
    if (args.size() != 1 || expr.variadic || std::any_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return !name.empty(); })) return {};
    const std::string* schema = expr.name.parts.size() > 1 ? &expr.name.parts[expr.name.parts.size() - 2] : nullptr;
    bool known = (schema == nullptr || *schema == dialect_.system_schema) && dialect_.function("", expr.name.last()) == nullptr && dialect_.type(expr.name.last()) != 0;
    if (names_.snapshot != nullptr)
        for (const catalogue::Type* type : names_.snapshot->types(expr.name.last())) known = known || (type->kind != catalogue::TypeKind::composite && reachable(schema, type->schema));
    if (!known) return {};
    Expr said;
    said.kind = Kind::cast;
    said.name = expr.name;
    said.at = expr.at;
    return cast(said, args[0]);
}

/// What it gives is as its arguments are: rows, arrays of rows, anything else.
bool Analyzer::gives_any_type(const catalogue::Function& function) const {
    static constexpr std::string_view types[] = {"anyelement", "anyarray", "anynonarray", "anycompatible", "anycompatiblearray", "anycompatiblenonarray"};
    return std::any_of(std::begin(types), std::end(types), [&](std::string_view type) { return dialect_.type(type) == function.returns; });
}

/// The type of arrays of that type of the user's, for rows; 0: it is none.
catalogue::Id Analyzer::array_of(catalogue::Id id) const {
    if (members_of(id) == nullptr) return 0;
    const catalogue::Type* type = names_.snapshot->type(id);
    for (const catalogue::Type* array : names_.snapshot->types("_" + type->name))
        if (array->element == id) return array->id;
    return 0;
}

/// Whether unnest gives several columns of a value of this type.
bool Analyzer::spreads(catalogue::Id id) const {
    if (id == 0) return false;
    if (!dialect_.spread_columns(id).empty()) return true;
    const catalogue::Type* type = names_.snapshot == nullptr ? nullptr : names_.snapshot->type(id);
    for (int steps = 0; type != nullptr && steps < 32; ++steps) {
        if (type->kind == catalogue::TypeKind::composite) return true;
        if (type->kind == catalogue::TypeKind::domain && !dialect_.spread_columns(type->base).empty()) return true;
        type = names_.snapshot->type(type->kind == catalogue::TypeKind::domain ? type->base : type->element);
    }
    return false;
}

// The rows that unnest gives: an array's elements are one column, those of an array of rows as many as the rows have, and a text
// vector's three (PostgreSQL manual, "Array Functions", "Text Search Functions").
Value Analyzer::unnested(const Expr& expr, const std::vector<Value>& args, Value elements) const {
    if (std::none_of(args.begin(), args.end(), [&](const Value& arg) { return arg.rows_inside || spreads(arg.type); })) return elements;
    auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
    elements.rows_inside = false;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (!args[i].rows_inside && !spreads(args[i].type)) {
            fields->emplace_back("unnest", through(args[i], Flow::transformed));
            continue;
        }
        const Value inside = through(args[i], Flow::transformed);
        // A column of an array of rows, or a cast to one.
        const catalogue::Type* array = names_.snapshot == nullptr ? nullptr : names_.snapshot->type(args[i].type);
        const catalogue::Relation* members = array != nullptr ? members_of(array->element) : nullptr;
        if (const Expr& said = *expr.args[i]; members == nullptr && names_.snapshot != nullptr && said.kind == Kind::cast && said.text == "[]") {
            const auto types = names_.snapshot->types(said.name.last());
            if (types.size() == 1) members = members_of(types[0]->id);
        }
        const auto columns = dialect_.spread_columns(args[i].type);
        for (const std::string_view name : columns) fields->emplace_back(name, inside);
        if (!columns.empty()) continue;
        if (members == nullptr) {
            // How many columns come is not known.
            elements.rows_inside = true;
            return elements;
        }
        for (const catalogue::Column& column : members->columns) fields->emplace_back(column.name, inside);
    }
    elements.is_row = true;
    elements.fields = std::move(fields);
    return elements;
}

Value Analyzer::call_built_in(const FunctionRule& rule, const Expr& expr, const Value& args, const Scope& scope) {
    const auto add_effect = [&](EffectClass effect_class, std::string detail) -> Effect& {
        Effect& effect = out_.effects.emplace_back();
        effect.effect_class = effect_class;
        effect.detail = std::move(detail);
        return effect;
    };
    const auto function_object = [&] {
        Object function;
        function.schema = std::string(dialect_.system_schema);
        function.name = std::string(rule.name);
        return function;
    };
    // Whether it was computed shows, whatever it gives.
    const auto seen = [] {
        Value out;
        out.fallible = out.is_seen = true;
        return out;
    };
    const auto stored_in = [&](const char* where) {
        decides(args);
        Copy stored;
        stored.target_name = where;
        stored.sources = args.sources;
        stored.functions = args.functions;
        stored.opaque = args.opaque;
        copy_out(std::move(stored));
    };
    if (rule.returns_set) decides(args);
    switch (rule.kind) {
        case FunctionKind::transparent: {
            Value out = through(args, Flow::transformed);
            const bool total = dialect_.is_total(rule.name) && is_total_call(expr) && !args.structured;
            out.fallible = out.fallible || !total;
            if (out.has_value() && !total) out.may_fail = true;
            // Computed anew each time, the server does not leave it out where nobody reads it (PostgreSQL: provolatile).
            static constexpr std::string_view moving[] = {"random", "random_normal", "setseed", "clock_timestamp", "timeofday", "gen_random_uuid", "pg_stat_get_snapshot_timestamp"};
            if (std::find(std::begin(moving), std::end(moving), rule.name) != std::end(moving)) out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::aggregate: {
            Value out = through(args, Flow::aggregated);
            // Another row's value, as it is.
            static constexpr std::string_view picking[] = {"first_value", "last_value", "lag", "lead"};
            const bool picks = std::find(std::begin(picking), std::end(picking), rule.name) != std::end(picking) && !expr.args.empty() && !args.rows_inside && !args.is_row &&
                               std::all_of(expr.args.begin() + 1, expr.args.end(), [](const tree::ExprPtr& arg) { return arg->kind == Kind::constant; });
            if (picks) out.sources = args.sources;
            const bool as_stored = std::all_of(args.sources.begin(), args.sources.end(), [](const Source& source) { return source.flow == Flow::identity || source.flow == Flow::existence; });
            if (args.structured || !dialect_.is_total_aggregate(rule.name, as_stored)) {
                out.fallible = true;
                if (out.has_value()) out.may_fail = true;
            }
            return out;
        }
        case FunctionKind::counting:
            if (expr.args.size() == 1 && expr.args[0]->kind != Kind::column && !expr.star_argument) return through(args, Flow::aggregated);
            return existence_of(args);
        case FunctionKind::sequence: {
            add_effect(EffectClass::read_table, "a sequence");
            Value out = through(args, Flow::transformed);
            out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::sets_sequence: {
            add_effect(EffectClass::write_update, "setval changes a sequence");
            stored_in("a sequence");
            Value out = through(args, Flow::transformed);
            out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::reads_setting: {
            Value out = through(args, Flow::transformed);
            out.fallible = true;   // there may be no setting of that name
            if (out.has_value()) out.may_fail = true;
            return out;
        }
        case FunctionKind::sets_setting: {
            literals_matter_ = true;
            Effect& set = add_effect(EffectClass::session_set, "set_config");
            const bool in_order = std::all_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return name.empty(); });
            const Expr* told = expr.args.empty() || !in_order ? nullptr : told_by(*expr.args[0]);
            std::string known_name = told != nullptr ? told->text : "";
            const Expr* setting = expr.args.empty() || !in_order ? nullptr : expr.args[0].get();
            while (setting != nullptr && setting->kind == Kind::cast && keeps_text(*setting)) setting = setting->args[0].get();
            if (setting != nullptr && setting->kind == Kind::column && !setting->name.parts.empty())
                for (const auto& [column, constant] : scope.known)
                    if (column == setting->name.last()) known_name = constant;
            if (!known_name.empty()) {
                set.setting = known_name;
                for (char& c : set.setting)
                    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
                const Expr* value = expr.args.size() > 1 ? told_by(*expr.args[1]) : nullptr;
                set.detail = value != nullptr ? value->text : "?";
                if (dialect_.only_restricts(set.setting)) {
                    out_.effects.pop_back();
                    out_.changes_settings = true;
                    return through(args, Flow::transformed);
                }
                if (set.setting == "role" || set.setting == "session_authorization") set.effect_class = EffectClass::session_role;
            } else {
                // A name that is only known when it runs.
                Object unknown;
                unknown.resolved = false;
                unknown.name = "a setting that is only known when the statement runs";
                set.objects.push_back(unknown);
            }
            out_.changes_settings = true;
            // Settings of the client's own decide nothing.
            if (keeps_code_ && set.setting.find('.') == std::string::npos) unresolved("what is kept changes a setting whenever it is used", expr.name.at);
            Copy stored;
            stored.target_name = "a setting";
            stored.sources = args.sources;
            stored.functions = args.functions;
            stored.opaque = args.opaque;
            copy_out(std::move(stored));
            Value out = through(args, Flow::transformed);
            out.fallible = out.is_seen = true;
            return out;
        }
        case FunctionKind::lock:
            add_effect(EffectClass::lock, "advisory lock");
            stored_in("a lock");   // pg_locks shows its number
            return seen();
        case FunctionKind::sleep:
            // How long it takes is a signal.
            decides(args);
            return seen();
        case FunctionKind::notify: {
            add_effect(EffectClass::notify, "pg_notify");
            Copy sent;
            sent.target_name = "a notification";
            sent.sources = args.sources;
            sent.functions = args.functions;
            sent.opaque = args.opaque;
            copy_out(std::move(sent));
            return seen();
        }
        case FunctionKind::runs_query: {
            const bool in_order = std::all_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return name.empty(); });
            const Expr* text = expr.args.empty() || !in_order ? nullptr : told_by(*expr.args[0]);
            literals_matter_ = true;
            if (rule.name == "ts_rewrite" && expr.args.size() != 2) return through(args, Flow::transformed);
            // The literals inside the text meet what it names.
            meets(args, true);
            if (rule.name == "ts_rewrite") text = in_order ? told_by(*expr.args[1]) : nullptr;
            runs_text_ = true;
            if (keeps_code_) unresolved("what is kept runs a text whenever it is used: its names may mean something else by then", expr.name.at);
            if (text != nullptr && !keeps_code_) {
                if (const auto given = values_of_text(text->text)) return through(merge(args, *given), Flow::transformed);
            }
            Effect& called = add_effect(EffectClass::call, "runs a text that is only known when the statement runs");
            called.objects.push_back(function_object());
            out_.runs_code = out_.calls_code = out_.unread_code = true;
            Value out = through(args, Flow::transformed);
            out.opaque = true;
            return out;
        }
        case FunctionKind::reads_by_name:
        case FunctionKind::shows_values: {
            if (keeps_code_ && rule.kind == FunctionKind::reads_by_name) unresolved("what is kept reads by a name whenever it is used: that may mean something else by then", expr.name.at);
            Effect& called = add_effect(EffectClass::call, "reads data that its arguments name");
            called.objects.push_back(function_object());
            out_.unread_code = true;
            Value out = through(args, Flow::transformed);
            out.opaque = true;
            return out;
        }
        case FunctionKind::server: {
            Effect& called = add_effect(EffectClass::server, "");
            called.objects.push_back(function_object());
            out_.unread_code = true;
            called.detail = std::string(rule.name);
            Copy handed;
            handed.target_name = "an argument of " + std::string(rule.name);
            handed.sources = args.sources;
            handed.functions = args.functions;
            handed.opaque = args.opaque;
            copy_out(std::move(handed));
            // These say whether it was done, where, or under which number; or which files there are, and how large.
            static constexpr std::string_view reports[] = {
                "brin_desummarize_range", "brin_summarize_new_values", "brin_summarize_range", "gin_clean_pending_list",
                "lo_close", "lo_creat", "lo_create", "lo_lseek", "lo_lseek64", "lo_open", "lo_put", "lo_tell", "lo_tell64", "lo_truncate", "lo_truncate64", "lo_unlink", "lowrite",
                "pg_backup_start", "pg_backup_stop", "pg_cancel_backend", "pg_copy_logical_replication_slot", "pg_copy_physical_replication_slot", "pg_create_logical_replication_slot",
                "pg_create_physical_replication_slot", "pg_create_restore_point", "pg_current_logfile", "pg_drop_replication_slot", "pg_export_snapshot", "pg_get_replication_slots",
                "pg_get_shmem_allocations", "pg_get_wal_replay_pause_state", "pg_import_system_collations", "pg_log_backend_memory_contexts", "pg_logical_emit_message",
                "pg_ls_archive_statusdir", "pg_ls_dir", "pg_ls_logdir", "pg_ls_logicalmapdir", "pg_ls_logicalsnapdir", "pg_ls_replslotdir", "pg_ls_tmpdir", "pg_ls_waldir",
                "pg_promote", "pg_reload_conf", "pg_replication_origin_advance", "pg_replication_origin_create", "pg_replication_origin_drop", "pg_replication_origin_oid",
                "pg_replication_origin_progress", "pg_replication_origin_session_is_setup", "pg_replication_origin_session_progress", "pg_replication_origin_session_reset",
                "pg_replication_origin_session_setup", "pg_replication_origin_xact_reset", "pg_replication_origin_xact_setup", "pg_replication_slot_advance", "pg_rotate_logfile",
                "pg_stat_file", "pg_stat_force_next_flush",
                "pg_stat_reset", "pg_stat_reset_replication_slot", "pg_stat_reset_shared", "pg_stat_reset_single_function_counters", "pg_stat_reset_single_table_counters", "pg_stat_reset_slru",
                "pg_stat_reset_subscription_stats", "pg_switch_wal", "pg_terminate_backend", "pg_wal_replay_pause", "pg_wal_replay_resume",
            };
            Value out = through(args, Flow::transformed);
            if (std::find(std::begin(reports), std::end(reports), rule.name) != std::end(reports)) out.fallible = out.is_seen = true;
            else out.functions.push_back(std::string(dialect_.system_schema) + "." + std::string(rule.name));
            return out;
        }
    }
    return {};
}

/// Null: it is not as vetted as what is built in.
const FunctionRule* Analyzer::vetted_rule(const catalogue::Function& function) const {
    if (!function.extension.empty()) return dialect_.extension_function(function.extension, function.name);
    return dialect_.made_function(function.language, function.body);
}

/// Of an extension's: it is what the extension has made, or only the server's owner can have made another of it. CREATE OR REPLACE of
/// one by somebody leaves it in its extension, with any code.
bool Analyzer::is_servers_code(const catalogue::Function& function) const {
    const auto is_own = [&](const catalogue::Function& one) { return dialect_.is_servers_language(one.language) || (!one.extension.empty() && !one.after_extension); };
    if (function.kind != 'a') return is_own(function);
    return std::all_of(function.parts.begin(), function.parts.end(), [&](const std::string& part) {
        const catalogue::Function* made_of = is_number(part) ? names_.snapshot->function(static_cast<catalogue::Id>(std::strtoul(part.c_str(), nullptr, 10))) : nullptr;
        return !is_number(part) || (made_of != nullptr && made_of->kind != 'a' && is_own(*made_of));
    });
}

Value Analyzer::call_user(const std::vector<const catalogue::Function*>& candidates, const Expr& expr, const std::vector<Value>& args) {
    Value all;
    for (const Value& arg : args) all = merge(all, arg);
    Value out;
    bool text_read = false;
    for (const catalogue::Function* function : candidates) {
        const FunctionRule* rule = vetted_rule(*function);
        if (rule != nullptr && !is_servers_code(*function)) {
            // Whoever may replace it has made what it does now: it is what its code says.
            if (auto read = call_body(*function, args)) {
                read->fallible = true;
                read->may_fail = read->may_fail || read->has_value();
                out = merge(out, *read);
                continue;
            }
            rule = nullptr;
        }
        if (rule != nullptr && rule->kind == FunctionKind::runs_query) {
            // Told by constants, it is what they say, whichever of its overloads it is; how many rows come, and what stands in which
            // column, depends on all that they give.
            if (text_read) continue;
            meets(all, true);
            std::optional<Value> given = all;
            for (const tree::ExprPtr& arg : expr.args) {
                const auto text = text_made_by(*arg);
                if (given && text && is_number(*text)) continue;
                const auto read = given && text ? values_of_text(*text) : std::nullopt;
                if (read) given = merge(*given, *read);
                else given.reset();
            }
            if (given && !expr.args.empty()) {
                Value rows = through(std::move(*given), Flow::transformed);
                decides(rows);
                rows.fallible = true;
                rows.may_fail = rows.has_value();
                out = merge(out, rows);
                text_read = true;
                continue;
            }
            rule = nullptr;
        }
        if (rule != nullptr && rule->kind == FunctionKind::shows_values) {
            // Rows, of which some columns are texts of any statement.
            decides(all);
            Value row = through(all, Flow::transformed);
            row.as_shown = row.of_shown = !row.opaque;
            row.opaque = row.is_row = true;
            auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
            const ValueRelation* shows = dialect_.value_relation(function->name);
            for (const std::string& name : function->output_names) {
                Value& field = fields->emplace_back(name, Value{}).second;
                field.opaque = field.as_shown = field.of_shown = shows == nullptr || std::find(shows->value_columns.begin(), shows->value_columns.end(), name) != shows->value_columns.end();
            }
            row.fields = std::move(fields);
            out_.unread_code = out_.unread_code || foreign_;
            if (candidates.size() == 1) return row;
            out = merge(out, through(std::move(row), Flow::transformed));
            continue;
        }
        if (rule != nullptr && rule->kind != FunctionKind::counting) {
            // It computes from its arguments, but may fail on them, keep them (set_limit) or give any number of rows.
            if (function->returns_set) decides(all);
            Value vetted = through(all, rule->kind == FunctionKind::aggregate ? Flow::aggregated : Flow::transformed);
            vetted.fallible = true;
            if (vetted.has_value()) vetted.may_fail = true;
            out = merge(out, vetted);
            continue;
        }
        // A candidate that cannot take so many arguments is none.
        if (candidates.size() > 1 && !function->variadic && function->arguments.size() < args.size() && function->kind == 'f' &&
            std::any_of(candidates.begin(), candidates.end(), [&](const catalogue::Function* other) { return other->arguments.size() >= args.size(); }))
            continue;
        Object called;
        called.schema = function->schema;
        called.name = function->name;
        const bool known = std::any_of(out_.effects.begin(), out_.effects.end(), [&](const Effect& effect) {
            return effect.effect_class == EffectClass::call && effect.objects.size() == 1 && effect.objects[0] == called;
        });
        if (!known) {
            Effect& effect = out_.effects.emplace_back();
            effect.effect_class = EffectClass::call;
            effect.objects.push_back(called);
            effect.detail = "a function that is not built in";
        }
        out_.runs_code = out_.calls_code = true;
        meet_type(function->returns);
        for (const catalogue::Id argument : function->arguments) meet_type(argument);
        const std::string full = function->schema + "." + function->name;
        if (all.has_value()) {
            Copy handed;
            handed.target_name = "an argument of " + full;
            handed.sources = all.sources;
            handed.functions = all.functions;
            handed.opaque = all.opaque;
            copy_out(std::move(handed));
        }
        Value value;
        // What is left to its default may be what new code gives.
        std::vector<Value> given_args = args;
        if (args.size() < function->arguments.size() && depth_ < 16) {
            Value left;
            ++depth_;
            for (const catalogue::Id id : function->unsaid)
                if (const catalogue::Function* called_by = names_.snapshot->function(id); called_by != nullptr && called_by->recent && called_by != function) left = merge(left, call_user({called_by}, {}, {}));
            --depth_;
            if (left.has_value()) {
                given_args.resize(function->arguments.size(), left);
                all = merge(all, left);
            }
        }
        // By name an argument may stand anywhere.
        const bool by_name = std::any_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return !name.empty(); });
        if (function->kind == 'a' && !function->parts.empty() && depth_ < 16) {
            // An aggregate does what its parts do, with its arguments and what they made of them.
            value = through(all, Flow::aggregated);
            ++depth_;
            for (const std::string& part : function->parts) {
                const Value handed = merge(through(all, Flow::transformed), value);
                if (!is_number(part)) {
                    value = merge(value, built_in_part(part, handed));
                } else if (const catalogue::Function* made_of = names_.snapshot->function(static_cast<catalogue::Id>(std::strtoul(part.c_str(), nullptr, 10))); made_of != nullptr) {
                    value = merge(value, call_user({made_of}, {}, std::vector<Value>(made_of->arguments.size(), handed)));
                }
            }
            --depth_;
        } else if (auto read = call_body(*function, by_name || expr.variadic || function->variadic ? std::vector<Value>(std::max(function->arguments.size(), args.size()), all) : given_args)) {
            value = std::move(*read);
        } else {
            value = through(all, Flow::transformed);
            out_.unread_code = true;
            if (rule == nullptr) value.functions.push_back(full);
            // Code that nobody can read and nobody knew is vouched for by nobody: neither for what it gives nor for what it does.
            if (function->recent && rule == nullptr) {
                value.opaque = true;
                Effect& unread = out_.effects.emplace_back();
                unread.effect_class = EffectClass::call;
                called.resolved = false;
                unread.objects.push_back(called);
                unread.detail = "new code that cannot be read";
            }
        }
        value.fallible = value.is_seen = true;
        if (value.has_value()) value.may_fail = true;
        // What it read besides: a planner that runs it shows that as a constant.
        Value own = value;
        std::erase_if(own.sources, [&](const Source& source) { return std::any_of(all.sources.begin(), all.sources.end(), [&](const Source& given) { return given.column == source.column; }); });
        read_by_code_ = merge(read_by_code_, own);
        out = merge(out, value);
    }
    return out;
}

/// Anything that stands in a row of one of these.
Value Analyzer::rows_of(const std::vector<std::uint32_t>& relations) const {
    Value out;
    for (const std::uint32_t id : relations)
        if (const catalogue::Relation* relation = names_.snapshot->relation(id); relation != nullptr)
            for (const catalogue::Column& column : relation->columns) out.sources.push_back({{id, column.number}, Flow::transformed, {}});
    std::sort(out.sources.begin(), out.sources.end());
    return out;
}

/// Inside a trigger's function: what `column` of the row holds, however it is spelled.
bool Analyzer::keeps_row(const std::string& column, const Value& value) const {
    if (trigger_row_ == nullptr || trigger_row_->fields == nullptr || value.opaque || value.may_fail || value.is_seen || !value.functions.empty()) return false;
    const auto field = std::ranges::find(*trigger_row_->fields, column, &std::pair<std::string, Value>::first);
    return field != trigger_row_->fields->end() && std::ranges::all_of(value.sources, [&](const Source& source) {
        return source.flow == Flow::existence || std::ranges::find(field->second.sources, source) != field->second.sources.end();
    });
}

// The value of a routine whose code can be read: nothing where it cannot.
std::optional<Value> Analyzer::call_body(const catalogue::Function& function, const std::vector<Value>& args) {
    // What a recursive call gives comes from what the outer one reads.
    if (std::find(reading_.begin(), reading_.end(), function.id) != reading_.end()) {
        Value out;
        for (const Value& arg : args) out = merge(out, through(arg, Flow::transformed));
        return out;
    }
    if (depth_ >= 16 || ++bodies_read_ > 200) return {};
    CodeBody body = dialect_.read_code(function);
    if (!body.readable) return {};
    out_.cursors = std::max(out_.cursors, body.cursors);
    std::vector<std::string> own_path;
    for (const std::string& setting : function.settings) {
        const std::size_t equals = setting.find('=');
        const std::string name = setting.substr(0, equals);
        // Under these its text means something else.
        if (name == "role" || name == "session_authorization" || name == "standard_conforming_strings" || name == "backslash_quote" || name == "client_encoding") return {};
        if (name != "search_path" || equals == std::string::npos) continue;
        std::vector<std::string> schemas = listed_names(setting.substr(equals + 1));
        const std::string temp = names_.context != nullptr ? names_.context->temp_schema : std::string();
        if (!temp.empty() && std::find(schemas.begin(), schemas.end(), "pg_temp") == schemas.end()) own_path.push_back(temp);
        if (std::find(schemas.begin(), schemas.end(), dialect_.system_schema) == schemas.end()) own_path.emplace_back(dialect_.system_schema);
        for (std::string& schema : schemas) {
            if (schema == "$user" && names_.context != nullptr) schema = names_.context->user;
            own_path.push_back(schema == "pg_temp" ? temp : std::move(schema));
        }
    }

    // Texts that it runs. What USING gives them are values that it has anyway, but not those of its own parameters' numbers.
    for (const std::string& expression : body.run_texts) {
        const ParsedText parsed = dialect_.parse(expression);
        const bool one = parsed.error.empty() && parsed.statements.size() == 1 && parsed.statements[0].query != nullptr && parsed.statements[0].query->items.size() == 1;
        auto text = one ? text_made_by(*parsed.statements[0].query->items[0].expr) : std::nullopt;
        if (!text || (!function.arguments.empty() && text->find('$') != std::string::npos)) return {};
        body.texts.push_back(std::move(*text));
    }
    const std::string unresolved_before = unresolved_;
    const std::uint32_t unresolved_at_before = unresolved_at_;
    unresolved_.clear();
    auto outer_parameters = std::exchange(parameters_, {});
    auto outer_named = std::exchange(named_parameters_, {});
    const auto* outer_path = path_;
    const auto* outer_running_path = running_path_;
    if (!own_path.empty()) running_path_ = &own_path;
    path_ = body.printed ? &names_.snapshot->rendered_under().search_path : running_path_;
    std::vector<Value> bound;
    // Where variables may take what was read, a second reading knows what they may hold.
    const auto bind_parameters = [&](const Value& taken) {
        parameters_.clear();
        named_parameters_.clear();
        bound.clear();
        bound.reserve(args.size());
        for (const Value& arg : args) bound.push_back(taken.has_value() ? merge(arg, taken) : arg);
        for (std::size_t i = 0; i < bound.size(); ++i) {
            parameters_.push_back(&bound[i]);
            if (i < function.argument_names.size() && !function.argument_names[i].empty()) named_parameters_.emplace_back(function.argument_names[i], bound[i]);
        }
        // What is left to its default is given.
        for (std::size_t i = args.size(); i < 32; ++i) parameters_.push_back(&taken);
        for (std::size_t i = args.size(); i < function.argument_names.size(); ++i)
            if (!function.argument_names[i].empty()) named_parameters_.emplace_back(function.argument_names[i], taken);
        if (trigger_row_ != nullptr)
            for (const char* row : {"new", "old"}) named_parameters_.emplace_back(row, taken.has_value() ? merge(*trigger_row_, taken) : *trigger_row_);
        for (const std::string& variable : body.variables)
            if (std::none_of(named_parameters_.begin(), named_parameters_.end(), [&](const auto& known) { return known.first == variable; })) named_parameters_.emplace_back(variable, taken);
    };
    // What is there already has shown what it computes for nobody.
    const bool outer_quiet = std::exchange(quiet_, !function.recent);
    const bool outer_foreign = std::exchange(foreign_, true);
    // What it calls itself does not have them.
    const CteBinding* const transitions = std::exchange(transitions_, nullptr);
    ++depth_;
    reading_.push_back(function.id);

    Value out;
    bool understood = true;
    std::vector<tree::Statement> statements;
    for (const std::string& text : body.texts) {
        ParsedText parsed = dialect_.parse(text);
        understood = understood && parsed.error.empty() && std::none_of(parsed.statements.begin(), parsed.statements.end(), goes_by_sessions_names);
        for (tree::Statement& statement : parsed.statements) statements.push_back(std::move(statement));
    }
    std::vector<std::pair<std::string, tree::ExprPtr>> row_values;
    for (const auto& [column, text] : body.row_values) {
        ParsedText parsed = dialect_.parse(text);
        const bool one = parsed.error.empty() && parsed.statements.size() == 1 && parsed.statements[0].query != nullptr && parsed.statements[0].query->items.size() == 1 && parsed.statements[0].query->from.empty();
        if (one) row_values.emplace_back(column, std::move(parsed.statements[0].query->items[0].expr));
        else understood = false;
    }
    Value taken;
    for (int reading = 0; reading < 2 && understood; ++reading) {
        out = {};
        bind_parameters(taken);
        for (const auto& [column, expr] : row_values) {
            const Value value = kept(*expr, {}, transitions);
            // `new.email := lower(new.email)`: what the row holds stays where it is.
            if (!keeps_row(column, value)) out = merge(out, through(value, Flow::transformed));
        }
        for (const tree::Statement& statement : statements) {
            Result result;
            auto outer_relations = std::exchange(out_.relations, {});
            const std::size_t first_effect = out_.effects.size();
            const int bodies_before = bodies_read_;
            if (statement.query != nullptr) result = query(*statement.query, nullptr, transitions, true);
            else if (statement.write != nullptr) result = write(*statement.write, nullptr, transitions);
            else if (transitions != nullptr) understood = false;   // CREATE TABLE AS, a cursor
            else utility(statement);
            if (in_block_ && reading_.size() == 1 && names_.snapshot != nullptr) note_step(static_cast<std::size_t>(&statement - statements.data()), statement, first_effect, bodies_read_ != bodies_before);
            // An error's detail shows the row that it is about.
            if (body.sees_errors && (statement.query != nullptr || statement.write != nullptr)) out = merge(out, rows_of(out_.relations));
            for (const std::uint32_t relation : std::exchange(out_.relations, std::move(outer_relations)))
                if (std::find(out_.relations.begin(), out_.relations.end(), relation) == out_.relations.end()) out_.relations.push_back(relation);
            const bool gives_value = !body.in_sequence || &statement == &statements.back();
            if (!gives_value) {
                decided_by_computing(result);
                continue;
            }
            auto fields = std::make_shared<std::vector<std::pair<std::string, Value>>>();
            for (auto& [name, value] : result.outputs) {
                // RETURN NEW: the row goes where it was going.
                if (trigger_row_ != nullptr && value.fields != nullptr && value.fields == trigger_row_->fields) continue;
                // What a variable took may come out anywhere.
                const bool as_it_is = body.in_sequence && result.outputs.size() == 1 && (value.type == function.returns || (is_text(value.type) && is_text(function.returns)));
                out = merge(out, through(value, as_it_is ? Flow::identity : Flow::transformed));
                fields->emplace_back(fields->size() < function.output_names.size() ? function.output_names[fields->size()] : name, value);
            }
            if (!result.exact && out.has_value()) out.opaque = true;
            if (body.in_sequence && result.outputs.size() > 1) {
                out.is_row = true;
                out.fields = std::move(fields);
            }
        }
        if (!body.in_sequence)
            for (const Value& arg : args) out = merge(out, through(arg, Flow::transformed));
        if (body.in_sequence || !out.has_value()) break;
        taken = through(out, Flow::transformed);
    }
    reading_.pop_back();
    --depth_;
    quiet_ = outer_quiet;
    foreign_ = outer_foreign;
    transitions_ = transitions;
    path_ = outer_path;
    running_path_ = outer_running_path;
    parameters_ = std::move(outer_parameters);
    named_parameters_ = std::move(outer_named);
    understood = understood && unresolved_.empty();
    unresolved_ = unresolved_before;
    unresolved_at_ = unresolved_at_before;
    if (!understood) return {};
    return out;
}

}  // namespace dbguard::sql
