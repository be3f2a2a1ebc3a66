// dbguard_test_issuer: stands in for a CI platform's token service on loopback. It signs whatever it is asked to sign, so it must
// never be trusted by anything but a test or scripts/demo, for which it makes its own key and certificate at each start.
//
//   GET  /.well-known/openid-configuration      discovery, and /jwks: the keys
//   GET  /token?…&audience=A                    a token shaped like GitHub Actions' (Bearer: the request token) → {"value": …}
//   POST /mint                                  {"shape":"github"|"gitlab","claims":{…},"header":{…},"lifetime":N} → {"value": …}
//   POST /control                               {"mode": "normal"|"error"|"redirect"|"garbage"|"slow"|"empty", "rotate": true}
//
// A claim or header member of null is left out. `mode` is how discovery and keys answer from then on.

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "net/dev_certificate.hpp"
#include "net/http_server.hpp"

namespace {

using dbguard::base64url;
using dbguard::net::HttpRequest;
using dbguard::net::HttpResponse;
using nlohmann::json;

struct KeyDelete {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

/// An RSA key with its `kid`.
class SigningKey {
  public:
    SigningKey() : key_(EVP_RSA_gen(2048)), id_(dbguard::random_id("k_", 8)) {
        if (!key_) throw std::runtime_error("no RSA key");
    }
    const std::string& id() const { return id_; }

    json jwk() const {
        const auto number = [this](const char* name) {
            BIGNUM* value = nullptr;
            EVP_PKEY_get_bn_param(key_.get(), name, &value);
            std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
            BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
            BN_free(value);
            return base64url(bytes);
        };
        return {{"kty", "RSA"}, {"use", "sig"}, {"alg", "RS256"}, {"kid", id_}, {"n", number(OSSL_PKEY_PARAM_RSA_N)}, {"e", number(OSSL_PKEY_PARAM_RSA_E)}};
    }

    std::string sign(const std::string& text) const {
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        std::size_t size = 0;
        EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get());
        const auto* data = reinterpret_cast<const unsigned char*>(text.data());
        EVP_DigestSign(context, nullptr, &size, data, text.size());
        std::string signature(size, '\0');
        const int done = EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, data, text.size());
        EVP_MD_CTX_free(context);
        if (done != 1) throw std::runtime_error("signing failed");
        signature.resize(size);
        return signature;
    }

  private:
    std::unique_ptr<EVP_PKEY, KeyDelete> key_;
    std::string id_;
};

/// Overlays `changes` on `object`; null removes.
void overlay(json& object, const json& changes) {
    for (const auto& [name, value] : changes.items()) {
        if (value.is_null()) object.erase(name);
        else object[name] = value;
    }
}

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Source: GitHub's documentation, "OpenID Connect reference"; nbf lies ten minutes back in its example.
json github_claims(const std::string& issuer) {
    const auto now = now_s();
    return {
        {"iss", issuer}, {"iat", now}, {"nbf", now - 600}, {"exp", now + 300}, {"jti", dbguard::hex(dbguard::random_bytes(16))},
        {"sub", "repo:acme/shop:ref:refs/heads/main"}, {"repository", "acme/shop"}, {"repository_id", "990017"},
        {"repository_owner", "acme"}, {"repository_owner_id", "4821"}, {"repository_visibility", "private"},
        {"run_id", "7781"}, {"run_number", "12"}, {"run_attempt", "1"}, {"actor", "dana"}, {"actor_id", "31337"},
        {"event_name", "push"}, {"ref", "refs/heads/main"}, {"ref_type", "branch"}, {"ref_protected", "true"},
        {"sha", "3f5c1d2e4b6a79880123456789abcdef01234567"}, {"head_ref", ""}, {"base_ref", ""},
        {"workflow", "checks"}, {"workflow_ref", "acme/shop/.github/workflows/checks.yml@refs/heads/main"},
        {"workflow_sha", "3f5c1d2e4b6a79880123456789abcdef01234567"},
        {"job_workflow_ref", "acme/shop/.github/workflows/checks.yml@refs/heads/main"},
        {"job_workflow_sha", "3f5c1d2e4b6a79880123456789abcdef01234567"}, {"runner_environment", "github-hosted"},
    };
}

/// Source: GitLab's documentation, "OpenID Connect (OIDC) Authentication Using ID Tokens"; booleans are strings.
json gitlab_claims(const std::string& issuer) {
    const auto now = now_s();
    return {
        {"iss", issuer}, {"iat", now}, {"nbf", now - 5}, {"exp", now + 3600}, {"jti", dbguard::hex(dbguard::random_bytes(16))},
        {"sub", "project_path:acme/shop:ref_type:branch:ref:main"}, {"namespace_id", "72"}, {"namespace_path", "acme"},
        {"project_id", "20"}, {"project_path", "acme/shop"}, {"job_project_id", "20"}, {"job_project_path", "acme/shop"},
        {"job_namespace_id", "72"}, {"job_namespace_path", "acme"}, {"user_id", "1"}, {"user_login", "dana"},
        {"user_email", "dana@acme.example"}, {"pipeline_id", "574"}, {"pipeline_source", "push"}, {"job_id", "302"},
        {"ref", "main"}, {"ref_type", "branch"}, {"ref_path", "refs/heads/main"}, {"ref_protected", "true"},
        {"runner_id", 1}, {"runner_environment", "self-hosted"}, {"sha", "714a629c0b401fdce83e847fc9589983fc6f46bc"},
        {"project_visibility", "private"}, {"ci_config_ref_uri", "gitlab.acme.example/acme/shop//.gitlab-ci.yml@refs/heads/main"},
    };
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto pair = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        const auto equals = pair.find('=');
        if (equals != std::string_view::npos && pair.substr(0, equals) == name) return dbguard::percent_decode(pair.substr(equals + 1));
    }
    return {};
}

HttpResponse answer(int status, const json& body) { return {status, {{"Content-Type", "application/json"}}, body.dump()}; }

class StandInIssuer {
  public:
    explicit StandInIssuer(json overrides) : overrides_(std::move(overrides)) { keys_.push_back(std::make_unique<SigningKey>()); }

    void set_url(std::string url) { url_ = std::move(url); }
    const std::string& request_token() const { return request_token_; }

    HttpResponse respond(const HttpRequest& request) {
        const std::lock_guard lock(mutex_);
        if (request.path == "/.well-known/openid-configuration")
            return keys_or_worse({{"issuer", url_}, {"jwks_uri", url_ + "/jwks"}, {"id_token_signing_alg_values_supported", {"RS256"}}});
        if (request.path == "/jwks") {
            json keys = json::array();
            for (const auto& key : keys_) keys.push_back(key->jwk());
            return keys_or_worse({{"keys", keys}});
        }
        if (request.path == "/token") return token(request);
        if (request.path == "/mint" && request.method == "POST") return mint(json::parse(request.body));
        if (request.path == "/control" && request.method == "POST") return control(json::parse(request.body));
        return answer(404, {{"message", "Not Found"}});
    }

  private:
    HttpResponse keys_or_worse(const json& good) {
        if (mode_ == "error") return answer(500, {{"message", "down"}});
        if (mode_ == "redirect") return {302, {{"Location", "https://attacker.example/"}}, ""};
        if (mode_ == "garbage") return {200, {{"Content-Type", "application/json"}}, "<html>"};
        if (mode_ == "empty") return answer(200, {{"issuer", url_}, {"jwks_uri", url_ + "/jwks"}, {"keys", json::array()}});
        if (mode_ == "slow") std::this_thread::sleep_for(std::chrono::seconds(20));
        return answer(200, good);
    }

    HttpResponse token(const HttpRequest& request) {
        if (request.header("authorization") != "Bearer " + request_token_) return answer(401, {{"message", "bad request token"}});
        json claims = github_claims(url_);
        overlay(claims, overrides_);
        // Without an audience GitHub gives the owner's URL (identity.md A1).
        claims["aud"] = query_parameter(request.query, "audience").value_or("https://github.com/acme");
        return answer(200, {{"count", 1}, {"value", sign(claims, {})}});
    }

    HttpResponse mint(const json& asked) {
        json claims = asked.value("shape", "github") == "gitlab" ? gitlab_claims(url_) : github_claims(url_);
        if (asked.contains("lifetime")) claims["exp"] = now_s() + asked["lifetime"].get<std::int64_t>();
        overlay(claims, asked.value("claims", json::object()));
        return answer(200, {{"value", sign(claims, asked.value("header", json::object()))}});
    }

    HttpResponse control(const json& asked) {
        mode_ = asked.value("mode", mode_);
        if (asked.value("rotate", false)) {
            keys_.insert(keys_.begin(), std::make_unique<SigningKey>());
            if (keys_.size() > 2) keys_.pop_back();
        }
        return answer(200, json::object());
    }

    std::string sign(const json& claims, const json& header_changes) const {
        const SigningKey& key = *keys_.front();
        json header = {{"typ", "JWT"}, {"alg", "RS256"}, {"kid", key.id()}};
        overlay(header, header_changes);
        const std::string signed_part = base64url(header.dump()) + "." + base64url(claims.dump());
        return signed_part + "." + base64url(key.sign(signed_part));
    }

    std::mutex mutex_;
    std::string url_;
    std::string mode_ = "normal";
    json overrides_;
    std::vector<std::unique_ptr<SigningKey>> keys_;
    std::string request_token_ = dbguard::random_id("request_", 24);
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Stands in for a CI platform's token service, on loopback, for tests and the demo.");
    std::string directory = ".";
    std::string claims = "{}";
    std::uint16_t port = 0;
    app.add_option("--dir", directory, "Where ca.pem goes");
    app.add_option("--port", port, "0: any free one");
    app.add_option("--claims", claims, "JSON: claims of the tokens that /token gives, over the usual ones");
    CLI11_PARSE(app, argc, argv);

    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    StandInIssuer issuer(json::parse(claims));
    const auto certificate = dbguard::net::make_dev_certificate({"127.0.0.1", "localhost"}, 2);
    const std::string ca = directory + "/issuer-ca.pem";
    std::ofstream(ca) << certificate.ca;

    dbguard::net::HttpServerOptions options;
    options.port = port;
    options.certificate_chain = certificate.chain;
    options.private_key = certificate.key;
    dbguard::net::HttpHandler handler;
    handler.respond = [&](const HttpRequest& request) { return issuer.respond(request); };
    handler.report = [](std::string_view line) { std::cerr << "dbguard_test_issuer: " << line << std::endl; };
    auto server = dbguard::net::HttpServer::start(std::move(options), std::move(handler));
    if (!server) {
        std::cerr << "dbguard_test_issuer: " << server.error().text() << std::endl;
        return 1;
    }
    const std::string url = "https://127.0.0.1:" + std::to_string((*server)->port());
    issuer.set_url(url);
    const json ready = {{"url", url}, {"ca", ca}, {"request_url", url + "/token?api-version=2.0"}, {"request_token", issuer.request_token()}};
    std::cout << ready.dump() << std::endl;
    int received = 0;
    sigwait(&stop, &received);
    (*server)->stop(std::chrono::milliseconds(500));
    return 0;
}
