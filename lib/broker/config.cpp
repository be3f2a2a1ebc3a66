#include "broker/config.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "policy/fields.hpp"
#include "policy/yaml_tree.hpp"

namespace dbguard::broker {
namespace {

using policy::Fields;
using policy::YamlNode;
using Names = std::span<const std::string_view>;

/// Walks the tree in the order of the manual page.
class ConfigReader {
  public:
    ConfigReader(std::string_view file, std::vector<policy::Problem>& problems) : fields_(file, problems) {}

    ServeConfig read(const YamlNode& root);

  private:
    void listen(const YamlNode& node, ServeConfig& config);
    void tls(const YamlNode& node, ServeConfig& config);
    void sessions(const YamlNode& node, ServeConfig& config);
    void required_claims(const YamlNode& node, identity::IssuerConfig& rules);
    IssuerSettings issuer(const std::string& name, policy::Position at, const YamlNode& node);
    DatabaseSettings database(const std::string& name, policy::Position at, const YamlNode& node);
    void database_tls(const YamlNode& node, DatabaseSettings& database);
    void credential(const YamlNode& node, DatabaseSettings& database);
    std::optional<SecretSource> secret(const YamlNode& node, std::string_view what);
    std::optional<FilePath> path(const YamlNode& node, std::string_view what);
    std::vector<std::string> words(const YamlNode& node, std::string_view what);
    std::optional<std::chrono::seconds> seconds(const YamlNode& node, std::string_view what);

    template <class Read>
    void member(const YamlNode& node, std::string_view key, Read read) {
        if (const YamlNode* found = node.find(key)) read(*found);
    }

    Fields fields_;
};

std::optional<FilePath> ConfigReader::path(const YamlNode& node, std::string_view what) {
    const auto text = fields_.text(node, what);
    if (!text) return {};
    return FilePath{*text, node.at};
}

std::vector<std::string> ConfigReader::words(const YamlNode& node, std::string_view what) {
    std::vector<std::string> out;
    for (auto& reference : fields_.one_or_many(node, what)) out.push_back(std::move(reference.name));
    return out;
}

std::optional<std::chrono::seconds> ConfigReader::seconds(const YamlNode& node, std::string_view what) {
    const auto given = fields_.duration(node, what);
    if (!given) return {};
    if (given->count() % 1000 != 0) {
        fields_.error(node.at, std::string(what) + " must be whole seconds");
        return {};
    }
    return std::chrono::duration_cast<std::chrono::seconds>(*given);
}

void ConfigReader::listen(const YamlNode& node, ServeConfig& config) {
    const auto text = fields_.text(node, "`listen`");
    if (!text) return;
    const auto colon = text->rfind(':');
    std::uint32_t port = 0;
    const char* end = text->data() + text->size();
    const bool good = colon != std::string::npos && colon > 0 &&
                      std::from_chars(text->data() + colon + 1, end, port).ptr == end && port <= 65535 &&
                      colon + 1 < text->size();
    if (!good) {
        fields_.error(node.at, "`listen` must be an address and a port", "write `listen: 127.0.0.1:8443`, or \"[::]:8443\"");
        return;
    }
    std::string address = text->substr(0, colon);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']') address = address.substr(1, address.size() - 2);
    config.listen_address = address;
    config.listen_port = static_cast<std::uint16_t>(port);
}

void ConfigReader::tls(const YamlNode& node, ServeConfig& config) {
    static constexpr std::array<std::string_view, 2> keys = {"certificate", "key"};
    if (!fields_.map(node, "`tls`", keys, keys)) return;
    member(node, "certificate", [&](const YamlNode& n) { config.certificate = path(n, "`certificate`"); });
    member(node, "key", [&](const YamlNode& n) { config.private_key = path(n, "`key`"); });
}

void ConfigReader::sessions(const YamlNode& node, ServeConfig& config) {
    static constexpr std::array<std::string_view, 5> keys = {"ttl", "max_ttl", "lease", "heartbeat", "sweep"};
    if (!fields_.map(node, "`sessions`", keys, {})) return;
    const auto take = [&](std::string_view key, std::chrono::seconds& into) {
        member(node, key, [&](const YamlNode& n) {
            if (const auto given = seconds(n, '`' + std::string(key) + '`')) into = *given;
        });
    };
    take("ttl", config.ttl);
    take("max_ttl", config.max_ttl);
    take("lease", config.lease);
    take("heartbeat", config.heartbeat);
    take("sweep", config.sweep);
    if (config.heartbeat * 2 > config.lease)
        fields_.error(node.at, "`lease` must be at least twice `heartbeat`: one renewal may get lost", "write `lease: 90s` and `heartbeat: 30s`");
    if (config.ttl > config.max_ttl) fields_.error(node.at, "`ttl` is longer than `max_ttl`");
}

std::optional<SecretSource> ConfigReader::secret(const YamlNode& node, std::string_view what) {
    SecretSource source;
    source.at = node.at;
    member(node, "password_file", [&](const YamlNode& n) { source.file = fields_.text(n, "`password_file`").value_or(""); });
    member(node, "password_env", [&](const YamlNode& n) { source.variable = fields_.text(n, "`password_env`").value_or(""); });
    if (source.file.empty() == source.variable.empty()) {
        fields_.error(node.at, std::string(what) + " needs either `password_file` or `password_env`", "write `password_file: admin.password`");
        return {};
    }
    return source;
}

// ---- issuers -----------------------------------------------------------------------------------------------------------

/// `NAME: VALUE`, `NAME: [VALUE, …]`, `NAME: "*"` for any text, or `NAME: true` for a claim that is a boolean. Adds to what the platform's kind asks for.
void ConfigReader::required_claims(const YamlNode& node, identity::IssuerConfig& rules) {
    if (!fields_.named_map(node, "`required_claims`")) return;
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
        const YamlNode& item = node.items[i];
        identity::RequiredClaim claim;
        claim.name = node.keys[i].text;
        const bool is_boolean = item.kind == YamlNode::Kind::scalar && item.plain && (item.text == "true" || item.text == "false");
        if (is_boolean) {
            claim.kind = identity::ClaimKind::boolean;
            claim.values = {item.text};
        }
        auto values = is_boolean ? std::vector<policy::Reference>() : fields_.one_or_many(item, "a required claim");
        for (auto& value : values) {
            const bool any = value.name == "*";
            if (!any && value.name.find('*') != std::string::npos)
                fields_.error(value.at, "`" + value.name + "`: a required claim has exact values, or \"*\" alone for any", "list the values");
            if (!any) claim.values.push_back(std::move(value.name));
            else if (!claim.values.empty() || item.items.size() > 1)
                fields_.error(value.at, "\"*\" beside other values means nothing", "write \"*\" alone, or only the values");
        }
        const auto known = std::find_if(rules.required_claims.begin(), rules.required_claims.end(), [&](const auto& one) { return one.name == claim.name; });
        if (known == rules.required_claims.end()) rules.required_claims.push_back(std::move(claim));
        else *known = std::move(claim);
    }
}

IssuerSettings ConfigReader::issuer(const std::string& name, policy::Position at, const YamlNode& node) {
    static constexpr std::array<std::string_view, 17> keys = {
        "issuer", "kind", "audience", "who", "algorithms", "jwks_file", "ca_file", "private_hosts", "jwks_hosts",
        "allow_other_audiences", "max_age", "max_lifetime", "max_uses", "leeway", "gitlab_before_18_3", "required_claims", "job_claim"
    };
    static constexpr std::array<std::string_view, 3> required = {"issuer", "kind", "audience"};
    IssuerSettings settings;
    settings.name = name;
    settings.at = at;
    if (!fields_.map(node, "an issuer", keys, required)) return settings;

    std::string url;
    auto profile = identity::Profile::generic;
    policy::Position issuer_at = node.at;
    member(node, "issuer", [&](const YamlNode& n) {
        url = fields_.text(n, "`issuer`").value_or("");
        issuer_at = n.at;
    });
    member(node, "kind", [&](const YamlNode& n) {
        const auto given = fields_.choice<identity::Profile>(
            n, "`kind`",
            {{"github", identity::Profile::github}, {"gitlab", identity::Profile::gitlab}, {"generic", identity::Profile::generic}}
        );
        if (given) profile = *given;
    });
    settings.rules = identity::issuer_defaults(profile, url);
    auto& rules = settings.rules;
    member(node, "audience", [&](const YamlNode& n) { rules.audiences = words(n, "`audience`"); });
    member(node, "who", [&](const YamlNode& n) {
        const auto given = fields_.choice<identity::IdentityKind>(
            n, "`who`",
            {{"ci", identity::IdentityKind::ci}, {"human", identity::IdentityKind::human}, {"workload", identity::IdentityKind::workload}}
        );
        if (given) rules.kind = *given;
    });
    member(node, "algorithms", [&](const YamlNode& n) {
        rules.algorithms.clear();
        for (const auto& word : fields_.one_or_many(n, "`algorithms`")) {
            if (const auto algorithm = identity::algorithm_from(word.name)) rules.algorithms.push_back(*algorithm);
            else fields_.error(word.at, "`" + word.name + "` is no signature algorithm that can be checked", "write RS256, ES256, PS256 or EdDSA");
        }
    });
    member(node, "jwks_file", [&](const YamlNode& n) { settings.jwks_file = path(n, "`jwks_file`"); });
    member(node, "ca_file", [&](const YamlNode& n) { settings.ca_file = path(n, "`ca_file`"); });
    member(node, "private_hosts", [&](const YamlNode& n) { settings.private_hosts = words(n, "`private_hosts`"); });
    member(node, "jwks_hosts", [&](const YamlNode& n) { settings.jwks_hosts = words(n, "`jwks_hosts`"); });
    member(node, "allow_other_audiences", [&](const YamlNode& n) {
        rules.allow_other_audiences = fields_.boolean(n, "`allow_other_audiences`").value_or(false);
    });
    member(node, "gitlab_before_18_3", [&](const YamlNode& n) {
        rules.gitlab_before_18_3 = fields_.boolean(n, "`gitlab_before_18_3`").value_or(false);
    });
    const auto take = [&](std::string_view key, std::chrono::seconds& into) {
        member(node, key, [&](const YamlNode& n) {
            if (const auto given = seconds(n, '`' + std::string(key) + '`')) into = *given;
        });
    };
    take("max_age", rules.max_age);
    take("max_lifetime", rules.max_lifetime);
    take("leeway", rules.leeway);
    member(node, "max_uses", [&](const YamlNode& n) {
        if (const auto given = fields_.number(n, "`max_uses`", 1)) rules.max_uses = static_cast<unsigned>(std::min<std::uint64_t>(*given, 10'000));
    });
    member(node, "required_claims", [&](const YamlNode& n) { required_claims(n, rules); });
    member(node, "job_claim", [&](const YamlNode& n) {
        const auto given = fields_.text(n, "`job_claim`");
        if (!given) return;
        if (profile != identity::Profile::generic) {
            fields_.error(n.at, "`job_claim` is for `kind: generic`: which claim names the job is known of the others", "leave it out");
            return;
        }
        // A token that lasts for a job, made once: identity.md A0.
        rules.job_claim = *given;
        rules.use = identity::TokenUse::per_job;
    });
    if (settings.jwks_file && (settings.ca_file || !settings.private_hosts.empty() || !settings.jwks_hosts.empty()))
        fields_.error(node.at, "with `jwks_file` no key is fetched: `ca_file`, `private_hosts` and `jwks_hosts` mean nothing");
    if (!url.empty() && !rules.audiences.empty() && !rules.algorithms.empty())
        if (const auto checked = identity::check(rules); !checked) fields_.error(issuer_at, checked.error().detail);
    return settings;
}

// ---- databases ---------------------------------------------------------------------------------------------------------

void ConfigReader::database_tls(const YamlNode& node, DatabaseSettings& database) {
    static constexpr std::array<std::string_view, 2> keys = {"mode", "root_certificates"};
    if (!fields_.map(node, "`tls`", keys, {})) return;
    member(node, "mode", [&](const YamlNode& n) {
        // `allow` and `prefer` fall back to plain text when somebody on the way asks for it, so they do not exist here.
        const auto given = fields_.choice<std::string_view>(
            n, "`mode`",
            {{"verify-full", "verify-full"}, {"verify-ca", "verify-ca"}, {"require", "require"}, {"disable", "disable"}}
        );
        if (given) database.tls_mode = *given;
    });
    member(node, "root_certificates", [&](const YamlNode& n) { database.root_certificates = path(n, "`root_certificates`"); });
    if (database.tls_mode == "disable" && database.root_certificates)
        fields_.error(node.at, "`mode: disable` uses no certificate", "leave `root_certificates` out");
}

void ConfigReader::credential(const YamlNode& node, DatabaseSettings& database) {
    static constexpr std::array<std::string_view, 2> keys = {"mint", "stored"};
    if (!fields_.map(node, "`credential`", keys, {})) return;
    const YamlNode* mint = node.find("mint");
    const YamlNode* stored = node.find("stored");
    if ((mint == nullptr) == (stored == nullptr)) {
        fields_.error(node.at, "`credential` must have either `mint` or `stored`", "write `mint: { user: dbguard_admin, password_file: … }`");
        return;
    }
    if (mint) {
        static constexpr std::array<std::string_view, 4> mint_keys = {"user", "password_file", "password_env", "connections"};
        static constexpr std::array<std::string_view, 1> required = {"user"};
        if (!fields_.map(*mint, "`mint`", mint_keys, required)) return;
        LoginSettings login;
        member(*mint, "user", [&](const YamlNode& n) { login.user = fields_.text(n, "`user`").value_or(""); });
        member(*mint, "connections", [&](const YamlNode& n) {
            if (const auto given = fields_.number(n, "`connections`", 2))
                database.connections = static_cast<std::uint32_t>(std::min<std::uint64_t>(*given, 10'000));
        });
        if (auto source = secret(*mint, "`mint`")) {
            login.password = *source;
            database.mint = login;
        }
        return;
    }
    if (!fields_.named_map(*stored, "`stored`")) return;
    for (std::size_t i = 0; i < stored->keys.size(); ++i) {
        static constexpr std::array<std::string_view, 2> stored_keys = {"password_file", "password_env"};
        if (!fields_.map(stored->items[i], "a stored login", stored_keys, {})) continue;
        if (auto source = secret(stored->items[i], "a stored login")) database.stored.push_back({stored->keys[i].text, *source});
    }
}

DatabaseSettings ConfigReader::database(const std::string& name, policy::Position at, const YamlNode& node) {
    static constexpr std::array<std::string_view, 6> keys = {"engine", "host", "port", "database", "tls", "credential"};
    static constexpr std::array<std::string_view, 4> required = {"engine", "host", "database", "credential"};
    DatabaseSettings settings;
    settings.name = name;
    settings.at = at;
    if (!fields_.map(node, "a database", keys, required)) return settings;
    member(node, "engine", [&](const YamlNode& n) {
        const auto given = fields_.choice<policy::Engine>(n, "`engine`", {{"postgres", policy::Engine::postgres}, {"mysql", policy::Engine::mysql}});
        if (given) settings.engine = *given;
        if (given == policy::Engine::mysql) fields_.error(n.at, "`engine: mysql` cannot be served yet");
    });
    member(node, "host", [&](const YamlNode& n) { settings.host = fields_.text(n, "`host`").value_or(""); });
    member(node, "database", [&](const YamlNode& n) { settings.database = fields_.text(n, "`database`").value_or(""); });
    member(node, "port", [&](const YamlNode& n) {
        const auto given = fields_.number(n, "`port`", 1);
        if (given && *given > 65535) fields_.error(n.at, "`port` must be at most 65535");
        else if (given) settings.port = static_cast<std::uint16_t>(*given);
    });
    member(node, "tls", [&](const YamlNode& n) { database_tls(n, settings); });
    member(node, "credential", [&](const YamlNode& n) { credential(n, settings); });
    return settings;
}

// ---- all of it -----------------------------------------------------------------------------------------------------------

ServeConfig ConfigReader::read(const YamlNode& root) {
    static constexpr std::array<std::string_view, 12> keys = {
        "dbguard_serve", "listen", "tls", "data_dir", "mask_key_file", "issuers", "databases", "policies", "sessions",
        "recording_max", "recording_keep", "failures_per_minute"
    };
    static constexpr std::array<std::string_view, 5> required = {"dbguard_serve", "data_dir", "issuers", "databases", "policies"};
    ServeConfig config;
    if (!fields_.map(root, "the configuration", keys, required)) return config;
    member(root, "dbguard_serve", [&](const YamlNode& n) {
        const auto version = fields_.number(n, "`dbguard_serve`", 1);
        if (version && *version != 1) fields_.error(n.at, "this dbguard reads version 1 of the configuration only");
    });
    member(root, "listen", [&](const YamlNode& n) { listen(n, config); });
    member(root, "tls", [&](const YamlNode& n) { tls(n, config); });
    member(root, "data_dir", [&](const YamlNode& n) {
        config.data_dir = fields_.text(n, "`data_dir`").value_or("");
        config.data_dir_at = n.at;
    });
    member(root, "mask_key_file", [&](const YamlNode& n) { config.mask_key_file = path(n, "`mask_key_file`"); });
    member(root, "issuers", [&](const YamlNode& n) {
        if (!fields_.named_map(n, "`issuers`")) return;
        for (std::size_t i = 0; i < n.keys.size(); ++i) {
            auto read = issuer(n.keys[i].text, n.keys[i].at, n.items[i]);
            // Two configurations of one `iss` would make it unclear which rules a token met.
            for (const auto& other : config.issuers)
                if (!read.rules.issuer.empty() && other.rules.issuer == read.rules.issuer)
                    fields_.error(n.keys[i].at, "issuers `" + other.name + "` and `" + read.name + "` are the same issuer");
            config.issuers.push_back(std::move(read));
        }
        if (n.keys.empty()) fields_.error(n.at, "`issuers` is empty: nobody could open a session");
    });
    member(root, "databases", [&](const YamlNode& n) {
        if (!fields_.named_map(n, "`databases`")) return;
        for (std::size_t i = 0; i < n.keys.size(); ++i)
            config.databases.push_back(database(n.keys[i].text, n.keys[i].at, n.items[i]));
        if (n.keys.empty()) fields_.error(n.at, "`databases` is empty");
    });
    member(root, "policies", [&](const YamlNode& n) {
        for (auto& reference : fields_.one_or_many(n, "`policies`")) config.policies.push_back({std::move(reference.name), reference.at});
    });
    member(root, "sessions", [&](const YamlNode& n) { sessions(n, config); });
    member(root, "recording_max", [&](const YamlNode& n) {
        if (const auto given = fields_.size(n, "`recording_max`")) config.recording_max_bytes = *given;
    });
    member(root, "recording_keep", [&](const YamlNode& n) { config.recording_keep = seconds(n, "`recording_keep`"); });
    member(root, "failures_per_minute", [&](const YamlNode& n) {
        if (const auto given = fields_.number(n, "`failures_per_minute`", 1))
            config.failures_per_minute = static_cast<std::uint32_t>(std::min<std::uint64_t>(*given, 1'000'000));
    });
    return config;
}

}  // namespace

ConfigResult parse_config(std::string_view text, std::string_view file) {
    ConfigResult result;
    if (text.size() > max_config_bytes) {
        result.problems.push_back({std::string(file), {}, policy::Severity::error, "the configuration is larger than 1 MiB", ""});
        return result;
    }
    const auto tree = policy::parse_yaml(text, file, result.problems);
    if (!tree) return result;
    ServeConfig config = ConfigReader(file, result.problems).read(*tree);
    config.file = file;
    if (!policy::has_errors(result.problems)) result.config = std::move(config);
    return result;
}

}  // namespace dbguard::broker
