// What of a text's literals and parameters is recorded, by the columns they meet.

#include "relay/recorded_text.hpp"

#include <doctest/doctest.h>

#include "policy/load.hpp"
#include "policy/masks.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/postgres/dialect.hpp"

using namespace dbguard;
using namespace dbguard::relay;

namespace {

struct Fixture {
    Fixture() {
        auto loaded = policy::load(
            "dbguard: 1\npolicy: p\nidentities:\n  ci: { issuer: \"https://i.example\", audience: a, claims: { repository_id: \"1\" } }\n"
            "databases:\n  d: { engine: postgres }\nroles:\n  r:\n    for: ci\n    databases: d\n    login: app\n    rules:\n      - allow: [read, write]\n    masks: pii\n"
            "masks:\n  pii:\n    columns:\n      - { column: public.customers.email, with: email }\n      - { column: public.customers.ssn, with: last(4) }\n"
            "      - { column: public.customers.profile, keys: [tin], with: redact }\n      - { column: public.customers.pin, with: \"null\" }\n    filter: allow\n",
            "test.yaml"
        );
        REQUIRE(loaded.policy.has_value());
        policy = std::move(*loaded.policy);
        auto made = sql::postgres::catalogue_of_ddl("CREATE TABLE customers (id int, name text, email text, ssn text, profile jsonb, pin text, age int); CREATE TABLE orders (id int, note text);");
        REQUIRE(made.has_value());
        snapshot = *made;
        context = sql::postgres::fixture_context();
        sensitivity = policy::Sensitivity(policy::RoleMasks(policy, policy.roles.at(0)), *snapshot, context, sql::postgres::dialect());
    }

    Fates fates(const std::string& sql) const {
        sql::Analysis analysis = sql::postgres::analyze_text(sql, {snapshot.get(), &context});
        REQUIRE_MESSAGE(analysis.unparsed == "", sql);
        std::vector<PlannedStatement> statements;
        for (sql::Statement& statement : analysis.statements) statements.push_back({std::move(statement), {}});
        return fates_of(sql, recording::Lexis::postgres(), statements, sensitivity);
    }
    /// `of`: the text that the fates are worked out for; another of its shape may be recorded under them.
    std::string recorded(const std::string& sql, const std::string& of = "") const {
        std::deque<std::string> storage;
        const masking::Masker masker(Secret("key"));
        const auto instead = replacements(sql, recording::Lexis::postgres(), fates(of.empty() ? sql : of), masker, storage);
        if (!instead) return "(shape)";
        recording::RedactOptions options;
        options.parsed = true;
        recording::Redactor redactor;
        return redactor.redact(sql, options, *instead).sql;
    }

    policy::Policy policy;
    catalogue::SnapshotRef snapshot;
    catalogue::Context context;
    policy::Sensitivity sensitivity;
};

}  // namespace

TEST_CASE("literals stand under the masks of the columns they meet") {
    const Fixture f;
    for (const auto& [sql, expected] : {
             std::pair{"SELECT name FROM customers WHERE id = 17", "SELECT name FROM customers WHERE id = 17"},
             {"SELECT name FROM customers WHERE email = 'jane@example.com' AND id = -17", "SELECT name FROM customers WHERE email = 'j***@e***.com' AND id = -17"},
             {"SELECT name FROM customers WHERE email = $$jane@example.com$$", "SELECT name FROM customers WHERE email = 'j***@e***.com'"},
             {"SELECT name FROM customers WHERE email = E'jane@example.com' OR email = U&'x@y.example'", "SELECT name FROM customers WHERE email = 'j***@e***.com' OR email = '***@***.example'"},
             {"SELECT name FROM customers WHERE email = E'jane\\100example.com'", "SELECT name FROM customers WHERE email = 'j***@e***.com'"},
             {"SELECT name FROM customers WHERE email || ssn = 'x'", "SELECT name FROM customers WHERE email || ssn = '***'"},   // neither mask shows less than the other
             {"INSERT INTO customers (id, pin, ssn) VALUES (1, '1234', '911-44-9434')", "INSERT INTO customers (id, pin, ssn) VALUES (1, NULL, '***-**-9434')"},
             {"UPDATE customers SET profile = '{\"tin\": 1}', name = 'it''s' WHERE profile->>'city' = 'Bonn'", "UPDATE customers SET profile = '***', name = 'it''s' WHERE profile->>'city' = 'Bonn'"},
             {"SELECT id FROM customers WHERE profile->>'tin' = 'DE1'", "SELECT id FROM customers WHERE profile->>'***' = '***'"},
             {"SELECT EXISTS (SELECT 'unseen' FROM customers WHERE age > 3)", "SELECT EXISTS (SELECT '***' FROM customers WHERE age > 3)"},
             {"SELECT count(email) = 5, name FROM customers GROUP BY name", "SELECT count(email) = 5, name FROM customers GROUP BY name"},
         })
        CHECK_MESSAGE(f.recorded(sql) == expected, f.recorded(sql));
}

TEST_CASE("what was worked out for one text holds for others of its shape") {
    const Fixture f;
    const std::string first = "SELECT id FROM customers WHERE email = 'a@b.example' AND id = 1";
    CHECK(f.recorded("SELECT id FROM customers WHERE email = 'other@host.example' AND id = 99", first) == "SELECT id FROM customers WHERE email = 'o***@h***.example' AND id = 99");
    CHECK(f.recorded("SELECT id FROM customers WHERE email = 'x' AND id = 1 AND age = 2", first) == "(shape)");
}

TEST_CASE("more literals than can be told apart are none that are kept") {
    const Fixture f;
    std::string many = "INSERT INTO customers (id, email) VALUES (0, 'x')";
    for (int i = 1; i < 3000; ++i) many += ", (" + std::to_string(i) + ", 'x')";
    CHECK(f.recorded(many) == "(shape)");
    std::string some = "SELECT id FROM customers WHERE id IN (0";
    for (int i = 1; i < 300; ++i) some += "," + std::to_string(i);
    CHECK(f.recorded(some + ")").find("'***','***'") != std::string::npos);
}

TEST_CASE("parameters likewise; one of which nothing is known is not kept") {
    const Fixture f;
    const Fates fates = f.fates("SELECT id FROM customers WHERE email = $2 AND id = $1");
    CHECK(fates.parameter(0).keep);
    CHECK_FALSE(fates.parameter(1).keep);
    REQUIRE(fates.parameter(1).mask.has_value());
    CHECK(masking::text(*fates.parameter(1).mask) == "email");
    CHECK_FALSE(fates.parameter(2).keep);
    CHECK_FALSE(fates.parameter(2).mask.has_value());
    // Compared with both, it is what neither shows.
    CHECK_FALSE(f.fates("SELECT id FROM customers WHERE email = $1 OR id::text = $1").parameter(0).keep);
}

TEST_CASE("what a message quotes is taken out of it") {
    CHECK(without_quoted("syntax error at or near \"hunter2\"") == "syntax error at or near \"***\"");
    CHECK(without_quoted("unterminated quoted string at or near \"'it\"s 'more\"\"") == "unterminated quoted string at or near \"***\"");
    CHECK(without_quoted("one \" only") == "one \"***\" only");
    CHECK(without_quoted("division by zero") == "division by zero");
}
