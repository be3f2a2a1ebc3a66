#include "upstream/postgres_login.hpp"

#include <doctest/doctest.h>

#include "wire/postgres/auth.hpp"
#include "wire/postgres/error.hpp"
#include "wire/postgres/md5.hpp"
#include "wire/postgres/parameter.hpp"

namespace dbguard::upstream {
namespace {

using namespace wire::postgres;
using namespace std::string_literals;

template <class Message>
std::string bytes(const Message& message) {
    std::string out;
    ByteWriter writer(out);
    encode(message, writer).value();  // throws
    return out;
}

std::string authentication(Authentication kind, std::string_view data = {}) {
    return bytes(AuthenticationView{kind, data});
}

std::string sasl(std::vector<std::string_view> mechanisms) {
    std::string out;
    ByteWriter writer(out);
    REQUIRE(encode_authentication_sasl(mechanisms, writer).has_value());
    return out;
}

const std::string ok = authentication(Authentication::ok);
const std::string ready = bytes(ReadyForQuery{});
const std::string greeting = bytes(ParameterStatusView{"server_version", "15.1"}) +
                             bytes(ParameterStatusView{"TimeZone", "UTC"}) +
                             bytes(BackendKeyDataView{77, "keyy"}) + ready;

PostgresLoginOptions options() {
    PostgresLoginOptions options;
    options.user = "app";
    options.database = "shop";
    options.password = Secret("pencil");
    return options;
}

PostgresLoginOptions with_tls(ChannelBinding binding = ChannelBinding::prefer) {
    auto made = options();
    made.tls = true;
    made.private_channel = true;
    made.certificate_hash = std::string(32, 'h');
    made.channel_binding = binding;
    return made;
}

/// The server's side of a login as far as it differs between tests.
struct FakeServer {
    ScramVerifier verifier = make_scram_verifier(Secret("pencil"), "salt", 64);
    std::string certificate_hash;

    /// Answers the client's SASL messages until it has nothing more to say. The last bytes may be replaced.
    Result<bool> scram(
        PostgresLogin& login,
        const std::vector<std::string_view>& mechanisms,
        const std::string& after = ok + greeting
    ) {
        std::string out;
        auto step = login.receive(sasl(mechanisms), out);
        if (!step) return step;
        const auto initial = decode_sasl_initial_response(std::string_view(out).substr(5));
        REQUIRE(initial.has_value());
        ScramServer server(verifier, certificate_hash);
        const auto first = server.first_message(initial->mechanism, *initial->response);
        if (!first) return first.error();
        mechanism = initial->mechanism;
        flag = initial->response->substr(0, 1);
        out.clear();
        step = login.receive(authentication(Authentication::sasl_continue, *first), out);
        if (!step) return step;
        const auto last = server.final_message(std::string_view(out).substr(5));
        if (!last) return last.error();
        out.clear();
        return login.receive(authentication(Authentication::sasl_final, *last) + after, out);
    }
    std::string mechanism;
    std::string flag;
};

std::string_view code(const Result<bool>& result) { return result ? "ok" : result.error().code; }

/// One message from the server, right after the startup packet.
std::string_view answer(const PostgresLoginOptions& options, const std::string& from_server) {
    PostgresLogin login(options);
    REQUIRE(login.start().has_value());
    std::string out;
    return code(login.receive(from_server, out));
}

}  // namespace

TEST_CASE("the startup packet names user and database first, then what the client gave") {
    auto made = options();
    made.parameters = {
        {"user", "mallory"},
        {"application_name", "psql"},
        {"database", "other"},
        {"options", "-c x=1"}};
    PostgresLogin login(made);
    const auto packet = login.start();
    REQUIRE(packet.has_value());
    const auto decoded = decode_startup(*packet);
    REQUIRE(decoded.has_value());
    const auto& message = std::get<StartupMessage>(*decoded);
    CHECK(message.version == protocol_3_0);
    CHECK(
        message.parameters ==
        UrlParameters{
            {"user", "app"},
            {"database", "shop"},
            {"application_name", "psql"},
            {"options", "-c x=1"}}
    );
}

TEST_CASE("a server that trusts lets us in and tells of the session") {
    PostgresLogin login(options());
    REQUIRE(login.start().has_value());
    std::string out;
    const auto notice = bytes(NoticeResponseView{ErrorFieldsView{"SNOTICE\0Mhello\0"s}});
    const auto done = login.receive(ok + notice + greeting + "rest", out);
    REQUIRE(done.has_value());
    CHECK(*done);
    CHECK(out.empty());
    const auto& session = login.session();
    CHECK(session.parameter("server_version") == "15.1");
    CHECK(session.parameter("TimeZone") == "UTC");
    CHECK_FALSE(session.parameter("nothing").has_value());
    CHECK(session.process_id == 77);
    CHECK(session.secret_key == "keyy");
    CHECK(session.status == TransactionStatus::idle);
    REQUIRE(session.notices.size() == 1);
    CHECK(session.notices[0].message() == "hello");
    CHECK(login.leftover() == "rest");
}

TEST_CASE("the same login byte by byte") {
    PostgresLogin login(options());
    REQUIRE(login.start().has_value());
    const auto stream = ok + greeting;
    std::string out;
    for (std::size_t i = 0; i < stream.size(); ++i) {
        const auto done = login.receive(std::string_view(stream).substr(i, 1), out);
        REQUIRE(done.has_value());
        CHECK(*done == (i + 1 == stream.size()));
    }
}

TEST_CASE("a later report of a setting replaces the earlier one") {
    PostgresLogin login(options());
    std::string out;
    REQUIRE(login
                .receive(
                    ok + bytes(ParameterStatusView{"a", "1"}) +
                        bytes(ParameterStatusView{"b", "2"}) +
                        bytes(ParameterStatusView{"a", "3"}) + ready,
                    out
                )
                .value());
    CHECK(login.session().parameters == UrlParameters{{"a", "3"}, {"b", "2"}});
    CHECK(login.session().secret_key.empty());
}

TEST_CASE("SCRAM works, and its keys serve the next login without the password") {
    PostgresLogin login(options());
    FakeServer server;
    CHECK(code(server.scram(login, {scram_sha_256})) == "ok");
    CHECK(server.mechanism == "SCRAM-SHA-256");
    CHECK(server.flag == "n");
    REQUIRE(login.session().scram_keys.has_value());

    auto next = options();
    next.password.reset();
    next.scram_keys = login.session().scram_keys;
    PostgresLogin again(next);
    CHECK(code(FakeServer().scram(again, {scram_sha_256})) == "ok");
}

TEST_CASE("channel binding is used when offered and demanded when required") {
    const std::vector<std::string_view> both{scram_sha_256_plus, scram_sha_256};
    const std::vector<std::string_view> plain{scram_sha_256};
    struct Case {
        ChannelBinding binding;
        std::vector<std::string_view> offered;
        std::string_view expected;
        std::string flag;
    };
    const Case table[] = {
        {ChannelBinding::prefer, both, "ok", "p"},
        {ChannelBinding::prefer, plain, "ok", "y"},
        {ChannelBinding::disable, both, "ok", "n"},
        {ChannelBinding::disable, plain, "ok", "n"},
        {ChannelBinding::require, both, "ok", "p"},
        {ChannelBinding::require, plain, errc::channel_binding_required, ""},
        {ChannelBinding::disable, {scram_sha_256_plus}, errc::unsupported_login, ""},
        {ChannelBinding::prefer, {scram_sha_256_plus}, "ok", "p"},
        {ChannelBinding::prefer, {"OAUTHBEARER"}, errc::unsupported_login, ""},
    };
    for (const auto& one : table) {
        CAPTURE(one.flag);
        PostgresLogin login(with_tls(one.binding));
        FakeServer server;
        if (one.offered[0] == scram_sha_256_plus) server.certificate_hash = std::string(32, 'h');
        CHECK(code(server.scram(login, one.offered)) == one.expected);
        CHECK(server.flag == one.flag);
    }
}

TEST_CASE("somebody in the middle who hides the offer of channel binding is found out") {
    PostgresLogin login(with_tls());
    FakeServer server;
    server.certificate_hash = std::string(32, 'h');  // the true server offers it
    CHECK(code(server.scram(login, {scram_sha_256})) == wire::postgres::errc::bad_channel_binding);
}

TEST_CASE("channel binding cannot be required of a connection that has none") {
    auto no_hash = with_tls(ChannelBinding::require);
    no_hash.certificate_hash.clear();
    CHECK(
        answer(no_hash, sasl({scram_sha_256_plus, scram_sha_256})) == errc::channel_binding_required
    );
    CHECK(answer(with_tls(ChannelBinding::require), ok) == errc::channel_binding_required);
    CHECK(
        answer(
            with_tls(ChannelBinding::require), authentication(Authentication::cleartext_password)
        ) == errc::channel_binding_required
    );
    CHECK(
        answer(
            with_tls(ChannelBinding::require), authentication(Authentication::md5_password, "salt")
        ) == errc::channel_binding_required
    );
    CHECK(answer(options(), sasl({scram_sha_256_plus, scram_sha_256})) == errc::unexpected_message);
}

TEST_CASE("a server that does not prove itself is refused") {
    FakeServer liar;
    liar.verifier.server_key = Secret(std::string(32, 'x'));
    PostgresLogin login(options());
    CHECK(code(liar.scram(login, {scram_sha_256})) == wire::postgres::errc::bad_server_signature);

    // Nor may it let us in before it has.
    PostgresLogin early(options());
    std::string out;
    REQUIRE(early.receive(sasl({scram_sha_256}), out).has_value());
    CHECK(code(early.receive(ok, out)) == errc::unexpected_message);
    PostgresLogin later(options());
    REQUIRE(later.receive(sasl({scram_sha_256}), out).has_value());
    CHECK(
        code(later.receive(authentication(Authentication::sasl_final, "v=AAAA"), out)) ==
        errc::unexpected_message
    );
    // Nor ask for the password instead.
    PostgresLogin other(options());
    REQUIRE(other.receive(sasl({scram_sha_256}), out).has_value());
    CHECK(
        code(other.receive(authentication(Authentication::md5_password, "salt"), out)) ==
        errc::unexpected_message
    );
}

TEST_CASE("MD5 is answered with the digest") {
    PostgresLogin login(options());
    std::string out;
    REQUIRE(login.receive(authentication(Authentication::md5_password, "salt"), out).has_value());
    CHECK(
        out == bytes(PasswordMessageView{md5_password("app", Secret("pencil"), "salt").reveal()})
    );
    out.clear();
    CHECK(login.receive(ok + greeting, out).value());
    CHECK(out.empty());
}

TEST_CASE("a clear-text password needs a private channel or an explicit word") {
    const auto request = authentication(Authentication::cleartext_password);
    CHECK(answer(options(), request) == errc::unsafe_login);
    auto allowed = options();
    allowed.allow_cleartext = true;
    auto socket = options();
    socket.private_channel = true;
    for (const auto& one : {allowed, socket, with_tls()}) {
        PostgresLogin login(one);
        std::string out;
        REQUIRE(login.receive(request, out).has_value());
        CHECK(out == bytes(PasswordMessageView{"pencil"}));
        // Asked again: no.
        CHECK(code(login.receive(request, out)) == errc::unexpected_message);
    }
}

TEST_CASE("without a password the question is an error") {
    auto none = with_tls();
    none.password.reset();
    CHECK(answer(none, authentication(Authentication::cleartext_password)) == errc::no_password);
    CHECK(answer(none, authentication(Authentication::md5_password, "salt")) == errc::no_password);
    CHECK(answer(none, sasl({scram_sha_256})) == errc::no_password);
}

TEST_CASE("unsupported ways of logging in are named") {
    CHECK(answer(options(), authentication(Authentication::gss)) == errc::unsupported_login);
    CHECK(answer(options(), authentication(Authentication::sspi)) == errc::unsupported_login);
    CHECK(
        answer(options(), authentication(Authentication::kerberos_v5)) == errc::unsupported_login
    );
    CHECK(answer(options(), sasl({"SCRAM-SHA-1"})) == errc::unsupported_login);
}

TEST_CASE("the server's own error is kept") {
    ErrorFields fields("FATAL", "28P01", "password authentication failed\nfor user \"app\"");
    std::string error;
    ByteWriter writer(error);
    REQUIRE(encode_error_response(fields, writer).has_value());
    PostgresLogin login(options());
    std::string out;
    const auto result = login.receive(error, out);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == errc::login_refused);
    CHECK(
        result.error().detail == "FATAL: password authentication failed for user \"app\" (28P01)"
    );
    REQUIRE(login.server_error().has_value());
    CHECK(*login.server_error() == fields);
    // Also after the way in was free: too many connections, no such database.
    PostgresLogin late(options());
    CHECK(code(late.receive(ok + error, out)) == errc::login_refused);
}

TEST_CASE("protocol 3.2 is negotiated down, and only down") {
    auto made = options();
    made.version = protocol_3_2;
    made.parameters = {{"_pq_.thing", "on"}};
    PostgresLogin login(made);
    std::string out;
    REQUIRE(login
                .receive(
                    bytes(NegotiateProtocolVersionView{protocol_3_0, {"_pq_.thing"}}) + ok +
                        greeting,
                    out
                )
                .value());
    CHECK(login.session().version == protocol_3_0);

    CHECK(
        answer(options(), bytes(NegotiateProtocolVersionView{protocol_3_2, {}})) ==
        errc::unexpected_message
    );
    CHECK(
        answer(made, bytes(NegotiateProtocolVersionView{{2, 0}, {}})) == errc::unexpected_message
    );
    CHECK(
        answer(made, bytes(NegotiateProtocolVersionView{protocol_3_0, {"_pq_.other"}})) ==
        errc::unexpected_message
    );
    CHECK(
        answer(made, bytes(NegotiateProtocolVersionView{protocol_3_0, {"user"}})) ==
        errc::unexpected_message
    );
    CHECK(
        answer(made, ok + bytes(NegotiateProtocolVersionView{protocol_3_0, {}})) ==
        errc::unexpected_message
    );
}

TEST_CASE("long secret keys of protocol 3.2 are kept whole") {
    PostgresLogin login(options());
    std::string out;
    REQUIRE(
        login.receive(ok + bytes(BackendKeyDataView{1, std::string(256, 'k')}) + ready, out).value()
    );
    CHECK(login.session().secret_key == std::string(256, 'k'));
}

TEST_CASE("what does not belong into a login is refused") {
    CHECK(answer(options(), ready) == errc::unexpected_message);
    CHECK(answer(options(), bytes(ParameterStatusView{"a", "b"})) == errc::unexpected_message);
    CHECK(answer(options(), ok + ok) == errc::unexpected_message);
    CHECK(
        answer(options(), ok + bytes(CommandCompleteView{"SELECT 1"})) == errc::unexpected_message
    );
    CHECK(
        answer(options(), authentication(Authentication::sasl_continue, "r=x")) ==
        errc::unexpected_message
    );
    CHECK(answer(options(), "HTTP/1.1 400 Bad Request\r\n") == wire::postgres::errc::oversize);
    CHECK(answer(options(), "\x15\x03\x01") == wire::postgres::errc::unknown_type);
    // More than a login can need, though each message is small.
    std::string flood = ok;
    for (int i = 0; i < 10'001; ++i) flood += bytes(ParameterStatusView{"a", "b"});
    CHECK(answer(options(), flood) == errc::unexpected_message);
    // A message longer than any in a login is refused at its header.
    CHECK(answer(options(), "E\x10\0\0\0"s) == wire::postgres::errc::oversize);
}

}  // namespace dbguard::upstream
