// Whether a condition selects at all, tried on rows: it is computed for rows made of values that its columns can have, of those
// that it names and their neighbours. Where one such row fails it, it selects; where none does and all of it is understood, it
// holds for every row. A row that is made up stands for itself in a subquery over the same table (it is one of its rows), and
// meets its parent in one over the table that its foreign key refers to.

#include <algorithm>
#include <cmath>

#include "sql/analyzer.hpp"
#include "sql/sample.hpp"

namespace dbguard::sql {
namespace {

using namespace sample;
using tree::Expr;
using Kind = Expr::Kind;

constexpr std::size_t most_rows = 4000, most_parts = 400, most_steps = 400000;
constexpr const char* whole_row = "the row";

}  // namespace

class Samples {
  public:
    Samples(const Analyzer& analyzer, const Scope& scope) : analyzer_(analyzer), values_(analyzer.dialect_, analyzer.names_.snapshot) {
        for (const ScopeTable& table : scope.tables)
            if (table.is_target) target_ = &table;
    }

    bool hold(const tree::Write& write, const Expr& where) {
        if (target_ == nullptr || !target_->complete) return false;
        const catalogue::Relation* relation = analyzer_.resolve(write.target).relation;
        is_view_ = relation != nullptr && relation->kind == catalogue::RelationKind::view;
        withs_.push_back(&write.with);
        std::size_t parts = 0;
        std::set<std::string> used;
        const auto look = [&](const Expr& expr) {
            tree::visit(expr, [&](const Expr& part) {
                ++parts;
                if (part.kind == Kind::constant && !part.is_null && !part.text.empty() && part.name.parts.empty()) values_.note_constant(part.text);
                if (part.kind == Kind::column && !part.name.parts.empty()) used.insert(part.name.last());
                if (part.kind == Kind::star) used.insert("*");
            });
        };
        look(where);
        for (const tree::From& from : write.from) look_at(from, look);
        if (parts > most_parts) return false;
        for (const tree::Cte& cte : write.with)
            if (cte.query != nullptr) for (const tree::Item& item : cte.query->items) if (item.expr) look(*item.expr);
        const bool everything = used.contains("*");
        for (const ScopeColumn& column : target_->columns)
            if (everything || used.contains(column.name)) {
                // Two columns of a view may be one of its table.
                const auto& sources = column.value.sources;
                const Source* source = is_view_ && sources.size() == 1 && sources[0].flow == Flow::identity && sources[0].path.empty() ? &sources[0] : nullptr;
                const auto twin = std::find_if(columns_.begin(), columns_.end(), [&](const Column& other) { return source != nullptr && other.source != nullptr && other.source->column == source->column; });
                if (twin != columns_.end()) twin->also.push_back(column.name);
                else columns_.push_back({column.name, samples_of(column, false), samples_of(column, true), source, {}});
            }
        for (const char* name : {"ctid", "xmin", "xmax", "cmin", "cmax"})
            if (used.contains(name)) columns_.push_back({name, sample::Values::of_system_column(name), sample::Values::of_system_column(name), nullptr, {}});
        const auto rows = [&](bool few) {
            std::size_t out = 1;
            for (const Column& column : columns_) out = std::min(most_rows + 1, out * std::max<std::size_t>(1, (few ? column.few : column.cells).size()));
            return out;
        };
        bool few = false;
        if (rows(few) > most_rows) few = true;
        if (rows(few) > most_rows) return false;
        std::vector<std::size_t> at(columns_.size(), 0);
        bool some = false;
        while (true) {
            row_.clear();
            for (std::size_t i = 0; i < columns_.size(); ++i) {
                const Cell& cell = (few ? columns_[i].few : columns_[i].cells)[at[i]];
                row_.emplace_back(columns_[i].name, cell);
                for (const std::string& name : columns_[i].also) row_.emplace_back(name, cell);
            }
            Frame frame;
            bool bound = true;
            std::vector<const Expr*> conditions{&where};
            frame.rows.push_back(target_row());
            for (const tree::From& from : write.from) bound = bound && bind(from, nullptr, frame, conditions, 0);
            if (!bound) return false;
            for (const Expr* condition : conditions) {
                const Cell holds = met(*condition, &frame, 0);
                if (holds(Is::fails) || holds(Is::fixed)) continue;
                if (!holds(Is::truth) || !holds.flag) return false;
                some = true;
            }
            std::size_t i = 0;
            while (i < at.size() && ++at[i] == (few ? columns_[i].few : columns_[i].cells).size()) at[i++] = 0;
            if (i == at.size()) break;
        }
        return some;
    }

  private:
    struct Column {
        std::string name;
        std::vector<Cell> cells, few;
        const Source* source = nullptr;
        std::vector<std::string> also;   ///< other names of it
    };
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

    template <class Look>
    static void look_at(const tree::From& from, const Look& look) {
        if (from.on != nullptr) look(*from.on);
        for (const tree::ExprPtr& function : from.functions) look(*function);
        if (from.query != nullptr) {
            for (const tree::Item& item : from.query->items) look(*item.expr);
            if (from.query->where != nullptr) look(*from.query->where);
            for (const tree::From& inner : from.query->from) look_at(inner, look);
        }
        if (from.left != nullptr) look_at(*from.left, look);
        if (from.right != nullptr) look_at(*from.right, look);
    }

    // ---- the rows that are tried

    std::vector<Cell> samples_of(const ScopeColumn& column, bool few) const {
        // A view's column that comes from nowhere.
        if (is_view_ && column.value.sources.empty() && column.value.functions.empty() && !column.value.opaque) return {make(Is::fixed)};
        std::int32_t modifier = -1;
        if (target_->relation != nullptr)
            if (const catalogue::Column* own = target_->relation->column(column.name); own != nullptr) modifier = own->modifier;
        if (column.value.type == 0) return {make(Is::unknown)};
        std::vector<Cell> out = values_.of_type(column.value.type, modifier, column.name, few);
        if (!column.not_null) out.push_back(make(Is::null));
        return out;
    }

    Row target_row() const { return {target_->alias, row_, true}; }

    // ---- FROM

    const tree::Query* cte_of(const tree::Name& name) const {
        if (name.parts.size() != 1) return nullptr;
        for (auto list = withs_.rbegin(); list != withs_.rend(); ++list)
            for (const tree::Cte& cte : **list)
                if (cte.name == name.last()) return cte.query != nullptr && cte.column_aliases.empty() ? cte.query.get() : nullptr;
        return nullptr;
    }

    /// The row of it that stands for the one that is tried; `conditions`: what has to hold for it to come.
    bool bind(const tree::From& from, const Frame* outer, Frame& frame, std::vector<const Expr*>& conditions, int depth) {
        if (depth > 8) return false;
        switch (from.kind) {
            case tree::From::Kind::join: {
                if (from.natural || from.left == nullptr || from.right == nullptr || !from.alias.empty()) return false;
                if (!bind(*from.left, outer, frame, conditions, depth + 1)) return false;
                const std::size_t left = frame.rows.size();
                if (from.keeps_left) {
                    // Whatever stands at its right, it comes.
                    std::vector<const Expr*> nobody;
                    if (!bind(*from.right, outer, frame, nobody, depth + 1)) return false;
                    for (std::size_t i = left; i < frame.rows.size(); ++i) {
                        frame.rows[i].whole = false;
                        for (auto& [name, cell] : frame.rows[i].columns) cell = make(Is::unknown);
                    }
                    return true;
                }
                if (!bind(*from.right, outer, frame, conditions, depth + 1)) return false;
                for (const std::string& name : from.using_columns) {
                    const Cell *a = nullptr, *b = nullptr;
                    for (std::size_t i = 0; i < frame.rows.size(); ++i)
                        for (const auto& [column, cell] : frame.rows[i].columns)
                            if (column == name) (i < left ? a : b) = &cell;
                    if (a == nullptr || b == nullptr) return false;
                    const Cell same = compare("=", *a, *b);
                    if (!same(Is::truth) || !same.flag) return false;
                }
                if (from.on != nullptr) conditions.push_back(from.on.get());
                return true;
            }
            case tree::From::Kind::subquery: return from.query != nullptr && bind_query(*from.query, from, outer, frame, depth);
            case tree::From::Kind::functions: {
                frame.rows.push_back({from.alias, {}, false});
                if (from.alias.empty() && from.functions.size() == 1 && !from.functions[0]->name.parts.empty()) frame.rows.back().alias = from.functions[0]->name.last();
                for (const std::string& name : from.column_aliases) frame.rows.back().columns.emplace_back(name, make(Is::fixed));
                // generate_series(1, 5) g: the column goes by the table's name.
                frame.rows.back().columns.emplace_back(frame.rows.back().alias, make(Is::fixed));
                return std::all_of(from.functions.begin(), from.functions.end(), [&](const tree::ExprPtr& function) { return analyzer_.is_given(*function); });
            }
            case tree::From::Kind::relation: break;
            case tree::From::Kind::opaque: return false;
        }
        if (!from.functions.empty()) return false;   // TABLESAMPLE
        if (const tree::Query* cte = cte_of(from.relation); cte != nullptr) {
            tree::From named;
            named.alias = from.alias.empty() ? from.relation.last() : from.alias;
            named.column_aliases = from.column_aliases;
            return bind_query(*cte, named, outer, frame, depth);
        }
        const catalogue::Relation* relation = analyzer_.resolve(from.relation).relation;
        if (relation == nullptr) return false;
        Row row;
        row.alias = from.alias.empty() ? from.relation.last() : from.alias;
        const auto name_of = [&](std::size_t at, const std::string& name) { return at < from.column_aliases.size() ? from.column_aliases[at] : name; };
        const auto own = [&](const std::string& name) -> const Cell* {
            for (const auto& [column, cell] : row_)
                if (column == name) return &cell;
            return nullptr;
        };
        const catalogue::Relation* target = target_->relation;
        if (target != nullptr && (relation == target || is_above(*relation, *target))) {
            for (std::size_t i = 0; i < relation->columns.size(); ++i) {
                const Cell* cell = own(relation->columns[i].name);
                if (cell != nullptr) row.columns.emplace_back(name_of(i, relation->columns[i].name), *cell);
                else row.columns.emplace_back(name_of(i, relation->columns[i].name), make(Is::unknown));
            }
            row.whole = relation == target;
            if (const Cell* place = own("ctid"); place != nullptr) row.columns.emplace_back("ctid", *place);
            frame.rows.push_back(std::move(row));
            return true;
        }
        if (target != nullptr)
            for (const catalogue::Reference& key : relation->referenced_by) {
                if (key.table != target->id || key.columns.empty()) continue;
                bool there = true;
                for (std::size_t i = 0; i < relation->columns.size(); ++i) {
                    const catalogue::Column& column = relation->columns[i];
                    Cell cell = make(Is::unknown);
                    for (std::size_t k = 0; k < key.referenced.size() && k < key.columns.size(); ++k) {
                        if (key.referenced[k] != column.number) continue;
                        const catalogue::Column* refers = target->column(key.columns[k]);
                        const Cell* value = refers != nullptr ? own(refers->name) : nullptr;
                        if (value == nullptr || (*value)(Is::null)) there = false;
                        else cell = *value;
                    }
                    if (cell(Is::unknown) && column.not_null) {
                        cell = make(Is::thing);
                        cell.text = row.alias + "." + column.name;
                    }
                    row.columns.emplace_back(name_of(i, column.name), std::move(cell));
                }
                if (!there) break;
                frame.rows.push_back(std::move(row));
                return true;
            }
        // Another table: which of its rows come has nothing to do with the row that is tried, unless a condition says so.
        for (std::size_t i = 0; i < relation->columns.size(); ++i) row.columns.emplace_back(name_of(i, relation->columns[i].name), make(Is::fixed));
        frame.rows.push_back(std::move(row));
        return true;
    }

    bool is_above(const catalogue::Relation& relation, const catalogue::Relation& of, int depth = 0) const {
        if (depth > 8 || analyzer_.names_.snapshot == nullptr) return false;
        return std::any_of(of.parents.begin(), of.parents.end(), [&](catalogue::Id id) {
            const catalogue::Relation* parent = analyzer_.names_.snapshot->relation(id);
            return parent != nullptr && (parent == &relation || is_above(relation, *parent, depth + 1));
        });
    }

    /// A subquery in FROM: its row of the one that is tried.
    bool bind_query(const tree::Query& query, const tree::From& from, const Frame* outer, Frame& frame, int depth) {
        Row row;
        row.alias = from.alias;
        if (!query.values.empty()) {
            for (std::size_t i = 0; i < query.values[0].size(); ++i) row.columns.emplace_back(i < from.column_aliases.size() ? from.column_aliases[i] : "column" + std::to_string(i + 1), make(Is::fixed));
            if (query.values.size() != 1 || std::any_of(query.values[0].begin(), query.values[0].end(), [&](const tree::ExprPtr& value) { return !analyzer_.is_given(*value); })) return false;
            frame.rows.push_back(std::move(row));
            return true;
        }
        if (query.combine == tree::Query::Combine::union_all && query.left != nullptr) return !limited(query) && bind_query(*query.left, from, outer, frame, depth + 1);
        Frame inner;
        inner.outer = outer;
        if (!comes(query, inner, depth + 1)) return false;
        std::vector<std::pair<std::string, Cell>> given;
        if (!outputs(query, inner, given, depth + 1)) return false;
        for (std::size_t i = 0; i < given.size(); ++i) row.columns.emplace_back(i < from.column_aliases.size() ? from.column_aliases[i] : given[i].first, given[i].second);
        frame.rows.push_back(std::move(row));
        return true;
    }

    static bool nothing(const tree::ExprPtr& bound, std::string_view text) { return bound == nullptr || (bound->kind == Kind::constant && (bound->is_null || bound->text == text)); }
    static bool limited(const tree::Query& query) { return !nothing(query.limit, "none") || !nothing(query.offset, "0"); }

    static bool aggregates(const tree::Query& query) {
        return std::any_of(query.items.begin(), query.items.end(), [](const tree::Item& item) {
            const Expr* expr = without_casts(item.expr.get());
            return expr->kind == Kind::call && !expr->windowed && !expr->name.parts.empty() && one_of(expr->name.last(), {"count", "min", "max", "array_agg", "sum", "avg", "bool_and", "bool_or", "every", "string_agg", "json_agg", "jsonb_agg"});
        });
    }

    /// Whether a query gives a row for the one that is tried. Fills in what its columns are then.
    bool comes(const tree::Query& query, Frame& frame, int depth) {
        if (depth > 8 || query.combine != tree::Query::Combine::none || query.having != nullptr || limited(query) || !query.distinct_on.empty()) return false;
        withs_.push_back(&query.with);
        std::vector<const Expr*> conditions;
        bool out = true;
        for (const tree::From& from : query.from) out = out && bind(from, frame.outer, frame, conditions, depth + 1);
        if (query.where != nullptr) conditions.push_back(query.where.get());
        for (const Expr* condition : conditions) {
            if (!out) break;
            const Cell holds = met(*condition, &frame, depth + 1);
            out = holds(Is::fixed) || holds(Is::fails) || (holds(Is::truth) && holds.flag);
        }
        withs_.pop_back();
        return out;
    }

    bool outputs(const tree::Query& query, const Frame& frame, std::vector<std::pair<std::string, Cell>>& out, int depth) {
        for (const tree::Item& item : query.items) {
            if (item.expr->kind == Kind::star) {
                for (const Row& row : frame.rows)
                    if (item.expr->name.parts.empty() || item.expr->name.last() == row.alias)
                        for (const auto& column : row.columns)
                            if (column.first != "ctid") out.push_back(column);
                continue;
            }
            out.emplace_back(Analyzer::output_name(*item.expr, item.alias), aggregates(query) ? aggregated(*item.expr, frame, depth) : item.expr->windowed ? make(Is::unknown) : eval(*item.expr, &frame, depth));
        }
        return true;
    }

    /// count(*) of rows that the tried one is among: 1 or more.
    Cell aggregated(const Expr& expr, const Frame& frame, int depth) {
        if (expr.kind != Kind::call || expr.name.parts.empty() || !expr.decides.empty()) return make(Is::unknown);
        const std::string& name = expr.name.last();
        const Cell value = expr.args.size() == 1 ? eval(*expr.args[0], &frame, depth) : make(Is::truth);
        if (value(Is::unknown) || value(Is::null) || value(Is::fails)) return make(Is::unknown);
        if (name == "count") {
            Cell out = of_number(1, 8);
            out.flag = true;
            return out;
        }
        if (name == "max" && value(Is::number)) {
            Cell out = value;
            out.flag = true;
            return out;
        }
        if (name == "array_agg") {
            Cell out = make(Is::list);
            out.flag = true;
            out.items.push_back(value);
            return out;
        }
        return make(Is::unknown);
    }

    // ---- values

    const Cell* find(const Expr& expr, const Frame* frame) const {
        const std::string& name = expr.name.last();
        for (const Frame* at = frame; at != nullptr; at = at->outer) {
            for (const Row& row : at->rows) {
                if (expr.name.parts.size() > 1 && row.alias != expr.name.parts[expr.name.parts.size() - 2]) continue;
                for (const auto& [column, cell] : row.columns)
                    if (column == name) return &cell;
            }
            if (expr.name.parts.size() > 1 && std::any_of(at->rows.begin(), at->rows.end(), [&](const Row& row) { return row.alias == expr.name.parts[expr.name.parts.size() - 2]; })) return nullptr;
        }
        return nullptr;
    }

    /// A whole row: the same wherever it is the one that is tried.
    Cell eval_row(const std::string& alias, const Frame* frame) const {
        for (const Frame* at = frame; at != nullptr; at = at->outer)
            for (const Row& row : at->rows)
                if (row.alias == alias && row.whole) {
                    Cell out = make(Is::thing);
                    out.text = whole_row;
                    return out;
                }
        return make(Is::unknown);
    }

    /// Made of what is the same for every row.
    bool is_fixed(const Expr& expr, const Frame* frame) const {
        bool out = true;
        tree::visit(expr, [&](const Expr& part) {
            if (part.query != nullptr || part.kind == Kind::star || part.kind == Kind::opaque || part.kind == Kind::call) out = false;
            if (part.kind != Kind::column || !out) return;
            const Cell* cell = part.name.parts.empty() ? nullptr : find(part, frame);
            out = cell != nullptr && (*cell)(Is::fixed);
        });
        return out;
    }

    /// A condition.
    Cell met(const Expr& expr, const Frame* frame, int depth) {
        const Cell out = eval(expr, frame, depth);
        return out(Is::unknown) && is_fixed(expr, frame) ? make(Is::fixed) : out;
    }

    Cell eval(const Expr& expr, const Frame* frame, int depth) {
        if (depth > 60 || ++steps_ > most_steps) return make(Is::unknown);
        const auto arg = [&](std::size_t i) { return eval(*expr.args[i], frame, depth + 1); };
        switch (expr.kind) {
            case Kind::column: {
                if (expr.name.parts.empty()) return make(Is::unknown);
                if (expr.name.last() == "tableoid") return make(Is::fixed);
                if (const Cell* cell = find(expr, frame); cell != nullptr) return *cell;
                return expr.name.parts.size() == 1 ? eval_row(expr.name.last(), frame) : make(Is::unknown);
            }
            case Kind::constant: {
                if (expr.is_null) return make(Is::null);
                if (!expr.name.parts.empty()) return make(Is::fixed);
                if (expr.quoted) return of_text(expr.text, true);
                if (expr.text == "true" || expr.text == "false") return of_truth(expr.text == "true");
                const auto number = number_in(expr.text);
                if (!number) return make(Is::unknown);
                return *number == std::trunc(*number) && expr.text.find_first_of(".eE") == std::string::npos ? of_number(*number, std::fabs(*number) < 2147483648.0L ? 4 : std::fabs(*number) < 9e18L ? 8 : 0) : of_number(*number);
            }
            case Kind::parameter: return analyzer_.parameters_.empty() ? make(Is::fixed) : make(Is::unknown);
            case Kind::logic_and:
            case Kind::logic_or: {
                // A side that is the same for every row is no matter: all of them come, or none.
                const bool both = expr.kind == Kind::logic_and;
                bool null = false, unknown = false, fixed = false, some = false;
                for (const tree::ExprPtr& side : expr.args) {
                    const Cell cell = met(*side, frame, depth + 1);
                    if (cell(Is::fails)) return cell;
                    if (cell(Is::truth) && cell.flag != both) return cell;
                    null = null || cell(Is::null);
                    fixed = fixed || cell(Is::fixed);
                    some = some || cell(Is::truth);
                    unknown = unknown || (!cell(Is::truth) && !cell(Is::null) && !cell(Is::fixed));
                }
                if (!both && fixed) return make(Is::fixed);
                if (unknown) return make(Is::unknown);
                if (null) return make(Is::null);
                return fixed && !some ? make(Is::fixed) : of_truth(both);
            }
            case Kind::star: return expr.name.parts.size() == 1 ? eval_row(expr.name.last(), frame) : make(Is::unknown);
            case Kind::member: {
                // (ROW(x)).f1
                const Cell row = arg(0);
                const bool field = row(Is::list) && !row.flag && expr.text.size() == 2 && expr.text[0] == 'f' && expr.text[1] >= '1' && expr.text[1] <= '9';
                const std::size_t at = field ? static_cast<std::size_t>(expr.text[1] - '1') : 0;
                return field && at < row.items.size() ? row.items[at] : make(Is::unknown);
            }
            case Kind::logic_not: return flip(arg(0));
            case Kind::is_null: {
                const Cell cell = arg(0);
                if (cell(Is::list) && expr.args[0]->kind == Kind::row) {
                    const bool all = std::all_of(cell.items.begin(), cell.items.end(), [&](const Cell& item) { return item(Is::null) != expr.negated; });
                    const bool told = std::none_of(cell.items.begin(), cell.items.end(), [](const Cell& item) { return item(Is::unknown) || item(Is::fixed) || item(Is::fails); });
                    return told ? of_truth(all) : make(Is::unknown);
                }
                if (cell(Is::unknown) || cell(Is::fixed) || cell(Is::fails)) return cell;
                if (cell(Is::thing) && cell.text == whole_row) return make(Is::unknown);
                return of_truth(cell(Is::null) != expr.negated);
            }
            case Kind::is_truth: {
                Cell cell = arg(0);
                if (cell(Is::text)) cell = as_the_other(cell, of_truth(true));
                if (!cell(Is::truth) && !cell(Is::null)) return cell;
                const bool turned = expr.text.starts_with("not ");
                const std::string wanted = turned ? expr.text.substr(4) : expr.text;
                const bool is = wanted == "unknown" ? cell(Is::null) : cell(Is::truth) && cell.flag == (wanted == "true");
                return of_truth(is != turned);
            }
            case Kind::operation: {
                std::vector<Cell> sides;
                for (std::size_t i = 0; i < expr.args.size(); ++i) sides.push_back(arg(i));
                return sample::operation(expr, sides);
            }
            case Kind::cast: return sample::cast(expr, arg(0));
            case Kind::row:
            case Kind::array: {
                Cell out = make(Is::list);
                for (std::size_t i = 0; i < expr.args.size(); ++i) out.items.push_back(arg(i));
                return out;
            }
            case Kind::subscript: {
                const Cell list = arg(0), at = expr.args.size() == 2 ? arg(1) : Cell{};
                if (!list(Is::list) || list.flag || !at(Is::number)) return make(Is::unknown);
                const auto place = static_cast<std::size_t>(at.number);
                return at.number >= 1 && place <= list.items.size() ? list.items[place - 1] : make(Is::null);
            }
            case Kind::in_list: {
                const Cell wanted = arg(0);
                Cell list = make(Is::list);
                for (std::size_t i = 1; i < expr.args.size(); ++i) list.items.push_back(arg(i));
                const Cell found = any(expr.negated ? "=" : expr.name.last(), wanted, list);
                return expr.negated ? flip(found) : found;
            }
            case Kind::comparison_any: {
                const Cell wanted = arg(0);
                Cell list = arg(1);
                if (list(Is::text)) list = as_the_other(list, make(Is::list));
                if (!list(Is::list)) return list(Is::null) ? list : make(Is::unknown);
                return expr.number == 1 ? all(expr.name.last(), wanted, list) : any(expr.name.last(), wanted, list);
            }
            case Kind::combine: return combined(expr, frame, depth);
            case Kind::call: return called(expr, frame, depth);
            case Kind::exists:
            case Kind::scalar_query:
            case Kind::array_query:
            case Kind::any_query: return queried(expr, frame, depth);
            default: return make(Is::unknown);
        }
    }

    Cell combined(const Expr& expr, const Frame* frame, int depth) {
        const auto arg = [&](std::size_t i) { return eval(*expr.args[i], frame, depth + 1); };
        if (expr.text == "collate" && !expr.args.empty()) return arg(0);
        if (expr.text == "coalesce") {
            for (std::size_t i = 0; i < expr.args.size(); ++i)
                if (Cell cell = arg(i); !cell(Is::null)) return cell;
            return make(Is::null);
        }
        if (expr.text == "nullif" && expr.args.size() == 2) {
            const Cell a = arg(0), same = compare("=", a, arg(1));
            if (same(Is::null)) return a;
            return !same(Is::truth) ? same : same.flag ? make(Is::null) : a;
        }
        if (expr.text == "greatest" && !expr.name.parts.empty()) {
            Cell out = make(Is::null);
            for (std::size_t i = 0; i < expr.args.size(); ++i) {
                const Cell next = arg(i);
                if (next(Is::null)) continue;
                const Cell above = out(Is::null) ? of_truth(true) : compare(expr.name.last() == "least" ? "<" : ">", next, out);
                if (!above(Is::truth)) return above;
                if (above.flag) out = next;
            }
            return out;
        }
        if (expr.text == "case" && !expr.args.empty()) {
            const Cell test = expr.number == 0 ? of_truth(true) : arg(0);
            for (std::size_t i = expr.number == 0 ? 0 : 1; i + 1 < expr.args.size(); i += 2) {
                const Cell when = expr.number == 0 ? arg(i) : compare("=", test, arg(i));
                if (when(Is::null)) continue;
                if (!when(Is::truth)) return when(Is::fixed) ? make(Is::unknown) : when;
                if (when.flag) return arg(i + 1);
            }
            return arg(expr.args.size() - 1);
        }
        return make(Is::unknown);
    }

    Cell called(const Expr& expr, const Frame* frame, int depth) {
        if (expr.name.parts.empty() || expr.variadic || expr.windowed || expr.star_argument || expr.distinct || !expr.decides.empty()) return make(Is::unknown);
        const std::string& name = expr.name.last();
        if (expr.name.parts.size() > 1 && expr.name.parts[expr.name.parts.size() - 2] != analyzer_.dialect_.system_schema) return make(Is::unknown);
        if (expr.name.parts.size() == 1 && analyzer_.names_.snapshot != nullptr)
            for (const catalogue::Function* function : analyzer_.names_.snapshot->functions(name))
                if (function->extension.empty()) return make(Is::unknown);   // citext's overloads do the same
        if (name == "enum_range" && expr.args.size() == 1 && expr.args[0]->kind == Kind::cast && !expr.args[0]->name.parts.empty() && analyzer_.names_.snapshot != nullptr) {
            const auto types = analyzer_.names_.snapshot->types(expr.args[0]->name.last());
            if (types.size() != 1) return make(Is::unknown);
            Cell out = make(Is::list);
            for (const std::string& label : types[0]->labels) out.items.push_back(of_text(label, true));
            return out;
        }
        if (one_of(name, {"now", "current_setting", "pg_backend_pid", "version", "txid_current", "transaction_timestamp", "statement_timestamp", "current_schema", "current_database", "pi", "to_regclass", "pg_my_temp_schema", "clock_timestamp", "pg_typeof"})) return make(Is::fixed);
        std::vector<Cell> args;
        for (const tree::ExprPtr& arg : expr.args) args.push_back(eval(*arg, frame, depth + 1));
        return sample::call(name, args);
    }

    Cell queried(const Expr& expr, const Frame* frame, int depth) {
        const tree::Query* query = expr.query.get();
        if (query == nullptr || depth > 8) return make(Is::unknown);
        const bool every = expr.kind == Kind::any_query && expr.number == 1;
        const bool limit_0 = query->limit != nullptr && query->limit->kind == Kind::constant && query->limit->text == "0";
        if (limit_0 || (query->combine == tree::Query::Combine::none && query->where != nullptr && query->group_by.empty() && !aggregates(*query) && analyzer_.truth(*query->where, Scope{}) == Analyzer::Truth::never)) {
            if (expr.kind == Kind::exists) return of_truth(false);
            if (expr.kind == Kind::any_query) return of_truth(every);
            return expr.kind == Kind::scalar_query ? make(Is::null) : make(Is::list);
        }
        if (query->combine != tree::Query::Combine::none) {
            if (expr.kind != Kind::any_query && expr.kind != Kind::exists) return make(Is::unknown);
            if (every || limited(*query) || query->left == nullptr || query->right == nullptr) return make(Is::unknown);
            const Cell left = side_of(expr, *query->left, frame, depth);
            const bool widens = query->combine == tree::Query::Combine::union_all || query->widens;
            if ((left(Is::truth) && left.flag) == widens) return widens ? left : make(Is::unknown);
            return side_of(expr, *query->right, frame, depth);
        }
        return side_of(expr, *query, frame, depth);
    }

    Cell side_of(const Expr& expr, const tree::Query& query, const Frame* frame, int depth) {
        if (query.combine != tree::Query::Combine::none) return make(Is::unknown);
        const bool every = expr.kind == Kind::any_query && expr.number == 1;
        const std::string way = expr.name.parts.empty() ? "=" : expr.name.last();
        Frame inner;
        inner.outer = frame;
        if (!query.values.empty()) {
            if (expr.kind == Kind::exists) return of_truth(true);
            if (expr.kind != Kind::any_query) return make(Is::unknown);
            Cell list = make(Is::list);
            for (const auto& row : query.values) {
                Cell item = make(Is::list);
                for (const tree::ExprPtr& value : row) item.items.push_back(eval(*value, frame, depth + 1));
                list.items.push_back(row.size() == 1 ? item.items[0] : item);
            }
            const Cell wanted = eval(*expr.args[0], frame, depth + 1);
            return every ? all(way, wanted, list) : any(way, wanted, list);
        }
        if (expr.kind == Kind::exists && aggregates(query) && query.group_by.empty() && query.having == nullptr && !limited(query)) return of_truth(true);
        if (every || !comes(query, inner, depth + 1)) return make(Is::unknown);
        if (expr.kind == Kind::exists) return of_truth(true);
        if (aggregates(query) && !query.group_by.empty()) return make(Is::unknown);
        withs_.push_back(&query.with);
        std::vector<std::pair<std::string, Cell>> given;
        const bool told = outputs(query, inner, given, depth + 1);
        withs_.pop_back();
        if (!told || given.empty()) return make(Is::unknown);
        Cell item = given[0].second;
        if (given.size() > 1) {
            item = make(Is::list);
            for (auto& [name, cell] : given) item.items.push_back(std::move(cell));
        }
        if (expr.kind == Kind::scalar_query) return item;   // there is no other row, or the statement fails
        Cell list = make(Is::list);
        list.flag = !query.from.empty();
        list.items.push_back(std::move(item));
        if (expr.kind == Kind::array_query) return list;
        return any(way, eval(*expr.args[0], frame, depth + 1), list);
    }

    const Analyzer& analyzer_;
    const ScopeTable* target_ = nullptr;
    bool is_view_ = false;
    std::size_t steps_ = 0;
    std::vector<Column> columns_;
    std::vector<std::pair<std::string, Cell>> row_;
    sample::Values values_;
    std::vector<const std::vector<tree::Cte>*> withs_;
};

/// `id = 5 AND …`: a column against what is given, where it decides nothing what that is, or compared() has looked at it.
bool Analyzer::picks(const Expr& expr, const Scope& scope) const {
    if (expr.kind == Kind::logic_and) return std::any_of(expr.args.begin(), expr.args.end(), [&](const tree::ExprPtr& arg) { return picks(*arg, scope); });
    const auto given = [](const Expr& side) {
        const Expr* inside = without_casts(&side);
        return inside->kind == Kind::constant || inside->kind == Kind::parameter;
    };
    // Of a boolean and of an enumeration few values are all.
    const auto many = [&](const Expr& side) {
        const ScopeTable* of = nullptr;
        const ScopeColumn* column = column_of(side, scope, &of);
        if (column == nullptr || !of->is_target) return false;
        const catalogue::Type* type = names_.snapshot == nullptr ? nullptr : names_.snapshot->type(column->value.type);
        return dialect_.built_in(column->value.type, -1).kind != BuiltIn::Kind::boolean && (type == nullptr || type->kind != catalogue::TypeKind::enumeration);
    };
    const auto is_whole = [&](const Expr& side) {
        const ScopeColumn* column = column_of(side, scope);
        return column != nullptr && dialect_.built_in(column->value.type, -1).kind == BuiltIn::Kind::whole;
    };
    if (expr.kind == Kind::in_list && !expr.negated) return many(*expr.args[0]) && std::all_of(expr.args.begin() + 1, expr.args.end(), [&](const tree::ExprPtr& arg) { return given(*arg); });
    if (expr.kind != Kind::operation || expr.args.size() != 2 || !expr.text.empty() || expr.name.parts.empty()) return false;
    const Expr &a = *expr.args[0], &b = *expr.args[1];
    for (const bool turned : {false, true}) {
        const Expr &side = turned ? b : a, &other = turned ? a : b;
        if (!given(other) || !many(side)) continue;
        if (expr.name.last() == "=") return true;
        if (is_whole(side) && other.kind == Kind::constant && !other.quoted && other.text.find_first_of(".eE") == std::string::npos) return true;
    }
    return false;
}

/// Whether a condition holds for every row that could be, as far as trying tells.
bool Analyzer::holds_for_samples(const tree::Write& write, const Scope& scope) const {
    if (write.where == nullptr || write.where->kind == Kind::current_of || picks(*write.where, scope)) return false;
    Samples samples(*this, scope);
    literals_matter_ = true;
    return samples.hold(write, *write.where);
}

}  // namespace dbguard::sql
