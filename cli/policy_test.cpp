#include "cli/policy_test.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/policy_files.hpp"
#include "cli/policy_judge.hpp"
#include "policy/load.hpp"
#include "policy/test_suite.hpp"
#include "recording/lexer.hpp"

namespace dbguard::cli {
namespace {

using Json = nlohmann::ordered_json;
using policy::Problem;
using policy::Verdict;
using PolicyRef = std::shared_ptr<const policy::Policy>;

// As policy lint: a caller tells a broken file from a failed case.
constexpr int test_broken = 2;
constexpr int test_failed = 4;

struct Options {
    std::vector<std::string> paths;
    bool verbose = false;
    bool coverage = false;
    bool json = false;
};

/// What was expected and what came instead.
struct Difference {
    std::string what, expected, actual;
};

struct CaseResult {
    policy::Position at;
    std::string name, sql;
    std::vector<Difference> differences;
    std::string reason, fix;  ///< of the decision that was expected to be another
    bool ok() const { return differences.empty(); }
};

struct SuiteRun {
    std::string file, name;
    std::vector<CaseResult> cases;
};

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

/// The n of the highest $n.
std::size_t highest_parameter(const std::string& sql) {
    std::size_t highest = 0;
    recording::Lexer lexer(sql, recording::Lexis::postgres());
    for (auto token = lexer.next(); token.kind != recording::Token::Kind::end && token.kind != recording::Token::Kind::unterminated; token = lexer.next()) {
        if (token.kind != recording::Token::Kind::parameter) continue;
        std::size_t number = 0;
        std::from_chars(sql.data() + token.begin + 1, sql.data() + token.end, number);
        highest = std::max(highest, number);
    }
    return highest;
}

// ---- one message against one expectation ------------------------------------------------------------------------------

bool names_object(const policy::ObjectPattern& pattern, const sql::Object& object) {
    const bool schema = policy::matches_wildcard(pattern.schema, object.schema) || (object.temporary && pattern.schema == "pg_temp");
    if (!schema || !policy::matches_wildcard(pattern.relation, object.name)) return false;
    return !pattern.column || std::any_of(object.columns.begin(), object.columns.end(), [&](const std::string& column) {
        return policy::matches_wildcard(*pattern.column, column);
    });
}

/// `read.table public.customers allow, …`
std::string effects_text(const Judged& judged) {
    std::string out;
    for (const auto& one : judged.statements)
        for (const auto& judgement : one.judgements) {
            out += (out.empty() ? "" : ", ") + std::string(sql::name(one.statement.effects[judgement.effect].effect_class));
            if (!judgement.object.empty()) out += ' ' + judgement.object;
            out += ' ' + std::string(policy::name(judgement.verdict));
        }
    if (!judged.unparsed.empty()) out += (out.empty() ? "" : ", ") + std::string("unparsed ") + std::string(policy::name(judged.unparsed_decision.verdict));
    return or_none(out);
}

bool has_effect(const Judged& judged, sql::EffectClass wanted, std::optional<Verdict> verdict) {
    if (!judged.unparsed.empty() && sql::inside(sql::EffectClass::unparsed, wanted)) return !verdict || judged.unparsed_decision.verdict == *verdict;
    for (const auto& one : judged.statements) {
        // Where masks refuse, each effect by itself may well be allowed.
        const bool by_masks = one.decision.rule.starts_with("masks");
        for (const auto& judgement : one.judgements)
            if (sql::inside(one.statement.effects[judgement.effect].effect_class, wanted) && (!verdict || by_masks || judgement.verdict == *verdict)) return true;
    }
    return false;
}

bool touches_object(const Judged& judged, const policy::ObjectPattern& pattern) {
    for (const auto& one : judged.statements)
        for (const auto& effect : one.statement.effects)
            for (const auto& object : effect.objects)
                if (names_object(pattern, object)) return true;
    return false;
}

using NamedMasks = std::vector<std::pair<std::string, std::string>>;

NamedMasks masks_of(const Judged& judged) {
    NamedMasks out;
    for (const auto& one : judged.statements)
        for (std::size_t i = 0; i < one.statement.outputs.size() && i < one.decision.masks.size(); ++i)
            if (one.decision.masks[i]) out.emplace_back(one.statement.outputs[i].name, masking::text(*one.decision.masks[i]));
    std::sort(out.begin(), out.end());
    return out;
}

std::string masks_text(const NamedMasks& masks) {
    std::string out;
    for (const auto& [name, mask] : masks) out += (out.empty() ? "" : ", ") + name + ": " + mask;
    return or_none(out);
}

std::vector<Difference> differences_of(const Judged& judged, const policy::Expectation& expect) {
    std::vector<Difference> out;
    static const policy::Decision nothing;
    const auto& decision = judged.decisive() ? *judged.decisive() : nothing;
    const auto differ = [&](std::string what, std::string expected, std::string actual) {
        out.push_back({std::move(what), std::move(expected), std::move(actual)});
    };
    if (expect.verdict && *expect.verdict != judged.verdict) differ("verdict", std::string(policy::name(*expect.verdict)), std::string(policy::name(judged.verdict)));
    if (expect.rule && *expect.rule != decision.rule) differ("rule", or_none(*expect.rule), or_none(decision.rule));
    for (const auto effect : expect.effects)
        if (!has_effect(judged, effect, expect.verdict))
            differ("effect", std::string(sql::name(effect)) + (expect.verdict ? ' ' + std::string(policy::name(*expect.verdict)) : ""), effects_text(judged));
    for (const auto& object : expect.objects)
        if (!touches_object(judged, object)) differ("object", policy::text(object), effects_text(judged));
    if (expect.masks)
        if (const auto masks = masks_of(judged); masks != *expect.masks) differ("masks", masks_text(*expect.masks), masks_text(masks));
    if (expect.reason && decision.reason.find(*expect.reason) == std::string::npos) differ("reason", *expect.reason, or_none(decision.reason));
    if (expect.fix && decision.fix.find(*expect.fix) == std::string::npos) differ("fix", *expect.fix, or_none(decision.fix));
    if (expect.max_affected) {
        std::optional<std::uint64_t> bound;
        for (const auto& one : judged.statements)
            if (one.decision.max_affected) bound = std::min(bound.value_or(*one.decision.max_affected), *one.decision.max_affected);
        if (bound != expect.max_affected) differ("max_affected", std::to_string(*expect.max_affected), bound ? std::to_string(*bound) : "none");
    }
    return out;
}

// ---- suites -----------------------------------------------------------------------------------------------------------

class Runner {
  public:
    std::vector<Problem> problems;
    std::vector<SuiteRun> runs;

    /// Used instead of what suites name.
    void use_policy(const std::string& path) { given_ = policy(path, {}); }

    void run(const std::string& file, const std::string& text);

    /// Rules of the roles that were tested which no case has met.
    std::vector<std::string> untested() const {
        std::vector<std::string> out;
        for (const auto& [role, matched] : matched_)
            for (const auto& rule : role->rules)
                if (const auto name = policy::rule_name(*role, rule); !matched.contains(name)) out.push_back(name);
        return out;
    }

  private:
    void error(const std::string& file, policy::Position at, std::string message, std::string suggestion = "") {
        problems.push_back({file, at, policy::Severity::error, std::move(message), std::move(suggestion)});
    }

    /// Null, with problems, when it cannot be used.
    PolicyRef policy(const std::string& path, const Problem& named_by);
    bool schema(const std::string& path, const Problem& named_by, catalogue::SnapshotRef& out);

    void run_case(const policy::TestSuite& suite, const policy::TestCase& one, const PolicyRef& policy, const catalogue::SnapshotRef& snapshot, SuiteRun& run);
    const Judge& judge(const policy::Policy& policy, const policy::Role& role, const catalogue::SnapshotRef& snapshot);

    PolicyRef given_;
    std::map<std::string, PolicyRef> policies_;
    std::map<std::string, catalogue::SnapshotRef> schemas_;
    std::map<std::pair<const policy::Role*, const catalogue::Snapshot*>, std::unique_ptr<Judge>> judges_;
    std::map<const policy::Role*, std::set<std::string>> matched_;
    const std::chrono::system_clock::time_point now_ = std::chrono::system_clock::now();
};

PolicyRef Runner::policy(const std::string& path, const Problem& named_by) {
    if (const auto known = policies_.find(path); known != policies_.end()) return known->second;
    auto& out = policies_[path];
    const auto text = read_file(path, policy::max_policy_bytes);
    if (!text) {
        auto problem = named_by;
        if (problem.file.empty()) problem.file = path;
        problem.message = "the policy cannot be read: " + text.error().detail;
        problems.push_back(std::move(problem));
        return nullptr;
    }
    auto loaded = policy::load(*text, path);
    problems.insert(problems.end(), loaded.problems.begin(), loaded.problems.end());
    if (loaded.policy) out = std::make_shared<const policy::Policy>(std::move(*loaded.policy));
    return out;
}

bool Runner::schema(const std::string& path, const Problem& named_by, catalogue::SnapshotRef& out) {
    if (const auto known = schemas_.find(path); known != schemas_.end()) {
        out = known->second;
        return out != nullptr;
    }
    auto& kept = schemas_[path];
    auto read = read_schema_file(path);
    if (!read) {
        auto problem = named_by;
        problem.message = "the schema cannot be used: " + read.error().detail;
        problems.push_back(std::move(problem));
        return false;
    }
    out = kept = std::move(*read);
    return true;
}

const Judge& Runner::judge(const policy::Policy& policy, const policy::Role& role, const catalogue::SnapshotRef& snapshot) {
    auto& known = judges_[{&role, snapshot.get()}];
    if (!known) known = std::make_unique<Judge>(policy, role, snapshot);
    return *known;
}

void Runner::run(const std::string& file, const std::string& text) {
    auto loaded = policy::load_suite(text, file);
    problems.insert(problems.end(), loaded.problems.begin(), loaded.problems.end());
    if (!loaded.suite) return;
    const auto& suite = *loaded.suite;
    // Paths in a suite are seen from where it stands.
    const auto folder = std::filesystem::path(file).parent_path();
    auto policy = given_;
    if (!policy) {
        if (suite.policy.empty()) return error(file, {1, 1}, "no policy to test", "add `policy:`, or name a policy file before the suite");
        policy = this->policy((folder / suite.policy).lexically_normal().string(), {file, suite.policy_at});
        if (!policy) return;
    }
    catalogue::SnapshotRef snapshot;
    if (!suite.schema.empty() && !schema((folder / suite.schema).lexically_normal().string(), {file, suite.schema_at}, snapshot)) return;
    SuiteRun run{file, suite.name, {}};
    for (const auto& one : suite.cases) run_case(suite, one, policy, snapshot, run);
    runs.push_back(std::move(run));
}

void Runner::run_case(
    const policy::TestSuite& suite, const policy::TestCase& one, const PolicyRef& policy, const catalogue::SnapshotRef& snapshot, SuiteRun& run
) {
    const auto role_name = one.role.value_or(suite.role);
    if (role_name.empty()) return error(suite.file, one.at, "this case is in no role", "add `as: { role: … }` to the suite");
    const auto* role = policy::find_role(*policy, role_name);
    if (!role) {
        std::string known;
        for (const auto& other : policy->roles) known += (known.empty() ? "" : ", ") + other.name;
        return error(suite.file, one.role || !suite.as_at.line ? one.at : suite.as_at, "the policy " + policy->file + " has no role `" + role_name + "`", known.empty() ? "" : "write one of: " + known);
    }
    auto database = one.database.value_or(suite.database);
    if (database.empty()) database = role->databases.front().name;
    const auto* known_database = policy::find_database(*policy, database);
    if (known_database && known_database->engine == policy::Engine::mysql && !one.sql.empty())
        return error(suite.file, one.at, "database `" + database + "` is MySQL's, and only PostgreSQL's grammar is known yet", "test its identities only");
    if (one.expect.masks && !snapshot && !role->masks.empty())
        return error(suite.file, one.expect.at, "without a schema nobody knows which columns there are, so `masks` cannot be told", "add `schema:` to the suite");
    if (one.parameters)
        for (const auto& sql : one.sql)
            if (const auto wanted = highest_parameter(sql); wanted != *one.parameters)
                return error(suite.file, one.parameters_at, "`params` gives " + counted(*one.parameters, "value") + ", and the text asks for " + std::to_string(wanted));

    auto claims = suite.claims;
    for (const auto& [name, values] : one.claims) claims[name] = values;
    const auto refusal = policy::session_refusal(*policy, *role, database, claims);

    CaseResult about_session{one.at, one.name, one.sql.empty() ? std::string("(session)") : trimmed_sql(one.sql.front()), {}, {}, {}};
    if (one.expect.admitted && *one.expect.admitted != refusal.empty())
        about_session.differences.push_back({"session", *one.expect.admitted ? "admitted" : "refused", refusal.empty() ? "admitted" : "refused: " + refusal});
    else if (!one.sql.empty() && !refusal.empty())
        about_session.differences.push_back({"session", "admitted", "refused: " + refusal});
    if (one.sql.empty() || !about_session.ok()) {
        run.cases.push_back(std::move(about_session));
        return;
    }
    const auto& judge = this->judge(*policy, *role, snapshot);
    policy::Facts facts;
    facts.now = one.now.value_or(suite.now.value_or(now_));
    facts.estimated_rows = one.estimated_rows;
    for (const auto& sql : one.sql) {
        const auto judged = judge.judge(sql, facts);
        CaseResult result{one.at, one.name, trimmed_sql(sql), differences_of(judged, one.expect), {}, {}};
        if (const auto* decision = judged.decisive(); decision && !result.ok()) {
            result.reason = decision->reason;
            result.fix = decision->fix;
        }
        for (const auto& statement : judged.statements) matched_[role].insert(statement.decision.rules.begin(), statement.decision.rules.end());
        matched_[role].insert(judged.unparsed_decision.rules.begin(), judged.unparsed_decision.rules.end());
        run.cases.push_back(std::move(result));
    }
}

// ---- the command ------------------------------------------------------------------------------------------------------

struct Found {
    std::string path, text;
    policy::FileKind kind;
};

/// A folder stands for the suites in it and below it. False, after a message: one of the paths cannot be read.
bool find_files(const std::string& path, std::vector<Found>& out) {
    namespace fs = std::filesystem;
    const auto add = [&](const std::string& file) {
        auto text = read_file(file, policy::max_policy_bytes);
        if (!text) {
            output().error(text.error().detail);
            return false;
        }
        const auto kind = policy::file_kind(*text);
        out.push_back({file, std::move(*text), kind});
        return true;
    };
    std::error_code failed;
    if (!fs::is_directory(path, failed)) return add(path);
    std::vector<std::string> files;
    for (auto at = fs::recursive_directory_iterator(path, failed); !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
        const auto extension = at->path().extension();
        if (extension == ".yaml" || extension == ".yml") files.push_back(at->path().string());
    }
    if (failed) {
        output().error(path + ": " + failed.message());
        return false;
    }
    std::sort(files.begin(), files.end());
    const auto before = out.size();
    for (const auto& file : files)
        if (!add(file)) return false;
    // Policies and other files beside the suites are what they test, or none of our business.
    out.erase(std::remove_if(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), [](const Found& one) { return one.kind != policy::FileKind::suite; }), out.end());
    return true;
}

void print_case(const SuiteRun& run, const CaseResult& one) {
    const auto place = run.file + ':' + std::to_string(one.at.line) + ':' + std::to_string(one.at.column);
    std::cout << (one.ok() ? "ok      " : "FAILED  ") << printable(place + ": " + (one.name.empty() ? one.sql : one.name + ": " + one.sql)) << '\n';
    const auto line = [](std::string what, const std::string& text) {
        what.resize(std::max<std::size_t>(what.size(), 12), ' ');
        std::cout << "  " << what << ' ' << printable(text) << '\n';
    };
    for (const auto& difference : one.differences) line(difference.what, "expected " + difference.expected + ", got " + difference.actual);
    if (!one.reason.empty()) line("because", one.reason);
    if (!one.fix.empty()) line("fix", one.fix);
}

Json case_json(const CaseResult& one) {
    Json out = {{"line", one.at.line}, {"sql", one.sql}, {"ok", one.ok()}};
    if (!one.name.empty()) out["name"] = one.name;
    if (one.ok()) return out;
    out["differences"] = Json::array();
    for (const auto& difference : one.differences) out["differences"].push_back({{"what", difference.what}, {"expected", difference.expected}, {"actual", difference.actual}});
    out["reason"] = one.reason;
    out["fix"] = one.fix;
    return out;
}

int test(const Options& options) {
    std::vector<Found> files;
    for (const auto& path : options.paths)
        if (!find_files(path, files)) return test_broken;
    Runner runner;
    std::string policy_file;
    for (const auto& file : files) {
        if (file.kind != policy::FileKind::policy) continue;
        if (!policy_file.empty()) {
            output().error("two policies are named, " + policy_file + " and " + file.path + ": one at a time");
            return exit_usage;
        }
        policy_file = file.path;
        runner.use_policy(file.path);
    }
    const bool policy_is_usable = !policy::has_errors(runner.problems);
    if (policy_is_usable)
        for (const auto& file : files)
            if (file.kind != policy::FileKind::policy) runner.run(file.path, file.text);

    std::size_t cases = 0, failed = 0;
    for (const auto& run : runner.runs)
        for (const auto& one : run.cases) {
            ++cases;
            failed += !one.ok();
        }
    const bool broken = policy::has_errors(runner.problems);
    const bool empty = cases == 0 && !broken;
    if (options.json) {
        Json out = {{"v", 1}, {"cases", cases}, {"failed", failed}};
        out["problems"] = Json::array();
        for (const auto& problem : runner.problems) out["problems"].push_back(policy::text(problem));
        if (empty) out["problems"].push_back("no test case was found");
        out["suites"] = Json::array();
        for (const auto& run : runner.runs) {
            Json list = Json::array();
            for (const auto& one : run.cases) list.push_back(case_json(one));
            out["suites"].push_back({{"file", run.file}, {"suite", run.name}, {"cases", std::move(list)}});
        }
        out["untested"] = runner.untested();
        std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    } else {
        for (const auto& problem : runner.problems) std::cerr << printable(policy::text(problem)) << '\n';
        for (const auto& run : runner.runs)
            for (const auto& one : run.cases)
                if (!one.ok() || options.verbose) print_case(run, one);
        if (options.coverage)
            for (const auto& rule : runner.untested()) std::cout << "untested " << printable(rule) << '\n';
        std::cout << counted(cases, "case") + ", " + std::to_string(failed) + " failed\n";
        if (empty) output().error("no test case was found: a suite has the keys `suite` and `cases`");
    }
    if (!std::cout.flush()) return exit_failed;
    if (broken || empty) return test_broken;
    return failed > 0 ? test_failed : exit_ok;
}

}  // namespace

void add_policy_test_command(CLI::App& policy, int& exit_code) {
    const auto options = std::make_shared<Options>();
    auto* command = policy.add_subcommand("test", "Run test cases against a policy, without a database");
    command->add_option("PATH", options->paths, "Suites, folders of suites, and at most one policy, which is tested instead of those that suites name")->required();
    command->add_flag("-v,--verbose", options->verbose, "Show the cases that pass, too");
    command->add_flag("--coverage", options->coverage, "Name the rules that no case has met");
    command->add_flag("--json", options->json, "One JSON object on stdout");
    command->footer("Example:\n"
                    "  dbguard policy test shop.yaml tests/\n\n"
                    "The form of a suite is in dbguard-policy(1). Exit codes: 0 all as expected, 4 a case failed, 2 a file cannot be used or\n"
                    "there is nothing to test.\n");
    command->callback([options, &exit_code] { exit_code = test(*options); });
}

}  // namespace dbguard::cli
