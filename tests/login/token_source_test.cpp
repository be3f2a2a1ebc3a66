#include "login/token_source.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "base/unique_fd.hpp"
#include "tests/login/support.hpp"

using namespace dbguard;
using namespace dbguard::login;
using namespace dbguard::test;
using namespace std::chrono_literals;

namespace {

const std::string token_for_guard =
    unsigned_token(R"({"iss":"i","aud":"https://guard","exp":1780000600})");

/// `NAME: token`, or the error.
std::string outcome(
    const TokenOptions& options,
    Variables variables,
    std::string_view audience = "https://guard",
    std::chrono::milliseconds limit = 10s
) {
    FakeClock clock;
    net::ScriptedHttpClient http({});
    const auto source =
        choose_token_source(options, {environment_of(std::move(variables)), http, clock});
    if (!source) return source.error().text();
    const auto token = (*source)->token(audience, clock.now() + limit);
    CHECK(http.requests().empty());
    if (!token) return token.error().text();
    return std::string((*source)->name()) + ": " +
           (token->token.reveal() == token_for_guard ? "good" : token->token.reveal());
}

struct TokenFile {
    std::string path = "/tmp/dbguard-test-token-XXXXXX";
    explicit TokenFile(std::string_view text) {
        const UniqueFd fd(::mkstemp(path.data()));
        std::ofstream(path) << text;
    }
    ~TokenFile() { ::unlink(path.c_str()); }
};

}  // namespace

TEST_CASE("platforms are detected by their variables") {
    const auto detected = [](Variables variables) {
        return std::string(detect_platform(environment_of(std::move(variables))));
    };
    CHECK(detected({{"GITHUB_ACTIONS", "true"}}) == "github");
    CHECK(detected({{"GITLAB_CI", "true"}}) == "gitlab");
    CHECK(detected({{"DBGUARD_ID_TOKEN", "x"}}) == "env");
    CHECK(detected({{"GITLAB_CI", "true"}, {"DBGUARD_ID_TOKEN", "x"}}) == "gitlab");
    CHECK(detected({{"CI", "true"}}).empty());
    CHECK(detected({{"GITHUB_ACTIONS", "false"}, {"DBGUARD_ID_TOKEN", ""}}).empty());
    CHECK(outcome({}, {}).starts_with(
        "no_identity: this is neither a GitHub Actions nor a GitLab CI job"
    ));
}

TEST_CASE("what is detected and cannot work is an error, not the next guess") {
    const Variables both = {{"GITHUB_ACTIONS", "true"}, {"DBGUARD_ID_TOKEN", token_for_guard}};
    CHECK(outcome({}, both).starts_with("permission_missing"));
    CHECK(outcome({.source = "env"}, both) == "env: good");
    CHECK(outcome({.variable = "DBGUARD_ID_TOKEN"}, both) == "env: good");
}

TEST_CASE("flags that contradict each other") {
    CHECK(
        outcome({.file = "a", .variable = "B"}, {}) ==
        "bad_token_option: give one of --token-file, --token-env and --token-command"
    );
    CHECK(
        outcome({.source = "github", .file = "a"}, {}) ==
        "bad_token_option: --token-source github does not go with --token-file"
    );
    CHECK(
        outcome({.source = "github", .variable = "a"}, {}) ==
        "bad_token_option: --token-source github does not go with --token-env"
    );
    CHECK(
        outcome({.source = "file", .command = "a"}, {}) ==
        "bad_token_option: --token-source file does not go with --token-command"
    );
    CHECK(
        outcome({.source = "file"}, {}) ==
        "bad_token_option: --token-source file needs --token-file PATH"
    );
    CHECK(
        outcome({.source = "command"}, {}) ==
        "bad_token_option: --token-source command needs --token-command COMMAND"
    );
    CHECK(
        outcome({.source = "GitHub"}, {}) ==
        "bad_token_option: --token-source is one of github, gitlab, env, file, command"
    );
}

TEST_CASE("GitLab: the convention, another name, and what to write when it is missing") {
    const Variables job = {{"GITLAB_CI", "true"}, {"DBGUARD_ID_TOKEN", token_for_guard + "\n"}};
    CHECK(outcome({}, job) == "gitlab: good");
    CHECK(
        outcome({.variable = "OTHER"}, {{"GITLAB_CI", "true"}, {"OTHER", token_for_guard}}) ==
        "gitlab: good"
    );
    const std::string missing = outcome({}, {{"GITLAB_CI", "true"}});
    CHECK(
        missing.starts_with("token_variable_missing: DBGUARD_ID_TOKEN is not set; in the job: "
                            "id_tokens: { DBGUARD_ID_TOKEN: { aud: ")
    );
    CHECK(outcome(
              {}, {{"GITLAB_CI", "true"}, {"CI_JOB_JWT_V2", "x"}}
    ).ends_with("its audience is GitLab itself: it is not used)"));
}

TEST_CASE("GitLab: its deprecated and its own tokens are refused") {
    for (const char* name : {"CI_JOB_JWT", "CI_JOB_JWT_V1", "CI_JOB_JWT_V2", "CI_JOB_TOKEN"}) {
        const Variables job = {{"GITLAB_CI", "true"}, {name, token_for_guard}};
        CHECK(outcome({.variable = name}, job).starts_with("deprecated_token: "));
        CHECK(outcome({.source = "env", .variable = name}, job).starts_with("deprecated_token: "));
    }
}

TEST_CASE("a static token for another audience is told what to change") {
    const std::string other = unsigned_token(R"({"aud":"https://vault.example","exp":1780000600})");
    CHECK(
        outcome({}, {{"GITLAB_CI", "true"}, {"DBGUARD_ID_TOKEN", other}}) ==
        "token_wrong_audience: DBGUARD_ID_TOKEN was made for `https://vault.example`, not for "
        "`https://guard`; in the job: id_tokens: { "
        "DBGUARD_ID_TOKEN: { aud: \"https://guard\" } }"
    );
    CHECK(outcome(
              {},
              {{"DBGUARD_ID_TOKEN",
                unsigned_token(R"({"aud":["a","https://guard"],"exp":1780000600})")}}
    ).starts_with("env: "));
    CHECK(outcome(
              {}, {{"DBGUARD_ID_TOKEN", unsigned_token(R"({"aud":[],"exp":1780000600})")}}
    ).starts_with("token_wrong_audience: DBGUARD_ID_TOKEN was made for nobody"));
    CHECK(outcome({}, {{"DBGUARD_ID_TOKEN", other}}, "").starts_with("env: ")
    );  // nobody asked for an audience
    const std::string hostile = unsigned_token(R"({"aud":"a\n::error::b","exp":1780000600})");
    CHECK(outcome({}, {{"DBGUARD_ID_TOKEN", hostile}}).find('\n') == std::string::npos);
}

TEST_CASE("a static token past its end is told apart from one that is refused") {
    const auto ending = [](std::int64_t exp) {
        return unsigned_token(R"({"aud":"https://guard","exp":)" + std::to_string(exp) + "}");
    };
    CHECK(outcome(
              {}, {{"DBGUARD_ID_TOKEN", ending(1'780'000'000 - 60)}}
    ).starts_with("token_expired: DBGUARD_ID_TOKEN ended 60 s ago"));
    CHECK(outcome({}, {{"DBGUARD_ID_TOKEN", ending(1'780'000'000 - 59)}}).starts_with("env: "));
    CHECK(outcome(
              {}, {{"DBGUARD_ID_TOKEN", ending(-9'000'000'000'000'000'000)}}
    ).starts_with("token_expired"));
    CHECK(
        outcome({}, {{"DBGUARD_ID_TOKEN", ending(9'000'000'000'000'000'000)}}).starts_with("env: ")
    );
}

TEST_CASE("what is no token is said without showing it") {
    for (const char* text : {"secret", "a.b.c", "secret secret.x.y", "ghp_secret"}) {
        const std::string error = outcome({}, {{"DBGUARD_ID_TOKEN", text}});
        CHECK(error.starts_with("token_bad_answer: DBGUARD_ID_TOKEN holds no JWT"));
        CHECK(error.find("secret") == std::string::npos);
    }
    CHECK(
        outcome({}, {{"GITLAB_CI", "true"}, {"DBGUARD_ID_TOKEN", " \n"}}) ==
        "token_bad_answer: DBGUARD_ID_TOKEN is empty"
    );
}

TEST_CASE("a token in a file, read again each time") {
    const TokenFile file(token_for_guard + "\r\n");
    CHECK(outcome({.file = file.path}, {}) == "file: good");
    CHECK(
        outcome({.file = file.path}, {{"GITHUB_ACTIONS", "true"}}) == "file: good"
    );  // a flag beats detection
    CHECK(outcome({.file = "/nonexistent/token"}, {})
              .starts_with("token_cannot_read: /nonexistent/token"));
    const TokenFile huge(std::string(40'000, 'x'));
    CHECK(outcome({.file = huge.path}, {}).starts_with("token_cannot_read: "));

    FakeClock clock;
    net::ScriptedHttpClient http({});
    const auto source = choose_token_source({.file = file.path}, {environment_of({}), http, clock});
    REQUIRE(source.has_value());
    CHECK_FALSE((*source)->mints());
    CHECK((*source)->token("https://guard", clock.now() + 1s)->token.reveal() == token_for_guard);
    const std::string rotated = unsigned_token(R"({"aud":"https://guard","exp":1780000900})");
    std::ofstream(file.path, std::ios::trunc) << rotated;
    CHECK((*source)->token("https://guard", clock.now() + 1s)->token.reveal() == rotated);
}

TEST_CASE("a command's output is the token") {
    CHECK(outcome({.command = "echo " + token_for_guard}, {}) == "command: good");
    CHECK(outcome({.command = "printf '\\n %s \\n' " + token_for_guard}, {}) == "command: good");
    CHECK(outcome({.command = "exit 3"}, {}) == "token_cannot_read: --token-command exited with 3");
    CHECK(
        outcome({.command = "kill -9 $$"}, {}) == "token_cannot_read: --token-command was killed"
    );
    CHECK(outcome({.command = "true"}, {}) == "token_cannot_read: --token-command wrote nothing");
    CHECK(
        outcome({.command = "nonexistent-command 2>/dev/null"}, {}) ==
        "token_cannot_read: --token-command exited with 127"
    );
    CHECK(
        outcome({.command = "head -c 100000 /dev/zero"}, {}) ==
        "token_cannot_read: --token-command wrote more than 64 KiB"
    );
    CHECK(
        outcome({.command = "cat"}, {}) == "token_cannot_read: --token-command wrote nothing"
    );  // nothing to read
    CHECK(
        outcome({.command = "echo $DBGUARD_TEST_MARK"}, {}) ==
        "token_cannot_read: --token-command wrote nothing"
    );
}

TEST_CASE("a command that hangs is ended with all it started") {
    const auto began = std::chrono::steady_clock::now();
    const TokenFile mark("");
    for (const std::string& command :
         {std::string("sleep 60"),
          std::string("trap '' TERM; sleep 60; sleep 60"),
          "exec >&-; sleep 60; echo x > " + mark.path,
          std::string("sleep 60 & echo x; wait")})
        CHECK(
            outcome({.command = command}, {}, "https://guard", 200ms) ==
            "token_deadline: --token-command did not end in time"
        );
    // The shell ends, its child keeps the output open.
    CHECK(
        outcome({.command = "(sleep 60; echo x) &"}, {}, "https://guard", 200ms) ==
        "token_deadline: --token-command did not end in time"
    );
    CHECK(std::chrono::steady_clock::now() - began < 5s);
}

TEST_CASE("proxies and roots for asking the platform come from the environment") {
    const auto options = http_options(environment_of(
        {{"HTTPS_PROXY", "http://proxy:3128"}, {"NO_PROXY", "a,b"}, {"SSL_CERT_FILE", "/ca.pem"}}
    ));
    CHECK(options.proxy == "http://proxy:3128");
    CHECK(options.no_proxy == "a,b");
    CHECK(options.ca_file == "/ca.pem");
    CHECK_FALSE(options.https_only);
}
