// What every row of a table meets, because the server lets no other in: CHECK, the bounds of a partition, checks of domains. Only
// as conditions to try rows with: one that is not understood is left out.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using catalogue::Relation;
using tree::Expr;
using Kind = Expr::Kind;

constexpr std::size_t longest_text = 4000, most_neighbours = 40;

/// The expressions in the brackets that begin at `open`, with the brackets' end in `close`.
std::vector<std::string> listed(std::string_view text, std::size_t open, std::size_t& close) {
    std::vector<std::string> out(1);
    int depth = 0;
    bool quoted = false;
    for (close = open; close < text.size(); ++close) {
        const char c = text[close];
        if (c == '\'') quoted = !quoted;
        if (!quoted && c == '(' && ++depth == 1) continue;
        if (!quoted && c == ')' && --depth == 0) break;
        if (!quoted && c == ',' && depth == 1) {
            out.emplace_back();
            continue;
        }
        out.back() += c;
    }
    for (std::string& item : out) item.erase(0, std::min(item.find_first_not_of(' '), item.size()));
    return out;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
    std::string out;
    for (const std::string& part : parts) out.append(out.empty() ? "" : between).append("(").append(part).append(")");
    return out;
}

/// What the server prints of a partition's bound, as a condition. Empty: all rows may be in it, or nobody can tell.
std::string bound_condition(std::string_view key, std::string_view bound) {
    const std::size_t open = key.find('(');
    if (open == std::string_view::npos || key.size() > longest_text || bound.size() > longest_text) return {};
    std::size_t close = 0;
    const std::vector<std::string> columns = listed(key, open, close);
    const std::string& column = columns[0];
    if (key.starts_with("LIST") && bound.starts_with("FOR VALUES IN (")) {
        std::string values;
        bool null = false;
        for (const std::string& value : listed(bound, bound.find('('), close)) {
            if (value == "NULL") null = true;
            else values.append(values.empty() ? "" : ", ").append(value);
        }
        std::string out = values.empty() ? "" : column + " IN (" + values + ")";
        if (null) out += (out.empty() ? "" : " OR ") + column + " IS NULL";
        else out += " AND " + column + " IS NOT NULL";
        return out;
    }
    if (key.starts_with("RANGE") && bound.starts_with("FOR VALUES FROM (")) {
        const std::vector<std::string> from = listed(bound, bound.find('('), close);
        const std::size_t second = bound.find('(', close);
        if (second == std::string_view::npos) return {};
        const std::vector<std::string> to = listed(bound, second, close);
        std::string out = column + " IS NOT NULL";
        if (from[0] != "MINVALUE") out += " AND " + column + " >= " + from[0];
        if (to[0] != "MAXVALUE") out += " AND " + column + (to.size() == 1 ? " < " : " <= ") + to[0];
        return out;
    }
    return {};
}

bool mentions(std::string_view text, const std::set<std::string>& words) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return word == "*" || text.find(word) != std::string_view::npos; });
}

void rename(Expr& expr, const std::string& from, const std::string& to) {
    if (expr.kind == Kind::column && expr.name.parts.size() == 1 && expr.name.last() == from) expr.name.parts[0] = to;
    for (tree::ExprPtr& arg : expr.args) rename(*arg, from, to);
}

}  // namespace

/// Of the partitions of a table that rows of it are in.
std::string Analyzer::bounds_above(const Relation& relation, int steps) const {
    std::vector<std::string> all;
    if (relation.partition_bound.empty() || relation.parents.size() != 1 || steps > 8) return {};
    const Relation* parent = names_.snapshot->relation(relation.parents[0]);
    if (parent == nullptr) return {};
    if (relation.partition_bound != "DEFAULT") {
        if (std::string own = bound_condition(parent->partition_key, relation.partition_bound); !own.empty()) all.push_back(std::move(own));
    } else if (parent->children.size() <= most_neighbours) {
        for (const catalogue::Id id : parent->children) {
            const Relation* neighbour = names_.snapshot->relation(id);
            if (neighbour == nullptr || neighbour == &relation) continue;
            // Of several columns the first one's bounds alone keep nothing out.
            const bool exact = parent->partition_key.starts_with("LIST") || parent->partition_key.find(',') == std::string::npos;
            if (std::string other = exact ? bound_condition(parent->partition_key, neighbour->partition_bound) : std::string(); !other.empty()) all.push_back("NOT (" + other + ")");
        }
    }
    if (std::string above = bounds_above(*parent, steps + 1); !above.empty()) all.push_back(std::move(above));
    return joined(all, " AND ");
}

std::string Analyzer::bounds_of_partitions(const Relation& relation) const {
    if (relation.partition_key.empty() || relation.children.empty() || relation.children.size() > most_neighbours) return {};
    std::vector<std::string> any;
    for (const catalogue::Id id : relation.children) {
        const Relation* partition = names_.snapshot->relation(id);
        if (partition == nullptr) return {};
        std::string bound = bound_condition(relation.partition_key, partition->partition_bound);
        if (bound.empty()) return {};   // DEFAULT, or one that is not understood: any row may be there
        any.push_back(std::move(bound));
    }
    return joined(any, " OR ");
}

/// Conditions that the rows of a table meet, or that come to NULL for them; those that are about one of these columns.
tree::Exprs Analyzer::conditions_of(const Relation& relation, const std::set<std::string>& about) const {
    tree::Exprs out;
    if (names_.snapshot == nullptr) return out;
    const auto add = [&](const std::string& text, const std::string& column) {
        if (text.empty() || text.size() > longest_text || out.size() > 40) return;
        const ParsedText parsed = dialect_.parse("SELECT " + text);
        if (!parsed.error.empty() || parsed.statements.size() != 1 || parsed.statements[0].query == nullptr || parsed.statements[0].query->items.size() != 1) return;
        // The parts of an AND stand each for itself.
        tree::Exprs parts;
        parts.push_back(std::move(parsed.statements[0].query->items[0].expr));
        while (!parts.empty()) {
            tree::ExprPtr part = std::move(parts.back());
            parts.pop_back();
            if (part->kind == Kind::logic_and) {
                for (tree::ExprPtr& side : part->args) parts.push_back(std::move(side));
                continue;
            }
            if (!column.empty()) rename(*part, "value", column);
            bool meets = false, known = true;
            tree::visit(*part, [&](const Expr& inside) {
                if (inside.query != nullptr) known = false;
                if (inside.kind == Kind::column && !inside.name.parts.empty()) meets = meets || about.contains("*") || about.contains(inside.name.last());
            });
            if (meets && known) out.push_back(std::move(part));
        }
    };
    for (const std::string& check : relation.checks)
        if (mentions(check, about)) add(check, "");
    for (const std::string& bounds : {bounds_above(relation), bounds_of_partitions(relation)})
        if (mentions(bounds, about)) add(bounds, "");
    for (const catalogue::Column& column : relation.columns) {
        if (!about.contains("*") && !about.contains(column.name)) continue;
        const catalogue::Type* type = names_.snapshot->type(column.type);
        for (int steps = 0; type != nullptr && type->kind == catalogue::TypeKind::domain && steps < 8; ++steps) {
            for (const std::string& condition : type->conditions) add(condition, column.name);
            type = names_.snapshot->type(type->base);
        }
    }
    return out;
}

/// Whether some condition leaves a column few values, or one: then `column = value` need not select.
bool Analyzer::is_narrowed(const Relation& relation, const ScopeColumn& column, bool any) const {
    const catalogue::Column* own = relation.column(column.name);
    if (relation.kind == catalogue::RelationKind::view || (own != nullptr && own->generated)) return true;
    const tree::Exprs conditions = conditions_of(relation, {column.name});
    if (any) return !conditions.empty();
    return std::any_of(conditions.begin(), conditions.end(), [](const tree::ExprPtr& condition) {
        bool out = false;
        tree::visit(*condition, [&](const Expr& part) {
            const bool equals = (part.kind == Kind::operation || part.kind == Kind::comparison_any) && !part.name.parts.empty() && part.name.last() == "=";
            out = out || equals || part.kind == Kind::in_list;
        });
        return out;
    });
}

}  // namespace dbguard::sql
