#include "policy/load.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "policy/fields.hpp"
#include "policy/yaml_tree.hpp"

namespace dbguard::policy {
namespace {

using Words = std::initializer_list<std::string_view>;

std::string quoted(std::string_view word) { return '`' + std::string(word) + '`'; }

/// `role `tester``
std::string titled(std::string_view kind, std::string_view name) {
    return std::string(kind) + ' ' + quoted(name);
}

std::vector<std::string> names(const std::vector<Reference>& references) {
    std::vector<std::string> out;
    for (const auto& one : references) out.push_back(one.name);
    return out;
}

/// A member path of `keys`: names joined by points; one with a point is written in double quotes.
std::optional<std::vector<std::string>> parse_path(std::string_view text) {
    std::vector<std::string> path;
    for (;;) {
        std::string part;
        std::size_t used = 0;
        if (text.starts_with('"')) {
            for (used = 1; used < text.size(); ++used) {
                if (text[used] == '"') {
                    if (used + 1 >= text.size() || text[used + 1] != '"') break;
                    ++used;
                }
                part.push_back(text[used]);
            }
            if (used >= text.size()) return {};
            ++used;
        } else {
            part = text.substr(0, text.find('.'));
            if (part.find('"') != std::string::npos) return {};
            used = part.size();
        }
        if (part.empty()) return {};
        path.push_back(std::move(part));
        text.remove_prefix(used);
        if (text.empty()) return path;
        if (text.front() != '.') return {};
        text.remove_prefix(1);
    }
}

/// Reads the tree section by section, in the order of the file format.
class Loader {
  public:
    Loader(std::string_view file, std::vector<Problem>& problems) : fields_(file, problems) {}

    Policy policy;

    void document(const YamlNode& root) {
        const Words known = {"dbguard", "policy", "mode",      "identities", "databases",
                             "roles",   "masks",  "approvals", "record"};
        if (!map(root, "the policy", known, {"dbguard", "policy", "identities", "roles"})) return;
        if (const auto* node = root.find("dbguard")) version(*node);
        if (const auto* node = root.find("policy")) policy_name(*node);
        if (const auto* node = root.find("mode")) policy.mode = mode(*node).value_or(Mode::enforce);
        each(root, "identities", [&](auto& name, auto at, auto& node) { identity(name, at, node); });
        policy.databases_given = root.find("databases") != nullptr;
        each(root, "databases", [&](auto& name, auto at, auto& node) { database(name, at, node); });
        each(root, "masks", [&](auto& name, auto at, auto& node) { mask_set(name, at, node); });
        each(root, "approvals", [&](auto& name, auto at, auto& node) { approval(name, at, node); });
        each(root, "roles", [&](auto& name, auto at, auto& node) { role(name, at, node); });
        if (const auto* node = root.find("record")) policy.record = record(*node);
        references();
    }

  private:
    bool map(const YamlNode& node, std::string_view what, Words known, Words required = {}) {
        return fields_.map(
            node, what, std::span(known.begin(), known.size()), std::span(required.begin(), required.size())
        );
    }

    template <class Function>
    void each(const YamlNode& root, std::string_view section, Function function) {
        const auto* node = root.find(section);
        if (!node || !fields_.named_map(*node, quoted(section))) return;
        std::set<std::string_view> seen;  // a duplicate has been reported; only the first counts
        for (std::size_t i = 0; i < node->keys.size(); ++i)
            if (seen.insert(node->keys[i].text).second)
                function(node->keys[i].text, node->keys[i].at, node->items[i]);
    }

    // ---- top -----------------------------------------------------------------------------------------------------

    void version(const YamlNode& node) {
        if (node.kind == YamlNode::Kind::scalar && node.plain && node.text == "1") return;
        fields_.error(node.at, "`dbguard` must be 1, the version of this format", "write `dbguard: 1`");
    }

    void policy_name(const YamlNode& node) {
        const auto word = fields_.text(node, "`policy`");
        if (!word) return;
        const bool plain = word->size() <= 63 && word->front() != '-' &&
                           word->find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
        if (plain) {
            policy.name = *word;
            return;
        }
        fields_.error(
            node.at, "the policy's name " + quoted(*word) + " has other characters than a-z, 0-9 and - (at most 63)",
            "write a name such as `shop-tests`"
        );
    }

    std::optional<Mode> mode(const YamlNode& node) {
        return fields_.choice<Mode>(node, "`mode`", {{"enforce", Mode::enforce}, {"shadow", Mode::shadow}});
    }

    // ---- who -----------------------------------------------------------------------------------------------------

    void identity(const std::string& name, Position at, const YamlNode& node) {
        const auto what = titled("identity", name);
        if (!map(node, what, {"issuer", "audience", "claims", "kind", "mfa"}, {"issuer", "audience", "claims"})) return;
        Identity identity;
        identity.name = name;
        identity.at = at;
        if (const auto* field = node.find("issuer")) {
            identity.issuer_at = field->at;
            identity.issuer = fields_.text(*field, "`issuer`").value_or("");
            check_url(identity.issuer, field->at);
        }
        if (const auto* field = node.find("audience")) {
            identity.audience_at = field->at;
            identity.audience = fields_.text(*field, "`audience`").value_or("");
        }
        if (const auto* field = node.find("claims")) claims(*field, identity);
        if (const auto* field = node.find("kind"))
            identity.kind = fields_.choice<IdentityKind>(
                *field, "`kind`",
                {{"human", IdentityKind::human}, {"ci", IdentityKind::ci}, {"agent", IdentityKind::agent},
                 {"service", IdentityKind::service}}
            ).value_or(IdentityKind::unspecified);
        if (const auto* field = node.find("mfa"))
            identity.mfa = fields_.choice<Mfa>(*field, "`mfa`", {{"webauthn", Mfa::webauthn}, {"any", Mfa::any}})
                               .value_or(Mfa::webauthn);
        policy.identities.push_back(std::move(identity));
    }

    void check_url(const std::string& url, Position at) {
        if (url.empty()) return;
        const auto scheme = url.find("://");
        const bool good = scheme != std::string::npos && scheme > 0 && url.size() > scheme + 3 &&
                          url.find_first_of(" \t\n\"<>\\^`{|}") == std::string::npos;
        if (!good)
            fields_.error(at, "the issuer " + quoted(url) + " is no URL", "write it as the token's `iss` has it");
    }

    void claims(const YamlNode& node, Identity& identity) {
        if (!fields_.named_map(node, "`claims`")) return;
        if (node.keys.empty()) fields_.error(node.at, "`claims` is empty", "name a claim that nobody else can have");
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            const auto& key = node.keys[i];
            identity.claims.push_back(
                {key.text, names(fields_.one_or_many(node.items[i], titled("claim", key.text))), key.at}
            );
        }
    }

    // ---- what ----------------------------------------------------------------------------------------------------

    void database(const std::string& name, Position at, const YamlNode& node) {
        if (!map(node, titled("database", name), {"engine", "tags"}, {"engine"})) return;
        Database database;
        database.name = name;
        database.at = at;
        if (const auto* field = node.find("engine"))
            database.engine =
                fields_
                    .choice<Engine>(*field, "`engine`", {{"postgres", Engine::postgres}, {"mysql", Engine::mysql}})
                    .value_or(Engine::postgres);
        if (const auto* field = node.find("tags")) database.tags = names(fields_.list(*field, "`tags`", 0, false));
        policy.databases.push_back(std::move(database));
    }

    // ---- roles ---------------------------------------------------------------------------------------------------

    void role(const std::string& name, Position at, const YamlNode& node) {
        const auto what = titled("role", name);
        const Words known = {"for",   "databases",       "login",       "session", "limits", "rules",
                             "masks", "approve_session", "break_glass", "mode",    "record"};
        if (!map(node, what, known, {"for", "databases", "login", "rules"})) return;
        Role role;
        role.name = name;
        role.at = at;
        if (const auto* field = node.find("for")) role.identities = fields_.one_or_many(*field, "`for`");
        if (const auto* field = node.find("databases")) role.databases = fields_.one_or_many(*field, "`databases`");
        if (const auto* field = node.find("login")) role.login = fields_.text(*field, "`login`").value_or("");
        if (const auto* field = node.find("session")) session(*field, role.session);
        if (const auto* field = node.find("limits")) {
            role.limits_given = true;
            limits(*field, role.limits);
        }
        if (const auto* field = node.find("rules")) rules(*field, role);
        if (const auto* field = node.find("masks")) role.masks = fields_.one_or_many(*field, "`masks`");
        if (const auto* field = node.find("approve_session"))
            if (auto word = fields_.text(*field, "`approve_session`"))
                role.approve_session = Reference{std::move(*word), field->at};
        if (const auto* field = node.find("break_glass")) role.break_glass = break_glass(*field);
        if (const auto* field = node.find("mode")) role.mode = mode(*field);
        if (const auto* field = node.find("record")) role.record = record(*field);
        policy.roles.push_back(std::move(role));
    }

    void session(const YamlNode& node, SessionSettings& out) {
        if (!map(node, "`session`", {"ttl", "idle", "max_open"})) return;
        if (const auto* field = node.find("ttl")) out.ttl = fields_.duration(*field, "`ttl`");
        if (const auto* field = node.find("idle")) out.idle = fields_.duration(*field, "`idle`");
        if (const auto* field = node.find("max_open")) out.max_open = fields_.number(*field, "`max_open`", 1);
    }

    void limits(const YamlNode& node, Limits& out) {
        if (!map(node, "`limits`", {"rows", "bytes", "time", "statements", "session_rows", "affected", "over"})) return;
        if (const auto* field = node.find("rows")) out.rows = fields_.number(*field, "`rows`", 1);
        if (const auto* field = node.find("bytes")) out.bytes = fields_.size(*field, "`bytes`");
        if (const auto* field = node.find("time")) out.time = fields_.duration(*field, "`time`");
        if (const auto* field = node.find("statements")) out.statements = fields_.number(*field, "`statements`", 1);
        if (const auto* field = node.find("session_rows"))
            out.session_rows = fields_.number(*field, "`session_rows`", 1);
        if (const auto* field = node.find("affected")) out.affected = fields_.number(*field, "`affected`", 1);
        if (const auto* field = node.find("over")) {
            out.over_given = true;
            out.over = fields_.choice<Over>(*field, "`over`", {{"error", Over::error}, {"cut", Over::cut}})
                           .value_or(Over::error);
        }
    }

    std::optional<BreakGlass> break_glass(const YamlNode& node) {
        if (!map(node, "`break_glass`", {"notify", "ttl", "review_within"}, {"notify"})) return {};
        BreakGlass out;
        out.at = node.at;
        if (const auto* field = node.find("notify")) out.notify = names(fields_.one_or_many(*field, "`notify`"));
        if (const auto* field = node.find("ttl")) out.ttl = fields_.duration(*field, "`ttl`");
        if (const auto* field = node.find("review_within"))
            out.review_within = fields_.duration(*field, "`review_within`");
        return out;
    }

    void rules(const YamlNode& node, Role& role) {
        if (node.kind != YamlNode::Kind::sequence) {
            fields_.error(node.at, "`rules` must be a list", "write `- allow: read`");
            return;
        }
        if (node.items.empty()) fields_.error(node.at, "`rules` is an empty list", "write at least `- allow: read`");
        if (node.items.size() > max_role_rules) {
            fields_.error(
                node.at, "role " + quoted(role.name) + " has more than " + std::to_string(max_role_rules) + " rules",
                "put several classes and objects into one rule"
            );
            return;
        }
        std::set<std::string> ids;
        for (const auto& item : node.items) {
            auto one = rule(item);
            if (!one) continue;
            one->number = static_cast<std::uint32_t>(&item - node.items.data() + 1);
            if (!one->id.empty() && !ids.insert(one->id).second)
                fields_.error(
                    item.find("id")->at, "the id " + quoted(one->id) + " stands twice in role " + quoted(role.name),
                    "give each rule an id of its own"
                );
            role.rules.push_back(std::move(*one));
        }
    }

    std::optional<Rule> rule(const YamlNode& node) {
        const Words known = {"allow", "warn", "approve", "deny", "of",  "when",
                             "by",    "at",   "id",      "why",  "fix", "shadow"};
        if (!map(node, "a rule", known)) return {};
        Rule rule;
        rule.at = node.at;
        const std::array<std::pair<std::string_view, Verdict>, 4> verdicts = {
            {{"allow", Verdict::allow}, {"warn", Verdict::warn}, {"approve", Verdict::approve}, {"deny", Verdict::deny}}};
        int found = 0;
        for (const auto& [word, verdict] : verdicts)
            if (const auto* field = node.find(word)) {
                ++found;
                rule.verdict = verdict;
                rule.classes = classes(*field, word);
            }
        if (found != 1)
            fields_.error(
                node.at, found == 0 ? "this rule says nothing" : "this rule says more than one thing",
                "give it exactly one of `allow`, `warn`, `approve` and `deny`"
            );
        if (const auto* field = node.find("of")) rule.of = objects(*field, "`of`", false);
        if (const auto* field = node.find("when")) rule.when = when(*field);
        if (const auto* field = node.find("by")) {
            rule.by = fields_.text(*field, "`by`").value_or("");
            rule.by_at = field->at;
        }
        if (rule.verdict == Verdict::approve && found == 1 && !node.find("by"))
            fields_.error(node.at, "this rule names nobody to ask", "add `by:` and a name under `approvals`");
        if (const auto* field = node.find("at"))
            rule.approve_at = fields_
                                  .choice<ApproveAt>(
                                      *field, "`at`",
                                      {{"statement", ApproveAt::statement}, {"commit", ApproveAt::commit}}
                                  )
                                  .value_or(ApproveAt::statement);
        if (const auto* field = node.find("id")) rule.id = rule_id(*field);
        if (const auto* field = node.find("why")) rule.why = fields_.sentence(*field, "`why`");
        if (const auto* field = node.find("fix")) rule.fix = fields_.sentence(*field, "`fix`");
        if (const auto* field = node.find("shadow")) rule.shadow = fields_.boolean(*field, "`shadow`").value_or(false);
        return rule;
    }

    std::string rule_id(const YamlNode& node) {
        const auto word = fields_.text(node, "`id`").value_or("");
        if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
            fields_.error(node.at, "the id " + quoted(word) + " looks like a rule's number", "write a word");
        if (word.find_first_of(" \t\n#") != std::string::npos)
            fields_.error(node.at, "the id " + quoted(word) + " has a space or a #", "write a word");
        return word;
    }

    std::vector<sql::EffectClass> classes(const YamlNode& node, std::string_view key) {
        std::vector<sql::EffectClass> out;
        const auto read = [&](const YamlNode& item) {
            const auto word = fields_.text(item, quoted(key));
            if (!word) return;
            if (const auto known = sql::effect_class(*word)) {
                out.push_back(*known);
                return;
            }
            const auto near = nearest(*word, class_names());
            fields_.error(
                item.at, "unknown class " + quoted(*word),
                near.empty() ? "see the list of classes in dbguard-policy(5)" : "write " + quoted(near)
            );
        };
        if (node.kind != YamlNode::Kind::sequence) {
            read(node);
            return out;
        }
        if (node.items.empty()) fields_.error(node.at, quoted(key) + " is an empty list", "name at least one class");
        for (const auto& item : node.items) read(item);
        return out;
    }

    static std::span<const std::string_view> class_names() {
        static const auto all = [] {
            std::vector<std::string_view> out;
            for (int i = 0; i <= static_cast<int>(sql::EffectClass::unparsed); ++i)
                out.push_back(sql::name(static_cast<sql::EffectClass>(i)));
            return out;
        }();
        return all;
    }

    /// `of`, `column`, `in`. `columns_only`: three parts each.
    std::vector<ObjectPattern> objects(const YamlNode& node, std::string_view what, bool columns_only) {
        std::vector<ObjectPattern> out;
        const auto read = [&](const YamlNode& item) {
            const auto word = fields_.text(item, what);
            if (!word) return;
            auto pattern = parse_object(*word);
            if (!pattern) {
                fields_.error(
                    item.at, std::string(what) + ": " + quoted(*word) + " is no name: " + pattern.error().detail,
                    columns_only ? "write schema.table.column" : "write schema.table or schema.table.column"
                );
                return;
            }
            if (columns_only && !pattern->column) {
                fields_.error(
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
        if (node.items.empty()) fields_.error(node.at, std::string(what) + " is an empty list", "name at least one");
        for (const auto& item : node.items) read(item);
        return out;
    }

    std::optional<When> when(const YamlNode& node) {
        const Words known = {"where",     "limit", "estimated_rows", "affected_rows", "rewrites_table",
                             "temporary", "lock",  "function",       "setting",       "in_plan",
                             "hours"};
        if (!map(node, "`when`", known)) return {};
        if (node.keys.empty()) fields_.error(node.at, "`when` is empty", "take it out or name a condition");
        When when;
        when.at = node.at;
        if (const auto* field = node.find("where"))
            when.where = fields_.choice<sql::Where>(
                *field, "`where`",
                {{"present", sql::Where::present}, {"missing", sql::Where::missing}, {"trivial", sql::Where::trivial}}
            );
        if (const auto* field = node.find("limit"))
            when.limit = fields_.choice<LimitPredicate>(
                *field, "`limit`", {{"present", LimitPredicate::present}, {"missing", LimitPredicate::missing}}
            );
        if (const auto* field = node.find("estimated_rows"))
            when.estimated_rows = fields_.more_than(*field, "`estimated_rows`");
        if (const auto* field = node.find("affected_rows"))
            when.affected_rows = fields_.more_than(*field, "`affected_rows`");
        if (const auto* field = node.find("rewrites_table"))
            when.rewrites_table = fields_.boolean(*field, "`rewrites_table`");
        if (const auto* field = node.find("temporary")) when.temporary = fields_.boolean(*field, "`temporary`");
        if (const auto* field = node.find("lock"))
            when.lock = fields_.choice<sql::Lock>(
                *field, "`lock`",
                {{"blocks_reads", sql::Lock::blocks_reads}, {"blocks_writes", sql::Lock::blocks_writes}}
            );
        if (const auto* field = node.find("function")) when.functions = functions(*field);
        if (const auto* field = node.find("setting"))
            for (const auto& one : fields_.one_or_many(*field, "`setting`")) {
                std::string lower = one.name;
                for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
                when.settings.push_back(std::move(lower));
            }
        if (const auto* field = node.find("in_plan")) when.in_plan = fields_.boolean(*field, "`in_plan`");
        if (const auto* field = node.find("hours"))
            if (const auto word = fields_.text(*field, "`hours`")) {
                const auto hours = parse_hours(*word);
                if (hours) when.hours = *hours;
                else fields_.error(field->at, "`hours` cannot be " + quoted(*word), hours.error().detail);
            }
        return when;
    }

    std::vector<ObjectPattern> functions(const YamlNode& node) {
        std::vector<ObjectPattern> out;
        for (const auto& one : fields_.one_or_many(node, "`function`")) {
            auto pattern = parse_object(one.name);
            if (!pattern)
                fields_.error(
                    one.at, "`function`: " + quoted(one.name) + " is no name: " + pattern.error().detail,
                    "write schema.function, such as `public." + one.name + "`"
                );
            else if (pattern->column)
                fields_.error(one.at, "`function`: " + quoted(one.name) + " has three parts", "write schema.function");
            else
                out.push_back(std::move(*pattern));
        }
        return out;
    }

    // ---- masks ---------------------------------------------------------------------------------------------------

    void mask_set(const std::string& name, Position at, const YamlNode& node) {
        const auto what = titled("mask set", name);
        if (!map(node, what, {"columns", "derived", "filter"}, {"columns"})) return;
        MaskSet set;
        set.name = name;
        set.at = at;
        if (const auto* field = node.find("columns")) mask_rules(*field, set);
        if (const auto* field = node.find("derived"))
            set.derived =
                fields_.choice<Derived>(*field, "`derived`", {{"mask", Derived::mask}, {"deny", Derived::deny}})
                    .value_or(Derived::deny);
        if (const auto* field = node.find("filter"))
            set.filter =
                fields_
                    .choice<Filter>(
                        *field, "`filter`",
                        {{"deny", Filter::deny}, {"allow", Filter::allow}, {"equality", Filter::equality}}
                    )
                    .value_or(Filter::deny);
        policy.masks.push_back(std::move(set));
    }

    void mask_rules(const YamlNode& node, MaskSet& set) {
        if (node.kind != YamlNode::Kind::sequence) {
            fields_.error(node.at, "`columns` must be a list", "write `- { column: public.t.c, with: redact }`");
            return;
        }
        for (const auto& item : node.items)
            if (auto one = mask_rule(item)) {
                one->index = static_cast<std::uint32_t>(&item - node.items.data());
                set.columns.push_back(std::move(*one));
            }
    }

    std::optional<MaskRule> mask_rule(const YamlNode& node) {
        if (!map(node, "a mask", {"column", "tag", "detect", "in", "keys", "with"}, {"with"})) return {};
        MaskRule rule;
        rule.at = node.at;
        const auto* column = node.find("column");
        const auto* tag = node.find("tag");
        const auto* detect = node.find("detect");
        const auto* in = node.find("in");
        if (!column && !tag && !detect)
            fields_.error(node.at, "this mask names no columns", "add `column`, `tag` or `detect`");
        if (column && tag)
            fields_.error(node.at, "this mask names columns both by `column` and by `tag`", "write two masks");
        if (in && !detect) fields_.error(in->at, "`in` goes with `detect` only", "write `column`");
        if (in && (column || tag))
            fields_.error(in->at, "`in` stands beside `column` or `tag`", "keep one of them");
        if (column) rule.columns = objects(*column, "`column`", true);
        if (in) rule.columns = objects(*in, "`in`", true);
        if (tag) rule.tags = names(fields_.one_or_many(*tag, "`tag`"));
        rule.everywhere = detect && !column && !tag && !in;
        if (const auto* with = node.find("with")) mask_function(*with, rule.mask);
        if (detect) rule.mask.detectors = detectors(*detect);
        if (const auto* keys = node.find("keys")) mask_keys(*keys, rule.mask);
        const bool keeps = rule.mask.function == masking::Function::keep;
        if (keeps && (detect || node.find("keys")))
            fields_.error(node.at, "`keep` unmasks a whole column", "take out `detect` and `keys`");
        if (detect && node.find("keys"))
            fields_.error(node.at, "`detect` and `keys` do not go together", "write two masks");
        return rule;
    }

    void mask_function(const YamlNode& node, masking::Mask& mask) {
        const auto word = fields_.text(node, "`with`");
        if (!word) return;
        const auto parsed = masking::parse_mask(*word);
        if (parsed) {
            mask = *parsed;
            return;
        }
        const std::array<std::string_view, 12> functions = {
            "null",     "redact",  "replace",      "hash",       "email",      "keep",
            "zero",     "first(4)", "last(4)", "partial(1,1)", "bucket(10)", "date(year)"};
        const auto near = nearest(*word, functions);
        fields_.error(
            node.at, quoted(*word) + " is no mask function",
            "write " + (near.empty() ? one_of_these(functions) : quoted(near))
        );
    }

    std::vector<std::string> detectors(const YamlNode& node) {
        static constexpr std::array<std::string_view, 8> known = {"email", "credit_card", "iban",      "ssn",
                                                                  "phone", "jwt",         "cloud_key", "private_key"};
        std::vector<std::string> out;
        for (const auto& one : fields_.one_or_many(node, "`detect`")) {
            if (std::find(known.begin(), known.end(), one.name) == known.end())
                fields_.bad_choice(one.at, "`detect`", one.name, known);
            out.push_back(one.name);
        }
        return out;
    }

    void mask_keys(const YamlNode& node, masking::Mask& mask) {
        for (const auto& one : fields_.list(node, "`keys`", 1, false)) {
            auto path = parse_path(one.name);
            if (path)
                mask.keys.push_back(std::move(*path));
            else
                fields_.error(
                    one.at, "`keys`: " + quoted(one.name) + " is no path of member names",
                    "write names joined by points, such as `contact.email`"
                );
        }
    }

    // ---- approvals and record ------------------------------------------------------------------------------------

    void approval(const std::string& name, Position at, const YamlNode& node) {
        const Words known = {"from",    "quorum", "each_group", "wait",  "valid",
                             "not",     "step_up", "show",      "reason", "notify"};
        if (!map(node, titled("approval", name), known, {"from"})) return;
        Approval approval;
        approval.name = name;
        approval.at = at;
        if (const auto* field = node.find("from")) approval.from = names(fields_.one_or_many(*field, "`from`"));
        if (const auto* field = node.find("quorum")) {
            approval.quorum = fields_.number(*field, "`quorum`", 1).value_or(1);
            approval.quorum_at = field->at;
        }
        if (const auto* field = node.find("each_group"))
            approval.each_group = fields_.boolean(*field, "`each_group`").value_or(false);
        if (const auto* field = node.find("wait")) approval.wait = fields_.duration(*field, "`wait`");
        if (const auto* field = node.find("valid")) approval.valid = fields_.duration(*field, "`valid`");
        if (const auto* field = node.find("not"))
            approval.not_by = words(*field, "`not`", {"author", "reviewer", "same_team"});
        if (const auto* field = node.find("step_up"))
            approval.step_up =
                fields_.choice<bool>(*field, "`step_up`", {{"webauthn", true}, {"none", false}}).value_or(true);
        if (const auto* field = node.find("show"))
            approval.show = words(*field, "`show`", {"explain", "locks", "rows", "diff", "literals"});
        if (const auto* field = node.find("reason"))
            approval.reason = fields_.boolean(*field, "`reason`").value_or(true);
        if (const auto* field = node.find("notify"))
            approval.notify = names(fields_.one_or_many(*field, "`notify`"));
        policy.approvals.push_back(std::move(approval));
    }

    std::vector<std::string> words(const YamlNode& node, std::string_view what, Words known) {
        std::vector<std::string> out;
        for (const auto& one : fields_.list(node, what, 0, false)) {
            if (std::find(known.begin(), known.end(), one.name) == known.end())
                fields_.bad_choice(one.at, what, one.name, std::span(known.begin(), known.size()));
            out.push_back(one.name);
        }
        return out;
    }

    std::optional<RecordSettings> record(const YamlNode& node) {
        if (!map(node, "`record`", {"sql", "results", "raw", "keep", "to"})) return {};
        RecordSettings out;
        out.at = node.at;
        if (const auto* field = node.find("sql")) {
            out.sql_at = field->at;
            out.sql = fields_.choice<RecordSql>(
                *field, "`sql`",
                {{"shape", RecordSql::shape}, {"masked", RecordSql::masked}, {"full", RecordSql::full}}
            );
        }
        if (const auto* field = node.find("results"))
            out.results = fields_.choice<RecordResults>(
                *field, "`results`",
                {{"none", RecordResults::none}, {"shape", RecordResults::shape}, {"masked", RecordResults::masked}}
            );
        if (const auto* field = node.find("raw"))
            out.raw = fields_.choice<RecordRaw>(
                *field, "`raw`", {{"never", RecordRaw::never}, {"sealed", RecordRaw::sealed}}
            );
        if (const auto* field = node.find("keep")) out.keep = fields_.duration(*field, "`keep`");
        if (const auto* field = node.find("to")) out.to = names(fields_.one_or_many(*field, "`to`"));
        return out;
    }

    // ---- names that must exist -----------------------------------------------------------------------------------

    /// The names of one section.
    struct Section {
        std::string_view name;
        std::vector<std::string_view> known;
        std::set<std::string_view> set;
    };
    template <class T>
    static Section section(std::string_view name, const std::vector<T>& all) {
        Section out{name, {}, {}};
        for (const auto& one : all) out.known.push_back(one.name);
        out.set.insert(out.known.begin(), out.known.end());
        return out;
    }

    void refer(const std::string& name, Position at, const Section& section) {
        if (section.set.contains(name) || fields_.full()) return;
        const auto near = nearest(name, section.known);
        std::string suggestion = "add it under " + quoted(section.name);
        if (!near.empty()) suggestion = "write " + quoted(near);
        else if (!section.known.empty() && section.known.size() <= 8) suggestion += " or write " + one_of_these(section.known);
        fields_.error(at, quoted(name) + " is not under " + quoted(section.name), suggestion);
    }

    void references() {
        const auto identities = section("identities", policy.identities);
        const auto databases = section("databases", policy.databases);
        const auto masks = section("masks", policy.masks);
        const auto approvals = section("approvals", policy.approvals);
        for (const auto& role : policy.roles) {
            // Standalone mode asks nobody: without identities `for` is only a name. So are databases where none are given.
            if (!policy.identities.empty())
                for (const auto& one : role.identities) refer(one.name, one.at, identities);
            if (policy.databases_given)
                for (const auto& one : role.databases) refer(one.name, one.at, databases);
            for (const auto& one : role.masks) refer(one.name, one.at, masks);
            if (role.approve_session) refer(role.approve_session->name, role.approve_session->at, approvals);
            for (const auto& rule : role.rules)
                if (!rule.by.empty()) refer(rule.by, rule.by_at, approvals);
        }
    }

    Fields fields_;
};

}  // namespace

LoadResult load(std::string_view text, std::string_view file) {
    LoadResult result;
    if (const auto root = parse_yaml(text, file, result.problems)) {
        Loader loader(file, result.problems);
        loader.document(*root);
        loader.policy.file = file;
        loader.policy.policy_hash = hex(sha256(text));
        if (!has_errors(result.problems)) result.policy = std::move(loader.policy);
    }
    std::sort(result.problems.begin(), result.problems.end(), [](const Problem& a, const Problem& b) {
        return std::tie(a.at, a.message) < std::tie(b.at, b.message);
    });
    return result;
}

}  // namespace dbguard::policy
