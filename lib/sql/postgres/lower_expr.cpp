// Expressions. The cases stand in the order of PostgreSQL's parsenodes.h where there is one.

#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using tree::Expr;
using tree::ExprPtr;
using Kind = Expr::Kind;

/// `column_name`: what a result column made of it is called; empty: nothing of its own.
ExprPtr combine(std::string text, int location, const char* column_name = "") {
    ExprPtr expr = tree::make_expr(Kind::combine, at(location));
    expr->text = std::move(text);
    if (*column_name != '\0') expr->name.parts.emplace_back(column_name);
    return expr;
}

/// What the grammar has of late (JSON_VALUE and its like: versions 16 and 17): to a server before that it is a call of whatever
/// function has the name.
ExprPtr newer(ExprPtr expr) {
    expr->newer = true;
    return expr;
}

/// Something of the session's own, written as a word.
ExprPtr word(std::string text, int location, const char* column_name) {
    ExprPtr expr = tree::make_expr(Kind::constant, at(location));
    expr->text = std::move(text);
    expr->name.parts.emplace_back(column_name);
    return expr;
}

void add(const ExprPtr& expr, const void* node) {
    if (node != nullptr) expr->args.push_back(lower_expr(static_cast<const Node*>(node)));
}

void add_all(const ExprPtr& expr, const List* list) {
    expr->args.reserve(expr->args.size() + static_cast<std::size_t>(list_length(list)));
    each(list, [&](const Node* node) { add(expr, node); });
}

ExprPtr lower_column(const ColumnRef* ref) {
    ExprPtr expr = tree::make_expr(Kind::column, at(ref->location));
    expr->name.at = expr->at;
    expr->name.parts.reserve(static_cast<std::size_t>(list_length(ref->fields)));
    each(ref->fields, [&](const Node* field) {
        if (IsA(field, String)) expr->name.parts.push_back(text_of(strVal(field)));
        else expr->kind = Kind::star;
    });
    return expr;
}

ExprPtr lower_constant(const A_Const* constant) {
    ExprPtr expr = tree::make_expr(Kind::constant, at(constant->location));
    expr->is_null = constant->isnull;
    if (constant->isnull) return expr;
    expr->quoted = nodeTag(&constant->val) == T_String || nodeTag(&constant->val) == T_BitString;
    switch (nodeTag(&constant->val)) {
        case T_Integer: expr->text = std::to_string(constant->val.ival.ival); break;
        case T_Float: expr->text = text_of(constant->val.fval.fval); break;
        case T_Boolean: expr->text = constant->val.boolval.boolval ? "true" : "false"; break;
        case T_String: expr->text = text_of(constant->val.sval.sval); break;
        case T_BitString: expr->text = text_of(constant->val.bsval.bsval); break;
        default: expr->kind = Kind::opaque; break;
    }
    return expr;
}

ExprPtr lower_operator(const A_Expr* node) {
    switch (node->kind) {
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL: {
            ExprPtr expr = tree::make_expr(Kind::comparison_any, at(node->location));
            expr->name = lower_name(node->name, node->location);
            expr->number = node->kind == AEXPR_OP_ALL ? 1 : 0;
            add(expr, node->lexpr);
            add(expr, node->rexpr);
            return expr;
        }
        case AEXPR_IN: {
            ExprPtr expr = tree::make_expr(Kind::in_list, at(node->location));
            expr->name = lower_name(node->name, node->location);
            expr->negated = expr->name.last() == "<>";
            add(expr, node->lexpr);
            if (node->rexpr != nullptr && IsA(node->rexpr, List)) add_all(expr, as<List>(node->rexpr));
            else add(expr, node->rexpr);
            return expr;
        }
        case AEXPR_NULLIF: {
            ExprPtr expr = combine("nullif", node->location, "nullif");
            add(expr, node->lexpr);
            add(expr, node->rexpr);
            return expr;
        }
        default: {
            // AEXPR_OP, DISTINCT, NOT DISTINCT, LIKE, ILIKE, SIMILAR, BETWEEN …: an operator with its sides.
            ExprPtr expr = tree::make_expr(Kind::operation, at(node->location));
            expr->name = lower_name(node->name, node->location);
            if (node->kind == AEXPR_DISTINCT) expr->text = "distinct";
            else if (node->kind == AEXPR_NOT_DISTINCT) expr->text = "not distinct";
            else if (node->kind == AEXPR_BETWEEN || node->kind == AEXPR_BETWEEN_SYM) expr->text = "between";
            else if (node->kind == AEXPR_NOT_BETWEEN || node->kind == AEXPR_NOT_BETWEEN_SYM) expr->text = "not between";
            add(expr, node->lexpr);
            if (node->rexpr != nullptr && IsA(node->rexpr, List)) add_all(expr, as<List>(node->rexpr));
            else add(expr, node->rexpr);
            return expr;
        }
    }
}

ExprPtr lower_window(const WindowDef* window) {
    ExprPtr expr = combine("window", window->location);
    add_all(expr, window->partitionClause);
    add_all(expr, window->orderClause);
    add(expr, window->startOffset);
    add(expr, window->endOffset);
    return expr;
}

ExprPtr lower_call(const FuncCall* call) {
    ExprPtr expr = tree::make_expr(Kind::call, at(call->location));
    expr->name = lower_name(call->funcname, call->location);
    // JSON_OBJECT(…) and SYSTEM_USER: the grammar itself says pg_catalog.
    expr->newer = expr->name.parts.size() == 2 && expr->name.parts[0] == "pg_catalog" && (expr->name.parts[1] == "json_object" || expr->name.parts[1] == "system_user");
    expr->star_argument = call->agg_star;
    expr->distinct = call->agg_distinct;
    expr->windowed = call->over != nullptr;
    expr->variadic = call->func_variadic;
    each(call->args, [&](const Node* arg) {
        std::string name;
        if (IsA(arg, NamedArgExpr)) {
            name = text_of(as<NamedArgExpr>(arg)->name);
            arg = as<Node>(as<NamedArgExpr>(arg)->arg);
        }
        add(expr, arg);
        expr->argument_names.push_back(std::move(name));
    });
    // WITHIN GROUP (ORDER BY x): x is what the aggregate works on.
    each(call->agg_order, [&](const Node* order) {
        if (call->agg_within_group) {
            add(expr, order);
            expr->argument_names.emplace_back();
        } else {
            expr->decides.push_back(lower_expr(order));
        }
    });
    if (call->agg_filter != nullptr) expr->decides.push_back(lower_expr(call->agg_filter));
    if (call->over != nullptr) expr->decides.push_back(lower_window(call->over));
    return expr;
}

ExprPtr lower_indirection(const A_Indirection* node) {
    ExprPtr expr = lower_expr(node->arg);
    each(node->indirection, [&](const Node* step) {
        ExprPtr outer;
        if (IsA(step, String)) {
            outer = tree::make_expr(Kind::member, expr->at);
            outer->text = text_of(strVal(step));
        } else if (IsA(step, A_Star)) {
            outer = tree::make_expr(Kind::member_star, expr->at);
        } else {
            outer = tree::make_expr(Kind::subscript, expr->at);
        }
        outer->args.push_back(std::move(expr));
        if (IsA(step, A_Indices)) {
            add(outer, as<A_Indices>(step)->lidx);
            add(outer, as<A_Indices>(step)->uidx);
        }
        expr = std::move(outer);
    });
    return expr;
}

ExprPtr lower_sublink(const SubLink* link) {
    Kind kind = Kind::opaque;
    switch (link->subLinkType) {
        case EXISTS_SUBLINK: kind = Kind::exists; break;
        case ANY_SUBLINK:
        case ALL_SUBLINK: kind = Kind::any_query; break;
        case EXPR_SUBLINK: kind = Kind::scalar_query; break;
        case ARRAY_SUBLINK: kind = Kind::array_query; break;
        default: break;
    }
    ExprPtr expr = tree::make_expr(kind, at(link->location));
    if (link->operName != nullptr) expr->name = lower_name(link->operName, link->location);
    expr->number = link->subLinkType == ALL_SUBLINK ? 1 : 0;
    add(expr, link->testexpr);
    expr->query = lower_query(link->subselect);
    return expr;
}

void add_json(const ExprPtr& expr, const JsonValueExpr* value) {
    if (value != nullptr) add(expr, value->raw_expr);
}

// XML, JSON and the like: a value may come from each of the arguments. What is not listed is opaque.
ExprPtr lower_constructor(const Node* node) {
    switch (nodeTag(node)) {
        case T_XmlExpr: {
            const auto* xml = as<XmlExpr>(node);
            static constexpr const char* names[] = {"xmlconcat", "xmlelement", "xmlforest", "xmlparse", "xmlpi", "xmlroot"};
            ExprPtr expr = combine("xml", xml->location, xml->op <= IS_XMLROOT ? names[xml->op] : "");
            add_all(expr, xml->named_args);
            add_all(expr, xml->args);
            return expr;
        }
        case T_XmlSerialize: {
            ExprPtr expr = combine("xmlserialize", as<XmlSerialize>(node)->location, "xmlserialize");
            add(expr, as<XmlSerialize>(node)->expr);
            return expr;
        }
        case T_JsonValueExpr: {
            ExprPtr expr = combine("json", -1);
            add_json(expr, as<JsonValueExpr>(node));
            return expr;
        }
        case T_JsonFuncExpr: {
            const auto* json = as<JsonFuncExpr>(node);
            const char* name = json->op == JSON_EXISTS_OP ? "json_exists" : json->op == JSON_QUERY_OP ? "json_query" : json->op == JSON_VALUE_OP ? "json_value" : "";
            ExprPtr expr = newer(combine("json", json->location, name));
            add_json(expr, json->context_item);
            add(expr, json->pathspec);
            add_all(expr, json->passing);
            if (json->on_empty != nullptr) add(expr, json->on_empty->expr);
            if (json->on_error != nullptr) add(expr, json->on_error->expr);
            return expr;
        }
        case T_JsonArgument: {
            ExprPtr expr = combine("json", -1);
            add_json(expr, as<JsonArgument>(node)->val);
            return expr;
        }
        case T_JsonParseExpr: {
            ExprPtr expr = newer(combine("json", as<JsonParseExpr>(node)->location, "json"));
            add_json(expr, as<JsonParseExpr>(node)->expr);
            return expr;
        }
        case T_JsonScalarExpr: {
            ExprPtr expr = newer(combine("json", as<JsonScalarExpr>(node)->location, "json_scalar"));
            add(expr, as<JsonScalarExpr>(node)->expr);
            return expr;
        }
        case T_JsonSerializeExpr: {
            ExprPtr expr = newer(combine("json", as<JsonSerializeExpr>(node)->location, "json_serialize"));
            add_json(expr, as<JsonSerializeExpr>(node)->expr);
            return expr;
        }
        case T_JsonIsPredicate: {
            ExprPtr expr = combine("json", as<JsonIsPredicate>(node)->location);
            add(expr, as<JsonIsPredicate>(node)->expr);
            return expr;
        }
        case T_JsonKeyValue: {
            ExprPtr expr = combine("json", -1);
            add(expr, as<JsonKeyValue>(node)->key);
            add_json(expr, as<JsonKeyValue>(node)->value);
            return expr;
        }
        case T_JsonObjectConstructor: {
            ExprPtr expr = newer(combine("json", as<JsonObjectConstructor>(node)->location, "json_object"));
            add_all(expr, as<JsonObjectConstructor>(node)->exprs);
            return expr;
        }
        case T_JsonArrayConstructor: {
            ExprPtr expr = newer(combine("json", as<JsonArrayConstructor>(node)->location, "json_array"));
            add_all(expr, as<JsonArrayConstructor>(node)->exprs);
            return expr;
        }
        case T_JsonArrayQueryConstructor: {
            ExprPtr expr = tree::make_expr(Kind::array_query, at(as<JsonArrayQueryConstructor>(node)->location));
            expr->column_name = "json_array";
            expr->query = lower_query(as<JsonArrayQueryConstructor>(node)->query);
            return expr;
        }
        case T_JsonObjectAgg:
        case T_JsonArrayAgg: {
            const JsonAggConstructor* agg;
            ExprPtr expr = tree::make_expr(Kind::call);
            expr->name.parts = {"pg_catalog", "json_agg"};
            expr->column_name = IsA(node, JsonObjectAgg) ? "json_objectagg" : "json_arrayagg";
            expr->newer = true;
            if (IsA(node, JsonObjectAgg)) {
                agg = as<JsonObjectAgg>(node)->constructor;
                add(expr, as<JsonObjectAgg>(node)->arg);
            } else {
                agg = as<JsonArrayAgg>(node)->constructor;
                add_json(expr, as<JsonArrayAgg>(node)->arg);
            }
            expr->argument_names.resize(expr->args.size());
            each(agg->agg_order, [&](const Node* order) { expr->decides.push_back(lower_expr(order)); });
            if (agg->agg_filter != nullptr) expr->decides.push_back(lower_expr(agg->agg_filter));
            if (agg->over != nullptr) expr->decides.push_back(lower_window(agg->over));
            return expr;
        }
        default: {
            ExprPtr expr = tree::make_expr(Kind::opaque);
            expr->text = "an expression of a kind dbguard does not know (node " + std::to_string(nodeTag(node)) + ")";
            return expr;
        }
    }
}

}  // namespace

std::vector<std::string> strings(const List* names) {
    std::vector<std::string> out;
    out.reserve(static_cast<std::size_t>(list_length(names)));
    each(names, [&](const Node* name) {
        if (name != nullptr && IsA(name, String)) out.push_back(text_of(strVal(name)));
    });
    return out;
}

tree::Name lower_name(const List* names, int location) {
    tree::Name out;
    out.at = at(location);
    each(names, [&](const Node* name) {
        if (name != nullptr && IsA(name, String)) out.parts.push_back(text_of(strVal(name)));
    });
    return out;
}

ExprPtr lower_expr(const Node* node) {
    if (node == nullptr) {
        ExprPtr nothing = tree::make_expr(Kind::constant);
        nothing->is_null = true;
        return nothing;
    }
    switch (nodeTag(node)) {
        case T_ColumnRef: return lower_column(as<ColumnRef>(node));
        case T_A_Const: return lower_constant(as<A_Const>(node));
        case T_ParamRef: {
            ExprPtr expr = tree::make_expr(Kind::parameter, at(as<ParamRef>(node)->location));
            expr->number = as<ParamRef>(node)->number;
            return expr;
        }
        case T_A_Expr: return lower_operator(as<A_Expr>(node));
        case T_BoolExpr: {
            const auto* boolean = as<BoolExpr>(node);
            const Kind kind = boolean->boolop == AND_EXPR ? Kind::logic_and : boolean->boolop == OR_EXPR ? Kind::logic_or : Kind::logic_not;
            ExprPtr expr = tree::make_expr(kind, at(boolean->location));
            add_all(expr, boolean->args);
            return expr;
        }
        case T_NullTest: {
            ExprPtr expr = tree::make_expr(Kind::is_null, at(as<NullTest>(node)->location));
            expr->negated = as<NullTest>(node)->nulltesttype == IS_NOT_NULL;
            add(expr, as<NullTest>(node)->arg);
            return expr;
        }
        case T_BooleanTest: {
            static constexpr const char* tests[] = {"true", "not true", "false", "not false", "unknown", "not unknown"};
            ExprPtr expr = tree::make_expr(Kind::is_truth, at(as<BooleanTest>(node)->location));
            expr->text = tests[as<BooleanTest>(node)->booltesttype];
            add(expr, as<BooleanTest>(node)->arg);
            return expr;
        }
        case T_FuncCall: return lower_call(as<FuncCall>(node));
        case T_TypeCast: {
            const auto* cast = as<TypeCast>(node);
            ExprPtr expr = tree::make_expr(Kind::cast, at(cast->location));
            expr->name = lower_name(cast->typeName->names, cast->typeName->location);
            // JSON is a word of the grammar since version 16; before it is a name like others.
            if (expr->name.parts.size() == 2 && expr->name.parts[0] == "pg_catalog" && expr->name.parts[1] == "json") expr->name.parts.erase(expr->name.parts.begin());
            if (cast->typeName->arrayBounds != NIL) expr->text = "[]";
            expr->modified = cast->typeName->typmods != NIL;
            add(expr, cast->arg);
            return expr;
        }
        case T_CaseExpr: {
            const auto* chosen = as<CaseExpr>(node);
            // [test] (when then)* else; number tells whether there is a test, an ELSE is always there.
            ExprPtr expr = combine("case", chosen->location);
            expr->number = chosen->arg != nullptr ? 1 : 0;
            add(expr, chosen->arg);
            each(chosen->args, [&](const Node* when) {
                add(expr, as<CaseWhen>(when)->expr);
                add(expr, as<CaseWhen>(when)->result);
            });
            expr->args.push_back(lower_expr(as<Node>(chosen->defresult)));
            return expr;
        }
        case T_CoalesceExpr: {
            ExprPtr expr = combine("coalesce", as<CoalesceExpr>(node)->location, "coalesce");
            add_all(expr, as<CoalesceExpr>(node)->args);
            return expr;
        }
        case T_MinMaxExpr: {
            ExprPtr expr = combine("greatest", as<MinMaxExpr>(node)->location, as<MinMaxExpr>(node)->op == IS_LEAST ? "least" : "greatest");
            add_all(expr, as<MinMaxExpr>(node)->args);
            return expr;
        }
        case T_RowExpr: {
            ExprPtr expr = tree::make_expr(Kind::row, at(as<RowExpr>(node)->location));
            add_all(expr, as<RowExpr>(node)->args);
            return expr;
        }
        case T_A_ArrayExpr: {
            ExprPtr expr = tree::make_expr(Kind::array, at(as<A_ArrayExpr>(node)->location));
            add_all(expr, as<A_ArrayExpr>(node)->elements);
            return expr;
        }
        case T_A_Indirection: return lower_indirection(as<A_Indirection>(node));
        case T_SubLink: return lower_sublink(as<SubLink>(node));
        case T_CollateClause: {
            // By the rules of another collation different texts may be equal: no plain comparison any more.
            ExprPtr expr = combine("collate", as<CollateClause>(node)->location);
            expr->args.push_back(lower_expr(as<CollateClause>(node)->arg));
            return expr;
        }
        case T_NamedArgExpr: return lower_expr(as<Node>(as<NamedArgExpr>(node)->arg));
        case T_SortBy: return lower_expr(as<SortBy>(node)->node);
        case T_ResTarget: return lower_expr(as<ResTarget>(node)->val);
        case T_WindowDef: return lower_window(as<WindowDef>(node));
        case T_SQLValueFunction: {
            // In the order of SQLValueFunctionOp.
            static constexpr const char* names[] = {"current_date", "current_time", "current_time", "current_timestamp", "current_timestamp", "localtime", "localtime",
                                                    "localtimestamp", "localtimestamp", "current_role", "current_user", "user", "session_user", "current_catalog", "current_schema"};
            return word("current value", as<SQLValueFunction>(node)->location, names[as<SQLValueFunction>(node)->op]);
        }
        case T_GroupingFunc: {
            return word("grouping", as<GroupingFunc>(node)->location, "grouping");
        }
        case T_MergeSupportFunc: return newer(word("merge action", as<MergeSupportFunc>(node)->location, "merge_action"));
        case T_GroupingSet: {
            ExprPtr expr = combine("grouping set", as<GroupingSet>(node)->location);
            add_all(expr, as<GroupingSet>(node)->content);
            return expr;
        }
        case T_SetToDefault: return tree::make_expr(Kind::set_default, at(as<SetToDefault>(node)->location));
        case T_CurrentOfExpr: return tree::make_expr(Kind::current_of);
        case T_MultiAssignRef: {
            // (a, b) = (…): each column may take any value of the source.
            ExprPtr expr = combine("assignment", -1);
            add(expr, as<MultiAssignRef>(node)->source);
            return expr;
        }
        case T_List: {
            ExprPtr expr = combine("list", -1);
            add_all(expr, as<List>(node));
            return expr;
        }
        case T_String: {
            ExprPtr expr = tree::make_expr(Kind::constant);
            expr->text = text_of(strVal(node));
            return expr;
        }
        default: return lower_constructor(node);
    }
}

}  // namespace dbguard::sql::postgres
