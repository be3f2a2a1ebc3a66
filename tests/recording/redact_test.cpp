#include "recording/redact.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace dbguard::recording;

namespace {

Redacted redact(std::string_view text, Level level, bool parsed = true, Lexis lexis = Lexis::postgres()) {
    Redactor redactor;
    return redactor.redact(text, {.level = level, .lexis = lexis, .parsed = parsed});
}
std::string masked(std::string_view text) { return redact(text, Level::masked).sql; }
std::string shape(std::string_view text) { return redact(text, Level::shape).sql; }
std::string unparsed(std::string_view text) { return redact(text, Level::full, false).sql; }

}  // namespace

TEST_CASE("an ordinary statement is recorded as typed") {
    for (const std::string_view sql : {
             "SELECT * FROM orders WHERE id = 17",
             "SELECT 'a token of love', 'tokens: 12' FROM ts_parse('default', 'x') WHERE tokid = 1 AND token = 'y'",
             "SELECT * FROM inbox WHERE kind = 'x' AND \"my.key\" = 'y'",
             "select 'O''Brien', E'a\\'b', $$body$$, U&'d\\0061t', 1e-5 -- why\n, /* a /* nested */ b */ \"Col\"",
             "INSERT INTO t VALUES ($1, $2)",
             "SHOW password_encryption",
             "SELECT 1 FROM information_schema.columns WHERE column_name = 'password'",
             "SELECT 'https://example.org/a?b=c', 'a passwords list', '%password%'",
             "",
             ";",
         }) {
        CAPTURE(sql);
        CHECK(masked(sql) == sql);
        CHECK(redact(sql, Level::full).sql == sql);
        CHECK_FALSE(redact(sql, Level::masked).credentials);
    }
}

TEST_CASE("a statement that carries a credential loses its literals and comments at every level") {
    const std::vector<std::string_view> statements = {
        "ALTER ROLE bob PASSWORD 'hunter2'",
        "SET SESSION \"app.api_key\" = 'hunter2'",
        "ALTER ROLE bob IN DATABASE d SET \"app.secret_key\" TO 'hunter2'",
        "UPDATE accounts SET stripe_api_key = 'hunter2', refresh_token = 'hunter2'",
        "SELECT 'Authorization: Bearer hunter2'",
        "SELECT 'https://h/?token=hunter2'",
        "SELECT '{\"refresh_token\": \"hunter2\"}'",
        "SELECT 'x-api-key: hunter2'",
        "alter role bob password/**/'hunter2'",
        "ALTER ROLE bob ENCRYPTED PASSWORD E'\\150unter2 hunter2'",
        "ALTER ROLE bob PASSWORD U&'hunter2'",
        "ALTER ROLE bob PASSWORD $x$hunter2$x$",
        "ALTER ROLE bob PASSWORD 'hun'\n'hunter2'",
        "CREATE USER bob IN GROUP a PASSWORD 'hunter2' VALID UNTIL '2030-01-01'",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (\"user\" 'bob', pin 'hunter2')",
        "ALTER USER MAPPING FOR bob SERVER s OPTIONS (SET pin 'hunter2')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (pin 'hunter2')",
        "ALTER SERVER s OPTIONS (ADD pin 'hunter2')",
        "CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (pin 'hunter2')",
        "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b OPTIONS (pin 'hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h pin=hunter2' PUBLICATION p",
        "ALTER SUBSCRIPTION s CONNECTION 'hunter2'",
        "ALTER SYSTEM SET primary_conninfo = 'host=h hunter2'",
        "SELECT * FROM dblink('host=h pin=hunter2', 'select 1') AS t(a int)",
        "SELECT public.dblink_connect('x', concat('pass', 'word=hunter2'))",
        "SELECT \"dblink_connect\"('hunter2')",
        "SELECT crypt('hunter2', gen_salt('bf'))",
        "SELECT crypt ('hunter2', salt) FROM users",
        "SELECT pgp_sym_encrypt(note, 'hunter2') FROM t",
        "SELECT f('host=h password=hunter2')",
        "SELECT f('postgresql://app:hunter2@db/shop')",
        "SELECT f('postgresql://app:hun/ter2?hunter2@db/shop')",
        "SELECT f(E'p\\x61ssword=hunter2')",
        "SELECT f(E'p\\141ssword=hunter2')",
        "SELECT f(U&'p\\0061ssword=hunter2')",
        "SELECT f(U&'p\\+000061ssword=hunter2')",
        "SELECT f('{\"password\": \"hunter2\"}')",
        "SELECT 'password=' || 'hunter2'",
        "COPY t FROM PROGRAM 'curl -u app hunter2'",
        "DO $$ BEGIN EXECUTE 'ALTER ROLE bob PASSWORD ''hunter2'''; END $$",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE bob PASSWORD %L', 'hunter2'); END $$",
        "DO $a$ BEGIN EXECUTE $b$ DO $c$ BEGIN PERFORM crypt('hunter2', s); END $c$ $b$; END $a$",
        "DO 'BEGIN PERFORM crypt(''hunter2'', s); END'",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT dblink_exec('hunter2', 'x') $$",
        "UPDATE users SET password = 'hunter2' WHERE id = 1",
        "INSERT INTO users (id, password_hash) VALUES (1, 'hunter2')",
        "INSERT INTO users (id, \"Password\") VALUES (1, 'hunter2')",
        "INSERT INTO users (id, U&\"p\\0061ssword\") VALUES (1, 'hunter2')",
        "SELECT 1 /* password=hunter2 */",
        "SELECT 1 -- password: hunter2",
        "SET pgcrypto.secret = 'hunter2'",
    };
    for (const auto sql : statements) {
        for (const Level level : {Level::shape, Level::masked, Level::full}) {
            for (const bool parsed : {true, false}) {
                const auto redacted = redact(sql, level, parsed);
                CAPTURE(sql);
                CAPTURE(redacted.sql);
                CHECK(redacted.sql.find("hun") == std::string::npos);
                CHECK(redacted.credentials);
            }
        }
    }
}

TEST_CASE("a literal that is nothing but the name of a credential names one") {
    for (const std::string_view sql : {"SELECT set_config('app.password', 'hunter2', false)", "SELECT v FROM kv WHERE k = 'api_key' AND v = 'hunter2'", "SELECT set_config('app.client_secret', 'hunter2', true)"})
        CHECK(Redactor().redact(sql, {.parsed = true}).sql.find("hunter2") == std::string::npos);
    for (const std::string_view sql : {"SELECT level FROM t WHERE level = 'secret' AND n = 'kept'", "SELECT kept FROM t WHERE name = 'password' AND id > 5", "SELECT 'passwords are a topic', 'kept'"})
        CHECK(Redactor().redact(sql, {.parsed = true}).sql.find("kept") != std::string::npos);
}

TEST_CASE("what is left of a credential statement can be read") {
    CHECK(masked("ALTER ROLE bob PASSWORD 'hunter2' VALID UNTIL 'x'") == "ALTER ROLE bob PASSWORD '***' VALID UNTIL '***'");
    CHECK(masked("UPDATE users SET password = 'x' WHERE id = 17") == "UPDATE users SET password = '***' WHERE id = 17");
    CHECK(masked("select 1; ALTER ROLE b PASSWORD 'x'; select 'y'") == "select 1; ALTER ROLE b PASSWORD '***'; select 'y'");
}

TEST_CASE("MySQL's ways to write a password") {
    for (const std::string_view sql : {
             "ALTER USER bob IDENTIFIED BY \"hunter2\"",
             "CREATE USER bob@'%' IDENTIFIED WITH sha2 BY 'hunter2'",
             "SET PASSWORD FOR bob = 'hunter2'",
             "CHANGE REPLICATION SOURCE TO SOURCE_HOST='h', SOURCE_X='hunter2'",
             "CHANGE MASTER TO MASTER_X=\"hunter2\"",
             "GRANT ALL ON *.* TO bob IDENTIFIED BY 'a\\'hunter2'",
             "/*!50000 ALTER USER bob IDENTIFIED BY 'hunter2' */",
             "SELECT AES_ENCRYPT(a, 'hunter2') # hunter2",
         }) {
        for (const bool parsed : {true, false}) {
            const auto redacted = redact(sql, Level::full, parsed, Lexis::mysql());
            CAPTURE(sql);
            CAPTURE(redacted.sql);
            CHECK(redacted.sql.find("hunter2") == std::string::npos);
        }
    }
}

TEST_CASE("text that was not parsed loses every literal") {
    CHECK(unparsed("SELEC 'a', 12, \"b\", $$c$$ /* d */ FROM t -- e") == "SELEC ?, ?, ?, ?  FROM t ");
    // A quote in the middle of a literal turns what is inside and outside around.
    CHECK(unparsed("SELECT 'it's hunter2' FROM t") == "SELECT /* dropped: 21 bytes */");
    CHECK(unparsed("SELECT 'a 'hunter2' b'") == "SELECT /* dropped: 15 bytes */");
    CHECK(unparsed("SELECT 'it\\'s hunter2', 'x'") == "SELECT /* dropped: 20 bytes */");
    CHECK(unparsed("SELECT 1, 'abc") == "SELECT ?, /* dropped: 4 bytes */");
    CHECK(unparsed("SELECT 1 /* abc") == "SELECT ? /* dropped: 6 bytes */");
    CHECK(unparsed("SELECT 1, $x$abc$y$") == "SELECT ?, /* dropped: 9 bytes */");
    CHECK(unparsed("ALTER ROLE b PASSWORD hunter2; SELECT 1") == "ALTER ROLE b PASSWORD /* dropped: 8 bytes */; SELECT ?");
    CHECK(unparsed("ALTER ROLE b PASSWORD \"hunter2\"") == "ALTER ROLE b PASSWORD /* dropped: 10 bytes */");
    CHECK(unparsed("y'; hunter2 'y") == "y /* dropped: 13 bytes */");
}

TEST_CASE("bytes that are no UTF-8 end the text before its first quote") {
    CHECK(redact("SELECT 'a\xff hunter2' FROM t", Level::full).sql == "SELECT /* dropped: 19 bytes */");
    CHECK(redact("SELECT \xff hunter2", Level::full).sql == "SELECT /* dropped: 9 bytes */");
    // 0x5C as the second half of a character, as in Shift JIS.
    CHECK(redact("SELECT '\x95\\', 'hunter2'", Level::masked).sql.find("hunter2") == std::string::npos);
}

TEST_CASE("a string goes on in its own style behind a line break") {
    // PostgreSQL manual 4.1.2.1; the second part is read with backslashes, too.
    const std::string_view sql = "SELECT E'a'\n'b\\' hunter2', 'c'";
    CHECK(shape(sql) == "select ? ?, ...");
    CHECK(redact("SELECT E'a' -- c\n 'b\\' hunter2', 'c'", Level::shape).sql == "select ? ?, ...");
}

TEST_CASE("a dollar begins a literal behind a number, and not behind a letter") {
    CHECK(shape("SELECT 1$a$x y$a$") == "select ? ?");
    CHECK(shape("SELECT 0x1F$a$x y$a$, 1e5$a$x y$a$, 1_0$a$x$a$") == "select ? ?, ... ?, ... ?");
    CHECK(shape("SELECT a$b$, .1.c$d$ FROM t WHERE x = 'y'") == "select a$b$, ?.c$d$ from t where x = ?");
    CHECK(shape("FOR i IN 1..10 LOOP") == "for i in ? .. ? loop");
}

TEST_CASE("the shape is the same for what differs only in literals") {
    const std::string_view expected = "select a, count(*) from \"My T\" where b = ? and c in(?, ...) limit $1";
    for (const std::string_view sql : {
             "SELECT a, count(*) FROM \"My T\" WHERE b = 'x' AND c IN (1,2,3) LIMIT $1",
             "select a,count(*)from \"My T\" where b=$q$it's$q$ and c in(1, 2) limit $1",
             "select a, -- c\n count ( * ) /* d */ from \"My T\" where b = E'\\'' and c in ('x','y',3,4) limit $1;",
         })
        CHECK(shape(sql) == expected);
    CHECK(shape("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c')") == "insert into t values(?, ...), ...");
    CHECK(shape("INSERT INTO t VALUES (1),(2)") == "insert into t values(?), ...");
    CHECK(shape("SELECT x::int[], 0x1F, 1_000, 1.5e-3, .5") == "select x::int[], ?, ...");
    CHECK(shape("SELECT a <= -1, b->>'k'") == "select a <= - ?, b ->> ?");
    CHECK(redact("SELECT 1", Level::masked).fingerprint == redact("select  2;", Level::full).fingerprint);
    CHECK(redact("SELECT a", Level::masked).fingerprint != redact("select b", Level::masked).fingerprint);
    CHECK(redact("SELECT 1", Level::masked).fingerprint.size() == 16);
}

TEST_CASE("the caller's ranges are replaced, in any order, overlapping or beyond the end") {
    Redactor redactor;
    const std::string_view sql = "SELECT 'abc', 'def', 1";
    const auto with = [&](std::vector<Replacement> ranges, std::string_view text, bool parsed = true) {
        return redactor.redact(text, {.level = Level::masked, .parsed = parsed}, ranges).sql;
    };
    CHECK(with({{14, 19, "'#'"}, {7, 12, "'*'"}}, sql) == "SELECT '*', '#', 1");
    CHECK(with({{7, 12, "'*'"}, {8, 19, "'#'"}}, sql) == "SELECT '*', 1");
    CHECK(with({{8, 11, "x"}}, sql) == "SELECT 'x', 'def', 1");
    CHECK(with({{21, 900, "?"}, {900, 901, "?"}, {5, 5, "?"}, {9, 3, "?"}}, sql) == "SELECT 'abc', 'def', ?");
    // A credential wins over a range.
    CHECK(with({{24, 27, "leak"}}, "ALTER ROLE bob PASSWORD 'hunter2'") == "ALTER ROLE bob PASSWORD '***'");
    CHECK(with({{20, 26, "x"}}, "ALTER ROLE bob PASSWORD 'hunter2'").find("hunter2") == std::string::npos);
}

TEST_CASE("levels are called as in the policy") {
    for (const Level value : {Level::shape, Level::masked, Level::full}) CHECK(level(name(value)) == value);
    CHECK_FALSE(level("raw").has_value());
}

TEST_CASE("the lexer's tokens cover the text without gaps") {
    const std::string text = "a'b'$1$$c$$\"d\"E'\\''/*x*//*+*/--y\n1.5e+3::x;`#$ @> U&'z' U&\"w\" b'1' n'2' 'open";
    for (const Lexis& lexis : {Lexis::postgres(), Lexis::mysql()}) {
        for (std::size_t size = 0; size <= text.size(); ++size) {
            Lexer lexer(std::string_view(text).substr(0, size), lexis);
            std::size_t at = 0;
            for (Token token = lexer.next(); token.kind != Token::Kind::end; token = lexer.next()) {
                REQUIRE(token.begin == at);
                REQUIRE(token.end > at);
                at = token.end;
            }
            CHECK(at == size);
        }
    }
}
