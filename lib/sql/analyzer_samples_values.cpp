// What expressions come to for a row that is tried (analyzer_samples.hpp).

#include "sql/analyzer_samples.hpp"

#include <algorithm>
#include <cmath>

namespace dbguard::sql {
namespace {

using namespace sample;
using tree::Expr;
using Kind = Expr::Kind;

constexpr std::size_t most_steps = 400000;
constexpr const char* whole_row = "the row";

}  // namespace

const Cell* Samples::find(const Expr& expr, const Frame* frame) const {
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
Cell Samples::eval_row(const std::string& alias, const Frame* frame) const {
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
bool Samples::is_fixed(const Expr& expr, const Frame* frame) const {
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
Cell Samples::met(const Expr& expr, const Frame* frame, int depth) {
    const Cell out = eval(expr, frame, depth);
    return out(Is::unknown) && is_fixed(expr, frame) ? make(Is::fixed) : out;
}

Cell Samples::eval(const Expr& expr, const Frame* frame, int depth) {
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

Cell Samples::combined(const Expr& expr, const Frame* frame, int depth) {
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
const Samples::Row* Samples::row_named(const Expr& expr, const Frame* frame) {
    if ((expr.kind != Kind::column && expr.kind != Kind::star) || expr.name.parts.size() != 1) return nullptr;
    for (const Frame* at = frame; at != nullptr; at = at->outer)
        for (const Row& row : at->rows)
            if (row.alias == expr.name.last()) return &row;
    return nullptr;
}

Cell Samples::by_operator(const Expr& expr, const std::vector<Cell>& sides, int depth) {
    if (expr.name.parts.empty() || !expr.text.empty() || analyzer_.names_.snapshot == nullptr) return make(Is::unknown);
    const auto operators = analyzer_.names_.snapshot->operators(expr.name.last());
    const catalogue::Function* function = operators.size() == 1 ? analyzer_.names_.snapshot->function(operators[0]->function) : nullptr;
    return function != nullptr ? inside(*function, sides, {}, depth) : make(Is::unknown);
}

/// What a function gives that is one expression or query: SQL, or PL/pgSQL that only returns. rows: arguments that are rows.
Cell Samples::inside(const catalogue::Function& function, const std::vector<Cell>& args, const std::vector<const Row*>& rows, int depth) {
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

Cell Samples::called(const Expr& expr, const Frame* frame, int depth) {
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

Cell Samples::queried(const Expr& expr, const Frame* frame, int depth) {
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

Cell Samples::side_of(const Expr& expr, const tree::Query& query, const Frame* frame, int depth) {
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
Cell Samples::object_of(const Row& row) const {
    Cell out = make(Is::document);
    out.unit = 'o';
    for (const ScopeColumn& column : target_->columns) {
        const auto known = std::find_if(row.columns.begin(), row.columns.end(), [&](const auto& own) { return own.first == column.name; });
        out.items.push_back(of_text(column.name));
        out.items.push_back(known != row.columns.end() ? document_of(known->second) : make(Is::unknown));
    }
    return out;
}

}  // namespace dbguard::sql
