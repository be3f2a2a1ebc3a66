#pragma once

// What the client's messages ask of a plan. Private to this room.

#include <algorithm>
#include <string_view>

#include "relay/session.hpp"

namespace dbguard::relay::postgres {

inline bool denied(const Plan& plan) { return plan.verdict >= policy::Verdict::approve; }

/// Denied, and no estimate of what it would return or change can help.
inline bool never_runs(const Plan& plan) { return denied(plan) && !plan.needs_estimate; }

/// A plan of the adapter's own: it is refused, and there is nothing in it to record.
PlanRef refusing_plan(Refusal refusal);

/// Code looks its names up as it runs: of what was planned under other names it may show what is masked by now.
inline bool hides_more(const PlannedStatement* then, const PlannedStatement* now) {
    if (then == nullptr || now == nullptr || !then->statement.calls_code) return false;
    const auto& masks = now->decision.masks;
    for (std::size_t i = 0; i < masks.size(); ++i)
        if (masks[i] && (i >= then->decision.masks.size() || masks[i] != then->decision.masks[i])) return true;
    return false;
}

inline const Refusal names_have_moved{"42501", "dbguard: names mean something else by now than when this was planned, and it calls code", {}, "Open it again."};

/// Its part of the message's text.
inline std::string_view text_of(const sql::Statement& statement, std::string_view text) {
    text.remove_prefix(std::min<std::size_t>(statement.begin, text.size()));
    return statement.length == 0 ? text : text.substr(0, statement.length);
}

}  // namespace dbguard::relay::postgres
