// The program: its subcommands, what it says about wrong usage, and nothing else. Each subcommand has its own
// cmd_<name>.cpp.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/cmd_doctor.hpp"
#include "cli/cmd_policy.hpp"
#include "cli/cmd_proxy.hpp"
#include "cli/cmd_replay.hpp"
#include "cli/cmd_run.hpp"
#include "cli/cmd_serve.hpp"
#include "cli/cmd_sessions.hpp"
#include "cli/cmd_verify.hpp"
#include "cli/cmd_whoami.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "process/child.hpp"

namespace dbguard::cli {

namespace {

void add_commands(CLI::App& app, int& exit_code) {
    // In the order a newcomer meets them.
    for (const auto add : {
             add_run_command,
             add_proxy_command,
             add_policy_command,
             add_sessions_command,
             add_replay_command,
             add_verify_command,
             add_whoami_command,
             add_doctor_command,
             add_serve_command,
         })
        add(app, exit_code);
}

/// How many single-character edits lead from one to the other, a swap counting as one.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min(
                {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)}
            );
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

/// The subcommand that was being parsed, down to the last level.
const CLI::App* deepest(const CLI::App* app) {
    for (;;) {
        const auto chosen = app->get_subcommands();
        if (chosen.empty()) return app;
        app = chosen.back();
    }
}

std::vector<std::string> known_words(const CLI::App& app, bool options) {
    std::vector<std::string> words;
    if (!options) {
        for (const CLI::App* command : app.get_subcommands({}))
            words.push_back(command->get_name());
        return words;
    }
    for (const CLI::Option* option : app.get_options({}))
        for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    return words;
}

/// `wrong` as it was meant, or empty: at most a third of the characters differ, or it is the beginning of one
/// word only.
std::string suggestion(std::string_view wrong, const CLI::App& app) {
    wrong = wrong.substr(0, wrong.find('='));
    if (wrong.size() < 2) return {};
    std::string best;
    std::size_t best_distance = wrong.size() / 3 + 1;
    std::vector<std::string> longer;
    for (const std::string& word : known_words(app, wrong.starts_with('-'))) {
        if (word.starts_with(wrong)) longer.push_back(word);
        const std::size_t one = distance(wrong, word);
        if (one < best_distance) {
            best_distance = one;
            best = word;
        }
    }
    return best.empty() && longer.size() == 1 ? longer.front() : best;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
    const CLI::App* command = deepest(&app);
    std::string path;
    for (const CLI::App* level = command; level != nullptr; level = level->get_parent())
        path = level->get_name() + (path.empty() ? "" : " " + path);

    std::string text = error.what();
    std::string hint;
    const std::vector<std::string> rest = app.remaining(true);
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !rest.empty()) {
        const bool flag = rest.front().starts_with('-');
        const bool has_commands = !command->get_subcommands({}).empty();
        text = (flag           ? "unknown option "
                : has_commands ? "unknown command "
                               : "unexpected argument ") +
               rest.front();
        hint = suggestion(rest.front(), *command);
    }
    if (!text.empty() && text.back() == '\n') text.pop_back();
    const std::string where = command == &app ? "" : path.substr(app.get_name().size() + 1) + ": ";
    output().line(
        Level::error, "usage", where + text + (hint.empty() ? "" : " (did you mean " + hint + "?)")
    );
    output().line(Level::info, "usage", "see " + path + " --help");
    return exit_usage;
}

int run(int argc, char** argv) {
    CLI::App app(
        "Runs a command against a database through a guard: who asks is known, what may not run is "
        "refused,\n"
        "what must not leave is masked, and all of it is recorded."
    );
    app.name("dbguard");
    app.set_version_flag("--version", "dbguard " DBGUARD_VERSION, "Print the version");
    app.require_subcommand(0, 1);
    app.get_formatter()->column_width(34);
    app.footer(
        "Examples:\n"
        "  dbguard run --db shop -- psql -f checks.sql     in a CI job, with a policy service\n"
        "  dbguard run --db-url postgresql://app@127.0.0.1/shop --policy p.yaml --role tester -- "
        "psql\n"
        "                                                  without a service, to try a policy\n"
        "  dbguard doctor                                  what works here and what is missing\n\n"
        "`dbguard COMMAND --help` explains a command; dbguard(1) the whole.\n"
    );
    int exit_code = exit_ok;
    add_commands(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version: on stdout
        return usage_error(app, error);
    }
    if (app.get_subcommands().empty()) {
        std::cerr << app.help();
        return exit_usage;
    }
    return exit_code;
}

}  // namespace
}  // namespace dbguard::cli

int main(int argc, char** argv) {
    dbguard::process::inherited_fds();
    dbguard::process::fill_standard_fds();
    try {
        return dbguard::cli::run(argc, argv);
    } catch (const std::exception& error) {
        dbguard::cli::output().error(std::string("internal error: ") + error.what());
        return dbguard::cli::exit_internal;
    }
}
