#include "sql/postgres/ddl_catalogue.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "sql/postgres/ddl_builder.hpp"
#include "sql/postgres/ddl_text.hpp"
#include "sql/postgres/lower.hpp"
#include "sql/postgres/parse.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using catalogue::Column;
using catalogue::Function;
using catalogue::Id;
using catalogue::Relation;
using catalogue::RelationKind;
using catalogue::Type;
using catalogue::TypeKind;

#include "sql/postgres/system_relations.inc"

// About 4 MiB of stack: a program's own, not a small thread's.
constexpr std::size_t max_ddl_depth = 1'500;

}  // namespace

DdlBuilder::DdlBuilder(std::string_view text) : text_(text) {
    // As the server's are read: without their columns.
    auto add_own = [&, id = Id{1}](std::string_view schema, std::string_view name) mutable {
        Relation own;
        own.id = id++;
        own.schema = schema;
        own.name = name;
        parts_.relations.push_back(std::move(own));
    };
    for (const std::string_view name : system_relations) add_own("pg_catalog", name);
    for (const std::string_view name : information_schema_relations) add_own("information_schema", name);
}

void DdlBuilder::add(const RawStmt* raw) {
    begin_ = static_cast<std::size_t>(std::max(0, raw->stmt_location));
    end_ = raw->stmt_len > 0 ? begin_ + static_cast<std::size_t>(raw->stmt_len) : text_.size();
    statement(raw->stmt);
}

catalogue::SnapshotRef DdlBuilder::snapshot() const {
    auto parts = parts_;
    parts.rendered_under = fixture_context();
    for (Relation& relation : parts.relations)
        if (const auto key = primary_.find(relation.id); key != primary_.end() && !loose_.contains(relation.id))
            for (const std::string& name : key->second)
                if (const Column* column = std::as_const(relation).column(name); column != nullptr) relation.primary_key.push_back(column->number);
    return std::make_shared<const catalogue::Snapshot>(std::move(parts));
}

void DdlBuilder::statement(const Node* node) {
    if (error_ || node == nullptr) return;
    switch (nodeTag(node)) {
        case T_CreateSchemaStmt: {
            const auto* create = as<CreateSchemaStmt>(node);
            const std::string outer = std::exchange(schema_, text_of(create->schemaname));
            each(create->schemaElts, [&](const Node* element) { statement(element); });
            schema_ = outer;
            return;
        }
        case T_CreateStmt: return create_table(as<CreateStmt>(node), RelationKind::table);
        case T_CreateForeignTableStmt: return create_table(&as<CreateForeignTableStmt>(node)->base, RelationKind::foreign_table);
        case T_ViewStmt: {
            const auto* view = as<ViewStmt>(node);
            const auto tokens = tokens_of(text_, begin_, end_);
            bool recursive = false;
            for (const Token& token : tokens) {
                if (token.word == "view") break;
                recursive = recursive || token.word == "recursive";
            }
            return create_query(view->view, view->aliases, RelationKind::view, false, view->replace, recursive);
        }
        case T_CreateTableAsStmt: {
            const auto* create = as<CreateTableAsStmt>(node);
            if (!IsA(create->query, SelectStmt)) return fail("CREATE TABLE AS EXECUTE is only known when it runs");
            return create_query(create->into->rel, create->into->colNames, create->objtype == OBJECT_MATVIEW ? RelationKind::materialized_view : RelationKind::table,
                                create->if_not_exists, false, false);
        }
        case T_CreateSeqStmt: {
            const auto* create = as<CreateSeqStmt>(node);
            if (exists(name_of(create->sequence), create->if_not_exists, create->sequence->location)) return;
            return end_relation(begin_relation(name_of(create->sequence), RelationKind::sequence, create->sequence->relpersistence == 't'));
        }
        case T_AlterTableStmt: return alter_table(as<AlterTableStmt>(node));
        case T_CompositeTypeStmt: return create_composite(as<CompositeTypeStmt>(node));
        case T_CreateEnumStmt: {
            add_type(name_of(as<CreateEnumStmt>(node)->typeName), TypeKind::enumeration);
            (parts_.types.end() - 2)->labels = strings(as<CreateEnumStmt>(node)->vals);
            return;
        }
        case T_AlterEnumStmt: {
            const auto parts = strings(as<AlterEnumStmt>(node)->typeName);
            for (Type& type : parts_.types)
                if (type.name == parts.back() && as<AlterEnumStmt>(node)->newVal != nullptr) type.labels.emplace_back(as<AlterEnumStmt>(node)->newVal);
            return;
        }
        case T_CreateDomainStmt: return create_domain(as<CreateDomainStmt>(node));
        case T_CreateCastStmt: return create_cast(as<CreateCastStmt>(node));
        case T_CreateRangeStmt: {
            const auto* create = as<CreateRangeStmt>(node);
            const Id base = type_id(type_option(create->params, "subtype"));
            add_type(name_of(create->typeName), TypeKind::range, base);
            return;
        }
        case T_CreateFunctionStmt: return create_function(as<CreateFunctionStmt>(node));
        case T_DefineStmt: return define(as<DefineStmt>(node));
        case T_CreateTrigStmt: return create_trigger(as<CreateTrigStmt>(node));
        case T_RuleStmt: return create_rule(as<RuleStmt>(node));
        case T_CreatePolicyStmt:
            if (Relation* relation = known(as<CreatePolicyStmt>(node)->table); relation != nullptr) relation->has_expressions = true;
            return;
        case T_CommentStmt: return comment(as<CommentStmt>(node));
        case T_CreateExtensionStmt: parts_.extensions.push_back(text_of(as<CreateExtensionStmt>(node)->extname)); return;
        case T_DropStmt: return drop(as<DropStmt>(node));
        case T_VariableSetStmt:
            // pg_dump empties it and writes every name with its schema.
            if (text_of(as<VariableSetStmt>(node)->name) == "search_path" && list_length(as<VariableSetStmt>(node)->args) > 0) {
                const auto* value = as<A_Const>(linitial(as<VariableSetStmt>(node)->args));
                if (IsA(value, A_Const) && nodeTag(&value->val) == T_String && (*value->val.sval.sval == '\0' || std::strcmp(value->val.sval.sval, "public") == 0)) return;
                fail("search_path is not followed; write the schema with each name");
            }
            return;
        case T_IndexStmt: case T_GrantStmt: case T_GrantRoleStmt: case T_AlterDefaultPrivilegesStmt: case T_AlterOwnerStmt: case T_AlterSeqStmt:
        case T_TransactionStmt: case T_InsertStmt: case T_SelectStmt: case T_CreateStatsStmt: case T_CreateRoleStmt:
        case T_AlterRoleStmt: case T_CreateFdwStmt: case T_CreateForeignServerStmt: case T_CreateUserMappingStmt: case T_VacuumStmt:
        case T_RefreshMatViewStmt: case T_AlterPolicyStmt: case T_CreatePublicationStmt: case T_SecLabelStmt: case T_AlterFunctionStmt:
            return;
        default: fail("a statement that is not understood");
    }
}

void DdlBuilder::fail(const std::string& what, int location) {
    if (error_) return;
    std::size_t at = location >= 0 ? static_cast<std::size_t>(location) : begin_;
    if (location < 0) {
        const auto tokens = tokens_of(text_, begin_, end_);
        if (!tokens.empty()) at = tokens.front().begin;
    }
    const auto line = std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at, text_.size())), '\n') + 1;
    error_ = Error(errc::bad_ddl, "line " + std::to_string(line) + ", byte " + std::to_string(at) + ": " + what);
}

DdlBuilder::Name DdlBuilder::name_of(const RangeVar* relation) const {
    return {relation->schemaname == nullptr ? schema_ : relation->schemaname, text_of(relation->relname)};
}

DdlBuilder::Name DdlBuilder::name_of(const List* names) const {
    const auto parts = strings(names);
    if (parts.empty()) return {};
    return {parts.size() > 1 ? parts[parts.size() - 2] : schema_, parts.back()};
}

Relation* DdlBuilder::find(const Name& name) {
    for (Relation& relation : parts_.relations)
        if (relation.schema == name.schema && relation.name == name.name) return &relation;
    return nullptr;
}

Relation* DdlBuilder::known(const RangeVar* relation) {
    Relation* found = find(name_of(relation));
    if (found == nullptr) fail("relation \"" + text_of(relation->relname) + "\" is not known", relation->location);
    return found;
}

const Type* DdlBuilder::find_type(const std::string& schema, const std::string& name) const {
    for (const Type& type : parts_.types)
        if (type.name == name && (schema.empty() || type.schema == schema)) return &type;
    return nullptr;
}

Id DdlBuilder::find_function(const List* names) const {
    const auto parts = strings(names);
    for (const Function& function : parts_.functions)
        if (!parts.empty() && function.name == parts.back() && (parts.size() == 1 || function.schema == parts[parts.size() - 2])) return function.id;
    return 0;
}

catalogue::Context fixture_context() {
    catalogue::Context context;
    context.search_path = {"pg_catalog", "public"};
    context.database = "fixture";
    context.user = "fixture";
    return context;
}

Result<catalogue::SnapshotRef> catalogue_of_ddl(std::string_view ddl) {
    const auto refused = [&](const std::string& what, std::size_t at) {
        const auto line = std::count(ddl.begin(), ddl.begin() + static_cast<std::ptrdiff_t>(std::min(at, ddl.size())), '\n') + 1;
        return Error(errc::bad_ddl, "line " + std::to_string(line) + ", byte " + std::to_string(at) + ": " + what);
    };
    if (const auto nul = ddl.find('\0'); nul != std::string_view::npos) return refused("a NUL", nul);
    if (depth_bound(ddl) > max_ddl_depth) return refused("the text is nested too deep", 0);
    if (const Parsed parsed = parse(ddl); !parsed.error.empty()) return refused(parsed.error, parsed.error_at);
    const std::string owned(ddl);
    DdlBuilder builder(ddl);
    MemoryContext context = pg_query_enter_memory_context();
    PgQueryInternalParsetreeAndError result = pg_query_raw_parse(owned.c_str(), PG_QUERY_PARSE_DEFAULT);
    if (result.error != nullptr) pg_query_free_error(result.error);
    else each(result.tree, [&](const Node* raw) { builder.add(as<RawStmt>(raw)); });
    std::free(result.stderr_buffer);
    pg_query_exit_memory_context(context);
    if (builder.error()) return *builder.error();
    return builder.snapshot();
}

}  // namespace dbguard::sql::postgres
