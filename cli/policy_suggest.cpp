#include "cli/policy_suggest.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/policy_files.hpp"
#include "cli/policy_redecide.hpp"
#include "policy/lint.hpp"
#include "policy/load.hpp"
#include "policy/sensitive_names.hpp"
#include "policy/suggest.hpp"

namespace dbguard::cli {
namespace {

struct Options {
    std::vector<std::string> from;
    std::string schema, since, role, name = "suggested";
    bool dangerous = false;
};

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

bool is_table(const catalogue::Relation& relation) {
    using Kind = catalogue::RelationKind;
    const bool servers_own = relation.schema == "pg_catalog" || relation.schema == "information_schema";
    return !servers_own && (relation.kind == Kind::table || relation.kind == Kind::partitioned_table || relation.kind == Kind::foreign_table || relation.kind == Kind::materialized_view);
}

/// A text that ran, and how often.
struct Ran {
    std::size_t text = 0;
    std::uint64_t count = 0;
};

/// What one role did.
struct Traffic {
    policy::ObservedRole role;
    std::vector<Ran> ran;
    std::set<std::string> databases;
};

class Drafter {
  public:
    Drafter(const Recordings& recordings, const catalogue::SnapshotRef& snapshot, const Options& options)
        : recordings_(recordings), snapshot_(snapshot), options_(options) {}

    int draft();

  private:
    void gather();
    void observe(Traffic& traffic);
    /// The draft, loaded, linted and held against all that it was drafted from. False, after a message: it does not hold.
    bool check(const policy::Suggestion& suggestion);

    const Recordings& recordings_;
    catalogue::SnapshotRef snapshot_;
    const Options& options_;
    std::map<std::string, Traffic> traffic_;  ///< by role
    std::map<std::size_t, Understood> understood_;
    std::map<std::size_t, std::string> first_;  ///< where a text came first
    std::uint64_t statements_ = 0, not_done_ = 0;
    std::map<std::string, std::uint64_t> unknown_;  ///< why nothing is known of them → how many
};

void Drafter::gather() {
    std::map<std::pair<std::string, std::size_t>, std::uint64_t> counts;
    for (const auto& one : recordings_.statements) {
        const auto& session = recordings_.sessions[one.session];
        if (!options_.role.empty() && session.role != options_.role) continue;
        if (!one.sent || !one.done || one.failed) {
            ++not_done_;
            continue;
        }
        ++statements_;
        auto& traffic = traffic_[session.role];
        traffic.databases.insert(session.database);
        traffic.role.most_rows = std::max(traffic.role.most_rows, one.rows);
        traffic.role.most_affected = std::max(traffic.role.most_affected, one.affected);
        traffic.role.longest = std::max(traffic.role.longest, std::chrono::milliseconds(static_cast<std::int64_t>(one.milliseconds) + 1));
        ++counts[{session.role, one.text}];
        first_.try_emplace(one.text, session.session + " line " + std::to_string(one.line));
    }
    for (const auto& [key, count] : counts) traffic_[key.first].ran.push_back({key.second, count});
    for (auto& [name, traffic] : traffic_) {
        traffic.role.name = name;
        traffic.role.login = "login";  // which account that was is not the recording's to say
        traffic.role.databases.assign(traffic.databases.begin(), traffic.databases.end());
        observe(traffic);
    }
}

void Drafter::observe(Traffic& traffic) {
    std::set<std::string> sensitive;
    for (const auto& one : traffic.ran) {
        const auto& text = recordings_.texts[one.text];
        const auto& meaning = understood_.try_emplace(one.text, understand(text, snapshot_)).first->second;
        policy::Observed seen;
        seen.count = one.count;
        seen.example = first_.at(one.text);
        switch (meaning.by) {
            case Understood::By::nothing: unknown_[meaning.why] += one.count; continue;
            case Understood::By::text:
                for (const auto& statement : meaning.analysis.statements) seen.effects.insert(seen.effects.end(), statement.effects.begin(), statement.effects.end());
                break;
            case Understood::By::effects:
                seen.effects = text.effects;
                seen.facts_known = text.facts;
                break;
            case Understood::By::unparsed: seen.effects.emplace_back(); break;  // class unparsed
        }
        if (snapshot_)
            for (const auto& effect : seen.effects)
                for (const auto& object : effect.objects)
                    if (const auto* relation = snapshot_->relation(object.schema, object.name); relation && is_table(*relation))
                        for (const auto& column : relation->columns)
                            if (!policy::sensitive_word(column.name).empty()) sensitive.insert(relation->schema + '.' + relation->name + '.' + column.name);
        traffic.role.statements.push_back(std::move(seen));
    }
    traffic.role.sensitive_columns.assign(sensitive.begin(), sensitive.end());
    if (!snapshot_) return;
    for (const auto& relation : snapshot_->relations())
        if (is_table(relation)) traffic.role.known_tables.push_back(policy::text(policy::ObjectPattern{relation.schema, relation.name, {}}));
}

bool Drafter::check(const policy::Suggestion& suggestion) {
    auto loaded = policy::load(suggestion.yaml, "the draft");
    bool holds = loaded.policy.has_value();
    if (loaded.policy)
        for (auto& problem : policy::lint(*loaded.policy)) loaded.problems.push_back(std::move(problem));
    for (const auto& problem : loaded.problems) {
        if (problem.severity != policy::Severity::error) continue;
        output().error(policy::text(problem));
        holds = false;
    }
    if (!holds) return false;
    std::uint64_t denied = 0;
    for (const auto& [name, traffic] : traffic_) {
        const auto* role = policy::find_role(*loaded.policy, name);
        if (!role) continue;
        const Redecider redecider(*loaded.policy, *role, snapshot_);
        for (const auto& one : traffic.ran) {
            const auto decided = redecider.redecide(recordings_.texts[one.text], understood_.at(one.text), {});
            if (!decided.known || decided.decision.verdict != policy::Verdict::allow) denied += one.count;
        }
    }
    std::uint64_t expected = suggestion.not_covered;
    for (const auto& [why, count] : unknown_) expected += count;
    if (denied > expected) {
        output().error("the draft does not allow " + counted(denied - expected, "statement") + " that it was drafted from");
        return false;
    }
    return true;
}

int Drafter::draft() {
    gather();
    if (statements_ == 0) {
        output().error(options_.role.empty() ? "no recorded statement ran to its end" : "no recorded statement of role " + options_.role + " ran to its end");
        return exit_config;
    }
    std::vector<policy::ObservedRole> roles;
    for (auto& [name, traffic] : traffic_) roles.push_back(traffic.role);
    // RFC 3339 in UTC sorts as text.
    const auto [earliest, latest] = std::minmax_element(recordings_.sessions.begin(), recordings_.sessions.end(), [](const RecordedSession& a, const RecordedSession& b) { return a.began < b.began; });
    policy::SuggestOptions options;
    options.name = options_.name;
    options.dangerous = options_.dangerous;
    options.remarks = {
        "Drafted by `dbguard policy suggest` from " + counted(statements_, "statement") + " of " + counted(recordings_.sessions.size(), "session") + ", " +
            earliest->began + " to " + latest->began + ".",
        "It allows what happened to happen, needed or not. Read each rule before you use it.",
    };
    if (!snapshot_) options.remarks.push_back("Drafted without the schema: give --schema, and WHERE clauses and settings are looked at, too.");
    const auto suggestion = policy::suggest(roles, options);
    std::cout << suggestion.yaml;
    if (!std::cout.flush()) return exit_failed;
    const bool holds = check(suggestion);
    output().info(counted(suggestion.rules, "rule") + " for " + counted(statements_, "statement") + (not_done_ > 0 ? "; " + counted(not_done_, "other") + " did not run to their end" : ""));
    if (suggestion.withheld > 0)
        output().warning(counted(suggestion.withheld, "dangerous rule") + " left as comments, so " + counted(suggestion.not_covered, "statement") + " would be denied; --allow-dangerous writes them out");
    for (const auto& [why, count] : unknown_) output().warning(counted(count, "statement") + " left out: " + why);
    return holds ? exit_ok : exit_failed;
}

int suggest(const Options& options) {
    catalogue::SnapshotRef snapshot;
    if (!load_schema_file(options.schema, snapshot)) return exit_config;
    if (options.name.empty() || options.name.size() > 63 || options.name.front() == '-' || options.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
        output().error("--name: '" + options.name + "' has other characters than a-z, 0-9 and -");
        return exit_usage;
    }
    Recordings recordings;
    if (const int problem = load_recordings(options.from, options.since, recordings); problem != exit_ok) return problem;
    return Drafter(recordings, snapshot, options).draft();
}

}  // namespace

void add_policy_suggest_command(CLI::App& policy, int& exit_code) {
    const auto options = std::make_shared<Options>();
    auto* command = policy.add_subcommand("suggest", "Draft the smallest policy that allows what was recorded as done");
    command->add_option("--from", options->from, "Recordings, or folders of them")->type_name("PATH")->required();
    command->add_option("--schema", options->schema, "The database's tables and views as CREATE statements; without it WHERE clauses are not looked at")->type_name("FILE");
    command->add_option("--since", options->since, "Only sessions that began at most this long ago (30d, 12h)")->type_name("DURATION");
    command->add_option("--role", options->role, "Only what was recorded in this role")->type_name("NAME");
    command->add_option("--name", options->name, "The policy's name")->type_name("NAME")->capture_default_str();
    command->add_flag("--allow-dangerous", options->dangerous, "Write out rules for server, dcl, unparsed, DROP, changes of every row and the like");
    command->footer("Example:\n"
                    "  dbguard policy suggest --from recordings/ --schema shop.sql > draft.yaml\n\n"
                    "The draft goes to stdout. It passes `policy lint` and allows every statement it was drafted from, except those that need a\n"
                    "dangerous rule: such a rule stands in it as a comment unless --allow-dangerous is given. Record in shadow first.\n"
                    "Exit codes: 0 drafted, 1 the draft does not hold, 78 a file cannot be used or nothing was recorded.\n");
    command->callback([options, &exit_code] { exit_code = suggest(*options); });
}

}  // namespace dbguard::cli
