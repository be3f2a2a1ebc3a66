#include "identity/discovery.hpp"

#include <doctest/doctest.h>

#include "identity/issuer.hpp"
#include "identity/url.hpp"

using namespace dbguard;
using namespace dbguard::identity;
using namespace std::chrono_literals;

namespace {

Time at(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

std::string verdict(
    std::string_view document, std::string_view issuer, const std::vector<std::string>& pinned = {}
) {
    const auto discovery = parse_discovery(document, issuer, pinned);
    return discovery ? discovery->jwks_uri : discovery.error().text();
}

std::string document(std::string_view issuer, std::string_view jwks_uri) {
    return R"({"issuer":")" + std::string(issuer) + R"(","jwks_uri":")" + std::string(jwks_uri) +
           R"(","response_types_supported":["id_token"]})";
}

KeySet keys_named(std::initializer_list<const char*> names) {
    KeySet set;
    for (const char* name : names) set.keys.push_back({.id = name});
    return set;
}

}  // namespace

TEST_CASE("where the document is") {
    CHECK(
        discovery_url("https://i.example") == "https://i.example/.well-known/openid-configuration"
    );
    CHECK(
        discovery_url("https://i.example/") == "https://i.example/.well-known/openid-configuration"
    );
    CHECK(
        discovery_url("https://i.example/a/b") ==
        "https://i.example/a/b/.well-known/openid-configuration"
    );
}

TEST_CASE("the document must speak for the issuer, byte for byte") {
    const std::string issuer = "https://gitlab.acme.example";
    const std::string keys = "https://gitlab.acme.example/oauth/discovery/keys";
    CHECK(verdict(document(issuer, keys), issuer) == keys);
    CHECK(
        verdict(document(issuer + "/", keys), issuer) ==
        "discovery_wrong_issuer: the issuer spells itself `https://gitlab.acme.example/`: write it "
        "exactly so"
    );
    CHECK(
        verdict(document(issuer, keys), issuer + ":443") ==
        "discovery_wrong_issuer: the issuer spells itself `https://gitlab.acme.example`: write it "
        "exactly so"
    );
    CHECK(
        verdict(document(issuer, keys), "https://GitLab.acme.example") ==
        "discovery_wrong_issuer: the issuer spells itself `https://gitlab.acme.example`: write it "
        "exactly so"
    );
    CHECK(verdict(document("https://evil.example", keys), issuer) == "discovery_wrong_issuer");
    CHECK(
        verdict(document("http://gitlab.acme.example", keys), issuer) == "discovery_wrong_issuer"
    );
}

TEST_CASE("keys lie on https at the issuer's origin or a pinned host") {
    const std::string issuer = "https://i.example/tenant";
    const auto keys_at = [&](std::string_view uri, const std::vector<std::string>& pinned = {}) {
        return verdict(document(issuer, uri), issuer, pinned);
    };
    CHECK(keys_at("https://i.example/keys") == "https://i.example/keys");
    CHECK(keys_at("https://I.example:443/keys") == "https://I.example:443/keys");
    const std::string foreign =
        "discovery_bad_jwks_uri: keys at evil.example, which is neither the issuer's origin nor "
        "pinned";
    CHECK(keys_at("https://evil.example/keys") == foreign);
    CHECK(keys_at("https://i.example.evil.example/keys") != "https://i.example.evil.example/keys");
    CHECK(
        keys_at("https://i.example:8443/keys") ==
        "discovery_bad_jwks_uri: keys at i.example, which is neither the issuer's origin nor pinned"
    );
    for (const char* uri :
         {"http://i.example/keys",
          "https://i.example@evil.example/keys",
          "https://u:p@i.example/keys",
          "file:///etc/passwd",
          "https://i.example\\\\@evil.example/",
          "//i.example/keys",
          "/keys",
          "https://i.example/keys#f",
          "https:///keys",
          "javascript:1",
          "https://i.example:0/k",
          "https://i.example:99999/k",
          "https://i.example:/k",
          "https://xn--i.example\\u0000.evil/k"})
        CHECK_MESSAGE(keys_at(uri).starts_with("discovery_"), std::string(uri));
    CHECK(
        keys_at("https://www.keys.example/k", {"www.keys.example"}) == "https://www.keys.example/k"
    );
    CHECK(keys_at("https://www.keys.example:8443/k", {"www.keys.example"})
              .starts_with("discovery_bad_jwks_uri"));
    CHECK(
        keys_at("https://www.keys.example:8443/k", {"www.keys.example:8443"}) ==
        "https://www.keys.example:8443/k"
    );
}

TEST_CASE("documents that are none") {
    for (const char* text :
         {"",
          "{}",
          "[]",
          "<html>",
          R"({"issuer":"https://i.example"})",
          R"({"issuer":1,"jwks_uri":"https://i.example/k"})",
          R"({"issuer":"https://i.example","issuer":"https://i.example","jwks_uri":"https://i.example/k"})"})
        CHECK_MESSAGE(
            verdict(text, "https://i.example").starts_with("discovery_malformed"), std::string(text)
        );
    CHECK(verdict(std::string(max_discovery_bytes + 1, ' '), "https://i.example")
              .starts_with("discovery_malformed"));
}

TEST_CASE("https URLs are taken apart and not normalised") {
    const auto url = parse_https_url("https://Host.Example:8443/Path/");
    REQUIRE(url.has_value());
    CHECK(url->authority == "Host.Example:8443");
    CHECK(url->host == "host.example");
    CHECK(url->port == "8443");
    CHECK(url->path == "/Path/");
    CHECK(parse_https_url("https://[2001:db8::1]:443/")->host == "[2001:db8::1]");
    CHECK(parse_https_url("https://[2001:db8::1]")->port == "443");
    for (const char* text :
         {"",
          "https://",
          "https:///x",
          "HTTPS://h",
          "https://h?q",
          "https://h#f",
          "https://u@h",
          "https://h h",
          "https://h\t",
          "https://\xC3\xA9.example",
          "https://h:1:2",
          "https://h:08",
          "https://[::1",
          "https://[]",
          "https://.h",
          "https://h:65536"})
        CHECK_MESSAGE(!parse_https_url(text).has_value(), std::string(text));
}

TEST_CASE("issuer configuration that could never be safe is refused") {
    const auto verdict_of = [](auto change) {
        IssuerConfig config = issuer_defaults(Profile::github, std::string(github_issuer));
        config.audiences = {"https://guard.acme.example"};
        change(config);
        const auto ok = check(config);
        return ok ? std::string("ok") : ok.error().text();
    };
    CHECK(verdict_of([](IssuerConfig&) {}) == "ok");
    for (const char* issuer :
         {"http://i.example",
          "https://u@i.example",
          "https://i.example?x",
          "https://*.example",
          "i.example",
          ""})
        CHECK_MESSAGE(
            verdict_of([&](IssuerConfig& c) { c.issuer = issuer; }).starts_with("bad_issuer_url"),
            std::string(issuer)
        );
    CHECK(verdict_of([](IssuerConfig& c) {
              c.audiences = {};
          }) == "bad_issuer_config: no audience: tokens made for anybody would be accepted");
    CHECK(verdict_of([](IssuerConfig& c) {
              c.audiences = {""};
          }) == "bad_issuer_config: an audience of 1 to 512 bytes is needed");
    for (const char* audience :
         {"https://github.com/acme",
          "sts.amazonaws.com",
          "api://AzureADTokenExchange",
          "sigstore",
          "https://gitlab.com"})
        CHECK(verdict_of([&](IssuerConfig& c) {
                  c.audiences = {audience};
              }).find("belongs to another service") != std::string::npos);
    CHECK(verdict_of([](IssuerConfig& c) {
              c.algorithms = {};
          }) == "bad_issuer_config: no algorithm");
    CHECK(verdict_of([](IssuerConfig& c) {
              c.leeway = 301s;
          }) == "bad_issuer_config: leeway must be within 0 and 5 minutes");
    CHECK(verdict_of([](IssuerConfig& c) {
              c.max_age = -1s;
          }) == "bad_issuer_config: max_age must not be negative");
    CHECK(verdict_of([](IssuerConfig& c) {
              c.max_lifetime = 0s;
          }) == "bad_issuer_config: max_lifetime must be above zero");
    CHECK(verdict_of([](IssuerConfig& c) {
              c.use = TokenUse::per_job;
              c.max_uses = 0;
          }) == "bad_issuer_config: max_uses must be above zero");
}

TEST_CASE("a platform's default audience is refused, on its own hosts as well") {
    const auto refused = [](Profile profile, std::string issuer, const char* audience) {
        IssuerConfig config = issuer_defaults(profile, std::move(issuer));
        config.audiences = {audience};
        return !check(config).has_value();
    };
    const char* enterprise = "https://git.acme.example/_services/token";
    CHECK(refused(Profile::github, enterprise, "https://git.acme.example/acme"));
    CHECK(
        refused(Profile::github, "https://token.actions.acme.ghe.com", "https://acme.ghe.com/team")
    );
    CHECK(refused(Profile::gitlab, "https://gitlab.acme.example", "https://gitlab.acme.example"));
    CHECK(refused(Profile::gitlab, "https://gitlab.acme.example", "https://gitlab.acme.example/"));
    CHECK_FALSE(refused(Profile::github, enterprise, "https://guard.acme.example"));
    CHECK_FALSE(refused(Profile::github, enterprise, "guard.acme.example"));
    CHECK_FALSE(
        refused(Profile::github, std::string(github_issuer), "https://github.com/acme/shop/dbguard")
    );
    CHECK_FALSE(
        refused(Profile::gitlab, "https://gitlab.acme.example", "https://guard.acme.example")
    );
}

TEST_CASE("names of profiles and kinds read back") {
    for (const Profile profile : {Profile::github, Profile::gitlab, Profile::generic})
        CHECK(profile_from(name(profile)) == profile);
    for (const IdentityKind kind : {IdentityKind::ci, IdentityKind::human, IdentityKind::workload})
        CHECK(identity_kind_from(name(kind)) == kind);
    CHECK_FALSE(profile_from("GitHub").has_value());
}

TEST_CASE("max-age of Cache-Control") {
    CHECK(cache_max_age("max-age=600") == 600s);
    CHECK(cache_max_age("public, Max-Age=600, must-revalidate") == 600s);
    CHECK(cache_max_age("max-age=\"60\"") == 60s);
    CHECK(cache_max_age("max-age=99999999999999999999") == 999'999'999s);
    CHECK(cache_max_age("no-store, max-age=600") == 0s);
    CHECK(cache_max_age("no-cache") == 0s);
    for (const char* text :
         {"",
          "public",
          "max-age",
          "max-age=",
          "max-age=-1",
          "max-age=abc",
          "x-max-age=5",
          ",,,",
          "="})
        CHECK_MESSAGE(!cache_max_age(text).has_value(), std::string(text));
}

TEST_CASE("keys are fetched once, used while fresh, refreshed ahead of time") {
    KeyCache cache;
    CHECK(cache.next("a", at(1000)) == KeyAction::fetch);
    CHECK(cache.next("a", at(1000)) == KeyAction::wait);
    cache.fetched(keys_named({"a"}), 600s, at(1001));
    CHECK(cache.fresh_until() == at(1601));
    CHECK(cache.next("a", at(1001)) == KeyAction::use);
    CHECK(cache.next("a", at(1540)) == KeyAction::use);
    CHECK(cache.next("a", at(1541)) == KeyAction::use_and_refresh);
    CHECK(cache.next("a", at(1541)) == KeyAction::use);
    cache.fetched(keys_named({"a"}), 600s, at(1545));
    CHECK(cache.next("a", at(1700)) == KeyAction::use);
    CHECK(cache.next("a", at(5000)) == KeyAction::fetch);  // long idle: not with stale keys
}

TEST_CASE("freshness is bounded whatever the server says") {
    KeyCache cache;
    cache.fetched(keys_named({"a"}), 0s, at(1000));
    CHECK(cache.fresh_until() == at(1300));
    cache.fetched(keys_named({"a"}), 999'999'999s, at(1000));
    CHECK(cache.fresh_until() == at(1000 + 86400));
    cache.fetched(keys_named({"a"}), std::nullopt, at(1000));
    CHECK(cache.fresh_until() == at(4600));
}

TEST_CASE("an unknown kid causes at most one fetch in a while, and evicts nothing") {
    KeyCache cache;
    REQUIRE(cache.next("a", at(1000)) == KeyAction::fetch);
    cache.fetched(keys_named({"a"}), 3600s, at(1000));
    CHECK(cache.next("new", at(1029)) == KeyAction::refuse);
    CHECK(cache.next("new", at(1030)) == KeyAction::fetch);
    CHECK(cache.next("other", at(1030)) == KeyAction::wait);
    CHECK(cache.next("a", at(1030)) == KeyAction::use);
    cache.failed(at(1031));
    CHECK(cache.next("a", at(1031)) == KeyAction::use);
    CHECK(cache.next("new", at(1059)) == KeyAction::refuse);
    CHECK(cache.next("new", at(1060)) == KeyAction::fetch);
    cache.fetched(keys_named({"a", "new"}), 3600s, at(1061));  // rotation in mid-flight
    CHECK(cache.next("new", at(1061)) == KeyAction::use);
    CHECK(cache.next("a", at(1061)) == KeyAction::use);
    for (int i = 0; i < 1000; ++i)
        CHECK(cache.next("made-up-" + std::to_string(i), at(1062)) == KeyAction::refuse);
}

TEST_CASE("a withdrawn key is gone with the next fetch") {
    KeyCache cache;
    REQUIRE(cache.next("old", at(1000)) == KeyAction::fetch);
    cache.fetched(keys_named({"old"}), 300s, at(1000));
    REQUIRE(cache.next("old", at(1300)) == KeyAction::fetch);
    cache.fetched(keys_named({"new"}), 300s, at(1301));
    CHECK(cache.next("old", at(1302)) == KeyAction::refuse);
    CHECK(cache.keys()->find("old") == nullptr);
}

TEST_CASE("while the issuer fails old keys go on serving, up to a limit") {
    KeyCache cache;
    REQUIRE(cache.next("a", at(0)) == KeyAction::fetch);
    cache.fetched(keys_named({"a"}), 300s, at(0));
    REQUIRE(cache.next("a", at(300)) == KeyAction::fetch);
    cache.failed(at(315));
    CHECK(cache.next("a", at(316)) == KeyAction::use);
    CHECK(
        cache.next("a", at(325)) == KeyAction::use_and_refresh
    );  // nobody waits for a server that fails
    cache.failed(at(340));
    CHECK(cache.next("a", at(300 + 86399)) == KeyAction::use_and_refresh);
    cache.failed(at(300 + 86399));
    CHECK(cache.next("a", at(300 + 86400)) == KeyAction::refuse);
    CHECK(cache.keys() == nullptr);
    CHECK(cache.next("a", at(300 + 86410)) == KeyAction::fetch);
}

TEST_CASE("without keys a failing issuer is asked again after a pause") {
    KeyCache cache;
    REQUIRE(cache.next("a", at(100)) == KeyAction::fetch);
    cache.failed(at(105));
    CHECK(cache.next("a", at(114)) == KeyAction::refuse);
    CHECK(cache.next("a", at(115)) == KeyAction::fetch);
}

TEST_CASE("a fetch that never reported is taken for lost") {
    KeyCache cache;
    REQUIRE(cache.next("a", at(100)) == KeyAction::fetch);
    CHECK(cache.next("a", at(144)) == KeyAction::wait);
    CHECK(cache.next("a", at(145)) == KeyAction::refuse);
    CHECK(cache.next("a", at(155)) == KeyAction::fetch);
}
