#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "process/database_url.hpp"

namespace dbguard::process {

namespace errc {
inline constexpr std::string_view bad_template = "bad_template";
}

/// NAME=VALUE pairs in the order they came; a name occurs once.
class Environment {
  public:
    static Environment of_this_process();
    Environment() = default;
    /// Lines without `=` are dropped; of a doubled name the first counts, as for getenv().
    explicit Environment(const std::vector<std::string>& lines);

    std::optional<std::string_view> get(std::string_view name) const;
    bool has(std::string_view name) const { return get(name).has_value(); }
    void set(std::string_view name, std::string_view value);
    /// True when it was there.
    bool unset(std::string_view name);
    std::vector<std::string> lines() const;
    const std::vector<std::pair<std::string, std::string>>& variables() const { return variables_; }

  private:
    std::vector<std::pair<std::string, std::string>> variables_;
};

/// `NAME`, or `NAME*` for all that begin so.
bool matches_name(std::string_view pattern, std::string_view name);

struct ChildEnvironmentOptions {
    bool pristine = false;  ///< only PATH, HOME, locale and the like, and what is set here
    std::vector<std::string> keep{};  ///< --keep-env: names, or `PREFIX*`
    std::vector<std::pair<std::string, std::string>> exports{};  ///< --export: name and template
    std::vector<std::string> secret_variables{};  ///< where dbguard's own secrets came from
    /// No variable that holds one of these goes to the child, under whatever name, also percent-encoded, even
    /// when `keep` names it. Those under 6 bytes are not looked for.
    std::vector<Secret> secrets{};
    /// The guarded database, where it is known: other variables whose URL leads there are rewritten like
    /// DATABASE_URL.
    std::optional<Place> guarded{};
    /// Gives DATABASE_URL its scheme and parameters when there is none yet: what --db-url said.
    std::string model_url{};
};

struct ChildEnvironment {
    Environment environment;
    std::vector<std::string> set;       ///< names
    std::vector<std::string> removed;   ///< names
    std::vector<std::string> warnings;  ///< for people
};

/// What the child gets (wrapping.md C5, C8): `own` with the database's variables pointing at `target`, without
/// what would lead around it and without the CI's identity and dbguard's own variables. Errors: bad_template.
Result<ChildEnvironment> child_environment(
    Environment own, const Target& target, const ChildEnvironmentOptions& options
);

/// `{url}`, `{jdbc_url}`, `{host}`, `{port}`, `{user}`, `{password}`, `{database}`, `{session}`; `{{` and `}}`
/// stand for braces. Errors: bad_template.
Result<std::string> expand_template(
    std::string_view text, const Target& target, std::string_view model_url
);

}  // namespace dbguard::process
