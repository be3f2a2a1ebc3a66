#pragma once

// What of a statement's literals and parameters may be recorded, and told on stderr: those that meet no masked column as they
// are, the others under that column's mask or not at all. Private to this room.

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "masking/apply.hpp"
#include "policy/sensitivity.hpp"
#include "recording/redact.hpp"
#include "relay/session.hpp"

namespace dbguard::relay {

/// What becomes of one literal or parameter in the record.
struct Fate {
    bool keep = false;
    std::optional<masking::Mask> mask;  ///< otherwise, what is shown in its place; empty: `***`
};

/// One a literal of the text, in the text's order, and one a parameter, $1 first. They hold for every text of the same shape.
struct Fates {
    std::vector<Fate> literals;
    std::vector<Fate> parameters;

    const Fate& parameter(std::size_t index) const;
};

/// From what the analysis says they meet. A literal or parameter of which nothing is known is not kept.
Fates fates_of(std::string_view text, const recording::Lexis& lexis, std::span<const PlannedStatement> statements, const policy::Sensitivity& sensitivity);

/// What stands in the place of a text's literals; borrows from `storage`. Empty: there are too many to tell, or not as many as
/// `fates` has, so that none can be kept.
std::optional<std::vector<recording::Replacement>> replacements(
    std::string_view text, const recording::Lexis& lexis, const Fates& fates, const masking::Masker& masker, std::deque<std::string>& storage
);

/// A message of the server's, or of a parser's, without what it quotes: `syntax error at or near "***"`.
std::string without_quoted(std::string_view message);

}  // namespace dbguard::relay
