#pragma once

// A recorded statement decided again. What the recording keeps is less than what the session saw, so each answer says what it
// stands on, and where that is not enough there is none:
// - the text, analysed under a catalogue fixture, counts when it gives the very effects that were recorded (literals that were
//   not kept must not have mattered);
// - else the recorded effects alone count, where no rule asks for more than they say and no mask can be touched.

#include <string>
#include <vector>

#include "cli/policy_judge.hpp"
#include "cli/policy_recordings.hpp"

namespace dbguard::cli {

/// What a recorded text means, whatever the policy.
struct Understood {
    enum class By { text, effects, unparsed, nothing };
    By by = By::nothing;
    std::string message;     ///< by text: with something in the place of literals that were not kept
    sql::Analysis analysis;  ///< by text
    std::string why;         ///< by effects or nothing: why not by its text, one clause
};

/// `snapshot` may be null.
Understood understand(const RecordedText& text, const catalogue::SnapshotRef& snapshot);

struct Redecision {
    bool known = false;
    std::string why_not;        ///< one clause for people
    policy::Decision decision;  ///< the strictest of the message
    std::vector<std::string> masks;  ///< of its result columns, `email: last(4)`; only where it is known by its text
    bool by_hour = false;       ///< at another time of day it may be another
};

/// One role of one policy.
class Redecider {
  public:
    /// Borrows policy and role.
    Redecider(const policy::Policy& policy, const policy::Role& role, const catalogue::SnapshotRef& snapshot);

    Redecision redecide(const RecordedText& text, const Understood& understood, std::chrono::system_clock::time_point now) const;
    const policy::Role& role() const { return judge_.role(); }

  private:
    Redecision by_effects(const RecordedText& text, const Understood& understood, const policy::Facts& facts) const;
    bool may_be_masked(const RecordedText& text) const;

    const policy::Policy& policy_;
    Judge judge_;
    std::vector<policy::ObjectPattern> masked_;  ///< what masks name
    bool masked_anywhere_ = false;               ///< by tag or everywhere
};

}  // namespace dbguard::cli
