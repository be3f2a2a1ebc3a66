// Statements other than queries and writes: which effects they have, on what. The table of classes is in
// doc/policy-language.md ("What counts as what"). Tables and their indexes: lower_table.cpp; SET, transactions, COPY: lower_session.cpp.

#include <array>
#include <cstring>

#include "base/quoting.hpp"
#include "sql/postgres/lower_parts.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using tree::ObjectKind;
using tree::Statement;
using tree::UtilityEffect;
using Class = EffectClass;

void drop(Statement& out, const DropStmt* stmt) {
    const bool part = is_part_of_table(stmt->removeType);
    UtilityEffect& dropped = effect(out, is_server_object(stmt->removeType) ? Class::server : Class::ddl_drop, kind_of(stmt->removeType));
    dropped.only_existing = stmt->missing_ok;
    dropped.names_index = stmt->removeType == OBJECT_INDEX;
    dropped.lock = stmt->concurrent ? Lock::none : Lock::blocks_reads;
    dropped.takes_away = !part;
    dropped.cascade = stmt->behavior == DROP_CASCADE && !part;
    each(stmt->objects, [&](const Node* object) { dropped.objects.push_back(object_name(object, part)); });
    if (stmt->removeType == OBJECT_POLICY) effect(out, Class::dcl);
    out.changes_catalogue = out.only_names = true;
}

catalogue::Function function_of(const CreateFunctionStmt* create, const std::string& language) {
    catalogue::Function function;
    const tree::Name name = lower_name(create->funcname, -1);
    function.name = name.last();
    if (name.parts.size() > 1) function.schema = name.parts[name.parts.size() - 2];
    function.language = language;
    each(create->parameters, [&](const Node* node) {
        const auto* parameter = as<FunctionParameter>(node);
        const char mode = static_cast<char>(parameter->mode);
        if (mode != 'o' && mode != 't') {
            function.arguments.push_back(0);
            function.argument_names.push_back(text_of(parameter->name));
        }
        if (mode == 'o' || mode == 'b' || mode == 't') function.output_names.push_back(text_of(parameter->name));
    });
    // Its SET clauses, and BEGIN ATOMIC: not read here.
    bool plain = create->sql_body == nullptr;
    each(create->options, [&](const Node* node) {
        const auto* element = as<DefElem>(node);
        if (std::strcmp(element->defname, "set") == 0 && element->arg != nullptr && IsA(element->arg, VariableSetStmt)) {
            const auto* set = as<VariableSetStmt>(element->arg);
            const std::string setting = lower_case(text_of(set->name));
            std::string value;
            each(set->args, [&](const Node* one) {
                if (IsA(one, A_Const) && IsA(&as<A_Const>(one)->val.node, String)) value += (value.empty() ? "" : ", ") + in_quotes(text_of(as<A_Const>(one)->val.sval.sval), '"');
                else plain = false;
            });
            if (setting != "search_path") function.settings.push_back(setting + "=?");
            else if (set->kind == VAR_SET_VALUE && !value.empty()) function.settings.push_back("search_path=" + value);
            else plain = false;
        }
        if (std::strcmp(element->defname, "as") != 0 || element->arg == nullptr || !IsA(element->arg, List)) return;
        const std::vector<std::string> texts = strings(as<List>(element->arg));
        if (texts.size() == 1) function.body = texts[0];
    });
    if (!plain) function.settings.emplace_back("role=?");
    return function;
}

void create_function(Statement& out, const CreateFunctionStmt* create) {
    UtilityEffect& made = effect(out, Class::ddl_create, ObjectKind::function);
    made.objects.push_back(lower_name(create->funcname, -1));
    made.or_replace = create->replace;
    const std::string language = lower_case(option_text(option(create->options, "language")));
    // Code that the server runs as itself.
    if (!(language.empty() || language == "sql" || language == "plpgsql" || language == "plperl" || language == "pltcl"))
        effect(out, Class::server).detail = "a function in language " + language;
    // SET role … of a function: another role's rights for whoever calls it.
    each(create->options, [&](const Node* node) {
        const auto* element = as<DefElem>(node);
        if (std::strcmp(element->defname, "set") == 0 && element->arg != nullptr && IsA(element->arg, VariableSetStmt)) {
            const std::string setting = lower_case(text_of(as<VariableSetStmt>(element->arg)->name));
            if (setting == "role" || setting == "session_authorization") effect(out, Class::session_role).detail = "a function that sets " + setting;
        }
    });
    each(create->parameters, [&](const Node* param) { add_expression(out, as<FunctionParameter>(param)->defexpr); });
    out.makes_function = function_of(create, language.empty() ? "sql" : language);
    out.changes_catalogue = true;
}

void privileges(Statement& out, const GrantStmt* grant) {
    out.only_names = true;
    UtilityEffect& granted = effect(out, Class::dcl);
    if (grant->targtype == ACL_TARGET_ALL_IN_SCHEMA || grant->objtype == OBJECT_SCHEMA) {
        granted.kind = ObjectKind::schema;
        for (const std::string& schema : strings(grant->objects)) granted.objects.push_back(one(schema));
        return;
    }
    granted.kind = kind_of(grant->objtype);
    if (granted.kind == ObjectKind::other) return;   // a database, a language, a parameter: of no schema
    each(grant->objects, [&](const Node* object) { granted.objects.push_back(object_name(object, false)); });
}

/// What a column's comment or label says from now on: masks go by the tags in them.
void another_comment(Statement& out, const Node* object, std::string says) {
    if (object == nullptr || !IsA(object, List)) return;
    tree::Name column = lower_name(as<List>(object), -1);
    if (column.parts.size() < 2) return;
    std::string name = column.last();
    column.parts.pop_back();
    out.moved.push_back({tree::Moved::Kind::comment, std::move(column), std::move(name), std::move(says)});
}

Lock table_lock(int mode) {
    // The server's lock modes 1 (ACCESS SHARE) to 8 (ACCESS EXCLUSIVE); PostgreSQL manual, "Explicit Locking".
    if (mode == 8) return Lock::blocks_reads;
    return mode >= 4 ? Lock::blocks_writes : Lock::none;
}

}  // namespace

UtilityEffect& effect(Statement& out, Class effect_class, ObjectKind kind) {
    UtilityEffect& added = out.effects.emplace_back();
    added.effect_class = effect_class;
    added.kind = kind;
    return added;
}

void change(Statement& out, Class effect_class, ObjectKind kind, tree::Name name) {
    UtilityEffect& changed = effect(out, effect_class, kind);
    changed.objects.push_back(std::move(name));
    changed.rewrites_table = false;
    out.changes_catalogue = true;
}

std::unique_ptr<Statement> inner(const Node* node) { return std::make_unique<Statement>(lower_statement(node)); }

void add_expression(Statement& out, const void* node) {
    if (node != nullptr) out.expressions.push_back(lower_expr(as<Node>(node)));
}

/// A function that the server calls on its own.
void add_call(Statement& out, const List* name) {
    tree::ExprPtr call = tree::make_expr(tree::Expr::Kind::call);
    call->name = lower_name(name, -1);
    out.expressions.push_back(std::move(call));
}

void add_probe(Statement& out, const Node* node) {
    if (node != nullptr) out.probes.push_back(lower_expr(node));
}

Statement lower_statement(const Node* node) {
    Statement out;
    if (node == nullptr) return out;
    switch (nodeTag(node)) {
        case T_SelectStmt:
            out.query = lower_query(node);
            if (out.query->into) out.changes_catalogue = true;
            return out;
        case T_InsertStmt: case T_UpdateStmt: case T_DeleteStmt: case T_MergeStmt:
            out.write = lower_write(node);
            return out;

        // ---- session and transaction
        case T_TransactionStmt: transaction(out, as<TransactionStmt>(node)); return out;
        case T_VariableSetStmt: set_variable(out, as<VariableSetStmt>(node)); return out;
        case T_VariableShowStmt:
            effect(out, Class::read_show).setting = lower_case(text_of(as<VariableShowStmt>(node)->name));
            out.returns_rows = true;
            return out;
        case T_ConstraintsSetStmt: effect(out, Class::tx).detail = "SET CONSTRAINTS"; return out;
        case T_DiscardStmt:
            out.kind = StatementKind::discard;
            effect(out, Class::session_reset).detail = "DISCARD";
            out.name = as<DiscardStmt>(node)->target == DISCARD_ALL ? "" : as<DiscardStmt>(node)->target == DISCARD_PLANS ? "plans" : "other";
            out.changes_settings = true;
            out.changes_catalogue = true;
            return out;
        case T_ListenStmt: effect(out, Class::notify).detail = "LISTEN"; return out;
        case T_UnlistenStmt: effect(out, Class::notify).detail = "UNLISTEN"; return out;
        case T_NotifyStmt: effect(out, Class::notify).detail = "NOTIFY"; return out;
        case T_LockStmt: {
            UtilityEffect& locked = effect(out, Class::lock, ObjectKind::relation);
            locked.lock = table_lock(as<LockStmt>(node)->mode);
            locked.only = true;
            each(as<LockStmt>(node)->relations, [&](const Node* relation) {
                locked.objects.push_back(lower_relation(as<RangeVar>(relation)));
                locked.only = locked.only && !as<RangeVar>(relation)->inh;
            });
            out.only_names = true;
            return out;
        }

        // ---- prepared statements and cursors
        case T_PrepareStmt:
            out.kind = StatementKind::prepare;
            out.name = text_of(as<PrepareStmt>(node)->name);
            out.inner.push_back(inner(as<PrepareStmt>(node)->query));
            return out;
        case T_ExecuteStmt:
            out.kind = StatementKind::execute;
            out.name = text_of(as<ExecuteStmt>(node)->name);
            out.returns_rows = true;
            each(as<ExecuteStmt>(node)->params, [&](const Node* param) { add_expression(out, param); });
            return out;
        case T_DeallocateStmt:
            out.kind = StatementKind::deallocate;
            out.name = text_of(as<DeallocateStmt>(node)->name);
            effect(out, Class::session_reset).detail = "DEALLOCATE";
            return out;
        case T_DeclareCursorStmt:
            out.kind = StatementKind::declare_cursor;
            out.name = text_of(as<DeclareCursorStmt>(node)->portalname);
            if ((as<DeclareCursorStmt>(node)->options & CURSOR_OPT_HOLD) != 0) out.effects.reserve(1), out.stored_columns.emplace_back("hold");
            out.inner.push_back(inner(as<DeclareCursorStmt>(node)->query));
            out.executes_inner = true;
            return out;
        case T_FetchStmt:
            out.kind = StatementKind::fetch;
            out.name = text_of(as<FetchStmt>(node)->portalname);
            out.returns_rows = !as<FetchStmt>(node)->ismove;
            return out;
        case T_ClosePortalStmt:
            out.kind = StatementKind::close_cursor;
            out.name = text_of(as<ClosePortalStmt>(node)->portalname);
            return out;

        // ---- statements about statements
        case T_ExplainStmt: explain(out, as<ExplainStmt>(node)); return out;
        case T_CopyStmt: copy(out, as<CopyStmt>(node)); return out;
        case T_CreateTableAsStmt: create_table_as(out, as<CreateTableAsStmt>(node)); return out;
        case T_ViewStmt: {
            const auto* view = as<ViewStmt>(node);
            UtilityEffect& made = effect(out, Class::ddl_create, ObjectKind::new_relation);
            made.objects.push_back(lower_relation(view->view));
            made.or_replace = view->replace;
            made.temporary = view->view->relpersistence == 't';
            out.inner.push_back(inner(view->query));
            out.stores_into = lower_relation(view->view);
            out.stored_columns = strings(view->aliases);
            out.changes_catalogue = true;
            return out;
        }
        case T_DoStmt:
            effect(out, Class::call).detail = "DO runs a block of code";
            out.code = option_text(option(as<DoStmt>(node)->args, "as"));
            out.code_language = lower_case(option_text(option(as<DoStmt>(node)->args, "language")));
            if (out.code_language.empty()) out.code_language = "plpgsql";
            out.changes_catalogue = true;
            out.changes_settings = true;
            return out;
        case T_CallStmt: {
            const auto* call = as<CallStmt>(node)->funccall;
            effect(out, Class::call, ObjectKind::function).objects.push_back(lower_name(call->funcname, call->location));
            add_expression(out, call);
            out.returns_rows = true;
            out.changes_catalogue = true;
            out.changes_settings = true;
            return out;
        }

        // ---- ddl
        case T_CreateStmt: create_table(out, as<CreateStmt>(node)); return out;
        case T_AlterTableStmt: alter_table(out, as<AlterTableStmt>(node)); return out;
        case T_IndexStmt: create_index(out, as<IndexStmt>(node)); return out;
        case T_CreateFunctionStmt: create_function(out, as<CreateFunctionStmt>(node)); return out;
        case T_DropStmt: drop(out, as<DropStmt>(node)); return out;
        case T_TruncateStmt: {
            UtilityEffect& emptied = effect(out, Class::ddl_truncate, ObjectKind::relation);
            emptied.lock = Lock::blocks_reads;
            emptied.cascade = as<TruncateStmt>(node)->behavior == DROP_CASCADE;
            emptied.only = list_length(as<TruncateStmt>(node)->relations) > 0;
            each(as<TruncateStmt>(node)->relations, [&](const Node* relation) {
                emptied.objects.push_back(lower_relation(as<RangeVar>(relation)));
                emptied.only = emptied.only && !as<RangeVar>(relation)->inh;
            });
            return out;
        }
        case T_RenameStmt: {
            const auto* rename = as<RenameStmt>(node);
            const bool role = is_role_object(rename->renameType);
            const Class effect_class = role ? Class::dcl : is_server_object(rename->renameType) ? Class::server : Class::ddl_rename;
            tree::Name name = rename->relation != nullptr ? lower_relation(rename->relation) : object_name(rename->object, false);
            change(out, effect_class, rename->relation != nullptr ? ObjectKind::relation : kind_of(rename->renameType), std::move(name));
            if (role) out.effects.back().objects.clear();   // roles have no schema
            out.effects.back().lock = Lock::blocks_reads;
            out.effects.back().only = rename->renameType != OBJECT_COLUMN;
            out.effects.back().takes_away = rename->renameType == OBJECT_COLUMN || !is_part_of_table(rename->renameType);
            out.effects.back().only_existing = rename->missing_ok;
            out.effects.back().names_index = rename->renameType == OBJECT_INDEX;
            out.only_names = true;
            using Kind = tree::Moved::Kind;
            if (rename->relation != nullptr && (rename->renameType == OBJECT_COLUMN || rename->renameType == OBJECT_ATTRIBUTE)) out.moved.push_back({Kind::column, lower_relation(rename->relation), text_of(rename->subname), text_of(rename->newname)});
            else if (rename->relation != nullptr && !is_part_of_table(rename->renameType)) out.moved.push_back({Kind::relation, lower_relation(rename->relation), {}, text_of(rename->newname)});
            else if (kind_of(rename->renameType) == ObjectKind::function) out.renamed_to = text_of(rename->newname);
            else if (rename->renameType == OBJECT_SCHEMA) out.moved.push_back({Kind::schema, {}, text_of(rename->subname), text_of(rename->newname)});
            return out;
        }
        case T_CommentStmt: {
            const auto* comment = as<CommentStmt>(node);
            const bool part = is_part_of_table(comment->objtype);
            change(out, is_server_object(comment->objtype) || is_role_object(comment->objtype) ? Class::server : Class::ddl_comment,
                   kind_of(comment->objtype), object_name(comment->object, part));
            out.effects.back().names_index = comment->objtype == OBJECT_INDEX;
            out.only_names = true;
            if (comment->objtype == OBJECT_COLUMN) another_comment(out, comment->object, text_of(comment->comment));
            return out;
        }
        case T_CreateSchemaStmt: {
            const auto* create = as<CreateSchemaStmt>(node);
            effect(out, Class::ddl_create, ObjectKind::schema).objects.push_back(one(text_of(create->schemaname)));
            if (create->authrole != nullptr) effect(out, Class::dcl).detail = "CREATE SCHEMA … AUTHORIZATION";
            each(create->schemaElts, [&](const Node* element) { out.inner.push_back(inner(element)); });
            out.executes_inner = true;
            out.changes_catalogue = true;
            return out;
        }
        case T_CreateSeqStmt: {
            UtilityEffect& made = effect(out, Class::ddl_create, ObjectKind::new_relation);
            made.objects.push_back(lower_relation(as<CreateSeqStmt>(node)->sequence));
            made.temporary = as<CreateSeqStmt>(node)->sequence->relpersistence == 't';
            out.changes_catalogue = true;
            return out;
        }
        case T_AlterSeqStmt:
            change(out, Class::ddl_alter, ObjectKind::relation, lower_relation(as<AlterSeqStmt>(node)->sequence));
            out.effects.back().only_existing = as<AlterSeqStmt>(node)->missing_ok;
            out.only_names = true;
            return out;
        case T_CompositeTypeStmt: change(out, Class::ddl_create, ObjectKind::type, lower_relation(as<CompositeTypeStmt>(node)->typevar)); return out;
        case T_CreateEnumStmt: change(out, Class::ddl_create, ObjectKind::type, lower_name(as<CreateEnumStmt>(node)->typeName, -1)); return out;
        case T_CreateRangeStmt:
            change(out, Class::ddl_create, ObjectKind::type, lower_name(as<CreateRangeStmt>(node)->typeName, -1));
            // The server calls them on its own, wherever such a range is made or indexed.
            each(as<CreateRangeStmt>(node)->params, [&](const Node* param) {
                const auto* element = as<DefElem>(param);
                if ((std::strcmp(element->defname, "canonical") != 0 && std::strcmp(element->defname, "subtype_diff") != 0) || element->arg == nullptr || !IsA(element->arg, TypeName)) return;
                add_call(out, as<TypeName>(element->arg)->names);
            });
            return out;
        case T_CreateDomainStmt: {
            change(out, Class::ddl_create, ObjectKind::type, lower_name(as<CreateDomainStmt>(node)->domainname, -1));
            each(as<CreateDomainStmt>(node)->constraints, [&](const Node* constraint) { add_constraint(out, as<Constraint>(constraint)); });
            return out;
        }
        case T_DefineStmt: {
            // CREATE AGGREGATE, OPERATOR, TYPE, COLLATION, TEXT SEARCH …: a base type is C code.
            const auto* define = as<DefineStmt>(node);
            // So is what a collation's own rules (version 16) do: they make any texts equal, or characters nothing.
            const bool code = (define->kind == OBJECT_TYPE && define->definition != NIL) || (define->kind == OBJECT_COLLATION && option(define->definition, "rules") != nullptr);
            change(out, code ? Class::server : Class::ddl_create, kind_of(define->kind), lower_name(define->defnames, -1));
            out.effects.back().or_replace = define->replace;
            out.makes_operators = define->kind == OBJECT_OPERATOR;
            if (out.makes_operators)
                for (const char* name : {"function", "procedure"})
                    if (const DefElem* function = option(define->definition, name); function != nullptr && function->arg != nullptr && IsA(function->arg, TypeName)) out.renamed_to = lower_name(as<TypeName>(function->arg)->names, -1).last();
            return out;
        }
        case T_AlterEnumStmt: change(out, Class::ddl_alter, ObjectKind::type, lower_name(as<AlterEnumStmt>(node)->typeName, -1)); return out;
        case T_AlterDomainStmt: {
            const auto* alter = as<AlterDomainStmt>(node);
            change(out, Class::ddl_alter, ObjectKind::type, lower_name(alter->typeName, -1));
            out.domain = lower_name(alter->typeName, -1);
            if (alter->def != nullptr && IsA(alter->def, Constraint)) add_constraint(out, as<Constraint>(alter->def));
            else add_expression(out, alter->def);
            return out;
        }
        case T_AlterFunctionStmt: {
            change(out, Class::ddl_alter, ObjectKind::function, object_name(as<Node>(as<AlterFunctionStmt>(node)->func), false));
            return out;
        }
        case T_AlterTypeStmt: case T_AlterOperatorStmt: case T_AlterCollationStmt: case T_AlterTSDictionaryStmt:
        case T_AlterTSConfigurationStmt: case T_AlterStatsStmt: case T_AlterObjectDependsStmt:
            change(out, Class::ddl_alter, ObjectKind::other, {});
            return out;
        case T_AlterObjectSchemaStmt: {
            const auto* alter = as<AlterObjectSchemaStmt>(node);
            const bool relation = alter->relation != nullptr;
            change(out, is_server_object(alter->objectType) ? Class::server : Class::ddl_alter, relation ? ObjectKind::relation : kind_of(alter->objectType),
                   relation ? lower_relation(alter->relation) : object_name(alter->object, false));
            out.effects.back().takes_away = out.only_names = true;
            out.effects.back().only = true;
            out.effects.back().only_existing = alter->missing_ok;
            if (const tree::Name name = out.effects.back().objects.back(); !name.parts.empty() && out.effects.back().effect_class == Class::ddl_alter) {
                // It appears there.
                UtilityEffect& placed = effect(out, Class::ddl_alter, ObjectKind::new_relation);
                placed.objects.push_back({{text_of(alter->newschema), name.last()}, name.at});
                placed.rewrites_table = false;
            }
            if (relation) out.moved.push_back({tree::Moved::Kind::to_schema, lower_relation(alter->relation), {}, text_of(alter->newschema)});
            return out;
        }
        case T_AlterOwnerStmt: {
            const auto* alter = as<AlterOwnerStmt>(node);
            const bool relation = alter->relation != nullptr;
            change(out, is_server_object(alter->objectType) ? Class::server : Class::ddl_alter, relation ? ObjectKind::relation : kind_of(alter->objectType),
                   relation ? lower_relation(alter->relation) : object_name(alter->object, false));
            effect(out, Class::dcl).detail = "ALTER … OWNER";
            out.only_names = true;
            return out;
        }
        case T_RuleStmt: {
            change(out, Class::ddl_alter, ObjectKind::relation, lower_relation(as<RuleStmt>(node)->relation));
            out.effects.back().only = true;
            out.effects.back().lock = Lock::blocks_reads;
            each(as<RuleStmt>(node)->actions, [&](const Node* action) { out.inner.push_back(inner(action)); });
            if (as<RuleStmt>(node)->whereClause != nullptr) out.checks.push_back(lower_expr(as<RuleStmt>(node)->whereClause));
            out.of_rule = true;
            return out;
        }
        case T_CreateTrigStmt: {
            const auto* trigger = as<CreateTrigStmt>(node);
            change(out, Class::ddl_alter, ObjectKind::relation, lower_relation(trigger->relation));
            out.effects.back().lock = Lock::blocks_writes;
            effect(out, Class::call, ObjectKind::function).objects.push_back(lower_name(trigger->funcname, -1));
            out.transition_tables.resize(2);
            each(trigger->transitionRels, [&](const Node* rows) { out.transition_tables[as<TriggerTransition>(rows)->isNew ? 1 : 0] = text_of(as<TriggerTransition>(rows)->name); });
            // Which rows it fires for may show.
            if (trigger->whenClause != nullptr) out.checks.push_back(lower_expr(trigger->whenClause));
            out.only_names = true;
            return out;
        }
        case T_CreatePolicyStmt: case T_AlterPolicyStmt: {
            const RangeVar* table = IsA(node, CreatePolicyStmt) ? as<CreatePolicyStmt>(node)->table : as<AlterPolicyStmt>(node)->table;
            change(out, Class::ddl_alter, ObjectKind::relation, lower_relation(table));
            out.effects.back().only = true;
            out.effects.back().lock = Lock::blocks_reads;
            effect(out, Class::dcl).detail = "row security policy";
            for (const Node* chooses : IsA(node, CreatePolicyStmt) ? std::array{as<CreatePolicyStmt>(node)->qual, as<CreatePolicyStmt>(node)->with_check}
                                                                   : std::array{as<AlterPolicyStmt>(node)->qual, as<AlterPolicyStmt>(node)->with_check})
                if (chooses != nullptr) out.checks.push_back(lower_expr(chooses));
            out.only_names = true;
            return out;
        }
        case T_CreateStatsStmt: {
            effect(out, Class::ddl_create).detail = "extended statistics";
            each(as<CreateStatsStmt>(node)->exprs, [&](const Node* element) {
                if (IsA(element, StatsElem)) add_probe(out, as<StatsElem>(element)->expr);
            });
            each(as<CreateStatsStmt>(node)->relations, [&](const Node* relation) {
                if (IsA(relation, RangeVar)) change(out, Class::ddl_create, ObjectKind::relation, lower_relation(as<RangeVar>(relation)));
            });
            out.changes_catalogue = true;
            return out;
        }
        case T_CreateOpClassStmt: case T_AlterOpFamilyStmt:
            // Its functions get the values of whatever is indexed or sorted by it, and the server calls them on its own; only a superuser
            // may make one.
            effect(out, Class::server).detail = "operator class";
            each(IsA(node, CreateOpClassStmt) ? as<CreateOpClassStmt>(node)->items : as<AlterOpFamilyStmt>(node)->items, [&](const Node* element) {
                const auto* item = as<CreateOpClassItem>(element);
                if (item->itemtype == OPCLASS_ITEM_FUNCTION && item->name != nullptr) add_call(out, item->name->objname);
            });
            out.changes_catalogue = true;
            return out;
        case T_CreateCastStmt: case T_CreateConversionStmt: case T_CreateOpFamilyStmt:
            effect(out, Class::ddl_create);
            out.makes_operators = IsA(node, CreateCastStmt);
            if (out.makes_operators && as<CreateCastStmt>(node)->func != nullptr) out.renamed_to = lower_name(as<CreateCastStmt>(node)->func->objname, -1).last();
            out.changes_catalogue = true;
            return out;
        case T_ReplicaIdentityStmt: effect(out, Class::ddl_alter).rewrites_table = false; return out;

        // ---- accounts and privileges
        case T_GrantStmt: privileges(out, as<GrantStmt>(node)); return out;
        case T_AlterDefaultPrivilegesStmt: {
            const auto* defaults = as<AlterDefaultPrivilegesStmt>(node);
            const DefElem* schemas = option(defaults->options, "schemas");
            UtilityEffect& changed = effect(out, Class::dcl, ObjectKind::schema);
            if (schemas != nullptr && schemas->arg != nullptr && IsA(schemas->arg, List))
                for (const std::string& schema : strings(as<List>(schemas->arg))) changed.objects.push_back(one(schema));
            else changed.kind = ObjectKind::other, changed.objects.emplace_back();   // every schema
            out.only_names = true;
            return out;
        }
        case T_SecLabelStmt: {
            const auto* label = as<SecLabelStmt>(node);
            UtilityEffect& labelled = effect(out, Class::dcl, kind_of(label->objtype));
            if (labelled.kind != ObjectKind::other) labelled.objects.push_back(object_name(label->object, is_part_of_table(label->objtype)));
            if (label->objtype == OBJECT_COLUMN) another_comment(out, label->object, text_of(label->label));
            out.changes_catalogue = out.only_names = true;
            return out;
        }
        case T_ReassignOwnedStmt:
            effect(out, Class::dcl).objects.emplace_back();   // which objects, only the server knows
            out.only_names = true;
            return out;
        case T_GrantRoleStmt: case T_CreateRoleStmt: case T_AlterRoleStmt: case T_AlterRoleSetStmt: case T_DropRoleStmt:
            effect(out, Class::dcl);
            out.only_names = true;
            return out;
        case T_DropOwnedStmt:
            effect(out, Class::dcl);
            effect(out, Class::ddl_drop).lock = Lock::blocks_reads;
            out.effects.back().objects.emplace_back();   // which ones, only the server knows
            out.changes_catalogue = true;
            return out;

        // ---- maintenance
        case T_VacuumStmt: vacuum(out, as<VacuumStmt>(node)); return out;
        case T_CheckPointStmt: effect(out, Class::maintenance).detail = "CHECKPOINT"; return out;
        case T_ReindexStmt: {
            const auto* reindex = as<ReindexStmt>(node);
            UtilityEffect& done = effect(out, Class::maintenance, reindex->relation != nullptr ? ObjectKind::relation : ObjectKind::other);
            if (reindex->relation != nullptr) done.objects.push_back(lower_relation(reindex->relation));
            done.names_index = reindex->kind == REINDEX_OBJECT_INDEX;
            // The planner locks every index of a table it plans for, so readers wait, too (PostgreSQL manual, REINDEX).
            done.lock = is_on(reindex->params, "concurrently") ? Lock::none : Lock::blocks_reads;
            done.detail = "REINDEX";
            return out;
        }
        case T_ClusterStmt: {
            UtilityEffect& done = effect(out, Class::maintenance, ObjectKind::relation);
            if (as<ClusterStmt>(node)->relation != nullptr) done.objects.push_back(lower_relation(as<ClusterStmt>(node)->relation));
            done.lock = Lock::blocks_reads;
            done.rewrites_table = true;
            done.detail = "CLUSTER";
            done.orders_rows = true;
            return out;
        }
        case T_RefreshMatViewStmt: {
            const auto* refresh = as<RefreshMatViewStmt>(node);
            UtilityEffect& done = effect(out, Class::maintenance, ObjectKind::relation);
            done.objects.push_back(lower_relation(refresh->relation));
            done.lock = refresh->concurrent ? Lock::blocks_writes : Lock::blocks_reads;
            done.rewrites_table = !refresh->concurrent;
            done.detail = "REFRESH MATERIALIZED VIEW";
            return out;
        }

        // ---- the server itself
        case T_AlterSystemStmt: case T_LoadStmt: case T_CreateExtensionStmt: case T_AlterExtensionStmt: case T_AlterExtensionContentsStmt:
        case T_CreateFdwStmt: case T_AlterFdwStmt: case T_CreateForeignServerStmt: case T_AlterForeignServerStmt:
        case T_CreateForeignTableStmt: case T_CreateUserMappingStmt: case T_AlterUserMappingStmt: case T_DropUserMappingStmt:
        case T_ImportForeignSchemaStmt: case T_CreateAmStmt: case T_CreateEventTrigStmt: case T_AlterEventTrigStmt: case T_CreatePLangStmt:
        case T_CreatePublicationStmt: case T_AlterPublicationStmt: case T_CreateSubscriptionStmt: case T_AlterSubscriptionStmt:
        case T_DropSubscriptionStmt: case T_CreatedbStmt: case T_DropdbStmt: case T_AlterDatabaseStmt: case T_AlterDatabaseRefreshCollStmt:
        case T_AlterDatabaseSetStmt: case T_CreateTableSpaceStmt: case T_DropTableSpaceStmt: case T_AlterTableSpaceOptionsStmt:
        case T_AlterTableMoveAllStmt: case T_CreateTransformStmt:
            effect(out, Class::server);
            out.changes_catalogue = true;
            return out;

        default:
            out.opaque = true;
            out.opaque_reason = "a statement of a kind dbguard does not know (node " + std::to_string(nodeTag(node)) + ")";
            return out;
    }
}

}  // namespace dbguard::sql::postgres
