#include "broker/service.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/crypto.hpp"
#include "base/file.hpp"

namespace dbguard::broker {
namespace {

constexpr std::string_view session_prefix = "/v1/sessions/";

/// The key that `hash` masks with, when the configuration names none: made once, so that hashes stay comparable.
Result<Secret> own_mask_key(const std::string& path) {
    if (auto existing = read_file(path, 4096)) {
        if (existing->size() < 16) return Error{dbguard::errc::cannot_read, path + " is shorter than 16 bytes"};
        return Secret(std::move(*existing));
    }
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return Error{dbguard::errc::cannot_read, path + ": " + std::strerror(errno)};
    Secret key(random_bytes(32));
    const auto& bytes = key.reveal();
    if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) || ::fsync(fd.get()) != 0)
        return Error{dbguard::errc::cannot_read, path + ": " + std::strerror(errno)};
    return key;
}

identity::Time system_now() {
    return std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

Service::Service(ServiceWorld world) : world_(std::move(world)), failures_(ServeConfig().failures_per_minute) {
    if (!world_.now) world_.now = system_now;
    if (!world_.clients) world_.clients = default_http_clients();
}

Result<std::unique_ptr<Service>> Service::make(Prepared prepared, ServiceWorld world) {
    std::unique_ptr<Service> service(new Service(std::move(world)));
    if (::mkdir(prepared.data_dir.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{errc::store_failed, prepared.data_dir + ": " + std::strerror(errno)};
    auto store = open_sqlite_store(prepared.data_dir + "/dbguard.sqlite");
    if (!store) return store.error();
    service->store_ = std::move(*store);
    auto instance = service->store_->instance();
    if (!instance) return instance.error();
    service->instance_ = std::move(*instance);
    auto recordings = Recordings::open(prepared.data_dir + "/recordings", prepared.config.recording_max_bytes);
    if (!recordings) return recordings.error();
    service->recordings_ = std::move(*recordings);
    auto first = service->generate(std::move(prepared), nullptr);
    if (!first) return first.error();
    service->become(std::move(*first));
    return service;
}

Service::~Service() { stop(); }

void Service::log(LogLevel level, std::string_view event, std::vector<std::pair<std::string_view, std::string>> fields) const {
    if (world_.log) world_.log({level, event, std::move(fields)});
}

// ---- generations -----------------------------------------------------------------------------------------------------------

namespace {

bool same_credential(const Database& a, const Database& b) {
    return a.settings.host == b.settings.host && a.settings.port == b.settings.port && a.settings.database == b.settings.database &&
           a.settings.tls_mode == b.settings.tls_mode && a.root_certificates_file == b.root_certificates_file &&
           a.root_certificates == b.root_certificates && a.settings.connections == b.settings.connections &&
           a.settings.mint->user == b.settings.mint->user && a.mint_password == b.mint_password;
}

}  // namespace

const Database* Service::Generation::find_database(std::string_view name) const {
    for (const auto& database : prepared.databases)
        if (database.settings.name == name) return &database;
    return nullptr;
}

Grants* Service::Generation::grants_of(std::string_view database) const {
    const Database* known = find_database(database);
    if (known == nullptr || !known->settings.mint) return nullptr;
    const auto found = grants.lower_bound(database);
    return found == grants.end() || found->first != database ? nullptr : found->second.get();
}

Result<std::shared_ptr<const Service::Generation>> Service::generate(Prepared prepared, const Generation* before) {
    auto made = std::make_shared<Generation>();
    if (prepared.mask_key.empty()) {
        auto key = own_mask_key(prepared.data_dir + "/mask.key");
        if (!key) return key.error();
        prepared.mask_key = std::move(*key);
    }
    auto keys = IssuerKeys::make(
        prepared.issuers, world_.clients,
        [this](std::string_view issuer, std::string_view line) {
            log(LogLevel::warning, "keys", {{"issuer", std::string(issuer)}, {"reason", std::string(line)}});
        },
        before ? before->keys.get() : nullptr
    );
    if (!keys) return keys.error();
    made->keys = std::move(*keys);
    for (const auto& database : prepared.databases) {
        const auto& name = database.settings.name;
        if (!database.settings.mint) continue;
        const Database* former = before ? before->find_database(name) : nullptr;
        if (former != nullptr && former->settings.mint && same_credential(*former, database)) {
            made->grants.emplace(name, before->grants.lower_bound(name)->second);
            continue;
        }
        auto grants = Grants::make(database);
        if (!grants) return Error{grants.error().code, name + ": " + grants.error().detail};
        made->grants.emplace(name, std::move(*grants));
    }
    made->prepared = std::move(prepared);
    if (before == nullptr) return std::shared_ptr<const Generation>(std::move(made));
    // Where sessions' roles may still be, although no new ones are made there.
    const auto undropped = store_->undropped();
    if (!undropped) return undropped.error();
    for (const auto& [name, grants] : before->grants) {
        const auto [first, last] = made->grants.equal_range(name);
        if (std::any_of(first, last, [&](const auto& one) { return one.second == grants; })) continue;
        const auto in_use = store_->users_in_use(name);
        if (!in_use) return in_use.error();
        const bool owed = std::any_of(undropped->begin(), undropped->end(), [&](const StoredSession& one) { return one.database == name; });
        if (owed || !in_use->empty()) made->grants.emplace(name, grants);
    }
    return std::shared_ptr<const Generation>(std::move(made));
}

std::shared_ptr<const Service::Generation> Service::current() const {
    const std::lock_guard lock(generation_mutex_);
    return generation_;
}

void Service::become(std::shared_ptr<const Generation> next) {
    failures_.set_per_minute(next->prepared.config.failures_per_minute);
    recordings_->set_max_bytes(next->prepared.config.recording_max_bytes);
    const std::lock_guard lock(generation_mutex_);
    generation_ = std::move(next);
}

Result<void> Service::reload(Prepared prepared) {
    const std::lock_guard one(reload_mutex_);
    const auto before = current();
    const auto& was = before->prepared;
    if (prepared.config.listen_address != was.config.listen_address || prepared.config.listen_port != was.config.listen_port)
        return Error{errc::needs_restart, "`listen` is another"};
    if (prepared.data_dir != was.data_dir) return Error{errc::needs_restart, "`data_dir` is another"};
    if (!prepared.certificate_chain.empty() && prepared.certificate_chain != was.certificate_chain)
        log(LogLevel::warning, "reload", {{"reason", "the new certificate is used after a restart"}});
    auto next = generate(std::move(prepared), before.get());
    if (!next) return next.error();
    become(std::move(*next));
    const std::lock_guard lock(mutex_);
    fresh_ = true;
    wake_.notify_all();
    return {};
}

// ---- answers ---------------------------------------------------------------------------------------------------------------

net::HttpResponse Service::reply(int status, std::string json) {
    // RFC 6749 §5.1: what holds a token is not to be kept by anybody on the way.
    return {status, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"Pragma", "no-cache"}}, std::move(json)};
}

net::HttpResponse Service::error(int status, std::string_view name, std::string description, std::string correlation) {
    auto response = reply(status, json(ErrorReply{std::string(name), std::move(description), std::move(correlation), 0}));
    if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (status == 429) response.headers.emplace_back("Retry-After", "60");
    if (status == 405) response.headers.emplace_back("Allow", "POST");
    return response;
}

net::HttpResponse Service::respond(const net::HttpRequest& request) {
    if (request.path == "/healthz")
        return request.method == "GET" || request.method == "HEAD"
                   ? reply(200, R"({"status":"ok"})")
                   : error(405, error_name::method_not_allowed, "GET only");
    if (request.path == "/v1/token") {
        if (request.method != "POST") return error(405, error_name::method_not_allowed, "POST only");
        return exchange(request);
    }
    if (request.path.starts_with(session_prefix)) {
        const auto rest = std::string_view(request.path).substr(session_prefix.size());
        const auto slash = rest.find('/');
        if (slash != std::string_view::npos) {
            if (request.method != "POST") return error(405, error_name::method_not_allowed, "POST only");
            return session_request(request, rest.substr(0, slash), rest.substr(slash + 1));
        }
    }
    return error(404, error_name::not_found, "no such path; is this the right URL?");
}

std::size_t Service::max_body_bytes(const net::HttpRequest& head) const {
    // Only a recording may be large, and only for somebody who at least says who they are.
    const bool is_recording = head.path.starts_with(session_prefix) && head.path.ends_with("/recording");
    const bool has_token = head.header("authorization").starts_with("Bearer ");
    return is_recording && has_token ? SessionGrant().recording_chunk_bytes : 64 * 1024;
}

// ---- start and stop ----------------------------------------------------------------------------------------------------------

std::vector<std::string> check_databases(const Prepared& prepared) {
    std::vector<std::string> problems;
    for (const auto& database : prepared.databases) {
        if (!database.settings.mint) continue;
        std::vector<std::string> logins;
        for (const auto& loaded : prepared.policies)
            for (const auto& role : loaded.policy.roles)
                if (policy::admits_database(role, database.settings.name)) logins.push_back(role.login);
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
        const auto grants = Grants::make(database);
        const auto good = grants ? (*grants)->check(logins, deadline) : Result<void>(grants.error());
        if (!good) problems.push_back("database " + database.settings.name + ": " + good.error().text());
    }
    return problems;
}

void Service::start() {
    sweeper_ = std::thread([this] {
        for (unsigned round = 0;; ++round) {
            bool fresh = false;
            {
                const std::lock_guard lock(mutex_);
                fresh = std::exchange(fresh_, false);
            }
            const auto generation = current();  // after that: a reload that comes between is seen again
            if (fresh) {
                generation->keys->warm(world_.now);  // reports for itself
                for (const auto& problem : check_databases(generation->prepared)) log(LogLevel::warning, "check", {{"reason", problem}});
            }
            sweep(round % 10 == 0);
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, generation->prepared.config.sweep, [this] { return stop_ || fresh_; });
            if (stop_) return;
        }
    });
}

void Service::stop() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    if (sweeper_.joinable()) sweeper_.join();
}

}  // namespace dbguard::broker
