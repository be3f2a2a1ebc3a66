#include "relay/given_values.hpp"

#include <algorithm>
#include <set>

#include "masking/looks_masked.hpp"
#include "relay/literals.hpp"
#include "sql/effect.hpp"

namespace dbguard::relay {

namespace {

using sql::EffectClass;

/// What a mask of this kind shows can be told from an ordinary value.
bool recognisable(const masking::Mask& mask) {
    switch (mask.function) {
        case masking::Function::redact:
        case masking::Function::replace:
        case masking::Function::email:
        case masking::Function::first:
        case masking::Function::last:
        case masking::Function::partial: return true;
        default: return false;
    }
}

std::set<std::string> written_columns(const sql::Statement& statement) {
    std::set<std::string> out;
    for (const sql::Effect& effect : statement.effects) {
        if (!sql::inside(effect.effect_class, EffectClass::write)) continue;
        for (const sql::Object& object : effect.objects)
            for (const std::string& column : object.columns) out.insert(object.schema + "." + object.name + "." + column);
    }
    return out;
}

std::set<sql::ColumnId> compared_columns(const sql::Statement& statement, const policy::Sensitivity& sensitivity) {
    std::set<sql::ColumnId> out;
    for (const sql::Filter& filter : statement.filters) {
        const policy::SensitiveColumn* column = filter.use == sql::Filter::Use::equality ? sensitivity.source(filter.source) : nullptr;
        if (column != nullptr && column->filter == policy::Filter::equality) out.insert(filter.source.column);
    }
    return out;
}

bool is_binary(std::span<const std::int16_t> formats, std::size_t index) {
    if (formats.size() == 1) return formats[0] == 1;
    return index < formats.size() && formats[index] == 1;
}

/// Four bytes, the highest first.
std::uint32_t number(std::string_view value, std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<unsigned char>(value[at + i]);
    return out;
}

/// Where the elements of an array begin that was given in binary; 0: it is none.
/// Source: arrayfuncs.c, array_recv: dimensions, flags, type, and a size and a lower bound for each dimension.
std::size_t binary_elements(std::string_view value) {
    if (value.size() < 20 || number(value, 0) < 1 || number(value, 0) > 6 || number(value, 4) > 1) return 0;
    const std::size_t begin = 12 + 8 * std::size_t{number(value, 0)};
    return value.size() < begin ? 0 : begin;
}

/// How many values a parameter holds: one, or an array's elements. Too many rather than too few.
/// Source: PostgreSQL manual, "Array Input and Output Syntax".
double elements(std::string_view value, bool binary) {
    if (!binary) return value.starts_with('{') || value.starts_with('[') ? 1.0 + static_cast<double>(std::ranges::count(value, ',')) : 1.0;
    const std::size_t begin = binary_elements(value);
    if (begin == 0) return 1;
    double count = 1;
    for (std::size_t at = 12; at < begin; at += 8) count *= number(value, at);
    // Each takes four bytes at least; what claims more is no array.
    return std::max(1.0, std::min(count, static_cast<double>(value.size()) / 4));
}

std::string_view trimmed(std::string_view value) {
    const std::size_t begin = value.find_first_not_of(' ');
    return begin == std::string_view::npos ? value : value.substr(begin, value.find_last_not_of(' ') + 1 - begin);
}

/// Whether the value, or one in it, is one that the mask shows: bulk writes bring them as arrays and json.
bool holds_masked(const masking::Mask& mask, std::string_view value, bool binary) {
    if (masking::looks_masked(mask, value) || masking::looks_masked(mask, trimmed(value))) return true;
    if (const std::size_t begin = binary ? binary_elements(value) : 0; begin != 0) {
        for (std::size_t at = begin; at + 4 <= value.size();) {
            const std::uint32_t size = number(value, at);
            at += 4;
            if (size == 0xffffffff) continue;   // NULL
            if (size > value.size() - at) return false;
            if (masking::looks_masked(mask, value.substr(at, size))) return true;
            at += size;
        }
        return false;
    }
    if (binary && value.starts_with('\1')) value.remove_prefix(1);   // jsonb_recv: a version
    value = trimmed(value);
    if (!value.starts_with('{') && !value.starts_with('[')) return false;
    constexpr std::string_view between = "{}[],: \t\r\n";
    for (std::size_t at = 0; at < value.size();) {
        if (between.find(value[at]) != std::string_view::npos) {
            ++at;
        } else if (value[at] == '"') {
            std::string inside;
            for (++at; at < value.size() && value[at] != '"'; ++at) {
                if (value[at] == '\\' && at + 1 < value.size()) ++at;
                inside.push_back(value[at]);
            }
            ++at;
            if (masking::looks_masked(mask, inside)) return true;
        } else {
            const std::size_t end = std::min(value.find_first_of("{},", at), value.size());
            if (masking::looks_masked(mask, trimmed(value.substr(at, end - at)))) return true;
            at = end;
        }
    }
    return false;
}

/// Parameters that are too long to be held: as many values as need that room.
constexpr double too_long = EqualityBudget::burst;

}  // namespace

std::vector<WatchedValue> watched_values(std::string_view text, const recording::Lexis& lexis, std::span<const PlannedStatement> statements, const policy::Sensitivity& sensitivity) {
    std::vector<WatchedValue> out;
    std::optional<std::vector<Literal>> literals;
    bool looked = false;
    const auto index_of = [&](std::uint32_t at) -> std::optional<std::uint32_t> {
        if (!std::exchange(looked, true)) literals = literals_of(text, lexis);
        if (!literals) return std::nullopt;
        const auto found = std::ranges::find_if(*literals, [&](const Literal& literal) { return literal.token.begin == at || literal.sign == at; });
        if (found == literals->end()) return std::nullopt;
        return static_cast<std::uint32_t>(found - literals->begin());
    };
    for (const PlannedStatement& planned : statements) {
        const auto written = written_columns(planned.statement);
        const auto compared = compared_columns(planned.statement, sensitivity);
        if (written.empty() && compared.empty()) continue;
        if (planned.statement.givens.empty() && !compared.empty()) {
            // More than are followed: any may have been compared with any.
            if (!std::exchange(looked, true)) literals = literals_of(text, lexis);
            const double count = literals ? std::max(1.0, static_cast<double>(literals->size())) : EqualityBudget::burst;
            for (const sql::ColumnId id : compared) {
                const policy::SensitiveColumn* column = sensitivity.column(id);
                if (column != nullptr) out.push_back({false, 0, false, count, column->name, column->filter_rule, {}});
            }
        }
        for (const sql::Given& given : planned.statement.givens)
            for (const sql::Source& source : given.meets) {
                const policy::SensitiveColumn* column = sensitivity.source(source);
                if (column == nullptr) continue;
                WatchedValue watched{given.parameter, given.parameter ? given.at - 1 : 0, planned.statement.kind == sql::StatementKind::prepare, 1, column->name, column->rule, {}};
                if (compared.contains(source.column)) {
                    WatchedValue counted = watched;
                    counted.rule = column->filter_rule;
                    // ANY ('{a,b}') compares with each.
                    if (const std::string_view start = given.parameter ? "" : text.substr(std::min<std::size_t>(given.at, text.size()), 4); start.find_first_of("{[$") != std::string_view::npos)
                        if (const auto index = index_of(given.at)) counted.count = elements(value_of(text, (*literals)[*index]).value_or(""), false);
                    out.push_back(std::move(counted));
                }
                if (!written.contains(column->name) || !recognisable(column->mask)) continue;
                if (!given.parameter) {
                    const auto index = index_of(given.at);
                    if (!index) continue;
                    watched.index = *index;
                }
                watched.stored = column->mask;
                out.push_back(std::move(watched));
            }
    }
    return out;
}

std::optional<Refusal> written_back(std::span<const WatchedValue> watched, const GivenValues& given) {
    std::optional<std::vector<Literal>> literals;
    bool looked = false;
    for (const WatchedValue& one : watched) {
        // A literal is there already when PREPARE comes, a parameter is not.
        if (!one.stored || (one.prepared && one.parameter && !given.executes)) continue;
        std::optional<std::string> value;
        const bool binary = one.parameter && is_binary(given.formats, one.index);
        if (one.parameter) {
            if (one.index < given.parameters.size() && given.parameters[one.index]) value = std::string(*given.parameters[one.index]);
        } else {
            if (given.executes) continue;  // looked at when it was prepared
            if (!std::exchange(looked, true)) literals = literals_of(given.text, given.lexis);
            if (literals && one.index < literals->size()) value = value_of(given.text, (*literals)[one.index]);
            // In parts.
            if (value && !holds_masked(*one.stored, *value, binary)) value = joined_values(given.text, *literals, one.index);
        }
        if (!value || !holds_masked(*one.stored, *value, binary)) continue;
        return Refusal{
            "42501", "dbguard: a masked value would be written to " + one.column + ", and the real one be lost",
            "Rule " + one.rule + ".", "Write only the columns that change, or the value that is meant."
        };
    }
    return {};
}

std::optional<Refusal> EqualityBudget::take(std::span<const WatchedValue> watched, const GivenValues& given, Clock::time_point now) {
    std::map<std::string_view, double> wanted;
    const WatchedValue* last = nullptr;
    for (const WatchedValue& one : watched) {
        if (one.stored || (one.prepared && !given.executes)) continue;
        double count = one.count;
        if (one.parameter && given.parameters.empty()) count = too_long;
        else if (one.parameter && one.index < given.parameters.size() && given.parameters[one.index])
            count = elements(*given.parameters[one.index], is_binary(given.formats, one.index));
        wanted[one.column] += count;
        last = &one;
    }
    if (last == nullptr) return {};
    for (const auto& [column, count] : wanted) {
        auto found = left_.find(column);
        if (found == left_.end()) found = left_.emplace(column, Left{burst, now}).first;
        Left& left = found->second;
        const double seconds = std::chrono::duration<double>(now - left.at).count();
        left.comparisons = std::min(burst, left.comparisons + std::max(0.0, seconds) * per_second);
        left.at = now;
        if (left.comparisons < count)
            return Refusal{
                "54000", "dbguard: " + std::string(column) + " was compared with given values too often",
                "Rule " + last->rule + ": " + std::to_string(static_cast<int>(burst)) + " comparisons, and then " + std::to_string(static_cast<int>(per_second)) + " a second.",
                "Wait, or compare another column."
            };
    }
    for (const auto& [column, count] : wanted) left_.find(column)->second.comparisons -= count;
    return {};
}

}  // namespace dbguard::relay
