// Values of rows that are made up, and how they compare.

#include "sql/sample.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace dbguard::sql::sample {
namespace {

constexpr long double infinite = std::numeric_limits<long double>::infinity();

}  // namespace

Cell make(Is is) {
    Cell out;
    out.is = is;
    return out;
}
Cell of_truth(bool value) {
    Cell out = make(Is::truth);
    out.flag = value;
    return out;
}
Cell of_number(long double value, int width, char unit) {
    Cell out = make(Is::number);
    out.number = value;
    out.width = width;
    out.unit = unit;
    return out;
}
Cell of_text(std::string value, bool literal) {
    Cell out = make(Is::text);
    out.text = std::move(value);
    out.flag = literal;
    return out;
}
Cell whole(long double value, int width) {
    if (width == 0) return of_number(value);
    const long double end = width == 2 ? 32768.0L : width == 4 ? 2147483648.0L : 9223372036854775808.0L;
    return value >= -end && value < end ? of_number(value, width) : make(Is::fails);
}
std::string printed(const Cell& cell) {
    std::string out = std::to_string(static_cast<int>(cell.is)) + (cell(Is::number) ? std::to_string(cell.number) : cell.text) + (cell.flag ? "+" : "");
    if (cell(Is::range)) out += cell.text;
    if (cell(Is::document)) out += cell.unit;
    for (const Cell& item : cell.items) out += "," + printed(item);
    return out;
}

std::string folded_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

bool one_of(const std::string& text, std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return text == word; });
}

/// Days since 2000-01-01 of a date of the Gregorian calendar.
long double days_of(long year, int month, int day) {
    const long y = month <= 2 ? year - 1 : year;
    const long era = (y >= 0 ? y : y - 399) / 400;
    const long of_era = y - era * 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return static_cast<long double>(era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 730425);
}

/// Only as ISO 8601 prints it, and the two ends.
std::optional<long double> moment_of(const std::string& text) {
    if (text == "infinity") return infinite;
    if (text == "-infinity") return -infinite;
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (text.size() < 10 || text.find_first_not_of("0123456789-:+TZ. ") != std::string::npos || std::sscanf(text.c_str(), "%d-%d-%d", &year, &month, &day) != 3) return {};
    if (text.size() > 10 && std::sscanf(text.c_str() + 11, "%d:%d:%d", &hour, &minute, &second) < 2) return {};
    return days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

std::optional<long double> number_in(const std::string& text) {
    if (text.empty() || text.size() > 60 || text.find_first_not_of("0123456789.eE+-") != std::string::npos) return {};
    char* rest = nullptr;
    const long double out = std::strtold(text.c_str(), &rest);
    return *rest == '\0' ? std::optional(out) : std::nullopt;
}

/// `{a,b,NULL}`, without quotes or nesting.
std::optional<Cell> array_in(const std::string& text) {
    if (text.size() < 2 || text.front() != '{' || text.back() != '}' || text.find_first_of("\"\\{", 1) != std::string::npos) return {};
    Cell out = make(Is::list);
    std::string item;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] != ',' && i + 1 < text.size()) {
            item += text[i];
            continue;
        }
        if (!item.empty() || !out.items.empty() || text[i] == ',') out.items.push_back(folded_case(item) == "null" ? make(Is::null) : of_text(item, true));
        item.clear();
    }
    return out;
}

/// A literal as what it is compared with.
Cell as_the_other(const Cell& cell, const Cell& other) {
    if (!cell(Is::text) || !cell.flag) return cell;
    if (other.labels != nullptr) {
        for (std::size_t i = 0; i < other.labels->labels.size(); ++i)
            if (other.labels->labels[i] == cell.text) {
                Cell out = other;
                out.number = static_cast<long double>(i);
                out.text = cell.text;
                return out;
            }
        return make(Is::fails);
    }
    if (other(Is::number) && other.unit != ' ') {
        const auto moment = moment_of(folded_case(cell.text));
        return moment ? of_number(*moment, 0, other.unit) : make(Is::unknown);
    }
    if (other(Is::number)) {
        if (const auto number = number_in(cell.text)) return of_number(*number, other.width);
        const std::string word = folded_case(cell.text);
        if (word == "infinity" || word == "-infinity") return other.width == 0 ? of_number(word[0] == '-' ? -infinite : infinite) : make(Is::fails);
        return word == "nan" ? make(Is::unknown) : make(Is::fails);
    }
    if (other(Is::truth)) {
        const std::string word = folded_case(cell.text);
        if (one_of(word, {"true", "t", "yes", "y", "on", "1"})) return of_truth(true);
        if (one_of(word, {"false", "f", "no", "n", "off", "0"})) return of_truth(false);
        return make(Is::fails);
    }
    if (other(Is::list)) return array_in(cell.text).value_or(make(Is::unknown));
    if (other(Is::range)) return range_in(cell.text).value_or(make(Is::unknown));
    if (other(Is::document)) return document_in(cell.text).value_or(make(Is::unknown));
    if (other(Is::thing)) return make(Is::unknown);
    return cell;
}

Cell flip(const Cell& cell) { return cell(Is::truth) ? of_truth(!cell.flag) : cell; }

/// What an operation is at once where a side is not ordinary.
std::optional<Cell> settled(const Cell& a, const Cell& b) {
    for (const Is is : {Is::fails, Is::unknown, Is::null})
        if (a(is) || b(is)) return make(is);
    if (a(Is::fixed) && b(Is::fixed)) return make(Is::fixed);
    // A literal beside it is the same for every row, too.
    if ((a(Is::fixed) && b(Is::text) && b.flag) || (b(Is::fixed) && a(Is::text) && a.flag)) return make(Is::fixed);
    if (a(Is::fixed) || b(Is::fixed)) return make(Is::unknown);
    return {};
}

Cell compare(const std::string& way, const Cell& left, const Cell& right) {
    if (const auto out = settled(left, right)) return *out;
    // A row's place: from (0,1) on, below block 4294967295.
    if (left(Is::thing) && left.text == "ctid" && right(Is::text) && right.flag) {
        unsigned long block = 0, item = 0;
        if (std::sscanf(right.text.c_str(), "(%lu,%lu)", &block, &item) != 2) return make(Is::unknown);
        const bool lowest = block == 0 && (item == 0 || (item == 1 && way == ">="));
        if (lowest && (way == ">" || way == ">=" || (item == 0 && (way == "<>" || way == "!=")))) return of_truth(true);
        return block >= 4294967294UL && (way == "<" || way == "<=") ? of_truth(true) : make(Is::unknown);
    }
    const Cell a = as_the_other(left, right), b = as_the_other(right, left);
    if (const auto out = settled(a, b)) return *out;
    const bool equal = way == "=", other = way == "<>" || way == "!=", below = way == "<" || way == "<=", above = way == ">" || way == ">=";
    if (!equal && !other && !below && !above) return make(Is::unknown);
    if (a(Is::list) && b(Is::list)) {
        if (a.flag || b.flag || (!equal && !other && printed(a) != printed(b))) return make(Is::unknown);
        if (a.items.size() != b.items.size()) return of_truth(other);
        bool null = false;
        for (std::size_t i = 0; i < a.items.size(); ++i) {
            const Cell same = compare("=", a.items[i], b.items[i]);
            if (same(Is::null)) null = true;
            else if (!same(Is::truth)) return same;
            else if (!same.flag) return of_truth(other);
        }
        return null ? make(Is::null) : of_truth(!other && way != "<" && way != ">");
    }
    if (a.is != b.is) return make(Is::unknown);
    if (a(Is::thing)) return a.text == b.text ? of_truth(equal || way == "<=" || way == ">=") : make(Is::unknown);
    if (a(Is::range) || a(Is::document)) {
        if (printed(a) == printed(b)) return of_truth(equal || way == "<=" || way == ">=");
        return a.unit != b.unit && (equal || other) ? of_truth(other) : make(Is::unknown);
    }
    int order = 0;
    if (a(Is::number)) {
        if ((a.unit == ' ') != (b.unit == ' ')) return make(Is::unknown);
        order = a.number < b.number ? -1 : a.number > b.number;
        if ((a.flag || a.less) && (b.flag || b.less)) return make(Is::unknown);
        if (a.less) return order < 0 && (below || other) ? of_truth(true) : order == 0 && way == "<=" ? of_truth(true) : make(Is::unknown);
        if (b.less) return order > 0 && (above || other) ? of_truth(true) : order == 0 && way == ">=" ? of_truth(true) : make(Is::unknown);
        if (a.flag) return order > 0 && (above || other) ? of_truth(true) : order == 0 && way == ">=" ? of_truth(true) : make(Is::unknown);
        if (b.flag) return order < 0 && (below || other) ? of_truth(true) : order == 0 && way == "<=" ? of_truth(true) : make(Is::unknown);
    } else if (a(Is::truth)) {
        order = static_cast<int>(a.flag) - static_cast<int>(b.flag);
    } else {
        order = a.text.compare(b.text);
    }
    if (equal) return of_truth(order == 0);
    if (other) return of_truth(order != 0);
    return of_truth(order == 0 ? way.size() == 2 : (order < 0) == below);
}

Cell any(const std::string& way, const Cell& wanted, const Cell& list) {
    Cell out = list.flag ? make(Is::unknown) : of_truth(false);
    for (const Cell& item : list.items) {
        const Cell met = compare(way, wanted, item);
        if (met(Is::truth) && met.flag) return met;
        if (!met(Is::truth) && !out(Is::unknown) && !out(Is::fixed)) out = met;
        if (met(Is::unknown)) out = met;
    }
    return out;
}

Cell all(const std::string& way, const Cell& wanted, const Cell& list) {
    Cell out = list.flag ? make(Is::unknown) : of_truth(true);
    for (const Cell& item : list.items) {
        const Cell met = compare(way, wanted, item);
        if (met(Is::truth) && !met.flag) return met;
        if (!met(Is::truth)) out = met;
    }
    return out;
}

}  // namespace dbguard::sql::sample
