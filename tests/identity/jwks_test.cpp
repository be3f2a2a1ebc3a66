#include "identity/jwks.hpp"

#include <doctest/doctest.h>

#include "identity/signature.hpp"
#include "tests/identity/signer.hpp"

using namespace dbguard;
using namespace dbguard::identity;
using namespace dbguard::test;

namespace {

const Key& rsa() {
    static const Key key = make_key(KeyType::rsa, "rsa-1");
    return key;
}
const Key& ec() {
    static const Key key = make_key(KeyType::ec_p256, "ec-1");
    return key;
}

std::string verdict(std::string_view text) {
    const auto set = parse_jwks(text);
    return set ? std::to_string(set->keys.size()) + " keys" : std::string(set.error().code);
}

/// Why the key is left out, beside one that is good.
std::string why_ignored(const json& key) {
    Key good = rsa();
    good.kid = "good";
    const auto set = parse_jwks(jwks({jwk(good), key}));
    if (!set) return std::string(set.error().code);
    return set->ignored.empty() ? "used" : set->ignored.front();
}

json changed(const Key& key, const char* member, const json& value) {
    json out = jwk(key);
    out[member] = value;
    return out;
}

}  // namespace

TEST_CASE("a set of all kinds of keys") {
    const Key p384 = make_key(KeyType::ec_p384, "ec-384");
    const Key ed = make_key(KeyType::ed25519, "");
    json with_alg = jwk(rsa());
    with_alg["alg"] = "RS256";
    const auto set = parse_jwks(jwks({with_alg, jwk(ec()), jwk(p384), jwk(ed)}));
    REQUIRE(set.has_value());
    REQUIRE(set->keys.size() == 4);
    CHECK(set->keys[0].algorithm == Algorithm::rs256);
    CHECK(set->keys[0].bits == 2048);
    CHECK(set->keys[2].type == KeyType::ec_p384);
    CHECK_FALSE(set->keys[3].id.has_value());
    CHECK(set->find("ec-1") == &set->keys[1]);
    CHECK(set->find("") == nullptr);
    CHECK(set->find("EC-1") == nullptr);
    CHECK(set->ignored.empty());
}

TEST_CASE("RFC 7515 appendix A.2: RS256 known answer") {
    const auto set = parse_jwks(
        R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]})"
    );
    REQUIRE(set.has_value());
    const std::string message =
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
        "VlfQ";
    const std::string signature = *base64url_decode(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
        "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
        "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
        "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp"
        "0igcN_IoypGlUPQGe77Rw"
    );
    CHECK(signature_holds(Algorithm::rs256, set->keys[0], message, signature));
    CHECK_FALSE(signature_holds(Algorithm::rs256, set->keys[0], message + " ", signature));
    CHECK_FALSE(signature_holds(Algorithm::ps256, set->keys[0], message, signature));
    CHECK_FALSE(signature_holds(Algorithm::es256, set->keys[0], message, signature));
}

TEST_CASE("RFC 7515 appendix A.3: ES256 known answer") {
    const auto set = parse_jwks(
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})"
    );
    REQUIRE(set.has_value());
    const std::string message =
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
        "VlfQ";
    const std::string signature = *base64url_decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    CHECK(signature_holds(Algorithm::es256, set->keys[0], message, signature));
    CHECK_FALSE(signature_holds(Algorithm::es256, set->keys[0], message + " ", signature));
}

TEST_CASE("RFC 8037 appendix A.4: Ed25519 known answer") {
    const auto set = parse_jwks(
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})"
    );
    REQUIRE(set.has_value());
    const std::string message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const std::string signature = *base64url_decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    CHECK(signature_holds(Algorithm::eddsa, set->keys[0], message, signature));
    CHECK_FALSE(signature_holds(Algorithm::eddsa, set->keys[0], message + " ", signature));
    CHECK_FALSE(signature_holds(Algorithm::eddsa, set->keys[0], message, signature.substr(0, 63)));
}

TEST_CASE("a set that gives secrets away is refused whole") {
    for (const char* member : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
        CAPTURE(member);
        CHECK(verdict(jwks({jwk(ec()), changed(rsa(), member, "AQAB")})) == "jwks_private_key");
    }
    CHECK(verdict(jwks({jwk(rsa()), changed(ec(), "d", "AQAB")})) == "jwks_private_key");
    CHECK(verdict(R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})") == "jwks_private_key");
}

TEST_CASE("caps: bytes and keys") {
    std::vector<json> many(101, json{{"kty", "x"}});
    many[0] = jwk(rsa());
    CHECK(verdict(jwks(many)) == "jwks_too_many_keys");
    many.pop_back();
    CHECK(verdict(jwks(many)) == "1 keys");
    CHECK(verdict(jwks(std::vector<json>(10'000, json{{"kty", "x"}}))) == "jwks_too_many_keys");
    CHECK(verdict(jwks(std::vector<json>(10'000, jwk(ec())))) == "jwks_too_large");
    CHECK(verdict(std::string(max_jwks_bytes + 1, ' ')) == "jwks_too_large");
}

TEST_CASE("two usable keys with one kid are refused, a twin for encryption is not") {
    Key twin = ec();
    twin.kid = "rsa-1";
    CHECK(verdict(jwks({jwk(rsa()), jwk(twin)})) == "jwks_duplicate_kid");
    CHECK(verdict(jwks({jwk(rsa()), jwk(rsa())})) == "jwks_duplicate_kid");
    CHECK(verdict(jwks({jwk(rsa()), changed(twin, "use", "enc")})) == "1 keys");
    Key nameless = rsa();
    nameless.kid = "";
    CHECK(verdict(jwks({jwk(nameless), jwk(nameless)})) == "2 keys");
}

TEST_CASE("use and key_ops must admit verifying") {
    CHECK(why_ignored(changed(ec(), "use", "enc")) == "key 1: not for verifying (use, key_ops)");
    CHECK(why_ignored(changed(ec(), "use", 1)) == "key 1: not for verifying (use, key_ops)");
    CHECK(why_ignored(changed(ec(), "key_ops", json::array({"verify"}))) == "used");
    CHECK(
        why_ignored(changed(ec(), "key_ops", json::array({"encrypt"}))) ==
        "key 1: not for verifying (use, key_ops)"
    );
    CHECK(
        why_ignored(changed(ec(), "key_ops", "verify")) == "key 1: not for verifying (use, key_ops)"
    );
    json without = jwk(ec());
    without.erase("use");
    CHECK(why_ignored(without) == "used");
}

TEST_CASE("an alg that does not fit the key") {
    CHECK(why_ignored(changed(ec(), "alg", "ES256")) == "used");
    for (const json& alg :
         {json("RS256"), json("ES384"), json("RSA-OAEP"), json("none"), json("HS256"), json(1)})
        CHECK(why_ignored(changed(ec(), "alg", alg)) == "key 1: alg does not fit the key");
}

TEST_CASE("weak, malformed and unknown keys are left out") {
    CHECK(why_ignored(jwk(make_key(KeyType::rsa, "weak", 1024))) == "key 1: RSA key of 1024 bits");
    CHECK(
        why_ignored(changed(rsa(), "e", "AQ")) == "key 1: bad n or e"
    );  // e = 1: anything verifies
    CHECK(why_ignored(changed(rsa(), "e", "AQAA")) == "key 1: bad n or e");  // even
    CHECK(why_ignored(changed(rsa(), "e", "")) == "key 1: bad n or e");
    CHECK(
        why_ignored(changed(rsa(), "e", base64url(std::string(9, '\x03')))) == "key 1: bad n or e"
    );
    CHECK(why_ignored(changed(rsa(), "n", "not/base64url")) == "key 1: bad n or e");
    CHECK(why_ignored(changed(rsa(), "n", 5)) == "key 1: bad n or e");
    CHECK(
        why_ignored(changed(rsa(), "n", base64url(std::string(256, '\xfe')))) == "key 1: bad n or e"
    );  // even
    CHECK(
        why_ignored(changed(rsa(), "n", base64url(std::string(1025, '\xff')))) ==
        "key 1: RSA key of 8200 bits"
    );
    CHECK(
        why_ignored(changed(rsa(), "n", base64url(std::string(2000, '\xff')))) ==
        "key 1: bad n or e"
    );
    const std::string zeros(32, '\0');
    CHECK(why_ignored(changed(ec(), "y", base64url(zeros))) == "key 1: point not on the curve");
    CHECK(why_ignored(changed(ec(), "x", base64url(zeros.substr(1)))) == "key 1: bad x or y");
    CHECK(why_ignored(changed(ec(), "crv", "P-384")) == "key 1: bad x or y");
    CHECK(why_ignored(changed(ec(), "crv", "secp256k1")) == "key 1: unknown kty or crv");
    CHECK(why_ignored(changed(ec(), "crv", "P-521")) == "key 1: unknown kty or crv");
    CHECK(why_ignored(changed(ec(), "kty", "ec")) == "key 1: unknown kty or crv");
    CHECK(why_ignored(changed(ec(), "kid", "")) == "key 1: bad kid");
    CHECK(why_ignored(changed(ec(), "kid", 5)) == "key 1: bad kid");
    CHECK(why_ignored(changed(ec(), "kid", std::string(513, 'k'))) == "key 1: bad kid");
    CHECK(why_ignored(json::object()) == "key 1: no kty");
    CHECK(why_ignored("text") == "key 1: no kty");
    CHECK(why_ignored({{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "AAAA"}}) == "key 1: bad x");
    CHECK(
        why_ignored({{"kty", "OKP"}, {"crv", "X25519"}, {"x", base64url(zeros)}}) ==
        "key 1: unknown kty or crv"
    );
}

TEST_CASE("what is no set, or has no usable key") {
    for (const char* text :
         {"",
          "[]",
          "{}",
          R"({"keys":{}})",
          R"({"keys":null})",
          R"({"keys":[],"keys":[]})",
          "<html>"})
        CHECK_MESSAGE(verdict(text) == "jwks_malformed", std::string(text));
    CHECK(verdict(R"({"keys":[]})") == "jwks_no_usable_key");
    CHECK(verdict(R"({"keys":[{"kty":"RSA","use":"enc"}]})") == "jwks_no_usable_key");
}
