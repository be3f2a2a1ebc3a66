#include "identity/issuer.hpp"

#include <algorithm>
#include <array>

#include "identity/url.hpp"

namespace dbguard::identity {
namespace {

std::string canonical(const HttpsUrl& url) {
    std::string path = url.path;
    while (path.ends_with('/')) path.pop_back();
    return "https://" + url.host + (url.port == "443" ? "" : ":" + url.port) + path;
}

/// What a platform puts into tokens that were made for nobody in particular, or for another service: whoever holds one
/// could present it here (identity.md A1, A3).
bool belongs_to_others(const std::string& audience, const HttpsUrl& issuer, Profile profile) {
    static constexpr std::array<std::string_view, 5> known = {
        "sts.amazonaws.com",
        "api://AzureADTokenExchange",
        "sigstore",
        "https://gitlab.com",
        "https://kubernetes.default.svc",
    };
    if (std::find(known.begin(), known.end(), audience) != known.end()) return true;
    const auto url = parse_https_url(audience);
    if (!url) return false;
    // CI_JOB_JWT is made for the GitLab instance itself.
    if (profile == Profile::gitlab) return url->same_origin(issuer) && url->path.size() <= 1;
    // GitHub's default is the owner's page: https://github.com/OWNER, on Enterprise the same at its own host.
    constexpr std::string_view prefix = "token.actions.";
    const std::string_view host = issuer.host;
    const bool is_platform = url->host == "github.com" || url->host == host ||
                             (host.starts_with(prefix) && url->host == host.substr(prefix.size()));
    return is_platform && url->path.find('/', 1) == std::string::npos;
}

}  // namespace

IssuerConfig issuer_defaults(Profile profile, std::string issuer) {
    using std::chrono::hours;
    using std::chrono::minutes;
    IssuerConfig config;
    config.issuer = std::move(issuer);
    config.profile = profile;
    switch (profile) {
        case Profile::github:
            // exp is iat + 300 s and cannot be made longer; the rest is for tokens that wait in a queue.
            config.max_lifetime = minutes(15);
            config.max_age = minutes(10);
            config.required_claims = {
                {"jti"},
                {"repository_id"},
                {"repository_owner_id"},
                {"event_name"},
                {"run_id"},
                {"run_attempt"}};
            break;
        case Profile::gitlab:
            // exp is iat + the job's time-out, which projects may set far above its default of an hour.
            config.max_lifetime = hours(24);
            config.max_age = hours(24);
            config.use = TokenUse::per_job;
            config.required_claims = {
                {"jti"},
                {"namespace_id"},
                {"project_id"},
                {"pipeline_id"},
                {"job_id"},
                {"pipeline_source"},
                {"ref"},
                {"ref_type"},
                {"ref_protected"}};
            break;
        case Profile::generic:
            break;
    }
    return config;
}

Result<void> check(const IssuerConfig& config) {
    const auto bad = [](std::string detail) {
        return Error{issuer_error::bad_issuer_config, std::move(detail)};
    };
    const auto url = parse_https_url(config.issuer);
    if (!url)
        return Error{
            issuer_error::bad_issuer_url,
            "an issuer is `https://HOST[:PORT][/PATH]`, without user, query or fragment"};
    if (config.audiences.empty())
        return bad("no audience: tokens made for anybody would be accepted");
    for (const std::string& audience : config.audiences) {
        if (audience.empty() || audience.size() > 512)
            return bad("an audience of 1 to 512 bytes is needed");
        if (belongs_to_others(audience, *url, config.profile))
            return bad("audience " + audience + " belongs to another service; use one of your own");
    }
    if (config.algorithms.empty()) return bad("no algorithm");
    if (config.leeway.count() < 0 || config.leeway > std::chrono::minutes(5))
        return bad("leeway must be within 0 and 5 minutes");
    if (config.max_age.count() < 0) return bad("max_age must not be negative");
    if (config.max_lifetime.count() <= 0) return bad("max_lifetime must be above zero");
    if (config.use == TokenUse::per_job && config.max_uses == 0)
        return bad("max_uses must be above zero");
    return {};
}

std::string spelling_hint(std::string_view configured, std::string_view offered) {
    if (configured == offered) return {};
    std::string lowered(configured.substr(0, 8));
    for (char& c : lowered)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto ours = parse_https_url(
        lowered + std::string(configured.substr(std::min<std::size_t>(8, configured.size())))
    );
    const auto theirs = parse_https_url(offered);
    if (!ours || !theirs || canonical(*ours) != canonical(*theirs)) return {};
    return "the issuer spells itself `" + std::string(offered) + "`: write it exactly so";
}

}  // namespace dbguard::identity
