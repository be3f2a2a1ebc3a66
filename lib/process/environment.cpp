#include "process/environment.hpp"

#include "base/encoding.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace dbguard::process {
namespace {

/// What --pristine keeps.
constexpr std::array<std::string_view, 13> ordinary = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "LANG",
    "LC_*",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "PWD",
    "COLUMNS"};

/// They lead around the listener, name another server's TLS, or ask for what a local listener does not give.
/// Source: libpq, "Environment Variables"; PGHOSTADDR wins even over a URL's host.
constexpr std::array<std::string_view, 20> removed_postgres = {
    "PGHOSTADDR",           "PGSERVICE",          "PGSERVICEFILE", "PGPASSFILE",
    "PGSSLROOTCERT",        "PGSSLCERT",          "PGSSLKEY",      "PGSSLCRL",
    "PGSSLCRLDIR",          "PGSSLSNI",           "PGSSLCERTMODE", "PGSSLNEGOTIATION",
    "PGREQUIRESSL",         "PGREQUIREPEER",      "PGREQUIREAUTH", "PGCHANNELBINDING",
    "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGGSSLIB",      "PGKRBSRVNAME"};

/// Who holds one of these can mint tokens as this job, fetch its artifacts, or act as the runner. Source:
/// wrapping.md C5.
constexpr std::array<std::string_view, 14> removed_identity = {
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_RUNTIME_URL",
    "ACTIONS_RESULTS_URL",
    "ACTIONS_CACHE_URL",
    "CI_JOB_JWT*",
    "CIRCLE_OIDC_TOKEN*",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_OIDCREQUESTURI",
    "BITBUCKET_STEP_OIDC_TOKEN",
    "TFC_WORKLOAD_IDENTITY_TOKEN*",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    // dbguard's own: options and secrets alike; DBGUARD and DBGUARD_SESSION_ID are set afresh
    "DBGUARD*"};

/// Rewritten when they lead to the guarded database; DATABASE_URL always is. Not Prisma's SHADOW_DATABASE_URL:
/// it empties what it finds there.
constexpr std::array<std::string_view, 7> url_variables = {
    "DIRECT_URL",
    "DIRECT_DATABASE_URL",
    "POSTGRES_URL",
    "POSTGRES_PRISMA_URL",
    "POSTGRES_URL_NON_POOLING",
    "JDBC_DATABASE_URL",
    "SPRING_DATASOURCE_URL"};

constexpr std::size_t shortest_secret_bytes = 6;

template <class Patterns>
bool matches_any(const Patterns& patterns, std::string_view name) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
        return matches_name(pattern, name);
    });
}

bool is_name(std::string_view text) {
    if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) != 0) return false;
    return std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_';
    });
}

enum class Fate { kept, removed, holds_secret, rewritten };

template <class List>
bool contains(const List& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

/// As it is, or percent-encoded as in a URL.
bool holds(std::string_view value, const Secret& secret) {
    if (secret.reveal().size() < shortest_secret_bytes) return false;
    return value.find(secret.reveal()) != value.npos ||
           value.find(percent_encode(secret.reveal())) != value.npos;
}

Fate fate_of(
    std::string_view name,
    std::string_view value,
    const Target& target,
    const ChildEnvironmentOptions& options
) {
    if (contains(options.secret_variables, name)) return Fate::removed;
    if (options.guarded && contains(url_variables, name) &&
        place_of(value, target.engine) == options.guarded)
        return Fate::rewritten;
    if (!matches_any(options.keep, name)) {
        if (options.pristine && !matches_any(ordinary, name)) return Fate::removed;
        if (matches_any(removed_identity, name)) return Fate::removed;
        if (target.engine == "postgres" && matches_any(removed_postgres, name))
            return Fate::removed;
    }
    const auto held = [&](const Secret& secret) { return holds(value, secret); };
    if (std::any_of(options.secrets.begin(), options.secrets.end(), held))
        return Fate::holds_secret;
    return Fate::kept;
}

}  // namespace

Environment Environment::of_this_process() {
    std::vector<std::string> lines;
    for (char** line = ::environ; line != nullptr && *line != nullptr; ++line)
        lines.emplace_back(*line);
    return Environment(lines);
}

Environment::Environment(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        const auto equals = line.find('=');
        if (equals == line.npos || equals == 0 || has(std::string_view(line).substr(0, equals)))
            continue;
        variables_.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
}

std::optional<std::string_view> Environment::get(std::string_view name) const {
    for (const auto& [key, value] : variables_)
        if (key == name) return value;
    return std::nullopt;
}

void Environment::set(std::string_view name, std::string_view value) {
    for (auto& [key, old] : variables_) {
        if (key != name) continue;
        old = value;
        return;
    }
    variables_.emplace_back(name, value);
}

bool Environment::unset(std::string_view name) {
    return std::erase_if(variables_, [&](const auto& variable) { return variable.first == name; }) >
           0;
}

std::vector<std::string> Environment::lines() const {
    std::vector<std::string> lines;
    lines.reserve(variables_.size());
    for (const auto& [name, value] : variables_) lines.push_back(name + "=" + value);
    return lines;
}

bool matches_name(std::string_view pattern, std::string_view name) {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == name;
}

Result<std::string> expand_template(
    std::string_view text, const Target& target, std::string_view model_url
) {
    std::string out;
    while (!text.empty()) {
        const auto brace = text.find_first_of("{}");
        out += text.substr(0, brace);
        if (brace == text.npos) break;
        text.remove_prefix(brace);
        if (text.starts_with("{{") || text.starts_with("}}")) {
            out += text.front();
            text.remove_prefix(2);
            continue;
        }
        const auto end = text.find('}');
        if (text.front() == '}' || end == text.npos)
            return Error{
                errc::bad_template, "a single brace: write {{ or }} for the character itself"};
        const std::string_view word = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
        if (word == "url")
            out += rewrite_url(model_url, target);
        else if (word == "jdbc_url" && target.is_socket())
            return Error{
                errc::bad_template,
                "{jdbc_url}: JDBC drivers do not speak Unix sockets; listen on 127.0.0.1"};
        else if (word == "jdbc_url")
            out += jdbc_url(model_url, target);
        else if (word == "host")
            out += target.host;
        else if (word == "port")
            out += std::to_string(target.port);
        else if (word == "user")
            out += target.user;
        else if (word == "password")
            out += target.password;
        else if (word == "database")
            out += target.database;
        else if (word == "session")
            out += target.session;
        else
            return Error{
                errc::bad_template,
                "unknown word {" + std::string(word) +
                    "}; known: url jdbc_url host port user password database session"};
    }
    return out;
}

Result<ChildEnvironment> child_environment(
    Environment own, const Target& target, const ChildEnvironmentOptions& options
) {
    ChildEnvironment child;
    const std::string old_url(own.get("DATABASE_URL").value_or(""));
    const bool keep_form =
        place_of(old_url, target.engine) && !(target.is_socket() && old_url.starts_with("jdbc:"));
    const std::string model = keep_form ? old_url : options.model_url;

    const auto set = [&](std::string_view name, std::string_view value) {
        child.environment.set(name, value);
        child.set.emplace_back(name);
    };
    const auto warn = [&](const std::string& name, std::string_view why) {
        child.warnings.push_back(name + " is not passed on" + std::string(why));
    };

    std::vector<std::pair<std::string, std::string>> rewritten;
    for (const auto& [name, value] : own.variables()) {
        switch (fate_of(name, value, target, options)) {
            case Fate::kept: child.environment.set(name, value); continue;
            case Fate::rewritten:
                if (!(target.is_socket() && value.starts_with("jdbc:"))) {
                    rewritten.emplace_back(name, rewrite_url(value, target));
                    continue;
                }
                warn(name, ": JDBC drivers do not speak Unix sockets; listen on 127.0.0.1");
                break;
            case Fate::holds_secret:
                // Not worth a word for what is set anew below.
                if (name != "DATABASE_URL" && name != "PGPASSWORD" && name != "MYSQL_PWD")
                    warn(name, ": it holds the database's password");
                break;
            case Fate::removed:
                if (name == "BUILDKITE_AGENT_ACCESS_TOKEN")
                    warn(name, ", so buildkite-agent does not work inside (--keep-env keeps it)");
                break;
        }
        child.removed.push_back(name);
    }

    set("DATABASE_URL", rewrite_url(model, target));
    for (const auto& [name, value] : rewritten) set(name, value);
    const auto set_if_had = [&](std::string_view name, std::string_view value) {
        if (own.has(name)) set(name, value);
    };
    if (own.has("SPRING_DATASOURCE_URL") &&
        child.environment.get("SPRING_DATASOURCE_URL") != own.get("SPRING_DATASOURCE_URL")) {
        set_if_had("SPRING_DATASOURCE_USERNAME", target.user);
        set_if_had("SPRING_DATASOURCE_PASSWORD", target.password);
    }
    if (own.has("JDBC_DATABASE_URL") &&
        child.environment.get("JDBC_DATABASE_URL") != own.get("JDBC_DATABASE_URL")) {
        set_if_had("JDBC_DATABASE_USERNAME", target.user);
        set_if_had("JDBC_DATABASE_PASSWORD", target.password);
    }
    if (target.engine == "mysql") {
        set("MYSQL_HOST", target.host);
        set("MYSQL_TCP_PORT", std::to_string(target.port));
        set("MYSQL_PWD", target.password);
    } else {
        set("PGHOST", target.host);
        set("PGPORT", std::to_string(target.port));
        set("PGUSER", target.user);
        set("PGPASSWORD", target.password);
        set("PGDATABASE", target.database);
        set("PGSSLMODE", "disable");
        set("PGGSSENCMODE", "disable");
    }
    set("DBGUARD", "1");
    set("DBGUARD_SESSION_ID", target.session);

    for (const auto& [name, text] : options.exports) {
        if (!is_name(name)) return Error{errc::bad_template, name + " is no variable's name"};
        auto value = expand_template(text, target, model);
        if (!value) return Error{value.error().code, name + ": " + value.error().detail};
        set(name, *value);
    }
    // A variable that was removed and then set again was not removed.
    std::erase_if(child.removed, [&](const std::string& name) {
        return child.environment.has(name);
    });
    return child;
}

}  // namespace dbguard::process
