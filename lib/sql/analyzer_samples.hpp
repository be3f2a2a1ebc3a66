#pragma once

// Whether a condition selects at all, tried on rows: it is computed for rows made of values that its columns can have, of those
// that it names and their neighbours. Where one such row fails it, it selects; where none does and all of it is understood, it
// holds for every row. A row that is made up stands for itself in a subquery over the same table (it is one of its rows), and
// meets its parent in one over the table that its foreign key refers to.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sql/analyzer.hpp"
#include "sql/sample.hpp"

namespace dbguard::sql {

class Samples {
    using Expr = tree::Expr;
    using Cell = sample::Cell;

  public:
    Samples(const Analyzer& analyzer, const Scope& scope) : analyzer_(analyzer), values_(analyzer.dialect_, analyzer.names_.snapshot) {
        for (const ScopeTable& table : scope.tables)
            if (table.is_target) target_ = &table;
    }

    /// Whether the condition of this UPDATE or DELETE holds for every row, as far as trying tells.
    bool hold(const tree::Write& write, const Expr& where);

  private:
    using Look = std::function<void(const Expr&)>;

    struct Column {
        std::string name;
        std::vector<Cell> cells, few;
        const Source* source = nullptr;
        std::vector<std::string> also;   ///< other names of it
    };

    void look_behind(const ScopeColumn& column, std::set<std::string>& used);
    void look_through(const catalogue::Relation& view, std::set<std::string>& used, const Look& look);
    bool shown();

    /// A row of something in FROM.
    struct Row {
        std::string alias;
        std::vector<std::pair<std::string, Cell>> columns;
        bool whole = false;  ///< it is the row that is tried
    };
    struct Frame {
        std::vector<Row> rows;
        const Frame* outer = nullptr;
    };

    static void look_at(const tree::From& from, const Look& look);
    // ---- the rows that are tried

    std::vector<Cell> samples_of(const ScopeColumn& column, bool few) const;
    Row target_row() const { return {target_->alias, row_, true}; }

    // ---- FROM

    const tree::Cte* cte_of(const tree::Name& name) const;
    bool bind(const tree::From& from, const Frame* outer, Frame& frame, std::vector<const Expr*>& conditions, int depth);
    bool is_above(const catalogue::Relation& relation, const catalogue::Relation& of, int depth = 0) const;
    bool bind_query(const tree::Query& query, const tree::From& from, const Frame* outer, Frame& frame, int depth);
    static bool nothing(const tree::ExprPtr& bound, std::string_view text) { return bound == nullptr || (bound->kind == Expr::Kind::constant && (bound->is_null || bound->text == text)); }
    static bool limited(const tree::Query& query) { return !nothing(query.limit, "none") || !nothing(query.offset, "0"); }

    static bool aggregates(const tree::Query& query);
    static bool is_aggregate(const Expr& expr);
    static bool is_unnest(const Expr& expr) { return expr.kind == Expr::Kind::call && expr.args.size() == 1 && !expr.name.parts.empty() && expr.name.last() == "unnest"; }

    const tree::Query* read(const std::string& text);
    bool comes(const tree::Query& query, Frame& frame, int depth);
    bool outputs(const tree::Query& query, const Frame& frame, std::vector<std::pair<std::string, Cell>>& out, int depth);
    Cell of_group(const tree::Query& query, const Expr& expr, const Frame& frame, int depth);
    bool same_in_group(const Expr& expr) const;
    Cell aggregated(const Expr& expr, const Frame& frame, int depth);

    // ---- values

    const Cell* find(const Expr& expr, const Frame* frame) const;
    Cell eval_row(const std::string& alias, const Frame* frame) const;
    bool is_fixed(const Expr& expr, const Frame* frame) const;
    Cell met(const Expr& expr, const Frame* frame, int depth);
    Cell eval(const Expr& expr, const Frame* frame, int depth);
    Cell combined(const Expr& expr, const Frame* frame, int depth);
    static const Row* row_named(const Expr& expr, const Frame* frame);
    Cell by_operator(const Expr& expr, const std::vector<Cell>& sides, int depth);
    Cell inside(const catalogue::Function& function, const std::vector<Cell>& args, const std::vector<const Row*>& rows, int depth);
    Cell called(const Expr& expr, const Frame* frame, int depth);
    Cell queried(const Expr& expr, const Frame* frame, int depth);
    Cell side_of(const Expr& expr, const tree::Query& query, const Frame* frame, int depth);
    Cell object_of(const Row& row) const;

    const Analyzer& analyzer_;
    const ScopeTable* target_ = nullptr;
    bool is_view_ = false;
    std::size_t steps_ = 0;
    std::vector<Column> columns_;
    std::vector<std::pair<std::string, Cell>> row_;
    sample::Values values_;
    std::vector<const std::vector<tree::Cte>*> withs_;
    tree::Exprs limits_;                         ///< what all rows meet
    std::map<std::string, const Expr*> generated_;
    std::map<std::string, Cell> made_;                          ///< a view's columns that are constants
    const tree::Query* view_ = nullptr;                         ///< of the view that is written, where its condition matters
    std::vector<std::pair<std::string, std::string>> seen_as_;  ///< a column of the table, and what the view calls it
    std::vector<std::unique_ptr<ParsedText>> texts_;            ///< definitions and bodies that were looked into
    std::map<catalogue::Id, const tree::Query*> bodies_;        ///< of functions
    std::vector<const std::vector<Cell>*> given_;               ///< arguments of the functions that are being looked into
    std::vector<const tree::Query*> grouped_;                   ///< whose groups of rows the tried one stands for
    bool of_many_ = false;                                      ///< aggregates are of the last of these
};

}  // namespace dbguard::sql
