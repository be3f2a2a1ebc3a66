// What policy makes of the analysis of whole texts: copies, filters of unknown values, columns that were renamed.

#include <doctest/doctest.h>

#include "policy/load.hpp"
#include "policy/mask_decision.hpp"
#include "policy/masks.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/postgres/dialect.hpp"

using namespace dbguard;

namespace {

constexpr const char* tables =
    "CREATE TYPE place AS (street text, zip text);"
    "CREATE TABLE people (id int, name text, email text, ssn text, pin text, profile jsonb, home place, pay numeric(12,2), notes text, doc jsonb);"
    "CREATE TABLE other (id int, t text);";

struct Fixture {
    explicit Fixture(const std::string& filter = "equality") {
        auto loaded = policy::load(
            "dbguard: 1\npolicy: p\nidentities:\n  ci: { issuer: \"https://i.example\", audience: a, claims: { repository_id: \"1\" } }\n"
            "databases:\n  d: { engine: postgres }\nroles:\n  r:\n    for: ci\n    databases: d\n    login: app\n    rules:\n      - allow: [read, write, ddl]\n    masks: pii\n"
            "masks:\n  pii:\n    columns:\n      - { column: public.people.email, with: email }\n      - { column: public.people.ssn, with: last(4) }\n"
            "      - { column: public.people.pin, with: last(4) }\n      - { column: public.people.profile, keys: [tax.tin], with: redact }\n"
            "      - { column: public.people.home, keys: [street], with: \"null\" }\n      - { column: public.people.pay, with: zero }\n"
            "      - { detect: email, in: public.people.notes, with: replace }\n      - { column: public.people.doc, with: redact }\n      - { column: \"*.*.token\", with: redact }\n      - { column: public.m.open, with: keep }\n"
            "    derived: deny\n    filter: " + filter + "\n",
            "test.yaml"
        );
        REQUIRE(loaded.policy.has_value());
        policy = std::move(*loaded.policy);
        sensitivity = of(tables);
    }

    policy::Sensitivity of(const std::string& ddl, const policy::Sensitivity* before = nullptr) {
        auto made = sql::postgres::catalogue_of_ddl(ddl);
        REQUIRE(made.has_value());
        snapshot = *made;
        context = sql::postgres::fixture_context();
        return policy::Sensitivity(policy::RoleMasks(policy, policy.roles.at(0)), *snapshot, context, sql::postgres::dialect(), before);
    }

    bool allows(const std::string& text) const {
        const sql::Analysis analysis = sql::postgres::analyze_text(text, {snapshot.get(), &context});
        REQUIRE_MESSAGE(analysis.unparsed == "", text);
        policy::Decision decision;
        decision.verdict = policy::Verdict::allow;
        for (const sql::Statement& statement : analysis.statements) policy::decide_masks(statement, sensitivity, policy.roles.at(0), policy::RoleMasks(policy, policy.roles.at(0)), decision);
        return decision.verdict == policy::Verdict::allow;
    }

    policy::Policy policy;
    catalogue::SnapshotRef snapshot;
    catalogue::Context context;
    policy::Sensitivity sensitivity;
};

struct Unfiltered : Fixture {
    Unfiltered() : Fixture("allow") {}
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a masked value may be put back where it was, and nowhere else") {
    for (const char* text : {
             "UPDATE people SET email = lower(email), ssn = trim(ssn) WHERE id = 1",
             "UPDATE people SET ssn = CASE WHEN id = 1 THEN 'x' ELSE ssn END WHERE id = 1",
             "UPDATE people SET ssn = coalesce(NULL, ssn), pin = ssn WHERE id = 1",
             "UPDATE people SET profile = jsonb_set(profile || '{\"a\": 1}', '{b}', to_jsonb(name)) WHERE id = 1",
             "UPDATE people SET profile = profile - 'theme', home.zip = '1' WHERE id = 1",
             "UPDATE people SET doc = (SELECT doc FROM people WHERE id = 2), pay = (SELECT pay FROM people WHERE id = 2) WHERE id = 1",
             "INSERT INTO people SELECT * FROM people",
             "UPDATE other SET t = (SELECT profile->>'theme' FROM people WHERE id = 1)",
         })
        CHECK_MESSAGE(allows(text), text);
    for (const char* text : {
             "UPDATE people SET name = ssn",
             "UPDATE people SET pin = '0000' || substr(ssn, 1, 4)",
             "UPDATE people SET ssn = reverse(ssn)",
             "UPDATE people SET email = 'aaa@bbb.' || ssn",
             "UPDATE people SET profile = jsonb_build_object('theme', profile->'tax')",
             "UPDATE people SET profile = profile || jsonb_build_object('theme', ssn)",
             "UPDATE people SET profile = jsonb_set(profile, '{theme}', profile->'tax')",
             "UPDATE people SET home = ROW('x', (home).street)",
             "UPDATE people SET home.zip = ssn",
             "UPDATE people SET notes = ssn",
             "UPDATE people SET doc = jsonb_build_object(ssn, 1)",
             // Whether it fits its type and its checks tells as a comparison does.
             "UPDATE people SET pay = pay * 1.1 + 5 WHERE id = 1",
             "UPDATE people SET pay = CASE WHEN pay > 5000 THEN -1 ELSE pay END WHERE id = 1",
             "UPDATE people SET pay = (SELECT 1 / (length(ssn) - 11) FROM people WHERE id = 2) WHERE id = 1",
             "UPDATE people SET pin = CASE WHEN ssn LIKE '9%' THEN '1111' ELSE '2222' END",
         })
        CHECK_MESSAGE(!allows(text), text);
}

TEST_CASE_FIXTURE(Fixture, "a column that is made may take a masked value where the policy's rules or the query that is kept hide it") {
    for (const char* text : {
             "CREATE TABLE t AS SELECT id, email AS token FROM people",
             "CREATE TABLE t (a, token) AS SELECT id, ssn FROM people",
             "CREATE TEMP TABLE t AS SELECT ssn AS token FROM people",
             "SELECT id, email AS token INTO t FROM people",
             "CREATE TABLE t AS SELECT coalesce(email, 'none') AS token FROM people",
             "CREATE MATERIALIZED VIEW m AS SELECT id, email, ssn AS number FROM people",
         })
        CHECK_MESSAGE(allows(text), text);
    for (const char* text : {
             "CREATE TABLE t AS SELECT id, email FROM people",
             "CREATE TABLE t (token, a) AS SELECT id, ssn FROM people",
             "CREATE TABLE t AS SELECT reverse(email) AS token FROM people",
             "CREATE TABLE t AS SELECT profile AS token FROM people",
             "SELECT email AS mail INTO t FROM people",
             "CREATE MATERIALIZED VIEW m AS SELECT upper(email) AS email FROM people",
             // The policy has its own word for that name.
             "CREATE MATERIALIZED VIEW m AS SELECT ssn AS open FROM people",
         })
        CHECK_MESSAGE(!allows(text), text);
}

TEST_CASE_FIXTURE(Fixture, "a masked column is not renamed out of the policy's sight") {
    for (const char* text : {"ALTER TABLE people RENAME COLUMN email TO mail", "ALTER TABLE people RENAME TO persons", "ALTER TABLE people SET SCHEMA audit", "ALTER SCHEMA public RENAME TO old",
                             "DO $$ BEGIN ALTER TABLE people RENAME COLUMN ssn TO s; END $$", "ALTER TYPE place RENAME ATTRIBUTE street TO road"})
        CHECK_MESSAGE(!allows(text), text);
    for (const char* text : {"ALTER TABLE people RENAME COLUMN name TO called", "ALTER TABLE people RENAME COLUMN email TO token", "ALTER TABLE people RENAME COLUMN pin TO ssn", "ALTER TABLE other RENAME TO others", "ALTER TYPE place RENAME ATTRIBUTE zip TO code",
                             "ALTER INDEX people_email RENAME TO i", "ALTER TABLE people RENAME CONSTRAINT a TO b"})
        CHECK_MESSAGE(allows(text), text);
}

TEST_CASE_FIXTURE(Fixture, "a column keeps what its mask comes from") {
    sensitivity = of("CREATE TABLE people (id int, email text, pay numeric(12,2), domain text GENERATED ALWAYS AS (lower(email)) STORED, sum int GENERATED ALWAYS AS (id + 1) STORED);"
                     "CREATE TABLE later (at date) INHERITS (people); CREATE TABLE other (id int);");
    CHECK_FALSE(allows("ALTER TABLE people ALTER COLUMN domain DROP EXPRESSION"));
    CHECK_FALSE(allows("ALTER TABLE later NO INHERIT people"));
    CHECK(allows("COMMENT ON COLUMN people.id IS 'x'"));
    CHECK(allows("ALTER TABLE people ALTER COLUMN sum DROP EXPRESSION"));
}

TEST_CASE_FIXTURE(Unfiltered, "what unreadable code gives is stored nowhere, whatever it was given") {
    sensitivity = of(
        std::string(tables) +
        "CREATE FUNCTION dyn(n int) RETURNS text LANGUAGE plpgsql AS 'DECLARE o text; BEGIN EXECUTE ''SELECT ssn FROM people'' INTO o; RETURN o; END';"
        "CREATE FUNCTION twice(t text) RETURNS text LANGUAGE sql AS 'SELECT t || t';"
    );
    for (const char* text : {
             "CREATE TEMP TABLE s AS SELECT dyn(id) FROM other", "SELECT dyn(id) INTO TEMP s FROM other", "INSERT INTO other (t) SELECT dyn(id) FROM other", "INSERT INTO other (t) VALUES (dyn(1))",
             "UPDATE other SET t = dyn(id)", "UPDATE other SET t = twice(dyn(id))", "SELECT set_config('a.b', dyn(id), true) FROM other", "SELECT pg_notify('c', dyn(id)) FROM other",
         })
        CHECK_MESSAGE(!allows(text), text);
    for (const char* text : {"INSERT INTO other (t) SELECT twice(name) FROM people", "UPDATE other SET t = twice(t)", "CREATE TEMP TABLE s AS SELECT twice(t) FROM other"}) CHECK_MESSAGE(allows(text), text);
}

TEST_CASE_FIXTURE(Fixture, "values that may be any column's decide nothing") {
    CHECK(!allows("SELECT 1 FROM pg_stats WHERE histogram_bounds::text LIKE '9%'"));
    CHECK(!allows("SELECT count(*) FROM (SELECT * FROM pg_stats) s WHERE s.most_common_vals IS NOT NULL AND s.most_common_vals::text > 'a'"));
    CHECK(allows("SELECT n_distinct FROM pg_stats WHERE tablename = 'people' ORDER BY null_frac"));
}

TEST_CASE_FIXTURE(Fixture, "a column that was masked stays so under another name") {
    const policy::Sensitivity before = sensitivity;
    const std::string renamed = "CREATE TYPE place AS (street text, zip text);"
                                "CREATE TABLE people (id int, name text, email text, k text, pin text, profile jsonb, home place, pay numeric(12,2), notes text, doc jsonb);"
                                "CREATE TABLE other (id int, t text);";
    sensitivity = of(renamed);
    CHECK(allows("SELECT k || '' FROM people"));
    sensitivity = of(renamed, &before);
    CHECK(!allows("SELECT k || '' FROM people"));
    CHECK(allows("SELECT name || '' FROM people"));
}
