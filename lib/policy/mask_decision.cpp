#include "policy/mask_decision.hpp"

#include <algorithm>

namespace dbguard::policy {
namespace {

using sql::Flow;

// A rule that opens `call` for this very function vouches for what it gives.
bool is_vouched_for(const Role& role, const std::string& function) {
    const std::size_t dot = function.find('.');
    const std::string schema = function.substr(0, dot);
    const std::string name = dot == std::string::npos ? function : function.substr(dot + 1);
    return std::any_of(role.rules.begin(), role.rules.end(), [&](const Rule& rule) {
        // Opened by its exact name under `of`.
        const auto opens_exactly = [&](const ObjectPattern& pattern) { return pattern.exact() && pattern.schema == schema && pattern.relation == name; };
        const bool opened = std::any_of(rule.classes.begin(), rule.classes.end(), [](sql::EffectClass opens) { return sql::inside(sql::EffectClass::server, opens) || sql::inside(sql::EffectClass::call, opens); });
        if (opened && rule.verdict != Verdict::deny && !rule.shadow && !rule.when && std::any_of(rule.of.begin(), rule.of.end(), opens_exactly)) return true;
        if (rule.verdict == Verdict::deny || rule.shadow || !rule.when) return false;
        // A rule that asks for more than the name vouches only for what met it, which is not known here.
        When only_names = *rule.when;
        only_names.functions.clear();
        only_names.at = {};
        if (!(only_names == When{})) return false;
        const bool opens = std::any_of(rule.classes.begin(), rule.classes.end(), [](sql::EffectClass opened) { return sql::inside(sql::EffectClass::call, opened); });
        return opens && std::any_of(rule.when->functions.begin(), rule.when->functions.end(), [&](const ObjectPattern& pattern) {
                   return matches_wildcard(pattern.schema, schema) && matches_wildcard(pattern.relation, name);
               });
    });
}

void refuse(Decision& decision, std::string rule, std::string reason, std::string fix) {
    if (decision.verdict == Verdict::deny) return;
    decision.verdict = Verdict::deny;
    decision.rule = std::move(rule);
    decision.reason = std::move(reason);
    decision.fix = std::move(fix);
}

// The first of the functions that nobody vouches for.
const std::string* unvouched(const Role& role, const std::vector<std::string>& functions) {
    for (const std::string& function : functions)
        if (!is_vouched_for(role, function)) return &function;
    return nullptr;
}

class MaskDecision {
  public:
    MaskDecision(const sql::Statement& statement, const Sensitivity& sensitivity, const Role& role, const RoleMasks& masks, Decision& decision)
        : statement_(statement), sensitivity_(sensitivity), role_(role), masks_(masks), decision_(decision) {}

    void run() {
        outputs();
        filters();
        copies();
        renames();
        catalogue();
        texts();
    }

  private:
    void outputs() {
        const auto& outputs = statement_.outputs;
        decision_.masks.assign(outputs.size(), std::nullopt);
        bool any = false;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            decision_.masks[i] = output(outputs[i]);
            any = any || decision_.masks[i].has_value();
        }
        decision_.unmasked = !any && (sensitivity_.empty() || !sensitivity_.touches(statement_.relations));
        if (any && !statement_.outputs_exact)
            refuse(decision_, "masks", "which of the result's columns are masked could not be told", "Name the columns instead of writing *.");
    }

    std::optional<masking::Mask> output(const sql::Output& output) {
        std::optional<masking::Mask> mask;
        const SensitiveColumn* computed_from = nullptr;
        for (const sql::Source& source : output.sources) {
            const SensitiveColumn* column = sensitivity_.source(source);
            if (column == nullptr || source.flow == Flow::existence) continue;
            if (source.flow == Flow::identity) mask = mask ? masking::stricter(*mask, column->mask) : column->mask;
            else if (computed_from == nullptr || column->derived > computed_from->derived) computed_from = column;
        }
        const std::string* code = unvouched(role_, output.functions);
        // What is computed of texts and statistics is as if computed of the masked column that may stand there: NULL where it cannot fail.
        const bool null = output.as_shown || (output.of_shown && !output.may_fail && !sensitivity_.restricts_derived());
        if (output.opaque && null) mask = masking::Mask{};
        if ((output.opaque && !null) || code != nullptr) {
            refuse(
                decision_, "masks", "\"" + output.name + "\" " + (code != nullptr ? "comes from " + *code + ", whose code may read masked columns" : "may hold values of masked columns"),
                code != nullptr ? "Read the tables directly, or have the policy allow that function by name." : "Read the tables directly."
            );
            return masking::Mask{};
        }
        if (computed_from != nullptr) {
            if (computed_from->derived == Derived::deny || output.may_fail) {
                refuse(
                    decision_, computed_from->derived_rule, "\"" + output.name + "\" is computed from the masked column " + computed_from->name,
                    "Select " + computed_from->name.substr(computed_from->name.rfind('.') + 1) + " itself: it comes masked."
                );
            }
            return masking::Mask{};   // null
        }
        return mask;
    }

    void filters() {
        for (const sql::Filter& filter : statement_.filters) {
            if (filter.opaque || !filter.functions.empty()) {
                const std::string* code = unvouched(role_, filter.functions);
                if (sensitivity_.restricts_filters() && (filter.opaque || code != nullptr))
                    refuse(decision_, "masks", code != nullptr ? "what " + *code + " gives decides which rows come, and its code may read masked columns" : "values that may come from masked columns decide which rows come",
                           "Filter and sort by the columns of tables.");
                continue;
            }
            const SensitiveColumn* column = sensitivity_.source(filter.source);
            if (column == nullptr || column->filter == Filter::allow) continue;
            if (column->filter == Filter::equality && filter.use == sql::Filter::Use::equality && column->mask.keys.empty()) continue;
            const bool equality = column->filter == Filter::equality;
            refuse(
                decision_, column->filter_rule, "the masked column " + column->name + " decides which rows come, or in which order",
                equality ? "Compare it with given values by =, <> or IN; join, group and sort by other columns." : "Filter, join, group and sort by other columns."
            );
        }
    }

    /// Whether what a masked column holds can be stored in another one without showing more of it.
    static bool stays_hidden(const SensitiveColumn& target, const SensitiveColumn& column, const sql::Source& source, bool extended) {
        // Whether a computed value can be stored, or fails, or meets a constraint, is seen all the same.
        if (target.hides) return source.flow == Flow::identity || extended || column.filter == Filter::allow;
        // Another value than the column's own may put before the mask what that was to cover.
        if (source.flow != Flow::identity || !source.path.empty()) return false;
        if (target.mask == column.mask) return true;
        if (target.mask.no_zone != column.mask.no_zone) return false;   // moved by the session's TimeZone on the way
        return target.mask.keys.empty() && target.mask.detectors.empty() && column.mask.keys.empty() && column.mask.detectors.empty() &&
               masking::stricter(target.mask, column.mask) == target.mask;
    }

    /// Whether a column that is being made will show no more of it than `column` does: the policy's rules name it, or it is one of a
    /// materialized view, which carries the masks of what its query reads.
    bool stays_hidden(const sql::NewColumn& made, const SensitiveColumn& column, const sql::Source& source) const {
        // A temporary schema's name has a number; what holds for any two names holds for all.
        for (const char* number : {"", "_1"}) {
            const ColumnRule rule = masks_.column(made.temporary ? made.schema + number : made.schema, made.relation, made.name);
            SensitiveColumn target;
            if (rule.mask) target.mask = *rule.mask;
            target.mask.no_zone = column.mask.no_zone && rule.mask;   // of the query's own type
            if (rule.mask ? !stays_hidden(target, column, source, false) : rule.named || !made.of_view || source.flow != Flow::identity || !source.path.empty()) return false;
        }
        return true;
    }

    /// A mask goes by the column's name, what the column came from, and its tags.
    void renames() {
        for (const sql::Rename& rename : statement_.renames) {
            if (!rename.member.empty()) {
                if (const SensitiveColumn* column = sensitivity_.with_member(rename.member); column != nullptr)
                    refuse(decision_, column->rule, "members called " + rename.member + " are masked by that name, in " + column->name, "Have the policy name the member as it will be called first.");
                continue;
            }
            const ColumnRule before = masks_.column(rename.before.schema, rename.before.relation, rename.before.name);
            const SensitiveColumn* carried = rename.carried ? sensitivity_.column(rename.column) : nullptr;
            const masking::Mask* mask = carried != nullptr ? &carried->mask : !rename.carried && before.mask ? &*before.mask : nullptr;
            if (mask == nullptr || (rename.from_children && !carried->from_children)) continue;
            const ColumnRule after = masks_.column(rename.after.schema, rename.after.relation, rename.after.name);
            if (after.mask && masking::stricter(*after.mask, *mask) == *after.mask) continue;
            const std::string name = rename.before.schema + "." + rename.before.relation + "." + rename.before.name;
            refuse(decision_, carried != nullptr ? carried->rule : before.rule,
                   rename.carried ? "the column " + name + " would lose what its mask goes by"
                                  : "the masked column " + name + " would be named " + rename.after.schema + "." + rename.after.relation + "." + rename.after.name + ", which the policy does not mask as it does this",
                   rename.carried ? "Have the policy name the column itself first." : "Have the policy name the column as it will be called first.");
        }
    }

    /// What masks go by, changed by hand.
    void catalogue() {
        for (const sql::Effect& effect : statement_.effects)
            if (sql::inside(effect.effect_class, sql::EffectClass::write) || effect.effect_class == sql::EffectClass::bulk_import)
                for (const sql::Object& object : effect.objects)
                    if (sensitivity_.has_masks() && object.schema == "pg_catalog" && object.name != "pg_settings")
                        refuse(decision_, "masks", "the server's catalogue says which columns are masked, and " + object.name + " would be written by hand", "Use the statement that is made for it.");
    }

    void copies() {
        for (const sql::Copy& copy : statement_.copies) {
            const SensitiveColumn* target = sensitivity_.column(copy.target);
            if (copy.executed) continue;   // judged by what the name stands for, when it runs
            if (copy.opaque && sensitivity_.has_masks()) {
                refuse(decision_, "masks", copy.target_name + " would take values that may come from masked columns",
                       "Read the tables directly; code that runs texts, or names what is not there, cannot be read.");
                continue;
            }
            for (const sql::Source& source : copy.sources) {
                const SensitiveColumn* column = sensitivity_.source(source);
                if (column == nullptr || source.flow == Flow::existence) continue;
                if (target != nullptr && stays_hidden(*target, *column, source, copy.extended)) continue;
                if (copy.made && stays_hidden(*copy.made, *column, source)) continue;
                if (copy.target == source.column)
                    refuse(decision_, column->rule, "what is computed from the masked column " + column->name + " would be stored in it: whether that fits tells of the value", "Give the new value itself.");
                else
                    refuse(decision_, column->rule, "the masked column " + column->name + " would be copied to " + copy.target_name,
                           "Copy the other columns only, or have the policy mask " + copy.target_name + " as strictly.");
            }
            if (target == nullptr && sensitivity_.has_masks()) {
                const std::string* code = unvouched(role_, copy.functions);
                if (code != nullptr)
                    refuse(decision_, "masks", copy.target_name + " would take what " + *code + " gives, whose code may read masked columns", "Read the tables directly.");
            }
        }
    }

    void texts() {
        if (!sensitivity_.has_masks() || sensitivity_.empty()) return;
        using Kind = sql::StatementKind;
        const Kind kind = statement_.kind;
        // What cursors and prepared statements run reports later. So do deferred checks, in the transaction whose texts are hidden by
        // the statements that they check.
        const bool later = kind == Kind::execute || kind == Kind::fetch || kind == Kind::close_cursor;
        decision_.hide_texts = later || (!statement_.only_names && ((statement_.runs_code && statement_.unread_code) || sensitivity_.touches(statement_.relations)));
    }

    const sql::Statement& statement_;
    const Sensitivity& sensitivity_;
    const Role& role_;
    const RoleMasks& masks_;
    Decision& decision_;
};

}  // namespace

void decide_masks(const sql::Statement& statement, const Sensitivity& sensitivity, const Role& role, const RoleMasks& masks, Decision& decision) {
    decision.unmasked = !sensitivity.has_masks();
    if (decision.unmasked) return;
    MaskDecision(statement, sensitivity, role, masks, decision).run();
}

}  // namespace dbguard::policy
