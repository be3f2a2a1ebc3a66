#include "cli/cmd_doctor.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "cli/doctor_checks.hpp"
#include "cli/doctor_lock.hpp"
#include "cli/duration.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/service_session.hpp"
#include "policy/load.hpp"

namespace dbguard::cli {
namespace {

/// The catalogue of a large database takes longer than an answer to a greeting.
constexpr std::chrono::seconds lock_time{60};

struct DoctorOptions {
    ServiceOptions service;  ///< --db, --server, --token-…
    std::string db_url, policy, record_dir;
    std::chrono::milliseconds timeout{10'000};
    bool strict = false;
    bool json = false;
};

void print_text(const Checks& checks, const std::vector<std::string>& sql) {
    std::string group;
    for (const Check& check : checks) {
        if (check.group != group) std::cout << (group.empty() ? "" : "\n") << check.group << "\n";
        group = check.group;
        std::string state(name(check.state));
        std::string label = check.name;
        state.resize(std::max<std::size_t>(state.size(), 5), ' ');
        label.resize(std::max<std::size_t>(label.size() + 1, 21), ' ');
        std::cout << "  " << state << label << printable(check.text) << "\n";
        if (!check.fix.empty()) std::cout << "       -> " << printable(check.fix) << "\n";
    }
    if (sql.empty()) return;
    std::cout << "\nto close what the lock leaves open, as a superuser in that database:\n\n";
    for (const std::string& line : sql) std::cout << line << "\n";
}

void print_json(const Checks& checks, const std::vector<std::string>& sql, bool ok) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Check& check : checks) {
        nlohmann::ordered_json one = {
            {"group", check.group},
            {"name", check.name},
            {"state", name(check.state)},
            {"text", check.text}};
        if (!check.fix.empty()) one["fix"] = check.fix;
        list.push_back(std::move(one));
    }
    const nlohmann::ordered_json answer = {
        {"v", 1}, {"version", DBGUARD_VERSION}, {"ok", ok}, {"checks", std::move(list)}, {"sql", sql}};
    std::cout << answer.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace)
              << "\n";
}

void append(Checks& checks, Checks more) {
    for (Check& check : more) checks.push_back(std::move(check));
}

void append_lock(
    Checks& checks, std::vector<std::string>& sql, upstream::PostgresConnection& connection,
    const policy::Policy* policy, const std::string& role
) {
    const policy::Role* found = policy == nullptr ? nullptr : policy::find_role(*policy, role);
    if (policy != nullptr && role.empty() && policy->roles.size() == 1) found = &policy->roles.front();
    LockReport report = check_lock(connection, policy, found, std::chrono::steady_clock::now() + lock_time);
    append(checks, std::move(report.checks));
    sql = std::move(report.sql);
}

/// Opens a session as `run` would, looks at its database, and ends it.
Checks check_session(const DoctorOptions& options, std::vector<std::string>& sql) {
    const auto fail = [](std::string name, const Error& error) {
        return Checks{{"session", std::move(name), CheckState::fail, error.detail.empty() ? error.text() : error.detail, ""}};
    };
    ServiceOptions service = options.service;
    service.patience = std::min<std::chrono::milliseconds>(service.patience, options.timeout * 3);
    const auto opened = open_session(service);
    if (!opened) return fail("open", opened.error());
    const broker::SessionGrant& grant = opened->grant;
    Checks checks = {
        {"session", "open", CheckState::ok, grant.session + ", role " + grant.role + ", login " + grant.login +
             (grant.database.minted ? ", with a role of its own" : ", with a stored credential"), ""}};
    const auto look = [&]() -> Checks {
        if (grant.placement != broker::Placement::runner) return fail("database", Error{dbguard::errc::cannot_open, "the service's gateway holds the database; look from there with --db-url"});
        const auto connector = connector_for(grant.database);
        if (!connector) return fail("database", connector.error());
        const auto deadline = std::chrono::steady_clock::now() + options.timeout;
        auto connection = upstream::PostgresConnection::connect(**connector, deadline);
        if (!connection) return fail("database", connection.error());
        Checks found = describe_login(*connection, (*connector)->target(), deadline);
        const auto loaded = policy::load(grant.policy_text, "the service's policy");
        append_lock(found, sql, *connection, loaded.policy ? &*loaded.policy : nullptr, grant.role);
        return found;
    };
    append(checks, look());
    const auto ended = opened->client.within(options.timeout).end(grant, {"doctor"});
    checks.push_back(
        {"session", "end", ended ? CheckState::ok : CheckState::warn, ended ? "ended, nothing is left" : ended.error().text() + "; its lease ends it", ""});
    return checks;
}

int run(DoctorOptions options) {
    if (!options.service.database.empty()) {
        // Set for `run` in this shell, it is no wish for this call.
        const char* variable = std::getenv("DBGUARD_DB_URL");
        if (variable != nullptr && options.db_url == variable) options.db_url.clear();
        std::string wrong = check(options.service);
        if (wrong.empty() && !options.db_url.empty()) wrong = "--db and --db-url exclude each other";
        if (wrong.empty() && !options.policy.empty()) wrong = "with --db the policy comes from the service";
        if (!wrong.empty()) {
            output().error(wrong);
            return exit_usage;
        }
    }
    Checks checks;
    std::vector<std::string> sql;
    append(checks, check_ci());
    append(checks, check_environment());
    if (!options.service.server.empty())
        append(checks, check_service(options.service.server, options.service.server_ca, options.timeout));
    if (!options.service.database.empty()) append(checks, check_session(options, sql));
    if (!options.policy.empty()) append(checks, check_policy(options.policy, options.service.role));
    if (!options.db_url.empty()) {
        std::optional<upstream::PostgresConnection> connection;
        append(checks, check_database(options.db_url, options.timeout, connection));
        std::optional<policy::Policy> policy;
        if (const auto text = options.policy.empty() ? Result<std::string>(std::string()) : read_file(options.policy, policy::max_policy_bytes); text && !text->empty())
            policy = policy::load(*text, options.policy).policy;
        if (connection) append_lock(checks, sql, *connection, policy ? &*policy : nullptr, options.service.role);
    }
    if (!options.record_dir.empty()) append(checks, check_record_dir(options.record_dir));
    append(checks, check_system());
    const bool ok = std::none_of(checks.begin(), checks.end(), [&](const Check& check) {
        const bool open = options.strict && check.state == CheckState::warn && (check.group == "lock" || check.group == "database");
        return check.state == CheckState::fail || open;
    });
    if (options.json) {
        print_json(checks, sql, ok);
    } else {
        print_text(checks, sql);
        std::cout << (ok ? "\nnothing fails here\n" : "\nsomething fails here\n");
    }
    return ok ? exit_ok : exit_failed;
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand(
        "doctor", "Say what works here, what is missing, and what to do about it"
    );
    const auto options = std::make_shared<DoctorOptions>();
    add_service_options(*command, options->service);
    command
        ->add_option(
            "--db-url", options->db_url, "Log in to this database; the password as for `run`"
        )
        ->type_name("URL")
        ->envname("DBGUARD_DB_URL");
    command->add_option("--policy", options->policy, "Check this policy file")->type_name("FILE");
    command
        ->add_option("--role", options->service.role, "and that it has this role; with --db, the role to ask for")
        ->type_name("NAME");
    command
        ->add_option(
            "--record-dir", options->record_dir, "Check that recordings can be written there"
        )
        ->type_name("DIR");
    command
        ->add_option_function<std::string>(
            "--timeout",
            [options](const std::string& text) {
                const auto value = parse_duration(text);
                if (!value || value->count() == 0)
                    throw CLI::ValidationError(
                        "--timeout", "'" + text + "' is no duration such as 10s"
                    );
                options->timeout = *value;
            },
            "For each thing that is reached over the network [10s]"
        )
        ->type_name("DURATION");
    command->add_flag("--strict", options->strict, "Fail also when the database's own lock leaves something open");
    command->add_flag("--json", options->json, "Print one JSON document");
    command->footer(
        "Looks only: nothing is changed, and of variables only names are shown. With --db, and only then,\n"
        "a token is asked for and a session opened, and ended again.\n"
        "With --policy and --role it says which privileges at the database are more than the policy needs,\n"
        "and prints the statements that take them away.\n"
        "Exit code 1 when something fails, else 0; with --strict also 1 when a privilege is too much.\n\n"
        "Examples:\n"
        "  dbguard doctor                                    in a CI job: is there an identity?\n"
        "  dbguard doctor --server https://guard.example     can the service be reached, are the "
        "clocks alike?\n"
        "  dbguard doctor --db shop                          what does the database itself hold back?\n"
        "  dbguard doctor --db-url postgresql://app@db/shop --policy p.yaml --role tester "
        "--record-dir rec/\n"
    );
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace dbguard::cli
