#pragma once

// The sources behind choose_token_source(), one file each; private to this room.

#include "login/token_source.hpp"

namespace dbguard::login {

std::string variable(const Surroundings& surroundings, std::string_view name);  ///< empty when not set

/// GitHub Actions. Errors: permission_missing, fork, dependabot; bad_option (a request URL that is not https).
Result<std::unique_ptr<TokenSource>> make_github_source(Surroundings surroundings);

/// GitLab's `id_tokens:`, in `variable_name`. Errors: token_variable_missing, deprecated_token.
Result<std::unique_ptr<TokenSource>> make_gitlab_source(Surroundings surroundings, std::string variable_name);

/// Errors: token_variable_missing, deprecated_token.
Result<std::unique_ptr<TokenSource>> make_variable_source(Surroundings surroundings, std::string variable_name);
std::unique_ptr<TokenSource> make_file_source(Surroundings surroundings, std::string path);
std::unique_ptr<TokenSource> make_command_source(Surroundings surroundings, std::string command);

/// A token that was not minted for this audience just now: that it is a JWT, names the audience and is not past its end.
/// `where` is named in the detail; `fix` says how to ask for the right audience. Errors: bad_answer, wrong_audience, expired.
Result<void> check_static_token(
    std::string_view token, std::string_view audience, std::chrono::sys_seconds now, std::string_view where, std::string_view fix
);

/// The command's standard output, trimmed; it is killed at the deadline. Errors: cannot_read, deadline.
Result<Secret> run_token_command(const std::string& command, std::chrono::milliseconds limit);

}  // namespace dbguard::login
