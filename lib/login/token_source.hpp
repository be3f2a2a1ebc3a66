#pragma once

// login: gets this run's identity token from the platform it runs on, and hands it to an exchange in time. It knows
// where the platforms keep their tokens and why they would not; what the token is worth is the service's business
// (identity, broker). Start at choose_token_source(). Sources: identity.md A0–A2, where the platforms are cited.

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "login/environment.hpp"
#include "net/http_client.hpp"

namespace dbguard::login {

namespace login_error {
inline constexpr std::string_view no_source = "no_identity";                ///< no platform was detected, none was named
inline constexpr std::string_view bad_option = "bad_token_option";          ///< contradicting or unknown --token-… flags
inline constexpr std::string_view permission_missing = "permission_missing";  ///< GitHub: no `id-token: write`
inline constexpr std::string_view fork = "fork_without_identity";           ///< GitHub gives forks' pull requests no token
inline constexpr std::string_view dependabot = "dependabot_without_identity";
inline constexpr std::string_view token_variable_missing = "token_variable_missing";  ///< GitLab without `id_tokens:`
inline constexpr std::string_view deprecated_token = "deprecated_token";    ///< CI_JOB_JWT*
inline constexpr std::string_view request_failed = "token_request_failed";  ///< the platform's endpoint; all tries used up
inline constexpr std::string_view bad_answer = "token_bad_answer";          ///< it answered with something else than a token
inline constexpr std::string_view wrong_audience = "token_wrong_audience";  ///< a static token made for somebody else
inline constexpr std::string_view expired = "token_expired";                ///< a static token past its end
inline constexpr std::string_view cannot_read = "token_cannot_read";        ///< file, variable or command
inline constexpr std::string_view deadline = "token_deadline";
}  // namespace login_error

struct MintedToken {
    Secret token;
    Clock::Point minted_at;
};

class TokenSource {
  public:
    virtual ~TokenSource() = default;
    /// `github`, `gitlab`, `file`, `env`, `command`.
    virtual std::string_view name() const = 0;
    /// For people: `GitHub Actions`, `variable DBGUARD_ID_TOKEN`.
    virtual std::string describe() const = 0;
    /// True when token() makes a new one each time; else it gives the same one for the whole job.
    virtual bool mints() const = 0;
    /// A token for this audience, where the source can choose; a static token that names another audience is refused
    /// here, with what to write in the pipeline file, before the service would refuse it without a word.
    /// The detail of an error names the cause and the fix, never the token. Errors: login_error.
    virtual Result<MintedToken> token(std::string_view audience, Clock::Point deadline) = 0;
};

/// From flags; at most one of the last three.
struct TokenOptions {
    std::string source{};   ///< --token-source: one of TokenSource::name(); empty: detect
    std::string file{};     ///< --token-file
    std::string variable{}; ///< --token-env
    std::string command{};  ///< --token-command: given to `sh -c`; its standard output is the token
};

/// What a source needs of the world. Outlives the source.
struct Surroundings {
    Environment environment;
    net::HttpClient& http;
    Clock& clock;
};

/// For the client that asks the platform: proxies from the environment; roots from SSL_CERT_FILE, which is how runners are
/// told of a private authority.
net::HttpClientOptions http_options(const Environment& environment);

/// `github` or `gitlab` by GITHUB_ACTIONS and GITLAB_CI, `env` by DBGUARD_ID_TOKEN; empty when none. Looks at variables
/// only and never tries to mint.
std::string_view detect_platform(const Environment& environment);

/// The named or the detected source. One that is detected but cannot work is an error that names the cause; nothing
/// else is tried then. Errors: no_source, bad_option, permission_missing, fork, dependabot, token_variable_missing,
/// deprecated_token.
Result<std::unique_ptr<TokenSource>> choose_token_source(
    const TokenOptions& options, Surroundings surroundings
);

}  // namespace dbguard::login
