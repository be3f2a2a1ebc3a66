#include "policy/load.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "policy/fields.hpp"
#include "policy/load_masks.hpp"
#include "policy/load_rules.hpp"
#include "policy/yaml_tree.hpp"

namespace dbguard::policy {
namespace {

using Words = Fields::Words;

/// `role `tester``
std::string titled(std::string_view kind, std::string_view name) {
    return std::string(kind) + ' ' + quoted(name);
}

/// Reads the tree section by section, in the order of the file format.
class Loader {
  public:
    Loader(std::string_view file, std::vector<Problem>& problems) : fields_(file, problems) {}

    Policy policy;

    void document(const YamlNode& root) {
        const Words known = {"dbguard", "policy", "mode",      "identities", "databases",
                             "roles",   "masks",  "approvals", "record"};
        if (!fields_.map(root, "the policy", known, {"dbguard", "policy", "identities", "roles"})) return;
        if (const auto* node = root.find("dbguard")) version(*node);
        if (const auto* node = root.find("policy")) policy_name(*node);
        if (const auto* node = root.find("mode")) policy.mode = mode(*node).value_or(Mode::enforce);
        each(root, "identities", [&](auto& name, auto at, auto& node) { identity(name, at, node); });
        policy.databases_given = root.find("databases") != nullptr;
        each(root, "databases", [&](auto& name, auto at, auto& node) { database(name, at, node); });
        each(root, "masks", [&](auto& name, auto at, auto& node) {
            if (auto set = read_mask_set(fields_, name, at, node)) policy.masks.push_back(std::move(*set));
        });
        each(root, "approvals", [&](auto& name, auto at, auto& node) { approval(name, at, node); });
        each(root, "roles", [&](auto& name, auto at, auto& node) { role(name, at, node); });
        if (const auto* node = root.find("record")) policy.record = record(*node);
        references();
    }

  private:
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
        if (!fields_.map(node, what, {"issuer", "audience", "claims", "kind", "mfa"}, {"issuer", "audience", "claims"})) return;
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
        if (!fields_.map(node, titled("database", name), {"engine", "tags"}, {"engine"})) return;
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
        if (!fields_.map(node, what, known, {"for", "databases", "login", "rules"})) return;
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
        if (!fields_.map(node, "`session`", {"ttl", "idle", "max_open"})) return;
        if (const auto* field = node.find("ttl")) out.ttl = fields_.duration(*field, "`ttl`");
        if (const auto* field = node.find("idle")) out.idle = fields_.duration(*field, "`idle`");
        if (const auto* field = node.find("max_open")) out.max_open = fields_.number(*field, "`max_open`", 1);
    }

    void limits(const YamlNode& node, Limits& out) {
        if (!fields_.map(node, "`limits`", {"rows", "bytes", "time", "statements", "session_rows", "affected", "over"})) return;
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
        if (!fields_.map(node, "`break_glass`", {"notify", "ttl", "review_within"}, {"notify"})) return {};
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
            auto one = read_rule(fields_, item);
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

    // ---- approvals and record ------------------------------------------------------------------------------------

    void approval(const std::string& name, Position at, const YamlNode& node) {
        const Words known = {"from",    "quorum", "each_group", "wait",  "valid",
                             "not",     "step_up", "show",      "reason", "notify"};
        if (!fields_.map(node, titled("approval", name), known, {"from"})) return;
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
        if (!fields_.map(node, "`record`", {"sql", "results", "raw", "keep", "to"})) return {};
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
