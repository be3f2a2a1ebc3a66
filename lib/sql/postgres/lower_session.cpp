// What a session says of itself and its data: SET, transactions, COPY, EXPLAIN, VACUUM.

#include "sql/postgres/lower_parts.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {

using tree::ObjectKind;
using tree::Statement;
using tree::UtilityEffect;
using Class = EffectClass;

void set_variable(Statement& out, const VariableSetStmt* set) {
    out.kind = StatementKind::set;
    out.changes_settings = true;
    const std::string name = lower_case(text_of(set->name));
    if (set->kind == VAR_SET_MULTI) {
        // SET TRANSACTION …, SET SESSION CHARACTERISTICS …, SET TRANSACTION SNAPSHOT …
        each(set->args, [&](const Node* node) {
            if (!IsA(node, DefElem)) {
                effect(out, Class::tx);
                return;
            }
            const std::string what = text_of(as<DefElem>(node)->defname);
            effect(out, Class::session_set).setting = (name == "session characteristics" ? "default_" : "") + what;
        });
        if (out.effects.empty()) effect(out, Class::tx);
        return;
    }
    if (set->kind == VAR_RESET_ALL) {
        effect(out, Class::session_reset);
        return;
    }
    if (name == "role" || name == "session_authorization") {
        effect(out, Class::session_role).setting = name;
        return;
    }
    UtilityEffect& changed = effect(out, set->kind == VAR_RESET ? Class::session_reset : Class::session_set);
    changed.setting = name;
    std::string value;
    each(set->args, [&](const Node* arg) {
        if (!value.empty()) value += ", ";
        if (IsA(arg, A_Const)) {
            const auto* constant = as<A_Const>(arg);
            if (nodeTag(&constant->val) == T_String) value += text_of(constant->val.sval.sval);
            else if (nodeTag(&constant->val) == T_Integer) value += std::to_string(constant->val.ival.ival);
            else if (nodeTag(&constant->val) == T_Boolean) value += constant->val.boolval.boolval ? "on" : "off";
        } else if (IsA(arg, TypeCast)) {
            value += "?";
        }
    });
    changed.detail = value;
}

void copy(Statement& out, const CopyStmt* stmt) {
    const bool to_file = stmt->filename != nullptr || stmt->is_program;
    if (to_file) {
        effect(out, Class::server).detail = stmt->is_program ? "COPY runs a program on the server" : "COPY uses a file of the server";
    }
    if (stmt->is_from) {
        if (!to_file) out.kind = StatementKind::copy_in;
        effect(out, Class::bulk_import, ObjectKind::relation).objects.push_back(lower_relation(stmt->relation));
        add_expression(out, stmt->whereClause);
        out.stores_into = lower_relation(stmt->relation);
        return;
    }
    if (!to_file) out.kind = StatementKind::copy_out;
    out.returns_rows = true;
    if (stmt->query != nullptr) {
        effect(out, Class::bulk_export);
        out.inner.push_back(inner(stmt->query));
        out.executes_inner = true;
    } else {
        effect(out, Class::bulk_export, ObjectKind::relation).objects.push_back(lower_relation(stmt->relation));
        // COPY t (a, b) TO is SELECT a, b FROM ONLY t.
        auto query = std::make_unique<tree::Query>();
        tree::From from;
        from.relation = lower_relation(stmt->relation);
        query->from.push_back(std::move(from));
        if (stmt->attlist == NIL) {
            query->items.push_back({tree::make_expr(tree::Expr::Kind::star), ""});
        }
        for (const std::string& column : strings(stmt->attlist)) {
            tree::ExprPtr expr = tree::make_expr(tree::Expr::Kind::column);
            expr->name.parts.push_back(column);
            query->items.push_back({std::move(expr), ""});
        }
        auto source = std::make_unique<Statement>();
        source->query = std::move(query);
        out.inner.push_back(std::move(source));
        out.executes_inner = true;
    }
}

void explain(Statement& out, const ExplainStmt* stmt) {
    out.kind = StatementKind::explain;
    out.returns_rows = true;
    effect(out, Class::read_explain);
    out.inner.push_back(inner(stmt->query));
    out.executes_inner = is_on(stmt->options, "analyze");
}

void transaction(Statement& out, const TransactionStmt* stmt) {
    effect(out, Class::tx);
    switch (stmt->kind) {
        case TRANS_STMT_BEGIN: case TRANS_STMT_START: out.kind = StatementKind::begin; break;
        case TRANS_STMT_COMMIT: out.kind = StatementKind::commit; break;
        case TRANS_STMT_ROLLBACK: out.kind = StatementKind::rollback; break;
        case TRANS_STMT_SAVEPOINT: out.kind = StatementKind::savepoint; break;
        case TRANS_STMT_RELEASE: out.kind = StatementKind::release; break;
        case TRANS_STMT_ROLLBACK_TO: out.kind = StatementKind::rollback_to; break;
        case TRANS_STMT_PREPARE: out.kind = StatementKind::prepare_transaction; break;
        case TRANS_STMT_COMMIT_PREPARED: case TRANS_STMT_ROLLBACK_PREPARED:
            out.kind = StatementKind::other;
            out.changes_catalogue = true;
            break;
    }
    out.name = text_of(stmt->savepoint_name);
    // BEGIN ISOLATION LEVEL …, READ ONLY: the transaction's own, part of tx.
}

void vacuum(Statement& out, const VacuumStmt* stmt) {
    UtilityEffect& done = effect(out, Class::maintenance, ObjectKind::relation);
    done.detail = stmt->is_vacuumcmd ? "VACUUM" : "ANALYZE";
    if (stmt->is_vacuumcmd && is_on(stmt->options, "full")) {
        done.lock = Lock::blocks_reads;
        done.rewrites_table = true;
    } else {
        done.rewrites_table = false;
    }
    each(stmt->rels, [&](const Node* relation) { done.objects.push_back(lower_relation(as<VacuumRelation>(relation)->relation)); });
}

}  // namespace dbguard::sql::postgres
