#include "sql/postgres/parse.hpp"

#include <doctest/doctest.h>

#include "sql/postgres/dialect.hpp"

namespace dbguard::sql::postgres {

TEST_CASE("a view with CYCLE is read as the server prints it, casts and all") {
    const auto view = [](const std::string& cycle) { return "WITH RECURSIVE t(id) AS (SELECT 1 UNION ALL SELECT t.id FROM t) CYCLE id SET c " + cycle + "USING p SELECT t.c FROM t;"; };
    for (const char* cycle : {"", "TO 'Y'::text DEFAULT 'N'::text ", "TO '1'::numeric(10,2) DEFAULT '-1'::character varying(3) ", "TO 'a'::s.\"odd :: USING type\"[] DEFAULT 'it''s'::\"x\" "}) {
        const ParsedText read = dialect().parse(view(cycle));
        CHECK_MESSAGE(read.error == "", cycle);
        CHECK(read.statements.size() == 1);
    }
    // What the client writes is read as its server reads it.
    CHECK(parse(view("TO 'Y'::text DEFAULT 'N'::text ")).error != "");
}

TEST_CASE("a text that is wrong elsewhere stays wrong") {
    for (const char* text : {"SELECT 'Y' :: USING ", "SELECT 1 FROM t JOIN 'a'::text USING (id)", "SELECT x FROM 'a'::text DEFAULT ", "CYCLE id SET c TO 'a'::te;xt DEFAULT 'b' USING p", "'a'::\"b", "::text USING p"}) {
        CAPTURE(text);
        CHECK(parse_printed(text).error != "");
    }
}

}  // namespace dbguard::sql::postgres
