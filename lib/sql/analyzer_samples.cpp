// The rows that are tried, and what of FROM and of subqueries comes for one of them (analyzer_samples.hpp).

#include "sql/analyzer_samples.hpp"

#include <algorithm>
#include <cmath>

namespace dbguard::sql {
namespace {

using namespace sample;
using tree::Expr;
using Kind = Expr::Kind;

constexpr std::size_t most_rows = 4000, most_parts = 400;

}  // namespace

bool Samples::hold(const tree::Write& write, const Expr& where) {
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

/// A generated column is what its expression gives, not anything that its type can be.
void Samples::look_behind(const ScopeColumn& column, std::set<std::string>& used) {
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
void Samples::look_through(const catalogue::Relation& view, std::set<std::string>& used, const Look& look) {
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
bool Samples::shown() {
    if (view_ == nullptr) return true;
    Frame inside;
    inside.rows.push_back({view_->from[0].alias.empty() ? view_->from[0].relation.last() : view_->from[0].alias, {}, false});
    for (const auto& [own, name] : seen_as_)
        for (const auto& [column, cell] : row_)
            if (column == name) inside.rows[0].columns.emplace_back(own, cell);
    const Cell kept = eval(*view_->where, &inside, 0);
    return !((kept(Is::truth) && !kept.flag) || kept(Is::null));
}

void Samples::look_at(const tree::From& from, const Look& look) {
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

std::vector<Cell> Samples::samples_of(const ScopeColumn& column, bool few) const {
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

// ---- FROM

const tree::Cte* Samples::cte_of(const tree::Name& name) const {
    if (name.parts.size() != 1) return nullptr;
    for (auto list = withs_.rbegin(); list != withs_.rend(); ++list)
        for (const tree::Cte& cte : **list)
            if (cte.name == name.last()) return cte.query != nullptr ? &cte : nullptr;
    return nullptr;
}

/// The row of it that stands for the one that is tried; `conditions`: what has to hold for it to come.
bool Samples::bind(const tree::From& from, const Frame* outer, Frame& frame, std::vector<const Expr*>& conditions, int depth) {
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

bool Samples::is_above(const catalogue::Relation& relation, const catalogue::Relation& of, int depth) const {
    if (depth > 8 || analyzer_.names_.snapshot == nullptr) return false;
    return std::any_of(of.parents.begin(), of.parents.end(), [&](catalogue::Id id) {
        const catalogue::Relation* parent = analyzer_.names_.snapshot->relation(id);
        return parent != nullptr && (parent == &relation || is_above(relation, *parent, depth + 1));
    });
}

/// A subquery in FROM: its row of the one that is tried.
bool Samples::bind_query(const tree::Query& query, const tree::From& from, const Frame* outer, Frame& frame, int depth) {
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

bool Samples::aggregates(const tree::Query& query) {
    return std::any_of(query.items.begin(), query.items.end(), [](const tree::Item& item) {
        bool out = false;
        tree::visit(*item.expr, [&](const Expr& part) { out = out || is_aggregate(part); });
        return out;
    });
}

bool Samples::is_aggregate(const Expr& expr) {
    return expr.kind == Kind::call && !expr.windowed && !expr.name.parts.empty() && one_of(expr.name.last(), {"count", "min", "max", "array_agg", "sum", "avg", "bool_and", "bool_or", "every", "string_agg", "json_agg", "jsonb_agg"});
}

/// The query of a view or a function, kept while rows are tried.
const tree::Query* Samples::read(const std::string& text) {
    if (texts_.size() > 50) return nullptr;
    texts_.push_back(std::make_unique<ParsedText>(analyzer_.dialect_.parse(text)));
    const ParsedText& parsed = *texts_.back();
    return parsed.error.empty() && parsed.statements.size() == 1 ? parsed.statements[0].query.get() : nullptr;
}

/// Whether a query gives a row for the one that is tried. Fills in what its columns are then.
bool Samples::comes(const tree::Query& query, Frame& frame, int depth) {
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

bool Samples::outputs(const tree::Query& query, const Frame& frame, std::vector<std::pair<std::string, Cell>>& out, int depth) {
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

Cell Samples::of_group(const tree::Query& query, const Expr& expr, const Frame& frame, int depth) {
    const bool outer = std::exchange(of_many_, true);
    grouped_.push_back(&query);
    const Cell out = eval(expr, &frame, depth);
    grouped_.pop_back();
    of_many_ = outer;
    return out;
}

/// Whether all rows of the group have the same there: it is grouped by that, or has to be what a row around it has.
bool Samples::same_in_group(const Expr& expr) const {
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
Cell Samples::aggregated(const Expr& expr, const Frame& frame, int depth) {
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
