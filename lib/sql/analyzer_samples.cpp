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
                if (part.kind == Kind::constant && part.quoted) used.insert(part.text);   // row_to_json(t) ->> 'id'
                if (part.kind == Kind::star) used.insert("*");
            });
        };
        look(where);
        for (const tree::From& from : write.from) look_at(from, look);
        if (relation != nullptr && is_view_) look_through(*relation, used, look);
        if (relation != nullptr && !is_view_) {
            for (const ScopeColumn& column : target_->columns)
                if (used.contains("*") || used.contains(column.name)) look_behind(column, used);
            // A row that a constraint keeps out is none.
            limits_ = analyzer_.conditions_of(*relation, used);
            for (const tree::ExprPtr& limit : limits_) look(*limit);
        }
        if (parts > most_parts) return false;
        for (const tree::Cte& cte : write.with)
            if (cte.query != nullptr) for (const tree::Item& item : cte.query->items) if (item.expr) look(*item.expr);
        const bool everything = used.contains("*");
        for (const ScopeColumn& column : target_->columns)
            if ((everything || used.contains(column.name)) && !made_.contains(column.name) && !generated_.contains(column.name)) {
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
            for (const auto& [name, cell] : made_) row_.emplace_back(name, cell);
            for (const auto& [name, expr] : generated_) {
                Frame own;
                own.rows.push_back(target_row());
                row_.emplace_back(name, eval(*expr, &own, 0));
            }
            Frame frame;
            bool bound = true;
            std::vector<const Expr*> conditions{&where};
            frame.rows.push_back(target_row());
            for (const tree::From& from : write.from) bound = bound && bind(from, nullptr, frame, conditions, 0);
            if (!bound) return false;
            const bool possible = shown() && std::none_of(limits_.begin(), limits_.end(), [&](const tree::ExprPtr& limit) {
                const Cell kept = eval(*limit, &frame, 0);
                return kept(Is::truth) && !kept.flag;
            });
            for (const Expr* condition : conditions) {
                if (!possible) break;
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
    /// A generated column is what its expression gives, not anything that its type can be.
    void look_behind(const ScopeColumn& column, std::set<std::string>& used) {
        const catalogue::Column* own = target_->relation == nullptr ? nullptr : target_->relation->column(column.name);
        if (own == nullptr || !own->generated || own->default_text.empty()) return;
        const tree::Query* query = read("SELECT " + own->default_text);
        if (query == nullptr || query->items.size() != 1) return;
        std::set<std::string> needs;
        bool known = true;
        tree::visit(*query->items[0].expr, [&](const Expr& part) {
            known = known && part.query == nullptr && part.kind != Kind::star;
            if (part.kind == Kind::column && !part.name.parts.empty()) needs.insert(part.name.last());
        });
        if (!known) return;
        used.insert(needs.begin(), needs.end());
        generated_.emplace(column.name, query->items[0].expr.get());
    }

    /// A view's own condition keeps rows out as a constraint does, and what it shows that is no column is the same for all.
    template <class Look>
    void look_through(const catalogue::Relation& view, std::set<std::string>& used, const Look& look) {
        const tree::Query* query = read(view.definition);
        if (query == nullptr || query->combine != tree::Query::Combine::none || query->items.size() != view.columns.size()) return;
        for (std::size_t i = 0; i < query->items.size(); ++i) {
            const Expr& item = *query->items[i].expr;
            if (item.kind == Kind::column && !item.name.parts.empty()) {
                seen_as_.emplace_back(item.name.last(), view.columns[i].name);
                continue;
            }
            const Cell cell = without_casts(&item)->kind == Kind::constant ? eval(item, nullptr, 0) : make(Is::unknown);
            if (!cell(Is::unknown) && !cell(Is::fixed)) made_.emplace(view.columns[i].name, cell);
        }
        if (query->where == nullptr || query->from.size() != 1 || query->from[0].kind != tree::From::Kind::relation) return;
        bool about = false;
        std::set<std::string> needs;
        tree::visit(*query->where, [&](const Expr& part) {
            if (part.kind != Kind::column || part.name.parts.empty()) return;
            for (const auto& [inside, outside] : seen_as_) {
                if (inside != part.name.last()) continue;
                about = about || used.contains(outside);
                needs.insert(outside);
            }
        });
        if (!about) return;
        look(*query->where);
        used.insert(needs.begin(), needs.end());
        view_ = query;
    }

    /// Whether the view that is written shows the row.
    bool shown() {
        if (view_ == nullptr) return true;
        Frame inside;
        inside.rows.push_back({view_->from[0].alias.empty() ? view_->from[0].relation.last() : view_->from[0].alias, {}, false});
        for (const auto& [own, name] : seen_as_)
            for (const auto& [column, cell] : row_)
                if (column == name) inside.rows[0].columns.emplace_back(own, cell);
        const Cell kept = eval(*view_->where, &inside, 0);
        return !((kept(Is::truth) && !kept.flag) || kept(Is::null));
    }

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

    const tree::Cte* cte_of(const tree::Name& name) const {
        if (name.parts.size() != 1) return nullptr;
        for (auto list = withs_.rbegin(); list != withs_.rend(); ++list)
            for (const tree::Cte& cte : **list)
                if (cte.name == name.last()) return cte.query != nullptr ? &cte : nullptr;
        return nullptr;
    }

    /// The row of it that stands for the one that is tried; `conditions`: what has to hold for it to come.
    bool bind(const tree::From& from, const Frame* outer, Frame& frame, std::vector<const Expr*>& conditions, int depth) {
        if (depth > 8) return false;
        switch (from.kind) {
            case tree::From::Kind::join: {
                if (from.left == nullptr || from.right == nullptr || !from.alias.empty()) return false;
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
                std::vector<std::string> joined = from.using_columns;
                if (from.natural)
                    for (std::size_t i = 0; i < left; ++i)
                        for (const auto& [name, cell] : frame.rows[i].columns)
                            for (std::size_t k = left; k < frame.rows.size(); ++k)
                                if (std::any_of(frame.rows[k].columns.begin(), frame.rows[k].columns.end(), [&](const auto& column) { return column.first == name; })) joined.push_back(name);
                for (const std::string& name : joined) {
                    const Cell *a = nullptr, *b = nullptr;
                    for (std::size_t i = 0; i < frame.rows.size(); ++i)
                        for (const auto& [column, cell] : frame.rows[i].columns)
                            if (column == name) (i < left ? a : b) = &cell;
                    if (a == nullptr || b == nullptr) return false;
                    // The tried row beside itself.
                    if ((*a)(Is::unknown) && (*b)(Is::unknown) && left == 1 && frame.rows.size() == 2 && frame.rows[0].whole && frame.rows[1].whole)
                        if (std::any_of(target_->columns.begin(), target_->columns.end(), [&](const ScopeColumn& column) { return column.name == name && column.not_null; })) continue;
                    const Cell same = compare("=", *a, *b);
                    if (!same(Is::truth) || !same.flag) return false;
                }
                if (from.on != nullptr) conditions.push_back(from.on.get());
                return true;
            }
            case tree::From::Kind::subquery: return from.query != nullptr && bind_query(*from.query, from, from.lateral ? &frame : outer, frame, depth);
            case tree::From::Kind::functions: {
                frame.rows.push_back({from.alias, {}, false});
                if (from.alias.empty() && from.functions.size() == 1 && !from.functions[0]->name.parts.empty()) frame.rows.back().alias = from.functions[0]->name.last();
                if (from.functions.size() == 1 && is_unnest(*from.functions[0]) && !from.ordinality) {
                    // Of the elements of an array that is made of the row itself.
                    const Cell list = eval(*from.functions[0]->args[0], &frame, depth + 1);
                    if (list(Is::list) && list.items.size() == 1) {
                        frame.rows.back().columns.emplace_back(from.column_aliases.empty() ? frame.rows.back().alias : from.column_aliases[0], list.items[0]);
                        return true;
                    }
                }
                for (const std::string& name : from.column_aliases) frame.rows.back().columns.emplace_back(name, make(Is::fixed));
                // generate_series(1, 5) g: the column goes by the table's name.
                frame.rows.back().columns.emplace_back(frame.rows.back().alias, make(Is::fixed));
                return std::all_of(from.functions.begin(), from.functions.end(), [&](const tree::ExprPtr& function) { return analyzer_.is_given(*function); });
            }
            case tree::From::Kind::relation: break;
            case tree::From::Kind::opaque: return false;
        }
        if (!from.functions.empty()) return false;   // TABLESAMPLE
        if (const tree::Cte* cte = cte_of(from.relation); cte != nullptr) {
            tree::From named;
            named.alias = from.alias.empty() ? from.relation.last() : from.alias;
            named.column_aliases = from.column_aliases;
            for (std::size_t i = named.column_aliases.size(); i < cte->column_aliases.size(); ++i) named.column_aliases.push_back(cte->column_aliases[i]);
            // Of a recursive one the rows that it begins with.
            return bind_query(*cte->query, named, outer, frame, depth);
        }
        const catalogue::Relation* relation = analyzer_.resolve(from.relation).relation;
        if (relation == nullptr) return false;
        if (relation->kind == catalogue::RelationKind::view && relation != target_->relation) {
            const auto known = bodies_.find(relation->id);
            const tree::Query* query = known != bodies_.end() ? known->second : bodies_.emplace(relation->id, read(relation->definition)).first->second;
            if (query == nullptr || query->items.size() != relation->columns.size()) return false;
            tree::From named;
            named.alias = from.alias.empty() ? from.relation.last() : from.alias;
            named.column_aliases = from.column_aliases;
            for (std::size_t i = named.column_aliases.size(); i < relation->columns.size(); ++i) named.column_aliases.push_back(relation->columns[i].name);
            return bind_query(*query, named, nullptr, frame, depth + 1);
        }
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
        if (query.values.size() == 1 && from.lateral) {
            for (std::size_t i = 0; i < query.values[0].size(); ++i) row.columns.emplace_back(i < from.column_aliases.size() ? from.column_aliases[i] : "column" + std::to_string(i + 1), eval(*query.values[0][i], outer, depth + 1));
            frame.rows.push_back(std::move(row));
            return true;
        }
        if (!query.values.empty()) {
            for (std::size_t i = 0; i < query.values[0].size(); ++i) row.columns.emplace_back(i < from.column_aliases.size() ? from.column_aliases[i] : "column" + std::to_string(i + 1), make(Is::fixed));
            if (query.values.size() != 1 || std::any_of(query.values[0].begin(), query.values[0].end(), [&](const tree::ExprPtr& value) { return !analyzer_.is_given(*value); })) return false;
            frame.rows.push_back(std::move(row));
            return true;
        }
        const bool adds = query.combine == tree::Query::Combine::union_all || (query.combine == tree::Query::Combine::compare && query.widens);
        if (adds && query.left != nullptr) return !limited(query) && bind_query(*query.left, from, outer, frame, depth + 1);
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
            bool out = false;
            tree::visit(*item.expr, [&](const Expr& part) { out = out || is_aggregate(part); });
            return out;
        });
    }
    static bool is_aggregate(const Expr& expr) {
        return expr.kind == Kind::call && !expr.windowed && !expr.name.parts.empty() && one_of(expr.name.last(), {"count", "min", "max", "array_agg", "sum", "avg", "bool_and", "bool_or", "every", "string_agg", "json_agg", "jsonb_agg"});
    }
    static bool is_unnest(const Expr& expr) { return expr.kind == Kind::call && expr.args.size() == 1 && !expr.name.parts.empty() && expr.name.last() == "unnest"; }

    /// The query of a view or a function, kept while rows are tried.
    const tree::Query* read(const std::string& text) {
        if (texts_.size() > 50) return nullptr;
        texts_.push_back(std::make_unique<ParsedText>(analyzer_.dialect_.parse(text)));
        const ParsedText& parsed = *texts_.back();
        return parsed.error.empty() && parsed.statements.size() == 1 ? parsed.statements[0].query.get() : nullptr;
    }

    /// Whether a query gives a row for the one that is tried. Fills in what its columns are then.
    bool comes(const tree::Query& query, Frame& frame, int depth) {
        if (depth > 8 || query.combine != tree::Query::Combine::none || limited(query) || !query.distinct_on.empty()) return false;
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
        if (out && query.having != nullptr) {
            const Cell holds = of_group(query, *query.having, frame, depth + 1);
            out = holds(Is::truth) && holds.flag;
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
            out.emplace_back(Analyzer::output_name(*item.expr, item.alias), aggregates(query) ? of_group(query, *item.expr, frame, depth) : eval(*item.expr, &frame, depth));
        }
        return true;
    }

    Cell of_group(const tree::Query& query, const Expr& expr, const Frame& frame, int depth) {
        const bool outer = std::exchange(of_many_, true);
        grouped_.push_back(&query);
        const Cell out = eval(expr, &frame, depth);
        grouped_.pop_back();
        of_many_ = outer;
        return out;
    }

    /// Whether all rows of the group have the same there: it is grouped by that, or has to be what a row around it has.
    bool same_in_group(const Expr& expr) const {
        const tree::Query& query = *grouped_.back();
        if (expr.kind != Kind::column || expr.name.parts.empty()) return false;
        const auto is_it = [&](const Expr& other) { return other.kind == Kind::column && !other.name.parts.empty() && other.name.last() == expr.name.last(); };
        const auto is_place = [](const Expr& other) { return other.kind == Kind::column && !other.name.parts.empty() && other.name.last() == "ctid"; };
        if (std::any_of(query.group_by.begin(), query.group_by.end(), [&](const tree::ExprPtr& by) { return is_it(*by) || is_place(*by); })) return true;
        const auto pins = [&](const Expr& condition) {
            if (condition.kind != Kind::operation || condition.args.size() != 2 || condition.name.parts.empty() || condition.name.last() != "=" || !condition.text.empty()) return false;
            const Expr &a = *condition.args[0], &b = *condition.args[1];
            return (is_it(a) || is_it(b)) && a.kind == Kind::column && b.kind == Kind::column && a.name.parts != b.name.parts;
        };
        if (query.where == nullptr) return false;
        return query.where->kind == Kind::logic_and ? std::any_of(query.where->args.begin(), query.where->args.end(), [&](const tree::ExprPtr& arg) { return pins(*arg); }) : pins(*query.where);
    }

    /// count(*) of rows that the tried one is among: 1 or more.
    Cell aggregated(const Expr& expr, const Frame& frame, int depth) {
        if (expr.kind != Kind::call || expr.name.parts.empty() || !expr.decides.empty() || grouped_.empty()) return make(Is::unknown);
        const std::string& name = expr.name.last();
        const Cell value = expr.args.size() == 1 ? eval(*expr.args[0], &frame, depth) : make(Is::truth);
        if (one_of(name, {"min", "max", "avg"}) && expr.args.size() == 1 && same_in_group(*expr.args[0])) return value;
        if (one_of(name, {"bool_and", "bool_or", "every"}) && value(Is::truth)) {
            // One that holds is enough for the one, and one that does not for the other.
            if (value.flag == (name == "bool_or")) return value;
            return analyzer_.truth(*expr.args[0], Scope{}) == Analyzer::Truth::always ? value : make(Is::unknown);
        }
        if (value(Is::unknown) || value(Is::null) || value(Is::fails)) return make(Is::unknown);
        if (name == "count") {
            Cell out = of_number(1, 8);
            out.flag = true;
            return out;
        }
        if ((name == "max" || name == "min") && value(Is::number) && !value.flag && !value.less) {
            Cell out = value;
            (name == "max" ? out.flag : out.less) = true;
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
            case Kind::parameter: {
                if (given_.empty()) return analyzer_.parameters_.empty() ? make(Is::fixed) : make(Is::unknown);
                const std::vector<Cell>& args = *given_.back();
                return expr.number >= 1 && static_cast<std::size_t>(expr.number) <= args.size() ? args[static_cast<std::size_t>(expr.number) - 1] : make(Is::unknown);
            }
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
                // (rooms).id
                if (const Row* of = row_named(*expr.args[0], frame); of != nullptr)
                    for (const auto& [name, cell] : of->columns)
                        if (name == expr.text) return cell;
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
                const Cell out = sample::operation(expr, sides);
                if (!out(Is::unknown)) return out;
                // What a constraint says and nobody here understands holds all the same, where it is not NULL.
                const auto is_limit = [&](const tree::ExprPtr& limit) { return analyzer_.same(expr, *limit); };
                const auto is_there = [](const Cell& side) { return !side(Is::null) && !side(Is::unknown) && !side(Is::fails); };
                if (std::all_of(sides.begin(), sides.end(), is_there) && std::any_of(limits_.begin(), limits_.end(), is_limit)) return of_truth(true);
                return by_operator(expr, sides, depth);
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

    /// The row of FROM that goes by that name, where it is a row's name.
    static const Row* row_named(const Expr& expr, const Frame* frame) {
        if ((expr.kind != Kind::column && expr.kind != Kind::star) || expr.name.parts.size() != 1) return nullptr;
        for (const Frame* at = frame; at != nullptr; at = at->outer)
            for (const Row& row : at->rows)
                if (row.alias == expr.name.last()) return &row;
        return nullptr;
    }

    Cell by_operator(const Expr& expr, const std::vector<Cell>& sides, int depth) {
        if (expr.name.parts.empty() || !expr.text.empty() || analyzer_.names_.snapshot == nullptr) return make(Is::unknown);
        const auto operators = analyzer_.names_.snapshot->operators(expr.name.last());
        const catalogue::Function* function = operators.size() == 1 ? analyzer_.names_.snapshot->function(operators[0]->function) : nullptr;
        return function != nullptr ? inside(*function, sides, {}, depth) : make(Is::unknown);
    }

    /// What a function gives that is one expression or query: SQL, or PL/pgSQL that only returns. rows: arguments that are rows.
    Cell inside(const catalogue::Function& function, const std::vector<Cell>& args, const std::vector<const Row*>& rows, int depth) {
        if (depth > 40 || given_.size() > 8 || function.returns_set || function.kind != 'f' || function.arguments.size() != args.size() || !function.settings.empty()) return make(Is::unknown);
        const bool is_block = function.language == "plpgsql";
        if (!is_block && function.language != "sql") return make(Is::unknown);
        auto known = bodies_.find(function.id);
        if (known == bodies_.end()) {
            const CodeBody body = analyzer_.dialect_.read_code(function);
            // Of a block with one expression, and nothing that decides whether it comes to it.
            const bool plain = body.readable && body.texts.size() == 1 && (!is_block || folded_case(function.body).find("if") == std::string::npos);
            known = bodies_.emplace(function.id, plain ? read(body.texts[0]) : nullptr).first;
        }
        const tree::Query* query = known->second;
        if (query == nullptr) return make(Is::unknown);
        Frame own;
        Row named{function.name, {}, false};
        for (std::size_t i = 0; i < args.size() && i < function.argument_names.size(); ++i) {
            if (function.argument_names[i].empty()) continue;
            named.columns.emplace_back(function.argument_names[i], args[i]);
            if (i < rows.size() && rows[i] != nullptr) {
                own.rows.push_back(*rows[i]);
                own.rows.back().alias = function.argument_names[i];
            }
        }
        own.rows.push_back(std::move(named));
        given_.push_back(&args);
        const bool outer = std::exchange(of_many_, false);
        Expr value;
        value.kind = Kind::scalar_query;
        const bool plain = query->combine == tree::Query::Combine::none && query->from.empty() && query->where == nullptr && query->values.empty() && query->items.size() == 1;
        const Cell out = plain ? eval(*query->items[0].expr, &own, depth + 1) : side_of(value, *query, &own, depth + 1);
        of_many_ = outer;
        given_.pop_back();
        return out;
    }

    Cell called(const Expr& expr, const Frame* frame, int depth) {
        if (expr.name.parts.empty()) return make(Is::unknown);
        const std::string& name = expr.name.last();
        if (of_many_ && is_aggregate(expr)) {
            of_many_ = false;   // in its argument there are none
            const Cell out = frame != nullptr ? aggregated(expr, *frame, depth + 1) : make(Is::unknown);
            of_many_ = true;
            return out;
        }
        // A row's place among others.
        if (expr.windowed && (one_of(name, {"row_number", "rank", "dense_rank"}) || (name == "count" && expr.args.empty()))) {
            Cell out = of_number(1, 8);
            out.flag = true;
            return out;
        }
        if (expr.variadic || expr.windowed || expr.star_argument || expr.distinct || !expr.decides.empty()) return make(Is::unknown);
        const bool by_place = std::all_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& argument) { return argument.empty(); });
        if (analyzer_.names_.snapshot != nullptr && by_place && analyzer_.dialect_.function("", name) == nullptr) {
            const auto functions = analyzer_.names_.snapshot->functions(name);
            if (functions.size() == 1 && functions[0]->extension.empty()) {
                std::vector<Cell> args;
                std::vector<const Row*> rows;
                for (const tree::ExprPtr& arg : expr.args) {
                    args.push_back(eval(*arg, frame, depth + 1));
                    rows.push_back(row_named(*arg, frame));
                }
                return inside(*functions[0], args, rows, depth);
            }
        }
        if (one_of(name, {"to_jsonb", "to_json", "row_to_json"}) && expr.args.size() == 1)
            if (const Row* row = row_named(*expr.args[0], frame); row != nullptr && row->whole) return object_of(*row);
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
        const bool one_row = aggregates(query) && query.group_by.empty() && query.having == nullptr;
        if ((every && !one_row) || !comes(query, inner, depth + 1)) return make(Is::unknown);
        if (expr.kind == Kind::exists) return of_truth(true);
        if (aggregates(query) && !query.group_by.empty() && expr.kind != Kind::any_query) return make(Is::unknown);
        if (expr.kind == Kind::any_query && query.items.size() == 1 && is_unnest(*query.items[0].expr) && query.group_by.empty()) {
            const Expr& array = *query.items[0].expr->args[0];
            Cell list = aggregates(query) ? of_group(query, array, inner, depth + 1) : eval(array, &inner, depth + 1);
            if (!list(Is::list)) return make(Is::unknown);
            list.flag = list.flag || !query.from.empty();
            return any(way, eval(*expr.args[0], frame, depth + 1), list);
        }
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
        list.flag = !query.from.empty() && !one_row;
        list.items.push_back(std::move(item));
        if (every) return all(way, eval(*expr.args[0], frame, depth + 1), list);
        if (expr.kind == Kind::array_query) return list;
        return any(way, eval(*expr.args[0], frame, depth + 1), list);
    }

    /// A row as json: members that are not tried are there, and not known.
    Cell object_of(const Row& row) const {
        Cell out = make(Is::document);
        out.unit = 'o';
        for (const ScopeColumn& column : target_->columns) {
            const auto known = std::find_if(row.columns.begin(), row.columns.end(), [&](const auto& own) { return own.first == column.name; });
            out.items.push_back(of_text(column.name));
            out.items.push_back(known != row.columns.end() ? document_of(known->second) : make(Is::unknown));
        }
        return out;
    }

    const Analyzer& analyzer_;
    const ScopeTable* target_ = nullptr;
    bool is_view_ = false;
    std::size_t steps_ = 0;
    std::vector<Column> columns_;
    std::vector<std::pair<std::string, Cell>> row_;
    sample::Values values_;
    std::vector<const std::vector<tree::Cte>*> withs_;
    std::vector<tree::ExprPtr> limits_;                         ///< what all rows meet
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

/// `id = 5 AND …`: a column against what is given, where it decides nothing what that is, or compared() has looked at it.
bool Analyzer::picks(const Expr& expr, const Scope& scope) const {
    // Of a column that constraints leave few values, one need not select.
    const auto narrowed = [&](const Expr& side, bool any) {
        const ScopeTable* of = nullptr;
        const ScopeColumn* column = column_of(side, scope, &of);
        if (column != nullptr && of->is_target && of->relation == nullptr) return true;   // a view may show one value only
        return column != nullptr && of->relation != nullptr && is_narrowed(*of->relation, *column, any);
    };
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
    if (expr.kind == Kind::in_list && !expr.negated) return many(*expr.args[0]) && !narrowed(*expr.args[0], false) && std::all_of(expr.args.begin() + 1, expr.args.end(), [&](const tree::ExprPtr& arg) { return given(*arg); });
    if (expr.kind != Kind::operation || expr.args.size() != 2 || !expr.text.empty() || expr.name.parts.empty()) return false;
    if (!one_of(expr.name.last(), {"=", "<>", "!=", "<", "<=", ">", ">="})) return false;
    const Expr &a = *expr.args[0], &b = *expr.args[1];
    for (const bool turned : {false, true}) {
        const Expr &side = turned ? b : a, &other = turned ? a : b;
        if (!given(other) || !many(side)) continue;
        if (expr.name.last() == "=") return !narrowed(side, false);
        if (is_whole(side) && !narrowed(side, true) && other.kind == Kind::constant && !other.quoted && other.text.find_first_of(".eE") == std::string::npos) return true;
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
