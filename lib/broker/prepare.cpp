#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"
#include "broker/config.hpp"
#include "identity/jwks.hpp"
#include "policy/load.hpp"

namespace dbguard::broker {
namespace {

using policy::Problem;
using policy::Severity;

constexpr std::size_t max_pem_bytes = 1 << 20;
constexpr std::size_t max_secret_bytes = 64 * 1024;

class Preparer {
  public:
    Preparer(const ServeConfig& config, const Lookup& environment) : config_(config), environment_(environment) {}

    PrepareResult run(bool need_certificate);

  private:
    void problem(policy::Position at, Severity severity, std::string message, std::string suggestion = "") {
        problems_.push_back({config_.file, at, severity, std::move(message), std::move(suggestion)});
    }
    /// Relative paths count from the configuration's folder.
    std::string resolve(const std::string& path) const {
        if (path.starts_with('/')) return path;
        const auto slash = config_.file.rfind('/');
        return slash == std::string::npos ? path : config_.file.substr(0, slash + 1) + path;
    }
    std::string read(const std::string& path, policy::Position at, std::size_t max_bytes) {
        auto content = read_file(resolve(path), max_bytes);
        if (content) return std::move(*content);
        problem(at, Severity::error, content.error().text());
        return {};
    }
    Secret read_secret(const std::string& path, policy::Position at, bool strip_newline);
    Secret read_secret(const SecretSource& source);

    void server(Prepared& prepared, bool need_certificate);
    void issuers(Prepared& prepared);
    void databases(Prepared& prepared);
    void policies(Prepared& prepared);
    void check(const Prepared& prepared);
    void check_role(const LoadedPolicy& loaded, const policy::Role& role, const Prepared& prepared);

    const ServeConfig& config_;
    const Lookup& environment_;
    std::vector<Problem> problems_;
};

Secret Preparer::read_secret(const std::string& path, policy::Position at, bool strip_newline) {
    std::string text = read(path, at, max_secret_bytes);
    struct stat info {};
    if (::stat(resolve(path).c_str(), &info) == 0 && (info.st_mode & 077) != 0 && S_ISREG(info.st_mode))
        problem(at, Severity::warning, "others may read " + path, "chmod 600 " + path);
    if (strip_newline && text.ends_with('\n')) text.pop_back();
    return Secret(std::move(text));
}

Secret Preparer::read_secret(const SecretSource& source) {
    if (!source.file.empty()) {
        Secret secret = read_secret(source.file, source.at, true);
        if (secret.empty() && !policy::has_errors(problems_)) problem(source.at, Severity::error, source.file + " is empty");
        return secret;
    }
    Secret secret(environment_(source.variable));
    if (secret.empty()) problem(source.at, Severity::error, "the variable " + source.variable + " is not set");
    return secret;
}

void Preparer::server(Prepared& prepared, bool need_certificate) {
    if (config_.certificate && config_.private_key) {
        prepared.certificate_chain = read(config_.certificate->path, config_.certificate->at, max_pem_bytes);
        prepared.private_key = read_secret(config_.private_key->path, config_.private_key->at, false);
    } else if (need_certificate) {
        problem({}, Severity::error, "the configuration has no `tls`", "add `tls: { certificate: …, key: … }`, or try `serve --dev`");
    }
    prepared.data_dir = resolve(config_.data_dir);
    if (config_.mask_key_file) {
        prepared.mask_key = read_secret(config_.mask_key_file->path, config_.mask_key_file->at, false);
        if (prepared.mask_key.reveal().size() < 16)
            problem(config_.mask_key_file->at, Severity::error, "the mask key is shorter than 16 bytes: hashes could be guessed");
    }
}

void Preparer::issuers(Prepared& prepared) {
    for (const auto& settings : config_.issuers) {
        Issuer issuer;
        issuer.settings = settings;
        if (settings.jwks_file) {
            issuer.jwks = read(settings.jwks_file->path, settings.jwks_file->at, identity::max_jwks_bytes);
            if (!issuer.jwks.empty())
                if (const auto keys = identity::parse_jwks(issuer.jwks); !keys)
                    problem(settings.jwks_file->at, Severity::error, settings.jwks_file->path + ": " + keys.error().text());
        }
        if (settings.ca_file) {
            read(settings.ca_file->path, settings.ca_file->at, max_pem_bytes);
            issuer.ca_file = resolve(settings.ca_file->path);
        }
        prepared.issuers.push_back(std::move(issuer));
    }
}

void Preparer::databases(Prepared& prepared) {
    for (const auto& settings : config_.databases) {
        Database database;
        database.settings = settings;
        if (settings.root_certificates) {
            database.root_certificates = read(settings.root_certificates->path, settings.root_certificates->at, max_pem_bytes);
            database.root_certificates_file = resolve(settings.root_certificates->path);
        }
        const bool is_local = settings.host.starts_with('/') || settings.host == "localhost" || settings.host == "127.0.0.1" || settings.host == "::1";
        if (settings.tls_mode == "disable" && !is_local)
            problem(settings.at, Severity::warning, "`" + settings.name + "` is reached without TLS: its passwords and rows can be read on the way");
        if (settings.mint) database.mint_password = read_secret(settings.mint->password);
        for (const auto& login : settings.stored) database.stored.push_back({login.user, read_secret(login.password)});
        prepared.databases.push_back(std::move(database));
    }
}

void Preparer::policies(Prepared& prepared) {
    for (const auto& path : config_.policies) {
        LoadedPolicy loaded;
        loaded.text = read(path.path, path.at, policy::max_policy_bytes);
        if (loaded.text.empty()) continue;
        loaded.hash = "sha256:" + hex(sha256(loaded.text));
        auto result = policy::load(loaded.text, resolve(path.path));
        problems_.insert(problems_.end(), result.problems.begin(), result.problems.end());
        if (!result.policy) continue;
        loaded.policy = std::move(*result.policy);
        for (const auto& other : prepared.policies)
            if (other.policy.name == loaded.policy.name)
                problem(path.at, Severity::error, "two policies are named `" + loaded.policy.name + "`");
        prepared.policies.push_back(std::move(loaded));
    }
}

void Preparer::check_role(const LoadedPolicy& loaded, const policy::Role& role, const Prepared& prepared) {
    for (const auto& reference : role.databases) {
        const auto found = std::find_if(
            prepared.databases.begin(), prepared.databases.end(), [&](const Database& d) { return d.settings.name == reference.name; }
        );
        const auto note = [&](Severity severity, std::string message, std::string suggestion = "") {
            problems_.push_back({loaded.policy.file, reference.at, severity, std::move(message), std::move(suggestion)});
        };
        if (found == prepared.databases.end()) {
            note(Severity::warning, "role `" + role.name + "` is for database `" + reference.name + "`, which this service does not have");
            continue;
        }
        if (const auto* declared = policy::find_database(loaded.policy, reference.name); declared && declared->engine != found->settings.engine)
            note(Severity::error, "`" + reference.name + "` is another engine in " + config_.file);
        if (found->settings.mint) continue;
        const auto stored = std::find_if(found->stored.begin(), found->stored.end(), [&](const StoredLogin& l) { return l.user == role.login; });
        if (stored == found->stored.end())
            note(
                Severity::error, "role `" + role.name + "` logs in as `" + role.login + "`, for which `" + reference.name + "` has no stored credential",
                "add it under `stored` in " + config_.file
            );
    }
}

void Preparer::check(const Prepared& prepared) {
    std::map<std::pair<std::string, std::string>, std::string> policy_of_role;
    for (const auto& loaded : prepared.policies) {
        for (const auto& role : loaded.policy.roles) {
            check_role(loaded, role, prepared);
            for (const auto& reference : role.databases) {
                const auto [at, added] = policy_of_role.try_emplace({role.name, reference.name}, loaded.policy.name);
                if (!added)
                    problems_.push_back(
                        {loaded.policy.file, role.at, Severity::error,
                         "role `" + role.name + "` of database `" + reference.name + "` is also in policy `" + at->second + "`",
                         "give one of them another name: callers choose a role by its name"}
                    );
            }
        }
        for (const auto& who : loaded.policy.identities) {
            const auto found = std::find_if(
                prepared.issuers.begin(), prepared.issuers.end(), [&](const Issuer& i) { return i.settings.rules.issuer == who.issuer; }
            );
            if (found == prepared.issuers.end()) {
                std::string suggestion;
                for (const auto& issuer : prepared.issuers)
                    if (auto hint = identity::spelling_hint(issuer.settings.rules.issuer, who.issuer); !hint.empty()) suggestion = hint;
                problems_.push_back(
                    {loaded.policy.file, who.issuer_at, Severity::warning, "issuer of identity `" + who.name + "` is not configured here", suggestion}
                );
                continue;
            }
            const auto& audiences = found->settings.rules.audiences;
            if (std::find(audiences.begin(), audiences.end(), who.audience) == audiences.end())
                problems_.push_back(
                    {loaded.policy.file, who.audience_at, Severity::warning,
                     "identity `" + who.name + "` can never match: its audience is not one of issuer `" + found->settings.name + "`", ""}
                );
        }
    }
}

PrepareResult Preparer::run(bool need_certificate) {
    Prepared prepared;
    prepared.config = config_;
    server(prepared, need_certificate);
    issuers(prepared);
    databases(prepared);
    policies(prepared);
    if (!policy::has_errors(problems_)) check(prepared);
    PrepareResult result;
    if (!policy::has_errors(problems_)) result.prepared = std::move(prepared);
    result.problems = std::move(problems_);
    return result;
}

}  // namespace

PrepareResult prepare(const ServeConfig& config, const Lookup& environment, bool need_certificate) {
    return Preparer(config, environment).run(need_certificate);
}

}  // namespace dbguard::broker
