#include "cli/policy_explain.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/schema_fixture.hpp"
#include "policy/decide.hpp"
#include "policy/load.hpp"
#include "policy/mask_decision.hpp"
#include "policy/masks.hpp"
#include "policy/sensitivity.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/postgres/dialect.hpp"

namespace dbguard::cli {
namespace {

using policy::Verdict;

constexpr std::size_t max_schema_bytes = std::size_t{16} << 20;
constexpr std::size_t max_sql_bytes = std::size_t{16} << 20;

struct Options {
    std::string policy, role, sql, schema;
    bool json = false;
};

/// One statement with all that was weighed.
struct Explained {
    std::string text;
    sql::Statement statement;
    policy::Decision decision;
    std::vector<policy::Judgement> judgements;
};

struct Explanation {
    std::vector<Explained> statements;
    std::string unparsed;
    policy::Decision unparsed_decision;
    Verdict verdict = Verdict::allow;
};

class Explainer {
  public:
    Explainer(const policy::Policy& policy, const policy::Role& role, catalogue::SnapshotRef snapshot)
        : role_(role), snapshot_(std::move(snapshot)), context_(sql::postgres::fixture_context()),
          rules_(policy, role, policy::Engine::postgres), masks_(policy, role) {
        if (snapshot_) sensitivity_ = policy::Sensitivity(masks_, *snapshot_, context_, sql::postgres::dialect());
        facts_.now = std::chrono::system_clock::now();
    }

    Explanation explain(std::string_view text) const {
        const sql::Names names{snapshot_.get(), snapshot_ ? &context_ : nullptr};
        auto analysis = sql::postgres::analyze_text(text, names);
        Explanation out;
        for (auto& statement : analysis.statements) {
            Explained one;
            one.text = trimmed(text.substr(std::min<std::size_t>(statement.begin, text.size()), statement.length));
            if (statement.effects.empty()) one.decision.verdict = Verdict::allow;  // EXECUTE, FETCH: judged when prepared
            else one.decision = policy::decide(rules_, statement, facts_);
            one.judgements = policy::judge(rules_, statement.effects, facts_);
            one.decision.masks.assign(statement.outputs.size(), std::nullopt);
            policy::decide_masks(statement, sensitivity_, role_, one.decision);
            out.verdict = policy::strictest(out.verdict, one.decision.verdict);
            one.statement = std::move(statement);
            out.statements.push_back(std::move(one));
        }
        out.unparsed = analysis.unparsed;
        if (!out.unparsed.empty()) {
            out.unparsed_decision = policy::decide_unparsed(rules_, out.unparsed, facts_);
            out.verdict = policy::strictest(out.verdict, out.unparsed_decision.verdict);
        }
        return out;
    }

    bool masks_unknown() const { return !snapshot_ && !masks_.empty(); }

    /// `public.customers.email`, with the member that is read; `?` for a column nobody knows.
    std::string source_text(const sql::Source& source) const {
        const auto* relation = snapshot_ ? snapshot_->relation(source.column.relation) : nullptr;
        const auto* column = relation ? relation->column(source.column.number) : nullptr;
        if (!column) return "?";
        auto out = relation->schema + '.' + relation->name + '.' + column->name;
        for (const auto& step : source.path) out += "->" + step;
        return out;
    }

  private:
    static std::string trimmed(std::string_view text) {
        const auto begin = text.find_first_not_of(" \t\r\n;");
        if (begin == std::string_view::npos) return {};
        return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n;") - begin + 1));
    }

    const policy::Role& role_;
    catalogue::SnapshotRef snapshot_;
    catalogue::Context context_;
    policy::RoleRules rules_;
    policy::RoleMasks masks_;
    policy::Sensitivity sensitivity_;
    policy::Facts facts_;
};

std::string_view flow_text(sql::Flow flow) {
    switch (flow) {
        case sql::Flow::existence: return "whether there is one";
        case sql::Flow::aggregated: return "aggregated";
        case sql::Flow::transformed: return "computed";
        case sql::Flow::identity: return "as it is";
    }
    return "computed";
}

/// `redact (tax.tin)`: with the members or detectors it is for.
std::string mask_text(const masking::Mask& mask) {
    std::string only;
    for (const auto& path : mask.keys) {
        if (!only.empty()) only += ", ";
        for (const auto& step : path) only += (&step == &path.front() ? "" : ".") + policy::quoted_name(step);
    }
    for (const auto& detector : mask.detectors) only += (only.empty() ? "" : ", ") + detector;
    return masking::text(mask) + (only.empty() ? "" : " (" + only + ')');
}

// ---- text -----------------------------------------------------------------------------------------------------------

std::string upper(std::string_view word) {
    std::string out(word);
    for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return out;
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.resize(width, ' ');
    return text;
}

void line(std::string_view label, const std::string& text) {
    std::cout << "  " << padded(std::string(label), 8) << printable(text) << '\n';
}

void print_decision(const policy::Decision& decision) {
    if (!decision.reason.empty()) line("reason", decision.reason);
    if (!decision.rule.empty() && decision.verdict != Verdict::allow) line("rule", decision.rule);
    if (!decision.fix.empty() && decision.verdict >= Verdict::approve) line("fix", decision.fix);
    if (decision.max_affected) line("bound", decision.max_affected_reason);
    if (decision.shadow) line("shadow", std::string(policy::name(*decision.shadow)) + " were it enforced");
}

/// `public.customers(id, email)`, or the setting.
std::string object_text(const policy::Judgement& judgement, const sql::Effect& effect) {
    if (judgement.object.empty()) return effect.setting;
    auto out = judgement.object;
    for (const auto& column : judgement.columns)
        out += (&column == &judgement.columns.front() ? "(" : ", ") + policy::quoted_name(column);
    return judgement.columns.empty() ? out : out + ')';
}

void print_statement(const Explainer& explainer, const Explained& one) {
    std::cout << padded(upper(policy::name(one.decision.verdict)), 8) << printable(one.text) << '\n';
    for (const auto& judgement : one.judgements) {
        const auto& effect = one.statement.effects[judgement.effect];
        auto text = padded(std::string(sql::name(effect.effect_class)), 14) + ' ';
        text += padded(object_text(judgement, effect), 36) + ' ';
        text += padded(std::string(policy::name(judgement.verdict)), 8) + (judgement.rule.empty() ? "no rule opens it" : judgement.rule);
        line("effect", text);
    }
    for (std::size_t i = 0; i < one.statement.outputs.size(); ++i) {
        const auto& output = one.statement.outputs[i];
        std::string from;
        for (const auto& source : output.sources) {
            if (!from.empty()) from += ", ";
            from += explainer.source_text(source);
            if (source.flow != sql::Flow::identity) from += " (" + std::string(flow_text(source.flow)) + ')';
        }
        if (output.opaque) from += from.empty() ? "anything" : ", anything";
        const auto mask = i < one.decision.masks.size() ? one.decision.masks[i] : std::nullopt;
        line("output", padded(output.name, 14) + ' ' + padded(from.empty() ? "-" : from, 36) + ' ' + (mask ? mask_text(*mask) : ""));
    }
    for (const auto& filter : one.statement.filters)
        line("filter", explainer.source_text(filter.source) + (filter.use == sql::Filter::Use::equality ? " = given values" : ""));
    for (const auto& copy : one.statement.copies) {
        std::string from;
        for (const auto& source : copy.sources) from += (from.empty() ? "" : ", ") + explainer.source_text(source);
        for (const auto& function : copy.functions) from += (from.empty() ? "" : ", ") + ("code of " + function);
        if (copy.opaque) from += from.empty() ? "anything" : ", anything";
        line("copy", from + " to " + copy.target_name);
    }
    print_decision(one.decision);
}

void print_text(const Explainer& explainer, const Explanation& explanation) {
    for (const auto& one : explanation.statements) print_statement(explainer, one);
    if (!explanation.unparsed.empty()) {
        std::cout << padded(upper(policy::name(explanation.unparsed_decision.verdict)), 8) << "not understood: " << printable(explanation.unparsed) << '\n';
        print_decision(explanation.unparsed_decision);
    }
    if (explainer.masks_unknown()) std::cout << "note: without --schema nobody knows which columns there are, so masks are not shown\n";
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

using Json = nlohmann::ordered_json;

Json decision_json(const policy::Decision& decision) {
    Json out = {{"verdict", policy::name(decision.verdict)}, {"rule", decision.rule}, {"reason", decision.reason}, {"fix", decision.fix}};
    out["rules"] = decision.rules;
    if (decision.max_affected) out["max_affected"] = {{"rows", *decision.max_affected}, {"rule", decision.max_affected_rule}};
    if (decision.shadow) out["shadow"] = policy::name(*decision.shadow);
    return out;
}

Json statement_json(const Explainer& explainer, const Explained& one) {
    auto out = decision_json(one.decision);
    out["sql"] = one.text;
    out["effects"] = Json::array();
    for (const auto& judgement : one.judgements) {
        const auto& effect = one.statement.effects[judgement.effect];
        out["effects"].push_back(
            {{"class", sql::name(effect.effect_class)}, {"object", judgement.object}, {"columns", judgement.columns}, {"setting", effect.setting},
             {"verdict", policy::name(judgement.verdict)}, {"rule", judgement.rule}, {"rules", judgement.rules}}
        );
    }
    out["outputs"] = Json::array();
    for (std::size_t i = 0; i < one.statement.outputs.size(); ++i) {
        const auto& output = one.statement.outputs[i];
        Json sources = Json::array();
        for (const auto& source : output.sources)
            sources.push_back({{"column", explainer.source_text(source)}, {"flow", flow_text(source.flow)}});
        const auto mask = i < one.decision.masks.size() ? one.decision.masks[i] : std::nullopt;
        out["outputs"].push_back(
            {{"name", output.name}, {"sources", std::move(sources)}, {"opaque", output.opaque}, {"mask", mask ? Json(mask_text(*mask)) : Json(nullptr)}}
        );
    }
    out["filters"] = Json::array();
    for (const auto& filter : one.statement.filters)
        out["filters"].push_back({{"column", explainer.source_text(filter.source)}, {"use", filter.use == sql::Filter::Use::equality ? "equality" : "other"}});
    out["copies"] = Json::array();
    for (const auto& copy : one.statement.copies) {
        Json sources = Json::array();
        for (const auto& source : copy.sources) sources.push_back(explainer.source_text(source));
        out["copies"].push_back({{"to", copy.target_name}, {"from", std::move(sources)}, {"functions", copy.functions}, {"opaque", copy.opaque}});
    }
    return out;
}

void print_json(const Explainer& explainer, const Explanation& explanation, const policy::Policy& policy, const std::string& role) {
    Json out = {{"v", 1}, {"policy", "sha256:" + policy.policy_hash}, {"role", role}, {"verdict", policy::name(explanation.verdict)}};
    out["statements"] = Json::array();
    for (const auto& one : explanation.statements) out["statements"].push_back(statement_json(explainer, one));
    if (!explanation.unparsed.empty()) {
        out["unparsed"] = decision_json(explanation.unparsed_decision);
        out["unparsed"]["why"] = explanation.unparsed;
    }
    std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

// ---- the command ----------------------------------------------------------------------------------------------------

/// `-` is standard input.
std::string sql_text(const std::string& option) {
    if (option != "-") return option;
    std::string text;
    char buffer[65536];
    while (text.size() <= max_sql_bytes && std::cin.read(buffer, sizeof buffer).gcount() > 0)
        text.append(buffer, static_cast<std::size_t>(std::cin.gcount()));
    return text;
}

int explain(const Options& options) {
    const auto text = read_file(options.policy, policy::max_policy_bytes);
    if (!text) {
        output().error(text.error().text());
        return exit_config;
    }
    const auto loaded = policy::load(*text, options.policy);
    for (const auto& problem : loaded.problems) std::cerr << printable(policy::text(problem)) << '\n';
    if (!loaded.policy) return exit_config;
    const auto* role = policy::find_role(*loaded.policy, options.role);
    if (!role) {
        std::string known;
        for (const auto& one : loaded.policy->roles) known += (known.empty() ? "" : ", ") + one.name;
        output().error("the policy has no role " + options.role + (known.empty() ? "" : "; it has " + known));
        return exit_usage;
    }
    catalogue::SnapshotRef snapshot;
    if (!options.schema.empty()) {
        const auto ddl = read_file(options.schema, max_schema_bytes);
        if (!ddl) {
            output().error(ddl.error().text());
            return exit_config;
        }
        auto schema = read_schema(*ddl);
        if (!schema) {
            output().error(options.schema + ": " + schema.error().detail);
            return exit_config;
        }
        snapshot = std::move(*schema);
    }
    const auto sql = sql_text(options.sql);
    if (sql.size() > max_sql_bytes) {
        output().error("the SQL is larger than 16 MiB");
        return exit_usage;
    }
    const Explainer explainer(*loaded.policy, *role, std::move(snapshot));
    const auto explanation = explainer.explain(sql);
    if (options.json) print_json(explainer, explanation, *loaded.policy, role->name);
    else print_text(explainer, explanation);
    return exit_ok;
}

}  // namespace

void add_policy_explain_command(CLI::App& policy, int& exit_code) {
    const auto options = std::make_shared<Options>();
    auto* command = policy.add_subcommand("explain", "Say what a role's rules make of a statement, and why");
    command->add_option("POLICY", options->policy, "The policy file")->required();
    command->add_option("--role", options->role, "The role")->type_name("NAME")->required();
    command->add_option("--sql", options->sql, "One message's text; - reads it from stdin")->type_name("SQL")->required();
    command->add_option("--schema", options->schema, "Tables and views as CREATE statements; without it masks are not shown")->type_name("FILE");
    command->add_flag("--json", options->json, "One JSON object on stdout");
    command->footer("Example:\n"
                    "  dbguard policy explain shop.yaml --role tester --schema shop.sql --sql 'SELECT upper(email) FROM customers'\n\n"
                    "PostgreSQL's grammar; no database is asked. Exit code 0 whatever the verdict.\n");
    command->callback([options, &exit_code] { exit_code = explain(*options); });
}

}  // namespace dbguard::cli
