// Tables and their indexes: made and changed.

#include <algorithm>

#include "sql/postgres/table_changes.hpp"
#include "sql/postgres/lower_parts.hpp"

namespace dbguard::sql::postgres {

using tree::ObjectKind;
using tree::Statement;
using tree::UtilityEffect;
using Class = EffectClass;

void add_constraint(Statement& out, const Constraint* constraint) {
    if (constraint->contype == CONSTR_CHECK && constraint->raw_expr != nullptr) out.checks.push_back(lower_expr(constraint->raw_expr));
    else add_expression(out, constraint->raw_expr);
    if (constraint->where_clause != nullptr) out.checks.push_back(lower_expr(constraint->where_clause));
    each(constraint->exclusions, [&](const Node* pair) {
        if (IsA(pair, List) && list_length(as<List>(pair)) > 0 && IsA(linitial(as<List>(pair)), IndexElem)) add_probe(out, as<IndexElem>(linitial(as<List>(pair)))->expr);
    });
    if (constraint->pktable != nullptr) {
        // A foreign key reads the other table, and locks its writers out for a moment: only its existence matters here.
        effect(out, Class::read_table, ObjectKind::relation).objects.push_back(lower_relation(constraint->pktable));
    }
}

namespace {

void add_column(Statement& out, const ColumnDef* column) {
    out.defined_columns.push_back(text_of(column->colname));
    add_expression(out, column->raw_default);
    each(column->constraints, [&](const Node* constraint) { add_constraint(out, as<Constraint>(constraint)); });
}

// Computed when the partition is made.
void add_bounds(Statement& out, const PartitionBoundSpec* bound) {
    if (bound == nullptr) return;
    for (const List* values : {bound->listdatums, bound->lowerdatums, bound->upperdatums})
        each(values, [&](const Node* value) { add_expression(out, value); });
}

tree::ExprPtr column_expr(std::string name) {
    tree::ExprPtr column = tree::make_expr(tree::Expr::Kind::column);
    column->name.parts.push_back(std::move(name));
    return column;
}

}  // namespace

void create_table(Statement& out, const CreateStmt* create) {
    UtilityEffect& made = effect(out, Class::ddl_create, ObjectKind::new_relation);
    made.objects.push_back(lower_relation(create->relation));
    made.temporary = create->relation->relpersistence == 't';
    made.if_not_exists = create->if_not_exists;
    out.changes_catalogue = true;
    each(create->tableElts, [&](const Node* element) {
        if (IsA(element, ColumnDef)) {
            add_column(out, as<ColumnDef>(element));
        } else if (IsA(element, Constraint)) {
            add_constraint(out, as<Constraint>(element));
        } else if (IsA(element, TableLikeClause)) {
            effect(out, Class::read_catalog, ObjectKind::relation).objects.push_back(lower_relation(as<TableLikeClause>(element)->relation));
            out.defined_columns.emplace_back("*");  // columns that only the catalogue knows
        }
    });
    // A foreign key to the table itself reads nothing that is there.
    const auto own = lower_relation(create->relation).parts;
    std::erase_if(out.effects, [&](const UtilityEffect& read) { return read.effect_class == Class::read_table && !read.objects.empty() && read.objects[0].parts == own; });
    out.only_names = create->partbound == nullptr;
    add_bounds(out, create->partbound);
    if (create->partspec != nullptr)
        each(create->partspec->partParams, [&](const Node* element) {
            // Of columns that it has from its parent: their values decide where a row goes, or that it can go nowhere.
            if (const auto* key = as<PartitionElem>(element); create->inhRelations == nullptr) add_expression(out, key->expr);
            else if (key->expr != nullptr) out.checks.push_back(lower_expr(as<Node>(key->expr)));
            else out.checks.push_back(column_expr(text_of(key->name)));
        });
    if (create->inhRelations != nullptr)
        each(create->tableElts, [&](const Node* element) {
            // So does what a foreign key refers to, and what excludes other rows.
            if (!IsA(element, Constraint)) return;
            for (const std::string& name : strings(as<Constraint>(element)->fk_attrs)) out.checks.push_back(column_expr(name));
            each(as<Constraint>(element)->exclusions, [&](const Node* pair) {
                if (!IsA(pair, List) || list_length(as<List>(pair)) == 0 || !IsA(linitial(as<List>(pair)), IndexElem)) return;
                if (const char* name = as<IndexElem>(linitial(as<List>(pair)))->name; name != nullptr) out.checks.push_back(column_expr(name));
            });
        });
    each(create->inhRelations, [&](const Node* parent) {
        // A partition or child changes what its parent shows.
        change(out, Class::ddl_create, ObjectKind::relation, lower_relation(as<RangeVar>(parent)));
        out.defined_columns.emplace_back("*");
    });
}

void create_table_as(Statement& out, const CreateTableAsStmt* stmt) {
    UtilityEffect& made = effect(out, Class::ddl_create, ObjectKind::new_relation);
    made.objects.push_back(lower_relation(stmt->into->rel));
    made.temporary = stmt->into->rel->relpersistence == 't';
    made.if_not_exists = stmt->if_not_exists;
    out.inner.push_back(inner(stmt->query));
    out.executes_inner = !stmt->into->skipData;
    out.stores_into = lower_relation(stmt->into->rel);
    out.stores_values = true;
    out.keeps_query = stmt->objtype == OBJECT_MATVIEW;
    out.stored_columns = strings(stmt->into->colNames);
    out.changes_catalogue = true;
}

void alter_table(Statement& out, const AlterTableStmt* alter) {
    const tree::Name name = lower_relation(alter->relation);
    UtilityEffect change_effect;
    change_effect.effect_class = Class::ddl_alter;
    change_effect.kind = ObjectKind::relation;
    change_effect.objects.push_back(name);
    change_effect.only_existing = alter->missing_ok;
    change_effect.names_index = alter->objtype == OBJECT_INDEX;
    change_effect.only = !alter->relation->inh;
    change_effect.rewrites_table = false;
    bool grants = false;
    out.only_names = true;
    change_effect.keeps_names = true;
    each(alter->cmds, [&](const Node* node) {
        const auto* command = as<AlterTableCmd>(node);
        out.only_names = out.only_names && changes_names_only(*command);
        change_effect.keeps_names = change_effect.keeps_names && keeps_names(*command);
        change_effect.lock = std::max(change_effect.lock, lock_of(*command));
        note_rewrite(*command, change_effect);
        switch (command->subtype) {
            case AT_AddColumn: {
                const auto* column = as<ColumnDef>(command->def);
                add_column(out, column);
                break;
            }
            case AT_AlterColumnType: {
                const auto* column = as<ColumnDef>(command->def);
                if (column->raw_default != nullptr) out.rewritten.push_back({text_of(command->name), true, lower_expr(column->raw_default)});
                break;
            }
            case AT_AttachPartition:
                add_bounds(out, as<PartitionCmd>(command->def)->bound);
                change_effect.objects.push_back(lower_relation(as<PartitionCmd>(command->def)->name));
                break;
            case AT_DropColumn:
                change_effect.takes_away = true;
                change_effect.cascade = change_effect.cascade || command->behavior == DROP_CASCADE;
                break;
            case AT_DropConstraint: change_effect.cascade = change_effect.cascade || command->behavior == DROP_CASCADE; break;
            // The other table changes as well.
            case AT_DetachPartition:
                change_effect.objects.push_back(lower_relation(as<PartitionCmd>(command->def)->name));
                out.moved.push_back({tree::Moved::Kind::parent, change_effect.objects.back(), {}, {}});
                break;
            case AT_AddInherit: case AT_DropInherit:
                change_effect.objects.push_back(lower_relation(as<RangeVar>(command->def)));
                if (command->subtype == AT_DropInherit) out.moved.push_back({tree::Moved::Kind::parent, name, {}, {}});
                break;
            case AT_DropExpression: out.moved.push_back({tree::Moved::Kind::expression, name, text_of(command->name), {}}); break;
            case AT_SetLogged: case AT_SetUnLogged: case AT_SetAccessMethod: case AT_SetTableSpace: case AT_SetExpression:
                if (command->subtype == AT_SetExpression) add_expression(out, command->def);
                break;
            case AT_AddConstraint:
                add_constraint(out, as<Constraint>(command->def));
                break;
            case AT_ColumnDefault:
                add_expression(out, command->def);
                break;
            case AT_ChangeOwner: case AT_EnableRowSecurity: case AT_DisableRowSecurity: case AT_ForceRowSecurity: case AT_NoForceRowSecurity:
                grants = true;
                break;
            case AT_SetStatistics: case AT_ValidateConstraint:
                break;
            default:
                break;
        }
    });
    out.effects.push_back(change_effect);
    if (grants) effect(out, Class::dcl, ObjectKind::relation).objects.push_back(name);
    out.changes_catalogue = true;
}

void create_index(Statement& out, const IndexStmt* index) {
    UtilityEffect& made = effect(out, Class::ddl_create_index, ObjectKind::relation);
    made.objects.push_back(lower_relation(index->relation));
    made.lock = index->concurrent ? Lock::none : Lock::blocks_writes;
    made.if_not_exists = index->if_not_exists;
    each(index->indexParams, [&](const Node* param) { add_probe(out, as<IndexElem>(param)->expr); });
    if (index->whereClause != nullptr) out.checks.push_back(lower_expr(index->whereClause));
    out.changes_catalogue = true;
}

}  // namespace dbguard::sql::postgres
