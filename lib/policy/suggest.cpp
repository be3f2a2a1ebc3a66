#include "policy/suggest.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "policy/object_pattern.hpp"
#include "policy/yaml_tree.hpp"

namespace dbguard::policy {
namespace {

using sql::EffectClass;

bool in_class(const sql::Effect& effect, EffectClass outer) { return sql::inside(effect.effect_class, outer); }

/// What one rule of the draft is for. Effects that the same rule opens have the same key.
struct Key {
    EffectClass effect_class = EffectClass::unparsed;
    std::string where;     ///< update and delete: present, missing, trivial; `?`: not known
    bool nameless = false; ///< it has no object, so no `of` can open it
    std::string danger;    ///< why it is not opened unasked; empty: it is harmless enough

    auto operator<=>(const Key&) const = default;
};

struct Draft {
    std::set<std::string> names;  ///< objects, functions or settings
    std::uint64_t statements = 0;
    std::string example;
};

/// Why nobody should open this without having looked.
std::string danger_of(const sql::Effect& effect, const std::string& where) {
    if (in_class(effect, EffectClass::server)) return "files, programs, extensions and settings of the server";
    if (in_class(effect, EffectClass::dcl)) return "accounts and privileges";
    if (in_class(effect, EffectClass::unparsed)) return "statements that could not be understood: nothing of them is checked or masked";
    if (in_class(effect, EffectClass::session_role)) return "another role than the session's own";
    if (in_class(effect, EffectClass::ddl_drop) || in_class(effect, EffectClass::ddl_truncate)) return "takes away what nobody can bring back";
    if (in_class(effect, EffectClass::call) && effect.objects.empty()) return "code without a name, which may do anything";
    if (where == "missing" || where == "trivial") return "changes every row of a table";
    if (where == "?") return "whether they had a WHERE clause is not known; with the schema (--schema) it often is";
    return {};
}

std::string where_of(const Observed& statement, const sql::Effect& effect) {
    if (!in_class(effect, EffectClass::write_update) && !in_class(effect, EffectClass::write_delete)) return {};
    if (!statement.facts_known) return "?";
    switch (effect.where) {
        case sql::Where::present: return "present";
        case sql::Where::missing: return "missing";
        case sql::Where::trivial: return "trivial";
        case sql::Where::not_applicable: return {};
    }
    return {};
}

std::string pattern_of(const sql::Object& object) {
    if (object.temporary) return "pg_temp.*";
    if (object.schema.empty()) return "*." + quoted_name(object.name);  // a schema, a role: `of` has two parts for these, too
    return text(ObjectPattern{object.schema, object.name, {}});
}

std::string joined(const std::set<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + yaml_word(word);
    return out;
}

/// A list in one line, or one item a line where it is long.
std::string list(const std::set<std::string>& words, const std::string& margin) {
    if (words.size() == 1) return ' ' + yaml_word(*words.begin());
    auto line = joined(words);
    if (line.size() <= 90) return " [" + line + ']';
    std::string out;
    for (const auto& word : words) out += '\n' + margin + "  - " + yaml_word(word);
    return out;
}

/// 1, 2 or 5 with zeros, at least twice the value: room above what was seen.
std::uint64_t room_above(std::uint64_t value, std::uint64_t least) {
    std::uint64_t out = 1;
    for (const std::uint64_t wanted = std::max(2 * value, least);;) {
        for (const std::uint64_t step : {1, 2, 5})
            if (step * out >= wanted) return step * out;
        out *= 10;
    }
}

std::string comment_text(std::string_view text) {
    std::string out;
    for (const char c : text) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c);
    return out;
}

class RoleWriter {
  public:
    RoleWriter(const ObservedRole& role, bool dangerous, Suggestion& out) : role_(role), dangerous_(dangerous), out_(out) {}

    void write() {
        for (const auto& statement : role_.statements) take(statement);
        head();
        out_.yaml += "    rules:\n";
        // Nothing else may be left: a role without rules is no role.
        if (drafts_.empty() || (!dangerous_ && std::all_of(drafts_.begin(), drafts_.end(), [](const auto& one) { return !one.first.danger.empty(); }))) {
            out_.yaml += "      # nothing harmless was seen; a role needs a rule\n      - allow: tx\n";
            ++out_.rules;
        }
        for (const auto& [key, draft] : drafts_) rule(key, draft);
        unread_tables();
    }

  private:
    void take(const Observed& statement);
    void head();
    void rule(const Key& key, const Draft& draft);
    void unread_tables();

    const ObservedRole& role_;
    const bool dangerous_;
    Suggestion& out_;
    std::map<Key, Draft> drafts_;
    bool opens_all_tables_ = false;
};

void RoleWriter::take(const Observed& statement) {
    std::map<Key, std::set<std::string>> needs;
    for (const auto& effect : statement.effects) {
        Key key;
        key.effect_class = effect.effect_class;
        key.where = where_of(statement, effect);
        key.danger = danger_of(effect, key.where);
        if (effect.effect_class == EffectClass::session_set) {
            if (effect.setting.empty() && key.danger.empty()) key.danger = "which setting it is is not known; with the schema (--schema) it often is";
            auto& names = needs[key];
            if (!effect.setting.empty()) names.insert(effect.setting);
            continue;
        }
        key.nameless = effect.objects.empty();
        if (key.nameless) needs[key];
        for (const auto& object : effect.objects) {
            if (object.expanded) continue;  // the tables behind it open it
            auto one = key;
            if (!object.resolved && one.danger.empty()) one.danger = "a name that could not be told: no `of` opens it";
            auto& names = needs[one];
            if (object.resolved && !object.name.empty()) names.insert(pattern_of(object));
        }
    }
    bool withheld = false;
    for (auto& [key, names] : needs) {
        withheld = withheld || (!key.danger.empty() && !dangerous_);
        auto& draft = drafts_[key];
        draft.names.merge(names);
        draft.statements += statement.count;
        if (draft.example.empty()) draft.example = statement.example;
    }
    if (withheld) out_.not_covered += statement.count;
}

void RoleWriter::head() {
    out_.yaml += "  " + yaml_word(role_.name) + ":\n    for: recorded\n    databases:";
    out_.yaml += list({role_.databases.begin(), role_.databases.end()}, "    ") + '\n';
    out_.yaml += "    login: " + yaml_word(role_.login) + '\n';
    // Limits with room above what was seen: a draft without any is a draft that nobody finishes.
    out_.yaml += "    # the largest result had " + std::to_string(role_.most_rows) + " rows, the longest statement took " + std::to_string(role_.longest.count()) + " ms";
    if (role_.most_affected > 0) out_.yaml += ", the largest change was of " + std::to_string(role_.most_affected) + " rows";
    const auto seconds = (static_cast<std::uint64_t>(role_.longest.count()) + 999) / 1000;
    out_.yaml += "\n    limits: { rows: " + std::to_string(room_above(role_.most_rows, 100)) + ", time: " + std::to_string(room_above(seconds, 10)) + 's';
    if (role_.most_affected > 0) out_.yaml += ", affected: " + std::to_string(room_above(role_.most_affected, 10));
    out_.yaml += " }\n";
    if (!role_.sensitive_columns.empty()) {
        out_.yaml += "    # These columns look sensitive, and statements touched their tables. Mask them:\n";
        for (const auto& column : role_.sensitive_columns) out_.yaml += "    #   " + comment_text(column) + '\n';
    }
}

void RoleWriter::rule(const Key& key, const Draft& draft) {
    const bool reads_no_table = key.effect_class == EffectClass::read_table && key.nameless;
    // Whoever may read any table may run a query of none.
    const auto reads_a_table = [&](const auto& other) {
        return other.first.effect_class == EffectClass::read_table && !other.second.names.empty() && (other.first.danger.empty() || dangerous_);
    };
    if (reads_no_table && std::any_of(drafts_.begin(), drafts_.end(), reads_a_table)) return;
    const bool withheld = !key.danger.empty() && !dangerous_;
    const std::string margin = withheld ? "      # " : "      ";
    out_.yaml += "      # " + std::to_string(draft.statements) + (draft.statements == 1 ? " statement" : " statements");
    if (!draft.example.empty()) out_.yaml += "; first " + comment_text(draft.example);
    out_.yaml += '\n';
    if (!key.danger.empty())
        out_.yaml += std::string("      # ") + (withheld ? "NOT OPENED" : "DANGEROUS") + ": " + key.danger + (withheld ? " (--allow-dangerous writes this rule out)" : "") + '\n';
    if (reads_no_table) {
        opens_all_tables_ = true;
        out_.yaml += "      # THIS OPENS EVERY TABLE. These statements read none (SELECT 1, SELECT version()): any table under `of` would do as well.\n";
    }
    (withheld ? out_.withheld : out_.rules)++;
    out_.yaml += margin + "- allow: " + std::string(sql::name(key.effect_class)) + '\n';
    const bool by_function = key.effect_class == EffectClass::call && !draft.names.empty();
    const bool by_setting = key.effect_class == EffectClass::session_set && !draft.names.empty();
    if (!draft.names.empty() && !by_function && !by_setting) out_.yaml += margin + "  of:" + list(draft.names, margin + "  ") + '\n';
    if (by_function) out_.yaml += margin + "  when: { function: [" + joined(draft.names) + "] }\n";
    if (by_setting) out_.yaml += margin + "  when: { setting: [" + joined(draft.names) + "] }\n";
    if (!key.where.empty() && key.where != "?") out_.yaml += margin + "  when: { where: " + key.where + " }\n";
}

/// Where a rule had to open every table, the tables of the schema that nobody read are closed again.
void RoleWriter::unread_tables() {
    if (!opens_all_tables_ || role_.known_tables.empty()) return;
    std::set<std::string> unread(role_.known_tables.begin(), role_.known_tables.end());
    for (const auto& [key, draft] : drafts_)
        if (sql::inside(key.effect_class, EffectClass::read) && (key.danger.empty() || dangerous_))
            for (const auto& name : draft.names) unread.erase(name);
    if (unread.empty()) return;
    out_.yaml += "      # no statement read these; tables that come later are open\n      - deny: read\n        of:" + list(unread, "        ") + "\n        why: Nothing that was recorded reads this table.\n";
    ++out_.rules;
}

}  // namespace

std::string yaml_word(std::string_view text) {
    const bool plain = !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./$") == std::string_view::npos &&
                       text.find_first_of("./$") != 0 && yaml_reading(text).empty();
    if (plain) return std::string(text);
    static constexpr char digits[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ((out += "\\x") += digits[static_cast<unsigned char>(c) >> 4]) += digits[c & 15];
        else out += c;
    }
    return out + '"';
}

Suggestion suggest(std::span<const ObservedRole> roles, const SuggestOptions& options) {
    Suggestion out;
    for (const auto& remark : options.remarks) out.yaml += "# " + comment_text(remark) + '\n';
    out.yaml += "dbguard: 1\npolicy: " + yaml_word(options.name) + "\n\n# Say who may have these roles, and name them under `for`: dbguard-policy(5), identities. Until then nobody has them.\nidentities: {}\n\ndatabases:\n";
    std::set<std::string> databases;
    for (const auto& role : roles) databases.insert(role.databases.begin(), role.databases.end());
    for (const auto& database : databases) out.yaml += "  " + yaml_word(database) + ": { engine: postgres }\n";
    out.yaml += "\n# No masks are drafted: what is sensitive cannot be told from traffic.\nroles:\n";
    for (const auto& role : roles) RoleWriter(role, options.dangerous, out).write();
    return out;
}

}  // namespace dbguard::policy
