#include "sql/postgres/ddl_builder.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>

#include "sql/postgres/ddl_text.hpp"
#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using catalogue::Function;
using catalogue::Id;
using catalogue::Relation;

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

}  // namespace

void DdlBuilder::create_function(const CreateFunctionStmt* create) {
    const Name name = name_of(create->funcname);
    Function function;
    function.id = next_id();
    function.schema = name.schema;
    function.name = name.name;
    function.kind = create->is_procedure ? 'p' : 'f';
    function.language = "sql";
    bool any_name = false;
    each(create->parameters, [&](const Node* node) {
        const auto* parameter = as<FunctionParameter>(node);
        const char mode = static_cast<char>(parameter->mode);
        if (mode != 'o' && mode != 't') {
            function.arguments.push_back(type_id(parameter->argType));
            function.argument_names.push_back(text_of(parameter->name));
            any_name = any_name || parameter->name != nullptr;
        }
        if (mode == 'o' || mode == 'b' || mode == 't') function.output_names.push_back(text_of(parameter->name));
        if (mode == 't') function.returns_set = true;
    });
    if (!any_name) function.argument_names.clear();
    if (create->returnType != nullptr) {
        function.returns = type_id(create->returnType);
        function.returns_set = function.returns_set || create->returnType->setof;
    }
    each(create->options, [&](const Node* node) {
        const auto* option = as<DefElem>(node);
        if (std::strcmp(option->defname, "language") == 0) function.language = lower(text_of(strVal(option->arg)));
        if (std::strcmp(option->defname, "security") == 0) function.security_definer = boolVal(option->arg);
        if (std::strcmp(option->defname, "set") == 0) function.settings.emplace_back("role=?");   // not followed here: not read
        if (std::strcmp(option->defname, "as") == 0) {
            const auto texts = strings(as<List>(option->arg));
            if (!texts.empty()) function.body = texts[0];
        }
    });
    if (create->sql_body != nullptr) {
        // As the server prints it: RETURN …, or BEGIN ATOMIC … END.
        const auto tokens = tokens_of(text_, begin_, end_);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const bool begins = tokens[i].word == "begin" && i + 1 < tokens.size() && tokens[i + 1].word == "atomic";
            if (tokens[i].depth == 0 && (begins || tokens[i].word == "return")) {
                function.body = text_.substr(tokens[i].begin, tokens.back().end - tokens[i].begin);
                break;
            }
        }
    }
    if (function.language != "sql" && function.language != "internal") function.body.clear();
    if (create->replace)
        std::erase_if(parts_.functions, [&](const Function& one) { return one.schema == name.schema && one.name == name.name && one.arguments == function.arguments; });
    parts_.functions.push_back(std::move(function));
}

void DdlBuilder::define(const DefineStmt* define) {
    const Name name = name_of(define->defnames);
    if (define->kind == OBJECT_OPERATOR) {
        catalogue::Operator made{name.schema, name.name, 0, 0, 0};
        const TypeName* function = type_option(define->definition, "function");
        if (function == nullptr) function = type_option(define->definition, "procedure");
        if (function != nullptr) made.function = find_function(function->names);
        made.left = type_id(type_option(define->definition, "leftarg"));
        made.right = type_id(type_option(define->definition, "rightarg"));
        parts_.operators.push_back(std::move(made));
    } else if (define->kind == OBJECT_AGGREGATE) {
        Function aggregate;
        aggregate.id = next_id();
        aggregate.schema = name.schema;
        aggregate.name = name.name;
        aggregate.kind = 'a';
        aggregate.language = "internal";
        // ((arguments), number of direct ones), or the old style with a base type
        if (define->args != NIL && linitial(define->args) != nullptr)
            each(static_cast<const List*>(linitial(define->args)), [&](const Node* parameter) { aggregate.arguments.push_back(type_id(as<FunctionParameter>(parameter)->argType)); });
        else if (const TypeName* base = type_option(define->definition, "basetype")) aggregate.arguments.push_back(type_id(base));
        for (const char* part : {"sfunc", "finalfunc", "combinefunc", "serialfunc", "deserialfunc", "msfunc", "minvfunc", "mfinalfunc"}) {
            const TypeName* function = type_option(define->definition, part);
            if (function == nullptr) continue;
            const Id known = find_function(function->names);
            aggregate.parts.push_back(known != 0 ? std::to_string(known) : strings(function->names).back());
        }
        parts_.functions.push_back(std::move(aggregate));
    } else if (define->kind == OBJECT_TYPE) {
        fail("a base type is C code");
    }
    // Collations and text search objects do not change what names of tables, columns and functions mean.
}

void DdlBuilder::create_trigger(const CreateTrigStmt* trigger) {
    Relation* relation = known(trigger->relation);
    if (relation == nullptr) return;
    const Id function = find_function(trigger->funcname);
    const auto parts = strings(trigger->funcname);
    static constexpr std::string_view built_in[] = {"suppress_redundant_updates_trigger", "tsvector_update_trigger", "tsvector_update_trigger_column"};
    if (function == 0 && std::find(std::begin(built_in), std::end(built_in), parts.back()) == std::end(built_in)) {
        fail("function \"" + parts.back() + "\" is not known");
        return;
    }
    relation->trigger_functions.push_back(function);
    if (trigger->transitionRels == nullptr && relation->transition_tables.empty()) return;
    relation->transition_tables.resize(2 * relation->trigger_functions.size());
    const std::size_t own = relation->transition_tables.size() - 2;
    each(trigger->transitionRels, [&](const Node* node) {
        const auto* rows = as<TriggerTransition>(node);
        relation->transition_tables[own + (rows->isNew ? 1 : 0)] = text_of(rows->name);
    });
}

void DdlBuilder::create_rule(const RuleStmt* rule) {
    Relation* relation = known(rule->relation);
    if (relation == nullptr) return;
    catalogue::Rule made;
    made.event = rule->event == CMD_UPDATE ? '2' : rule->event == CMD_INSERT ? '3' : rule->event == CMD_DELETE ? '4' : '1';
    if (made.event == '1') return fail("a rule for SELECT is a view");
    made.instead = rule->instead;
    made.definition = text_.substr(begin_, end_ - begin_);
    relation->rules.push_back(std::move(made));
}

}  // namespace dbguard::sql::postgres
