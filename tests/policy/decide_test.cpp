#include "policy/decide.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "base/file.hpp"
#include "effects.hpp"

using namespace dbguard;
using namespace dbguard::policy;

namespace {

struct Case {
    const char* effects;
    const char* verdict;
    const char* rule;
};

RoleRules rules_of(const Policy& policy, std::string_view role, Engine engine = Engine::postgres) {
    const auto* found = find_role(policy, role);
    REQUIRE(found);
    return RoleRules(policy, *found, engine);
}

void check(const RoleRules& rules, const std::vector<Case>& cases) {
    for (const auto& one : cases) {
        const auto decision = decide(rules, effects_of(one.effects));
        INFO(one.effects << ": " << decision.reason);
        CHECK(name(decision.verdict) == one.verdict);
        CHECK(decision.rule == one.rule);
        CHECK(decision.reason.empty() == (decision.verdict == Verdict::allow));
        if (decision.verdict >= Verdict::approve) CHECK_FALSE(decision.fix.empty());
    }
}

void check(const std::string& yaml_rules, const std::vector<Case>& cases, Engine engine = Engine::postgres) {
    const auto policy = policy_with_rules(yaml_rules);
    check(rules_of(policy, "r", engine), cases);
}

Policy example(const std::string& name) {
    return policy_of(read_file(DBGUARD_SOURCE_DIR "/tests/vectors/policy/" + name + ".yaml", 1 << 20).value());
}

}  // namespace

TEST_CASE("the feature-test group reads, and nothing else") {
    const auto policy = example("feature-tests");
    check(
        rules_of(policy, "tester"),
        {
            {"read.table public.customers(email)", "allow", "tester#1"},
            {"read.table auth.users(id)", "deny", "tester#3"},
            {"read.table public.keys(id,api_secret)", "deny", "tester#3"},
            {"read.table public.keys(id)", "allow", "tester#1"},
            {"read.table public.keys", "allow", "tester#1"},
            {"read.table public.keys(id); ddl.drop public.keys", "deny", ""},
            {"session.set set=timezone", "allow", "tester#2"},
            {"session.set set=TimeZone", "allow", "tester#2"},
            {"session.set set=default_transaction_read_only", "deny", ""},
            {"session.set", "deny", ""},
            {"session.role", "deny", ""},
            {"read.table public.customers(id); write.delete public.orders where=present", "deny", ""},
            {"tx", "allow", "tester#1"},
            {"read", "allow", "tester#1"},
            {"read.explain; read.table public.customers(id)", "allow", "tester#1"},
            {"unparsed", "deny", ""},
            {"call public.f", "deny", ""},
            {"read.table ?.users", "deny", "tester#3"},
        }
    );
}

TEST_CASE("the migration group changes what its rules open") {
    const auto policy = example("migrations");
    const auto rules = rules_of(policy, "migrator");
    check(
        rules,
        {
            {"write.update public.orders where=present", "allow", "migrator#3"},
            {"write.update public.orders where=missing", "deny", "migrator#4"},
            {"write.update public.orders where=trivial", "deny", ""},
            {"write.insert public.orders", "allow", "migrator#1"},
            {"ddl.alter public.orders rewrites=no", "approve", "migrator#5"},
            {"ddl.alter audit.log rewrites=no", "deny", "migrator#9"},
            {"read.table audit.log(line)", "deny", "migrator#9"},
            {"ddl.create.index public.orders lock=writes", "deny", "migrator#7"},
            {"ddl.create.index public.orders", "allow", "migrator#1"},
            {"ddl.create public.new_table", "allow", "migrator#1"},
            {"bulk.export public.orders; read.table public.orders(id)", "deny", "migrator#8"},
            {"bulk.import public.orders", "deny", ""},
            {"call public.f", "deny", "migrator#8"},
            {"session.set set=lock_timeout", "allow", "migrator#2"},
            {"session.set set=row_security", "deny", ""},
            {"dcl", "deny", "migrator#8"},
            {"server", "deny", "migrator#8"},
        }
    );
    const auto update = decide(rules, effects_of("write.update public.orders where=present"));
    CHECK(update.max_affected == 1000U);
    CHECK(update.max_affected_rule == "migrator#6");
    CHECK(update.max_affected_reason == "more than 1000 rows need an approver (dba, rule migrator#6), and nobody can be asked here");
    CHECK_FALSE(decide(rules, effects_of("read.table public.orders(id)")).max_affected);
    const auto alter = decide(rules, effects_of("ddl.alter public.orders rewrites=no"));
    CHECK(alter.approvers == "dba");
    CHECK(alter.reason == "ddl.alter of public.orders needs an approver (dba, rule migrator#5), and nobody can be asked here");
    const auto missing = decide(rules, effects_of("write.update public.orders where=missing"));
    CHECK(missing.reason == "write.update of public.orders without a WHERE clause is denied by rule migrator#4: This would touch every row.");
    CHECK(missing.fix == "Add a WHERE clause, or batch by primary key.");
    CHECK(missing.rules == std::vector<std::string>{"migrator#4", "migrator#6"});
}

TEST_CASE("the on-call group writes few rows") {
    const auto policy = example("oncall");
    check(
        rules_of(policy, "oncall-read"),
        {{"read.table public.t(a)", "allow", "oncall-read#1"}, {"write.update public.t where=present", "deny", ""}}
    );
    const auto rules = rules_of(policy, "oncall-write");
    const auto update = decide(rules, effects_of("write.update public.t where=present"));
    CHECK(update.verdict == Verdict::allow);
    CHECK(update.max_affected == 10U);
    check(
        rules,
        {{"ddl.drop public.t", "deny", "oncall-write#4"},
         {"write.insert public.t", "deny", ""},
         {"bulk.export public.t", "deny", "oncall-write#4"}}
    );
}

TEST_CASE("the limit on affected rows is a bound of its own, and the smaller one counts") {
    const auto rest = std::string("    limits: { affected: 500 }\n");
    const auto few = policy_with_rules("      - allow: [read, write]\n", rest);
    const auto decision = decide(rules_of(few, "r"), effects_of("write.delete public.t where=present"));
    CHECK(decision.max_affected == 500U);
    CHECK(decision.max_affected_rule == "r.limits.affected");
    CHECK_FALSE(decide(rules_of(few, "r"), effects_of("read.table public.t(a)")).max_affected);
    const auto fewer = policy_with_rules(
        "      - allow: write\n      - deny: write.delete\n        when: { affected_rows: \">6\" }\n        why: Few.\n", rest
    );
    const auto bound = decide(rules_of(fewer, "r"), effects_of("write.delete public.t where=present"));
    CHECK(bound.max_affected == 6U);
    CHECK(bound.max_affected_rule == "r#2");
    CHECK(bound.max_affected_reason == "more than 6 rows are denied by rule r#2: Few.");
    CHECK(bound.verdict == Verdict::allow);
}

TEST_CASE("a rule that counts rows opens nothing") {
    for (const auto* verdict : {"allow", "warn", "approve", "deny"})
        for (const auto* predicate : {"estimated_rows", "affected_rows"}) {
            const auto policy = policy_with_rules(
                std::string("      - { ") + verdict + ": write, when: { " + predicate + ": \">0\" }" +
                (std::string(verdict) == "approve" ? ", by: dba" : "") + " }\n"
            );
            CHECK(decide(rules_of(policy, "r"), effects_of("write.insert public.t"), {.estimated_rows = 5}).verdict == Verdict::deny);
        }
}

TEST_CASE("an estimate that nobody made counts as the largest") {
    const auto policy = policy_with_rules(
        "      - allow: read\n      - deny: read\n        when: { estimated_rows: \">1000\" }\n"
        "      - { approve: read, by: dba, when: { estimated_rows: \">10\" } }\n"
    );
    const auto rules = rules_of(policy, "r");
    CHECK(rules.wants_estimate());
    const auto effects = effects_of("read.table public.t(a)");
    CHECK(decide(rules, effects).verdict == Verdict::deny);
    CHECK(decide(rules, effects).needs_estimate);
    CHECK(decide(rules, effects, {.estimated_rows = 1001}).verdict == Verdict::deny);
    CHECK(decide(rules, effects, {.estimated_rows = 1000}).verdict == Verdict::approve);
    CHECK(decide(rules, effects, {.estimated_rows = 11}).verdict == Verdict::approve);
    CHECK(decide(rules, effects, {.estimated_rows = 10}).verdict == Verdict::allow);
    CHECK_FALSE(decide(rules, effects, {.estimated_rows = 10}).needs_estimate);
    CHECK_FALSE(decide(rules, effects_of("tx"), {}).needs_estimate);
}

TEST_CASE("classes hold the classes below them") {
    check(
        "      - allow: [read, ddl.create, write.insert]\n      - deny: ddl.create.index\n",
        {
            {"read.catalog pg_catalog.pg_class(oid)", "allow", "r#1"},
            {"read.show", "allow", "r#1"},
            {"ddl.create public.t", "allow", "r#1"},
            {"ddl.create.index public.t", "deny", "r#2"},
            {"ddl public.t", "deny", ""},
            {"write public.t", "deny", ""},
            {"write.insert public.t", "allow", "r#1"},
            {"write.merge public.t", "deny", ""},
        }
    );
}

TEST_CASE("objects are matched one by one, columns where a rule tells them apart") {
    check(
        "      - allow: read\n        of: [\"public.*\", \"crm.people.name\", \"crm.people.id\", \"sales.t.*\"]\n"
        "      - deny: read\n        of: [public.users.password, \"*.*.*_secret\", \"public.hidden\"]\n",
        {
            {"read.table public.a(x) public.b(y)", "allow", "r#1"},
            {"read.table public.a(x) other.b(y)", "deny", ""},
            {"read.table public.users(id)", "allow", "r#1"},
            {"read.table public.users(id,password)", "deny", "r#2"},
            {"read.table public.users", "allow", "r#1"},
            {"read.table public.Users(password)", "allow", "r#1"},
            {"read.table crm.people(name,id)", "allow", "r#1"},
            {"read.table crm.people(name,phone)", "deny", ""},
            {"read.table crm.people", "deny", ""},
            {"read.table sales.t(a)", "allow", "r#1"},
            {"read.table sales.t", "allow", "r#1"},
            {"read.table public.x(a_secret)", "deny", "r#2"},
            {"read.table public.hidden", "deny", "r#2"},
            {"read.table public.hidden(a)", "deny", "r#2"},
            {"read.table public.hidden_too(a)", "allow", "r#1"},
            {"read", "deny", ""},
        }
    );
}

TEST_CASE("a query of no table is open to whoever may read anything, and forbidden by no table's name") {
    check(
        "      - allow: read\n        of: public.orders\n      - deny: read.table\n        of: public.keys\n      - approve: read\n        by: dba\n        of: public.customers\n",
        {
            {"read.table", "allow", "r#1"},
            {"read.table public.orders(id)", "allow", "r#1"},
            {"read.table public.other(id)", "deny", ""},
            {"read.table; read.table public.other(id)", "deny", ""},
            {"read.show", "deny", ""},
        }
    );
    check("      - allow: write\n        of: public.orders\n", {{"read.table", "deny", ""}});
}

TEST_CASE("a change to a whole table reaches a column that a rule names with its table") {
    check(
        "      - allow: [write, ddl, read]\n      - deny: [write, ddl, read]\n        of: [public.users.role, \"*.*.*_secret\"]\n",
        {
            {"write.update public.users(name) where=present", "allow", "r#1"},
            {"write.update public.users(name,role) where=present", "deny", "r#2"},
            {"write.delete public.users where=present", "deny", "r#2"},
            {"ddl.drop public.users", "deny", "r#2"},
            {"read.table public.users", "allow", "r#1"},
            {"write.delete public.other where=present", "allow", "r#1"},
        }
    );
}

TEST_CASE("what does not resolve matches every `deny … of` and no `allow … of`") {
    check(
        "      - allow: read\n      - allow: write.insert\n        of: public.t\n      - deny: read\n        of: auth.users\n"
        "      - { approve: ddl.create, by: dba, of: public.t }\n      - allow: ddl.alter\n"
        "      - { approve: ddl.alter, by: dba, of: audit.log }\n      - { warn: tx, of: a.b }\n",
        {
            {"read.table ?public.t", "deny", "r#3"},
            {"write.insert ?public.t", "deny", ""},
            {"write.insert public.t", "allow", "r#2"},
            {"ddl.create ?public.t", "deny", ""},
            {"ddl.alter ?public.t rewrites=no", "approve", "r#6"},
            {"ddl.alter public.t rewrites=no", "allow", "r#5"},
        }
    );
}

TEST_CASE("a view that was expanded needs no rule to open it, and may be forbidden by its own name") {
    check(
        "      - allow: read\n        of: public.t\n      - deny: read\n        of: [public.bad, public.v.secret]\n"
        "      - { approve: read, by: dba, of: public.asked }\n",
        {
            {"read.table ^public.v(a) public.t(a)", "allow", "r#1"},
            {"read.table ^public.v(a,secret) public.t(a)", "deny", "r#2"},
            {"read.table ^public.v(a) public.u(a)", "deny", ""},
            {"read.table ^public.bad(a) public.t(a)", "deny", "r#2"},
            {"read.table ^public.asked(a) public.t(a)", "approve", "r#3"},
            {"read.table ?^public.v public.t(a)", "deny", "r#2"},
        }
    );
}

TEST_CASE("the session's own temporary objects are also named pg_temp, and nothing else is") {
    const auto* rules =
        "      - allow: [write, ddl]\n        of: \"pg_temp.*\"\n      - deny: ddl.drop\n        of: \"*.keep\"\n";
    check(
        rules,
        {
            {"write.update ~pg_temp_3.t where=missing", "allow", "r#1"},
            {"write.update ~pg_temp.t where=missing", "allow", "r#1"},
            {"write.update public.t where=missing", "deny", ""},
            {"write.update pg_temp.t where=missing", "deny", ""},
            {"write.update pg_temp_4.t where=missing", "deny", ""},
            {"write.update ~pg_temp_3.a public.b where=missing", "deny", ""},
            {"ddl.drop ~pg_temp_3.t", "allow", "r#1"},
            {"ddl.drop ~pg_temp_3.keep", "deny", "r#2"},
        }
    );
    check(rules, {{"write.update ~shop.t where=missing", "deny", ""}}, Engine::mysql);
}

TEST_CASE("`temporary` holds where every object is the session's own") {
    check(
        "      - allow: ddl.drop\n        when: { temporary: true }\n      - allow: write\n      - deny: write\n"
        "        when: { temporary: false }\n",
        {
            {"ddl.drop ~x.a", "allow", "r#1"},
            {"ddl.drop ~x.a y.b", "deny", ""},
            {"ddl.drop", "deny", ""},
            {"ddl.drop ?x.a", "deny", ""},
            {"write.insert ~x.a", "allow", "r#2"},
            {"write.insert x.a", "deny", "r#3"},
            {"write.insert ~x.a y.b", "deny", "r#3"},
            {"write.insert", "deny", "r#3"},
            {"write.insert ?x.a", "deny", "r#3"},
        }
    );
}

TEST_CASE("facts: where, limit, lock, rewrites_table") {
    check(
        "      - allow: write\n        when: { where: present }\n      - allow: read\n        when: { limit: present }\n"
        "      - allow: [maintenance, ddl, lock]\n      - deny: [maintenance, lock]\n        when: { lock: blocks_writes }\n"
        "      - deny: lock\n        when: { lock: blocks_reads }\n        why: Nobody could read.\n"
        "      - deny: [ddl, maintenance]\n        when: { rewrites_table: true }\n",
        {
            {"write.update a.b where=present", "allow", "r#1"},
            {"write.update a.b where=trivial", "deny", ""},
            {"write.update a.b", "deny", ""},
            {"read.table a.b limit=yes", "allow", "r#2"},
            {"read.table a.b limit=no", "deny", ""},
            {"read.show", "deny", ""},
            {"maintenance a.b lock=reads rewrites=no", "deny", "r#4"},
            {"maintenance a.b lock=writes rewrites=no", "deny", "r#4"},
            {"maintenance a.b rewrites=no", "allow", "r#3"},
            {"maintenance a.b", "deny", "r#6"},
            {"ddl.alter a.b rewrites=yes", "deny", "r#6"},
            {"ddl.alter a.b rewrites=no", "allow", "r#3"},
            {"ddl.alter a.b", "deny", "r#6"},
            {"ddl.create a.b", "allow", "r#3"},
            {"ddl.comment a.b", "allow", "r#3"},
            {"lock a.b lock=reads", "deny", "r#5"},
            {"lock a.b lock=writes", "deny", "r#4"},
            {"lock a.b", "allow", "r#3"},
        }
    );
}

TEST_CASE("functions are named with their schema; code without a name may be any of them") {
    const auto* rules =
        "      - allow: call\n        when: { function: [public.total, \"calc.*\"] }\n      - allow: [call, read]\n        of: api.get\n"
        "      - deny: [call, read]\n        when: { function: public.run_sql }\n";
    check(
        rules,
        {
            {"call public.total", "allow", "r#1"},
            {"call calc.anything", "allow", "r#1"},
            {"call other.total", "deny", ""},
            {"call public.Total", "deny", ""},
            {"call api.get", "allow", "r#2"},
            {"call public.run_sql", "deny", "r#3"},
            {"call public.total public.run_sql", "deny", "r#3"},
            {"call", "deny", "r#3"},
            {"call ?.x", "deny", "r#3"},
            {"read.table public.total(a)", "deny", ""},
            {"read.table api.get(a)", "allow", "r#2"},
            {"read.table public.run_sql(a)", "deny", ""},
        }
    );
    check(rules, {{"call public.Total", "allow", "r#1"}, {"call API.get", "allow", "r#2"}}, Engine::mysql);
}

TEST_CASE("settings are compared without case, and may have a star") {
    check(
        "      - allow: session.set\n        when: { setting: [TimeZone, \"app.*\", work_mem] }\n      - deny: session.set\n"
        "        when: { setting: \"APP.secret\" }\n",
        {
            {"session.set set=timezone", "allow", "r#1"},
            {"session.set set=TIMEZONE", "allow", "r#1"},
            {"session.set set=app.tenant", "allow", "r#1"},
            {"session.set set=app.secret", "deny", "r#2"},
            {"session.set set=role", "deny", ""},
            {"session.set", "deny", "r#2"},
            {"session.reset", "deny", ""},
        }
    );
}

TEST_CASE("hours need a clock; without one they forbid and do not open") {
    using namespace std::chrono;
    const auto policy = policy_with_rules(
        "      - allow: read\n        when: { hours: \"Mo-Fr 08:00-18:00\" }\n      - allow: tx\n      - deny: tx\n"
        "        when: { hours: \"Sa,Su 00:00-24:00\" }\n"
    );
    const auto rules = rules_of(policy, "r");
    const auto monday = system_clock::time_point(sys_days(year(2026) / November / 16) + hours(9));
    const auto sunday = monday - hours(24);
    const auto read = effects_of("read.table a.b(c)"), tx = effects_of("tx");
    CHECK(decide(rules, read, {.now = monday}).verdict == Verdict::allow);
    CHECK(decide(rules, read, {.now = monday}).until == monday + hours(9));
    CHECK(decide(rules, read, {.now = sunday}).verdict == Verdict::deny);
    CHECK(decide(rules, read).verdict == Verdict::deny);
    CHECK(decide(rules, tx, {.now = monday}).verdict == Verdict::allow);
    CHECK(decide(rules, tx, {.now = sunday}).verdict == Verdict::deny);
    CHECK(decide(rules, tx).verdict == Verdict::deny);
    CHECK_FALSE(decide(rules, effects_of("lock")).until);
}

TEST_CASE("warn and approve open as allow does, and the strictest of all wins") {
    check(
        "      - warn: read\n      - allow: [read, tx]\n      - { approve: tx, by: dba }\n      - { approve: lock, by: dba }\n"
        "      - warn: lock\n",
        {{"read.table a.b(c)", "warn", "r#1"},
         {"tx", "approve", "r#3"},
         {"lock a.b", "approve", "r#4"},
         {"read.table a.b(c); tx", "approve", "r#3"}}
    );
}

TEST_CASE("a statement without effects is denied, and so is one that did not parse") {
    const auto policy = policy_with_rules("      - allow: [read, write]\n");
    const auto rules = rules_of(policy, "r");
    const auto nothing = decide(rules, std::span<const sql::Effect>());
    CHECK(nothing.verdict == Verdict::deny);
    CHECK_FALSE(nothing.reason.empty());
    const auto unparsed = decide_unparsed(rules, "there is no relation x");
    CHECK(unparsed.verdict == Verdict::deny);
    CHECK(unparsed.reason == "no rule of role r allows unparsed (there is no relation x)");
    const auto open = policy_with_rules("      - allow: unparsed\n");
    CHECK(decide_unparsed(rules_of(open, "r"), "").verdict == Verdict::allow);
}

TEST_CASE("shadow: decided and told, not enforced") {
    const auto rule = policy_with_rules(
        "      - allow: [read, write]\n      - { deny: write, shadow: true }\n      - { allow: tx, shadow: true }\n"
        "      - { deny: write, shadow: true, when: { affected_rows: \">3\" } }\n"
    );
    auto decision = decide(rules_of(rule, "r"), effects_of("write.insert a.b"));
    CHECK(decision.verdict == Verdict::allow);
    CHECK(decision.shadow == Verdict::deny);
    CHECK_FALSE(decision.max_affected);
    decision = decide(rules_of(rule, "r"), effects_of("tx"));
    CHECK(decision.verdict == Verdict::deny);
    CHECK(decision.shadow == Verdict::allow);
    CHECK_FALSE(decide(rules_of(rule, "r"), effects_of("read.table a.b(c)")).shadow);

    const auto role = policy_with_rules("      - allow: read\n", "    mode: shadow\n");
    decision = decide(rules_of(role, "r"), effects_of("ddl.drop a.b"));
    CHECK(decision.verdict == Verdict::allow);
    CHECK(decision.shadow == Verdict::deny);
    CHECK_FALSE(decide(rules_of(role, "r"), effects_of("read.table a.b(c)")).shadow);
}

TEST_CASE("what explain shows of each object, columns together that fare alike") {
    const auto policy = policy_with_rules("      - allow: read\n      - deny: read\n        of: [a.secrets, a.t.z]\n");
    const auto judgements = judge(rules_of(policy, "r"), effects_of("read.table a.t(x,y,z) a.secrets(z); tx"));
    REQUIRE(judgements.size() == 4);
    CHECK(judgements[0] == Judgement{0, "a.t", {"x", "y"}, Verdict::allow, "r#1", {"r#1"}});
    CHECK(judgements[1] == Judgement{0, "a.t", {"z"}, Verdict::deny, "r#2", {"r#1", "r#2"}});
    CHECK(judgements[2] == Judgement{0, "a.secrets", {"z"}, Verdict::deny, "r#2", {"r#1", "r#2"}});
    CHECK(judgements[3] == Judgement{1, "", {}, Verdict::deny, "", {}});
}

TEST_CASE("a rule that counts because something is not known says so, without its own reason") {
    const auto policy = policy_with_rules("      - allow: read\n      - deny: read\n        of: auth.users\n        why: Credentials.\n        fix: Use fixtures.\n");
    const auto unsure = decide(rules_of(policy, "r"), effects_of("read.table ?nowhere"));
    CHECK(unsure.reason == "read.table of nowhere (a name that could not be resolved) is denied: not all of it is known, so rule r#2 may forbid it");
    CHECK(unsure.fix == "Write the name as the catalogue has it, with its schema.");
    const auto both = decide(rules_of(policy, "r"), effects_of("read.table ?nowhere auth.users(id)"));
    CHECK(both.reason == "read.table of auth.users is denied by rule r#2: Credentials.");
}

// ---- properties over random policies --------------------------------------------------------------------------------

namespace {

using Random = std::mt19937;

template <class T>
const T& pick(Random& random, const std::vector<T>& from) {
    return from[random() % from.size()];
}

Rule random_rule(Random& random) {
    static const std::vector<std::string> names = {"a.t", "a.u", "b.t", "*.t", "a.*", "*.*", "pg_temp.*", "a.t.x", "*.*.y", "a.u.*"};
    Rule rule;
    rule.verdict = static_cast<Verdict>(random() % 4);
    for (std::size_t i = 0; i <= random() % 3; ++i) rule.classes.push_back(static_cast<sql::EffectClass>(random() % 35));
    if (random() % 2) rule.of.push_back(*parse_object(pick(random, names)));
    if (random() % 3 == 0) rule.of.push_back(*parse_object(pick(random, names)));
    rule.by = "dba";
    if (random() % 2) {
        When when;
        switch (random() % 8) {
            case 0: when.where = static_cast<sql::Where>(1 + random() % 3); break;
            case 1: when.limit = static_cast<LimitPredicate>(random() % 2); break;
            case 2: when.estimated_rows = random() % 100; break;
            case 3: when.affected_rows = random() % 100; break;
            case 4: when.rewrites_table = random() % 2 == 0; break;
            case 5: when.temporary = random() % 2 == 0; break;
            case 6: when.lock = static_cast<sql::Lock>(1 + random() % 2); break;
            case 7: when.functions.push_back(*parse_object("a.t")); break;
        }
        rule.when = when;
    }
    return rule;
}

sql::Effect random_effect(Random& random) {
    static const std::vector<std::string> names = {"a.t", "a.u(x)", "b.t(x,y)", "c.v", "~pg_temp_1.t(y)", "?a.t", "pg_temp.t"};
    sql::Effect effect;
    effect.effect_class = static_cast<sql::EffectClass>(random() % 35);
    for (std::size_t i = 0; i < random() % 3; ++i) effect.objects.push_back(object_of(pick(random, names)));
    effect.where = static_cast<sql::Where>(random() % 4);
    if (random() % 2) effect.has_limit = random() % 2 == 0;
    if (random() % 2) effect.rewrites_table = random() % 2 == 0;
    effect.lock = static_cast<sql::Lock>(random() % 3);
    return effect;
}

Verdict verdict_of(const std::vector<Rule>& rules, const std::vector<sql::Effect>& effects, Facts facts = {}) {
    Policy policy;
    Role role;
    role.name = "r";
    role.rules = rules;
    return decide(RoleRules(policy, role, Engine::postgres), effects, facts).verdict;
}

/// With the rows counted in the end: the bound turns the verdict into a denial.
Verdict verdict_with_count(const std::vector<Rule>& rules, const std::vector<sql::Effect>& effects, std::uint64_t rows) {
    Policy policy;
    Role role;
    role.name = "r";
    role.rules = rules;
    const auto decision = decide(RoleRules(policy, role, Engine::postgres), effects, {.estimated_rows = rows});
    return decision.max_affected && rows > *decision.max_affected ? Verdict::deny : decision.verdict;
}

}  // namespace

TEST_CASE("over random policies: order means nothing, a deny never weakens, more is never treated more mildly") {
    Random random(20261120);
    std::size_t opened = 0;
    for (int round = 0; round < 3000; ++round) {
        std::vector<Rule> rules;
        for (std::size_t i = 0; i <= random() % 8; ++i) rules.push_back(random_rule(random));
        std::vector<sql::Effect> effects;
        for (std::size_t i = 0; i <= random() % 3; ++i) effects.push_back(random_effect(random));
        for (std::size_t i = 0; i < rules.size(); ++i) rules[i].number = static_cast<std::uint32_t>(i + 1);
        // Half of the time something opens it.
        if (random() % 2) {
            Rule rule;
            rule.verdict = Verdict::allow;
            for (const auto& effect : effects) rule.classes.push_back(effect.effect_class);
            rules.push_back(rule);
        }
        const auto verdict = verdict_of(rules, effects);
        opened += verdict != Verdict::deny;

        auto shuffled = rules;
        std::shuffle(shuffled.begin(), shuffled.end(), random);
        CHECK(verdict_of(shuffled, effects) == verdict);

        auto stricter = rules;
        stricter.push_back(random_rule(random));
        stricter.back().verdict = Verdict::deny;
        CHECK(verdict_of(stricter, effects) >= verdict);

        auto more = effects;
        more.push_back(random_effect(random));
        CHECK(verdict_of(rules, more) >= verdict);

        // What is known can only make it milder than what is not.
        auto known = effects;
        for (auto& effect : known) for (auto& object : effect.objects) object.resolved = false;
        CHECK(verdict_of(rules, known) >= verdict);

        const auto rows = random() % 120;
        CHECK(verdict_with_count(rules, effects, rows + 1 + random() % 50) >= verdict_with_count(rules, effects, rows));
        CHECK(verdict_of(rules, effects) >= verdict_of(rules, effects, {.estimated_rows = rows}));
    }
    CHECK(opened > 450);
}
