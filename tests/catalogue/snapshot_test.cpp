#include "catalogue/snapshot.hpp"

#include <doctest/doctest.h>

#include "catalogue/postgres.hpp"

using namespace dbguard;
using namespace dbguard::catalogue;

namespace {

Rows load_rows() {
    Rows rows;
    const auto add = [&](std::vector<std::optional<std::string>> cells) {
        cells.resize(13);
        rows.push_back(std::move(cells));
    };
    add({"R", "16400", "public", "customers", "r", "false", std::nullopt, "{16390,16391}", "{16500,o,\"nnew rows\",\"16600 750\"}", "true"});
    add({"C", "16400", "{3,1,4}", R"x({"e\"mail",id,"NULL"})x", "{25,23,25}", "{54,-1,-1}", "{f,t,f}", "{t,f,f}", R"x({"lower('a,b}')",NULL,"NULL"})x",
         R"x({"where they read mail, dbguard:pii dbguard:card_no.",NULL,NULL})x"});
    add({"C", "99999", "{1}", "{\"of no relation\"}", "{25}", "{-1}", "{f}", "{f}", "{NULL}", "{NULL}"});
    add({"R", "16390", "public", "people", "r", "false"});
    add({"R", "16412", "public", "sales", "p", "false", std::nullopt, std::nullopt, std::nullopt, "false", std::nullopt, std::nullopt, "LIST (region)"});
    add({"R", "16413", "public", "sales_eu", "r", "false", std::nullopt, "{16412}", std::nullopt, "false", R"x({"(price > 0)","((name ~ 'a,b'::text))"})x", "FOR VALUES IN ('eu')"});
    add({"K", "16410", "16400", "c", "n", "{2,3}", "{1,4}"});
    add({"K", "16410", "99999", "a", "a", "{2}", "{1}"});
    add({"R", "16410", "pg_temp_3", "mine", "r", "true"});
    add({"R", "16411", "public", "v", "v", "false", " SELECT 1;"});
    add({"L", "16400", "3", "true", "CREATE RULE …"});
    add({"T", "16420", "public", "mood", "e", "0", "0", "0", "-1", "{sad,\"so, so\",\"qu\\\"ote\"}"});
    add({"T", "16421", "public", "span", "r", "0", "0", "0", "-1", std::nullopt, "23"});
    add({"T", "16422", "public", "whole", "d", "23", "0", "0", "-1"});
    add({"D", "16422", "(VALUE > 0)", "true", "false"});
    add({"D", "16422", "even(VALUE)", "false", "true"});
    add({"O", "public", "===", "16500", "25", "25", "citext"});
    add({"U", "r", "16400", "16500"});
    add({"U", "t", "16421", "16501"});
    add({"U", "r", "99999", "16500"});
    add({"E", "citext"});
    return rows;
}

Context context() {
    Context out;
    out.search_path = {"pg_temp_3", "pg_catalog", "public"};
    out.temp_schema = "pg_temp_3";
    return out;
}

Result<SnapshotRef> read(const Rows& rows) {
    FunctionSources none;
    return postgres::read_load(rows, context(), none);
}

}  // namespace

TEST_CASE("a load is read into relations, columns, rules, types and operators") {
    const auto loaded = read(load_rows());
    REQUIRE(loaded.has_value());
    const Snapshot& snapshot = **loaded;
    const Relation* customers = snapshot.relation("public", "customers");
    REQUIRE(customers != nullptr);
    CHECK(snapshot.relation(16400) == customers);
    CHECK(snapshot.relation("crm", "customers") == nullptr);
    CHECK(customers->parents == std::vector<Id>{16390, 16391});
    const Relation* part = snapshot.relation(16413);
    REQUIRE(part != nullptr);
    CHECK(part->checks == std::vector<std::string>{"(price > 0)", "((name ~ 'a,b'::text))"});
    CHECK(part->partition_bound == "FOR VALUES IN ('eu')");
    CHECK(snapshot.relation(16412)->partition_key == "LIST (region)");
    // A check that was not looked at when it came says nothing of the values that were there.
    CHECK(snapshot.type(16422)->conditions == std::vector<std::string>{"(VALUE > 0)"});
    CHECK(snapshot.type(16422)->checks == std::vector<std::string>{"even(VALUE)"});
    CHECK(snapshot.relation("public", "people")->children == std::vector<Id>{16400});
    REQUIRE(customers->referenced_by.size() == 1);
    CHECK(customers->referenced_by[0].table == 16410);
    CHECK(customers->referenced_by[0].on_delete == 'c');
    CHECK(customers->referenced_by[0].on_update == 'n');
    CHECK(customers->referenced_by[0].columns == std::vector<std::int16_t>{2, 3});
    CHECK(customers->referenced_by[0].referenced == std::vector<std::int16_t>{1, 4});
    CHECK(customers->trigger_functions == std::vector<Id>{16500});
    CHECK(customers->transition_tables == std::vector<std::string>{"", "new rows"});
    CHECK(customers->has_expressions);
    CHECK(customers->unsaid == std::vector<Id>{16500});
    CHECK(snapshot.type(16421)->unsaid == std::vector<Id>{16501});
    CHECK(snapshot.type(16420)->unsaid.empty());
    REQUIRE(customers->columns.size() == 3);
    CHECK(customers->columns[0].name == "id");   // in the order of their numbers
    CHECK(customers->columns[0].default_text.empty());
    CHECK(customers->columns[2].name == "NULL");
    CHECK(customers->columns[2].default_text == "NULL");
    CHECK(customers->column("id")->not_null);
    const Column* mail = customers->column(std::int16_t{3});
    REQUIRE(mail != nullptr);
    CHECK(mail->name == "e\"mail");
    CHECK(mail->default_text == "lower('a,b}')");
    CHECK(mail->generated);
    CHECK(mail->modifier == 54);
    CHECK(mail->tags == std::vector<std::string>{"pii", "card_no"});
    CHECK(customers->column("nosuch") == nullptr);
    REQUIRE(customers->rules.size() == 1);
    CHECK(customers->rules[0].event == '3');
    CHECK(customers->rules[0].instead);
    CHECK(snapshot.relation("pg_temp_3", "mine")->own_temporary);
    CHECK(snapshot.relation("public", "v")->kind == RelationKind::view);
    CHECK(snapshot.type(16420)->labels == std::vector<std::string>{"sad", "so, so", "qu\"ote"});
    CHECK(snapshot.type(16421)->base == 23);
    REQUIRE(snapshot.operators("===").size() == 1);
    CHECK(snapshot.operators("===")[0]->function == 16500);
    CHECK(snapshot.operators("===")[0]->extension == "citext");
    CHECK(snapshot.operators("=").empty());
    CHECK(snapshot.highest() == 16413);
    CHECK(snapshot.rendered_under() == context());
}

TEST_CASE("an answer of another shape is no catalogue") {
    auto rows = load_rows();
    rows[1].pop_back();
    CHECK(read(rows).error().code == postgres::errc::bad_answer);
    rows = load_rows();
    rows[0][0] = "RR";
    CHECK_FALSE(read(rows).has_value());
    rows[0][0].reset();
    CHECK_FALSE(read(rows).has_value());
    CHECK_FALSE(postgres::read_state({}).has_value());
    CHECK_FALSE(postgres::read_state({{"{public}"}}).has_value());
    CHECK_FALSE(postgres::read_state({{"{}", std::nullopt, "shop", "app", "1", "x"}}).has_value());
    CHECK_FALSE(postgres::read_digest({{std::nullopt}}).has_value());
    CHECK_FALSE(postgres::read_digest({{"a"}, {"b"}}).has_value());
}

TEST_CASE("a snapshot tells what it takes in memory") {
    const auto bytes = [](std::size_t tables, std::size_t columns, std::size_t text) {
        Snapshot::Parts parts;
        for (std::size_t i = 0; i < tables; ++i) {
            Relation& relation = parts.relations.emplace_back();
            relation.id = static_cast<Id>(20000 + i);
            relation.schema = "public";
            relation.name = std::to_string(i);
            relation.columns.resize(columns);
            for (Column& column : relation.columns) column.default_text.assign(text, 'x');
        }
        return Snapshot(std::move(parts)).bytes();
    };
    CHECK(bytes(0, 0, 0) < 2048);
    CHECK(bytes(100, 0, 0) >= 100 * sizeof(Relation));
    CHECK(bytes(100, 10, 0) >= 100 * (sizeof(Relation) + 10 * sizeof(Column)));
    CHECK(bytes(100, 10, 1000) >= 100 * (sizeof(Relation) + 10 * (sizeof(Column) + 1000)));
    CHECK(bytes(100, 10, 1000) < 2 * 100 * (sizeof(Relation) + 10 * (sizeof(Column) + 1000)));
}

TEST_CASE("the session's state tells its search path as it is in effect") {
    const auto state = postgres::read_state({{"{pg_temp_3,pg_catalog,\"Mixed Case\",public}", "pg_temp_3", "shop", "app", "16384", "700:702:700", "off"}});
    REQUIRE(state.has_value());
    CHECK(state->context.search_path == std::vector<std::string>{"pg_temp_3", "pg_catalog", "Mixed Case", "public"});
    CHECK(state->context.temp_schema == "pg_temp_3");
    CHECK(state->context.database == "shop");
    CHECK(state->context.user == "app");
    CHECK(state->database_id == "16384");
    CHECK(state->next_transaction == "700:702:700");
    CHECK(state->before_dear.empty());
    CHECK(state->after_dear.empty());
    const auto none = postgres::read_state({{"{}", std::nullopt, "shop", "app", "1", "x", std::nullopt}});
    CHECK(none->context.temp_schema.empty());
    CHECK(none->before_dear.empty());
}

TEST_CASE("dear questions are not compiled, and the setting is put back as it was") {
    const auto state = postgres::read_state({{"{}", std::nullopt, "shop", "app", "1", "x", "on"}});
    CHECK(state->before_dear == "SELECT pg_catalog.set_config('jit', 'off', true)");
    CHECK(state->after_dear == "SELECT pg_catalog.set_config('jit', 'on', true)");
}

TEST_CASE("the questions name every object and operator by schema") {
    for (const std::string* sql : {&postgres::state_query(), &postgres::digest_query(), &postgres::load_query()}) {
        CHECK(sql->find('#') == std::string::npos);
        for (const char* bare : {" = ", " <> ", " >= ", " || ", " ~ "}) CHECK_MESSAGE(sql->find(bare) == std::string::npos, bare << " in " << *sql);
        for (std::size_t at = 0; (at = sql->find("FROM ", at)) != std::string::npos; at += 5)
            CHECK_MESSAGE(sql->compare(at + 5, 11, "pg_catalog.") == 0, sql->substr(at, 60));
    }
}

TEST_CASE("tags are read from comments") {
    CHECK(postgres::tags_of_comment("").empty());
    CHECK(postgres::tags_of_comment("pii").empty());
    CHECK(postgres::tags_of_comment("dbguard:pii") == std::vector<std::string>{"pii"});
    CHECK(postgres::tags_of_comment("x dbguard:a-b,dbguard:c_1; dbguard:") == std::vector<std::string>{"a-b", "c_1", ""});
}
