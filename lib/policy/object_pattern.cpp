#include "policy/object_pattern.hpp"

#include <vector>

#include "base/quoting.hpp"

namespace dbguard::policy {
namespace {

constexpr std::string_view white_space = " \t\r\n\f\v";

char folded(char c, bool fold_case) {
    return fold_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// One part from the front of `rest`, which is consumed.
Result<std::string> take_part(std::string_view& rest) {
    std::string part;
    if (rest.starts_with('"')) {
        std::size_t at = 1;
        for (;; ++at) {
            if (at >= rest.size()) return Error{errc::bad_object, "a quote is not closed"};
            if (rest[at] == '"') {
                if (at + 1 >= rest.size() || rest[at + 1] != '"') break;
                ++at;
            }
            part.push_back(rest[at]);
        }
        if (part.empty()) return Error{errc::bad_object, "a quoted part is empty"};
        rest.remove_prefix(at + 1);
        return part;
    }
    const auto end = rest.find('.');
    part = rest.substr(0, end);
    if (part.empty()) return Error{errc::bad_object, "a part is empty"};
    if (part.find('"') != std::string::npos)
        return Error{errc::bad_object, "a quote stands inside a part: quote the whole part"};
    if (part.find_first_of(white_space) != std::string::npos)
        return Error{errc::bad_object, "a part with a space is written in double quotes"};
    rest.remove_prefix(part.size());
    return part;
}

}  // namespace

bool ObjectPattern::exact() const {
    return schema.find('*') == std::string::npos && relation.find('*') == std::string::npos &&
           (!column || column->find('*') == std::string::npos);
}

Result<ObjectPattern> parse_object(std::string_view text) {
    std::vector<std::string> parts;
    for (auto rest = text;;) {
        auto part = take_part(rest);
        if (!part) return part.error();
        parts.push_back(std::move(*part));
        if (rest.empty()) break;
        if (rest.front() != '.') return Error{errc::bad_object, "something stands after a closing quote"};
        rest.remove_prefix(1);
        if (parts.size() == 3) return Error{errc::bad_object, "there are more than three parts"};
    }
    if (parts.size() < 2) return Error{errc::bad_object, "the schema is missing"};
    ObjectPattern pattern{std::move(parts[0]), std::move(parts[1]), {}};
    if (parts.size() == 3) pattern.column = std::move(parts[2]);
    return pattern;
}

std::string quoted_name(std::string_view name) {
    if (!name.empty() && name.find_first_of(".\"") == std::string_view::npos &&
        name.find_first_of(white_space) == std::string_view::npos)
        return std::string(name);
    return in_quotes(name, '"');
}

std::string text(const ObjectPattern& pattern) {
    auto out = quoted_name(pattern.schema) + '.' + quoted_name(pattern.relation);
    if (pattern.column) out += '.' + quoted_name(*pattern.column);
    return out;
}

bool matches_wildcard(std::string_view pattern, std::string_view text, bool fold_case) {
    // The last `*` seen takes one character more each time what follows it does not fit: earlier ones never need to.
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && folded(pattern[p], fold_case) == folded(text[t], fold_case)) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (folded(a[i], true) != folded(b[i], true)) return false;
    return true;
}

}  // namespace dbguard::policy
