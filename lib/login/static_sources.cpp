// Tokens that somebody else fetched: a variable, a file, a command's output.
#include <algorithm>

#include "base/file.hpp"
#include "identity/verify.hpp"
#include "login/sources.hpp"

namespace dbguard::login {
namespace {

std::string_view trim(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

/// Claims are other people's text: an audience is quoted on one short line.
std::string quoted(std::string_view text) {
    std::string out = "`";
    for (const char c : text.substr(0, 100))
        out.push_back(static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c);
    return out + "`";
}

/// Tokens that GitLab puts into every job, and that are not for us.
Result<void> check_variable_name(std::string_view name) {
    if (name.starts_with("CI_JOB_JWT"))
        return Error{
            login_error::deprecated_token,
            std::string(name) +
                " is GitLab's deprecated token, whose audience is GitLab itself; use id_tokens: "
                "with an audience of dbguard's"};
    if (name == "CI_JOB_TOKEN")
        return Error{
            login_error::deprecated_token,
            "CI_JOB_TOKEN opens GitLab itself and must not be given to others; use id_tokens:"};
    return {};
}

std::string gitlab_fix(std::string_view name, std::string_view audience) {
    return "in the job: id_tokens: { " + std::string(name) + ": { aud: \"" +
           (audience.empty() ? "URL OF THE DBGUARD SERVICE" : std::string(audience)) + "\" } }";
}

class VariableSource final : public TokenSource {
  public:
    VariableSource(Surroundings surroundings, std::string variable_name, bool is_gitlab)
        : surroundings_(std::move(surroundings)),
          variable_(std::move(variable_name)),
          is_gitlab_(is_gitlab) {}

    std::string_view name() const override { return is_gitlab_ ? "gitlab" : "env"; }
    std::string describe() const override {
        return (is_gitlab_ ? "GitLab CI, variable " : "variable ") + variable_;
    }
    bool mints() const override { return false; }

    Result<MintedToken> token(std::string_view audience, Clock::Point) override {
        Secret token(std::string(trim(variable(surroundings_, variable_))));
        const std::string fix = is_gitlab_ ? gitlab_fix(variable_, audience)
                                           : "ask for that audience where the token is made";
        if (const auto ok = check_static_token(
                token.reveal(), audience, surroundings_.clock.wall_clock(), variable_, fix
            );
            !ok)
            return ok.error();
        return MintedToken{std::move(token), surroundings_.clock.now()};
    }

  private:
    Surroundings surroundings_;
    std::string variable_;
    bool is_gitlab_;
};

/// Read again each time: Kubernetes replaces its projected tokens.
class FileSource final : public TokenSource {
  public:
    FileSource(Surroundings surroundings, std::string path)
        : surroundings_(std::move(surroundings)), path_(std::move(path)) {}

    std::string_view name() const override { return "file"; }
    std::string describe() const override { return "file " + path_; }
    bool mints() const override { return false; }

    Result<MintedToken> token(std::string_view audience, Clock::Point) override {
        auto text = read_file(path_, 2 * identity::max_token_bytes);
        if (!text) return Error{login_error::cannot_read, text.error().detail};
        const Secret whole(std::move(*text));
        Secret token(std::string(trim(whole.reveal())));
        const auto ok = check_static_token(
            token.reveal(),
            audience,
            surroundings_.clock.wall_clock(),
            path_,
            "ask for that audience where the token is made"
        );
        if (!ok) return ok.error();
        return MintedToken{std::move(token), surroundings_.clock.now()};
    }

  private:
    Surroundings surroundings_;
    std::string path_;
};

class CommandSource final : public TokenSource {
  public:
    CommandSource(Surroundings surroundings, std::string command)
        : surroundings_(std::move(surroundings)), command_(std::move(command)) {}

    std::string_view name() const override { return "command"; }
    std::string describe() const override { return "--token-command"; }
    bool mints() const override { return true; }

    Result<MintedToken> token(std::string_view audience, Clock::Point deadline) override {
        const auto now = surroundings_.clock.now();
        auto token = run_token_command(
            command_, std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now)
        );
        if (!token) return token.error();
        const auto ok = check_static_token(
            token->reveal(),
            audience,
            surroundings_.clock.wall_clock(),
            "the output of --token-command",
            "make it ask for that audience"
        );
        if (!ok) return ok.error();
        return MintedToken{std::move(*token), now};
    }

  private:
    Surroundings surroundings_;
    std::string command_;
};

}  // namespace

Result<void> check_static_token(
    std::string_view token,
    std::string_view audience,
    std::chrono::sys_seconds now,
    std::string_view where,
    std::string_view fix
) {
    if (token.empty()) return Error{login_error::bad_answer, std::string(where) + " is empty"};
    const auto jwt = identity::parse_jwt(token);
    if (!jwt)
        return Error{
            login_error::bad_answer,
            std::string(where) + " holds no JWT (" + jwt.error().text() + ")"};
    const auto claims = identity::claims_of(*jwt);

    const auto aud = claims.find("aud");
    if (!audience.empty() && aud != claims.end()) {
        const auto& values = aud->second.values;
        if (std::find(values.begin(), values.end(), audience) == values.end()) {
            const std::string made_for = values.empty() ? "nobody" : quoted(values.front());
            return Error{
                login_error::wrong_audience,
                std::string(where) + " was made for " + made_for + ", not for " + quoted(audience) +
                    "; " + std::string(fix)};
        }
    }
    const identity::Json* exp = jwt->claims.find("exp");
    constexpr std::chrono::seconds leeway(60);
    if (exp && exp->integer &&
        std::chrono::seconds(*exp->integer) + leeway <= now.time_since_epoch())
        return Error{
            login_error::expired,
            std::string(where) + " ended " +
                std::to_string(now.time_since_epoch().count() - *exp->integer) +
                " s ago and cannot be renewed; start dbguard earlier in the job, or check this "
                "machine's clock"};
    return {};
}

Result<std::unique_ptr<TokenSource>> make_gitlab_source(
    Surroundings surroundings, std::string variable_name
) {
    if (const auto ok = check_variable_name(variable_name); !ok) return ok.error();
    if (variable(surroundings, variable_name).empty()) {
        std::string detail = variable_name + " is not set; " + gitlab_fix(variable_name, "");
        if (!variable(surroundings, "CI_JOB_JWT").empty() ||
            !variable(surroundings, "CI_JOB_JWT_V2").empty())
            detail += " (CI_JOB_JWT is there, but its audience is GitLab itself: it is not used)";
        return Error{login_error::token_variable_missing, std::move(detail)};
    }
    return std::make_unique<VariableSource>(
        std::move(surroundings), std::move(variable_name), true
    );
}

Result<std::unique_ptr<TokenSource>> make_variable_source(
    Surroundings surroundings, std::string variable_name
) {
    if (const auto ok = check_variable_name(variable_name); !ok) return ok.error();
    if (variable(surroundings, variable_name).empty())
        return Error{login_error::token_variable_missing, variable_name + " is not set"};
    return std::make_unique<VariableSource>(
        std::move(surroundings), std::move(variable_name), false
    );
}

std::unique_ptr<TokenSource> make_file_source(Surroundings surroundings, std::string path) {
    return std::make_unique<FileSource>(std::move(surroundings), std::move(path));
}

std::unique_ptr<TokenSource> make_command_source(Surroundings surroundings, std::string command) {
    return std::make_unique<CommandSource>(std::move(surroundings), std::move(command));
}

}  // namespace dbguard::login
