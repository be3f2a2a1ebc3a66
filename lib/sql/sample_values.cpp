// Which values a column is tried with.

#include <algorithm>
#include <cmath>
#include <limits>

#include "sql/sample.hpp"

namespace dbguard::sql::sample {
namespace {

constexpr long double infinite = std::numeric_limits<long double>::infinity();

}  // namespace

void Values::note_constant(const std::string& text) {
    if (const auto number = number_in(text); number && numbers_.size() < 12 && std::find(numbers_.begin(), numbers_.end(), *number) == numbers_.end()) numbers_.push_back(*number);
    if (texts_.size() < 12 && text.size() < 200 && std::find(texts_.begin(), texts_.end(), text) == texts_.end()) texts_.push_back(text);
    if (const auto list = array_in(text)) for (const Cell& item : list->items) if (item(Is::text)) note_constant(item.text);
}

/// Numbers that the condition may turn on.
std::vector<long double> Values::telling_numbers(bool few) const {
    std::vector<long double> out;
    for (const long double a : numbers_) out.insert(out.end(), {a, -a});
    if (few) return out;
    for (const long double a : numbers_) {
        out.insert(out.end(), {a - 1, a + 1});
        for (const long double b : numbers_) {
            out.insert(out.end(), {a + b, a - b, a * b});
            if (b != 0) out.push_back(std::trunc(a / b));
        }
    }
    return out;
}

std::vector<Cell> Values::whole_samples(int width, bool few) const {
    const long double end = width == 2 ? 32768.0L : width == 4 ? 2147483648.0L : 9223372036854775808.0L;
    std::vector<Cell> out{of_number(7, width), of_number(0, width), of_number(-1, width)};
    if (!few) out.insert(out.end(), {of_number(1, width), of_number(2, width), of_number(10, width), of_number(-end, width), of_number(end - 1, width), of_number(1000, width)});
    for (const long double number : telling_numbers(few))
        if (number == std::trunc(number) && number >= -end && number < end && out.size() < 80) out.push_back(of_number(number, width));
    return out;
}

std::vector<Cell> Values::text_samples(std::size_t limit, bool few) const {
    std::vector<std::string> out{"abc", "", "Z z"};
    if (!few) out.insert(out.end(), {"a", "0", "%_", "\xC3\x84q", std::string(40, 'x')});
    for (const std::string& text : texts_) {
        std::string plain;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\\' && i + 1 < text.size()) plain += text[++i];
            else if (text[i] != '%') plain += text[i] == '_' ? 'x' : text[i];
        }
        out.push_back(text);
        out.push_back(plain);
        if (few) continue;
        out.insert(out.end(), {text + "a", "a" + text, text.substr(0, text.size() - 1), folded_case(text)});
        std::string upper = text;
        for (char& c : upper)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        out.push_back(upper);
    }
    for (const long double number : numbers_)
        if (number >= 1 && number <= 64) for (int by = few ? 0 : -1; by <= (few ? 0 : 1); ++by) out.emplace_back(static_cast<std::size_t>(number) + static_cast<std::size_t>(by + 1) - 1, 'y');
    std::vector<Cell> cells;
    for (std::string& text : out) {
        if (text.size() > limit) text.resize(limit);
        if (cells.size() < 90 && std::none_of(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.text == text; })) cells.push_back(of_text(std::move(text)));
    }
    return cells;
}

std::vector<Cell> Values::moment_samples(char unit, bool few) const {
    std::vector<long double> days{9000, 0, -400};
    if (!few) days.insert(days.end(), {infinite, -infinite, 59, 8825, -20000});
    std::vector<Cell> out;
    for (const std::string& text : texts_)
        if (const auto moment = moment_of(folded_case(text)); moment && std::isfinite(*moment)) days.insert(days.end(), {*moment / 86400, *moment / 86400 - 1, *moment / 86400 + 1});
    for (const long double number : numbers_) {
        if (number >= 1 && number <= 9999) days.push_back(days_of(static_cast<long>(number), 3, 1));
        if (number >= 1 && number <= 12) days.push_back(days_of(2024, static_cast<int>(number), 5));
        if (number >= 1 && number <= 31) days.push_back(days_of(2024, 1, static_cast<int>(number)));
        for (int day = 0; number >= 0 && number <= 7 && day < 7 && !few; ++day) days.push_back(9000 + day);
    }
    for (const long double day : days)
        if (out.size() < 60) out.push_back(of_number((unit == 'd' && std::isfinite(day) ? std::floor(day) : day) * 86400, 0, unit));
    return out;
}

std::vector<Cell> Values::of_type(catalogue::Id type, std::int32_t modifier, const std::string& name, bool few) const {
    const catalogue::Type* known = snapshot_ == nullptr ? nullptr : snapshot_->type(type);
    for (int steps = 0; known != nullptr && known->kind == catalogue::TypeKind::domain && steps < 8; ++steps) {
        if (modifier < 0) modifier = known->modifier;
        type = known->base;
        known = snapshot_->type(type);
    }
    if (known != nullptr && known->kind == catalogue::TypeKind::enumeration) {
        std::vector<Cell> out;
        for (std::size_t i = 0; i < known->labels.size(); ++i) {
            Cell label = of_number(static_cast<long double>(i));
            label.text = known->labels[i];
            label.labels = known;
            out.push_back(std::move(label));
        }
        return out;
    }
    const BuiltIn built_in = dialect_.built_in(type, modifier);
    switch (built_in.kind) {
        using enum BuiltIn::Kind;
        case boolean: return {of_truth(true), of_truth(false)};
        case whole: return whole_samples(built_in.bytes, few);
        case decimal: case floating: {
            std::vector<long double> numbers{7, 0, -1};
            if (!few) numbers.insert(numbers.end(), {1, 0.5L, -2.5L, 1e30L, -1e30L});
            const auto telling = telling_numbers(few);
            numbers.insert(numbers.end(), telling.begin(), telling.end());
            std::vector<Cell> out;
            for (long double number : numbers) {
                if (built_in.digits > 0) {
                    const long double unit = std::pow(10.0L, built_in.scale), end = std::pow(10.0L, built_in.digits - built_in.scale) - 1 / unit;
                    number = std::clamp(std::round(number * unit) / unit, -end, end);
                }
                if (out.size() < 80) out.push_back(of_number(number));
            }
            return out;
        }
        case text: return text_samples(built_in.characters > 0 ? built_in.characters : 1000, few);
        case day: return moment_samples('d', few);
        case moment: return moment_samples('t', few);
        case document: {
            std::vector<Cell> out;
            for (const char* text : {"{}", "[]", "null", "7", "\"abc\"", "true"}) out.push_back(*document_in(text));
            for (const std::string& text : texts_) {
                if (out.size() > 20) break;
                out.push_back(*document_in("{}"));
                out.back().items = {of_text(text), document_of(of_number(7, 8))};
                if (const auto given = document_in(text)) out.push_back(*given);
            }
            return out;
        }
        case uuid: {
            std::vector<Cell> out;
            for (const char* sample : {"5b2a3f4e-1c9d-4e6f-8a7b-0c1d2e3f4a5b", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}) out.push_back(of_text(sample));
            for (const std::string& given : texts_)
                if (given.size() == 36) out.push_back(of_text(folded_case(given)));
            return out;
        }
        default: break;
    }
    for (const char* range : {"int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"})
        if (known == nullptr && type != 0 && type == dialect_.type(range)) {
            std::vector<Cell> out{*range_in("(,)"), *range_in("empty")};
            const std::string_view of(range);
            const char unit = of == "daterange" ? 'd' : of.starts_with("t") ? 't' : ' ';
            const int width = of.starts_with("int") ? of[3] - '0' : 0;
            out.push_back(*range_in("[,)"));
            out.back().items = {of_number(unit == ' ' ? 7 : 9000.0L * 86400, width, unit), of_number(unit == ' ' ? 8 : 9001.0L * 86400, width, unit)};
            return out;
        }
    if (const auto element = known != nullptr ? known->element : built_in.element; element != 0) return lists_of(element, few);
    Cell thing = make(Is::thing);
    thing.text = name;
    return {thing};
}

std::vector<Cell> Values::lists_of(catalogue::Id element, bool few) const {
    std::vector<Cell> out{make(Is::list)};
    for (const Cell& item : of_type(element, -1, "element", few)) {
        if (out.size() > 20) break;
        Cell list = make(Is::list);
        list.items.push_back(item);
        out.push_back(std::move(list));
    }
    for (const std::string& text : texts_)
        if (const auto list = array_in(text)) {
            Cell given = *list;
            for (Cell& item : given.items) item.flag = false;
            out.push_back(std::move(given));
        }
    return out;
}

std::vector<Cell> Values::of_system_column(const std::string& name) {
    if (name == "ctid") {
        Cell place = make(Is::thing);
        place.text = "ctid";
        return {place};
    }
    return {of_number(700), of_number(3), of_number(4294967295.0L)};
}

}  // namespace dbguard::sql::sample
