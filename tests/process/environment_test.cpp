#include "process/environment.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace dbguard;
using namespace dbguard::process;

namespace {

Target listener() {
    return {
        .host = "127.0.0.1",
        .port = 6543,
        .user = "dbguard",
        .password = "pw",
        .database = "shop",
        .session = "s_1"};
}

std::set<std::string> lines_of(const ChildEnvironment& child) {
    const auto lines = child.environment.lines();
    return {lines.begin(), lines.end()};
}

const std::set<std::string> always = {
    "DATABASE_URL=postgresql://dbguard:pw@127.0.0.1:6543/shop?sslmode=disable",
    "PGHOST=127.0.0.1",
    "PGPORT=6543",
    "PGUSER=dbguard",
    "PGPASSWORD=pw",
    "PGDATABASE=shop",
    "PGSSLMODE=disable",
    "PGGSSENCMODE=disable",
    "DBGUARD=1",
    "DBGUARD_SESSION_ID=s_1"};

std::set<std::string> with(std::set<std::string> more) {
    more.insert(always.begin(), always.end());
    return more;
}

}  // namespace

TEST_CASE("the child gets exactly what it had and where its database is") {
    const auto child = child_environment(
        Environment({"PATH=/bin", "HOME=/root", "EMPTY=", "ODD=a=b"}), listener(), {}
    );
    REQUIRE(child.has_value());
    CHECK(lines_of(*child) == with({"PATH=/bin", "HOME=/root", "EMPTY=", "ODD=a=b"}));
    CHECK(child->removed.empty());
    CHECK(child->warnings.empty());
}

TEST_CASE("what leads around the listener and what proves the job's identity is removed") {
    std::vector<std::string> own = {"KEPT=1", "PGAPPNAME=ci", "PGOPTIONS=-c x=y"};
    const char* removed[] = {
        "PGHOSTADDR",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGSSLROOTCERT",
        "PGSSLCERT",
        "PGSSLKEY",
        "PGCHANNELBINDING",
        "PGREQUIREAUTH",
        "PGSSLNEGOTIATION",
        "PGTARGETSESSIONATTRS",
        "PGPASSFILE",
        "PGREQUIREPEER",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_RUNTIME_URL",
        "ACTIONS_RESULTS_URL",
        "ACTIONS_CACHE_URL",
        "CI_JOB_JWT",
        "CI_JOB_JWT_V1",
        "CI_JOB_JWT_V2",
        "CIRCLE_OIDC_TOKEN",
        "CIRCLE_OIDC_TOKEN_V2",
        "SYSTEM_ACCESSTOKEN",
        "SYSTEM_OIDCREQUESTURI",
        "BITBUCKET_STEP_OIDC_TOKEN",
        "TFC_WORKLOAD_IDENTITY_TOKEN",
        "TFC_WORKLOAD_IDENTITY_TOKEN_AWS",
        "BUILDKITE_AGENT_ACCESS_TOKEN",
        "DBGUARD_DB_URL",
        "DBGUARD_ID_TOKEN",
        "DBGUARD_SERVER"};
    for (const char* name : removed) own.push_back(std::string(name) + "=x");
    const auto child = child_environment(Environment(own), listener(), {});
    REQUIRE(child.has_value());
    CHECK(lines_of(*child) == with({"KEPT=1", "PGAPPNAME=ci", "PGOPTIONS=-c x=y"}));
    CHECK(child->removed.size() == std::size(removed));
    REQUIRE(child->warnings.size() == 1);
    CHECK(child->warnings[0].find("buildkite-agent") != std::string::npos);
}

TEST_CASE("what was there before is replaced, not added to") {
    const auto child = child_environment(
        Environment(
            {"DATABASE_URL=postgres://app:secret@db/prod?application_name=x",
             "PGHOST=db",
             "PGPASSWORD=secret"}
        ),
        listener(),
        {}
    );
    REQUIRE(child.has_value());
    CHECK(
        child->environment.get("DATABASE_URL") ==
        "postgres://dbguard:pw@127.0.0.1:6543/shop?application_name=x&sslmode=disable"
    );
    CHECK(child->environment.get("PGHOST") == "127.0.0.1");
    CHECK(child->environment.lines().size() == always.size());
}

TEST_CASE("--db-url gives the form where there is no DATABASE_URL of this engine") {
    const auto child = child_environment(
        Environment({"DATABASE_URL=mysql://x/y"}),
        listener(),
        {.model_url = "postgres://db/prod?schema=s"}
    );
    REQUIRE(child.has_value());
    CHECK(
        child->environment.get("DATABASE_URL") ==
        "postgres://dbguard:pw@127.0.0.1:6543/shop?schema=s&sslmode=disable"
    );
}

TEST_CASE("--keep-env keeps what would be removed, by name or by prefix") {
    const Environment own(
        {"ACTIONS_RUNTIME_URL=u", "CI_JOB_JWT_V2=t", "CI_JOB_JWT=t", "PGHOSTADDR=10.0.0.1"}
    );
    const auto child =
        child_environment(own, listener(), {.keep = {"ACTIONS_RUNTIME_URL", "CI_JOB_JWT_*"}});
    REQUIRE(child.has_value());
    CHECK(lines_of(*child) == with({"ACTIONS_RUNTIME_URL=u", "CI_JOB_JWT_V2=t"}));
}

TEST_CASE("--pristine leaves the ordinary variables and the kept ones") {
    const Environment own(
        {"PATH=/bin", "LC_ALL=C", "GITHUB_TOKEN=t", "AWS_SECRET_ACCESS_KEY=k", "MINE=1"}
    );
    const auto child = child_environment(own, listener(), {.pristine = true, .keep = {"MINE"}});
    REQUIRE(child.has_value());
    CHECK(lines_of(*child) == with({"PATH=/bin", "LC_ALL=C", "MINE=1"}));
}

TEST_CASE("the variables that dbguard's own secrets came from never reach the child") {
    const Environment own({"MY_TOKEN=eyJ", "OTHER=1"});
    const auto child = child_environment(
        own, listener(), {.keep = {"MY_TOKEN"}, .secret_variables = {"MY_TOKEN"}}
    );
    REQUIRE(child.has_value());
    CHECK(lines_of(*child) == with({"OTHER=1"}));
}

TEST_CASE("the database's password is found under whatever name") {
    const Environment own(
        {"APP_DSN=host=db password=hunter 22 user=x",
         "APP_URL=postgres://x:hunter%2022@db/y",
         "SHORT=hun",
         "PGPASSWORD=hunter 22"}
    );
    const auto child = child_environment(
        own,
        listener(),
        {.keep = {"APP_DSN"}, .secrets = {Secret("hunter 22"), Secret("hun"), Secret("")}}
    );
    REQUIRE(child.has_value());
    CHECK(lines_of(*child) == with({"SHORT=hun"}));
    REQUIRE(child->warnings.size() == 2);
    CHECK(child->warnings[0].find("APP_DSN") == 0);
    CHECK(child->warnings[1].find("APP_URL") == 0);
    CHECK(child->warnings[0].find("hunter") == std::string::npos);
}

TEST_CASE("other variables are rewritten when they lead to the guarded database, and only then") {
    const Environment own(
        {"DIRECT_URL=postgres://a:b@db/prod",
         "POSTGRES_URL=postgres://a:b@elsewhere/prod",
         "SHADOW_DATABASE_URL=postgres://a:b@db/prod",
         "SPRING_DATASOURCE_URL=jdbc:postgresql://db:5432/prod",
         "SPRING_DATASOURCE_USERNAME=a",
         "SPRING_DATASOURCE_PASSWORD=b"}
    );
    const auto child = child_environment(own, listener(), {.guarded = Place{"db", "5432", "prod"}});
    REQUIRE(child.has_value());
    CHECK(
        child->environment.get("DIRECT_URL") ==
        "postgres://dbguard:pw@127.0.0.1:6543/shop?sslmode=disable"
    );
    CHECK(child->environment.get("POSTGRES_URL") == "postgres://a:b@elsewhere/prod");
    CHECK(child->environment.get("SHADOW_DATABASE_URL") == "postgres://a:b@db/prod");
    CHECK(
        child->environment.get("SPRING_DATASOURCE_URL") ==
        "jdbc:postgresql://127.0.0.1:6543/shop?user=dbguard&password=pw&sslmode=disable"
    );
    CHECK(child->environment.get("SPRING_DATASOURCE_USERNAME") == "dbguard");
    CHECK(child->environment.get("SPRING_DATASOURCE_PASSWORD") == "pw");
}

TEST_CASE("--export fills templates and refuses what it does not know") {
    const ChildEnvironmentOptions options{
        .exports = {
            {"DSN",
             "Host={host};Port={port};Username={user};Password={password};Database={database}"},
            {"BRACES", "{{{session}}}"},
            {"JAVA", "{jdbc_url}"}}};
    const auto child = child_environment(Environment(), listener(), options);
    REQUIRE(child.has_value());
    CHECK(
        child->environment.get("DSN") ==
        "Host=127.0.0.1;Port=6543;Username=dbguard;Password=pw;Database=shop"
    );
    CHECK(child->environment.get("BRACES") == "{s_1}");
    CHECK(
        child->environment.get("JAVA") ==
        "jdbc:postgresql://127.0.0.1:6543/shop?user=dbguard&password=pw&sslmode=disable"
    );
    for (const char* bad : {"{hots}", "{host", "host}", "{}"}) {
        CAPTURE(bad);
        const auto refused =
            child_environment(Environment(), listener(), {.exports = {{"X", bad}}});
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == process::errc::bad_template);
    }
    CHECK_FALSE(child_environment(Environment(), listener(), {.exports = {{"1X", "a"}}}).has_value()
    );
}

TEST_CASE("of a doubled name the first counts, and lines that are no variables are dropped") {
    const Environment environment({"A=1", "A=2", "no equals", "=odd", "B="});
    CHECK(environment.lines() == std::vector<std::string>{"A=1", "B="});
}
