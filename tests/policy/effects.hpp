#pragma once

// Effects in one line of text, for tables: `write.update public.orders where=missing; read.table public.t(a,b) temp`.

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "policy/load.hpp"
#include "sql/effect.hpp"

namespace dbguard::policy {

inline sql::Object object_of(std::string text) {
    sql::Object object;
    if (const auto open = text.find('('); open != std::string::npos) {
        std::istringstream columns(text.substr(open + 1, text.size() - open - 2));
        for (std::string column; std::getline(columns, column, ',');) object.columns.push_back(column);
        text.resize(open);
    }
    if (text.starts_with('?')) {
        object.resolved = false;
        text.erase(0, 1);
    }
    if (text.starts_with('^')) {
        object.expanded = true;
        text.erase(0, 1);
    }
    if (text.starts_with('~')) {
        object.temporary = true;
        text.erase(0, 1);
    }
    const auto dot = text.find('.');
    if (dot != std::string::npos) object.schema = text.substr(0, dot);
    object.name = dot == std::string::npos ? text : text.substr(dot + 1);
    return object;
}

/// `?` before a name: not resolved; `^`: an expanded view; `~`: temporary; words with `=` are facts.
inline std::vector<sql::Effect> effects_of(const std::string& text) {
    std::vector<sql::Effect> out;
    std::istringstream all(text);
    for (std::string one; std::getline(all, one, ';');) {
        sql::Effect effect;
        std::istringstream words(one);
        std::string word;
        words >> word;
        const auto known = sql::effect_class(word);
        REQUIRE_MESSAGE(known.has_value(), word);
        effect.effect_class = *known;
        while (words >> word) {
            const auto is = word.find('=');
            const auto value = is == std::string::npos ? std::string() : word.substr(is + 1);
            if (word.starts_with("where="))
                effect.where = value == "missing"   ? sql::Where::missing
                               : value == "trivial" ? sql::Where::trivial
                                                    : sql::Where::present;
            else if (word.starts_with("limit=")) effect.has_limit = value == "yes";
            else if (word.starts_with("rewrites=")) effect.rewrites_table = value == "yes";
            else if (word.starts_with("lock="))
                effect.lock = value == "reads" ? sql::Lock::blocks_reads : sql::Lock::blocks_writes;
            else if (word.starts_with("set=")) effect.setting = value;
            else effect.objects.push_back(object_of(word));
        }
        out.push_back(std::move(effect));
    }
    return out;
}

inline Policy policy_of(const std::string& text) {
    auto result = load(text, "p.yaml");
    std::string problems;
    for (const auto& problem : result.problems) problems += policy::text(problem) + '\n';
    INFO(problems);
    REQUIRE(result.policy);
    return *result.policy;
}

/// A policy with one role `r` that has these rules (YAML lines, each indented as an item).
inline Policy policy_with_rules(const std::string& rules, const std::string& rest = "") {
    return policy_of(
        "dbguard: 1\npolicy: p\nidentities: {}\nroles:\n  r:\n    for: x\n    databases: d\n    login: l\n    rules:\n" + rules +
        rest + "approvals:\n  dba: { from: group:dba }\n"
    );
}

}  // namespace dbguard::policy
