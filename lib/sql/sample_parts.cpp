// Ranges and json, as far as conditions are hidden in them: what is made of a row's values, and what is read of it again.

#include <algorithm>
#include <cmath>

#include "sql/sample.hpp"

namespace dbguard::sql::sample {
namespace {

bool is_scalar(const Cell& cell) { return cell(Is::number) || cell(Is::text) || cell(Is::truth); }

Cell document(char unit) {
    Cell out = make(Is::document);
    out.unit = unit;
    return out;
}

Cell range_of(Cell low, Cell high, const std::string& brackets) {
    if (brackets.size() != 2) return make(Is::unknown);
    Cell out = make(Is::range);
    out.text = brackets;
    const bool ends = !low(Is::null) && !high(Is::null);
    if (ends) {
        const Cell above = compare(">", low, high), same = compare("=", low, high);
        if (!above(Is::truth) || !same(Is::truth)) return make(Is::unknown);
        if (above.flag) return make(Is::fails);
        out.flag = same.flag && brackets != "[]";
    }
    if (low(Is::null)) out.text[0] = '(';
    if (high(Is::null)) out.text[1] = ')';
    out.items.push_back(std::move(low));
    out.items.push_back(std::move(high));
    return out;
}

/// Whether an end lets a value in.
Cell within(const Cell& range, std::size_t end, const Cell& value) {
    const Cell& bound = range.items[end];
    if (bound(Is::null)) return of_truth(true);
    const bool closed = range.text[end] == (end == 0 ? '[' : ']');
    return compare(std::string(end == 0 ? ">" : "<") + (closed ? "=" : ""), value, bound);
}

Cell both(const Cell& a, const Cell& b) {
    for (const Cell& side : {a, b})
        if (side(Is::truth) && !side.flag) return side;
    return a(Is::truth) ? b : a;
}

Cell contains_range(const Cell& outer, const Cell& inner) {
    if (inner.flag) return of_truth(true);
    if (outer.flag) return of_truth(false);
    Cell out = of_truth(true);
    for (const std::size_t end : {0U, 1U}) {
        const Cell &own = outer.items[end], &other = inner.items[end];
        if (own(Is::null)) continue;
        if (other(Is::null)) return of_truth(false);
        const bool same_bracket = outer.text[end] == inner.text[end];
        const bool closed = outer.text[end] == '[' || outer.text[end] == ']';
        out = both(out, compare(std::string(end == 0 ? ">" : "<") + (closed || same_bracket ? "=" : ""), other, own));
    }
    return out;
}

const Cell* member(const Cell& object, const std::string& name) {
    for (std::size_t i = 0; i + 1 < object.items.size(); i += 2)
        if (object.items[i].text == name) return &object.items[i + 1];
    return nullptr;
}

Cell text_of(const Cell& value) {
    if (!value(Is::document)) return value;
    if (value.unit == '0') return make(Is::null);
    if (value.items.empty() || value.unit == 'o' || value.unit == 'a') return make(Is::unknown);
    const Cell& inside = value.items[0];
    if (value.unit == 's') return inside(Is::text) ? of_text(inside.text) : make(Is::unknown);
    if (value.unit == 'b') return of_text(inside.flag ? "true" : "false");
    return inside.width != 0 && !inside.flag && !inside.less ? of_text(std::to_string(static_cast<long long>(inside.number))) : make(Is::unknown);
}

Cell step(const Cell& value, const Cell& to) {
    if (to(Is::text)) {
        if (value.unit != 'o') return make(Is::null);
        const Cell* found = member(value, to.text);
        return found != nullptr ? *found : make(Is::null);
    }
    if (!to(Is::number)) return make(Is::unknown);
    if (value.unit != 'a') return make(Is::null);
    const auto size = static_cast<long double>(value.items.size());
    const long double at = to.number < 0 ? size + to.number : to.number;
    return at >= 0 && at < size ? value.items[static_cast<std::size_t>(at)] : make(Is::null);
}

Cell contains_document(const Cell& all, const Cell& part) {
    if (all.unit == 'a' && part.unit != 'a' && part.unit != 'o')
        return of_truth(std::any_of(all.items.begin(), all.items.end(), [&](const Cell& item) { return printed(item) == printed(part); }));
    if (all.unit != part.unit) return of_truth(false);
    if (all.unit == 'o') {
        Cell out = of_truth(true);
        for (std::size_t i = 0; i + 1 < part.items.size(); i += 2) {
            const Cell* own = member(all, part.items[i].text);
            if (own == nullptr) return of_truth(false);
            if (!(*own)(Is::document) || !part.items[i + 1](Is::document)) return make(Is::unknown);
            out = both(out, contains_document(*own, part.items[i + 1]));
        }
        return out;
    }
    if (all.unit == 'a') {
        const bool found = std::all_of(part.items.begin(), part.items.end(), [&](const Cell& wanted) {
            return std::any_of(all.items.begin(), all.items.end(), [&](const Cell& item) { return printed(item) == printed(wanted); });
        });
        return found ? of_truth(true) : make(Is::unknown);
    }
    if (all.items.empty() || part.items.empty()) return of_truth(true);   // null
    return compare("=", all.items[0], part.items[0]);
}

bool one(const std::string& name, std::initializer_list<std::string_view> words) { return one_of(name, words); }

bool is_path_to_all(const std::string& path) { return path == "$" || path == "strict $" || path == "lax $"; }

}  // namespace

/// `[1,5)`, `(,)`, `empty`; of a multirange that has one: that.
std::optional<Cell> range_in(const std::string& given) {
    std::string text;
    for (const char c : given)
        if (c != ' ' || text.find_first_of("[(") == std::string::npos) text += c;
    if (text.size() > 2 && text.front() == '{' && text.back() == '}') text = text.substr(1, text.size() - 2);
    if (folded_case(text) == "empty") {
        Cell out = make(Is::range);
        out.flag = true;
        out.items = {make(Is::null), make(Is::null)};
        out.text = "()";
        return out;
    }
    const std::size_t comma = text.find(',');
    if (text.size() < 3 || comma == std::string::npos || text.find(',', comma + 1) != std::string::npos || text.find_first_of("[(") != 0 || text.find_first_of("])") != text.size() - 1) return {};
    const auto end = [](std::string word) {
        std::erase(word, '"');
        return word.empty() ? make(Is::null) : of_text(word, true);
    };
    Cell out = make(Is::range);
    out.text = {text.front(), text.back()};
    out.items = {end(text.substr(1, comma - 1)), end(text.substr(comma + 1, text.size() - comma - 2))};
    return out;
}

/// Only `{}`, `[]` and single values.
std::optional<Cell> document_in(const std::string& text) {
    if (text == "{}") return document('o');
    if (text == "[]") return document('a');
    if (text == "null") return document('0');
    if (text == "true" || text == "false") return document_of(of_truth(text == "true"));
    if (const auto number = number_in(text)) return document_of(of_number(*number, *number == std::trunc(*number) ? 8 : 0));
    if (text.size() > 1 && text.front() == '"' && text.back() == '"' && text.find_first_of("\"\\", 1) == text.size() - 1) return document_of(of_text(text.substr(1, text.size() - 2)));
    return {};
}

Cell document_of(const Cell& cell) {
    if (cell(Is::document)) return cell;
    if (cell(Is::null)) return document('0');
    if (cell(Is::list) && !cell.flag) {
        Cell out = document('a');
        for (const Cell& item : cell.items) out.items.push_back(document_of(item));
        return std::all_of(out.items.begin(), out.items.end(), [](const Cell& item) { return item(Is::document); }) ? out : make(Is::unknown);
    }
    if (!is_scalar(cell) || (cell(Is::number) && cell.labels == nullptr && cell.unit != ' ' && !std::isfinite(cell.number))) return cell(Is::fixed) || cell(Is::fails) ? cell : make(Is::unknown);
    Cell out = document(cell(Is::truth) ? 'b' : cell(Is::text) || cell.labels != nullptr || cell.unit != ' ' ? 's' : 'n');
    out.items.push_back(cell.labels != nullptr ? of_text(cell.text) : cell);
    out.items[0].width = out.unit == 'n' && cell.width != 0 ? 8 : cell.width;
    if (out.unit == 's') out.items[0].flag = false;
    return out;
}

Cell range_operation(const std::string& way, const Cell& left, const Cell& right) {
    Cell a = as_the_other(left, right), b = as_the_other(right, left);
    if (const auto out = settled(a, b)) return *out;
    if (one(way, {"<@"})) {
        std::swap(a, b);
    } else if (way == "&&") {
        if (!a(Is::range) || !b(Is::range)) return make(Is::unknown);
        if (a.flag || b.flag) return of_truth(false);
        const bool endless = (a.items[0](Is::null) && a.items[1](Is::null)) || (b.items[0](Is::null) && b.items[1](Is::null));
        return endless || printed(a) == printed(b) ? of_truth(true) : make(Is::unknown);
    } else if (way != "@>") {
        if ((way == "*" || way == "+") && printed(a) == printed(b)) return a;
        if (one(way, {"<<", ">>", "-|-"}) && printed(a) == printed(b)) return of_truth(false);
        return make(Is::unknown);
    }
    if (!a(Is::range)) return make(Is::unknown);
    if (b(Is::range)) return contains_range(a, b);
    if (a.items[0](Is::null) && a.items[1](Is::null) && !a.flag) return of_truth(true);
    if (!is_scalar(b)) return make(Is::unknown);
    if (a.flag) return of_truth(false);
    return both(within(a, 0, b), within(a, 1, b));
}

Cell document_operation(const std::string& way, const Cell& left, const Cell& right) {
    // What is wanted of a document is a name, a place, a path or a document.
    Cell a = left, b = right;
    if (one(way, {"@>", "<@", "||"})) {
        a = as_the_other(left, right);
        b = as_the_other(right, left);
    }
    if (const auto out = settled(a, b)) return *out;
    if (way == "<@") std::swap(a, b);
    if (way == "@>" || way == "<@") return a(Is::document) && b(Is::document) ? contains_document(a, b) : make(Is::unknown);
    if (!a(Is::document)) return make(Is::unknown);
    if (way == "->") return step(a, b);
    if (way == "->>") return text_of(step(a, b));
    if (one(way, {"#>", "#>>"}) && b(Is::text)) {
        const auto path = array_in(b.text);
        if (!path) return make(Is::unknown);
        Cell at = a;
        for (const Cell& name : path->items) {
            if (!at(Is::document)) return at;
            const auto place = at.unit == 'a' ? number_in(name.text) : std::nullopt;
            at = step(at, place ? of_number(*place, 4) : of_text(name.text));
        }
        return way == "#>" ? at : text_of(at);
    }
    if (way == "?" && b(Is::text)) {
        if (a.unit == 'o') return of_truth(member(a, b.text) != nullptr);
        const auto is = [&](const Cell& item) { return item(Is::document) && item.unit == 's' && item.items[0].text == b.text; };
        return of_truth(a.unit == 'a' ? std::any_of(a.items.begin(), a.items.end(), is) : is(a));
    }
    if (way == "@?" && b(Is::text)) return is_path_to_all(b.text) ? of_truth(true) : make(Is::unknown);
    if (way == "||" && b(Is::document) && a.unit == b.unit && (a.unit == 'o' || a.unit == 'a')) {
        if (b.items.empty()) return a;
        if (a.items.empty()) return b;
    }
    if (way == "-" && b(Is::text) && a.unit == 'o' && member(a, b.text) == nullptr) return a;
    return make(Is::unknown);
}

std::optional<Cell> part_call(const std::string& name, const std::vector<Cell>& args) {
    if (one(name, {"int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"}) && (args.size() == 2 || args.size() == 3)) {
        for (const Cell& arg : args)
            if (arg(Is::fails) || arg(Is::unknown) || arg(Is::fixed)) return arg;
        if (args.size() == 3 && !args[2](Is::text)) return make(Is::unknown);
        return range_of(args[0], args[1], args.size() == 3 ? args[2].text : "[)");
    }
    if (one(name, {"to_jsonb", "to_json"}) && args.size() == 1) return args[0](Is::null) ? args[0] : document_of(args[0]);
    if (one(name, {"jsonb_build_array", "json_build_array", "jsonb_build_object", "json_build_object"})) {
        Cell out = document(name.ends_with("array") ? 'a' : 'o');
        for (std::size_t i = 0; i < args.size(); ++i) {
            const bool key = out.unit == 'o' && i % 2 == 0;
            out.items.push_back(key ? args[i] : document_of(args[i]));
            if (!out.items.back()(key ? Is::text : Is::document)) return make(Is::unknown);
        }
        return out;
    }
    if (args.empty()) return {};
    const Cell& first = args[0];
    if (first(Is::range) && args.size() == 1) {
        if (name == "isempty") return of_truth(first.flag);
        if (name == "lower" || name == "upper") {
            if (first.flag) return make(Is::null);
            const Cell& end = first.items[name == "lower" ? 0 : 1];
            const bool as_written = end(Is::null) || (name == "lower" ? first.text[0] == '[' : first.text[1] == ')');
            return as_written ? end : make(Is::unknown);   // of whole numbers and dates they are made so
        }
        if (name == "lower_inf" || name == "upper_inf") return of_truth(!first.flag && first.items[name == "lower_inf" ? 0 : 1](Is::null));
        if (name.ends_with("multirange")) return first;
    }
    if (name == "range_merge" && args.size() == 2 && first(Is::range) && printed(first) == printed(args[1])) return first;
    if (first(Is::document)) {
        if (one(name, {"jsonb_typeof", "json_typeof"}) && args.size() == 1) {
            constexpr std::pair<char, const char*> names[] = {{'o', "object"}, {'a', "array"}, {'s', "string"}, {'n', "number"}, {'b', "boolean"}, {'0', "null"}};
            for (const auto& [unit, text] : names)
                if (unit == first.unit) return of_text(text);
        }
        if (one(name, {"jsonb_array_length", "json_array_length"})) return first.unit == 'a' ? of_number(static_cast<long double>(first.items.size()), 4) : make(Is::fails);
        if (one(name, {"jsonb_path_exists"}) && args.size() == 2 && args[1](Is::text)) return is_path_to_all(args[1].text) ? of_truth(true) : make(Is::unknown);
        if (one(name, {"jsonb_pretty", "jsonb_strip_nulls"})) {
            Cell out = make(Is::thing);
            out.text = name + "(" + printed(first) + ")";
            return out;
        }
    }
    return {};
}

std::optional<Cell> part_cast(const std::string& name, const Cell& cell) {
    if (name.ends_with("range") && (cell(Is::text) || cell(Is::range))) return cell(Is::range) ? cell : range_in(cell.text).value_or(make(Is::unknown));
    if ((name == "json" || name == "jsonb") && (cell(Is::text) || cell(Is::document))) return cell(Is::document) ? cell : document_in(cell.text).value_or(make(Is::unknown));
    if (!cell(Is::document)) return {};
    if (one(name, {"text", "varchar", "bpchar"})) return cell.unit == 'n' || cell.unit == 'b' ? text_of(cell) : make(Is::unknown);
    // A number's or a truth's own type.
    if (cell.unit == 'n' && one(name, {"int2", "int4", "int8", "numeric", "float4", "float8"})) return cell.items[0];
    if (cell.unit == 'b' && name == "bool") return cell.items[0];
    return cell.unit == '0' ? make(Is::fails) : make(Is::unknown);
}

}  // namespace dbguard::sql::sample
