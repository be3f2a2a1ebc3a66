#include "cli/policy_judge.hpp"

#include <algorithm>

#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/postgres/dialect.hpp"

namespace dbguard::cli {

using policy::Verdict;

const policy::Decision* Judged::decisive() const {
    const policy::Decision* found = unparsed.empty() ? nullptr : &unparsed_decision;
    for (const auto& one : statements)
        if (!found || one.decision.verdict > found->verdict) found = &one.decision;
    return found;
}

Judge::Judge(const policy::Policy& policy, const policy::Role& role, catalogue::SnapshotRef snapshot)
    : snapshot_(std::move(snapshot)), context_(sql::postgres::fixture_context()), role_policy_(policy, role, policy::Engine::postgres) {
    if (snapshot_) sensitivity_ = policy::Sensitivity(masks(), *snapshot_, context_, sql::postgres::dialect());
}

Judged Judge::judge(std::string_view message, const policy::Facts& facts) const { return judge(message, analyse(message, snapshot_), facts); }

Judged Judge::judge(std::string_view message, sql::Analysis analysis, const policy::Facts& facts) const {
    Judged out;
    for (auto& statement : analysis.statements) {
        JudgedStatement one;
        one.text = trimmed_sql(message.substr(std::min<std::size_t>(statement.begin, message.size()), statement.length));
        one.decision = role_policy_.decide(statement, sensitivity_, facts);
        one.judgements = policy::judge(role_policy_.rules(), statement.effects, facts);
        out.verdict = policy::strictest(out.verdict, one.decision.verdict);
        one.statement = std::move(statement);
        out.statements.push_back(std::move(one));
    }
    out.unparsed = std::move(analysis.unparsed);
    if (!out.unparsed.empty()) {
        out.unparsed_decision = judge_unparsed(out.unparsed, facts);
        out.verdict = policy::strictest(out.verdict, out.unparsed_decision.verdict);
    }
    return out;
}

policy::Decision Judge::judge_effects(const std::vector<sql::Effect>& effects, const policy::Facts& facts) const {
    if (!effects.empty()) return policy::decide(role_policy_.rules(), effects, facts);
    policy::Decision nothing;
    nothing.verdict = Verdict::allow;
    return nothing;
}

policy::Decision Judge::judge_unparsed(std::string_view why, const policy::Facts& facts) const {
    return role_policy_.decide_unparsed(why, !masks().empty(), facts);
}

std::string Judge::source_text(const sql::Source& source) const {
    const auto* relation = snapshot_ ? snapshot_->relation(source.column.relation) : nullptr;
    const auto* column = relation ? relation->column(source.column.number) : nullptr;
    if (!column) return "?";
    auto out = relation->schema + '.' + relation->name + '.' + column->name;
    for (const auto& step : source.path) out += "->" + step;
    return out;
}

sql::Analysis analyse(std::string_view message, const catalogue::SnapshotRef& snapshot) {
    static const auto context = sql::postgres::fixture_context();
    auto analysis = sql::postgres::analyze_text(message, sql::Names{snapshot.get(), snapshot ? &context : nullptr});
    // A fixture has no session, and so no schema that `pg_temp` stands for; but it can stand for the session's own only.
    for (auto& statement : analysis.statements)
        for (auto& effect : statement.effects)
            for (auto& object : effect.objects) object.temporary = object.temporary || object.schema == "pg_temp";
    return analysis;
}

std::string mask_text(const masking::Mask& mask) {
    std::string only;
    for (const auto& path : mask.keys) {
        if (!only.empty()) only += ", ";
        for (const auto& step : path) only += (&step == &path.front() ? "" : ".") + policy::quoted_name(step);
    }
    for (const auto& detector : mask.detectors) only += (only.empty() ? "" : ", ") + detector;
    return masking::text(mask) + (only.empty() ? "" : " (" + only + ')');
}

std::string trimmed_sql(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n;");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n;") - begin + 1));
}

}  // namespace dbguard::cli
