#pragma once

// From what was done to the smallest role that allows it, as the text of a policy file. Pure: what was seen comes in, YAML
// goes out. Where the language cannot say less than what is needed, or where a rule would open something dangerous, the draft
// says so beside the rule; dangerous rules stand in it as comments unless they are asked for.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "sql/effect.hpp"

namespace dbguard::policy {

/// A statement that ran, and how often.
struct Observed {
    std::vector<sql::Effect> effects;
    bool facts_known = true;  ///< false: the effects' WHERE, settings and the like are not known
    std::uint64_t count = 1;
    std::string example;      ///< where it was first seen, one line; may be empty
};

/// One role of the draft.
struct ObservedRole {
    std::string name, login;
    std::vector<std::string> databases;
    std::vector<Observed> statements;
    std::uint64_t most_rows = 0, most_affected = 0;
    std::chrono::milliseconds longest{0};
    std::vector<std::string> known_tables;      ///< of the schema, as `public.orders`; empty: there is no schema
    std::vector<std::string> sensitive_columns; ///< were read and look it; for a remark
};

struct SuggestOptions {
    std::string name = "suggested";  ///< of the policy
    std::vector<std::string> remarks;  ///< lines at the top, as comments
    bool dangerous = false;          ///< write dangerous rules out, too
};

struct Suggestion {
    std::string yaml;
    std::size_t rules = 0;           ///< that stand in the draft
    std::size_t withheld = 0;        ///< dangerous ones that stand there as comments
    std::uint64_t not_covered = 0;   ///< statements that need one of those
};

Suggestion suggest(std::span<const ObservedRole> roles, const SuggestOptions& options);

/// `public.customers` as YAML writes a word that means text: quoted where another reader would take it for something else.
std::string yaml_word(std::string_view text);

}  // namespace dbguard::policy
