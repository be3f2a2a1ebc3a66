#include "identity/jwt.hpp"

#include <doctest/doctest.h>

#include "base/encoding.hpp"

using namespace dbguard;
using namespace dbguard::identity;

namespace {

std::string compact(
    std::string_view header, std::string_view claims, std::string_view signature = "sig"
) {
    return base64url(header) + "." + base64url(claims) + "." + base64url(signature);
}

std::string verdict(std::string_view token) {
    const auto jwt = parse_jwt(token);
    return jwt ? "ok" : jwt.error().text();
}

std::string json_verdict(std::string_view text, const JsonLimits& limits = {}) {
    const auto json = parse_json(text, limits);
    return json ? "ok" : std::string(json.error().code);
}

std::string repeated(std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("a token is taken apart without being believed") {
    const auto jwt =
        parse_jwt(compact(R"({"alg":"none"})", R"({"iss":"https://i","n":[1,{"a":null}]})"));
    REQUIRE(jwt.has_value());
    CHECK(jwt->unverified_issuer() == "https://i");
    CHECK(jwt->signature == "sig");
    CHECK(
        jwt->signed_part == base64url(R"({"alg":"none"})") + "." +
                                base64url(R"({"iss":"https://i","n":[1,{"a":null}]})")
    );
    CHECK(jwt->header.find_string("alg") == "none");
    CHECK(jwt->claims.find("n")->items[1].find("a")->is(Json::Kind::null));
    CHECK(jwt->claims.find("x") == nullptr);
    CHECK(parse_jwt(compact("{}", R"({"iss":1})"))->unverified_issuer().empty());
}

TEST_CASE("RFC 7515 appendix A.1: the example token's header and claims") {
    const auto jwt = parse_jwt(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
        "nVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    REQUIRE(jwt.has_value());
    CHECK(jwt->header.find_string("alg") == "HS256");
    CHECK(jwt->unverified_issuer() == "joe");
    CHECK(jwt->claims.find("exp")->integer == 1300819380);
    CHECK(jwt->claims.find("http://example.com/is_root")->boolean);
    CHECK(jwt->signature.size() == 32);
}

TEST_CASE("only three segments of strict base64url") {
    const std::string good = compact("{}", "{}");
    CHECK(verdict(good) == "ok");
    CHECK(verdict("") == "token_not_compact: 1 segments");
    CHECK(verdict("..") == "token_bad_header: json_syntax: at byte 1");
    CHECK(verdict("a.b") == "token_not_compact: 2 segments");
    CHECK(verdict("a.b.c.d") == "token_not_compact: 4 segments");
    CHECK(verdict("a.b.c.d.e") == "token_encrypted: five segments");
    CHECK(verdict("a.b.c.d.e.f") == "token_not_compact: 6 segments");
    CHECK(
        verdict(R"({"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]})") ==
        "token_not_compact: 1 segments"
    );
    // A JWE whose inner token is unsigned (CVE-2026-29000's kind) is refused for its five segments.
    CHECK(
        verdict(base64url(R"({"alg":"RSA-OAEP","enc":"A256GCM"})") + ".a.b.c.d") ==
        "token_encrypted: five segments"
    );

    CHECK(verdict(good + "=") == "token_bad_encoding: signature is not base64url");
    CHECK(verdict(good + "\n") == "token_bad_encoding: signature is not base64url");
    CHECK(verdict(" " + good) == "token_bad_encoding: not base64url");
    CHECK(verdict("e3 0.e30.AA") == "token_bad_encoding: not base64url");
    CHECK(verdict("e30=.e30.AA") == "token_bad_encoding: not base64url");
    CHECK(verdict("e31.e30.AA") == "token_bad_encoding: not base64url");  // trailing bits
    CHECK(verdict("e30.e30.AB") == "token_bad_encoding: signature is not base64url");
    CHECK(verdict("e30.e30.A") == "token_bad_encoding: signature is not base64url");
    CHECK(verdict("e30.e30.+/") == "token_bad_encoding: signature is not base64url");
    CHECK(
        verdict(std::string("e30.e30.A\0", 10)) == "token_bad_encoding: signature is not base64url"
    );
    CHECK(verdict("e30.e30.") == "ok");  // an empty signature is for verify() to refuse
}

TEST_CASE("a token is bounded before it is looked at") {
    CHECK(verdict(std::string(max_token_bytes + 1, '.')) == "token_too_large: 16385 bytes");
    CHECK(verdict(std::string(1 << 24, 'A')) == "token_too_large: 16777216 bytes");
    CHECK(verdict(std::string(max_token_bytes, '.')) == "token_not_compact: 16385 segments");
}

TEST_CASE("header and claims are objects without duplicate keys, at any depth") {
    CHECK(verdict(compact("[]", "{}")) == "token_bad_header: not an object");
    CHECK(verdict(compact("{}", "\"x\"")) == "token_bad_claims: not an object");
    CHECK(
        verdict(compact(R"({"alg":"RS256","alg":"none"})", "{}")) ==
        "token_bad_header: json_duplicate_key"
    );
    CHECK(
        verdict(compact("{}", R"({"aud":"a","aud":"b"})")) == "token_bad_claims: json_duplicate_key"
    );
    CHECK(
        verdict(compact("{}", R"({"iss":"a","sub":"s","iss":"b"})")) ==
        "token_bad_claims: json_duplicate_key"
    );
    CHECK(
        verdict(compact("{}", R"({"a":[{"b":1,"b":1}]})")) == "token_bad_claims: json_duplicate_key"
    );
    CHECK(
        verdict(compact("{}", R"({"aud":"a","\u0061ud":"b"})")) ==
        "token_bad_claims: json_duplicate_key"
    );
    CHECK(verdict(compact("{}", R"({"a":{"x":1},"b":{"x":1}})")) == "ok");
}

TEST_CASE("JSON: strict and bounded") {
    for (const char* text :
         {"null",
          "true",
          "1",
          "-0",
          "1.5e3",
          "\"\"",
          "[]",
          "{}",
          " {\"a\" : [1, 2]} ",
          "\"\\ud83d\\ude00\"",
          "1e-999"})
        CHECK_MESSAGE(json_verdict(text) == "ok", std::string(text));
    for (const char* text :
         {"",
          " ",
          "{",
          "}",
          "[1,]",
          "{\"a\":1,}",
          "{'a':1}",
          "{a:1}",
          "01",
          "+1",
          "1.",
          ".5",
          "0x1",
          "NaN",
          "Infinity",
          "-Infinity",
          "1e999",
          "-1e999",
          "tru",
          "nul",
          "\"",
          "\"\\x\"",
          "\"\n\"",
          "\"\\ud800\"",
          "\"\\udc00x\"",
          "{} {}",
          "{}x",
          "// c\n{}",
          "/* c */{}",
          "\xEF\xBB\xBF{}",
          "\"\xff\"",
          "\"\xc0\x80\"",
          "\"\xed\xa0\x80\"",
          "\"\\u0000\"",
          "{\"\\u0000\":1}"})
        CHECK_MESSAGE(json_verdict(text) == "json_syntax", std::string(text));
    CHECK(json_verdict(std::string("{}\0", 3)) == "json_syntax");
    CHECK(json_verdict(std::string("{}\0 and more", 12)) == "json_syntax");
    CHECK(json_verdict(repeated("[", 8) + repeated("]", 8)) == "ok");
    CHECK(json_verdict(repeated("[", 9) + repeated("]", 9)) == "json_too_deep");
    CHECK(json_verdict(repeated("{\"a\":", 9) + "1" + repeated("}", 9)) == "json_too_deep");
    CHECK(json_verdict(repeated("[", 60'000)) == "json_too_deep");
    CHECK(json_verdict("[" + repeated("1,", 10'000) + "1]") == "json_too_large");
    CHECK(json_verdict(repeated(" ", 65 * 1024)) == "json_too_large");
    CHECK(json_verdict("[1,2,3]", {.max_bytes = 6}) == "json_too_large");
}

TEST_CASE("JSON numbers: integers stay exact, the rest is finite") {
    CHECK(parse_json("9223372036854775807")->integer == INT64_MAX);
    CHECK(parse_json("-9223372036854775808")->integer == INT64_MIN);
    CHECK_FALSE(parse_json("9223372036854775808")->integer.has_value());
    CHECK(parse_json("9223372036854775808")->number == 9223372036854775808.0);
    CHECK_FALSE(parse_json("1.0")->integer.has_value());
    CHECK(parse_json("1.0")->number == 1);
}
