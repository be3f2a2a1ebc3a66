#pragma once

// What a client and the policy service say to each other: plain structs, and their text on the wire (api_json.cpp). Knows
// forms and JSON; knows no sockets (client.hpp, service.hpp), no storage and no rules. doc/broker-api.md is the same in prose.
//
//   POST /v1/token                            form  ExchangeRequest  → SessionGrant    RFC 8693, or RFC 7523's `assertion`
//   POST /v1/sessions/ID/renew                      (no body)        → RenewReply      bearer: the session token
//   POST /v1/sessions/ID/recording?offset=N         bytes            → RecordingReply  bearer
//   POST /v1/sessions/ID/end                  JSON  EndRequest       → {}              bearer
//   GET  /healthz                                                    → {"status":"ok"}
//
// Every refusal is an ErrorReply. Members that a reader does not know are ignored in replies and refused in requests.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace dbguard::broker {

namespace errc {
/// A body that is not what this page says it is.
inline constexpr std::string_view bad_message = "bad_message";
}  // namespace errc

/// RFC 8693 §2.1 and §3.
inline constexpr std::string_view grant_token_exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 7523 §2.1.
inline constexpr std::string_view grant_jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
inline constexpr std::string_view token_type_jwt = "urn:ietf:params:oauth:token-type:jwt";
inline constexpr std::string_view token_type_id_token = "urn:ietf:params:oauth:token-type:id_token";
inline constexpr std::string_view token_type_access_token = "urn:ietf:params:oauth:token-type:access_token";

/// The refusals. The first four are OAuth's (RFC 6749 §5.2, RFC 8693 §2.2.2); the others are dbguard's.
namespace error_name {
/// 400: the request, or its subject token, is not acceptable. Never says which claim.
inline constexpr std::string_view invalid_request = "invalid_request";
inline constexpr std::string_view unsupported_grant_type = "unsupported_grant_type";
/// 400: no such database, or no role opens it for this identity.
inline constexpr std::string_view invalid_target = "invalid_target";
/// 400: the role that was asked for is not among this identity's, or several match and none was named.
inline constexpr std::string_view invalid_scope = "invalid_scope";
/// 403: a person would have to open the session first (`approve_session`), and nobody can be asked yet.
inline constexpr std::string_view approval_required = "approval_required";
/// 401: no session token, or not one of this session.
inline constexpr std::string_view invalid_token = "invalid_token";
/// 410: the session is over: ended, revoked, or its lease ran out.
inline constexpr std::string_view session_over = "session_over";
/// 409: `max_open` sessions of this role are open.
inline constexpr std::string_view too_many_sessions = "too_many_sessions";
/// 409: the recording's size is not `offset`; ErrorReply::size says what it is.
inline constexpr std::string_view wrong_offset = "wrong_offset";
/// 422: the bytes do not continue the recording's chain.
inline constexpr std::string_view broken_chain = "broken_chain";
inline constexpr std::string_view too_large = "too_large";                  ///< 413
inline constexpr std::string_view too_many_requests = "too_many_requests";  ///< 429, with Retry-After
inline constexpr std::string_view not_found = "not_found";                  ///< 404
inline constexpr std::string_view method_not_allowed = "method_not_allowed";  ///< 405
/// 503: the database, the issuer's keys or the store cannot be reached now. Trying again may help.
inline constexpr std::string_view temporarily_unavailable = "temporarily_unavailable";
inline constexpr std::string_view server_error = "server_error";  ///< 500
}  // namespace error_name

struct ExchangeRequest {
    Secret subject_token;
    std::string subject_token_type{token_type_jwt};
    /// The database by its logical name (`shop`), as the policy has it. RFC 8693's `audience`; `resource` is read alike.
    std::string database;
    /// The policy role, when more than one matches. RFC 8693's `scope`: one name. Empty: the one that matches.
    std::string role;
};

/// Where the engine runs (design.md, "One engine, several doors"). `gateway` is not offered yet.
enum class Placement : std::uint8_t { runner, gateway };

/// How the server's certificate is checked. Modes are libpq's; nothing falls back.
struct TlsSettings {
    std::string mode = "verify-full";  ///< disable, require, verify-ca, verify-full
    std::string root_certificates;     ///< PEM text; empty: the system's
    bool operator==(const TlsSettings&) const = default;
};

/// The real server and this session's credential at it.
struct DatabaseAccess {
    std::string engine = "postgres";
    std::string host;  ///< name, address, or the absolute path of a socket directory
    std::uint16_t port = 5432;
    std::string name;  ///< the database on the server
    TlsSettings tls;
    std::string user;
    Secret password;
    bool minted = false;  ///< made for this session and dropped at its end; else a stored credential
    bool operator==(const DatabaseAccess&) const = default;
};

/// An open session: the reply to an ExchangeRequest.
struct SessionGrant {
    // RFC 8693 §2.2.1
    Secret access_token;  ///< the session token: opens the endpoints above for this session only
    std::string issued_token_type{token_type_access_token};
    std::string token_type = "Bearer";
    std::chrono::seconds expires_in{};  ///< until the session ends however often it is renewed

    // dbguard's members
    std::string session;  ///< `s_…`
    Placement placement = Placement::runner;
    std::string database_name;  ///< the logical name
    DatabaseAccess database;
    std::string role;
    std::string login;        ///< what `login` names in the role: the owner of what the session creates
    std::string policy_text;  ///< the whole policy file, for policy::load
    std::string policy_hash;  ///< `sha256:` and 64 hexadecimal digits, of policy_text
    Secret mask_key;          ///< what `hash` is keyed with; raw bytes
    /// Who the service saw, in the order to show: `iss`, then ids, then names. For the recording's head.
    std::vector<std::pair<std::string, std::string>> who;

    std::chrono::seconds lease{};      ///< without a renewal for so long the service ends the session
    std::chrono::seconds heartbeat{};  ///< how often to renew
    std::string recording_path;  ///< where to POST the recording as it grows; empty: it is not wanted
    std::size_t recording_chunk_bytes = 1 << 20;  ///< the largest body that path takes

    bool operator==(const SessionGrant&) const = default;
};

struct RenewReply {
    std::chrono::seconds lease{};
    std::chrono::seconds expires_in{};
    std::string policy_hash;  ///< another than the grant's: the policy changed; the session goes on under the old one
    bool operator==(const RenewReply&) const = default;
};

struct EndRequest {
    std::string reason = "client";  ///< one word, as in the recording's `end`
    bool operator==(const EndRequest&) const = default;
};

struct RecordingReply {
    std::uint64_t size_bytes = 0;  ///< of the whole recording, now
    bool operator==(const RecordingReply&) const = default;
};

/// RFC 6749 §5.2 with a handle for the operator: the audit entry with this id holds the reason.
struct ErrorReply {
    std::string error;              ///< one of error_name
    std::string error_description;  ///< a sentence for people; says nothing of claims
    std::string correlation_id;     ///< `c_…`
    std::uint64_t size_bytes = 0;   ///< wrong_offset only
    bool operator==(const ErrorReply&) const = default;
};

// ---- text on the wire ------------------------------------------------------------------------------------------------
// Parsers take hostile text: they refuse (bad_message) what is malformed, doubled, of another type or out of range.

/// application/x-www-form-urlencoded. The text holds the token: wipe it.
std::string form(const ExchangeRequest& request);
/// Accepts both grant types. Errors: bad_message (detail: the parameter), unsupported_grant_type.
Result<ExchangeRequest> parse_exchange_request(std::string_view form);

std::string json(const SessionGrant& grant);
Result<SessionGrant> parse_session_grant(std::string_view json);
std::string json(const RenewReply& reply);
Result<RenewReply> parse_renew_reply(std::string_view json);
std::string json(const EndRequest& request);
Result<EndRequest> parse_end_request(std::string_view json);
std::string json(const RecordingReply& reply);
Result<RecordingReply> parse_recording_reply(std::string_view json);
std::string json(const ErrorReply& reply);
Result<ErrorReply> parse_error_reply(std::string_view json);

}  // namespace dbguard::broker
