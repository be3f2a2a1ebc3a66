#include "cli/doctor_checks.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "login/token_source.hpp"
#include "net/http_client.hpp"
#include "policy/load.hpp"
#include "process/environment.hpp"
#include "upstream/postgres_connection.hpp"

namespace dbguard::cli {
namespace {

using namespace std::chrono_literals;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

struct Platform {
    const char* variable;
    const char* name;
};

/// Those whose own way to an identity token dbguard does not know yet.
constexpr Platform other_platforms[] = {
    {"CIRCLECI", "CircleCI"},
    {"BUILDKITE", "Buildkite"},
    {"TF_BUILD", "Azure Pipelines"},
    {"BITBUCKET_BUILD_NUMBER", "Bitbucket Pipelines"},
    {"JENKINS_URL", "Jenkins"},
    {"TFC_RUN_ID", "Terraform Cloud"},
};

std::string platform_name() {
    if (variable("GITHUB_ACTIONS") == "true") return "GitHub Actions";
    if (is_set("GITLAB_CI")) return "GitLab CI";
    for (const Platform& platform : other_platforms)
        if (is_set(platform.variable)) return platform.name;
    return is_set("CI") ? "an unknown CI platform (CI is set)" : "";
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string size_text(double bytes) {
    const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < std::size(units)) {
        bytes /= 1024;
        ++unit;
    }
    return std::to_string(static_cast<long>(bytes)) + " " + units[unit];
}

}  // namespace

std::string_view name(CheckState state) {
    switch (state) {
        case CheckState::ok:
            return "ok";
        case CheckState::note:
            return "note";
        case CheckState::warn:
            return "warn";
        case CheckState::fail:
            return "fail";
    }
    return "fail";
}

Checks check_ci() {
    Checks checks;
    const std::string platform = platform_name();
    checks.push_back(
        {"ci",
         "platform",
         platform.empty() ? CheckState::note : CheckState::ok,
         platform.empty() ? "none detected: this is no CI job" : platform,
         ""}
    );

    const auto http = net::make_http_client(login::http_options(login::from_process()));
    const auto source =
        login::choose_token_source({}, {login::from_process(), *http, login::real_clock()});
    if (source) {
        checks.push_back(
            {"ci",
             "identity",
             CheckState::ok,
             (*source)->describe() + ((*source)->mints() ? ", a new token for each session"
                                                         : ", one token for the whole job"),
             ""}
        );
    } else if (source.error().code == login::login_error::no_source) {
        checks.push_back(
            {"ci",
             "identity",
             platform.empty() ? CheckState::note : CheckState::warn,
             "no identity token was found; with a policy service, name one",
             "--token-env NAME, --token-file FILE or --token-command COMMAND"}
        );
    } else {
        checks.push_back(
            {"ci",
             "identity",
             CheckState::fail,
             std::string(source.error().code),
             source.error().detail}
        );
    }
    return checks;
}

Checks check_environment() {
    Checks checks;
    const process::Environment own = process::Environment::of_this_process();
    const auto child = process::child_environment(own, {.host = "127.0.0.1"}, {});
    if (child) {
        checks.push_back(
            {"environment",
             "removed",
             CheckState::ok,
             child->removed.empty() ? "nothing would be kept from the command"
                                    : "kept from the command: " + joined(child->removed),
             ""}
        );
        std::vector<std::string> replaced;
        for (const std::string& name : child->set)
            if (own.has(name)) replaced.push_back(name);
        if (!replaced.empty())
            checks.push_back(
                {"environment",
                 "replaced",
                 CheckState::ok,
                 "set anew for the command: " + joined(replaced),
                 ""}
            );
    }
    std::vector<std::string> loader, proxy;
    for (const auto& [name, value] : own.variables()) {
        if (name == "LD_PRELOAD" || name == "LD_LIBRARY_PATH" || name == "LD_AUDIT")
            loader.push_back(name);
        if (name == "HTTPS_PROXY" || name == "https_proxy" || name == "ALL_PROXY" ||
            name == "NO_PROXY")
            proxy.push_back(name);
    }
    if (!loader.empty())
        checks.push_back(
            {"environment",
             "loader",
             CheckState::warn,
             joined(loader) + " changes what code dbguard itself runs",
             "unset it for dbguard; an earlier step may have set it through GITHUB_ENV"}
        );
    if (!proxy.empty())
        checks.push_back(
            {"environment",
             "proxy",
             CheckState::note,
             joined(proxy) + " applies to the policy service",
             ""}
        );
    if (own.get("DBGUARD") == "1")
        checks.push_back(
            {"environment", "nested", CheckState::note, "this runs inside of dbguard run", ""}
        );
    return checks;
}

Checks check_service(
    const std::string& url, const std::string& ca_file, std::chrono::milliseconds timeout
) {
    net::HttpClientOptions options = login::http_options(login::from_process());
    if (!ca_file.empty()) options.ca_file = ca_file;
    const auto client = net::make_http_client(options);
    std::string base = url;
    while (base.ends_with('/')) base.pop_back();
    const auto began = std::chrono::steady_clock::now();
    const auto response = client->send(
        {.url = base + "/healthz", .connect_timeout = timeout, .total_timeout = timeout}
    );
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began
    );
    const std::string where = net::host_of(url);
    if (!response) {
        const bool certificate = response.error().code == net::http_error::certificate;
        return {
            {"service",
             "reachable",
             CheckState::fail,
             response.error().text(),
             certificate ? "name the service's own authority with --server-ca FILE"
                         : "check the address, DNS, the proxy and the runner's egress rules"}};
    }
    Checks checks;
    if (response->status != 200)
        checks.push_back(
            {"service",
             "reachable",
             CheckState::fail,
             where + " answered /healthz with " + std::to_string(response->status),
             "is this a dbguard service?"}
        );
    else
        checks.push_back(
            {"service",
             "reachable",
             CheckState::ok,
             where + " answered in " + std::to_string(took.count()) + " ms, certificate verified",
             ""}
        );

    // RFC 9110 §6.6.1; tokens are judged with a leeway of 60 s.
    const std::string date(response->header("date"));
    std::tm parts{};
    if (::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) != nullptr) {
        const std::time_t theirs = ::timegm(&parts);
        const long skew = std::labs(static_cast<long>(std::time(nullptr) - theirs));
        checks.push_back(
            {"service",
             "clock",
             skew > 60   ? CheckState::fail
             : skew > 30 ? CheckState::warn
                         : CheckState::ok,
             std::to_string(skew) + " s between this machine and the service",
             skew > 30 ? "synchronise this machine's clock" : ""}
        );
    }
    return checks;
}

Checks check_policy(const std::string& file, const std::string& role) {
    const auto text = read_file(file, policy::max_policy_bytes);
    if (!text) return {{"policy", "file", CheckState::fail, text.error().detail, ""}};
    const policy::LoadResult loaded = policy::load(*text, file);
    Checks checks;
    for (const policy::Problem& problem : loaded.problems)
        if (checks.size() < 10)
            checks.push_back(
                {"policy",
                 "file",
                 problem.severity == policy::Severity::error ? CheckState::fail : CheckState::warn,
                 policy::text(problem),
                 ""}
            );
    if (!loaded.policy) return checks;
    if (checks.empty())
        checks.push_back({"policy", "file", CheckState::ok, file + " is understood", ""});
    if (role.empty()) return checks;
    const bool known =
        std::any_of(loaded.policy->roles.begin(), loaded.policy->roles.end(), [&](const auto& one) {
            return one.name == role;
        });
    checks.push_back(
        {"policy",
         "role",
         known ? CheckState::ok : CheckState::fail,
         known ? role + " is one of its roles" : "it has no role " + role,
         ""}
    );
    return checks;
}

Checks describe_login(upstream::PostgresConnection& connection, const upstream::PostgresTarget& target, upstream::Deadline deadline) {
    const auto answer = connection.query(
        "SELECT pg_catalog.current_setting('server_version'), session_user, pg_catalog.current_setting('is_superuser'), "
        "pg_catalog.current_database(), current_user",
        deadline
    );
    if (!answer || answer->rows.size() != 1)
        return {
            {"database",
             "login",
             CheckState::fail,
             target.address() + ": " + (answer ? "an odd answer" : answer.error().text()),
             ""}};
    Checks checks;
    const auto& row = answer->rows.front();
    const auto column = [&](std::size_t i) { return row.at(i).value_or(""); };
    checks.push_back(
        {"database",
         "login",
         CheckState::ok,
         "PostgreSQL " + column(0) + " at " + target.address() + ", database " + column(3) +
             " as " + column(1) + (column(4) == column(1) ? "" : ", working as " + column(4)),
         ""}
    );
    checks.push_back(
        {"database",
         "tls",
         target.plain_by_default                         ? CheckState::note
         : target.tls.mode == upstream::SslMode::disable ? CheckState::warn
                                                         : CheckState::ok,
         "sslmode=" + std::string(upstream::name(target.tls.mode)) +
             (target.plain_by_default ? ", because the server is on this machine" : ""),
         ""}
    );
    if (column(2) == "on")
        checks.push_back(
            {"database",
             "rights",
             CheckState::warn,
             column(1) + " is a superuser: nothing in the database holds when the policy is wrong",
             "log in as a role that owns nothing and has only what the policy opens"}
        );
    return checks;
}

Checks check_database(
    const std::string& url,
    std::chrono::milliseconds timeout,
    std::optional<upstream::PostgresConnection>& connection
) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const auto parsed = upstream::parse_database_url(url);
    if (!parsed) return {{"database", "url", CheckState::fail, parsed.error().detail, ""}};
    const auto target = upstream::postgres_target(*parsed, upstream::process_environment());
    if (!target) return {{"database", "url", CheckState::fail, target.error().detail, ""}};
    Checks checks;
    const auto password = upstream::find_password(*parsed, upstream::process_environment());
    checks.push_back(
        {"database",
         "password",
         CheckState::ok,
         password.password ? "from " + password.source
                           : "none was found: the server must do without",
         ""}
    );
    for (const std::string& warning : password.warnings)
        checks.push_back({"database", "password", CheckState::warn, warning, ""});

    auto opened =
        upstream::PostgresConnection::connect(url, upstream::process_environment(), deadline);
    if (!opened) {
        checks.push_back(
            {"database",
             "login",
             CheckState::fail,
             target->address() + ": " + opened.error().text(),
             ""}
        );
        return checks;
    }
    connection = std::move(*opened);
    for (Check& check : describe_login(*connection, *target, deadline)) checks.push_back(std::move(check));
    return checks;
}

Checks check_record_dir(const std::string& folder) {
    if (::access(folder.c_str(), F_OK) != 0 && errno == ENOENT)
        return {
            {"recording",
             "folder",
             CheckState::note,
             folder + " does not exist yet",
             "dbguard makes it, when the folder above lets it"}};
    const std::string path = folder + "/" + random_id(".dbguard-doctor-", 8);
    UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) {
        return {
            {"recording",
             "folder",
             CheckState::fail,
             folder + ": " + std::strerror(errno),
             "without a recording no statement runs"}};
    }
    const std::string block(4096, '\n');
    const bool written =
        ::write(file.get(), block.data(), block.size()) == static_cast<ssize_t>(block.size()) &&
        ::fdatasync(file.get()) == 0;
    const int error = errno;
    ::unlink(path.c_str());
    if (!written)
        return {
            {"recording",
             "folder",
             CheckState::fail,
             folder + ": " + std::strerror(error),
             "without a recording no statement runs"}};
    Checks checks = {{"recording", "folder", CheckState::ok, folder + " can be written", ""}};
    struct statvfs space {};
    if (::statvfs(folder.c_str(), &space) == 0) {
        const double free =
            static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
        checks.push_back(
            {"recording",
             "space",
             free < 100.0 * 1024 * 1024 ? CheckState::warn : CheckState::ok,
             size_text(free) + " free",
             ""}
        );
    }
    return checks;
}

}  // namespace dbguard::cli
