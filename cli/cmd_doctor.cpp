#include "cli/cmd_doctor.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/doctor_checks.hpp"
#include "cli/duration.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"

namespace dbguard::cli {
namespace {

struct DoctorOptions {
    std::string server, server_ca, db_url, policy, role, record_dir;
    std::chrono::milliseconds timeout{10'000};
    bool json = false;
};

void print_text(const Checks& checks) {
    std::string group;
    for (const Check& check : checks) {
        if (check.group != group) std::cout << (group.empty() ? "" : "\n") << check.group << "\n";
        group = check.group;
        std::string state(name(check.state));
        std::string label = check.name;
        state.resize(std::max<std::size_t>(state.size(), 5), ' ');
        label.resize(std::max<std::size_t>(label.size(), 18), ' ');
        std::cout << "  " << state << label << printable(check.text) << "\n";
        if (!check.fix.empty()) std::cout << "       -> " << printable(check.fix) << "\n";
    }
}

void print_json(const Checks& checks, bool ok) {
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
        {"v", 1}, {"version", DBGUARD_VERSION}, {"ok", ok}, {"checks", std::move(list)}};
    std::cout << answer.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace)
              << "\n";
}

int run(const DoctorOptions& options) {
    Checks checks;
    const auto add = [&](Checks more) { checks.insert(checks.end(), more.begin(), more.end()); };
    add(check_ci());
    add(check_environment());
    if (!options.server.empty())
        add(check_service(options.server, options.server_ca, options.timeout));
    if (!options.policy.empty()) add(check_policy(options.policy, options.role));
    if (!options.db_url.empty()) add(check_database(options.db_url, options.timeout));
    if (!options.record_dir.empty()) add(check_record_dir(options.record_dir));
    add(check_system());
    const bool ok = std::none_of(checks.begin(), checks.end(), [](const Check& check) {
        return check.state == CheckState::fail;
    });
    if (options.json) {
        print_json(checks, ok);
    } else {
        print_text(checks);
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
    command->add_option("--server", options->server, "Check this policy service")
        ->type_name("URL")
        ->envname("DBGUARD_SERVER");
    command->add_option("--server-ca", options->server_ca, "Its certificate's authority, PEM")
        ->type_name("FILE")
        ->envname("DBGUARD_SERVER_CA");
    command
        ->add_option(
            "--db-url", options->db_url, "Log in to this database; the password as for `run`"
        )
        ->type_name("URL")
        ->envname("DBGUARD_DB_URL");
    command->add_option("--policy", options->policy, "Check this policy file")->type_name("FILE");
    command->add_option("--role", options->role, "and that it has this role")->type_name("NAME");
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
    command->add_flag("--json", options->json, "Print one JSON document");
    command->footer(
        "Looks only: no token is minted, nothing is changed, and of variables only names are "
        "shown.\n"
        "Exit code 1 when something fails, else 0.\n\n"
        "Examples:\n"
        "  dbguard doctor                                    in a CI job: is there an identity?\n"
        "  dbguard doctor --server https://guard.example     can the service be reached, are the "
        "clocks alike?\n"
        "  dbguard doctor --db-url postgresql://app@db/shop --policy p.yaml --role tester "
        "--record-dir rec/\n"
    );
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace dbguard::cli
