#pragma once

// Logging in to a PostgreSQL server, without I/O: the server's bytes go in, the bytes to send come out, until ReadyForQuery.
// Source: PostgreSQL manual, "Start-up".

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "upstream/database_url.hpp"
#include "wire/postgres/auth.hpp"
#include "wire/postgres/error.hpp"
#include "wire/postgres/frame.hpp"
#include "wire/postgres/result.hpp"
#include "wire/postgres/scram.hpp"
#include "wire/postgres/startup.hpp"

namespace dbguard::upstream {

namespace errc {
inline constexpr std::string_view login_refused =
    "login_refused";  ///< the server's ErrorResponse: see server_error()
inline constexpr std::string_view no_password =
    "no_password";  ///< the server asks for one and there is none
inline constexpr std::string_view unsafe_login =
    "unsafe_login";  ///< the server asks for what would give the password away
inline constexpr std::string_view unsupported_login =
    "unsupported_login";  ///< GSSAPI, SSPI, unknown SASL mechanisms
inline constexpr std::string_view channel_binding_required =
    "channel_binding_required";  ///< and not possible
inline constexpr std::string_view unexpected_message = "unexpected_message";
}  // namespace errc

struct PostgresLoginOptions {
    std::string user;
    std::string database;
    std::optional<Secret> password;
    /// Further startup parameters, in this order, as the client gave them (application_name, options, …). `user` and `database`
    /// in it are ignored.
    UrlParameters parameters;
    wire::postgres::ProtocolVersion version = wire::postgres::protocol_3_0;
    /// Nobody on the way can read: TLS or a Unix socket. Without it a clear-text password is not sent.
    bool private_channel = false;
    bool allow_cleartext = false;
    /// Of the server's certificate, by tls_server_end_point(); empty: no TLS, so no channel binding.
    std::string certificate_hash;
    bool tls = false;
    ChannelBinding channel_binding = ChannelBinding::prefer;
    /// Of an earlier login: saves the derivation.
    std::optional<wire::postgres::ScramClientKeys> scram_keys;
};

/// What the server said of the session.
struct PostgresSession {
    wire::postgres::ProtocolVersion version;
    UrlParameters parameters;  ///< ParameterStatus, in the order of their first report, last value
    std::uint32_t process_id = 0;
    std::string secret_key;  ///< empty: the server sent no BackendKeyData (some poolers)
    wire::postgres::TransactionStatus status = wire::postgres::TransactionStatus::idle;
    std::vector<wire::postgres::ErrorFields> notices;
    std::optional<wire::postgres::ScramClientKeys> scram_keys;  ///< for the next login

    std::optional<std::string_view> parameter(std::string_view name) const;
};

class PostgresLogin {
  public:
    explicit PostgresLogin(PostgresLoginOptions options);

    /// The startup packet. Errors: those of its encoding.
    Result<std::string> start();
    /// Takes bytes from the server and appends to `out` what is to be sent. True: logged in, and session() is complete; what came
    /// behind ReadyForQuery is in leftover(). Errors: above, and the codecs'; the connection is then of no use.
    Result<bool> receive(std::string_view bytes, std::string& out);

    const PostgresSession& session() const { return session_; }
    PostgresSession& session() { return session_; }
    /// After login_refused.
    const std::optional<wire::postgres::ErrorFields>& server_error() const { return server_error_; }
    const std::string& leftover() const { return leftover_; }

  private:
    enum class State : std::uint8_t {
        authentication,
        sasl_continue,
        sasl_final,
        answered,
        parameters,
        ready
    };

    Result<bool> message(const wire::postgres::FrameView& frame, std::string& out);
    Result<void> authentication(const wire::postgres::FrameView& frame, std::string& out);
    Result<void> begin_sasl(const wire::postgres::AuthenticationView& request, std::string& out);
    Result<void> negotiate(const wire::postgres::FrameView& frame);
    Result<void> answer_password(
        const wire::postgres::AuthenticationView& request, std::string& out
    );
    Result<void> accept();

    PostgresLoginOptions options_;
    PostgresSession session_;
    State state_ = State::authentication;
    wire::postgres::FrameReader reader_;
    std::optional<wire::postgres::ScramClient> scram_;
    bool bound_ = false;  ///< SCRAM with channel binding succeeded
    std::optional<wire::postgres::ErrorFields> server_error_;
    std::string leftover_;
    std::size_t messages_ = 0;
};

}  // namespace dbguard::upstream
