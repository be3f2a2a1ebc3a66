#pragma once

// The test cases of `policy test` as data: who asks, what is asked, what must come of it. Read as strictly as the policy
// itself; running them needs a grammar and a catalogue and is done elsewhere (cli/policy_test.cpp).

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/match_identity.hpp"
#include "policy/policy.hpp"

namespace dbguard::policy {

/// Claims by name, each with its values.
using Claims = std::map<std::string, std::vector<std::string>, std::less<>>;

/// All that is given must hold. At least one thing is.
struct Expectation {
    Position at;
    std::optional<Verdict> verdict;
    std::optional<std::string> rule;  ///< `tester#4`, `masks.pii.derived`; empty text: no rule opens it (`none`)
    std::vector<sql::EffectClass> effects;  ///< each must be there, and have `verdict` where that is given
    std::vector<ObjectPattern> objects;     ///< each must be touched
    /// The result columns that are masked, all of them: name and mask (`last(4)`).
    std::optional<std::vector<std::pair<std::string, std::string>>> masks;
    std::optional<std::string> reason, fix;  ///< a part of what the client reads
    std::optional<std::uint64_t> max_affected;
    std::optional<bool> admitted;  ///< `session: admitted` or `refused`

    /// Something about the statement is expected, not only about the session.
    bool about_sql() const {
        return verdict || rule || !effects.empty() || !objects.empty() || masks || reason || fix || max_affected;
    }
};

struct TestCase {
    Position at;
    std::string name;              ///< may be empty
    std::vector<std::string> sql;  ///< messages; `expect` holds for each of them. Empty: only the session is asked for
    std::optional<std::size_t> parameters;  ///< how many `params` gives
    Position parameters_at;
    std::optional<std::string> role, database;
    Claims claims;  ///< beside and over those of the suite
    std::optional<std::chrono::system_clock::time_point> now;
    std::optional<std::uint64_t> estimated_rows;  ///< the planner's; not given: not known, which is treated as the worst
    Expectation expect;
};

struct TestSuite {
    std::string file;
    std::string name;
    std::string policy, schema;  ///< paths as written; empty: none
    Position policy_at, schema_at;
    std::string role, database;  ///< `as`; empty: not given
    Position as_at;
    Claims claims;
    std::optional<std::chrono::system_clock::time_point> now;
    std::vector<TestCase> cases;
};

struct SuiteResult {
    std::optional<TestSuite> suite;  ///< there when no problem is an error
    std::vector<Problem> problems;
};

/// `file` is used in messages only.
SuiteResult load_suite(std::string_view text, std::string_view file);

/// What a file says it is by its top keys, without a word about what else is wrong with it.
enum class FileKind { policy, suite, other };
FileKind file_kind(std::string_view text);

/// Whether a caller with these claims gets a session in that role on that database. What `claims` does not give is as the
/// identity asks for it: issuer, audience, log-in and all other claims. Empty: yes; otherwise why not, one clause.
std::string session_refusal(const Policy& policy, const Role& role, std::string_view database, const Claims& claims);

/// `2026-11-20T10:00:00Z`, with `+01:00` for `Z` and with a fraction if need be (RFC 3339). Empty for anything else.
std::optional<std::chrono::system_clock::time_point> parse_moment(std::string_view text);

}  // namespace dbguard::policy
