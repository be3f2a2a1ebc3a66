#include "cli/standalone.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "cli/output.hpp"
#include "policy/load.hpp"
#include "recording/directory.hpp"
#include "recording/writer.hpp"
#include "relay/engine.hpp"
#include "relay/postgres/language.hpp"
#include "tunnel/guard.hpp"
#include "upstream/database_url.hpp"
#include "upstream/postgres_connector.hpp"

namespace dbguard::cli {

namespace {

constexpr std::size_t most_denials = 50;  // as GuardStatistics::denials says

std::string_view recorded_sql(const policy::RecordSettings& record) {
    switch (record.sql.value_or(policy::RecordSql::masked)) {
        case policy::RecordSql::shape: return "shape";
        case policy::RecordSql::masked: return "masked";
        case policy::RecordSql::full: return "full";
    }
    return {};
}

std::string_view recorded_results(const policy::RecordSettings& record) {
    switch (record.results.value_or(policy::RecordResults::none)) {
        case policy::RecordResults::none: return "none";
        case policy::RecordResults::shape: return "shape";
        case policy::RecordResults::masked: return "masked";
    }
    return {};
}

/// A Guard in this process: listener, engine and recording.
class LocalGuard : public Guard {
  public:
    const process::Target& target() const override { return target_; }
    net::EventLoop& loop() override { return loop_; }
    std::string failure() const override {
        if (tunnel_ && !tunnel_->failure().empty()) return tunnel_->failure();
        if (engine_->statistics().record_failed) return "the recording cannot be written";
        return over_;
    }
    GuardStatistics statistics() const override {
        const auto& counted = engine_->statistics();
        GuardStatistics out;
        out.connections = connections_ + (tunnel_ ? tunnel_->connections_made() : 0);
        out.statements = counted.statements;
        out.denied = counted.denied;
        out.warned = counted.warned;
        out.rows = counted.rows;
        out.masked_results = counted.masked_results;
        out.denials = denials_;
        out.recording = recording_path_;
        return out;
    }
    Result<void> stop(std::string_view reason) override {
        if (std::exchange(stopped_, true)) return {};
        tunnel_->stop(reason);
        connections_ = tunnel_->connections_made();
        tunnel_.reset();
        engine_->close(reason, std::chrono::system_clock::now());
        if (!recording_) return {};
        if (recording_->error() && recording_->error()->code != "closed") return *recording_->error();
        const auto remembered = recording::remember_head(record_dir_, target_.session, recording_->chain_head());
        if (!remembered) output().warning("the next recording will not name this one: " + remembered.error().text());
        return {};
    }

    Result<void> start(GuardParts parts);

  private:
    void decided(const relay::Told& told);
    void watch_idleness(policy::Duration idle, int quiet_looks);

    net::EventLoop loop_;
    process::Target target_;
    std::shared_ptr<recording::Writer> recording_;
    std::string recording_path_;
    std::string record_dir_;
    std::unique_ptr<relay::Engine> engine_;
    std::unique_ptr<tunnel::Guard> tunnel_;
    std::vector<DenialNote> denials_;
    std::uint64_t connections_ = 0;
    bool stopped_ = false;
    std::string over_;   ///< the policy's time for this session is over: why
    std::uint64_t seen_statements_ = 0;
};

// Looks four times in the time allowed whether a statement came since.
void LocalGuard::watch_idleness(policy::Duration idle, int quiet_looks) {
    loop_.after(idle / 4, [this, idle, quiet_looks] {
        const auto& counted = engine_->statistics();
        const std::uint64_t now = counted.statements + counted.denied;
        const int quiet = std::exchange(seen_statements_, now) == now ? quiet_looks + 1 : 0;
        if (quiet >= 4) over_ = "the session was idle for longer than the policy allows";
        else watch_idleness(idle, quiet);
    });
}

void LocalGuard::decided(const relay::Told& told) {
    const bool quiet = told.verdict == policy::Verdict::allow;
    Fields fields = {{"session", target_.session}, {"verdict", std::string(policy::name(told.verdict))}};
    const auto add = [&](const char* name, std::string_view value) {
        if (!value.empty()) fields.emplace_back(name, std::string(value));
    };
    add("rule", told.rule);
    add("reason", told.reason);
    add("fix", told.fix);
    add("sql", told.text);
    output().line(quiet ? Level::detail : Level::warning, std::string(policy::name(told.verdict)), relay::line(told), fields);
    if (told.verdict < policy::Verdict::approve) return;
    // Without the statement: what is denied ten times in a loop is one note.
    const auto known = std::ranges::find_if(denials_, [&](const DenialNote& note) { return note.rule == told.rule && note.reason == told.reason; });
    if (known != denials_.end())
        known->times++;
    else if (denials_.size() < most_denials)
        denials_.push_back({.rule = std::string(told.rule), .reason = std::string(told.reason), .fix = std::string(told.fix)});
}

Result<void> LocalGuard::start(GuardParts parts) {
    auto address = net::parse_listen_address(parts.listen);
    if (!address) return Error{errc::bad_option, "--listen: " + address.error().detail};
    const auto& roles = parts.policy->roles;
    if (std::ranges::find(roles, parts.role, &policy::Role::name) == roles.end()) {
        std::string known;
        for (const auto& role : roles) known += (known.empty() ? "" : ", ") + role.name;
        return Error{errc::unknown_role, "the policy has no role '" + parts.role + "'; it has " + (known.empty() ? "none" : known)};
    }
    const auto role = std::ranges::find(roles, parts.role, &policy::Role::name);
    if (!parts.record_dir.empty()) {
        const policy::RecordSettings record = policy::record_settings(*parts.policy, *role);
        if (record.raw == policy::RecordRaw::sealed) output().warning("the policy asks for raw texts to be sealed (record: raw): this version keeps none");
        if (!record.to.empty()) output().warning("the policy asks for recordings to be delivered (record: to): this version delivers none");
        if (auto made = recording::make_directory(parts.record_dir); !made) return made;
        record_dir_ = parts.record_dir;
        const std::string previous = recording::previous_head(record_dir_);
        const std::string policy_hash = "sha256:" + parts.policy->policy_hash;
        std::vector<recording::Claim> who;
        for (const auto& [name, value] : parts.who) who.push_back({name, value});
        const recording::Head head{
            .session = parts.session,
            .at = std::chrono::system_clock::now(),
            .gateway = "dbguard/" DBGUARD_VERSION,
            .policy = policy_hash,
            .role = parts.role,
            .database = parts.database,
            .engine = "postgres",
            .login = parts.server->target().user,
            .upstream = parts.upstream_name,
            .mode = policy::in_shadow(*parts.policy, *role) ? "shadow" : "enforce",
            .record_sql = recorded_sql(record),
            .record_results = recorded_results(record),
            .who = who,
            .agent = {},
            .client_key = {},
            .previous = previous,
        };
        auto writer = recording::Writer::create(parts.record_dir, head);
        if (!writer) return writer.error();
        recording_ = std::move(*writer);
        recording_path_ = recording_->path();
    }
    relay::EngineOptions engine;
    engine.language = &relay::postgres::language();
    engine.policy = parts.policy;
    engine.role = parts.role;
    engine.session = parts.session;
    engine.mask_key = std::move(parts.mask_key);
    engine.recording = recording_;
    engine.decided = [this](const relay::Told& told) { decided(told); };
    engine.report_all = output().options().verbose || !output().options().log_file.empty();
    engine_ = relay::make_engine(std::move(engine));

    tunnel::GuardOptions options;
    options.listen = *address;
    options.allow_remote = parts.allow_remote;
    options.server = parts.server;
    options.database = parts.database;
    options.make_session = [this] { return Result<std::unique_ptr<relay::Session>>(engine_->session()); };
    options.on_warning = [](std::string_view text) { output().warning(text); };
    tunnel_ = std::make_unique<tunnel::Guard>(loop_, std::move(options));
    if (auto started = tunnel_->start(); !started) return started;

    const auto& bound = tunnel_->address();
    target_.host = bound.directory.empty() ? bound.host : bound.directory;
    target_.port = bound.port;
    target_.user = tunnel_->user();
    target_.password = tunnel_->password().reveal();
    target_.database = parts.database;
    target_.session = parts.session;

    if (role->session.ttl) loop_.after(*role->session.ttl, [this] { over_ = "the session's time (ttl) is over"; });
    if (role->session.idle) watch_idleness(*role->session.idle, 0);
    return {};
}

Result<std::shared_ptr<const policy::Policy>> load_policy(const std::string& file) {
    if (file.empty()) return Error{errc::bad_option, "--policy FILE is missing"};
    const auto text = read_file(file, policy::max_policy_bytes);
    if (!text) return Error{errc::bad_policy, "--policy " + text.error().detail};
    auto loaded = policy::load(*text, file);
    std::string first;
    for (const auto& problem : loaded.problems) {
        if (problem.severity != policy::Severity::error) continue;
        if (first.empty())
            first = policy::text(problem);
        else
            output().error(policy::text(problem));
    }
    if (!loaded.policy) return Error{errc::bad_policy, first.empty() ? file + ": cannot be used" : first};
    return std::make_shared<const policy::Policy>(std::move(*loaded.policy));
}

}  // namespace

void add_standalone_options(CLI::App& command, StandaloneOptions& options) {
    const auto add = [&](const char* name, std::string& into, const char* about, const char* type) {
        command.add_option(name, into, about)->type_name(type)->group("Without a policy service");
    };
    add("--db-url", options.db_url, "The database: postgresql://USER@HOST:PORT/DATABASE; DBGUARD_DB_URL is kept out of the process list", "URL");
    add("--policy", options.policy, "The policy file", "FILE");
    add("--role", options.role, "The policy's role that this session has", "NAME");
    add("--record-dir", options.record_dir, "Record the session in this folder, as SESSION.dbgl", "DIR");
    add("--mask-key-file", options.mask_key_file, "The bytes that key the mask `hash`; without it a random key for each session", "FILE");
    command.add_option("--listen", options.listen, "Where clients connect: HOST:PORT or unix:DIR; port 0 is a free one")
        ->type_name("ADDRESS")
        ->capture_default_str()
        ->group("The listener");
    command.add_flag("--allow-remote", options.allow_remote, "Permit an address that other machines can reach")->group("The listener");
}

Result<std::unique_ptr<Guard>> start_guard(GuardParts parts) {
    auto guard = std::make_unique<LocalGuard>();
    if (auto started = guard->start(std::move(parts)); !started) return started.error();
    return std::unique_ptr<Guard>(std::move(guard));
}

Result<std::unique_ptr<Guard>> start_standalone(const StandaloneOptions& options) {
    const auto environment = upstream::process_environment();
    std::string url_text = options.db_url;
    const bool in_arguments = !url_text.empty();
    if (url_text.empty()) url_text = environment("DBGUARD_DB_URL").value_or("");
    if (url_text.empty()) return Error{errc::bad_option, "no database: give --db-url, or DBGUARD_DB_URL in the environment"};
    const auto url = upstream::parse_database_url(url_text);
    if (!url) return Error{errc::bad_option, "--db-url: " + url.error().detail};
    if (url->engine != upstream::Engine::postgres) return Error{errc::bad_option, "--db-url: " + url->scheme + " is not supported yet"};
    if (in_arguments && url->password)
        output().warning("the password in --db-url can be read by every user of this machine; use DBGUARD_DB_URL, PGPASSWORD or a passfile");
    auto target = upstream::postgres_target(*url, environment);
    if (!target) return Error{errc::bad_option, "--db-url: " + target.error().detail};
    auto password = upstream::find_password(*url, environment);
    for (const auto& warning : password.warnings) output().warning(warning);

    if (options.role.empty()) return Error{errc::bad_option, "--role NAME is missing"};
    auto policy = load_policy(options.policy);
    if (!policy) return policy.error();
    GuardParts parts;
    parts.policy = std::move(*policy);
    parts.role = options.role;
    parts.session = random_id("s_", 12);
    parts.database = target->database;
    parts.upstream_name = target->address();
    parts.listen = options.listen;
    parts.allow_remote = options.allow_remote;
    parts.record_dir = options.record_dir;
    if (!options.mask_key_file.empty()) {
        auto key = read_file(options.mask_key_file, 1024 * 1024);
        if (!key) return Error{errc::bad_option, "--mask-key-file " + key.error().detail};
        if (key->empty()) return Error{errc::bad_option, "--mask-key-file " + options.mask_key_file + " is empty"};
        parts.mask_key = Secret(std::move(*key));
    }
    const char* home = std::getenv("HOME");
    auto server = upstream::PostgresConnector::make(std::move(*target), std::move(password.password), home != nullptr ? home : "");
    if (!server) return server.error();
    parts.server = std::move(*server);
    return start_guard(std::move(parts));
}

}  // namespace dbguard::cli
