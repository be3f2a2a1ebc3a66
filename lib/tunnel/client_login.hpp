#pragma once

// A client's login at dbguard's listener, without I/O: everything from the first byte to AuthenticationOk. The session's own random
// user and password, by SCRAM-SHA-256. Source: PostgreSQL manual, "Start-up" and "SASL Authentication".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/postgres/error.hpp"
#include "wire/postgres/scram.hpp"
#include "wire/postgres/startup.hpp"

namespace dbguard::tunnel {

/// What a client must know. One for all clients of a listener; the keys are derived once.
struct LoginTerms {
    std::string user;
    std::string database;
    wire::postgres::ScramVerifier verifier;
    /// Of a password that nobody has: a wrong user name looks like a wrong password.
    wire::postgres::ScramVerifier nobody;
};
LoginTerms make_login_terms(std::string user, std::string database, const Secret& password);

class ClientLogin {
  public:
    enum class State : std::uint8_t {
        reading,        ///< more bytes are needed
        authenticated,  ///< startup() says what for
        cancel,         ///< cancel_request() says what; nothing is to be answered
        failed,         ///< the error is in `out`: send it, then close
        left,           ///< the client only wanted to know whether dbguard speaks TLS, and went
    };

    /// Borrows `terms`.
    explicit ClientLogin(const LoginTerms& terms) : terms_(terms) {}

    /// Takes what the client sent, and appends to `out` what it is to get.
    State receive(std::string_view bytes, std::string& out);
    const wire::postgres::StartupMessage& startup() const { return startup_; }
    const wire::postgres::CancelRequest& cancel_request() const { return cancel_; }
    /// What came behind the last message of the login.
    const std::string& leftover() const { return buffer_; }
    /// The password, or the user, was wrong: worth a delay.
    bool wrong_password() const { return wrong_password_; }

  private:
    enum class Step : std::uint8_t { startup, sasl_initial, sasl_response, done };

    State fail(std::string& out, std::string_view sqlstate, std::string_view message, std::string_view hint = {});
    std::optional<State> startup_packet(std::string& out);
    std::optional<State> begin(std::string& out);
    std::optional<State> password_message(std::string& out);

    const LoginTerms& terms_;
    Step step_ = Step::startup;
    std::string buffer_;
    unsigned encryption_requests_ = 0;
    bool wrong_password_ = false;
    wire::postgres::StartupMessage startup_;
    wire::postgres::CancelRequest cancel_;
    std::optional<wire::postgres::ScramServer> scram_;
};

/// One setting of a startup packet's `options`.
struct StartupSetting {
    std::string name;
    std::string value;
    bool operator==(const StartupSetting&) const = default;
};
/// Reads the command-line switches in `options`: `-c name=value`, `-cname=value` and `--name=value`, parted by white space that a
/// backslash protects. Empty: another switch. Source: PostgreSQL manual, "Message Formats", StartupMessage; postgres(1).
std::optional<std::vector<StartupSetting>> parse_startup_options(std::string_view options);

}  // namespace dbguard::tunnel
