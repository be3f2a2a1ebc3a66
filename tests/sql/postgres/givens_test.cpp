// Which columns the literals and parameters of a text meet: what the recording keeps and loses of them.

#include "tests/sql/postgres/cases.hpp"

using namespace dbguard;
using namespace dbguard::sql;
using namespace dbguard::sql::postgres;

namespace {

/// `17: public.customers.id; 'x': public.customers.email; $1: anything`, in the order of the text; parameters last.
std::string givens_of(const std::string& sql) {
    const Analysis analysis = cases::analyze(sql);
    CHECK_MESSAGE(analysis.unparsed == "", sql);
    std::string out;
    for (const Statement& statement : analysis.statements)
        for (const Given& given : statement.givens) {
            std::string name = "$" + std::to_string(given.at);
            if (!given.parameter) {
                REQUIRE(given.at < sql.size());
                std::size_t end = given.at + 1;
                if (sql[given.at] == '\'') end = sql.find('\'', end) + 1;
                else
                    while (end < sql.size() && sql[end] >= '0' && sql[end] <= '9') ++end;
                name = sql.substr(given.at, end - given.at);
            }
            out += (out.empty() ? "" : "; ") + name + ":";
            for (const Source& source : given.meets)
                if (source.flow != Flow::existence) out += " " + column_text(source, &cases::shop());
            if (given.unknown) out += " anything";
        }
    return out;
}

struct Case {
    const char* sql;
    const char* givens;
};

}  // namespace

TEST_CASE("a literal meets what it is compared with, what it is written to, and nothing else") {
    for (const Case& one : {
             Case{"SELECT name FROM customers WHERE id = 17", "17: public.customers.id"},
             {"SELECT id FROM customers WHERE email = 'x' AND age > 30", "'x': public.customers.email; 30: public.customers.age"},
             {"SELECT id FROM customers WHERE NOT (lower(email) = 'x' OR id = -5)", "'x': public.customers.email; -5: public.customers.id"},
             {"SELECT id FROM customers WHERE email IN ('x', 'y') LIMIT 5", "'x': public.customers.email; 'y': public.customers.email; 5:"},
             {"SELECT id FROM customers WHERE email LIKE 'x%' ORDER BY 1", "'x%': public.customers.email; 1:"},
             {"SELECT id FROM customers WHERE email = ANY (ARRAY['x'])", "'x': public.customers.email"},
             {"SELECT id, 'x' AS email FROM customers", "'x':"},
             {"SELECT coalesce(email, 'x') FROM customers", "'x': public.customers.email"},
             {"SELECT id FROM customers WHERE name || 'x' = 'y'", "'x': public.customers.name; 'y': public.customers.name"},
             {"SELECT profile->'city' FROM customers WHERE profile->>'tin' = 'x'", "'city': public.customers.profile->city; 'tin': public.customers.profile->tin; 'x': public.customers.profile->tin"},
             {"INSERT INTO customers (id, email, name) VALUES (1, 'x', 'n'), (2, 'y', 'm')",
              "1: public.customers.id; 'x': public.customers.email; 'n': public.customers.name; 2: public.customers.id; 'y': public.customers.email; 'm': public.customers.name"},
             {"INSERT INTO plain VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET b = 'y' || excluded.a", "1: public.plain.id; 'x': public.plain.a public.plain.b; 'y': public.plain.b"},
             {"UPDATE customers SET phone = 'x', name = 'n' WHERE id = 3 RETURNING 'r'", "'x': public.customers.phone; 'n': public.customers.name; 3: public.customers.id; 'r':"},
             {"DELETE FROM customers WHERE email = $1 AND id = $2", "$1: public.customers.email; $2: public.customers.id"},
             {"PREPARE p AS SELECT name FROM customers WHERE email = 'x' AND id = $1", "'x': public.customers.email; $1: public.customers.id"},
         })
        CHECK_MESSAGE(givens_of(one.sql) == one.givens, one.sql << "\n" << givens_of(one.sql));
}

TEST_CASE("it is followed through subqueries, WITH, VALUES, joins, set operations, views and functions") {
    for (const Case& one : {
             Case{"WITH w AS (SELECT 'x' AS e) SELECT c.id FROM customers c JOIN w ON w.e = c.email", "'x': public.customers.email"},
             {"WITH w AS (SELECT 'x' AS email) SELECT c.id FROM customers c JOIN w USING (email)", "'x': public.customers.email"},
             {"WITH w AS (SELECT 'x' AS email) SELECT c.id FROM customers c NATURAL JOIN w", "'x': public.customers.email"},
             {"SELECT id FROM customers WHERE email IN (SELECT 'x')", "'x': public.customers.email"},
             {"SELECT id FROM customers WHERE email = (VALUES ('x'))", "'x': public.customers.email"},
             {"SELECT c.id FROM customers c, (VALUES ('x', 1)) AS v (e, n) WHERE c.email = v.e AND c.id = v.n", "'x': public.customers.email; 1: public.customers.id"},
             {"SELECT email FROM customers UNION SELECT 'x'", "'x': public.customers.email"},
             {"SELECT address FROM mail_list WHERE address = 'x'", "'x': public.customers.email"},
             {"SELECT id FROM customers WHERE plus_one(7) = id", "7: public.customers.id"},
             {"INSERT INTO customers (email, name) SELECT a, 'n' FROM (SELECT 'x' AS a) s", "'n': public.customers.name; 'x': public.customers.email"},
         })
        CHECK_MESSAGE(givens_of(one.sql) == one.givens, one.sql << "\n" << givens_of(one.sql));
}

TEST_CASE("what code or rules may do with it is anything; what is not followed is not listed") {
    CHECK(givens_of("SELECT id FROM customers WHERE shout('x') = name") == "'x': public.customers.name anything");
    CHECK(givens_of("INSERT INTO ruled VALUES (1, 'x')") == "1: public.ruled.id anything; 'x': public.ruled.v anything");
    CHECK(givens_of("SELECT query_to_xml('SELECT email FROM customers WHERE email = $$x$$', true, true, '')").find("anything") != std::string::npos);
    CHECK(givens_of("CREATE TABLE t (a text DEFAULT 'x')") == "");
    CHECK(givens_of("SELECT EXISTS (SELECT 'x' FROM customers)") == "");
    std::string many = "SELECT id FROM customers WHERE id IN (0";
    for (int i = 1; i < 500; ++i) many += "," + std::to_string(i);
    CHECK(givens_of(many + ") AND email = 'x'") == "");
}
