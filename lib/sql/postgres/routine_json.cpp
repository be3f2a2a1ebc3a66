// libpg_query gives PL/pgSQL's statements as JSON, with the SQL in them as text.

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "base/quoting.hpp"
#include "sql/postgres/parse.hpp"
#include "sql/postgres/routine.hpp"

extern "C" {
#include <pg_query.h>
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// pg_query_parse_plpgsql() does not free the (empty) text of warnings that its pg_query_raw_parse() gave it: a byte a call. Ours does
// (parse.cpp).
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:pg_query_raw_parse\n"; }
#endif
#endif

namespace dbguard::sql::postgres {
namespace {

using nlohmann::json;

// The parser needs a function around the body. Which types it has does not matter to it; whether it returns something does.
std::string definition(const catalogue::Function& function, const std::string& body, const std::string& returns) {
    std::string out = "CREATE FUNCTION f(";
    bool first = true;
    for (std::size_t i = 0; i < function.arguments.size(); ++i) {
        if (!first) out += ", ";
        first = false;
        if (i < function.argument_names.size() && !function.argument_names[i].empty()) out += in_quotes(function.argument_names[i], '"') + " ";
        out += "text";
    }
    for (const std::string& name : function.output_names) {
        if (!first) out += ", ";
        first = false;
        out += "OUT " + (name.empty() ? "" : in_quotes(name, '"') + " ") + "text";
    }
    std::string tag = "$dbguard$";
    while (body.find(tag) != std::string::npos) tag.insert(1, "x");
    return out + ") " + returns + " LANGUAGE plpgsql AS " + tag + body + tag;
}

/// What becomes of the variables that hold cursors' names, by their numbers.
struct Cursors {
    std::set<int> fetched, opened, closed;
    std::set<int> named;  ///< may hold a name that somebody gave: assigned, or with a default
    std::set<int> bound;  ///< or its own for a name: `c CURSOR FOR …` (PostgreSQL manual, "Opening Cursors")
    std::set<int> surely_opened;  ///< by a statement that nothing steps over and whose failure nothing catches
    std::set<int> fetched_before;  ///< where that is not so yet
    bool skips = false;            ///< EXIT of a named block steps over what follows in it

    /// FETCH and MOVE read the cursor whose name the variable holds: one of the session's own, unless the routine has opened it under
    /// a name that nobody gave.
    bool fetches_others() const {
        return std::any_of(fetched.begin(), fetched.end(), [&](int cursor) { return !opened.contains(cursor) || named.contains(cursor) || (bound.contains(cursor) && fetched_before.contains(cursor)); });
    }
    bool replaces_others() const {
        return std::any_of(opened.begin(), opened.end(), [&](int cursor) { return named.contains(cursor); }) ||
               std::any_of(closed.begin(), closed.end(), [&](int cursor) { return !opened.contains(cursor) || named.contains(cursor) || bound.contains(cursor); });
    }
};

/// `sure`: it is carried out, and what fails in it ends the routine.
void find_cursors(const json& node, Cursors& out, bool sure) {
    if (node.is_object())
        for (const auto& [key, value] : node.items()) {
            if (key == "PLpgSQL_stmt_fetch" && value.is_object()) {
                const int cursor = value.value("curvar", 0);
                out.fetched.insert(cursor);
                if (!out.surely_opened.contains(cursor)) out.fetched_before.insert(cursor);
            }
            if (key == "PLpgSQL_stmt_open" && value.is_object()) {
                out.opened.insert(value.value("curvar", 0));
                if (sure && !out.skips) out.surely_opened.insert(value.value("curvar", 0));
            }
            if (key == "PLpgSQL_stmt_exit" && value.is_object() && value.contains("label")) out.skips = true;
            if (key == "PLpgSQL_stmt_close" && value.is_object()) out.closed.insert(value.value("curvar", 0));
            if (key == "PLpgSQL_stmt_assign" && value.is_object()) out.named.insert(value.value("varno", 0));
            // INTO
            if (key == "PLpgSQL_row" && value.is_object() && value.contains("fields"))
                for (const json& field : value["fields"])
                    if (field.is_object()) out.named.insert(field.value("varno", 0));
            if (key == "datums" && value.is_array())
                for (std::size_t i = 0; i < value.size(); ++i) {
                    if (!value[i].is_object() || !value[i].contains("PLpgSQL_var")) continue;
                    if (value[i]["PLpgSQL_var"].contains("default_val")) out.named.insert(static_cast<int>(i));
                    if (value[i]["PLpgSQL_var"].contains("cursor_explicit_expr")) out.bound.insert(static_cast<int>(i));
                }
            const bool step = key == "PLpgSQL_function" || key == "action" || key == "body" || (key == "PLpgSQL_stmt_block" && value.is_object() && !value.contains("exceptions"));
            find_cursors(value, out, sure && step);
        }
    else if (node.is_array())
        for (const json& item : node) find_cursors(item, out, sure);
}

/// The numbers of variables that something is put into, by :=, INTO, FOREACH, GET DIAGNOSTICS, OPEN. False: nobody can tell (CALL).
bool find_changed(const json& node, std::set<int>& out) {
    if (node.is_array()) return std::ranges::all_of(node, [&](const json& item) { return find_changed(item, out); });
    if (!node.is_object()) return true;
    for (const auto& [key, value] : node.items()) {
        if (key == "PLpgSQL_stmt_call") return false;
        if (value.is_object()) {
            if (key == "PLpgSQL_stmt_assign" || key == "PLpgSQL_stmt_foreach_a") out.insert(value.value("varno", 0));
            if (key == "PLpgSQL_stmt_open") out.insert(value.value("curvar", 0));
            if (key == "PLpgSQL_diag_item") out.insert(value.value("target", 0));
            if (key == "PLpgSQL_row" && value.contains("fields"))
                for (const json& field : value["fields"])
                    if (field.is_object()) out.insert(field.value("varno", 0));
        }
        if (!find_changed(value, out)) return false;
    }
    return true;
}

/// Arguments whose names stand for nothing else, and that nothing is put into.
std::vector<std::string> unchanged(const json& tree, const catalogue::Function& function) {
    std::set<int> changed;
    if (!tree.is_array() || tree.size() != 1 || !tree[0].is_object() || !tree[0].contains("PLpgSQL_function") || !find_changed(tree, changed)) return {};
    const json& routine = tree[0]["PLpgSQL_function"];
    if (!routine.is_object() || !routine.contains("datums") || !routine["datums"].is_array()) return {};
    std::vector<std::string> out;
    for (const std::string& name : function.argument_names) {
        int places = 0, place = 0, number = 0;
        for (const json& datum : routine["datums"]) {
            if (datum.is_object())
                for (const auto& [kind, of] : datum.items())
                    if (of.is_object() && of.value("refname", "") == name) ++places, place = number;
            ++number;
        }
        if (!name.empty() && places == 1 && !changed.contains(place)) out.push_back(name);
    }
    return out;
}

bool names_sqlerrm(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text.find("sqlerrm") != std::string::npos;
}

/// SQLERRM and GET STACKED DIAGNOSTICS. What RAISE says of them is an error or a notice again, and rebuilt as all of those are.
bool sees_errors(const json& node) {
    if (node.is_array()) return std::any_of(node.begin(), node.end(), sees_errors);
    if (!node.is_object()) return false;
    for (const auto& [key, value] : node.items()) {
        if (key == "PLpgSQL_stmt_raise") continue;
        if (key == "PLpgSQL_stmt_getdiag" && value.value("is_stacked", false)) return true;
        if (key == "PLpgSQL_expr" && names_sqlerrm(value.value("query", ""))) return true;
        if (sees_errors(value)) return true;
    }
    return false;
}

/// `new.column`, without quotes: the column. Empty: something else.
std::string column_of_new(std::string_view target) {
    constexpr std::string_view blanks = " \t\r\n", row = "new.";
    const std::size_t begin = target.find_first_not_of(blanks), end = target.find_last_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    std::string out;
    for (const char c : target.substr(begin, end + 1 - begin)) out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    if (!out.starts_with(row) || out.size() == row.size() || out.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", row.size()) != std::string::npos) return {};
    return out.substr(row.size());
}

/// Of an expression; without one the body is not readable.
void add_run_text(const json& expression, CodeBody& body) {
    const json* of = nullptr;
    if (expression.is_object())
        if (const auto found = expression.find("PLpgSQL_expr"); found != expression.end() && found->is_object()) of = &*found;
    if (of == nullptr || of->value("parseMode", 0) != 2) body.readable = false;
    else body.run_texts.push_back("SELECT " + of->value("query", ""));
}

void walk(const json& node, CodeBody& body) {
    if (node.is_array()) {
        for (const json& item : node) walk(item, body);
        return;
    }
    if (!node.is_object()) return;
    for (const auto& [key, value] : node.items()) {
        // The text that EXECUTE and FOR … IN EXECUTE run; of OPEN and RETURN QUERY it is the member `dynquery`.
        if (key == "PLpgSQL_stmt_dynexecute" || key == "PLpgSQL_stmt_dynfors") add_run_text(value.is_object() && value.contains("query") ? value["query"] : json(), body);
        if (key == "dynquery") add_run_text(value, body);
        if (key == "refname" && value.is_string()) body.variables.push_back(value.get<std::string>());
        if (key == "PLpgSQL_expr" && value.is_object()) {
            const std::string query = value.value("query", "");
            const int mode = value.value("parseMode", 0);
            // RawParseMode of parser.h: whole statements, a type name, an expression, `variable := expression`.
            if (mode == 0) {
                body.texts.push_back(query);
            } else if (mode == 2) {
                body.texts.push_back("SELECT " + query);
            } else {
                std::size_t at = query.find(":=");
                const std::size_t length = at == std::string::npos ? 1 : 2;
                if (at == std::string::npos) at = query.find('=');
                if (at == std::string::npos) body.readable = false;
                else if (auto column = column_of_new(query.substr(0, at)); !column.empty()) body.row_values.emplace_back(std::move(column), "SELECT " + query.substr(at + length));
                else body.texts.push_back("SELECT " + query.substr(at + length));
                // Subscripts are computed.
                if (query.substr(0, at).find('[') != std::string::npos) body.texts.push_back("SELECT " + query.substr(0, at));
            }
        }
        walk(value, body);
    }
}

}  // namespace

CodeBody read_code(const catalogue::Function& function) {
    CodeBody body;
    if (function.body.empty() || function.body.find('\0') != std::string::npos) return body;
    if (function.language == "sql") {
        body.readable = true;
        body.in_sequence = true;
        // A body that the server keeps parsed, as pg_get_function_sqlbody prints it; as the text of one neither would run.
        const std::string_view text = function.body;
        constexpr std::string_view returns = "RETURN ", begin = "BEGIN ATOMIC\n", end = "\nEND";
        body.printed = text.starts_with(returns) || (text.starts_with(begin) && text.ends_with(end));
        if (!body.printed) body.texts.push_back(function.body);
        else if (text.starts_with(returns)) body.texts.push_back("SELECT " + function.body.substr(returns.size()));
        else body.texts.push_back(function.body.substr(begin.size(), function.body.size() - begin.size() - end.size()));
        return body;
    }
    if (function.language != "plpgsql" || depth_bound(function.body) > shallow_depth) return body;
    // OUT parameters and sets decide which RETURN is right.
    std::vector<std::string> forms;
    constexpr catalogue::Id trigger = 2279, event_trigger = 3838;   // pg_type.dat
    if (function.returns == trigger) forms = {"RETURNS trigger"};
    else if (function.returns == event_trigger) forms = {"RETURNS event_trigger"};
    else if (function.returns_set) forms = {function.output_names.empty() ? "RETURNS SETOF text" : "RETURNS SETOF record", "RETURNS SETOF text"};
    else if (!function.output_names.empty()) forms = {""};
    else forms = {"RETURNS text", "RETURNS void", "RETURNS trigger"};
    for (std::size_t i = 0; i < 2 * forms.size(); ++i) {
        const std::string code = i < forms.size() ? function.body : with_records(function);
        PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(definition(function, code, forms[i % forms.size()]).c_str());
        const bool good = parsed.error == nullptr && parsed.plpgsql_funcs != nullptr;
        const std::string text = good ? parsed.plpgsql_funcs : "";
        pg_query_free_plpgsql_parse_result(parsed);
        if (!good) continue;
        const json tree = json::parse(text, nullptr, false);
        if (tree.is_discarded()) continue;
        body.readable = true;
        walk(tree, body);
        for (const std::string& value : record_defaults(code)) body.texts.push_back("SELECT " + value);
        // A variable of that name hides the row.
        if (function.returns != trigger || std::ranges::count(body.variables, "new") > 1)
            for (auto& [column, text] : std::exchange(body.row_values, {})) body.texts.push_back(std::move(text));
        // Variables that the parser does not list (pl_comp.c, do_compile).
        if (function.returns == trigger)
            body.variables.insert(body.variables.end(), {"tg_name", "tg_when", "tg_level", "tg_op", "tg_relid", "tg_relname", "tg_table_name", "tg_table_schema", "tg_nargs", "tg_argv"});
        if (function.returns == event_trigger) body.variables.insert(body.variables.end(), {"tg_event", "tg_tag"});
        body.unchanged = unchanged(tree, function);
        body.sees_errors = sees_errors(tree);
        Cursors cursors;
        find_cursors(tree, cursors, true);
        if (cursors.fetches_others()) body.readable = false;
        body.cursors = cursors.replaces_others() ? CodeCursors::replaces : cursors.opened.empty() ? CodeCursors::none : CodeCursors::opens;
        return body;
    }
    return body;
}

}  // namespace dbguard::sql::postgres
