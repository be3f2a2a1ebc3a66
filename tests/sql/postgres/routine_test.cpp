// What of a PL/pgSQL body is read: libpg_query's parser gives no defaults of records and no targets of assignments, and has no types.
#include <doctest/doctest.h>

#include <algorithm>

#include "catalogue/snapshot.hpp"
#include "sql/postgres/dialect.hpp"

using namespace dbguard;

namespace {

sql::CodeBody read(std::string body, std::vector<std::pair<std::string, catalogue::Id>> arguments = {}) {
    catalogue::Function function;
    function.language = "plpgsql";
    function.body = std::move(body);
    function.returns = 25;
    for (auto& [name, type] : arguments) {
        function.argument_names.push_back(name);
        function.arguments.push_back(type);
    }
    return sql::postgres::dialect().read_code(function);
}

bool reads(const sql::CodeBody& body, std::string_view text) {
    return body.readable && std::ranges::any_of(body.texts, [&](const std::string& one) { return one.find(text) != std::string::npos; });
}

constexpr catalogue::Id row_type = 16390;

}  // namespace

TEST_CASE("routine: the defaults of records are read, wherever and however they are declared") {
    CHECK(reads(read("DECLARE r record := (SELECT secret FROM t); BEGIN RETURN r::text; END"), "SELECT secret"));
    CHECK(reads(read("DECLARE r record = (SELECT secret FROM t); BEGIN RETURN r::text; END"), "SELECT secret"));
    CHECK(reads(read("DECLARE a int; \"r\" CONSTANT /* := */ Record -- x\n NOT NULL DEFAULT (SELECT secret FROM t); BEGIN RETURN r::text; END"), "SELECT secret"));
    CHECK(reads(read("BEGIN DECLARE r record := (SELECT secret FROM t); BEGIN RETURN r::text; END; END"), "SELECT secret"));
    CHECK(reads(read("BEGIN <<inner>> DECLARE DECLARE a record; r record := (SELECT secret FROM t); BEGIN RETURN r::text; END; END"), "SELECT secret"));
    // libpg_query takes each beginning of the word for the word.
    CHECK(reads(read("DECLARE r re := (SELECT secret FROM t); BEGIN RETURN r::text; END"), "SELECT secret"));
    CHECK(reads(read("DECLARE r text := (SELECT secret FROM t); BEGIN RETURN r; END"), "SELECT secret"));
    // A type of one's own whose field is assigned.
    CHECK(reads(read("DECLARE r pair := (SELECT secret FROM t); BEGIN r.a := 1; RETURN r::text; END"), "SELECT secret"));
}

TEST_CASE("routine: what is computed to find the place that is assigned to is read") {
    CHECK(reads(read("DECLARE a int[]; BEGIN a[(SELECT secret FROM t)] := 1; RETURN a::text; END"), "SELECT secret"));
    CHECK(reads(read("DECLARE a int[]; BEGIN a[1:(SELECT secret FROM t)] = ARRAY[1]; RETURN a::text; END"), "SELECT secret"));
    CHECK(reads(read("DECLARE r record; BEGIN SELECT 1 AS b INTO r; r.b[(SELECT secret FROM t)] := 1; RETURN r::text; END"), "SELECT secret"));
}

TEST_CASE("routine: fields of rows are assigned") {
    CHECK(reads(read("DECLARE r pair; BEGIN r.a := (SELECT secret FROM t); RETURN r::text; END"), "SELECT secret"));
    CHECK(reads(read("DECLARE r t%ROWTYPE; n int; BEGIN SELECT 1 INTO r.a; r.b := 2; RETURN r.a; END"), "SELECT 1"));
    CHECK(read("<<outer>> DECLARE r public.\"A pair\" NOT NULL = row(1, 2); c CURSOR FOR SELECT 1; x ALIAS FOR $1; BEGIN r.a := 1; RETURN r::text; END", {{"", 25}}).readable);
    CHECK(read("BEGIN p.a := p.a + 1; RETURN p::text; END", {{"p", row_type}}).readable);
    CHECK(read("BEGIN p.a := p.a + 1; RETURN p::text; END;", {{"p", row_type}}).readable);
    CHECK(read("BEGIN p.a := p.a + 1; RETURN p::text; END -- so", {{"p", row_type}}).readable);
    // A number has no fields.
    CHECK_FALSE(read("BEGIN p.a := p.a + 1; RETURN p::text; END", {{"p", 23}}).readable);
}

TEST_CASE("routine: what runs is never changed by what is taken for a row") {
    // `declare` is no word of SQL's: a name there.
    const auto body = read("DECLARE n int; r pair; BEGIN r.a := 1; UPDATE t declare SET a = 1 WHERE declare.b = 2; SELECT a AS declare FROM secret; RETURN n; END");
    CHECK(reads(body, "UPDATE t declare SET a = 1 WHERE declare.b = 2"));
    CHECK(reads(body, "FROM secret"));
    CHECK_FALSE(reads(body, "record"));
    const auto greater = read("DECLARE r pair; BEGIN r.a := 1; PERFORM 2 > declare x FROM secret; RETURN 1; END");
    CHECK((!greater.readable || reads(greater, "FROM secret")));
}

TEST_CASE("routine: texts that are run, by EXECUTE and for it") {
    for (const char* body : {"BEGIN EXECUTE 'SELECT 1'; END", "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT 1' LOOP NULL; END LOOP; END", "DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'SELECT 1' USING 2; RETURN 'x'; END"})
        CHECK(read(body).run_texts == std::vector<std::string>{"SELECT 'SELECT 1'"});
    catalogue::Function rows;
    rows.language = "plpgsql";
    rows.returns = 25;
    rows.returns_set = true;
    rows.body = "BEGIN RETURN QUERY EXECUTE 'SELECT ' || n; END";
    CHECK(sql::postgres::dialect().read_code(rows).run_texts == std::vector<std::string>{"SELECT 'SELECT ' || n"});
}

TEST_CASE("routine: an argument stays what it was given where nothing is put into it") {
    const auto stays = [](const std::string& body) {
        const auto read_body = read(body, {{"mail", 25}});
        return read_body.readable && read_body.unchanged == std::vector<std::string>{"mail"};
    };
    CHECK(stays("DECLARE v int; BEGIN SELECT id INTO v FROM t WHERE email = mail; RETURN v; END"));
    CHECK(stays("BEGIN FOR i IN 1..3 LOOP PERFORM mail; END LOOP; RETURN mail; END"));
    for (const char* changes : {"mail := mail || 'x'", "mail = 'x'", "SELECT a INTO mail FROM t", "SELECT a, b INTO v, mail FROM t", "EXECUTE 'SELECT 1' INTO mail", "GET DIAGNOSTICS mail = PG_CONTEXT",
                                "FOREACH mail IN ARRAY ARRAY['a', 'b'] LOOP NULL; END LOOP", "FOR mail IN SELECT a FROM t LOOP NULL; END LOOP", "FOR mail IN 1..3 LOOP NULL; END LOOP",
                                "DECLARE mail text := 'x'; BEGIN NULL; END", "DECLARE other ALIAS FOR mail; BEGIN other := 'x'; END", "DECLARE other ALIAS FOR $1; BEGIN other := 'x'; END", "CALL p(mail)"}) {
        CAPTURE(changes);
        CHECK_FALSE(stays("DECLARE v int; BEGIN " + std::string(changes) + "; RETURN 1; END"));
        CHECK(read("DECLARE v int; BEGIN " + std::string(changes) + "; RETURN 1; END", {{"mail", 25}}).readable);
    }
}
