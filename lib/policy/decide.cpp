#include "policy/decide.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace dbguard::policy {
namespace {

constexpr std::size_t class_count = static_cast<std::size_t>(sql::EffectClass::unparsed) + 1;

/// Whether a rule fits. `maybe`: something about it is not known, so it counts where it forbids and not where it opens.
enum class Fit : std::uint8_t { no, maybe, yes };

Fit fit(bool fits) { return fits ? Fit::yes : Fit::no; }
/// A fact that may be unknown against what a rule wants.
Fit fit(std::optional<bool> fact, bool wanted) { return fact ? fit(*fact == wanted) : Fit::maybe; }
Fit weaker(Fit a, Fit b) { return std::min(a, b); }

struct CompiledRule {
    std::string name;
    std::uint32_t number = 0;
    Verdict verdict = Verdict::deny;
    std::vector<ObjectPattern> of;
    bool by_column = false;  ///< a pattern tells the columns of one relation apart
    std::optional<When> when;
    bool counts_rows = false;
    std::string why, fix, by;
    bool shadow = false;
};

}  // namespace

struct RoleRules::Compiled {
    std::string role;
    Engine engine = Engine::postgres;
    NameRules names;
    bool in_shadow = false;
    bool has_shadow_rules = false;
    bool wants_estimate = false;
    std::optional<std::uint64_t> limit_affected;
    std::vector<CompiledRule> rules;
    /// The rules whose class holds the effect's, by the effect's class.
    std::array<std::vector<std::uint32_t>, class_count> by_class;
};

namespace {

using Compiled = RoleRules::Compiled;
using sql::EffectClass;

bool in_class(const sql::Effect& effect, EffectClass outer) { return sql::inside(effect.effect_class, outer); }

bool writes_rows(const sql::Effect& effect) {
    return in_class(effect, EffectClass::write) || in_class(effect, EffectClass::bulk_import);
}

// ---- facts ----------------------------------------------------------------------------------------------------------

/// Classes that can rewrite a table as a side effect. For the others an absent fact means no.
bool can_rewrite(const sql::Effect& effect) {
    switch (effect.effect_class) {
        case EffectClass::ddl:
        case EffectClass::ddl_alter:
        case EffectClass::maintenance:
        case EffectClass::server:
        case EffectClass::call:
        case EffectClass::unparsed: return true;
        default: return false;
    }
}

std::optional<bool> rewrites_table(const sql::Effect& effect) {
    return effect.rewrites_table || can_rewrite(effect) ? effect.rewrites_table : std::optional(false);
}

/// Every object is the session's own temporary one.
std::optional<bool> temporary(const sql::Effect& effect) {
    bool all = !effect.objects.empty();
    bool known = true;
    for (const auto& object : effect.objects) {
        all = all && object.temporary;
        known = known && object.resolved;
    }
    return known ? std::optional(all) : std::nullopt;
}

/// Classes whose objects are, or may be, functions.
bool names_functions(const sql::Effect& effect) {
    switch (effect.effect_class) {
        case EffectClass::call:
        case EffectClass::server:
        case EffectClass::lock:
        case EffectClass::notify:
        case EffectClass::unparsed: return true;
        default: return false;
    }
}

// ---- names ----------------------------------------------------------------------------------------------------------

bool matches_part(std::string_view pattern, std::string_view name, bool fold_case) {
    if (pattern.find('*') != std::string_view::npos) return matches_wildcard(pattern, name, fold_case);
    return fold_case ? equals_ignoring_case(pattern, name) : pattern == name;
}

bool matches_relation(const Compiled& role, const ObjectPattern& pattern, const sql::Object& object, bool fold) {
    if (!matches_part(pattern.relation, object.name, fold)) return false;
    // A temporary object of PostgreSQL is also named `pg_temp`; nothing else ever is, whatever its schema is called.
    if (role.engine == Engine::postgres && pattern.schema == "pg_temp") return object.temporary;
    return matches_part(pattern.schema, object.schema, fold) ||
           (role.engine == Engine::postgres && object.temporary && matches_part(pattern.schema, "pg_temp", fold));
}

bool whole_relation(const ObjectPattern& pattern) { return !pattern.column || *pattern.column == "*"; }

/// `column` is nullptr for the object as a whole.
Fit fits_pattern(
    const Compiled& role, const ObjectPattern& pattern, const sql::Effect& effect, const sql::Object& object,
    const std::string* column
) {
    if (!object.resolved) return Fit::maybe;
    // MySQL: names of routines ignore case whatever the setting for tables is (manual, "Identifier Case Sensitivity").
    const bool fold = role.names.fold_relations || (role.engine == Engine::mysql && in_class(effect, EffectClass::call));
    if (!matches_relation(role, pattern, object, fold)) return Fit::no;
    if (whole_relation(pattern)) return Fit::yes;
    if (column) return fit(matches_part(*pattern.column, *column, role.names.fold_columns));
    // A change to the whole (DELETE, DROP, ALTER) may reach the column where the rule names this very table. A read of the
    // whole reads no column's value.
    const bool named = pattern.schema.find('*') == std::string::npos && pattern.relation.find('*') == std::string::npos;
    return named && !in_class(effect, EffectClass::read) ? Fit::maybe : Fit::no;
}

/// Code without a name (a DO block, dynamic SQL) may do anything to anything; other effects without an object have none.
Fit nameless(const sql::Effect& effect) {
    return in_class(effect, EffectClass::call) || in_class(effect, EffectClass::unparsed) ? Fit::maybe : Fit::no;
}

Fit fits_any(
    const Compiled& role, const std::vector<ObjectPattern>& patterns, const sql::Effect& effect,
    const sql::Object* object, const std::string* column
) {
    if (!object) return nameless(effect);
    auto best = Fit::no;
    for (const auto& pattern : patterns) {
        best = std::max(best, fits_pattern(role, pattern, effect, *object, column));
        if (best == Fit::yes) break;
    }
    return best;
}

// ---- predicates -----------------------------------------------------------------------------------------------------

Fit fits_function(const Compiled& role, const When& when, const sql::Effect& effect, const sql::Object* object) {
    if (!names_functions(effect)) return Fit::no;
    if (!object) return nameless(effect);
    if (!object->resolved) return Fit::maybe;
    return fit(std::any_of(when.functions.begin(), when.functions.end(), [&](const ObjectPattern& pattern) {
        return matches_relation(role, pattern, *object, role.names.fold_relations || role.engine == Engine::mysql);
    }));
}

Fit fits_setting(const When& when, const sql::Effect& effect) {
    if (effect.setting.empty()) return in_class(effect, EffectClass::session_set) ? Fit::maybe : Fit::no;
    return fit(std::any_of(when.settings.begin(), when.settings.end(), [&](const std::string& pattern) {
        return matches_wildcard(pattern, effect.setting, true);
    }));
}

/// All predicates but those that count rows.
Fit fits_when(
    const Compiled& role, const When& when, const sql::Effect& effect, const sql::Object* object, const Facts& facts
) {
    auto result = Fit::yes;
    const auto also = [&](Fit one) { result = weaker(result, one); };
    if (when.where) also(fit(effect.where == *when.where));
    if (when.limit) also(fit(effect.has_limit && *effect.has_limit == (*when.limit == LimitPredicate::present)));
    if (when.rewrites_table) also(fit(rewrites_table(effect), *when.rewrites_table));
    if (when.temporary) also(fit(temporary(effect), *when.temporary));
    if (when.lock) also(fit(effect.lock >= *when.lock));
    if (!when.functions.empty()) also(fits_function(role, when, effect, object));
    if (!when.settings.empty()) also(fits_setting(when, effect));
    if (when.in_plan) also(fit(facts.in_plan == *when.in_plan));
    if (when.hours) also(facts.now ? fit(when.hours->contains(*facts.now)) : Fit::maybe);
    return result;
}

// ---- one effect on one object ---------------------------------------------------------------------------------------

/// What the rules say of one effect on one object (or column).
struct Weighed {
    Verdict verdict = Verdict::deny;
    const CompiledRule* rule = nullptr;  ///< nullptr: nothing opened it
    bool unsure = false;                 ///< the rule counts because something is not known
};

/// What is gathered while a statement is weighed.
struct Gathered {
    std::vector<bool> matched;  ///< by rule
    const CompiledRule* bound = nullptr;
    std::optional<std::uint64_t> max_affected;
    bool needs_estimate = false;
    std::optional<std::chrono::system_clock::time_point> until;
};

/// Of two rules with the same verdict, the one that tells more; by place in the file only where nothing else differs.
bool tells_more(const CompiledRule& a, const CompiledRule& b) {
    const auto rank = [](const CompiledRule& rule) {
        return std::tuple(rule.why.empty(), rule.of.empty(), !rule.when.has_value(), rule.number);
    };
    return rank(a) < rank(b);
}

bool tells_more(const Weighed& a, const Weighed& b) {
    if (!a.rule || !b.rule) return a.rule != nullptr;
    if (a.unsure != b.unsure) return b.unsure;
    return tells_more(*a.rule, *b.rule);
}

void note_bound(const CompiledRule& rule, Gathered& gathered) {
    // An approval cannot be asked for after the fact yet, so its bound refuses as well.
    if (rule.verdict != Verdict::deny && rule.verdict != Verdict::approve) return;
    const auto bound = *rule.when->affected_rows;
    const bool better = !gathered.bound || bound < *gathered.max_affected ||
                        (bound == *gathered.max_affected && tells_more(rule, *gathered.bound));
    if (!better) return;
    gathered.bound = &rule;
    gathered.max_affected = bound;
}

/// How the rule fits, with what it asks to be counted noted in `gathered`.
Fit fits_rule(
    const Compiled& role, const CompiledRule& rule, const sql::Effect& effect, const sql::Object* object,
    const std::string* column, const Facts& facts, Gathered& gathered
) {
    // A query of no table (SELECT 1, SELECT now()) is open to whoever may read anything.
    const bool reads_nothing = object == nullptr && effect.effect_class == EffectClass::read_table && rule.verdict == Verdict::allow;
    auto result = rule.of.empty() || reads_nothing ? Fit::yes : fits_any(role, rule.of, effect, object, column);
    if (result == Fit::no || !rule.when) return result;
    result = weaker(result, fits_when(role, *rule.when, effect, object, facts));
    if (rule.when->hours && facts.now) {
        const auto change = rule.when->hours->next_change(*facts.now);
        gathered.until = std::min(gathered.until.value_or(change), change);
    }
    if (result == Fit::no || !rule.counts_rows) return result;
    if (rule.when->estimated_rows) {
        if (!facts.estimated_rows) gathered.needs_estimate = true;
        else if (*facts.estimated_rows <= *rule.when->estimated_rows) return Fit::no;
    }
    if (rule.when->affected_rows) {
        // Known only afterwards: a bound, not a verdict.
        if (!rule.shadow) note_bound(rule, gathered);
        gathered.matched[static_cast<std::size_t>(&rule - role.rules.data())] = true;
        return Fit::no;
    }
    return Fit::maybe;  // tightens and never opens
}

Weighed weigh(
    const Compiled& role, const sql::Effect& effect, const sql::Object* object, const std::string* column,
    const Facts& facts, bool with_shadow, Gathered& gathered
) {
    // `opened` is the strictest of what opens; `tightened` the strictest of what may apply. Strictest of both wins, and
    // nothing counts unless something opened.
    Weighed opened, tightened;
    const auto take = [](Weighed& best, const Weighed& other) {
        const bool better = !best.rule || other.verdict > best.verdict ||
                            (other.verdict == best.verdict && tells_more(other, best));
        if (better) best = other;
    };
    for (const auto index : role.by_class[static_cast<std::size_t>(effect.effect_class)]) {
        const auto& rule = role.rules[index];
        if (rule.shadow && !with_shadow) continue;
        const auto fits = fits_rule(role, rule, effect, object, column, facts, gathered);
        if (fits == Fit::no || (fits == Fit::maybe && rule.verdict == Verdict::allow)) continue;
        gathered.matched[index] = true;
        const bool unsure = fits == Fit::maybe && !(rule.counts_rows && facts.estimated_rows);
        take(fits == Fit::yes && rule.verdict != Verdict::deny ? opened : tightened, {rule.verdict, &rule, unsure});
    }
    if (tightened.rule && tightened.verdict == Verdict::deny) return tightened;
    // A view that stands for its tables needs nothing to open it: its tables do.
    if (!opened.rule && object && object->expanded) opened.verdict = Verdict::allow;
    else if (!opened.rule) return {Verdict::deny, nullptr};
    if (tightened.rule && (tightened.verdict > opened.verdict)) return tightened;
    return opened;
}

/// Calls visit(effect index, object or nullptr, column or nullptr) for all that is judged on its own.
template <class Visit>
void for_each_target(const Compiled& role, std::span<const sql::Effect> effects, Visit visit) {
    for (std::size_t i = 0; i < effects.size(); ++i) {
        const auto& effect = effects[i];
        const auto& indexes = role.by_class[static_cast<std::size_t>(effect.effect_class)];
        const bool by_column = std::any_of(indexes.begin(), indexes.end(), [&](std::uint32_t index) {
            return role.rules[index].by_column;
        });
        if (effect.objects.empty()) visit(i, nullptr, nullptr);
        for (const auto& object : effect.objects) {
            if (!by_column || object.columns.empty()) visit(i, &object, nullptr);
            else
                for (const auto& column : object.columns) visit(i, &object, &column);
        }
    }
}

// ---- words ----------------------------------------------------------------------------------------------------------

std::string object_text(const sql::Object& object, const std::string* column) {
    std::string out;
    if (!object.schema.empty()) out = quoted_name(object.schema) + '.';
    out += object.name.empty() ? "?" : quoted_name(object.name);
    if (column) out += '.' + quoted_name(*column);
    return out;
}

/// `write.delete of public.orders without a WHERE clause`
std::string effect_text(const sql::Effect& effect, const sql::Object* object, const std::string* column) {
    std::string out(sql::name(effect.effect_class));
    if (object) out += " of " + object_text(*object, column);
    else if (!effect.setting.empty()) out += " of " + effect.setting;
    if (object && !object->resolved) out += " (a name that could not be resolved)";
    if (in_class(effect, EffectClass::write)) {
        if (effect.where == sql::Where::missing) out += " without a WHERE clause";
        if (effect.where == sql::Where::trivial) out += " with a WHERE clause that is true for every row";
    }
    if (!effect.detail.empty()) out += " (" + effect.detail + ")";
    return out;
}

std::string_view default_fix(const sql::Effect& effect) {
    if (in_class(effect, EffectClass::write)) {
        if (effect.where == sql::Where::missing || effect.where == sql::Where::trivial)
            return "Add a WHERE clause that names the rows.";
        return "Use a role that may write here, or put the change into a migration.";
    }
    switch (effect.effect_class) {
        case EffectClass::read:
        case EffectClass::read_table: return "Read only what this role may read.";
        case EffectClass::read_catalog: return "Use information_schema, or ask for a role that may read the catalogue.";
        case EffectClass::bulk:
        case EffectClass::bulk_export: return "Use SELECT instead of COPY.";
        case EffectClass::bulk_import: return "Use INSERT, or a role that may load data.";
        case EffectClass::call: return "Write out what the function does, or have it added to the role by name.";
        case EffectClass::session_set: return "Leave the setting as it is.";
        case EffectClass::session_role: return "Stay in the role that the session began with.";
        case EffectClass::server: return "Nothing of this kind can be done through dbguard with this role.";
        case EffectClass::dcl: return "Have privileges changed by whoever administers the database.";
        case EffectClass::unparsed: return "Write the statement in a plainer form, one statement at a time.";
        default:
            if (in_class(effect, EffectClass::ddl)) return "Put the change into a migration.";
            return "Ask for a role that allows it.";
    }
}

std::string reason_text(const Compiled& role, const Weighed& weighed, const std::string& what) {
    if (!weighed.rule) return "no rule of role " + role.role + " allows " + what;
    auto out = what;
    if (weighed.unsure && weighed.verdict == Verdict::deny)
        return out + " is denied: not all of it is known, so rule " + weighed.rule->name + " may forbid it";
    switch (weighed.verdict) {
        case Verdict::allow: out += " is allowed by rule " + weighed.rule->name; break;
        case Verdict::warn: out += " is allowed with a warning by rule " + weighed.rule->name; break;
        case Verdict::approve:
            out += " needs an approver (" + weighed.rule->by + ", rule " + weighed.rule->name +
                   "), and nobody can be asked here";
            break;
        case Verdict::deny: out += " is denied by rule " + weighed.rule->name; break;
    }
    if (!weighed.rule->why.empty()) out += ": " + weighed.rule->why;
    return out;
}

// ---- a statement ----------------------------------------------------------------------------------------------------

/// The strictest of all targets, and which.
struct Strictest {
    Weighed weighed;
    std::size_t effect = 0;
    const sql::Object* object = nullptr;
    const std::string* column = nullptr;
    bool found = false;
};

Strictest strictest_of(
    const Compiled& role, std::span<const sql::Effect> effects, const Facts& facts, bool with_shadow, Gathered& gathered
) {
    Strictest best;
    for_each_target(role, effects, [&](std::size_t i, const sql::Object* object, const std::string* column) {
        const auto weighed = weigh(role, effects[i], object, column, facts, with_shadow, gathered);
        const bool better = !best.found || weighed.verdict > best.weighed.verdict ||
                            (weighed.verdict == best.weighed.verdict && tells_more(weighed, best.weighed));
        if (better) best = {weighed, i, object, column, true};
    });
    return best;
}

void set_bound(const Compiled& role, std::span<const sql::Effect> effects, const Gathered& gathered, Decision& out) {
    if (gathered.bound) {
        const auto& rule = *gathered.bound;
        out.max_affected = gathered.max_affected;
        out.max_affected_rule = rule.name;
        out.max_affected_reason = "more than " + std::to_string(*gathered.max_affected) + " rows ";
        out.max_affected_reason += rule.verdict == Verdict::approve
                                       ? "need an approver (" + rule.by + ", rule " + rule.name + "), and nobody can be asked here"
                                       : "are denied by rule " + rule.name;
        if (!rule.why.empty()) out.max_affected_reason += ": " + rule.why;
        out.max_affected_fix = rule.fix.empty() ? "Narrow the WHERE clause, or work in smaller batches." : rule.fix;
    }
    if (!role.limit_affected || !std::any_of(effects.begin(), effects.end(), writes_rows)) return;
    if (out.max_affected && *out.max_affected <= *role.limit_affected) return;
    out.max_affected = role.limit_affected;
    out.max_affected_rule = role.role + ".limits.affected";
    out.max_affected_reason = "role " + role.role + " may change at most " + std::to_string(*role.limit_affected) +
                              " rows in a transaction";
    out.max_affected_fix = "Work in smaller batches.";
}

}  // namespace

RoleRules::RoleRules(const Policy& policy, const Role& role, Engine engine, NameRules names) {
    auto compiled = std::make_shared<Compiled>();
    compiled->role = role.name;
    compiled->engine = engine;
    compiled->names = names;
    if (engine == Engine::mysql) compiled->names.fold_columns = true;
    compiled->in_shadow = in_shadow(policy, role);
    compiled->limit_affected = role.limits.affected;
    for (const auto& rule : role.rules) {
        CompiledRule out;
        out.name = rule_name(role, rule);
        out.number = rule.number;
        out.verdict = rule.verdict;
        out.of = rule.of;
        out.by_column = std::any_of(rule.of.begin(), rule.of.end(), [](const ObjectPattern& pattern) {
            return !whole_relation(pattern);
        });
        out.when = rule.when;
        out.counts_rows = rule.when && rule.when->counts_rows();
        out.why = rule.why;
        out.fix = rule.fix;
        out.by = rule.by;
        out.shadow = rule.shadow;
        compiled->has_shadow_rules |= rule.shadow;
        compiled->wants_estimate |= rule.when && rule.when->estimated_rows.has_value();
        for (std::size_t inner = 0; inner < class_count; ++inner) {
            const bool holds = std::any_of(rule.classes.begin(), rule.classes.end(), [&](EffectClass outer) {
                return sql::inside(static_cast<EffectClass>(inner), outer);
            });
            if (holds) compiled->by_class[inner].push_back(static_cast<std::uint32_t>(compiled->rules.size()));
        }
        compiled->rules.push_back(std::move(out));
    }
    compiled_ = std::move(compiled);
}

bool RoleRules::wants_estimate() const { return compiled_->wants_estimate; }

Decision decide(const RoleRules& rules, std::span<const sql::Effect> effects, const Facts& facts) {
    const auto& role = rules.compiled();
    Decision out;
    if (effects.empty()) {
        out.reason = "nobody knows what this statement does";
        out.fix = default_fix({});
        return out;
    }
    Gathered gathered;
    gathered.matched.resize(role.rules.size());
    const auto best = strictest_of(role, effects, facts, false, gathered);
    out.verdict = best.weighed.verdict;
    if (best.weighed.rule) {
        out.rule = best.weighed.rule->name;
        if (!best.weighed.unsure) out.fix = best.weighed.rule->fix;
        if (out.verdict == Verdict::approve) out.approvers = best.weighed.rule->by;
    }
    if (out.verdict != Verdict::allow)
        out.reason = reason_text(role, best.weighed, effect_text(effects[best.effect], best.object, best.column));
    if (out.fix.empty() && out.verdict >= Verdict::approve)
        out.fix = best.object && !best.object->resolved ? "Write the name as the catalogue has it, with its schema."
                                                        : default_fix(effects[best.effect]);
    set_bound(role, effects, gathered, out);

    if (role.has_shadow_rules) {
        const auto with_shadow = strictest_of(role, effects, facts, true, gathered).weighed.verdict;
        if (with_shadow != out.verdict) out.shadow = with_shadow;
    }
    if (role.in_shadow) {
        out.shadow = out.shadow.value_or(out.verdict);
        if (*out.shadow == Verdict::allow) out.shadow.reset();
        out.verdict = Verdict::allow;
        out.max_affected.reset();
    }
    for (std::size_t i = 0; i < role.rules.size(); ++i)
        if (gathered.matched[i]) out.rules.push_back(role.rules[i].name);
    out.needs_estimate = gathered.needs_estimate;
    out.until = gathered.until;
    return out;
}

Decision decide(const RoleRules& rules, const sql::Statement& statement, const Facts& facts) {
    return decide(rules, std::span(statement.effects), facts);
}

Decision decide_unparsed(const RoleRules& rules, std::string_view why, const Facts& facts) {
    sql::Effect effect;
    effect.effect_class = EffectClass::unparsed;
    effect.detail = why;
    return decide(rules, std::span(&effect, 1), facts);
}

std::vector<Judgement> judge(const RoleRules& rules, std::span<const sql::Effect> effects, const Facts& facts) {
    const auto& role = rules.compiled();
    std::vector<Judgement> out;
    const sql::Object* last = nullptr;  // the object of the last judgement, while its columns are judged one by one
    for_each_target(role, effects, [&](std::size_t i, const sql::Object* object, const std::string* column) {
        Gathered gathered;
        gathered.matched.resize(role.rules.size());
        const auto weighed = weigh(role, effects[i], object, column, facts, false, gathered);
        Judgement one;
        one.effect = i;
        if (object) one.object = object_text(*object, nullptr);
        one.verdict = weighed.verdict;
        if (weighed.rule) one.rule = weighed.rule->name;
        for (std::size_t r = 0; r < role.rules.size(); ++r)
            if (gathered.matched[r]) one.rules.push_back(role.rules[r].name);
        if (column) one.columns = {*column};
        else if (object) one.columns = object->columns;
        const bool same = column && object == last && out.back().verdict == one.verdict && out.back().rules == one.rules;
        last = column ? object : nullptr;
        if (same) out.back().columns.push_back(*column);
        else out.push_back(std::move(one));
    });
    return out;
}

}  // namespace dbguard::policy
