// libpg_query gives PL/pgSQL's statements as JSON, with the SQL in them as text.

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "sql/postgres/parse.hpp"
#include "sql/postgres/routine.hpp"

extern "C" {
#include <pg_query.h>
}

namespace dbguard::sql::postgres {
namespace {

using nlohmann::json;

std::string quoted(const std::string& name) {
    std::string out = "\"";
    for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

// The parser needs a function around the body. Which types it has does not matter to it; whether it returns something does.
std::string definition(const catalogue::Function& function, const std::string& returns) {
    std::string out = "CREATE FUNCTION f(";
    bool first = true;
    for (std::size_t i = 0; i < function.arguments.size(); ++i) {
        if (!first) out += ", ";
        first = false;
        if (i < function.argument_names.size() && !function.argument_names[i].empty()) out += quoted(function.argument_names[i]) + " ";
        out += "text";
    }
    for (const std::string& name : function.output_names) {
        if (!first) out += ", ";
        first = false;
        out += "OUT " + (name.empty() ? "" : quoted(name) + " ") + "text";
    }
    std::string tag = "$dbguard$";
    while (function.body.find(tag) != std::string::npos) tag.insert(1, "x");
    return out + ") " + returns + " LANGUAGE plpgsql AS " + tag + function.body + tag;
}

void walk(const json& node, CodeBody& body) {
    if (node.is_array()) {
        for (const json& item : node) walk(item, body);
        return;
    }
    if (!node.is_object()) return;
    for (const auto& [key, value] : node.items()) {
        if (key == "PLpgSQL_stmt_dynexecute" || key == "PLpgSQL_stmt_dynfors" || key == "dynquery") body.readable = false;
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
                else body.texts.push_back("SELECT " + query.substr(at + length));
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
        body.texts.push_back(function.body);
        return body;
    }
    if (function.language != "plpgsql" || depth_bound(function.body) > shallow_depth) return body;
    // OUT parameters and sets decide which RETURN is right.
    std::vector<std::string> forms;
    if (function.returns_set) forms = {function.output_names.empty() ? "RETURNS SETOF text" : "RETURNS SETOF record", "RETURNS SETOF text"};
    else if (!function.output_names.empty()) forms = {""};
    else forms = {"RETURNS text", "RETURNS void", "RETURNS trigger"};
    for (const std::string& returns : forms) {
        PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(definition(function, returns).c_str());
        const bool good = parsed.error == nullptr && parsed.plpgsql_funcs != nullptr;
        const std::string text = good ? parsed.plpgsql_funcs : "";
        pg_query_free_plpgsql_parse_result(parsed);
        if (!good) continue;
        const json tree = json::parse(text, nullptr, false);
        if (tree.is_discarded()) continue;
        body.readable = true;
        walk(tree, body);
        return body;
    }
    return body;
}

}  // namespace dbguard::sql::postgres
