#include "policy/load_rules.hpp"

#include <array>
#include <span>

namespace dbguard::policy {
namespace {

std::string rule_id(Fields& fields, const YamlNode& node) {
    const auto word = fields.text(node, "`id`").value_or("");
    if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
        fields.error(node.at, "the id " + quoted(word) + " looks like a rule's number", "write a word");
    if (word.find_first_of(" \t\n#") != std::string::npos)
        fields.error(node.at, "the id " + quoted(word) + " has a space or a #", "write a word");
    return word;
}

std::span<const std::string_view> class_names() {
    static const auto all = [] {
        std::vector<std::string_view> out;
        for (int i = 0; i <= static_cast<int>(sql::EffectClass::unparsed); ++i)
            out.push_back(sql::name(static_cast<sql::EffectClass>(i)));
        return out;
    }();
    return all;
}

std::vector<sql::EffectClass> classes(Fields& fields, const YamlNode& node, std::string_view key) {
    std::vector<sql::EffectClass> out;
    const auto read = [&](const YamlNode& item) {
        const auto word = fields.text(item, quoted(key));
        if (!word) return;
        if (const auto known = sql::effect_class(*word)) {
            out.push_back(*known);
            return;
        }
        const auto near = nearest(*word, class_names());
        fields.error(
            item.at, "unknown class " + quoted(*word),
            near.empty() ? "see the list of classes in dbguard-policy(5)" : "write " + quoted(near)
        );
    };
    if (node.kind != YamlNode::Kind::sequence) {
        read(node);
        return out;
    }
    if (node.items.empty()) fields.error(node.at, quoted(key) + " is an empty list", "name at least one class");
    for (const auto& item : node.items) read(item);
    return out;
}

std::vector<ObjectPattern> functions(Fields& fields, const YamlNode& node) {
    std::vector<ObjectPattern> out;
    for (const auto& one : fields.one_or_many(node, "`function`")) {
        auto pattern = parse_object(one.name);
        if (!pattern)
            fields.error(
                one.at, "`function`: " + quoted(one.name) + " is no name: " + pattern.error().detail,
                "write schema.function, such as `public." + one.name + "`"
            );
        else if (pattern->column)
            fields.error(one.at, "`function`: " + quoted(one.name) + " has three parts", "write schema.function");
        else
            out.push_back(std::move(*pattern));
    }
    return out;
}

std::optional<When> when(Fields& fields, const YamlNode& node) {
    const Fields::Words known = {"where", "limit", "estimated_rows", "affected_rows", "rewrites_table", "temporary",
                                 "lock", "function", "setting", "in_plan", "hours"};
    if (!fields.map(node, "`when`", known)) return {};
    if (node.keys.empty()) fields.error(node.at, "`when` is empty", "take it out or name a condition");
    When when;
    when.at = node.at;
    if (const auto* field = node.find("where"))
        when.where = fields.choice<sql::Where>(
            *field, "`where`",
            {{"present", sql::Where::present}, {"missing", sql::Where::missing}, {"trivial", sql::Where::trivial}}
        );
    if (const auto* field = node.find("limit"))
        when.limit = fields.choice<LimitPredicate>(
            *field, "`limit`", {{"present", LimitPredicate::present}, {"missing", LimitPredicate::missing}}
        );
    if (const auto* field = node.find("estimated_rows"))
        when.estimated_rows = fields.more_than(*field, "`estimated_rows`");
    if (const auto* field = node.find("affected_rows"))
        when.affected_rows = fields.more_than(*field, "`affected_rows`");
    if (const auto* field = node.find("rewrites_table"))
        when.rewrites_table = fields.boolean(*field, "`rewrites_table`");
    if (const auto* field = node.find("temporary")) when.temporary = fields.boolean(*field, "`temporary`");
    if (const auto* field = node.find("lock"))
        when.lock = fields.choice<sql::Lock>(
            *field, "`lock`",
            {{"blocks_reads", sql::Lock::blocks_reads}, {"blocks_writes", sql::Lock::blocks_writes}}
        );
    if (const auto* field = node.find("function")) when.functions = functions(fields, *field);
    if (const auto* field = node.find("setting"))
        for (const auto& one : fields.one_or_many(*field, "`setting`")) {
            std::string lower = one.name;
            for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            when.settings.push_back(std::move(lower));
        }
    if (const auto* field = node.find("in_plan")) when.in_plan = fields.boolean(*field, "`in_plan`");
    if (const auto* field = node.find("hours"))
        if (const auto word = fields.text(*field, "`hours`")) {
            const auto hours = parse_hours(*word);
            if (hours) when.hours = *hours;
            else fields.error(field->at, "`hours` cannot be " + quoted(*word), hours.error().detail);
        }
    return when;
}

}  // namespace

std::optional<Rule> read_rule(Fields& fields, const YamlNode& node) {
    const Fields::Words known = {"allow", "warn", "approve", "deny", "of", "when", "by", "at", "id", "why", "fix", "shadow"};
    if (!fields.map(node, "a rule", known)) return {};
    Rule rule;
    rule.at = node.at;
    const std::array<std::pair<std::string_view, Verdict>, 4> verdicts = {
        {{"allow", Verdict::allow}, {"warn", Verdict::warn}, {"approve", Verdict::approve}, {"deny", Verdict::deny}}};
    int found = 0;
    for (const auto& [word, verdict] : verdicts)
        if (const auto* field = node.find(word)) {
            ++found;
            rule.verdict = verdict;
            rule.classes = classes(fields, *field, word);
        }
    if (found != 1)
        fields.error(
            node.at, found == 0 ? "this rule says nothing" : "this rule says more than one thing",
            "give it exactly one of `allow`, `warn`, `approve` and `deny`"
        );
    if (const auto* field = node.find("of")) rule.of = read_objects(fields, *field, "`of`", false);
    if (const auto* field = node.find("when")) rule.when = when(fields, *field);
    if (const auto* field = node.find("by")) {
        rule.by = fields.text(*field, "`by`").value_or("");
        rule.by_at = field->at;
    }
    if (rule.verdict == Verdict::approve && found == 1 && !node.find("by"))
        fields.error(node.at, "this rule names nobody to ask", "add `by:` and a name under `approvals`");
    if (const auto* field = node.find("at"))
        rule.approve_at = fields.choice<ApproveAt>(
            *field, "`at`", {{"statement", ApproveAt::statement}, {"commit", ApproveAt::commit}}
        ).value_or(ApproveAt::statement);
    if (const auto* field = node.find("id")) rule.id = rule_id(fields, *field);
    if (const auto* field = node.find("why")) rule.why = fields.sentence(*field, "`why`");
    if (const auto* field = node.find("fix")) rule.fix = fields.sentence(*field, "`fix`");
    if (const auto* field = node.find("shadow")) rule.shadow = fields.boolean(*field, "`shadow`").value_or(false);
    return rule;
}

std::vector<ObjectPattern> read_objects(Fields& fields, const YamlNode& node, std::string_view what, bool columns_only) {
    std::vector<ObjectPattern> out;
    const auto read = [&](const YamlNode& item) {
        const auto word = fields.text(item, what);
        if (!word) return;
        auto pattern = parse_object(*word);
        if (!pattern) {
            fields.error(
                item.at, std::string(what) + ": " + quoted(*word) + " is no name: " + pattern.error().detail,
                columns_only ? "write schema.table.column" : "write schema.table or schema.table.column"
            );
            return;
        }
        if (columns_only && !pattern->column) {
            fields.error(
                item.at, std::string(what) + ": " + quoted(*word) + " names a table, not a column",
                "write " + quoted(*word + ".*") + " for all its columns"
            );
            return;
        }
        out.push_back(std::move(*pattern));
    };
    if (node.kind != YamlNode::Kind::sequence) {
        read(node);
        return out;
    }
    if (node.items.empty()) fields.error(node.at, std::string(what) + " is an empty list", "name at least one");
    for (const auto& item : node.items) read(item);
    return out;
}

}  // namespace dbguard::policy
