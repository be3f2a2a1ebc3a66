#include "masking/mask.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace dbguard::masking {
namespace {

constexpr std::pair<std::string_view, Function> plain_functions[] = {
    {"null", Function::null},
    {"redact", Function::redact},
    {"replace", Function::replace},
    {"hash", Function::hash},
    {"email", Function::email},
    {"keep", Function::keep},
    {"zero", Function::zero},
    {"date(year)", Function::date_year},
    {"date(month)", Function::date_month},
};
constexpr std::pair<std::string_view, Function> counted_functions[] = {
    {"first", Function::first},
    {"last", Function::last},
    {"bucket", Function::bucket},
};

std::optional<std::uint64_t> number(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure != std::errc() || end != digits.data() + digits.size()) return {};
    return value;
}

/// Strictest first: policy language, "Semantics", rule 8.
int rank(Function function) {
    switch (function) {
        case Function::null:
            return 0;
        case Function::redact:
            return 1;
        case Function::replace:
            return 2;
        case Function::hash:
            return 3;
        case Function::zero:
        case Function::bucket:
        case Function::date_year:
        case Function::date_month:
            return 4;
        case Function::email:
        case Function::first:
        case Function::last:
        case Function::partial:
            return 5;
        case Function::keep:
            return 6;
    }
    return 0;
}

/// Two functions of one rank: the one that shows no more than either, where one is that; else
/// redact.
void combine(Mask& into, const Mask& other) {
    const bool same = into.function == other.function;
    switch (into.function) {
        case Function::first:
        case Function::last:
        case Function::partial:
            if (!same) break;
            into.a = std::min(into.a, other.a);
            into.b = std::min(into.b, other.b);
            return;
        case Function::bucket:
            // A multiple of a multiple tells no more than the coarser of the two.
            if (!same) break;
            if (into.a % other.a == 0) return;
            if (other.a % into.a != 0) break;
            into.a = other.a;
            return;
        case Function::date_year:
        case Function::date_month:
            if (other.function != Function::date_year && other.function != Function::date_month)
                break;
            if (!same) into.function = Function::date_year;
            return;
        default:
            if (same) return;
            break;
    }
    into.function = Function::redact;
    into.a = into.b = 0;
}

/// What either covers. An empty list is the whole value.
template <class T>
std::vector<T> united(const std::vector<T>& a, const std::vector<T>& b) {
    if (a.empty() || b.empty()) return {};
    auto all = a;
    for (const T& element : b)
        if (std::find(all.begin(), all.end(), element) == all.end()) all.push_back(element);
    return all;
}

}  // namespace

Result<Mask> parse_mask(std::string_view with) {
    const Error bad{errc::bad_mask, std::string(with.substr(0, 40))};
    Mask mask;
    for (const auto& [name, function] : plain_functions) {
        if (with != name) continue;
        mask.function = function;
        return mask;
    }
    const auto open = with.find('(');
    if (open == std::string_view::npos || with.back() != ')') return bad;
    const auto name = with.substr(0, open);
    const auto arguments = with.substr(open + 1, with.size() - open - 2);
    if (name == "partial") {
        const auto comma = arguments.find(',');
        if (comma == std::string_view::npos) return bad;
        const auto a = number(arguments.substr(0, comma));
        const auto b = number(arguments.substr(comma + 1));
        if (!a || !b) return bad;
        mask.function = Function::partial;
        mask.a = *a;
        mask.b = *b;
        return mask;
    }
    for (const auto& [counted, function] : counted_functions) {
        if (name != counted) continue;
        const auto a = number(arguments);
        // There are no multiples of 0 to choose from.
        if (!a || (function == Function::bucket && *a == 0)) return bad;
        mask.function = function;
        mask.a = *a;
        return mask;
    }
    return bad;
}

std::string text(const Mask& mask) {
    for (const auto& [name, function] : plain_functions)
        if (mask.function == function) return std::string(name);
    if (mask.function == Function::partial)
        return "partial(" + std::to_string(mask.a) + "," + std::to_string(mask.b) + ")";
    for (const auto& [name, function] : counted_functions)
        if (mask.function == function)
            return std::string(name) + "(" + std::to_string(mask.a) + ")";
    return {};
}

Mask stricter(const Mask& a, const Mask& b) {
    // `keep` adds nothing, whatever it is kept of.
    if (a.function == Function::keep) return b;
    if (b.function == Function::keep) return a;
    const bool a_first = rank(a.function) <= rank(b.function);
    Mask result = a_first ? a : b;
    const Mask& other = a_first ? b : a;
    if (rank(result.function) == rank(other.function)) combine(result, other);
    // The result has to cover all that either covers, and one mask has one function.
    result.keys = united(a.keys, b.keys);
    result.detectors = united(a.detectors, b.detectors);
    result.no_zone = a.no_zone || b.no_zone;
    return result;
}

}  // namespace dbguard::masking
