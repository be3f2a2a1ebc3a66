#include "broker/grants.hpp"

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "broker/rate_limit.hpp"
#include "policy/load.hpp"

namespace dbguard::broker {
namespace {

TEST_CASE("a verifier is what PostgreSQL would store") {
    // Password, salt and iterations of RFC 7677 §3; the keys were worked out with another implementation (Python's hashlib).
    const auto salt = base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value();
    const auto verifier = scram_verifier(Secret("pencil"), salt, 4096);
    CHECK(verifier == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

TEST_CASE("role names are the service's prefix and the session in lower case") {
    CHECK(role_name("ab12cd", "s_8Q2M") == "dbguard_ab12cd_s_8q2m");
    CHECK(role_name("ab12cd", "s_8Q2M").starts_with(role_prefix("ab12cd")));
    CHECK_FALSE(role_name("ab12ce", "s_8Q2M").starts_with(role_prefix("ab12cd")));
    CHECK(role_name("ab12cd", std::string(18, 'X')).size() <= 63);  // PostgreSQL manual, Identifiers
}

policy::Role role_with(const std::string& rules) {
    const std::string text = R"(dbguard: 1
policy: p
identities:
  who: { issuer: "https://i.example", audience: a, claims: { repository_id: "1" } }
roles:
  r:
    for: who
    databases: shop
    login: app
    rules:
)" + rules + "approvals:\n  dba: { from: group:dba }\n";
    const auto loaded = policy::load(text, "p.yaml");
    for (const auto& problem : loaded.problems) INFO(policy::text(problem));
    REQUIRE(loaded.policy.has_value());
    return loaded.policy->roles.front();
}

TEST_CASE("a role is read-only to the server when no rule opens a write") {
    CHECK(is_read_only(role_with("      - allow: [read, tx, session.set]\n      - deny: write\n")));
    CHECK(is_read_only(role_with("      - allow: [read.table, bulk.export]\n")));
    CHECK_FALSE(is_read_only(role_with("      - allow: [read, write.insert]\n")));
    CHECK_FALSE(is_read_only(role_with("      - allow: read\n      - approve: ddl\n        by: dba\n") ));
    CHECK_FALSE(is_read_only(role_with("      - allow: read\n      - warn: call\n")));
    CHECK_FALSE(is_read_only(role_with("      - allow: [read, bulk]\n")));
    CHECK_FALSE(is_read_only(role_with("      - allow: [read, lock]\n")));
    CHECK_FALSE(is_read_only(role_with("      - allow: [read, unparsed]\n")));
}

TEST_CASE("failures of one address are counted, and time forgives them") {
    using std::chrono::seconds;
    FailureLimit limit(3);
    FailureLimit::Clock::time_point t{};
    CHECK(limit.allows("a", t));
    for (int i = 0; i < 3; ++i) {
        CHECK(limit.allows("a", t));
        limit.failed("a", t);
    }
    CHECK_FALSE(limit.allows("a", t));
    CHECK(limit.allows("b", t));
    CHECK_FALSE(limit.allows("a", t + seconds(19)));
    CHECK(limit.allows("a", t + seconds(21)));
    limit.failed("a", t + seconds(21));
    CHECK_FALSE(limit.allows("a", t + seconds(21)));
    CHECK(limit.allows("a", t + seconds(3600)));
}

TEST_CASE("a flood of addresses is counted together and takes bounded memory") {
    FailureLimit limit(2, 10);
    const FailureLimit::Clock::time_point t{};
    for (int i = 0; i < 1000; ++i) limit.failed("peer" + std::to_string(i), t);
    CHECK(limit.size() <= 11);
    CHECK_FALSE(limit.allows("peer of its own", t));
    CHECK(limit.allows("peer of its own", t + std::chrono::minutes(2)));
}

}  // namespace
}  // namespace dbguard::broker
