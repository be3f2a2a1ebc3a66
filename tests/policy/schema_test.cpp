#include "policy/schema.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "policy/load.hpp"
#include "sql/effect.hpp"

using namespace dbguard;
using namespace dbguard::policy;

// tests/cli/policy_test.py holds the vectors against the schema with a validator; here, what the loader has as tables.

namespace {

/// Whether the loader knows this key at the place where `before` and `after` put it.
bool knows(const std::string& before, const std::string& key, const std::string& after) {
    for (const auto& problem : load(before + key + after, "p").problems)
        if (problem.message.starts_with("unknown key `" + key + '`')) return false;
    return true;
}

}  // namespace

TEST_CASE("the schema and the loader know the same keys") {
    const auto schema = nlohmann::json::parse(json_schema());
    const auto& defs = schema["$defs"];
    const std::string top = "dbguard: 1\npolicy: p\nidentities: {}\nroles: {}\n";
    const std::string role = "dbguard: 1\npolicy: p\nidentities: {}\nroles: { r: { ";
    const std::string rule = role + "rules: [ { ";
    const std::string mask = top + "masks: { m: { columns: [ { ";
    struct Place {
        nlohmann::json properties;
        std::string before, after;
    };
    const std::vector<Place> places = {
        {schema["properties"], "", ": x\n"},
        {defs["identity"]["properties"], "identities: { i: { ", ": x } }\ndbguard: 1\npolicy: p\nroles: {}\n"},
        {defs["database"]["properties"], top + "databases: { d: { ", ": x } }\n"},
        {defs["role"]["properties"], role, ": x } }\n"},
        {defs["role"]["properties"]["session"]["properties"], role + "session: { ", ": x } } }\n"},
        {defs["role"]["properties"]["limits"]["properties"], role + "limits: { ", ": x } } }\n"},
        {defs["role"]["properties"]["break_glass"]["properties"], role + "break_glass: { ", ": x } } }\n"},
        {defs["rule"]["properties"], rule, ": x } ] } }\n"},
        {defs["when"]["properties"], rule + "when: { ", ": x } } ] } }\n"},
        {defs["maskset"]["properties"], top + "masks: { m: { ", ": x } }\n"},
        {defs["maskset"]["properties"]["columns"]["items"]["properties"], mask, ": x } ] } }\n"},
        {defs["approval"]["properties"], top + "approvals: { a: { ", ": x } }\n"},
        {defs["record"]["properties"], top + "record: { ", ": x }\n"},
    };
    std::size_t keys = 0;
    for (const auto& place : places) {
        for (const auto& [key, value] : place.properties.items()) {
            CHECK_MESSAGE(knows(place.before, key, place.after), place.before << key);
            ++keys;
        }
        CHECK_FALSE(knows(place.before, "no_such_key", place.after));
    }
    CHECK(keys > 80);
}

TEST_CASE("each top class of the language stands in the schema") {
    const auto schema = nlohmann::json::parse(json_schema());
    const auto pattern = schema["$defs"]["class"]["pattern"].get<std::string>();
    for (int i = 0; i <= static_cast<int>(sql::EffectClass::unparsed); ++i) {
        const auto name = sql::name(static_cast<sql::EffectClass>(i));
        CHECK(pattern.find(name.substr(0, name.find('.'))) != std::string::npos);
    }
}
