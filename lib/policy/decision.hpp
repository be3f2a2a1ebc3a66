#pragma once

// What policy says of one statement. A value: pure function of the statement, the role's rules and the sensitive columns.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "masking/mask.hpp"

namespace dbguard::policy {

/// Strictest last.
enum class Verdict : std::uint8_t { allow, warn, approve, deny };

std::string_view name(Verdict verdict);

struct Decision {
    Verdict verdict = Verdict::deny;
    std::string rule;      ///< `tester#4` or `tester#never`: the rule that decided; empty: nothing opened it
    std::string reason;    ///< one sentence for people: which effect on which object, why
    std::string fix;       ///< what to do instead; may be empty
    std::string approvers; ///< approve: the name under `approvals`
    std::vector<std::string> rules;  ///< every rule that matched
    /// What an enforced decision would have been, where a rule or the policy is in shadow.
    std::optional<Verdict> shadow;

    /// One a result column; empty optional: as it is. Has as many elements as the statement has outputs; where the statement
    /// does not know how many there are (outputs_exact), no more is to be concluded from their number.
    std::vector<std::optional<masking::Mask>> masks;
    /// Nothing of this result can be sensitive, however many columns come.
    bool unmasked = false;
    /// Error, notice and warning texts are rebuilt without values.
    bool hide_texts = false;
    /// Roll back and refuse when more rows than this were affected, summed over the client's transaction.
    std::optional<std::uint64_t> max_affected;
    /// Who refuses then: rule, reason and fix as above.
    std::string max_affected_rule, max_affected_reason, max_affected_fix;

    /// A rule asks for the planner's estimate and none was given, so the worst was taken: worth deciding again with one.
    bool needs_estimate = false;
    /// A rule asks for the time of day: the decision may be another from then on. Empty: it holds.
    std::optional<std::chrono::system_clock::time_point> until;

    bool operator==(const Decision&) const = default;
};

}  // namespace dbguard::policy
