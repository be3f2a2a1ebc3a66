#include "policy/test_suite.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "policy/fields.hpp"
#include "policy/yaml_tree.hpp"

namespace dbguard::policy {
namespace {

using Moment = std::chrono::system_clock::time_point;

class SuiteLoader {
  public:
    SuiteLoader(std::string_view file, std::vector<Problem>& problems) : fields_(file, problems) { suite.file = file; }

    TestSuite suite;

    void document(const YamlNode& root) {
        if (!fields_.map(root, "the suite", {"suite", "policy", "now", "schema", "as", "cases"}, {"suite", "cases"})) return;
        if (const auto* node = root.find("suite")) suite.name = fields_.sentence(*node, "`suite`");
        if (const auto* node = root.find("policy")) {
            suite.policy = fields_.text(*node, "`policy`").value_or("");
            suite.policy_at = node->at;
        }
        if (const auto* node = root.find("schema")) {
            suite.schema = fields_.text(*node, "`schema`").value_or("");
            suite.schema_at = node->at;
        }
        if (const auto* node = root.find("now")) suite.now = moment(*node);
        if (const auto* node = root.find("as")) as(*node);
        if (const auto* node = root.find("cases")) cases(*node);
    }

  private:
    void as(const YamlNode& node) {
        suite.as_at = node.at;
        if (!fields_.map(node, "`as`", {"role", "database", "claims"})) return;
        if (const auto* field = node.find("role")) suite.role = fields_.text(*field, "`role`").value_or("");
        if (const auto* field = node.find("database")) suite.database = fields_.text(*field, "`database`").value_or("");
        if (const auto* field = node.find("claims")) suite.claims = claims(*field);
    }

    Claims claims(const YamlNode& node) {
        Claims out;
        if (!fields_.named_map(node, "`claims`")) return out;
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            auto& values = out[node.keys[i].text];
            for (auto& one : fields_.one_or_many(node.items[i], "claim " + quoted(node.keys[i].text))) values.push_back(one.name);
        }
        return out;
    }

    // A time is meant, so a word that looks like one needs no quotes.
    std::optional<Moment> moment(const YamlNode& node) {
        const auto out = node.kind == YamlNode::Kind::scalar ? parse_moment(node.text) : std::nullopt;
        if (!out) fields_.error(node.at, "`now` must be a time", "write 2026-11-20T10:00:00Z");
        return out;
    }

    void cases(const YamlNode& node) {
        if (node.kind != YamlNode::Kind::sequence) {
            fields_.error(node.at, "`cases` must be a list", "write `- sql: …` and `expect: …` below it");
            return;
        }
        if (node.items.empty()) fields_.error(node.at, "`cases` is an empty list: this suite tests nothing", "write at least one case");
        for (const auto& item : node.items) {
            if (fields_.full()) return;
            test_case(item);
        }
    }

    void test_case(const YamlNode& node) {
        if (!fields_.map(node, "a case", {"name", "sql", "params", "role", "database", "claims", "now", "estimated_rows", "expect"}, {"expect"})) return;
        TestCase one;
        one.at = node.at;
        if (const auto* field = node.find("name")) one.name = fields_.sentence(*field, "`name`");
        if (const auto* field = node.find("sql"))
            for (auto& text : fields_.one_or_many(*field, "`sql`")) one.sql.push_back(std::move(text.name));
        if (const auto* field = node.find("params")) parameters(*field, one);
        if (const auto* field = node.find("role")) one.role = fields_.text(*field, "`role`");
        if (const auto* field = node.find("database")) one.database = fields_.text(*field, "`database`");
        if (const auto* field = node.find("claims")) one.claims = claims(*field);
        if (const auto* field = node.find("now")) one.now = moment(*field);
        if (const auto* field = node.find("estimated_rows")) one.estimated_rows = fields_.number(*field, "`estimated_rows`", 0);
        if (const auto* field = node.find("expect")) expectation(*field, one.expect);
        if (!node.find("sql") && one.expect.about_sql())
            fields_.error(node.at, "this case expects something of a statement and has none", "add `sql`");
        suite.cases.push_back(std::move(one));
    }

    void parameters(const YamlNode& node, TestCase& one) {
        one.parameters_at = node.at;
        if (node.kind != YamlNode::Kind::sequence) {
            fields_.error(node.at, "`params` must be a list", "write [a, b]");
            return;
        }
        for (const auto& item : node.items)
            if (item.kind != YamlNode::Kind::scalar && item.kind != YamlNode::Kind::null)
                fields_.error(item.at, "a value of `params` must be a word, a number or null");
        one.parameters = node.items.size();
    }

    void expectation(const YamlNode& node, Expectation& out) {
        out.at = node.at;
        if (!fields_.map(node, "`expect`", {"verdict", "rule", "effect", "object", "masks", "reason", "fix", "max_affected", "session"})) return;
        if (node.keys.empty()) fields_.error(node.at, "`expect` is empty: this case tests nothing", "write `verdict: allow` or `verdict: deny`");
        if (const auto* field = node.find("verdict"))
            out.verdict = fields_.choice<Verdict>(
                *field, "`verdict`", {{"allow", Verdict::allow}, {"warn", Verdict::warn}, {"approve", Verdict::approve}, {"deny", Verdict::deny}}
            );
        if (const auto* field = node.find("rule")) {
            out.rule = fields_.text(*field, "`rule`");
            if (out.rule == "none") out.rule = "";
        }
        if (const auto* field = node.find("effect")) effects(*field, out);
        if (const auto* field = node.find("object")) objects(*field, out);
        if (const auto* field = node.find("masks")) masks(*field, out);
        if (const auto* field = node.find("reason")) out.reason = fields_.text(*field, "`reason`");
        if (const auto* field = node.find("fix")) out.fix = fields_.text(*field, "`fix`");
        if (const auto* field = node.find("max_affected")) out.max_affected = fields_.number(*field, "`max_affected`", 0);
        if (const auto* field = node.find("session"))
            out.admitted = fields_.choice<bool>(*field, "`session`", {{"admitted", true}, {"refused", false}});
        if (out.admitted == false && out.about_sql())
            fields_.error(node.at, "in a session that is refused no statement is judged", "expect either the one or the other");
    }

    void effects(const YamlNode& node, Expectation& out) {
        for (const auto& one : fields_.one_or_many(node, "`effect`")) {
            if (const auto known = sql::effect_class(one.name)) {
                out.effects.push_back(*known);
                continue;
            }
            std::vector<std::string_view> all;
            for (int i = 0; i <= static_cast<int>(sql::EffectClass::unparsed); ++i) all.push_back(sql::name(static_cast<sql::EffectClass>(i)));
            const auto near = nearest(one.name, all);
            fields_.error(one.at, "unknown class " + quoted(one.name), near.empty() ? "see the list of classes in dbguard-policy(5)" : "write " + quoted(near));
        }
    }

    void objects(const YamlNode& node, Expectation& out) {
        for (const auto& one : fields_.one_or_many(node, "`object`")) {
            auto pattern = parse_object(one.name);
            if (pattern) out.objects.push_back(std::move(*pattern));
            else fields_.error(one.at, "`object`: " + quoted(one.name) + " is no name: " + pattern.error().detail, "write schema.table or schema.table.column");
        }
    }

    void masks(const YamlNode& node, Expectation& out) {
        if (!fields_.named_map(node, "`masks`")) return;
        out.masks.emplace();
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            const auto word = fields_.text(node.items[i], "the mask of " + quoted(node.keys[i].text));
            if (!word) continue;
            const auto mask = masking::parse_mask(*word);
            if (!mask || mask->function == masking::Function::keep) {
                fields_.error(
                    node.items[i].at, quoted(*word) + " is no mask that a column can come with",
                    "write the function as the policy has it, and leave out columns that come as they are"
                );
                continue;
            }
            out.masks->emplace_back(node.keys[i].text, masking::text(*mask));
        }
        std::sort(out.masks->begin(), out.masks->end());
    }

    Fields fields_;
};

/// `digits` characters at `at`, which moves behind them.
std::optional<int> digits(std::string_view text, std::size_t& at, std::size_t count) {
    if (at + count > text.size()) return {};
    int value = 0;
    for (const auto end = at + count; at < end; ++at) {
        if (text[at] < '0' || text[at] > '9') return {};
        value = value * 10 + (text[at] - '0');
    }
    return value;
}

bool skip(std::string_view text, std::size_t& at, char c) {
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
}

}  // namespace

std::optional<Moment> parse_moment(std::string_view text) {
    using namespace std::chrono;
    std::size_t at = 0;
    const auto y = digits(text, at, 4);
    if (!y || !skip(text, at, '-')) return {};
    const auto m = digits(text, at, 2);
    if (!m || !skip(text, at, '-')) return {};
    const auto d = digits(text, at, 2);
    if (!d || !(skip(text, at, 'T') || skip(text, at, ' '))) return {};
    const auto hour = digits(text, at, 2);
    if (!hour || !skip(text, at, ':')) return {};
    const auto minute = digits(text, at, 2);
    if (!minute || !skip(text, at, ':')) return {};
    const auto second = digits(text, at, 2);
    if (!second || *hour > 23 || *minute > 59 || *second > 59) return {};
    if (skip(text, at, '.')) {
        const auto begin = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        if (at == begin) return {};
    }
    minutes offset{0};
    if (!skip(text, at, 'Z')) {
        if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return {};
        const int sign = text[at++] == '-' ? -1 : 1;
        const auto hours_off = digits(text, at, 2);
        if (!hours_off || !skip(text, at, ':')) return {};
        const auto minutes_off = digits(text, at, 2);
        if (!minutes_off || *hours_off > 23 || *minutes_off > 59) return {};
        offset = minutes(sign * (*hours_off * 60 + *minutes_off));
    }
    const year_month_day date{year(*y), month(static_cast<unsigned>(*m)), day(static_cast<unsigned>(*d))};
    if (at != text.size() || !date.ok()) return {};
    return Moment(sys_days(date)) + hours(*hour) + minutes(*minute) + seconds(*second) - offset;
}

SuiteResult load_suite(std::string_view text, std::string_view file) {
    SuiteResult result;
    if (const auto root = parse_yaml(text, file, result.problems)) {
        SuiteLoader loader(file, result.problems);
        loader.document(*root);
        if (!has_errors(result.problems)) result.suite = std::move(loader.suite);
    }
    std::sort(result.problems.begin(), result.problems.end(), [](const Problem& a, const Problem& b) {
        return std::tie(a.at, a.message) < std::tie(b.at, b.message);
    });
    return result;
}

FileKind file_kind(std::string_view text) {
    std::vector<Problem> problems;
    const auto root = parse_yaml(text, "", problems);
    if (!root) return FileKind::other;
    if (root->find("suite") || root->find("cases")) return FileKind::suite;
    return root->find("dbguard") || root->find("roles") ? FileKind::policy : FileKind::other;
}

std::string session_refusal(const Policy& policy, const Role& role, std::string_view database, const Claims& claims) {
    if (!admits_database(role, database)) return "role " + role.name + " is not for database " + std::string(database);
    // Standalone mode: nobody is asked who they are.
    if (policy.identities.empty()) return {};
    std::string why;
    for (const auto& reference : role.identities) {
        const auto* wanted = find_identity(policy, reference.name);
        if (!wanted) continue;  // load() has refused it
        Caller caller;
        caller.issuer = wanted->issuer;
        caller.audience = {wanted->audience};
        caller.mfa = Mfa::webauthn;
        for (const auto& claim : wanted->claims)
            if (!claim.values.empty()) caller.claims[claim.name] = {claim.values.front()};
        for (const auto& [name, values] : claims) caller.claims[name] = values;
        const auto claim = mismatch(*wanted, caller);
        if (claim.empty()) return {};
        why += (why.empty() ? "" : ", ") + wanted->name + ": " + claim;
    }
    return why.empty() ? "role " + role.name + " is for no identity of this policy" : "no identity of the role is the caller's (" + why + ")";
}

}  // namespace dbguard::policy
