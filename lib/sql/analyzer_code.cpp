// Calls of the database's own functions: by their code where it can be read.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;

}  // namespace

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
    all.is_given = !args.empty() && std::ranges::all_of(args, &Value::is_given);
    Value out;
    bool text_read = false;
    for (const catalogue::Function* function : candidates) {
        if (without_ != nullptr && without_->functions.contains(function->id) && (text_names_ || !without_->by_name)) {
            met_moving_ = true;
            continue;
        }
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
                if (const catalogue::Function* called_by = names_.snapshot->function(id); called_by != nullptr && called_by != function) left = merge(left, called_by->recent ? call_user({called_by}, {}, {}) : value_given_by(*called_by));
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
        if (candidates.size() == 1 && !stored_) return value;
        out = merge(out, value);
    }
    return stored_ ? merge(out, through(all, Flow::transformed)) : out;
}

/// Of what was there before: it is called by something that a rule opens, which need not open it.
Value Analyzer::value_given_by(const catalogue::Function& function) {
    Analyzer probe(names_, dialect_, made_);
    probe.path_ = path_;
    probe.running_path_ = running_path_;
    probe.depth_ = depth_ + 1;
    probe.foreign_ = true;
    probe.stored_ = stored_;
    probe.text_names_ = text_names_;
    probe.without_ = without_;
    Value out = probe.call_user({&function}, {}, {});
    met_moving_ = met_moving_ || probe.met_moving_;
    out.givens.clear();
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
    const bool outer_text_names = std::exchange(text_names_, stored_ && !body.printed);
    if (!own_path.empty()) running_path_ = &own_path;
    path_ = body.printed ? &names_.snapshot->rendered_under().search_path : running_path_;
    std::vector<Value> bound;
    // Where variables may take what was read, a second reading knows what they may hold.
    const auto bind_parameters = [&](const Value& taken) {
        parameters_.clear();
        named_parameters_.clear();
        bound.clear();
        bound.reserve(args.size());
        for (std::size_t i = 0; i < args.size(); ++i) {
            const bool stays = i < function.argument_names.size() && std::ranges::find(body.unchanged, function.argument_names[i]) != body.unchanged.end();
            bound.push_back(taken.has_value() && !stays ? merge(args[i], taken) : args[i]);
            bound.back().is_given = bound.back().is_given && (body.in_sequence || stays);
        }
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
            const catalogue::Relation* members = members_of(function.returns);
            for (auto& [name, value] : result.outputs) {
                // RETURN NEW: the row goes where it was going.
                if (trigger_row_ != nullptr && value.fields != nullptr && value.fields == trigger_row_->fields) continue;
                // What a variable took may come out anywhere.
                const bool as_it_is = body.in_sequence && result.outputs.size() == 1 && (value.type == function.returns || (is_text(value.type) && is_text(function.returns)));
                out = merge(out, through(value, as_it_is ? Flow::identity : Flow::transformed));
                const std::size_t place = fields->size();
                const catalogue::Column* column = members != nullptr && place < members->columns.size() ? &members->columns[place] : nullptr;
                fields->emplace_back(place < function.output_names.size() ? function.output_names[place] : column != nullptr ? column->name : name, value);
                // A column of its own table is as it is there; all else becomes what the routine says that it gives.
                Value& field = fields->back().second;
                if (column != nullptr && field.sources == std::vector<Source>{{{members->id, column->number}, Flow::identity, {}}} && !field.opaque && field.functions.empty()) continue;
                field = through(std::move(field), Flow::transformed);
                field.fallible = true;
                field.may_fail = field.may_fail || field.has_value();
                if (body.in_sequence && result.outputs.size() > 1) decides(field);   // and is computed, whichever columns are wanted
            }
            if (!result.exact && out.has_value()) out.opaque = true;
            if (body.in_sequence && result.outputs.size() > 1 && result.exact && (members == nullptr || fields->size() == members->columns.size())) {
                out.is_row = true;
                out.fields = std::move(fields);
                out.rows_counted = std::ranges::none_of(args, &Value::has_value);
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
    text_names_ = outer_text_names;
    parameters_ = std::move(outer_parameters);
    named_parameters_ = std::move(outer_named);
    understood = understood && unresolved_.empty();
    unresolved_ = unresolved_before;
    unresolved_at_ = unresolved_at_before;
    if (!understood) return {};
    return out;
}

}  // namespace dbguard::sql
