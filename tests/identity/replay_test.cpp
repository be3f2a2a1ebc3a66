#include "identity/replay.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::identity;
using namespace std::chrono_literals;

namespace {

Time at(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

Identity identity_of(std::string issuer, std::string token_id, std::string job = "") {
    Identity identity;
    identity.issuer = std::move(issuer);
    identity.token_id = std::move(token_id);
    identity.job_id = std::move(job);
    identity.audience = "https://guard";
    identity.expires_at = at(1300);
    return identity;
}

std::string_view code(const Result<void>& result) { return result ? "ok" : result.error().code; }

}  // namespace

TEST_CASE("a token minted on demand is used once, whoever's job presents it") {
    const IssuerConfig issuer = issuer_defaults(Profile::github, "https://a");
    MemoryReplayStore store;
    const auto rule = replay_rule(identity_of("https://a", "jti:1", "run/1"), issuer);
    CHECK(rule == TokenUseRecord{{"https://a", "jti:1"}, 1, at(1360)});
    CHECK(code(store.use(rule, at(1000))) == "ok");
    CHECK(code(store.use(rule, at(1000))) == "replayed");
    // In another job: the same jti, so the same key.
    CHECK(
        code(store.use(replay_rule(identity_of("https://a", "jti:1", "run/2"), issuer), at(1001))
        ) == "replayed"
    );
    // The last second in which verify() would still take it.
    CHECK(code(store.use(rule, at(1359))) == "replayed");
    // Another issuer's jti of the same text is another token.
    CHECK(
        code(store.use(replay_rule(identity_of("https://b", "jti:1"), issuer), at(1000))) == "ok"
    );
    CHECK(
        code(store.use(replay_rule(identity_of("https://a", "jti:2"), issuer), at(1000))) == "ok"
    );
}

TEST_CASE("a static token may be used several times by its job") {
    IssuerConfig issuer = issuer_defaults(Profile::gitlab, "https://g");
    issuer.max_uses = 2;
    MemoryReplayStore store;
    const auto job = replay_rule(identity_of("https://g", "jti:1", "302"), issuer);
    CHECK(job.max_uses == 2);
    CHECK(code(store.use(job, at(1000))) == "ok");
    CHECK(code(store.use(job, at(1001))) == "ok");
    CHECK(code(store.use(job, at(1002))) == "replayed");
    // Another token of the same job counts on the same account; another job has its own.
    CHECK(
        code(store.use(replay_rule(identity_of("https://g", "jti:2", "302"), issuer), at(1002))) ==
        "replayed"
    );
    CHECK(
        code(store.use(replay_rule(identity_of("https://g", "jti:3", "303"), issuer), at(1002))) ==
        "ok"
    );
}

TEST_CASE("a static token without a job is counted by itself") {
    IssuerConfig issuer = issuer_defaults(Profile::generic, "https://g");
    issuer.use = TokenUse::per_job;
    issuer.max_uses = 3;
    const auto rule = replay_rule(identity_of("https://g", "sha256:ab"), issuer);
    CHECK(rule.key.token == "sha256:ab");
    CHECK(rule.max_uses == 3);
}

TEST_CASE("job and audience cannot be shifted into each other") {
    const IssuerConfig issuer = issuer_defaults(Profile::gitlab, "https://g");
    Identity a = identity_of("https://g", "jti:1", "1");
    Identity b = identity_of("https://g", "jti:1", "1:x");
    a.audience = "x:y";
    b.audience = "y";
    CHECK(replay_rule(a, issuer).key != replay_rule(b, issuer).key);
}

TEST_CASE("the store forgets the expired, refuses when full, and never the other way round") {
    MemoryReplayStore store(2);
    const auto record = [](const char* token, std::int64_t until) {
        return TokenUseRecord{{"i", token}, 1, at(until)};
    };
    CHECK(code(store.use(record("a", 100), at(0))) == "ok");
    CHECK(code(store.use(record("b", 200), at(0))) == "ok");
    CHECK(code(store.use(record("c", 200), at(99))) == "replay_store_full");
    CHECK(code(store.use(record("a", 100), at(99))) == "replayed");
    CHECK(code(store.use(record("c", 200), at(100))) == "ok");
    CHECK(store.size() == 2);
    CHECK(code(store.use(record("b", 200), at(100))) == "replayed");
}
