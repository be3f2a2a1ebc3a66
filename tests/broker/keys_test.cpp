#include "broker/keys.hpp"

#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"

namespace dbguard::broker {
namespace {

using identity::Time;
using std::chrono::seconds;

const std::string issuer_url = "https://issuer.example";

struct Key {
    explicit Key(std::string id) : id(std::move(id)), key(EVP_RSA_gen(2048), EVP_PKEY_free) {}
    nlohmann::json jwk() const {
        const auto number = [this](const char* name) {
            BIGNUM* value = nullptr;
            EVP_PKEY_get_bn_param(key.get(), name, &value);
            std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
            BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
            BN_free(value);
            return base64url(bytes);
        };
        return {{"kty", "RSA"}, {"use", "sig"}, {"alg", "RS256"}, {"kid", id}, {"n", number(OSSL_PKEY_PARAM_RSA_N)}, {"e", number(OSSL_PKEY_PARAM_RSA_E)}};
    }
    std::string token(Time now) const {
        const nlohmann::json header = {{"alg", "RS256"}, {"kid", id}};
        const auto at = now.time_since_epoch().count();
        const nlohmann::json claims = {{"iss", issuer_url}, {"aud", "us"}, {"sub", "s"}, {"iat", at}, {"exp", at + 300}, {"jti", "1"}};
        const std::string text = base64url(header.dump()) + "." + base64url(claims.dump());
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        std::size_t size = 256;
        std::string signature(size, '\0');
        EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key.get());
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, reinterpret_cast<const unsigned char*>(text.data()), text.size());
        EVP_MD_CTX_free(context);
        return text + "." + base64url(signature);
    }
    std::string id;
    std::shared_ptr<EVP_PKEY> key;
};

/// An issuer on the other side of a scripted client: counts what it is asked.
struct FakeIssuer {
    std::vector<nlohmann::json> keys;
    std::atomic<int> fetches = 0;
    std::atomic<bool> down = false;
    std::chrono::milliseconds delay{0};

    struct Client final : net::HttpClient {
        explicit Client(FakeIssuer& issuer) : issuer(issuer) {}
        Result<net::ClientResponse> send(const net::ClientRequest& request) override {
            std::this_thread::sleep_for(issuer.delay);
            if (issuer.down) return Error{net::http_error::unreachable, "issuer.example: refused"};
            net::ClientResponse response;
            response.status = 200;
            response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "max-age=600"}};
            if (request.url == issuer_url + "/.well-known/openid-configuration") {
                response.body = nlohmann::json{{"issuer", issuer_url}, {"jwks_uri", issuer_url + "/jwks"}}.dump();
            } else {
                ++issuer.fetches;
                response.body = nlohmann::json{{"keys", issuer.keys}}.dump();
            }
            return response;
        }
        FakeIssuer& issuer;
    };
};

struct Fixture {
    Fixture() {
        Issuer issuer;
        issuer.settings.name = "test";
        issuer.settings.rules = identity::issuer_defaults(identity::Profile::generic, issuer_url);
        issuer.settings.rules.audiences = {"us"};
        auto made = IssuerKeys::make({issuer}, [this](const Issuer&) { return std::make_unique<FakeIssuer::Client>(fake); }, {});
        REQUIRE(made.has_value());
        keys = std::move(*made);
    }
    std::string verify(const Key& key) {
        const auto result = keys->verify(key.token(now), [this] { return now; });
        return result ? "good" : std::string(result.error().code);
    }
    FakeIssuer fake;
    std::unique_ptr<IssuerKeys> keys;
    Time now{seconds(1'800'000'000)};
};

TEST_CASE("keys are fetched once and used until they are stale") {
    Fixture f;
    const Key key("a");
    f.fake.keys = {key.jwk()};
    for (int i = 0; i < 5; ++i) CHECK(f.verify(key) == "good");
    CHECK(f.fake.fetches == 1);
    f.now += seconds(700);  // past max-age
    CHECK(f.verify(key) == "good");
    CHECK(f.fake.fetches >= 1);
}

TEST_CASE("a new key is asked for once in a while, whatever tokens come") {
    Fixture f;
    const Key old("old"), fresh("fresh"), forged("forged");
    f.fake.keys = {old.jwk()};
    CHECK(f.verify(old) == "good");
    f.fake.keys = {fresh.jwk(), old.jwk()};
    CHECK(f.verify(fresh) == "unknown_kid");  // too soon after the last fetch
    f.now += seconds(31);
    CHECK(f.verify(fresh) == "good");
    CHECK(f.fake.fetches == 2);
    for (int i = 0; i < 20; ++i) CHECK(f.verify(forged) == "unknown_kid");
    CHECK(f.fake.fetches == 2);
    CHECK(f.verify(old) == "good");
}

TEST_CASE("a key id that another issuer has names nothing here") {
    FakeIssuer ours, theirs;
    const Key key("a"), foreign("b");
    ours.keys = {key.jwk()};
    theirs.keys = {foreign.jwk()};
    Issuer first, second;
    first.settings.name = "first";
    first.settings.rules = identity::issuer_defaults(identity::Profile::generic, issuer_url);
    first.settings.rules.audiences = {"us"};
    second = first;
    second.settings.name = "second";
    second.settings.rules.issuer = "https://other.example";
    auto made = IssuerKeys::make({first, second}, [&](const Issuer& issuer) { return std::make_unique<FakeIssuer::Client>(issuer.settings.name == "first" ? ours : theirs); }, {});
    REQUIRE(made.has_value());
    const Time now{seconds(1'800'000'000)};
    const auto verdict = [&](const Key& with) {
        const auto result = (*made)->verify(with.token(now), [&] { return now; });
        return result ? "good" : std::string(result.error().code);
    };
    CHECK(verdict(key) == "good");
    CHECK(verdict(foreign) == "unknown_kid");  // signed by the other issuer's key, in the name of this one
    CHECK(theirs.fetches == 0);
}

TEST_CASE("another configuration takes over the keys of an issuer that stayed as it was") {
    Fixture f;
    const Key key("a");
    f.fake.keys = {key.jwk()};
    CHECK(f.verify(key) == "good");
    f.fake.down = true;
    Issuer same;
    same.settings.name = "test";
    same.settings.rules = identity::issuer_defaults(identity::Profile::generic, issuer_url);
    same.settings.rules.audiences = {"us"};
    Issuer other = same;
    other.settings.rules.max_age = seconds(60);
    const auto clients = [&](const Issuer&) { return std::make_unique<FakeIssuer::Client>(f.fake); };
    auto changed = IssuerKeys::make({other}, clients, {}, f.keys.get());
    auto kept = IssuerKeys::make({same}, clients, {}, f.keys.get());
    REQUIRE(changed.has_value());
    REQUIRE(kept.has_value());
    f.keys = std::move(*changed);
    CHECK(f.verify(key) == "keys_unavailable");
    f.keys = std::move(*kept);
    CHECK(f.verify(key) == "good");
}

TEST_CASE("a failing issuer leaves good keys in place, and its absence at the start is told apart") {
    Fixture f;
    const Key key("a");
    f.fake.keys = {key.jwk()};
    f.fake.down = true;
    CHECK(f.verify(key) == errc::keys_unavailable);
    f.fake.down = false;
    CHECK(f.verify(key) == errc::keys_unavailable);  // it is not asked again at once
    f.now += seconds(11);
    CHECK(f.verify(key) == "good");
    f.fake.down = true;
    f.now += seconds(700);
    CHECK(f.verify(key) == "good");
    f.now += seconds(2 * 86400);
    CHECK(f.verify(key) == errc::keys_unavailable);
}

TEST_CASE("many tokens at once cause one fetch") {
    Fixture f;
    const Key key("a");
    f.fake.keys = {key.jwk()};
    f.fake.delay = std::chrono::milliseconds(50);
    const auto token = key.token(f.now);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] { good += f.keys->verify(token, [&] { return f.now; }).has_value(); });
    for (auto& thread : threads) thread.join();
    CHECK(good == 8);
    CHECK(f.fake.fetches == 1);
}

TEST_CASE("an issuer that is not configured causes no traffic") {
    Fixture f;
    const std::string token = base64url(R"({"alg":"RS256"})") + "." + base64url(R"({"iss":"https://issuer.example/"})") + ".AAAA";
    CHECK(f.keys->verify(token, [&] { return f.now; }).error().code == identity::verify_error::unknown_issuer);
    CHECK(f.fake.fetches == 0);
}

}  // namespace
}  // namespace dbguard::broker
