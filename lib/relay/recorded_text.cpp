#include "relay/recorded_text.hpp"

#include <algorithm>
#include <map>

#include "base/quoting.hpp"
#include "relay/literals.hpp"

namespace dbguard::relay {
namespace {

constexpr std::string_view hidden = "'***'";

/// Adds what one more meeting says.
void judge(Fate& fate, const sql::Given& given, const policy::Sensitivity& sensitivity, bool first) {
    if (first) fate.keep = true;
    bool hide = given.unknown || (!first && !fate.keep && !fate.mask);
    std::optional<masking::Mask> mask = fate.mask;
    for (const sql::Source& source : given.meets) {
        if (source.flow == sql::Flow::existence) continue;
        const policy::SensitiveColumn* column = sensitivity.source(source);
        if (column == nullptr) continue;
        // Which part of the literal is that member is not known.
        if (!column->mask.keys.empty()) hide = true;
        mask = mask ? masking::stricter(*mask, column->mask) : column->mask;
    }
    fate.keep = fate.keep && !hide && !mask;
    fate.mask = hide ? std::nullopt : mask;
}

std::string quoted(std::string_view content) { return in_quotes(content, '\''); }

std::string shown(std::string_view text, const Literal& literal, const Fate& fate, const masking::Masker& masker) {
    // What a mask makes of a number is not worth knowing here.
    const auto value = fate.mask ? value_of(text, literal) : std::nullopt;
    if (!value) return std::string(hidden);
    const auto masked = masker.mask_text(*fate.mask, *value);
    return masked ? quoted(*masked) : "NULL";
}

}  // namespace

const Fate& Fates::parameter(std::size_t index) const {
    static const Fate unknown;
    return index < parameters.size() ? parameters[index] : unknown;
}

Fates fates_of(std::string_view text, const recording::Lexis& lexis, std::span<const PlannedStatement> statements, const policy::Sensitivity& sensitivity) {
    Fates out;
    std::map<std::uint32_t, Fate> by_place;
    constexpr std::uint32_t most_parameters = 65535;   // a Bind counts them in 16 bits
    std::vector<bool> known_parameter;
    for (const PlannedStatement& planned : statements)
        for (const sql::Given& given : planned.statement.givens) {
            if (!given.parameter) {
                const auto [at, first] = by_place.try_emplace(given.at);
                judge(at->second, given, sensitivity, first);
            } else if (given.at >= 1 && given.at <= most_parameters) {
                if (out.parameters.size() < given.at) {
                    out.parameters.resize(given.at);
                    known_parameter.resize(given.at);
                }
                judge(out.parameters[given.at - 1], given, sensitivity, !known_parameter[given.at - 1]);
                known_parameter[given.at - 1] = true;
            }
        }
    const auto literals = literals_of(text, lexis);
    if (!literals) return out;
    for (const Literal& literal : *literals) {
        auto known = by_place.find(static_cast<std::uint32_t>(literal.token.begin));
        if (known == by_place.end() && literal.sign != std::string_view::npos) known = by_place.find(static_cast<std::uint32_t>(literal.sign));
        out.literals.push_back(known == by_place.end() ? Fate{} : known->second);
    }
    return out;
}

std::optional<std::vector<recording::Replacement>> replacements(
    std::string_view text, const recording::Lexis& lexis, const Fates& fates, const masking::Masker& masker, std::deque<std::string>& storage
) {
    std::vector<recording::Replacement> out;
    const auto literals = literals_of(text, lexis);
    // Too many, or a text of another shape than the one they were made for.
    if (!literals || literals->size() != fates.literals.size()) return std::nullopt;
    for (std::size_t i = 0; i < literals->size(); ++i) {
        const Literal& literal = (*literals)[i];
        if (fates.literals[i].keep) continue;
        storage.push_back(shown(text, literal, fates.literals[i], masker));
        out.push_back({literal.token.begin, literal.token.end, storage.back()});
    }
    return out;
}

std::string without_quoted(std::string_view message) {
    const std::size_t first = message.find_first_of("\"'");
    const std::size_t last = message.find_last_of("\"'");
    if (first == std::string_view::npos) return std::string(message);
    return std::string(message.substr(0, first)) + "\"***\"" + std::string(message.substr(std::max(last, first) + 1));
}

}  // namespace dbguard::relay
