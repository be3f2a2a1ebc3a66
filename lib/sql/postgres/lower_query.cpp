// Queries and writes: FROM, WITH, the lists of a SELECT, what INSERT, UPDATE, DELETE and MERGE change.

#include "sql/postgres/lower.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using tree::ExprPtr;
using tree::Exprs;
using Kind = tree::Expr::Kind;

Exprs lower_list(const List* list) {
    Exprs out;
    out.reserve(static_cast<std::size_t>(list_length(list)));
    each(list, [&](const Node* node) { out.push_back(lower_expr(node)); });
    return out;
}

void lower_alias(tree::From& from, const Alias* alias) {
    if (alias == nullptr) return;
    from.alias = text_of(alias->aliasname);
    from.column_aliases = strings(alias->colnames);
}

void json_table_columns(tree::From& from, const List* columns) {
    each(columns, [&](const Node* node) {
        const auto* column = as<JsonTableColumn>(node);
        if (column->coltype == JTC_NESTED) {
            json_table_columns(from, column->columns);
        } else {
            from.defined_columns.push_back(text_of(column->name));
        }
        if (column->on_empty != nullptr && column->on_empty->expr != nullptr) from.functions.push_back(lower_expr(column->on_empty->expr));
        if (column->on_error != nullptr && column->on_error->expr != nullptr) from.functions.push_back(lower_expr(column->on_error->expr));
    });
}

tree::From lower_from(const Node* node) {
    tree::From from;
    switch (nodeTag(node)) {
        case T_RangeVar: {
            const auto* relation = as<RangeVar>(node);
            from.relation = lower_relation(relation);
            lower_alias(from, relation->alias);
            return from;
        }
        case T_RangeTableSample: {
            const auto* sample = as<RangeTableSample>(node);
            from = lower_from(sample->relation);
            // How many rows come depends on these, and code in them runs.
            each(sample->args, [&](const Node* arg) { from.functions.push_back(lower_expr(arg)); });
            if (sample->repeatable != nullptr) from.functions.push_back(lower_expr(sample->repeatable));
            return from;
        }
        case T_RangeSubselect: {
            const auto* select = as<RangeSubselect>(node);
            from.kind = tree::From::Kind::subquery;
            from.lateral = select->lateral;
            from.query = lower_query(select->subquery);
            lower_alias(from, select->alias);
            return from;
        }
        case T_RangeFunction: {
            const auto* function = as<RangeFunction>(node);
            from.kind = tree::From::Kind::functions;
            from.lateral = true;
            from.ordinality = function->ordinality;
            each(function->functions, [&](const Node* pair) {
                const auto* list = as<List>(pair);
                from.functions.push_back(lower_expr(static_cast<const Node*>(list_nth(list, 0))));
                auto& own = from.own_columns.emplace_back();
                if (list_length(list) > 1) each(static_cast<const List*>(list_nth(list, 1)), [&](const Node* column) { own.push_back(text_of(as<ColumnDef>(column)->colname)); });
            });
            each(function->coldeflist, [&](const Node* column) { from.defined_columns.push_back(text_of(as<ColumnDef>(column)->colname)); });
            lower_alias(from, function->alias);
            return from;
        }
        case T_RangeTableFunc: {
            const auto* table = as<RangeTableFunc>(node);
            from.kind = tree::From::Kind::opaque;
            from.lateral = true;
            for (const Node* part : {table->docexpr, table->rowexpr})
                if (part != nullptr) from.functions.push_back(lower_expr(part));
            each(table->namespaces, [&](const Node* item) { from.functions.push_back(lower_expr(item)); });
            each(table->columns, [&](const Node* item) {
                const auto* column = as<RangeTableFuncCol>(item);
                from.defined_columns.push_back(text_of(column->colname));
                for (const Node* part : {column->colexpr, column->coldefexpr})
                    if (part != nullptr) from.functions.push_back(lower_expr(part));
            });
            lower_alias(from, table->alias);
            if (from.alias.empty()) from.alias = "xmltable";
            return from;
        }
        case T_JsonTable: {
            const auto* table = as<JsonTable>(node);
            from.kind = tree::From::Kind::opaque;
            from.lateral = true;
            if (table->context_item != nullptr) from.functions.push_back(lower_expr(as<Node>(table->context_item)));
            each(table->passing, [&](const Node* item) { from.functions.push_back(lower_expr(item)); });
            json_table_columns(from, table->columns);
            lower_alias(from, table->alias);
            if (from.alias.empty()) from.alias = "json_table";
            return from;
        }
        case T_JoinExpr: {
            const auto* join = as<JoinExpr>(node);
            from.kind = tree::From::Kind::join;
            from.left = std::make_unique<tree::From>(lower_from(join->larg));
            from.right = std::make_unique<tree::From>(lower_from(join->rarg));
            from.natural = join->isNatural;
            from.keeps_left = join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL;
            from.keeps_right = join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL;
            from.using_columns = strings(join->usingClause);
            if (join->join_using_alias != nullptr) from.using_alias = text_of(join->join_using_alias->aliasname);
            if (join->quals != nullptr) from.on = lower_expr(join->quals);
            lower_alias(from, join->alias);
            return from;
        }
        default:
            from.kind = tree::From::Kind::opaque;
            from.functions.push_back(lower_expr(node));
            return from;
    }
}

std::vector<tree::Cte> lower_with(const WithClause* with, bool& recursive) {
    std::vector<tree::Cte> out;
    if (with == nullptr) return out;
    recursive = with->recursive;
    each(with->ctes, [&](const Node* node) {
        const auto* cte = as<CommonTableExpr>(node);
        tree::Cte lowered;
        lowered.name = text_of(cte->ctename);
        lowered.column_aliases = strings(cte->aliascolnames);
        if (IsA(cte->ctequery, SelectStmt)) lowered.query = lower_query(cte->ctequery);
        else lowered.write = lower_write(cte->ctequery);
        if (cte->search_clause != nullptr) lowered.added_columns.push_back({text_of(cte->search_clause->search_seq_column), strings(cte->search_clause->search_col_list)});
        if (cte->cycle_clause != nullptr) {
            lowered.cycle_columns = strings(cte->cycle_clause->cycle_col_list);
            lowered.added_columns.push_back({text_of(cte->cycle_clause->cycle_mark_column), lowered.cycle_columns});
            lowered.added_columns.push_back({text_of(cte->cycle_clause->cycle_path_column), lowered.cycle_columns});
        }
        out.push_back(std::move(lowered));
    });
    return out;
}

std::vector<tree::Item> lower_targets(const List* list) {
    std::vector<tree::Item> items;
    items.reserve(static_cast<std::size_t>(list_length(list)));
    each(list, [&](const Node* node) {
        const auto* target = as<ResTarget>(node);
        items.push_back({lower_expr(target->val), text_of(target->name)});
    });
    return items;
}

void add_subscripts(Exprs& out, const List* indirection) {
    each(indirection, [&](const Node* step) {
        if (!IsA(step, A_Indices)) return;
        for (const Node* bound : {as<A_Indices>(step)->lidx, as<A_Indices>(step)->uidx})
            if (bound != nullptr) out.push_back(lower_expr(bound));
    });
}

void add_target_subscripts(Exprs& out, const List* targets) {
    each(targets, [&](const Node* node) { add_subscripts(out, as<ResTarget>(node)->indirection); });
}

std::vector<tree::Assignment> lower_assignments(const List* list) {
    std::vector<tree::Assignment> out;
    each(list, [&](const Node* node) {
        const auto* target = as<ResTarget>(node);
        tree::Assignment assignment;
        assignment.column = text_of(target->name);
        assignment.whole = target->indirection == NIL;
        if (target->val != nullptr) assignment.value = lower_expr(target->val);
        if (assignment.value != nullptr && !assignment.whole) {
            // SET a[f(x)] = …: what finds the element is computed, too.
            ExprPtr place = tree::make_expr(Kind::combine, at(target->location));
            place->text = "assignment";
            place->args.push_back(std::move(assignment.value));
            add_subscripts(place->args, target->indirection);
            if (place->args.size() == 1) assignment.value = std::move(place->args[0]);
            else assignment.value = std::move(place);
        }
        out.push_back(std::move(assignment));
    });
    return out;
}

std::vector<std::string> target_names(const List* list) {
    std::vector<std::string> out;
    each(list, [&](const Node* node) { out.push_back(text_of(as<ResTarget>(node)->name)); });
    return out;
}

}  // namespace

tree::Name lower_relation(const RangeVar* relation) {
    tree::Name name;
    if (relation == nullptr) return name;
    if (relation->schemaname != nullptr) name.parts.emplace_back(relation->schemaname);
    name.parts.push_back(text_of(relation->relname));
    name.at = at(relation->location);
    return name;
}

tree::QueryPtr lower_query(const Node* node) {
    auto query = std::make_unique<tree::Query>();
    if (node == nullptr || !IsA(node, SelectStmt)) {
        query->items.push_back({tree::make_expr(Kind::opaque), ""});
        return query;
    }
    const auto* select = as<SelectStmt>(node);
    query->with = lower_with(select->withClause, query->recursive);
    query->order_by = lower_list(select->sortClause);
    if (select->limitCount != nullptr) query->limit = lower_expr(select->limitCount);
    if (select->limitOffset != nullptr) query->offset = lower_expr(select->limitOffset);
    query->locks_rows = select->lockingClause != NIL;
    if (select->op != SETOP_NONE) {
        query->combine = select->op == SETOP_UNION && select->all ? tree::Query::Combine::union_all : tree::Query::Combine::compare;
        query->widens = select->op == SETOP_UNION;
        query->left = lower_query(as<Node>(select->larg));
        query->right = lower_query(as<Node>(select->rarg));
        return query;
    }
    each(select->valuesLists, [&](const Node* row) { query->values.push_back(lower_list(as<List>(row))); });
    query->items = lower_targets(select->targetList);
    each(select->fromClause, [&](const Node* item) { query->from.push_back(lower_from(item)); });
    if (select->whereClause != nullptr) query->where = lower_expr(select->whereClause);
    if (select->havingClause != nullptr) query->having = lower_expr(select->havingClause);
    query->group_by = lower_list(select->groupClause);
    query->windows = lower_list(select->windowClause);
    if (select->distinctClause != NIL) {
        query->distinct = linitial(select->distinctClause) == nullptr;
        if (!query->distinct) query->distinct_on = lower_list(select->distinctClause);
    }
    if (select->intoClause != nullptr) {
        query->into = lower_relation(select->intoClause->rel);
        query->into_temporary = select->intoClause->rel->relpersistence == 't';
    }
    return query;
}

std::unique_ptr<tree::Write> lower_write(const Node* node) {
    auto write = std::make_unique<tree::Write>();
    switch (nodeTag(node)) {
        case T_InsertStmt: {
            const auto* insert = as<InsertStmt>(node);
            write->kind = tree::Write::Kind::insert;
            write->with = lower_with(insert->withClause, write->recursive);
            write->target = lower_relation(insert->relation);
            if (insert->relation->alias != nullptr) write->alias = text_of(insert->relation->alias->aliasname);
            write->columns = target_names(insert->cols);
            add_target_subscripts(write->subscripts, insert->cols);
            if (insert->selectStmt != nullptr) write->source = lower_query(insert->selectStmt);
            write->returning = lower_targets(insert->returningList);
            write->on_conflict_nothing = insert->onConflictClause != nullptr && insert->onConflictClause->action == ONCONFLICT_NOTHING;
            if (insert->onConflictClause != nullptr && insert->onConflictClause->action == ONCONFLICT_UPDATE) {
                write->on_conflict_update = true;
                write->conflict_assignments = lower_assignments(insert->onConflictClause->targetList);
                if (insert->onConflictClause->whereClause != nullptr) write->conflict_where = lower_expr(insert->onConflictClause->whereClause);
            }
            return write;
        }
        case T_UpdateStmt: {
            const auto* update = as<UpdateStmt>(node);
            write->kind = tree::Write::Kind::update;
            write->with = lower_with(update->withClause, write->recursive);
            write->target = lower_relation(update->relation);
            write->only = !update->relation->inh;
            if (update->relation->alias != nullptr) write->alias = text_of(update->relation->alias->aliasname);
            write->assignments = lower_assignments(update->targetList);
            each(update->fromClause, [&](const Node* item) { write->from.push_back(lower_from(item)); });
            if (update->whereClause != nullptr) write->where = lower_expr(update->whereClause);
            write->returning = lower_targets(update->returningList);
            return write;
        }
        case T_DeleteStmt: {
            const auto* remove = as<DeleteStmt>(node);
            write->kind = tree::Write::Kind::delete_;
            write->with = lower_with(remove->withClause, write->recursive);
            write->target = lower_relation(remove->relation);
            write->only = !remove->relation->inh;
            if (remove->relation->alias != nullptr) write->alias = text_of(remove->relation->alias->aliasname);
            each(remove->usingClause, [&](const Node* item) { write->from.push_back(lower_from(item)); });
            if (remove->whereClause != nullptr) write->where = lower_expr(remove->whereClause);
            write->returning = lower_targets(remove->returningList);
            return write;
        }
        case T_MergeStmt: {
            const auto* merge = as<MergeStmt>(node);
            write->kind = tree::Write::Kind::merge;
            write->with = lower_with(merge->withClause, write->recursive);
            write->target = lower_relation(merge->relation);
            write->only = !merge->relation->inh;
            if (merge->relation->alias != nullptr) write->alias = text_of(merge->relation->alias->aliasname);
            write->from.push_back(lower_from(merge->sourceRelation));
            write->where = lower_expr(merge->joinCondition);
            each(merge->mergeWhenClauses, [&](const Node* item) {
                const auto* clause = as<MergeWhenClause>(item);
                tree::Write::When when;
                if (clause->condition != nullptr) when.condition = lower_expr(clause->condition);
                when.by_source = clause->matchKind == MERGE_WHEN_NOT_MATCHED_BY_SOURCE;
                switch (clause->commandType) {
                    case CMD_INSERT: when.action = tree::Write::Kind::insert; break;
                    case CMD_UPDATE: when.action = tree::Write::Kind::update; break;
                    case CMD_DELETE: when.action = tree::Write::Kind::delete_; break;
                    default: when.nothing = true; break;
                }
                if (clause->commandType == CMD_UPDATE) when.assignments = lower_assignments(clause->targetList);
                if (clause->commandType == CMD_INSERT) {
                    when.columns = target_names(clause->targetList);
                    add_target_subscripts(write->subscripts, clause->targetList);
                }
                when.values = lower_list(clause->values);
                write->whens.push_back(std::move(when));
            });
            write->returning = lower_targets(merge->returningList);
            return write;
        }
        default:
            write->returning.push_back({tree::make_expr(Kind::opaque), ""});
            return write;
    }
}

}  // namespace dbguard::sql::postgres
