#include "policy/suggest.hpp"

#include <doctest/doctest.h>

#include "effects.hpp"
#include "policy/decide.hpp"
#include "policy/lint.hpp"
#include "vectors.hpp"

using namespace dbguard::policy;
namespace sql = dbguard::sql;

namespace {

/// Effects as tests/policy/effects.hpp writes them, each a statement.
ObservedRole role_that_did(const std::vector<std::string>& statements, std::vector<std::string> tables = {}) {
    ObservedRole role;
    role.name = "tester";
    role.login = "app";
    role.databases = {"shop"};
    role.known_tables = std::move(tables);
    for (const auto& text : statements) {
        Observed one;
        one.effects = effects_of(text);
        one.count = 2;
        one.example = "s_ONE line 7";
        role.statements.push_back(std::move(one));
    }
    return role;
}

Policy drafted(const ObservedRole& role, bool dangerous = false) {
    const auto draft = suggest(std::span(&role, 1), {.dangerous = dangerous});
    INFO(draft.yaml);
    auto loaded = load(draft.yaml, "draft.yaml");
    CHECK(messages(loaded.problems) == "");
    REQUIRE(loaded.policy);
    CHECK_FALSE(has_errors(lint(*loaded.policy)));
    return *loaded.policy;
}

Verdict verdict(const Policy& policy, const std::string& effects) {
    return decide(RoleRules(policy, policy.roles[0], Engine::postgres), effects_of(effects)).verdict;
}

}  // namespace

TEST_CASE("the draft allows what was done and nothing beside it") {
    const auto policy = drafted(role_that_did({
        "read.table public.orders(id,note)", "read.table public.customers", "write.update public.orders where=present; read.table public.orders(id)",
        "write.insert public.orders", "tx", "session.set set=application_name", "session.set set=timezone", "call public.f", "read.show", "write.insert ~pg_temp.t",
        "read.table ^public.v; read.table public.orders", "ddl.create archive",
    }));
    for (const auto* done : {"read.table public.orders(id)", "write.update public.orders where=present", "write.insert public.orders", "tx", "session.set set=TimeZone", "call public.f",
                             "read.show", "write.insert ~pg_temp.other", "ddl.create archive", "read.table"}) {
        INFO(done);
        CHECK(verdict(policy, done) == Verdict::allow);
    }
    for (const auto* other : {"read.table public.secrets", "read.table auth.orders", "write.update public.orders where=missing", "write.update public.orders where=trivial",
                              "write.update public.customers where=present", "write.delete public.orders where=present", "write.insert public.customers", "session.set set=search_path",
                              "session.role", "call public.g", "call", "ddl.create public.orders", "read.catalog pg_catalog.pg_class", "server", "read.table public.v"}) {
        INFO(other);
        CHECK(verdict(policy, other) == Verdict::deny);
    }
    CHECK(policy.roles[0].limits.rows == 100);
    CHECK_FALSE(policy.roles[0].limits.affected);
}

TEST_CASE("dangerous rules stand as comments until they are asked for") {
    const std::vector<std::string> dangerous = {
        "server pg_catalog.pg_read_file", "dcl", "unparsed", "call", "session.role", "ddl.drop public.orders", "ddl.truncate public.orders",
        "write.delete public.orders where=missing", "write.update public.orders where=trivial", "session.set",
    };
    auto did = dangerous;
    did.push_back("tx");
    const auto role = role_that_did(did);
    const auto careful = suggest(std::span(&role, 1), {});
    CHECK(careful.rules == 1);
    CHECK(careful.withheld == dangerous.size());
    CHECK(careful.not_covered == 2 * dangerous.size());
    CHECK(careful.yaml.find("# NOT OPENED: takes away what nobody can bring back (--allow-dangerous writes this rule out)\n      # - allow: ddl.drop\n      #   of: public.orders\n") != std::string::npos);
    const auto policy = drafted(role);
    for (const auto& one : dangerous) CHECK(verdict(policy, one) == Verdict::deny);
    const auto bold = suggest(std::span(&role, 1), {.dangerous = true});
    CHECK(bold.withheld == 0);
    CHECK(bold.not_covered == 0);
    CHECK(bold.yaml.find("# DANGEROUS: changes every row of a table\n      - allow: write.delete\n        of: public.orders\n        when: { where: missing }\n") != std::string::npos);
    const auto open = drafted(role, true);
    for (const auto& one : dangerous) CHECK(verdict(open, one) == Verdict::allow);
}

TEST_CASE("only dangerous things done: the draft still is a policy, and opens none of them") {
    const auto policy = drafted(role_that_did({"server"}));
    CHECK(verdict(policy, "server") == Verdict::deny);
}

TEST_CASE("what is not known of a change is not taken for harmless") {
    auto role = role_that_did({"write.delete public.orders where=present", "tx"});
    role.statements[0].facts_known = false;
    const auto draft = suggest(std::span(&role, 1), {});
    CHECK(draft.withheld == 1);
    CHECK(draft.yaml.find("whether they had a WHERE clause is not known") != std::string::npos);
    CHECK(verdict(drafted(role, true), "write.delete public.orders where=present") == Verdict::allow);
}

TEST_CASE("reads of no table open none where a table was read; else all, so those that are known are closed") {
    const auto known = std::vector<std::string>{"public.orders", "public.customers", "auth.\"two words\""};
    const auto only = role_that_did({"read.table"}, {known.begin(), known.end()});
    CHECK(suggest(std::span(&only, 1), {}).yaml.find("THIS OPENS EVERY TABLE") != std::string::npos);
    CHECK(verdict(drafted(only), "read.table") == Verdict::allow);
    CHECK(verdict(drafted(only), "read.table public.orders(id)") == Verdict::deny);
    const auto role = role_that_did({"read.table", "read.table public.orders"}, {known.begin(), known.end()});
    CHECK(suggest(std::span(&role, 1), {}).yaml.find("THIS OPENS EVERY TABLE") == std::string::npos);
    const auto policy = drafted(role);
    CHECK(verdict(policy, "read.table") == Verdict::allow);
    CHECK(verdict(policy, "read.table public.orders(id)") == Verdict::allow);
    CHECK(verdict(policy, "read.table public.customers(id)") == Verdict::deny);
}

TEST_CASE("names that YAML or the policy would read otherwise stay themselves") {
    auto role = role_that_did({"tx"});
    Observed odd;
    for (const auto* name : {"two words", "a.b", "say \"hi\"", "Größe", "null", "123", "a\\b", "x: y", "#"}) {
        sql::Effect effect;
        effect.effect_class = sql::EffectClass::read_table;
        effect.objects.push_back({"public", name});
        odd.effects.push_back(effect);
    }
    odd.example = "s_ONE line 1\n- allow: server";
    role.statements.push_back(odd);
    role.name = "on";
    role.databases = {"12", "my db"};
    const auto policy = drafted(role);
    CHECK(policy.roles[0].name == "on");
    CHECK(decide(RoleRules(policy, policy.roles[0], Engine::postgres), odd.effects).verdict == Verdict::allow);
    CHECK(verdict(policy, "server") == Verdict::deny);
}

TEST_CASE("limits leave room above what was seen") {
    auto role = role_that_did({"tx"});
    role.most_rows = 312;
    role.most_affected = 7;
    role.longest = std::chrono::milliseconds(45'001);
    const auto policy = drafted(role);
    const auto& limits = policy.roles[0].limits;
    CHECK(limits.rows == 1000);
    CHECK(limits.affected == 20);
    CHECK(*limits.time == std::chrono::seconds(100));
}
