#pragma once

// Effects in, a verdict out: the one place where rules are weighed. Pure: no clock, no I/O, no state. A session compiles its
// role once (RoleRules) and calls decide() for each new statement. Masks are weighed elsewhere (policy/mask_decision.hpp).
//
// For each effect and each object of it, the strictest matching rule holds: deny > approve > warn > allow, and where nothing
// opens it, deny. A statement is as strict as its strictest effect. What is not known (an object that does not resolve, a
// fact that nobody could tell) matches what forbids and not what opens.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/decision.hpp"
#include "policy/policy.hpp"
#include "sql/statement.hpp"

namespace dbguard::policy {

/// What rules may ask that the statement's text does not tell. Empty: not known, which is treated as the worst.
struct Facts {
    std::optional<std::uint64_t> estimated_rows;  ///< the planner's
    std::optional<std::chrono::system_clock::time_point> now;
    bool in_plan = false;  ///< the statement is a step of an approved plan
};

/// A role's rules, arranged by class. Immutable, cheap to copy, shared between threads; keeps nothing of the policy alive.
class RoleRules {
  public:
    RoleRules(const Policy& policy, const Role& role, Engine engine, NameRules names = {});

    struct Compiled;
    const Compiled& compiled() const { return *compiled_; }
    /// A rule asks for the planner's estimate: Facts::estimated_rows is worth asking the server for.
    bool wants_estimate() const;

  private:
    std::shared_ptr<const Compiled> compiled_;
};

/// Judges `effects` as one statement. No effects at all: deny, because nobody knows what it does.
/// Reads of values name their columns: an object of a read without columns counts as touching no column's value.
Decision decide(const RoleRules& rules, std::span<const sql::Effect> effects, const Facts& facts = {});
/// Judges `statement.effects`; what the statement carries inside counts only as far as it is among them.
Decision decide(const RoleRules& rules, const sql::Statement& statement, const Facts& facts = {});
/// The verdict for text that did not parse or resolve. `why` is one clause for people; may be empty.
Decision decide_unparsed(const RoleRules& rules, std::string_view why, const Facts& facts = {});

/// What was weighed, for `explain`: one an effect and object; several where rules tell its columns apart.
struct Judgement {
    std::size_t effect = 0;  ///< index
    std::string object;      ///< `public.customers`; empty: an effect without an object
    std::vector<std::string> columns;
    Verdict verdict = Verdict::deny;
    std::string rule;        ///< empty: nothing opened it
    std::vector<std::string> rules;  ///< all that matched

    bool operator==(const Judgement&) const = default;
};
std::vector<Judgement> judge(const RoleRules& rules, std::span<const sql::Effect> effects, const Facts& facts = {});

inline Verdict strictest(Verdict a, Verdict b) { return a < b ? b : a; }

}  // namespace dbguard::policy
