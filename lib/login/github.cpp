// GitHub Actions. Sources: GitHub Docs, "OpenID Connect reference"; actions/toolkit packages/core/src/oidc-utils.ts;
// the threads behind the retry rules stand in identity.md A1.
#include <algorithm>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "identity/json.hpp"
#include "identity/jwt.hpp"
#include "login/sources.hpp"

namespace dbguard::login {
namespace {

using std::chrono::milliseconds;

constexpr unsigned max_tries = 4;
constexpr milliseconds first_pause{
    1000};  // the runner itself waits a second for "job started" before the steps
constexpr milliseconds max_pause{10000};
constexpr std::size_t max_event_bytes = 32 * 1024 * 1024;

bool is_loopback(std::string_view url) {
    for (const std::string_view prefix : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
        if (!url.starts_with(prefix)) continue;
        const auto rest = url.substr(prefix.size());
        if (rest.empty() || rest.front() == ':' || rest.front() == '/' || rest.front() == '?')
            return net::host_of(url).find('@') == std::string::npos &&
                   url.find('@') == std::string_view::npos;
    }
    return false;
}

/// From the event's payload: does the pull request come from another repository? Empty when that cannot be told.
std::optional<bool> is_fork(const Surroundings& surroundings) {
    const std::string path = variable(surroundings, "GITHUB_EVENT_PATH");
    if (path.empty()) return {};
    const auto text = read_file(path, max_event_bytes);
    if (!text) return {};
    const auto event = identity::parse_json(
        *text, {.max_bytes = max_event_bytes, .max_depth = 64, .max_values = 1'000'000}
    );
    if (!event) return {};
    const identity::Json* pull_request = event->find("pull_request");
    if (!pull_request) return {};
    const auto repository = [&](std::string_view side) -> const identity::Json* {
        const identity::Json* end = pull_request->find(side);
        return end ? end->find("repo") : nullptr;
    };
    const identity::Json* head = repository("head");
    const identity::Json* base = repository("base");
    if (!head || !base) return {};
    if (head->is(identity::Json::Kind::null)) return true;  // the fork was deleted
    const auto from = head->find_string("full_name");
    const auto into = base->find_string("full_name");
    if (!from || !into) return {};
    // Not `head.repo.fork`: that is also true for a pull request within a repository that is itself a fork.
    return *from != *into;
}

/// GITHUB_ACTIONS is set, the request variables are not. Who triggered the run decides, not who opened it: a person who
/// re-runs Dependabot's job gets a token.
Error why_no_variables(const Surroundings& surroundings) {
    std::string actor = variable(surroundings, "GITHUB_TRIGGERING_ACTOR");
    if (actor.empty()) actor = variable(surroundings, "GITHUB_ACTOR");
    if (actor == "dependabot[bot]")
        return {
            login_error::dependabot,
            "GitHub gives runs that Dependabot triggered no identity token; skip this step for "
            "them "
            "(if: github.actor != 'dependabot[bot]') or have a person re-run the job"};
    const std::string event = variable(surroundings, "GITHUB_EVENT_NAME");
    const std::string permission =
        "the job has no permission to ask for an identity token; add to the workflow or job (and "
        "to the caller of a reusable "
        "workflow): permissions: { id-token: write, contents: read }";
    if (!event.starts_with("pull_request") || event == "pull_request_target")
        return {login_error::permission_missing, permission};
    const auto fork = is_fork(surroundings);
    if (fork == true)
        return {
            login_error::fork,
            "GitHub gives a pull request from a fork no identity token; skip this step for forks "
            "(if: github.event.pull_request.head.repo.full_name == github.repository)"};
    if (fork == false) return {login_error::permission_missing, permission};
    return {
        login_error::permission_missing,
        permission + "; if this pull request comes from a fork, it cannot get a token at all"};
}

/// One try's outcome that is no token.
struct Failure {
    Error error;
    bool again = false;
    milliseconds pause{0};  // at least
};

bool is_pending(const net::ClientResponse& response) {
    // "can't issue ID_TOKEN for job in Pending/Delayed state", right after the job's start.
    return response.status == 403 && (response.body.find("Pending") != std::string::npos ||
                                      response.body.find("Delayed") != std::string::npos);
}

milliseconds retry_after(const net::ClientResponse& response) {
    const std::string_view text = response.header("retry-after");
    if (text.empty() || text.size() > 4 ||
        text.find_first_not_of("0123456789") != std::string_view::npos)
        return {};
    return std::chrono::seconds(std::stoi(std::string(text)));
}

class GithubSource final : public TokenSource {
  public:
    GithubSource(Surroundings surroundings, std::string url, Secret bearer)
        : surroundings_(std::move(surroundings)),
          url_(std::move(url)),
          bearer_(std::move(bearer)) {}

    std::string_view name() const override { return "github"; }
    std::string describe() const override { return "GitHub Actions"; }
    bool mints() const override { return true; }

    Result<MintedToken> token(std::string_view audience, Clock::Point deadline) override {
        Clock& clock = surroundings_.clock;
        milliseconds pause = first_pause;
        for (unsigned attempt = 1;; ++attempt, pause = std::min(2 * pause, max_pause)) {
            Failure failure;
            if (auto minted = try_once(audience, deadline, failure)) return std::move(*minted);
            std::string detail = "try " + std::to_string(attempt) + " of " +
                                 std::to_string(max_tries) + ": " + failure.error.detail;
            if (!failure.again || attempt == max_tries)
                return Error{failure.error.code, std::move(detail)};
            const milliseconds wait = std::max(failure.pause, jittered(pause));
            if (clock.now() + wait >= deadline)
                return Error{login_error::deadline, std::move(detail)};
            clock.sleep(wait);
        }
    }

  private:
    /// Bursts of parallel jobs must not come back in step.
    milliseconds jittered(milliseconds pause) {
        return pause + milliseconds(static_cast<long>(
                           static_cast<double>(pause.count()) * 0.25 * surroundings_.clock.random()
                       ));
    }

    std::optional<MintedToken> try_once(
        std::string_view audience, Clock::Point deadline, Failure& failure
    ) {
        const auto now = surroundings_.clock.now();
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - now);
        if (left.count() <= 0) {
            failure.error = {login_error::deadline, "no time left"};
            return {};
        }
        net::ClientRequest request;
        request.url = url_;
        // The URL carries a query already (api-version), so the audience is one more parameter.
        if (!audience.empty())
            request.url += (url_.find('?') == std::string::npos ? "?audience=" : "&audience=") +
                           percent_encode(audience);
        request.headers = {
            {"Authorization", "Bearer " + bearer_.reveal()}, {"Accept", "application/json"}};
        request.total_timeout = std::min(request.total_timeout, left);
        request.connect_timeout = std::min(request.connect_timeout, left);

        const auto response = surroundings_.http.send(request);
        if (!response) {
            failure = transport_failure(response.error());
            return {};
        }
        if (const auto ok = net::expect(*response, url_, "application/json"); !ok) {
            failure = status_failure(*response, ok.error());
            return {};
        }
        return read_token(*response, now, failure);
    }

    static Failure transport_failure(const Error& error) {
        const bool again =
            error.code == net::http_error::unreachable || error.code == net::http_error::timeout ||
            error.code == net::http_error::garbage || error.code == net::http_error::tls ||
            error.code == net::http_error::proxy;
        return {{login_error::request_failed, error.text()}, again};
    }

    static Failure status_failure(const net::ClientResponse& response, const Error& error) {
        const int status = response.status;
        if (is_pending(response))
            return {
                {login_error::request_failed, error.detail + " (the job is still pending)"}, true};
        const bool again = status == 408 || status == 429 || status >= 500;
        const bool is_answer = error.code == net::http_error::bad_content_type;
        return {
            {is_answer ? login_error::bad_answer : login_error::request_failed, error.detail},
            again && !is_answer,
            retry_after(response)};
    }

    std::optional<MintedToken> read_token(
        const net::ClientResponse& response, Clock::Point now, Failure& failure
    ) const {
        failure.error = {
            login_error::bad_answer, net::host_of(url_) + " answered without a token in `value`"};
        const auto json = identity::parse_json(response.body);
        if (!json) return {};
        const auto value = json->find_string("value");
        if (!value || value->empty() || value->size() > identity::max_token_bytes) return {};
        return MintedToken{Secret(std::string(*value)), now};
    }

    Surroundings surroundings_;
    std::string url_;
    Secret bearer_;
};

}  // namespace

Result<std::unique_ptr<TokenSource>> make_github_source(Surroundings surroundings) {
    std::string url = variable(surroundings, "ACTIONS_ID_TOKEN_REQUEST_URL");
    Secret bearer(variable(surroundings, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    if (url.empty() || bearer.empty()) return why_no_variables(surroundings);
    // The request token opens this run's identity to whoever reads it on the way.
    if (!url.starts_with("https://") && !is_loopback(url))
        return Error{login_error::bad_option, "ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL"};
    return std::make_unique<GithubSource>(
        std::move(surroundings), std::move(url), std::move(bearer)
    );
}

}  // namespace dbguard::login
