#include "upstream/postgres_connection.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "fake_server.hpp"
#include "server.hpp"
#include "wire/postgres/auth.hpp"

namespace dbguard::upstream {
namespace {

using namespace test;
using namespace std::string_literals;
using Row = std::vector<std::optional<std::string>>;

PostgresConnection admin(const TestServer& server) {
    return PostgresConnection::connect(server.admin_url(), no_environment(), soon()).value();
}

/// Lets the client in, then answers its first request with these bytes.
FakeServer::Script answering(const std::string& bytes) {
    return [bytes](Peer& peer) {
        peer.receive();
        peer.send("R\0\0\0\x8\0\0\0\0Z\0\0\0\x5I"s);
        peer.receive();
        peer.send(bytes);
    };
}

std::string_view query_code(const std::string& answer) {
    FakeServer server(answering(answer));
    auto connection =
        PostgresConnection::connect(server.url("?sslmode=disable"), no_environment(), soon())
            .value();
    const auto result = connection.query("select 1", soon());
    CHECK(connection.usable() == (result.has_value() || result.error().code == errc::server_error));
    return result ? "ok" : result.error().code;
}

}  // namespace

TEST_CASE("real server: simple and extended queries") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    auto connection = admin(*server);
    const auto simple = connection.query("select 1 as a, null as b, '' as c", soon());
    REQUIRE(simple.has_value());
    CHECK(simple->columns == std::vector<std::string>{"a", "b", "c"});
    CHECK(simple->rows == std::vector<Row>{{"1", std::nullopt, ""}});
    CHECK(simple->tag == "SELECT 1");

    const std::vector<std::optional<std::string_view>> parameters{"O'Neil", std::nullopt, "7"};
    const auto extended =
        connection.query("select $1::text, $2::int, $3::int + 1", parameters, soon());
    REQUIRE(extended.has_value());
    CHECK(extended->rows == std::vector<Row>{{"O'Neil", std::nullopt, "8"}});

    CHECK(connection.query("create temp table t (a int)", soon())->tag == "CREATE TABLE");
    CHECK(
        connection.query("insert into t select generate_series(1, 3)", soon())->tag == "INSERT 0 3"
    );
    CHECK(connection.query("", soon())->tag == "");
    CHECK(connection.query("select from t", soon())->rows.size() == 3);
    // Several statements: the last one with rows.
    const auto several =
        connection.query("select 1; select 2 as x; create temp table u ()", soon());
    CHECK(several->rows == std::vector<Row>{{"2"}});
    CHECK(connection.query("select * from t where false", soon())->columns.size() == 1);
}

TEST_CASE("real server: an error leaves the connection usable and its fields readable") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    auto connection = admin(*server);
    for (int i = 0; i < 2; ++i) {
        const auto bad = i == 0 ? connection.query("select * from no_such_table", soon())
                                : connection.query("select * from no_such_table", {}, soon());
        REQUIRE_FALSE(bad.has_value());
        CHECK(bad.error() == Error{errc::server_error, "42P01"});
        REQUIRE(connection.last_error().has_value());
        CHECK(connection.last_error()->message() == "relation \"no_such_table\" does not exist");
        CHECK(connection.query("select 1", soon()).has_value());
        CHECK_FALSE(connection.last_error().has_value());
    }
    CHECK(connection.query("begin", soon()).has_value());
    CHECK(connection.session().status == wire::postgres::TransactionStatus::in_transaction);
    CHECK_FALSE(connection.query("select 1/0", soon()).has_value());
    CHECK(connection.session().status == wire::postgres::TransactionStatus::failed);
    CHECK(connection.query("rollback", soon()).has_value());
    CHECK(
        connection.query("select 'a\0b'"s, soon()).error().code ==
        wire::postgres::errc::nul_in_string
    );
    CHECK(connection.usable());
}

TEST_CASE("real server: large results are read whole, larger ones than allowed are refused") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    auto connection = admin(*server);
    const auto rows =
        connection.query("select i, repeat('x', 1000) from generate_series(1, 5000) i", soon());
    REQUIRE(rows.has_value());
    CHECK(rows->rows.size() == 5000);
    CHECK(rows->rows[4999][0] == "5000");
    CHECK(connection.query("select repeat('y', 3000000)", soon())->rows[0][0]->size() == 3'000'000);
    connection.set_max_result_bytes(100'000);
    CHECK(
        connection.query("select repeat('x', 1000) from generate_series(1, 5000) i", soon())
            .error()
            .code == errc::result_too_large
    );
    CHECK_FALSE(connection.usable());
    CHECK(connection.query("select 1", soon()).error().code == errc::broken_connection);

    auto other = admin(*server);
    other.set_max_result_bytes(100'000);
    CHECK(
        other.query("select repeat('y', 3000000)", soon()).error().code == errc::result_too_large
    );
}

TEST_CASE("real server: a deadline ends the wait, and a cancel request the statement") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    auto slow = admin(*server);
    const auto began = std::chrono::steady_clock::now();
    CHECK(
        slow.query("select pg_sleep(30)", in(std::chrono::milliseconds(200))).error().code ==
        errc::timeout
    );
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(10));
    CHECK_FALSE(slow.usable());

    for (const auto* parameters : {"?sslmode=disable", "?sslmode=require"}) {
        const auto parsed =
            parse_database_url(server->url(server->user + ":" + server->password, parameters))
                .value();
        const auto connector =
            PostgresConnector::make(postgres_target(parsed, {}).value(), parsed.password, "")
                .value();
        auto connection = PostgresConnection::connect(*connector, soon()).value();
        const auto process_id = connection.session().process_id;
        const auto key = connection.session().secret_key;
        std::thread canceller([&] {
            // Until it hits: the statement may not have begun yet.
            for (int i = 0; i < 50; ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
                CHECK(connector->cancel(process_id, key, soon()).has_value());
                if (i > 2) break;
            }
        });
        const auto result = connection.query("select pg_sleep(20)", soon());
        canceller.join();
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().detail == "57014");
    }
}

TEST_CASE("real server: COPY is refused here, and the connection is given up") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    for (const auto* copy :
         {"copy (select 1) to stdout", "create temp table t (a int); copy t from stdin"}) {
        auto connection = admin(*server);
        CHECK(connection.query(copy, soon()).error().code == errc::copy_not_supported);
        CHECK_FALSE(connection.usable());
    }
}

TEST_CASE("real server: a connection that the server ends is an error that keeps the reason") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    // Over TLS, too: there a write to the dead connection must not raise SIGPIPE.
    for (const auto* mode : {"?sslmode=disable", "?sslmode=require"}) {
        auto victim =
            PostgresConnection::connect(
                server->url(server->user + ":" + server->password, mode), no_environment(), soon()
            )
                .value();
        auto killer = admin(*server);
        const auto id = std::to_string(victim.session().process_id);
        const std::vector<std::optional<std::string_view>> parameters{id};
        CHECK(
            killer.query("select pg_terminate_backend($1::int)", parameters, soon())->rows[0][0] ==
            "t"
        );
        const auto result = victim.query("select 1", soon());
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().code == errc::connection_lost);
        CHECK_FALSE(victim.usable());
        // Its FATAL was on the way before the end.
        if (victim.last_error()) CHECK(victim.last_error()->sqlstate() == "57P01");
    }
}

TEST_CASE("answers that no server gives are refused, and nothing hangs") {
    CHECK(query_code("") == errc::connection_lost);
    CHECK(query_code("Z\0\0\0\x5I"s) == "ok");
    CHECK(query_code("Z\0\0\0\x5X"s) == wire::postgres::errc::bad_value);
    CHECK(query_code("R\0\0\0\x8\0\0\0\0Z\0\0\0\x5I"s) == errc::unexpected_message);
    CHECK(query_code("D\0\0\0\x6\0\x5"s) == wire::postgres::errc::bad_count);
    CHECK(query_code("T\0\0\0\x6\0\x5"s) == wire::postgres::errc::bad_count);
    CHECK(query_code("C\0\0\0\x4"s) == wire::postgres::errc::truncated);
    CHECK(query_code("D\xff\xff\xff\xff"s) == wire::postgres::errc::bad_length);
    CHECK(query_code("!") == wire::postgres::errc::unknown_type);
    CHECK(
        query_code("E\0\0\0\x0c"
                   "C42P01\0\0Z\0\0\0\x5I"s) == errc::server_error
    );
}

TEST_CASE("ending a connection says goodbye") {
    std::string last;
    FakeServer server([&](Peer& peer) {
        peer.receive();
        peer.send("R\0\0\0\x8\0\0\0\0Z\0\0\0\x5I"s);
        for (auto bytes = peer.receive(); !bytes.empty(); bytes = peer.receive()) last += bytes;
    });
    {
        const auto connection =
            PostgresConnection::connect(server.url("?sslmode=disable"), no_environment(), soon())
                .value();
    }
    for (int i = 0; i < 100 && last.empty(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(last == "X\0\0\0\x4"s);
}

TEST_CASE("URLs that cannot be used never open a connection") {
    const auto code = [](const char* url) {
        return PostgresConnection::connect(url, no_environment(), soon()).error().code;
    };
    CHECK(code("nonsense") == errc::bad_url);
    CHECK(code("postgresql://db.example.com/d") == errc::bad_option);
    CHECK(code("postgresql://u@db.example.com/d?sslmode=prefer") == errc::bad_option);
    CHECK(code("postgresql://u@db.example.com/d?sslrootcert=%2Fno%2Fsuch") == errc::bad_tls_file);
}

}  // namespace dbguard::upstream
