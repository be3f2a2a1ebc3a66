// What becomes of a session: renewed, recorded, ended, swept.
#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "broker/service.hpp"

namespace dbguard::broker {
namespace {

using std::chrono::seconds;

/// How long after its end a session's recording may still be completed: a client whose lease ran out in a network cut has the
/// better copy.
constexpr seconds late_recording{600};
/// For ending one session at the database, while a client waits.
constexpr seconds drop_time{10};

std::optional<std::uint64_t> offset_of(std::string_view query) {
    constexpr std::string_view name = "offset=";
    if (!query.starts_with(name)) return {};
    const auto digits = query.substr(name.size());
    std::uint64_t offset = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
    if (bad != std::errc() || end != digits.data() + digits.size() || digits.empty()) return {};
    return offset;
}

bool same_hash(const std::string& a, const std::string& b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::optional<StoredSession> Service::authenticate(const net::HttpRequest& request, std::string_view id) {
    constexpr std::string_view scheme = "Bearer ";
    const auto authorization = request.header("authorization");
    if (!authorization.starts_with(scheme) || id.size() > 64) return {};
    const auto hash = hex(sha256(authorization.substr(scheme.size())));
    auto found = store_->find(id);
    if (!found || !*found || !same_hash((*found)->token_hash, hash)) return {};
    return std::move(**found);
}

net::HttpResponse Service::session_request(const net::HttpRequest& request, std::string_view id, std::string_view action) {
    if (action != "renew" && action != "end" && action != "recording") return error(404, error_name::not_found, "no such path");
    if (!failures_.allows(request.peer, FailureLimit::Clock::now()))
        return error(429, error_name::too_many_requests, "too many refused requests from this address");
    auto session = authenticate(request, id);
    if (!session) {
        failures_.failed(request.peer, FailureLimit::Clock::now());
        return error(401, error_name::invalid_token, "no session with this token");
    }
    if (action == "end") return end(request, *session);
    if (session->state != SessionState::ended && (now() >= session->expires || now() > session->lease_until)) {
        // The sweeper has not been here yet.
        end_session(*session, now() >= session->expires ? "ttl" : "lease");
        session->state = SessionState::ended;
        session->ended = now();
    }
    if (action == "recording") return recording(request, *session);
    return renew(*session);
}

net::HttpResponse Service::renew(const StoredSession& session) {
    if (session.state != SessionState::open) return error(410, error_name::session_over, "the session is over: " + session.end_reason);
    const auto generation = current();
    const auto until = std::min(now() + generation->prepared.config.lease, session.expires);
    const auto renewed = store_->renew(session.id, until);
    if (!renewed) return error(503, error_name::temporarily_unavailable, "the service cannot write its records now");
    if (!*renewed) return error(410, error_name::session_over, "the session is over");
    RenewReply answer;
    answer.lease = until - now();
    answer.expires_in = session.expires - now();
    for (const auto& loaded : generation->prepared.policies)
        if (loaded.policy.name == session.policy) answer.policy_hash = loaded.hash;
    return reply(200, json(answer));
}

net::HttpResponse Service::end(const net::HttpRequest& request, const StoredSession& session) {
    const auto asked = parse_end_request(request.body);
    if (!asked) return error(400, error_name::invalid_request, asked.error().text());
    if (session.state != SessionState::ended) {
        AuditEntry audit;
        audit.at = now();
        audit.correlation_id = random_id("c_", 10);
        audit.event = "end";
        audit.decision = "done";
        audit.reason = asked->reason;
        audit.peer = request.peer;
        audit.session = session.id;
        audit.database = session.database;
        audit.policy = session.policy;
        audit.role = session.role;
        const bool gone = end_session(session, asked->reason, &audit);
        if (!gone) log(LogLevel::warning, "end", {{"session", session.id}, {"reason", "its role will be removed by the sweeper"}});
    } else if (session.drop_user) {
        drop_user(session);
    }
    recordings_->close(session.id);
    return reply(200, "{}");
}

net::HttpResponse Service::recording(const net::HttpRequest& request, const StoredSession& session) {
    const bool late = session.state == SessionState::ended && session.ended && now() > *session.ended + late_recording;
    if (session.recording_removed) return error(410, error_name::session_over, "its recording was kept as long as it was to be");
    if (late) return error(410, error_name::session_over, "the session is over, and too long ago to complete its recording");
    const auto offset = offset_of(request.query);
    if (!offset) return error(400, error_name::invalid_request, "the query must be offset=N");
    const auto size = recordings_->append(session.id, *offset, request.body);
    if (session.state == SessionState::ended) recordings_->close(session.id);
    if (size) return reply(200, json(RecordingReply{*size}));
    const auto& reason = size.error();
    if (reason.code == errc::recording_offset) {
        ErrorReply body{std::string(error_name::wrong_offset), "the recording has another size", "", 0};
        if (const auto actual = recordings_->size(session.id)) body.size_bytes = *actual;
        return reply(409, json(body));
    }
    log(LogLevel::error, "recording", {{"session", session.id}, {"reason", reason.text()}});
    if (reason.code == errc::recording_broken) return error(422, error_name::broken_chain, "these bytes do not continue the recording's chain");
    if (reason.code == errc::recording_too_large) return error(413, error_name::too_large, "the recording is larger than " + reason.detail + " bytes");
    return error(503, error_name::temporarily_unavailable, "the recording cannot be written now");
}

// ---- the end -----------------------------------------------------------------------------------------------------------------

bool Service::drop_user(const StoredSession& session) {
    if (!session.drop_user) return true;
    const auto generation = current();
    const auto [first, last] = generation->grants.equal_range(session.database);
    if (first == last) return false;  // the configuration lost the database; the row stays as a reminder
    // Where a reload gave the name another address, nobody remembers at which of them the role is.
    bool gone = true;
    for (auto at = first; at != last; ++at) {
        const auto dropped = at->second->drop(session.database_user, session.login, std::chrono::steady_clock::now() + drop_time);
        if (dropped) continue;
        log(LogLevel::warning, "drop", {{"session", session.id}, {"user", session.database_user}, {"reason", dropped.error().text()}});
        gone = false;
    }
    if (!gone) return false;
    if (!store_->dropped(session.id)) log(LogLevel::error, "store", {{"reason", "a removed role could not be written down"}});
    return true;
}

bool Service::end_session(const StoredSession& session, std::string_view reason, const AuditEntry* why) {
    // The credential goes even when that cannot be written down: the other way round it would live longer.
    const auto ended = store_->end(session.id, reason, now(), why);
    if (!ended) log(LogLevel::error, "store", {{"session", session.id}, {"reason", ended.error().text()}});
    if (ended && *ended)
        log(LogLevel::info, "end", {{"session", session.id}, {"database", session.database}, {"role", session.role}, {"reason", std::string(reason)}, {"who", session.who}});
    return drop_user(session);
}

void Service::remove_recordings() {
    const auto over = store_->past_keeping(now());
    if (!over) {
        log(LogLevel::error, "store", {{"reason", over.error().text()}});
        return;
    }
    for (const StoredSession& session : *over) {
        const auto removed = recordings_->remove(session.id);
        if (!removed) {
            log(LogLevel::error, "retention", {{"session", session.id}, {"reason", removed.error().text()}});
            continue;
        }
        AuditEntry audit;
        audit.at = now();
        audit.correlation_id = random_id("c_", 10);
        audit.event = "retention";
        audit.decision = "done";
        audit.reason = "kept for " + std::to_string(session.keep->count()) + " s";
        audit.session = session.id;
        audit.database = session.database;
        audit.policy = session.policy;
        audit.role = session.role;
        const auto written = store_->recording_removed(session.id, audit);
        if (!written) log(LogLevel::error, "store", {{"session", session.id}, {"reason", written.error().text()}});
        log(LogLevel::info, "retention", {{"session", session.id}, {"reason", audit.reason}});
    }
}

std::size_t Service::sweep(bool strays) {
    const std::lock_guard lock(sweep_mutex_);
    std::size_t removed = 0;
    if (const auto overdue = store_->overdue(now())) {
        for (const auto& session : *overdue) {
            const bool by_time = now() >= session.expires;
            if (end_session(session, by_time ? "ttl" : "lease") && session.drop_user) ++removed;
            recordings_->close(session.id);
        }
    } else {
        log(LogLevel::error, "store", {{"reason", overdue.error().text()}});
    }
    if (const auto undropped = store_->undropped())
        for (const auto& session : *undropped)
            if (drop_user(session)) ++removed;
    remove_recordings();
    if (!strays) return removed;
    const auto generation = current();
    for (const auto& [name, grants] : generation->grants) {
        const auto deadline = std::chrono::steady_clock::now() + seconds(60);
        // First what is there, then what may be: a role's row is written before the role is made.
        const auto found = grants->list(role_prefix(instance_), deadline);
        if (!found) {
            log(LogLevel::warning, "sweep", {{"database", name}, {"reason", found.error().text()}});
            continue;
        }
        // Several logical databases may be one server, and a role of one of them shows in all.
        std::vector<std::string> in_use;
        bool known = true;
        for (const auto& [other, unused] : generation->grants) {
            const auto users = store_->users_in_use(other);
            if (users) in_use.insert(in_use.end(), users->begin(), users->end());
            else known = false;
        }
        if (!known) continue;
        for (const auto& stray : *found) {
            if (std::find(in_use.begin(), in_use.end(), stray.user) != in_use.end()) continue;
            const auto dropped = grants->drop(stray.user, stray.login, std::chrono::steady_clock::now() + drop_time);
            log(dropped ? LogLevel::info : LogLevel::warning, "sweep",
                {{"database", name}, {"user", stray.user}, {"reason", dropped ? "removed" : dropped.error().text()}});
            if (dropped) ++removed;
        }
    }
    return removed;
}

}  // namespace dbguard::broker
