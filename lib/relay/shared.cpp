#include "relay/shared.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "masking/detect.hpp"
#include "policy/mask_decision.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/dialect.hpp"

namespace dbguard::relay {
namespace {

using policy::Decision;
using policy::Verdict;

const policy::Role& role_of(const EngineOptions& options) {
    const policy::Role* role = options.policy == nullptr ? nullptr : policy::find_role(*options.policy, options.role);
    if (role == nullptr) throw std::invalid_argument("the policy has no role \"" + options.role + "\"");
    return *role;
}

bool goes_by_name(const policy::Role& role, const policy::RoleMasks& masks) {
    return !masks.empty() || std::any_of(role.rules.begin(), role.rules.end(), [](const policy::Rule& rule) {
        return !rule.of.empty() || (rule.when && (!rule.when->functions.empty() || rule.when->temporary || rule.when->where));
    });
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// Settings that change what the following texts mean stay at the value the analysis takes them to have.
std::string unsafe_setting(const sql::Effect& effect) {
    const bool sets = effect.effect_class == sql::EffectClass::session_set;
    if (effect.setting == "standard_conforming_strings") {
        if (sets && effect.detail != "" && lower_case(effect.detail) != "on" && lower_case(effect.detail) != "true" && effect.detail != "1")
            return "standard_conforming_strings stays on: otherwise the text of a statement means something else";
    }
    if (effect.setting == "client_encoding" || effect.setting == "names") {
        // The server looks at letters and digits only (encnames.c): 'utf-8', UTF_8 …
        std::string value;
        for (const char c : lower_case(effect.detail))
            if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) value.push_back(c);
        if (sets && !effect.detail.empty() && value != "utf8" && value != "unicode")
            return "client_encoding stays UTF8: otherwise the text of a statement means something else";
    }
    return {};
}

void explain(RecordedPlan& plan, const Decision& decision) {
    plan.rule = decision.rule;
    plan.reason = decision.reason;
    plan.fix = decision.fix;
}

}  // namespace

CatalogueCache::Entry* CatalogueCache::by_transaction(const std::string& database, const std::string& next_transaction) {
    for (Entry& entry : entries_)
        if (entry.database == database && entry.next_transaction == next_transaction) return &entry;
    return nullptr;
}

CatalogueCache::Entry* CatalogueCache::by_digest(const std::string& database, const std::string& digest) {
    for (Entry& entry : entries_)
        if (entry.database == database && entry.digest == digest) return &entry;
    return nullptr;
}

CatalogueCache::Entry& CatalogueCache::add(Entry entry) {
    entries_.push_front(std::move(entry));
    if (entries_.size() > 8) entries_.pop_back();
    return entries_.front();
}

Shared::Shared(EngineOptions options_in, bool lasting_key)
    : options(std::move(options_in)),
      role(role_of(options)),
      record(policy::record_settings(*options.policy, role)),
      shadow(policy::in_shadow(*options.policy, role)),
      rules(*options.policy, role, policy::Engine::postgres),
      masks(*options.policy, role),
      wants_names(goes_by_name(role, masks)),
      admits_unparsed(masks.empty() && policy::decide_unparsed(rules, "").verdict <= Verdict::warn),
      value_masker(options.mask_key),
      digest_key(lasting_key ? Secret(hmac_sha256(options.mask_key.reveal(), "dbguard: digests of recorded texts")) : Secret()) {}

PlanContextRef Shared::context(const catalogue::SnapshotRef& snapshot, const catalogue::Context& names) {
    for (auto at = contexts.begin(); at != contexts.end(); ++at) {
        if ((*at)->snapshot == snapshot && (*at)->context == names) {
            contexts.splice(contexts.begin(), contexts, at);
            return contexts.front();
        }
    }
    auto made = std::make_shared<PlanContext>();
    made->id = ++last_context;
    made->snapshot = snapshot;
    made->context = names;
    if (snapshot != nullptr) {
        // The same database under another search path has the same sensitive columns.
        const auto same = std::find_if(contexts.begin(), contexts.end(), [&](const PlanContextRef& other) { return other->snapshot == snapshot; });
        if (same != contexts.end()) {
            made->sensitivity = (*same)->sensitivity;
        } else {
            made->sensitivity = policy::Sensitivity(masks, *snapshot, names, sql::postgres::dialect(), &remembered);
            remembered.remember(made->sensitivity);
        }
    }
    contexts.push_front(made);
    if (contexts.size() > 16) contexts.pop_back();
    return made;
}

Decision Shared::decide(const sql::Statement& statement, const policy::Sensitivity& sensitivity, const policy::Facts& facts) const {
    Decision decision;
    if (statement.effects.empty()) {
        // EXECUTE, FETCH, CLOSE, an empty statement: what they run was judged when it was prepared.
        decision.verdict = Verdict::allow;
    } else {
        decision = policy::decide(rules, statement, facts);
    }
    for (const sql::Effect& effect : statement.effects) {
        const std::string unsafe = admits_unparsed ? "" : unsafe_setting(effect);
        if (unsafe.empty() || decision.verdict == Verdict::deny) continue;
        decision.verdict = Verdict::deny;
        decision.rule = "";
        decision.reason = unsafe;
        decision.fix = "Leave the setting as it is.";
    }
    decision.masks.assign(statement.outputs.size(), std::nullopt);
    policy::decide_masks(statement, sensitivity, role, decision);
    return decision;
}

std::string line(const Told& told) {
    std::string out(policy::name(told.verdict));
    if (!told.rule.empty()) out.append(" ").append(told.rule);
    if (!told.reason.empty()) out.append(": ").append(told.reason);
    if (!told.text.empty()) out.append(" | ").append(told.text);
    return out;
}

void Shared::tell(Verdict verdict, std::string_view rule, std::string_view reason, std::string_view fix, const RecordedPlan& plan, std::string_view text) {
    if (!options.decided) return;
    constexpr std::size_t most_bytes = 200;
    std::string shown;
    if (!text.empty()) {
        // Whoever reads a log need not be one who may read the recording, even where that is to hold everything.
        const std::string sql = redacted(plan, text, std::min(level(), recording::Level::masked)).sql;
        std::size_t end = std::min(sql.size(), most_bytes);
        while (end > 0 && end < sql.size() && (static_cast<unsigned char>(sql[end]) & 0xC0) == 0x80) --end;
        for (const char c : std::string_view(sql).substr(0, end)) shown.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c);
        if (end < sql.size()) shown += " …";
    }
    options.decided({verdict, rule, reason, fix, shown});
}

Refusal refusal_of(const Decision& decision) {
    Refusal refusal;
    refusal.message = "dbguard: " + (decision.reason.empty() ? std::string("no rule allows this") : decision.reason);
    refusal.detail = decision.rule.empty() ? "No rule of the policy opens it." : "Rule " + decision.rule + ".";
    refusal.hint = decision.fix;
    return refusal;
}

std::shared_ptr<RecordedPlan> Shared::make_plan(std::string_view text, PlanContext& context, Session::Clock::time_point now) {
    const sql::Names names{context.snapshot.get(), context.snapshot != nullptr ? &context.context : nullptr};
    sql::Analysis analysis = sql::postgres::analyze_text(text, names);
    auto plan = std::make_shared<RecordedPlan>();
    plan->context = context.id;
    plan->unparsed = analysis.unparsed;
    plan->statements.reserve(analysis.statements.size());
    for (sql::Statement& statement : analysis.statements) {
        plan->changes_catalogue = plan->changes_catalogue || statement.changes_catalogue;
        plan->changes_settings = plan->changes_settings || statement.changes_settings || statement.runs_code || statement.kind == sql::StatementKind::execute ||
                                 statement.kind == sql::StatementKind::fetch || statement.kind == sql::StatementKind::rollback ||
                                 statement.kind == sql::StatementKind::rollback_to;
        plan->statements.push_back({std::move(statement), {}});
    }
    plan->by_shape = plan->unparsed.empty() && plan->statements.size() == 1 && !plan->statements[0].statement.literals_matter;
    decide_all(*plan, {}, context.sensitivity, now);
    finish_plan(*plan, text, context.sensitivity);
    return plan;
}

std::shared_ptr<RecordedPlan> Shared::estimated_plan(const RecordedPlan& plan, std::span<const std::optional<std::uint64_t>> rows, std::string_view text, const PlanContext& context, Session::Clock::time_point now) {
    auto out = std::make_shared<RecordedPlan>();
    out->context = plan.context;
    out->changes_catalogue = plan.changes_catalogue;
    out->changes_settings = plan.changes_settings;
    for (const PlannedStatement& planned : plan.statements) out->statements.push_back({planned.statement, {}});
    decide_all(*out, rows, context.sensitivity, now);
    out->needs_estimate = false;
    finish_plan(*out, text, context.sensitivity);
    return out;
}

void Shared::decide_all(RecordedPlan& plan, std::span<const std::optional<std::uint64_t>> rows, const policy::Sensitivity& sensitivity, Session::Clock::time_point now) {
    plan.verdict = Verdict::allow;
    const Decision* strictest = nullptr;
    bool estimates_help = plan.unparsed.empty();
    for (std::size_t i = 0; i < plan.statements.size(); ++i) {
        PlannedStatement& planned = plan.statements[i];
        policy::Facts facts{i < rows.size() ? rows[i] : std::nullopt, now, false};
        planned.decision = decide(planned.statement, sensitivity, facts);
        if (planned.decision.until && (!plan.until || *planned.decision.until < *plan.until)) plan.until = planned.decision.until;
        plan.hides_values = plan.hides_values || planned.decision.hide_texts;
        Verdict best = planned.decision.verdict;
        if (planned.decision.needs_estimate && planned.statement.explainable) {
            plan.needs_estimate = true;
            facts.estimated_rows = 0;
            best = decide(planned.statement, sensitivity, facts).verdict;
        }
        estimates_help = estimates_help && best <= Verdict::warn;
    }
    plan.needs_estimate = plan.needs_estimate && estimates_help;
    for (const PlannedStatement& planned : plan.statements)
        if (strictest == nullptr || planned.decision.verdict > strictest->verdict) strictest = &planned.decision;
    Decision unparsed;
    if (!plan.unparsed.empty()) {
        unparsed = policy::decide_unparsed(rules, plan.unparsed, {{}, now, false});
        if (unparsed.until && (!plan.until || *unparsed.until < *plan.until)) plan.until = unparsed.until;
        if (unparsed.verdict < Verdict::approve && sensitivity.has_masks()) {
            // Without lineage every column would have to be hidden: say so instead.
            unparsed.verdict = Verdict::deny;
            unparsed.reason = "the statement was not understood (" + plan.unparsed + "), so it cannot be masked";
        }
        plan.ask_server_to_parse = unparsed.verdict >= Verdict::approve;
        plan.changes_catalogue = plan.changes_settings = true;
        if (strictest == nullptr || unparsed.verdict >= strictest->verdict) strictest = &unparsed;
    }
    if (strictest != nullptr) {
        plan.verdict = strictest->verdict;
        if (plan.verdict >= Verdict::approve) plan.refusal = refusal_of(*strictest);
        explain(plan, *strictest);
    }
    for (const PlannedStatement& planned : plan.statements)
        if (planned.decision.verdict == Verdict::warn) plan.warnings.push_back("dbguard: " + planned.decision.reason);
    if (shadow && plan.verdict >= Verdict::approve) {
        // Decided and recorded, not enforced; what is masked stays masked.
        const bool masks_refuse = std::any_of(plan.statements.begin(), plan.statements.end(), [](const PlannedStatement& planned) { return planned.decision.rule.starts_with("masks"); });
        if (!masks_refuse && plan.unparsed.empty()) {
            plan.verdict = Verdict::allow;
            plan.ask_server_to_parse = false;
        }
    }
}

std::shared_ptr<RecordedPlan> Shared::unparsed_plan(std::string_view text, const std::string& why, PlanContext& context, Session::Clock::time_point now) {
    auto plan = std::make_shared<RecordedPlan>();
    plan->context = context.id;
    Decision decision = policy::decide_unparsed(rules, why, {{}, now, false});
    if (decision.verdict < Verdict::approve && !masks.empty()) decision.verdict = Verdict::deny;
    plan->verdict = decision.verdict;
    plan->refusal = refusal_of(decision);
    plan->ask_server_to_parse = decision.verdict >= Verdict::approve;
    explain(*plan, decision);
    plan->changes_catalogue = plan->changes_settings = true;
    plan->unparsed = why;
    finish_plan(*plan, text, context.sensitivity);
    return plan;
}

std::shared_ptr<RecordedPlan> Shared::function_plan(const std::string& schema, const std::string& name, PlanContext& context, Session::Clock::time_point now) {
    auto plan = std::make_shared<RecordedPlan>();
    plan->context = context.id;
    PlannedStatement planned;
    sql::Effect call;
    call.effect_class = sql::EffectClass::call;
    sql::Object function;
    function.schema = schema;
    function.name = name;
    call.objects.push_back(function);
    call.detail = "a function call message";
    planned.statement.effects.push_back(call);
    planned.statement.runs_code = true;
    planned.statement.returns_rows = true;
    sql::Output output;
    output.name = name;
    output.functions.push_back(schema + "." + name);
    planned.statement.outputs.push_back(output);
    planned.decision = decide(planned.statement, context.sensitivity, {{}, now, false});
    plan->verdict = planned.decision.verdict;
    if (plan->verdict >= Verdict::approve) plan->refusal = refusal_of(planned.decision);
    plan->hides_values = planned.decision.hide_texts;
    plan->changes_settings = plan->changes_catalogue = true;
    const std::string text = schema + "." + name + "(…)";
    explain(*plan, planned.decision);
    plan->statements.push_back(std::move(planned));
    finish_plan(*plan, text, context.sensitivity);
    return plan;
}

void Shared::finish_plan(RecordedPlan& plan, std::string_view text, const policy::Sensitivity& sensitivity) {
    // What does not parse is told of by what the parser stumbled over: that may be a password.
    if (plan.statements.empty()) {
        plan.unparsed = without_quoted(plan.unparsed);
        plan.reason = without_quoted(plan.reason);
    }
    if (plan.hides_values && level() == recording::Level::masked) plan.fates = fates_of(text, plan.statements, sensitivity);
    if (plan.hides_values) plan.watched = watched_values(text, plan.statements, sensitivity);
    if (options.recording != nullptr) plan.about = about(plan, text, plan.credentials);
}

recording::Level Shared::level() const {
    switch (record.sql.value_or(policy::RecordSql::masked)) {
        case policy::RecordSql::shape: return recording::Level::shape;
        case policy::RecordSql::full: return recording::Level::full;
        case policy::RecordSql::masked: break;
    }
    return recording::Level::masked;
}

recording::Redacted Shared::redacted(const RecordedPlan& plan, std::string_view text, recording::Level level) {
    recording::RedactOptions redaction;
    redaction.parsed = plan.unparsed.empty();
    redaction.level = level;
    if (level != recording::Level::masked) return redactor.redact(text, redaction);
    std::deque<std::string> storage;
    std::optional<std::vector<recording::Replacement>> values;
    if (plan.hides_values) {
        values = replacements(text, plan.fates, value_masker, storage);
        if (!values) redaction.level = recording::Level::shape;
    }
    recording::Redacted out = redactor.redact(text, redaction, values ? std::span<const recording::Replacement>(*values) : std::span<const recording::Replacement>());
    out.sql = masking::redact_text(out.sql);
    return out;
}

std::string Shared::about(const RecordedPlan& plan, std::string_view text, bool& credentials) {
    const recording::Redacted redacted = this->redacted(plan, text, level());
    credentials = redacted.credentials;
    std::vector<std::vector<std::string>> objects;
    std::vector<recording::Effect> effects;
    for (const PlannedStatement& planned : plan.statements)
        for (const sql::Effect& effect : planned.statement.effects) {
            auto& names = objects.emplace_back();
            for (const sql::Object& object : effect.objects) names.push_back(object.schema.empty() ? object.name : object.schema + "." + object.name);
        }
    std::size_t i = 0;
    for (const PlannedStatement& planned : plan.statements)
        for (const sql::Effect& effect : planned.statement.effects) effects.push_back({sql::name(effect.effect_class), objects[i++]});

    recording::StatementText said;
    said.sql = redacted.sql;
    said.fingerprint = redacted.fingerprint;
    said.original_bytes = text.size();
    // Keyed: the digest of a short text could be guessed.
    const std::string digest = digest_key.empty() ? std::string() : hex(hmac_sha256(digest_key.reveal(), text));
    said.digest = digest;
    said.effects = effects;
    said.unparsed = plan.unparsed;
    recording::Decision decision;
    decision.verdict = policy::name(plan.verdict);
    const PlannedStatement* strictest = nullptr;
    for (const PlannedStatement& planned : plan.statements)
        if (strictest == nullptr || planned.decision.verdict > strictest->decision.verdict) strictest = &planned;
    decision.rule = plan.rule;
    if (strictest != nullptr) {
        if (strictest->decision.verdict != Verdict::allow) decision.reason = plan.reason;
        decision.rules = strictest->decision.rules;
        if (plan.verdict != strictest->decision.verdict && plan.unparsed.empty()) decision.shadow = policy::name(strictest->decision.verdict);
    }
    if (!plan.unparsed.empty()) decision.reason = plan.unparsed;
    std::vector<std::string> masks;
    if (plan.verdict <= Verdict::warn)
        for (const PlannedStatement& planned : plan.statements)
            for (std::size_t at = 0; at < planned.decision.masks.size() && at < planned.statement.outputs.size(); ++at)
                if (const auto& mask = planned.decision.masks[at]; mask && mask->function != masking::Function::keep)
                    masks.push_back(planned.statement.outputs[at].name + ": " + masking::text(*mask));
    decision.masks = masks;
    return recording::describe(said, decision);
}

masking::Type mask_type(std::uint32_t type, std::int32_t modifier, const catalogue::Snapshot* snapshot) {
    struct Base {
        std::uint32_t id;
        const char* name;
        std::uint32_t array;
    };
    // PostgreSQL: pg_type.dat. The numbers of built-in types never change.
    static constexpr Base bases[] = {
        {16, "bool", 1000}, {17, "bytea", 1001}, {18, "char", 1002}, {19, "name", 1003}, {20, "int8", 1016}, {21, "int2", 1005}, {23, "int4", 1007},
        {25, "text", 1009}, {26, "oid", 1028}, {114, "json", 199}, {142, "xml", 143}, {700, "float4", 1021}, {701, "float8", 1022}, {790, "money", 791},
        {869, "inet", 1041}, {650, "cidr", 651}, {829, "macaddr", 1040}, {1042, "bpchar", 1014}, {1043, "varchar", 1015}, {1082, "date", 1182},
        {1083, "time", 1183}, {1114, "timestamp", 1115}, {1184, "timestamptz", 1185}, {1186, "interval", 1187}, {1266, "timetz", 1270}, {1560, "bit", 1561},
        {1562, "varbit", 1563}, {1700, "numeric", 1231}, {2950, "uuid", 2951}, {3802, "jsonb", 3807},
    };
    for (const Base& base : bases) {
        if (base.id == type) return masking::postgres_type(base.name, type, modifier);
        if (base.array == type) {
            masking::Type out;
            out.kind = masking::Kind::array;
            out.oid = type;
            out.element = std::make_shared<const masking::Type>(masking::postgres_type(base.name, base.id, modifier));
            return out;
        }
    }
    masking::Type out;
    out.oid = type;
    const catalogue::Type* known = snapshot == nullptr ? nullptr : snapshot->type(type);
    if (known == nullptr) return out;
    switch (known->kind) {
        case catalogue::TypeKind::domain: return mask_type(known->base, known->modifier >= 0 ? known->modifier : modifier, snapshot);
        case catalogue::TypeKind::enumeration:
            out.kind = masking::Kind::enumeration;
            out.labels = known->labels;
            return out;
        case catalogue::TypeKind::composite: {
            out.kind = masking::Kind::composite;
            const catalogue::Relation* relation = snapshot->relation(known->relation);
            if (relation == nullptr) return masking::Type{};
            for (const catalogue::Column& column : relation->columns)
                out.fields.push_back({column.name, std::make_shared<const masking::Type>(mask_type(column.type, column.modifier, snapshot))});
            return out;
        }
        case catalogue::TypeKind::range:
        case catalogue::TypeKind::multirange: out.kind = masking::Kind::range; return out;
        case catalogue::TypeKind::base: {
            if (known->name == "citext" || known->name == "hstore") return masking::postgres_type(known->name, type, modifier);
            if (known->element != 0 && known->name.starts_with("_")) {
                out.kind = masking::Kind::array;
                out.element = std::make_shared<const masking::Type>(mask_type(known->element, modifier, snapshot));
            }
            return out;
        }
        default: return out;
    }
}

}  // namespace dbguard::relay
