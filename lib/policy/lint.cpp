#include "policy/lint.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "policy/lint_catalogue.hpp"

namespace dbguard::policy {
namespace {

using sql::EffectClass;

template <class Range, class Predicate>
bool any(const Range& range, Predicate predicate) {
    return std::any_of(std::begin(range), std::end(range), predicate);
}

template <class Range, class T>
bool holds(const Range& range, const T& value) {
    return std::find(std::begin(range), std::end(range), value) != std::end(range);
}

bool wild(std::string_view text) { return text.find('*') != std::string_view::npos; }

class Linter {
  public:
    Linter(const Policy& policy, const LintContext& context) : policy_(policy), context_(context) {}

    std::vector<Problem> problems;

    void run() {
        for (const auto& identity : policy_.identities) check_identity(identity);
        for (const auto& role : policy_.roles) check_role(role);
        for (const auto& set : policy_.masks) check_masks(set);
        for (const auto& approval : policy_.approvals) check_approval(approval);
        check_use();
        if (context_.snapshot) lint_catalogue(policy_, *context_.snapshot, problems);
    }

  private:
    void add(Severity severity, Position at, std::string message, std::string suggestion = "") {
        problems.push_back({policy_.file, at, severity, std::move(message), std::move(suggestion)});
    }
    void error(Position at, std::string message, std::string suggestion = "") {
        add(Severity::error, at, std::move(message), std::move(suggestion));
    }
    void warning(Position at, std::string message, std::string suggestion = "") {
        add(Severity::warning, at, std::move(message), std::move(suggestion));
    }
    void note(Position at, std::string message, std::string suggestion = "") {
        add(Severity::note, at, std::move(message), std::move(suggestion));
    }

    // ---- identities --------------------------------------------------------------------------------------------------

    void check_identity(const Identity& identity);
    void check_claim(const Identity& identity, const Claim& claim, bool has_id);

    // ---- roles -------------------------------------------------------------------------------------------------------

    void check_role(const Role& role);
    void check_pull_requests(const Role& role);
    void check_record(const Role& role);
    void check_environment(const Role& role);
    void check_rule(const Role& role, const Rule& rule);
    void check_overridden(const Role& role, const Rule& rule);
    void check_counting(const Role& role, const Rule& rule);
    void check_wide_open(const Rule& rule);

    // ---- the rest ----------------------------------------------------------------------------------------------------

    void check_masks(const MaskSet& set);
    void check_approval(const Approval& approval);
    void check_use();

    bool has_database(const Role& role, bool (*predicate)(const Database&)) const {
        return any(role.databases, [&](const Reference& one) {
            const auto* database = find_database(policy_, one.name);
            return database && predicate(*database);
        });
    }

    const Policy& policy_;
    const LintContext& context_;
};

// ---- identities -----------------------------------------------------------------------------------------------------

/// Claims that name one thing for ever: numbers and UUIDs that are not given out again. Sources: the platforms' OIDC
/// references (GitHub Actions, GitLab, CircleCI, Buildkite, Azure DevOps, Bitbucket, HCP Terraform).
constexpr std::array<std::string_view, 24> immutable_ids = {
    "repository_id", "repository_owner_id", "enterprise_id", "project_id", "namespace_id", "job_project_id",
    "oidc.circleci.com/project-id", "oidc.circleci.com/org-id", "organization_id", "pipeline_id", "cluster_id",
    "prj_id", "rpo_id", "org_id", "def_id", "repositoryUuid", "workspaceUuid", "pipelineUuid",
    "terraform_workspace_id", "terraform_project_id", "terraform_organization_id", "client_id", "azp", "oid",
};

/// Names that can be changed and taken by somebody else, with the id that pins them.
struct MutableName {
    std::string_view name, id;
};
constexpr std::array<MutableName, 12> mutable_names = {{
    {"repository", "repository_id"}, {"repository_owner", "repository_owner_id"}, {"actor", "actor_id"},
    {"enterprise", "enterprise_id"}, {"project_path", "project_id"}, {"namespace_path", "namespace_id"},
    {"user_login", "user_id"}, {"user_email", "user_id"}, {"organization_slug", "organization_id"},
    {"pipeline_slug", "pipeline_id"}, {"terraform_workspace_name", "terraform_workspace_id"},
    {"terraform_organization_name", "terraform_organization_id"},
}};

/// Events whose jobs have the repository's rights while a stranger's content may be checked out.
constexpr std::array<std::string_view, 4> dangerous_events = {
    "pull_request_target", "workflow_run", "issue_comment", "issues"};

/// Audiences that platforms fill in, or that tokens for others carry: such a token can be replayed here.
bool default_audience(std::string_view audience) {
    return audience.starts_with("https://github.com/") || audience.starts_with("https://gitlab.com") ||
           audience == "sts.amazonaws.com" || audience == "api://AzureADTokenExchange" || audience == "sigstore" ||
           audience == "https://kubernetes.default.svc" || audience == "https://vault.example.com" ||
           audience.starts_with("ari:cloud:bitbucket::workspace/");
}

const Claim* find_claim(const Identity& identity, std::string_view name) {
    const auto found = std::find_if(identity.claims.begin(), identity.claims.end(), [&](const Claim& claim) {
        return claim.name == name;
    });
    return found == identity.claims.end() ? nullptr : &*found;
}

bool admits_value(const Claim& claim, std::string_view value) {
    return any(claim.values, [&](const std::string& pattern) { return matches_wildcard(pattern, value); });
}

bool is_github(const Identity& identity) {
    return identity.issuer.find("token.actions.") != std::string::npos || identity.issuer.ends_with("/_services/token");
}

/// A job of a pull request can have this identity: it says so, or nothing in it says otherwise.
bool admits_pull_requests(const Identity& identity) {
    const auto* event = find_claim(identity, "event_name");
    if (event && !admits_value(*event, "pull_request")) return false;
    if (!event && (!is_github(identity) || find_claim(identity, "environment"))) return false;
    const auto* ref = find_claim(identity, "ref");
    return !ref || admits_value(*ref, "refs/pull/1/merge");
}

void Linter::check_identity(const Identity& identity) {
    if (wild(identity.issuer))
        error(identity.issuer_at, "the issuer has a `*`, but issuers are compared byte for byte", "write one issuer");
    else if (!identity.issuer.starts_with("https://"))
        warning(identity.issuer_at, "the issuer is not https", "use an issuer whose keys are fetched over TLS");
    if (default_audience(identity.audience))
        warning(
            identity.audience_at, "the audience " + quoted(identity.audience) + " is one that others use as well",
            "ask for tokens with an audience of your own, such as dbguard.your.domain"
        );
    const bool has_id = any(identity.claims, [](const Claim& claim) {
        return holds(immutable_ids, claim.name) && !any(claim.values, [](const auto& value) { return wild(value); });
    });
    if (!has_id && identity.kind != IdentityKind::human)
        error(
            identity.at, "identity " + quoted(identity.name) + " is matched by names only, which can be given to others",
            "add an id that never changes hands, such as repository_id or project_id"
        );
    for (const auto& claim : identity.claims) check_claim(identity, claim, has_id);
    if (is_github(identity) && !find_claim(identity, "event_name") && !find_claim(identity, "environment") &&
        !find_claim(identity, "ref"))
        warning(
            identity.at, "identity " + quoted(identity.name) + " admits every event and branch, pull requests included",
            "add event_name, ref or environment"
        );
}

void Linter::check_claim(const Identity& identity, const Claim& claim, bool has_id) {
    if (claim.name == "sub" && identity.kind != IdentityKind::human)
        error(
            claim.at, "`sub` is a text that the platform may change and the repository's owner may shape",
            "match the ids it is made of"
        );
    for (const auto& value : claim.values) {
        if (!wild(value)) continue;
        if (value.find_first_not_of('*') == std::string::npos)
            warning(claim.at, "claim " + quoted(claim.name) + " admits any value", "name the values, or leave it out");
        else if (has_id)
            warning(claim.at, "claim " + quoted(claim.name) + " has a `*`", "name the values where you can");
        else
            error(claim.at, "claim " + quoted(claim.name) + " has a `*`, and nothing else pins the identity", "name the values");
    }
    for (const auto& pair : mutable_names)
        if (pair.name == claim.name && !find_claim(identity, pair.id) && identity.kind != IdentityKind::human)
            warning(
                claim.at, quoted(claim.name) + " is a name that can be given to others",
                "match " + quoted(pair.id) + " as well"
            );
    if (claim.name != "event_name") return;
    for (const auto event : dangerous_events)
        if (holds(claim.values, event))
            warning(
                claim.at, "jobs of " + quoted(event) + " have the repository's rights while strangers' content may run",
                "take it out"
            );
}

// ---- what rules can match -------------------------------------------------------------------------------------------

/// Some effect is in both.
bool overlap(EffectClass a, EffectClass b) { return sql::inside(a, b) || sql::inside(b, a); }

bool overlaps_any(const std::vector<EffectClass>& classes, const std::vector<EffectClass>& others) {
    return any(classes, [&](EffectClass one) { return any(others, [&](EffectClass other) { return overlap(one, other); }); });
}

bool opens(const Rule& rule) {
    return rule.verdict != Verdict::deny && !rule.shadow && !(rule.when && rule.when->counts_rows());
}

/// Only what the session made for itself.
bool temporary_only(const Rule& rule) {
    if (rule.when && rule.when->temporary.value_or(false)) return true;
    return !rule.of.empty() && std::all_of(rule.of.begin(), rule.of.end(), [](const ObjectPattern& pattern) {
        return pattern.schema == "pg_temp";
    });
}

const std::vector<EffectClass> with_objects = {
    EffectClass::read, EffectClass::write, EffectClass::ddl, EffectClass::bulk, EffectClass::dcl, EffectClass::call,
    EffectClass::lock, EffectClass::notify, EffectClass::maintenance, EffectClass::server, EffectClass::unparsed};
const std::vector<EffectClass> with_rows = {EffectClass::read, EffectClass::write, EffectClass::bulk_export};
const std::vector<EffectClass> with_rewrites = {
    EffectClass::ddl, EffectClass::maintenance, EffectClass::server, EffectClass::call, EffectClass::unparsed};
const std::vector<EffectClass> with_functions = {
    EffectClass::call, EffectClass::server, EffectClass::lock, EffectClass::notify, EffectClass::unparsed};
const std::vector<EffectClass> with_counts = {EffectClass::write, EffectClass::bulk_import};

/// What keeps the rule from ever matching; empty when it can.
std::string_view never_matches(const Rule& rule) {
    if (!rule.of.empty() && !overlaps_any(rule.classes, with_objects)) return "`of`";
    if (!rule.when) return {};
    const auto& when = *rule.when;
    if (when.where && !overlaps_any(rule.classes, with_rows)) return "`where`";
    if (when.limit && !overlaps_any(rule.classes, with_rows)) return "`limit`";
    if (when.rewrites_table.value_or(false) && !overlaps_any(rule.classes, with_rewrites)) return "`rewrites_table`";
    if (!when.functions.empty() && !overlaps_any(rule.classes, with_functions)) return "`function`";
    if (!when.settings.empty() && !overlaps_any(rule.classes, {EffectClass::session_set})) return "`setting`";
    if (when.affected_rows && !overlaps_any(rule.classes, with_counts)) return "`affected_rows`";
    return {};
}

// ---- roles ----------------------------------------------------------------------------------------------------------

void Linter::check_role(const Role& role) {
    if (!role.limits_given)
        warning(role.at, "role " + quoted(role.name) + " has no limits", "add `limits: { rows: …, time: … }`");
    if (!role.session.ttl) note(role.at, "sessions of role " + quoted(role.name) + " have no `ttl` of their own");
    if (in_shadow(policy_, role))
        warning(role.at, "role " + quoted(role.name) + " is in shadow: nothing of its rules is enforced");
    if (!any(role.rules, opens)) error(role.at, "no rule of role " + quoted(role.name) + " opens anything");
    check_pull_requests(role);
    check_record(role);
    check_environment(role);
    for (const auto& rule : role.rules) check_rule(role, rule);
}

/// A job of a pull request runs what its author wrote.
void Linter::check_pull_requests(const Role& role) {
    const auto reachable = std::find_if(role.identities.begin(), role.identities.end(), [&](const Reference& one) {
        const auto* identity = find_identity(policy_, one.name);
        return identity && admits_pull_requests(*identity);
    });
    if (reachable == role.identities.end()) return;
    const auto suggestion = "take pull_request out of the identity, or give it a role that only reads";
    for (const auto& rule : role.rules)
        if (opens(rule) && rule.verdict != Verdict::approve && !temporary_only(rule) &&
            overlaps_any(rule.classes, {EffectClass::write, EffectClass::ddl}))
            error(rule.at, "this opens writes to jobs of pull requests (identity " + quoted(reachable->name) + ")", suggestion);
    for (const auto& reference : role.masks) {
        const auto* set = find_masks(policy_, reference.name);
        for (const auto& rule : set ? set->columns : std::vector<MaskRule>())
            if (rule.mask.function == masking::Function::keep)
                error(
                    rule.at, "this shows a column to jobs of pull requests (identity " + quoted(reachable->name) + ")",
                    suggestion
                );
    }
}

void Linter::check_record(const Role& role) {
    if (record_settings(policy_, role).sql != RecordSql::full) return;
    const auto at = role.record && role.record->sql ? role.record->sql_at : policy_.record->sql_at;
    const bool agents = any(role.identities, [&](const Reference& one) {
        const auto* identity = find_identity(policy_, one.name);
        return identity && identity->kind == IdentityKind::agent;
    });
    if (agents) error(at, "`sql: full` records what agents type, secrets and all (role " + quoted(role.name) + ")", "write `sql: masked`");
    if (has_database(role, [](const Database& database) { return holds(database.tags, "pci"); }))
        error(at, "`sql: full` on a database tagged pci (role " + quoted(role.name) + ")", "write `sql: masked`");
}

/// In shadow nothing of the rules is enforced: not where it matters.
void Linter::check_environment(const Role& role) {
    if (context_.environment.empty()) return;
    const bool there = any(role.databases, [&](const Reference& one) {
        const auto* database = find_database(policy_, one.name);
        return database && holds(database->tags, context_.environment);
    });
    if (!there) return;
    const auto where = " on a database tagged " + quoted(context_.environment);
    if (in_shadow(policy_, role)) error(role.at, "role " + quoted(role.name) + " is in shadow" + where, "write `mode: enforce`");
    for (const auto& rule : role.rules)
        if (rule.shadow) error(rule.at, "this rule is in shadow" + where, "take `shadow` out");
}

void Linter::check_rule(const Role& role, const Rule& rule) {
    const auto never = never_matches(rule);
    if (!never.empty()) {
        error(rule.at, "this rule never matches: " + std::string(never) + " says nothing about its classes", "take it out");
        return;
    }
    if (rule.when && rule.when->in_plan.value_or(false))
        warning(rule.at, "no statement is a step of a plan yet: this rule never matches");
    check_counting(role, rule);
    check_overridden(role, rule);
    if (opens(rule) && rule.verdict != Verdict::approve) check_wide_open(rule);
    if (rule.verdict == Verdict::approve && rule.approve_at == ApproveAt::commit) {
        if (overlaps_any(rule.classes, {EffectClass::ddl}) &&
            has_database(role, [](const Database& database) { return database.engine == Engine::mysql; }))
            warning(rule.at, "MySQL commits DDL by itself: this is asked before the statement, not at commit");
    } else if (rule.approve_at == ApproveAt::commit) {
        warning(rule.at, "`at` says when an approver is asked, and this rule asks nobody", "take `at` out");
    }
    if (rule.verdict == Verdict::deny && !rule.shadow && rule.why.empty() && rule.fix.empty() &&
        !any(role.rules, [&](const Rule& other) { return opens(other) && overlaps_any(other.classes, rule.classes); }))
        note(rule.at, "nothing in this role opens what this rule denies: it would be denied without it");
}

/// Rules that count rows tighten what another rule opens.
void Linter::check_counting(const Role& role, const Rule& rule) {
    if (!rule.when || !rule.when->counts_rows()) return;
    const auto* what = rule.when->affected_rows ? "`affected_rows`" : "`estimated_rows`";
    if (rule.verdict == Verdict::allow) {
        error(rule.at, std::string("an `allow` with ") + what + " opens nothing", "write it without, and add a `deny` with the bound");
        return;
    }
    if (rule.verdict == Verdict::warn && rule.when->affected_rows)
        warning(rule.at, "rows are counted when the statement has run: nobody sees this warning", "write `deny` or `approve`");
    if (!any(role.rules, [&](const Rule& other) { return opens(other) && overlaps_any(other.classes, rule.classes); }))
        error(rule.at, std::string("this rule with ") + what + " has nothing to tighten: no rule opens its classes", "add the rule that opens them");
}

/// Whatever `inner` names, `outer` names as well.
bool covers(const ObjectPattern& outer, const ObjectPattern& inner) {
    // A name with a `*` is within another when that one matches it as text: `audit.log_*` is within `audit.*`.
    if (!matches_wildcard(outer.schema, inner.schema) || !matches_wildcard(outer.relation, inner.relation)) return false;
    return !outer.column || *outer.column == "*" || (inner.column && matches_wildcard(*outer.column, *inner.column));
}

void Linter::check_overridden(const Role& role, const Rule& rule) {
    // Several denials together may leave nothing.
    const auto denied_whole = [&](EffectClass one) {
        return any(role.rules, [&](const Rule& other) {
            return other.verdict == Verdict::deny && !other.when && other.of.empty() && !other.shadow &&
                   any(other.classes, [&](EffectClass outer) { return sql::inside(one, outer); });
        });
    };
    const bool by_several = rule.verdict != Verdict::deny && rule.classes.size() > 1 && std::all_of(rule.classes.begin(), rule.classes.end(), denied_whole);
    for (const auto& other : role.rules) {
        if (&other == &rule || other.verdict != Verdict::deny || other.when || other.shadow) continue;
        const bool objects = other.of.empty() || (!rule.of.empty() && std::all_of(rule.of.begin(), rule.of.end(), [&](const ObjectPattern& inner) {
                                                      return any(other.of, [&](const ObjectPattern& outer) { return covers(outer, inner); });
                                                  }));
        const bool covered = objects && std::all_of(rule.classes.begin(), rule.classes.end(), [&](EffectClass one) {
            return any(other.classes, [&](EffectClass outer) { return sql::inside(one, outer); });
        });
        if (!covered) continue;
        const auto name = rule_name(role, other);
        if (rule.verdict != Verdict::deny) error(rule.at, "this rule opens nothing: " + name + " denies all of it", "take one of them out");
        else if (!other.of.empty()) continue;  // narrower or equal: two ways to say where a table is closed are no trap
        else if (rule.of.empty() && !rule.when && rule.number < other.number && other.classes == rule.classes)
            warning(rule.at, "this rule says the same as " + name, "take one of them out");
        else if (!rule.of.empty() || rule.when)
            note(rule.at, "this rule denies only what " + name + " denies anyhow");
        return;
    }
    if (by_several) error(rule.at, "this rule opens nothing: other rules deny each of its classes", "take one of them out");
}

void Linter::check_wide_open(const Rule& rule) {
    const bool narrowed = !rule.of.empty() || rule.when;
    if (overlaps_any(rule.classes, {EffectClass::server}))
        warning(rule.at, "this opens files, programs and settings of the server", "deny `server`");
    if (overlaps_any(rule.classes, {EffectClass::unparsed}))
        warning(rule.at, "this opens statements that could not be understood, so nothing of them is checked or masked", "deny `unparsed`");
    if (overlaps_any(rule.classes, {EffectClass::dcl}))
        warning(rule.at, "this opens changes of accounts and privileges", "deny `dcl`");
    if (!narrowed && overlaps_any(rule.classes, {EffectClass::call}))
        warning(rule.at, "this opens every function, whatever it does", "name them: `when: { function: [schema.name] }`");
    if (!narrowed && overlaps_any(rule.classes, {EffectClass::session_set}))
        note(rule.at, "this opens every setting", "name them: `when: { setting: [search_path, …] }`");
}

// ---- masks and approvals --------------------------------------------------------------------------------------------

void Linter::check_masks(const MaskSet& set) {
    if (set.columns.empty()) warning(set.at, "mask set " + quoted(set.name) + " masks nothing");
    for (const auto& rule : set.columns) {
        const bool exact = !rule.columns.empty() && std::all_of(rule.columns.begin(), rule.columns.end(), [](const ObjectPattern& one) {
            return one.exact();
        });
        if (rule.mask.function == masking::Function::keep && !exact)
            warning(rule.at, "`keep` unmasks by a column's exact name only", "name the columns");
        if (rule.everywhere)
            warning(rule.at, "a detector without `in` looks into every column, and all of them count as masked", "add `in`");
    }
    if (set.filter == Filter::allow)
        note(set.at, "`filter: allow` lets anybody find a masked value by asking for it often enough");
}

void Linter::check_approval(const Approval& approval) {
    bool only_people = true;
    for (const auto& from : approval.from) {
        const bool group = from.starts_with("group:");
        only_people = only_people && !group;
        if (!group && !from.starts_with("user:"))
            error(approval.at, quoted(from) + " is nobody: approvers are `group:…` or `user:…`", "write " + quoted("group:" + from));
    }
    if (only_people && approval.quorum > approval.from.size())
        error(
            approval.quorum_at.line ? approval.quorum_at : approval.at,
            "the quorum is " + std::to_string(approval.quorum) + ", but only " + std::to_string(approval.from.size()) + " can answer",
            "name more people, or ask for fewer"
        );
    if (!approval.wait) note(approval.at, "approval " + quoted(approval.name) + " has no `wait`");
}

// ---- what nobody uses -----------------------------------------------------------------------------------------------

void Linter::check_use() {
    if (policy_.identities.empty())
        note({1, 1}, "there are no identities: this policy is of use in standalone mode only");
    std::set<std::string_view> identities, databases, masks, approvals;
    for (const auto& role : policy_.roles) {
        for (const auto& one : role.identities) identities.insert(one.name);
        for (const auto& one : role.databases) databases.insert(one.name);
        for (const auto& one : role.masks) masks.insert(one.name);
        if (role.approve_session) approvals.insert(role.approve_session->name);
        for (const auto& rule : role.rules) approvals.insert(rule.by);
    }
    for (const auto& one : policy_.identities)
        if (!identities.contains(one.name)) warning(one.at, "no role is for identity " + quoted(one.name));
    for (const auto& one : policy_.databases)
        if (!databases.contains(one.name)) note(one.at, "no role uses database " + quoted(one.name));
    for (const auto& one : policy_.masks)
        if (!masks.contains(one.name)) warning(one.at, "no role uses mask set " + quoted(one.name));
    for (const auto& one : policy_.approvals)
        if (!approvals.contains(one.name)) note(one.at, "no rule asks approval " + quoted(one.name));
}

}  // namespace

std::vector<Problem> lint(const Policy& policy, const LintContext& context) {
    Linter linter(policy, context);
    linter.run();
    auto& problems = linter.problems;
    std::sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
        return std::tie(a.at, a.severity, a.message) < std::tie(b.at, b.severity, b.message);
    });
    problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
    return std::move(problems);
}

}  // namespace dbguard::policy
