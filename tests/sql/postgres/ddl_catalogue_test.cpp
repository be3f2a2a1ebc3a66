#include "sql/postgres/ddl_catalogue.hpp"

#include "tests/sql/postgres/cases.hpp"

using namespace dbguard;
using namespace dbguard::sql::postgres;
using catalogue::RelationKind;
using catalogue::TypeKind;

namespace {

std::string columns_of(const catalogue::Relation* relation) {
    if (relation == nullptr) return "none";
    std::string out;
    for (const auto& column : relation->columns) {
        if (!out.empty()) out += ' ';
        out += column.name + ":" + std::to_string(column.type) + (column.not_null ? "!" : "") + (column.generated ? "=" : "");
    }
    return out;
}

std::string error_of(const std::string& ddl) {
    const auto made = catalogue_of_ddl(ddl);
    return made ? "none" : made.error().detail;
}

}  // namespace

TEST_CASE("tables have columns, types and what may not be null") {
    const auto shop = cases::catalogue_of("CREATE TABLE t (id serial PRIMARY KEY, a varchar(10) NOT NULL, b numeric(6,2)[], c text DEFAULT 'x, y', PRIMARY KEY (c));");
    CHECK(columns_of(shop->relation("public", "t")) == "id:23! a:1043! b:1231 c:25!");
    CHECK(shop->relation("public", "t")->columns[1].modifier == 14);
    REQUIRE(shop->relation("public", "t_id_seq") != nullptr);
    CHECK(shop->relation("public", "t_id_seq")->kind == RelationKind::sequence);
    CHECK(shop->relation("public", "t")->id == 16384);
}

TEST_CASE("children and partitions have their parents' columns first") {
    const auto made = cases::catalogue_of(
        "CREATE TABLE a (x int NOT NULL, y text); CREATE TABLE b (z text, y text) INHERITS (a);"
        "CREATE TABLE p (d date, v text) PARTITION BY LIST (v); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('1');"
        "CREATE TABLE p2 (d date, v text); ALTER TABLE p ATTACH PARTITION p2 DEFAULT; CREATE TABLE l (LIKE a, m int);"
    );
    CHECK(columns_of(made->relation("public", "b")) == "x:23! y:25 z:25");
    CHECK(made->relation("public", "b")->parents == std::vector<catalogue::Id>{made->relation("public", "a")->id});
    CHECK(made->relation("public", "p")->kind == RelationKind::partitioned_table);
    CHECK(columns_of(made->relation("public", "p1")) == "d:1082 v:25");
    CHECK(made->relation("public", "p2")->parents == std::vector<catalogue::Id>{made->relation("public", "p")->id});
    CHECK(columns_of(made->relation("public", "l")) == "x:23! y:25 m:23");
}

TEST_CASE("views keep their query, without what follows it") {
    const auto made = cases::catalogue_of(
        "CREATE TABLE t (a int, b text);"
        "CREATE VIEW v (one) AS SELECT a, b AS \"as\" FROM t WITH CASCADED CHECK OPTION;"
        "CREATE OR REPLACE VIEW v AS SELECT b FROM t; -- the end\n"
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM t /* all */ WITH NO DATA;"
        "CREATE TABLE c AS SELECT b FROM v WITH DATA;"
        "CREATE RECURSIVE VIEW r (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM r;"
    );
    CHECK(made->relation("public", "v")->definition == "SELECT b FROM t");
    CHECK(columns_of(made->relation("public", "v")) == "b:0");
    CHECK(made->relation("public", "m")->definition == "SELECT * FROM t");
    CHECK(made->relation("public", "m")->kind == RelationKind::materialized_view);
    CHECK(columns_of(made->relation("public", "m")) == "a:0 b:0");
    CHECK(made->relation("public", "c")->definition.empty());
    CHECK(made->relation("public", "r")->definition == "WITH RECURSIVE \"r\" (\"n\") AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT \"n\" FROM \"r\"");
}

TEST_CASE("generated columns keep their expression") {
    const auto made = cases::catalogue_of("CREATE TABLE t (a text, b text GENERATED ALWAYS AS (lower(a || ')')) STORED, c int GENERATED ALWAYS AS IDENTITY)");
    const auto* relation = made->relation("public", "t");
    CHECK(columns_of(relation) == "a:25 b:25= c:23!");
    CHECK(relation->columns[1].default_text == "(lower(a || ')'))");
}

TEST_CASE("types, functions, operators, rules, triggers and tags") {
    const auto& shop = cases::shop();
    const auto* customers = shop.relation("public", "customers");
    REQUIRE(customers != nullptr);
    CHECK(customers->column("email")->tags == std::vector<std::string>{"pii"});
    const auto* email = shop.type(customers->column("email")->type);
    REQUIRE(email != nullptr);
    CHECK(email->kind == TypeKind::domain);
    CHECK(email->base == 25);
    const auto* home = shop.type(customers->column("home")->type);
    REQUIRE(home != nullptr);
    CHECK(home->kind == TypeKind::composite);
    CHECK(columns_of(shop.relation(home->relation)) == "street:25 city:25 zip:25");
    CHECK(shop.type(customers->column("mood")->type)->labels == std::vector<std::string>{"sad", "ok", "happy"});
    REQUIRE(shop.functions("people").size() == 1);
    CHECK(shop.functions("people")[0]->output_names == std::vector<std::string>{"who", "mail"});
    CHECK(shop.functions("plus_one")[0]->body == "SELECT $1 + 1");
    CHECK(shop.functions("shout")[0]->body.empty());
    REQUIRE(shop.operators("===").size() == 1);
    CHECK(shop.operators("===")[0]->function == shop.functions("same_text")[0]->id);
    CHECK(shop.relation("public", "watched")->trigger_functions == std::vector<catalogue::Id>{shop.functions("note_change")[0]->id});
    CHECK(shop.relation("public", "ruled")->rules.at(0).event == '3');
    // Every table is a type as well.
    const auto made = cases::catalogue_of("CREATE TABLE t (a int); CREATE TABLE u (r t, rs t[]);");
    const auto* row = made->type(made->relation("public", "u")->columns[0].type);
    REQUIRE(row != nullptr);
    CHECK(row->relation == made->relation("public", "t")->id);
}

TEST_CASE("what is not understood is said, with its place") {
    CHECK(error_of("CREATE TABLE t (a int);\nCREATE TABLE t (b int);") == "line 2, byte 37: relation \"t\" is there already");
    CHECK(error_of("CREATE TABL t (a int)").starts_with("line 1, byte 7: syntax error"));
    CHECK(error_of("CREATE TABLE t (a nosuch)") == "line 1, byte 18: type \"nosuch\" is not known");
    CHECK(error_of("\n\nCREATE VIEW v AS SELECT nope FROM pg_class, nowhere").starts_with("line 3, byte 14: the query of \"v\" is not understood"));
    CHECK(error_of("SELECT 1; DO $$ BEGIN END $$") == "line 1, byte 10: a statement that is not understood");
    CHECK(error_of("SET search_path = crm, public").starts_with("line 1, byte 0: search_path is not followed"));
    CHECK(error_of("CREATE TABLE a (x int) INHERITS (b)").find("relation \"b\" is not known") != std::string::npos);
    CHECK(error_of(std::string("CREATE TABLE t (a int);\0", 24)) == "line 1, byte 23: a NUL");
    CHECK(error_of(std::string(5000, '(')) == "line 1, byte 0: the text is nested too deep");
    CHECK(error_of("") == "none");
}

TEST_CASE("what pg_dump writes around a schema is passed over") {
    CHECK(error_of("SET statement_timeout = 0; SELECT pg_catalog.set_config('search_path', '', false); SET check_function_bodies = false;"
                   "CREATE SCHEMA s; ALTER SCHEMA s OWNER TO x; CREATE TABLE s.t (id integer NOT NULL); ALTER TABLE s.t OWNER TO x;"
                   "CREATE SEQUENCE s.t_id_seq AS integer START WITH 1; ALTER SEQUENCE s.t_id_seq OWNED BY s.t.id;"
                   "ALTER TABLE ONLY s.t ALTER COLUMN id SET DEFAULT nextval('s.t_id_seq'::regclass);"
                   "ALTER TABLE ONLY s.t ADD CONSTRAINT t_pkey PRIMARY KEY (id); CREATE INDEX i ON s.t USING btree (id);"
                   "GRANT SELECT ON TABLE s.t TO x; COMMENT ON TABLE s.t IS 'x';") == "none");
}
