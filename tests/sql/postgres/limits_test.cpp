// Large and deep texts: answered, in bounded time and memory, or refused for a reason.

#include <algorithm>
#include <random>

#include "sql/postgres/parse.hpp"
#include "tests/sql/postgres/cases.hpp"

using namespace dbguard;
using namespace dbguard::sql;
using namespace dbguard::sql::postgres;

namespace {

std::string repeated(std::string_view text, std::size_t count) {
    std::string out;
    out.reserve(text.size() * count);
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
}

std::size_t depth(const tree::Expr* expr);
std::size_t depth(const tree::Query* query) {
    if (query == nullptr) return 0;
    std::size_t out = std::max(depth(query->left.get()), depth(query->right.get()));
    for (const tree::Item& item : query->items) out = std::max(out, depth(item.expr.get()));
    for (const tree::From& from : query->from) out = std::max(out, depth(from.query.get()));
    out = std::max(out, depth(query->where.get()));
    return out + 1;
}
std::size_t depth(const tree::Expr* expr) {
    if (expr == nullptr) return 0;
    std::size_t out = depth(expr->query.get());
    for (const tree::ExprPtr& arg : expr->args) out = std::max(out, depth(arg.get()));
    return out + 1;
}

/// An expression of this depth, at random.
std::string nested(std::mt19937& random, int levels) {
    if (levels <= 0) return random() % 2 == 0 ? "a" : "1";
    const auto inside = [&] { return nested(random, levels - 1); };
    switch (random() % 12) {
        case 0: return "(" + inside() + ")";
        case 1: return "- " + inside();
        case 2: return inside() + " + 1";
        case 3: return "NOT " + inside();
        case 4: return "upper(" + inside() + ")";
        case 5: return "CASE WHEN " + inside() + " THEN 1 ELSE " + nested(random, levels / 2) + " END";
        case 6: return "(SELECT " + inside() + ")";
        case 7: return "ARRAY[" + inside() + "]";
        case 8: return inside() + "::text";
        case 9: return "(" + inside() + ") IS NULL";
        case 10: return "(" + inside() + ").b";
        default: return "1 || " + inside();
    }
}

std::string reason(const std::string& sql) { return cases::analyze(sql).unparsed; }

}  // namespace

TEST_CASE("depth_bound is at least as deep as the tree, for nested texts at random") {
    std::mt19937 random(20261121);
    int parsed_texts = 0;
    for (int i = 0; i < 400; ++i) {
        const std::string sql = "SELECT " + nested(random, 1 + i % 40);
        const std::size_t bound = depth_bound(sql);
        if (bound > shallow_depth) continue;
        const Parsed parsed = parse(sql);
        if (!parsed.error.empty()) continue;
        ++parsed_texts;
        // `-1` of a constant and brackets make a level of text without one of tree, never the other way about; the query itself is one.
        CHECK_MESSAGE(depth(parsed.statements.at(0).query.get()) <= bound + 1, sql << " bound " << bound);
    }
    CHECK(parsed_texts > 150);
}

TEST_CASE("depth_bound sees every way to nest, also behind what looks like text") {
    for (const char* open : {"(", "ARRAY[", "NOT ", "- ", "(SELECT ", "upper(", "CASE WHEN ", "1 + (", "a[", "E'\\'' || (", "$a$ ' $a$ || (", "/* ( */ (", "-- (\n ("}) {
        const std::string text = "SELECT " + repeated(open, 3000);
        CHECK_MESSAGE(depth_bound(text) >= 3000, open);
    }
    CHECK(depth_bound("SELECT 1" + repeated(" + 1", 5000)) >= 5000);
    CHECK(depth_bound("SELECT 1" + repeated("::int", 5000)) >= 5000);
    CHECK(depth_bound("SELECT 1" + repeated(" UNION SELECT 1", 5000)) >= 5000);
}

TEST_CASE("nothing that stands before it hides depth") {
    const std::string deep = repeated("(", 3000), sum = "1" + repeated(" + 1", 3000);
    for (const char* before :
         {R"(SELECT E'\'' || )", R"(SELECT e'\\\'' || )", "SELECT -- a\r ", R"(SELECT U&'\' || )", R"(SELECT U&"\" + )", R"(SELECT a.e'' || )", "SELECT $$'$$ || ",
          "SELECT $a$ $b$ ' $a$ || ", "SELECT a$b$ + ", "SELECT /* ' /* */ */ ", "SELECT /**/ ", "SELECT '''' || ", R"(SELECT """" + )", R"(SELECT N'\' || )"}) {
        CHECK_MESSAGE(depth_bound(before + deep) >= 3000, before);
        CHECK_MESSAGE(depth_bound(before + sum) >= 3000, before);
    }
    CHECK(depth_bound("SELECT 1, 2" + repeated(" UNION SELECT 1, 2", 3000)) >= 3000);
    CHECK(depth_bound("SELECT 1, 2" + repeated(" EXCEPT SELECT 1, 2 WHERE a AND b", 3000)) >= 3000);
    CHECK(depth_bound("SELECT 1 FROM t" + repeated(" JOIN t u ON a AND b", 3000)) >= 3000);
    CHECK(depth_bound("SELECT " + repeated("CASE WHEN a AND b THEN ", 3000)) >= 3000);
    CHECK(depth_bound("SELECT " + repeated("CASE WHEN t.end AND b THEN ", 3000)) >= 3000);
}

TEST_CASE("what the scanner would read again and again is refused") {
    const std::string why = "the statement is nested too deep, or one expression is too long";
    CHECK(reason("SELECT 1 " + repeated("/*", 250'000) + repeated("*/", 250'000)) == why);
    CHECK(reason("SELECT 1 " + repeated("/**/", 250'000)) == why);
    CHECK(reason("SELECT 1 /*" + repeated("/*-", 250'000) + " " + repeated("*/", 250'001)) == why);
    CHECK(reason("SELECT 1 " + repeated("-", 250'000)) == "");
    CHECK(reason("SELECT 1 " + repeated("/* ", 2'000) + repeated("*/", 2'000)) == "");
    CHECK(reason("SELECT 1 " + repeated("/* a comment */\n", 50'000)) == "");
    CHECK(reason("SELECT 1 /*" + repeated("*", 500'000) + "/") == "");
}

TEST_CASE("what is long but not deep is analysed") {
    std::string insert = "INSERT INTO plain (id, a) VALUES (0, 'x')";
    while (insert.size() < 4'000'000) insert += ", (1, 'some words of text that go on, with a comma')";
    CHECK(depth_bound(insert) < shallow_depth);
    CHECK(reason(insert) == "");
    CHECK(reason("SELECT id FROM plain WHERE id = 0" + repeated(" OR id = 1", 50'000)) == "");
    CHECK(reason("SELECT id FROM plain WHERE id = 0" + repeated(" AND id <> 1", 50'000)) == "");
    const Analysis many = cases::analyze("DELETE FROM plain WHERE id = 0" + repeated(" OR id = 1", 50'000));
    CHECK(many.statements.at(0).effects.at(0).where == Where::present);
    CHECK(cases::analyze("DELETE FROM plain WHERE id = 0" + repeated(" OR id = 1", 50'000) + " OR id <> 0").statements.at(0).effects.at(0).where == Where::trivial);
    std::string list = "SELECT id FROM plain WHERE id IN (0" + repeated(", 1", 100'000) + ")";
    CHECK(reason(list) == "");
    CHECK(reason("SELECT id" + repeated(", id", 20'000) + " FROM plain") == "");
    CHECK(reason(repeated("SELECT 1;", 20'000)) == "");
}

TEST_CASE("what is too deep is refused for that reason") {
    CHECK(reason("SELECT " + repeated("(", 50'000) + "1" + repeated(")", 50'000)) == "the statement is nested too deep, or one expression is too long");
    CHECK(reason("SELECT 1" + repeated(" + 1", 100'000)) == "the statement is nested too deep, or one expression is too long");
}

TEST_CASE("what is deep is analysed on a stack of its own") {
    CHECK(reason("SELECT " + repeated("(", 900) + "1" + repeated(")", 900)) == "");
    CHECK(reason("SELECT " + repeated("upper(", 900) + "a" + repeated(")", 900) + " FROM plain") == "");
    CHECK(reason("SELECT 'a'" + repeated(" || 'a'", 1500)) == "");
}

TEST_CASE("what doubles at each step has an end") {
    std::string ddl = "CREATE TABLE t (id int, a text); CREATE VIEW v0 AS SELECT id, a FROM t;";
    for (int i = 1; i <= 60; ++i) {
        const std::string below = "v" + std::to_string(i - 1);
        ddl += "CREATE VIEW v" + std::to_string(i) + " AS SELECT x.id, y.a FROM " + below + " x JOIN " + below + " y ON x.id = y.id;";
    }
    const auto snapshot = cases::catalogue_of(ddl);
    const Analysis views = cases::analyze("SELECT a FROM v60", *snapshot);
    CHECK(views.unparsed == "");
    REQUIRE(views.statements.size() == 1);
    CHECK(views.statements[0].outputs.at(0).sources.size() == 1);
    CHECK(views.statements[0].filters.size() == 1);

    std::string ctes = "WITH c0 AS (SELECT id, a FROM t)";
    for (int i = 1; i <= 60; ++i) ctes += ", c" + std::to_string(i) + " AS (SELECT * FROM c" + std::to_string(i - 1) + " x, c" + std::to_string(i - 1) + " y)";
    CHECK(cases::analyze(ctes + " SELECT count(*) FROM c60", *snapshot).unparsed == "a query of more than 4096 columns");
    CHECK(cases::analyze("SELECT " + repeated("*, ", 50'000) + "* FROM t", *snapshot).unparsed == "a query of more than 4096 columns");
}

TEST_CASE("views of one another have an end") {
    std::string ddl = "CREATE TABLE b (id int); CREATE VIEW a AS SELECT x.id FROM b x, b y; CREATE VIEW c AS SELECT x.id FROM a x, a y;";
    const auto snapshot = cases::catalogue_of(ddl);
    CHECK(cases::analyze("SELECT * FROM c", *snapshot).unparsed == "");
}

TEST_CASE("views over views have an end") {
    std::string ddl = "CREATE TABLE t (a text); CREATE VIEW v0 AS SELECT a FROM t;";
    for (int i = 1; i <= 60; ++i) ddl += "CREATE VIEW v" + std::to_string(i) + " AS SELECT a FROM v" + std::to_string(i - 1) + ";";
    const auto snapshot = cases::catalogue_of(ddl);
    const Analysis analysis = cases::analyze("SELECT a FROM v60", *snapshot);
    CHECK(analysis.unparsed == "");
    CHECK(print(analysis.statements.at(0).outputs.at(0).sources.at(0), snapshot.get()) == "public.t.a");
}

TEST_CASE("text that is no text is refused with its place") {
    const Analysis nul = cases::analyze(std::string("SELECT 1\0; DROP TABLE plain", 27));
    CHECK(nul.unparsed == "the text holds a NUL");
    CHECK(nul.unparsed_at == 8);
    CHECK(nul.statements.empty());
    CHECK(reason("SELECT '\xff'") == "the text is not valid UTF-8");
    CHECK(reason("SELECT '\xc0\x80'") == "the text is not valid UTF-8");
    CHECK(reason("SELECT '\xed\xa0\x80'") == "the text is not valid UTF-8");
}

TEST_CASE("positions in GROUP BY and ORDER BY may be no positions") {
    for (const char* position : {"'-'", "'-1'", "-1", "0", "99", "99999999999999999999999", "'99999999999999999999999'", "''", "'1'", "1.5", "NULL"}) {
        CHECK_MESSAGE(cases::analyze("SELECT id FROM plain GROUP BY " + std::string(position)).statements.size() == 1, position);
        CHECK_MESSAGE(cases::analyze("SELECT id FROM plain ORDER BY " + std::string(position)).statements.size() == 1, position);
        CHECK_MESSAGE(cases::analyze("SELECT id FROM plain UNION SELECT id FROM orders ORDER BY " + std::string(position)).statements.size() == 1, position);
    }
}
