#pragma once

// Logging in: the backend's Authentication… messages (one type byte, told apart by a number) and the frontend's answers (one
// type byte, told apart by nothing but the phase). Source: PostgreSQL manual, "Message Formats" and "SASL Authentication".

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "wire/postgres/frame.hpp"

namespace dbguard::wire::postgres {

enum class Authentication : std::int32_t {
    ok = 0,
    kerberos_v5 = 2,  ///< gone since PostgreSQL 9.3; known, never spoken
    cleartext_password = 3,
    md5_password = 5,
    scm_credential = 6,  ///< gone since PostgreSQL 9.1
    gss = 7,             ///< known, not supported by dbguard
    gss_continue = 8,
    sspi = 9,  ///< known, not supported by dbguard
    sasl = 10,
    sasl_continue = 11,
    sasl_final = 12,
};

struct AuthenticationView {
    Authentication kind = Authentication::ok;
    /// md5_password: the salt, 4 bytes. sasl: the mechanisms' names, each ended by a NUL, without the list's own last NUL.
    /// gss_continue, sasl_continue, sasl_final: the mechanism's data. Else empty.
    std::string_view data;
    bool operator==(const AuthenticationView&) const = default;
};
/// Errors besides the usual: bad_value (a number the manual does not know), bad_length (the salt).
Result<AuthenticationView> decode_authentication(std::string_view body);
Result<void> encode(const AuthenticationView& message, ByteWriter& out);

/// The names in an AuthenticationSASL's data, most preferred first.
std::vector<std::string_view> sasl_mechanisms(const AuthenticationView& message);
/// Errors: nul_in_string, bad_value (no or an empty name).
Result<void> encode_authentication_sasl(
    std::span<const std::string_view> mechanisms, ByteWriter& out
);

inline constexpr std::string_view scram_sha_256 = "SCRAM-SHA-256";
inline constexpr std::string_view scram_sha_256_plus = "SCRAM-SHA-256-PLUS";

/// What a frontend message of type 'p' is: the backend's last Authentication… tells.
enum class AuthPhase : std::uint8_t { none, password, sasl_initial, sasl_response, gss_response };

struct PasswordMessageView {
    std::string_view password;  ///< clear, or "md5…"
    bool operator==(const PasswordMessageView&) const = default;
};
struct SASLInitialResponseView {
    std::string_view mechanism;
    std::optional<std::string_view> response;
    bool operator==(const SASLInitialResponseView&) const = default;
};
struct SASLResponseView {
    std::string_view data;
    bool operator==(const SASLResponseView&) const = default;
};
struct GSSResponseView {
    std::string_view data;
    bool operator==(const GSSResponseView&) const = default;
};
Result<PasswordMessageView> decode_password_message(std::string_view body);
Result<SASLInitialResponseView> decode_sasl_initial_response(std::string_view body);
Result<SASLResponseView> decode_sasl_response(std::string_view body);
Result<GSSResponseView> decode_gss_response(std::string_view body);
Result<void> encode(const PasswordMessageView& message, ByteWriter& out);
Result<void> encode(const SASLInitialResponseView& message, ByteWriter& out);
Result<void> encode(const SASLResponseView& message, ByteWriter& out);
Result<void> encode(const GSSResponseView& message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
