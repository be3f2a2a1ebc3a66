#pragma once

// The policy file as data: who (identities), what (databases), what they may do (roles with rules), what they see
// (masks), who is asked (approvals) and what is kept (record). Plain values with the positions messages need.
// load() in policy/load.hpp makes one; RoleRules (policy/decide.hpp) and RoleMasks (policy/masks.hpp) put a role to work.
// The language itself: doc/policy-language.md, dbguard-policy(5).

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "masking/mask.hpp"
#include "policy/decision.hpp"
#include "policy/hours.hpp"
#include "policy/object_pattern.hpp"
#include "policy/problem.hpp"
#include "sql/effect.hpp"

namespace dbguard::policy {

using Duration = std::chrono::milliseconds;

enum class Engine : std::uint8_t { postgres, mysql };
/// In shadow, a verdict is worked out and recorded but not enforced. Masks are always enforced.
enum class Mode : std::uint8_t { enforce, shadow };

// ---- who ----------------------------------------------------------------------------------------------------------

/// One of `values` must be the claim's value (or one of its values, where it is a list). `*` matches any characters.
struct Claim {
    std::string name;
    std::vector<std::string> values;
    Position at;
};

enum class IdentityKind : std::uint8_t { unspecified, human, ci, agent, service };
enum class Mfa : std::uint8_t { none, any, webauthn };

struct Identity {
    std::string name;
    Position at;
    std::string issuer;
    Position issuer_at;
    std::string audience;
    Position audience_at;
    std::vector<Claim> claims;
    IdentityKind kind = IdentityKind::unspecified;
    Mfa mfa = Mfa::none;
};

// ---- what ---------------------------------------------------------------------------------------------------------

struct Database {
    std::string name;
    Position at;
    Engine engine = Engine::postgres;
    std::vector<std::string> tags;
};

// ---- what they may do ---------------------------------------------------------------------------------------------

struct SessionSettings {
    std::optional<Duration> ttl;
    std::optional<Duration> idle;
    std::optional<std::uint64_t> max_open;
};

/// What happens at `rows` and `bytes`: the statement ends with an error, or the result is cut short and says so.
enum class Over : std::uint8_t { error, cut };

struct Limits {
    std::optional<std::uint64_t> rows;          ///< of one result
    std::optional<std::uint64_t> bytes;         ///< of one result
    std::optional<Duration> time;               ///< of one statement
    std::optional<std::uint64_t> statements;    ///< of one session
    std::optional<std::uint64_t> session_rows;  ///< of one session
    std::optional<std::uint64_t> affected;      ///< rows changed in one transaction; decide() puts it into max_affected
    Over over = Over::error;
    bool over_given = false;                    ///< otherwise the door's own default holds (wire: error, MCP: cut)
};

enum class LimitPredicate : std::uint8_t { present, missing };

/// All that is given must hold.
struct When {
    Position at;
    std::optional<sql::Where> where;
    std::optional<LimitPredicate> limit;
    std::optional<std::uint64_t> estimated_rows;  ///< more than this
    std::optional<std::uint64_t> affected_rows;   ///< more than this
    std::optional<bool> rewrites_table;
    std::optional<bool> temporary;
    std::optional<sql::Lock> lock;                ///< at least this
    std::vector<ObjectPattern> functions;         ///< one of these; schema and name
    std::vector<std::string> settings;            ///< one of these; lower case, `*` allowed
    std::optional<bool> in_plan;
    std::optional<Hours> hours;

    /// Known only after the statement ran or was planned: such a rule tightens and never opens.
    bool counts_rows() const { return estimated_rows.has_value() || affected_rows.has_value(); }

    bool operator==(const When&) const = default;
};

/// When an `approve` is asked: before the statement runs, or before its transaction commits.
enum class ApproveAt : std::uint8_t { statement, commit };

struct Rule {
    Position at;
    std::uint32_t number = 0;  ///< place in the file, from 1
    std::string id;            ///< may be empty
    Verdict verdict = Verdict::deny;
    std::vector<sql::EffectClass> classes;
    std::vector<ObjectPattern> of;  ///< empty: whatever the object
    std::optional<When> when;
    std::string by;                 ///< approve: the name under `approvals`
    Position by_at;
    ApproveAt approve_at = ApproveAt::statement;
    std::string why;
    std::string fix;
    bool shadow = false;
};

enum class RecordSql : std::uint8_t { shape, masked, full };
enum class RecordResults : std::uint8_t { none, shape, masked };
enum class RecordRaw : std::uint8_t { never, sealed };

/// What is absent here is asked of the policy's own `record`, then of the defaults: record_settings().
struct RecordSettings {
    Position at;
    std::optional<RecordSql> sql;
    Position sql_at;
    std::optional<RecordResults> results;
    std::optional<RecordRaw> raw;
    std::optional<Duration> keep;
    std::vector<std::string> to;
};

struct BreakGlass {
    Position at;
    std::vector<std::string> notify;
    std::optional<Duration> ttl;
    std::optional<Duration> review_within;
};

/// A name with the place it is written at.
struct Reference {
    std::string name;
    Position at;
};

struct Role {
    std::string name;
    Position at;
    std::vector<Reference> identities;  ///< `for`
    std::vector<Reference> databases;
    std::string login;  ///< the account used at the database; in standalone mode only a name
    SessionSettings session;
    Limits limits;
    bool limits_given = false;
    std::vector<Rule> rules;
    std::vector<Reference> masks;
    std::optional<Reference> approve_session;
    std::optional<BreakGlass> break_glass;
    std::optional<Mode> mode;
    std::optional<RecordSettings> record;
};

// ---- what they see ------------------------------------------------------------------------------------------------

/// An output computed from a masked column: is NULL, or is refused. Strictest last.
enum class Derived : std::uint8_t { mask, deny };
/// Masked columns in WHERE, JOIN, ORDER BY and the like. Strictest last.
enum class Filter : std::uint8_t { allow, equality, deny };

struct MaskRule {
    Position at;
    std::uint32_t index = 0;  ///< place in the set, from 0: `masks.pii[0]`
    std::vector<ObjectPattern> columns;  ///< by name (`column`, or `in` beside `detect`); three parts each
    std::vector<std::string> tags;       ///< by tag; either columns or tags is empty
    /// The function with its keys and detectors.
    masking::Mask mask;
    /// `detect` without `in`, `column` or `tag`: every column.
    bool everywhere = false;
};

struct MaskSet {
    std::string name;
    Position at;
    std::vector<MaskRule> columns;
    Derived derived = Derived::deny;
    Filter filter = Filter::deny;
};

// ---- who is asked -------------------------------------------------------------------------------------------------

struct Approval {
    std::string name;
    Position at;
    std::vector<std::string> from;  ///< `group:dba`, `user:dana`, …
    std::uint64_t quorum = 1;
    Position quorum_at;
    bool each_group = false;
    std::optional<Duration> wait;
    std::optional<Duration> valid;
    std::vector<std::string> not_by;  ///< author, reviewer, same_team; the requester is always excluded
    bool step_up = false;             ///< webauthn
    std::vector<std::string> show;
    bool reason = false;
    std::vector<std::string> notify;
};

// ---- all of it ----------------------------------------------------------------------------------------------------

struct Policy {
    std::string file;
    std::string name;
    std::string policy_hash;  ///< SHA-256 of the file's bytes, lower-case hex
    Mode mode = Mode::enforce;
    std::vector<Identity> identities;
    std::vector<Database> databases;
    bool databases_given = false;  ///< otherwise a role's databases are only names
    std::vector<Role> roles;
    std::vector<MaskSet> masks;
    std::vector<Approval> approvals;
    std::optional<RecordSettings> record;
};

/// The role of this name, or nullptr. Borrowed from the policy; so are the others.
const Role* find_role(const Policy& policy, std::string_view name);
const Identity* find_identity(const Policy& policy, std::string_view name);
const Database* find_database(const Policy& policy, std::string_view name);
const MaskSet* find_masks(const Policy& policy, std::string_view name);
const Approval* find_approval(const Policy& policy, std::string_view name);

/// The role may be used on this database.
bool admits_database(const Role& role, std::string_view database);

/// What to record in a session of this role: the role's word, else the policy's, else `sql: masked, results: none,
/// raw: never`. Every field but `keep` has a value afterwards.
RecordSettings record_settings(const Policy& policy, const Role& role);

/// The role is decided and recorded but not enforced.
bool in_shadow(const Policy& policy, const Role& role);

/// `tester#never`, or `tester#4` for a rule without an id.
std::string rule_name(const Role& role, const Rule& rule);

std::string_view name(Engine engine);
std::string_view name(Derived derived);
std::string_view name(Filter filter);

}  // namespace dbguard::policy
