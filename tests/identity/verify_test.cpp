#include "identity/verify.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "identity/signature.hpp"
#include "tests/identity/claims.hpp"

using namespace dbguard;
using namespace dbguard::identity;
using namespace dbguard::test;
using namespace std::chrono_literals;

namespace {

Time at(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

const Key& rsa() {
    static const Key key = make_key(KeyType::rsa, "rsa-1");
    return key;
}
const Key& ec() {
    static const Key key = make_key(KeyType::ec_p256, "ec-1");
    return key;
}
const Key& other_rsa() {
    static const Key key = make_key(KeyType::rsa, "rsa-2");
    return key;
}

KeySet key_set(const std::vector<json>& keys) {
    auto set = parse_jwks(jwks(keys));
    if (!set) throw std::runtime_error(set.error().text());
    return *set;
}
const KeySet& keys() {
    static const KeySet set = key_set({jwk(rsa()), jwk(ec()), jwk(other_rsa())});
    return set;
}

IssuerConfig config(Profile profile, const json& claims) {
    IssuerConfig issuer = issuer_defaults(profile, claims["iss"].get<std::string>());
    issuer.audiences = {our_audience};
    return issuer;
}
IssuerConfig github() { return config(Profile::github, github_claims()); }
IssuerConfig gitlab() { return config(Profile::gitlab, gitlab_claims()); }
IssuerConfig generic() { return config(Profile::generic, generic_claims()); }

/// `ok`, or the code of the refusal.
std::string verdict(
    std::string_view token,
    const IssuerConfig& issuer,
    std::int64_t now = issued + 10,
    const KeySet& set = keys()
) {
    const auto identity = verify(token, issuer, set, at(now));
    return identity ? "ok" : std::string(identity.error().code);
}

// A template, so that text does not become JSON by itself.
template <std::same_as<json> Claims>
std::string verdict(
    const Claims& claims, const IssuerConfig& issuer, std::int64_t now = issued + 10
) {
    return verdict(token_of(rsa(), Algorithm::rs256, claims), issuer, now);
}

/// With another header, signed properly by the RSA key.
std::string verdict_of_header(const json& header, const IssuerConfig& issuer = github()) {
    return verdict(
        token_of(rsa(), Algorithm::rs256, header.dump(), github_claims().dump()), issuer
    );
}

/// A good GitHub token with one change to its claims.
template <class Change>
std::string github_with(Change change, std::int64_t now = issued + 10) {
    json claims = github_claims();
    change(claims);
    return verdict(claims, github(), now);
}
template <class Change>
std::string gitlab_with(Change change) {
    json claims = gitlab_claims();
    change(claims);
    return verdict(claims, gitlab());
}

/// The payload text of a good token with `from` replaced: for what no JSON library writes.
std::string verdict_of_text(std::string_view from, std::string_view to) {
    std::string text = github_claims().dump();
    const auto where = text.find(from);
    REQUIRE(where != std::string::npos);
    text.replace(where, from.size(), to);
    return verdict(
        token_of(rsa(), Algorithm::rs256, header_of(rsa(), Algorithm::rs256).dump(), text), github()
    );
}

std::string hmac_token(const json& header, std::string_view secret) {
    const std::string signed_part =
        base64url(header.dump()) + "." + base64url(github_claims().dump());
    return signed_part + "." + base64url(hmac_sha256(secret, signed_part));
}

}  // namespace

// ---- good tokens -----------------------------------------------------------------------------------------------------

TEST_CASE("a GitHub token becomes an identity") {
    const auto identity = verify(
        token_of(rsa(), Algorithm::rs256, github_claims()), github(), keys(), at(issued + 10)
    );
    REQUIRE_MESSAGE(identity.has_value(), identity.error().text());
    CHECK(identity->issuer == "https://token.actions.githubusercontent.com");
    CHECK(identity->subject == "repo:acme@4821/shop@990017:ref:refs/heads/main");
    CHECK(identity->audience == our_audience);
    CHECK(identity->profile == Profile::github);
    CHECK(identity->kind == IdentityKind::ci);
    CHECK(identity->claim("repository_id") == "990017");
    CHECK(identity->token_id == "jti:0c8a5d3e-9d1b-4f26-8a60-0b6f6f3f8a11");
    CHECK(identity->job_id == "7781/1/551");
    CHECK(identity->key_id == "rsa-1");
    CHECK(identity->algorithm == "RS256");
    CHECK(identity->issued_at == at(issued));
    CHECK(identity->expires_at == at(issued + 300));
    CHECK(identity->cautions.empty());
    CHECK(identity->summary() == "acme/shop run 7781 (push refs/heads/main)");
}

TEST_CASE("a GitLab token becomes an identity") {
    const auto identity = verify(
        token_of(rsa(), Algorithm::rs256, gitlab_claims()), gitlab(), keys(), at(issued + 10)
    );
    REQUIRE_MESSAGE(identity.has_value(), identity.error().text());
    CHECK(identity->job_id == "302");
    CHECK(identity->ref_protected() == true);
    CHECK(identity->claim("runner_id") == "1");
    CHECK(identity->claims.at("runner_id").kind == ClaimKind::number);
    CHECK(identity->claims.at("groups_direct") == Claim{ClaimKind::array, {"acme", "acme/dba"}});
    CHECK(identity->claims.at("user_identities") == Claim{ClaimKind::array, {}});
    CHECK(identity->summary() == "acme/shop job 302 (push main)");
}

TEST_CASE("every algorithm of the list verifies, and only with its own kind of key") {
    const Key p384 = make_key(KeyType::ec_p384, "ec-384");
    const Key ed = make_key(KeyType::ed25519, "ed-1");
    const KeySet set = key_set({jwk(rsa()), jwk(ec()), jwk(p384), jwk(ed)});
    const std::vector<std::pair<Algorithm, const Key*>> cases = {
        {Algorithm::rs256, &rsa()},
        {Algorithm::rs384, &rsa()},
        {Algorithm::rs512, &rsa()},
        {Algorithm::ps256, &rsa()},
        {Algorithm::ps384, &rsa()},
        {Algorithm::ps512, &rsa()},
        {Algorithm::es256, &ec()},
        {Algorithm::es384, &p384},
        {Algorithm::eddsa, &ed},
    };
    for (const auto& [algorithm, key] : cases) {
        CAPTURE(name(algorithm));
        IssuerConfig issuer = generic();
        issuer.algorithms = {algorithm};
        const std::string token = token_of(*key, algorithm, generic_claims());
        CHECK(verdict(token, issuer, issued + 10, set) == "ok");
        // The signature over anything else does not hold.
        std::string other = token;
        const auto dot = other.find('.');
        other[dot + 8] = other[dot + 8] == 'A' ? 'B' : 'A';
        CHECK(verdict(other, issuer, issued + 10, set) != "ok");
        for (const auto& [other_algorithm, other_key] : cases) {
            if (other_key == key) continue;
            // This key's signature under another key's name.
            const json header = {{"alg", name(algorithm)}, {"kid", other_key->kid}};
            const std::string confused =
                token_of(*key, algorithm, header.dump(), generic_claims().dump());
            CHECK(verdict(confused, issuer, issued + 10, set) == "key_mismatch");
        }
    }
}

TEST_CASE("an algorithm that is not configured is refused however good the signature") {
    CHECK(
        verdict(token_of(rsa(), Algorithm::ps256, github_claims()), github()) ==
        "algorithm_not_allowed"
    );
    CHECK(
        verdict(token_of(ec(), Algorithm::es256, github_claims()), github()) ==
        "algorithm_not_allowed"
    );
}

TEST_CASE("a key that the set gives to one algorithm serves no other") {
    json only_pss = jwk(rsa());
    only_pss["alg"] = "PS256";
    const KeySet set = key_set({only_pss});
    IssuerConfig issuer = github();
    issuer.algorithms = {Algorithm::rs256, Algorithm::ps256};
    CHECK(verdict(token_of(rsa(), Algorithm::ps256, github_claims()), issuer, issued, set) == "ok");
    CHECK(
        verdict(token_of(rsa(), Algorithm::rs256, github_claims()), issuer, issued, set) ==
        "key_mismatch"
    );
}

// ---- attacks on algorithm and signature ------------------------------------------------------------------------------

TEST_CASE("alg none, in every spelling") {
    for (const char* alg : {"none", "None", "NONE", "nOnE"}) {
        CAPTURE(alg);
        const std::string unsigned_token = base64url(json{{"alg", alg}, {"typ", "JWT"}}.dump()) +
                                           "." + base64url(github_claims().dump()) + ".";
        CHECK(verdict(unsigned_token, github()) == "algorithm_not_allowed");
        CHECK(verdict(unsigned_token + "AAAA", github()) == "algorithm_not_allowed");
    }
}

TEST_CASE("an absent, empty, odd or wrongly cased alg") {
    CHECK(verdict_of_header({{"kid", "rsa-1"}}) == "algorithm_not_allowed");
    for (const json& alg :
         {json(""),
          json("rs256"),
          json("RS256 "),
          json("RSA"),
          json(nullptr),
          json(256),
          json::array({"RS256"})})
        CHECK(verdict_of_header({{"alg", alg}, {"kid", "rsa-1"}}) == "algorithm_not_allowed");
}

TEST_CASE("HMAC with the public key as secret: PEM, DER, JWK") {
    unsigned char* der = nullptr;
    const int length = i2d_PUBKEY(rsa().pkey.get(), &der);
    const std::string der_text(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
    OPENSSL_free(der);
    const std::string pem =
        "-----BEGIN PUBLIC KEY-----\n" + base64(der_text) + "\n-----END PUBLIC KEY-----\n";
    for (const std::string& secret : {pem, der_text, jwk(rsa()).dump()})
        for (const char* alg : {"HS256", "HS384", "HS512"})
            CHECK(
                verdict(hmac_token({{"alg", alg}, {"kid", "rsa-1"}}, secret), github()) ==
                "algorithm_not_allowed"
            );
    // And under the name of an allowed algorithm.
    CHECK(
        verdict(hmac_token({{"alg", "RS256"}, {"kid", "rsa-1"}}, pem), github()) == "bad_signature"
    );
}

TEST_CASE("an RS256 header that names an EC key, and the reverse") {
    CHECK(
        verdict(
            token_of(
                rsa(), Algorithm::rs256, R"({"alg":"RS256","kid":"ec-1"})", github_claims().dump()
            ),
            github()
        ) == "key_mismatch"
    );
    IssuerConfig issuer = github();
    issuer.algorithms = {Algorithm::rs256, Algorithm::es256};
    CHECK(
        verdict(
            token_of(
                ec(), Algorithm::es256, R"({"alg":"ES256","kid":"rsa-1"})", github_claims().dump()
            ),
            issuer
        ) == "key_mismatch"
    );
}

TEST_CASE("signatures that are empty, zero, cut, padded or another token's") {
    const std::string good = token_of(rsa(), Algorithm::rs256, github_claims());
    const std::string signed_part = good.substr(0, good.rfind('.') + 1);
    const std::string signature = *base64url_decode(good.substr(good.rfind('.') + 1));
    const auto with = [&](const std::string& bytes) {
        return verdict(signed_part + base64url(bytes), github());
    };
    CHECK(with(signature) == "ok");
    CHECK(with("") == "bad_signature");
    CHECK(with(std::string(256, '\0')) == "bad_signature");
    CHECK(with(signature.substr(1)) == "bad_signature");
    CHECK(with(signature.substr(0, 255)) == "bad_signature");
    CHECK(with(std::string(1, '\0') + signature) == "bad_signature");
    CHECK(with(signature + std::string(1, '\0')) == "bad_signature");
    for (const std::size_t at : {0U, 1U, 128U, 255U}) {
        std::string flipped = signature;
        flipped[at] = static_cast<char>(flipped[at] ^ 1);
        CHECK(with(flipped) == "bad_signature");
    }
    json other = github_claims();
    other["repository_id"] = "666";
    const std::string theirs = token_of(rsa(), Algorithm::rs256, other);
    CHECK(verdict(signed_part + theirs.substr(theirs.rfind('.') + 1), github()) == "bad_signature");
    // Signed by another key of the same set than the one it names.
    CHECK(
        verdict(
            token_of(
                other_rsa(),
                Algorithm::rs256,
                header_of(rsa(), Algorithm::rs256).dump(),
                github_claims().dump()
            ),
            github()
        ) == "bad_signature"
    );
}

TEST_CASE("ECDSA: zero, DER, short, and numbers beyond the order") {
    IssuerConfig issuer = github();
    issuer.algorithms = {Algorithm::es256};
    const std::string good = token_of(ec(), Algorithm::es256, github_claims());
    const std::string signed_part = good.substr(0, good.rfind('.') + 1);
    const std::string signature = *base64url_decode(good.substr(good.rfind('.') + 1));
    const auto with = [&](const std::string& bytes) {
        return verdict(signed_part + base64url(bytes), issuer);
    };
    CHECK(with(signature) == "ok");
    CHECK(with(std::string(64, '\0')) == "bad_signature");
    CHECK(with(std::string(32, '\0') + signature.substr(32)) == "bad_signature");
    CHECK(with(signature.substr(0, 32) + std::string(32, '\0')) == "bad_signature");
    CHECK(with(std::string(64, '\xff')) == "bad_signature");
    CHECK(with(signature.substr(0, 63)) == "bad_signature");
    CHECK(with(signature + "x") == "bad_signature");
    // The order of P-256 for both: zero modulo n.
    const std::string n = *base64url_decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    REQUIRE(n.size() == 32);
    CHECK(with(n + n) == "bad_signature");
    // ASN.1, as OpenSSL writes it by default (and CVE-2022-21449's neighbours accept).
    const std::string der =
        "\x30\x44\x02\x20" + signature.substr(0, 32) + "\x02\x20" + signature.substr(32);
    CHECK(with(der) == "bad_signature");
}

TEST_CASE("PS256: a salt of another length is refused") {
    IssuerConfig issuer = github();
    issuer.algorithms = {Algorithm::ps256};
    const std::string signed_part =
        base64url(R"({"alg":"PS256","kid":"rsa-1"})") + "." + base64url(github_claims().dump());
    for (const int salt : {0, 20, 32, 64, RSA_PSS_SALTLEN_MAX}) {
        CAPTURE(salt);
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
            EVP_MD_CTX_new(), EVP_MD_CTX_free
        );
        EVP_PKEY_CTX* key_context = nullptr;
        REQUIRE(
            EVP_DigestSignInit(
                context.get(), &key_context, EVP_sha256(), nullptr, rsa().pkey.get()
            ) == 1
        );
        REQUIRE(EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1);
        REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, salt) == 1);
        std::string signature(256, '\0');
        std::size_t length = signature.size();
        REQUIRE(
            EVP_DigestSign(
                context.get(),
                reinterpret_cast<unsigned char*>(signature.data()),
                &length,
                reinterpret_cast<const unsigned char*>(signed_part.data()),
                signed_part.size()
            ) == 1
        );
        CHECK(
            verdict(signed_part + "." + base64url(signature), issuer) ==
            (salt == 32 ? "ok" : "bad_signature")
        );
    }
}

// ---- attacks through the header --------------------------------------------------------------------------------------

TEST_CASE("keys offered by the token itself are not looked at") {
    const Key attacker = make_key(KeyType::rsa, "rsa-1");  // imitates the kid, too
    json header = header_of(attacker, Algorithm::rs256);
    const json claims = github_claims();
    header["jwk"] = jwk(attacker);
    CHECK(
        verdict(token_of(attacker, Algorithm::rs256, header.dump(), claims.dump()), github()) ==
        "bad_signature"
    );
    for (const char* url :
         {"https://evil.example/jwks.json",
          "http://169.254.169.254/latest/meta-data/",
          "file:///etc/passwd"}) {
        for (const char* member : {"jku", "x5u"}) {
            json other = header_of(attacker, Algorithm::rs256);
            other[member] = url;
            CHECK(
                verdict(
                    token_of(attacker, Algorithm::rs256, other.dump(), claims.dump()), github()
                ) == "bad_signature"
            );
            // Ignored, not refused, in a token that is good without it.
            other = header_of(rsa(), Algorithm::rs256);
            other[member] = url;
            CHECK(verdict_of_header(other) == "ok");
        }
    }
    header = header_of(attacker, Algorithm::rs256);
    header["x5c"] = json::array({"MIIB"});
    header["x5t"] = "AAAA";
    CHECK(
        verdict(token_of(attacker, Algorithm::rs256, header.dump(), claims.dump()), github()) ==
        "bad_signature"
    );
}

TEST_CASE("the kid is a name in the set and nothing else") {
    const auto with_kid = [](const json& kid) {
        return verdict_of_header({{"alg", "RS256"}, {"kid", kid}});
    };
    for (const char* kid :
         {"../../../../dev/null",
          "/etc/passwd",
          "' OR '1'='1",
          "x' UNION SELECT 'key",
          "https://evil.example/key",
          "rsa-3",
          "RSA-1",
          "rsa-1 "})
        CHECK(with_kid(kid) == "unknown_kid");
    CHECK(with_kid("") == "bad_kid");
    CHECK(with_kid(1) == "bad_kid");
    CHECK(with_kid(nullptr) == "bad_kid");
    CHECK(with_kid(json::array({"rsa-1"})) == "bad_kid");
    CHECK(with_kid(std::string(513, 'k')) == "bad_kid");
    CHECK(with_kid(std::string(1 << 20, 'k')) == "token_too_large");
    CHECK(with_kid(std::string("rsa-1\0x", 7)) == "token_bad_header");
    CHECK(verdict_of_header({{"alg", "RS256"}}) == "bad_kid");
}

TEST_CASE("without a kid only when the set has exactly one usable key") {
    const std::string token =
        token_of(rsa(), Algorithm::rs256, R"({"alg":"RS256"})", github_claims().dump());
    json unusable = jwk(ec());
    unusable["use"] = "enc";
    CHECK(verdict(token, github(), issued, key_set({jwk(rsa())})) == "ok");
    CHECK(verdict(token, github(), issued, key_set({jwk(rsa()), unusable})) == "ok");
    CHECK(verdict(token, github(), issued, key_set({jwk(rsa()), jwk(ec())})) == "bad_kid");
    CHECK(verdict(token, github(), issued, {}) == "bad_kid");
}

TEST_CASE("another issuer's key does not help: each issuer has its own set") {
    const Key gitlab_key = make_key(KeyType::rsa, "gl-1");
    const std::string forged = token_of(gitlab_key, Algorithm::rs256, github_claims());
    CHECK(verdict(forged, github()) == "unknown_kid");
    CHECK(
        verdict(forged, github(), issued, key_set({jwk(gitlab_key)})) == "ok"
    );  // it is the set that decides
}

TEST_CASE("extensions that would change the meaning are refused") {
    const auto with = [](const char* member, const json& value) {
        json header = header_of(rsa(), Algorithm::rs256);
        header[member] = value;
        return verdict_of_header(header);
    };
    CHECK(with("crit", json::array({"exp"})) == "header_not_understood");
    CHECK(with("crit", json::array()) == "header_not_understood");
    CHECK(with("crit", "b64") == "header_not_understood");
    CHECK(with("b64", false) == "header_not_understood");
    CHECK(with("zip", "DEF") == "header_not_understood");
    CHECK(with("enc", "A256GCM") == "header_not_understood");
    CHECK(with("cty", "JWT") == "wrong_type");
    CHECK(with("cty", "jwt") == "wrong_type");
}

TEST_CASE("typ: absent, JWT, or what is configured; not our own session tokens") {
    const auto with = [](const json& typ) {
        return verdict_of_header({{"alg", "RS256"}, {"kid", "rsa-1"}, {"typ", typ}});
    };
    CHECK(verdict_of_header({{"alg", "RS256"}, {"kid", "rsa-1"}}) == "ok");
    for (const char* typ : {"JWT", "jwt", "application/jwt", "Application/JWT"})
        CHECK(with(typ) == "ok");
    for (const char* typ :
         {"at+jwt",
          "dbguard-session+jwt",
          "secevent+jwt",
          "JOSE",
          "",
          "application/application/jwt",
          "image/jwt"})
        CHECK(with(typ) == "wrong_type");
    CHECK(with(1) == "wrong_type");
    IssuerConfig spiffe = github();
    spiffe.types = {"JWT", "JOSE"};
    CHECK(verdict_of_header({{"alg", "RS256"}, {"kid", "rsa-1"}, {"typ", "JOSE"}}, spiffe) == "ok");
}

// ---- issuer ----------------------------------------------------------------------------------------------------------

TEST_CASE("the issuer is compared byte for byte") {
    const std::vector<IssuerConfig> configured = {gitlab(), github()};
    const auto chosen = [&](const json& iss) {
        json claims = github_claims();
        claims["iss"] = iss;
        const auto jwt = parse_jwt(token_of(rsa(), Algorithm::rs256, claims));
        REQUIRE(jwt.has_value());
        const auto issuer = choose_issuer(*jwt, configured);
        // verify() would refuse it as well.
        CHECK(verdict(claims, github()) == (issuer ? "ok" : "wrong_issuer"));
        return issuer ? (*issuer)->issuer : std::string(issuer.error().code);
    };
    CHECK(
        chosen("https://token.actions.githubusercontent.com") ==
        "https://token.actions.githubusercontent.com"
    );
    for (const char* iss : {
             "https://token.actions.githubusercontent.com/",
             "https://TOKEN.actions.githubusercontent.com",
             "HTTPS://token.actions.githubusercontent.com",
             "http://token.actions.githubusercontent.com",
             "https://token.actions.githubusercontent.com:443",
             "https://token.actions.githubusercontent.com@evil.example",
             "https://evil.example@token.actions.githubusercontent.com",
             "https://token.actions.githubusercontent.com.evil.example",
             "https://token.actions.githubusercontent.com/acme",
             "https://token.actions.githubusercontent.com?",
             "https://token.actions.githubusercontent.com#",
             "https://token.\xD0\xB0"
             "ctions.githubusercontent.com",  // Cyrillic а
             " https://token.actions.githubusercontent.com",
             "token.actions.githubusercontent.com",
             "",
         })
        CHECK_MESSAGE(chosen(iss) == "unknown_issuer", std::string(iss));
    CHECK(chosen(nullptr) == "unknown_issuer");
    CHECK(chosen(json::array({"https://token.actions.githubusercontent.com"})) == "unknown_issuer");
    json claims = github_claims();
    claims.erase("iss");
    CHECK(verdict(claims, github()) == "wrong_issuer");
}

TEST_CASE("GitHub's enterprise issuer and its plain one share keys and are not confused") {
    IssuerConfig enterprise = github();
    enterprise.issuer = "https://token.actions.githubusercontent.com/acme";
    CHECK(verdict(github_claims(), enterprise) == "wrong_issuer");
    json claims = github_claims();
    claims["iss"] = enterprise.issuer;
    CHECK(verdict(claims, enterprise) == "ok");
    CHECK(verdict(claims, github()) == "wrong_issuer");
    claims["iss"] = "https://token.actions.githubusercontent.com/evil";
    CHECK(verdict(claims, enterprise) == "wrong_issuer");
}

TEST_CASE("a tenant of a shared issuer can be pinned") {
    IssuerConfig pinned = github();
    pinned.required_claims.push_back({"repository_owner_id", ClaimKind::string, {"4821", "4822"}});
    CHECK(verdict(github_claims(), pinned) == "ok");
    json claims = github_claims();
    claims["repository_owner_id"] = "4823";
    CHECK(verdict(claims, pinned) == "wrong_claim");
}

// ---- audience --------------------------------------------------------------------------------------------------------

TEST_CASE("the audience: one of ours, exactly, and nobody else's") {
    const auto with = [](const json& aud) {
        return github_with([&](json& claims) { claims["aud"] = aud; });
    };
    CHECK(with(our_audience) == "ok");
    CHECK(with(json::array({our_audience})) == "ok");
    CHECK(with(json::array({our_audience, our_audience})) == "ok");
    CHECK(with(json::array({our_audience, "https://other.example"})) == "other_audiences");
    CHECK(with(json::array({"https://other.example", our_audience})) == "other_audiences");
    CHECK(with(json::array()) == "wrong_audience");
    CHECK(with(json::object({{our_audience, true}})) == "wrong_audience");
    CHECK(with(json::array({our_audience, 1})) == "wrong_audience");
    CHECK(with(json::array({json::array({our_audience})})) == "wrong_audience");
    CHECK(with(nullptr) == "wrong_audience");
    CHECK(with(true) == "wrong_audience");
    CHECK(with("") == "wrong_audience");
    for (const char* aud :
         {"https://guard.acme.example/",
          "https://guard.acme",
          "https://GUARD.acme.example",
          "https://guard.acme.example ",
          "https://guard.acme.example,https://other.example",
          "https://guard.acme.example https://other.example",
          "guard.acme.example",
          "https://guard.acme.example.evil.example",
          "https://github.com/acme",
          "api://AzureADTokenExchange",
          "https://kubernetes.default.svc"})
        CHECK_MESSAGE(with(aud) == "wrong_audience", std::string(aud));
    CHECK(github_with([](json& claims) { claims.erase("aud"); }) == "wrong_audience");
}

TEST_CASE("several audiences where the issuer is configured for them") {
    IssuerConfig issuer = github();
    issuer.audiences = {"https://new.example", our_audience};
    json claims = github_claims();
    claims["aud"] = json::array({our_audience, "https://new.example"});
    CHECK(verdict(claims, issuer) == "ok");
    claims["aud"] = json::array({"https://other.example", our_audience});
    CHECK(verdict(claims, issuer) == "other_audiences");
    issuer.allow_other_audiences = true;
    CHECK(verdict(claims, issuer) == "ok");
    const auto identity =
        verify(token_of(rsa(), Algorithm::rs256, claims), issuer, keys(), at(issued));
    CHECK(identity->audience == our_audience);
}

TEST_CASE("azp is compared when present and configured") {
    json claims = generic_claims();
    claims["azp"] = "client-1";
    IssuerConfig issuer = generic();
    CHECK(verdict(claims, issuer) == "ok");
    issuer.authorized_parties = {"client-1"};
    CHECK(verdict(claims, issuer) == "ok");
    CHECK(verdict(generic_claims(), issuer) == "ok");
    claims["azp"] = "client-2";
    CHECK(verdict(claims, issuer) == "wrong_authorized_party");
    claims["azp"] = json::array({"client-1"});
    CHECK(verdict(claims, issuer) == "wrong_authorized_party");
}

// ---- time ------------------------------------------------------------------------------------------------------------

TEST_CASE("exp is required and sane") {
    CHECK(github_with([](json& claims) { claims.erase("exp"); }) == "bad_time");
    for (const json& exp :
         {json("1780000300"),
          json(nullptr),
          json(true),
          json(-1),
          json(0),
          json(1e300),
          json(1780000300000),
          json::array({issued + 300})})
        CHECK_MESSAGE(
            github_with([&](json& claims) { claims["exp"] = exp; }) == "bad_time", exp.dump()
        );
    const std::string exp = "\"exp\":" + std::to_string(issued + 300);
    CHECK(verdict_of_text(exp, "\"exp\":NaN") == "token_bad_claims");
    CHECK(verdict_of_text(exp, "\"exp\":Infinity") == "token_bad_claims");
    CHECK(verdict_of_text(exp, "\"exp\":1e999") == "token_bad_claims");
    CHECK(verdict_of_text(exp, "\"exp\":99999999999999999999999") == "bad_time");
    CHECK(verdict_of_text(exp, exp + ".75") == "ok");
}

TEST_CASE("exp, nbf and iat with a minute of leeway") {
    CHECK(verdict(github_claims(), github(), issued + 300 + 59) == "ok");
    CHECK(verdict(github_claims(), github(), issued + 300 + 60) == "expired");
    CHECK(verdict(github_claims(), github(), issued - 60) == "ok");  // GitHub's clock runs ahead
    CHECK(verdict(github_claims(), github(), issued - 61) == "not_yet_valid");
    const auto nbf = [](std::int64_t ahead) {
        return github_with([&](json& claims) { claims["nbf"] = issued + 10 + ahead; });
    };
    CHECK(nbf(60) == "ok");
    CHECK(nbf(61) == "not_yet_valid");
    const auto iat = [](std::int64_t ahead) {
        return github_with([&](json& claims) { claims["iat"] = issued + 10 + ahead; });
    };
    CHECK(iat(60) == "ok");
    CHECK(iat(61) == "not_yet_valid");
    CHECK(iat(1'000'000) == "not_yet_valid");
    CHECK(github_with([](json& claims) { claims["nbf"] = "soon"; }) == "bad_time");
    CHECK(github_with([](json& claims) { claims["iat"] = "today"; }) == "bad_time");
    CHECK(github_with([](json& claims) { claims["nbf"] = nullptr; }) == "bad_time");
}

TEST_CASE("nbf may lie far behind iat, or be absent") {
    CHECK(github_with([](json& claims) { claims["nbf"] = issued - 86400; }) == "ok");
    CHECK(github_with([](json& claims) { claims.erase("nbf"); }) == "ok");
}

TEST_CASE("age and lifetime are bounded by issuer") {
    CHECK(github_with([](json& claims) { claims["iat"] = issued - 86400; }) == "lifetime_too_long");
    CHECK(github_with([](json& claims) { claims["exp"] = issued + 86400; }) == "lifetime_too_long");
    CHECK(
        github_with(
            [](json& claims) {
                claims["iat"] = issued + 301;
                claims["exp"] = issued + 300;
            },
            issued + 300
        ) == "bad_time"
    );
    CHECK(github_with([](json& claims) { claims.erase("iat"); }) == "bad_time");

    IssuerConfig strict = github();
    strict.max_age = 120s;  // Azure DevOps: anybody with its audience could replay
    CHECK(verdict(github_claims(), strict, issued + 120 + 60) == "ok");
    CHECK(verdict(github_claims(), strict, issued + 120 + 61) == "too_old");

    IssuerConfig ageless = generic();
    ageless.max_age = 0s;
    json claims = generic_claims();
    claims.erase("iat");
    CHECK(verdict(claims, ageless) == "ok");
    claims["exp"] = issued + 86400;
    CHECK(verdict(claims, ageless) == "lifetime_too_long");
}

TEST_CASE("GitLab's job tokens may be an hour old") {
    CHECK(verdict(gitlab_claims(), gitlab(), issued + 3599) == "ok");
    CHECK(verdict(gitlab_claims(), gitlab(), issued + 3660) == "expired");
}

// ---- subject, jti, required claims -----------------------------------------------------------------------------------

TEST_CASE("sub is there, bounded and printable; nothing is authorised on it") {
    const auto with = [](const json& sub) {
        return github_with([&](json& claims) { claims["sub"] = sub; });
    };
    CHECK(github_with([](json& claims) { claims.erase("sub"); }) == "bad_subject");
    CHECK(with("") == "bad_subject");
    CHECK(with(1) == "bad_subject");
    CHECK(with(std::string(1025, 's')) == "bad_subject");
    CHECK(with("repo:acme/shop\n::error::x") == "bad_subject");
    // The four shapes, a customised one, an environment with a colon, and one that imitates another repository.
    for (const char* sub :
         {"repo:acme/shop:ref:refs/heads/main",
          "repo:acme-4821/shop-990017:ref:refs/heads/main",
          "repo:acme@4821/shop@990017:ref:refs/heads/main",
          "repository_owner_id:4821:context:x",
          "repo:acme/shop:environment:prod%3Aref:refs/heads/main",
          "repo:acme/shop:environment:prod:ref:refs/heads/main",
          "repo:acme/shop:pull_request",
          "repo:evil/evil:ref:refs/heads/main"}) {
        CHECK(with(sub) == "ok");
        json claims = github_claims();
        claims["sub"] = sub;
        const auto identity =
            verify(token_of(rsa(), Algorithm::rs256, claims), github(), keys(), at(issued));
        CHECK(matches(*identity, {{"repository_id", {"990017"}}}));
    }
}

TEST_CASE("a renamed repository stays itself, a recycled name does not") {
    json renamed = github_claims();
    renamed["repository"] = "acme/store";
    json recycled = github_claims();
    recycled["repository_id"] = "1200000";
    const auto admitted = [](const json& claims) {
        const auto identity =
            verify(token_of(rsa(), Algorithm::rs256, claims), github(), keys(), at(issued));
        return matches(identity.value(), {{"repository_id", {"990017"}}, {"event_name", {"push"}}});
    };
    CHECK(admitted(renamed));
    CHECK_FALSE(admitted(recycled));
}

TEST_CASE("jti: a bounded string, required where the platform has it, else a digest") {
    const auto with = [](const json& jti) {
        return github_with([&](json& claims) { claims["jti"] = jti; });
    };
    CHECK(with("") == "bad_token_id");
    CHECK(with(7) == "bad_token_id");
    CHECK(with(std::string(513, 'j')) == "bad_token_id");
    CHECK(with("a\x01") == "bad_token_id");
    CHECK(github_with([](json& claims) { claims.erase("jti"); }) == "missing_claim");

    json claims = generic_claims();
    claims.erase("jti");
    const std::string token = token_of(rsa(), Algorithm::rs256, claims);
    const auto identity = verify(token, generic(), keys(), at(issued));
    REQUIRE(identity.has_value());
    CHECK(identity->token_id == "sha256:" + hex(sha256(token.substr(0, token.rfind('.')))));
}

TEST_CASE("a missing claim is a denial and never a wildcard") {
    for (const char* name :
         {"repository_id", "repository_owner_id", "event_name", "run_id", "run_attempt"}) {
        CAPTURE(name);
        CHECK(github_with([&](json& claims) { claims.erase(name); }) == "missing_claim");
        CHECK(github_with([&](json& claims) { claims[name] = ""; }) == "wrong_claim");
        CHECK(github_with([&](json& claims) { claims[name] = 990017; }) == "wrong_claim");
        CHECK(github_with([&](json& claims) { claims[name] = nullptr; }) == "wrong_claim");
        CHECK(github_with([&](json& claims) {
                  claims[name] = json::array({"990017"});
              }) == "wrong_claim");
    }
    for (const char* name :
         {"project_id",
          "namespace_id",
          "pipeline_id",
          "job_id",
          "pipeline_source",
          "ref",
          "ref_type",
          "ref_protected"}) {
        CAPTURE(name);
        CHECK(gitlab_with([&](json& claims) { claims.erase(name); }) == "missing_claim");
        CHECK(gitlab_with([&](json& claims) { claims[name] = 20; }) == "wrong_claim");
    }
}

TEST_CASE("claims of another JSON type do not match what a policy names") {
    json claims = generic_claims();
    claims["id"] = "1";
    claims["fraction"] = 1.5;
    claims["nested"] = json::object({{"id", "1"}});
    claims["mixed"] = json::array({"1", 1});
    claims["groups"] = json::array({"dba", "dev"});
    claims["flag"] = true;
    const auto identity =
        verify(token_of(rsa(), Algorithm::rs256, claims), generic(), keys(), at(issued));
    REQUIRE(identity.has_value());
    CHECK(matches(*identity, {{"id", {"2", "1"}}}));
    CHECK(matches(*identity, {{"groups", {"dba"}}}));
    CHECK(matches(*identity, {{"flag", {"true"}}}));
    CHECK_FALSE(matches(*identity, {{"id", {"1"}}, {"groups", {"ops"}}}));
    CHECK_FALSE(matches(*identity, {{"fraction", {"1.5"}}}));
    CHECK_FALSE(matches(*identity, {{"nested", {"1"}}}));
    CHECK_FALSE(matches(*identity, {{"mixed", {"1"}}}));
    CHECK_FALSE(matches(*identity, {{"absent", {""}}}));
    CHECK_FALSE(matches(*identity, {}));
    CHECK_FALSE(identity->claim("groups").has_value());
}

// ---- platforms -------------------------------------------------------------------------------------------------------

TEST_CASE("GitHub: events that outsiders can steer need to be named by the policy") {
    const auto cautions = [](const char* event) {
        json claims = github_claims();
        claims["event_name"] = event;
        return verify(token_of(rsa(), Algorithm::rs256, claims), github(), keys(), at(issued))
            .value();
    };
    for (const char* event :
         {"pull_request_target",
          "workflow_run",
          "issue_comment",
          "issues",
          "discussion",
          "discussion_comment",
          "fork",
          "watch",
          "gollum"}) {
        CAPTURE(event);
        const Identity identity = cautions(event);
        const Caution expected{caution::untrusted_event, "event_name", event};
        CHECK(unnamed(identity, {{"repository_id", {"990017"}}}) == expected);
        CHECK(unnamed(identity, {{"event_name", {"push"}}}) == expected);
        CHECK_FALSE(unnamed(identity, {{"event_name", {"push", event}}}).has_value());
    }
    for (const char* event :
         {"push", "pull_request", "workflow_dispatch", "schedule", "merge_group", "release"})
        CHECK_FALSE(unnamed(cautions(event), {}).has_value());
}

TEST_CASE("GitLab: a fork's pipeline is not the project's") {
    CHECK(gitlab_with([](json& claims) { claims["job_project_id"] = "21"; }) == "foreign_project");
    CHECK(gitlab_with([](json& claims) { claims["project_id"] = "21"; }) == "foreign_project");
    CHECK(gitlab_with([](json& claims) {
              claims["source_project_id"] = "21";
          }) == "foreign_project");
    CHECK(gitlab_with([](json& claims) { claims["source_project_id"] = "20"; }) == "ok");
    CHECK(gitlab_with([](json& claims) { claims.erase("job_project_id"); }) == "missing_claim");
    CHECK(gitlab_with([](json& claims) { claims["job_project_id"] = 20; }) == "wrong_claim");
    CHECK(gitlab_with([](json& claims) { claims["job_project_id"] = nullptr; }) == "wrong_claim");

    IssuerConfig old = gitlab();
    old.gitlab_before_18_3 = true;
    json claims = gitlab_claims();
    claims.erase("job_project_id");
    CHECK(verdict(claims, old) == "ok");
    claims["job_project_id"] = "21";
    CHECK(verdict(claims, old) == "foreign_project");
}

TEST_CASE("GitLab: merge request pipelines need to be named, protected refs are told") {
    json claims = gitlab_claims();
    claims["pipeline_source"] = "merge_request_event";
    claims["ref_protected"] = "false";
    const auto identity =
        verify(token_of(rsa(), Algorithm::rs256, claims), gitlab(), keys(), at(issued));
    REQUIRE(identity.has_value());
    CHECK(identity->ref_protected() == false);
    CHECK(
        unnamed(*identity, {{"project_id", {"20"}}}) ==
        Caution{caution::merge_request, "pipeline_source", "merge_request_event"}
    );
    CHECK_FALSE(unnamed(*identity, {{"pipeline_source", {"merge_request_event"}}}).has_value());
    for (const json& value : {json("TRUE"), json("yes"), json(true)})
        CHECK(gitlab_with([&](json& other) { other["ref_protected"] = value; }) == "wrong_claim");
}

TEST_CASE("generic issuers: shapes and traps of other platforms") {
    const auto shaped = [](const json& changes) {
        json claims = generic_claims();
        for (const auto& [name, value] : changes.items()) {
            if (value.is_null())
                claims.erase(name);
            else
                claims[name] = value;
        }
        return claims;
    };
    SUBCASE("a shell behind the job (CircleCI's ssh-rerun) and a foreign origin are pinned away") {
        IssuerConfig circle = generic();
        circle.required_claims = {
            {"oidc.circleci.com/org-id", ClaimKind::string, {"o-1"}},
            {"oidc.circleci.com/ssh-rerun", ClaimKind::boolean, {"false"}},
            {"oidc.circleci.com/vcs-origin", ClaimKind::string, {"github.com/acme/shop"}},
        };
        circle.job_claim = "oidc.circleci.com/job-id";
        const json good = {
            {"oidc.circleci.com/org-id", "o-1"},
            {"oidc.circleci.com/ssh-rerun", false},
            {"oidc.circleci.com/vcs-origin", "github.com/acme/shop"},
            {"oidc.circleci.com/job-id", "j-77"},
        };
        CHECK(verdict(shaped(good), circle) == "ok");
        const auto identity =
            verify(token_of(rsa(), Algorithm::rs256, shaped(good)), circle, keys(), at(issued));
        CHECK(identity->job_id == "j-77");
        const auto with = [&](const char* name, const json& value) {
            json changed = good;
            changed[name] = value;
            return verdict(shaped(changed), circle);
        };
        CHECK(with("oidc.circleci.com/ssh-rerun", true) == "wrong_claim");
        CHECK(with("oidc.circleci.com/ssh-rerun", "false") == "wrong_claim");
        CHECK(with("oidc.circleci.com/ssh-rerun", nullptr) == "missing_claim");
        CHECK(with("oidc.circleci.com/vcs-origin", "github.com/eve/shop") == "wrong_claim");
        CHECK(with("oidc.circleci.com/vcs-origin", nullptr) == "missing_claim");
        CHECK(with("oidc.circleci.com/org-id", "o-2") == "wrong_claim");
        CHECK(with("oidc.circleci.com/job-id", nullptr) == "missing_claim");
        CHECK(with("oidc.circleci.com/job-id", json::array({"j"})) == "missing_claim");
    }
    SUBCASE("Kubernetes: an array of one, nested claims; the API server's audience is not ours") {
        const json kubernetes = {
            {"kubernetes.io", {{"namespace", "ci"}, {"pod", {{"name", "p"}}}}}};
        json claims = shaped(kubernetes);
        claims["aud"] = json::array({our_audience});
        CHECK(verdict(claims, generic()) == "ok");
        claims["aud"] = json::array({"https://kubernetes.default.svc", our_audience});
        CHECK(verdict(claims, generic()) == "other_audiences");
        claims["aud"] = json::array({"https://kubernetes.default.svc"});
        CHECK(verdict(claims, generic()) == "wrong_audience");
    }
    SUBCASE("SPIFFE: no iat, nbf or jti") {
        IssuerConfig spiffe = generic();
        spiffe.max_age = 0s;
        CHECK(verdict(shaped({{"iat", nullptr}, {"jti", nullptr}}), spiffe) == "ok");
        CHECK(verdict(shaped({{"iat", nullptr}, {"exp", nullptr}}), spiffe) == "bad_time");
    }
    SUBCASE("Azure DevOps: a token that any recipient of its fixed audience could replay") {
        IssuerConfig azure = generic();
        azure.audiences = {"api://AzureADTokenExchange"};
        CHECK_FALSE(check(azure).has_value()
        );  // not without another way to tell who it was made for
    }
}

TEST_CASE("one platform's token under another's profile lacks what it needs") {
    IssuerConfig issuer = gitlab();
    issuer.issuer = github().issuer;
    CHECK(verdict(github_claims(), issuer) == "missing_claim");
}

// ---- what comes before any of it -------------------------------------------------------------------------------------

TEST_CASE("no claim is believed before the signature holds") {
    json claims = github_claims();
    claims["exp"] = 1;
    claims["aud"] = "nobody";
    std::string token = token_of(rsa(), Algorithm::rs256, claims);
    token[token.size() - 10] = token[token.size() - 10] == 'A' ? 'B' : 'A';
    CHECK(verdict(token, github()) == "bad_signature");
}

TEST_CASE("details hold no values of the token") {
    const json good = github_claims();
    for (const auto& [name, value] : good.items()) {
        json claims = github_claims();
        claims[name] = "SECRETVALUE";
        const auto result =
            verify(token_of(rsa(), Algorithm::rs256, claims), github(), keys(), at(issued));
        if (!result) CHECK(result.error().text().find("SECRETVALUE") == std::string::npos);
    }
}

TEST_CASE("what people read cannot carry control characters") {
    json claims = github_claims();
    claims["ref"] = "refs/heads/x\x1b[2J\n::error::";
    const auto identity =
        verify(token_of(rsa(), Algorithm::rs256, claims), github(), keys(), at(issued));
    REQUIRE(identity.has_value());
    CHECK(identity->summary() == "acme/shop run 7781 (push refs/heads/x?[2J?::error::)");
}
