#include "broker/config.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "net/dev_certificate.hpp"

namespace dbguard::broker {
namespace {

const std::string good = R"(dbguard_serve: 1
listen: 127.0.0.1:8443
tls: { certificate: cert.pem, key: key.pem }
data_dir: data
mask_key_file: mask.key
issuers:
  github:
    issuer: https://token.actions.githubusercontent.com
    kind: github
    audience: dbguard.acme.example
  gitlab:
    issuer: https://gitlab.acme.example
    kind: gitlab
    audience: [dbguard.acme.example]
    algorithms: [RS256]
    private_hosts: gitlab.acme.example
databases:
  shop:
    engine: postgres
    host: db.acme.example
    port: 5433
    database: shop_prod
    tls: { mode: verify-full, root_certificates: db-ca.pem }
    credential:
      mint: { user: dbguard_admin, password_env: ADMIN_PASSWORD, connections: 10 }
  reports:
    engine: postgres
    host: /run/postgresql
    database: reports
    tls: { mode: disable }
    credential:
      stored:
        app_ro: { password_file: app_ro.password }
policies: [shop.yaml]
sessions: { ttl: 30m, max_ttl: 2h, lease: 60s, heartbeat: 20s, sweep: 15s }
recording_max: 1GiB
recording_keep: 400d
failures_per_minute: 20
)";

const std::string shop_policy = R"(dbguard: 1
policy: shop
identities:
  shop-ci:
    issuer: https://token.actions.githubusercontent.com
    audience: dbguard.acme.example
    claims: { repository_id: "990017" }
roles:
  tester:
    for: shop-ci
    databases: [shop, reports]
    login: app_ro
    rules:
      - allow: [read, tx]
)";

std::string with(std::string from, std::string to, std::string text = good) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

/// `line:column message` of the first error, or empty.
std::string first_error(const std::vector<policy::Problem>& problems) {
    for (const auto& problem : problems)
        if (problem.severity == policy::Severity::error)
            return std::to_string(problem.at.line) + ":" + std::to_string(problem.at.column) + " " + problem.message;
    return "";
}
std::string error_of(const std::string& text) {
    const auto result = parse_config(text, "serve.yaml");
    CHECK(result.config.has_value() == first_error(result.problems).empty());
    return first_error(result.problems);
}

TEST_CASE("a good configuration is read") {
    const auto result = parse_config(good, "/etc/dbguard/serve.yaml");
    CHECK(first_error(result.problems) == "");
    REQUIRE(result.config.has_value());
    const auto& config = *result.config;
    CHECK(config.listen_address == "127.0.0.1");
    CHECK(config.listen_port == 8443);
    REQUIRE(config.issuers.size() == 2);
    CHECK(config.issuers[0].rules.use == identity::TokenUse::single);
    CHECK(config.issuers[1].rules.use == identity::TokenUse::per_job);
    CHECK(config.issuers[1].private_hosts == std::vector<std::string>{"gitlab.acme.example"});
    REQUIRE(config.databases.size() == 2);
    CHECK(config.databases[0].mint->user == "dbguard_admin");
    CHECK(config.databases[0].connections == 10);
    CHECK(config.databases[0].port == 5433);
    CHECK(config.databases[1].stored.front().user == "app_ro");
    CHECK(config.databases[1].tls_mode == "disable");
    CHECK(config.ttl == std::chrono::minutes(30));
    CHECK(config.recording_max_bytes == std::uint64_t{1} << 30);
    CHECK(config.recording_keep == std::chrono::hours(400 * 24));
}

TEST_CASE("claims that an issuer's tokens must have") {
    const std::string generic = "    kind: generic\n    audience: dbguard.acme.example\n";
    const auto parsed = [&](const std::string& more) {
        return parse_config(with("    kind: github\n    audience: dbguard.acme.example\n", generic + more), "serve.yaml");
    };
    const auto result = parsed("    required_claims: { tenant: [\"4821\", \"4822\"], env: prod, job: \"*\", ssh-rerun: false }\n    job_claim: job\n    max_uses: 5\n");
    CHECK(first_error(result.problems) == "");
    REQUIRE(result.config.has_value());
    const auto& rules = result.config->issuers[0].rules;
    CHECK(rules.required_claims == std::vector<identity::RequiredClaim>{
        {"tenant", identity::ClaimKind::string, {"4821", "4822"}}, {"env", identity::ClaimKind::string, {"prod"}}, {"job", identity::ClaimKind::string, {}}, {"ssh-rerun", identity::ClaimKind::boolean, {"false"}}});
    CHECK(rules.job_claim == "job");
    CHECK(rules.use == identity::TokenUse::per_job);
    CHECK(rules.max_uses == 5);
    CHECK(parsed("").config->issuers[0].rules.use == identity::TokenUse::single);

    // Of a known platform they add to what it always must have, and narrow what is the same.
    const auto github = parse_config(with("    kind: github\n", "    kind: github\n    required_claims: { repository_owner_id: \"4821\", environment: prod }\n"), "serve.yaml");
    REQUIRE(github.config.has_value());
    auto expected = identity::issuer_defaults(identity::Profile::github, "https://x").required_claims;
    for (auto& claim : expected)
        if (claim.name == "repository_owner_id") claim.values = {"4821"};
    expected.push_back({"environment", identity::ClaimKind::string, {"prod"}});
    CHECK(github.config->issuers[0].rules.required_claims == expected);

    const auto refused = [&](const std::string& more) { return first_error(parsed(more).problems).find(' ') != std::string::npos; };
    CHECK(refused("    required_claims: [tenant]\n"));
    CHECK(refused("    required_claims: { tenant: 4821 }\n"));       // a number to another reader
    CHECK(refused("    required_claims: { tenant: \"48*\" }\n"));
    CHECK(refused("    required_claims: { tenant: [\"*\", a] }\n"));
    CHECK(refused("    required_claims: { tenant: a, tenant: b }\n"));
    CHECK(refused("    job_claim: [a]\n"));
    CHECK(error_of(with("    kind: github\n", "    kind: github\n    job_claim: run_id\n")) != "");
}

TEST_CASE("what is not understood is refused with its place") {
    CHECK(error_of("") != "");
    CHECK(error_of("[]").find("must be a map") != std::string::npos);
    CHECK(error_of(with("listen:", "lisen:")) == "2:1 unknown key `lisen` in the configuration");
    CHECK(error_of(with("data_dir: data\n", "")) == "1:1 the configuration has no `data_dir`");
    CHECK(error_of(good + "listen: 127.0.0.1:1\n").find("39:1 ") == 0);
    CHECK(error_of(with("dbguard_serve: 1", "dbguard_serve: 2")).find("1:16 this dbguard reads version 1") == 0);
    CHECK(error_of(with("127.0.0.1:8443", "localhost")) == "2:9 `listen` must be an address and a port");
    CHECK(error_of(with("127.0.0.1:8443", "127.0.0.1:99999")) == "2:9 `listen` must be an address and a port");
    CHECK(error_of(with("127.0.0.1:8443", "\"[::1]:8443\"")) == "");
    CHECK(error_of(with("kind: github", "kind: gitea")).find("9:11 ") == 0);
    CHECK(error_of(with("    kind: github\n", "")) == "8:5 an issuer has no `kind`");
    CHECK(error_of(with("[RS256]", "[RS256, none]")) == "15:25 `none` is no signature algorithm that can be checked");
    CHECK(error_of(with("[RS256]", "HS256")) == "15:17 `HS256` is no signature algorithm that can be checked");
    CHECK(error_of(with("https://gitlab.acme.example", "http://gitlab.acme.example")).find("12:13 ") == 0);
    CHECK(error_of(with("https://gitlab.acme.example", "https://token.actions.githubusercontent.com")).find("are the same issuer") != std::string::npos);
    CHECK(error_of(with("engine: postgres", "engine: mysql")) == "19:13 `engine: mysql` cannot be served yet");
    CHECK(error_of(with("port: 5433", "port: 0")).find("21:11 ") == 0);
    CHECK(error_of(with("port: 5433", "port: 70000")) == "21:11 `port` must be at most 65535");
    CHECK(error_of(with("mode: verify-full", "mode: prefer")).find("23:18 ") == 0);
    CHECK(error_of(with("tls: { mode: disable }", "tls: { mode: disable, root_certificates: a }")).find("uses no certificate") != std::string::npos);
    CHECK(error_of(with("password_env: ADMIN_PASSWORD", "password: secret")).find("25:36 unknown key `password`") == 0);
    CHECK(error_of(with(", password_env: ADMIN_PASSWORD", "")).find("needs either") != std::string::npos);
    CHECK(error_of(with("password_env: ADMIN_PASSWORD", "password_env: A, password_file: b")).find("needs either") != std::string::npos);
    CHECK(error_of(with("      stored:\n        app_ro:", "      mint: { user: a, password_env: B }\n      stored:\n        app_ro:")).find("either `mint` or `stored`") != std::string::npos);
    CHECK(error_of(with("lease: 60s", "lease: 30s")).find("at least twice") != std::string::npos);
    CHECK(error_of(with("ttl: 30m", "ttl: 1800")).find("must be a duration") != std::string::npos);
    CHECK(error_of(with("ttl: 30m", "ttl: 1500ms")).find("must be whole seconds") != std::string::npos);
    CHECK(error_of(with("ttl: 30m", "ttl: 3h")).find("longer than `max_ttl`") != std::string::npos);
    CHECK(error_of(with("failures_per_minute: 20", "failures_per_minute: 0")).find("38:22 ") == 0);
    CHECK(error_of(with("    issuer: https://gitlab", "    jwks_file: keys.json\n    issuer: https://gitlab")).find("no key is fetched") != std::string::npos);
    CHECK(error_of("a: &x 1\nb: *x\n") != "");
    CHECK(error_of(std::string(2 << 20, ' ')) == "0:0 the configuration is larger than 1 MiB");
}

// ---- prepare() ---------------------------------------------------------------------------------------------------------

struct Folder {
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "dbguard_conf_XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
        const auto certificate = net::make_dev_certificate({"localhost"}, 2);
        write("cert.pem", certificate.chain);
        write("key.pem", certificate.key.reveal());
        write("db-ca.pem", certificate.ca);
        write("mask.key", std::string(32, 'k'));
        write("app_ro.password", "pass word\n");
        write("shop.yaml", shop_policy);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path + "/" + name, std::ios::binary) << text;
        ::chmod((path + "/" + name).c_str(), 0600);
    }
    PrepareResult prepare(const std::string& text = good) const {
        const auto parsed = parse_config(text, path + "/serve.yaml");
        INFO(first_error(parsed.problems));
        REQUIRE(parsed.config.has_value());
        return broker::prepare(*parsed.config, [](const std::string& name) { return name == "ADMIN_PASSWORD" ? "hunter2" : ""; }, true);
    }
    std::string path;
};

bool says(const PrepareResult& result, policy::Severity severity, std::string_view text) {
    for (const auto& problem : result.problems)
        if (problem.severity == severity && policy::text(problem).find(text) != std::string::npos) return true;
    return false;
}

TEST_CASE("the files and variables that a configuration names are read") {
    const Folder folder;
    const auto result = folder.prepare();
    CHECK(first_error(result.problems) == "");
    REQUIRE(result.prepared.has_value());
    const auto& prepared = *result.prepared;
    CHECK(prepared.data_dir == folder.path + "/data");
    CHECK(prepared.databases[0].mint_password.reveal() == "hunter2");
    CHECK(prepared.databases[0].root_certificates.find("BEGIN CERTIFICATE") != std::string::npos);
    CHECK(prepared.databases[0].root_certificates_file == folder.path + "/db-ca.pem");
    CHECK(prepared.databases[1].stored[0].password.reveal() == "pass word");
    CHECK(prepared.mask_key.reveal() == std::string(32, 'k'));
    REQUIRE(prepared.policies.size() == 1);
    CHECK(prepared.policies[0].text == shop_policy);
    CHECK(prepared.policies[0].hash.size() == 7 + 64);
}

TEST_CASE("what can never work is refused at the start") {
    using policy::Severity;
    {
        const Folder folder;
        std::filesystem::remove(folder.path + "/cert.pem");
        CHECK(says(folder.prepare(), Severity::error, "cert.pem"));
    }
    {
        const Folder folder;
        CHECK(says(folder.prepare(with("ADMIN_PASSWORD", "OTHER")), Severity::error, "OTHER is not set"));
        CHECK(says(folder.prepare(with("tls: { certificate: cert.pem, key: key.pem }\n", "")), Severity::error, "no `tls`"));
    }
    {
        const Folder folder;
        folder.write("mask.key", "short");
        CHECK(says(folder.prepare(), Severity::error, "shorter than 16 bytes"));
    }
    {
        const Folder folder;
        folder.write("shop.yaml", with("rules:", "rulse:", shop_policy));
        const auto result = folder.prepare();
        CHECK_FALSE(result.prepared.has_value());
        CHECK(says(result, Severity::error, "shop.yaml:13:5"));
    }
    {
        const Folder folder;
        folder.write("shop.yaml", with("login: app_ro", "login: app_rw", shop_policy));
        CHECK(says(folder.prepare(), Severity::error, "has no stored credential"));
    }
    {
        const Folder folder;
        folder.write("other.yaml", with("policy: shop", "policy: other", shop_policy));
        CHECK(says(folder.prepare(with("[shop.yaml]", "[shop.yaml, other.yaml]")), Severity::error, "is also in policy"));
        folder.write("other.yaml", with("tester:", "other:", shop_policy));
        CHECK(says(folder.prepare(with("[shop.yaml]", "[shop.yaml, other.yaml]")), Severity::error, "two policies are named"));
    }
    {
        const Folder folder;
        folder.write("keys.json", R"({"keys": "none"})");
        const auto text = with("    private_hosts: gitlab.acme.example", "    jwks_file: keys.json");
        CHECK(says(folder.prepare(text), Severity::error, "keys.json"));
    }
}

TEST_CASE("what is suspicious is a warning") {
    using policy::Severity;
    {
        const Folder folder;
        ::chmod((folder.path + "/app_ro.password").c_str(), 0644);
        const auto result = folder.prepare();
        CHECK(result.prepared.has_value());
        CHECK(says(result, Severity::warning, "others may read app_ro.password"));
    }
    {
        const Folder folder;
        folder.write("shop.yaml", with("[shop, reports]", "[shop, elsewhere]", shop_policy));
        CHECK(says(folder.prepare(), Severity::warning, "which this service does not have"));
        folder.write("shop.yaml", with("audience: dbguard.acme.example", "audience: other.example", shop_policy));
        CHECK(says(folder.prepare(), Severity::warning, "can never match"));
        folder.write("shop.yaml", with("https://token.actions.githubusercontent.com", "https://token.actions.githubusercontent.com/", shop_policy));
        CHECK(says(folder.prepare(), Severity::warning, "is not configured here"));
    }
    {
        const Folder folder;
        CHECK(says(folder.prepare(with("host: /run/postgresql", "host: db2.acme.example")), Severity::warning, "without TLS"));
    }
}

}  // namespace
}  // namespace dbguard::broker
