// Calls of functions that are built in, by what they mean.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

}  // namespace

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

}  // namespace dbguard::sql
