// What many statements have: options by name, and the objects that DROP, COMMENT, RENAME and their like name.

#include <cstring>

#include "sql/postgres/lower_parts.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {

using tree::ObjectKind;

std::string lower_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

tree::Name one(std::string name) {
    tree::Name out;
    out.parts.push_back(std::move(name));
    return out;
}

const DefElem* option(const List* options, const char* name) {
    const DefElem* found = nullptr;
    each(options, [&](const Node* node) {
        if (std::strcmp(as<DefElem>(node)->defname, name) == 0) found = as<DefElem>(node);
    });
    return found;
}

std::string option_text(const DefElem* element) {
    if (element == nullptr || element->arg == nullptr) return {};
    switch (nodeTag(element->arg)) {
        case T_String: return text_of(strVal(element->arg));
        case T_Boolean: return boolVal(element->arg) ? "true" : "false";
        case T_Integer: return std::to_string(intVal(element->arg));
        case T_Float: return text_of(as<Float>(element->arg)->fval);
        case T_TypeName: {
            const auto names = strings(as<TypeName>(element->arg)->names);
            return names.empty() ? "" : names.back();
        }
        case T_A_Star: return "*";
        default: return "?";
    }
}

bool is_on(const List* options, const char* name) {
    const DefElem* element = option(options, name);
    if (element == nullptr) return false;
    const std::string value = lower_case(option_text(element));
    return element->arg == nullptr || !(value == "false" || value == "off" || value == "0");
}

ObjectKind kind_of(ObjectType type) {
    switch (type) {
        case OBJECT_TABLE: case OBJECT_VIEW: case OBJECT_MATVIEW: case OBJECT_SEQUENCE: case OBJECT_INDEX: case OBJECT_FOREIGN_TABLE:
        case OBJECT_COLUMN: case OBJECT_TRIGGER: case OBJECT_RULE: case OBJECT_POLICY: case OBJECT_TABCONSTRAINT:
            return ObjectKind::relation;
        case OBJECT_FUNCTION: case OBJECT_PROCEDURE: case OBJECT_ROUTINE: case OBJECT_AGGREGATE:
            return ObjectKind::function;
        case OBJECT_SCHEMA:
            return ObjectKind::schema;
        case OBJECT_TYPE: case OBJECT_DOMAIN: case OBJECT_DOMCONSTRAINT:
            return ObjectKind::type;
        default:
            return ObjectKind::other;
    }
}

bool is_server_object(ObjectType type) {
    switch (type) {
        case OBJECT_EXTENSION: case OBJECT_LANGUAGE: case OBJECT_FOREIGN_SERVER: case OBJECT_FDW: case OBJECT_PUBLICATION:
        case OBJECT_SUBSCRIPTION: case OBJECT_EVENT_TRIGGER: case OBJECT_DATABASE: case OBJECT_TABLESPACE: case OBJECT_ACCESS_METHOD:
        case OBJECT_TRANSFORM: case OBJECT_USER_MAPPING:
            return true;
        default:
            return false;
    }
}

bool is_role_object(ObjectType type) { return type == OBJECT_ROLE; }

tree::Name object_name(const Node* node, bool last_is_part) {
    tree::Name name;
    if (node == nullptr) return name;
    switch (nodeTag(node)) {
        case T_List: name = lower_name(as<List>(node), -1); break;
        case T_String: name.parts.push_back(text_of(strVal(node))); break;
        case T_TypeName: name = lower_name(as<TypeName>(node)->names, -1); break;
        case T_ObjectWithArgs: name = lower_name(as<ObjectWithArgs>(node)->objname, -1); break;
        case T_RangeVar: name = lower_relation(as<RangeVar>(node)); break;
        default: break;
    }
    if (name.parts.empty() && IsA(node, List) && list_length(as<List>(node)) > 0) return object_name(as<Node>(linitial(as<List>(node))), last_is_part);
    if (last_is_part && name.parts.size() > 1) name.parts.pop_back();
    while (name.parts.size() > 2) name.parts.erase(name.parts.begin());
    return name;
}

bool is_part_of_table(ObjectType type) {
    return type == OBJECT_COLUMN || type == OBJECT_TRIGGER || type == OBJECT_RULE || type == OBJECT_POLICY || type == OBJECT_TABCONSTRAINT;
}

}  // namespace dbguard::sql::postgres
