#include "relay/shared.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "masking/detect.hpp"

namespace dbguard::relay {
namespace {

using policy::Decision;
using policy::Verdict;

const policy::Role& role_of(const EngineOptions& options) {
    if (options.language == nullptr) throw std::invalid_argument("no language");
    const policy::Role* role = options.policy == nullptr ? nullptr : policy::find_role(*options.policy, options.role);
    if (role == nullptr) throw std::invalid_argument("the policy has no role \"" + options.role + "\"");
    return *role;
}

/// Some rule opens all of the class to everybody, and none holds anything of it back.
bool opens(const policy::Role& role, sql::EffectClass whole) {
    const auto about = [&](const policy::Rule& rule, auto&& test) { return std::ranges::any_of(rule.classes, test); };
    const bool opened = std::ranges::any_of(role.rules, [&](const policy::Rule& rule) {
        return rule.verdict == Verdict::allow && !rule.shadow && !rule.when && rule.of.empty() && about(rule, [&](sql::EffectClass listed) { return sql::inside(whole, listed); });
    });
    return opened && std::ranges::none_of(role.rules, [&](const policy::Rule& rule) {
               return rule.verdict != Verdict::allow && about(rule, [&](sql::EffectClass listed) { return sql::inside(whole, listed) || sql::inside(listed, whole); });
           });
}

/// Whether what a statement may do depends on what its names mean. Behind a name there may be code (a view's, an operator's, a
/// domain's, a rule's), so it does wherever the role may not run all code and change all rows.
bool goes_by_name(const policy::RolePolicy& role) {
    using Class = sql::EffectClass;
    for (const Class whole : {Class::read, Class::write, Class::call})
        if (!opens(role.role(), whole)) return true;
    // What functions and rules change is counted, too.
    if (!role.masks().empty() || role.role().limits.affected) return true;
    return std::ranges::any_of(role.role().rules, [](const policy::Rule& rule) {
        return !rule.of.empty() || (rule.when && (!rule.when->functions.empty() || rule.when->temporary || rule.when->where || rule.when->affected_rows));
    });
}

void explain(RecordedPlan& plan, const Decision& decision) {
    plan.rule = decision.rule;
    plan.reason = decision.reason;
    plan.fix = decision.fix;
}

}  // namespace

namespace {

// Of caches that are searched from front to back.
constexpr std::size_t most_entries = 16;

/// Leaves the first `most` bytes of a list, and at least one item.
template <class Item, class Bytes>
void cut(std::list<Item>& items, std::size_t most, Bytes&& bytes_of) {
    std::size_t count = 0, bytes = 0;
    auto at = items.begin();
    while (at != items.end() && count < most_entries) {
        bytes += bytes_of(*at);
        if (count > 0 && bytes > most) break;
        ++at, ++count;
    }
    items.erase(at, items.end());
}

}  // namespace

namespace {

std::size_t held(const sql::Statement& statement) {
    // A source, a mask or an object comes with texts of its own more often than not.
    constexpr std::size_t texts = 64;
    std::size_t bytes = sizeof statement + statement.copies.size() * (sizeof(sql::Copy) + texts) + statement.relations.size() * sizeof(std::uint32_t);
    for (const sql::Effect& effect : statement.effects) {
        bytes += sizeof effect;
        for (const sql::Object& object : effect.objects) bytes += sizeof object + texts + object.columns.size() * sizeof(std::string);
    }
    for (const sql::Output& output : statement.outputs) bytes += sizeof output + output.sources.size() * sizeof(sql::Source) + output.functions.size() * texts;
    for (const sql::Filter& filter : statement.filters) bytes += sizeof filter + filter.functions.size() * texts;
    for (const sql::Given& given : statement.givens) bytes += sizeof given + given.meets.size() * sizeof(sql::Source);
    for (const sql::Statement& inner : statement.inner) bytes += held(inner);
    return bytes;
}

}  // namespace

std::size_t bytes_of(const RecordedPlan& plan) {
    std::size_t bytes = sizeof plan + plan.about.size() + plan.fates.literals.size() * sizeof(Fate) + plan.watched.size() * sizeof(WatchedValue);
    for (const PlannedStatement& planned : plan.statements)
        bytes += held(planned.statement) + sizeof(policy::Decision) + planned.decision.masks.size() * sizeof(planned.decision.masks[0]);
    return bytes;
}

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
    cut(entries_, most_bytes_, [](const Entry& entry) { return entry.snapshot->bytes(); });
    return entries_.front();
}

Shared::Shared(EngineOptions options_in, bool lasting_key)
    : options(std::move(options_in)),
      role(role_of(options)),
      language(*options.language),
      record(policy::record_settings(*options.policy, role)),
      shadow(policy::in_shadow(*options.policy, role)),
      policy(*options.policy, role, language.engine),
      wants_names(goes_by_name(policy)),
      catalogue(options.catalogue_cache_bytes),
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
            made->sensitivity = policy::Sensitivity(policy.masks(), *snapshot, names, language.dialect(), &remembered);
            remembered.remember(made->sensitivity);
        }
    }
    contexts.push_front(made);
    std::set<const catalogue::Snapshot*> counted;
    cut(contexts, options.catalogue_cache_bytes, [&](const PlanContextRef& kept) {
        const bool first = kept->snapshot != nullptr && counted.insert(kept->snapshot.get()).second;
        return kept->plan_bytes + (first ? kept->snapshot->bytes() : 0);
    });
    return made;
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

std::shared_ptr<RecordedPlan> Shared::make_plan(std::string_view text, bool has_shape, PlanContext& context, Session::Clock::time_point now) {
    const sql::Names names{context.snapshot.get(), context.snapshot != nullptr ? &context.context : nullptr, context.known.get()};
    sql::Analysis analysis = language.analyze(text, names);
    auto plan = std::make_shared<RecordedPlan>();
    plan->context = context.id;
    plan->unparsed = analysis.unparsed;
    plan->unknown_names = analysis.unknown_names;
    plan->unparsed_at = analysis.unparsed_at;
    plan->statements.reserve(analysis.statements.size());
    for (sql::Statement& statement : analysis.statements) {
        plan->changes_catalogue = plan->changes_catalogue || statement.changes_catalogue;
        plan->changes_settings = plan->changes_settings || statement.changes_settings || statement.runs_code || sql::execute_of(statement) != nullptr ||
                                 statement.kind == sql::StatementKind::fetch || statement.kind == sql::StatementKind::rollback ||
                                 statement.kind == sql::StatementKind::rollback_to;
        plan->statements.push_back({std::move(statement), {}});
    }
    plan->by_shape = has_shape && plan->unparsed.empty() && plan->statements.size() == 1 && !plan->statements[0].statement.literals_matter;
    decide_all(*plan, {}, context.sensitivity, now);
    finish_plan(*plan, text, context.sensitivity);
    return plan;
}

std::shared_ptr<RecordedPlan> Shared::estimated_plan(const RecordedPlan& plan, std::span<const std::optional<std::uint64_t>> rows, std::string_view text, const PlanContext& context, Session::Clock::time_point now) {
    auto out = std::make_shared<RecordedPlan>();
    out->context = plan.context;
    out->unknown_names = plan.unknown_names;
    out->changes_catalogue = plan.changes_catalogue;
    out->changes_settings = plan.changes_settings;
    for (const PlannedStatement& planned : plan.statements) out->statements.push_back({planned.statement, {}});
    decide_all(*out, rows, context.sensitivity, now);
    out->needs_estimate = false;
    finish_plan(*out, text, context.sensitivity);
    return out;
}

namespace {

// Whether what the first refused statement of a message means depends on those before it. One that a rule refuses as it stands is
// refused before anything runs.
bool depends_on_itself(const RecordedPlan& plan) {
    bool changed = false;
    for (const PlannedStatement& planned : plan.statements) {
        const sql::Statement& statement = planned.statement;
        const bool here = !plan.unparsed.empty() && plan.unparsed_at >= statement.begin && (statement.length == 0 || plan.unparsed_at < statement.begin + statement.length);
        if (here) return &planned != &plan.statements.front();
        if (planned.decision.verdict >= Verdict::approve) {
            const bool unresolved = std::ranges::any_of(statement.effects, [](const sql::Effect& effect) { return std::ranges::any_of(effect.objects, [](const sql::Object& object) { return !object.resolved; }); });
            return changed && (unresolved || planned.decision.rule.starts_with("masks"));
        }
        changed = changed || statement.changes_catalogue || statement.changes_settings;
    }
    return false;
}

}  // namespace

void Shared::decide_all(RecordedPlan& plan, std::span<const std::optional<std::uint64_t>> rows, const policy::Sensitivity& sensitivity, Session::Clock::time_point now) {
    plan.verdict = Verdict::allow;
    const Decision* strictest = nullptr;
    bool estimates_help = plan.unparsed.empty();
    for (std::size_t i = 0; i < plan.statements.size(); ++i) {
        PlannedStatement& planned = plan.statements[i];
        policy::Facts facts{i < rows.size() ? rows[i] : std::nullopt, now, false};
        planned.decision = policy.decide(planned.statement, sensitivity, facts);
        if (planned.decision.until && (!plan.until || *planned.decision.until < *plan.until)) plan.until = planned.decision.until;
        plan.hides_values = plan.hides_values || planned.decision.hide_texts;
        Verdict best = planned.decision.verdict;
        if (planned.decision.needs_estimate && planned.statement.explainable) {
            plan.needs_estimate = true;
            facts.estimated_rows = 0;
            best = policy.decide(planned.statement, sensitivity, facts).verdict;
        }
        estimates_help = estimates_help && best <= Verdict::warn;
    }
    plan.needs_estimate = plan.needs_estimate && estimates_help;
    for (const PlannedStatement& planned : plan.statements)
        if (strictest == nullptr || planned.decision.verdict > strictest->verdict) strictest = &planned.decision;
    Decision unparsed;
    if (!plan.unparsed.empty()) {
        unparsed = policy.decide_unparsed(plan.unparsed, sensitivity.has_masks(), {{}, now, false});
        if (unparsed.until && (!plan.until || *unparsed.until < *plan.until)) plan.until = unparsed.until;
        plan.ask_server_to_parse = unparsed.verdict >= Verdict::approve;
        plan.changes_catalogue = plan.changes_settings = true;
        if (strictest == nullptr || unparsed.verdict >= strictest->verdict) strictest = &unparsed;
    }
    if (strictest != nullptr) {
        plan.verdict = strictest->verdict;
        if (plan.verdict >= Verdict::approve) plan.refusal = refusal_of(*strictest);
        explain(plan, *strictest);
    }
    // A function that nobody knows may be one that is not there.
    if (plan.verdict >= Verdict::approve && std::ranges::any_of(plan.statements, [](const PlannedStatement& planned) { return planned.statement.calls_unknown; })) plan.ask_server_to_parse = true;
    plan.piece_by_piece = plan.verdict >= Verdict::approve && plan.statements.size() > 1 && depends_on_itself(plan);
    // A query or a write the server refuses when it is asked to parse it; other statements it looks at when they run. Code may have
    // done something before it stumbles; a CALL of a procedure that does not exist has not.
    const auto can_only_fail = [](const PlannedStatement& planned) {
        const sql::Statement& statement = planned.statement;
        const bool utility = std::ranges::none_of(statement.effects, [](const sql::Effect& effect) {
            return sql::inside(effect.effect_class, sql::EffectClass::write) || effect.effect_class == sql::EffectClass::call || effect.effect_class == sql::EffectClass::maintenance;
        });
        return !statement.effects.empty() && (statement.only_names || (utility && !statement.runs_code));
    };
    // Nothing is read of what is not there.
    const auto is_allowed = [&](const PlannedStatement& planned) {
        if (planned.decision.verdict <= Verdict::warn) return true;
        sql::Statement reads_nothing;
        reads_nothing.effects = planned.statement.effects;
        for (sql::Effect& effect : reads_nothing.effects)
            if (sql::inside(effect.effect_class, sql::EffectClass::read) || effect.effect_class == sql::EffectClass::bulk_export) std::erase_if(effect.objects, [](const sql::Object& object) { return !object.resolved; });
        return policy.decide(reads_nothing, sensitivity, {std::nullopt, now, false}).verdict <= Verdict::warn;
    };
    if (plan.verdict >= Verdict::approve && plan.unknown_names && plan.statements.size() == 1 && can_only_fail(plan.statements.front()) && is_allowed(plan.statements.front())) {
        plan.must_fail = true;
        plan.verdict = Verdict::allow;
    }
    for (const PlannedStatement& planned : plan.statements)
        if (planned.decision.verdict == Verdict::warn) plan.warnings.push_back("dbguard: " + planned.decision.reason);
    if (!plan.unparsed.empty() && unparsed.verdict == Verdict::warn) plan.warnings.push_back("dbguard: " + unparsed.reason);
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
    const Decision decision = policy.decide_unparsed(why, !policy.masks().empty(), {{}, now, false});
    plan->verdict = decision.verdict;
    if (decision.verdict == Verdict::warn) plan->warnings.push_back("dbguard: " + decision.reason);
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
    planned.decision = policy.decide(planned.statement, context.sensitivity, {{}, now, false});
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
    if (plan.hides_values && level() == recording::Level::masked) plan.fates = fates_of(text, language.lexis, plan.statements, sensitivity);
    if (plan.hides_values) plan.watched = watched_values(text, language.lexis, plan.statements, sensitivity);
    // Where texts are recorded as they are, each of its shape has its own (Session::submit).
    const bool each_its_own = plan.by_shape && level() != recording::Level::shape;
    if (options.recording != nullptr && !each_its_own) plan.about = about(plan, text, plan.credentials);
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
    redaction.lexis = language.lexis;
    if (level != recording::Level::masked) return redactor.redact(text, redaction);
    std::deque<std::string> storage;
    std::optional<std::vector<recording::Replacement>> values;
    if (plan.hides_values) {
        values = replacements(text, language.lexis, plan.fates, value_masker, storage);
        if (!values) redaction.level = recording::Level::shape;
    }
    recording::Redacted out = redactor.redact(text, redaction, values ? std::span<const recording::Replacement>(*values) : std::span<const recording::Replacement>());
    out.sql = masking::redact_text(out.sql);
    return out;
}

std::string Shared::about(const RecordedPlan& plan, std::string_view text, bool& credentials) {
    const recording::Redacted redacted = this->redacted(plan, text, level());
    credentials = redacted.credentials;
    std::size_t count = 0;
    for (const PlannedStatement& planned : plan.statements) count += planned.statement.effects.size();
    struct Objects {
        std::vector<std::string> names;
        std::vector<std::span<const std::string>> columns;
    };
    std::vector<Objects> storage;   // what `effects` borrows
    std::vector<recording::Effect> effects;
    storage.reserve(count);
    effects.reserve(count);
    for (const PlannedStatement& planned : plan.statements)
        for (const sql::Effect& effect : planned.statement.effects) {
            Objects& objects = storage.emplace_back();
            for (const sql::Object& object : effect.objects) {
                objects.names.push_back(object.schema.empty() ? object.name : object.schema + "." + object.name);
                objects.columns.push_back(object.columns);
            }
            effects.push_back({sql::name(effect.effect_class), objects.names, objects.columns, sql::name(effect.where), effect.has_limit, effect.rewrites_table, sql::name(effect.lock), effect.setting});
        }

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

}  // namespace dbguard::relay
