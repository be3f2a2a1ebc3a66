#include "sql/postgres/text_shape.hpp"

#include <doctest/doctest.h>

using dbguard::sql::postgres::text_shape;

namespace {

std::string shape(std::string_view text) {
    std::string out;
    return text_shape(text, out) ? out : "none";
}

}  // namespace

TEST_CASE("a shape is the text without its literals") {
    CHECK(shape("SELECT a1 FROM t WHERE id = 17 AND b='it''s' AND c > .5;") == "SELECT a1 FROM t WHERE id = ?n AND b=?s AND c > ?d;");
    CHECK(shape("SELECT \"Mixed\"\".x\", $1 FROM s.t LIMIT 10") == "SELECT \"Mixed\"\".x\", $1 FROM s.t LIMIT ?n");
    CHECK(shape("select 1.5+2.-3") == "select ?d+?d-?n");
    CHECK(shape("select 9999, 10000, 999999999, 1000000000, '', 'a'") == "select ?n, ?i, ?i, ?l, ?e, ?s");
    CHECK(shape("SELECT date '2020-01-01'") == "SELECT date ?s");
    CHECK(shape("SELECT 'a'\n'b'") == "SELECT ?s\n?s");
    CHECK(shape("/* app:web route:/a/88 */ SELECT 2/* c */") == "  SELECT ?n ");
    CHECK(shape("SELECT 2*/*c*/3") == "SELECT ?n* ?n");
    CHECK(shape("") == "");
}

TEST_CASE("where the server's lexer might cut otherwise there is no shape") {
    for (const char* text : {"SELECT E'a'", "SELECT U&'a'", "SELECT U&\"a\"", "SELECT B'1'", "SELECT $$a$$", "SELECT $a$b$a$", "SELECT 1 -- 2", "SELECT /* /* 1 */ 2", "SELECT /* open", "SELECT /*/ 1", "SELECT 1e5",
                             "SELECT 0x1f", "SELECT 007", "SELECT 1_000", "SELECT 1a", "SELECT 'open", "SELECT \"open", "SELECT 1; SELECT 2", "SELECT 'caf\xc3\xa9'", "SELECT a ? b", "SELECT '\n'",
                             "SELECT 1..2", "SELECT $1a", "SELECT 'a'\"b\"", "SELECT \\x"})
        CHECK_MESSAGE(shape(text) == "none", text);
}

TEST_CASE("texts of different meaning have different shapes") {
    CHECK(shape("SELECT a FROM t WHERE b = 1") != shape("SELECT a FROM t WHERE b = '1'"));
    CHECK(shape("SELECT a FROM t WHERE b = 1") != shape("SELECT a FROM t WHERE c = 1"));
    CHECK(shape("SELECT a, 1") != shape("SELECT a 1"));
}
