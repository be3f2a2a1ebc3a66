#include "policy/test_suite.hpp"

#include <doctest/doctest.h>

#include "effects.hpp"
#include "vectors.hpp"

using namespace dbguard::policy;

namespace {

constexpr const char* good = R"(suite: feature tests stay read-only
policy: ../shop-feature-tests.yaml
now: 2026-11-20T10:00:00Z
schema: fixtures/shop.sql
as: { role: tester, database: shop_staging, claims: { repository_id: "990017" } }
cases:
  - sql: SELECT id, email FROM customers WHERE email = $1
    params: [a@b.example]
    expect: { verdict: allow, masks: { email: email } }
  - sql: SELECT upper(email) FROM customers
    expect: { verdict: deny, rule: "masks.pii.derived" }
  - sql: "SELECT 1; DROP TABLE customers"
    expect: { verdict: deny, effect: ddl.drop }
  - name: several texts
    sql: [SELECT 1, SELECT 2]
    role: other
    database: shop
    now: 2026-11-20T10:00:00.5+01:00
    estimated_rows: 1000
    expect: { rule: none, object: public.customers.email, reason: because, fix: do it, max_affected: 10, effect: [read, write.delete] }
  - claims: { repository_id: "666" }
    expect: { session: refused }
)";

}  // namespace

TEST_CASE("a suite is read as the manual writes it") {
    const auto loaded = load_suite(good, "s.yaml");
    CHECK(messages(loaded.problems) == "");
    REQUIRE(loaded.suite);
    const auto& suite = *loaded.suite;
    CHECK(suite.name == "feature tests stay read-only");
    CHECK(suite.policy == "../shop-feature-tests.yaml");
    CHECK(suite.schema == "fixtures/shop.sql");
    CHECK(suite.role == "tester");
    CHECK(suite.database == "shop_staging");
    CHECK(suite.claims == Claims{{"repository_id", {"990017"}}});
    CHECK(suite.now == parse_moment("2026-11-20T10:00:00Z"));
    REQUIRE(suite.cases.size() == 5);
    CHECK(suite.cases[0].sql == std::vector<std::string>{"SELECT id, email FROM customers WHERE email = $1"});
    CHECK(suite.cases[0].parameters == 1);
    CHECK(suite.cases[0].expect.verdict == Verdict::allow);
    CHECK(*suite.cases[0].expect.masks == std::vector<std::pair<std::string, std::string>>{{"email", "email"}});
    CHECK(suite.cases[1].expect.rule == "masks.pii.derived");
    CHECK(suite.cases[2].at == Position{12, 5});
    CHECK(suite.cases[2].expect.effects == std::vector{dbguard::sql::EffectClass::ddl_drop});
    const auto& all = suite.cases[3];
    CHECK(all.sql.size() == 2);
    CHECK(all.role == "other");
    CHECK(all.estimated_rows == 1000);
    CHECK(all.now == parse_moment("2026-11-20T09:00:00Z"));
    CHECK(all.expect.rule == "");
    CHECK(all.expect.objects.size() == 1);
    CHECK(all.expect.max_affected == 10);
    CHECK(suite.cases[4].sql.empty());
    CHECK(suite.cases[4].expect.admitted == false);
}

TEST_CASE("what is wrong with a suite is said with its place and what to write") {
    const std::pair<const char*, const char*> cases[] = {
        {"", "1:1: error: the file is empty\n"},
        {"suite: s\n", "1:1: error: the suite has no `cases`; add `cases`\n"},
        {"suite: s\ncases: []\n", "2:8: error: `cases` is an empty list: this suite tests nothing; write at least one case\n"},
        {"suite: s\ncases: all\n", "2:8: error: `cases` must be a list; write `- sql: …` and `expect: …` below it\n"},
        {"suite: s\nshema: a.sql\ncases: [{ expect: { session: refused } }]\n", "2:1: error: unknown key `shema` in the suite; write `schema`\n"},
        {"suite: s\nnow: today\ncases: [{ expect: { session: refused } }]\n", "2:6: error: `now` must be a time; write 2026-11-20T10:00:00Z\n"},
        {"suite: s\nas: { rol: a }\ncases: [{ expect: { session: refused } }]\n", "2:7: error: unknown key `rol` in `as`; write `role`\n"},
        {"suite: s\nas: { claims: { id: 5 } }\ncases: [{ expect: { session: refused } }]\n", "2:21: error: claim `id`: the unquoted `5` is a number to other YAML readers; write \"5\"\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n", "3:5: error: a case has no `expect`; add `expect`\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: {}\n", "4:13: error: `expect` is empty: this case tests nothing; write `verdict: allow` or `verdict: deny`\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { verdikt: deny }\n", "4:15: error: unknown key `verdikt` in `expect`; write `verdict`\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { verdict: denied }\n", "4:24: error: `verdict` cannot be `denied`; write `allow`, `warn`, `approve` or `deny`\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { effect: ddl.drp }\n", "4:23: error: unknown class `ddl.drp`; write `ddl.drop`\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { object: customers }\n",
         "4:23: error: `object`: `customers` is no name: the schema is missing; write schema.table or schema.table.column\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { masks: { a: keep } }\n",
         "4:27: error: `keep` is no mask that a column can come with; write the function as the policy has it, and leave out columns that come as they are\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { masks: { a: null } }\n", "4:27: error: the mask of `a` is empty or an unquoted `null`; write a value, or \"null\" in quotes\n"},
        {"suite: s\ncases:\n  - expect: { verdict: deny }\n", "3:5: error: this case expects something of a statement and has none; add `sql`\n"},
        {"suite: s\ncases:\n  - sql: SELECT 1\n    expect: { verdict: deny, session: refused }\n", "4:13: error: in a session that is refused no statement is judged; expect either the one or the other\n"},
        {"suite: s\ncases:\n  - sql: [a, a]\n    expect: { verdict: deny }\n", "3:14: error: `a` stands twice in `sql`; take one out\n"},
        {"suite: s\ncases:\n  - sql: SELECT $1\n    params: 1\n    expect: { verdict: deny }\n", "4:13: error: `params` must be a list; write [a, b]\n"},
        {"suite: s\ncases:\n  - sql: SELECT $1\n    params: [[1]]\n    expect: { verdict: deny }\n", "4:14: error: a value of `params` must be a word, a number or null\n"},
        {"suite: s\ncases:\n  - &a sql: SELECT 1\n", nullptr},
        {"suite: s\nsuite: t\ncases: [{ expect: { session: refused } }]\n", nullptr},
        {"suite: s\ncases: [{ expect: { session: maybe } }]\n", nullptr},
    };
    for (const auto& [text, expected] : cases) {
        INFO(text);
        const auto loaded = load_suite(text, "s.yaml");
        CHECK_FALSE(loaded.suite.has_value());
        CHECK(has_errors(loaded.problems));
        if (expected) CHECK(messages(loaded.problems) == expected);
    }
}

TEST_CASE("every shortening of a suite is refused or read, and none does harm") {
    const std::string text = good;
    for (std::size_t length = 0; length < text.size(); ++length) {
        const auto loaded = load_suite(text.substr(0, length), "s.yaml");
        CHECK(loaded.suite.has_value() != has_errors(loaded.problems));
    }
}

TEST_CASE("a time is one of RFC 3339's") {
    using namespace std::chrono;
    CHECK(parse_moment("1970-01-01T00:00:00Z") == system_clock::time_point{});
    CHECK(parse_moment("1970-01-02T00:30:00+01:00") == system_clock::time_point{hours(23) + minutes(30)});
    CHECK(parse_moment("1969-12-31 23:59:59.9-00:30") == system_clock::time_point{minutes(30) - seconds(1)});
    CHECK(parse_moment("2024-02-29T00:00:00Z"));
    for (const auto* text : {"", "now", "2026-11-20", "2026-11-20T10:00Z", "2026-11-20T10:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-20T24:00:00Z",
                             "2026-11-20T10:00:00.Z", "2026-11-20T10:00:00Z ", "2026-11-20T10:00:00+1:00", "2026-11-20T10:60:00Z", "-026-11-20T10:00:00Z"})
        CHECK_FALSE(parse_moment(text));
}

TEST_CASE("what a file is") {
    CHECK(file_kind(good) == FileKind::suite);
    CHECK(file_kind("cases: []\n") == FileKind::suite);  // its errors are told as a suite's
    CHECK(file_kind("dbguard: 1\nroles: {}\n") == FileKind::policy);
    CHECK(file_kind("services: {}\n") == FileKind::other);
    CHECK(file_kind("{") == FileKind::other);
    CHECK(file_kind("") == FileKind::other);
}

TEST_CASE("claims that are not given are as the identity asks for them") {
    const auto policy = policy_of(R"(dbguard: 1
policy: p
identities:
  ci: { issuer: "https://issuer.example", audience: a, mfa: webauthn, claims: { repository_id: ["1", "2"], ref: "refs/heads/*" } }
  other: { issuer: "https://other.example", audience: a, claims: { project_id: "7", ref: refs/heads/main } }
roles:
  r: { for: ci, databases: d, login: l, rules: [ { allow: read } ] }
  both: { for: [ci, other], databases: d, login: l, rules: [ { allow: read } ] }
)");
    const auto& r = policy.roles[0];
    const auto& both = policy.roles[1];
    CHECK(session_refusal(policy, r, "d", {}) == "");
    CHECK(session_refusal(policy, r, "d", {{"repository_id", {"2"}}, {"ref", {"refs/heads/x"}}}) == "");
    CHECK(session_refusal(policy, r, "d", {{"repository_id", {"3"}}}) == "no identity of the role is the caller's (ci: repository_id)");
    CHECK(session_refusal(policy, r, "d", {{"ref", {"refs/tags/x"}}}) == "no identity of the role is the caller's (ci: ref)");
    CHECK(session_refusal(policy, r, "e", {}) == "role r is not for database e");
    // The second identity does not look at the repository, so that claim keeps nobody out.
    CHECK(session_refusal(policy, both, "d", {{"repository_id", {"3"}}}) == "");
    CHECK(session_refusal(policy, both, "d", {{"repository_id", {"3"}}, {"project_id", {"8"}}}) == "no identity of the role is the caller's (ci: repository_id, other: project_id)");
    // What runs a stranger's content is refused where the identity does not name it.
    CHECK(session_refusal(policy, r, "d", {{"event_name", {"pull_request_target"}}}) == "no identity of the role is the caller's (ci: event_name)");
}
