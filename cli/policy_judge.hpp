#pragma once

// From a text, a role and a catalogue fixture to verdict, rule and masks, without a database: the one way that `policy
// explain`, `test`, `diff` and `suggest` share. The parts are those of a live session: sql::postgres::analyze_text,
// policy::RolePolicy. What only a session has (temporary objects, prepared statements, the planner's
// estimates) is not known here and counts as the rules say of what is not known.

#include <string>
#include <string_view>
#include <vector>

#include "catalogue/snapshot.hpp"
#include "policy/role_policy.hpp"
#include "sql/statement.hpp"

namespace dbguard::cli {

/// One statement with all that was weighed.
struct JudgedStatement {
    std::string text;
    sql::Statement statement;
    policy::Decision decision;
    std::vector<policy::Judgement> judgements;
};

/// A message: as strict as its strictest statement.
struct Judged {
    std::vector<JudgedStatement> statements;
    std::string unparsed;  ///< why the text is not understood; empty: it is
    policy::Decision unparsed_decision;
    policy::Verdict verdict = policy::Verdict::allow;

    /// The decision that the verdict comes from. Never null unless the message is empty.
    const policy::Decision* decisive() const;
};

/// One role of a policy on one catalogue. Borrows both policy and role.
class Judge {
  public:
    /// `snapshot` may be null: then names do not resolve and masks are not known.
    Judge(const policy::Policy& policy, const policy::Role& role, catalogue::SnapshotRef snapshot);

    Judged judge(std::string_view message, const policy::Facts& facts) const;
    /// The same of a text that was analysed already, under the same snapshot.
    Judged judge(std::string_view message, sql::Analysis analysis, const policy::Facts& facts) const;
    /// Of effects alone: what a recording keeps of a statement. No masks.
    policy::Decision judge_effects(const std::vector<sql::Effect>& effects, const policy::Facts& facts) const;
    policy::Decision judge_unparsed(std::string_view why, const policy::Facts& facts) const;

    const policy::Role& role() const { return role_policy_.role(); }
    const policy::RoleMasks& masks() const { return role_policy_.masks(); }
    /// The role masks something, and nobody knows which columns there are.
    bool masks_unknown() const { return !snapshot_ && !masks().empty(); }
    /// `public.customers.email`, with the member that is read; `?` for a column nobody knows.
    std::string source_text(const sql::Source& source) const;

  private:
    catalogue::SnapshotRef snapshot_;
    catalogue::Context context_;
    policy::RolePolicy role_policy_;
    policy::Sensitivity sensitivity_;
};

/// As a session would analyse it whose search_path nobody has set. `snapshot` may be null.
sql::Analysis analyse(std::string_view message, const catalogue::SnapshotRef& snapshot);

/// `redact (tax.tin)`: with the members or detectors it is for.
std::string mask_text(const masking::Mask& mask);
/// A text without white space and semicolons around it.
std::string trimmed_sql(std::string_view text);

}  // namespace dbguard::cli
