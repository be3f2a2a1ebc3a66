#include "cli/policy_redecide.hpp"

#include <algorithm>
#include <array>

#include "recording/lexer.hpp"

namespace dbguard::cli {
namespace {

using Kind = recording::Token::Kind;
using policy::Verdict;

/// Whether a literal holds what recordings put in the place of something else: '***', <EMAIL>.
bool is_redacted(std::string_view literal) {
    if (literal.find("***") != std::string_view::npos) return true;
    const auto open = literal.find('<');
    const auto close = open == std::string_view::npos ? open : literal.find('>', open);
    return close != std::string_view::npos && close > open + 1 &&
           std::all_of(literal.begin() + static_cast<std::ptrdiff_t>(open) + 1, literal.begin() + static_cast<std::ptrdiff_t>(close), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// Whether every literal is the one that came. In doubt: no. A literal may have been masked without leaving a mark, but hardly
/// without changing the length of the text.
bool keeps_literals(const RecordedText& text) {
    const std::string_view sql = text.sql;
    bool any = false;
    recording::Lexer lexer(sql, recording::Lexis::postgres());
    for (auto token = lexer.next(); token.kind != Kind::end; token = lexer.next()) {
        const auto spelling = sql.substr(token.begin, token.end - token.begin);
        if (token.kind == Kind::unterminated) return false;
        if (token.kind == Kind::op && spelling.starts_with('?')) return false;
        if (token.kind == Kind::string && is_redacted(spelling)) return false;
        any = any || token.kind == Kind::string || token.kind == Kind::number;
    }
    return !any || sql.size() == text.bytes;
}

/// `a in (?, ...)` → `a in ('?', '?')`. The recording's shape has a `?` for each literal, `?, ...` for a list of them and
/// `(?), ...` for a list of rows (recording/redact.cpp, ShapeBuilder).
std::string filled(std::string_view sql, std::string_view literal, std::size_t list_length) {
    std::string out;
    std::size_t comma = std::string::npos;  // where the last comma stands in `out`
    recording::Lexer lexer(sql, recording::Lexis::postgres());
    for (auto token = lexer.next(); token.kind != Kind::end; token = lexer.next()) {
        const auto spelling = sql.substr(token.begin, token.end - token.begin);
        if (token.kind == Kind::op && spelling.starts_with('?') && (spelling.size() == 1 || spelling.substr(1).starts_with("::"))) {
            out += literal;
            out += spelling.substr(1);
        } else if (sql.substr(token.begin, 3) == "..." && comma != std::string::npos) {
            for (const auto end = token.begin + 3; token.end < end;) token = lexer.next();  // the points are tokens of their own
            const bool rows = comma > 0 && out[comma - 1] == ')';
            out.resize(comma);
            if (!rows)
                for (std::size_t i = 1; i < list_length; ++i) (out += ", ") += literal;
        } else {
            if (spelling == ",") comma = out.size();
            out += spelling;
        }
    }
    return out;
}

/// `read.table public.orders, …`, sorted: what the recording and the analysis are compared by.
std::vector<std::string> said_effects(const std::vector<sql::Effect>& effects) {
    std::vector<std::string> out;
    for (const auto& effect : effects) {
        std::vector<std::string> names;
        for (const auto& object : effect.objects) {
            // The session's own schema of temporary objects has a number, which no fixture knows.
            const bool own = object.schema == "pg_temp" || object.schema.starts_with("pg_temp_");
            names.push_back(object.schema.empty() ? object.name : (own ? "pg_temp" : object.schema) + '.' + object.name);
        }
        std::sort(names.begin(), names.end());
        auto& text = out.emplace_back(sql::name(effect.effect_class));
        for (const auto& name : names) (text += ' ') += name;
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<sql::Effect> all_effects(const sql::Analysis& analysis) {
    std::vector<sql::Effect> out;
    for (const auto& statement : analysis.statements) out.insert(out.end(), statement.effects.begin(), statement.effects.end());
    return out;
}

bool all_resolved(const sql::Analysis& analysis) {
    for (const auto& statement : analysis.statements)
        for (const auto& effect : statement.effects)
            for (const auto& object : effect.objects)
                if (!object.resolved) return false;
    return true;
}

Understood only_effects(const RecordedText& text, std::string why) {
    Understood out;
    out.by = text.foreign_class ? Understood::By::nothing : Understood::By::effects;
    out.why = text.foreign_class ? "it has effects of a class that this version does not know" : std::move(why);
    return out;
}

/// The rules whose word on these effects turns on what the recording does not keep.
bool asks_for_more(const policy::Rule& rule, const std::vector<sql::Effect>& effects, bool facts_known) {
    const bool facts = !facts_known && rule.when && (rule.when->where || rule.when->limit || rule.when->rewrites_table || rule.when->lock || !rule.when->settings.empty());
    for (const auto& effect : effects) {
        const bool class_fits = std::any_of(rule.classes.begin(), rule.classes.end(), [&](sql::EffectClass outer) { return sql::inside(effect.effect_class, outer); });
        if (!class_fits) continue;
        if (facts && (rule.of.empty() || effect.objects.empty())) return true;
        const bool functions = rule.when && !rule.when->functions.empty();
        for (const auto& object : effect.objects) {
            if (!object.resolved && (!rule.of.empty() || functions)) return true;
            for (const auto& pattern : rule.of) {
                const bool named = policy::matches_wildcard(pattern.schema, object.schema) && policy::matches_wildcard(pattern.relation, object.name);
                if (named && (facts || (!facts_known && pattern.column && *pattern.column != "*"))) return true;
            }
        }
    }
    return false;
}

/// The rule as if all that is not known of it held.
policy::Rule as_if_it_fits(policy::Rule rule, bool names_known, bool facts_known) {
    if (!facts_known)
        for (auto& pattern : rule.of) pattern.column.reset();
    if (!names_known) rule.of.clear();
    if (!rule.when) return rule;
    if (!names_known) rule.when->functions.clear();
    if (!facts_known) {
        rule.when->where.reset();
        rule.when->limit.reset();
        rule.when->rewrites_table.reset();
        rule.when->lock.reset();
        rule.when->settings.clear();
    }
    auto plain = policy::When{};
    plain.at = rule.when->at;
    if (*rule.when == plain) rule.when.reset();
    return rule;
}

}  // namespace

Understood understand(const RecordedText& text, const catalogue::SnapshotRef& snapshot) {
    if (!text.unparsed.empty()) return {Understood::By::unparsed, {}, {}, {}};
    if (text.no_query) return only_effects(text, "it was no query but another message");
    if (text.sql.empty()) return text.effects.empty() ? Understood{Understood::By::nothing, {}, {}, "neither its text nor its effects were recorded"} : only_effects(text, "its text was not recorded");
    if (text.cut || text.sql.find("/* dropped: ") != std::string::npos) return only_effects(text, "its text was not recorded whole");

    const bool exact = keeps_literals(text);
    const auto wanted = said_effects(text.effects);
    std::string why;
    const auto attempt = [&](std::string message, Understood& out) {
        auto analysis = analyse(message, snapshot);
        if (!analysis.unparsed.empty()) {
            if (why.empty()) why = exact ? "its text is not understood here: " + analysis.unparsed : "it cannot be read without its constants, which were not recorded";
            return false;
        }
        const bool constants_matter = !exact && std::any_of(analysis.statements.begin(), analysis.statements.end(), [](const sql::Statement& statement) { return statement.literals_matter; });
        if (constants_matter) {
            why = "what it does hangs on constants that were not recorded";
            return false;
        }
        // A session without a catalogue recorded what can be told without one; with the schema more can.
        const auto said = said_effects(text.names_unknown ? all_effects(analyse(message, nullptr)) : all_effects(analysis));
        if (said != wanted || (text.names_unknown && !snapshot && !all_resolved(analysis))) {
            why = snapshot ? "under this schema it has other effects than were recorded" : "there is no schema";
            return false;
        }
        out = {Understood::By::text, std::move(message), std::move(analysis), {}};
        return true;
    };
    Understood out;
    if (exact) {
        if (attempt(text.sql, out)) return out;
        return only_effects(text, why);
    }
    if (attempt(filled(text.sql, "'?'", 1), out) || attempt(filled(text.sql, "0", 1), out)) return out;
    // The rows of an INSERT are as long as its list of columns, and how long was not recorded.
    if (text.sql.find("?, ...") != std::string::npos)
        for (std::size_t length = 2; length <= 40; ++length)
            if (attempt(filled(text.sql, "'?'", length), out)) return out;
    return only_effects(text, why);
}

Redecider::Redecider(const policy::Policy& policy, const policy::Role& role, const catalogue::SnapshotRef& snapshot)
    : policy_(policy), judge_(policy, role, snapshot) {
    for (const auto& reference : role.masks) {
        const auto* set = policy::find_masks(policy, reference.name);
        if (!set) continue;  // load() has refused it
        for (const auto& rule : set->columns) {
            if (rule.mask.function == masking::Function::keep) continue;
            masked_.insert(masked_.end(), rule.columns.begin(), rule.columns.end());
            masked_anywhere_ = masked_anywhere_ || rule.everywhere || !rule.tags.empty();
        }
    }
}

bool Redecider::may_be_masked(const RecordedText& text) const {
    const auto touches = [&](const sql::Object& object, const policy::ObjectPattern& pattern) {
        if (!object.resolved) return true;
        if (!policy::matches_wildcard(pattern.schema, object.schema) || !policy::matches_wildcard(pattern.relation, object.name)) return false;
        return !text.facts || !pattern.column || object.columns.empty() ||
               std::any_of(object.columns.begin(), object.columns.end(), [&](const std::string& column) { return policy::matches_wildcard(*pattern.column, column); });
    };
    for (const auto& effect : text.effects) {
        if (effect.objects.empty()) continue;
        // What code reads nobody has recorded.
        if (masked_anywhere_ || (effect.effect_class == sql::EffectClass::call && !masked_.empty())) return true;
        for (const auto& object : effect.objects)
            for (const auto& pattern : masked_)
                if (touches(object, pattern)) return true;
    }
    return false;
}

Redecision Redecider::redecide(const RecordedText& text, const Understood& understood, std::chrono::system_clock::time_point now) const {
    policy::Facts facts;
    facts.now = now;
    Redecision out;
    switch (understood.by) {
        case Understood::By::nothing: out.why_not = understood.why; return out;
        case Understood::By::effects: return by_effects(text, understood, facts);
        case Understood::By::unparsed: out.decision = judge_.judge_unparsed(text.unparsed, facts); break;
        case Understood::By::text: {
            if (judge_.masks_unknown() && may_be_masked(text)) {
                out.why_not = "without a schema it is not known which columns are masked";
                return out;
            }
            const auto judged = judge_.judge(understood.message, understood.analysis, facts);
            if (const auto* decisive = judged.decisive()) out.decision = *decisive;
            else out.decision.verdict = Verdict::allow;  // an empty message
            for (const auto& one : judged.statements) {
                out.by_hour = out.by_hour || one.decision.until.has_value();
                out.decision.needs_estimate = out.decision.needs_estimate || one.decision.needs_estimate;
                if (one.decision.max_affected && (!out.decision.max_affected || *one.decision.max_affected < *out.decision.max_affected)) {
                    out.decision.max_affected = one.decision.max_affected;
                    out.decision.max_affected_rule = one.decision.max_affected_rule;
                }
                for (std::size_t i = 0; i < one.statement.outputs.size() && i < one.decision.masks.size(); ++i)
                    if (one.decision.masks[i]) out.masks.push_back(one.statement.outputs[i].name + ": " + mask_text(*one.decision.masks[i]));
            }
            break;
        }
    }
    out.by_hour = out.by_hour || out.decision.until.has_value();
    out.known = !out.decision.needs_estimate;
    if (!out.known) out.why_not = "a rule asks for the planner's estimate, which is not recorded";
    return out;
}

Redecision Redecider::by_effects(const RecordedText& text, const Understood& understood, const policy::Facts& facts) const {
    Redecision out;
    if (may_be_masked(text)) {
        out.why_not = understood.why + ", and masks may be touched";
        return out;
    }
    const bool names_known = std::all_of(text.effects.begin(), text.effects.end(), [](const sql::Effect& effect) {
        return std::all_of(effect.objects.begin(), effect.objects.end(), [](const sql::Object& object) { return object.resolved; });
    });
    // Every way in which the unknown can turn out: where all agree, the answer is known all the same.
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < role().rules.size(); ++i)
        if (asks_for_more(role().rules[i], text.effects, text.facts)) open.push_back(i);
    constexpr std::size_t most = 6;
    if (open.size() > most) {
        out.why_not = understood.why + ", and the rules ask for more than was recorded of its effects";
        return out;
    }
    for (std::size_t ways = 0; ways < (std::size_t{1} << open.size()); ++ways) {
        auto role = this->role();
        for (std::size_t i = open.size(); i-- > 0;) {
            const auto at = role.rules.begin() + static_cast<std::ptrdiff_t>(open[i]);
            if ((ways >> i & 1) != 0) *at = as_if_it_fits(*at, names_known, text.facts);
            else role.rules.erase(at);
        }
        const auto decision = text.effects.empty() ? judge_.judge_effects({}, facts)
                                                   : policy::decide(policy::RoleRules(policy_, role, policy::Engine::postgres), text.effects, facts);
        if (decision.needs_estimate || (ways > 0 && (decision.verdict != out.decision.verdict || decision.shadow != out.decision.shadow || decision.max_affected != out.decision.max_affected))) {
            out.why_not = understood.why + ", and the rules ask for more than was recorded of its effects";
            return out;
        }
        if (ways == 0) out.decision = decision;
        out.by_hour = out.by_hour || decision.until.has_value();
    }
    out.known = true;
    return out;
}

}  // namespace dbguard::cli
