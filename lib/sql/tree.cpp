#include "sql/tree.hpp"

namespace dbguard::sql::tree {

ExprPtr make_expr(Expr::Kind kind, std::uint32_t at) {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->at = at;
    return expr;
}

}  // namespace dbguard::sql::tree
