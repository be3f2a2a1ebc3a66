#include "sql/print.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::sql;

TEST_CASE("an analysis as text: a line a fact") {
    Analysis analysis;
    Statement& statement = analysis.statements.emplace_back();
    statement.kind = StatementKind::declare_cursor;
    statement.name = "c";
    Effect& effect = statement.effects.emplace_back();
    effect.effect_class = EffectClass::write_update;
    effect.objects.push_back({"public", "t", {"a", "b"}, true, false, true});
    effect.where = Where::trivial;
    effect.lock = Lock::blocks_reads;
    effect.rewrites_table = true;
    effect.has_limit = true;
    effect.setting = "x";
    effect.detail = "why";
    statement.outputs.push_back({"o", {{{17, 3}, Flow::aggregated, {"tax", "tin"}}}, {"public.f"}, true, true});
    statement.outputs.push_back({"n", {}, {}, false, false});
    statement.filters.push_back({{{17, 3}, Flow::identity, {}}, Filter::Use::equality});
    statement.copies.push_back({{0, 0}, "a setting", {}, {{{17, 3}, Flow::existence, {}}}, {}, false});
    statement.returns_rows = statement.runs_code = statement.changes_catalogue = statement.changes_settings = true;
    statement.outputs_exact = false;
    statement.inner.emplace_back().effects.emplace_back().effect_class = EffectClass::tx;
    analysis.unparsed = "reason";
    analysis.unparsed_at = 7;
    CHECK(print(analysis, nullptr) ==
          "kind declare_cursor c\n"
          "write.update public.t(a,b)[temporary][unresolved][expanded] setting=x where=trivial limit lock=reads rewrites {why}\n"
          "  o <- relation 17.3->tax->tin(aggregated), code public.f, anything may fail\n"
          "  n <- nothing\n"
          "  filter relation 17.3 equality\n"
          "  copy a setting <- relation 17.3(existence)\n"
          "  [rows inexact code changes-catalogue changes-settings]\n"
          "  inner\n"
          "    tx\n"
          "unparsed at 7: reason\n");
}

TEST_CASE("columns are named by the catalogue") {
    catalogue::Snapshot::Parts parts;
    catalogue::Relation relation;
    relation.id = 17;
    relation.schema = "public";
    relation.name = "t";
    relation.columns.resize(1);
    relation.columns[0].number = 3;
    relation.columns[0].name = "a";
    parts.relations.push_back(relation);
    const catalogue::Snapshot snapshot(std::move(parts));
    CHECK(print(Source{{17, 3}, Flow::identity, {}}, &snapshot) == "public.t.a");
    CHECK(print(Source{{17, 4}, Flow::transformed, {"x"}}, &snapshot) == "relation 17.4->x(transformed)");
}

TEST_CASE("classes have their names in the policy language, and nest by them") {
    for (int i = 0; i <= static_cast<int>(EffectClass::unparsed); ++i) {
        const auto one = static_cast<EffectClass>(i);
        CHECK(effect_class(name(one)) == one);
        CHECK(inside(one, one));
    }
    CHECK_FALSE(effect_class("write.nosuch").has_value());
    CHECK_FALSE(effect_class("").has_value());
    CHECK(inside(EffectClass::ddl_create_index, EffectClass::ddl_create));
    CHECK(inside(EffectClass::ddl_create_index, EffectClass::ddl));
    CHECK_FALSE(inside(EffectClass::ddl, EffectClass::ddl_create));
    CHECK_FALSE(inside(EffectClass::read_table, EffectClass::write));
    CHECK_FALSE(inside(EffectClass::server, EffectClass::session));
}
