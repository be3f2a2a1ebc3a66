#include "tunnel/client_login.hpp"

#include <doctest/doctest.h>

#include "base/byte_writer.hpp"
#include "wire/postgres/auth.hpp"
#include "wire/postgres/message.hpp"

namespace dbguard::tunnel {

namespace wp = wire::postgres;

namespace {

const LoginTerms& terms() {
    static const LoginTerms made = make_login_terms("user", "shop", Secret("password"));
    return made;
}

std::string startup(std::vector<std::pair<std::string, std::string>> parameters, wp::ProtocolVersion version = wp::protocol_3_0) {
    std::string out;
    ByteWriter writer(out);
    REQUIRE(wp::encode(wp::StartupMessage{version, std::move(parameters)}, writer).has_value());
    return out;
}

/// Plays a client with this password; -> how it ended, and the SQLSTATE.
std::pair<ClientLogin::State, std::string> play(std::string packet, const char* password, std::size_t piece = 1 << 20) {
    ClientLogin login(terms());
    wp::ScramClient scram(Secret(password), wp::ScramClient::Binding::none);
    std::string out;
    auto state = ClientLogin::State::reading;
    const auto send = [&](const std::string& bytes) {
        for (std::size_t at = 0; at < bytes.size() && state == ClientLogin::State::reading; at += piece) state = login.receive(bytes.substr(at, piece), out);
    };
    std::string sqlstate;
    std::string next = std::move(packet);
    while (!next.empty() && state == ClientLogin::State::reading) {
        send(std::exchange(next, {}));
        std::string_view rest = out;
        while (const auto frame = *wp::first_frame(rest, wp::Sender::backend)) {
            rest.remove_prefix(frame->bytes.size());
            ByteWriter writer(next);
            if (frame->type == 'E') sqlstate = wp::decode_error_response(frame->body)->fields.get('C');
            if (frame->type != 'R') continue;
            const auto authentication = *wp::decode_authentication(frame->body);
            if (authentication.kind == wp::Authentication::sasl) {
                const std::string first = scram.first_message();
                REQUIRE(wp::encode(wp::SASLInitialResponseView{scram.mechanism(), first}, writer).has_value());
            } else if (authentication.kind == wp::Authentication::sasl_continue) {
                REQUIRE(wp::encode(wp::SASLResponseView{*scram.final_message(authentication.data)}, writer).has_value());
            } else if (authentication.kind == wp::Authentication::sasl_final) {
                CHECK(scram.verify(authentication.data).has_value());
            }
        }
        out.clear();
    }
    return {state, sqlstate};
}

}  // namespace

TEST_CASE("who knows user and password is let in, at any pace") {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20})
        CHECK(play(startup({{"user", "user"}, {"database", "shop"}}), "password", piece).first == ClientLogin::State::authenticated);
}

TEST_CASE("everybody else is not") {
    using Answer = std::pair<ClientLogin::State, std::string>;
    const auto failed = [](const char* sqlstate) { return Answer{ClientLogin::State::failed, sqlstate}; };
    CHECK(play(startup({{"user", "user"}, {"database", "shop"}}), "wrong") == failed("28P01"));
    CHECK(play(startup({{"user", "other"}, {"database", "shop"}}), "password") == failed("28P01"));
    CHECK(play(startup({{"user", "user"}, {"database", "other"}}), "password") == failed("3D000"));
    CHECK(play(startup({{"user", "user"}}), "password") == failed("3D000"));
    CHECK(play(startup({{"database", "shop"}}), "password") == failed("28000"));
    CHECK(play(startup({{"user", "user"}, {"replication", "1"}}), "password") == failed("0A000"));
    CHECK(play(startup({{"user", "user"}, {"database", "shop"}, {"replication", "off"}}), "password").first == ClientLogin::State::authenticated);
}

TEST_CASE("requests for encryption are declined, and only so many are heard") {
    ClientLogin login(terms());
    std::string request, out;
    ByteWriter writer(request);
    wp::encode(wp::SSLRequest{}, writer);
    CHECK(login.receive(request, out) == ClientLogin::State::reading);
    CHECK(login.receive(request, out) == ClientLogin::State::reading);
    CHECK(out == "NN");
    CHECK(login.receive(request, out) == ClientLogin::State::failed);
}

TEST_CASE("a newer protocol and unknown options are negotiated down") {
    ClientLogin login(terms());
    std::string out;
    CHECK(login.receive(startup({{"user", "user"}, {"_pq_.x", "1"}}, wp::protocol_3_2), out) == ClientLogin::State::reading);
    const auto frame = *wp::first_frame(out, wp::Sender::backend);
    REQUIRE(frame);
    CHECK(frame->type == 'v');
    const auto negotiated = *wp::decode_negotiate_protocol_version(frame->body);
    CHECK(negotiated.version == wp::protocol_3_0);
    CHECK(negotiated.unknown_options == std::vector<std::string_view>{"_pq_.x"});
}

TEST_CASE("a long password message is not waited for") {
    ClientLogin login(terms());
    std::string out;
    login.receive(startup({{"user", "user"}}), out);
    CHECK(login.receive(std::string("p\0\0\xff\xff", 5) + std::string(20'000, 'x'), out) == ClientLogin::State::failed);
}

TEST_CASE("the switches of `options`") {
    using Settings = std::vector<StartupSetting>;
    CHECK(parse_startup_options("") == Settings{});
    CHECK(parse_startup_options(" -c a=1 -cb=2  --c-d=3 -c e=x\\ y\\\\z ") == Settings{{"a", "1"}, {"b", "2"}, {"c_d", "3"}, {"e", "x y\\z"}});
    for (const char* text : {"-d 5", "-c", "-c a", "x", "-S 1", "--=1", "-c =1"}) CHECK_MESSAGE(!parse_startup_options(text), text);
}

}  // namespace dbguard::tunnel
