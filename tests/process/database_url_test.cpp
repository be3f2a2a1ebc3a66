#include "process/database_url.hpp"

#include <doctest/doctest.h>

using namespace dbguard::process;

namespace {

Target listener() {
    return {
        .host = "127.0.0.1",
        .port = 6543,
        .user = "dbguard",
        .password = "p-W_1.2",
        .database = "shop",
        .session = "s_1"};
}

Target socket_listener() {
    Target target = listener();
    target.host = "/run/guard";
    target.port = 5432;
    return target;
}

}  // namespace

TEST_CASE("a rewritten URL keeps its scheme and harmless parameters") {
    struct Case {
        const char* model;
        const char* expected;
    };
    const Case cases[] = {
        {"", "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"postgres://app:secret@db.example:5433/prod",
         "postgres://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"postgresql://u@h/db?sslmode=verify-full&sslrootcert=%2Fca.pem&application_name=ci%20job",
         "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/"
         "shop?application_name=ci%20job&sslmode=disable"},
        {"postgresql://u:p@h/db?schema=public&pgbouncer=true&connection_limit=1",
         "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/"
         "shop?schema=public&pgbouncer=true&connection_limit=1&sslmode=disable"},
        {"postgresql:///db?host=/var/run/postgresql&port=5433&user=me&password=x",
         "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"postgresql://h/db?hostaddr=10.0.0.1&HostAddr=10.0.0.2&%68ostaddr=10.0.0.3",
         "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"postgresql+asyncpg://u:p@h/db?ssl=require",
         "postgresql+asyncpg://dbguard:p-W_1.2@127.0.0.1:6543/shop"},
        {"postgresql+psycopg2://u:p@h/db",
         "postgresql+psycopg2://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"postgis://u:p@h/db", "postgis://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"postgres://a:1,b:2@h1:1,h2:2/db?target_session_attrs=read-write",
         "postgres://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"mysql://u:p@h/db", "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"not a url", "postgresql://dbguard:p-W_1.2@127.0.0.1:6543/shop?sslmode=disable"},
        {"jdbc:postgresql://h:5432/db?user=a&password=b&ApplicationName=x&ssl=true",
         "jdbc:postgresql://127.0.0.1:6543/"
         "shop?ApplicationName=x&user=dbguard&password=p-W_1.2&sslmode=disable"},
    };
    for (const Case& one : cases) {
        CAPTURE(one.model);
        CHECK(rewrite_url(one.model, listener()) == one.expected);
    }
}

TEST_CASE("what needs it is percent-encoded") {
    Target target = listener();
    target.database = "my shop/ü?";
    target.password = "a:b@c/d%";
    CHECK(
        rewrite_url("", target) ==
        "postgresql://dbguard:a%3Ab%40c%2Fd%25@127.0.0.1:6543/my%20shop%2F%C3%BC%3F?sslmode=disable"
    );
}

TEST_CASE("an IPv6 address stands in brackets") {
    Target target;
    target.host = "::1";
    target.port = 40001;
    target.user = "s_1";
    target.password = "p";
    target.database = "shop";
    CHECK(rewrite_url("", target) == "postgresql://s_1:p@[::1]:40001/shop?sslmode=disable");
}

TEST_CASE("a socket directory goes into the parameters") {
    CHECK(
        rewrite_url("postgres://h/db?application_name=x", socket_listener()) ==
        "postgres://dbguard:p-W_1.2@/"
        "shop?application_name=x&host=%2Frun%2Fguard&port=5432&sslmode=disable"
    );
}

TEST_CASE("a MySQL URL keeps its scheme and gets no sslmode") {
    Target target = listener();
    target.engine = "mysql";
    CHECK(
        rewrite_url("mysql2://u:p@h:3306/db?ssl-mode=REQUIRED&pool=5", target) ==
        "mysql2://dbguard:p-W_1.2@127.0.0.1:6543/shop?pool=5"
    );
}

TEST_CASE("place_of says where a URL leads") {
    CHECK(
        place_of("postgres://u:p@DB.example/shop", "postgres") ==
        Place{"db.example", "5432", "shop"}
    );
    CHECK(
        place_of("postgres://u:p%40x@db:5433/shop?host=other", "postgres") ==
        Place{"other", "5433", "shop"}
    );
    CHECK(place_of("postgresql://[::1]:5433/shop", "postgres") == Place{"::1", "5433", "shop"});
    CHECK(place_of("postgresql://[::1]/shop", "postgres") == Place{"::1", "5432", "shop"});
    CHECK(place_of("jdbc:postgresql://db/shop?user=x", "postgres") == Place{"db", "5432", "shop"});
    CHECK(place_of("mysql://db/shop", "mysql") == Place{"db", "3306", "shop"});
    CHECK_FALSE(place_of("mysql://db/shop", "postgres").has_value());
    CHECK_FALSE(place_of("db/shop", "postgres").has_value());
}
