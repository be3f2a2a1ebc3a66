// Any text over a fixed catalogue: it is analysed or refused, in bounded time, and what is said of it is consistent.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/print.hpp"

using namespace dbguard;
using namespace dbguard::sql;

namespace {

const catalogue::Snapshot& fixture() {
    static const catalogue::SnapshotRef made = *postgres::catalogue_of_ddl(
        "CREATE TYPE pair AS (x text, y int); CREATE DOMAIN mail AS text;"
        "CREATE TABLE t (id int PRIMARY KEY, a text, b mail NOT NULL, j jsonb, p pair, r text[], g text GENERATED ALWAYS AS (upper(a)) STORED);"
        "CREATE TABLE u (id int, a text, c numeric) ; CREATE TABLE w (d int) INHERITS (u);"
        "CREATE VIEW v AS SELECT id, a || b AS ab FROM t; CREATE VIEW vv (k, l) AS SELECT * FROM v; CREATE MATERIALIZED VIEW m AS SELECT b FROM t;"
        "CREATE FUNCTION f(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || a FROM t'; CREATE FUNCTION h(n int) RETURNS int LANGUAGE sql AS 'SELECT h(n - 1)';"
        "CREATE FUNCTION q() RETURNS TABLE (x text, y text) LANGUAGE sql AS 'SELECT a, b FROM t'; CREATE FUNCTION e(text, text) RETURNS boolean LANGUAGE plpgsql AS '';"
        "CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = e); CREATE RULE x AS ON INSERT TO u DO ALSO UPDATE t SET a = NEW.a WHERE id = NEW.id;"
    );
    return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static const catalogue::Context context = postgres::fixture_context();
    const Analysis analysis = postgres::analyze_text(text, {&fixture(), &context});
    if (analysis.unparsed_at > size) std::abort();
    for (const Statement& statement : analysis.statements) {
        if (statement.begin > size || statement.length > size - statement.begin) std::abort();
        if (!statement.returns_rows && !statement.outputs.empty() && statement.kind != StatementKind::prepare && statement.kind != StatementKind::declare_cursor) std::abort();
    }
    if (print(analysis, &fixture()).empty() != (analysis.statements.empty() && analysis.unparsed.empty())) {
        // A statement of which nothing is to be said: CLOSE has a kind, an empty text no statement.
        for (const Statement& statement : analysis.statements)
            if (!print(statement, &fixture()).empty()) std::abort();
    }
    if (analysis != postgres::analyze_text(text, {&fixture(), &context})) std::abort();
    // Texts of the catalogue's kind, too.
    (void)postgres::catalogue_of_ddl(text);
    return 0;
}
