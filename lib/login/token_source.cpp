#include "login/token_source.hpp"

#include "login/sources.hpp"

namespace dbguard::login {
namespace {

constexpr std::string_view convention = "DBGUARD_ID_TOKEN";

/// At most one of the three, and only what the named source can use.
Result<void> check_options(const TokenOptions& options) {
    const int given = !options.file.empty() + !options.variable.empty() + !options.command.empty();
    if (given > 1)
        return Error{
            login_error::bad_option, "give one of --token-file, --token-env and --token-command"};
    if (options.source.empty()) return {};
    const auto clash = [&](std::string_view flag) {
        return Error{
            login_error::bad_option,
            "--token-source " + options.source + " does not go with " + std::string(flag)};
    };
    const bool takes_variable = options.source == "env" || options.source == "gitlab";
    if (!options.file.empty() && options.source != "file") return clash("--token-file");
    if (!options.variable.empty() && !takes_variable) return clash("--token-env");
    if (!options.command.empty() && options.source != "command") return clash("--token-command");
    if (options.source == "file" && options.file.empty())
        return Error{login_error::bad_option, "--token-source file needs --token-file PATH"};
    if (options.source == "command" && options.command.empty())
        return Error{
            login_error::bad_option, "--token-source command needs --token-command COMMAND"};
    return {};
}

std::string_view kind_of(const TokenOptions& options, const Environment& environment) {
    if (!options.source.empty()) return options.source;
    if (!options.file.empty()) return "file";
    if (!options.command.empty()) return "command";
    const std::string_view platform = detect_platform(environment);
    if (!options.variable.empty()) return platform == "gitlab" ? platform : "env";
    return platform;
}

}  // namespace

std::string variable(const Surroundings& surroundings, std::string_view name) {
    return surroundings.environment(name).value_or("");
}

std::string_view detect_platform(const Environment& environment) {
    if (environment("GITHUB_ACTIONS") == "true") return "github";
    if (environment("GITLAB_CI") == "true") return "gitlab";
    if (!environment(convention).value_or("").empty()) return "env";
    return {};
}

net::HttpClientOptions http_options(const Environment& environment) {
    net::HttpClientOptions options;
    options.https_only = false;  // make_github_source() admits http to this machine only
    options.ca_file = environment("SSL_CERT_FILE").value_or("");
    net::proxy_from_environment(options, [&](const char* name) {
        return environment(name).value_or("");
    });
    return options;
}

Result<std::unique_ptr<TokenSource>> choose_token_source(
    const TokenOptions& options, Surroundings surroundings
) {
    if (const auto ok = check_options(options); !ok) return ok.error();
    const std::string_view kind = kind_of(options, surroundings.environment);
    const std::string name = options.variable.empty() ? std::string(convention) : options.variable;
    if (kind == "github") return make_github_source(std::move(surroundings));
    if (kind == "gitlab") return make_gitlab_source(std::move(surroundings), name);
    if (kind == "env") return make_variable_source(std::move(surroundings), name);
    if (kind == "file") return make_file_source(std::move(surroundings), options.file);
    if (kind == "command") return make_command_source(std::move(surroundings), options.command);
    if (!kind.empty())
        return Error{
            login_error::bad_option, "--token-source is one of github, gitlab, env, file, command"};
    return Error{
        login_error::no_source,
        "this is neither a GitHub Actions nor a GitLab CI job, and DBGUARD_ID_TOKEN is not set; "
        "elsewhere give --token-file, "
        "--token-env or --token-command"};
}

}  // namespace dbguard::login
