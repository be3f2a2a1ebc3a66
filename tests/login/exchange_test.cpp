#include "login/exchange.hpp"

#include <doctest/doctest.h>

#include "tests/login/support.hpp"

using namespace dbguard;
using namespace dbguard::login;
using namespace dbguard::test;
using namespace std::chrono_literals;

namespace {

/// Counts what it gives: t1, t2, …
class CountingSource final : public TokenSource {
  public:
    explicit CountingSource(Clock& clock) : clock_(clock) {}
    std::string_view name() const override { return "counting"; }
    std::string describe() const override { return "counting"; }
    bool mints() const override { return true; }
    Result<MintedToken> token(std::string_view audience, Clock::Point) override {
        CHECK(audience == "https://guard");
        if (++given == fail_at) return Error{login_error::request_failed, "the platform is down"};
        return MintedToken{Secret("t" + std::to_string(given)), clock_.now()};
    }
    int given = 0;
    int fail_at = 0;

  private:
    Clock& clock_;
};

struct Script {
    FakeClock clock;
    CountingSource source{clock};
    std::vector<std::string> tokens;
    std::vector<std::optional<ExchangeFailure>> answers;
    std::chrono::milliseconds each_takes{0};

    std::string run(std::chrono::seconds deadline = 120s) {
        const auto result = exchange(
            source,
            "https://guard",
            clock,
            clock.now() + deadline,
            [&](const Secret& token) {
                tokens.push_back(token.reveal());
                clock.pass(each_takes);
                return tokens.size() <= answers.size() ? answers[tokens.size() - 1]
                                                       : std::optional<ExchangeFailure>();
            }
        );
        return result ? "ok" : result.error().text();
    }
};

ExchangeFailure failure(bool again) { return {.error = {"service", "said no"}, .again = again}; }

}  // namespace

TEST_CASE("the first try that works is the only one") {
    Script script;
    CHECK(script.run() == "ok");
    CHECK(script.tokens == std::vector<std::string>{"t1"});
    CHECK(script.clock.sleeps.empty());
}

TEST_CASE("a final refusal is not repeated") {
    Script script;
    script.answers = {failure(false)};
    CHECK(script.run() == "service: said no");
    CHECK(script.tokens.size() == 1);
}

TEST_CASE("a token that may have been counted is replaced before the next try") {
    Script script;
    script.answers = {failure(true), failure(true)};
    CHECK(script.run() == "ok");
    CHECK(script.tokens == std::vector<std::string>{"t1", "t2", "t3"});
    CHECK(script.clock.sleeps == std::vector<long>{500, 1000});
}

TEST_CASE("a token that was never sent is kept while it is young") {
    Script script;
    ExchangeFailure unsent = failure(true);
    unsent.token_unused = true;
    script.answers = {unsent, unsent, unsent};
    CHECK(script.run() == "ok");
    CHECK(script.tokens == std::vector<std::string>{"t1", "t1", "t1", "t1"});

    Script slow;
    slow.answers = {unsent, unsent};
    slow.each_takes = 40s;
    CHECK(slow.run(600s) == "ok");
    CHECK(slow.tokens == std::vector<std::string>{"t1", "t1", "t2"});
}

TEST_CASE("tries are bounded, spread, and end with the service's words") {
    Script script;
    script.clock.jitter = 0.5;
    script.answers.assign(9, failure(true));
    CHECK(script.run() == "service: said no");
    CHECK(script.tokens.size() == 4);
    CHECK(script.clock.sleeps == std::vector<long>{750, 1500, 3000});
}

TEST_CASE("the service may ask for more patience, within the deadline") {
    Script script;
    ExchangeFailure busy = failure(true);
    busy.not_before = 5s;
    script.answers = {busy};
    CHECK(script.run() == "ok");
    CHECK(script.clock.sleeps == std::vector<long>{5000});

    Script late;
    late.answers = {busy};
    CHECK(late.run(4s) == "token_deadline: service: said no");
    CHECK(late.clock.sleeps.empty());
}

TEST_CASE("a platform that stops giving tokens ends it") {
    Script script;
    script.answers.assign(3, failure(true));
    script.source.fail_at = 2;
    CHECK(script.run() == "token_request_failed: the platform is down");
    CHECK(script.tokens.size() == 1);
}
