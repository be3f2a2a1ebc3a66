// Which running statements another session's DDL concerns. What comes of it: tests/integration/proxy_siblings_test.py.

#include "relay/name_changes.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::relay;

namespace {

PlannedStatement statement(sql::EffectClass effect_class, const std::string& schema, const std::string& name, bool of_code = false) {
    PlannedStatement out;
    sql::Effect& effect = out.statement.effects.emplace_back();
    effect.effect_class = effect_class;
    effect.of_code = of_code;
    effect.objects.push_back({schema, name, {}, schema == "pg_temp"});
    out.statement.changes_catalogue = inside(effect_class, sql::EffectClass::ddl);
    return out;
}

NameChange change(sql::EffectClass effect_class, const std::string& schema, const std::string& name, bool of_code = false) {
    const PlannedStatement one = statement(effect_class, schema, name, of_code);
    return name_change({&one, 1}, true);
}

bool concerns(const NameChange& change, const PlannedStatement& running, bool started = false) {
    NameChanges all;
    all.made(1, change);
    CHECK(!all.concern(0, 1, {&running, 1}, started));   // its own
    CHECK(!all.concern(all.last(), 2, {&running, 1}, started));
    return all.concern(0, 2, {&running, 1}, started);
}

using enum sql::EffectClass;
const PlannedStatement reads = statement(read_table, "public", "seen");

}  // namespace

TEST_CASE("DDL concerns those who name what it changes") {
    CHECK(concerns(change(ddl_alter, "public", "seen"), reads));
    CHECK(concerns(change(ddl_create, "other", "seen"), reads));   // found before the other one
    CHECK(concerns(change(ddl_drop, "public", "*"), reads));
    CHECK(concerns(change(ddl_rename, "public", "far"), reads));   // to which name is not told
    CHECK(!concerns(change(ddl_alter, "public", "far"), reads));
    CHECK(!concerns(change(ddl_drop, "far", "*"), reads));
    for (const auto harmless : {ddl_create_index, ddl_comment, ddl_truncate}) CHECK(change(harmless, "public", "seen").empty());
    CHECK(change(ddl_create, "pg_temp", "seen").empty());
    CHECK(name_change({}, false).any);
}

TEST_CASE("who holds locks is concerned by code only, and then if it runs any") {
    PlannedStatement runs = reads;
    runs.statement.runs_code = true;
    const NameChange code = change(ddl_alter, "public", "f", true);
    CHECK(concerns(code, reads));
    CHECK(!concerns(code, reads, true));
    CHECK(concerns(code, runs, true));
    CHECK(!concerns(change(ddl_alter, "public", "seen"), runs, true));

    PlannedStatement execute;
    execute.statement.kind = sql::StatementKind::execute;
    CHECK(concerns(change(ddl_alter, "public", "far"), execute));
    PlannedStatement fetch;
    fetch.statement.kind = sql::StatementKind::fetch;
    CHECK(!concerns(change(ddl_alter, "public", "far"), fetch));
    CHECK(concerns(code, fetch));
}

TEST_CASE("a change that may have been made concerns whoever was planned since, until it is answered") {
    NameChanges all;
    const NameChange made = change(ddl_alter, "public", "seen");
    all.made(1, made);
    all.may_be_made(1, made);
    CHECK(all.unanswered(2));
    CHECK(!all.unanswered(1));
    CHECK(all.concern(all.last(), 2, {&reads, 1}, false));
    all.answered(1);
    CHECK(!all.concern(all.last(), 2, {&reads, 1}, false));
}

TEST_CASE("what is forgotten concerns whoever was planned before") {
    NameChanges all;
    const PlannedStatement other = statement(read_table, "public", "quiet");
    all.made(1, change(ddl_alter, "public", "far"));
    CHECK(!all.concern(0, 2, {&other, 1}, false));
    for (int i = 0; i < 2000; ++i) all.made(1, change(ddl_alter, "public", "far"));
    CHECK(all.concern(0, 2, {&other, 1}, false));
    CHECK(!all.concern(all.last() - 1, 2, {&other, 1}, false));
    NameChange many;
    for (int i = 0; i < 2000; ++i) many.add(change(ddl_create, "public", std::to_string(i)));
    CHECK(many.any);
    CHECK(many.names.empty());
}
