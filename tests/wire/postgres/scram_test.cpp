#include "wire/postgres/scram.hpp"

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "wire/postgres/auth.hpp"

namespace dbguard::wire::postgres {

namespace {

const Secret password("pencil");
const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
const std::string hash(32, 'h');  // of some certificate

/// Runs both sides against each other; the first error ends it.
Result<void> log_in(ScramClient& client, ScramServer& server) {
    const auto first = server.first_message(client.mechanism(), client.first_message());
    if (!first) return first.error();
    const auto proof = client.final_message(*first);
    if (!proof) return proof.error();
    const auto last = server.final_message(*proof);
    if (!last) return last.error();
    return client.verify(*last);
}

}  // namespace

// RFC 7677 §3: the verifier's keys follow from the password, the rest from the messages. The exchange there has n=user, which
// PostgreSQL's clients leave empty, so the server's side is checked with its own text.
TEST_CASE("the server's side answers the exchange of RFC 7677") {
    ScramServer server(
        make_scram_verifier(password, salt, 4096), {}, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    );
    const auto first = server.first_message(scram_sha_256, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    REQUIRE(first.has_value());
    CHECK(
        *first ==
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    const auto last = server.final_message(
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
        "Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    REQUIRE(last.has_value());
    CHECK(*last == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST_CASE("both sides agree, with and without channel binding") {
    using Binding = ScramClient::Binding;
    const auto verifier = make_scram_verifier(password, salt, 4096);
    const auto attempt =
        [&](Binding binding, const std::string& client_hash, const std::string& server_hash) {
            ScramClient client(password, binding, client_hash);
            ScramServer server(verifier, server_hash);
            const auto result = log_in(client, server);
            return result ? std::string_view("ok") : result.error().code;
        };
    CHECK(attempt(Binding::none, "", "") == "ok");
    CHECK(attempt(Binding::not_offered, "", "") == "ok");
    CHECK(attempt(Binding::end_point, hash, hash) == "ok");
    // The client may decline what was offered, but not claim that it was not offered.
    CHECK(attempt(Binding::none, "", hash) == "ok");
    CHECK(attempt(Binding::not_offered, "", hash) == errc::bad_channel_binding);
    // Somebody in the middle shows another certificate.
    CHECK(attempt(Binding::end_point, std::string(32, 'x'), hash) == errc::bad_channel_binding);
    CHECK(attempt(Binding::end_point, hash, "") == errc::bad_channel_binding);
}

TEST_CASE("a wrong password is refused by the server, a wrong verifier by the client") {
    const auto verifier = make_scram_verifier(password, salt, 4096);
    ScramClient wrong(Secret("pencils"), ScramClient::Binding::none);
    ScramServer server(verifier);
    CHECK(log_in(wrong, server).error().code == errc::bad_proof);

    // A server that knows the stored key but not the server key cannot prove itself.
    auto half = verifier;
    half.server_key = Secret(std::string(32, 'x'));
    ScramClient client(password, ScramClient::Binding::none);
    ScramServer liar(half);
    CHECK(log_in(client, liar).error().code == errc::bad_server_signature);
}

TEST_CASE("kept keys save the derivation while salt and iterations are the same") {
    const auto verifier = make_scram_verifier(password, salt, 4096);
    ScramClient first(password, ScramClient::Binding::none);
    ScramServer server(verifier);
    REQUIRE(log_in(first, server).has_value());
    REQUIRE(first.keys().has_value());

    // A client without the password gets in by the keys alone.
    ScramClient second(Secret("not used"), ScramClient::Binding::none);
    second.use_keys(*first.keys());
    ScramServer again(verifier);
    CHECK(log_in(second, again).has_value());

    // Another salt or count makes them useless, and the password is derived anew.
    for (const auto& other :
         {make_scram_verifier(password, "other salt", 4096),
          make_scram_verifier(password, salt, 100)}) {
        ScramClient third(password, ScramClient::Binding::none);
        third.use_keys(*first.keys());
        ScramServer changed(other);
        CHECK(log_in(third, changed).has_value());
        CHECK_FALSE(third.keys() == first.keys());
    }
}

TEST_CASE("verifiers read and write PostgreSQL's form") {
    const auto verifier = make_scram_verifier(password, salt, 4096);
    const auto text = to_text(verifier);
    CHECK(text.reveal().starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"));
    CHECK(parse_scram_verifier(text.reveal()).value() == verifier);
    const auto& t = text.reveal();
    for (std::size_t length = 0; length < t.size(); ++length)
        CHECK(parse_scram_verifier(t.substr(0, length)).error().code == errc::bad_verifier);
    CHECK_FALSE(parse_scram_verifier(t + "=").has_value());
    CHECK_FALSE(parse_scram_verifier("md5" + std::string(32, 'a')).has_value());
    CHECK_FALSE(parse_scram_verifier("SCRAM-SHA-256$0" + t.substr(18)).has_value());
    CHECK_FALSE(parse_scram_verifier("SCRAM-SHA-256$04096" + t.substr(18)).has_value());
    CHECK_FALSE(parse_scram_verifier("SCRAM-SHA-256$99999999999" + t.substr(18)).has_value());
}

TEST_CASE("without a salt each verifier has its own") {
    CHECK(make_scram_verifier(password, {}, 1).salt.size() == 16);
    CHECK_FALSE(make_scram_verifier(password, {}, 1) == make_scram_verifier(password, {}, 1));
}

TEST_CASE("the client refuses what a server may not say first") {
    const auto code = [](const std::string& text) {
        ScramClient client(password, ScramClient::Binding::none, {}, "abc");
        const auto result = client.final_message(text);
        return result ? std::string_view("ok") : result.error().code;
    };
    CHECK(code("r=abcdef,s=c2FsdA==,i=1") == "ok");
    CHECK(code("r=abcdef,s=c2FsdA==,i=10000001") == errc::bad_iteration_count);
    CHECK(code("r=abcdef,s=c2FsdA==,i=4294967297") == errc::bad_iteration_count);
    CHECK(code("r=abcdef,s=c2FsdA==,i=0") == errc::bad_iteration_count);
    CHECK(code("r=abcdef,s=c2FsdA==,i=-1") == errc::bad_iteration_count);
    CHECK(code("r=abcdef,s=c2FsdA==,i=") == errc::bad_iteration_count);
    CHECK(code("r=abcdef,s=c2FsdA==,i=1x") == errc::bad_iteration_count);
    CHECK(code("r=abc,s=c2FsdA==,i=1") == errc::bad_nonce);
    CHECK(code("r=xyzdef,s=c2FsdA==,i=1") == errc::bad_nonce);
    CHECK(code("r=ab,s=c2FsdA==,i=1") == errc::bad_nonce);
    CHECK(code("r=abc\x7f,s=c2FsdA==,i=1") == errc::bad_scram_message);
    CHECK(code("r=,s=c2FsdA==,i=1") == errc::bad_scram_message);
    CHECK(code("r=abcdef,s=,i=1") == errc::bad_scram_message);
    CHECK(code("r=abcdef,s=c2FsdA,i=1") == errc::bad_scram_message);
    CHECK(code("r=abcdef,s=c2FsdA==") == errc::bad_scram_message);
    CHECK(code("r=abcdef,s=c2FsdA==,i=1,x=y") == errc::bad_scram_message);
    CHECK(code("r=abcdef,s=c2FsdA==,i=1,") == errc::bad_scram_message);
    CHECK(code("m=x,r=abcdef,s=c2FsdA==,i=1") == errc::bad_scram_message);
    CHECK(code("") == errc::bad_scram_message);
}

TEST_CASE("the client refuses a last message that proves nothing") {
    ScramClient client(password, ScramClient::Binding::none, {}, "abc");
    CHECK(
        client.verify("v=" + base64(std::string(32, 'x'))).error().code == errc::bad_scram_message
    );  // too early
    REQUIRE(client.final_message("r=abcdef,s=c2FsdA==,i=1").has_value());
    CHECK(
        client.verify("v=" + base64(std::string(32, 'x'))).error().code ==
        errc::bad_server_signature
    );
    CHECK(client.verify("v=").error().code == errc::bad_server_signature);
    CHECK(client.verify("v=AAAA,x=y").error().code == errc::bad_scram_message);
    CHECK(client.verify("").error().code == errc::bad_scram_message);
    CHECK(
        client.verify("e=invalid-proof").error() == Error{errc::scram_server_error, "invalid-proof"}
    );
    CHECK(client.verify("e=\x1b[2J").error() == Error{errc::scram_server_error, ""});
}

TEST_CASE("the server refuses what a client may not say first") {
    const auto verifier = make_scram_verifier(password, salt, 1);
    const auto code = [&](std::string_view mechanism,
                          const std::string& text,
                          const std::string& certificate = "") {
        ScramServer server(verifier, certificate);
        const auto result = server.first_message(mechanism, text);
        return result ? std::string_view("ok") : result.error().code;
    };
    CHECK(code("SCRAM-SHA-256", "n,,n=,r=abc") == "ok");
    CHECK(code("SCRAM-SHA-256", "n,,n=someone,r=abc,x=extension") == "ok");
    CHECK(code("SCRAM-SHA-1", "n,,n=,r=abc") == errc::bad_scram_message);
    CHECK(code("", "n,,n=,r=abc") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n,a=admin,n=,r=abc") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n,,m=x,n=,r=abc") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n,,r=abc") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n,,n=") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n,,n=,r=") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n,,n=,r=a b") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "x,,n=,r=abc") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "n") == errc::bad_scram_message);
    CHECK(code("SCRAM-SHA-256", "") == errc::bad_scram_message);
    CHECK(
        code("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc", hash) == errc::bad_channel_binding
    );
    CHECK(code("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", hash) == errc::bad_channel_binding);
    CHECK(code("SCRAM-SHA-256-PLUS", "n,,n=,r=abc", hash) == errc::bad_channel_binding);
    CHECK(
        code("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc") == errc::bad_channel_binding
    );
}

TEST_CASE("the server refuses every changed or shortened proof") {
    const auto verifier = make_scram_verifier(password, salt, 1);
    ScramClient client(password, ScramClient::Binding::none, {}, "client");
    const auto server_first = *ScramServer(verifier, {}, "server")
                                   .first_message(client.mechanism(), client.first_message());
    const auto proof = *client.final_message(server_first);
    const auto accepts = [&](const std::string& text) {
        ScramServer server(verifier, {}, "server");
        REQUIRE(server.first_message(client.mechanism(), client.first_message()).has_value());
        return server.final_message(text).has_value();
    };
    REQUIRE(accepts(proof));
    for (std::size_t at = 0; at < proof.size(); ++at) {
        CAPTURE(at);
        auto changed = proof;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        CHECK_FALSE(accepts(changed));
        CHECK_FALSE(accepts(proof.substr(0, at)));
    }
    CHECK_FALSE(accepts(proof + ",x=y"));
    ScramServer early(verifier);
    CHECK(early.final_message(proof).error().code == errc::bad_scram_message);
}

TEST_CASE("passwords are prepared as PostgreSQL does") {
    const auto prepared = [](const std::string& text) {
        return sasl_prepare(Secret(text)).reveal();
    };
    CHECK(prepared("") == "");
    CHECK(
        prepared("pencil \x01") == "pencil \x01"
    );  // ASCII goes as it is, control characters and all
    CHECK(prepared("p\xffncil\xc2\xa0") == "p\xffncil\xc2\xa0");  // not UTF-8: as it is
    CHECK(prepared("I\xc2\xadX") == "IX");  // RFC 4013 §3: soft hyphen to nothing
    CHECK(prepared("\xc2\xaa") == "a");     // RFC 4013 §3: NFKC
    CHECK(
        prepared("a\xc2\xa0"
                 "b") == "a b"
    );                                                // other spaces
    CHECK(prepared("\xe3\x80\x80") == " ");           // U+3000
    CHECK(prepared("\xef\xbc\xa1") == "A");           // full-width A
    CHECK(prepared("caf\xc3\xa9") == "caf\xc3\xa9");  // composed already
    CHECK(prepared("\xc2\xad") == "\xc2\xad");        // nothing would be left: prohibited, as it is
    CHECK(
        prepared("\xc2\xad\xee\x80\x80") == "\xc2\xad\xee\x80\x80"
    );  // private use: prohibited, as it is
    CHECK(prepared("\xc2\xad\x07") == "\xc2\xad\x07");
    CHECK(prepared("\xf0\x9f\x94\x91") == "\xf0\x9f\x94\x91");
}

}  // namespace dbguard::wire::postgres
