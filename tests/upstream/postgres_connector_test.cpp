#include "upstream/postgres_connector.hpp"

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "fake_server.hpp"
#include "server.hpp"
#include "wire/postgres/auth.hpp"
#include "wire/postgres/error.hpp"
#include "wire/postgres/result.hpp"
#include "wire/postgres/simple_query.hpp"
#include "wire/postgres/startup.hpp"

namespace dbguard::upstream {
namespace {

using namespace test;
using namespace std::string_literals;

std::shared_ptr<PostgresConnector> connector(
    const std::string& url, const Environment& from = no_environment()
) {
    const auto parsed = parse_database_url(url).value();
    auto made = PostgresConnector::make(
        postgres_target(parsed, from).value(), find_password(parsed, from).password, ""
    );
    return made.value();
}

std::string_view connect_code(const std::string& url, Deadline deadline = soon()) {
    const auto open = connector(url)->connect({}, wire::postgres::protocol_3_0, deadline);
    return open ? "ok" : open.error().code;
}

template <class Message>
std::string bytes(const Message& message) {
    std::string out;
    ByteWriter writer(out);
    encode(message, writer).value();
    return out;
}

std::string trust() {
    return bytes(wire::postgres::AuthenticationView{}) + bytes(wire::postgres::ReadyForQuery{});
}

}  // namespace

TEST_CASE("a server that trusts is entered over TCP and over a Unix socket") {
    const auto script = [](Peer& peer) {
        CHECK(peer.receive().find("app") != std::string::npos);
        peer.send(trust());
        peer.wait_for_end();
    };
    FakeServer tcp(script);
    CHECK(connect_code(tcp.url("?sslmode=disable")) == "ok");
    CHECK(connect_code(tcp.url()) == "ok");  // plain by default: it is this machine
    CHECK(
        connect_code("postgresql://app@localhost:" + std::to_string(tcp.port()) + "/shop") == "ok"
    );

    std::string folder =
        (std::filesystem::temp_directory_path() / "dbguard-socket-XXXXXX").string();
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    {
        FakeServer socket(script, folder);
        CHECK(connect_code("postgresql://app@/shop?host=" + percent_encode(folder)) == "ok");
    }
    std::filesystem::remove_all(folder);
}

TEST_CASE("a server without TLS is refused unless TLS was not asked for") {
    int requests = 0;
    FakeServer server([&](Peer& peer) {
        CHECK(peer.receive() == "\0\0\0\x8\x04\xd2\x16\x2f"s);
        peer.send("N");
        if (!peer.receive().empty()) ++requests;  // nothing may follow
    });
    for (const auto* mode : {"require", "verify-full"})
        CHECK(connect_code(server.url("?sslmode="s + mode)) == errc::tls_refused);
    CHECK(requests == 0);
}

TEST_CASE("an error text before TLS is not believed") {
    FakeServer server([](Peer& peer) {
        peer.receive();
        peer.send("E\0\0\0\x20SFATAL\0Mtype your password\0\0"s);
        peer.wait_for_end();
    });
    const auto open = connector(server.url("?sslmode=require"))->open(soon());
    REQUIRE_FALSE(open.has_value());
    CHECK(open.error().code == errc::tls_refused);
    CHECK(open.error().detail.find("password") == std::string::npos);
}

TEST_CASE("bytes sent in the clear together with the S of TLS break the handshake") {
    FakeServer server([](Peer& peer) {
        peer.receive();
        peer.send("S" + trust());
        peer.wait_for_end();
    });
    CHECK(connect_code(server.url("?sslmode=require")) == errc::tls_failed);
}

TEST_CASE("a server that closes or talks nonsense is an error, whenever it does so") {
    FakeServer at_once([](Peer&) {});
    CHECK(connect_code(at_once.url("?sslmode=disable")) == errc::connection_lost);
    CHECK(connect_code(at_once.url("?sslmode=require")) == errc::connection_lost);
    FakeServer after_tls_answer([](Peer& peer) {
        peer.receive();
        peer.send("S");
    });
    CHECK(connect_code(after_tls_answer.url("?sslmode=require")) == errc::tls_failed);
    FakeServer halfway([](Peer& peer) {
        peer.receive();
        peer.send(trust().substr(0, 7));
    });
    CHECK(connect_code(halfway.url("?sslmode=disable")) == errc::connection_lost);
    FakeServer http([](Peer& peer) {
        peer.receive();
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.wait_for_end();
    });
    CHECK(connect_code(http.url("?sslmode=disable")) == wire::postgres::errc::oversize);
    CHECK(connect_code(http.url("?sslmode=require")) == errc::tls_refused);
}

TEST_CASE("silence ends at the deadline, wherever it falls") {
    FakeServer mute([](Peer& peer) { peer.wait_for_end(); });
    FakeServer mute_after_s([](Peer& peer) {
        peer.receive();
        peer.send("S");
        peer.wait_for_end();
    });
    FakeServer slow([](Peer& peer) {
        peer.receive();
        for (const char c : trust()) {
            peer.send(std::string(1, c));
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        peer.wait_for_end();
    });
    const auto began = std::chrono::steady_clock::now();
    const std::chrono::milliseconds time(200);
    CHECK(connect_code(mute.url("?sslmode=disable"), in(time)) == errc::timeout);
    CHECK(connect_code(mute.url("?sslmode=require"), in(time)) == errc::timeout);
    CHECK(connect_code(mute_after_s.url("?sslmode=require"), in(time)) == errc::timeout);
    CHECK(connect_code(slow.url("?sslmode=disable"), in(time)) == errc::timeout);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
}

TEST_CASE("nobody listening and names that do not exist are told apart") {
    int port = 0;
    {
        FakeServer gone([](Peer&) {});
        port = gone.port();
    }
    const auto refused =
        connector("postgresql://u@127.0.0.1:" + std::to_string(port) + "/d")->open(soon());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == errc::cannot_connect);
    CHECK(
        refused.error().detail == "127.0.0.1 port " + std::to_string(port) + ": Connection refused"
    );
    // RFC 6761 §6.4: never exists. Without a resolver it may be a timeout.
    const auto unknown = connector("postgresql://u@no-such-host.invalid/d?sslmode=disable")
                             ->open(in(std::chrono::seconds(5)));
    REQUIRE_FALSE(unknown.has_value());
    CHECK((unknown.error().code == errc::cannot_resolve || unknown.error().code == errc::timeout));
    const auto socket = connector("postgresql://u@%2Fno%2Fsuch%2Ffolder/d")->open(soon());
    CHECK(socket.error().code == errc::cannot_connect);
    CHECK(socket.error().detail == "/no/such/folder/.s.PGSQL.5432: No such file or directory");
    const auto long_path =
        connector("postgresql://u@%2F" + std::string(120, 'x') + "/d")->open(soon());
    CHECK(long_path.error().code == errc::cannot_connect);
}

TEST_CASE("a cancel request is sent whole and waits for the server's end") {
    std::string seen;
    FakeServer server([&](Peer& peer) { seen = peer.receive(); });
    REQUIRE(connector(server.url("?sslmode=disable"))->cancel(77, "keyy", soon()).has_value());
    CHECK(seen == "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x4dkeyy"s);
    FakeServer mute([](Peer& peer) {
        peer.receive();
        peer.wait_for_end();
    });
    CHECK(
        connector(mute.url("?sslmode=disable"))
            ->cancel(77, "keyy", in(std::chrono::milliseconds(100)))
            .error()
            .code == errc::timeout
    );
    CHECK(
        connector(mute.url("?sslmode=disable"))->cancel(77, "", soon()).error().code ==
        wire::postgres::errc::bad_length
    );
}

TEST_CASE("real server: every user gets in the way he should") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    const auto verified = "?sslmode=verify-full&sslrootcert=" + server->ca;
    const auto with_certificate = verified + "&sslcert=" + server->tls_file("client-cert.pem") +
                                  "&sslkey=" + server->tls_file("client-key.pem");
    CHECK(connect_code(server->url("zoo_scram:zoo-Passw0rd")) == "ok");
    CHECK(connect_code(server->url("zoo_scram:zoo-Passw0rd", verified)) == "ok");
    CHECK(connect_code(server->url("zoo_scram:zoo-Passw0rd", verified, "localhost")) == "ok");
    CHECK(
        connect_code(server->url("zoo_scram:zoo-Passw0rd", verified + "&channel_binding=require")
        ) == "ok"
    );
    CHECK(
        connect_code(server->url("zoo_scram:zoo-Passw0rd", verified + "&channel_binding=disable")
        ) == "ok"
    );
    CHECK(connect_code(server->url("zoo_scram:zoo-Passw0rd", "?sslmode=require")) == "ok");
    CHECK(connect_code(server->url("zoo_scram:wrong", verified)) == errc::login_refused);
    CHECK(connect_code(server->url("zoo_scram", verified)) == errc::no_password);
    CHECK(connect_code(server->url("zoo_md5:zoo-Passw0rd")) == "ok");
    CHECK(connect_code(server->url("zoo_md5:zoo-Passw0rd", verified)) == "ok");
    CHECK(
        connect_code(server->url("zoo_md5:zoo-Passw0rd", verified + "&channel_binding=require")) ==
        errc::channel_binding_required
    );
    CHECK(connect_code(server->url("zoo_tls:zoo-Passw0rd", verified)) == "ok");
    CHECK(
        connect_code(server->url("zoo_tls:zoo-Passw0rd", "?sslmode=disable")) == errc::login_refused
    );
    CHECK(connect_code(server->url("zoo_cert", with_certificate)) == "ok");
    CHECK(connect_code(server->url("zoo_cert", verified)) == errc::login_refused);
    CHECK(connect_code(server->url("nobody:x", verified)) == errc::login_refused);
    // The machine's authorities do not know the test CA.
    CHECK(
        connect_code(server->url("zoo_scram:zoo-Passw0rd", "?sslmode=verify-full")) ==
        errc::untrusted_certificate
    );
}

TEST_CASE("real server: what it says of the session is kept") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    const auto made = connector(server->admin_url());
    const auto open =
        made->connect({{"application_name", "dbguard test"}}, wire::postgres::protocol_3_2, soon());
    REQUIRE(open.has_value());
    CHECK(open->session.parameter("application_name") == "dbguard test");
    CHECK(open->session.parameter("server_version").has_value());
    CHECK(open->session.process_id != 0);
    CHECK(open->session.secret_key.size() >= 4);
    CHECK(open->session.version >= wire::postgres::protocol_3_0);
    CHECK(open->leftover.empty());
    // The second login derives nothing: it goes by the kept keys.
    const auto options = made->login_options(open->stream, {});
    CHECK(options.scram_keys.has_value());
    CHECK(options.scram_keys == open->session.scram_keys);
    CHECK(made->connect({}, wire::postgres::protocol_3_0, soon()).has_value());

    std::optional<wire::postgres::ErrorFields> error;
    CHECK_FALSE(
        made->connect({{"no_such_setting", "1"}}, wire::postgres::protocol_3_0, soon(), &error)
            .has_value()
    );
    REQUIRE(error.has_value());
    CHECK(error->sqlstate() == "42704");
}

TEST_CASE("real server: protocol 3.2 and its long keys, where the server speaks it") {
    const auto* server = server_or_skip();
    if (server == nullptr) return;
    const auto made = connector(server->admin_url());
    auto open = made->connect({}, wire::postgres::protocol_3_2, soon());
    REQUIRE(open.has_value());
    const auto version = std::string(open->session.parameter("server_version").value_or(""));
    const bool speaks_it = std::stoi(version) >= 18;
    CHECK(
        open->session.version ==
        (speaks_it ? wire::postgres::protocol_3_2 : wire::postgres::protocol_3_0)
    );
    CHECK(open->session.secret_key.size() == (speaks_it ? 32 : 4));

    // The key is good: the cancel request hits.
    std::string query;
    ByteWriter writer(query);
    REQUIRE(encode(wire::postgres::QueryView{"select pg_sleep(20)"}, writer).has_value());
    REQUIRE(open->stream.write(query, soon()).has_value());
    wire::postgres::FrameReader reader(wire::postgres::Sender::backend);
    std::string sqlstate;
    for (int i = 0; i < 40 && sqlstate.empty(); ++i) {
        REQUIRE(made->cancel(open->session.process_id, open->session.secret_key, soon()).has_value()
        );
        std::string in;
        if (!open->stream.read(in, 4096, test::in(std::chrono::milliseconds(200)))) continue;
        reader.feed(in);
        while (const auto frame = reader.next().value())
            if (frame->type == 'E')
                sqlstate = wire::postgres::decode_error_response(frame->body)->fields.get('C');
    }
    CHECK(sqlstate == "57014");
    // A wrong key is no error, and no cancel either.
    auto wrong = open->session.secret_key;
    wrong[0] = static_cast<char>(wrong[0] ^ 1);
    CHECK(made->cancel(open->session.process_id, wrong, soon()).has_value());
}

}  // namespace dbguard::upstream
