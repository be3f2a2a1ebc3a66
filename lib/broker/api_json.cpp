#include <algorithm>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.hpp"
#include "broker/api.hpp"
#include "identity/json.hpp"

namespace dbguard::broker {
namespace {

using Out = nlohmann::ordered_json;
using identity::Json;

Error bad(std::string detail) { return Error{errc::bad_message, std::move(detail)}; }

// ---- forms -------------------------------------------------------------------------------------------------------------

/// `+` is a space here and only here: WHATWG URL, application/x-www-form-urlencoded parsing.
std::optional<std::string> form_decode(std::string_view text) {
    std::string spaced(text);
    for (char& c : spaced)
        if (c == '+') c = ' ';
    return percent_decode(spaced);
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<std::map<std::string, std::string, std::less<>>> parse_form(std::string_view form) {
    std::map<std::string, std::string, std::less<>> fields;
    while (!form.empty()) {
        const auto end = form.find('&');
        const auto pair = form.substr(0, end);
        form = end == std::string_view::npos ? std::string_view{} : form.substr(end + 1);
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos) return bad("a parameter without '='");
        auto name = form_decode(pair.substr(0, equals));
        auto value = form_decode(pair.substr(equals + 1));
        if (!name || !value || !is_valid_utf8(*name) || !is_valid_utf8(*value)) return bad("bad percent-encoding");
        if (has_control_character(*name) || has_control_character(*value)) return bad("a control character");
        if (fields.size() >= 32) return bad("too many parameters");
        // RFC 6749 §3.2: parameters must not be included more than once.
        if (!fields.try_emplace(std::move(*name), std::move(*value)).second) return bad("a parameter is given twice");
    }
    return fields;
}

// ---- JSON readers --------------------------------------------------------------------------------------------------------

/// Reads members of one object and remembers the first that is missing or of another type.
class Members {
  public:
    explicit Members(const Json* object) : object_(object) {
        if (object_ == nullptr || !object_->is(Json::Kind::object)) fail("object");
    }

    std::string string(std::string_view name) {
        const Json* member = need(name, Json::Kind::string);
        return member ? member->string : std::string();
    }
    bool boolean(std::string_view name) {
        const Json* member = need(name, Json::Kind::boolean);
        return member && member->boolean;
    }
    std::uint64_t number(std::string_view name, std::uint64_t most) {
        const Json* member = need(name, Json::Kind::number);
        if (member == nullptr) return 0;
        if (!member->integer || *member->integer < 0 || static_cast<std::uint64_t>(*member->integer) > most) {
            fail(name);
            return 0;
        }
        return static_cast<std::uint64_t>(*member->integer);
    }
    std::chrono::seconds seconds(std::string_view name) {
        constexpr std::uint64_t year_s = 366ULL * 24 * 3600;
        return std::chrono::seconds(number(name, year_s));
    }
    const Json* object(std::string_view name) { return need(name, Json::Kind::object); }
    const Json* array(std::string_view name) { return need(name, Json::Kind::array); }
    /// Null when absent; then the caller uses a default.
    const Json* optional(std::string_view name) const { return object_ ? object_->find(name) : nullptr; }
    void fail(std::string_view what) {
        if (failed_.empty()) failed_ = what;
    }
    const std::string& failed() const { return failed_; }

  private:
    const Json* need(std::string_view name, Json::Kind kind) {
        const Json* member = object_ && object_->is(Json::Kind::object) ? object_->find(name) : nullptr;
        if (member == nullptr || !member->is(kind)) {
            fail(name);
            return nullptr;
        }
        return member;
    }

    const Json* object_;
    std::string failed_;
};

Result<Json> parse(std::string_view text) {
    identity::JsonLimits limits;
    limits.max_bytes = 4 * 1024 * 1024;  // a grant carries a whole policy file
    auto parsed = identity::parse_json(text, limits);
    if (!parsed) return bad("JSON: " + parsed.error().text());
    return parsed;
}

/// Requests: a member that the service does not know might have been meant to narrow something.
Result<void> only(const Json& object, std::initializer_list<std::string_view> known) {
    for (const auto& [name, value] : object.members)
        if (std::find(known.begin(), known.end(), name) == known.end()) return bad("unknown member");
    return {};
}

std::string_view name(Placement placement) { return placement == Placement::runner ? "runner" : "gateway"; }

}  // namespace

std::string form(const ExchangeRequest& request) {
    std::string text = "grant_type=" + percent_encode(grant_token_exchange) +
                       "&subject_token=" + percent_encode(request.subject_token.reveal()) +
                       "&subject_token_type=" + percent_encode(request.subject_token_type) +
                       "&audience=" + percent_encode(request.database);
    if (!request.role.empty()) text += "&scope=" + percent_encode(request.role);
    return text;
}

Result<ExchangeRequest> parse_exchange_request(std::string_view form) {
    auto parsed = parse_form(form);
    if (!parsed) return parsed.error();
    auto& fields = *parsed;
    const auto take = [&fields](std::string_view name) {
        const auto found = fields.find(name);
        if (found == fields.end()) return std::string();
        std::string value = std::move(found->second);
        fields.erase(found);
        return value;
    };
    ExchangeRequest request;
    const auto grant_type = take("grant_type");
    if (grant_type == grant_token_exchange) {
        request.subject_token = Secret(take("subject_token"));
        request.subject_token_type = take("subject_token_type");
        if (request.subject_token_type != token_type_jwt && request.subject_token_type != token_type_id_token)
            return bad("subject_token_type");
        const auto requested = take("requested_token_type");
        if (!requested.empty() && requested != token_type_access_token) return bad("requested_token_type");
    } else if (grant_type == grant_jwt_bearer) {
        request.subject_token = Secret(take("assertion"));
    } else {
        return Error{error_name::unsupported_grant_type, ""};
    }
    if (request.subject_token.empty()) return bad("no token");
    const auto audience = take("audience");
    const auto resource = take("resource");
    if (!audience.empty() && !resource.empty() && audience != resource) return bad("audience and resource differ");
    request.database = audience.empty() ? resource : audience;
    if (request.database.empty()) return bad("audience");
    request.role = take("scope");
    if (request.role.find(' ') != std::string::npos) return bad("scope takes one role");
    // Delegation (actor_token) would have to be verified and recorded; half of it must not look like all of it.
    if (!fields.empty()) return bad("unknown parameter");
    return request;
}

std::string json(const SessionGrant& grant) {
    Out who = Out::array();
    for (const auto& [claim, value] : grant.who) who.push_back({claim, value});
    const auto& database = grant.database;
    const Out out = {
        {"access_token", grant.access_token.reveal()},
        {"issued_token_type", grant.issued_token_type},
        {"token_type", grant.token_type},
        {"expires_in", grant.expires_in.count()},
        {"session", grant.session},
        {"placement", name(grant.placement)},
        {"database",
         {{"logical_name", grant.database_name},
          {"engine", database.engine},
          {"host", database.host},
          {"port", database.port},
          {"name", database.name},
          {"tls", {{"mode", database.tls.mode}, {"root_certificates", database.tls.root_certificates}}},
          {"user", database.user},
          {"password", database.password.reveal()},
          {"minted", database.minted}}},
        {"role", grant.role},
        {"login", grant.login},
        {"policy", {{"hash", grant.policy_hash}, {"text", grant.policy_text}}},
        {"mask_key", base64(grant.mask_key.reveal())},
        {"who", who},
        {"lease", grant.lease.count()},
        {"heartbeat", grant.heartbeat.count()},
        {"recording", {{"path", grant.recording_path}, {"chunk_bytes", grant.recording_chunk_bytes}}},
    };
    return out.dump();
}

Result<SessionGrant> parse_session_grant(std::string_view text) {
    const auto parsed = parse(text);
    if (!parsed) return parsed.error();
    Members top(&*parsed);
    Members database(top.object("database"));
    Members tls(database.object("tls"));
    Members policy(top.object("policy"));
    Members recording(top.object("recording"));

    SessionGrant grant;
    grant.access_token = Secret(top.string("access_token"));
    grant.issued_token_type = top.string("issued_token_type");
    grant.token_type = top.string("token_type");
    grant.expires_in = top.seconds("expires_in");
    grant.session = top.string("session");
    const auto placement = top.string("placement");
    if (placement == "gateway") grant.placement = Placement::gateway;
    else if (placement != "runner") top.fail("placement");
    grant.database_name = database.string("logical_name");
    grant.database.engine = database.string("engine");
    grant.database.host = database.string("host");
    grant.database.port = static_cast<std::uint16_t>(database.number("port", 65535));
    grant.database.name = database.string("name");
    grant.database.tls.mode = tls.string("mode");
    grant.database.tls.root_certificates = tls.string("root_certificates");
    grant.database.user = database.string("user");
    grant.database.password = Secret(database.string("password"));
    grant.database.minted = database.boolean("minted");
    grant.role = top.string("role");
    grant.login = top.string("login");
    grant.policy_hash = policy.string("hash");
    grant.policy_text = policy.string("text");
    const auto mask_key = base64_decode(top.string("mask_key"));
    if (mask_key) grant.mask_key = Secret(*mask_key);
    else top.fail("mask_key");
    if (const Json* who = top.array("who")) {
        for (const auto& pair : who->items) {
            const bool is_pair = pair.is(Json::Kind::array) && pair.items.size() == 2 &&
                                 pair.items[0].is(Json::Kind::string) && pair.items[1].is(Json::Kind::string);
            if (is_pair) grant.who.emplace_back(pair.items[0].string, pair.items[1].string);
            else top.fail("who");
        }
    }
    grant.lease = top.seconds("lease");
    grant.heartbeat = top.seconds("heartbeat");
    grant.recording_path = recording.string("path");
    grant.recording_chunk_bytes = recording.number("chunk_bytes", 64 * 1024 * 1024);
    for (const auto* members : {&top, &database, &tls, &policy, &recording})
        if (!members->failed().empty()) return bad("session grant: " + members->failed());
    if (grant.access_token.empty() || grant.session.empty() || grant.lease.count() == 0 || grant.heartbeat.count() == 0)
        return bad("session grant: empty member");
    return grant;
}

std::string json(const RenewReply& reply) {
    const Out out = {
        {"lease", reply.lease.count()}, {"expires_in", reply.expires_in.count()}, {"policy_hash", reply.policy_hash}
    };
    return out.dump();
}

Result<RenewReply> parse_renew_reply(std::string_view text) {
    const auto parsed = parse(text);
    if (!parsed) return parsed.error();
    Members top(&*parsed);
    RenewReply reply;
    reply.lease = top.seconds("lease");
    reply.expires_in = top.seconds("expires_in");
    reply.policy_hash = top.string("policy_hash");
    if (!top.failed().empty()) return bad("renewal: " + top.failed());
    return reply;
}

std::string json(const EndRequest& request) { return Out{{"reason", request.reason}}.dump(); }

Result<EndRequest> parse_end_request(std::string_view text) {
    const auto parsed = parse(text);
    if (!parsed) return parsed.error();
    Members top(&*parsed);
    EndRequest request;
    request.reason = top.string("reason");
    if (!top.failed().empty()) return bad(top.failed());
    if (auto known = only(*parsed, {"reason"}); !known) return known.error();
    const bool is_word = !request.reason.empty() && request.reason.size() <= 32 &&
                         request.reason.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    if (!is_word) return bad("reason");
    return request;
}

std::string json(const RecordingReply& reply) { return Out{{"size_bytes", reply.size_bytes}}.dump(); }

Result<RecordingReply> parse_recording_reply(std::string_view text) {
    const auto parsed = parse(text);
    if (!parsed) return parsed.error();
    Members top(&*parsed);
    RecordingReply reply;
    reply.size_bytes = top.number("size_bytes", UINT64_MAX);
    if (!top.failed().empty()) return bad("recording: " + top.failed());
    return reply;
}

std::string json(const ErrorReply& reply) {
    Out out = {
        {"error", reply.error},
        {"error_description", reply.error_description},
        {"correlation_id", reply.correlation_id}
    };
    if (reply.error == error_name::wrong_offset) out["size_bytes"] = reply.size_bytes;
    return out.dump();
}

Result<ErrorReply> parse_error_reply(std::string_view text) {
    const auto parsed = parse(text);
    if (!parsed) return parsed.error();
    Members top(&*parsed);
    ErrorReply reply;
    reply.error = top.string("error");
    reply.error_description = top.string("error_description");
    reply.correlation_id = top.string("correlation_id");
    if (top.optional("size_bytes")) reply.size_bytes = top.number("size_bytes", UINT64_MAX);
    if (!top.failed().empty()) return bad("error: " + top.failed());
    return reply;
}

}  // namespace dbguard::broker
