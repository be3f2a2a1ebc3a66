// What casts, operators and functions make of values, as far as it is known without a server.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "sql/sample.hpp"

namespace dbguard::sql {

bool matches_anything(std::string_view pattern);   // analyzer_bounds.cpp

namespace sample {
namespace {

constexpr std::size_t longest_text = 2000;   // longer ones are not computed

struct Civil {
    long year;
    int month, day;
};
Civil civil_of(long double days) {
    const long z = static_cast<long>(days) + 730425;
    const long era = (z >= 0 ? z : z - 146096) / 146097;
    const long doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const long doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
    return {yoe + era * 400 + (month <= 2), month, static_cast<int>(doy - (153 * mp + 2) / 5 + 1)};
}

/// LIKE, with the escape that it has by itself.
bool like(std::string_view text, std::string_view pattern) {
    std::size_t at = 0, p = 0, behind = std::string_view::npos, from = 0;   // behind: what follows the last %
    const auto width = [&](std::size_t i) {
        std::size_t size = 1;
        while (i + size < text.size() && (static_cast<unsigned char>(text[i + size]) & 0xC0) == 0x80) ++size;
        return size;
    };
    while (at < text.size()) {
        if (p < pattern.size() && pattern[p] == '%') {
            behind = ++p;
            from = at;
            continue;
        }
        const std::size_t literal = p + 1 < pattern.size() && pattern[p] == '\\' ? p + 1 : p;
        if (p < pattern.size() && literal == p && pattern[p] == '_') {
            at += width(at);
            ++p;
        } else if (literal < pattern.size() && pattern[literal] == text[at]) {
            ++at;
            p = literal + 1;
        } else if (behind != std::string_view::npos) {
            p = behind;
            at = ++from;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('%', p) == std::string_view::npos;
}

Cell contains(const Cell& all, const Cell& part) {
    if (!all(Is::list) || !part(Is::list) || part.flag) return make(Is::unknown);
    for (const Cell& wanted : part.items) {
        const bool found = std::any_of(all.items.begin(), all.items.end(), [&](const Cell& item) {
            const Cell same = compare("=", item, wanted);
            return same(Is::truth) && same.flag;
        });
        if (!found) return all.flag ? make(Is::unknown) : of_truth(false);
    }
    return of_truth(true);
}

std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

Cell cast(const tree::Expr& expr, Cell cell) {
    if (expr.name.parts.empty() || !expr.text.empty()) {
        // ARRAY[…]::int[], '{}'::text[]
        if (expr.text == "[]" && cell(Is::text)) return as_the_other(cell, make(Is::list));
        return cell(Is::list) || cell(Is::null) ? cell : make(Is::unknown);
    }
    if (cell(Is::null) || cell(Is::fixed) || cell(Is::fails) || cell(Is::unknown)) return cell;
    const std::string name = folded_case(expr.name.last());
    if (const auto part = part_cast(name, cell)) return *part;
    if (one_of(name, {"text", "varchar", "bpchar", "name"}) && !expr.modified) {
        if (cell(Is::text)) return of_text(cell.text);
        if (cell(Is::truth)) return of_text(cell.flag ? "true" : "false");
        if (cell.labels != nullptr) return of_text(cell.text);
        if (cell(Is::number) && cell.unit == ' ' && cell.width != 0 && !cell.flag && !cell.less) return of_text(std::to_string(static_cast<long long>(cell.number)));
        if (cell(Is::number) && cell.unit == 'd' && std::isfinite(cell.number)) {
            const Civil day = civil_of(cell.number / 86400);
            char text[40];
            std::snprintf(text, sizeof text, "%04ld-%02d-%02d", day.year, day.month, day.day);
            return of_text(text);
        }
        if (cell(Is::thing) && cell.text == "ctid") return of_text("(0,1)");
        return make(Is::unknown);
    }
    if (one_of(name, {"int2", "int4", "int8"})) {
        const int width = name[3] - '0';
        if (cell(Is::truth)) return of_number(cell.flag, 4);
        if (cell(Is::text)) {
            const auto number = number_in(cell.text);
            return number && *number == std::trunc(*number) ? whole(*number, width) : make(Is::fails);
        }
        return cell(Is::number) && cell.unit == ' ' && cell.labels == nullptr && !cell.flag && !cell.less ? whole(std::nearbyint(cell.number), width) : make(Is::unknown);
    }
    if (one_of(name, {"numeric", "float4", "float8"}) && !expr.modified) {
        if (cell(Is::text)) return as_the_other(of_text(cell.text, true), of_number(0));
        return cell(Is::number) && cell.unit == ' ' && cell.labels == nullptr && !cell.flag && !cell.less ? of_number(cell.number) : make(Is::unknown);
    }
    if (name == "bool") {
        if (cell(Is::text)) return as_the_other(of_text(cell.text, true), of_truth(true));
        if (cell(Is::number) && cell.unit == ' ') return of_truth(cell.number != 0);
        return cell(Is::truth) ? cell : make(Is::unknown);
    }
    if (one_of(name, {"date", "timestamp", "timestamptz"}) && !expr.modified) {
        const char unit = name == "date" ? 'd' : 't';
        if (cell(Is::text) && cell.flag) cell = as_the_other(cell, of_number(0, 0, unit));
        if (!cell(Is::number) || cell.unit == ' ') return make(Is::unknown);
        return of_number(unit == 'd' && std::isfinite(cell.number) ? std::floor(cell.number / 86400) * 86400 : cell.number, 0, unit);
    }
    if (name == "uuid" && cell(Is::text)) return of_text(folded_case(cell.text));
    Cell out = make(Is::thing);
    out.text = name + "(" + printed(cell) + ")";
    return out;
}

Cell operation(const tree::Expr& expr, const std::vector<Cell>& sides) {
    if (expr.name.parts.empty()) return make(Is::unknown);
    const std::string& way = expr.name.last();
    if (sides.size() == 3 && (expr.text == "between" || expr.text == "not between")) {
        const auto within = [&](const Cell& low, const Cell& high) {
            const Cell a = compare(">=", sides[0], low), b = compare("<=", sides[0], high);
            for (const Cell& side : {a, b})
                if (side(Is::truth) && !side.flag) return side;
            return a(Is::truth) ? b : a;
        };
        Cell out = within(sides[1], sides[2]);
        if (way.find("SYMMETRIC") != std::string::npos && !(out(Is::truth) && out.flag)) out = within(sides[2], sides[1]);
        return expr.text == "between" ? out : flip(out);
    }
    if (sides.size() == 1) {
        const Cell& side = sides[0];
        if (!side(Is::number) || side.unit != ' ' || side.flag || side.less || side.labels != nullptr) return side(Is::number) ? make(Is::unknown) : side(Is::text) ? make(Is::unknown) : side;
        if (way == "-") return whole(-side.number, side.width);
        if (way == "+") return side;
        if (way == "@") return whole(std::fabs(side.number), side.width);
        if (way == "~" && side.width != 0) return whole(-side.number - 1, side.width);
        return make(Is::unknown);
    }
    if (sides.size() != 2) return make(Is::unknown);
    const Cell &a = sides[0], &b = sides[1];
    if (expr.text == "distinct" || expr.text == "not distinct") {
        if (a(Is::fails) || b(Is::fails)) return make(Is::fails);
        Cell same = a(Is::null) && b(Is::null) ? of_truth(true) : compare("=", a, b);
        if (same(Is::null)) same = (a(Is::null) || b(Is::null)) ? of_truth(false) : make(Is::unknown);
        return expr.text == "distinct" ? flip(same) : same;
    }
    if (!expr.text.empty()) return make(Is::unknown);
    if (one_of(way, {"=", "<>", "!=", "<", "<=", ">", ">="})) return compare(way, a, b);
    const auto either = [&](Is what) { return a(what) || b(what); };
    if (either(Is::range)) return range_operation(way, a, b);
    if (either(Is::document)) return document_operation(way, a, b);
    if (one_of(way, {"@>", "<@", "&&"})) {
        if (const auto out = settled(a, b)) return *out;
        const Cell x = as_the_other(a, b), y = as_the_other(b, a);
        if (way == "@>") return contains(x, y);
        if (way == "<@") return contains(y, x);
        return make(Is::unknown);
    }
    if (way == "||" && (a(Is::list) || b(Is::list))) {
        if (a(Is::unknown) || b(Is::unknown) || a(Is::fixed) || b(Is::fixed) || a(Is::fails) || b(Is::fails)) return make(Is::unknown);
        Cell out = make(Is::list);
        for (const Cell* side : {&a, &b}) {
            if ((*side)(Is::list)) {
                out.items.insert(out.items.end(), side->items.begin(), side->items.end());
                out.flag = out.flag || side->flag;
            } else if (!(*side)(Is::null)) {
                out.items.push_back(*side);
            }
        }
        return out;
    }
    if (const auto out = settled(a, b)) return *out;
    if (way == "||") {
        const auto text = [](const Cell& side) -> std::optional<std::string> {
            if (side(Is::text)) return side.text;
            if (side(Is::number) && side.width != 0 && !side.flag && !side.less) return std::to_string(static_cast<long long>(side.number));
            return {};
        };
        const auto x = text(a), y = text(b);
        return x && y && x->size() + y->size() < longest_text ? of_text(*x + *y) : make(Is::unknown);
    }
    if (one_of(way, {"~~", "!~~", "~~*", "!~~*"})) {
        if (!a(Is::text) || !b(Is::text) || a.text.size() * b.text.size() > 100000 || b.text.ends_with('\\')) return make(Is::unknown);
        const bool folds = way.ends_with('*');
        const bool met = folds ? like(folded_case(a.text), folded_case(b.text)) : like(a.text, b.text);
        return of_truth(met != way.starts_with('!'));
    }
    if (one_of(way, {"~", "~*"})) return b(Is::text) && matches_anything(b.text) ? of_truth(true) : make(Is::unknown);
    if (way == "^@") return a(Is::text) && b(Is::text) ? of_truth(a.text.starts_with(b.text)) : make(Is::unknown);
    const Cell x = as_the_other(a, b), y = as_the_other(b, a);
    if (x(Is::number) && y(Is::number) && (x.flag || x.less) && !y.flag && !y.less && x.unit == ' ' && y.unit == ' ' && y.labels == nullptr && (way == "+" || way == "-")) {
        Cell out = x;   // or more than that, and so the sum
        out.number += way == "+" ? y.number : -y.number;
        return out;
    }
    if (!x(Is::number) || !y(Is::number) || x.flag || y.flag || x.less || y.less || x.labels != nullptr || y.labels != nullptr) return x(Is::fails) || y(Is::fails) ? make(Is::fails) : make(Is::unknown);
    if (x.unit != ' ' || y.unit != ' ') {
        // date + days, date - date
        if (x.unit == 'd' && y.unit == ' ' && y.width != 0 && (way == "+" || way == "-")) return of_number(x.number + (way == "+" ? y.number : -y.number) * 86400, 0, 'd');
        if (x.unit == 'd' && y.unit == 'd' && way == "-") return std::isfinite(x.number) && std::isfinite(y.number) ? of_number((x.number - y.number) / 86400, 4) : make(Is::fails);
        return make(Is::unknown);
    }
    const int width = x.width != 0 && y.width != 0 ? std::max(x.width, y.width) : 0;
    if (way == "+") return whole(x.number + y.number, width);
    if (way == "-") return whole(x.number - y.number, width);
    if (way == "*") return whole(x.number * y.number, width);
    if (way == "/") return y.number == 0 ? make(Is::fails) : width != 0 ? whole(std::trunc(x.number / y.number), width) : of_number(x.number / y.number);
    if (way == "%") return y.number == 0 ? make(Is::fails) : whole(std::fmod(x.number, y.number), width);
    if (way == "^") return of_number(std::pow(x.number, y.number));
    if (width != 0 && std::fabs(x.number) < 9e18L && std::fabs(y.number) < 9e18L) {
        const auto p = static_cast<long long>(x.number), q = static_cast<long long>(y.number);
        if (way == "&") return of_number(static_cast<long double>(p & q), width);
        if (way == "|") return of_number(static_cast<long double>(p | q), width);
        if (way == "#") return of_number(static_cast<long double>(p ^ q), width);
        if ((way == "<<" || way == ">>") && q == 0) return x;
    }
    return make(Is::unknown);
}

Cell call(const std::string& name, const std::vector<Cell>& args) {
    if (const auto part = part_call(name, args)) return *part;
    if (name == "num_nulls" || name == "num_nonnulls") {
        long double count = 0;
        for (const Cell& arg : args) {
            if (arg(Is::unknown) || arg(Is::fixed) || arg(Is::fails)) return arg;
            count += arg(Is::null) == (name == "num_nulls");
        }
        return of_number(count, 4);
    }
    if (name == "concat") {
        std::string out;
        for (const Cell& arg : args) {
            if (arg(Is::null)) continue;
            if (arg(Is::text)) out += arg.text;
            else if (arg(Is::number) && arg.width != 0 && !arg.flag) out += std::to_string(static_cast<long long>(arg.number));
            else return arg(Is::fixed) || arg(Is::fails) ? arg : make(Is::unknown);
        }
        return out.size() < longest_text ? of_text(out) : make(Is::unknown);
    }
    bool fixed = !args.empty();
    for (const Cell& arg : args) fixed = fixed && (arg(Is::fixed) || (arg(Is::text) && arg.flag));
    for (const Is is : {Is::fails, Is::unknown, Is::null})
        for (const Cell& arg : args)
            if (arg(is)) return arg;
    if (fixed && std::any_of(args.begin(), args.end(), [](const Cell& arg) { return arg(Is::fixed); })) return make(Is::fixed);
    if (std::any_of(args.begin(), args.end(), [](const Cell& arg) { return arg(Is::fixed) || (arg(Is::number) && (arg.flag || arg.less)); })) return make(Is::unknown);
    const auto text = [&](std::size_t i) { return args.size() > i && args[i](Is::text); };
    const auto number = [&](std::size_t i) { return args.size() > i && args[i](Is::number) && args[i].unit == ' ' && args[i].labels == nullptr; };
    if (args.size() == 1 && text(0)) {
        const std::string& s = args[0].text;
        const bool plain = std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
        if (name == "lower") return of_text(folded_case(s));
        if (name == "upper") {
            std::string out = s;
            for (char& c : out)
                if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
            return of_text(out);
        }
        if (one_of(name, {"length", "char_length", "character_length"})) return of_number(static_cast<long double>(characters(s)), 4);
        if (name == "octet_length") return of_number(static_cast<long double>(s.size()), 4);
        if (name == "bit_length") return of_number(static_cast<long double>(s.size()) * 8, 4);
        if (name == "reverse" && plain) return of_text({s.rbegin(), s.rend()});
        if (name == "reverse") return make(Is::fails);
        if (one_of(name, {"btrim", "ltrim", "rtrim"})) {
            const std::size_t begin = name == "rtrim" ? 0 : std::min(s.find_first_not_of(' '), s.size());
            const std::size_t end = name == "ltrim" ? s.size() : s.find_last_not_of(' ') + 1;
            return of_text(begin < end ? s.substr(begin, end - begin) : "");
        }
        if (name == "quote_literal" && s.find_first_of("'\\") == std::string::npos) return of_text("'" + s + "'");
    }
    if (text(0) && text(1) && args.size() == 2) {
        if (name == "strpos" || name == "position") {
            const std::size_t at = args[0].text.find(args[1].text);
            return of_number(at == std::string::npos ? 0 : static_cast<long double>(characters(args[0].text.substr(0, at)) + 1), 4);
        }
        if (name == "starts_with") return of_truth(args[0].text.starts_with(args[1].text));
        if (name == "like_escape" && args[1].text.empty() && args[0].text.find('\\') == std::string::npos) return of_text(args[0].text, true);
        if (one_of(name, {"regexp_like", "regexp_count", "regexp_match"}) && matches_anything(args[1].text)) {
            if (name == "regexp_like") return of_truth(true);
            Cell out = name == "regexp_count" ? of_number(1, 4) : make(Is::thing);
            out.flag = name == "regexp_count";
            return out;
        }
    }
    if (text(0) && number(1) && args.size() == 2 && std::fabs(args[1].number) <= 2147483647.0L) {
        const std::string& s = args[0].text;
        const auto n = static_cast<long long>(args[1].number), size = static_cast<long long>(s.size());
        if (characters(s) != s.size()) return make(Is::fails);   // only what is plain is cut
        if (name == "left") return of_text(s.substr(0, static_cast<std::size_t>(std::clamp(n >= 0 ? n : size + n, 0LL, size))));
        if (name == "right") return of_text(s.substr(static_cast<std::size_t>(std::clamp(n >= 0 ? size - n : -n, 0LL, size))));
        if (one_of(name, {"substr", "substring"})) return of_text(s.substr(static_cast<std::size_t>(std::clamp(n - 1, 0LL, size))));
        if (name == "repeat" && n * size < static_cast<long long>(longest_text)) {
            std::string out;
            for (long long i = 0; i < n; ++i) out += s;
            return of_text(out);
        }
    }
    if (text(0) && text(1) && text(2) && args.size() == 3 && name == "replace") {
        std::string out = args[0].text;
        if (!args[1].text.empty())
            for (std::size_t at = 0; out.size() < longest_text && (at = out.find(args[1].text, at)) != std::string::npos; at += args[2].text.size()) out.replace(at, args[1].text.size(), args[2].text);
        return out.size() < longest_text ? of_text(out) : make(Is::unknown);
    }
    if (text(0) && number(1) && number(2) && args.size() == 3 && one_of(name, {"substr", "substring"}) && characters(args[0].text) == args[0].text.size()) {
        const auto size = static_cast<long double>(args[0].text.size()), from = std::max(1.0L, args[1].number), to = std::min(size + 1, args[1].number + args[2].number);
        if (args[2].number < 0) return make(Is::fails);
        return of_text(from < to ? args[0].text.substr(static_cast<std::size_t>(from) - 1, static_cast<std::size_t>(to - from)) : "");
    }
    if (args.size() == 1 && number(0)) {
        const Cell& x = args[0];
        if (name == "abs") return whole(std::fabs(x.number), x.width);
        if (name == "sign") return of_number(x.number > 0 ? 1 : x.number < 0 ? -1 : 0);
        if (name == "round") return of_number(std::round(x.number));
        if (name == "floor") return of_number(std::floor(x.number));
        if (one_of(name, {"ceil", "ceiling"})) return of_number(std::ceil(x.number));
        if (name == "exp") return std::exp(x.number) == 0 || !std::isfinite(std::exp(x.number)) ? make(Is::fails) : of_number(std::exp(x.number));
        if (name == "trunc") return of_number(std::trunc(x.number));
        if (name == "sqrt") return x.number < 0 ? make(Is::fails) : of_number(std::sqrt(x.number));
    }
    if (args.size() == 2 && number(0) && number(1)) {
        const int width = std::min(args[0].width, args[1].width) == 0 ? 0 : std::max(args[0].width, args[1].width);
        if (name == "mod") return args[1].number == 0 ? make(Is::fails) : whole(std::fmod(args[0].number, args[1].number), width);
        if (one_of(name, {"power", "pow"})) {
            const long double power = std::pow(args[0].number, args[1].number);
            return std::isfinite(power) && power != 0 ? of_number(power) : make(Is::fails);
        }
    }
    if (!args.empty() && args[0](Is::list) && !args[0].flag) {
        if (name == "cardinality" && args.size() == 1) return of_number(static_cast<long double>(args[0].items.size()), 4);
        if (name == "array_length" && number(1) && args[1].number == 1) return args[0].items.empty() ? make(Is::null) : of_number(static_cast<long double>(args[0].items.size()), 4);
        if (name == "array_position" && args.size() == 2)
            for (std::size_t i = 0; i < args[0].items.size(); ++i) {
                const Cell same = compare("=", args[0].items[i], args[1]);
                if (!same(Is::truth)) return make(Is::unknown);
                if (same.flag) return of_number(static_cast<long double>(i + 1), 4);
            }
    }
    if (one_of(name, {"extract", "date_part"}) && text(0) && args.size() == 2 && args[1](Is::number) && args[1].unit != ' ') {
        const std::string part = folded_case(args[0].text);
        if (!std::isfinite(args[1].number)) return make(Is::unknown);
        const Civil day = civil_of(std::floor(args[1].number / 86400));
        if (part == "year") return of_number(static_cast<long double>(day.year));
        if (part == "month") return of_number(day.month);
        if (part == "day") return of_number(day.day);
        if (part == "quarter") return of_number((day.month - 1) / 3 + 1);
        const auto week = std::fmod(std::fmod(std::floor(args[1].number / 86400) + 6, 7) + 7, 7);   // 2000-01-01 was a Saturday
        if (part == "dow") return of_number(week);
        if (part == "isodow") return of_number(week == 0 ? 7 : week);
        return make(Is::unknown);
    }
    if (name == "isfinite" && args.size() == 1 && args[0](Is::number) && args[0].unit != ' ') return of_truth(std::isfinite(args[0].number));
    return make(Is::unknown);
}

}  // namespace sample
}  // namespace dbguard::sql
