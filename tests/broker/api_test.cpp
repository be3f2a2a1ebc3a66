#include "broker/api.hpp"

#include <doctest/doctest.h>

namespace dbguard::broker {
namespace {

SessionGrant grant() {
    SessionGrant grant;
    grant.access_token = Secret("st_abc");
    grant.expires_in = std::chrono::seconds(1800);
    grant.session = "s_8Q2M";
    grant.database_name = "shop";
    grant.database.host = "db.example";
    grant.database.port = 5433;
    grant.database.name = "shop_prod";
    grant.database.tls = {"verify-ca", "-----BEGIN CERTIFICATE-----\n…"};
    grant.database.user = "dbguard_s_8q2m";
    grant.database.password = Secret("p\"w\n");
    grant.database.minted = true;
    grant.role = "tester";
    grant.login = "app_ro";
    grant.policy_text = "dbguard: 1\n# é\n";
    grant.policy_hash = "sha256:00";
    grant.mask_key = Secret(std::string("\0\xff key", 6));
    grant.who = {{"iss", "https://issuer.example"}, {"repository_id", "990017"}};
    grant.lease = std::chrono::seconds(90);
    grant.heartbeat = std::chrono::seconds(30);
    grant.recording_path = "/v1/sessions/s_8Q2M/recording";
    return grant;
}

TEST_CASE("what is written is read back") {
    const auto again = parse_session_grant(json(grant()));
    REQUIRE(again.has_value());
    CHECK((*again == grant()));
    const RenewReply renewal{std::chrono::seconds(90), std::chrono::seconds(7), "sha256:1"};
    CHECK((parse_renew_reply(json(renewal)).value() == renewal));
    CHECK((parse_end_request(json(EndRequest{"client"})).value() == EndRequest{"client"}));
    CHECK((parse_recording_reply(json(RecordingReply{1234567890123})).value() == RecordingReply{1234567890123}));
    const ErrorReply offset{std::string(error_name::wrong_offset), "go on at 17", "c_1", 17};
    CHECK((parse_error_reply(json(offset)).value() == offset));
}

TEST_CASE("a grant that misses or doubles a member, or holds another type, is refused") {
    const std::string good = json(grant());
    const auto with = [&](std::string_view from, std::string_view to) {
        std::string text = good;
        const auto at = text.find(from);
        REQUIRE(at != std::string::npos);
        text.replace(at, from.size(), to);
        const auto parsed = parse_session_grant(text);
        return parsed ? "" : parsed.error().detail;
    };
    CHECK(with(R"("port":5433)", R"("port":"5433")") == "session grant: port");
    CHECK(with(R"("port":5433)", R"("port":65536)") == "session grant: port");
    CHECK(with(R"("port":5433)", R"("port":-1)") == "session grant: port");
    CHECK(with(R"("port":5433,)", "") == "session grant: port");
    CHECK(with(R"("role":"tester")", R"("role":"tester","role":"root")").find("duplicate") != std::string::npos);
    CHECK(with(R"("placement":"runner")", R"("placement":"cloud")") == "session grant: placement");
    CHECK(with(R"("mask_key":")", R"("mask_key":"!)") == "session grant: mask_key");
    CHECK(with(R"(["iss",)", R"([1,)") == "session grant: who");
    CHECK(with(R"("lease":90)", R"("lease":0)") == "session grant: empty member");
    CHECK(with(R"("st_abc")", R"("")") == "session grant: empty member");
    CHECK(with(R"("session":"s_8Q2M")", R"("unknown":1,"session":"s_8Q2M")").empty());
    CHECK_FALSE(parse_session_grant("").has_value());
    CHECK_FALSE(parse_session_grant("<html>").has_value());
    CHECK_FALSE(parse_session_grant("[]").has_value());
}

TEST_CASE("an exchange request is a form") {
    ExchangeRequest request;
    request.subject_token = Secret("a.b-c.d_e");
    request.database = "shop";
    request.role = "tester";
    const auto again = parse_exchange_request(form(request));
    REQUIRE(again.has_value());
    CHECK(again->subject_token == request.subject_token);
    CHECK(again->database == "shop");
    CHECK(again->role == "tester");

    const auto assertion = parse_exchange_request(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c&resource=shop"
    );
    REQUIRE(assertion.has_value());
    CHECK(assertion->subject_token.reveal() == "a.b.c");
    CHECK(assertion->database == "shop");
}

TEST_CASE("an exchange request that is not quite right is refused") {
    const std::string grant_type = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
    const std::string good =
        grant_type + "&subject_token=t&subject_token_type=urn:ietf:params:oauth:token-type:jwt&audience=shop";
    const auto problem = [](const std::string& form) {
        const auto parsed = parse_exchange_request(form);
        return parsed ? "" : parsed.error().text();
    };
    CHECK(problem(good).empty());
    CHECK(problem(good + "&resource=shop").empty());
    CHECK(problem("") == "unsupported_grant_type");
    CHECK(problem("grant_type=password&username=a&password=b") == "unsupported_grant_type");
    CHECK(problem(good + "&audience=shop") == "bad_message: a parameter is given twice");
    CHECK(problem(good + "&resource=other") == "bad_message: audience and resource differ");
    CHECK(problem(good + "&scope=a+b") == "bad_message: scope takes one role");
    CHECK(problem(good + "&actor_token=x") == "bad_message: unknown parameter");
    CHECK(problem(good + "&x") == "bad_message: a parameter without '='");
    CHECK(problem(good + "&x=%zz") == "bad_message: bad percent-encoding");
    CHECK(problem(good + "&x=%ff") == "bad_message: bad percent-encoding");
    CHECK(problem(good + "&x=%0a") == "bad_message: a control character");
    CHECK(problem(good + "&scope=a" + std::string(1, '\0') + "b") == "bad_message: a control character");
    CHECK(problem(good + "&x=%00") == "bad_message: bad percent-encoding");
    CHECK(problem(grant_type + "&subject_token=t&audience=shop") == "bad_message: subject_token_type");
    CHECK(problem(grant_type + "&subject_token=t&subject_token_type=urn:ietf:params:oauth:token-type:saml2&audience=shop") == "bad_message: subject_token_type");
    CHECK(problem(grant_type + "&subject_token=&subject_token_type=urn:ietf:params:oauth:token-type:jwt&audience=shop") == "bad_message: no token");
    CHECK(problem(grant_type + "&subject_token=t&subject_token_type=urn:ietf:params:oauth:token-type:jwt") == "bad_message: audience");
    std::string many = good;
    for (int i = 0; i < 40; ++i) many += "&p" + std::to_string(i) + "=1";
    CHECK(problem(many) == "bad_message: too many parameters");
}

TEST_CASE("an end request has one plain word and nothing else") {
    CHECK(parse_end_request(R"({"reason":"client"})").has_value());
    CHECK_FALSE(parse_end_request(R"({"reason":"Client"})").has_value());
    CHECK_FALSE(parse_end_request(R"({"reason":""})").has_value());
    CHECK_FALSE(parse_end_request(R"({"reason":"client","force":true})").has_value());
    CHECK_FALSE(parse_end_request(R"({})").has_value());
    CHECK_FALSE(parse_end_request("null").has_value());
}

}  // namespace
}  // namespace dbguard::broker
