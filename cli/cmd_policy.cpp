#include "cli/cmd_policy.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/policy_diff.hpp"
#include "cli/policy_explain.hpp"
#include "cli/policy_files.hpp"
#include "cli/policy_suggest.hpp"
#include "cli/policy_test.hpp"
#include "policy/lint.hpp"
#include "policy/load.hpp"
#include "policy/schema.hpp"

namespace dbguard::cli {
namespace {

// policy lint's own codes (dbguard-policy(1)): a caller tells a broken file from a doubtful one.
constexpr int lint_errors = 2;
constexpr int lint_warnings = 3;

struct LintOptions {
    std::vector<std::string> files;
    std::string schema, environment;
    bool strict = false;
    bool notes = false;
    bool json = false;
};

std::vector<policy::Problem> problems_of(const std::string& file, const policy::LintContext& context) {
    const auto text = read_file(file, policy::max_policy_bytes);
    if (!text) {
        policy::Problem problem;
        problem.file = file;
        problem.message = text.error().text();
        return {problem};
    }
    auto loaded = policy::load(*text, file);
    if (!loaded.policy) return loaded.problems;
    auto found = policy::lint(*loaded.policy, context);
    found.insert(found.begin(), loaded.problems.begin(), loaded.problems.end());
    return found;
}

nlohmann::json as_json(const policy::Problem& problem) {
    nlohmann::json out = {
        {"file", problem.file},
        {"severity", policy::name(problem.severity)},
        {"message", problem.message},
    };
    if (problem.at.line > 0) {
        out["line"] = problem.at.line;
        out["column"] = problem.at.column;
    }
    if (!problem.suggestion.empty()) out["suggestion"] = problem.suggestion;
    return out;
}

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

int lint(const LintOptions& options) {
    catalogue::SnapshotRef snapshot;
    if (!load_schema_file(options.schema, snapshot)) return lint_errors;
    const policy::LintContext context{snapshot.get(), options.environment};
    std::size_t errors = 0, warnings = 0;
    auto list = nlohmann::json::array();
    for (const auto& file : options.files)
        for (const auto& problem : problems_of(file, context)) {
            errors += problem.severity == policy::Severity::error;
            warnings += problem.severity == policy::Severity::warning;
            if (problem.severity == policy::Severity::note && !options.notes) continue;
            if (options.json) list.push_back(as_json(problem));
            else std::cout << printable(policy::text(problem)) << '\n';
        }
    if (options.json) {
        const nlohmann::json answer = {{"v", 1}, {"errors", errors}, {"warnings", warnings}, {"problems", std::move(list)}};
        std::cout << answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    } else {
        output().info(counted(errors, "error") + ", " + counted(warnings, "warning"));
    }
    if (errors > 0) return lint_errors;
    return warnings > 0 && options.strict ? lint_warnings : exit_ok;
}

void add_lint(CLI::App& policy, int& exit_code) {
    const auto options = std::make_shared<LintOptions>();
    auto* command = policy.add_subcommand("lint", "Check policy files: what is malformed, and what is a trap");
    command->add_option("FILE", options->files, "Policy files")->required();
    command->add_option("--schema", options->schema, "Tables and views as CREATE statements: masks and rules are held against them")->type_name("FILE");
    command->add_option("--env", options->environment, "Refuse shadow on databases with this tag")->type_name("TAG");
    command->add_flag("--strict", options->strict, "Warnings count as well (exit code 3)");
    command->add_flag("--notes", options->notes, "Show notes, too");
    command->add_flag("--json", options->json, "One JSON object on stdout");
    command->footer("Exit codes: 0 nothing found, 2 errors, 3 warnings with --strict.\n");
    command->callback([options, &exit_code] { exit_code = lint(*options); });
}

void add_schema(CLI::App& policy, int& exit_code) {
    auto* command = policy.add_subcommand("schema", "Print the JSON Schema of policy files, for editors");
    command->footer("Example:\n"
                    "  dbguard policy schema > dbguard.schema.json\n"
                    "  and as the policy's first line:  # yaml-language-server: $schema=./dbguard.schema.json\n");
    command->callback([&exit_code] {
        std::cout << policy::json_schema();
        exit_code = std::cout.good() ? exit_ok : exit_failed;
    });
}

}  // namespace

void add_policy_command(CLI::App& app, int& exit_code) {
    auto* policy = app.add_subcommand("policy", "Work on policy files without any database");
    policy->require_subcommand(1);
    add_lint(*policy, exit_code);
    add_policy_test_command(*policy, exit_code);
    add_policy_explain_command(*policy, exit_code);
    add_policy_diff_command(*policy, exit_code);
    add_policy_suggest_command(*policy, exit_code);
    add_schema(*policy, exit_code);
}

}  // namespace dbguard::cli
