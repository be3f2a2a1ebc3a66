#include "policy/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <unordered_set>

namespace dbguard::policy {
namespace {

/// Levenshtein's distance, with the bound that callers need: words longer than 64 bytes are never near.
std::size_t distance(std::string_view a, std::string_view b) {
    if (a.size() > 64 || b.size() > 64) return std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

/// `Rows-Limit` and `rows_limit` are one word to people.
std::string plain_form(std::string_view word) {
    std::string out;
    for (const char c : word) {
        if (c == '-' || c == '_' || c == ' ') continue;
        out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
    return out;
}

std::optional<std::uint64_t> decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

/// `30m` → 30 and `m`, without a leading zero; empty when the text has another form.
std::optional<std::pair<std::uint64_t, std::string_view>> number_and_unit(std::string_view text) {
    const auto digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || text.front() == '0') return {};
    const auto value = decimal(text.substr(0, digits));
    if (!value) return {};
    return std::pair{*value, text.substr(digits)};
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    const auto plain = plain_form(word);
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, plain.size() / 3) + 1;
    for (const auto candidate : known) {
        const auto d = distance(plain, plain_form(candidate));
        if (d < best_distance) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

std::string one_of_these(std::span<const std::string_view> words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += quoted(words[i]);
    }
    return out;
}

std::vector<std::string> names(const std::vector<Reference>& references) {
    std::vector<std::string> out;
    for (const auto& one : references) out.push_back(one.name);
    return out;
}

void Fields::error(Position at, std::string message, std::string suggestion) {
    if (full()) return;
    problems_.push_back({std::string(file_), at, Severity::error, std::move(message), std::move(suggestion)});
}

bool Fields::map(
    const YamlNode& node, std::string_view what, std::span<const std::string_view> known,
    std::span<const std::string_view> required
) {
    if (node.kind != YamlNode::Kind::map) {
        error(node.at, std::string(what) + " must be a map of keys", "write `" + std::string(known.front()) + ": …`");
        return false;
    }
    for (const auto& key : node.keys) {
        if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
        const auto near = nearest(key.text, known);
        error(
            key.at, "unknown key " + quoted(key.text) + " in " + std::string(what),
            "write " + (near.empty() ? one_of_these(known) : quoted(near))
        );
    }
    for (const auto name : required)
        if (!node.find(name))
            error(node.at, std::string(what) + " has no " + quoted(name), "add " + quoted(name));
    return true;
}

bool Fields::named_map(const YamlNode& node, std::string_view what) {
    if (node.kind != YamlNode::Kind::map) {
        error(node.at, std::string(what) + " must be a map from names", "write `a-name:` and what it holds below it");
        return false;
    }
    for (const auto& key : node.keys) {
        const auto reading = key.plain ? yaml_reading(key.text) : std::string_view();
        if (!reading.empty())
            error(
                key.at, "the unquoted name " + quoted(key.text) + " is " + std::string(reading) + " to other YAML readers",
                "write \"" + key.text + "\""
            );
        if (key.text.empty()) error(key.at, "a name is empty in " + std::string(what));
    }
    return true;
}

std::optional<std::string> Fields::text(const YamlNode& node, std::string_view what) {
    if (node.kind == YamlNode::Kind::null) {
        error(node.at, std::string(what) + " is empty or an unquoted `null`", "write a value, or \"null\" in quotes");
        return {};
    }
    if (node.kind != YamlNode::Kind::scalar) {
        error(node.at, std::string(what) + " must be a single word or text");
        return {};
    }
    const auto reading = node.plain ? yaml_reading(node.text) : std::string_view();
    if (!reading.empty()) {
        error(
            node.at,
            std::string(what) + ": the unquoted " + quoted(node.text) + " is " + std::string(reading) +
                " to other YAML readers",
            "write \"" + node.text + "\""
        );
        return {};
    }
    if (node.text.empty()) {
        error(node.at, std::string(what) + " is empty");
        return {};
    }
    return node.text;
}

std::string Fields::sentence(const YamlNode& node, std::string_view what) {
    const auto given = text(node, what);
    std::string out;
    bool space = false;
    for (const char c : given.value_or("")) {
        if (c == ' ' || c == '\n' || c == '\t') {
            space = true;
            continue;
        }
        if (space && !out.empty()) out.push_back(' ');
        space = false;
        out.push_back(c);
    }
    return out;
}

std::optional<bool> Fields::boolean(const YamlNode& node, std::string_view what) {
    if (node.kind == YamlNode::Kind::scalar && node.plain) {
        if (node.text == "true") return true;
        if (node.text == "false") return false;
    }
    error(node.at, std::string(what) + " must be true or false", "write `true` or `false` without quotes");
    return {};
}

std::optional<std::uint64_t> Fields::number(const YamlNode& node, std::string_view what, std::uint64_t least) {
    if (node.kind == YamlNode::Kind::scalar) {
        // A leading zero means base 8 to YAML 1.1.
        const auto value = node.text.size() > 1 && node.text.front() == '0' ? std::nullopt : decimal(node.text);
        if (value && !node.plain) {
            error(node.at, std::string(what) + " must be a number", "write " + node.text + " without quotes");
            return {};
        }
        if (value && *value >= least && *value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return value;
    }
    error(
        node.at, std::string(what) + " must be a whole number of at least " + std::to_string(least),
        "write digits only, such as 1000"
    );
    return {};
}

std::optional<Duration> Fields::duration(const YamlNode& node, std::string_view what) {
    using namespace std::chrono_literals;
    using std::chrono::milliseconds;
    const std::string suggestion = "write a whole number with ms, s, m, h or d, such as 30m";
    if (node.kind == YamlNode::Kind::scalar) {
        const std::array<std::pair<std::string_view, milliseconds>, 5> units = {
            {{"ms", 1ms}, {"s", 1s}, {"m", 1min}, {"h", 1h}, {"d", 24h}}};
        if (const auto parts = number_and_unit(node.text))
            for (const auto& [unit, length] : units) {
                if (unit != parts->second) continue;
                // A century is beyond what anybody means, and far below where adding to a clock overflows.
                constexpr milliseconds most = std::chrono::hours(24) * 36'500;
                if (parts->first <= static_cast<std::uint64_t>(most / length)) return length * parts->first;
                error(node.at, std::string(what) + " is longer than 36500 days");
                return {};
            }
    }
    error(node.at, std::string(what) + " must be a duration", suggestion);
    return {};
}

std::optional<std::uint64_t> Fields::size(const YamlNode& node, std::string_view what) {
    if (node.kind == YamlNode::Kind::scalar) {
        const std::array<std::pair<std::string_view, int>, 3> units = {{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};
        if (const auto parts = number_and_unit(node.text))
            for (const auto& [unit, shift] : units) {
                if (unit != parts->second) continue;
                if (parts->first < std::uint64_t{1} << (62 - shift)) return parts->first << shift;
                error(node.at, std::string(what) + " is too large");
                return {};
            }
    }
    error(
        node.at, std::string(what) + " must be a size", "write a whole number with KiB, MiB or GiB, such as 5MiB"
    );
    return {};
}

std::optional<std::uint64_t> Fields::more_than(const YamlNode& node, std::string_view what) {
    if (node.kind == YamlNode::Kind::scalar && node.text.starts_with('>'))
        if (const auto value = decimal(std::string_view(node.text).substr(1))) return value;
    error(node.at, std::string(what) + " must be a bound", "write \">1000\", in quotes");
    return {};
}

std::vector<Reference> Fields::one_or_many(const YamlNode& node, std::string_view what) {
    if (node.kind == YamlNode::Kind::sequence) return list(node, what, 1, true);
    if (node.kind == YamlNode::Kind::map) {
        error(node.at, std::string(what) + " must be one word or a list of them");
        return {};
    }
    auto word = text(node, what);
    if (!word) return {};
    return {{std::move(*word), node.at}};
}

std::vector<Reference> Fields::list(const YamlNode& node, std::string_view what, std::size_t least, bool unique) {
    if (node.kind != YamlNode::Kind::sequence) {
        error(node.at, std::string(what) + " must be a list", "write [a, b]");
        return {};
    }
    if (node.items.size() < least) error(node.at, std::string(what) + " is an empty list", "name at least one");
    std::vector<Reference> out;
    std::unordered_set<std::string> seen;
    for (const auto& item : node.items) {
        auto word = text(item, what);
        if (!word) continue;
        if (unique && !seen.insert(*word).second) {
            error(item.at, quoted(*word) + " stands twice in " + std::string(what), "take one out");
            continue;
        }
        out.push_back({std::move(*word), item.at});
    }
    return out;
}

void Fields::bad_choice(
    Position at, std::string_view what, std::string_view word, std::span<const std::string_view> known
) {
    const auto near = nearest(word, known);
    error(
        at, std::string(what) + " cannot be " + quoted(word),
        "write " + (near.empty() ? one_of_these(known) : quoted(near))
    );
}

}  // namespace dbguard::policy
