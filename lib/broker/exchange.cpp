// POST /v1/token: from a CI platform's token to an open session.
#include <nlohmann/json.hpp>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "broker/service.hpp"
#include "identity/replay.hpp"
#include "policy/match_identity.hpp"

namespace dbguard::broker {

using std::chrono::seconds;

/// The role that was chosen, and what it opens. Borrows from the Generation.
struct Service::Choice {
    const LoadedPolicy* policy = nullptr;
    const policy::Role* role = nullptr;
    const Database* database = nullptr;
};

namespace {

/// Internal reasons of this file, for the audit entry.
constexpr std::string_view no_role = "no_role";
constexpr std::string_view unknown_database = "unknown_database";
constexpr std::string_view role_not_open = "role_not_open";
constexpr std::string_view several_roles = "several_roles";
constexpr std::string_view needs_approval = "needs_approval";
constexpr std::string_view bad_request = "bad_request";
constexpr std::string_view rate_limited = "rate_limited";
constexpr std::string_view over_already = "session_ended_while_opening";
constexpr std::string_view overloaded = "too_many_exchanges_at_once";

/// Exchanges wait for issuers and databases; renewals must find a thread all the same (cli/cmd_serve.cpp has 64).
constexpr int max_exchanges = 48;

class Counted {
  public:
    explicit Counted(std::atomic<int>& count) : count_(count), number_(++count) {}
    ~Counted() { --count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    int number() const { return number_; }

  private:
    std::atomic<int>& count_;
    int number_;
};

/// Claims that say who somebody is, in the order to show them. Ids first: names change hands (identity.md A1, A2).
constexpr std::string_view shown_claims[] = {
    "repository_id", "repository", "project_id", "project_path", "job_project_id", "run_id", "run_attempt", "pipeline_id",
    "job_id", "actor_id", "actor", "user_id", "user_login", "event_name", "pipeline_source", "ref", "sha", "environment",
    "job_workflow_ref", "workflow_ref", "runner_environment", "sub"
};

std::vector<std::pair<std::string, std::string>> who_is(const identity::Identity& identity) {
    std::vector<std::pair<std::string, std::string>> who = {{"iss", identity.issuer}};
    for (const auto name : shown_claims)
        if (const auto value = identity.claim(name)) who.emplace_back(std::string(name), std::string(value->substr(0, 512)));
    return who;
}

std::string who_json(const std::vector<std::pair<std::string, std::string>>& who) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (const auto& [name, value] : who) object[name] = value;
    return object.dump();
}

policy::Caller caller_of(const identity::Identity& identity) {
    policy::Caller caller;
    caller.issuer = identity.issuer;
    caller.audience = {identity.audience};
    for (const auto& [name, claim] : identity.claims)
        if (!claim.values.empty()) caller.claims.emplace(name, claim.values);
    return caller;
}

/// A second look at what the platform's rules called dangerous: policy::match_identity() knows the same cautions by name; here
/// they come from the verifier.
bool cautions_named(const identity::Identity& identity, const policy::Identity& entry) {
    identity::NamedClaims named;
    for (const auto& claim : entry.claims) named.emplace(claim.name, claim.values);
    return !identity::unnamed(identity, named);
}

struct PublicError {
    int status;
    std::string_view name;
    std::string description;
};

/// What the caller is told. Before the token was verified nothing says which check failed: that would help guessing.
PublicError public_error(const Error& reason, bool verified) {
    if (reason.code == rate_limited) return {429, error_name::too_many_requests, "too many refused requests from this address"};
    if (reason.code == error_name::unsupported_grant_type)
        return {400, error_name::unsupported_grant_type, "token-exchange (RFC 8693) or jwt-bearer (RFC 7523)"};
    if (reason.code == errc::bad_message || reason.code == bad_request)
        return {400, error_name::invalid_request, "not a token exchange: " + reason.detail};
    if (reason.code == errc::keys_unavailable)
        return {503, error_name::temporarily_unavailable, "the issuer's keys cannot be fetched now"};
    if (reason.code == errc::store_failed || reason.code == identity::replay_error::store_unreachable)
        return {503, error_name::temporarily_unavailable, "the service cannot write its records now"};
    if (reason.code == overloaded) return {503, error_name::temporarily_unavailable, "too many exchanges at once"};
    if (!verified) return {400, error_name::invalid_request, "the token is not accepted"};
    if (reason.code == identity::replay_error::replayed)
        return {400, error_name::invalid_request, "this token was used already: each use needs a new one"};
    if (reason.code == unknown_database || reason.code == no_role)
        return {400, error_name::invalid_target, "no role opens this database for this identity"};
    if (reason.code == role_not_open || reason.code == several_roles) return {400, error_name::invalid_scope, reason.detail};
    if (reason.code == needs_approval) return {403, error_name::approval_required, reason.detail};
    if (reason.code == errc::too_many_sessions) return {409, error_name::too_many_sessions, reason.detail};
    if (reason.code == errc::database_unavailable)
        return {503, error_name::temporarily_unavailable, "the database cannot be reached now"};
    if (reason.code == errc::cannot_grant)
        return {500, error_name::server_error, "no database credential could be made: an operator must look"};
    return {500, error_name::server_error, "the session could not be opened"};
}

std::chrono::milliseconds or_else(const std::optional<policy::Duration>& given, seconds otherwise) {
    return given ? *given : std::chrono::milliseconds(otherwise);
}

}  // namespace

net::HttpResponse Service::refuse(const net::HttpRequest& request, AuditEntry audit, const Error& reason) {
    const bool verified = !audit.issuer.empty();
    const auto shown = public_error(reason, verified);
    // An address that floods us must not fill the disk as well: above its limit it leaves a trace in the log only.
    const bool limited = reason.code == rate_limited || reason.code == overloaded;
    // A known caller that asks for too much is no flood, unless it sends one token again and again.
    const bool counts = !verified || reason.code == identity::replay_error::replayed;
    if (shown.status < 500 && !limited && counts) failures_.failed(request.peer, FailureLimit::Clock::now());
    audit.decision = shown.status >= 500 ? "failed" : "refused";
    audit.reason = reason.text();
    log(shown.status >= 500 ? LogLevel::error : LogLevel::warning, "exchange",
        {{"decision", audit.decision}, {"reason", audit.reason}, {"correlation", audit.correlation_id}, {"peer", audit.peer},
         {"database", audit.database}, {"issuer", audit.issuer}, {"subject", audit.subject}});
    if (!limited)
        if (const auto written = store_->audit(audit); !written)
            return error(503, error_name::temporarily_unavailable, "the service cannot write its records now", audit.correlation_id);
    return error(shown.status, shown.name, shown.description, audit.correlation_id);
}

net::HttpResponse Service::exchange(const net::HttpRequest& request) {
    AuditEntry audit;
    audit.at = now();
    audit.correlation_id = random_id("c_", 10);
    audit.event = "exchange";
    audit.peer = request.peer;
    if (!failures_.allows(request.peer, FailureLimit::Clock::now())) return refuse(request, audit, Error{rate_limited, ""});
    const Counted running(exchanges_);
    if (running.number() > max_exchanges) return refuse(request, audit, Error{overloaded, ""});
    if (!request.header("content-type").starts_with("application/x-www-form-urlencoded"))
        return refuse(request, audit, Error{bad_request, "Content-Type must be application/x-www-form-urlencoded"});
    const auto asked = parse_exchange_request(request.body);
    if (!asked) return refuse(request, audit, asked.error());
    audit.database = asked->database.substr(0, 128);

    // One configuration for all of it, also when another is loaded meanwhile.
    const auto generation = current();
    const auto verified = generation->keys->verify(asked->subject_token.reveal(), world_.now);
    if (!verified) return refuse(request, audit, verified.error());
    const auto& identity = verified->identity;
    audit.issuer = identity.issuer;
    audit.subject = identity.subject;
    audit.token_id = identity.token_id;
    audit.key_id = identity.key_id;
    audit.who = who_json(who_is(identity));

    const auto unused = store_->use(identity::replay_rule(identity, *verified->issuer), now());
    if (!unused) return refuse(request, audit, unused.error());
    const auto choice = choose(*generation, identity, *asked, audit);
    if (!choice) return refuse(request, audit, choice.error());
    const auto grant = open_session(*generation, *choice, *verified, audit);
    if (!grant) return refuse(request, audit, grant.error());

    log(LogLevel::info, "exchange",
        {{"decision", "allowed"}, {"session", grant->session}, {"database", audit.database}, {"role", audit.role},
         {"policy", audit.policy}, {"correlation", audit.correlation_id}, {"peer", audit.peer}, {"who", identity.summary()}});
    return reply(200, json(*grant));
}

/// One session, one role (policy.md §5.1): when several match, the caller names one; they are never united.
Result<Service::Choice> Service::choose(
    const Generation& now, const identity::Identity& identity, const ExchangeRequest& request, AuditEntry& audit
) {
    Choice choice;
    choice.database = now.find_database(request.database);
    if (choice.database == nullptr) return Error{unknown_database, ""};
    const auto caller = caller_of(identity);
    std::string refused;
    std::string names;
    std::size_t matching = 0;
    for (const auto& loaded : now.prepared.policies) {
        const auto match = policy::match_identity(loaded.policy, caller, request.database);
        for (const auto& line : match.refused) refused += (refused.empty() ? "" : "; ") + line;
        for (const auto& found : match.roles) {
            const auto* entry = policy::find_identity(loaded.policy, found.identity);
            if (entry == nullptr || !cautions_named(identity, *entry)) {
                refused += (refused.empty() ? "" : "; ") + found.identity + ": untrusted event";
                continue;
            }
            names += (names.empty() ? "" : ", ") + found.role;
            if (!request.role.empty() && request.role != found.role) continue;
            ++matching;
            choice.policy = &loaded;
            choice.role = policy::find_role(loaded.policy, found.role);
            audit.policy = loaded.policy.name;
            audit.role = found.role;
            audit.identity = found.identity;
        }
    }
    if (names.empty()) return Error{no_role, refused};
    // The caller is known by now, so it may learn which roles are its own.
    if (matching == 0) return Error{role_not_open, "role " + request.role.substr(0, 64) + " is not open to this identity; open are: " + names};
    if (matching > 1) return Error{several_roles, "several roles are open to this identity: name one of " + names};
    if (choice.role == nullptr) return Error{no_role, "role vanished"};
    if (choice.role->approve_session)
        return Error{needs_approval, "role " + choice.role->name + " needs an approver before a session opens, and none can be asked yet"};
    return choice;
}

/// identity.md A0: a token that stays valid for the whole job may be exchanged again, but then it replaces what it had.
Result<void> Service::replace_earlier(const StoredSession& session) {
    if (session.job_id.empty()) return {};
    const auto earlier = store_->of_job(session.issuer, session.job_id, session.database, session.role);
    if (!earlier) return earlier.error();
    for (const auto& old : *earlier) end_session(old, "replaced");
    return {};
}

Result<SessionGrant> Service::open_session(
    const Generation& current, const Choice& choice, const IssuerKeys::Verified& verified, AuditEntry& audit
) {
    const auto& config = current.prepared.config;
    const auto& identity = verified.identity;
    const auto& role = *choice.role;
    const auto& database = *choice.database;
    const bool static_token = verified.issuer->use == identity::TokenUse::per_job;
    const auto begin = now();

    auto lifetime = std::min(or_else(role.session.ttl, config.ttl), std::chrono::milliseconds(config.max_ttl));
    // A static token cannot be renewed, and nobody takes it back: its end is the end (identity.md A2).
    if (static_token) lifetime = std::min(lifetime, std::chrono::milliseconds(identity.expires_at - begin));
    const auto ttl = std::chrono::duration_cast<seconds>(lifetime);
    if (ttl <= seconds(0)) return Error{no_role, "the token ends now"};

    SessionGrant grant;
    grant.session = random_id("s_", 16);
    grant.access_token = Secret(random_id("dbgs_", 40));
    grant.expires_in = ttl;
    grant.database_name = database.settings.name;
    grant.role = role.name;
    grant.login = role.login;
    grant.policy_text = choice.policy->text;
    grant.policy_hash = choice.policy->hash;
    grant.mask_key = current.prepared.mask_key;
    grant.who = who_is(identity);
    grant.lease = config.lease;
    grant.heartbeat = config.heartbeat;
    grant.recording_path = "/v1/sessions/" + grant.session + "/recording";
    grant.database.engine = policy::name(database.settings.engine);
    grant.database.host = database.settings.host;
    grant.database.port = database.settings.port;
    grant.database.name = database.settings.database;
    grant.database.tls = {database.settings.tls_mode, database.root_certificates};
    Grants* grants = current.grants_of(database.settings.name);
    grant.database.minted = grants != nullptr;
    grant.database.user = grants ? role_name(instance_, grant.session) : role.login;

    StoredSession stored;
    stored.id = grant.session;
    stored.token_hash = hex(sha256(grant.access_token.reveal()));
    stored.policy = choice.policy->policy.name;
    stored.policy_hash = grant.policy_hash;
    stored.role = role.name;
    stored.database = grant.database_name;
    stored.login = role.login;
    stored.database_user = grant.database.user;
    stored.drop_user = grant.database.minted;
    stored.issuer = identity.issuer;
    stored.subject = identity.subject;
    stored.job_id = static_token ? identity.job_id : "";
    stored.who = identity.summary();
    stored.created = begin;
    stored.expires = begin + ttl;
    stored.lease_until = begin + config.lease;
    stored.keep = config.recording_keep;
    if (const auto keep = policy::record_settings(choice.policy->policy, role).keep) stored.keep = std::chrono::ceil<seconds>(*keep);
    audit.session = grant.session;

    // Written down before the role is made: whatever happens next, the sweeper knows what to remove.
    if (const auto replaced = replace_earlier(stored); !replaced) return replaced.error();
    if (const auto added = store_->add(stored, role.session.max_open); !added) return added.error();
    const auto give_up = [&](const Error& reason) {
        end_session(stored, "error");
        return reason;
    };
    if (grants != nullptr) {
        GrantRequest request;
        request.user = grant.database.user;
        request.login = role.login;
        request.comment = "dbguard session " + grant.session + ", role " + role.name + ": " + stored.who;
        request.valid_until = stored.expires;
        request.read_only = is_read_only(role);
        // A second later than dbguard's own limit, so that its clearer words come first.
        if (role.limits.time) request.statement_timeout = *role.limits.time + seconds(1);
        auto password = grants->create(request, std::chrono::steady_clock::now() + seconds(10));
        if (!password) return give_up(password.error());
        grant.database.password = std::move(*password);
    } else {
        for (const auto& login : database.stored)
            if (login.user == role.login) grant.database.password = login.password;
    }
    audit.decision = "allowed";
    const auto opened = store_->opened(stored.id, audit);
    if (!opened) return give_up(opened.error());
    if (!*opened) return give_up(Error{over_already, ""});
    return grant;
}

}  // namespace dbguard::broker
