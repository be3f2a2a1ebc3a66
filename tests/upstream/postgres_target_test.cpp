#include <doctest/doctest.h>

#include <map>

#include "upstream/database_url.hpp"

namespace dbguard::upstream {
namespace {

using Variables = std::map<std::string, std::string>;

Environment environment(Variables variables) {
    return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return {};
        return found->second;
    };
}

Result<PostgresTarget> target(const std::string& text, Variables variables = {}) {
    return postgres_target(parse_database_url(text).value(), environment(std::move(variables)));
}

std::string mode(const std::string& text, Variables variables = {}) {
    const auto result = target(text, std::move(variables));
    if (!result) return result.error().detail;
    return std::string(name(result->tls.mode)) + (result->plain_by_default ? " by default" : "");
}

}  // namespace

TEST_CASE("TLS is verified in full unless the URL says otherwise or nothing leaves the machine") {
    CHECK(mode("postgresql://u@db/d") == "verify-full");
    CHECK(mode("postgresql://u@10.0.0.1/d") == "verify-full");
    CHECK(mode("postgresql://u@127.0.0.1/d") == "disable by default");
    CHECK(mode("postgresql://u@127.3.2.1/d") == "disable by default");
    CHECK(mode("postgresql://u@[::1]/d") == "disable by default");
    CHECK(mode("postgresql://u@localhost/d") == "disable by default");
    CHECK(mode("postgresql://u@%2Frun/d") == "disable by default");
    CHECK(mode("postgresql://u@localhost.example.com/d") == "verify-full");
    CHECK(mode("postgresql://u@127.0.0.1.example.com/d") == "verify-full");
    CHECK(mode("postgresql://u@127.0.0.1/d?sslmode=verify-full") == "verify-full");
    CHECK(mode("postgresql://u@127.0.0.1/d?sslrootcert=%2Fca.pem") == "verify-full");
    CHECK(mode("postgresql://u@127.0.0.1/d?ssl=true") == "verify-full");
    CHECK(mode("postgresql://u@db/d?sslmode=disable") == "disable");
    CHECK(mode("postgresql://u@db/d?sslmode=require") == "require");
    CHECK(mode("postgresql://u@db/d?sslmode=verify-ca") == "verify-ca");
    // As in libpq, sslmode means nothing on a Unix socket.
    CHECK(mode("postgresql://u@%2Frun/d?sslmode=verify-full") == "disable");
}

TEST_CASE("what could silently fall back is refused with the reason") {
    CHECK(
        mode("postgresql://u@db/d?sslmode=prefer") ==
        "sslmode=prefer: would go on in the clear when somebody on the way says so; write "
        "verify-full, verify-ca, require "
        "or disable"
    );
    CHECK(mode("postgresql://u@db/d?sslmode=allow")
              .starts_with("sslmode=allow: would go on in the clear"));
    CHECK(mode(
              "postgresql://u@db/d", {{"PGSSLMODE", "prefer"}}
    ).starts_with("PGSSLMODE=prefer: would go on"));
    CHECK(
        mode("postgresql://u@db/d?sslmode=no-verify") ==
        "sslmode=no-verify: disable, require, verify-ca or verify-full expected"
    );
    CHECK(mode("postgresql://u@db/d?sslmode=VERIFY-FULL").ends_with("expected"));
}

TEST_CASE("the URL goes before the environment") {
    const Variables variables{
        {"PGUSER", "eve"},
        {"PGDATABASE", "other"},
        {"PGSSLMODE", "require"},
        {"PGSSLROOTCERT", "/ca"},
        {"PGCONNECT_TIMEOUT", "3"},
        {"PGCHANNELBINDING", "require"},
        {"PGSSLCERT", "/c"},
        {"PGSSLKEY", "/k"},
    };
    const auto from_url = target(
        "postgresql://u@db/"
        "d?sslmode=verify-ca&sslrootcert=%2Fmine&connect_timeout=7&channel_binding=disable",
        variables
    );
    REQUIRE(from_url.has_value());
    CHECK(from_url->user == "u");
    CHECK(from_url->database == "d");
    CHECK(from_url->tls == TlsSettings{SslMode::verify_ca, "/mine", "/c", "/k"});
    CHECK(from_url->connect_timeout == std::chrono::seconds(7));
    CHECK(from_url->channel_binding == ChannelBinding::disable);

    const auto from_environment = target("postgresql://db", variables);
    REQUIRE(from_environment.has_value());
    CHECK(from_environment->user == "eve");
    CHECK(from_environment->database == "other");
    CHECK(from_environment->tls.mode == SslMode::require);
    CHECK(from_environment->tls.root_certificates == "/ca");
    CHECK(from_environment->connect_timeout == std::chrono::seconds(3));
    CHECK(from_environment->channel_binding == ChannelBinding::require);
}

TEST_CASE("the database is called as the user when nobody names it; without a user nothing goes") {
    CHECK(target("postgresql://u@db")->database == "u");
    CHECK(
        target("postgresql://db/d").error().detail ==
        "no user: postgresql://USER@HOST/DATABASE expected"
    );
    CHECK(target("postgresql://db/d").error().code == errc::bad_option);
    CHECK(target("mysql://u@db/d").error().code == errc::bad_option);
}

TEST_CASE("protections that do not exist here are refused, their harmless values are not") {
    for (const auto* parameter :
         {"require_auth=scram-sha-256",
          "requirepeer=postgres",
          "sslcrl=a",
          "sslcrldir=a",
          "sslpassword=a",
          "sslcertmode=require",
          "sslnegotiation=direct",
          "sslsni=0",
          "ssl_min_protocol_version=TLSv1.3",
          "ssl_max_protocol_version=TLSv1.2",
          "gssencmode=require",
          "target_session_attrs=read-write",
          "hostaddr=1.2.3.4",
          "service=x",
          "replication=database",
          "ssl=false"}) {
        CAPTURE(parameter);
        const auto result = target("postgresql://u@db/d?" + std::string(parameter));
        REQUIRE_FALSE(result.has_value());
        const std::string name(parameter, std::string_view(parameter).find('='));
        CHECK(result.error().detail == name + " is not supported");
    }
    CHECK(target(
              "postgresql://u@db/"
              "d?gssencmode=disable&sslnegotiation=postgres&target_session_attrs=any&schema=public"
    )
              .has_value());
    CHECK(target("postgresql://u@db/d?sslrootcert=system").has_value());
    CHECK(
        target("postgresql://u@db/d?sslrootcert=system&sslmode=require").error().code ==
        errc::bad_option
    );
    CHECK(
        target("postgresql://u@127.0.0.1/d?channel_binding=require").error().code ==
        errc::bad_option
    );
    CHECK(target("postgresql://u@db/d?channel_binding=maybe").error().code == errc::bad_option);
    CHECK(target("postgresql://u@db/d?connect_timeout=soon").error().code == errc::bad_option);
    CHECK(
        target("postgresql://u@db/d?connect_timeout=0")->connect_timeout == std::chrono::seconds(15)
    );
}

TEST_CASE("addresses are shown as they are written") {
    CHECK(target("postgresql://u@db:1/d")->address() == "db:1");
    CHECK(target("postgresql://u@[::1]:1/d")->address() == "[::1]:1");
    CHECK(target("postgresql://u@%2Frun:1/d")->address() == "/run/.s.PGSQL.1");
}

TEST_CASE("settings for the session are passed on") {
    const auto result =
        target("postgresql://u@db/d?application_name=ci&options=-c%20a%3Db&schema=x");
    CHECK(
        result->startup_parameters ==
        UrlParameters{{"application_name", "ci"}, {"options", "-c a=b"}}
    );
}

}  // namespace dbguard::upstream
