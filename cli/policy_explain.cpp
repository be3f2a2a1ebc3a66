#include "cli/policy_explain.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/policy_files.hpp"
#include "cli/policy_judge.hpp"

namespace dbguard::cli {
namespace {

using policy::Verdict;

constexpr std::size_t max_sql_bytes = std::size_t{16} << 20;

struct Options {
    std::string policy, role, sql, schema;
    bool json = false;
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
    if (decision.verdict != Verdict::allow) line("rule", decision.rule.empty() ? "none opens it" : decision.rule);
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

void print_statement(const Judge& judge, const JudgedStatement& one) {
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
            from += judge.source_text(source);
            if (source.flow != sql::Flow::identity) from += " (" + std::string(flow_text(source.flow)) + ')';
        }
        if (output.opaque) from += from.empty() ? "anything" : ", anything";
        const auto mask = i < one.decision.masks.size() ? one.decision.masks[i] : std::nullopt;
        line("output", padded(output.name, 14) + ' ' + padded(from.empty() ? "-" : from, 36) + ' ' + (mask ? mask_text(*mask) : ""));
    }
    for (const auto& filter : one.statement.filters)
        line("filter", judge.source_text(filter.source) + (filter.use == sql::Filter::Use::equality ? " = given values" : ""));
    for (const auto& copy : one.statement.copies) {
        std::string from;
        for (const auto& source : copy.sources) from += (from.empty() ? "" : ", ") + judge.source_text(source);
        for (const auto& function : copy.functions) from += (from.empty() ? "" : ", ") + ("code of " + function);
        if (copy.opaque) from += from.empty() ? "anything" : ", anything";
        line("copy", from + " to " + copy.target_name);
    }
    print_decision(one.decision);
}

void print_text(const Judge& judge, const Judged& judged) {
    for (const auto& one : judged.statements) print_statement(judge, one);
    if (!judged.unparsed.empty()) {
        std::cout << padded(upper(policy::name(judged.unparsed_decision.verdict)), 8) << "not understood: " << printable(judged.unparsed) << '\n';
        print_decision(judged.unparsed_decision);
    }
    if (judge.masks_unknown()) std::cout << "note: without --schema nobody knows which columns there are, so masks are not shown\n";
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

Json statement_json(const Judge& judge, const JudgedStatement& one) {
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
            sources.push_back({{"column", judge.source_text(source)}, {"flow", flow_text(source.flow)}});
        const auto mask = i < one.decision.masks.size() ? one.decision.masks[i] : std::nullopt;
        out["outputs"].push_back(
            {{"name", output.name}, {"sources", std::move(sources)}, {"opaque", output.opaque}, {"mask", mask ? Json(mask_text(*mask)) : Json(nullptr)}}
        );
    }
    out["filters"] = Json::array();
    for (const auto& filter : one.statement.filters)
        out["filters"].push_back({{"column", judge.source_text(filter.source)}, {"use", filter.use == sql::Filter::Use::equality ? "equality" : "other"}});
    out["copies"] = Json::array();
    for (const auto& copy : one.statement.copies) {
        Json sources = Json::array();
        for (const auto& source : copy.sources) sources.push_back(judge.source_text(source));
        out["copies"].push_back({{"to", copy.target_name}, {"from", std::move(sources)}, {"functions", copy.functions}, {"opaque", copy.opaque}});
    }
    return out;
}

void print_json(const Judge& judge, const Judged& judged, const policy::Policy& policy, const std::string& role) {
    Json out = {{"v", 1}, {"policy", "sha256:" + policy.policy_hash}, {"role", role}, {"verdict", policy::name(judged.verdict)}};
    out["statements"] = Json::array();
    for (const auto& one : judged.statements) out["statements"].push_back(statement_json(judge, one));
    if (!judged.unparsed.empty()) {
        out["unparsed"] = decision_json(judged.unparsed_decision);
        out["unparsed"]["why"] = judged.unparsed;
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
    const auto policy = load_policy_file(options.policy);
    if (!policy) return exit_config;
    const auto* role = role_of_policy(*policy, options.role);
    if (!role) return exit_usage;
    catalogue::SnapshotRef snapshot;
    if (!load_schema_file(options.schema, snapshot)) return exit_config;
    const auto sql = sql_text(options.sql);
    if (sql.size() > max_sql_bytes) {
        output().error("the SQL is larger than 16 MiB");
        return exit_usage;
    }
    policy::Facts facts;
    facts.now = std::chrono::system_clock::now();
    const Judge judge(*policy, *role, std::move(snapshot));
    const auto judged = judge.judge(sql, facts);
    if (options.json) print_json(judge, judged, *policy, role->name);
    else print_text(judge, judged);
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
