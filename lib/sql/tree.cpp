#include "sql/tree.hpp"

#include <array>
#include <new>

namespace dbguard::sql::tree {
namespace {

/// Places of expressions that are no more.
struct Places {
#if __has_feature(address_sanitizer)
    static constexpr std::size_t most = 0;   // it is to see who uses one that is no more
#else
    static constexpr std::size_t most = 256;
#endif
    std::array<void*, most> free{};
    std::size_t count = 0;
    bool closed = false;   ///< the thread ends

    ~Places() {
        while (count > 0) ::operator delete(free[--count]);
        closed = true;
    }
};
thread_local constinit Places places{};

void names_in(const Expr* expr, std::vector<std::string>& out);

void names_in(const Exprs& exprs, std::vector<std::string>& out) {
    for (const ExprPtr& expr : exprs) names_in(expr.get(), out);
}

void names_in(const Expr* expr, std::vector<std::string>& out) {
    if (expr == nullptr) return;
    names_in(expr->args, out);
    names_in(expr->decides, out);
    if (expr->query != nullptr) relation_names(*expr->query, out);
}

void names_in(const From& from, std::vector<std::string>& out) {
    if (from.kind == From::Kind::relation && from.relation.parts.size() == 1) out.push_back(from.relation.last());
    if (from.query != nullptr) relation_names(*from.query, out);
    names_in(from.functions, out);
    if (from.left != nullptr) names_in(*from.left, out);
    if (from.right != nullptr) names_in(*from.right, out);
    names_in(from.on.get(), out);
}

void names_in(const std::vector<Cte>& with, std::vector<std::string>& out) {
    for (const Cte& cte : with) {
        if (cte.query != nullptr) relation_names(*cte.query, out);
        if (cte.write != nullptr) relation_names(*cte.write, out);
    }
}

void names_in(const std::vector<Assignment>& assignments, std::vector<std::string>& out) {
    for (const Assignment& assignment : assignments) names_in(assignment.value.get(), out);
}

void names_in(const std::vector<Item>& items, std::vector<std::string>& out) {
    for (const Item& item : items) names_in(item.expr.get(), out);
}

}  // namespace

void* Expr::operator new(std::size_t bytes) { return places.count == 0 ? ::operator new(bytes) : places.free[--places.count]; }

void Expr::operator delete(void* place) noexcept {
    if (places.count < Places::most && !places.closed) places.free[places.count++] = place;
    else ::operator delete(place);
}

ExprPtr make_expr(Expr::Kind kind, std::uint32_t at) {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->at = at;
    return expr;
}

void relation_names(const Query& query, std::vector<std::string>& out) {
    names_in(query.with, out);
    if (query.left != nullptr) relation_names(*query.left, out);
    if (query.right != nullptr) relation_names(*query.right, out);
    names_in(query.items, out);
    for (const From& from : query.from) names_in(from, out);
    for (const Expr* expr : {query.where.get(), query.having.get(), query.limit.get(), query.offset.get()}) names_in(expr, out);
    for (const auto* exprs : {&query.group_by, &query.order_by, &query.distinct_on, &query.windows}) names_in(*exprs, out);
    for (const auto& row : query.values) names_in(row, out);
}

void relation_names(const Write& write, std::vector<std::string>& out) {
    names_in(write.with, out);
    names_in(write.subscripts, out);
    if (write.source != nullptr) relation_names(*write.source, out);
    names_in(write.assignments, out);
    for (const From& from : write.from) names_in(from, out);
    names_in(write.where.get(), out);
    names_in(write.returning, out);
    names_in(write.conflict_assignments, out);
    names_in(write.conflict_where.get(), out);
    for (const Write::When& when : write.whens) {
        names_in(when.condition.get(), out);
        names_in(when.assignments, out);
        names_in(when.values, out);
    }
}

namespace {

using Each = std::function<void(const Expr&)>;

void visit(const Query& query, const Each& each);

void visit(const Exprs& exprs, const Each& each) {
    for (const ExprPtr& expr : exprs)
        if (expr != nullptr) tree::visit(*expr, each);
}

void visit(const From& from, const Each& each) {
    if (from.query != nullptr) visit(*from.query, each);
    visit(from.functions, each);
    if (from.left != nullptr) visit(*from.left, each);
    if (from.right != nullptr) visit(*from.right, each);
    if (from.on != nullptr) tree::visit(*from.on, each);
}

// A write in it is not looked into: none stands where a condition does.
void visit(const Query& query, const Each& each) {
    for (const Cte& cte : query.with)
        if (cte.query != nullptr) visit(*cte.query, each);
    if (query.left != nullptr) visit(*query.left, each);
    if (query.right != nullptr) visit(*query.right, each);
    for (const Item& item : query.items)
        if (item.expr != nullptr) tree::visit(*item.expr, each);
    for (const From& from : query.from) visit(from, each);
    for (const Expr* expr : {query.where.get(), query.having.get(), query.limit.get(), query.offset.get()})
        if (expr != nullptr) tree::visit(*expr, each);
    for (const auto* exprs : {&query.group_by, &query.order_by, &query.distinct_on, &query.windows}) visit(*exprs, each);
    for (const auto& row : query.values) visit(row, each);
}

}  // namespace

void visit(const Expr& expr, const std::function<void(const Expr&)>& each) {
    each(expr);
    visit(expr.args, each);
    visit(expr.decides, each);
    if (expr.query != nullptr) visit(*expr.query, each);
}

}  // namespace dbguard::sql::tree
