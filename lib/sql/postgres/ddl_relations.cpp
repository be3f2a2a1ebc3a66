#include "sql/postgres/ddl_builder.hpp"

#include <algorithm>
#include <utility>

#include "base/quoting.hpp"
#include "catalogue/postgres.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/postgres/ddl_text.hpp"
#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using catalogue::Column;
using catalogue::Relation;
using catalogue::RelationKind;
using catalogue::Type;
using catalogue::TypeKind;

Column& append_column(Relation& relation, std::string name) {
    Column column;
    column.number = static_cast<std::int16_t>(relation.columns.size() + 1);
    column.name = std::move(name);
    relation.columns.push_back(std::move(column));
    return relation.columns.back();
}

Column* column(Relation& relation, const std::string& name) {
    for (Column& column : relation.columns)
        if (column.name == name) return &column;
    return nullptr;
}

void copy_columns(Relation& to, const Relation& from) {
    for (const Column& above : from.columns) {
        if (to.column(above.name) != nullptr) continue;
        Column& below = append_column(to, above.name);
        const auto number = below.number;
        below = above;
        below.number = number;
        below.tags.clear();   // a comment belongs to the column it was made on
    }
}

std::string quoted(const std::string& name) { return in_quotes(name, '"'); }

}  // namespace

void DdlBuilder::not_null(Relation& relation, const List* names) {
    for (const std::string& name : strings(names))
        if (Column* found = column(relation, name); found != nullptr) found->not_null = true;
}

void DdlBuilder::add_column(Relation& relation, const ColumnDef* definition) {
    const std::string name = text_of(definition->colname);
    Column* known = column(relation, name);   // merged with a parent's
    Column& added = known != nullptr ? *known : append_column(relation, name);
    if (definition->typeName != nullptr) {
        added.type = type_id(definition->typeName);
        added.modifier = modifier(definition->typeName);
        const auto parts = strings(definition->typeName->names);
        if (parts.size() == 1 && (parts[0] == "serial" || parts[0] == "bigserial" || parts[0] == "smallserial" || parts[0].starts_with("serial"))) {
            added.not_null = true;
            sequences_.push_back({relation.schema, relation.name + "_" + name + "_seq"});
        }
    }
    if (definition->is_not_null) added.not_null = true;
    if (definition->collClause != nullptr) added.collated = true;
    each(definition->constraints, [&](const Node* node) {
        const auto* constraint = as<Constraint>(node);
        if (constraint->contype == CONSTR_PRIMARY) primary_[relation.id] = {name};
        if (constraint->contype == CONSTR_ATTR_DEFERRABLE || constraint->contype == CONSTR_ATTR_DEFERRED) loose_.insert(relation.id);
        if (constraint->contype == CONSTR_FOREIGN) refers(relation, constraint, {name});
        if (constraint->contype == CONSTR_CHECK) check_of(relation, constraint);
        if (constraint->contype == CONSTR_NOTNULL || constraint->contype == CONSTR_PRIMARY || constraint->contype == CONSTR_IDENTITY) added.not_null = true;
        if (constraint->contype == CONSTR_IDENTITY) sequences_.push_back({relation.schema, relation.name + "_" + name + "_seq"});
        if (constraint->contype == CONSTR_GENERATED) {
            added.generated = true;
            added.default_text = "(" + bracketed(text_, static_cast<std::size_t>(std::max(0, constraint->location)), end_) + ")";
        }
    });
}

Relation DdlBuilder::begin_relation(const Name& name, RelationKind kind, bool temporary) {
    Relation relation;
    relation.id = next_id();
    relation.schema = name.schema;
    relation.name = name.name;
    relation.kind = kind;
    if (temporary) fail("a temporary relation belongs to one session, not to a schema");
    return relation;
}

/// A relation is a type as well: its row.
void DdlBuilder::end_relation(Relation relation) {
    if (relation.kind != RelationKind::sequence && relation.kind != RelationKind::composite) add_type({relation.schema, relation.name}, TypeKind::composite, 0, relation.id);
    if (relation.kind == RelationKind::composite) parts_.types[composite_at_].relation = relation.id;
    parts_.relations.push_back(std::move(relation));
    make_sequences();
}

/// Those that the columns just added have.
void DdlBuilder::make_sequences() {
    for (const Name& sequence : std::exchange(sequences_, {}))
        if (find(sequence) == nullptr) parts_.relations.push_back(begin_relation(sequence, RelationKind::sequence));
}

bool DdlBuilder::exists(const Name& name, bool if_not_exists, int location) {
    if (find(name) == nullptr) return false;
    if (!if_not_exists) fail("relation \"" + name.name + "\" is there already", location);
    return true;
}

void DdlBuilder::constraint_of(Relation& relation, const Constraint* constraint) {
    if (constraint->contype == CONSTR_PRIMARY) {
        not_null(relation, constraint->keys);
        primary_[relation.id] = strings(constraint->keys);
        if (constraint->deferrable) loose_.insert(relation.id);
    }
    if (constraint->contype == CONSTR_FOREIGN) refers(relation, constraint, strings(constraint->fk_attrs));
    if (constraint->contype == CONSTR_CHECK) check_of(relation, constraint);
}

void DdlBuilder::check_of(Relation& relation, const Constraint* constraint) {
    if (constraint->is_no_inherit || constraint->skip_validation) return;
    relation.checks.push_back("(" + bracketed(text_, static_cast<std::size_t>(std::max(0, constraint->location)), end_) + ")");
}

/// As the server prints it.
std::string DdlBuilder::bound_of(const PartitionBoundSpec* bound) const {
    if (bound->is_default) return "DEFAULT";
    const auto tokens = tokens_of(text_, static_cast<std::size_t>(std::max(0, bound->location)), end_);
    const auto behind = [&](const char* word) {
        const auto found = std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) { return token.depth == 0 && token.word == word; });
        return found == tokens.end() ? std::string() : "(" + bracketed(text_, found->begin, end_) + ")";
    };
    if (bound->strategy == PARTITION_STRATEGY_LIST) return "FOR VALUES IN " + behind("in");
    return bound->strategy == PARTITION_STRATEGY_RANGE ? "FOR VALUES FROM " + behind("from") + " TO " + behind("to") : "";
}

void DdlBuilder::refers(Relation& relation, const Constraint* constraint, const std::vector<std::string>& names) {
    const Name name = name_of(constraint->pktable);
    Relation* to = name.schema == relation.schema && name.name == relation.name ? &relation : find(name);
    if (to == nullptr) return;
    auto referenced = strings(constraint->pk_attrs);
    if (referenced.empty()) referenced = primary_[to->id];
    catalogue::Reference key;
    key.table = relation.id;
    if (constraint->fk_del_action != '\0') key.on_delete = constraint->fk_del_action;
    if (constraint->fk_upd_action != '\0') key.on_update = constraint->fk_upd_action;
    for (const std::string& one : names)
        if (const Column* found = column(relation, one); found != nullptr) key.columns.push_back(found->number);
    for (const std::string& one : referenced)
        if (const Column* found = column(*to, one); found != nullptr) key.referenced.push_back(found->number);
    to->referenced_by.push_back(std::move(key));
}

void DdlBuilder::create_table(const CreateStmt* create, RelationKind kind) {
    const Name name = name_of(create->relation);
    if (exists(name, create->if_not_exists, create->relation->location)) return;
    if (create->partspec != nullptr) kind = RelationKind::partitioned_table;
    Relation relation = begin_relation(name, kind, create->relation->relpersistence == 't');
    each(create->inhRelations, [&](const Node* parent) {
        if (const Relation* above = known(as<RangeVar>(parent)); above != nullptr) {
            relation.parents.push_back(above->id);
            relation.checks.insert(relation.checks.end(), above->checks.begin(), above->checks.end());
            copy_columns(relation, *above);
        }
    });
    if (create->ofTypename != nullptr) {
        const auto parts = strings(create->ofTypename->names);
        const Type* type = parts.empty() ? nullptr : find_type("", parts.back());
        for (const Relation& row : parts_.relations)
            if (type != nullptr && row.id == type->relation) copy_columns(relation, row);
    }
    each(create->tableElts, [&](const Node* element) {
        if (IsA(element, ColumnDef)) add_column(relation, as<ColumnDef>(element));
        else if (IsA(element, TableLikeClause)) {
            if (const Relation* like = known(as<TableLikeClause>(element)->relation); like != nullptr) copy_columns(relation, *like);
        }
    });
    each(create->tableElts, [&](const Node* element) {
        if (IsA(element, Constraint)) constraint_of(relation, as<Constraint>(element));
    });
    if (create->partbound != nullptr) relation.partition_bound = bound_of(create->partbound);
    if (create->partspec != nullptr) {
        const char* strategy = create->partspec->strategy == PARTITION_STRATEGY_LIST ? "LIST (" : create->partspec->strategy == PARTITION_STRATEGY_RANGE ? "RANGE (" : "HASH (";
        relation.partition_key = strategy + bracketed(text_, static_cast<std::size_t>(std::max(0, create->partspec->location)), end_) + ")";
    }
    end_relation(std::move(relation));
}

void DdlBuilder::create_query(const RangeVar* target, const List* aliases, RelationKind kind, bool if_not_exists, bool replace, bool recursive) {
    const Name name = name_of(target);
    if (replace && find(name) != nullptr) std::erase_if(parts_.relations, [&](const Relation& one) { return one.schema == name.schema && one.name == name.name; });
    if (exists(name, if_not_exists, target->location)) return;
    Relation relation = begin_relation(name, kind, target->relpersistence == 't');
    std::string text = query_text(text_, begin_, end_);
    auto names = strings(aliases);
    if (recursive) {
        // CREATE RECURSIVE VIEW v (a) AS q: WITH RECURSIVE v (a) AS (q) SELECT a FROM v (PostgreSQL manual, CREATE VIEW).
        std::string columns;
        for (const std::string& column : names) columns += (columns.empty() ? "" : ", ") + quoted(column);
        text = "WITH RECURSIVE " + quoted(name.name) + " (" + columns + ") AS (" + text + ") SELECT " + columns + " FROM " + quoted(name.name);
    }
    const auto here = snapshot();
    const auto context = fixture_context();
    const Analysis analysis = analyze_text(text, {here.get(), &context});
    if (!analysis.unparsed.empty() || analysis.statements.size() != 1 || !analysis.statements[0].outputs_exact) {
        fail("the query of \"" + name.name + "\" is not understood" + (analysis.unparsed.empty() ? "" : ": " + analysis.unparsed), target->location);
        return;
    }
    const auto& outputs = analysis.statements[0].outputs;
    for (std::size_t i = 0; i < std::max(names.size(), outputs.size()); ++i) append_column(relation, i < names.size() ? names[i] : outputs[i].name);
    if (kind != RelationKind::table) relation.definition = text;
    end_relation(std::move(relation));
}

void DdlBuilder::alter_table(const AlterTableStmt* alter) {
    Relation* relation = find(name_of(alter->relation));
    if (relation == nullptr) {
        // ALTER INDEX, ALTER TYPE of what is not kept here
        if (alter->objtype != OBJECT_INDEX && !alter->missing_ok) fail("relation \"" + text_of(alter->relation->relname) + "\" is not known", alter->relation->location);
        return;
    }
    each(alter->cmds, [&](const Node* node) {
        const auto* command = as<AlterTableCmd>(node);
        Column* found = command->name == nullptr ? nullptr : column(*relation, command->name);
        switch (command->subtype) {
            case AT_AddColumn:
                if (relation->column(text_of(as<ColumnDef>(command->def)->colname)) == nullptr) add_column(*relation, as<ColumnDef>(command->def));
                break;
            case AT_DropColumn:
                // The numbers of the others stay, as the server has it.
                std::erase_if(relation->columns, [&](const Column& one) { return one.name == command->name; });
                break;
            case AT_SetNotNull: if (found != nullptr) found->not_null = true; break;
            case AT_DropNotNull: if (found != nullptr) found->not_null = false; break;
            case AT_AlterColumnType:
                if (found != nullptr) found->type = type_id(as<ColumnDef>(command->def)->typeName);
                break;
            case AT_AddIdentity: if (found != nullptr) found->not_null = true; break;
            case AT_DropConstraint: loose_.insert(relation->id); break;
            case AT_AddConstraint: constraint_of(*relation, as<Constraint>(command->def)); break;
            case AT_AttachPartition:
                if (Relation* part = known(as<PartitionCmd>(command->def)->name); part != nullptr) part->parents.push_back(relation->id);
                break;
            case AT_AddInherit:
                if (const Relation* above = known(as<RangeVar>(command->def)); above != nullptr) relation->parents.push_back(above->id);
                break;
            case AT_DropExpression: case AT_SetExpression: case AT_DetachPartition: case AT_DropInherit: case AT_AddOf: case AT_DropOf:
                fail("this ALTER TABLE is not understood");
                break;
            default: break;   // owners, storage, statistics, triggers on and off, row security, replica identity
        }
    });
    make_sequences();
}

void DdlBuilder::comment(const CommentStmt* comment) {
    if (comment->objtype != OBJECT_COLUMN) return;
    auto parts = strings(as<List>(comment->object));
    if (parts.size() < 2) return;
    const std::string name = parts.back();
    parts.pop_back();
    Relation* relation = find({parts.size() > 1 ? parts[parts.size() - 2] : schema_, parts.back()});
    Column* found = relation == nullptr ? nullptr : column(*relation, name);
    if (found == nullptr) return fail("column \"" + parts.back() + "." + name + "\" is not known");
    found->tags = catalogue::postgres::tags_of_comment(text_of(comment->comment));
}

void DdlBuilder::drop(const DropStmt* drop) {
    if (drop->removeType != OBJECT_TABLE && drop->removeType != OBJECT_VIEW && drop->removeType != OBJECT_MATVIEW && drop->removeType != OBJECT_SEQUENCE) {
        if (!drop->missing_ok) fail("this DROP is not understood");
        return;
    }
    each(drop->objects, [&](const Node* object) {
        const Name name = name_of(as<List>(object));
        if (find(name) == nullptr && !drop->missing_ok) fail("relation \"" + name.name + "\" is not known");
        std::erase_if(parts_.relations, [&](const Relation& one) { return one.schema == name.schema && one.name == name.name; });
    });
}

}  // namespace dbguard::sql::postgres
