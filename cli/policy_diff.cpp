#include "cli/policy_diff.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/policy_files.hpp"
#include "cli/policy_redecide.hpp"
#include "recording/redact.hpp"

namespace dbguard::cli {
namespace {

using Json = nlohmann::ordered_json;
using policy::Verdict;

struct Options {
    std::string old_policy, new_policy, schema, role, since;
    std::vector<std::string> against;
    std::string fail_on;
    bool markdown = false;
    bool json = false;
};

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

/// In the order in which a reviewer wants to hear of them.
enum class Change {
    newly_denied, newly_asked, newly_allowed, no_longer_asked, denied_not_asked, asked_not_denied, newly_warned, no_longer_warned, masked_otherwise,
    over_bound, within_bound, over_limit, within_limit, in_shadow,
};

std::string_view title(Change change) {
    switch (change) {
        case Change::newly_denied: return "newly denied";
        case Change::newly_asked: return "newly needs an approver";
        case Change::newly_allowed: return "newly allowed";
        case Change::no_longer_asked: return "no longer needs an approver";
        case Change::denied_not_asked: return "denied instead of asked";
        case Change::asked_not_denied: return "asked instead of denied";
        case Change::newly_warned: return "newly warned of";
        case Change::no_longer_warned: return "no longer warned of";
        case Change::masked_otherwise: return "masked otherwise";
        case Change::over_bound: return "newly rolled back: more rows than may be changed";
        case Change::within_bound: return "no longer rolled back";
        case Change::over_limit: return "newly over a limit";
        case Change::within_limit: return "no longer over a limit";
        case Change::in_shadow: return "another verdict in shadow";
    }
    return "";
}

std::string_view word(Change change) {
    static constexpr std::string_view words[] = {
        "newly_denied", "newly_asked", "newly_allowed", "no_longer_asked", "denied_not_asked", "asked_not_denied", "newly_warned", "no_longer_warned",
        "masked_otherwise", "over_bound", "within_bound", "over_limit", "within_limit", "in_shadow"};
    return words[static_cast<std::size_t>(change)];
}

/// What a change of verdict is to the client; empty: none.
std::optional<Change> change_of(Verdict before, Verdict after) {
    if (before == after) return {};
    if (after == Verdict::deny) return before == Verdict::approve ? Change::denied_not_asked : Change::newly_denied;
    if (before == Verdict::deny) return after == Verdict::approve ? Change::asked_not_denied : Change::newly_allowed;
    if (after == Verdict::approve) return Change::newly_asked;
    if (before == Verdict::approve) return Change::no_longer_asked;
    return after == Verdict::warn ? Change::newly_warned : Change::no_longer_warned;
}

/// Statements of one shape that change in the same way.
struct Group {
    Change change = Change::newly_denied;
    std::string sql;              ///< without its literals
    std::string before, after;    ///< `allow tester#1`; masks; a limit
    std::string reason, fix;
    std::size_t count = 0;
    std::string session, at;      ///< where it came first
    std::uint64_t line = 0;
    std::set<std::string> callers;
};

/// Statements that cannot be decided again for one reason.
struct Undecided {
    std::size_t count = 0;
    std::string session;  ///< where the first of them stands
    std::uint64_t line = 0;
};

struct Comparison {
    std::vector<Group> groups;    ///< by change, most frequent first
    std::size_t statements = 0;   ///< all that were looked at
    std::size_t unchanged = 0;
    std::map<std::string, Undecided> undecided;  ///< by why
    std::vector<std::string> notes;
    std::set<std::string> callers;

    std::size_t count(Change change) const {
        std::size_t out = 0;
        for (const auto& group : groups)
            if (group.change == change) out += group.count;
        return out;
    }
    std::set<std::string> callers_of(Change change) const {
        std::set<std::string> out;
        for (const auto& group : groups)
            if (group.change == change) out.insert(group.callers.begin(), group.callers.end());
        return out;
    }
};

std::string shape_of(const RecordedText& text) {
    recording::Redactor redactor;
    recording::RedactOptions options;
    options.level = recording::Level::shape;
    options.parsed = text.unparsed.empty();
    auto out = redactor.redact(text.sql, options).sql;
    return out.empty() ? "(no text recorded)" : out;
}

std::string verdict_text(const policy::Decision& decision) {
    auto out = std::string(policy::name(decision.verdict));
    if (!decision.rule.empty()) out += ' ' + decision.rule;
    else if (decision.verdict == Verdict::deny) out += " (no rule opens it)";
    return out;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& one : words) out += (out.empty() ? "" : ", ") + one;
    return out.empty() ? "nothing masked" : out;
}

class Comparer {
  public:
    Comparer(const policy::Policy& before, const policy::Policy& after, catalogue::SnapshotRef snapshot, std::string role)
        : before_(before), after_(after), snapshot_(std::move(snapshot)), role_(std::move(role)) {}

    Comparison compare(const Recordings& recordings);

  private:
    struct Pair {
        std::unique_ptr<Redecider> before, after;
        std::string why_not;  ///< not empty: sessions of this role are not compared
    };
    struct Decided {
        Redecision before, after;
    };

    Pair& pair(const std::string& role);
    const Decided& decide(const Recordings& recordings, const RecordedStatement& statement, const Pair& pair, Decided& kept_here);
    void statement(const Recordings& recordings, const RecordedStatement& statement);
    void add(const Recordings& recordings, const RecordedStatement& statement, Change change, std::string before, std::string after, const policy::Decision* decision);
    void limits(const Recordings& recordings, const RecordedStatement& statement, const policy::Role& before, const policy::Role& after);
    void undecided(const Recordings& recordings, const RecordedStatement& statement, const std::string& why) {
        auto& one = out_.undecided[why];
        if (one.count++ == 0) one.session = recordings.sessions[statement.session].session, one.line = statement.line;
    }
    const Understood& understood(const Recordings& recordings, std::size_t text);

    const policy::Policy& before_;
    const policy::Policy& after_;
    catalogue::SnapshotRef snapshot_;
    std::string role_;  ///< instead of those recorded; empty: those
    std::map<std::string, Pair> pairs_;
    std::map<std::size_t, Understood> understood_;
    std::map<std::size_t, std::string> shapes_;
    std::map<std::pair<std::size_t, const Pair*>, Decided> decided_;
    std::map<std::string, Group> groups_;
    std::map<std::size_t, std::uint64_t> rows_, statements_;  ///< of a session so far
    bool changed_ = false;  ///< the statement at hand
    Comparison out_;
};

Comparer::Pair& Comparer::pair(const std::string& role) {
    const auto [found, added] = pairs_.try_emplace(role);
    auto& out = found->second;
    if (!added) return out;
    const auto* before = policy::find_role(before_, role);
    const auto* after = policy::find_role(after_, role);
    if (!before || !after) {
        out.why_not = "role " + role + " is not in " + (!before ? before_.file : after_.file);
        return out;
    }
    out.before = std::make_unique<Redecider>(before_, *before, snapshot_);
    out.after = std::make_unique<Redecider>(after_, *after, snapshot_);
    return out;
}

const Understood& Comparer::understood(const Recordings& recordings, std::size_t text) {
    const auto known = understood_.find(text);
    return known != understood_.end() ? known->second : understood_.emplace(text, understand(recordings.texts[text], snapshot_)).first->second;
}

/// The same text is the same decision, unless a rule goes by the hour.
const Comparer::Decided& Comparer::decide(const Recordings& recordings, const RecordedStatement& statement, const Pair& pair, Decided& kept_here) {
    const auto key = std::pair(statement.text, &pair);
    if (const auto known = decided_.find(key); known != decided_.end()) return known->second;
    const auto& text = recordings.texts[statement.text];
    const auto& meaning = understood(recordings, statement.text);
    kept_here = {pair.before->redecide(text, meaning, statement.time), pair.after->redecide(text, meaning, statement.time)};
    if (kept_here.before.by_hour || kept_here.after.by_hour) return kept_here;
    return decided_.emplace(key, std::move(kept_here)).first->second;
}

void Comparer::add(
    const Recordings& recordings, const RecordedStatement& statement, Change change, std::string before, std::string after, const policy::Decision* decision
) {
    changed_ = true;
    const auto& text = recordings.texts[statement.text];
    const auto& session = recordings.sessions[statement.session];
    const auto shape = shapes_.try_emplace(statement.text, text.sql.empty() ? std::string() : shape_of(text)).first->second;
    const auto key = std::string(1, static_cast<char>('a' + static_cast<int>(change))) + (text.fingerprint.empty() ? shape : text.fingerprint) + '\n' + before + '\n' + after;
    auto& group = groups_[key];
    if (group.count++ == 0) {
        group.change = change;
        group.sql = shape.empty() ? "(no text recorded)" : shape;
        group.before = std::move(before);
        group.after = std::move(after);
        if (decision) group.reason = decision->reason, group.fix = decision->fix;
        group.session = session.session;
        group.at = statement.at;
        group.line = statement.line;
    }
    group.callers.insert(session.caller.empty() ? "role " + session.role : session.caller);
}

void Comparer::limits(const Recordings& recordings, const RecordedStatement& statement, const policy::Role& before, const policy::Role& after) {
    const auto changed = [&](std::string_view name, auto old_limit, auto new_limit, auto goes_over, auto text) {
        const bool was_over = old_limit && goes_over(*old_limit);
        const bool is_over = new_limit && goes_over(*new_limit);
        if (was_over == is_over) return;
        const auto bound = [&](const auto& limit) { return limit ? std::string(name) + ": " + text(*limit) : "no limit of " + std::string(name); };
        add(recordings, statement, is_over ? Change::over_limit : Change::within_limit, bound(old_limit), bound(new_limit), nullptr);
    };
    const auto number = [](std::uint64_t value) { return std::to_string(value); };
    const auto above = [](auto value) { return [value](auto limit) { return value > limit; }; };
    changed("rows", before.limits.rows, after.limits.rows, above(statement.rows), number);
    changed("bytes", before.limits.bytes, after.limits.bytes, above(statement.bytes), number);
    const auto took = std::chrono::duration<double, std::milli>(statement.milliseconds);
    changed("time", before.limits.time, after.limits.time, above(took), [](policy::Duration limit) { return std::to_string(limit.count()) + "ms"; });
    // Of a session, the statement that goes over is the one that counts.
    const auto crosses = [](std::uint64_t was, std::uint64_t is) { return [was, is](std::uint64_t limit) { return was <= limit && is > limit; }; };
    const auto nth = ++statements_[statement.session];
    const auto rows_before = rows_[statement.session];
    const auto rows = rows_[statement.session] += statement.rows;
    changed("statements", before.limits.statements, after.limits.statements, crosses(nth - 1, nth), number);
    changed("session_rows", before.limits.session_rows, after.limits.session_rows, crosses(rows_before, rows), number);
}

void Comparer::statement(const Recordings& recordings, const RecordedStatement& statement) {
    ++out_.statements;
    changed_ = false;
    const auto& session = recordings.sessions[statement.session];
    const auto& text = recordings.texts[statement.text];
    out_.callers.insert(session.caller.empty() ? "role " + session.role : session.caller);
    const auto& pair = this->pair(role_.empty() ? session.role : role_);
    if (!pair.why_not.empty()) return undecided(recordings, statement, pair.why_not);
    Decided here;
    const auto& [before, after] = decide(recordings, statement, pair, here);
    if (!before.known || !after.known) return undecided(recordings, statement, before.known ? after.why_not : before.why_not);
    // A recording made under the old policy says itself what that policy made of the statement.
    const bool same_policy = session.policy == "sha256:" + before_.policy_hash && pair.before->role().name == session.role;
    if (same_policy && !text.verdict.empty() && text.verdict != policy::name(before.decision.verdict))
        return undecided(recordings, statement, "the recording says " + text.verdict + " where the old policy here says " + std::string(policy::name(before.decision.verdict)) + ": the schema or the session was another");

    if (const auto change = change_of(before.decision.verdict, after.decision.verdict))
        add(recordings, statement, *change, verdict_text(before.decision), verdict_text(after.decision), &after.decision);
    else if (before.decision.shadow != after.decision.shadow) {
        const auto shadow = [](const policy::Decision& decision) { return "shadow " + std::string(policy::name(decision.shadow.value_or(decision.verdict))); };
        add(recordings, statement, Change::in_shadow, shadow(before.decision), shadow(after.decision), &after.decision);
    } else if (after.decision.verdict < Verdict::approve && before.masks != after.masks)
        add(recordings, statement, Change::masked_otherwise, joined(before.masks), joined(after.masks), nullptr);
    if (statement.done && after.decision.verdict < Verdict::approve && before.decision.verdict < Verdict::approve) {
        const auto over = [&](const policy::Decision& decision) { return decision.max_affected && statement.affected > *decision.max_affected; };
        const auto bound = [](const policy::Decision& decision) {
            return decision.max_affected ? "at most " + counted(*decision.max_affected, "row") + ' ' + decision.max_affected_rule : std::string("no bound");
        };
        if (over(before.decision) != over(after.decision))
            add(recordings, statement, over(after.decision) ? Change::over_bound : Change::within_bound, bound(before.decision), bound(after.decision), nullptr);
        limits(recordings, statement, pair.before->role(), pair.after->role());
    }
    if (!changed_) ++out_.unchanged;
}

Comparison Comparer::compare(const Recordings& recordings) {
    for (const auto& one : recordings.statements) statement(recordings, one);
    for (auto& [key, group] : groups_) out_.groups.push_back(std::move(group));
    std::sort(out_.groups.begin(), out_.groups.end(), [](const Group& a, const Group& b) {
        return std::tie(a.change, b.count, a.at, a.session, a.line, a.before) < std::tie(b.change, a.count, b.at, b.session, b.line, b.before);
    });
    // Sessions that would not even begin.
    std::map<std::string, std::size_t> refused;
    for (const auto& session : recordings.sessions) {
        const auto name = role_.empty() ? session.role : role_;
        const auto* before = policy::find_role(before_, name);
        const auto* after = policy::find_role(after_, name);
        if (before && !after) ++refused["role " + name + " is gone"];
        else if (before && after && policy::admits_database(*before, session.database) && !policy::admits_database(*after, session.database))
            ++refused["role " + name + " is no longer for database " + session.database];
    }
    for (const auto& [why, count] : refused) out_.notes.push_back(counted(count, "session") + " would be refused: " + why);
    return std::move(out_);
}

// ---- words ------------------------------------------------------------------------------------------------------------

/// `2 workflows`; where recordings do not name any, the roles.
std::string callers_text(const std::set<std::string>& callers) {
    const bool roles = std::all_of(callers.begin(), callers.end(), [](const std::string& caller) { return caller.starts_with("role "); });
    return counted(callers.size(), roles ? "role" : "workflow");
}

std::string summary(const Comparison& found) {
    const auto denied = found.count(Change::newly_denied) + found.count(Change::denied_not_asked);
    auto out = "would newly deny " + counted(denied, "statement");
    if (denied > 0) out += " from " + callers_text(found.callers_of(Change::newly_denied));
    out += " and newly allow " + std::to_string(found.count(Change::newly_allowed));
    if (const auto masked = found.count(Change::masked_otherwise)) out += "; " + std::to_string(masked) + " would be masked otherwise";
    if (const auto asked = found.count(Change::newly_asked)) out += "; " + std::to_string(asked) + " would need an approver";
    if (const auto over = found.count(Change::over_limit) + found.count(Change::over_bound)) out += "; " + std::to_string(over) + " would go over a limit";
    return out;
}

std::size_t undecided_count(const Comparison& found) {
    std::size_t out = 0;
    for (const auto& [why, one] : found.undecided) out += one.count;
    return out;
}

void print_text(const Comparison& found, std::size_t sessions) {
    std::cout << summary(found) << "\n(" << counted(found.statements, "statement") << " of " << counted(sessions, "session") << ": " << found.unchanged << " unchanged, "
              << undecided_count(found) << " not decided again)\n";
    const Group* last = nullptr;
    for (const auto& group : found.groups) {
        if (!last || last->change != group.change) std::cout << '\n' << title(group.change) << ": " << counted(found.count(group.change), "statement") << '\n';
        last = &group;
        std::cout << "  " << group.count << "x  " << printable(group.sql) << '\n';
        std::cout << "      " << printable(group.before + "  ->  " + group.after) << '\n';
        if (!group.reason.empty()) std::cout << "      because " << printable(group.reason) << '\n';
        if (!group.fix.empty()) std::cout << "      fix     " << printable(group.fix) << '\n';
        std::cout << "      first   " << printable(group.session + " line " + std::to_string(group.line) + ", " + group.at) << '\n';
    }
    if (!found.undecided.empty()) std::cout << "\nnot decided again: " << counted(undecided_count(found), "statement") << '\n';
    for (const auto& [why, one] : found.undecided)
        std::cout << "  " << one.count << "x  " << printable(why) << "\n      first   " << printable(one.session + " line " + std::to_string(one.line)) << '\n';
    if (!found.notes.empty()) std::cout << '\n';
    for (const auto& note : found.notes) std::cout << "note: " << printable(note) << '\n';
}

/// For a table of GitHub's and GitLab's markdown: one line, nothing that ends a cell or begins a link or HTML.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '[' || c == ']' || c == '#' || c == '~') out += '\\';
        if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '&') out += "&amp;";
        else if (c == '@') out += "&#64;";
        else out += c;
    }
    return out;
}

void print_markdown(const Comparison& found, std::size_t sessions) {
    std::cout << "This policy **" << cell(summary(found)) << "** (" << counted(found.statements, "recorded statement") << ", " << counted(sessions, "session") << ").\n";
    if (!found.groups.empty()) std::cout << "\n| change | times | statement | before | after | first seen |\n| --- | ---: | --- | --- | --- | --- |\n";
    for (const auto& group : found.groups)
        std::cout << "| " << title(group.change) << " | " << group.count << " | " << cell(group.sql) << " | " << cell(group.before) << " | "
                  << cell(group.after + (group.reason.empty() ? "" : ": " + group.reason)) << " | " << cell(group.session + " line " + std::to_string(group.line)) << " |\n";
    if (!found.undecided.empty()) std::cout << "\nNot decided again:\n\n";
    for (const auto& [why, one] : found.undecided)
        std::cout << "- " << counted(one.count, "statement") << ": " << cell(why) << " (first " << cell(one.session + " line " + std::to_string(one.line)) << ")\n";
    for (const auto& note : found.notes) std::cout << "\n**Note:** " << cell(note) << '\n';
}

void print_json(const Comparison& found, const Recordings& recordings, const policy::Policy& before, const policy::Policy& after) {
    Json out = {{"v", 1}, {"old", "sha256:" + before.policy_hash}, {"new", "sha256:" + after.policy_hash}, {"summary", summary(found)},
                {"sessions", recordings.sessions.size()}, {"statements", found.statements}, {"unchanged", found.unchanged}};
    out["counts"] = Json::object();
    for (int i = 0; i <= static_cast<int>(Change::in_shadow); ++i) out["counts"][std::string(word(static_cast<Change>(i)))] = found.count(static_cast<Change>(i));
    out["changes"] = Json::array();
    for (const auto& group : found.groups)
        out["changes"].push_back(
            {{"change", word(group.change)}, {"count", group.count}, {"sql", group.sql}, {"before", group.before}, {"after", group.after}, {"reason", group.reason}, {"fix", group.fix},
             {"first", {{"session", group.session}, {"line", group.line}, {"at", group.at}}}, {"callers", group.callers}}
        );
    out["undecided"] = Json::array();
    for (const auto& [why, one] : found.undecided)
        out["undecided"].push_back({{"why", why}, {"count", one.count}, {"first", {{"session", one.session}, {"line", one.line}}}});
    out["notes"] = found.notes;
    out["left_out"] = recordings.left_out;
    std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

// ---- the command ------------------------------------------------------------------------------------------------------

bool fails(const Comparison& found, const std::string& on) {
    if (on == "denied") return found.count(Change::newly_denied) + found.count(Change::denied_not_asked) + found.count(Change::over_bound) + found.count(Change::over_limit) > 0;
    if (on == "allowed") return found.count(Change::newly_allowed) + found.count(Change::no_longer_asked) + found.count(Change::masked_otherwise) > 0;
    if (on == "any") return !found.groups.empty();
    return false;
}

int diff(const Options& options) {
    const auto before = load_policy_file(options.old_policy);
    const auto after = load_policy_file(options.new_policy);
    if (!before || !after) return exit_config;
    if (!options.role.empty() && (!role_of_policy(*before, options.role) || !role_of_policy(*after, options.role))) return exit_usage;
    catalogue::SnapshotRef snapshot;
    if (!load_schema_file(options.schema, snapshot)) return exit_config;
    Recordings recordings;
    if (const int problem = load_recordings(options.against, options.since, recordings); problem != exit_ok) return problem;
    if (recordings.statements.empty()) {
        output().error("there is no recorded statement to compare by");
        return exit_config;
    }
    Comparer comparer(*before, *after, snapshot, options.role);
    auto found = comparer.compare(recordings);
    if (!snapshot) found.notes.push_back("without --schema only the recorded effects are known: not which masks a result has");
    if (!recordings.left_out.empty()) found.notes.push_back(counted(recordings.left_out.size(), "recording") + " could not be read");
    if (options.json) print_json(found, recordings, *before, *after);
    else if (options.markdown) print_markdown(found, recordings.sessions.size());
    else print_text(found, recordings.sessions.size());
    if (!std::cout.flush()) return exit_failed;
    return fails(found, options.fail_on) ? exit_failed : exit_ok;
}

}  // namespace

void add_policy_diff_command(CLI::App& policy, int& exit_code) {
    const auto options = std::make_shared<Options>();
    auto* command = policy.add_subcommand("diff", "What another policy would have made of recorded statements");
    command->add_option("OLD", options->old_policy, "The policy as it is")->required();
    command->add_option("NEW", options->new_policy, "The policy as it shall be")->required();
    command->add_option("--against", options->against, "Recordings, or folders of them")->type_name("PATH")->required();
    command->add_option("--schema", options->schema, "The database's tables and views as CREATE statements; without it much cannot be told")->type_name("FILE");
    command->add_option("--since", options->since, "Only sessions that began at most this long ago (30d, 12h)")->type_name("DURATION");
    command->add_option("--role", options->role, "Decide all of them in this role, whatever role they were recorded in")->type_name("NAME");
    command->add_option("--fail-on", options->fail_on, "End with 1 when something is newly denied, newly allowed (or shown), or either")->check(CLI::IsMember({"denied", "allowed", "any"}));
    command->add_flag("--markdown", options->markdown, "A table for the comment of a pull request");
    command->add_flag("--json", options->json, "One JSON object on stdout");
    command->footer("Example:\n"
                    "  dbguard policy diff old.yaml new.yaml --schema shop.sql --against recordings/ --since 30d\n\n"
                    "What cannot be decided again from what was recorded is counted with the reason, and never guessed.\n"
                    "Exit codes: 0 compared, 1 what --fail-on names was found, 78 a file cannot be used or nothing was recorded.\n");
    command->callback([options, &exit_code] { exit_code = diff(*options); });
}

}  // namespace dbguard::cli
