#include <doctest/doctest.h>

#include <fstream>

#include "login/token_source.hpp"
#include "tests/login/support.hpp"
#include "tests/net/tls_stub.hpp"

using namespace dbguard;
using namespace dbguard::login;
using namespace dbguard::test;
using namespace std::chrono_literals;

namespace {

Variables job() {
    return {
        {"GITHUB_ACTIONS", "true"},
        {"GITHUB_EVENT_NAME", "push"},
        {"GITHUB_ACTOR", "ada"},
        {"ACTIONS_ID_TOKEN_REQUEST_URL", "https://run.actions.example/token?api-version=2.0"},
        {"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret"},
    };
}

const auto good = answers(200, R"({"count":1,"value":"a.b.c"})");
const auto pending =
    answers(403, R"({"message":"can't issue ID_TOKEN for job in Pending/Delayed state"})");

struct Asked {
    std::string outcome;  ///< the token, or the error's text
    std::vector<long> sleeps;
    std::vector<net::ClientRequest> requests;
};

Asked ask(
    std::vector<net::ScriptedHttpClient::Step> steps,
    std::chrono::seconds deadline = 120s,
    double jitter = 0
) {
    FakeClock clock;
    clock.jitter = jitter;
    net::ScriptedHttpClient http(std::move(steps));
    auto source = choose_token_source({}, {environment_of(job()), http, clock});
    if (!source) return {source.error().text(), {}, {}};
    const auto token = (*source)->token("https://guard.example/a b", clock.now() + deadline);
    return {token ? token->token.reveal() : token.error().text(), clock.sleeps, http.requests()};
}

std::string choose_error(Variables variables) {
    FakeClock clock;
    net::ScriptedHttpClient http({});
    const auto source =
        choose_token_source({}, {environment_of(std::move(variables)), http, clock});
    CHECK(http.requests().empty());  // never found out by trying
    return source ? "ok" : source.error().text();
}

/// A pull request's event file.
struct EventFile {
    std::string path = "/tmp/dbguard-test-event-XXXXXX";
    explicit EventFile(std::string_view text) {
        const UniqueFd fd(::mkstemp(path.data()));
        std::ofstream(path) << text;
    }
    ~EventFile() { ::unlink(path.c_str()); }
};

Variables without_permission(const char* event = "push") {
    Variables variables = job();
    variables.erase("ACTIONS_ID_TOKEN_REQUEST_URL");
    variables.erase("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    variables["GITHUB_EVENT_NAME"] = event;
    return variables;
}

}  // namespace

TEST_CASE("GitHub: the request is as documented") {
    const Asked asked = ask({good});
    CHECK(asked.outcome == "a.b.c");
    REQUIRE(asked.requests.size() == 1);
    const auto& request = asked.requests[0];
    CHECK(request.method == "GET");
    CHECK(
        request.url ==
        "https://run.actions.example/"
        "token?api-version=2.0&audience=https%3A%2F%2Fguard.example%2Fa%20b"
    );
    CHECK(
        request.headers ==
        std::vector<net::ClientHeader>{
            {"Authorization", "Bearer request-secret"}, {"Accept", "application/json"}}
    );
    CHECK(request.connect_timeout == 5s);
    CHECK(request.total_timeout == 15s);
    CHECK(request.max_body_bytes == 65536);
}

TEST_CASE("GitHub: a URL without a query gets one, and no audience is sent when none is wanted") {
    FakeClock clock;
    net::ScriptedHttpClient http({good, good});
    Variables variables = job();
    variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = "https://h.example/token";
    const auto source = choose_token_source({}, {environment_of(variables), http, clock});
    REQUIRE(source.has_value());
    CHECK((*source)->mints());
    CHECK((*source)->name() == "github");
    CHECK((*source)->token("x", clock.now() + 1min).has_value());
    CHECK((*source)->token("", clock.now() + 1min).has_value());
    CHECK(http.requests()[0].url == "https://h.example/token?audience=x");
    CHECK(http.requests()[1].url == "https://h.example/token");
}

TEST_CASE("GitHub: a job that is still pending is asked again after 1 s and 2 s") {
    const Asked asked = ask({pending, pending, good});
    CHECK(asked.outcome == "a.b.c");
    CHECK(asked.sleeps == std::vector<long>{1000, 2000});
    CHECK(
        ask({pending, pending, pending, pending}).outcome ==
        "token_request_failed: try 4 of 4: run.actions.example answered 403 (the job is still "
        "pending)"
    );
}

TEST_CASE("GitHub: what may pass is tried four times, with jitter") {
    for (const auto code :
         {net::http_error::unreachable,
          net::http_error::timeout,
          net::http_error::garbage,
          net::http_error::tls}) {
        const Asked asked = ask({fails(code), fails(code), fails(code), good});
        CHECK(asked.outcome == "a.b.c");
        CHECK(asked.sleeps == std::vector<long>{1000, 2000, 4000});
    }
    for (const int status : {408, 429, 500, 502, 503, 504})
        CHECK(ask({answers(status, "{}"), good}).outcome == "a.b.c");
    CHECK(
        ask({fails(net::http_error::timeout), good}, 120s, 0.5).sleeps == std::vector<long>{1125}
    );
    const Asked all = ask(std::vector(9, fails(net::http_error::timeout)));
    CHECK(all.outcome == "token_request_failed: try 4 of 4: http_timeout: h.example");
    CHECK(all.requests.size() == 4);
}

TEST_CASE("GitHub: Retry-After is honoured, and junk in it is not") {
    const auto busy = [](const char* after) {
        return answers(429, "", "text/plain", {{"Retry-After", after}});
    };
    CHECK(ask({busy("7"), good}).sleeps == std::vector<long>{7000});
    for (const char* junk : {"", "soon", "-1", "99999999999999", "Wed, 21 Oct 2026 07:28:00 GMT"})
        CHECK(ask({busy(junk), good}).sleeps == std::vector<long>{1000});
    CHECK(
        ask({busy("600"), good}, 60s).outcome ==
        "token_deadline: try 1 of 4: run.actions.example answered 429"
    );
}

TEST_CASE("GitHub: what will not pass is said at once, with host, status and try") {
    CHECK(
        ask({answers(401, "{}")}).outcome ==
        "token_request_failed: try 1 of 4: run.actions.example answered 401"
    );
    CHECK(
        ask({answers(403, "{}")}).outcome ==
        "token_request_failed: try 1 of 4: run.actions.example answered 403"
    );
    CHECK(
        ask({answers(404, "")}).outcome ==
        "token_request_failed: try 1 of 4: run.actions.example answered 404"
    );
    CHECK(
        ask({answers(302, "")}).outcome ==
        "token_request_failed: try 1 of 4: run.actions.example answered 302"
    );
    CHECK(
        ask({fails(net::http_error::certificate)}).outcome ==
        "token_request_failed: try 1 of 4: http_certificate: h.example"
    );
    CHECK(
        ask({fails(net::http_error::too_large)}).outcome ==
        "token_request_failed: try 1 of 4: http_too_large: h.example"
    );
    CHECK(
        ask({answers(200, R"({"value":"a.b.c"})", "text/html")}).outcome ==
        "token_bad_answer: try 1 of 4: run.actions.example did not answer with application/json"
    );
}

TEST_CASE("GitHub: an answer without a token is none") {
    for (const char* body :
         {"",
          "{}",
          "[]",
          R"({"value":""})",
          R"({"value":null})",
          R"({"value":7})",
          R"({"Value":"a.b.c"})",
          R"({"value":"a.b.c","value":"d.e.f"})",
          R"({"value":"a.b.c"} trailing)",
          R"({"message":"x"})"})
        CHECK_MESSAGE(
            ask({answers(200, body)}).outcome ==
                "token_bad_answer: try 1 of 4: run.actions.example answered without a token in "
                "`value`",
            std::string(body)
        );
    CHECK(ask({answers(200, R"({"value":")" + std::string(17'000, 'x') + R"("})")})
              .outcome.starts_with("token_bad_answer"));
}

TEST_CASE("GitHub: the deadline holds over all tries and shortens the last") {
    const Asked asked =
        ask({fails(net::http_error::timeout), fails(net::http_error::timeout), good}, 2s);
    CHECK(asked.outcome == "token_deadline: try 2 of 4: http_timeout: h.example");
    CHECK(asked.requests[0].total_timeout == 2s);
    CHECK(asked.requests[1].total_timeout == 1s);
    CHECK(asked.requests[1].connect_timeout == 1s);
    CHECK(ask({good}, 0s).outcome == "token_deadline: try 1 of 4: no time left");
}

TEST_CASE("GitHub: errors hold neither request token nor answer") {
    for (auto step :
         {answers(500, "body-secret"),
          answers(200, "body-secret"),
          answers(403, "body-secret"),
          fails(net::http_error::timeout)}) {
        const Asked asked = ask(std::vector(4, step));
        CHECK(asked.outcome.find("secret") == std::string::npos);
        CHECK(asked.outcome.find("api-version") == std::string::npos);
    }
}

TEST_CASE("GitHub: the request token goes over https only, or to this machine") {
    Variables variables = job();
    for (const char* url :
         {"http://run.actions.example/token",
          "ftp://x",
          "run.actions.example",
          "http://127.0.0.1.evil.example/",
          "http://localhost@evil.example/",
          "http://127.0.0.1:80@evil.example/"}) {
        variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = url;
        CHECK_MESSAGE(
            choose_error(variables) ==
                "bad_token_option: ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL",
            std::string(url)
        );
    }
    for (const char* url :
         {"http://127.0.0.1:8080/token", "http://localhost/token", "http://[::1]:1/?a=b"}) {
        variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = url;
        CHECK_MESSAGE(choose_error(variables) == "ok", std::string(url));
    }
}

TEST_CASE("GitHub: without the permission the error says what to add") {
    for (const char* event : {"push", "workflow_dispatch", "pull_request_target", "schedule", ""}) {
        const std::string error = choose_error(without_permission(event));
        CHECK(error.starts_with("permission_missing: "));
        CHECK(error.ends_with("permissions: { id-token: write, contents: read }"));
    }
    Variables half = job();
    half.erase("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    CHECK(choose_error(half).starts_with("permission_missing: "));
    half = job();
    half["ACTIONS_ID_TOKEN_REQUEST_URL"] = "";
    CHECK(choose_error(half).starts_with("permission_missing: "));
}

TEST_CASE("GitHub: a fork's pull request is told apart from a missing permission") {
    const auto error_for = [](std::string_view event, const char* name = "pull_request") {
        const EventFile file(event);
        Variables variables = without_permission(name);
        variables["GITHUB_EVENT_PATH"] = file.path;
        return choose_error(variables);
    };
    const char* fork =
        R"({"pull_request":{"head":{"repo":{"full_name":"eve/shop","fork":true}},"base":{"repo":{"full_name":"acme/shop"}}}})";
    const char* own =
        R"({"pull_request":{"head":{"repo":{"full_name":"acme/shop","fork":true}},"base":{"repo":{"full_name":"acme/shop"}}}})";
    const char* deleted =
        R"({"pull_request":{"head":{"repo":null},"base":{"repo":{"full_name":"acme/shop"}}}})";
    CHECK(error_for(fork).starts_with("fork_without_identity: "));
    CHECK(error_for(fork, "pull_request_review").starts_with("fork_without_identity: "));
    CHECK(error_for(deleted).starts_with("fork_without_identity: "));
    CHECK(error_for(own).ends_with("permissions: { id-token: write, contents: read }"));
    CHECK(error_for(fork, "pull_request_target").starts_with("permission_missing: ")
    );  // runs as the base repository
    for (const char* unknown :
         {"",
          "{}",
          "not json",
          R"({"pull_request":7})",
          R"({"pull_request":{"head":{},"base":{}}})"})
        CHECK(error_for(unknown).ends_with(
            "if this pull request comes from a fork, it cannot get a token at all"
        ));
    Variables no_file = without_permission("pull_request");
    no_file["GITHUB_EVENT_PATH"] = "/nonexistent";
    CHECK(choose_error(no_file).ends_with("it cannot get a token at all"));
}

TEST_CASE("GitHub: Dependabot gets none; who re-runs its job counts") {
    Variables variables = without_permission("pull_request");
    variables["GITHUB_ACTOR"] = "dependabot[bot]";
    CHECK(choose_error(variables).starts_with("dependabot_without_identity: "));
    variables["GITHUB_TRIGGERING_ACTOR"] = "ada";
    CHECK(choose_error(variables).starts_with("permission_missing: "));
    variables["GITHUB_TRIGGERING_ACTOR"] = "dependabot[bot]";
    CHECK(choose_error(variables).starts_with("dependabot_without_identity: "));
}

// ---- against a server that is really there ---------------------------------------------------------------------------

namespace {

struct Served {
    std::string outcome;
    std::string request;
    std::size_t served = 0;
};

/// The steps get the request text; the waits are not waited for, the transfers are real.
Served ask_stub(
    std::vector<TlsStub::Step> steps,
    std::chrono::milliseconds limit = 20s,
    std::string ca = local_certificate().ca_file
) {
    const TlsStub stub(std::move(steps));
    FakeClock clock;
    const auto http = net::make_http_client({.ca_file = std::move(ca)});
    Variables variables = job();
    variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = stub.url("/token?api-version=2.0");
    const auto source = choose_token_source({}, {environment_of(variables), *http, clock});
    REQUIRE(source.has_value());
    const auto token = (*source)->token("https://guard.example", clock.now() + limit);
    return {token ? token->token.reveal() : std::string(token.error().code), "", stub.served()};
}

TlsStub::Step reply(int status, std::string type, std::string body) {
    return [=](StubConnection& connection) {
        connection.read_request();
        connection.answer(status, type, body);
    };
}

}  // namespace

TEST_CASE("a real server: the good case, and a bad try before it") {
    std::string seen;
    const auto see = [&](StubConnection& connection) {
        seen = connection.read_request();
        connection.answer(200, "application/json; charset=utf-8", R"({"value":"a.b.c"})");
    };
    CHECK(ask_stub({see}).outcome == "a.b.c");
    CHECK(seen.starts_with(
        "GET /token?api-version=2.0&audience=https%3A%2F%2Fguard.example HTTP/1.1\r\n"
    ));
    CHECK(seen.find("\r\nAuthorization: Bearer request-secret\r\n") != std::string::npos);

    const auto reset = [](StubConnection& connection) {
        connection.read_request();
        connection.reset();
    };
    for (const TlsStub::Step& bad :
         {TlsStub::Step(reset),
          reply(503, "text/html", "<html>"),
          reply(403, "application/json", "Pending"),
          TlsStub::Step([](StubConnection& connection) {
              connection.read_request();
              connection.write("garbage\r\n\r\n");
          })}) {
        const Served served = ask_stub({bad, see});
        CHECK(served.outcome == "a.b.c");
        CHECK(served.served == 2);
    }
}

TEST_CASE("a real server: wrong certificate, redirect, 4xx, 5xx, oversized, garbage, slow") {
    CHECK(
        ask_stub({reply(200, "application/json", R"({"value":"a.b.c"})")}, 20s, "").outcome ==
        "token_request_failed"
    );
    const TlsStub elsewhere({reply(200, "application/json", R"({"value":"evil"})")});
    CHECK(ask_stub({[&](StubConnection& connection) {
              connection.read_request();
              connection.answer(
                  307, "application/json", "{}", "Location: " + elsewhere.url() + "\r\n"
              );
          }}).outcome == "token_request_failed");
    CHECK(elsewhere.served() == 0);
    CHECK(ask_stub({reply(400, "application/json", "{}")}).outcome == "token_request_failed");
    CHECK(ask_stub(std::vector(4, reply(500, "application/json", "{}"))).served == 4);
    CHECK(
        ask_stub({reply(200, "application/json", std::string(70'000, ' '))}).outcome ==
        "token_request_failed"
    );
    CHECK(ask_stub({reply(200, "application/json", "\x01\x02")}).outcome == "token_bad_answer");
    const auto began = std::chrono::steady_clock::now();
    const auto silent = [](StubConnection& connection) {
        connection.read_request();
        connection.read_request();
    };
    CHECK(ask_stub({silent}, 400ms).outcome == "token_deadline");
    CHECK(std::chrono::steady_clock::now() - began < 5s);
}
